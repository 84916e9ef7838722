"""Replies of the server, parsed. Nothing here talks to a server.

A reply is bytes or text, as the client decodes; a map is a dict in RESP3, and names and values in turn in RESP2.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Optional, Union

from redis_state._definition import Definition
from redis_state._document import read_json
from redis_state._lint import Finding
from redis_state._times import aware
from redis_state._verdict import DefinitionInfo, Emitted, Info, Machine, Move, Verdict

Text = Union[str, bytes]


def text(value: Text) -> str:
    """Returns a text. Names are UTF-8; of users and keys, bytes that aren't stay as they are (PEP 383)."""
    return value if isinstance(value, str) else value.decode("utf-8", "surrogateescape")


def as_is(reply: Any) -> Any:
    """Returns the reply as redis-py has it."""
    return reply


def nothing(reply: Any) -> None:
    """Parses an OK."""


def verdict(reply: Any) -> Optional[Verdict]:
    """Parses a verdict; None for a missing key."""
    return None if reply is None else certain_verdict(reply)


def certain_verdict(reply: Any) -> Verdict:
    """Parses a verdict of a command that makes the key if it is missing."""
    what, state, version = reply
    if isinstance(state, bytes):
        # Every move comes through here. Names of states are UTF-8.
        return Verdict(what.decode(), state.decode(), version)
    return Verdict(what, state, version)


def emitted(reply: Any) -> Optional[Emitted]:
    """Parses a verdict with the id of an entry."""
    if reply is None:
        return None
    what, state, version, entry = reply
    return Emitted(text(what), text(state), version, None if entry is None else text(entry))


def string(reply: Any) -> Optional[str]:
    """Parses a text."""
    return None if reply is None else text(reply)


def names(reply: Any) -> Optional[tuple[str, ...]]:
    """Parses a list of texts."""
    return None if reply is None else tuple(map(text, reply))


def first_name(reply: Any) -> Optional[str]:
    """Parses the list of one state that SM.STATE has."""
    return None if reply is None else text(reply[0])


def yes(reply: Any) -> Optional[bool]:
    """Parses 1 or 0."""
    return None if reply is None else bool(reply)


def events(reply: Any) -> Optional[dict[str, tuple[str, ...]]]:
    """Parses rows of an event and its targets."""
    return None if reply is None else {text(event): tuple(map(text, targets)) for event, *targets in reply}


def findings(reply: Any) -> Optional[list[Finding]]:
    """Parses the rows of SM.LINT."""
    return None if reply is None else [Finding(*map(text, row)) for row in reply]


def machine(reply: Any) -> Optional[Machine]:
    """Parses the document of SM.GET."""
    if reply is None:
        return None
    document = read_json(reply)
    # They belong to the machine. Of machines that version 1.0 stored, the state may be none of the definition's.
    state, reason = document.pop("current"), document.pop("reason", "")
    return Machine(Definition.from_document(document), state, reason)


def info(reply: Any) -> Optional[Info]:
    """Parses the map of SM.INFO."""
    if reply is None:
        return None
    fields = _map(reply)
    due = _time(fields["due"])
    due_to = text(fields["due-to"])
    return Info(
        name=text(fields["name"]),
        revision=fields["revision"],
        state=text(fields["state"]),
        version=fields["version"],
        since=_time(fields["since"]),
        due=due,
        # The reply doesn't tell a timer that deletes the key from one to the state without a name.
        due_to=due_to or None,
        terminal=bool(fields["terminal"]),
        states=fields["states"],
        transitions=fields["transitions"],
        history=fields["history"],
        history_limit=fields["history-limit"],
        machines=fields["machines"],
    )


def history(reply: Any) -> Optional[list[Move]]:
    """Parses the maps of SM.HISTORY."""
    return None if reply is None else [_move(_map(entry)) for entry in reply]


def _move(fields: Mapping[str, Any]) -> Move:
    return Move(
        version=fields["version"],
        at=_time(fields["at"]),
        kind=text(fields["kind"]),
        from_state=text(fields["from"]),
        to_state=text(fields["to"]),
        event=text(fields["event"]),
        user=text(fields["user"]),
        by=text(fields["by"]),
        reason=text(fields["reason"]),
        id=text(fields["id"]),
    )


def counts(reply: Any) -> dict[str, int]:
    """Parses the map of SM.COUNT."""
    return _map(reply)


def definitions(reply: Any) -> list[DefinitionInfo]:
    """Parses the maps of SM.DEFINITIONS."""
    return [_definition(_map(entry)) for entry in reply]


def _definition(fields: Mapping[str, Any]) -> DefinitionInfo:
    numbers = {name: fields[name] for name in ("machines", "states", "transitions", "bytes")}
    return DefinitionInfo(text(fields["name"]), fields["revision"], **numbers)


def page(reply: Any) -> tuple[int, list[Any]]:
    """Parses a cursor and keys. The keys stay as the client decodes them."""
    cursor, keys = reply
    return int(cursor), keys


def _map(reply: Any) -> dict[str, Any]:
    pairs = reply.items() if isinstance(reply, Mapping) else zip(reply[::2], reply[1::2])
    return {text(name): value for name, value in pairs}


def _time(ms: Optional[int]) -> Optional[datetime]:
    return None if ms is None else aware(ms)
