"""A walk over a fleet in slices, round and round, that keeps the few machines at the head of an order.

The order is that of a moment: since when a machine is in its state, or when its timer is due. What is kept bounds what
the next slice asks for, so soon hardly any key comes back.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, NamedTuple, Optional

from redis_state import Info, StateMachines
from redis_state.console._backend import looked_at, next_page

# How many machines a list shows. Others are kept in reserve, for those that move and leave the list.
SHOWN = 20
_KEPT = 3 * SHOWN
# How many keys a slice visits. The server ends it after 2 ms.
_SLICE = 500
# How often the lists are looked at again until all that is shown is true.
_LOOKS = 3
# A call takes so many milliseconds at most to get to the server, mostly. IDLE goes by the time when it is there. Without
# this, thousands of machines that were made at one moment would come back in every round.
_ON_ITS_WAY = 5
# Between the beginnings of two rounds, in seconds: a small fleet isn't walked over all the time.
_ROUND = 1.0

# The options of SM.SCAN that bound an order.
IDLE = "IDLE"
DUE = "DUE"
# The latest moment that the server knows.
_EVER = (1 << 53) - 1

# Returns the moment by which a machine is in the order; None for one that isn't in it.
Moment = Callable[[Info], Optional[int]]


class Found(NamedTuple):
    """A machine and the moment by which it is in the order."""

    moment: int
    key: bytes
    info: Info


class Kept:
    """The machines with the earliest moments of those that it gets."""

    def __init__(self) -> None:
        self._found: dict[bytes, Found] = {}
        # What is not before this isn't kept: there were enough before it.
        self._bound: Optional[int] = None

    def __contains__(self, key: bytes) -> bool:
        return key in self._found

    @property
    def bound(self) -> Optional[int]:
        """Only a machine with an earlier moment is kept. None: every one."""
        if len(self._found) < SHOWN:
            self._bound = None
        return self._bound

    def add(self, each: Found) -> None:
        """Takes a machine, or what is new of one that is kept, and gives up the last one if there are too many."""
        bound = self.bound
        if bound is not None and each.moment >= bound and each.key not in self._found:
            return
        self._found[each.key] = each
        if len(self._found) > _KEPT:
            last = max(self._found.values(), key=lambda found: found.moment)
            del self._found[last.key]
        if len(self._found) == _KEPT:
            self._bound = max(found.moment for found in self._found.values())

    def remove(self, key: bytes) -> None:
        """Forgets a machine."""
        self._found.pop(key, None)

    def first(self) -> list[Found]:
        """Returns the machines that are shown, in order."""
        return sorted(self._found.values(), key=lambda found: (found.moment, found.key))[:SHOWN]


class Walk:
    """One order of a fleet. `option` bounds it: IDLE or DUE."""

    def __init__(self, option: str, moment: Moment) -> None:
        self.kept = Kept()
        #: When the last round ended, in the server's milliseconds; None before the end of the first.
        self.done_at: Optional[int] = None
        #: How far the round is, from 0 to 1.
        self.progress = 0.0
        self._option = option
        self._moment = moment
        self._node = self._cursor = 0
        self._next_round = 0.0

    def rests(self) -> bool:
        """Returns whether the next round may not begin yet."""
        return self._node == self._cursor == 0 and time.monotonic() < self._next_round

    def step(self, machines: StateMachines, options: list[Any], now: int) -> None:
        """Walks one slice on."""
        if self._node == self._cursor == 0:
            self._next_round = time.monotonic() + _ROUND
        asked = [*options, *self._bounded(now), "COUNT", _SLICE]
        page = next_page(machines, asked, self._node, self._cursor)
        self._take(machines, [key for key in page.keys if key not in self.kept])
        self._node, self._cursor, self.progress = page.node, page.cursor, page.progress
        if page.over:
            self.finish(now)

    def finish(self, now: int) -> None:
        """Ends the round."""
        self._node = self._cursor = 0
        self.done_at, self.progress = now, 1.0

    def _bounded(self, now: int) -> list[Any]:
        bound = self.kept.bound
        if self._option == IDLE:
            return [IDLE, 0 if bound is None else max(0, now - bound + _ON_ITS_WAY)]
        return [self._option, _EVER if bound is None else max(0, bound - 1)]

    def _take(self, machines: StateMachines, keys: list[bytes]) -> None:
        for key, info in looked_at(machines, keys):
            moment = self._moment(info)
            if moment is not None:
                self.kept.add(Found(moment, key, info))

    def look_again(self, machines: StateMachines) -> None:
        """Looks at the machines that are shown, and drops those that have moved. Others take their places."""
        true: set[bytes] = set()
        for _ in range(_LOOKS):
            doubtful = [found for found in self.kept.first() if found.key not in true]
            if not doubtful:
                return
            seen = dict(looked_at(machines, [found.key for found in doubtful]))
            for found in doubtful:
                self._judge(found, seen.get(found.key))
            true.update(found.key for found in doubtful)

    def _judge(self, found: Found, info: Optional[Info]) -> None:
        moment = None if info is None else self._moment(info)
        if moment != found.moment:
            self.kept.remove(found.key)
        if info is not None and moment is not None:
            self.kept.add(Found(moment, found.key, info))
