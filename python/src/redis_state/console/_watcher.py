"""Watchers: one thread for each fleet that somebody looks at, whatever the number of windows.

A watcher counts once a second, and walks over the fleet in between. It ends when nobody has asked for ten seconds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import Any, NamedTuple, Optional

from redis.exceptions import ResponseError

from redis_state import Info, NotPermitted, StateMachines, _requests
from redis_state._clock import server_now
from redis_state._faults import said
from redis_state.console._backend import Backend, looked_at, next_page
from redis_state.console._faults import Refusal, unreachable
from redis_state.console._fleets import Fleets
from redis_state.console._views import Pictures, ms, row
from redis_state.console._walk import DUE, IDLE, Walk

# Seconds.
_TICK = 1.0
_FORGOTTEN = 10.0
_AFTER_FAILURE = 0.5
# What is older than this isn't shown as what is now. A server that doesn't answer is known sooner.
_STALE = 10.0
_FIRST_LOOK = 2.0
# A slice of a walk is followed by a pause of so many times the time for which it waited for the server, which is more
# than the server worked: a tenth of the server's time at most. And of so many times the time that it took here.
_PAUSE = 9
_PAUSE_HERE = 4
_NOTHING_TO_DO = 0.2
# A machine of each fleet is looked for again, because its definition may be another one.
_SAMPLE_AGAIN = 5.0
# More fleets than this are not watched at a time; the one that was asked for least recently gives way.
_MOST_WATCHERS = 8
_SAMPLE_SLICE = 500


class Seen(NamedTuple):
    """What a watcher knows at a moment."""

    at: float
    facts: dict[str, Any]
    picture: Optional[dict[str, Any]]


class Watcher(threading.Thread):
    """Watches the machines of a name, and of a revision unless that is None."""

    def __init__(self, watchers: Watchers, name: str, revision: Optional[int]) -> None:
        super().__init__(name="fleet watcher", daemon=True)
        self.asked = time.monotonic()
        self._watchers = watchers
        self._backend = watchers.backend
        self._fleet = Fleet(watchers, name, revision)
        self._ready = threading.Event()
        self._told_to_end = threading.Event()
        self._seen: Optional[Seen] = None
        self._failure: Optional[Refusal] = None

    def stop(self) -> None:
        """Lets the thread end soon."""
        self._told_to_end.set()

    def seen(self) -> Seen:
        """Returns what is known now. Raises a refusal if the server didn't answer."""
        self.asked = time.monotonic()
        self._ready.wait(_FIRST_LOOK)
        if self._failure is not None:
            raise self._failure
        if self._seen is None or time.monotonic() - self._seen.at > _STALE:
            raise unreachable("it hasn't answered for some seconds")
        return self._seen

    def run(self) -> None:
        """Watches until nobody asks any more."""
        tick = walk = time.monotonic()
        while not self._told_to_end.wait(max(0.0, min(tick, walk) - time.monotonic())):
            begin = time.monotonic()
            try:
                if begin >= tick:
                    self._seen = Seen(begin, *self._backend.run(self._fleet.look))
                    tick = begin + _TICK
                else:
                    walk = time.monotonic() + self._walk_on()
                self._failure = None
            except Refusal as refusal:
                self._failure = refusal
                tick = walk = time.monotonic() + _AFTER_FAILURE
            self._ready.set()
            if self._watchers.forgets(self):
                return

    def _walk_on(self) -> float:
        """Walks a slice on. Returns for how long to rest then, in seconds."""
        begin, begin_here = time.monotonic(), time.thread_time()
        if not self._backend.run(self._fleet.walk_on):
            return _NOTHING_TO_DO
        here = time.thread_time() - begin_here
        waited = time.monotonic() - begin - here
        return max(waited * _PAUSE * self._watchers.number(), here * _PAUSE_HERE)


