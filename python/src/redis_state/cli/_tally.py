"""Counts what became of many machines, in a bounded memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from redis.exceptions import ClusterDownError, MasterDownError, OutOfMemoryError, ReadOnlyError, ResponseError

from redis_state import InvalidDefinition
from redis_state._faults import said, translated

_MOST_REASONS = 50
_MOST_EXAMPLES = 3
_OTHERS = "other reasons"

# Errors that are about the server: the next machine would get them too.
_OF_THE_SERVER = (ClusterDownError, MasterDownError, OutOfMemoryError, ReadOnlyError)
_WORDS_OF_THE_SERVER = ("MISCONF ", "NOREPLICAS ", "BUSY ", "OOM ", "READONLY ", "unknown command")


@dataclass
class Reason:
    """Why machines could not be changed: how many, and the keys of a few."""

    machines: int = 0
    examples: list[bytes] = field(default_factory=list)


class Tally:
    """Outcomes by name, and failures by reason."""

    def __init__(self) -> None:
        self.outcomes: Counter[str] = Counter()
        self.reasons: dict[str, Reason] = {}

    @property
    def failed(self) -> int:
        """How many machines could not be changed."""
        return sum(each.machines for each in self.reasons.values())

    def fail(self, key: bytes, reason: str) -> None:
        """Counts a machine that could not be changed."""
        if reason not in self.reasons and len(self.reasons) >= _MOST_REASONS:
            reason = _OTHERS
        found = self.reasons.setdefault(reason, Reason())
        found.machines += 1
        if len(found.examples) < _MOST_EXAMPLES:
            found.examples.append(key)

    def error(self, key: bytes, error: ResponseError, command: str) -> None:
        """Counts an error of one machine. Raises one that would come again for every machine."""
        known = translated(error, [command])
        words = said(error)
        if words.startswith("WRONGTYPE"):
            self.outcomes["gone"] += 1
            return
        forbidden = "permissions to run" in words
        if isinstance(known, InvalidDefinition) or (known and forbidden):
            raise known
        if isinstance(error, _OF_THE_SERVER) or words.startswith(_WORDS_OF_THE_SERVER):
            raise error
        self.fail(key, words)
