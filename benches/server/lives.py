"""Section `lives`: the memory and the file bytes of what a machine remembers."""

import json
from contextlib import closing

import harness
import load
import memory
import moves
import shapes
from figures import Figure

GALLERY = harness.ROOT / "docs/gallery"
#: Moves of each machine: more than its history remembers.
MOVES = 20
#: Machines of a definition whose memory is measured: each has a definition of its own.
COPIES = 500


def run(scale):
    count = scale.keys // 10
    order = ["SM.SET", shapes.order(), "draft"]
    moved = Store(scale.keys, order, [["SM.MUTATE", "placed"], ["SM.MUTATE", "confirmed"]])
    fire = ["SM.FIRE", "go", "BY", moves.WHO, "REASON", moves.WHY]
    forgetful = Store(count, ["SM.NEW", moves.toggle()], [["SM.FIRE", "go"]])
    remembered = Store(count, ["SM.NEW", moves.toggle(history=16)], [fire] * MOVES)
    rows = [
        Figure(f"{scale.keys:,} keys, one 20-state map, all moved twice: memory", moved.bytes_a_key, "bytes/key",
               at_most=125),
        Figure("the same: RDB file", moved.file_bytes_a_key, "bytes/key", at_most=38),
        Figure("a history of 16 entries, with 8 bytes BY and 12 bytes REASON: memory",
               remembered.bytes_a_key - forgetful.bytes_a_key, "bytes/key", at_most=700,
               peers={"with key and machine": remembered.bytes_a_key}),
        Figure("the same: RDB file, with key and machine", remembered.file_bytes_a_key, "bytes/key"),
    ]  # fmt: skip
    return [*rows, *definitions()], []


class Store:
    """The bytes of many machines that share a definition."""

    def __init__(self, count, new, steps):
        keys = [f"order:{i:06d}" for i in range(count)]
        with closing(harness.Server().start()) as server, server.wire() as wire:
            empty = memory.used(wire)
            commands = ((name, key, *rest) for key in keys for name, *rest in [new, *steps])
            load.send_all(server, commands)
            self.bytes_a_key = (memory.used(wire) - empty) / count
            wire("SAVE")
            self.file_bytes_a_key = (server.folder / "dump.rdb").stat().st_size / count


def definitions(files=None):
    """Returns the memory of definitions as real workflows have them, over 600 bytes and 4 times their JSON."""
    shares = {}
    for file in sorted(files or GALLERY.glob("*.json")):
        document = json.loads(file.read_text())
        text = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
        shares[file.stem] = _definition(text) / (600 + 4 * len(text))
    what = "a definition of the gallery / 600 bytes and 4 times its JSON"
    return [Figure(what, max(shares.values()), at_most=1, peers=shares)]


def _definition(text):
    """Returns the bytes of a definition: those of keys with one each, less those of as many blank machines."""
    names = [f"key:{i:06d}" for i in range(COPIES)]
    with closing(harness.Server().start()) as server, server.wire() as wire:
        load.send_all(server, (("SM.CREATE", name) for name in names))
        blank = memory.used(wire)
        pairs = zip(names, shapes.variants(text, COPIES))
        load.send_all(server, (("SM.SET", *pair) for pair in pairs), at_once=1)
        return (memory.used(wire) - blank) / COPIES
