"""A definition as the page draws it: the text for Graphviz without colours, and what each part of the picture is.

The page lays the picture out once for a definition. It marks the current state, the path and the possible moves by the
ids of nodes (`s0`, `s1` …: the place in `states`) and edges (`e0`, `e1` …).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple, Optional

from redis_state import Definition
from redis_state._draw import label, time_shown
from redis_state._rows import arrows, is_final, timers

# How many characters of a name the picture shows. The list beside it has all of them.
_MAX_SHOWN = 60
# Larger ones would keep a browser busy for minutes, and nobody could read them. The list does without a picture.
_MAX_STATES = 1000
_MAX_EDGES = 3000


class Edge(NamedTuple):
    """An arrow: from a state (None: any) to a state (None: the key is deleted), by an event or by a timer."""

    source: Optional[str]
    target: Optional[str]
    event: str
    timer: bool
    text: str


def picture(definition: Definition) -> dict[str, Any]:
    """Returns what the page needs of a definition. `dot` is None for one that is too large to draw."""
    edges = list(_edges(definition))
    at = {state: number for number, state in enumerate(definition.states)}
    drawable = len(at) <= _MAX_STATES and len(edges) <= _MAX_EDGES
    return {
        "id": identity(definition),
        "name": definition.name,
        "revision": definition.revision,
        "initial": definition.initial,
        "states": list(definition.states),
        "final": [state for state in definition.states if is_final(definition, state)],
        "terminal": [state for state in definition.states if definition.terminal(state)],
        "json": definition.to_json(),
        "dot": "\n".join(_lines(definition, at, edges)) + "\n" if drawable else None,
        "edges": [_facts(number, edge, at) for number, edge in enumerate(edges)],
    }


def identity(definition: Definition) -> str:
    """Returns a short text that no other definition has."""
    return hashlib.sha256(definition.to_json().encode()).hexdigest()[:20]


def _edges(definition: Definition) -> Iterator[Edge]:
    for source, event, target in arrows(definition):
        yield Edge(source, target, event, False, _short(event) if event else "")
    for state, timer in timers(definition):
        yield Edge(state, timer.to, "", True, time_shown(timer.ms))


def _facts(number: int, edge: Edge, at: dict[str, int]) -> dict[str, Any]:
    source = None if edge.source is None else at[edge.source]
    target = None if edge.target is None else at[edge.target]
    return {"id": f"e{number}", "from": source, "to": target, "event": edge.event, "timer": edge.timer}


def _lines(definition: Definition, at: dict[str, int], edges: list[Edge]) -> Iterator[str]:
    yield "digraph machine {"
    yield "    rankdir=LR;"
    yield "    node [shape=box, style=rounded];"
    yield '    start [id="start", shape=point, label=""];'
    for state, number in at.items():
        final = ', peripheries=2, class="final"' if is_final(definition, state) else ""
        yield f'    s{number} [id="s{number}", label="{_short(state)}"{final}];'
    if definition.any:
        yield '    any [id="any", shape=circle, label="*"];'
    if any(edge.target is None for edge in edges):
        yield '    deleted [id="deleted", shape=point, peripheries=2, label=""];'
    yield f'    start -> s{at[definition.initial]} [id="begin"];'
    for number, edge in enumerate(edges):
        yield _arrow(number, edge, at)
    yield "}"


def _arrow(number: int, edge: Edge, at: dict[str, int]) -> str:
    source = "any" if edge.source is None else f"s{at[edge.source]}"
    target = "deleted" if edge.target is None else f"s{at[edge.target]}"
    text = f', label="{edge.text}"' if edge.text else ""
    dashed = ', style=dashed, class="timer"' if edge.timer else ""
    return f'    {source} -> {target} [id="e{number}"{text}{dashed}];'


def _short(name: str) -> str:
    return label(name[:_MAX_SHOWN] + "…" * (len(name) > _MAX_SHOWN))
