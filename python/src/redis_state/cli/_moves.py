"""Entries of the history: for programs, and as cells for people."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from redis_state import Move
from redis_state.cli._escape import shown
from redis_state.cli._times import iso

# What people call a kind of move that no caller's event made.
_KINDS = {
    "new": "made",
    "set": "stored anew",
    "force": "forced",
    "reset": "reset",
    "redefine": "redefined",
    "timeout": "timer",
}


def facts(move: Move) -> dict[str, Any]:
    """Returns an entry as JSON has it, by the names of SM.HISTORY."""
    found = asdict(move)
    found["at"] = iso(move.at)
    found["from"], found["to"] = found.pop("from_state"), found.pop("to_state")
    return found


def what(move: Move) -> str:
    """Returns the event, or in brackets what else made the move."""
    return shown(move.event) if move.event else f"({_KINDS.get(move.kind, shown(move.kind))})"


def way(move: Move) -> str:
    """Returns the states before and after."""
    return shown(move.to_state) if move.kind == "new" else f"{shown(move.from_state)} → {shown(move.to_state)}"


def optional(text: str) -> str:
    """Returns a text that may be absent."""
    return text and shown(text)
