"""The server with the machines, as the console asks it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Optional

from redis.exceptions import NoPermissionError, RedisError

from redis_state import Info, StateMachines, _requests
from redis_state._faults import said
from redis_state._keys import infos, key_bytes
from redis_state.console._faults import Refusal, explained, unreachable

# After the server couldn't be reached, nobody asks it for so many seconds. Then one asks, and the others don't wait
# for its answer, at most for so many seconds.
_REST = 0.3
_PROBE = 3.0
_CONNECTING = 0.5


class Page(NamedTuple):
    """Some keys of a walk, and where it goes on: the number of the primary, and its cursor. `progress` is from 0 to 1."""

    keys: list[bytes]
    node: int
    cursor: int
    progress: float

    @property
    def over(self) -> bool:
        """Whether the walk is at its end."""
        return self.node < 0


class Backend:
    """Asks the server, and remembers for a moment that it can't be reached.

    `make` connects: that of a cluster asks for its nodes at once, so it is called again until it succeeds. `address`
    is what people read, without a password.
    """

    def __init__(self, make: Callable[[], StateMachines], address: str) -> None:
        self.address = address
        self._make = make
        self._machines: Optional[StateMachines] = None
        self._lock = threading.Lock()
        self._down: Optional[Refusal] = None
        self._down_until = 0.0

    def run(self, ask: Callable[[StateMachines], Any]) -> Any:
        """Returns what `ask` returns. Raises a refusal for every error of the server."""
        down = self._down
        if down is not None:
            if time.monotonic() < self._down_until:
                raise down
            self._down_until = time.monotonic() + _PROBE
        try:
            answer = ask(self._connected())
        except Exception as error:
            refusal = explained(error)
            self._note(refusal if refusal.code == "unreachable" else None)
            raise refusal from error
        self._note(None)
        return answer

    def _note(self, down: Optional[Refusal]) -> None:
        self._down_until = time.monotonic() + _REST
        self._down = down

    def _connected(self) -> StateMachines:
        if self._machines is None:
            # Others don't queue for long: a cluster that is away is asked for in vain.
            if not self._lock.acquire(timeout=_CONNECTING):
                raise unreachable("it is being connected to")
            try:
                self._machines = self._machines or self._make()
            finally:
                self._lock.release()
        return self._machines


def server_name(machines: StateMachines) -> str:
    """Returns what the server is, as `Redis 7.0.15`; without the version if this user may not ask."""
    client: Any = machines.client
    where = {"target_nodes": client.get_primaries()[0]} if hasattr(client, "get_primaries") else {}
    try:
        facts = client.info("server", **where)
    except NoPermissionError:
        return "Redis or Valkey"
    if "valkey_version" in facts:
        return f"Valkey {facts['valkey_version']}"
    return f"Redis {facts.get('redis_version', '')}".rstrip()


def looked_at(machines: StateMachines, keys: Sequence[bytes]) -> list[tuple[bytes, Info]]:
    """Returns those keys that hold machines which this user may see, with what SM.INFO says of them."""
    found: list[tuple[bytes, Info]] = []
    for key, reply in infos(machines, keys):
        if isinstance(reply, RedisError):
            if not _is_of_key(reply):
                machines._raise(reply, _requests.info(key))
        elif reply is not None:
            found.append((key, reply))
    return found


def _is_of_key(error: RedisError) -> bool:
    """Returns whether an error is about one key alone: one of another type, or that this user may not see."""
    words = said(error)
    if isinstance(error, NoPermissionError):
        return "permissions to run the" not in words
    return words.startswith("WRONGTYPE")


def next_page(machines: StateMachines, options: list[Any], node: int = 0, cursor: int = 0) -> Page:
    """Returns some keys by one call of SM.SCAN. A walk goes over one primary after the other."""
    primaries = _primaries(machines)
    if node >= len(primaries):
        return Page([], -1, 0, 1.0)
    # Keys are the caller's, so the client decodes them.
    after, keys = machines._run(_requests.scan(cursor, options), primaries[node], decoded=True)
    if after == 0:
        node += 1
    progress = (node + _share(after, len(primaries))) / len(primaries)
    return Page([key_bytes(key) for key in keys], node if node < len(primaries) else -1, after, progress)


def _share(cursor: int, primaries: int) -> float:
    """Returns how much of a server's keys are before a cursor. Cursors count with their bits in reverse. Those of a
    cluster's servers say more than that, and so nothing here."""
    return int(f"{cursor:064b}"[::-1], 2) / (1 << 64) if primaries == 1 else 0.0


def _primaries(machines: StateMachines) -> list[Any]:
    """Returns the primaries, always in the same order."""
    found = machines._primaries()
    return found if found == [None] else sorted(found, key=lambda node: str(node.name))
