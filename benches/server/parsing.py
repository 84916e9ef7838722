"""Section `parsing`: the cost of storing and writing a document, in instructions."""

import harness
import instructions
import profiles
import shapes
from figures import Figure, Skip

REPEATS = 10


def documents():
    """Returns the documents, from 19 to 200 kB. Short names are the hard case, because the document then
    has more states for its length. A ring of short names is the hardest."""
    return {
        "ring, 3 to 5 byte names, 19 kB": shapes.ring_of_bytes(19_000),
        "ring, 16 byte names, 19 kB": shapes.ring_of_bytes(19_000, 16),
        "ring, 5 byte names, 88 kB": shapes.ring(5000),
        "ring, 16 byte names, 200 kB": shapes.ring(5000, 16),
        "sparse, 16 byte names, 19 kB": shapes.sparse(195, 16),
        "sparse, 16 byte names, 200 kB": shapes.sparse(2060, 16),
        "sparse, 4 to 5 byte names, 200 kB": shapes.sparse(5200),
    }


#: Each operation on a document, and the target in instructions a byte.
LIMITS = {
    "SM.SET of a new definition": 25,
    "SM.SET of a known document": 4,
    "SM.GET": 3.5,
}


def run(scale):
    why = instructions.missing()
    if why:
        return [Skip("instructions of documents", why)], []
    with instructions.Counter(modules=[harness.MODULE]) as server:
        known, set_ = _small(server, scale)
        costs = {name: per_byte(server, text) for name, text in documents().items()}
        rows = [
            Figure("SM.SET of a known document, 1.2 kB / SET of the same bytes, instructions", known / set_,
                   at_most=3.0, peers={"SM.SET": known, "SET": set_}),
            *(_worst(server, costs, what) for what in LIMITS),
        ]  # fmt: skip
    return rows, []


def _worst(server, costs, what):
    each = {name: cost[what] for name, cost in costs.items()}
    worst = max(each, key=each.get)
    title = f"{what}, 19 to 200 kB, the worst of {len(each)} documents"
    row = Figure(title, each[worst], "instructions/byte", at_most=LIMITS[what], peers=each)
    if row.verdict == "missed":
        text = documents()[worst]
        setup, commands = plans(text)[what]
        _count(server, setup, commands)
        rows = profiles.functions(server.server.profile(server.dumps), len(commands) * len(text))
        row.profile = profiles.show(f"{what}, {worst}: instructions a byte, by function", rows, digits=3)
    return row


def _small(server, scale):
    text = shapes.ring_of_bytes(1200)
    counts = []
    for command in ("SM.SET", "SET"):
        server("FLUSHALL")
        for _ in range(REPEATS):
            server(command, "document", text)
        counts.append(server.count([(command, "document", text)] * (scale.commands // 2), b"+OK"))
    return counts


def per_byte(server, text):
    """Returns {operation: instructions a byte of the document}."""
    return {what: _count(server, *plan) / len(text) for what, plan in plans(text).items()}


def plans(text):
    """Returns {operation: (the commands that run first, the counted commands)}."""
    # Enough commands that the first growth of a buffer or a table has little weight.
    repeats = REPEATS if len(text) < 1_000_000 else 2
    stored = ("SM.SET", "known", text)
    first, *fresh = [("SM.SET", f"new:{i}", new) for i, new in enumerate(shapes.variants(text, repeats + 1))]
    return {
        "SM.SET of a new definition": (first, fresh),
        "SM.SET of a known document": (stored, [stored] * repeats),
        "SM.GET": (stored, [("SM.GET", "known")] * repeats),
    }


def _count(server, setup, commands):
    server("FLUSHALL")
    server(*setup)
    return server.count(commands)
