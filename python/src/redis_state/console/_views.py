"""What the page gets of a machine and of a definition, as JSON has it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime
from typing import Any, Generic, Optional, TypeVar

from redis_state import Definition, Info, Machine, Move, StateMachines
from redis_state._clock import server_now
from redis_state._keys import key_text
from redis_state.console._faults import Refusal
from redis_state.console._picture import identity, picture

V = TypeVar("V")

# A machine that moves in every moment is shown as it is found in the end.
_TRIES = 5
# How many pictures, and of how many machines the definition, is remembered.
_MAX_PICTURES = 20
_MAX_MACHINES = 1000


class Recent(Generic[V]):
    """Keeps so many values, those that were used last."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[Any, V] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Any) -> Optional[V]:
        """Returns the value, None if it is forgotten."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
            return self._values.get(key)

    def put(self, key: Any, value: V) -> None:
        """Remembers a value."""
        with self._lock:
            self._values[key] = value
            self._values.move_to_end(key)
            if len(self._values) > self._most:
                self._values.popitem(last=False)


class Pictures:
    """Pictures of definitions, each made once."""

    def __init__(self) -> None:
        self._made: Recent[dict[str, Any]] = Recent(_MAX_PICTURES)
        self._of_machines: Recent[tuple[Any, ...]] = Recent(_MAX_MACHINES)

    def of(self, definition: Definition) -> dict[str, Any]:
        """Returns the picture of a definition."""
        id = identity(definition)
        made = self._made.get(id)
        if made is None:
            made = picture(definition)
            self._made.put(id, made)
        return made

    def of_machine(self, machines: StateMachines, key: bytes, info: Info) -> dict[str, Any]:
        """Returns the picture of the machine's definition. Its document is read only if it may be another one."""
        # A machine gets another definition only by a new version.
        now = (info.name, info.revision, info.states, info.transitions, info.version, info.since, info.state)
        before = self._of_machines.get(key)
        if before is not None and before[1:] == now:
            made = self._made.get(before[0])
            if made is not None:
                return made
        made = self.of(_found(machines.get(key)).definition)
        self._of_machines.put(key, (made["id"], *now))
        return made


def _found(machine: Optional[Machine]) -> Machine:
    if machine is None:
        raise missing()
    return machine


def missing() -> Refusal:
    """Returns the refusal for a key without a machine."""
    return Refusal(404, "missing", "there is no machine at this key")


def machine_view(
    machines: StateMachines, pictures: Pictures, key: bytes, version: Optional[int], definition_id: Optional[str]
) -> dict[str, Any]:
    """Returns what there is to know of a machine: its history unless the page has seen this version, its definition
    unless the page has it."""
    info, events, reason = _at_one_version(machines, key)
    drawn = pictures.of_machine(machines, key, info)
    view = {
        **row(key, info),
        "revision": info.revision,
        "terminal": info.terminal,
        "reason": reason,
        "definition_id": drawn["id"],
        "history_limit": info.history_limit,
        "events": [{"event": event, "targets": list(targets)} for event, targets in events.items()],
        "now": server_now(machines),
    }
    if drawn["id"] != definition_id:
        view["definition"] = drawn
    if info.version != version:
        view.update(_history(machines, key, info))
    return view


def _at_one_version(machines: StateMachines, key: bytes) -> tuple[Info, dict[str, tuple[str, ...]], str]:
    """Asks without a transaction, which needs more permissions, until nothing has moved in between."""
    for _ in range(_TRIES):
        pipe = machines.pipeline(transaction=False)
        pipe.info(key).events(key).execute_command("SM.GET", key, "REASON").info(key)
        before, events, reason, after = pipe.execute()
        if None in (before, events, reason, after):
            raise missing()
        if before.version == after.version:
            break
    return after, events, key_text(reason) if isinstance(reason, bytes) else str(reason)


def _history(machines: StateMachines, key: bytes, info: Info) -> dict[str, Any]:
    moves = (machines.history(key) if info.history_limit else None) or []
    whole = moves[-1].version == 1 if moves else info.version == 1
    return {"history": [_move(move) for move in moves], "history_whole": whole}


def _move(move: Move) -> dict[str, Any]:
    return {
        "version": move.version,
        "at": ms(move.at),
        "kind": move.kind,
        "from": move.from_state,
        "to": move.to_state,
        "event": move.event,
        "user": move.user,
        "by": move.by,
        "reason": move.reason,
        "id": move.id,
    }


def row(key: bytes, info: Info) -> dict[str, Any]:
    """Returns a machine as lists have it."""
    return {
        "key": key_text(key),
        "name": info.name,
        "state": info.state,
        "version": info.version,
        "since": ms(info.since),
        "due": ms(info.due),
        "due_to": info.due_to,
    }


def ms(moment: Optional[datetime]) -> Optional[int]:
    """Returns a moment in milliseconds since 1970."""
    return None if moment is None else round(moment.timestamp() * 1000)
