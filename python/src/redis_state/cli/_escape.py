"""Names of the data, made safe for a terminal. Nothing from a server or a file is shown in any other way."""

from __future__ import annotations

from typing import Union

# How many characters of a text a line for people shows. --json has all of it.
MOST_SHOWN = 300

# They join letters, in Persian or in emoji, and are invisible anywhere else.
_JOINERS = "\u200c\u200d"


def shown(text: Union[str, bytes], most: int = MOST_SHOWN) -> str:
    """Returns a name as people see it: on one line, without controls, and not too long.

    Characters that a terminal would obey or hide (control characters, escapes, marks of direction) are written as
    `\\x1b` or `\\u202e`, bytes that aren't UTF-8 as `\\xff`. The empty name is `""`.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "surrogateescape")
    if not text:
        return '""'
    return line(text[:most]) + "…" * (len(text) > most)


def line(text: str) -> str:
    """Returns a text of any length on one line, without controls."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(c if _is_harmless(text, at) else _escaped(c) for at, c in enumerate(text))


def lines(text: str) -> str:
    """Returns a text of several lines without controls."""
    return "\n".join(line(each.replace("\t", "    ")) for each in text.split("\n"))


def quoted(text: Union[str, bytes]) -> str:
    """Returns a name for a sentence: in quotes."""
    return f"'{shown(text)}'" if text else "''"


def _is_harmless(text: str, at: int) -> bool:
    if text[at] in _JOINERS:
        around = text[max(at - 1, 0) : at] + text[at + 1 : at + 2]
        return len(around) == 2 and not any(c.isascii() or c in _JOINERS for c in around)
    return text[at].isprintable()


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    if code < 0x80:
        return {"\n": "\\n", "\r": "\\r", "\t": "\\t"}.get(character, f"\\x{code:02x}")
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
