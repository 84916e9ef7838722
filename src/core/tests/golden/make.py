#!/usr/bin/env python3
"""Writes the golden files from docs/format.md alone: no code is shared with the crate.

make.py            writes them beside itself
make.py --check    fails unless they are there, byte for byte
"""

import json
import pathlib
import struct
import sys

HERE = pathlib.Path(__file__).parent
ALONE, FIRST, EARLIER, REASON = 0, 1, 2, 4


def document(rows, initial, current="", reason=""):
    return {"rows": rows, "initial": initial, "current": current or initial, "reason": reason}


ORDER = [("new", ["paid", "cancelled"]), ("paid", ["shipped", "refunded"]), ("shipped", [])]
MACHINES = {
    "blank": document([], ""),
    "stateless": document([], "a"),
    "order": document(ORDER, "new"),
    "order-moved": document(ORDER, "new", "refunded", "card 4711, by Ada"),
    "repeats": document([("a", ["b", "a", "b"]), ("b", ["a", "a"])], "b"),
    "initial-elsewhere": document([("a", ["b"])], "c", "b"),
    "current-elsewhere": document([("a", ["b"])], "a", "somewhere else"),
    "names": document([("", ["\0", '"\\\r\n\t\x1f\x7f']), ("naïve", ["🚀", "\u2028", ""])], "", "🚀", '\0 😀 "'),
    "wide": document([("hub", [f"spoke-{at}" for at in range(300)])], "hub", "spoke-298", "x" * 200),
}
# One RDB file: its machines in order. Equal definitions are in it once, numbered from here on.
FIRST_NUMBER = 2**64 - 2
FILE = ["order", "names", "order-moved", "order", "blank", "names", "blank"]


def numbered(machine):
    """All states by first appearance: keys, targets, initial, current."""
    keys = [key for key, _ in machine["rows"]]
    targets = [target for _, row in machine["rows"] for target in row]
    return list(dict.fromkeys([*keys, *targets, machine["initial"], machine["current"]]))


def ends(sizes):
    total, out = 0, []
    for size in sizes:
        total += size
        out.append(total)
    return out


def archive(machine):
    names = numbered(machine)
    number = {name: at for at, name in enumerate(names)}
    rows = [row for _, row in machine["rows"]]
    raw = [name.encode() for name in names]
    u32s = lambda numbers: b"".join(struct.pack("<I", n) for n in numbers)
    vectors = [
        (len(b"".join(raw)), b"".join(raw)),
        (len(raw), u32s(ends(map(len, raw)))),
        (len(rows), u32s(ends(map(len, rows)))),
        (sum(map(len, rows)), u32s(number[target] for row in rows for target in row)),
    ]
    body, heads = b"", []
    for length, elements in vectors:
        heads.append((len(body), length))
        body += elements
    for start, length in heads:
        body += struct.pack("<iI", start - len(body), length)
    body += struct.pack("<I", number[machine["initial"]])
    return b"RSMA" + struct.pack("<HHI", 1, 0, len(body)) + body


def varint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def record(machine, form=ALONE, definition=0):
    reason = machine["reason"].encode()
    out = bytes([form | (REASON if reason else 0)])
    out += varint(numbered(machine).index(machine["current"]))
    if reason:
        out += varint(len(reason)) + reason
    if form != ALONE:
        out += struct.pack("<Q", (FIRST_NUMBER + definition) % 2**64)
    if form != EARLIER:
        out += archive(machine)
    return out


def normal_form(machine):
    fields = {
        "current": machine["current"],
        "map": dict(machine["rows"]),
        "initial": machine["initial"],
    }
    if machine["reason"]:
        fields["reason"] = machine["reason"]
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    return text.encode()


def files():
    for name, machine in MACHINES.items():
        yield f"{name}.json", normal_form(machine)
        yield f"{name}.archive", archive(machine)
        yield f"{name}.record", record(machine)
    yield "file.json", json.dumps(FILE).encode() + b"\n"
    known = []
    for at, name in enumerate(FILE):
        definition = archive(MACHINES[name])
        form = EARLIER if definition in known else FIRST
        if form == FIRST:
            known.append(definition)
        yield f"file-{at}.record", record(MACHINES[name], form, known.index(definition))


def main():
    wanted = dict(files())
    if "--check" in sys.argv[1:]:
        there = {path.name for path in HERE.iterdir()} - {"make.py", ".gitattributes", "__pycache__"}
        differ = [n for n in wanted if n not in there or (HERE / n).read_bytes() != wanted[n]]
        sys.exit(f"golden files differ: {differ + sorted(there - set(wanted))}" if differ or there - set(wanted) else 0)
    for name, data in wanted.items():
        (HERE / name).write_bytes(data)


main()
