"""`redis-state stuck`: the machines that have been longest in their state."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import Any

import click

from redis_state import Info, StateMachines
from redis_state._clock import server_now
from redis_state._keys import BATCH, key_bytes, key_text
from redis_state.cli._connection import check_whole
from redis_state.cli._escape import shown
from redis_state.cli._fleets import SCAN_COUNT, batches, check_states, counted
from redis_state.cli._looks import looked_at
from redis_state.cli._output import print_json, print_table, remark
from redis_state.cli._settings import Settings, json_option, pass_settings, server_options
from redis_state.cli._times import duration, iso, moment, unix_ms
from redis_state.cli._types import DURATION, NAME


@dataclass(frozen=True)
class Stuck:
    """A machine that hasn't moved since a moment, in milliseconds since 1970."""

    since: int
    key: bytes
    info: Info

    def __lt__(self, other: Stuck) -> bool:
        # A heap gives up its least entry, and that has to be the youngest.
        return (self.since, self.key) > (other.since, other.key)


class Oldest:
    """Keeps the oldest machines of those that it gets, at most `limit`. A key may come twice."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.found = 0
        self._heap: list[Stuck] = []
        self._keys: set[bytes] = set()

    def add(self, each: Stuck) -> None:
        """Takes a machine, and gives up the youngest if there are too many."""
        if each.key in self._keys:
            return
        self.found += 1
        self._keys.add(each.key)
        heapq.heappush(self._heap, each)
        if len(self._heap) > self.limit:
            self._keys.remove(heapq.heappop(self._heap).key)

    def sorted(self) -> list[Stuck]:
        """Returns the machines, the oldest first."""
        return sorted(self._heap, reverse=True)


@click.command(short_help="Machines that haven't moved for long.")
@click.argument("name", type=NAME)
@click.option("--state", "states", type=NAME, multiple=True, help="Only in this state. May be given several times.")
@click.option("--idle", type=DURATION, default="1h", show_default=True, help="In its state for at least so long.")
@click.option("--limit", type=click.IntRange(1, 100_000), default=100, show_default=True, help="At most so many.")
@json_option
@server_options
@pass_settings
def stuck(settings: Settings, name: str, states: tuple[str, ...], idle: int, limit: int) -> None:
    """List the machines of the definition NAME that have been in their state for long, the oldest first.

    Without --state, machines in terminal states are left out: they have arrived. A machine knows since when if its
    definition has "history" or "after"; others are never listed.
    """
    machines = settings.machines
    check_whole(machines)
    check_states(states, counted(machines, name), name)
    oldest = _find(machines, name, states, idle, limit)
    now = server_now(machines)
    if settings.json:
        print_json([_facts(each, now) for each in oldest.sorted()])
    elif oldest.found:
        _print(oldest, now)
    else:
        remark(f"no machine is stuck{_why_none(machines, name)}")


def _find(machines: StateMachines, name: str, states: tuple[str, ...], idle: int, limit: int) -> Oldest:
    oldest = Oldest(limit)
    keys = map(key_bytes, machines.scan(name=name, states=states, idle=idle, count=SCAN_COUNT))
    idle_before = server_now(machines) - idle
    for batch in batches(keys, BATCH):
        for key, info in looked_at(machines, batch):
            since = unix_ms(info.since) if info.since else None
            if since is not None and since <= idle_before and _is_meant(info, states):
                oldest.add(Stuck(since, key, info))
    return oldest


def _is_meant(info: Info, states: tuple[str, ...]) -> bool:
    return info.state in states if states else not info.terminal


def _why_none(machines: StateMachines, name: str) -> str:
    key = next(machines.scan(name=name, count=SCAN_COUNT), None)
    info = None if key is None else machines.info(key)
    if info is not None and info.since is None:
        return ', but machines know since when only if their definition has "history" or "after"'
    return ""


def _facts(each: Stuck, now: int) -> dict[str, Any]:
    info = each.info
    facts = {"key": key_text(each.key), "state": info.state, "version": info.version, "revision": info.revision}
    return {**facts, "since": iso(info.since), "idle_ms": max(0, now - each.since)}


def _print(oldest: Oldest, now: int) -> None:
    listed = oldest.sorted()
    rows = [(shown(each.key), shown(each.info.state), duration(now - each.since), _since(each.info)) for each in listed]
    print_table(("key", "state", ">for", "since"), rows)
    if oldest.found > len(listed):
        remark(f"and {oldest.found - len(listed):,} more, --limit lists more of them")


def _since(info: Info) -> str:
    return moment(info.since) if info.since else ""
