"""Requests: the arguments of each command, and how its reply is parsed. Nothing here talks to a server.

The clients and the pipelines take their methods from these functions, so their signatures and descriptions are here.

Options that several commands have:

- `if_state`, `if_version`: the change is made only if the machine is in this state, or has this version.
- `id`: the request id, 1 to 64 bytes of UTF-8. By default each call has a fresh one, so that redis-py may send the
  request again if the reply is lost, and the move is made once. Pass the id of what you handle, such as a message's, so
  that your own repetition counts as the same request too. None sends none.
- `by`: for whom the caller acts. `reason`: why. Both are kept by the machine.
- `after`, `due`: when the timer of the new state is due: milliseconds or a timedelta from now; or milliseconds since
  1970 or a datetime with a time zone.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, Literal, Optional, TypeVar, Union

from redis_state import _replies
from redis_state._definition import Definition
from redis_state._lint import Finding
from redis_state._times import Duration, Moment, milliseconds, unix_ms
from redis_state._verdict import DefinitionInfo, Emitted, Info, Machine, Move, Verdict

if TYPE_CHECKING:
    from typing_extensions import TypedDict, Unpack

T_co = TypeVar("T_co", covariant=True)
Key = Union[str, bytes]


class Auto(Enum):
    """The type of `AUTO`."""

    AUTO = "AUTO"


#: A fresh request id for each call.
AUTO = Auto.AUTO

if TYPE_CHECKING:

    class NewOptions(TypedDict, total=False):
        """Options of every command that changes a machine."""

        id: Union[str, Auto, None]
        by: Optional[str]
        reason: Optional[str]
        after: Optional[Duration]
        due: Optional[Moment]

    class MoveOptions(NewOptions, total=False):
        """Options of every command that changes a machine that is there."""

        if_state: Optional[str]
        if_version: Optional[int]


class Request(Generic[T_co]):
    """A command: its arguments, and what parses its reply.

    `move` is the event or state that was asked for, for errors. `fires` says whether it is an event.
    """

    __slots__ = ("args", "fires", "key", "move", "parse")

    def __init__(
        self, args: list[Any], parse: Callable[[Any], T_co], key: Key = "", move: str = "", fires: bool = False
    ) -> None:
        self.args = args
        self.parse = parse
        self.key = key
        self.move = move
        self.fires = fires


# ---- commands that change a machine ----------------------------------------------------------------


def new(
    key: Key, definition: Definition, *, state: Optional[str] = None, **options: Unpack[NewOptions]
) -> Request[Verdict]:
    """Makes a machine if the key is missing: `created`, `exists` or `repeated`. `state` is where it begins, by default
    the initial state.

    Raises InvalidDefinition for a definition over the server's limits.
    """
    args = ["SM.NEW", key, definition.to_json().encode()]
    if state is not None:
        args += "STATE", state.encode()
    return Request(_with_options(args, options), _replies.certain_verdict, key)


def set_(key: Key, definition: Definition, *, state: Optional[str] = None) -> Request[None]:
    """Stores a machine, over the one that is there, as SM.SET does. `state` is where it is, by default the initial
    state.

    Raises InvalidDefinition for a definition over the server's limits, or one that doesn't have the state.
    """
    args: list[Any] = ["SM.SET", key, definition.to_json().encode()]
    return Request(args if state is None else [*args, state.encode()], _replies.nothing, key)


def fire(
    key: Key, event: str, *, to: Optional[str] = None, **options: Unpack[MoveOptions]
) -> Request[Optional[Verdict]]:
    """Moves the machine by an event: `moved`, `refused`, `conflict` or `repeated`; None if the key is missing. `to`
    says which state, if the event leads to several."""
    args: list[Any] = ["SM.FIRE", key, event.encode()]
    if to is not None:
        args += "TO", to.encode()
    return Request(_with_options(args, options), _replies.verdict, key, event, True)


def move(key: Key, target: str, **options: Unpack[MoveOptions]) -> Request[Optional[Verdict]]:
    """Moves the machine to a state, by any transition that leads there: `moved`, `refused`, `conflict` or `repeated`;
    None if the key is missing."""
    args = ["SM.MOVE", key, target.encode()]
    return Request(_with_options(args, options), _replies.verdict, key, target)


def force(key: Key, target: str, **options: Unpack[MoveOptions]) -> Request[Optional[Verdict]]:
    """Moves the machine to any of its states, with or without a transition: `moved`, `conflict` or `repeated`;
    `refused` if it doesn't have the state; None if the key is missing."""
    args = ["SM.FORCE", key, target.encode()]
    return Request(_with_options(args, options), _replies.verdict, key, target)


