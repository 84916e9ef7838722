"""Bars for counts."""

from __future__ import annotations

import sys

_EIGHTHS = " ▏▎▍▌▋▊▉"


def bar(part: int, whole: int, width: int) -> str:
    """Returns a bar of `part` of `whole`, whose full length is `width` characters. Whatever isn't zero shows."""
    if part <= 0 or whole <= 0:
        return ""
    eighths = max(1, round(width * 8 * part / whole))
    if not _has_blocks():
        return "#" * max(1, round(eighths / 8))
    return "█" * (eighths // 8) + _EIGHTHS[eighths % 8].strip()


def _has_blocks() -> bool:
    try:
        (_EIGHTHS + "█").encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
