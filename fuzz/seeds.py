#!/usr/bin/env python3
"""Writes the seed corpus: small inputs that reach every part of the code. The machines, records
and archives are those of the golden files."""

import pathlib

HERE = pathlib.Path(__file__).parent
GOLDEN = HERE.parent / "src/core/tests/golden"
# Between arguments, and between commands: see fuzz_targets/arguments.rs.
ARGUMENT, COMMAND = b"\xff", b"\xfe"
# What follows is a record, or choices from which one is made: see fuzz_targets/archive.rs.
AS_IT_STANDS, FORGED = b"\0", b"\1"

DOCUMENTS = {
    "pretty": b'{\n  "map": {\n    "a": ["b"]\n  },\n  "initial": "a"\n}\n',
    "escapes": rb'{"map":{"\u0061\ud83d\ude00":["\n\"\\\/\b\f\r\t\u0000"]},"initial":"a"}',
    "lone-surrogate": rb'{"map":{"a":["\ud800"]},"initial":"a"}',
    "invalid-utf8": b'{"map":{"a":["\xc3("]},"initial":"a"}',
    "control-character": b'{"map":{"a":["\n"]},"initial":"a"}',
    "unknown-field": b'{"map":{},"initial":"a","events":{"pay":[1,2.5e3,null,true]}}',
    "repeated-key": b'{"map":{"a":[],"a":[]},"initial":"a"}',
    "repeated-field": b'{"map":{},"initial":"a","initial":"b"}',
    "wrong-type": b'{"map":{"bar":["blee",7]},"initial":"bar"}',
    "deep": b'{"x":' + b"[" * 16 + b"]" * 16 + b',"map":{},"initial":"a"}',
    "trailing": b'{"map":{},"initial":"a"}\0',
    "unclosed": b'{"map":{"a":["b',
    "argument": b'{"current":"a","map":{"a":["b"]},"initial":"a"}\xffb',
    "unlisted-current": b'{"current":"payed","map":{"new":["paid"]},"initial":"new"}',
    "unlisted-argument": b'{"map":{"new":["paid"]},"initial":"new"}\xffNX',
    "empty-current": b'{"current":"","map":{"a":[""]},"initial":"a"}',
    "rows-of-events": b'{"map":{"a":{"go":"b","stop":[],"":["a","c"]}},"any":{"stop":["d","a"]},"initial":"a"}',
    "event-twice": b'{"map":{"a":{"go":"b","go":"c"}},"initial":"a"}',
    "target-twice": b'{"map":{"a":{"go":["b","b"]}},"initial":"a"}',
    "nameless-any": b'{"map":{},"any":{"":"b"},"initial":"a"}',
    "two-timers": b'{"map":{},"after":{"a":{"ms":1,"to":"b"},"b":{"to":null}},"initial":"a"}',
    "timer-of-none": b'{"map":{},"after":{"x":{"ms":9007199254740992,"to":"b"}},"initial":"a"}',
    "name": b'{"map":{},"history":255,"name":"n","revision":4294967295,"initial":"a"}',
    "revision-alone": b'{"map":{},"revision":0,"history":-0,"initial":"a"}',
    "rest-of-a-document": b',"map":{"a":["b"]},"initial":"a"}',
}

