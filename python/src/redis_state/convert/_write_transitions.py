"""Writes definitions as the arguments of a Machine of the Python library transitions."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from redis_state._definition import Definition
from redis_state._rows import any_row, own_row
from redis_state.convert._notes import Notes, place_of, quoted
from redis_state.convert._read_transitions import TIMER, TO


def write(definition: Definition, notes: Notes) -> str:
    """Returns the JSON of the arguments."""
    return json.dumps(_Writer(definition, notes).arguments(), ensure_ascii=False, indent=2) + "\n"


class _Writer:
    def __init__(self, definition: Definition, notes: Notes) -> None:
        self.definition = definition
        self.notes = notes
        self.names = {state: self._name(state) for state in definition.states}

    def _name(self, state: str) -> str:
        name = state if state not in ("*", "=") else f"state {state}"
        while name != state and name in self.definition.states:
            name += "_"
        if name != state:
            self.notes.add(f"map.{state}", f"{quoted(state)} has a meaning in the library: this is {quoted(name)}")
        return name

    def arguments(self) -> dict[str, Any]:
        definition = self.definition
        for field in ("history", "revision"):
            if getattr(definition, field) not in (0, None):
                self.notes.add(field, "left out: the library has no word for it")
        if any(timer.ms is not None for timer in definition.after.values()):
            self.notes.add("after", "times need a machine with @add_state_features(Timeout)")
        arguments: dict[str, Any] = {"name": definition.name} if definition.name else {}
        arguments["states"] = [self._state(state) for state in definition.states]
        arguments["initial"] = self.names[definition.initial]
        arguments["transitions"] = [*self._own(), *self._any(), *self._timers()]
        arguments["auto_transitions"] = False
        return arguments

    def _state(self, state: str) -> Any:
        timer = self.definition.after.get(state)
        if timer is None or timer.ms is None or timer.to is None:
            return self.names[state]
        return {"name": self.names[state], "timeout": _seconds(timer.ms), "on_timeout": TIMER}

    def _own(self) -> Iterator[dict[str, Any]]:
        for state in self.definition.map:
            for event, targets in own_row(self.definition, state).items():
                place = place_of(state, event)
                yield from self._group(event, self.names[state], targets, place)

    def _any(self) -> Iterator[dict[str, Any]]:
        rows = {state: own_row(self.definition, state) for state in self.definition.states}
        for event, targets in any_row(self.definition).items():
            place = place_of(None, event)
            # `*` would also lead from a target to itself, and past an entry that refuses the event.
            if all(
                rows[state].get(event) or (event not in row and state not in targets) for state, row in rows.items()
            ):
                yield from self._group(event, "*", targets, place)
                continue
            sources: dict[tuple[str, ...], list[str]] = {}
            for state, row in rows.items():
                given = tuple(target for target in targets if target != state)
                if event not in row and given:
                    sources.setdefault(given, []).append(self.names[state])
            self.notes.add(place, "written with the states in which it counts")
            for given, names in sources.items():
                yield from self._group(event, names, given, place)

    def _group(self, event: str, source: Any, targets: tuple[str, ...], place: str) -> Iterator[dict[str, Any]]:
        """Yields the transitions of an event. If it has several targets, all but the last have a condition."""
        if event and len(targets) > 1:
            self.notes.add(place, "the caller says which state: there are conditions to implement")
        for at, target in enumerate(targets):
            row: dict[str, Any] = {"trigger": event or self._unnamed(target, place), "source": source}
            row["dest"] = self.names[target]
            if event and at < len(targets) - 1:
                row["conditions"] = f"to_{target}"
            if event in (TIMER, TO + target):
                self.notes.add(place, f"{quoted(event)} has a meaning for the reader of this form")
            yield row

    def _unnamed(self, target: str, place: str) -> str:
        trigger = TO + self.names[target]
        self.notes.add(place, f"a move without a name is the trigger {quoted(trigger)}")
        return trigger

    def _timers(self) -> Iterator[dict[str, Any]]:
        for state, timer in self.definition.after.items():
            place = f"after.{state}"
            if timer.to is None:
                self.notes.add(place, "left out: the library can't delete a machine")
                continue
            if timer.ms is None:
                self.notes.add(place, f"the moves give the time: your code calls the trigger {quoted(TIMER)}")
            yield {"trigger": TIMER, "source": self.names[state], "dest": self.names[timer.to]}


def _seconds(ms: int) -> Any:
    return ms // 1000 if ms % 1000 == 0 else ms / 1000
