"""A document: a machine as JSON. Reads it, checks it by the server's rules, and says what is wrong in its words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, Optional, Union

from redis_state._errors import InvalidDefinition

Targets = Union[str, Sequence[str]]
Row = Union[Sequence[str], Mapping[str, Targets]]

# Longest time of a timer, in milliseconds: 2**53 - 1, which every client's numbers can hold.
MAX_MS = (1 << 53) - 1
MAX_HISTORY = 255
MAX_REVISION = (1 << 32) - 1
MAX_NAME_BYTES = 256
# How many characters of a name an error shows.
MAX_SHOWN = 40


@dataclass(frozen=True)
class Timer:
    """A timer of a state: where it leads, and after how many milliseconds.

    `to` is None for a timer that deletes the key. Without `ms`, there is a timer only if the move into the state
    gives a time.
    """

    to: Optional[str]
    ms: Optional[int] = None


@dataclass(frozen=True)
class Parts:
    """The parts of a definition that passed every check, in normal form."""

    map: dict[str, Row]
    initial: str
    any: dict[str, Targets]
    after: dict[str, Timer]
    history: int
    name: str
    revision: Optional[int]
    states: tuple[str, ...]


class RepeatedKey(dict[str, Any]):
    """An object of JSON in which a key came twice."""

    repeated: str


# ---- bytes -----------------------------------------------------------------------------------------


def read_json(text: Union[str, bytes]) -> Any:
    """Reads JSON. Objects with a repeated key are `RepeatedKey`. Raises InvalidDefinition."""
    decoded = _decoded(text)
    if not decoded.strip(" \t\r\n"):
        _no_json(0, "it is empty")
    if decoded.startswith("\ufeff"):
        _no_json(0, "it begins with a byte order mark, leave that out")
    try:
        value = json.loads(decoded, object_pairs_hook=_object, parse_constant=_constant)
    except json.JSONDecodeError as error:
        _no_json(_bytes_before(decoded, error.pos), _in_words(decoded, error))
    except RecursionError:
        _no_json(0, "nested too deep, a machine has four levels")
    except ValueError as error:
        _no_json(0, str(error) if isinstance(error, _NoNumber) else "number out of range")
    lone = _lone_surrogate(decoded)
    if lone is not None:
        _no_json(_bytes_before(decoded, lone), "escape of half a character (lone surrogate)")
    return value


def _decoded(text: Union[str, bytes]) -> str:
    if isinstance(text, str):
        return text
    try:
        return bytes(text).decode()
    except UnicodeDecodeError as error:
        _no_json(error.start, "invalid UTF-8")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    marked = RepeatedKey(found)
    marked.repeated = _first_repeat([key for key, _ in pairs])[1]
    return marked


class _NoNumber(ValueError):
    pass


def _constant(name: str) -> NoReturn:
    raise _NoNumber(f"expected value, found {name}")


_WORDS = {
    "Expecting value": "expected value",
    "Expecting property name enclosed in double quotes": "key must be a string",
    "Illegal trailing comma before end of object": "trailing comma",
    "Illegal trailing comma before end of array": "trailing comma",
    "Expecting ',' delimiter": "expected `,`, or the end of the object or array",
    "Expecting ':' delimiter": "expected `:`",
    "Extra data": "trailing characters",
    "Invalid control character at": "control character in a string, write it as an escape",
    "Unterminated string starting at": "it ends too early",
}


def _in_words(text: str, error: json.JSONDecodeError) -> str:
    if error.pos >= len(text.rstrip()):
        return "it ends too early"
    return _WORDS.get(error.msg, error.msg)


_ESCAPE = re.compile(r"\\(?:u([0-9a-fA-F]{4})|.)", re.DOTALL)


def _lone_surrogate(text: str) -> Optional[int]:
    """Returns where an escape of half a character is whose other half doesn't follow."""
    high: Optional[re.Match[str]] = None
    for found in _ESCAPE.finditer(text) if "\\u" in text else ():
        code = int(found.group(1) or "0", 16)
        is_low = 0xDC00 <= code <= 0xDFFF
        if high is not None and not (is_low and high.end() == found.start()):
            return high.start()
        if is_low and high is None:
            return found.start()
        high = found if 0xD800 <= code <= 0xDBFF else None
    return high.start() if high else None


def _bytes_before(text: str, at: int) -> int:
    return len(text[:at].encode("utf-8", "surrogatepass"))


def _no_json(at: int, why: str) -> NoReturn:
    raise InvalidDefinition(f"not JSON at byte {at}: {why}")


