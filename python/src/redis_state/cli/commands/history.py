"""`redis-state history`: the last moves of one machine."""

from __future__ import annotations

from typing import Optional

import click

from redis_state import Move
from redis_state.cli._moves import facts, optional, way, what
from redis_state.cli._output import print_json, print_table, remark
from redis_state.cli._settings import Settings, json_option, pass_settings, server_options
from redis_state.cli._source import no_machine
from redis_state.cli._times import moment_ms
from redis_state.cli._types import KEY


@click.command(short_help="The last moves of a machine.")
@click.argument("key", type=KEY)
@click.option("--count", "-n", type=click.IntRange(min=1), help="At most so many moves.")
@json_option
@server_options
@pass_settings
def history(settings: Settings, key: bytes, count: Optional[int]) -> None:
    """List the moves that the machine at KEY remembers, the newest first."""
    moves = settings.machines.history(key, count)
    if moves is None:
        raise no_machine(key)
    if settings.json:
        print_json([facts(move) for move in moves])
    elif moves:
        _print(moves)
    else:
        remark("the machine remembers no moves, because its definition has no history")


def _print(moves: list[Move]) -> None:
    rows = [_row(move) for move in moves]
    # Most moves say neither who nor why, and then nobody wants the room for it.
    kept = [at for at in range(len(_COLUMNS)) if any(row[at] for row in rows)]
    print_table([_COLUMNS[at] for at in kept], [[row[at] for at in kept] for row in rows])


_COLUMNS = (">version", "at", "event", "states", "by", "user", "reason", "id")


def _row(move: Move) -> tuple[str, ...]:
    at = moment_ms(move.at) if move.at else ""
    texts = map(optional, (move.by, move.user, move.reason, move.id))
    return (str(move.version), at, what(move), way(move), *texts)
