"""Reads JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from redis_state.convert._notes import ConversionError, quoted


class _Twice(dict[str, Any]):
    """An object that has a key twice."""

    key = ""


def load_json(text: str) -> Any:
    """Reads JSON. A key that an object has twice is an error, as in the documents of the server."""
    found: list[_Twice] = []
    try:
        value = json.loads(text, object_pairs_hook=lambda items: _object(items, found), parse_constant=_no_constant)
    except RecursionError:
        raise ConversionError("", "the JSON is nested too deep") from None
    except json.JSONDecodeError as error:
        raise ConversionError(f"line {error.lineno} column {error.colno}", f"not JSON: {error.msg}") from None
    except ValueError as error:
        raise ConversionError("", f"not JSON: {error}") from None
    if found:
        raise ConversionError(_path_to(value, found[0]), f"the key {quoted(found[0].key)} is there twice")
    return value


def _object(items: list[tuple[str, Any]], found: list[_Twice]) -> dict[str, Any]:
    made = dict(items)
    if len(made) == len(items):
        return made
    twice = _Twice(made)
    seen: set[str] = set()
    for key, _ in items:
        if key in seen:
            twice.key = key
        seen.add(key)
    found.append(twice)
    return twice


def _no_constant(name: str) -> Any:
    raise ConversionError("", f"not JSON: {name}")


def _path_to(value: Any, wanted: Any) -> str:
    waiting: list[tuple[str, Any]] = [("", value)]
    while waiting:
        path, inner = waiting.pop()
        if inner is wanted:
            return path
        items: Iterable[tuple[Any, Any]] = ()
        if isinstance(inner, dict):
            items = [(f".{key}", one) for key, one in inner.items()]
        elif isinstance(inner, list):
            items = [(f"[{at}]", one) for at, one in enumerate(inner)]
        waiting += [((path + step).lstrip("."), one) for step, one in items]
    return ""
