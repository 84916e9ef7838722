"""What the subcommands about many machines share: they check names first, and look at keys in batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Optional, TypeVar

import click

from redis_state import StateMachines
from redis_state.cli._escape import quoted

T = TypeVar("T")

# How many keys a call of SM.SCAN visits. It takes the server about a millisecond.
SCAN_COUNT = 1000
_MOST_LISTED = 12


def counted(machines: StateMachines, name: str, revision: Optional[int] = None) -> dict[str, int]:
    """Returns how many machines are in each state. Raises if there is none of the name: often it is misspelt."""
    counts = machines.count(name, revision)
    if not counts:
        which = quoted(name) if revision is None else f"{quoted(name)} revision {revision}"
        raise click.ClickException(f"there are no machines of the name {which}{_others(machines)}")
    return counts


def _others(machines: StateMachines) -> str:
    names = list(dict.fromkeys(each.name for each in machines.definitions()))
    return f", only {listed(names)}" if names else ", nor of any other name"


def check_states(states: Iterable[str], counts: Iterable[str], name: str) -> None:
    """Refuses a state that no definition of the fleet has."""
    known = dict.fromkeys(counts)
    for state in states:
        if state not in known:
            raise click.ClickException(f"{quoted(name)} has no state {quoted(state)}, only {listed(list(known))}")


def listed(names: list[str]) -> str:
    """Returns names for a sentence, the first few of them."""
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return ", ".join(map(quoted, names[:_MOST_LISTED])) + more


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yields the items in lists of a size."""
    batch: list[T] = []
    for item in items:
        batch.append(item)
        if len(batch) >= size:
            yield batch
            batch = []
    if batch:
        yield batch
