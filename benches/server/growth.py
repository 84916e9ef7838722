"""Section `growth`: the cost as a quantity grows, with a plot for each quantity."""

import random
import statistics

import definitions
import harness
import instructions
import load
import memory
import parsing
import shapes
import throughput
from figures import Series, Skip

#: Keys that each turn picks at random from all keys.
PICKED = 8192


def run(scale):
    series = [_keys(scale), _definitions(scale)]
    why = instructions.missing()
    if why:
        return [Skip("growth with states and with bytes", why)], series
    # 8 MB of a ring are more states than a new document may have.
    with instructions.Counter(["redisstate.max-states 1000000"], [harness.MODULE]) as server:
        series += [_states(server, scale), _bytes(server, scale)]
    return [], series


def _keys(scale):
    curves = {name: [] for name in ("GET", "SM.STATE", "SET", "SM.MUTATE")}
    server = harness.Server().start()
    client = load.Client(server)
    try:
        stored = 0
        for keys in scale.key_steps:
            throughput.store(server, range(stored, keys), ("string", "machine"))
            stored = keys
            picked = random.Random(keys).sample(range(keys), min(keys, PICKED))
            plans = throughput.plans(server, picked)
            plans = {name: plans[name] for name in curves}
            rates = load.alternate(client, plans, max(3, scale.rounds // 3), scale.turn)
            for name, points in curves.items():
                points.append((keys, 1e9 / statistics.median(rates[name])))
    finally:
        client.close()
        server.close()
    return Series(
        "keys", "Time of a command by keys in the server", "keys of each kind", "nanoseconds a command",
        curves,
    )  # fmt: skip


def _states(server, scale):
    commands = "SM.STATE", "SM.MUTATE", "refused SM.MUTATE"
    curves = {name: [] for name in commands}
    for states in scale.state_steps:
        path = definitions.enter(server, "sparse", states)
        costs = (
            server.count([("SM.STATE", "machine")] * len(path), b"*1"),
            server.count(path, b"+OK"),
            server.count([("SM.MUTATE", "machine", "no such state")] * len(path), b"$-1"),
        )
        for name, cost in zip(commands, costs):
            curves[name].append((states, cost))
    return Series(
        "states", "Instructions of a command by states of the machine", "states", "instructions a command",
        curves,
    )  # fmt: skip


def _definitions(scale):
    keys = max(scale.definition_steps)
    curves = {"memory": [], "RDB file": []}
    for count in scale.definition_steps:
        server = harness.Server().start()
        texts = list(shapes.variants(shapes.order(), count))
        with server.wire() as wire:
            empty = memory.used(wire)
            load.send_all(server, (("SM.SET", f"order:{i:06d}", texts[i % count]) for i in range(keys)))
            curves["memory"].append((count, (memory.used(wire) - empty) / keys))
            wire("SAVE")
            curves["RDB file"].append((count, (server.folder / "dump.rdb").stat().st_size / keys))
        server.close()
    return Series(
        "definitions", f"Bytes of a key by distinct definitions, {keys:,} keys of 20 states",
        "distinct definitions", "bytes a key", curves, log_y=True,
    )  # fmt: skip


def _bytes(server, scale):
    curves = {}
    for size in scale.byte_steps:
        text = shapes.ring_of_bytes(size, 16)
        for name, cost in parsing.per_byte(server, text).items():
            curves.setdefault(name, []).append((len(text), cost))
    return Series(
        "bytes", "Instructions a byte by size of the document, a ring of 16 byte names",
        "bytes of the document", "instructions a byte", curves, log_y=True,
    )  # fmt: skip
