"""Reads Mermaid state diagrams.

An id is one state, wherever in the text it stands. Its home is the composite that declares it, else
the innermost one that names it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Optional

from redis_state._definition import Definition
from redis_state.convert._chart import Arrow, Chart, Kind, Node
from redis_state.convert._flatten import flatten
from redis_state.convert._mermaid_syntax import EDGE, Statement, plain_text, statements
from redis_state.convert._notes import ConversionError, Notes, listed, quoted
from redis_state.convert._time import of_shown

# What the server and the writer draw for the events of `any`.
ANY = ("any", "#42;")

_FRONT = re.compile(r"\s*---[ \t]*\r?\n(.*?)\n[ \t]*---[ \t]*(?=\r?\n|\Z)", re.DOTALL)
_FENCE = re.compile(r"^[ \t]*```+[ \t]*mermaid[^\n]*\n(.*?)^[ \t]*```", re.DOTALL | re.MULTILINE)
_GUARD = re.compile(r"\[([^\[\]]*)\]\s*\Z")
_ACTION = re.compile(r"(?:^|\s|(?<=\]))/\s(.*)\Z")

# The ids of the composites around a statement, each with the number of its region.
_Scope = tuple[tuple[str, int], ...]


def read(text: str, notes: Notes) -> Definition:
    """Reads a diagram, alone or as the first one of a page of Markdown."""
    title, text = _unwrapped(text, notes)
    chart = _Reader(notes).chart(statements(text))
    chart.name = title
    return flatten(chart, notes)


def _unwrapped(text: str, notes: Notes) -> tuple[str, str]:
    """Returns the title and the diagram. Other lines are emptied, so that the numbers of lines stay."""
    fences = [found for found in _FENCE.finditer(text) if "stateDiagram" in found[1]]
    if fences:
        if len(fences) > 1:
            notes.add("", f"the text has {len(fences)} state diagrams: this is the first")
        text = "\n" * text.count("\n", 0, fences[0].start(1)) + fences[0][1]
    front = _FRONT.match(text)
    if front is None:
        return "", text
    title = re.search(r"^title:[ \t]*(.*?)[ \t]*\r?$", front[1], re.MULTILINE)
    others = re.findall(r"^(?!title)([\w-]+):", front[1], re.MULTILINE)
    if others:
        notes.add("line 1", f"left out: {listed(others)}")
    name = title[1].strip("\"'") if title else ""
    return name, "\n" * text.count("\n", 0, front.end()) + text[front.end() :]


class _Reader:
    def __init__(self, notes: Notes) -> None:
        self.notes = notes
        self.root = Node("", "")
        self.nodes: dict[str, Node] = {}
        self.homes: dict[str, _Scope] = {}
        self.declared: dict[str, Statement] = {}
        self.first: dict[str, Statement] = {}
        self.regions: dict[_Scope, Node] = {(): self.root}
        self.lines: list[tuple[_Scope, Statement]] = []
        self.composites: dict[str, Statement] = {}
        self.ends: dict[_Scope, Node] = {}

    def chart(self, body: list[Statement]) -> Chart:
        self.lines = list(_lines(body, ()))
        for scope, line in self.lines:
            self._meet(scope, line)
        for identifier in list(self.first):
            self._node(identifier)
        self.root.kind = Kind.PARALLEL if _divided(body) else Kind.PLAIN
        self._leave_out()
        for scope, line in self.lines:
            if line.kind == "arrow":
                self._arrow(scope, line)
        self._without_initial()
        return Chart(self.root, first_wins=False, final_stops=False)

    # ---- states ---------------------------------------------------------------------------------

    def _meet(self, scope: _Scope, line: Statement) -> None:
        """Finds out which states there are, and where each is at home."""
        names = {"arrow": (line.name, line.target), "state": (line.name,), "text": (line.name,)}.get(line.kind, ())
        for name in names:
            if name == EDGE:
                continue
            self.first.setdefault(name, line)
            known = self.homes.get(name)
            if name in self.composites:
                continue
            if known is None or (len(scope) > len(known) and scope[: len(known)] == known):
                self.homes[name] = scope
            elif known[: len(scope)] != scope:
                what = f"{quoted(name)} is in {quoted(known[-1][0])} too: it is one state, and stays there"
                self.notes.add(line.place, what)
        if line.kind == "state":
            self._declare(scope, line)

    def _declare(self, scope: _Scope, line: Statement) -> None:
        if line.inner is not None:
            if line.name in {around for around, _ in scope}:
                raise ConversionError(line.place, f"the state {quoted(line.name)} is inside itself")
            if line.name in self.composites and self.homes[line.name] != scope:
                other = self.composites[line.name].place
                raise ConversionError(line.place, f"the state {quoted(line.name)} has another place too: {other}")
            self.composites.setdefault(line.name, line)
            self.homes[line.name] = scope
        known = self.declared.get(line.name)
        if known is None or (known.label is None and not known.pseudo):
            self.declared[line.name] = line
        elif line.label is not None and line.label != known.label:
            self.notes.add(line.place, f"{quoted(line.name)} has two names: this one is left out")

    def _node(self, identifier: str) -> Node:
        if identifier in self.nodes:
            return self.nodes[identifier]
        declared, place = self.declared.get(identifier), self.first[identifier].place
        if declared is not None and (identifier, declared.label) == ANY:
            self.nodes[identifier] = self.root
            return self.root
        label = self._label(identifier, declared)
        kind = Kind.CHOICE if declared is not None and declared.pseudo == "choice" else Kind.PLAIN
        node = self._region(self.homes[identifier]).add(label, place, kind)
        self.nodes[identifier] = node
        if declared is not None and declared.pseudo not in ("", "choice"):
            self._note_pseudo(declared)
        block = self.composites.get(identifier)
        if block is not None and _divided(block.inner or []):
            node.kind = Kind.PARALLEL
        return node

    def _label(self, identifier: str, declared: Optional[Statement]) -> str:
        if declared is None or declared.label is None:
            return identifier
        if "\n" in declared.label:
            self.notes.add(declared.place, "a line break in the name is a space here")
        return plain_text(re.sub(r"\s*\n\s*", " ", declared.label))

    def _note_pseudo(self, line: Statement) -> None:
        known = {"fork": "a machine is in one state at a time: of the ways that leave it, one is taken"}
        what = known.get(line.pseudo, "it is a state like others")
        self.notes.add(line.place, f"the {line.pseudo} {quoted(line.name)} is kept as a state: {what}")

    def _region(self, scope: _Scope) -> Node:
        """Returns the node of a scope: a composite, or one of its regions if it has several."""
        if scope in self.regions:
            return self.regions[scope]
        identifier, number = scope[-1]
        node = self.root if identifier == "" else self._node(identifier)
        if number:
            node = node.add(f"region {number}", node.place)
        self.regions[scope] = node
        return node

    def _without_initial(self) -> None:
        if self.root.kind is Kind.PLAIN and not self.root.initial:
            rest = [node for node in self.root.children if node.kind is not Kind.CHOICE]
            if not rest:
                raise ConversionError("", "the diagram has no states")
            self.root.initial = rest[:1]
            self.notes.add("", f"no arrow from [*]: the machine begins in the first state, {quoted(rest[0].name)}")

    # ---- arrows ---------------------------------------------------------------------------------

    def _arrow(self, scope: _Scope, line: Statement) -> None:
        if line.name == EDGE:
            self._begin(scope, line)
            return
        source = self.nodes[line.name]
        time = of_shown(line.label) if line.label else None
        if line.target == EDGE and time is not None:
            source.arrows.append(Arrow(None, [], line.place, timer=True, ms=time[0], deletes=True))
            return
        if line.target == EDGE and line.label is None and self._ends_here(line):
            return
        target = self._end(scope, line) if line.target == EDGE else self.nodes[line.target]
        if target is self.root:
            raise ConversionError(line.place, f"{quoted(line.target)} stands for every state: nothing leads to it")
        if time is not None:
            source.arrows.append(Arrow(None, [target], line.place, timer=True, ms=time[0]))
            return
        source.arrows.append(self._named(source, target, line))

    def _named(self, source: Node, target: Node, line: Statement) -> Arrow:
        """Makes the arrow of a label: `event [guard] / action`."""
        label = line.label or ""
        if source.kind is Kind.CHOICE:
            return Arrow(None, [target], line.place, plain_text(label) or None)
        action = _ACTION.search(label)
        if action:
            self.notes.add(line.place, f"the action {quoted(plain_text(action[1]))} is left out")
            label = label[: action.start()].rstrip()
        guard = _GUARD.search(label)
        if guard:
            label = label[: guard.start()].rstrip()
        if re.search(r"<br\s*/?>|\\n", label):
            self.notes.add(line.place, "a line break in the label is a space here")
            label = re.sub(r"\s*(<br\s*/?>|\\n)\s*", " ", label)
        event = plain_text(label) or None
        arrow = Arrow(event, [target], line.place, plain_text(guard[1]).strip() or None if guard else None)
        arrow.not_self = source is self.root
        return arrow

    def _begin(self, scope: _Scope, line: Statement) -> None:
        if line.target == EDGE:
            self.notes.add(line.place, "left out: it leads from the start to the end")
            return
        if line.label is not None:
            self.notes.add(line.place, f"the label {quoted(plain_text(line.label))} at the start is left out")
        region, target = self._region(scope), self.nodes[line.target]
        if region not in target.upwards() or target is region:
            raise ConversionError(line.place, f"{quoted(line.target)} isn't inside {quoted(region.name)}")
        if target not in region.initial:
            region.initial.append(target)

    def _ends_here(self, line: Statement) -> bool:
        """Returns whether the state has no way out but this arrow to the end, so that it is terminal."""
        node = self.nodes[line.name]
        return not node.children and self._ways_out().get(line.name, 0) == 1

    def _ways_out(self) -> dict[str, int]:
        if not hasattr(self, "_ways"):
            self._ways: dict[str, int] = {}
            for _, line in self.lines:
                to_itself = line.name == line.target and of_shown(line.label or "") is not None
                if line.kind == "arrow" and not to_itself:
                    self._ways[line.name] = self._ways.get(line.name, 0) + 1
        return self._ways

    def _end(self, scope: _Scope, line: Statement) -> Node:
        if scope not in self.ends:
            self.ends[scope] = self._region(scope).add(EDGE, line.place)
        what = f"the end is a state of its own, {quoted(EDGE)}, as {quoted(line.name)} has other ways out or an event"
        self.notes.add(line.place, what)
        return self.ends[scope]

    # ---- the rest -------------------------------------------------------------------------------

    def _leave_out(self) -> None:
        drawn: dict[str, str] = {}
        for _, line in self.lines:
            if line.kind == "text" and line.label is not None:
                self.notes.add(line.place, f"the description of {quoted(line.name)} is left out: {quoted(line.label)}")
            if line.kind != "skipped":
                continue
            if line.name.lower() in ("note", "acctitle", "accdescr"):
                self.notes.add(line.place, f"left out: {quoted(' '.join((line.label or '').split()))}")
            else:
                drawn.setdefault(line.name, line.place)
        for word, place in drawn.items():
            self.notes.add(place, f"how it is drawn is left out: {quoted(word)}")


def _lines(body: list[Statement], scope: _Scope) -> Iterator[tuple[_Scope, Statement]]:
    """Yields every statement with the scope in which it stands. Blocks are as deep as the parser lets them."""
    region: Optional[int] = 1 if _divided(body) else None
    for line in body:
        if line.kind == "divider" and region is not None:
            region += 1
            continue
        inner = scope if region is None else (scope[:-1] + ((scope[-1][0] if scope else "", region),))
        yield inner, line
        if line.inner is not None:
            yield from _lines(line.inner, (*inner, (line.name, 0)))


def _divided(body: list[Statement]) -> bool:
    return any(line.kind == "divider" for line in body)
