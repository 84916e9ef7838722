"""Converts state machines of other tools to definitions, and back.

>>> found = read('{"id":"door","initial":"open","states":{"open":{"on":{"CLOSE":"shut"}},"shut":{}}}')
>>> found.format, found.definition.initial, found.notes
('xstate', 'open', ())
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Optional, Union

from redis_state._definition import Definition
from redis_state._errors import InvalidDefinition
from redis_state.convert import (
    _read_asl,
    _read_mermaid,
    _read_scxml,
    _read_transitions,
    _read_xstate,
    _write_asl,
    _write_mermaid,
    _write_scxml,
    _write_transitions,
    _write_xstate,
)
from redis_state.convert._guess import guess
from redis_state.convert._limits import check_bytes
from redis_state.convert._live_transitions import describe
from redis_state.convert._notes import ConversionError, Note, Notes, quoted
from redis_state.convert._source import text_of

__all__ = ["FORMATS", "Conversion", "ConversionError", "Note", "Written", "read", "read_machine", "write"]

FORMATS = ("xstate", "asl", "scxml", "transitions", "mermaid", "document")


@dataclass(frozen=True)
class Conversion:
    """What `read` found. The notes say what the definition doesn't."""

    definition: Definition
    format: str
    notes: tuple[Note, ...]


@dataclass(frozen=True)
class Written:
    """What `write` made. The notes say what the text doesn't."""

    text: str
    notes: tuple[Note, ...]


def read(text: Union[str, bytes], format: Optional[str] = None, *, name: Optional[str] = None) -> Conversion:
    """Reads a definition from a text in one of `FORMATS`, which is guessed if it isn't given.

    Bytes are UTF-8, except those of SCXML, which says its encoding. `name` takes the place of the
    name that the text has. Raises `ConversionError`, which names the place.
    """
    _check_format(format)
    notes = Notes()
    if format is None:
        is_xml = isinstance(text, bytes) and text.lstrip(b"\xef\xbb\xbf\xff\xfe\x00 \t\r\n").startswith(b"<")
        format = "scxml" if is_xml else guess(text_of(text))
    if format == "scxml" and isinstance(text, bytes):
        check_bytes(len(text))
        definition = _read_scxml.read(text, notes)
    else:
        definition = _READERS[format](text_of(text), notes)
    return Conversion(_with_name(definition, name), format, notes.all())


def read_machine(machine: Any, *, name: Optional[str] = None) -> Conversion:
    """Reads a definition from a live machine of the library transitions, nested ones too."""
    notes = Notes()
    definition = _read_transitions.read_config(describe(machine), notes)
    return Conversion(_with_name(definition, name), "transitions", notes.all())


def write(definition: Definition, format: str) -> Written:
    """Writes a definition in one of `FORMATS`."""
    _check_format(format)
    notes = Notes()
    text = _WRITERS[format](definition, notes)
    return Written(text, notes.all())


def _check_format(format: Optional[str]) -> None:
    if format is not None and format not in FORMATS:
        raise ConversionError("", f"no format {quoted(format)}: expected one of {', '.join(FORMATS)}")


def _with_name(definition: Definition, name: Optional[str]) -> Definition:
    if name is None or name == definition.name:
        return definition
    try:
        return replace(definition, name=name, revision=definition.revision if name else None)
    except InvalidDefinition as error:
        raise ConversionError("", str(error)) from error


def _read_document(text: str, notes: Notes) -> Definition:
    try:
        return Definition.from_json(text)
    except InvalidDefinition as error:
        raise ConversionError("", str(error)) from error


def _write_document(definition: Definition, notes: Notes) -> str:
    return definition.to_json() + "\n"


_READERS: dict[str, Callable[[str, Notes], Definition]] = {
    "xstate": _read_xstate.read,
    "asl": _read_asl.read,
    "scxml": _read_scxml.read,
    "transitions": _read_transitions.read,
    "mermaid": _read_mermaid.read,
    "document": _read_document,
}

_WRITERS: dict[str, Callable[[Definition, Notes], str]] = {
    "xstate": _write_xstate.write,
    "asl": _write_asl.write,
    "scxml": _write_scxml.write,
    "transitions": _write_transitions.write,
    "mermaid": _write_mermaid.write,
    "document": _write_document,
}
