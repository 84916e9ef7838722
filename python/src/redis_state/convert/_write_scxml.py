"""Writes definitions as SCXML, with names that XML can't hold in a namespace of their own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Optional
from xml.sax.saxutils import quoteattr

from redis_state._definition import Definition
from redis_state._rows import any_row, arrows, is_final, own_row
from redis_state.convert._notes import Notes, place_of, quoted
from redis_state.convert._read_scxml import GIVEN, OURS, SCXML

_START = (
    "A-Za-z_\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u02ff\u0370-\u037d\u037f-\u1fff\u200c\u200d\u2070-\u218f"
    "\u2c00-\u2fef\u3001-\ud7ff\uf900-\ufdcf\ufdf0-\ufffd\U00010000-\U000effff"
)
_PART = _START + "0-9.\u00b7\u0300-\u036f\u203f\u2040\\-"
_IDENTIFIER = re.compile(f"[{_START}][{_PART}]*")
_EVENT = re.compile(f"[{_PART}]+")
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_WAITS = "after."


def write(definition: Definition, notes: Notes) -> str:
    """Returns the text of a document."""
    return "\n".join(_Writer(definition, notes).lines()) + "\n"


class _Writer:
    def __init__(self, definition: Definition, notes: Notes) -> None:
        self.definition = definition
        self.notes = notes
        self.any = any_row(definition)
        names = set(definition.states)
        self.ids: dict[str, str] = {}
        for at, state in enumerate(definition.states):
            self.ids[state] = state if _IDENTIFIER.fullmatch(state) else _free(f"state-{at}", names)
        self.at = {state: at for at, state in enumerate(definition.states)}
        self.events = dict(self._events())

    def _events(self) -> Iterator[tuple[str, str]]:
        """Yields each event and how it is written. An event fits longer names too, so such names are changed."""
        found = {event for _, event, _ in arrows(self.definition) if event}
        starts = {event[:at] for event in found for at, letter in enumerate(event) if letter == "."}
        for at, event in enumerate(sorted(found)):
            odd = event in starts or event.startswith(("done.state.", _WAITS, "move.to.")) or event.endswith(".")
            if odd or not _EVENT.fullmatch(event):
                written = _free(f"event-{at}", found)
                self.notes.add(quoted(event), f"SCXML can't have an event of this name: it is {quoted(written)}")
                yield event, written
            else:
                yield event, event

    def lines(self) -> Iterator[str]:
        definition = self.definition
        several = any(len(targets) > 1 for state in definition.map for targets in own_row(definition, state).values())
        yield '<?xml version="1.0" encoding="UTF-8"?>'
        yield _tag("scxml", self._root(several or any(len(targets) > 1 for targets in self.any.values())), False)
        inner = (line for state in definition.states for line in self._state(state))
        if not self.any:
            yield from ("  " + line for line in inner)
        else:
            wrapper = {"id": _free("any", {*self.ids.values()}), "rs:any": "true", "initial": self._first()}
            yield "  " + _tag("state", wrapper, False)
            yield from ("    " + line for line in self._moves(None, self.any))
            yield from ("    " + line for line in inner)
            yield "  </state>"
        yield "</scxml>"

    def _first(self) -> str:
        return self.ids[self.definition.initial]

    def _root(self, several: bool) -> dict[str, str]:
        definition = self.definition
        fields = {"xmlns": SCXML, "xmlns:rs": OURS, "version": "1.0"}
        if several:
            fields["datamodel"] = "ecmascript"
        if definition.name:
            plain = _EVENT.fullmatch(definition.name) is not None
            fields["name" if plain else "rs:name"] = definition.name if plain else _json(definition.name)
        for field in ("history", "revision"):
            value = getattr(definition, field)
            if value or (field == "revision" and value is not None):
                self.notes.add(field, "SCXML has no word for it: it is kept as an attribute of our own")
                fields[f"rs:{field}"] = str(value)
        return fields if self.any else {**fields, "initial": self._first()}

    def _state(self, state: str) -> Iterator[str]:
        definition = self.definition
        timer = definition.after.get(state)
        fields = {"id": self.ids[state]}
        if self.ids[state] != state:
            fields["rs:name"] = _json(state)
        if timer is not None and timer.to is None:
            self.notes.add(
                f"after.{state}", "SCXML can't delete a machine: the timer is kept as an attribute of our own"
            )
            fields["rs:delete"] = "" if timer.ms is None else str(timer.ms)
        inner = [*self._timer(state), *self._moves(state, self._row(state))]
        tag = "final" if is_final(definition, state) and not self.any and not inner else "state"
        yield _tag(tag, fields, not inner)
        if inner:
            yield from ("  " + line for line in inner)
            yield f"</{tag}>"

    def _row(self, state: str) -> dict[str, tuple[str, ...]]:
        """Returns what the state has to say for itself: where the events of `any` lead elsewhere, too."""
        row = own_row(self.definition, state)
        for event, targets in self.any.items():
            if event not in row and state in targets:
                row[event] = tuple(target for target in targets if target != state)
        return {event: targets for event, targets in row.items() if targets or event in self.any}

    def _moves(self, state: Optional[str], row: dict[str, tuple[str, ...]]) -> Iterator[str]:
        for event, targets in row.items():
            place = place_of(state, event)
            if event == "":
                yield from self._unnamed(targets, place)
                continue
            fields = {"event": self.events[event]}
            if self.events[event] != event:
                fields["rs:event"] = _json(event)
            if len(targets) > 1:
                self.notes.add(place, "the caller says which state: it is `to` in the data of the event")
            for target in targets[:-1]:
                cond = f"_event.data.to == {json.dumps(target)}"
                yield _tag("transition", {**fields, "cond": cond, "target": self.ids[target]})
            last = {"target": self.ids[targets[-1]]} if targets else {}
            yield _tag("transition", {**fields, **last})

    def _unnamed(self, targets: tuple[str, ...], place: str) -> Iterator[str]:
        for target in targets:
            event = f"move.to.{self.at[target]}"
            self.notes.add(place, f"a move without a name is the event {quoted(event)}")
            yield _tag("transition", {"event": event, "rs:event": '""', "target": self.ids[target]})

    def _timer(self, state: str) -> Iterator[str]:
        timer = self.definition.after.get(state)
        if timer is None or timer.to is None:
            return
        event = f"{_WAITS}{self.at[state]}"
        if timer.ms is None:
            self.notes.add(f"after.{state}", f"the moves give the time: it is `after` in their data ({GIVEN})")
        delay = {"delayexpr": GIVEN} if timer.ms is None else {"delay": f"{timer.ms}ms"}
        yield f"<onentry>{_tag('send', {'event': event, 'id': event, **delay})}</onentry>"
        yield f"<onexit>{_tag('cancel', {'sendid': event})}</onexit>"
        yield _tag("transition", {"event": event, "target": self.ids[timer.to]})


def _tag(name: str, fields: dict[str, str], empty: bool = True) -> str:
    inner = "".join(f" {key}={quoteattr(value)}" for key, value in fields.items())
    return f"<{name}{inner}{'/' if empty else ''}>"


def _json(text: str) -> str:
    return json.dumps(text, ensure_ascii=bool(_NOT_XML.search(text)))


def _free(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name
