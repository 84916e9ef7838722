"""From the server's errors, and from verdicts, to this package's errors. Nothing here talks to a server."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Sequence
from typing import Any, Optional

from redis.exceptions import NoPermissionError, RedisError, ResponseError
from redis.utils import str_if_bytes

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

# What redis-py writes before an error of a pipeline, with the command in the brackets.
_OF_PIPELINE = re.compile(r"\ACommand # (\d+) \(")
_CAUSED = ") of pipeline caused error: "
_INVALID = "invalid machine: "
_UNKNOWN = re.compile(r"unknown command\b", re.IGNORECASE)


def said(error: BaseException, args: Sequence[Any] = ()) -> str:
    """Returns the server's own words. `args` are those of the command that the error is about."""
    words = str(error)
    found = _OF_PIPELINE.match(words)
    if found:
        words = _without_command(words[found.end() :], args)
    return words[4:] if words.startswith("ERR ") else words


def _without_command(words: str, args: Sequence[Any]) -> str:
    """Returns what follows the command. The command may hold any text, so it is left out by its length."""
    command = " ".join(str(str_if_bytes(arg)) for arg in args)
    # redis-py cuts it since version 6.
    for shown in (command, textwrap.shorten(command, 100, placeholder="...", break_long_words=True)):
        if words.startswith(shown + _CAUSED):
            return _first_of_tuple(words[len(shown + _CAUSED) :])
    return _first_of_tuple(words.partition(_CAUSED)[2])


def _first_of_tuple(words: str) -> str:
    """Returns the words; redis-py's asyncio pipelines write the exception's arguments instead."""
    if not words.startswith(("('", '("')):
        return words
    try:
        return str(ast.literal_eval(words)[0])
    except (ValueError, SyntaxError):
        return words


def place(error: BaseException) -> int:
    """Returns which command of a pipeline an error is about, from 0."""
    found = _OF_PIPELINE.match(str(error))
    return int(found.group(1)) - 1 if found else 0


def is_unknown_command(error: RedisError, args: Sequence[Any]) -> bool:
    """Returns whether the server doesn't have the command. Then it has to be asked whether it has the module."""
    words = said(error, args)
    # A cluster client looks the command up in the server's list before it sends it.
    return bool(_UNKNOWN.match(words)) or words.endswith("command doesn't exist in Redis commands")


def unavailable(error: RedisError, args: Sequence[Any], has_module: bool) -> CommandUnavailable:
    """Returns the error for a command that the server doesn't have."""
    kind = ModuleTooOld if has_module else ModuleMissing
    return kind(str(args[0]), said(error, args))


def translated(error: RedisError, args: Sequence[Any]) -> Optional[StateMachineError]:
    """Returns this package's error for one of the server, if it has one."""
    words = said(error, args)
    if isinstance(error, NoPermissionError) or words.startswith("NOPERM "):
        return NotPermitted(str(args[0]), words)
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
