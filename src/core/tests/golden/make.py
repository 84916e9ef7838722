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


def document(rows, initial, current="", reason="", **new):
    """A row is a list of targets, or a dict from event to a list. `new` has what 1.0 couldn't say."""
    machine = {"rows": rows, "initial": initial, "current": current or initial, "reason": reason}
    return {**machine, "any": {}, "after": {}, "history": 0, "name": "", "revision": None, **new}


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


MINUTE, DAY = 60_000, 86_400_000
# What version 1 of the archive can't hold.
NEW_MACHINES = {
    "events": document(
        [
            ("new", {"pay": ["paid"], "cancel": ["cancelled"]}),
            ("paid", {"ship": ["shipped"], "refund": ["refunded", "partly refunded"], "": ["archived"]}),
            ("shipped", ["delivered", "delivered"]),
            ("delivered", {"pay": []}),
            ("refunded", []),
        ],
        "new",
    ),
    "any": document([("a", {"stop": [], "go": ["b"]}), ("b", ["a"])], "a", any={"stop": ["end"], "go": ["b", "a"]}),
    "any-alone": document([], "a", any={"stop": ["end"]}),
    "timers": document(
        [("a", ["b"])],
        "a",
        after={"b": (30 * MINUTE, "late"), "late": (0, "a"), "a": (2**53 - 1, None)},
    ),
    "all": document(
        [("new", {"pay": ["paid"]}), ("paid", ["shipped"])],
        "start",
        "elsewhere",
        "why",
        any={"archive": ["archived"], "pay": ["paid"], 'naïve "🚀"': ["\n"]},
        after={"new": (30 * MINUTE, "cancelled"), "archived": (30 * DAY, None), "elsewhere": (1, "new")},
        history=255,
        name="order ü",
        revision=2**32 - 1,
    ),
    # As in docs/format.md.
    "example": document([("a", {"x": ["b"]})], "a", any={"y": ["a"]}, after={"b": (5, None)}, name="n"),
    "named": document([("a", ["b"])], "a", name="n" * 256, history=1),
    # More than 64 states: with bits, because the names are long; and without.
    "bits": document(
        [(f"a state with a name of some length {at:02}", {"to the hub": ["hub"]}) for at in range(70)],
        "hub",
        any={"restart": ["a state with a name of some length 00"]},
    ),
    "no-bits": document(
        [(f"s{at}", {"next": [f"s{at + 1}"], "stop": []}) for at in range(40, 400)],
        "s40",
        any={"stop": ["s40", "end"], "next": ["end"], "back": ["s41"]},
    ),
}


def entry(version, at, kind, came, event, to, user, by="", reason="", id=""):
    return {
        "version": version,
        "at": at,
        "kind": kind,
        "from": came,
        "event": event,
        "to": to,
        "user": user,
        "by": by,
        "reason": reason,
        "id": id,
    }


def known_id(token, kind, subject, to, state, version):
    return {"token": token, "kind": kind, "subject": subject, "to": to, "state": state, "version": version}


T = 1_700_000_000_000
# An event between the two states, a timer of a second in a, one without a time in b, and five moves
# remembered.
LIFE = document(
    [("a", {"go": ["b"]}), ("b", {"go": ["a"]})], "a", "b", "r", after={"a": (1000, "b"), "b": (0, "a")}, history=5
)
# What machines have beside document and state. Tests do what is told here, and compare.
LIVES = {
    "life-moved": document(ORDER, "new", "shipped", "by van") | {"life": {"version": 300}},
    "life-ids": document(ORDER, "new", "cancelled")
    | {
        "life": {
            "version": 5,
            "ids": [
                known_id("first", "new", None, None, "new", 1),
                known_id("né", "fire", "", "paid", "paid", 2),
                known_id("x" * 64, "force", "new", None, "new", 3),
                known_id("y", "redefine", None, None, "new", 4),
                known_id("z", "move", "cancelled", None, "cancelled", 5),
            ],
        },
    },
    "life-timed": LIFE
    | {
        "life": {
            "version": 7,
            "since": T + 200_002,
            "due": T + 200_502,
            "given": True,
            "ids": [
                known_id("id-0", "new", None, None, "a", 1),
                known_id("id-1", "fire", "go", None, "b", 2),
                known_id("id-2", "force", "b", None, "b", 3),
                known_id("id-3", "move", "a", None, "a", 4),
                known_id("id-4", "fire", "go", "b", "b", 5),
            ],
            "history": [
                entry(3, T + 1600, "force", "b", "", "b", "worker", id="id-2"),
                entry(4, T + 200_000, "move", "b", "", "a", "worker", "", "é" * 512, "id-3"),
                entry(5, T + 200_000, "move", "a", "go", "b", "", id="id-4"),
                entry(6, T + 200_001, "reset", "b", "", "a", "default"),
                entry(7, T + 200_002, "move", "a", "go", "b", "default", "ada", "r"),
            ],
        },
    },
    # Redefined to it from one that had a third state, c, and an event, stop.
    "life-redefined": LIFE
    | {
        "life": {
            "version": 4,
            "since": T + 2,
            "due": None,
            "given": False,
            "ids": [
                known_id("x", "fire", "go", None, "b", 2),
                known_id("y", "fire", "stop", None, "c", 3),
                known_id("z", "redefine", None, None, "b", 4),
            ],
            "history": [
                entry(1, T, "new", None, "", "a", "default"),
                entry(2, T + 1, "move", "a", "go", "b", "default", id="x"),
                entry(3, T + 2, "move", "b", "stop", "c", "default", "", "r", "y"),
                entry(4, T + 3, "redefine", "c", "", "b", "default", id="z"),
            ],
        },
    },
}
# One RDB file: its machines in order. Equal definitions are in it once, numbered from here on.
FIRST_NUMBER = 2**64 - 2
FILE = ["order", "names", "order-moved", "order", "blank", "names", "blank"]


