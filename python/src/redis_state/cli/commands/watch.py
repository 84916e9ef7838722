"""`redis-state watch`: the moves of one machine, as they come.

It polls SM.INFO, and asks SM.HISTORY for what came since. SM.WAIT would tell of a move some milliseconds earlier, but a
waiter takes 35 kB of the server and one of its places for waiters, and doesn't notice a move onto the same state, or two
moves within a transaction. A poll costs the server some microseconds, and the history has every move.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any, Union

import click

from redis_state import Info, Move, StateMachines
from redis_state.cli._escape import shown
from redis_state.cli._moves import facts, optional, way, what
from redis_state.cli._output import print_json
from redis_state.cli._settings import Settings, json_option, pass_settings, server_options
from redis_state.cli._source import no_machine
from redis_state.cli._times import moment_ms
from redis_state.cli._types import DURATION, KEY

Seen = Union[Move, dict[str, Any]]


@click.command(short_help="The moves of a machine as they come.")
@click.argument("key", type=KEY)
@click.option("--every", type=DURATION, default="500ms", show_default=True, help="How often to look.")
@json_option
@server_options
@pass_settings
def watch(settings: Settings, key: bytes, every: int) -> None:
    """Print each move of the machine at KEY as it comes, until Ctrl-C or until the key is gone.

    It asks the server every half second for the version, and for the moves since. That is cheaper for the server than
    a client that waits by SM.WAIT, and no move is missed if the definition has a history.
    """
    machines = settings.machines
    info = machines.info(key)
    if info is None:
        raise no_machine(key)
    _tell(settings, {"now": "watched", "state": info.state, "version": info.version})
    for seen in _seen(machines, key, info, every / 1000):
        _tell(settings, seen)


def _seen(machines: StateMachines, key: bytes, info: Info, pause: float) -> Iterator[Seen]:
    """Yields what happens to the machine."""
    version = info.version
    while True:
        time.sleep(pause)
        latest = machines.info(key)
        if latest is None:
            yield {"now": "gone", "version": version}
            return
        if latest.version < version:
            yield {"now": "made anew", "version": latest.version}
            version = 0
        if latest.version > version:
            for each in _since(machines, key, version, latest):
                yield each
                version = each.version if isinstance(each, Move) else each["version"]


def _since(machines: StateMachines, key: bytes, version: int, latest: Info) -> Iterator[Seen]:
    """Yields the moves after a version, the oldest first, and what is not remembered of them."""
    # Moves that come between the two questions are at the head of the history: there may be more than asked for.
    moves = machines.history(key, latest.version - version + 100) if latest.history_limit else []
    remembered = [move for move in reversed(moves or []) if move.version > version]
    for move in remembered:
        if move.version > version + 1:
            yield {"now": "not remembered", "moves": move.version - version - 1, "version": move.version - 1}
        yield move
        version = move.version
    if version < latest.version:
        unknown = {"now": "not remembered", "moves": latest.version - version}
        yield {**unknown, "state": latest.state, "version": latest.version}


def _tell(settings: Settings, seen: Seen) -> None:
    if settings.json:
        print_json(facts(seen) if isinstance(seen, Move) else seen)
    else:
        click.echo(_line(seen) if isinstance(seen, Move) else _sentence(seen))


def _line(move: Move) -> str:
    parts = [moment_ms(move.at) if move.at else "", f"v{move.version}", what(move), way(move)]
    if move.by:
        parts.append(f"by {optional(move.by)}")
    if move.reason:
        parts.append(f"({optional(move.reason)})")
    return "  ".join(filter(None, parts))


def _sentence(seen: dict[str, Any]) -> str:
    version = seen["version"]
    if seen["now"] == "watched":
        return f"v{version}  {shown(seen['state'])}"
    if seen["now"] == "not remembered":
        state = f"  {shown(seen['state'])}" if "state" in seen else ""
        moves = "1 move that isn't" if seen["moves"] == 1 else f"{seen['moves']} moves that aren't"
        return f"v{version}{state}  ({moves} remembered)"
    return "the key is gone" if seen["now"] == "gone" else "the key was deleted and the machine made anew"
