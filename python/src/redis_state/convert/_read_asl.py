"""Reads state machines of AWS Step Functions: the Amazon States Language, in JSON and YAML."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Optional

from redis_state._definition import Definition
from redis_state.convert._chart import Arrow, Chart, Kind, Node
from redis_state.convert._flatten import flatten
from redis_state.convert._notes import ConversionError, Notes, listed, quoted
from redis_state.convert._source import as_list, as_mapping, as_text, leave_out, load
from redis_state.convert._time import whole_ms

# A choice by these two values of the input is a choice of an event, and of one of its targets.
EVENT = "$.event"
TARGET = "$.to"

# The time of a wait that the input says.
AFTER = "$.after"

_TYPES = ("Task", "Pass", "Choice", "Wait", "Succeed", "Fail", "Parallel", "Map")
_READ: tuple[str, ...] = ("Type", "Next", "End", "Catch", "Choices", "Default", "TimeoutSeconds", "TimeoutSecondsPath")
_READ += ("Seconds", "SecondsPath", "Timestamp", "TimestampPath", "Branches", "Iterator", "ItemProcessor", "Retry")
_TIMEOUT = ("States.Timeout", "States.ALL")

_States = Mapping[str, Mapping[str, Any]]


def read(text: str, notes: Notes) -> Definition:
    """Reads a state machine."""
    config = as_mapping(load(text, notes), "")
    if "StartAt" not in config or "States" not in config:
        raise ConversionError("", "no state machine of Step Functions: it has a StartAt and States")
    leave_out(config, ("StartAt", "States"), "", notes)
    return flatten(_Reader(config, notes).chart(), notes)


class _Reader:
    def __init__(self, config: Mapping[str, Any], notes: Notes) -> None:
        self.notes = notes
        self.start = as_text(config["StartAt"], "StartAt")
        states = as_mapping(config["States"], "States")
        self.states: _States = {name: as_mapping(row, f"States.{name}") for name, row in states.items()}
        self.root = Node("", "")
        self.nodes: dict[str, Node] = {}
        self.end: Optional[Node] = None

    def chart(self) -> Chart:
        merged = dict(self._merged())
        choices = set(merged.values())
        for name, row in self.states.items():
            if name not in choices:
                kind = Kind.FINAL if row.get("Type") in ("Succeed", "Fail") else Kind.PLAIN
                self.nodes[name] = self.root.add(name, f"States.{name}", kind)
        self.root.initial = [self._node(self.start, "StartAt")]
        for name, node in self.nodes.items():
            choice = merged.get(name)
            self._state(node, self.states[name], choice)
            if choice is not None:
                self.notes.add(f"States.{choice}", f"the choice of an event is made in {quoted(name)}")
        return Chart(self.root)

    def _merged(self) -> Iterator[tuple[str, str]]:
        """Yields the states that only lead to a choice of events, each with that choice, if nothing else does."""
        into: dict[str, int] = {self.start: 1}
        for row in self.states.values():
            for target in _targets(row):
                into[target] = into.get(target, 0) + 1
        for name, row in self.states.items():
            choice = row.get("Next")
            if isinstance(choice, str) and row.get("Type") == "Task" and into.get(choice) == 1 and choice != name:
                if _chooses_event(self.states.get(choice, {})):
                    yield name, choice

    def _node(self, name: Any, place: str) -> Node:
        if not isinstance(name, str) or name not in self.nodes:
            raise ConversionError(place, f"no state {quoted(name)}")
        return self.nodes[name]

    def _state(self, node: Node, row: Mapping[str, Any], choice: Optional[str]) -> None:
        kind = row.get("Type")
        if kind not in _TYPES:
            raise ConversionError(f"{node.place}.Type", f"no type of states: {quoted(kind)}")
        leave_out(row, _READ, node.place, self.notes)
        self._inner(node, row)
        self._failures(node, row)
        if kind == "Choice":
            self._choice(node, row, node.place)
        elif choice is not None:
            self._choice(node, self.states[choice], f"States.{choice}")
        elif kind == "Wait":
            self._wait(node, row)
        elif kind not in ("Succeed", "Fail"):
            self._next(node, row)

    def _next(self, node: Node, row: Mapping[str, Any]) -> None:
        for target in self._onwards(node, row):
            node.arrows.append(Arrow(None, [target], f"{node.place}.Next"))

    def _onwards(self, node: Node, row: Mapping[str, Any]) -> list[Node]:
        if "Next" in row:
            return [self._node(row["Next"], f"{node.place}.Next")]
        if row.get("End") is not True:
            raise ConversionError(node.place, "neither Next nor End")
        if not node.arrows and row["Type"] != "Wait":
            self.notes.add(f"{node.place}.End", "ends when its work is done: here it is a terminal state at once")
            return []
        if self.end is None:
            self.end = self.root.add("End", f"{node.place}.End", Kind.FINAL)
        self.notes.add(f"{node.place}.End", "the end is a state of its own here, as there are other ways out")
        return [self.end]

    def _inner(self, node: Node, row: Mapping[str, Any]) -> None:
        branches = row.get("Branches", [])
        for at, branch in enumerate(as_list(branches, f"{node.place}.Branches")):
            self._left_out(branch, f"{node.place}.Branches[{at}]", "a machine is in one state at a time: the branch")
        for key in ("Iterator", "ItemProcessor"):
            if key in row:
                self._left_out(row[key], f"{node.place}.{key}", "what is done for each item: a machine of its own; it")

    def _left_out(self, inner: Any, place: str, what: str) -> None:
        names = list(as_mapping(as_mapping(inner, place).get("States", {}), f"{place}.States"))
        self.notes.add(place, f"{what} is left out, with its states {listed(names)}")

    # ---- failures and times ---------------------------------------------------------------------

    def _failures(self, node: Node, row: Mapping[str, Any]) -> None:
        if row.get("Retry"):
            self.notes.add(f"{node.place}.Retry", "left out: who does the work tries again")
        has_time = "TimeoutSeconds" in row or "TimeoutSecondsPath" in row
        late: Optional[Node] = None
        for at, one in enumerate(as_list(row.get("Catch", []), f"{node.place}.Catch")):
            place = f"{node.place}.Catch[{at}]"
            catcher = as_mapping(one, place)
            leave_out(catcher, ("ErrorEquals", "Next"), place, self.notes)
            target = self._node(catcher.get("Next"), f"{place}.Next")
            for error in as_list(catcher.get("ErrorEquals", []), f"{place}.ErrorEquals"):
                if has_time and error in _TIMEOUT:
                    late = late or target
                if not (has_time and error == "States.Timeout"):
                    node.arrows.append(Arrow(as_text(error, place), [target], place))
        if has_time:
            self._timeout(node, row, late)

    def _timeout(self, node: Node, row: Mapping[str, Any], target: Optional[Node]) -> None:
        place = f"{node.place}.TimeoutSeconds"
        if target is None:
            self.notes.add(place, "left out: no Catch says which state follows")
            return
        ms = self._ms(row.get("TimeoutSeconds", row.get("TimeoutSecondsPath")), place)
        node.arrows.append(Arrow(None, [target], place, timer=True, ms=ms))

    def _wait(self, node: Node, row: Mapping[str, Any]) -> None:
        key = next((key for key in ("Seconds", "SecondsPath", "Timestamp", "TimestampPath") if key in row), None)
        if key is None:
            raise ConversionError(node.place, "a Wait without Seconds or Timestamp")
        ms = self._ms(row[key], f"{node.place}.{key}", "DUE" if key.startswith("Timestamp") else "AFTER")
        for target in self._onwards(node, row):
            node.arrows.append(Arrow(None, [target], f"{node.place}.{key}", timer=True, ms=ms))

    def _ms(self, value: Any, place: str, option: str = "AFTER") -> Optional[int]:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            return whole_ms(value * 1000, place, self.notes)
        if value != AFTER:
            self.notes.add(place, f"{quoted(value)} is known later: the move into the state gives it, with {option}")
        return None

    # ---- choices --------------------------------------------------------------------------------

    def _choice(self, node: Node, row: Mapping[str, Any], place: str) -> None:
        for at, one in enumerate(as_list(row.get("Choices", []), f"{place}.Choices")):
            where = f"{place}.Choices[{at}]"
            rule = as_mapping(one, where)
            target = self._node(rule.get("Next"), f"{where}.Next")
            event, by_target = _of_rule(rule)
            if event is not None or by_target:
                node.arrows.append(Arrow(event, [target], where, beside=True))
            else:
                node.arrows.append(Arrow(None, [target], where, guard=_text(rule)))
        if "Default" in row:
            node.arrows.append(Arrow(None, [self._node(row["Default"], f"{place}.Default")], f"{place}.Default"))


def _targets(row: Mapping[str, Any]) -> Iterator[Any]:
    """Yields the names to which a state leads."""
    rules = [*_rows(row.get("Choices")), *_rows(row.get("Catch")), row]
    yield from (rule["Next"] for rule in rules if isinstance(rule.get("Next"), str))
    if isinstance(row.get("Default"), str):
        yield row["Default"]


def _rows(value: Any) -> list[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []


def _chooses_event(row: Mapping[str, Any]) -> bool:
    rules = _rows(row.get("Choices"))
    if row.get("Type") != "Choice" or "Default" in row or not rules:
        return False
    return all(event is not None or by_target for event, by_target in map(_of_rule, rules))


def _of_rule(rule: Mapping[str, Any]) -> tuple[Optional[str], bool]:
    """Returns the event of a rule, and whether it also compares the target; (None, False) for other rules."""
    parts = _rows(rule.get("And")) if "And" in rule else [rule]
    pairs = [(part.get("Variable"), part.get("StringEquals")) for part in parts]
    known = all(set(part) <= {"Variable", "StringEquals", "Next", "Comment"} for part in parts)
    if not known or not all(variable in (EVENT, TARGET) and isinstance(value, str) for variable, value in pairs):
        return None, False
    found: dict[Any, Any] = dict(pairs)
    return found.get(EVENT), TARGET in found


def _text(rule: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in rule.items() if key not in ("Next", "Comment", "Assign", "Output")}
    if set(rest) == {"Condition"}:
        return str(rest["Condition"])
    return json.dumps(rest, ensure_ascii=False)
