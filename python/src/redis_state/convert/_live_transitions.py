"""Describes a live machine of the Python library transitions by the arguments that would make it.

The library isn't imported: what it is called with is all that is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Any

from redis_state.convert._limits import MAX_DEPTH
from redis_state.convert._notes import ConversionError


def describe(machine: Any) -> dict[str, Any]:
    """Returns the arguments of the constructor as an object of names."""
    if not hasattr(machine, "states") or not hasattr(machine, "events"):
        raise ConversionError("", f"expected a machine of transitions, found {type(machine).__name__}")
    automatic = bool(getattr(machine, "auto_transitions", False))
    config: dict[str, Any] = {"auto_transitions": automatic, "initial": _initial(machine)}
    name = getattr(machine, "name", "") or ""
    config["name"] = name[:-2] if name.endswith(": ") else name
    config["states"] = [_state(key, state, 0) for key, state in machine.states.items()]
    skipped = {f"to_{path}" for path in _paths(machine, 0)} if automatic else set()
    config["transitions"] = list(_transitions(machine, skipped))
    return config


def _state(key: Any, state: Any, depth: int) -> dict[str, Any]:
    if depth > MAX_DEPTH:
        raise ConversionError("", f"states are nested more than {MAX_DEPTH} deep")
    row: dict[str, Any] = {"name": _name(key)}
    for field in ("on_enter", "on_exit"):
        row[field] = [_name(one) for one in getattr(state, field, None) or []]
    if getattr(state, "timeout", 0):
        row["timeout"] = state.timeout
        row["on_timeout"] = [_name(one) for one in state.on_timeout]
    inner = getattr(state, "states", None)
    if inner:
        row["children"] = [_state(name, child, depth + 1) for name, child in inner.items()]
        row["initial"] = _initial(state)
        row["transitions"] = list(_transitions(state, set()))
    return row


def _transitions(scope: Any, skipped: set[str]) -> Iterator[dict[str, Any]]:
    for event in getattr(scope, "events", {}).values():
        if event.name in skipped:
            continue
        for transitions in event.transitions.values():
            for one in transitions:
                yield _transition(event.name, one)


def _transition(trigger: str, one: Any) -> dict[str, Any]:
    row: dict[str, Any] = {"trigger": trigger, "source": _name(one.source)}
    row["dest"] = None if one.dest is None else _name(one.dest)
    row["conditions"] = [_name(check.func) for check in one.conditions if check.target]
    row["unless"] = [_name(check.func) for check in one.conditions if not check.target]
    for field in ("before", "after", "prepare"):
        row[field] = [_name(call) for call in getattr(one, field, None) or []]
    return row


def _paths(scope: Any, depth: int) -> Iterator[str]:
    for key, state in (getattr(scope, "states", None) or {}).items():
        yield _name(key)
        if depth < MAX_DEPTH:
            for separator in ("_", getattr(state, "separator", "_")):
                yield from (f"{_name(key)}{separator}{path}" for path in _paths(state, depth + 1))


def _initial(scope: Any) -> Any:
    value = getattr(scope, "initial", None)
    if isinstance(value, (list, tuple)):
        return [_name(one) if not isinstance(one, (list, tuple)) else list(one) for one in value]
    return _name(value) if value else None


def _name(value: Any) -> str:
    """Returns the name of a state (a string or a member of an Enum) or of a callback."""
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, str):
        return value
    for field in ("name", "__name__"):
        found = getattr(value, field, None)
        if isinstance(found, str):
            return found
    return repr(value)
