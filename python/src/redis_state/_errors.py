"""Every error that this package raises by itself. What else the server says stays redis.ResponseError."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional, Union

if TYPE_CHECKING:
    from redis_state._verdict import Verdict

Key = Union[str, bytes]


class StateMachineError(Exception):
    """The base of all errors of this package."""


class InvalidDefinition(StateMachineError):
    """A document is not a machine. The message is the server's: the place, and what is wrong there."""


class Missing(StateMachineError):
    """There is no machine at the key."""

    def __init__(self, key: Key) -> None:
        super().__init__(key)
        self.key = key

    def __str__(self) -> str:
        return f"there is no machine at the key {self.key!r}"


class NotMoved(StateMachineError):
    """A move was not made. `verdict` says where the machine is, `move` what was asked of it."""

    def __init__(self, key: Key, move: str, verdict: Verdict) -> None:
        super().__init__(key, move, verdict)
        self.key = key
        self.move = move
        self.verdict = verdict

    def _where(self) -> str:
        return f"the machine {self.key!r} is in the state {self.verdict.state!r} at version {self.verdict.version}"


class Refused(NotMoved):
    """The machine doesn't have that move now."""

    def __str__(self) -> str:
        return f"{self.move!r} is refused: {self._where()}"


class UnknownEvent(Refused):
    """The definition doesn't have that event in any state, nor that state: often a misspelt name."""

    def __str__(self) -> str:
        return f"{self.move!r} is nowhere in the definition: {self._where()}"


class Conflict(NotMoved):
    """The machine isn't in the state of `if_state`, or not at the version of `if_version`."""

    def __str__(self) -> str:
        return f"{self.move!r} is a conflict: {self._where()}"


class CommandUnavailable(StateMachineError):
    """The server doesn't let this client use a command. `command` is its name, as "SM.FIRE"."""

    def __init__(self, command: str, said: str) -> None:
        super().__init__(command, said)
        self.command = command
        self.said = said


class ModuleMissing(CommandUnavailable):
    """The server runs without the module redisstate."""

    def __str__(self) -> str:
        return (
            f"the server has no command {self.command}, because the module redisstate isn't loaded. "
            "Start the server with --loadmodule /path/to/libredis_state.so, add that as the line "
            "'loadmodule /path/to/libredis_state.so' to its configuration file, or send MODULE LOAD"
        )


class ModuleTooOld(CommandUnavailable):
    """The server has the module, but an older one without this command."""

    def __init__(self, command: str, said: str, version: Optional[int] = None) -> None:
        super().__init__(command, said)
        self.version = version

    def __str__(self) -> str:
        return (
            f"the module redisstate of the server is too old: it has no command {self.command}. Load version 2 or later"
        )


class NotPermitted(CommandUnavailable):
    """The ACL of the server forbids the command, or the key, to this user."""

    def __str__(self) -> str:
        return f"the server's ACL doesn't permit {self.command}: {self.said}"
