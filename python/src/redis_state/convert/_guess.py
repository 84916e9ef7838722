"""Finds out in which format a text is."""

from __future__ import annotations

import re
from typing import Any

from redis_state.convert._json import load_json
from redis_state.convert._notes import ConversionError, Notes
from redis_state.convert._yaml import load_yaml

_MERMAID = re.compile(r"^[ \t]*(?:```+[ \t]*mermaid\b|stateDiagram)", re.MULTILINE | re.IGNORECASE)
_YAML = re.compile(r"^[\"']?(?:StartAt|States|states|transitions|machine|map)[\"']?[ \t]*:", re.MULTILINE)


def guess(text: str) -> str:
    """Returns the name of the format; an error if it is none of them."""
    start = text.lstrip()
    if start.startswith("<"):
        return "scxml"
    if start.startswith(("{", "[")):
        return _of_object(load_json(text), "JSON")
    if _MERMAID.search(text):
        return "mermaid"
    # Anything may be YAML, so only what looks like a machine is parsed, and its mistakes are told.
    return _of_object(load_yaml(text, Notes()) if _YAML.search(text) else None, "text")


def _of_object(value: Any, kind: str) -> str:
    if isinstance(value, dict) and isinstance(value.get("machine"), dict) and "states" not in value:
        value = value["machine"]
    if isinstance(value, dict):
        if "StartAt" in value or "States" in value:
            return "asl"
        if "map" in value:
            return "document"
        if isinstance(value.get("states"), dict):
            return "xstate"
        if "states" in value or "transitions" in value:
            return "transitions"
    what = f"the {kind} is in none of the formats: name one if it is"
    raise ConversionError("", what)
