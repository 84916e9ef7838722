"""Errors as the page gets them: a status of HTTP, a code for the page, and a text for people."""

from __future__ import annotations

from redis.exceptions import (
    AuthenticationError,
    ClusterError,
    ConnectionError,
    MovedError,
    ReadOnlyError,
    RedisClusterException,
    RedisError,
    ResponseError,
    TimeoutError,
)

from redis_state import InvalidDefinition, NotPermitted
from redis_state._errors import CommandUnavailable
from redis_state._faults import said

# What redis-py raises. Its error of a cluster that can't be reached isn't one of its others.
OF_REDIS = (RedisError, RedisClusterException)


class Refusal(Exception):
    """An answer that is an error: its status, its code, and what people read."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.code = code
        self.text = text


def bad_request(text: str) -> Refusal:
    """Returns the refusal of a body that isn't what was asked for."""
    return Refusal(400, "bad-request", text)


def unreachable(why: str) -> Refusal:
    """Returns the refusal for a server that doesn't answer."""
    return Refusal(503, "unreachable", f"no connection to the server: {why}")


def explained(error: Exception) -> Refusal:
    """Returns the refusal for an error. One that is a bug of this program is raised again."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, NotPermitted):
        return Refusal(403, "not-permitted", str(error))
    if isinstance(error, CommandUnavailable):
        return Refusal(503, "no-module", str(error))
    if isinstance(error, InvalidDefinition):
        return Refusal(502, "unreadable", f"the server has a document that can't be read: {error}")
    if isinstance(error, OF_REDIS):
        return _of_server(error)
    raise error


def _of_server(error: Exception) -> Refusal:
    words = said(error)
    if isinstance(error, AuthenticationError) or words.startswith(("NOAUTH", "WRONGPASS")):
        return Refusal(403, "not-permitted", f"the server wants another user or password: {words}")
    if words.startswith("WRONGTYPE"):
        return Refusal(409, "wrong-type", "the key doesn't hold a machine, but another type")
    if isinstance(error, ReadOnlyError):
        return Refusal(409, "replica", "the server is a replica, which takes no moves")
    if isinstance(error, MovedError):
        return Refusal(
            502, "cluster", "the server is a node of a cluster, and the key is on another one: add --cluster"
        )
    if isinstance(error, (ConnectionError, TimeoutError, RedisClusterException, ClusterError)):
        return unreachable(words)
    if isinstance(error, ResponseError):
        return Refusal(502, "server-error", f"the server says: {words}")
    return unreachable(words)