def emit(
    key: Key,
    stream: Key,
    *,
    fire: Optional[str] = None,
    move: Optional[str] = None,
    to: Optional[str] = None,
    maxlen: Optional[int] = None,
    **options: Unpack[MoveOptions],
) -> Request[Optional[Emitted]]:
    """Makes a move by an event or to a state, and appends an entry of it to a stream, or does neither. The verdict has
    the entry's id. `maxlen` keeps at least so many entries.

    Raises ValueError unless exactly one of `fire` and `move` is given.
    """
    asked = move if fire is None else fire
    if asked is None or (fire is not None and move is not None):
        raise ValueError("emit: expected exactly one of fire and move")
    args: list[Any] = ["SM.EMIT", key, stream, "MOVE" if fire is None else "FIRE", asked.encode()]
    if to is not None:
        args += "TO", to.encode()
    if maxlen is not None:
        args += "MAXLEN", maxlen
    return Request(_with_options(args, options), _replies.emitted, key, asked, fire is not None)


def redefine(
    key: Key, definition: Definition, *, rename: Optional[Mapping[str, str]] = None, **options: Unpack[MoveOptions]
) -> Request[Optional[Verdict]]:
    """Puts another definition under the machine: `redefined`, `conflict` or `repeated`; None if the key is missing.
    `rename` says what old states are called in it.

    Raises InvalidDefinition for a definition over the server's limits.
    """
    args = ["SM.REDEFINE", key, definition.to_json().encode()]
    for old, name in (rename or {}).items():
        args += "RENAME", old.encode(), name.encode()
    return Request(_with_options(args, options), _replies.verdict, key)


def reset(key: Key) -> Request[None]:
    """Moves the machine back to its initial state, and clears the reason. Nothing happens if the key is missing."""
    return Request(["SM.RESET", key], _replies.nothing, key)


def timeout(key: Key) -> Request[Optional[Verdict]]:
    """Fires the machine's timer, if it is due: `moved`, `deleted` or `refused`; None if the key is missing. The server
    does that by itself, unless its timers are switched off."""
    return Request(["SM.TIMEOUT", key], _replies.verdict, key)


# ---- commands that read one ------------------------------------------------------------------------


def get(key: Key) -> Request[Optional[Machine]]:
    """Returns the machine: its definition, its state and the reason for the last move; None if the key is missing."""
    return Request(["SM.GET", key], _replies.machine, key)


def state(key: Key) -> Request[Optional[str]]:
    """Returns the current state; None if the key is missing."""
    return Request(["SM.STATE", key], _replies.first_name, key)


def can(key: Key, state: str) -> Request[Optional[bool]]:
    """Returns whether `move` would move the machine to the state now; None if the key is missing."""
    return Request(["SM.CAN", key, state.encode()], _replies.yes, key)


def events(key: Key) -> Request[Optional[dict[str, tuple[str, ...]]]]:
    """Returns the events that can be fired now, and where they lead; None if the key is missing. The event "" is the
    moves without a name."""
    return Request(["SM.EVENTS", key], _replies.events, key)


def next_(key: Key) -> Request[Optional[tuple[str, ...]]]:
    """Returns the states that can be reached in one move; None if the key is missing."""
    return Request(["SM.NEXT", key], _replies.names, key)


def info(key: Key) -> Request[Optional[Info]]:
    """Returns the version, the times and the size of the machine; None if the key is missing."""
    return Request(["SM.INFO", key], _replies.info, key)


def history(key: Key, count: Optional[int] = None) -> Request[Optional[list[Move]]]:
    """Returns the last moves, the newest first, at most `count`; None if the key is missing."""
    args: list[Any] = ["SM.HISTORY", key]
    return Request(args if count is None else [*args, "COUNT", count], _replies.history, key)


def lint(key: Key) -> Request[Optional[list[Finding]]]:
    """Returns likely mistakes in the machine; None if the key is missing."""
    return Request(["SM.LINT", key], _replies.findings, key)


