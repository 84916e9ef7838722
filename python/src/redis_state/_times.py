"""Times: Python's to milliseconds, and back."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Union

Duration = Union[int, timedelta]
Moment = Union[int, datetime]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MS = timedelta(milliseconds=1)


def milliseconds(time: Duration) -> int:
    """Returns a duration in whole milliseconds. A part of one counts as one, so that no time becomes none."""
    return time if isinstance(time, int) else -(-time // _MS)


def unix_ms(moment: Moment) -> int:
    """Returns a moment in milliseconds since 1970. The server knows no time before that, and the past means now.

    Raises ValueError for a time without a zone.
    """
    if isinstance(moment, int):
        return moment
    if moment.tzinfo is None:
        raise ValueError(f"due: expected a time with a time zone, found {moment!r}")
    return max(0, (moment - _EPOCH) // _MS)


def aware(ms: int) -> datetime:
    """Returns a moment as an aware datetime. Deadlines beyond the year 9999 are the last moment that Python knows."""
    try:
        return _EPOCH + ms * _MS
    except OverflowError:
        return datetime.max.replace(tzinfo=timezone.utc)