WORKFLOW = (
    b'{"map":{"a":{"go":["b","c"],"stay":"a"},"b":{"go":"a","":["c"]},"c":[]},"any":{"stop":"c"},'
    b'"after":{"a":{"ms":1000,"to":"b"},"b":{"to":"a"},"c":{"ms":9000,"to":null}},"history":3,"initial":"a"}'
)
RENAMED = b'{"map":{"x":{"go":"y"}},"history":2,"name":"n","initial":"x"}'
ORDER = (GOLDEN / "order.json").read_bytes()
SESSIONS = {
    "life": [
        [b"SM.SET", b"o", ORDER],
        [b"SM.MUTATE", b"o", b"paid", b"card"],
        [b"SM.GET", b"o"],
        [b"SM.MUTATE", b"o", b"new"],
        [b"SM.MUTATE", b"o", b"new", b"", b"FORCE"],
        [b"SM.STATE", b"o", b"LIST"],
        [b"SM.GET", b"o", b"reason"],
        [b"SM.RESET", b"o"],
        [b"SM.NEXT", b"o"],
        [b"SM.CAN", b"o", b"paid"],
        [b"SM.LINT", b"o"],
        [b"SM.EXPORT", b"o", b"dot"],
        [b"SM.EXPORT", b"o", b"Mermaid"],
    ],
    "copies": [
        [b"SM.CREATE", b"a"],
        [b"SM.SET", b"b", ORDER, b"shipped"],
        [b"COPY", b"b", b"a"],
        [b"DEL", b"b"],
        [b"SM.STATE", b"a"],
        [b"SM.SET", b"b", ORDER, b"nowhere"],
    ],
    "events": [
        [b"SM.NEW", b"w", WORKFLOW, b"ID", b"one", b"BY", b"ada", b"REASON", b"birth", b"AFTER", b"500"],
        [b"SM.NEW", b"w", WORKFLOW, b"ID", b"one"],
        [b"SM.FIRE", b"w", b"go"],
        [b"SM.FIRE", b"w", b"go", b"TO", b"b", b"ID", b"two", b"IFSTATE", b"a", b"IFVERSION", b"1"],
        [b"SM.FIRE", b"w", b"go", b"TO", b"b", b"ID", b"two"],
        [b"SM.MOVE", b"w", b"c", b"IFVERSION", b"9"],
        [b"SM.FIRE", b"w", b"", b"REASON", b"by hand"],
        [b"SM.FORCE", b"w", b"b", b"DUE", b"1000000"],
        [b"SM.EVENTS", b"w"],
        [b"SM.INFO", b"w"],
        [b"SM.HISTORY", b"w", b"COUNT", b"2"],
        [b"SM.REDEFINE", b"w", RENAMED, b"RENAME", b"b", b"x", b"ID", b"three"],
        [b"SM.MUTATE", b"w", b"y", b"why"],
    ],
    "fleet": [
        [b"SM.NEW", b"w", RENAMED],
        [b"SM.NEW", b"v", RENAMED, b"STATE", b"y"],
        [b"SM.COUNT", b"n"],
        [b"SM.COUNT", b"n", b"REVISION", b"1"],
        [b"SM.DEFINITIONS"],
        [b"SM.EMIT", b"w", b"moves", b"FIRE", b"go", b"ID", b"one", b"MAXLEN", b"1000"],
        [b"SM.FIRE", b"w", b"go", b"ID", b"one"],
        [b"SM.EMIT", b"w", b"moves", b"MOVE", b"x", b"REASON", b"back"],
        [b"SM.REDEFINE", b"v", WORKFLOW, b"RENAME", b"y", b"c"],
        [b"COPY", b"w", b"u"],
        [b"SM.COUNT", b"n"],
    ],
    "timers": [
        [b"SM.NEW", b"w", WORKFLOW, b"STATE", b"b", b"AFTER", b"7"],
        [b"AUTH", b"worker"],
        [b"TIME", b"1000008"],
        [b"SM.TIMEOUT", b"w"],
        [b"SM.RESET", b"w"],
        [b"TIME", b"5"],
        [b"SM.MOVE", b"w", b"c"],
        [b"TIME", b"2000000"],
        [b"SM.SET", b"w", WORKFLOW],
        [b"SM.TIMEOUT", b"w"],
    ],
    "loaded": [[b"SM.LOAD", b"l", (GOLDEN / "life-timed.record").read_bytes()], [b"SM.FIRE", b"l", b"go"]],
    "bad": [
        [b"SM.MUTATE", b"none", b"x"],
        [b"SM.SET", b"o"],
        [b"SM.SET", b"o", b"{}"],
        [b""],
        [b"SM.SET", b"o", ORDER, b"\x80"],
        [b"SM.SET", b"o", ORDER],
        [b"SM.MUTATE", b"o", b"paid", b"\x80"],
        [b"SM.MUTATE", b"o", b"paid", b"", b"FORCED"],
    ],
}


def write(target, name, data):
    folder = HERE / "corpus" / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)


for path in GOLDEN.iterdir():
    if path.suffix == ".json" and path.stem not in ("file", "wide", "bits", "no-bits"):
        write("document", path.stem, path.read_bytes())
        write("archive", f"{path.stem}.json", AS_IT_STANDS + path.read_bytes())
    if path.suffix == ".archive2" and path.stem not in ("wide", "bits", "no-bits"):
        # A record of form 0, in state 0, without a reason.
        write("archive", path.name, AS_IT_STANDS + b"\0\0" + path.read_bytes())
    if path.suffix == ".record" and path.stem != "wide":
        write("archive", path.stem, AS_IT_STANDS + path.read_bytes())
for name, data in DOCUMENTS.items():
    write("document", name, data)
for name, session in SESSIONS.items():
    lines = COMMAND.join(ARGUMENT.join(args) for args in session)
    # The first byte chooses the rules: documented, the old module's (edge), replayed.
    for number, rules in enumerate("der"):
        write("arguments", f"{name}-{rules}", bytes([number]) + lines)
# Choices without a meaning of their own, long enough for many steps.
for seed in range(8):
    choices = bytes((at * (17 + 2 * seed) + seed) % 251 for at in range(900))
    write("stateful", f"steps-{seed}", choices)
    write("archive", f"forged-{seed}", FORGED + choices)