class Fleet:
    """What is known of a fleet: its counts, its definition, and two walks over it."""

    def __init__(self, watchers: Watchers, name: str, revision: Optional[int]) -> None:
        self.name = name
        self.revision = revision
        self._fleets = watchers.fleets
        self._pictures = watchers.pictures
        self._picture: Optional[dict[str, Any]] = None
        self._counts: dict[str, int] = {}
        self._newest: Optional[int] = None
        self._sample_cursor: Optional[tuple[int, int]] = (0, 0)
        self._sample_at = 0.0
        self._stuck: Optional[Walk] = Walk(IDLE, self._since)
        self._due: Optional[Walk] = Walk(DUE, self._due_at)
        self._turn = 0

    # -- once a second -----------------------------------------------------------------------------------

    def look(self, machines: StateMachines) -> tuple[dict[str, Any], Optional[dict[str, Any]]]:
        """Counts, looks again at what the lists show, and returns all that is known."""
        self._counts = machines.count(self.name, self.revision)
        newest = self._fleets.newest(machines, self.name, self.revision)
        if newest != self._newest:
            self._newest, self._picture = newest, None
        if self._sample_cursor is None and time.monotonic() > self._sample_at + _SAMPLE_AGAIN:
            self._sample_cursor = (0, 0)
        for walk in (self._stuck, self._due):
            if walk is not None:
                walk.look_again(machines)
        return self._facts(), self._picture

    def _facts(self) -> dict[str, Any]:
        return {
            "counts": [{"state": state, "machines": self._counts[state]} for state in self._in_order()],
            "machines": sum(self._counts.values()),
            "final": self._picture["final"] if self._picture else [],
            "stuck": self._list(self._stuck, ("key", "state", "version", "since")),
            "due": self._list(self._due, ("key", "state", "version", "due", "due_to")),
            "walk": self._progress(),
        }

    def _in_order(self) -> list[str]:
        """Returns the states in the order of the document, then those of other revisions."""
        known = self._picture["states"] if self._picture else []
        return [state for state in dict.fromkeys([*known, *self._counts]) if state in self._counts]

    def _list(self, walk: Optional[Walk], fields: tuple[str, ...]) -> Optional[list[dict[str, Any]]]:
        if walk is None:
            return None
        rows = [row(found.key, found.info) for found in walk.kept.first()]
        return [{field: each[field] for field in fields} for each in rows]

    def _progress(self) -> dict[str, Any]:
        walks = [walk for walk in (self._stuck, self._due) if walk is not None]
        ends = [walk.done_at for walk in walks if walk.done_at is not None]
        done_at = min(ends) if ends and len(ends) == len(walks) else None
        return {"done_at": done_at, "progress": min((walk.progress for walk in walks), default=1.0)}

    # -- in slices ---------------------------------------------------------------------------------------

    def walk_on(self, machines: StateMachines) -> bool:
        """Walks a slice on, for the definition or for one of the lists. Returns whether there was anything to do."""
        self._turn += 1
        try:
            return self._find_sample(machines) if self._sample_cursor else self._walk_lists(machines)
        except NotPermitted:
            # Who may not walk gets the counts.
            self._stuck = self._due = self._sample_cursor = None
            self._sample_at = float("inf")
            return False

    def _find_sample(self, machines: StateMachines) -> bool:
        """Looks for any machine of the newest revision, and takes its definition."""
        assert self._sample_cursor is not None
        options = _requests.scan_options(name=self.name, revision=self._newest, count=_SAMPLE_SLICE)
        page = next_page(machines, options, *self._sample_cursor)
        self._sample_cursor = None if page.over else (page.node, page.cursor)
        for key, info in looked_at(machines, page.keys[:3]):
            if info.name == self.name and info.revision == self._newest:
                self._picture = self._pictures.of_machine(machines, key, info)
                self._sample_cursor = None
        if self._sample_cursor is None:
            self._sample_at = time.monotonic()
        return True

    def _walk_lists(self, machines: StateMachines) -> bool:
        """Walks the two lists in turn."""
        walks = (self._walk_stuck, self._walk_due)
        return walks[self._turn % 2](machines) or walks[(self._turn + 1) % 2](machines)

    def _walk_stuck(self, machines: StateMachines) -> bool:
        if self._stuck is None or self._stuck.rests():
            return False
        states = [state for state in self._counts if not self._ends_in(state)]
        if not states:
            self._stuck.finish(server_now(machines))
            return False
        self._stuck.step(machines, self._options(states), server_now(machines))
        return True

    def _ends_in(self, state: str) -> bool:
        return self._picture is not None and state in self._picture["terminal"]

    def _walk_due(self, machines: StateMachines) -> bool:
        if self._due is None or self._due.rests():
            return False
        try:
            self._due.step(machines, self._options(()), server_now(machines))
        except ResponseError as error:
            # An older module has no such option.
            if not said(error).startswith("unknown option"):
                raise
            self._due = None
        return True

    def _options(self, states: Iterable[str]) -> list[Any]:
        return _requests.scan_options(name=self.name, revision=self.revision, states=states)

    # -- the two orders ----------------------------------------------------------------------------------

    def _since(self, info: Info) -> Optional[int]:
        """Returns since when a machine is stuck; None for one that isn't."""
        return None if info.terminal or not self._belongs(info) else ms(info.since)

    def _due_at(self, info: Info) -> Optional[int]:
        return ms(info.due) if self._belongs(info) else None

    def _belongs(self, info: Info) -> bool:
        return info.name == self.name and self.revision in (None, info.revision)


class Watchers:
    """The watchers that are at work, at most so many."""

    def __init__(self, backend: Backend, fleets: Fleets, pictures: Pictures) -> None:
        self.backend = backend
        self.fleets = fleets
        self.pictures = pictures
        self._at_work: dict[tuple[str, Optional[int]], Watcher] = {}
        self._lock = threading.Lock()

    def seen(self, name: str, revision: Optional[int]) -> Seen:
        """Returns what is known of a fleet. Somebody watches it from now on."""
        with self._lock:
            watcher = self._at_work.get((name, revision))
            if watcher is None or not watcher.is_alive():
                watcher = self._begin(name, revision)
            watcher.asked = time.monotonic()
        return watcher.seen()

    def _begin(self, name: str, revision: Optional[int]) -> Watcher:
        if len(self._at_work) >= _MOST_WATCHERS:
            fleet = min(self._at_work, key=lambda each: self._at_work[each].asked)
            self._at_work.pop(fleet).stop()
        watcher = self._at_work[(name, revision)] = Watcher(self, name, revision)
        watcher.start()
        return watcher

    def number(self) -> int:
        """Returns how many are at work. Together they take no more of the server than one."""
        return max(1, len(self._at_work))

    def forgets(self, watcher: Watcher) -> bool:
        """Returns whether nobody has asked for long, and forgets the watcher then."""
        with self._lock:
            if time.monotonic() - watcher.asked < _FORGOTTEN:
                return False
            self._at_work = {fleet: each for fleet, each in self._at_work.items() if each is not watcher}
            return True

    def close(self) -> None:
        """Ends all."""
        with self._lock:
            for watcher in self._at_work.values():
                watcher.stop()
            self._at_work = {}
