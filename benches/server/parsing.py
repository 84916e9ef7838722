"""Section `parsing`: what storing and writing out a document costs, in instructions."""

import instructions
import harness
import shapes
from figures import Figure, Skip

REPEATS = 10


def documents():
    """The documents from 19 to 200 kB. The more a document consists of names, the fewer states it
    has a byte: short names are the hard case, and a ring of them the hardest."""
    return {
        "ring, 3 to 5 byte names, 19 kB": shapes.ring_of_bytes(19_000),
        "ring, 16 byte names, 19 kB": shapes.ring_of_bytes(19_000, 16),
        "ring, 5 byte names, 88 kB": shapes.ring(5000),
        "ring, 16 byte names, 200 kB": shapes.ring(5000, 16),
        "sparse, 16 byte names, 19 kB": shapes.sparse(195, 16),
        "sparse, 16 byte names, 200 kB": shapes.sparse(2060, 16),
        "sparse, 4 to 5 byte names, 200 kB": shapes.sparse(5200),
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
    ]  # fmt: skip
    for what, limit in (("SM.SET of a new definition", 25), ("SM.SET of a known document", 4), ("SM.GET", 3.5)):
        each = {name: cost[what] for name, cost in costs.items()}
        title = f"{what}, 19 to 200 kB, the worst of {len(each)} documents"
        rows.append(Figure(title, max(each.values()), "instructions/byte", at_most=limit, peers=each))
    return rows, []


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
    """Instructions a byte of the document, by what is done with it."""
    server("FLUSHALL")
    size = len(text)
    # So many that the first growth of a buffer or a table doesn't count for much.
    repeats = REPEATS if size < 1_000_000 else 2
    fresh = [("SM.SET", f"new:{i}", new) for i, new in enumerate(shapes.variants(text, repeats))]
    server("SM.SET", "known", text)
    new = server.count(fresh, b"+OK")
    known = server.count([("SM.SET", "known", text)] * repeats, b"+OK")
    get = server.count([("SM.GET", "known")] * repeats, b"$")
    set_ = server.count([("SET", "plain", text)] * repeats, b"+OK")
    return {
        "SM.SET of a new definition": new / size,
        "SM.SET of a known document": known / size,
        "SM.GET": get / size,
        "SET": set_ / size,
    }
