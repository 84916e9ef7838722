"""What a request asks for: the JSON of its body, field by field."""

from __future__ import annotations

import json
from typing import Any, Optional

from redis_state.console._faults import bad_request

_ABSENT = object()


class Body:
    """The fields of a request. Each method raises a refusal for a field that is missing or of another type."""

    def __init__(self, text: bytes) -> None:
        try:
            fields = json.loads(text)
        except (ValueError, RecursionError):
            raise bad_request("the body is not JSON") from None
        if not isinstance(fields, dict):
            raise bad_request("the body is not an object")
        self._fields: dict[str, Any] = fields

    def key(self, field: str) -> bytes:
        """Returns a key, or another text of any bytes."""
        return _bytes(field, self._text(field))

    def name(self, field: str) -> str:
        """Returns a name: text that can be UTF-8."""
        return _utf8(field, self._text(field))

    def optional_name(self, field: str) -> Optional[str]:
        """Returns a name; None for null and for a field that isn't there."""
        return None if self._fields.get(field) is None else self.name(field)

    def number(self, field: str) -> int:
        """Returns a whole number from 0."""
        value = self._value(field)
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 1 << 53:
            raise bad_request(f"{field}: expected a whole number from 0")
        return value

    def optional_number(self, field: str) -> Optional[int]:
        """Returns a number; None for null and for a field that isn't there."""
        return None if self._fields.get(field) is None else self.number(field)

    def _text(self, field: str) -> str:
        value = self._value(field)
        if not isinstance(value, str):
            raise bad_request(f"{field}: expected a text")
        return value

    def _value(self, field: str) -> Any:
        value = self._fields.get(field, _ABSENT)
        if value is _ABSENT:
            raise bad_request(f"{field}: missing")
        return value


def _bytes(field: str, text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        raise bad_request(f"{field}: it has half a character that stands for no byte") from None


def _utf8(field: str, text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise bad_request(f"{field}: the text is not UTF-8") from None
    return text
