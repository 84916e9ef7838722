"""Draws a definition: the same picture as the server's `SM.EXPORT key DOT`, without a server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Optional

from redis_state._definition import Definition
from redis_state._rows import arrows, is_final, timers

# How many characters of a name a label shows. Graphviz takes labels of 16,384 bytes.
_MAX_SHOWN_CHARS = 1000

_UNITS = (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000), ("ms", 1))

# Neither Graphviz nor Mermaid can hold all control characters: pictures of them take their place.
_VISIBLE = {code: 0x2400 + code for code in range(0x20)}
_VISIBLE.update({0x7F: 0x2421})
_VISIBLE.update(dict.fromkeys((*range(0x80, 0xA0), 0x2028, 0x2029, 0xFFFE, 0xFFFF), 0xFFFD))


def dot(definition: Definition, current: Optional[str] = None) -> str:
    """Returns the text of a Graphviz drawing. The state `current`, if it is given, is highlighted."""
    return "\n".join(_lines(definition, current)) + "\n"


def shown(name: str) -> str:
    """Returns a name as a label shows it: not too long, and with pictures of control characters."""
    cut = name[:_MAX_SHOWN_CHARS] + "…" * (len(name) > _MAX_SHOWN_CHARS)
    return cut.translate(_VISIBLE) if name else "(empty)"


def time_shown(ms: Optional[int]) -> str:
    """Returns when a timer is due, in the largest unit that says it exactly."""
    if ms is None:
        return "timer"
    unit, size = next((unit, size) for unit, size in _UNITS if ms % size == 0)
    return f"after {ms // size} {unit}"


def label(name: str) -> str:
    """Writes a name as a Graphviz label: backslashes, quotes and HTML entities have a meaning there."""
    return shown(name).replace("\\", "\\\\").replace('"', '\\"').replace("&", "&amp;")


def _lines(definition: Definition, current: Optional[str]) -> Iterator[str]:
    ids = {state: f"s{at}" for at, state in enumerate(definition.states)}
    yield "digraph machine {"
    yield "    rankdir=LR;"
    yield "    node [shape=box, style=rounded];"
    yield '    start [shape=point, label=""];'
    for state, node in ids.items():
        final = ", peripheries=2" if is_final(definition, state) else ""
        here = ', style="rounded,filled", fillcolor="#ffcc33"' if state == current else ""
        yield f'    {node} [label="{label(state)}"{final}{here}];'
    if definition.any:
        yield '    any [shape=circle, label="*"];'
    if any(timer.to is None for timer in definition.after.values()):
        yield '    deleted [shape=point, peripheries=2, label=""];'
    yield f"    start -> {ids[definition.initial]};"
    yield from _arrows(definition, ids)
    yield "}"


def _arrows(definition: Definition, ids: dict[str, str]) -> Iterator[str]:
    for state, event, target in arrows(definition):
        source = "any" if state is None else ids[state]
        text = f' [label="{label(event)}"]' if event else ""
        yield f"    {source} -> {ids[target]}{text};"
    for state, timer in timers(definition):
        to = "deleted" if timer.to is None else ids[timer.to]
        yield f'    {ids[state]} -> {to} [label="{time_shown(timer.ms)}", style=dashed];'
