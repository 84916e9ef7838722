"""Definitions: what a machine can do, apart from where one is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Optional, Union

from redis_state import _lint
from redis_state._document import Parts, Row, Targets, as_tuple, parse, read_json
from redis_state._document import Timer as Timer
from redis_state._lint import Finding


@dataclass(frozen=True, eq=False)
class Definition:
    """What a document says, apart from its current state and reason.

    `map` has for each state the states that follow it, or an object from events to these. `any` has events of every
    state, `after` the timers. `history` says how many moves a machine remembers, 0 for none. `name` and `revision`
    are the label by which a fleet is found.

    The arguments are checked by the server's rules and copied in normal form: lists become tuples, an event with one
    target has it as a string. Don't change the mappings afterwards. Two definitions are equal if the server shares
    them: the same names in the same order.

    Raises InvalidDefinition, with the place and what is wrong there: `map.new[1]: expected a string, found 7`.
    """

    map: Mapping[str, Row]
    initial: str
    any: Mapping[str, Targets] = field(default_factory=dict)
    after: Mapping[str, Timer] = field(default_factory=dict)
    history: int = 0
    name: str = ""
    revision: Optional[int] = None
    #: All states: the keys of the map, then others in the order in which they appear.
    states: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._take(parse(_as_document(self)))

    def _take(self, parts: Parts) -> None:
        # The dataclass is frozen for its users only.
        self.__dict__.update(parts.__dict__)

    @classmethod
    def from_json(cls, text: Union[str, bytes]) -> Definition:
        """Reads a document. Its `current` and `reason` are checked and left out.

        Raises InvalidDefinition.
        """
        return cls.from_document(read_json(text))

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Definition:
        """Reads a document as `json.loads` returns it. Its `current` and `reason` are checked and left out.

        Raises InvalidDefinition.
        """
        definition = cls.__new__(cls)
        definition._take(parse(document))
        return definition

    def to_document(self) -> dict[str, Any]:
        """Returns the document in normal form, as SM.GET orders it, without `current` and `reason`."""
        document: dict[str, Any] = {"map": {state: _plain_row(row) for state, row in self.map.items()}}
        if self.any:
            document["any"] = {event: _plain(targets) for event, targets in self.any.items()}
        if self.after:
            document["after"] = {state: _plain_timer(timer) for state, timer in self.after.items()}
        if self.history:
            document["history"] = self.history
        if self.name:
            document["name"] = self.name
        if self.revision is not None:
            document["revision"] = self.revision
        document["initial"] = self.initial
        return document

    def to_json(self) -> str:
        """Returns the document in normal form as JSON without white space."""
        return self._json

    @cached_property
    def _json(self) -> str:
        return json.dumps(self.to_document(), ensure_ascii=False, separators=(",", ":"))

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.states)

    def events(self, state: str) -> dict[str, tuple[str, ...]]:
        """Returns what can be fired in a state, and where it leads, as SM.EVENTS does: the events of the state's own
        entry, then those of `any`. The event "" is the moves without a name.

        Raises KeyError if the definition doesn't have the state.
        """
        if state not in self._known:
            raise KeyError(state)
        own = self._own(state)
        events = {event: targets for event, targets in own.items() if targets}
        for event, targets in self.any.items():
            others = tuple(target for target in as_tuple(targets) if target != state)
            if event not in own and others:
                events[event] = others
        return events

    def terminal(self, state: str) -> bool:
        """Returns whether no move leads out of a state. Timers are no moves of callers.

        Raises KeyError if the definition doesn't have the state.
        """
        return not self.events(state)

    def lint(self) -> list[Finding]:
        """Returns likely mistakes, the same rows as SM.LINT has for a machine in its initial state."""
        return _lint.lint(self)

    def has_event(self, event: str) -> bool:
        """Returns whether the event can be fired in any state."""
        return event in self._events

    @cached_property
    def _events(self) -> frozenset[str]:
        own = [event for state in self.map for event, targets in self._own(state).items() if targets]
        return frozenset([*own, *self.any])

    def _own(self, state: str) -> dict[str, tuple[str, ...]]:
        """Returns the events of a state's own entry, with those that it refuses."""
        row = self.map.get(state, ())
        if isinstance(row, Mapping):
            return {event: as_tuple(targets) for event, targets in row.items()}
        return {"": tuple(row)} if row else {}

    def __eq__(self, other: object) -> bool:
        return self._json == other._json if isinstance(other, Definition) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._json)


def _as_document(definition: Definition) -> dict[str, Any]:
    """Returns the fields as they were given, as a document. What is absent there has its default here."""
    document: dict[str, Any] = {"map": definition.map, "initial": definition.initial, "any": definition.any}
    document["after"] = definition.after
    if isinstance(definition.after, Mapping):
        document["after"] = {
            state: _plain_timer(timer) if isinstance(timer, Timer) else timer
            for state, timer in definition.after.items()
        }
    for name, absent in (("history", 0), ("name", ""), ("revision", None)):
        value = getattr(definition, name)
        if value is False or value != absent:
            document[name] = value
    return document


def _plain(targets: Targets) -> Union[str, list[str]]:
    return targets if isinstance(targets, str) else list(targets)


def _plain_row(row: Row) -> Union[list[str], dict[str, Union[str, list[str]]]]:
    if isinstance(row, Mapping):
        return {event: _plain(targets) for event, targets in row.items()}
    return list(row)


def _plain_timer(timer: Timer) -> dict[str, Any]:
    return {"to": timer.to} if timer.ms is None else {"ms": timer.ms, "to": timer.to}