def groups_of(row):
    """(event, targets) for each entry of a row. Moves without a name are none if there are none."""
    entries = row.items() if isinstance(row, dict) else [("", row)]
    return [(event, targets) for event, targets in entries if event or targets]


def numbered(machine):
    """All states by first appearance: keys, targets, any, timers, initial, current."""
    keys = [key for key, _ in machine["rows"]]
    targets = [to for _, row in machine["rows"] for _, targets in groups_of(row) for to in targets]
    any_targets = [target for targets in machine["any"].values() for target in targets]
    timers = [to for _, to in machine["after"].values() if to is not None]
    ends = [machine["initial"], machine["current"]]
    return list(dict.fromkeys([*keys, *targets, *any_targets, *timers, *ends]))


def ends(sizes):
    total, out = 0, []
    for size in sizes:
        total += size
        out.append(total)
    return out


def u32s(numbers):
    return b"".join(struct.pack("<I", n) for n in numbers)


def u64s(numbers):
    return b"".join(struct.pack("<Q", n) for n in numbers)


def with_root(body, fields):
    """The body and behind it the root: for each field a pointer to a vector, or a number."""
    for field in fields:
        if isinstance(field, int):
            body += struct.pack("<I", field)
        else:
            start, length = field
            body += struct.pack("<iI", start - len(body), length)
    return body


def with_vectors(body, vectors):
    """The body and behind it the elements of vectors, and where each begins and how many there are."""
    heads = []
    for length, elements in vectors:
        heads.append((len(body), length))
        body += elements
    return body, heads


def header(version, body):
    return b"RSMA" + struct.pack("<HHI", version, 0, len(body)) + body


def text_vectors(names):
    raw = [name.encode() for name in names]
    return [(len(b"".join(raw)), b"".join(raw)), (len(raw), u32s(ends(map(len, raw))))]


def common_vectors(machine):
    """What both versions of the archive have."""
    names = numbered(machine)
    number = {name: at for at, name in enumerate(names)}
    rows = [[number[to] for _, targets in groups_of(row) for to in targets] for _, row in machine["rows"]]
    return [
        *text_vectors(names),
        (len(rows), u32s(ends(map(len, rows)))),
        (sum(map(len, rows)), u32s(target for row in rows for target in row)),
    ]


def archive1(machine):
    body, heads = with_vectors(b"", common_vectors(machine))
    initial = numbered(machine).index(machine["initial"])
    return header(1, with_root(body, [*heads, initial]))


def events_of(machine):
    """All named events by first appearance: rows, any."""
    named = [event for _, row in machine["rows"] for event, _ in groups_of(row) if event]
    return list(dict.fromkeys([*named, *machine["any"]]))


def rare_vectors(machine):
    """The vectors of the rare part, and the numbers among them. None if the machine has no such."""
    rows = [groups_of(row) for _, row in machine["rows"]]
    named = [event for row in rows for event, _ in row if event]
    events = events_of(machine)
    state = {name: at for at, name in enumerate(numbered(machine))}
    event = {"": 0, **{name: at for at, name in enumerate(events, 1)}}
    groups = [group for row in rows for group in row] if named else []
    sizes = [len(targets) for _, targets in groups]
    any_targets = [state[to] for targets in machine["any"].values() for to in targets]
    name = machine["name"].encode()
    revision = [] if machine["revision"] is None else [machine["revision"]]
    timers = machine["after"]
    vectors = [
        *text_vectors(events),
        (len(groups), u32s(event[name] for name, _ in groups)),
        (len(groups), u32s(ends(sizes))),
        (len(rows), u32s(ends(map(len, rows)))) if named else (0, b""),
        (len(machine["any"]), u32s(event[name] for name in machine["any"])),
        (len(machine["any"]), u32s(ends(map(len, machine["any"].values())))),
        (len(any_targets), u32s(any_targets)),
        (len(timers), u32s(state[name] for name in timers)),
        (len(timers), u64s(ms for ms, _ in timers.values())),
        (len(timers), u32s(2**32 - 1 if to is None else state[to] for _, to in timers.values())),
        machine["history"],
        (len(name), name),
        (len(revision), u32s(revision)),
    ]
    return vectors if any(part if isinstance(part, int) else part[0] for part in vectors) else None