# ---- fields ----------------------------------------------------------------------------------------

Path = tuple[Union[str, int], ...]
_FIELDS = "current, map, any, after, history, name, revision, initial or reason"


def parse(document: object) -> Parts:
    """Checks a document and returns the parts of its definition. Raises InvalidDefinition."""
    if not isinstance(document, Mapping):
        _wrong_type(("document",), "an object", document)
    for field, value in document.items():
        _check_field(field, value)
    if isinstance(document, RepeatedKey):
        _fail((document.repeated,), "field given twice")
    for field, expected in (("map", "an object"), ("initial", "a string")):
        if field not in document:
            _fail((field,), f"missing, expected {expected}")
    if "revision" in document and "name" not in document:
        _fail(("revision",), "only a document with a name has one")
    return _build(document)


def _check_field(field: object, value: object) -> None:
    if field in ("current", "initial", "reason", "name"):
        if not isinstance(value, str):
            _wrong_type((str(field),), "a string", value)
        if field == "name" and not 1 <= len(value.encode("utf-8", "replace")) <= MAX_NAME_BYTES:
            _fail(
                ("name",), f"expected 1 to {MAX_NAME_BYTES} bytes, found {len(value.encode('utf-8', 'replace'))} bytes"
            )
    elif field in ("map", "any", "after"):
        if not isinstance(value, Mapping):
            _wrong_type((str(field),), "an object", value)
    elif field == "history":
        _whole_number(("history",), value, 1, MAX_HISTORY)
    elif field == "revision":
        _whole_number(("revision",), value, 0, MAX_REVISION)
    else:
        _fail(("document",), f"unknown field {quoted(str(field))}, expected {_FIELDS}")


def _build(document: Mapping[str, Any]) -> Parts:
    # In the server's order: keys of the map, its targets, those of any, those of timers, the initial state.
    states: dict[str, None] = {}
    rows = _rows(document["map"], states)
    events = _any(document.get("any", {}), states)
    after = _timers(document.get("after", {}), states)
    states[document["initial"]] = None
    _check_states(document, after, states)
    parts = Parts(
        rows,
        document["initial"],
        events,
        after,
        document.get("history", 0),
        document.get("name", ""),
        document.get("revision"),
        tuple(states),
    )
    _check_text(parts)
    return parts


def _check_states(document: Mapping[str, Any], after: Iterable[str], states: Mapping[str, None]) -> None:
    current = document.get("current", "")
    for path, state in [(("current",), current)] * bool(current) + [(("after", key), key) for key in after]:
        if state not in states:
            _fail(path, f"the document has no state {quoted(state)}: add it to the map or correct it")


def _check_text(parts: Parts) -> None:
    events = [event for row in parts.map.values() if isinstance(row, Mapping) for event in row]
    try:
        "".join([*parts.states, *events, *parts.any, parts.name]).encode()
    except UnicodeEncodeError:
        # JSON was looked at before; this is a Python string that was made from something else.
        _fail(("document",), "a name has half a character (lone surrogate), which is no UTF-8")


# ---- the map, any, after ---------------------------------------------------------------------------


def _rows(rows: Mapping[str, Any], states: dict[str, None]) -> dict[str, Row]:
    for key, row in rows.items():
        if not isinstance(key, str):
            _wrong_type(("map",), "names that are strings", key)
        if not (isinstance(row, Mapping) or _is_array(row)):
            _wrong_type(("map", key), "an array or an object", row)
        states[key] = None
    _no_repeated_key(("map",), rows)
    return {key: _row(("map", key), row, states) for key, row in rows.items()}


def _row(path: Path, row: Any, states: dict[str, None]) -> Row:
    if not isinstance(row, Mapping):
        return _list(path, row, states)
    groups = {event: _event(path, event, targets, states) for event, targets in row.items()}
    _no_repeated_key(path, row)
    # Moves without a name are none if there are no targets, and alone they are an array.
    unnamed = groups.get("", ())
    if not any(groups):
        return unnamed
    return {event: _normal(targets) for event, targets in groups.items() if event or targets}


def _any(events: Mapping[str, Any], states: dict[str, None]) -> dict[str, Targets]:
    found = {}
    for event, value in events.items():
        if event == "":
            _fail(("any", event), "an event of any needs a name")
        targets = _event(("any",), event, value, states)
        if not targets:
            _fail(("any", event), "an event of any needs a target")
        found[event] = _normal(targets)
    _no_repeated_key(("any",), events)
    return found


