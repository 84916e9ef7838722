"""Section `fleet`: how far a node goes: memory, file, fork, save and load with a million machines and more.

A plain machine has neither times nor a history. A whole one has a history of 20 that is full, with BY and
REASON, and a pending deadline. The machines are copies of some that got there by moves.
"""

import json
import random
import re
import time
from contextlib import closing
from pathlib import Path

import comparison
import harness
import load
import memory
from figures import Figure, Skip

#: What a machine takes at most, with the pages that are copied during a save; and what the rest of the
#: computer keeps.
BYTES_A_MACHINE, BYTES_LEFT = 1_000, 10 * 10**9
TEMPLATES, AT_ONCE = 100, 10_000
#: Moves a second while a save runs, and the pause between two batches.
MOVES_A_SECOND, PAUSE = 2_000, 0.1
#: The longest that a save or a load may take, in seconds.
PATIENCE = 900
#: KEYS: one of the templates. ARGV: the first number, the last.
FILL = """
for number = tonumber(ARGV[1]), tonumber(ARGV[2]) do
  redis.call('COPY', KEYS[1], string.format('order:%08d', number))
end
"""


def run(scale):
    rows = []
    for count in scale.fleets:
        need = count * BYTES_A_MACHINE + BYTES_LEFT
        if count > min(scale.fleets) and _available() < need:
            rows.append(Skip(f"a node with {count:,} machines", f"it takes {need / 1e9:.0f} GB free", optional=True))
        else:
            rows += _figures(count, {name: measure(count, *kind) for name, kind in kinds().items()})
    return rows, []


def _available():
    """Returns the bytes of memory that programs can still have."""
    return 1024 * int(re.search(r"^MemAvailable: *(\d+)", Path("/proc/meminfo").read_text(), re.M)[1])


def kinds():
    """Returns {name: (the document, the moves that are made of each template)}."""
    whole = json.loads((comparison.SIDES / "machine.json").read_text())
    plain = {name: whole[name] for name in ("initial", "map")}
    # A day: nothing fires while it is measured.
    whole["after"] = {state: after | {"ms": 86_400_000} for state, after in whole["after"].items()}
    return {"plain": (json.dumps(plain), 2), "whole": (json.dumps(whole), whole["history"] + 4)}


def measure(count, document, moves):
    """Returns {what: figure} of a server with that many machines."""
    with closing(harness.Server(["repl-diskless-load disabled"]).start()) as server:
        with server.wire() as wire:
            wire.socket.settimeout(PATIENCE)
            empty = memory.used(wire)
            _fill(server, wire, count, document, moves)
            used = memory.used(wire) - empty
            quiet, _ = _save(server, wire)
            file = (server.folder / "dump.rdb").stat().st_size
            busy, made = _save(server, wire, moving=count)
        # A small save may end before a page is copied, but a figure isn't zero.
        copied = max(1, busy["rdb_last_cow_size"] - quiet["rdb_last_cow_size"]) / made
        return {
            "memory, GB": used / 1e9,
            "memory, bytes each": used / count,
            "RDB file, GB": file / 1e9,
            "RDB file, bytes each": file / count,
            "fork, ms": quiet["fork_ms"],
            "background save, s": quiet["seconds"],
            "a move during a save copies, kB": copied / 1e3,
            "load, s": _load(server),
        }


def _fill(server, wire, count, document, moves):
    names = [f"template:{number}" for number in range(TEMPLATES)]
    fire = "BY", comparison.WHO, "REASON", comparison.WHY
    load.send_all(server, (("SM.NEW", name, document) for name in names))
    load.send_all(server, (("SM.FIRE", name, comparison.EVENT, *fire) for _ in range(moves) for name in names))
    copy(wire, names, count)


def copy(wire, names, count):
    """Makes as many copies of some machines, of each about the same number, and deletes those."""
    script = wire("SCRIPT", "LOAD", FILL).split(b"\r\n")[1]
    at_once = max(1, min(AT_ONCE, count // len(names)))
    for start in range(0, count, at_once):
        name = names[start // at_once % len(names)]
        reply = wire("EVALSHA", script, 1, name, start, min(count, start + at_once) - 1)
        if reply != harness.NIL:
            raise RuntimeError(f"COPY: {reply}")
    wire("DEL", *names)


def _save(server, wire, moving=0):
    """Saves in the background. Returns the server's figures, and the moves that were made of the first
    `moving` machines meanwhile."""
    wire("BGSAVE")
    start, made = time.monotonic(), 0
    while True:
        if moving:
            made += _move(wire, moving)
        time.sleep(PAUSE)
        info = server.info()
        if not info["rdb_bgsave_in_progress"]:
            break
        if time.monotonic() > start + PATIENCE:
            raise RuntimeError(f"a save takes over {PATIENCE} s")
    if info["rdb_last_bgsave_status"] != "ok":
        raise RuntimeError(f"the save failed: {server.log()[-500:]}")
    seconds = time.monotonic() - start
    return {**info, "fork_ms": info["latest_fork_usec"] / 1000, "seconds": seconds}, made


def _move(wire, machines):
    count = round(MOVES_A_SECOND * PAUSE)
    keys = [f"order:{random.randrange(machines):08d}" for _ in range(count)]
    why = "BY", comparison.WHO, "REASON", comparison.WHY
    wire.send(b"".join(harness.encode("SM.FIRE", key, comparison.EVENT, *why) for key in keys))
    if not all(wire.reply().startswith(b"*3\r\n$5\r\nmoved") for _ in keys):
        raise RuntimeError("a machine of the fleet doesn't move")
    return count


def _load(server):
    """Restarts the server. Returns the seconds by which it has loaded its file."""
    server.shutdown("NOSAVE")
    server.start(wait=False)
    harness.wait_until(lambda: _loaded(server), "the server to load its file", PATIENCE, PAUSE)
    return float(_loaded(server)[-1])


def _loaded(server):
    server.check()
    return re.findall(rb"DB loaded from disk: ([\d.]+) seconds", server.log())


def _figures(count, measured):
    return [
        Figure(f"a node with {count:,} machines: {what}", measured["whole"][what],
               peers={name: own[what] for name, own in measured.items()})
        for what in measured["whole"]
    ]  # fmt: skip


# ---- the table in docs/operations.md ------------------------------------------------------------

TITLE = re.compile(r"a node with ([\d,]+) machines: (.+)")


def table(figures, number):
    """Returns the table of the figures in Markdown, or an empty text if there are none. `number` writes
    a number."""
    columns, rows = {}, {}
    for figure in figures:
        match = TITLE.fullmatch(figure.what)
        for kind, value in figure.peers.items() if match else ():
            columns[f"{match[1]} {kind}"] = True
            rows.setdefault(match[2], []).append(number(value))
    if not rows:
        return ""
    lines = [("", *columns), ["---"] * (1 + len(columns)), *((what, *values) for what, values in rows.items())]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
