"""`redis-state fleet`: how many machines are in each state."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Optional

import click
from rich.console import Group
from rich.live import Live
from rich.text import Text

from redis_state.cli._bars import bar
from redis_state.cli._connection import check_whole
from redis_state.cli._escape import shown
from redis_state.cli._fleets import counted
from redis_state.cli._output import console, grid, is_terminal, print_json, print_table
from redis_state.cli._settings import Settings, json_option, pass_settings, server_options
from redis_state.cli._types import DURATION, NAME

_BAR = 40
_COLUMNS = ("state", ">machines", ">share", "")


@click.command(short_help="Count machines by state.")
@click.argument("name", type=NAME)
@click.option("--revision", type=click.IntRange(min=0), help="Only machines of this revision.")
@click.option("--watch", is_flag=True, help="Count again and again, until Ctrl-C. Only on a terminal.")
@click.option("--every", type=DURATION, help="How often to count, 2s by default. Includes --watch.")
@json_option
@server_options
@pass_settings
def fleet(settings: Settings, name: str, revision: Optional[int], watch: bool, every: Optional[int]) -> None:
    """Count the machines of the definition NAME in each state.

    The server has the counts ready, so this is as quick for millions.
    """
    check_whole(settings.machines)
    counts = counted(settings.machines, name, revision)
    if settings.json:
        print_json({"name": name, "revision": revision, "machines": sum(counts.values()), "states": counts})
    elif (watch or every) and is_terminal():
        _live(settings, name, revision, (every or 2000) / 1000)
    else:
        print_table(_COLUMNS, _rows(counts, _BAR))
        click.echo(_total(counts))


def _live(settings: Settings, name: str, revision: Optional[int], pause: float) -> None:
    screen = console()
    width = max(10, min(_BAR, screen.width - 50))
    with Live(console=screen, auto_refresh=False, vertical_overflow="ellipsis") as live:
        while True:
            # A fleet that is empty for a moment is shown as empty.
            counts = settings.machines.count(name, revision)
            at = time.strftime("%H:%M:%SZ", time.gmtime())
            picture = Group(grid(_COLUMNS, _rows(counts, width)), Text(f"{_total(counts)}, {at}"))
            live.update(picture, refresh=True)
            time.sleep(pause)


def _rows(counts: Mapping[str, int], width: int) -> list[tuple[str, ...]]:
    total, most = sum(counts.values()), max(counts.values(), default=0)
    return [
        (shown(state), f"{number:,}", _share(number, total), bar(number, most, width))
        for state, number in counts.items()
    ]


def _share(number: int, total: int) -> str:
    return f"{100 * number / total:.1f}%" if number else ""


def _total(counts: Mapping[str, int]) -> str:
    total = sum(counts.values())
    return "1 machine" if total == 1 else f"{total:,} machines"
