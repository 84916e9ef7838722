#!/usr/bin/env python3
"""Writes the files beside it, with the module's version 1.0. README.md says how it was run.

Every command below is also applied to the naive model of the tests, and `machines.json` is what that model
has at the end. So no expected value comes from the module.
"""

import base64
import json
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "support"))

from documents import ORDER, document  # noqa: E402
from harness import Pool, aof_files, rewrite_aof, server_version  # noqa: E402
from model import Machine  # noqa: E402

FAR = 33177117420000
LONG = "a long reason: " + "é🚀\n" * 200
NAMES = ["", "\0", "🚀", 'q"\\', "line\nfeed\r\t", "é", "/</script>", "\x7f\u2028", "\x01\x1f"]


def ring(states, targets):
    return {f"s{i}": [f"s{(i * 7 + j) % states}" for j in range(targets)] for i in range(states)}


FULL = {"new": ["paid", "cancelled"], "paid": ["sent", "refunded"], "sent": ["done", "lost"], "lost": ["refunded"]}
NAMED = {name: [NAMES[(i + 1) % len(NAMES)], name] for i, name in enumerate(NAMES[:-1])}
LEFT = {"a": ["b"], "b": ["a", "c"]}
# What was there when the append-only files were rewritten, and what was done afterwards.
BEFORE = [
    ("SM.CREATE", "blank"),
    ("SM.SET", "order", ORDER),
    ("SM.SET", "moved", ORDER),
    ("SM.MUTATE", "moved", "boo", 'é \0 \n "why"'),
    ("SM.SET", "moved and reset", ORDER),
    ("SM.MUTATE", "moved and reset", "boo", "why"),
    ("SM.RESET", "moved and reset"),
    *[("SM.SET", f"shared:{i}", document(FULL, "new")) for i in range(6)],
    *[("SM.MUTATE", f"shared:{i}", "paid", f"card {i}") for i in range(0, 6, 3)],
    ("SM.MUTATE", "shared:1", "cancelled"),
    ("SM.SET", "names", document(NAMED, "", "🚀", 'q"\\ \n\0\x7f é🚀')),
    ("SM.SET", "nameless", document({"": ["x"], "x": ["", "y"]}, "x")),
    ("SM.MUTATE", "nameless", "", "to the state without a name"),
    ("SM.SET", "repeats", document({"a": ["b", "b", "a"], "c": []}, "a")),
    ("SM.SET", "initial elsewhere", document({"a": ["b"]}, "z", "b")),
    ("SM.SET", "no map", document({}, "only")),
    ("SM.SET", "one word", document(ring(64, 1), "s1")),
    ("SM.SET", "two words", document(ring(65, 1), "s2")),
    ("SM.SET", "big", document(ring(140, 3), "s0", "s139")),
    ("SM.SET", "wide", document({"hub": [f"spoke {i}" for i in range(70)], "spoke 7": ["hub"]}, "hub")),
    ("SM.SET", "left", document(LEFT, "a"), "elsewhere"),
    ("SM.SET", "left and reset", document(LEFT, "a", "elsewhere", "old")),
    ("SM.RESET", "left and reset"),
    ("SM.SET", "left and moved", document(LEFT, "a", "else where")),
    ("SM.MUTATE", "left and moved", "b", "by hand", "FORCE"),
    ("SM.SET", "expires", ORDER),
    ("PEXPIREAT", "expires", FAR),
    ("SM.SET", "long", document(LEFT, "a", "a", LONG)),
    ("SM.SET", "to be replaced", ORDER),
    ("SM.SET", "to be renamed", ORDER, "blee"),
    ("SELECT", "3"),
    ("SM.SET", "order", ORDER, "blee"),
    ("SELECT", "0"),
]
AFTER = [
    ("SM.SET", "later", document(FULL, "new")),
    ("SM.MUTATE", "later", "paid", "later on"),
    ("SM.MUTATE", "later", "sent"),
    ("SM.MUTATE", "shared:2", "paid"),
    ("SM.MUTATE", "shared:2", "new", "", "FORCE"),
    ("SM.MUTATE", "big", "s8", "by hand", "FORCE"),
    ("SM.MUTATE", "big", "s57"),
    ("SM.CREATE", "later and blank"),
    ("SM.SET", "to be replaced", document(LEFT, "a"), "b"),
    ("RENAME", "to be renamed", "renamed"),
    ("COPY", "moved", "copied"),
    ("SM.MUTATE", "copied", "blee"),
    ("SM.SET", "later left", document(LEFT, "a", "away")),
    ("SM.MUTATE", "later left", "b", "and back", "FORCE"),
    ("SM.MUTATE", "later left", "away", "and away again", "FORCE"),
    ("SM.RESET", "left"),
    ("SELECT", "3"),
    ("SM.MUTATE", "order", "bar", "in another database", "FORCE"),
]
MULTI = [
    ("SM.MUTATE", "shared:4", "paid", "in MULTI"),
    ("SM.MUTATE", "shared:3", "sent", "in MULTI"),
]
SCRIPT = ("SM.MUTATE", "shared:5", "cancelled", 'in Lua: "é"')


