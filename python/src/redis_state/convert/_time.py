"""Times as the formats write them, in milliseconds."""

from __future__ import annotations

import math
import re
from typing import Optional

from redis_state._document import MAX_MS
from redis_state.convert._notes import ConversionError, Notes, quoted

_UNITS = {"d": 86_400_000, "h": 3_600_000, "min": 60_000, "s": 1000, "ms": 1}
_TIME = re.compile(r"\s*([0-9]*\.?[0-9]+)\s*(d|h|min|s|ms)\s*\Z")


def ms_of_text(text: str) -> Optional[float]:
    """Returns the milliseconds of `30s` or `1.5 h`, or None if the text isn't a time."""
    found = _TIME.match(text)
    return float(found[1]) * _UNITS[found[2]] if found else None


def whole_ms(ms: object, place: str, notes: Notes) -> int:
    """Returns a time as a timer takes it: whole milliseconds, at least 1."""
    if isinstance(ms, bool) or not isinstance(ms, (int, float)):
        raise ConversionError(place, f"expected a number, found {quoted(ms)}")
    if not math.isfinite(ms) or ms < 0 or ms > MAX_MS:
        raise ConversionError(place, f"expected a time from 0 to {MAX_MS} ms, found {quoted(ms)}")
    whole = max(1, math.ceil(ms))
    if whole != ms:
        notes.add(place, f"{ms:g} ms is {whole} ms here: timers have whole milliseconds, at least 1")
    return whole


def of_shown(text: str) -> Optional[tuple[Optional[int]]]:
    """Reads the time of a timer in a diagram: a tuple of the milliseconds, or None if the text isn't that."""
    if text == "timer":
        return (None,)
    found = re.fullmatch(r"after ([1-9][0-9]{0,15}) (d|h|min|s|ms)", text)
    if not found:
        return None
    ms = int(found[1]) * _UNITS[found[2]]
    return (ms,) if ms <= MAX_MS else None
