"""From the server's errors, and from verdicts, to this package's errors. Nothing here talks to a server."""

from __future__ import annotations

import re
from typing import Any, Optional

from redis.exceptions import NoPermissionError, ResponseError

from redis_state._errors import (
    CommandUnavailable,
    Conflict,
    InvalidDefinition,
    Missing,
    ModuleMissing,
    ModuleTooOld,
    NotPermitted,
    Refused,
    StateMachineError,
    UnknownEvent,
)
from redis_state._requests import Request
from redis_state._verdict import Machine, Verdict

# What redis-py writes before an error of a pipeline. The command there may hold any text, so only the part after the
# last of these words is looked at.
_OF_PIPELINE = re.compile(r"\ACommand # (\d+) \(.*\) of pipeline caused error: ", re.DOTALL)
_INVALID = "invalid machine: "
_UNKNOWN = re.compile(r"unknown command\b", re.IGNORECASE)


def said(error: BaseException) -> str:
    """Returns the server's own words."""
    words = _OF_PIPELINE.sub("", str(error))
    return words[4:] if words.startswith("ERR ") else words


def place(error: BaseException) -> int:
    """Returns which command of a pipeline an error is about, from 0."""
    found = _OF_PIPELINE.match(str(error))
    return int(found.group(1)) - 1 if found else 0


def is_unknown_command(error: ResponseError) -> bool:
    """Returns whether the server doesn't have the command. Then it has to be asked whether it has the module."""
    return bool(_UNKNOWN.match(said(error)))


def unavailable(error: ResponseError, command: str, has_module: bool) -> CommandUnavailable:
    """Returns the error for a command that the server doesn't have."""
    kind = ModuleTooOld if has_module else ModuleMissing
    return kind(command, said(error))


def translated(error: ResponseError, command: str) -> Optional[StateMachineError]:
    """Returns this package's error for one of the server, if it has one."""
    words = said(error)
    if isinstance(error, NoPermissionError) or words.startswith("NOPERM "):
        return NotPermitted(command, words)
    if words.startswith(_INVALID):
        return InvalidDefinition(words[len(_INVALID) :])
    return None


def is_unblocked(error: ResponseError) -> bool:
    """Returns whether the server ended a wait because it became a replica, or because an operator asked for it."""
    return said(error).startswith("UNBLOCKED")


def failure(request: Request[Any], verdict: Optional[Verdict]) -> Optional[StateMachineError]:
    """Returns the error of a verdict, if it is one. Whether a refusal is because of a misspelt name is left open."""
    if verdict is None:
        return Missing(request.key)
    if verdict.refused:
        return Refused(request.key, request.move, verdict)
    return Conflict(request.key, request.move, verdict) if verdict.conflict else None


def refusal(request: Request[Any], verdict: Verdict, machine: Optional[Machine]) -> Refused:
    """Returns the error of a refusal. The definition tells an event that is nowhere in it from one of other states."""
    if machine is not None:
        definition = machine.definition
        known = definition.has_event(request.move) if request.fires else request.move in definition.states
        if not known:
            return UnknownEvent(request.key, request.move, verdict)
    return Refused(request.key, request.move, verdict)
