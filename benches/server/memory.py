"""Reads memory figures from the server's allocator, against which all sizes are checked."""

import time


def used(wire):
    """Returns `used_memory` in bytes when it no longer changes: in the background, the server shrinks the
    buffers of idle clients and finishes growing its tables."""
    last, calm = None, 0
    end = time.monotonic() + 15
    while calm < 2 and time.monotonic() < end:
        now = _used_now(wire)
        calm = calm + 1 if last is not None and abs(now - last) < 64 else 0
        last = now
        time.sleep(0.1)
    return last


def _used_now(wire):
    text = wire("INFO", "memory")
    return next(int(line[12:]) for line in text.split(b"\r\n") if line.startswith(b"used_memory:"))


def usage(wire, key):
    """Returns MEMORY USAGE of a key."""
    return int(wire("MEMORY", "USAGE", key).strip(b":\r\n"))
