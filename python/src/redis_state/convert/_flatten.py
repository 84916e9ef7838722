"""Makes a definition of a chart.

The states of the definition are the nodes in which a machine can rest: those without others inside
them. An arrow of a composite counts for every state inside it that has none of its own. What the
root has for all states becomes `any`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any, Optional

from redis_state._definition import Definition
from redis_state._document import MAX_NAME_BYTES
from redis_state._errors import InvalidDefinition
from redis_state.convert._chart import Arrow, Chart, Kind, Node
from redis_state.convert._limits import MAX_TRANSITIONS, check_document, check_states, check_transitions
from redis_state.convert._notes import ConversionError, Notes, listed, quoted

# Targets by event, each once.
_Row = dict[str, dict[str, None]]

CHOOSE = "leads to several states: the caller says which, with TO"


def flatten(chart: Chart, notes: Notes) -> Definition:
    """Returns the definition that the chart describes. What it can't say is added to the notes."""
    _first_region_of_a_parallel_root(chart, notes)
    document = _Flattening(chart, notes).document()
    try:
        encoded = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    except UnicodeEncodeError as error:
        raise ConversionError("", f"a name has half a surrogate pair: {quoted(error.object[error.start])}") from None
    check_document(document, len(encoded))
    try:
        return Definition.from_document(document)
    except InvalidDefinition as error:
        raise ConversionError("", str(error)) from error


def _first_region_of_a_parallel_root(chart: Chart, notes: Notes) -> None:
    root = chart.root
    if root.kind is not Kind.PARALLEL or not root.children:
        return
    first, others = root.children[0], root.children[1:]
    for other in others:
        what = f"the machine is in several regions at once, and only the first one, {quoted(first.name)}, is kept: "
        notes.add(other.place, what + f"convert {quoted(other.name)} as a machine of its own")
    left_out = {id(node) for other in others for node in other.below()}
    for node in root.below():
        node.arrows = [arrow for arrow in node.arrows if not any(id(to) in left_out for to in arrow.targets)]
    root.kind, root.children, root.initial = Kind.PLAIN, [first], [first]


