"""Section `moves`: what SM.FIRE costs, in instructions: plain, refused, on large machines, with a history."""

import json
import tempfile

import baselines
import callgrind_hot
import instructions
import shapes
from callgrind_hot import KEY
from figures import Figure, Skip

#: What a history remembers of each move, beside the move itself.
WHO, WHY = "12345678", "customerpaid"
FAR_MS = 10**9
STREAM = "moves"


def run(scale):
    why = instructions.missing()
    if why:
        return [Skip("instructions of moves by event", why)], []
    with tempfile.TemporaryDirectory(prefix="redisstate-") as folder:
        floor, no_floor = baselines.floor(folder)
        plain = callgrind_hot.medians(plans, scale, scale.servers, floor)
    rows = _figures(plain)
    for row in rows:
        if row.verdict == "missed":
            row.profile = callgrind_hot.profile(next(name for name in row.peers if "SM." in name), plans)
    if no_floor:
        rows.append(Skip("the floor of a module's moves", no_floor, optional=True))
    return rows, []


def plans(floor=None, server=None):
    """Returns {name: (the commands that run first, the measured commands, their reply)}."""
    fire, stop = ("SM.FIRE", KEY, "go"), ("SM.FIRE", KEY, "stop")
    why = ("BY", WHO, "REASON", WHY)
    remembered = ("SM.NEW", KEY, toggle(history=16))
    plans = {
        "SET": ([("SET", KEY, "confirmed")], [("SET", KEY, "confirmed")], b"+OK"),
        "SET with PX": ([], [("SET", KEY, "confirmed", "PX", FAR_MS)], b"+OK"),
        "SM.FIRE": ([("SM.SET", KEY, toggle())], [fire], b"*3"),
        "refused SM.FIRE": ([("SM.SET", KEY, toggle())], [stop], b"*3"),
        "SM.FIRE, 20 states": _round_trip(20, 2),
        "SM.FIRE, 5,000 states": _round_trip(5000, 4),
        "SM.FIRE with a history": ([remembered], [fire], b"*3"),
        "SM.FIRE with a history, BY and REASON": ([remembered], [(*fire, *why)], b"*3"),
        "SM.EMIT": ([remembered], [("SM.EMIT", KEY, STREAM, "FIRE", "go", *why)], b"*4"),
        "a quarter of SM.FIRE and XADD in a MULTI": ([remembered], _fire_and_add(*fire, *why), b""),
    }
    if server:
        script = server("SCRIPT", "LOAD", baselines.FIRE).split(b"\r\n")[1]
        order = ("HSET", KEY, "state", "confirmed", "version", "1")
        table = ("HSET", "map", "confirmed>go", "confirmed")
        call = ("EVALSHA", script, 3, KEY, "map", "history", "go", WHO, WHY)
        plans["Lua script"] = ([order, table], [call], b"*3")
    if floor:
        word = ("FLOOR.SET", KEY, "confirmed")
        plans["module floor"] = ([word], [("FLOOR.FIRE", KEY, "go")], b"*3")
        plans["module floor, with time and user"] = ([word], [("FLOOR.TIMED", KEY, "go")], b"*3")
    return plans


def _fire_and_add(*fire):
    """Returns what a client sends to make a move and write an entry of it, with the fields of SM.EMIT."""
    values = KEY, "confirmed", "confirmed", "go", "2", "1795611086997", "default", WHO, WHY, ""
    names = "key", "from", "to", "event", "version", "at", "user", "by", "reason", "id"
    entry = [part for pair in zip(names, values) for part in pair]
    return [("MULTI",), fire, ("XADD", STREAM, "*", *entry), ("EXEC",)]


def toggle(**more):
    """Returns a document with one state, which an event leads back to."""
    return json.dumps({"map": {"confirmed": {"go": "confirmed"}}, "initial": "confirmed"} | more)


def _round_trip(states, events):
    """A ring by the last of each state's events, gone through as far as the commands reach."""
    names = [shapes.name(i, 6) for i in range(states)]
    rows = {
        name: {f"event{i}": names[(at + i + 2 - events) % states] for i in range(events)}
        for at, name in enumerate(names)
    }
    document = shapes.document(rows, names[0])
    return [("SM.SET", KEY, document)], [("SM.FIRE", KEY, f"event{events - 1}")], b"*3"


def _figures(plain):
    def figure(what, one, other, at_most, *beside):
        beside = [name for name in (one, other, *beside) if name in plain]
        return Figure(what, plain[one] / plain[other], at_most=at_most, peers={n: plain[n] for n in beside})

    remembered = "SM.FIRE with a history"
    plain["SM.FIRE and XADD in a MULTI"] = 4 * plain.pop("a quarter of SM.FIRE and XADD in a MULTI")
    return [
        figure("SM.FIRE / SET, instructions", "SM.FIRE", "SET", 1.45, "module floor"),
        figure("a refused SM.FIRE / SET, instructions", "refused SM.FIRE", "SET", 1.35),
        figure("SM.FIRE on 5,000 states with 4 events / on 20 with 2, instructions",
               "SM.FIRE, 5,000 states", "SM.FIRE, 20 states", 1.08),
        figure("SM.FIRE with a history of 16 / SET with PX, instructions", remembered, "SET with PX", 1.20,
               "module floor, with time and user"),
        figure("the same with BY and REASON / a Lua script that does as much, instructions",
               f"{remembered}, BY and REASON", "Lua script", 0.12),
        figure("SM.EMIT / SM.FIRE and XADD in a MULTI, with a history, instructions",
               "SM.EMIT", "SM.FIRE and XADD in a MULTI", 0.80),
    ]  # fmt: skip
