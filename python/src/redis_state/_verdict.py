"""What the commands reply: verdicts, and what is known of a machine."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Optional

from redis_state._definition import Definition


@dataclass(frozen=True)
class Verdict:
    """What happened, and the state and the version that the machine has now.

    `what` is moved, refused, conflict, repeated, created, exists, redefined, deleted, reached or waited. A verdict is
    false if what was asked for isn't so: refused, conflict and waited. So `if machines.fire(…)` also holds for a
    request that was `repeated`.
    """

    what: str
    state: str
    version: int

    def __bool__(self) -> bool:
        return self.what not in ("refused", "conflict", "waited")

    @property
    def changed(self) -> bool:
        """Whether this request has changed something."""
        return self.what in ("moved", "created", "redefined", "deleted")

    @property
    def moved(self) -> bool:
        """The move was made."""
        return self.what == "moved"

    @property
    def refused(self) -> bool:
        """The machine doesn't have that move now, or not that event or state at all."""
        return self.what == "refused"

    @property
    def conflict(self) -> bool:
        """The machine isn't in the state of `if_state`, or not at the version of `if_version`."""
        return self.what == "conflict"

    @property
    def repeated(self) -> bool:
        """The request was made before. State and version are those of the first time."""
        return self.what == "repeated"

    @property
    def created(self) -> bool:
        """`new` made the machine."""
        return self.what == "created"

    @property
    def exists(self) -> bool:
        """There was a machine already."""
        return self.what == "exists"

    @property
    def redefined(self) -> bool:
        """The machine has the new definition."""
        return self.what == "redefined"

    @property
    def deleted(self) -> bool:
        """The timer deleted the key. State and version are the last ones."""
        return self.what == "deleted"

    @property
    def reached(self) -> bool:
        """The machine is in one of the states that were waited for."""
        return self.what == "reached"

    @property
    def waited(self) -> bool:
        """The time is over, and the machine is in none of the states."""
        return self.what == "waited"


@dataclass(frozen=True)
class Emitted(Verdict):
    """The verdict of `emit`, with the id of the stream's entry; None if nothing moved."""

    entry: Optional[str] = None


@dataclass(frozen=True)
class Machine:
    """A machine as it is stored. `reason` is empty for a move without one."""

    definition: Definition
    state: str
    reason: str


@dataclass(frozen=True)
class Info:
    """What there is to know of a machine, apart from its document.

    `since` and `due` are aware times in UTC; None for a machine that isn't timed, and without a timer. `due_to` is
    the state to which the timer leads; None without one, for one that deletes the key, and for one to the state with
    the empty name. `machines` says how many share the definition on that server.
    """

    name: str
    revision: Optional[int]
    state: str
    version: int
    since: Optional[datetime]
    due: Optional[datetime]
    due_to: Optional[str]
    terminal: bool
    states: int
    transitions: int
    history: int
    history_limit: int
    machines: int


@dataclass(frozen=True)
class Move:
    """An entry of the history.

    `kind` is new, set, move, force, reset, redefine or timeout. `at` is an aware time in UTC. What is absent is empty
    text, as in the server's reply; `from_state` is empty for `new`.
    """

    version: int
    at: Optional[datetime]
    kind: str
    from_state: str
    to_state: str
    event: str
    user: str
    by: str
    reason: str
    id: str


@dataclass(frozen=True)
class DefinitionInfo:
    """A definition that has a name, and how many machines have it. `bytes` is the memory that it takes."""

    name: str
    revision: Optional[int]
    machines: int
    states: int
    transitions: int
    bytes: int
