"""The migration of a fleet: what there is to do, and a batch of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Optional

import click
from redis.exceptions import ResponseError

from redis_state import Definition, Info, StateMachines
from redis_state._keys import key_bytes
from redis_state.cli._escape import quoted
from redis_state.cli._fleets import SCAN_COUNT, counted
from redis_state.cli._looks import looked_at
from redis_state.cli._tally import Tally

# How often a machine is tried that moves between the look and the change.
_TRIES = 5


@dataclass(frozen=True)
class Plan:
    """What there is to do. `counts` has the machines to migrate by state, `already` is how many have the new revision.

    The counts are those of the server when the migration begins.
    """

    new: Definition
    rename: Mapping[str, str]
    from_revision: Optional[int]
    counts: Mapping[str, int]
    already: int

    @property
    def total(self) -> int:
        """How many machines there are to migrate."""
        return sum(self.counts.values())

    def target(self, state: str) -> Optional[str]:
        """Returns what a state is called in the new definition; None if it isn't there."""
        target = self.rename.get(state, state)
        return target if target in self.new.states else None

    def concerns(self, info: Info) -> bool:
        """Returns whether a machine is still to be migrated."""
        if info.name != self.new.name or info.revision == self.new.revision:
            return False
        return self.from_revision is None or info.revision == self.from_revision


def planned(machines: StateMachines, new: Definition, rename: Mapping[str, str], from_revision: Optional[int]) -> Plan:
    """Asks the server how many machines are where."""
    already = machines.count(new.name, new.revision)
    everything = counted(machines, new.name)
    if from_revision is not None:
        counts = machines.count(new.name, from_revision)
    else:
        # Between the two questions a machine may have come, so none is counted below zero.
        counts = {state: max(0, number - already.get(state, 0)) for state, number in everything.items()}
        # States that only the new definition has are none of the old machines'.
        counts = {state: number for state, number in counts.items() if number or state not in already}
    return Plan(new, rename, from_revision, counts, sum(already.values()))


def check_twins(machines: StateMachines, new: Definition) -> None:
    """Refuses a revision that machines have already with another definition: they would be taken for migrated."""
    same = [each for each in machines.definitions() if (each.name, each.revision) == (new.name, new.revision)]
    if not same:
        return
    key = next(map(key_bytes, machines.scan(name=new.name, revision=new.revision, count=SCAN_COUNT)), None)
    machine = None if key is None else machines.get(key)
    if len(same) > 1 or (machine is not None and machine.definition != new):
        raise click.ClickException(
            f"there are machines of {quoted(new.name)} revision {new.revision} with another definition"
            f"{f', such as {quoted(key)}' if key else ''}: give the new one a revision of its own"
        )


class Migration:
    """One run. Every request has the id of the run, so redis-py may send it twice, and a machine that a scan returns
    twice is changed once. The id isn't of the definition, because a machine remembers ids: one that went back to the
    old definition meanwhile could not be migrated again."""

    def __init__(self, machines: StateMachines, plan: Plan, options: Mapping[str, Optional[str]]) -> None:
        self.machines = machines
        self.plan = plan
        self.options: dict[str, Any] = {**options, "id": f"migrate-{os.urandom(6).hex()}", "rename": plan.rename}
        self.tally = Tally()

    @property
    def not_found(self) -> int:
        """How many machines the server has counted that the scan has not brought, so far."""
        found = self.tally.outcomes["migrated"] + self.tally.outcomes["conflicts"] + self.tally.failed
        return max(0, self.plan.total - found)

    def step(self, batch: list[bytes]) -> int:
        """Migrates those of the keys that still need it. Returns how many these were."""
        done = 0
        for attempt in range(_TRIES):
            todo = [(key, info) for key, info in looked_at(self.machines, batch) if self.plan.concerns(info)]
            done = done if attempt else len(todo)
            batch = self._changed(todo)
            if not batch:
                break
        self.tally.outcomes["conflicts"] += len(batch)
        return done

    def _changed(self, todo: list[tuple[bytes, Info]]) -> list[bytes]:
        """Changes machines that are as they were looked at. Returns the keys of the others."""
        pipe = self.machines.pipeline(transaction=False)
        for key, info in todo:
            pipe.redefine(key, self.plan.new, if_version=info.version, **self.options)
        replies = pipe.execute(raise_on_error=False)
        return [key for (key, _), reply in zip(todo, replies) if self._is_conflict(key, reply)]

    def _is_conflict(self, key: bytes, reply: Any) -> bool:
        if isinstance(reply, ResponseError):
            self.tally.error(key, reply, "SM.REDEFINE")
        elif reply is None:
            self.tally.outcomes["gone"] += 1
        elif reply.conflict:
            return True
        else:
            self.tally.outcomes["migrated"] += 1
        return False
