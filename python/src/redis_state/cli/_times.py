"""Durations and moments, as they are shown."""

from __future__ import annotations

from datetime import datetime
from typing import Optional

UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}


def duration(ms: float) -> str:
    """Returns a duration by its two largest units: `2d 3h`, `15m`, `4s`."""
    left = max(0, int(ms))
    if left < 1000:
        return f"{left}ms"
    parts = []
    for unit in ("d", "h", "m", "s"):
        number, left = divmod(left, UNITS[unit])
        parts.append(f"{number}{unit}" if number else "")
    first = next(at for at, part in enumerate(parts) if part)
    return " ".join(filter(None, parts[first : first + 2]))


def moment(at: datetime) -> str:
    """Returns a moment for people, in UTC: `2026-11-25 16:30:33Z`."""
    return f"{at:%Y-%m-%d %H:%M:%S}Z"


def moment_ms(at: datetime) -> str:
    """Returns a moment for people, with milliseconds."""
    return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d}Z"


def iso(at: Optional[datetime]) -> Optional[str]:
    """Returns a moment for programs: `2026-11-25T16:30:33.123Z`; None stays None."""
    return None if at is None else f"{at:%Y-%m-%dT%H:%M:%S}.{at.microsecond // 1000:03d}Z"


def unix_ms(at: datetime) -> int:
    """Returns a moment in milliseconds since 1970."""
    return round(at.timestamp() * 1000)