def adjacency(machine, other_bytes):
    """For each state that can move, a row of words whose bit t says that it leads to state t."""
    names = numbered(machine)
    rows = {key: dict(groups_of(row)) for key, row in machine["rows"]}
    # An empty list as an event's targets still overrides.
    own = {key: set(row) if isinstance(row, dict) else {""} for key, row in machine["rows"]}
    movers = names if machine["any"] else [key for key, _ in machine["rows"]]
    words = -(-len(names) // 64)
    overridden = sum(len(machine["any"].get(event, [])) for events in own.values() for event in events)
    if len(names) > 64 and (
        8 * words * len(movers) > other_bytes or overridden > max(other_bytes, len(names) * len(movers))
    ):
        return []
    out = []
    for mover in movers:
        to = {target for targets in rows.get(mover, {}).values() for target in targets}
        for event, targets in machine["any"].items():
            if event not in own.get(mover, set()):
                to |= set(targets) - {mover}
        bits = sum(1 << at for at, name in enumerate(names) if name in to)
        out += [bits >> (64 * word) & (2**64 - 1) for word in range(words)]
    return out


def archive(machine):
    common, rare = common_vectors(machine), rare_vectors(machine)
    rare_only = [part for part in rare or [] if not isinstance(part, int)]
    bits = adjacency(machine, sum(len(elements) for _, elements in common + rare_only))
    body, heads = with_vectors(b"", [*common, (len(bits), u64s(bits))])
    rare_at = len(body)
    if rare:
        body, rare_heads = with_vectors(body, rare_only)
        fields = iter(rare_heads)
        rare_at = len(body)
        body = with_root(body, [part if isinstance(part, int) else next(fields) for part in rare])
    initial = numbered(machine).index(machine["initial"])
    root = [*heads[:4], initial, heads[4], (rare_at, 1 if rare else 0)]
    return header(2, with_root(body, root))


def varint(number):
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])


def record(machine, archive, form=ALONE, definition=0):
    """The archive is that of the machine's definition, of either version."""
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
    states, events = numbered(machine), ["", *events_of(machine)]
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
    states, events = numbered(machine), ["", *events_of(machine)]
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


def targets_form(targets):
    return targets[0] if len(targets) == 1 else targets


def row_form(row):
    if not isinstance(row, dict):
        return row
    return {event: targets_form(targets) for event, targets in groups_of(row)}


def timer_form(ms, to):
    return {**({"ms": ms} if ms else {}), "to": to}


def normal_form(machine):
    fields = {
        "current": machine["current"],
        "map": {key: row_form(row) for key, row in machine["rows"]},
        "any": {event: targets_form(targets) for event, targets in machine["any"].items()},
        "after": {state: timer_form(*timer) for state, timer in machine["after"].items()},
        "history": machine["history"],
        "name": machine["name"],
        "revision": machine["revision"],
        "initial": machine["initial"],
    }
    absent = [name for name in ("any", "after", "history", "name") if not fields[name]]
    for name in absent + ["revision"] * (machine["revision"] is None):
        del fields[name]
    if machine["reason"]:
        fields["reason"] = machine["reason"]
    text = json.dumps(fields, ensure_ascii=False, separators=(",", ":"))
    return text.encode()


def files():
    for name, machine in MACHINES.items():
        yield f"{name}.json", normal_form(machine)
        yield f"{name}.archive", archive1(machine)
        yield f"{name}.archive2", archive(machine)
        yield f"{name}.record", record(machine, archive1)
    for name, machine in LIVES.items():
        yield f"{name}.json", json.dumps(machine["life"], ensure_ascii=False, indent=1).encode() + b"\n"
        yield f"{name}.record", record(machine, archive)
    for name, machine in NEW_MACHINES.items():
        yield f"{name}.json", normal_form(machine)
        yield f"{name}.archive2", archive(machine)
    yield "file.json", json.dumps(FILE).encode() + b"\n"
    known = []
    for at, name in enumerate(FILE):
        definition = archive1(MACHINES[name])
        form = EARLIER if definition in known else FIRST
        if form == FIRST:
            known.append(definition)
        yield f"file-{at}.record", record(MACHINES[name], archive1, form, known.index(definition))


def main():
    wanted = dict(files())
    if "--check" in sys.argv[1:]:
        there = {path.name for path in HERE.iterdir()} - {"make.py", ".gitattributes", "__pycache__"}
        differ = [n for n in wanted if n not in there or (HERE / n).read_bytes() != wanted[n]]
        sys.exit(f"golden files differ: {differ + sorted(there - set(wanted))}" if differ or there - set(wanted) else 0)
    for name, data in wanted.items():
        (HERE / name).write_bytes(data)


main()