class _Flattening:
    def __init__(self, chart: Chart, notes: Notes) -> None:
        self.chart = chart
        self.notes = notes
        self.entries: dict[int, list[Node]] = {}
        self.transitions = 0
        self._keep_what_leaves_parallel_states()
        self._expand_prefixes()
        self.leaves = list(_leaves(chart.root))
        if not self.leaves:
            raise ConversionError(chart.root.place, "the machine has no states")
        check_states(len(self.leaves))
        self.names = self._named()

    def document(self) -> dict[str, Any]:
        any_row = self._any()
        rows = {self.names[id(leaf)]: self._own(leaf, any_row) for leaf in self.leaves}
        document: dict[str, Any] = {"map": {name: _compact(row) for name, row in rows.items()}}
        if any_row:
            document["any"] = _singles(any_row)
        timers = {self.names[id(leaf)]: timer for leaf in self.leaves for timer in self._timer(leaf)}
        if timers:
            document["after"] = timers
        document.update(self._labels())
        document["initial"] = self._initial()
        return document

    def _labels(self) -> dict[str, Any]:
        chart = self.chart
        labels: dict[str, Any] = {}
        if chart.history:
            labels["history"] = chart.history
        if len(chart.name.encode("utf-8", "replace")) > MAX_NAME_BYTES:
            self.notes.add("", f"the name {quoted(chart.name)} is left out: names have up to {MAX_NAME_BYTES} bytes")
        elif chart.name:
            labels["name"] = chart.name
            if chart.revision is not None:
                labels["revision"] = chart.revision
        return labels

    # ---- states ---------------------------------------------------------------------------------

    def _named(self) -> dict[int, str]:
        """Names each state by its path. A name that another state has gets a number."""
        names: dict[int, str] = {}
        taken: set[str] = set()
        for leaf in self.leaves:
            path = [node.name for node in leaf.upwards() if node.parent is not None]
            wanted = name = ".".join(reversed(path))
            number = 1
            while name in taken:
                number += 1
                name = f"{wanted} ({number})"
            if name != wanted:
                self.notes.add(leaf.place, f"another state is named {quoted(wanted)} too, so this is {quoted(name)}")
            taken.add(name)
            names[id(leaf)] = name
        self._note_composites(names)
        return names

    def _note_composites(self, names: dict[int, str]) -> None:
        for node in self.chart.root.below():
            if node.parent is None or not node.children or node.kind is Kind.PARALLEL or _in_parallel(node):
                continue
            inner = [names[id(leaf)] for leaf in _leaves(node) if leaf is not node]
            if id(node) in names:
                self.notes.add(node.place, f"no initial state inside {quoted(node.name)}: it is a state of its own")
            self.notes.add(node.place, f"the states inside {quoted(node.name)} are flattened: {listed(inner)}")

    def _initial(self) -> str:
        root = self.chart.root
        if not root.initial:
            raise ConversionError(root.place, "there is no initial state")
        found = self._enter_all(root.initial, root.place)
        if len(found) > 1:
            names = [self.names[id(leaf)] for leaf in found]
            self.notes.add(root.place, f"the machine may begin in {listed(names)}: here it begins in the first")
        return self.names[id(found[0])]

    def _enter_all(self, nodes: Iterable[Node], place: str) -> list[Node]:
        """Returns the states in which a machine may be after it has entered these nodes."""
        found = {id(leaf): leaf for node in nodes for leaf in self._enter(node)}
        if not found:
            raise ConversionError(place, "leads nowhere: only to choices and history states that lead to each other")
        return list(found.values())

    def _enter(self, node: Node) -> list[Node]:
        if id(node) not in self.entries:
            seen: set[int] = set()
            found: list[Node] = []
            waiting = [node]
            while waiting:
                inner = waiting.pop()
                if id(inner) in seen:
                    continue
                seen.add(id(inner))
                onwards = self._next(inner)
                waiting.extend(reversed(onwards))
                if not onwards and _rests(inner):
                    found.append(inner)
            self.entries[id(node)] = found
        return self.entries[id(node)]

    def _next(self, node: Node) -> list[Node]:
        """Returns the nodes that an entry into this one goes on to at once; none if the machine rests here."""
        outside = [around for around in node.upwards() if around.kind is Kind.PARALLEL and around.parent is not None]
        if outside and outside[-1] is not node:
            self.notes.add(node.place, f"inside {quoted(outside[-1].name)}, of which nothing is kept: it leads there")
            return [outside[-1]]
        if _rests(node):
            return []
        if node.kind is Kind.CHOICE:
            return self._choices(node)
        if node.kind in (Kind.HISTORY, Kind.DEEP_HISTORY):
            return self._remembered(node)
        return node.initial

    def _choices(self, node: Node) -> list[Node]:
        for arrow in node.arrows:
            if arrow.guard:
                self.notes.add(arrow.place, _condition(arrow.guard))
        what = f"the choice {quoted(node.name)} isn't a state here: moves lead past it, and the caller says where to"
        self.notes.add(node.place, what)
        return [target for arrow in node.arrows for target in arrow.targets]

    def _remembered(self, node: Node) -> list[Node]:
        parent = node.parent or node
        inner = [child for child in parent.children if child.kind in (Kind.PLAIN, Kind.FINAL, Kind.PARALLEL)]
        if node.kind is Kind.DEEP_HISTORY:
            inner = [leaf for leaf in _leaves(parent) if leaf is not parent]
        what = "a machine doesn't remember the last inner state: the caller says which, with TO"
        self.notes.add(node.place, f"history of {quoted(parent.name)}: {what}")
        return [target for arrow in node.arrows for target in arrow.targets] + inner

    # ---- moves ----------------------------------------------------------------------------------

    def _own(self, leaf: Node, any_row: _Row) -> _Row:
        """Returns the entry of a state: what `any` doesn't say."""
        row, name = self._row(leaf), self.names[id(leaf)]
        for event, targets in any_row.items():
            given = [target for target in targets if target != name]
            if list(row.get(event, ())) == given:
                row.pop(event, None)
            elif given and not row.get(event):
                row[event] = {}
        own = {event: targets for event, targets in row.items() if targets or event in any_row}
        self.transitions += sum(map(len, own.values()))
        check_transitions(self.transitions)
        return own

    def _row(self, leaf: Node) -> _Row:
        """Returns all moves of a state, those of the nodes around it too."""
        row: _Row = {}
        hidden: set[str] = set()
        for node in self._around(leaf):
            met: set[str] = set()
            for arrow in node.arrows:
                event = arrow.event or ""
                if arrow.timer or event in hidden:
                    continue
                if self.chart.first_wins and event in met and not arrow.beside:
                    self.notes.add(arrow.place, "never taken: one before it has no condition")
                    continue
                self._add(row, leaf, arrow)
                if not arrow.guard:
                    met.add(event)
            hidden |= met
        return row

    def _around(self, leaf: Node) -> Iterator[Node]:
        """Yields the nodes whose arrows count in a state, the state itself first."""
        for node in leaf.upwards():
            if leaf.kind is Kind.FINAL and node is leaf.parent and node.parent is None and self.chart.final_stops:
                return
            yield node

    def _add(self, row: _Row, leaf: Node, arrow: Arrow) -> None:
        if arrow.guard:
            self.notes.add(arrow.place, _condition(arrow.guard))
        targets = row.setdefault(arrow.event or "", {})
        before = len(targets)
        for target in self._targets(leaf, arrow):
            if not (arrow.not_self and target == self.names[id(leaf)]):
                targets[target] = None
        if arrow.event and len(targets) > max(before, 1):
            self.notes.add(arrow.place, f"{quoted(arrow.event)} {CHOOSE}")

    def _targets(self, leaf: Node, arrow: Arrow) -> list[str]:
        if arrow.blocks:
            return []
        if arrow.stays:
            if any(other.timer for other in leaf.arrows):
                self.notes.add(arrow.place, "a move onto the same state starts its timer anew")
            return [self.names[id(leaf)]]
        return [self.names[id(to)] for to in self._enter_all(arrow.targets, arrow.place)]

    def _any(self) -> _Row:
        """Returns the moves of the root that have an event: those of every state."""
        row: _Row = {}
        met: set[str] = set()
        for arrow in self.chart.root.arrows:
            if arrow.timer or not arrow.event or arrow.stays or arrow.blocks or arrow.event in met:
                continue
            row.setdefault(arrow.event, {}).update(dict.fromkeys(self._targets(self.chart.root, arrow)))
            if self.chart.first_wins and not arrow.guard:
                met.add(arrow.event)
        return row

    # ---- timers ---------------------------------------------------------------------------------

    def _timer(self, leaf: Node) -> Iterator[dict[str, Any]]:
        """Yields the timer of a state, if it has one: the nearest, and of several the first that is due."""
        chosen: Optional[Arrow] = None
        for node in self._around(leaf):
            timers = [arrow for arrow in node.arrows if arrow.timer]
            for arrow in sorted(timers, key=_urgency):
                if chosen is not None:
                    self.notes.add(arrow.place, f"left out in {quoted(self.names[id(leaf)])}: a state has one timer")
                    continue
                chosen = arrow
                if arrow.guard:
                    self.notes.add(arrow.place, _condition(arrow.guard, "the timer fires in any case"))
                if node is not leaf:
                    what = "the time begins anew in each inner state: a move can give what is left of it, with AFTER"
                    self.notes.add(arrow.place, what)
                yield self._timer_row(leaf, arrow)

    def _timer_row(self, leaf: Node, arrow: Arrow) -> dict[str, Any]:
        targets = [None] if arrow.deletes else self._targets(leaf, arrow)
        if len(targets) > 1:
            self.notes.add(arrow.place, f"a timer leads to one state, so it leads to {quoted(targets[0])}")
        return {"to": targets[0]} if arrow.ms is None else {"to": targets[0], "ms": arrow.ms}

    # ---- before all that ------------------------------------------------------------------------

    def _keep_what_leaves_parallel_states(self) -> None:
        """Moves to each parallel state the arrows that lead out of it from inside, and notes the regions."""
        for node in list(self.chart.root.below()):
            if node.kind is not Kind.PARALLEL or _in_parallel(node):
                continue
            for region in node.children:
                names = [inner.name for inner in region.below()]
                what = f"a machine is in one state at a time: {quoted(node.name)} is kept as one state, "
                self.notes.add(region.place, what + f"and what is inside is left out: {listed(names)}")
                node.arrows += [arrow for inner in region.below() for arrow in _leaving(inner, node)]

    def _expand_prefixes(self) -> None:
        """Puts the events that the file names in the place of `*` and of `a.*`."""
        nodes = list(self.chart.root.below())
        named = [arrow.event for node in nodes for arrow in node.arrows if arrow.event and not arrow.prefix]
        events, budget = list(dict.fromkeys(named)), MAX_TRANSITIONS
        for node in nodes:
            arrows = []
            for arrow in node.arrows:
                made = [arrow] if not arrow.prefix else self._expanded(arrow, events)
                budget -= len(made)
                if budget < 0:
                    raise ConversionError(arrow.place, f"over {MAX_TRANSITIONS} transitions")
                arrows += made
            node.arrows = arrows

    def _expanded(self, arrow: Arrow, events: list[str]) -> list[Arrow]:
        start = arrow.event or ""
        found = [event for event in events if not start or event == start or event.startswith(start + ".")]
        shown = quoted(start + ".*" if start else "*")
        if not found:
            self.notes.add(arrow.place, f"no event of the file fits {shown}, so it is an event of this name")
            return [replace(arrow, event=start + ".*" if start else "*", prefix=False)]
        self.notes.add(arrow.place, f"{shown} is every event that the file names: {listed(found)}; no others")
        return [replace(arrow, event=event, prefix=False) for event in found]


