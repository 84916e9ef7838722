"""Section `throughput`: commands a second at pipeline 64, as ratios taken in one run."""

import statistics

import baselines
import callgrind_hot
import harness
import instructions
import load
import shapes
from figures import Figure

#: The number of keys for each kind of value. A batch moves half as many keys as it has commands, there
#: and back.
KEYS = 512


def run(scale):
    server = harness.Server().start()
    client = load.Client(server)
    try:
        store(server, range(KEYS))
        rates = load.alternate(client, plans(server, range(KEYS)), scale.rounds, scale.turn)
    finally:
        client.close()
        server.close()
    middle = {name: statistics.median(values) for name, values in rates.items()}
    return [
        _figure(rates, middle, "SM.STATE", "GET", 0.85),
        _figure(rates, middle, "SM.MUTATE", "SET", 0.80),
        _figure(rates, middle, "SM.MUTATE", "Lua script", 5),
    ], []


def _figure(rates, middle, above, below, target):
    peers = {f"{name}, commands/s": middle[name] for name in (above, below)}
    title = f"{above} / {below}, commands a second at pipeline {load.PIPELINE}"
    row = Figure(title, load.ratio(rates, above, below), at_least=target, peers=peers)
    if row.verdict == "missed" and not instructions.missing():
        row.profile = callgrind_hot.profile(above, callgrind_hot.plans)
    return row


def store(server, keys, kinds=("string", "machine", "hash")):
    """Stores the same orders as strings, machines and hashes."""
    text = shapes.order()
    commands = {
        "string": lambda key: ("SET", f"string:{key:07d}", "confirmed"),
        "machine": lambda key: ("SM.SET", f"machine:{key:07d}", text, "confirmed"),
        "hash": lambda key: baselines.hash_of(f"hash:{key:07d}", "confirmed"),
    }
    load.send_all(server, [baselines.hash_map("map")])
    load.send_all(server, (commands[kind](key) for key in keys for kind in kinds))


def plans(server, keys):
    """Returns {name: the batches that are sent in turn, over these keys}."""
    with server.wire() as wire:
        script = wire("SCRIPT", "LOAD", baselines.MOVE).split(b"\r\n")[1]
    writes = {
        "SET": lambda key, state: ("SET", f"string:{key:07d}", state),
        "SM.MUTATE": lambda key, state: ("SM.MUTATE", f"machine:{key:07d}", state),
        "Lua script": lambda key, state: ("EVALSHA", script, 2, f"hash:{key:07d}", "map", state),
    }
    reads = {
        "GET": lambda key: ("GET", f"string:{key:07d}"),
        "SM.STATE": lambda key: ("SM.STATE", f"machine:{key:07d}"),
    }
    plans = {name: _batches(keys, lambda key: [read(key)] * 2) for name, read in reads.items()}
    for name, write in writes.items():
        plans[name] = _batches(keys, lambda key: [write(key, "on_hold"), write(key, "confirmed")])
    return {name: plans[name] for name in ("GET", "SM.STATE", "SET", "SM.MUTATE", "Lua script")}


def _batches(keys, pair):
    """Makes batches of pairs of commands: the first command for each key, then the second for each key."""
    size = load.PIPELINE // 2
    keys = list(keys)
    out = []
    for start in range(0, len(keys) - size + 1, size):
        pairs = [pair(key) for key in keys[start : start + size]]
        out.append(b"".join(harness.encode(*p[turn]) for turn in (0, 1) for p in pairs))
    return out