def export(key: Key, format: Literal["MERMAID", "DOT"]) -> Request[Optional[str]]:
    """Returns the machine as a diagram for Mermaid or Graphviz; None if the key is missing."""
    return Request(["SM.EXPORT", key, format], _replies.string, key)


def wait(key: Key, ms: int, states: Iterable[str]) -> Request[Optional[Verdict]]:
    """Waits at most `ms` milliseconds, from 1, until the machine is in one of the states."""
    return Request(["SM.WAIT", key, ms, *(state.encode() for state in states)], _replies.verdict, key)


# ---- commands about many ---------------------------------------------------------------------------


def count(name: str, revision: Optional[int] = None) -> Request[dict[str, int]]:
    """Counts the machines of a name on one server, by state."""
    args: list[Any] = ["SM.COUNT", name.encode()]
    return Request(args if revision is None else [*args, "REVISION", revision], _replies.counts)


def definitions() -> Request[list[DefinitionInfo]]:
    """Returns the definitions that have a name on one server."""
    return Request(["SM.DEFINITIONS"], _replies.definitions)


def scan_options(
    *,
    name: Optional[str] = None,
    revision: Optional[int] = None,
    states: Iterable[str] = (),
    idle: Optional[Duration] = None,
    due: Optional[Moment] = None,
    match: Optional[Key] = None,
    count: Optional[int] = None,
) -> list[Any]:
    """Returns the arguments of SM.SCAN that follow the cursor."""
    args: list[Any] = []
    for option, value in (("NAME", name and name.encode()), ("REVISION", revision), ("MATCH", match), ("COUNT", count)):
        if value is not None:
            args += option, value
    if idle is not None:
        args += "IDLE", milliseconds(idle)
    if due is not None:
        args += "DUE", unix_ms(due)
    # A text alone is an iterable of its letters, hardly what was meant.
    for state in (states,) if isinstance(states, str) else states:
        args += "STATE", state.encode()
    return args


def scan(cursor: int, options: list[Any]) -> Request[tuple[int, list[Any]]]:
    """Returns the next cursor and some keys of one server."""
    return Request(["SM.SCAN", cursor, *options], _replies.page)


def probe() -> Request[Any]:
    """Asks whether the module is there: without arguments its oldest command is another error than an unknown one,
    and it needs neither a key nor a permission."""
    return Request(["SM.GET"], _replies.as_is)


def raw(*args: Any) -> Request[Any]:
    """Queues any other command. Its reply is as redis-py has it."""
    return Request([*args], _replies.as_is)


# ---- options ---------------------------------------------------------------------------------------


class _Ids:
    """Makes request ids that nobody else has: a random text of this process, and a number.

    A call of the system for each id would take longer than the rest of the request's making.
    """

    def __init__(self) -> None:
        self.renew()
        # Only where processes fork: both would count on from the same number.
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self.renew)

    def renew(self) -> None:
        """Begins with another random text."""
        # One C iterator's next is one step for all threads.
        self.next = map(f"{os.urandom(12).hex()}-{{:x}}".format, itertools.count()).__next__


_ids = _Ids()


def fresh_id() -> str:
    """Returns a request id that nobody else has."""
    return _ids.next()


_OPTIONS: dict[str, tuple[str, Callable[[Any], Any]]] = {
    "if_state": ("IFSTATE", str.encode),
    "if_version": ("IFVERSION", int),
    "by": ("BY", str.encode),
    "reason": ("REASON", str.encode),
    "after": ("AFTER", milliseconds),
    "due": ("DUE", unix_ms),
}


def _with_options(args: list[Any], options: Mapping[str, Any]) -> list[Any]:
    """Returns the arguments with those of the options, and with an id."""
    if not options:
        # By far the most frequent case.
        return [*args, "ID", _ids.next()]
    token = options.get("id", AUTO)
    if token is not None:
        args += "ID", fresh_id() if token is AUTO else token.encode()
    for name, value in options.items():
        if name == "id" or value is None:
            continue
        if name not in _OPTIONS:
            raise TypeError(f"unexpected option {name!r}, expected id, {', '.join(_OPTIONS)}")
        option, encoded = _OPTIONS[name]
        args += option, encoded(value)
    return args
