"""What a conversion says beside its result: notes of what was left out, and its error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from redis_state._errors import StateMachineError

# What several formats have, and a definition has not.
BY_ITSELF = "is made by the machine itself there; here a caller makes it"
STAYS = "stays in its state: it is a move onto the same state"

_SHOWN_CHARS = 60
_PLACE_CHARS = 120


@dataclass(frozen=True)
class Note:
    """One thing that the result doesn't say, or says in another way.

    `place` is where it stands in the source: a path (`states.new.on.pay`), or a line (`line 12`).
    """

    place: str
    what: str

    def __str__(self) -> str:
        return f"{self.place}: {self.what}" if self.place else self.what


class ConversionError(StateMachineError):
    """The text can't be converted. `place` is where, `what` is why."""

    def __init__(self, place: str, what: str) -> None:
        place = shown_place(place)
        super().__init__(f"{place}: {what}" if place else what)
        self.place = place
        self.what = what

    def __reduce__(self) -> tuple[type[ConversionError], tuple[str, str]]:
        return type(self), (self.place, self.what)


class Notes:
    """Collects notes in order, each once."""

    def __init__(self) -> None:
        self._notes: dict[Note, None] = {}

    def add(self, place: str, what: str) -> None:
        self._notes.setdefault(Note(shown_place(place), what))

    def all(self) -> tuple[Note, ...]:
        return tuple(self._notes)


def quoted(value: object) -> str:
    """Returns a name or a text for a message: on one line, in quotes, and not too long."""
    text = value if isinstance(value, str) else repr(value)
    cut = text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…"
    return f"'{_printable(cut)}'"


def shown_place(place: str) -> str:
    """Returns a place on one line. Of a long one the beginning and the end are shown."""
    half = _PLACE_CHARS // 2
    return _printable(place if len(place) <= _PLACE_CHARS else f"{place[:half]}…{place[-half:]}")


def _printable(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def place_of(state: Optional[str], event: str) -> str:
    """Returns where a definition has an event; `state` is None for `any`."""
    row = "any" if state is None else f"map.{state}"
    return f"{row}.{event}" if event else row


def listed(names: list[str], most: int = 8) -> str:
    """Returns names for a message: the first few, and how many there are beyond."""
    shown = ", ".join(quoted(name) for name in names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
