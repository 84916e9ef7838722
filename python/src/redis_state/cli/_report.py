"""What the walks over a fleet have in common: their options, and the end of their reports."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from redis_state._keys import key_text
from redis_state.cli._escape import shown
from redis_state.cli._output import remark
from redis_state.cli._tally import Tally
from redis_state.cli._types import NAME
from redis_state.cli._walk import Ended

F = TypeVar("F", bound=Callable[..., Any])


def walk_options(command: F) -> F:
    """Gives a subcommand the options of a walk that changes machines."""
    for option in (
        click.option("--dry-run", is_flag=True, help="Change nothing, and say what would be done."),
        click.option(
            "--rate", type=click.IntRange(min=0), default=5000, show_default=True, help="Machines a second; 0: all."
        ),
        click.option("--reason", type=NAME, help="Why, kept with the machine in place of the last move's reason."),
        click.option("--by", type=NAME, help="For whom, kept in the history."),
    ):
        command = option(command)
    return command


def end_lines(tally: Tally, meaning: str) -> list[str]:
    """Returns the lines of conflicts and failures. `meaning` says what a conflict is."""
    conflicts = tally.outcomes["conflicts"]
    lines = [f"conflicts  {conflicts:,}" + f", {meaning}" * bool(conflicts), f"failed     {tally.failed:,}"]
    for reason, each in tally.reasons.items():
        examples = ", ".join(map(shown, sorted(each.examples))) + ", …" * (each.machines > len(each.examples))
        lines.append(f"  {each.machines:,} × {shown(reason)}: {examples}")
    return lines


def end_facts(tally: Tally, ended: Ended) -> dict[str, Any]:
    """Returns the conflicts, the failures and the end for JSON."""
    reasons = [
        {"reason": reason, "machines": each.machines, "examples": list(map(key_text, sorted(each.examples)))}
        for reason, each in tally.reasons.items()
    ]
    return {
        "conflicts": tally.outcomes["conflicts"],
        "gone": tally.outcomes["gone"],
        "failed": tally.failed,
        "reasons": reasons,
        "finished": ended.why is None,
        "stopped": ended.why,
        "seconds": round(ended.seconds, 3),
    }


def tell_why(ended: Ended) -> None:
    """Tells why a walk ended too early."""
    if ended.why:
        remark(f"stopped: {ended.why}. Start it again to go on")
