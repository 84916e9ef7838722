"""Reads XState machines of versions 4 and 5: the JSON of what `createMachine` takes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Optional

from redis_state._definition import Definition
from redis_state._document import MAX_MS
from redis_state.convert._chart import Arrow, Chart, Kind, Node
from redis_state.convert._flatten import flatten
from redis_state.convert._json import load_json
from redis_state.convert._notes import BY_ITSELF, STAYS, ConversionError, Notes, listed, quoted
from redis_state.convert._source import as_mapping, as_name, as_text, leave_out, many
from redis_state.convert._time import whole_ms

# The field of `meta` in which the writer keeps what XState has no word for.
META = "redis-state"

# By themselves, these take nothing from the machine's moves.
_NO_LOSS: tuple[str, ...] = (
    "$schema",
    "key",
    "order",
    "predictableActionArguments",
    "preserveActionOrder",
    "strict",
    "types",
    "tsTypes",
)
_NO_LOSS += ("delimiter", "schema", "schemas", "transitions")
_READ: tuple[str, ...] = (
    "id",
    "initial",
    "type",
    "parallel",
    "states",
    "on",
    "after",
    "always",
    "onDone",
    "invoke",
    "history",
    "target",
)
_READ += ("meta", "version", *_NO_LOSS)
_OF_A_TRANSITION: tuple[str, ...] = ("target", "guard", "cond", "in", "internal", "reenter", "meta", "delay", "actions")
_OF_A_TRANSITION += ("source", "eventType", "toJSON")

_Waiting = list[tuple[Node, Mapping[str, Any]]]


def read(text: str, notes: Notes) -> Definition:
    """Reads a machine."""
    config = as_mapping(load_json(text), "")
    if "states" not in config and isinstance(config.get("machine"), dict):
        config = as_mapping(config["machine"], "machine")
    return flatten(_Reader(notes).chart(config), notes)


class _Reader:
    def __init__(self, notes: Notes) -> None:
        self.notes = notes
        self.ids: dict[str, Node] = {}
        self.root_id = ""

    def chart(self, config: Mapping[str, Any]) -> Chart:
        root = Node("", "", _kind(config, ""))
        self.root_id = as_name(config.get("id", "(machine)"), "id")
        nodes = self._tree(root, config)
        for node, inner in nodes:
            self._initial(node, inner)
            self._arrows(node, inner)
        for node, inner in nodes:
            self._done(node, inner)
        for node, _ in nodes:
            # XState tries exact names first, then the longest pattern.
            node.arrows.sort(key=lambda arrow: (arrow.prefix, -len(arrow.event or "") if arrow.prefix else 0))
        chart = Chart(root, name=as_name(config.get("id", ""), "id"))
        self._labels(chart, config)
        return chart

    def _labels(self, chart: Chart, config: Mapping[str, Any]) -> None:
        version = str(config.get("version", ""))
        if chart.name and re.fullmatch("[0-9]{1,10}", version):
            chart.revision = int(version)
        elif version:
            self.notes.add("version", f"left out: {quoted(version)} isn't a revision")
        history = _kept(config).get("history", 0)
        if isinstance(history, int) and not isinstance(history, bool):
            chart.history = history

    # ---- states ---------------------------------------------------------------------------------

    def _tree(self, root: Node, config: Mapping[str, Any]) -> _Waiting:
        """Makes the nodes, and returns each with its configuration, in the order of the file."""
        found: _Waiting = []
        waiting: _Waiting = [(root, config)]
        while waiting:
            node, inner = waiting.pop()
            found.append((node, inner))
            self._register(node, inner)
            states = as_mapping(inner.get("states") or {}, _at(node.place, "states"))
            made: _Waiting = []
            for name, value in states.items():
                place = _at(node.place, f"states.{name}")
                child = as_mapping(value or {}, place)
                made.append((node.add(name, place, _kind(child, place)), child))
                kept = _kept(child).get("name")
                if isinstance(kept, str):
                    made[-1][0].name = kept
            waiting += reversed(made)
        return found

    def _register(self, node: Node, config: Mapping[str, Any]) -> None:
        leave_out(config, _READ, node.place, self.notes)
        meta = config.get("meta")
        if isinstance(meta, dict):
            leave_out(meta, (META,), _at(node.place, "meta"), self.notes)
        if node.parent is None or "id" not in config:
            return
        name = as_name(config["id"], _at(node.place, "id"))
        if name in self.ids:
            raise ConversionError(_at(node.place, "id"), f"another state has the id {quoted(name)}")
        self.ids[name] = node

    def _initial(self, node: Node, config: Mapping[str, Any]) -> None:
        value = config.get("initial")
        if isinstance(value, dict):
            leave_out(value, ("target",), _at(node.place, "initial"), self.notes)
            value = value.get("target")
        if value is None or not node.children:
            return
        for target in many(value):
            text = as_text(target, _at(node.place, "initial"))
            found = node.named.get(text) or self._lookup(node, text, _at(node.place, "initial"))
            if node not in found.upwards() or found is node:
                raise ConversionError(_at(node.place, "initial"), f"{quoted(text)} isn't inside the state")
            node.initial.append(found)

    # ---- transitions ----------------------------------------------------------------------------

    def _arrows(self, node: Node, config: Mapping[str, Any]) -> None:
        if node.kind in (Kind.HISTORY, Kind.DEEP_HISTORY):
            if "target" in config:
                node.arrows += self._made(node, config["target"], _at(node.place, "target"), None)
            return
        for event, value in as_mapping(config.get("on") or {}, _at(node.place, "on")).items():
            self._event(node, event, value, _at(node.place, f"on.{event}"))
        self._event(node, "", config.get("always"), _at(node.place, "always"))
        self._timers(node, config.get("after"), _at(node.place, "after"))
        for at, invoke in enumerate(many(config.get("invoke"))):
            self._invoke(node, invoke, _at(node.place, f"invoke[{at}]"))
        self._deletion(node, _kept(config))

    def _event(self, node: Node, event: str, value: Any, place: str) -> None:
        if event == "":
            if value is not None:
                self.notes.add(place, BY_ITSELF)
                node.arrows += self._made(node, value, place, None)
            return
        prefix = event == "*" or event.endswith(".*")
        for arrow in self._made(node, value, place, event[:-1].rstrip(".") if prefix else event):
            arrow.prefix = prefix and not arrow.beside
            node.arrows.append(arrow)

    def _made(self, node: Node, value: Any, place: str, event: Optional[str]) -> Iterator[Arrow]:
        """Yields the arrows of a transition: one, or one for each of a list."""
        if value is None or value == []:
            value = {}
        is_list = isinstance(value, list)
        for at, one in enumerate(value if is_list else [value]):
            where = f"{place}[{at}]" if is_list else place
            row = {"target": one} if one is None or isinstance(one, str) else as_mapping(one, where)
            yield self._arrow(node, row, where, event)

    def _arrow(self, node: Node, row: Mapping[str, Any], place: str, event: Optional[str]) -> Arrow:
        leave_out(row, _OF_A_TRANSITION, place, self.notes)
        actions = [_name_of(action) for action in many(row.get("actions"))]
        if actions:
            self.notes.add(place, f"actions left out: {listed(actions)}")
        guard = next((_name_of(row[key]) for key in ("guard", "cond", "in") if row.get(key) is not None), None)
        targets = [self._lookup(node, as_text(to, place), place, True) for to in many(row.get("target"))]
        arrow = Arrow(event, targets, place, guard)
        if not targets:
            arrow.stays, arrow.blocks = bool(actions), not actions
            if actions:
                self.notes.add(place, STAYS)
        kept = _kept(row)
        if isinstance(kept.get("event"), str):
            arrow.event, arrow.beside = kept["event"], True
        return arrow

    def _timers(self, node: Node, value: Any, place: str) -> None:
        if value is None:
            return
        if isinstance(value, list):
            rows = [(as_mapping(one, f"{place}[{at}]").get("delay"), one) for at, one in enumerate(value)]
        else:
            rows = list(as_mapping(value, place).items())
        for delay, one in rows:
            where = _at(place, str(delay))
            for arrow in self._made(node, one, where, None):
                if arrow.blocks:
                    continue
                arrow.timer, arrow.ms = True, self._ms(delay, where)
                node.arrows.append(arrow)

    def _ms(self, delay: Any, place: str) -> Optional[int]:
        text = str(delay)
        if not re.fullmatch(r"[0-9]{1,20}(\.[0-9]{1,20})?", text):
            if text != "timer":
                what = f"the delay {quoted(text)} is computed there: here the move into the state gives it, with AFTER"
                self.notes.add(place, what)
            return None
        return whole_ms(min(float(text), 2.0 * MAX_MS), place, self.notes)

    def _invoke(self, node: Node, value: Any, place: str) -> None:
        row = {"src": value} if isinstance(value, str) else as_mapping(value, place)
        name = str(row.get("id") or _name_of(row.get("src", "")))
        self.notes.add(place, f"nothing is started: a worker has to do {quoted(name)}, and fire what comes of it")
        leave_out(row, ("id", "src", "onDone", "onError"), place, self.notes)
        for key, start in (("onDone", "done"), ("onError", "error")):
            if key in row:
                event = f"{start}.{name}" if name else start
                self.notes.add(_at(place, key), f"is the event {quoted(event)}")
                node.arrows += self._made(node, row[key], _at(place, key), event)

    def _done(self, node: Node, config: Mapping[str, Any]) -> None:
        if config.get("onDone") is None or node.parent is None:
            return
        place = _at(node.place, "onDone")
        finals = [child for child in node.children if child.kind is Kind.FINAL]
        ends = [node] if node.kind is Kind.PARALLEL else finals
        self.notes.add(place, BY_ITSELF if ends else "never made: there is no final state inside")
        for end in ends:
            end.arrows += self._made(node, config["onDone"], place, None)

    def _deletion(self, node: Node, kept: Mapping[str, Any]) -> None:
        if "delete" in kept:
            ms = kept["delete"]
            whole = None if ms is None else whole_ms(ms, _at(node.place, "meta"), self.notes)
            node.arrows.append(Arrow(None, [], _at(node.place, "meta"), timer=True, ms=whole, deletes=True))

    # ---- targets --------------------------------------------------------------------------------

    def _lookup(self, node: Node, target: str, place: str, sibling: bool = False) -> Node:
        """Finds `#id`, `#id.inner`, `.inner` and, from the parent on, `sibling.inner`."""
        found: Optional[Node] = None
        if target.startswith("#"):
            found = self._by_id(node, target[1:])
        elif target.startswith("."):
            found = _descend(node, target[1:])
        else:
            found = _descend(node.parent if sibling and node.parent is not None else node, target)
        if found is None:
            raise ConversionError(place, f"no state {quoted(target)}")
        return found

    def _by_id(self, node: Node, name: str) -> Optional[Node]:
        parts = _parts(name)
        # Version 5 takes the first part for an id, version 4 the whole.
        for at in range(1, len(parts) + 1):
            head = self.ids.get(".".join(parts[:at]))
            found = head and _inside(head, parts[at:])
            if found:
                return found
        # The id of a state without one is that of the machine and its path.
        root = list(node.upwards())[-1]
        if name == self.root_id:
            return root
        return _descend(root, name[len(self.root_id) + 1 :]) if name.startswith(self.root_id + ".") else None


def _descend(node: Node, path: str) -> Optional[Node]:
    """Finds a state by its path. A name may have dots in it: then its key, or the key with `\\.`, is taken."""
    if path in node.named:
        return node.named[path]
    return _inside(node, _parts(path))


def _inside(node: Node, names: list[str]) -> Optional[Node]:
    for name in names:
        if name not in node.named:
            return None
        node = node.named[name]
    return node


def _parts(path: str) -> list[str]:
    """Splits a path at its dots, but not at `\\.`."""
    return [re.sub(r"\\(.)", r"\1", part) for part in re.findall(r"(?:\\.|[^.\\])+", path)]


def _kind(config: Mapping[str, Any], place: str) -> Kind:
    if config.get("type") == "history" or (config.get("history") and "states" not in config):
        return Kind.DEEP_HISTORY if config.get("history") == "deep" else Kind.HISTORY
    if config.get("type") == "parallel" or config.get("parallel") is True:
        return Kind.PARALLEL
    kind = config.get("type")
    if kind not in (None, "atomic", "compound", "final"):
        raise ConversionError(_at(place, "type"), f"no type of states: {quoted(kind)}")
    return Kind.FINAL if kind == "final" else Kind.PLAIN


def _kept(config: Mapping[str, Any]) -> Mapping[str, Any]:
    meta = config.get("meta")
    kept = meta.get(META) if isinstance(meta, dict) else None
    return kept if isinstance(kept, dict) else {}


def _name_of(value: Any) -> str:
    """Returns the name of an action, a guard or a source: a string, or an object with a type."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return str(value.get("type") or value.get("src") or value.get("name") or "object")
    return str(value)


def _at(place: str, step: str) -> str:
    return f"{place}.{step}" if place else step
