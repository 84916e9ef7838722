"""`redis-state show`: what there is to know of one machine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import click

from redis_state import Info, StateMachines
from redis_state._clock import server_now
from redis_state.cli._escape import shown
from redis_state.cli._output import print_fields, print_json
from redis_state.cli._settings import Settings, json_option, pass_settings, server_options
from redis_state.cli._source import no_machine
from redis_state.cli._times import duration, iso, moment, unix_ms
from redis_state.cli._types import KEY

# How many events, and how many targets of one, people get to see. --json has all.
_MOST = 30
# A machine that moves in every moment is shown as it is found in the end.
_TRIES = 5


@dataclass(frozen=True)
class Picture:
    """What the commands said of a machine, all at one version."""

    info: Info
    events: dict[str, tuple[str, ...]]
    reason: str


@click.command(short_help="Where a machine is, and what it can do.")
@click.argument("key", type=KEY)
@json_option
@server_options
@pass_settings
def show(settings: Settings, key: bytes) -> None:
    """Show the machine at KEY: where it is, since when, and what can be fired."""
    picture = _picture(settings.machines, key)
    if settings.json:
        print_json(_facts(key, picture))
    else:
        print_fields(_fields(key, picture, server_now(settings.machines)))


def _picture(machines: StateMachines, key: bytes) -> Picture:
    """Asks without a transaction, which needs more permissions, until nothing has moved in between."""
    for _ in range(_TRIES):
        pipe = machines.pipeline(transaction=False)
        pipe.info(key).events(key).execute_command("SM.GET", key, "REASON").info(key)
        before, events, reason, after = pipe.execute()
        if None in (before, events, reason, after):
            raise no_machine(key)
        if before.version == after.version:
            break
    text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
    return Picture(after, events, text)


def _facts(key: bytes, picture: Picture) -> dict[str, Any]:
    info = picture.info
    return {
        "key": key.decode("utf-8", "surrogateescape"),
        "state": info.state,
        "version": info.version,
        "name": info.name,
        "revision": info.revision,
        "since": iso(info.since),
        "due": iso(info.due),
        "due_to": info.due_to,
        "terminal": info.terminal,
        "reason": picture.reason,
        "events": picture.events,
        "states": info.states,
        "transitions": info.transitions,
        "history": info.history,
        "history_limit": info.history_limit,
        "machines": info.machines,
    }


def _fields(key: bytes, picture: Picture, now: int) -> Iterator[tuple[str, str]]:
    info = picture.info
    yield "key", shown(key)
    yield "state", shown(info.state) + " (terminal)" * info.terminal
    yield "version", str(info.version)
    if info.since:
        yield "since", f"{moment(info.since)}, {duration(now - unix_ms(info.since))} ago"
    if info.due:
        yield "timer", _timer(info, now)
    yield "reason", picture.reason and shown(picture.reason)
    yield "definition", _label(info)
    yield "size", f"{info.states} states, {info.transitions} transitions, shared by {info.machines} machines"
    yield "history", f"{info.history} of at most {info.history_limit} moves" if info.history_limit else ""
    for at, (event, targets) in enumerate(picture.events.items()):
        if at == _MOST:
            yield " ", f"and {len(picture.events) - _MOST} more events"
            return
        yield "events" if at == 0 else " ", f"{_event(event)} → {_targets(targets)}"


def _timer(info: Info, now: int) -> str:
    assert info.due is not None
    left = unix_ms(info.due) - now
    when = f"in {duration(left)}" if left > 0 else f"due {duration(-left)} ago"
    where = "deletes the key" if info.due_to is None else f"→ {shown(info.due_to)}"
    return f"{where} at {moment(info.due)}, {when}"


def _label(info: Info) -> str:
    if not info.name:
        return "without a name"
    return shown(info.name) + ("" if info.revision is None else f", revision {info.revision}")


def _event(event: str) -> str:
    return shown(event) if event else "(no name)"


def _targets(targets: tuple[str, ...]) -> str:
    more = f" and {len(targets) - _MOST} more" if len(targets) > _MOST else ""
    return ", ".join(map(shown, targets[:_MOST])) + more
