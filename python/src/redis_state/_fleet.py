"""What several servers say of many machines, put together, and slices of a wait. Nothing here talks to a server."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Optional

from redis_state._times import Duration, milliseconds
from redis_state._verdict import DefinitionInfo

# The longest slice of a wait. After a failover, or where the server tells nobody that the key is gone, the next slice
# finds out.
_LONGEST_SLICE_MS = 30_000
# redis-py 8 uses it where a client says nothing, in seconds; earlier ones wait for ever.
_DEFAULT_SOCKET_TIMEOUT = 5.0


def added_up(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Returns the counts of all servers, state by state."""
    total: dict[str, int] = {}
    for of_one in counts:
        for state, number in of_one.items():
            total[state] = total.get(state, 0) + number
    return total


def merged(lists: Iterable[Iterable[DefinitionInfo]]) -> list[DefinitionInfo]:
    """Returns the definitions of all servers, by name and revision. Those that look the same on several servers are
    one, with its machines and its memory added up."""
    found: dict[tuple[Any, ...], DefinitionInfo] = {}
    for of_one in lists:
        twins: dict[tuple[Any, ...], int] = {}
        for info in of_one:
            label = (info.name, info.revision, info.states, info.transitions)
            # Two that differ may look the same on one server; they stay two.
            twins[label] = twins.get(label, 0) + 1
            twin = (*label, twins[label])
            before = found.get(twin)
            found[twin] = _sum(before, info) if before else info
    return sorted(found.values(), key=lambda info: (info.name, -1 if info.revision is None else info.revision))


def _sum(one: DefinitionInfo, other: DefinitionInfo) -> DefinitionInfo:
    return replace(one, machines=one.machines + other.machines, bytes=one.bytes + other.bytes)


class Slices:
    """Divides a wait into waits that are shorter than the client's socket timeout.

    One long SM.WAIT on a connection with a timeout of its own would do too, but it would need a pool of its own for
    each kind of client, and wouldn't notice that a failover has made another server the primary. A slice is an
    ordinary command: it goes where redis-py sends it, by Sentinel, in a cluster, after a failover. Nothing is lost
    between two slices, because SM.WAIT looks at the state, not at moves.
    """

    def __init__(self, timeout: Optional[Duration], connection: Mapping[str, Any]) -> None:
        self._end = None if timeout is None else time.monotonic() + milliseconds(timeout) / 1000
        limit = connection.get("socket_timeout", _DEFAULT_SOCKET_TIMEOUT)
        # Half of it: the reply needs time as well.
        self._longest = _LONGEST_SLICE_MS if limit is None else min(_LONGEST_SLICE_MS, int(limit * 500))

    def next(self) -> int:
        """Returns the milliseconds of the next slice, at least 1, because 0 is for ever."""
        if self._end is None:
            return max(1, self._longest)
        left = round((self._end - time.monotonic()) * 1000)
        return max(1, min(left, self._longest))

    def over(self) -> bool:
        """Returns whether the time is over."""
        return self._end is not None and time.monotonic() >= self._end