def _event(path: Path, event: object, value: object, states: dict[str, None]) -> tuple[str, ...]:
    if not isinstance(event, str):
        _wrong_type(path, "names that are strings", event)
    path = (*path, event)
    if isinstance(value, str):
        states[value] = None
        return (value,)
    if not _is_array(value):
        _wrong_type(path, "a string or an array", value)
    targets = _list(path, value, states)
    if len(set(targets)) < len(targets):
        _fail((*path, _first_repeat(targets)[0]), "target given twice")
    return targets


def _list(path: Path, targets: Any, states: dict[str, None]) -> tuple[str, ...]:
    for at, target in enumerate(targets):
        if not isinstance(target, str):
            _wrong_type((*path, at), "a string", target)
        states[target] = None
    return tuple(targets)


def _normal(targets: tuple[str, ...]) -> Targets:
    return targets[0] if len(targets) == 1 else targets


def _timers(after: Mapping[str, Any], states: dict[str, None]) -> dict[str, Timer]:
    timers = {}
    for key, value in after.items():
        if not isinstance(key, str):
            _wrong_type(("after",), "names that are strings", key)
        timers[key] = timer = _timer(("after", key), value)
        if timer.to is not None:
            states[timer.to] = None
    _no_repeated_key(("after",), after)
    return timers


def _timer(path: Path, value: object) -> Timer:
    if not isinstance(value, Mapping):
        _wrong_type(path, "an object", value)
    for part in value:
        if part not in ("ms", "to"):
            _fail(path, f"unknown field {quoted(str(part))}, expected ms or to")
    if isinstance(value, RepeatedKey):
        _fail((*path, value.repeated), "field given twice")
    if "to" not in value:
        _fail((*path, "to"), "missing, expected a string or null")
    to = value["to"]
    if not (to is None or isinstance(to, str)):
        _wrong_type((*path, "to"), "a string or null", to)
    if "ms" not in value:
        return Timer(to)
    _whole_number((*path, "ms"), value["ms"], 1, MAX_MS)
    return Timer(to, value["ms"])


def as_tuple(targets: Targets) -> tuple[str, ...]:
    """Returns the targets of an event, which may be one string."""
    return (targets,) if isinstance(targets, str) else tuple(targets)


# ---- what is wrong ---------------------------------------------------------------------------------


def quoted(text: str) -> str:
    """Returns a name as the server's errors show it: in quotes, escaped, cut after 40 characters."""
    cut = "..." if len(text) > MAX_SHOWN else ""
    return f'"{"".join(map(_escaped, text[:MAX_SHOWN]))}{cut}"'


_ESCAPES = {"\0": r"\0", "\t": r"\t", "\n": r"\n", "\r": r"\r", '"': r"\"", "'": r"\'", "\\": r"\\"}


def _escaped(char: str) -> str:
    if char in _ESCAPES:
        return _ESCAPES[char]
    return char if char.isprintable() else "\\u{%x}" % ord(char)


def _is_array(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes, bytearray))


def _first_repeat(names: Sequence[str]) -> tuple[int, str]:
    seen: set[str] = set()
    for at, name in enumerate(names):
        if name in seen:
            return at, name
        seen.add(name)
    raise AssertionError("the caller knows of a repeat")


def _no_repeated_key(path: Path, value: object) -> None:
    if isinstance(value, RepeatedKey):
        _fail((*path, value.repeated), "key given twice")


def _whole_number(path: Path, value: object, least: int, most: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        _wrong_type(path, f"a whole number from {least} to {most}", value)


def _wrong_type(path: Path, expected: str, value: object) -> NoReturn:
    _fail(path, f"expected {expected}, found {_found(value)}")


def _found(value: object) -> str:
    if isinstance(value, str):
        return quoted(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return repr(value)[:MAX_SHOWN]
    if isinstance(value, Mapping):
        return "an object"
    return "an array" if _is_array(value) else f"a {type(value).__name__}"


def _fail(path: Path, what: str) -> NoReturn:
    raise InvalidDefinition(f"{_place(path)}: {what}")


def _place(path: Path) -> str:
    return f"{path[0]}{''.join(map(_step, path[1:]))}"


def _step(step: Union[str, int]) -> str:
    if isinstance(step, int):
        return f"[{step}]"
    plain = all(char.isalnum() or char in "_-" for char in step)
    is_short = len(step.encode("utf-8", "replace")) <= MAX_SHOWN
    return f".{step}" if step and plain and is_short else f"[{quoted(step)}]"
