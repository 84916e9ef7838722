"""The fleets of a server: what SM.DEFINITIONS says, asked once a second at most."""

from __future__ import annotations

import threading
import time
from typing import Any, Optional

from redis_state import DefinitionInfo, StateMachines

_FRESH = 1.0


class Fleets:
    """The definitions that have a name."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: list[DefinitionInfo] = []
        self._until = 0.0

    def definitions(self, machines: StateMachines) -> list[DefinitionInfo]:
        """Returns the definitions by name and revision."""
        with self._lock:
            if time.monotonic() < self._until:
                return self._known
        known = machines.definitions()
        with self._lock:
            self._known, self._until = known, time.monotonic() + _FRESH
        return known

    def newest(self, machines: StateMachines, name: str, revision: Optional[int]) -> Optional[int]:
        """Returns the revision of a fleet whose definition is shown: the newest one, unless one is asked for."""
        if revision is not None:
            return revision
        revisions = [each.revision for each in self.definitions(machines) if each.name == name]
        return max((number for number in revisions if number is not None), default=None)

    def listed(self, machines: StateMachines) -> list[dict[str, Any]]:
        """Returns the fleets with their revisions, as the page gets them."""
        fleets: dict[str, dict[Optional[int], dict[str, Any]]] = {}
        for each in self.definitions(machines):
            revisions = fleets.setdefault(each.name, {})
            # Several definitions may have the same name and revision.
            before = revisions.get(each.revision)
            revisions[each.revision] = _row(each, before["machines"] if before else 0)
        return [_fleet(name, list(revisions.values())) for name, revisions in fleets.items()]


def _row(each: DefinitionInfo, others: int) -> dict[str, Any]:
    sizes = {"states": each.states, "transitions": each.transitions}
    return {"revision": each.revision, "machines": each.machines + others, **sizes}


def _fleet(name: str, revisions: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": name, "machines": sum(each["machines"] for each in revisions), "revisions": revisions}
