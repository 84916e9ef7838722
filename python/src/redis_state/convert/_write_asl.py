"""Writes definitions as state machines of AWS Step Functions."""

from __future__ import annotations

import json
from typing import Any, Optional

from redis_state._definition import Definition
from redis_state.convert._notes import Notes, quoted
from redis_state.convert._read_asl import AFTER, EVENT, TARGET

_MAX_NAME = 80
_MAX_SECONDS = 99_999_999
_ACTIVITY = "arn:aws:states:us-east-1:123456789012:activity:wait-for-event"


def write(definition: Definition, notes: Notes) -> str:
    """Returns the JSON of a state machine."""
    return json.dumps(_Writer(definition, notes).machine(), ensure_ascii=False, indent=2) + "\n"


class _Writer:
    def __init__(self, definition: Definition, notes: Notes) -> None:
        self.definition = definition
        self.notes = notes
        self.taken: set[str] = set()
        self.names = {state: self._name(state) for state in definition.states}

    def machine(self) -> dict[str, Any]:
        definition = self.definition
        for field in ("history", "name", "revision"):
            if getattr(definition, field) not in (0, "", None):
                self.notes.add(field, "left out: the States Language has no word for it")
        if definition.any:
            self.notes.add("any", "written in each state")
        states: dict[str, Any] = {}
        for state in definition.states:
            states.update(self._state(state))
        if any(row.get("Resource") == _ACTIVITY for row in states.values()):
            what = f"a state that waits for events is a Task of an activity, whose result has the event as {EVENT}"
            self.notes.add("map", what + f": put your activity in the place of {_ACTIVITY}")
        return {"StartAt": self.names[definition.initial], "States": states}

    def _name(self, state: str) -> str:
        wanted = state if 0 < len(state) <= _MAX_NAME else (state[: _MAX_NAME - 8] or "(empty)")
        name, number = wanted, 1
        while name in self.taken or (name != state and name in self.definition.states):
            number += 1
            name = f"{wanted} ({number})"
        self.taken.add(name)
        if name != state:
            self.notes.add(f"map.{quoted(state)}", f"names have 1 to {_MAX_NAME} characters: this is {quoted(name)}")
        return name

    def _state(self, state: str) -> dict[str, Any]:
        """Returns the states that are made of this one: itself, and perhaps a choice after it."""
        definition, name = self.definition, self.names[state]
        moves = [(event, to) for event, targets in definition.events(state).items() for to in targets]
        timer = self._timer(state)
        if not moves and not timer:
            return {name: {"Type": "Succeed"}}
        if not moves:
            return {name: {"Type": "Wait", **_wait(timer), "Next": timer["Next"]}}
        row: dict[str, Any] = {"Type": "Task", "Resource": _ACTIVITY}
        if timer:
            row.update(_timeout(timer))
            row["Catch"] = [{"ErrorEquals": ["States.Timeout"], "Next": timer["Next"]}]
        if len(moves) == 1 and moves[0][0] == "":
            return {name: {**row, "Next": self.names[moves[0][1]]}}
        choice = self._choice_name(name)
        return {name: {**row, "Next": choice}, choice: {"Type": "Choice", "Choices": self._rules(moves)}}

    def _choice_name(self, name: str) -> str:
        wanted = choice = f"{name[: _MAX_NAME - 14]}: event"
        number = 1
        while choice in self.taken:
            number += 1
            choice = f"{wanted} ({number})"
        self.taken.add(choice)
        return choice

    def _rules(self, moves: list[tuple[str, str]]) -> list[dict[str, Any]]:
        rules = []
        events = [event for event, _ in moves]
        for event, to in moves:
            parts = [{"Variable": EVENT, "StringEquals": event}] if event else []
            if not event or events.count(event) > 1:
                parts.append({"Variable": TARGET, "StringEquals": self.names[to]})
            rule: dict[str, Any] = parts[0] if len(parts) == 1 else {"And": parts}
            rules.append({**rule, "Next": self.names[to]})
        return rules

    def _timer(self, state: str) -> dict[str, Any]:
        """Returns what is known of a timer: `Next`, and `ms` if the definition says it; empty without one."""
        timer = self.definition.after.get(state)
        place = f"after.{state}"
        if timer is None:
            return {}
        if timer.to is None:
            self.notes.add(place, "left out: an execution can't delete itself")
            return {}
        if timer.ms is None:
            self.notes.add(place, f"the moves give the time: it is {AFTER} of the input, in seconds")
        return {"ms": self._seconds(timer.ms, place), "Next": self.names[timer.to]}

    def _seconds(self, ms: Optional[int], place: str) -> Optional[int]:
        if ms is None:
            return None
        seconds = min(-(-ms // 1000), _MAX_SECONDS)
        if seconds * 1000 != ms:
            self.notes.add(place, f"{ms} ms is {seconds} s here: times are whole seconds, up to {_MAX_SECONDS}")
        return seconds


def _wait(timer: dict[str, Any]) -> dict[str, Any]:
    return {"SecondsPath": AFTER} if timer["ms"] is None else {"Seconds": timer["ms"]}


def _timeout(timer: dict[str, Any]) -> dict[str, Any]:
    return {"TimeoutSecondsPath": AFTER} if timer["ms"] is None else {"TimeoutSeconds": timer["ms"]}
