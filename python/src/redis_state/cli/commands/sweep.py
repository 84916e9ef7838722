"""`redis-state sweep`: fires an event at the machines that are stuck."""

from __future__ import annotations

import os
from typing import Any, Optional

import click
from redis.exceptions import ResponseError

from redis_state import Info, StateMachines
from redis_state._clock import server_now
from redis_state._keys import key_bytes, key_text
from redis_state.cli._connection import check_whole
from redis_state.cli._escape import shown
from redis_state.cli._faults import FAILED
from redis_state.cli._fleets import SCAN_COUNT, check_states, counted
from redis_state.cli._looks import looked_at
from redis_state.cli._output import print_json
from redis_state.cli._report import end_facts, end_lines, tell_why, walk_options
from redis_state.cli._settings import Settings, json_option, pass_settings, server_options
from redis_state.cli._tally import Tally
from redis_state.cli._times import duration, unix_ms
from redis_state.cli._types import DURATION, NAME
from redis_state.cli._walk import Ended, walk

_MOST_EXAMPLES = 5


class Sweep:
    """One run. Every request has an id of the run and the version, so redis-py may send it twice."""

    def __init__(self, machines: StateMachines, states: tuple[str, ...], event: str, **options: Optional[str]) -> None:
        self.machines = machines
        self.states = states
        self.event = event
        self.options: dict[str, Any] = options
        self.idle_before = 0
        self.run = os.urandom(6).hex()
        self.tally = Tally()
        self.examples: list[bytes] = []

    def step(self, batch: list[bytes]) -> int:
        """Looks again, and fires where the machine is as the scan has found it."""
        stuck = self._stuck(batch)
        pipe = self.machines.pipeline(transaction=False)
        for key, info in stuck:
            token = f"sweep-{self.run}-{info.version}"
            pipe.fire(key, self.event, if_version=info.version, id=token, **self.options)
        for (key, _), verdict in zip(stuck, pipe.execute(raise_on_error=False)):
            self._judge(key, verdict)
        return len(stuck)

    def look(self, batch: list[bytes]) -> int:
        """Only counts what would be fired at."""
        stuck = self._stuck(batch)
        self.tally.outcomes["found"] += len(stuck)
        self.examples += [key for key, _ in stuck[: _MOST_EXAMPLES - len(self.examples)]]
        return len(stuck)

    def _stuck(self, batch: list[bytes]) -> list[tuple[bytes, Info]]:
        return [(key, info) for key, info in looked_at(self.machines, batch) if self._is_stuck(info)]

    def _is_stuck(self, info: Info) -> bool:
        return info.state in self.states and info.since is not None and unix_ms(info.since) <= self.idle_before

    def _judge(self, key: bytes, verdict: Any) -> None:
        if isinstance(verdict, ResponseError):
            self.tally.error(key, verdict, "SM.FIRE")
        elif verdict is None:
            self.tally.outcomes["gone"] += 1
        elif verdict.refused:
            self.tally.fail(key, f"refused in the state {verdict.state!r}")
        else:
            self.tally.outcomes["conflicts" if verdict.conflict else "moved"] += 1


@click.command(short_help="Fire an event at machines that are stuck.")
@click.argument("name", type=NAME)
@click.option("--state", "states", type=NAME, multiple=True, required=True, help="In this state, or one of several.")
@click.option("--idle", type=DURATION, required=True, help="In its state for at least so long.")
@click.option("--event", type=NAME, required=True, help="What to fire.")
@click.option("--to", type=NAME, help="Which state, if the event leads to several.")
@walk_options
@json_option
@server_options
@pass_settings
def sweep(
    settings: Settings, name: str, states: tuple[str, ...], idle: int, event: str, rate: int, dry_run: bool, **how: Any
) -> int:
    """Fire an event at every machine of the definition NAME that is stuck.

    Each machine is looked at again before: one that has moved meanwhile is left alone. Start it again as often as you
    like: what was swept isn't there any more. The exit code is 1 if a machine refused or failed.
    """
    machines = settings.machines
    check_whole(machines)
    counts = counted(machines, name)
    check_states(states, counts, name)
    run = Sweep(machines, states, event, **how)
    run.idle_before = server_now(machines) - idle
    keys = map(key_bytes, machines.scan(name=name, states=states, idle=idle, count=SCAN_COUNT))
    most = sum(counts[state] for state in states)
    ended = walk(keys, run.look if dry_run else run.step, 0 if dry_run else rate, "sweep", most)
    _report(settings, run, ended, dry_run)
    return ended.code or (FAILED if run.tally.failed else 0)


def _report(settings: Settings, run: Sweep, ended: Ended, dry_run: bool) -> None:
    if dry_run:
        _tell_found(settings, run, ended)
    elif settings.json:
        print_json({"moved": run.tally.outcomes["moved"], **end_facts(run.tally, ended)})
        return
    else:
        click.echo(f"moved      {run.tally.outcomes['moved']:,}, in {duration(ended.seconds * 1000)}")
        for each in end_lines(run.tally, "they moved meanwhile"):
            click.echo(each)
    tell_why(ended)


def _tell_found(settings: Settings, run: Sweep, ended: Ended) -> None:
    found, keys = run.tally.outcomes["found"], sorted(run.examples)
    if settings.json:
        print_json({"found": found, "examples": [key_text(key) for key in keys], "finished": ended.why is None})
        return
    examples = f": {', '.join(map(shown, keys))}" + ", …" * (found > len(keys)) if keys else ""
    click.echo(f"would fire {shown(run.event)} at {found:,} machines{examples}")
