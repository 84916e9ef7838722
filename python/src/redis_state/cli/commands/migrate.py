"""`redis-state migrate`: puts a new definition under all machines of a fleet."""

from __future__ import annotations

from typing import Optional

import click

from redis_state import Definition, InvalidDefinition
from redis_state._keys import key_bytes
from redis_state.cli._connection import check_whole
from redis_state.cli._escape import quoted, shown
from redis_state.cli._faults import FAILED
from redis_state.cli._fleets import SCAN_COUNT
from redis_state.cli._migration import Migration, Plan, check_twins, planned
from redis_state.cli._output import print_json, print_table, remark
from redis_state.cli._report import end_facts, end_lines, tell_why, walk_options
from redis_state.cli._settings import Settings, json_option, pass_settings, server_options
from redis_state.cli._source import read_bytes
from redis_state.cli._times import duration
from redis_state.cli._types import NAME, RENAME
from redis_state.cli._walk import Ended, walk


@click.command(short_help="A new definition for a whole fleet.")
@click.argument("name", type=NAME)
@click.argument("file")
@click.option("--from-revision", type=click.IntRange(min=0), help="Only machines of this revision, not of all others.")
@click.option("--rename", "renames", type=RENAME, multiple=True, help="The state old is called new in the new file.")
@walk_options
@json_option
@server_options
@pass_settings
def migrate(
    settings: Settings,
    name: str,
    file: str,
    from_revision: Optional[int],
    renames: tuple[tuple[str, str], ...],
    rate: int,
    dry_run: bool,
    **how: Optional[str],
) -> int:
    """Put the definition of FILE under every machine of the definition NAME that has another revision.

    FILE is a document with the same name, and a revision of its own. Each machine stays in its state; --rename says
    what a state is called in the new definition. Whatever ends it early, start it again: it goes on with the machines
    that still have another revision. The exit code is 1 if a machine failed.
    """
    new = _new_definition(file, name, from_revision)
    rename = _checked(renames, new)
    machines = settings.machines
    check_whole(machines)
    check_twins(machines, new)
    plan = planned(machines, new, rename, from_revision)
    if dry_run:
        return _forecast(settings, plan)
    run = Migration(machines, plan, how)
    scan = machines.scan(name=name, revision=from_revision, count=SCAN_COUNT)
    ended = walk(map(key_bytes, scan), run.step, rate, f"revision {new.revision}", plan.total)
    _report(settings, run, ended)
    return ended.code or (FAILED if run.tally.failed or run.tally.outcomes["conflicts"] else 0)


def _new_definition(file: str, name: str, from_revision: Optional[int]) -> Definition:
    try:
        new = Definition.from_json(read_bytes(file))
    except InvalidDefinition as error:
        raise click.ClickException(f"{file}: invalid machine: {error}") from error
    if new.name != name:
        found = f"the name {quoted(new.name)}" if new.name else "no name"
        raise click.ClickException(f"{file}: has {found}, and machines would leave the fleet: expected {quoted(name)}")
    if new.revision is None:
        raise click.ClickException(f'{file}: has no "revision", which tells new machines from old ones: add one')
    if new.revision == from_revision:
        raise click.ClickException(f"{file}: has the revision {from_revision} itself: give it another one")
    return new


def _checked(renames: tuple[tuple[str, str], ...], new: Definition) -> dict[str, str]:
    rename: dict[str, str] = {}
    for old, target in renames:
        if old in rename:
            raise click.BadParameter(f"the state {quoted(old)} is renamed twice", param_hint="--rename")
        if target not in new.states:
            raise click.BadParameter(f"the new definition has no state {quoted(target)}", param_hint="--rename")
        rename[old] = target
    return rename


# ---- before ------------------------------------------------------------------------------------------


def _forecast(settings: Settings, plan: Plan) -> int:
    lost = sum(number for state, number in plan.counts.items() if plan.target(state) is None)
    if settings.json:
        states = {state: {"machines": n, "becomes": plan.target(state)} for state, n in plan.counts.items()}
        facts = {"name": plan.new.name, "revision": plan.new.revision, "machines": plan.total, "already": plan.already}
        print_json({**facts, "would_fail": lost, "states": states})
    else:
        rows = [(shown(state), f"{number:,}", _fate(plan, state)) for state, number in plan.counts.items()]
        print_table(("state", ">machines", f"in revision {plan.new.revision}"), rows)
        click.echo(f"{plan.total:,} machines to migrate, {plan.already:,} already there" + _losses(lost))
    return FAILED if lost else 0


def _fate(plan: Plan, state: str) -> str:
    target = plan.target(state)
    if target is None:
        return "missing: needs --rename" if plan.counts[state] else "missing, but no machine is there"
    return "the same" if target == state else f"→ {shown(target)}"


def _losses(lost: int) -> str:
    return f", {lost:,} would fail" if lost else ""


# ---- after -------------------------------------------------------------------------------------------


def _report(settings: Settings, run: Migration, ended: Ended) -> None:
    migrated, plan = run.tally.outcomes["migrated"], run.plan
    if settings.json:
        label = {"name": plan.new.name, "revision": plan.new.revision, "machines": plan.total}
        facts = {**label, "migrated": migrated, "already": plan.already, "not_found": run.not_found}
        print_json({**facts, **end_facts(run.tally, ended)})
        return
    click.echo(f"migrated   {migrated:,} of {plan.total:,}, in {duration(ended.seconds * 1000)}")
    click.echo(f"already    {plan.already:,}")
    for each in end_lines(run.tally, "they move all the time"):
        click.echo(each)
    tell_why(ended)
    if run.not_found and not ended.why:
        remark(f"{run.not_found:,} machines were not found: they are in other databases, gone, or changed by others")
