"""Looks at machines that a scan has found, because they may have moved or gone since."""

from __future__ import annotations

from redis.exceptions import ResponseError

from redis_state import Info, StateMachines
from redis_state._faults import said, translated
from redis_state._keys import infos


def looked_at(machines: StateMachines, keys: list[bytes]) -> list[tuple[bytes, Info]]:
    """Returns those that are still machines, with what SM.INFO says of them."""
    found = []
    for key, reply in infos(machines, keys):
        if isinstance(reply, ResponseError):
            _check_is_other_type(reply)
        elif reply is not None:
            found.append((key, reply))
    return found


def _check_is_other_type(error: ResponseError) -> None:
    if not said(error).startswith("WRONGTYPE"):
        raise translated(error, ["SM.INFO"]) or error
