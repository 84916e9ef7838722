"""What looks wrong with a definition: the rules of SM.LINT, without a server.

`state-leftover` and `current-without-entry` are about machines that have a state which their document doesn't name.
A definition has no such state.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from redis_state._document import as_tuple

if TYPE_CHECKING:
    from redis_state._definition import Definition


@dataclass(frozen=True)
class Finding:
    """A likely mistake. `severity` is error, warning or info; `code` is a word that doesn't change; `state` is the
    state, or the event of `any`, that it is about; `message` is a sentence."""

    severity: str
    code: str
    state: str
    message: str


_RULES = {
    "initial-without-entry": (
        "error",
        "the initial state has no entry in the map, so a machine that begins there never moves",
    ),
    "unreachable": ("warning", "no path leads here from the initial state"),
    "no-way-out": ("warning", "no path leads from here to a terminal state, though the machine has some"),
    "repeated-target": ("info", "a target is listed more than once in this state's entry"),
    "timer-never-starts": (
        "warning",
        "nothing starts this state's timer: no move enters the state, or only timers do and it has no ms",
    ),
    "timer-cycle": ("warning", "timers alone lead from here back to here, so a machine goes round for ever"),
    "event-never": (
        "warning",
        "no state has this event of any: each has an entry of its own for it, or is its target",
    ),
}


def lint(definition: Definition) -> list[Finding]:
    """Returns the findings, by code and then by state. Linear in the document."""
    graph = _Graph(definition)
    rows = [
        ("initial-without-entry", graph.initial_without_entry()),
        ("unreachable", (state for state in graph.states if state not in graph.reached)),
        ("no-way-out", graph.no_way_out()),
        ("repeated-target", graph.repeated_targets()),
        ("timer-never-starts", graph.timers_never_started()),
        ("timer-cycle", graph.timer_cycles()),
        ("event-never", graph.events_never_fired()),
    ]
    return [Finding(_RULES[code][0], code, name, _RULES[code][1]) for code, names in rows for name in names]


class _Graph:
    """A definition as the rules see it. A path is made of callers' moves, by the map or by `any`, and of timers."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.states = definition.states
        self.own = {state: definition._own(state) for state in definition.map}
        self.any = {event: as_tuple(targets) for event, targets in definition.any.items()}
        self.reached: set[str] = set()
        # The states into which a caller's move is the last step of a path, and the initial one.
        self.by_callers: set[str] = set()
        self._reach()

    def targets(self, state: str) -> Iterator[str]:
        """Yields the targets of the state's own entry."""
        return (target for targets in self.own.get(state, {}).values() for target in targets)

    def has_own(self, state: str, event: str) -> bool:
        return event in self.own.get(state, {})

    def is_terminal(self, state: str) -> bool:
        if any(self.own.get(state, {}).values()):
            return False
        inherited = (targets for event, targets in self.any.items() if not self.has_own(state, event))
        return not any(target != state for targets in inherited for target in targets)

    def _reach(self) -> None:
        """Follows paths from the initial state.

        An event of `any` leads to the same states wherever it is fired, so it is followed once, from the first state
        that has it. That keeps the walk linear.
        """
        rest = dict(self.any)
        queue: list[str] = []
        self._enter([self.definition.initial], queue, self.by_callers)
        while queue:
            state = queue.pop()
            self._enter(self.targets(state), queue, self.by_callers)
            for event in [event for event in rest if not self.has_own(state, event)]:
                self._enter(rest.pop(event), queue, self.by_callers)
            timer = self.definition.after.get(state)
            if timer is not None and timer.to is not None:
                self._enter([timer.to], queue, set())

    def _enter(self, states: Iterable[str], queue: list[str], kind: set[str]) -> None:
        for state in states:
            kind.add(state)
            if state not in self.reached:
                self.reached.add(state)
                queue.append(state)

    # -- the rules -------------------------------------------------------------------------------------

    def initial_without_entry(self) -> Iterator[str]:
        initial = self.definition.initial
        if initial not in self.own and initial not in self.definition.after and self.is_terminal(initial):
            yield initial

    def no_way_out(self) -> Iterator[str]:
        ends = [state for state in self.states if state in self.reached and self._is_end(state)]
        if not ends:
            return iter(())
        leads = self._leads_to(ends)
        return (state for state in self.states if state in self.reached and state not in leads)

    def _is_end(self, state: str) -> bool:
        timer = self.definition.after.get(state)
        if timer is not None and timer.to is None:
            return True
        if timer is not None and timer.to != state:
            return False
        return self.is_terminal(state)

    def _leads_to(self, ends: list[str]) -> set[str]:
        """Returns the states from which a path leads to one of `ends`."""
        before, events = self._before(), _inverted(self.any)
        leads, queue, rest, known = set(ends), list(ends), list(self.states), set()
        while queue:
            state = queue.pop()
            found = list(before.get(state, ()))
            for event in events.get(state, ()):
                if event not in known:
                    known.add(event)
                    # All states that have the event lead there too. Only the others are looked at again.
                    found += [other for other in rest if not self.has_own(other, event)]
                    rest = [other for other in rest if self.has_own(other, event)]
            new = [other for other in dict.fromkeys(found) if other not in leads]
            leads.update(new)
            queue += new
        return leads

    def _before(self) -> dict[str, list[str]]:
        edges = {state: list(self.targets(state)) for state in self.own}
        for state, timer in self.definition.after.items():
            if timer.to is not None:
                edges.setdefault(state, []).append(timer.to)
        return _inverted(edges)

    def repeated_targets(self) -> Iterator[str]:
        for state, row in self.definition.map.items():
            # Only an array can: the same target by two events is no repeat.
            if not isinstance(row, Mapping) and len(set(row)) < len(row):
                yield state

    def timers_never_started(self) -> Iterator[str]:
        after = self.definition.after
        for state in self.states:
            if state in after and state not in self.by_callers:
                if after[state].ms is None or state not in self.reached:
                    yield state

    def timer_cycles(self) -> Iterator[str]:
        timers = self.definition.after.items()
        # A timer without a time of its own isn't started by another one.
        cycles = _cycles({state: timer.to for state, timer in timers if timer.to is not None and timer.ms is not None})
        return (state for state in self.states if state in cycles)

    def events_never_fired(self) -> Iterator[str]:
        counts = dict.fromkeys(self.any, 0)
        for row in self.own.values():
            for event in row:
                if event in counts:
                    counts[event] += 1
        for event, targets in self.any.items():
            in_vain = len(targets) == 1 and not self.has_own(targets[0], event)
            if len(self.states) - counts[event] == in_vain:
                yield event


def _inverted(edges: Mapping[str, Iterable[str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for start, ends in edges.items():
        for end in ends:
            found.setdefault(end, []).append(start)
    return found


def _cycles(following: dict[str, str]) -> set[str]:
    """Returns what is on a cycle, where each leads to at most one."""
    found: set[str] = set()
    walked_from: dict[str, str] = {}
    for start in following:
        at = start
        while at in following and at not in walked_from:
            walked_from[at] = start
            at = following[at]
        # Where the walk met itself is a cycle, and it is walked once more.
        while walked_from.get(at) == start and at not in found:
            found.add(at)
            at = following[at]
    return found
