"""Section `definitions`: the memory of a definition by shape and size, and whether the cost of checking
a transition is constant."""

import json

import harness
import instructions
import load
import memory
import shapes
from figures import Figure, Skip

#: Small definitions are measured many at a time, so that the bytes of the keys can be subtracted.
ENOUGH_BYTES = 2_000_000
#: Cases whose bytes are explained in detail if they miss their target.
WORST_SHOWN = 8


def cases(scale):
    """Returns (shape, states, width of the names) of every measured document."""
    for shape in shapes.SHAPES:
        for states in _steps(shape, scale):
            for width in scale.widths:
                yield shape, states, width


def _steps(shape, scale):
    if shape != "dense":
        return scale.state_steps
    return sorted({min(states, scale.dense_states) for states in scale.state_steps})


def run(scale):
    measured = {_label(*case): Measured(shapes.SHAPES[case[0]](*case[1:])) for case in cases(scale)}
    sizes = {label: each.definition / each.json for label, each in measured.items()}
    off = {label: abs(each.usage / each.key - 1) * 100 for label, each in measured.items()}
    rows = [
        Figure("memory of a definition / its JSON, the worst of all shapes and sizes",
               max(sizes.values()), at_most=4, peers=sizes),
        Figure("MEMORY USAGE of a lone machine is off the allocator's truth by, the worst",
               max(off.values()), "%", at_most=25, peers=off),
    ]  # fmt: skip
    for row in rows:
        if row.verdict == "missed":
            worst = sorted(row.peers, key=row.peers.get, reverse=True)[:WORST_SHOWN]
            row.profile = "\n".join(f"{label}: {measured[label].parts()}" for label in worst)
    return rows + _checks(scale), []


def _label(shape, states, width):
    return f"{shape}, {states:,} states, {'long' if width else 'short'} names"


class Measured:
    """The bytes of a document, of its definition, and of a key with a definition of its own."""

    def __init__(self, text):
        self.json = len(text)
        count = max(1, min(2000, ENOUGH_BYTES // len(text)))
        names = [f"key:{i:06d}" for i in range(count)]
        # Each gets its own server, because the module's tables don't shrink.
        server = harness.Server().start()
        with server.wire() as wire:
            empty = memory.used(wire)
            load.send_all(server, (("SM.CREATE", name) for name in names))
            blank = memory.used(wire)
            pairs = zip(names, shapes.variants(text, count))
            load.send_all(server, (("SM.SET", *pair) for pair in pairs), at_once=1)
            full = memory.used(wire)
            self.usage = memory.usage(wire, names[0])
        self.definition, self.key = (full - blank) / count, (full - empty) / count
        info = server.info("redisstate")
        self.fixed = info["redisstate_definition_bytes"] / count
        self.kept = info["redisstate_document_bytes"] / count
        server.close()

    def parts(self):
        rest = self.definition - self.fixed - self.kept
        return (
            f"JSON {self.json:,} bytes, definition {self.definition:,.0f} (archive and counters {self.fixed:,.0f}, "
            f"document kept {self.kept:,.0f}, all around them {rest:,.0f}); "
            f"key {self.key:,.0f}, MEMORY USAGE {self.usage:,}"
        )


def _checks(scale):
    why = instructions.missing()
    if why:
        return [Skip("instructions of a transition check by shape and size", why)]
    with instructions.Counter(modules=[harness.MODULE]) as server:
        costs = {}
        for shape in shapes.SHAPES:
            for states in _steps(shape, scale):
                costs[f"{shape}, {states:,} states"] = check_cost(server, shape, states)
    return [
        Figure("SM.MUTATE, the dearest of all shapes and sizes / the cheapest, instructions",
               max(costs.values()) / min(costs.values()), at_most=1.08, peers=costs),
    ]  # fmt: skip


def check_cost(server, shape, states):
    """Returns the instructions of a move along the map."""
    return server.count(enter(server, shape, states), b"+OK")


def enter(server, shape, states, count=100):
    """Stores a machine in its initial state. Returns moves that it can make from there."""
    text = shapes.SHAPES[shape](states, 20)
    path = _path(json.loads(text)["map"], count)
    server("FLUSHALL")
    server("SM.SET", "machine", text)
    moves = [("SM.MUTATE", "machine", state) for state in path]
    for move in moves:
        server(*move)
    server("SM.RESET", "machine")
    return moves


def _path(rows, most):
    """Returns states that can be entered one after the other from the first one."""
    path, state = [], next(iter(rows))
    while len(path) < most and rows.get(state):
        targets = rows[state]
        state = targets[(7 * len(path) + 3) % len(targets)]
        path.append(state)
    return path
