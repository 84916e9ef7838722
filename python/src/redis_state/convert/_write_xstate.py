"""Writes definitions as XState machines, which versions 4 and 5 take."""

from __future__ import annotations

import json
import re
from typing import Any, Optional

from redis_state._definition import Definition
from redis_state._rows import any_row, is_final, own_row
from redis_state.convert._notes import Notes, place_of, quoted
from redis_state.convert._read_xstate import META

_PLAIN = re.compile(r"[^\s.#\\*]+")
_DELIMITERS = ("/", ":", "\x1f", *(chr(code) for code in range(0xE000, 0xF8FF)))


def write(definition: Definition, notes: Notes) -> str:
    """Returns the JSON of a machine."""
    return json.dumps(_Writer(definition, notes).machine(), ensure_ascii=False, indent=2) + "\n"


class _Writer:
    def __init__(self, definition: Definition, notes: Notes) -> None:
        self.definition = definition
        self.notes = notes
        # A name with a meaning in a target gets an id, and so do the targets of the root: only the id of
        # a state says the same to versions 4 and 5 there.
        roots = {target for targets in any_row(definition).values() for target in targets}
        odd = [state for state in definition.states if state in roots or not _PLAIN.fullmatch(state)]
        self.ids = {state: f"state-{at}" for at, state in enumerate(odd)}
        self.keys = {state: self._key(state) for state in definition.states}
        self.any = any_row(definition)
        self.events = {event for state in definition.map for event in own_row(definition, state)} | set(self.any)

    def _key(self, state: str) -> str:
        """Returns the state's key. XState takes `#a` for an id, and takes no empty key."""
        if state and not state.startswith("#"):
            return state
        key = self.ids[state]
        while key in self.definition.states:
            key += "_"
        self.notes.add(f"map.{quoted(state)}", f"XState can't have a state of this name: it is {quoted(key)}")
        return key

    def machine(self) -> dict[str, Any]:
        definition = self.definition
        machine: dict[str, Any] = {}
        if definition.name:
            machine["id"] = definition.name
        if definition.revision is not None:
            machine["version"] = str(definition.revision)
        if definition.history:
            self.notes.add("history", "XState has no word for it: it is kept in `meta`")
            machine["meta"] = {META: {"history": definition.history}}
        if any("." in state for state in definition.states):
            # Version 4 would read a dot as a state inside another.
            machine["delimiter"] = next(
                one for one in _DELIMITERS if not any(one in state for state in definition.states)
            )
        machine["initial"] = self.keys[definition.initial]
        if self.any:
            machine["on"] = self._on(None, self.any)
        machine["states"] = {self.keys[state]: self._state(state) for state in definition.states}
        return machine

    def _state(self, state: str) -> dict[str, Any]:
        definition = self.definition
        node: dict[str, Any] = {}
        if state in self.ids:
            node["id"] = self.ids[state]
        if self.keys[state] != state:
            node["meta"] = {META: {"name": state}}
        if is_final(definition, state) and state not in definition.after:
            return {**node, "type": "final"}
        row = {event: targets for event, targets in self._row(state).items() if targets or event in self.any}
        if row:
            node["on"] = self._on(state, row)
        timer = definition.after.get(state)
        if timer is not None and timer.to is None:
            self.notes.add(f"after.{state}", "XState can't delete a machine: the timer is kept in `meta`")
            node.setdefault("meta", {}).setdefault(META, {})["delete"] = timer.ms
        elif timer is not None:
            node["after"] = {self._delay(state, timer.ms): self._transition(state, timer.to or "")}
        return node

    def _row(self, state: str) -> dict[str, tuple[str, ...]]:
        """Returns what the state has to say for itself: where the root's events lead elsewhere, too."""
        row = own_row(self.definition, state)
        for event, targets in self.any.items():
            if event not in row and state in targets:
                row[event] = tuple(target for target in targets if target != state)
        return row

    def _delay(self, state: str, ms: Optional[int]) -> str:
        if ms is not None:
            return str(ms)
        self.notes.add(f"after.{state}", "the moves give the time: the delay 'timer' is to be implemented")
        return "timer"

    def _on(self, state: Optional[str], row: dict[str, tuple[str, ...]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for event, targets in row.items():
            place = place_of(state, event)
            if event == "":
                for target in targets:
                    name = self._free(found, "move to " + target.replace("*", "star"))
                    found[name] = {**self._transition(state, target), "meta": {META: {"event": ""}}}
                    self.notes.add(place, f"a move without a name is the event {quoted(name)}")
                continue
            group = self._group(state, targets) or [{}]
            if "*" in event:
                self.notes.add(place, "in XState `*` stands for other events: this one is renamed")
                group = [{**one, "meta": {META: {"event": event}}} for one in group]
                event = self._free(found, "event " + event.replace("*", "star"))
            found[event] = group if len(group) > 1 else group[0]
            if len(targets) > 1:
                self.notes.add(place, "the caller says which state: there are guards to implement")
        return found

    def _group(self, state: Optional[str], targets: tuple[str, ...]) -> list[dict[str, Any]]:
        """Writes targets of which the caller says one: all but the last have a guard."""
        group = [self._transition(state, target) for target in targets]
        for target, one in list(zip(targets, group))[:-1]:
            one["guard"] = f"to {target}"
        return group

    def _transition(self, state: Optional[str], target: str) -> dict[str, Any]:
        if target in self.ids:
            written: dict[str, Any] = {"target": "#" + self.ids[target]}
        else:
            written = {"target": target}
        # Else version 5 wouldn't start the timer anew.
        return {**written, "reenter": True} if target == state else written

    def _free(self, taken: dict[str, Any], event: str) -> str:
        while event in self.events or event in taken:
            event += "'"
        return event
