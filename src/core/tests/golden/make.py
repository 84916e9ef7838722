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
ALONE, FIRST, EARLIER = 0, 1, 2
REASON, VERSION, IDS, TIMES, HISTORY = 4, 8, 16, 32, 64


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


def entry(version, at, kind, came, event, to, user, by="", reason="", id=""):
    return {"version": version, "at": at, "kind": kind, "from": came, "event": event, "to": to,
            "user": user, "by": by, "reason": reason, "id": id}


def known_id(token, kind, subject, to, state, version):
    return {"token": token, "kind": kind, "subject": subject, "to": to, "state": state, "version": version}


T = 1_700_000_000_000
LIFE = [("a", ["b"]), ("b", ["a"])]
# What machines have beside document and state. Tests do what is told here, and compare.
LIVES = {
    "life-moved": document(ORDER, "new", "shipped", "by van") | {"life": {"version": 300}},
    "life-ids": document(ORDER, "new", "cancelled") | {
        "life": {"version": 5, "ids": [
            known_id("first", "new", None, None, "new", 1),
            known_id("né", "fire", "", "paid", "paid", 2),
            known_id("x" * 64, "force", "new", None, "new", 3),
            known_id("y", "redefine", None, None, "new", 4),
            known_id("z", "move", "cancelled", None, "cancelled", 5),
        ]},
    },
    # Of a definition with an event `go` between the two, a timer of a second in a, one without a time
    # in b, and five moves remembered.
    "life-timed": document(LIFE, "a", "b", "r") | {
        "events": ["go"],
        "life": {"version": 7, "since": T + 200_002, "due": T + 200_502, "given": True, "ids": [
            known_id("id-0", "new", None, None, "a", 1),
            known_id("id-1", "fire", "go", None, "b", 2),
            known_id("id-2", "force", "b", None, "b", 3),
            known_id("id-3", "move", "a", None, "a", 4),
            known_id("id-4", "fire", "go", "b", "b", 5),
        ], "history": [
            entry(3, T + 1600, "force", "b", "", "b", "worker", id="id-2"),
            entry(4, T + 200_000, "move", "b", "", "a", "worker", "", "é" * 512, "id-3"),
            entry(5, T + 200_000, "move", "a", "go", "b", "", id="id-4"),
            entry(6, T + 200_001, "reset", "b", "", "a", "default"),
            entry(7, T + 200_002, "move", "a", "go", "b", "default", "ada", "r"),
        ]},
    },
    # Redefined to it from one that had a third state, c, and an event, stop.
    "life-redefined": document(LIFE, "a", "b", "r") | {
        "events": ["go"],
        "life": {"version": 4, "since": T + 2, "due": None, "given": False, "ids": [
            known_id("x", "fire", "go", None, "b", 2),
            known_id("y", "fire", "stop", None, "c", 3),
            known_id("z", "redefine", None, None, "b", 4),
        ], "history": [
            entry(1, T, "new", None, "", "a", "default"),
            entry(2, T + 1, "move", "a", "go", "b", "default", id="x"),
            entry(3, T + 2, "move", "b", "stop", "c", "default", "", "r", "y"),
            entry(4, T + 3, "redefine", "c", "", "b", "default", id="z"),
        ]},
    },
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
    life = machine.get("life", {})
    parts = [
        (VERSION, b"" if life.get("version", 1) == 1 else varint(life["version"])),
        (TIMES, times(life)),
        (REASON, block(machine["reason"].encode())),
        (IDS, block(b"".join(known(machine, known_id) for known_id in life.get("ids", [])))),
        (HISTORY, block(history(machine, life.get("history", [])))),
    ]
    out = bytes([form | sum(flag for flag, part in parts if part)])
    out += varint(numbered(machine).index(machine["current"]))
    out += b"".join(part for _, part in parts)
    if form != ALONE:
        out += struct.pack("<Q", (FIRST_NUMBER + definition) % 2**64)
    if form != EARLIER:
        out += archive(machine)
    return out


def block(data):
    """A length and the bytes; nothing of nothing."""
    return varint(len(data)) + data if data else b""


def text(data):
    return varint(len(data.encode())) + data.encode()


def name(known, wanted):
    """A state or an event that is remembered: by its number, or as text."""
    if wanted in known:
        return varint(2 * known.index(wanted))
    return varint(2 * len(wanted.encode()) + 1) + wanted.encode()


def times(life):
    if "since" not in life:
        return b""
    due = life["due"]
    code = 0 if due is None else 1 + 2 * (due - life["since"]) + life["given"]
    return varint(life["since"]) + varint(code)


KINDS = ["fire", "move", "force", "new", "redefine"]
MOVES = ["new", "set", "move", "force", "reset", "timeout", "redefine"]


def known(machine, known_id):
    states, events = numbered(machine), ["", *machine.get("events", [])]
    kind, subject, to = known_id["kind"], known_id["subject"], known_id["to"]
    out = bytes([KINDS.index(kind) | (8 if to is not None else 0)]) + text(known_id["token"])
    if subject is not None:
        out += name(events if kind == "fire" else states, subject)
    if to is not None:
        out += name(states, to)
    return out + name(states, known_id["state"]) + varint(known_id["version"])


def history(machine, entries):
    """Entries come oldest first, each with its user and its time."""
    if not entries:
        return b""
    states, events = numbered(machine), ["", *machine.get("events", [])]
    last, oldest = entries[-1], entries[0]
    user = last["user"].encode()
    out = bytes([len(entries)]) + varint(last["at"])
    out += varint(2 * len(user) + (oldest["from"] is not None)) + user
    if oldest["from"] is not None:
        out += name(states, oldest["from"])
    for before, entry in zip([None, *entries], entries):
        other_user = before is not None and before["user"] != entry["user"]
        fields = [
            (8, name(events, entry["event"]) if entry["event"] else b""),
            (16, text(before["user"]) if other_user else b""),
            (32, text(entry["by"]) if entry["by"] else b""),
            (64, text(entry["reason"]) if entry["reason"] else b""),
            (128, text(entry["id"]) if entry["id"] else b""),
        ]
        out += bytes([MOVES.index(entry["kind"]) | sum(flag for flag, field in fields if field)])
        out += varint(entry["at"] - before["at"] if before else 0) + name(states, entry["to"])
        out += b"".join(field for _, field in fields)
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
    for name, machine in LIVES.items():
        yield f"{name}.json", json.dumps(machine["life"], ensure_ascii=False, indent=1).encode() + b"\n"
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
