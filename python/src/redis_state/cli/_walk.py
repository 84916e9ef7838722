"""A walk over a fleet, batch by batch: at a pace, with a progress bar, and with an end that is known."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Optional

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from redis_state import StateMachineError
from redis_state.cli._faults import FAILED, INTERRUPTED, OF_REDIS, explained
from redis_state.cli._fleets import batches
from redis_state.cli._interrupts import Interrupts
from redis_state.cli._output import console, is_terminal
from redis_state.cli._pace import Pace

Advance = Callable[[int], None]


class Ended(NamedTuple):
    """How a walk ended: after how many seconds, and why too early, if it did."""

    seconds: float
    why: Optional[str] = None
    code: int = 0


def walk(keys: Iterable[bytes], step: Callable[[list[bytes]], int], rate: int, what: str, total: int) -> Ended:
    """Hands the keys to `step` in batches. It returns by how many machines the work has come forward.

    Ctrl-C lets a batch end first. Errors of the connection and of the server end the walk.
    """
    begin = time.monotonic()
    why, code = None, 0
    try:
        with Interrupts() as interrupts, _progress(what, total) as advance:
            pace = Pace(rate)
            for batch in batches(keys, pace.batch):
                with interrupts.held():
                    forward = step(batch)
                    advance(forward)
                pace.wait(forward)
    except KeyboardInterrupt:
        why, code = "interrupted", INTERRUPTED
    except (StateMachineError, *OF_REDIS) as error:
        why, code = explained(error), FAILED
    return Ended(time.monotonic() - begin, why, code)


@contextmanager
def _progress(what: str, total: int) -> Iterator[Advance]:
    """Shows a bar on stderr while somebody watches."""
    if not is_terminal(sys.stderr):
        yield lambda number: None
        return
    columns: list[Any] = [TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("machines,")]
    with Progress(*columns, TimeRemainingColumn(), TextColumn("left"), console=console(sys.stderr)) as bar:
        task = bar.add_task(what, total=total)
        yield lambda number: bar.advance(task, number)
