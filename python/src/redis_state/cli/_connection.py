"""From a URL to a client of redis-py."""

from __future__ import annotations

from typing import Any, Optional, Union

import click
import redis
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.exceptions import ResponseError
from redis.retry import Retry

from redis_state import StateMachines

# Seconds. A server that is busy with a long script may need some to answer.
_CONNECT_TIMEOUT = 5.0
_SOCKET_TIMEOUT = 30.0
# Three tries within about a second: a restarted server is found again, and a missing one is soon said to be missing.
_TRIES = 3


def connected(
    url: str, cluster: bool, sentinel: Optional[str], patience: Optional[float] = None
) -> Union[redis.Redis, redis.RedisCluster]:
    """Returns a client for the URL. Nothing is sent yet, except to find the nodes of a cluster.

    With `patience`, in seconds, a command waits no longer than that, and isn't tried again but in a cluster.
    """
    if cluster and sentinel is not None:
        raise click.UsageError("--cluster and --sentinel: expected only one of them")
    options: dict[str, Any] = {
        "socket_connect_timeout": patience or _CONNECT_TIMEOUT,
        "socket_timeout": patience or _SOCKET_TIMEOUT,
    }
    tries = 0 if patience else _TRIES
    try:
        if cluster:
            # Where it tries again, redis-py has looked for the primaries again.
            if patience:
                options["retry"] = Retry(NoBackoff(), 1)
            return redis.RedisCluster.from_url(url, **options)
        options["retry"] = Retry(ExponentialBackoff(cap=0.5, base=0.1), tries)
        if sentinel is not None:
            return _primary_of(url, sentinel, options)
        return redis.Redis.from_url(url, **options)
    except (ValueError, TypeError, AttributeError) as error:
        # redis-py's words name the schemes or the part that is wrong, and not the password.
        raise click.UsageError(f"--url: {error}") from error


def _primary_of(url: str, service: str, options: dict[str, Any]) -> redis.Redis:
    """Returns a client of the primary that a Sentinel names. User, password and database of the URL are those of the
    primary."""
    library: Any = redis  # these parts of it have no types
    parts = dict(library.connection.parse_url(url))
    if "path" in parts:
        raise ValueError("a Sentinel is at redis:// or rediss://")
    secure = issubclass(parts.pop("connection_class", redis.Connection), redis.SSLConnection)
    address = (parts.pop("host", "127.0.0.1"), parts.pop("port", 26379))
    tls = {"ssl": True} if secure else {}
    sentinel = library.Sentinel([address], sentinel_kwargs={**options, **tls})
    primary: redis.Redis = sentinel.master_for(service, **options, **tls, **parts)
    return primary


def check_whole(machines: StateMachines) -> None:
    """Refuses to take one node of a cluster for the whole fleet."""
    if isinstance(machines.client, redis.RedisCluster):
        return
    try:
        enabled = machines.client.info("cluster").get("cluster_enabled")
    except ResponseError:
        # A user who may not ask has to know.
        return
    if enabled:
        raise click.ClickException("the server is a node of a cluster and knows only its own machines: add --cluster")
