"""How large a text and a definition may be."""

from __future__ import annotations

from typing import Any

from redis_state.convert._notes import ConversionError

# Other formats say in more words what a document says.
MAX_TEXT_BYTES = 64 * 1024 * 1024

# The defaults of redisstate.max-document-bytes, max-states and max-transitions.
MAX_BYTES = 16 * 1024 * 1024
MAX_STATES = 100_000
MAX_TRANSITIONS = 1_000_000

# States within states. Deeper files are made to break a reader, not to describe a workflow.
MAX_DEPTH = 100

# PyYAML reads about 100 KB a second.
MAX_YAML_BYTES = 1024 * 1024
MAX_YAML_NODES = 200_000


def check_bytes(size: int, most: int = MAX_TEXT_BYTES) -> None:
    if size > most:
        raise ConversionError("", f"the text has {size} bytes, over the limit of {most}")


def check_states(count: int) -> None:
    _check("states", count, MAX_STATES, "redisstate.max-states")


def check_document(document: dict[str, Any], size: int) -> None:
    """Refuses a document that a server with default limits would refuse."""
    rows = [*document["map"].values(), document.get("any", {})]
    check_states(len(document["map"]))
    _check("transitions", sum(_targets(row) for row in rows), MAX_TRANSITIONS, "redisstate.max-transitions")
    _check("bytes", size, MAX_BYTES, "redisstate.max-document-bytes")


def check_transitions(count: int) -> None:
    _check("transitions", count, MAX_TRANSITIONS, "redisstate.max-transitions")


def _targets(row: Any) -> int:
    groups = row.values() if isinstance(row, dict) else [row]
    return sum(1 if isinstance(group, str) else len(group) for group in groups)


def _check(kind: str, found: int, most: int, config: str) -> None:
    if found > most:
        raise ConversionError("", f"the machine has {found} {kind}, over the limit of {most} ({config})")
