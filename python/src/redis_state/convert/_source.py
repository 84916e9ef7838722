"""Takes values out of texts that nobody has checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Union

from redis_state.convert._json import load_json
from redis_state.convert._limits import check_bytes
from redis_state.convert._notes import ConversionError, Notes, listed, quoted
from redis_state.convert._yaml import load_yaml


def text_of(source: Union[str, bytes]) -> str:
    """Returns the text of a file, which is UTF-8."""
    check_bytes(len(source))
    if isinstance(source, bytes):
        try:
            source = source.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise ConversionError(f"byte {error.start}", "the text isn't UTF-8") from None
    text = source[1:] if source.startswith("\ufeff") else source
    check_bytes(len(text.encode("utf-8", "surrogatepass")))
    if not text.strip():
        raise ConversionError("", "the text is empty")
    return text


def load(text: str, notes: Notes) -> Any:
    """Reads JSON, or YAML if the text doesn't begin as JSON does."""
    return load_json(text) if text.lstrip().startswith(("{", "[")) else load_yaml(text, notes)


def as_mapping(value: Any, place: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ConversionError(place, f"expected an object, found {kind_of(value)}")
    if not all(isinstance(key, str) for key in value):
        return {as_name(key, place): one for key, one in value.items()}
    return value


def as_list(value: Any, place: str) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise ConversionError(place, f"expected a list, found {kind_of(value)}")
    return list(value)


def as_text(value: Any, place: str) -> str:
    if not isinstance(value, str):
        raise ConversionError(place, f"expected a string, found {kind_of(value)}")
    return value


def as_name(value: Any, place: str) -> str:
    """Returns a name. YAML reads a name such as `1` as a number."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ConversionError(place, f"expected a name, found {kind_of(value)}")
    return str(value)


def many(value: Any) -> list[Any]:
    """Returns one value or a list of them as a list; nothing for None."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def kind_of(value: Any) -> str:
    kinds = {dict: "an object", list: "a list", type(None): "null", bool: str(value).lower()}
    return kinds.get(type(value)) or quoted(value)


def leave_out(row: Mapping[str, Any], known: Iterable[str], place: str, notes: Notes) -> None:
    """Notes the fields of an object that nothing here reads and that say something."""
    unread = [key for key, value in row.items() if key not in known and value not in (None, "", [], {})]
    if unread:
        notes.add(place, f"left out: {listed(unread)}")