DUMPED = ["blank", "moved", "names", "nameless", "two words", "left and moved", "later left", "long"]


class Model:
    """What there is in each database: machines, and their versions in a module that counts them."""

    def __init__(self):
        self.databases = {"0": {}, "3": {}}
        self.selected = "0"

    def apply(self, command, key, *rest):
        machines = self.databases[self.selected]
        if command == "SELECT":
            self.selected = key
        elif command in ("SM.CREATE", "SM.SET"):
            new = Machine.of(*rest, any_state=True) if rest else Machine()
            new.version = machines[key].version + 1 if key in machines else 1
            machines[key] = new
        elif command == "SM.MUTATE":
            assert machines[key].mutate(rest[0], *rest[1:2], force="FORCE" in rest), (command, key, rest)
            machines[key].version += 1
        elif command == "SM.RESET":
            machines[key].reset()
            machines[key].version += 1
        elif command == "COPY":
            machines[rest[0]] = machines[key].copy()
        elif command == "RENAME":
            machines[rest[0]] = machines.pop(key)
        else:
            assert command == "PEXPIREAT"
            machines[key].expires = int(rest[0])

    def was_saved(self):
        """Files of version 1.0 have no versions."""
        for machines in self.databases.values():
            for machine in machines.values():
                machine.version = 1

    def fields(self):
        out = {}
        for number, machines in self.databases.items():
            out[number] = {}
            for key, machine in machines.items():
                more = {"version by the aof": machine.version, "left over": next(iter(machine.leftovers()), None)}
                more["expires"] = getattr(machine, "expires", None)
                out[number][key] = machine.fields() | {name: value for name, value in more.items() if value is not None}
        return out


def play(client, model, commands):
    for command in commands:
        assert client.execute_command(*command) in (b"OK", True, 1), command
        model.apply(*command)


def play_all(server, rewritten):
    """Plays everything, with a rewrite of the append-only file in between if there is one."""
    model = Model()
    with server.client() as client:
        play(client, model, BEFORE)
        client.set("string", "between the machines")
        if rewritten:
            assert rewrite_aof(server) == "ok"
        model.was_saved()
        play(client, model, AFTER)
        play(client, model, [("SELECT", "0")])
        with client.pipeline(transaction=True) as pipe:
            for command in MULTI:
                pipe.execute_command(*command)
                model.apply(*command)
            assert pipe.execute() == [b"OK", b"OK"]
        assert client.eval("return redis.call(unpack(ARGV))", 1, SCRIPT[1], *SCRIPT) == b"OK"
        model.apply(*SCRIPT)
    return model


def write_aof(pool, name, preamble):
    config = ["appendonly yes", f"aof-use-rdb-preamble {preamble}", "auto-aof-rewrite-percentage 0"]
    server = pool.start(config)
    play_all(server, rewritten=True)
    server.shutdown("NOSAVE")
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for file in aof_files(server):
        shutil.copyfile(file, folder / file.name)


def main():
    assert server_version() == ("redis", (7, 0, 15))
    pool = Pool()
    try:
        server = pool.start()
        assert server.raw("COMMAND", "INFO", "SM.FIRE") == [None], "not version 1.0"
        model = play_all(server, rewritten=False)
        server.run("SAVE")
        shutil.copyfile(server.folder / "dump.rdb", HERE / "dump.rdb")
        dumps = {key: base64.b64encode(server.run("DUMP", key)).decode() for key in DUMPED}
        write_aof(pool, "aof", "yes")
        write_aof(pool, "aof-plain", "no")
    finally:
        pool.close()
    (HERE / "dumps.json").write_text(lines(dumps))
    (HERE / "machines.json").write_text(lines(model.fields()))


def lines(fields, depth=2):
    """JSON with a line for each entry of the first two levels."""
    if not depth or not isinstance(fields, dict):
        return json.dumps(fields, separators=(",", ":"))
    entries = (f"{json.dumps(key)}: {lines(value, depth - 1).rstrip()}" for key, value in fields.items())
    return "{\n" + ",\n".join(entries) + "\n}\n"


if __name__ == "__main__":
    main()
