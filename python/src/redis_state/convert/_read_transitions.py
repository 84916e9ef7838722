"""Reads machines of the Python library transitions: the arguments of its constructor in JSON or YAML."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Optional

from redis_state._definition import Definition
from redis_state.convert._chart import Arrow, Chart, Kind, Node
from redis_state.convert._flatten import flatten
from redis_state.convert._limits import MAX_DEPTH
from redis_state.convert._notes import STAYS, ConversionError, Notes, listed, quoted
from redis_state.convert._source import as_list, as_mapping, as_name, leave_out, load, many
from redis_state.convert._time import whole_ms

# The trigger by which the writer says a timer.
TIMER = "_timer"

# `to_x`, the library's own trigger for a move to x, is a move without a name.
TO = "to_"

_SEPARATORS = ("_", ".", "/", "↦")
_STYLE = ("auto_transitions", "model", "model_attribute", "model_override", "queued", "send_event", "models")
_READ = ("states", "transitions", "initial", "name", "ordered_transitions", *_STYLE)
_OF_A_STATE: tuple[str, ...] = (
    "name",
    "children",
    "states",
    "initial",
    "parallel",
    "transitions",
    "timeout",
    "on_timeout",
)
_OF_A_STATE += ("ignore_invalid_triggers", "final", "label")
_FIELDS = ("trigger", "source", "dest", "conditions", "unless", "before", "after", "prepare")


def read(text: str, notes: Notes) -> Definition:
    """Reads the arguments of a Machine or a HierarchicalMachine."""
    config = as_mapping(load(text, notes), "")
    if "states" not in config and isinstance(config.get("machine"), dict):
        config = as_mapping(config["machine"], "machine")
    return read_config(config, notes)


def read_config(config: Mapping[str, Any], notes: Notes) -> Definition:
    """Reads the arguments as an object."""
    return flatten(_Reader(notes).chart(config), notes)


class _Reader:
    def __init__(self, notes: Notes) -> None:
        self.notes = notes
        self.root = Node("", "")
        self.scopes: list[tuple[Node, Mapping[str, Any]]] = []
        # Events that `*` has taken for all states: what follows is never taken.
        self.taken: set[str] = set()

    def chart(self, config: Mapping[str, Any]) -> Chart:
        leave_out(config, _READ, "", self.notes)
        if config.get("auto_transitions", True) is not False:
            what = "the library's own moves from each state to each (`to_x`) are left out: SM.FORCE makes such moves"
            self.notes.add("auto_transitions", what)
        self._tree(config)
        self._initial(config.get("initial", "initial"))
        for scope, inner in self.scopes:
            self._transitions(scope, inner)
        if config.get("ordered_transitions"):
            self._ordered()
        for scope, inner in self.scopes:
            self._timeout(scope, inner)
        name = config.get("name")
        return Chart(self.root, final_stops=False, name="" if name is None else as_name(name, "name"))

    # ---- states ---------------------------------------------------------------------------------

    def _tree(self, config: Mapping[str, Any]) -> None:
        waiting = [(self.root, config)]
        while waiting:
            node, inner = waiting.pop()
            self.scopes.append((node, inner))
            made = []
            for key in ("children", "states", "parallel"):
                for at, value in enumerate(many(inner.get(key))):
                    place = f"{node.place}.{key}[{at}]".lstrip(".")
                    row = as_mapping(value, place) if isinstance(value, dict) else {"name": as_name(value, place)}
                    made.append((self._node(node, row, place), row))
            waiting += reversed(made)
        for node, inner in self.scopes[1:]:
            self._inner_initial(node, inner)

    def _node(self, parent: Node, row: Mapping[str, Any], place: str) -> Node:
        leave_out(row, _OF_A_STATE, place, self.notes)
        if "name" not in row:
            raise ConversionError(place, "a state without a name")
        name = as_name(row["name"], f"{place}.name")
        if name in parent.named:
            raise ConversionError(place, f"the state {quoted(name)} is there twice")
        is_parallel = "parallel" in row or isinstance(row.get("initial"), (list, tuple))
        return parent.add(name, place, Kind.PARALLEL if is_parallel else Kind.PLAIN)

    def _inner_initial(self, node: Node, row: Mapping[str, Any]) -> None:
        initial = row.get("initial")
        if initial not in (None, False) and node.children and node.kind is Kind.PLAIN:
            node.initial = [self._find(node, as_name(initial, f"{node.place}.initial"), f"{node.place}.initial")]

    def _initial(self, value: Any) -> None:
        if value is None:
            raise ConversionError("initial", "there is no initial state")
        for name in _names(value):
            if _look(self.root, name) is None:
                self.notes.add("initial", f"the library adds the state {quoted(name)}, as there is none")
                self.root.add(name, "initial")
            self.root.initial.append(self._find(self.root, name, "initial"))

    def _find(self, scope: Node, name: str, place: str) -> Node:
        """Finds a state by its path from a scope, or from the machine."""
        found = _look(scope, name) or _look(self.root, name)
        if found is None:
            raise ConversionError(place, f"no state {quoted(name)}")
        return found

    # ---- transitions ----------------------------------------------------------------------------

    def _transitions(self, scope: Node, config: Mapping[str, Any]) -> None:
        place = f"{scope.place}.transitions".lstrip(".")
        for at, value in enumerate(as_list(config.get("transitions") or [], place)):
            where = f"{place}[{at}]"
            row = dict(zip(_FIELDS, value)) if isinstance(value, (list, tuple)) else as_mapping(value, where)
            missing = [field for field in _FIELDS[:3] if field not in row]
            if missing:
                raise ConversionError(where, f"a transition without {listed(missing)}")
            self._transition(scope, row, where)

    def _transition(self, scope: Node, row: Mapping[str, Any], place: str) -> None:
        leave_out(row, ("trigger", "source", "dest", "conditions", "unless", "label"), place, self.notes)
        event = as_name(row["trigger"], f"{place}.trigger")
        guards = [_name_of(one) for one in many(row.get("conditions"))]
        guards += ["not " + _name_of(one) for one in many(row.get("unless"))]
        guard = " and ".join(guards) or None
        sources = [as_name(one, f"{place}.source") for one in many(row["source"])]
        if scope is self.root and event in self.taken:
            self.notes.add(place, f"never taken: `*` before it takes {quoted(event)} in each state")
            return
        if sources == ["*"]:
            self._from_all(scope, event, row["dest"], place, guard)
            return
        for source in sources:
            node = self._find(scope, source, f"{place}.source")
            node.arrows.append(self._arrow(scope, node, event, row["dest"], place, guard))

    def _from_all(self, scope: Node, event: str, dest: Any, place: str, guard: Optional[str]) -> None:
        if scope is self.root and guard is None:
            self.taken.add(event)
            scope.arrows.append(self._arrow(scope, None, event, dest, place, guard))
            return
        for child in scope.children:
            child.arrows.append(self._arrow(scope, child, event, dest, place, guard))

    def _arrow(
        self, scope: Node, source: Optional[Node], event: str, dest: Any, place: str, guard: Optional[str]
    ) -> Arrow:
        if dest is None or (dest == "=" and source is None):
            if dest is None:
                self.notes.add(place, STAYS)
            return Arrow(event, [], place, guard, stays=True)
        target = (
            source if dest == "=" and source else self._find(scope, as_name(dest, f"{place}.dest"), f"{place}.dest")
        )
        if event == TIMER:
            return Arrow(None, [target], place, guard, timer=True)
        if event == f"{TO}{dest}":
            self.notes.add(place, f"{quoted(event)} is a move without a name: SM.MOVE makes it")
            return Arrow(None, [target], place, guard, beside=True)
        return Arrow(event, [target], place, guard)

    def _ordered(self) -> None:
        nodes = list(self.root.below())[1:]
        for node, following in zip(nodes, nodes[1:] + nodes[:1]):
            node.arrows.append(Arrow("next_state", [following], "ordered_transitions"))

    # ---- timers ---------------------------------------------------------------------------------

    def _timeout(self, node: Node, row: Mapping[str, Any]) -> None:
        seconds = row.get("timeout")
        if seconds in (None, 0) or node is self.root:
            return
        place = f"{node.place}.timeout"
        if isinstance(seconds, bool) or not isinstance(seconds, (int, float)):
            raise ConversionError(place, f"expected a number of seconds, found {quoted(seconds)}")
        triggers = [_name_of(one) for one in many(row.get("on_timeout"))]
        ms = whole_ms(seconds * 1000, place, self.notes)
        if triggers == [TIMER]:
            for arrow in node.arrows:
                arrow.ms = ms if arrow.timer else None
            return
        found = next(self._by_triggers(node, triggers), None)
        if found is None:
            self.notes.add(place, f"left out: on_timeout calls {listed(triggers)}, which is no trigger of the state")
            return
        self.notes.add(place, f"the timer makes the move {quoted(found.event)}, and callers may fire it too")
        timer = Arrow(None, found.targets, place, found.guard, stays=found.stays, timer=True, ms=ms)
        node.arrows.append(timer)

    def _by_triggers(self, node: Node, triggers: list[str]) -> Iterator[Arrow]:
        for around in node.upwards():
            yield from (arrow for arrow in around.arrows if arrow.event in triggers and not arrow.timer)


def _names(value: Any) -> list[str]:
    """Returns the names of an initial state; of several, which may be lists in lists, if it is in parallel ones."""
    found: list[str] = []
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, (list, tuple)):
            waiting.extend(reversed(one))
        else:
            found.append(as_name(one, "initial"))
    return found


def _look(scope: Node, name: str) -> Optional[Node]:
    """Finds a state by its path. The separator is `_` unless the machine has another."""
    waiting = [(scope, name, 0)]
    while waiting:
        node, rest, depth = waiting.pop()
        if rest in node.named:
            return node.named[rest]
        for at, letter in enumerate(rest[: 100 * MAX_DEPTH] if node.children else ""):
            if letter in _SEPARATORS and rest[:at] in node.named and depth < MAX_DEPTH:
                waiting.append((node.named[rest[:at]], rest[at + 1 :], depth + 1))
    return None


def _name_of(value: Any) -> str:
    return value if isinstance(value, str) else str(getattr(value, "__name__", value))
