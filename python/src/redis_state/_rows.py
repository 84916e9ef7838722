"""A definition as drawings and converters need it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Optional

from redis_state._definition import Definition, Timer


def own_row(definition: Definition, state: str) -> dict[str, tuple[str, ...]]:
    """Returns the state's entry in the map: targets by event, each target once. Not those of `any`."""
    row = definition.map.get(state, ())
    if isinstance(row, str):
        return {"": (row,)}
    if not isinstance(row, dict) and not hasattr(row, "items"):
        targets = tuple(dict.fromkeys(row))
        return {"": targets} if targets else {}
    return {event: _targets(targets) for event, targets in row.items()}


def any_row(definition: Definition) -> dict[str, tuple[str, ...]]:
    """Returns the events of `any`."""
    return {event: _targets(targets) for event, targets in definition.any.items()}


def arrows(definition: Definition) -> Iterator[tuple[Optional[str], str, str]]:
    """Yields (state, event, target) as diagrams draw them: first the map, then `any` with None as the state."""
    for state in definition.map:
        for event, targets in own_row(definition, state).items():
            yield from ((state, event, target) for target in targets)
    for event, targets in any_row(definition).items():
        yield from ((None, event, target) for target in targets)


def is_final(definition: Definition, state: str) -> bool:
    """Returns whether neither a caller nor a timer moves a machine out of the state."""
    timer = definition.after.get(state)
    return (timer is None or timer.to == state) and definition.terminal(state)


def timers(definition: Definition) -> Iterator[tuple[str, Timer]]:
    """Yields the timers in the order of the states."""
    for state in definition.states:
        if state in definition.after:
            yield state, definition.after[state]


def _targets(targets: object) -> tuple[str, ...]:
    if isinstance(targets, str):
        return (targets,)
    return tuple(targets) if isinstance(targets, (list, tuple)) else ()
