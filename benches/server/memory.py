"""What the server's allocator says: the truth that sizes are measured against."""

import time


def used(wire):
    """`used_memory` in bytes, once the server has stopped tidying up: it shrinks the buffers of
    idle clients and finishes growing its tables in the background."""
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
    """MEMORY USAGE of a key."""
    return int(wire("MEMORY", "USAGE", key).strip(b":\r\n"))
