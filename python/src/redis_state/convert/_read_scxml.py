"""Reads SCXML, the State Chart XML of the W3C."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Optional, Union

from redis_state._definition import Definition
from redis_state.convert._chart import Arrow, Chart, Kind, Node
from redis_state.convert._flatten import flatten
from redis_state.convert._limits import MAX_DEPTH
from redis_state.convert._notes import BY_ITSELF, STAYS, ConversionError, Notes, listed, quoted
from redis_state.convert._time import ms_of_text, whole_ms
from redis_state.convert._xml import Element, load_xml

SCXML = "http://www.w3.org/2005/07/scxml"

# The namespace in which the writer keeps what SCXML has no word for.
OURS = "urn:redis-state"

# Where the writer's delays come from if the moves give them.
GIVEN = "_event.data.after"

_KINDS = {"state": Kind.PLAIN, "parallel": Kind.PARALLEL, "final": Kind.FINAL, "history": Kind.HISTORY}
_STRUCTURE = ("state", "parallel", "final", "history", "initial", "transition", "onentry", "onexit")
_DONE = "done.state."


def read(source: Union[str, bytes], notes: Notes) -> Definition:
    """Reads a document."""
    root = load_xml(source)
    if root.tag != "scxml" or root.space not in (SCXML, ""):
        raise ConversionError(root.place, f"expected <scxml>, found <{root.tag}>")
    return flatten(_Reader(notes).chart(root), notes)


class _Reader:
    def __init__(self, notes: Notes) -> None:
        self.notes = notes
        self.nodes: dict[str, Node] = {}
        self.elements: list[tuple[Node, Element]] = []
        self.longer: dict[str, dict[str, None]] = {}

    def chart(self, root: Element) -> Chart:
        top = Node("", root.place)
        self._tree(top, root)
        self._names_of_events()
        for node, element in self.elements:
            self._initial(node, element)
            self._arrows(node, element)
            self._timers(node, element)
        chart = Chart(top, name=_ours(root, "name") or root.get("name") or "")
        chart.history = _number(root, "history") or 0
        chart.revision = _number(root, "revision")
        return chart

    # ---- states ---------------------------------------------------------------------------------

    def _tree(self, top: Node, root: Element) -> None:
        waiting = [(top, root)]
        while waiting:
            node, element = waiting.pop()
            self.elements.append((node, element))
            self._leave_out(element)
            inner = []
            for child in element.all(*_KINDS):
                # What the writer wraps around the states, for `any`, is the root.
                is_any = child.get("any", OURS) is not None and node.parent is None
                inner.append((node if is_any else self._node(node, child), child))
            waiting += reversed(inner)

    def _node(self, parent: Node, element: Element) -> Node:
        identifier, kept = element.get("id"), _ours(element, "name")
        name = identifier if kept is None else kept
        if name is None:
            name = f"{element.tag} of line {element.line}"
            self.notes.add(element.place, f"the {element.tag} has no id: it is {quoted(name)}")
        kind = _KINDS[element.tag]
        if kind is Kind.HISTORY and element.get("type") == "deep":
            kind = Kind.DEEP_HISTORY
        node = parent.add(name, element.place, kind)
        if identifier is not None:
            if identifier in self.nodes:
                other = self.nodes[identifier].place
                raise ConversionError(element.place, f"the id {quoted(identifier)} is there twice: {other}")
            self.nodes[identifier] = node
        return node

    def _leave_out(self, element: Element) -> None:
        unread = [
            child.tag for child in element.children if child.tag not in _STRUCTURE or child.space != element.space
        ]
        if unread:
            self.notes.add(element.place, f"left out: {listed(list(dict.fromkeys(unread)))}")
        for child in element.all("onentry", "onexit"):
            actions = [one.tag for one in child.children if not _is_timer(one) and one.tag != "cancel"]
            if actions:
                self.notes.add(child.place, f"actions of <{child.tag}> left out: {listed(actions)}")

    def _initial(self, node: Node, element: Element) -> None:
        if element.tag not in ("scxml", "state") or not node.children:
            return
        inner = [child for child in node.children if child.kind not in (Kind.HISTORY, Kind.DEEP_HISTORY)]
        given, place = element.get("initial"), element.place
        for one in element.all("initial"):
            for transition in one.all("transition"):
                given, place = transition.get("target"), transition.place
                self._actions(transition)
        if given is None:
            node.initial = node.initial or inner[:1]
            return
        node.initial = self._targets(given, place)
        for target in node.initial:
            if target is node or node not in target.upwards():
                raise ConversionError(
                    place, f"the initial state {quoted(target.name)} isn't inside {quoted(node.name)}"
                )

    def _targets(self, value: str, place: str) -> list[Node]:
        for name in value.split():
            if name not in self.nodes:
                raise ConversionError(place, f"no state {quoted(name)}")
        return [self.nodes[name] for name in value.split()]

    # ---- transitions ----------------------------------------------------------------------------

    def _names_of_events(self) -> None:
        """Finds which longer names each event fits: `a` is `a.b` too."""
        transitions = [one for _, element in self.elements for one in element.all("transition")]
        for transition in transitions:
            if transition.get("event", OURS) is not None:
                continue
            for name in (transition.get("event") or "").split():
                if name.count(".") > MAX_DEPTH:
                    raise ConversionError(transition.place, f"an event of more than {MAX_DEPTH} parts: {quoted(name)}")
                if name.endswith((".", ".*")):
                    continue
                for at in _dots(name):
                    self.longer.setdefault(name[:at], {})[name] = None

    def _arrows(self, node: Node, element: Element) -> None:
        for transition in element.all("transition"):
            place = transition.place
            actions = self._actions(transition)
            targets = self._targets(transition.get("target") or "", place)
            arrow = Arrow(None, targets, place, transition.get("cond"))
            arrow.stays, arrow.blocks = not targets and actions, not targets and not actions
            ours = _ours(transition, "event")
            if ours is not None:
                node.arrows.append(replace(arrow, event=ours, beside=True))
            elif transition.get("event") is None:
                self._by_itself(node, arrow)
            else:
                self._by_events(node, arrow, (transition.get("event") or "").split())

    def _actions(self, transition: Element) -> bool:
        actions = [child.tag for child in transition.children]
        if actions:
            self.notes.add(transition.place, f"actions left out: {listed(actions)}")
        return bool(actions)

    def _by_itself(self, node: Node, arrow: Arrow) -> None:
        if not arrow.targets:
            self.notes.add(arrow.place, "left out: it has neither an event nor a target")
            return
        if node.kind not in (Kind.HISTORY, Kind.DEEP_HISTORY):
            self.notes.add(arrow.place, BY_ITSELF)
        node.arrows.append(arrow)

    def _by_events(self, node: Node, arrow: Arrow, names: list[str]) -> None:
        if arrow.stays:
            self.notes.add(arrow.place, STAYS)
        for name in names:
            start = name[:-2] if name.endswith(".*") else name.rstrip(".")
            if name == "*" or name.endswith(".*"):
                node.arrows.append(replace(arrow, event="" if name == "*" else start, prefix=True))
                continue
            ends = list(self._ends(start))
            for end in ends:
                self.notes.add(arrow.place, f"{quoted(name)}: {BY_ITSELF}")
                end.arrows.append(replace(arrow, event=None))
            if not ends:
                wanted = dict.fromkeys([start, *self.longer.get(start, {})])
                node.arrows += [replace(arrow, event=event) for event in wanted]

    def _ends(self, event: str) -> Iterator[Node]:
        """Yields the states in which the machine sends itself this event: `done.state.x` where x ends."""
        done = self.nodes.get(event[len(_DONE) :]) if event.startswith(_DONE) else None
        if done is None:
            return
        if done.kind is Kind.PARALLEL:
            yield done
        yield from (child for child in done.children if child.kind is Kind.FINAL)

    # ---- timers ---------------------------------------------------------------------------------

    def _timers(self, node: Node, element: Element) -> None:
        deletes = element.get("delete", OURS)
        if deletes is not None:
            ms = _number(element, "delete")
            node.arrows.append(Arrow(None, [], element.place, timer=True, ms=ms, deletes=True))
        for entry in element.all("onentry"):
            for send in entry.all("send"):
                if _is_timer(send):
                    self._timer(node, send)

    def _timer(self, node: Node, send: Element) -> None:
        """Makes timers of the transitions by an event that the state sends to itself later."""
        event = send.get("event")
        found = [arrow for arrow in node.arrows if event and arrow.event == event and not arrow.prefix]
        if not found:
            self.notes.add(send.place, f"left out: the state has no transition by {quoted(event)}, which it sends")
            return
        ms = self._ms(send)
        for arrow in found:
            node.arrows.remove(arrow)
            if not arrow.blocks:
                node.arrows.append(replace(arrow, event=None, timer=True, ms=ms))
        if not (event or "").startswith("after."):
            self.notes.add(send.place, f"{quoted(event)} is a timer here, and no event that callers fire in this state")

    def _ms(self, send: Element) -> Optional[int]:
        text = send.get("delay") or (send.get("delayexpr") or "").strip("'\" ")
        ms = ms_of_text(text)
        if ms is not None:
            return whole_ms(ms, send.place, self.notes)
        if text != GIVEN:
            what = f"the delay {quoted(text)} is computed there: here the move into the state gives it, with AFTER"
            self.notes.add(send.place, what)
        return None


def _dots(name: str) -> list[int]:
    return [at for at, letter in enumerate(name) if letter == "."]


def _is_timer(element: Element) -> bool:
    return element.tag == "send" and (element.get("delay") is not None or element.get("delayexpr") is not None)


def _ours(element: Element, name: str) -> Optional[str]:
    """Returns a name that the writer kept: a string of JSON, as XML can't hold every character."""
    value = element.get(name, OURS)
    if value is None:
        return None
    try:
        found = json.loads(value)
    except ValueError:
        found = None
    if not isinstance(found, str):
        raise ConversionError(element.place, f"expected a string of JSON, found {quoted(value)}")
    return found


def _number(element: Element, name: str) -> Optional[int]:
    value = element.get(name, OURS)
    return int(value) if value is not None and re.fullmatch("[0-9]{1,16}", value) else None
