"""Spreads work over time, so that other clients of the server hardly notice it."""

from __future__ import annotations

import time

from redis_state._keys import BATCH

# A second of work at low rates is done in so many parts, so that it doesn't come all at once.
_PARTS = 10


class Pace:
    """Lets at most `rate` machines a second through; 0 is as fast as it goes."""

    def __init__(self, rate: int) -> None:
        self.rate = rate
        self.batch = max(1, min(BATCH, rate // _PARTS)) if rate else BATCH
        self._next = time.monotonic()

    def wait(self, done: int) -> None:
        """Waits until the next machines may follow `done` of them."""
        if self.rate:
            # Time that was lost isn't made up for: that would be a burst.
            self._next = max(self._next + done / self.rate, time.monotonic())
            time.sleep(self._next - time.monotonic() if self._next > time.monotonic() else 0)
