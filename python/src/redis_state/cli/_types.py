"""Types of arguments. What isn't text never reaches a command that takes text."""

from __future__ import annotations

import re

import click
from click.types import FuncParamType

from redis_state.cli._escape import quoted
from redis_state.cli._times import UNITS

_PART = re.compile(r"(\d+)(ms|[smhdw])", re.ASCII)
_WHOLE = re.compile(r"(?:\d+(?:ms|[smhdw]))+", re.ASCII)
# The longest time that the server takes.
_MOST_MS = (1 << 53) - 1


def duration(value: str) -> int:
    """Takes a duration such as 90s, 15m, 1h30m or 2d. Returns milliseconds."""
    # A number of thousands of digits is no duration, and slow to read.
    parts = _PART.findall(value) if len(value) < 100 and _WHOLE.fullmatch(value) else []
    ms = sum(int(number) * UNITS[unit] for number, unit in parts)
    if not 1 <= ms <= _MOST_MS:
        raise click.BadParameter(f"expected a duration such as 250ms, 90s, 15m, 1h30m or 2d, found {quoted(value)}")
    return ms


def key(value: str) -> bytes:
    """Takes a key: any bytes."""
    # Python decodes arguments so that bytes that aren't UTF-8 come back here.
    return value.encode("utf-8", "surrogateescape")


def name(value: str) -> str:
    """Takes the name of a state, an event or a fleet, or another text: UTF-8."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise click.BadParameter("the text is not UTF-8") from error
    return value


def rename(value: str) -> tuple[str, str]:
    """Takes what an old state is called in the new definition: `old=new`."""
    old, equals, new = name(value).partition("=")
    if not equals:
        raise click.BadParameter(f"expected old=new, found {quoted(value)}")
    return old, new


DURATION = FuncParamType(duration)
KEY = FuncParamType(key)
NAME = FuncParamType(name)
RENAME = FuncParamType(rename)
