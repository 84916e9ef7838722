"""Every error as one line for people."""

from __future__ import annotations

from typing import Optional

import click
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    ClusterError,
    ConnectionError,
    MovedError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TimeoutError,
)

from redis_state import InvalidDefinition, StateMachineError
from redis_state.cli._escape import line
from redis_state.convert import ConversionError

USAGE = 2
FAILED = 1
# What shells expect of a program that was ended by Ctrl-C.
INTERRUPTED = 130


# redis-py's error of a cluster that can't be reached isn't one of its others.
OF_REDIS = (RedisError, RedisClusterException)


def explained(error: Exception) -> Optional[str]:
    """Returns an error as one line, or None for one that is a bug of this program."""
    text = _words(error)
    return None if text is None else line(" ".join(text.split("\n")).rstrip("."))


def _words(error: Exception) -> Optional[str]:
    if isinstance(error, click.ClickException):
        return error.format_message()
    if isinstance(error, InvalidDefinition) and not isinstance(error, ConversionError):
        return f"invalid machine: {error}"
    if isinstance(error, StateMachineError):
        return str(error)
    if isinstance(error, OF_REDIS):
        return _of_server(error)
    if isinstance(error, OSError):
        return os_words(error)
    return None


def os_words(error: OSError) -> str:
    """Returns what the system said of a file."""
    what = (error.strerror or str(error)).lower()
    return f"{error.filename}: {what}" if error.filename else what


def _of_server(error: Exception) -> str:
    said = str(error)
    if isinstance(error, MovedError) or said.startswith("MOVED "):
        return "the server is a node of a cluster, and the key is on another one: add --cluster"
    if isinstance(error, AuthenticationError) or said.startswith(("NOAUTH", "WRONGPASS")):
        return f"the server wants another user or password: {said}"
    if isinstance(error, BusyLoadingError):
        return "the server is loading its data, try again later"
    if isinstance(error, (ConnectionError, TimeoutError)):
        return f"no connection to the server: {said}"
    if isinstance(error, (RedisClusterException, ClusterError)):
        return f"no connection to the cluster: {said}"
    if isinstance(error, ResponseError):
        if said.startswith("WRONGTYPE"):
            return "the key doesn't hold a machine, but another type"
        return f"the server says: {said}"
    return said
