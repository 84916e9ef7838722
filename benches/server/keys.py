"""Section `keys`: the capacity plan. Many keys share one 20-state map, and every third was moved.
Measures bytes a key in memory and on disk and the time of a reload, against strings and hashes."""

import statistics
import time

import baselines
import harness
import load
import memory
import shapes
from figures import Figure

#: The number of keys whose MEMORY USAGE is measured.
ASKED = 500
STATES = "confirmed", "on_hold"


def strings(key, moved):
    yield "SET", key, STATES[0]
    if moved:
        yield "SET", key, STATES[1]


def hashes(key, moved):
    yield baselines.hash_of(key, STATES[0])
    if moved:
        yield "HSET", key, "state", STATES[1]


def machines(key, moved):
    yield "SM.SET", key, shapes.order(), STATES[0]
    if moved:
        yield "SM.MUTATE", key, STATES[1]


class Store:
    """A server that holds the same orders in one of the three ways."""

    def __init__(self, commands, count):
        self.server = harness.Server().start()
        self.count = count
        self.wire = self.server.wire()
        empty = memory.used(self.wire)
        keys = (f"order:{i:06d}" for i in range(count))
        load.send_all(self.server, (c for i, key in enumerate(keys) for c in commands(key, i % 3 == 0)))
        self.bytes_a_key = (memory.used(self.wire) - empty) / count

    def close(self):
        self.wire.close()
        self.server.close()

    def file_bytes_a_key(self):
        self.wire("SAVE")
        return (self.server.folder / "dump.rdb").stat().st_size / self.count

    def reload(self):
        """Returns the seconds of a DEBUG RELOAD, which saves a file and loads it."""
        start = time.perf_counter()
        reply = self.wire("DEBUG", "RELOAD")
        if reply != harness.OK:
            raise RuntimeError(f"DEBUG RELOAD: {reply!r}")
        return time.perf_counter() - start

    def usage_a_key(self):
        step = max(1, self.count // ASKED)
        asked = range(0, self.count, step)
        return statistics.mean(memory.usage(self.wire, f"order:{i:06d}") for i in asked)


def run(scale):
    stores = {}
    try:
        for name, commands in (("string", strings), ("3-field hash", hashes), ("machine", machines)):
            stores[name] = Store(commands, scale.keys)
        return _figures(stores, scale), []
    finally:
        for store in stores.values():
            store.close()


def _figures(stores, scale):
    what = f"{scale.keys:,} keys, one 20-state map, every third moved"
    ram = {name: store.bytes_a_key for name, store in stores.items()}
    usage = {name: store.usage_a_key() for name, store in stores.items()}
    disk = {name: store.file_bytes_a_key() for name, store in stores.items()}
    ratios, seconds = _reloads(stores, scale.reloads)
    off = abs(usage["machine"] / ram["machine"] - 1) * 100
    return [
        Figure(f"{what}: memory", ram["machine"], "bytes/key", at_most=140, peers=ram),
        Figure(f"{what}: RDB file", disk["machine"], "bytes/key", at_most=40, peers=disk),
        Figure(f"{what}: DEBUG RELOAD / plain strings", ratios["machine"], at_most=3,
               peers={f"{name}, s": value for name, value in seconds.items()}),
        Figure("DEBUG RELOAD of 3-field hashes / plain strings", ratios["3-field hash"]),
        Figure(f"{what}: MEMORY USAGE is off the allocator's truth by", off, "%", at_most=25,
               peers={f"{name}, usage": value for name, value in usage.items()}),
    ]  # fmt: skip


def _reloads(stores, rounds):
    """Runs rounds in which each server reloads in turn. Ratios are medians over the rounds."""
    times = {name: [] for name in stores}
    for _ in range(rounds):
        for name, store in stores.items():
            times[name].append(store.reload())
    ratios = {name: statistics.median(a / b for a, b in zip(own, times["string"])) for name, own in times.items()}
    return ratios, {name: statistics.median(own) for name, own in times.items()}