def _leaves(root: Node) -> Iterator[Node]:
    """Yields the nodes in which a machine can rest."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        if _rests(node) and node.parent is not None:
            yield node
        if node.kind is not Kind.PARALLEL:
            waiting.extend(reversed(node.children))


def _rests(node: Node) -> bool:
    if node.kind in (Kind.PARALLEL, Kind.FINAL):
        return True
    if node.kind is Kind.CHOICE:
        return not node.arrows
    return node.kind is Kind.PLAIN and not node.initial


def _in_parallel(node: Node) -> bool:
    return any(around.kind is Kind.PARALLEL for around in node.upwards() if around is not node)


def _leaving(inner: Node, parallel: Node) -> Iterator[Arrow]:
    for arrow in inner.arrows:
        if arrow.targets and not any(parallel in to.upwards() for to in arrow.targets):
            yield replace(arrow, guard=arrow.guard or f"in {inner.name}")


def _condition(guard: str, then: str = "the caller decides") -> str:
    return f"the condition {quoted(guard)} isn't checked: {then}"


def _urgency(arrow: Arrow) -> tuple[bool, bool, int]:
    return bool(arrow.guard), arrow.ms is None, arrow.ms or 0


def _singles(row: _Row) -> dict[str, Any]:
    return {event: next(iter(targets)) if len(targets) == 1 else list(targets) for event, targets in row.items()}


def _compact(row: _Row) -> Any:
    if set(row) <= {""}:
        return list(row.get("", ()))
    return _singles(row)
