"""Section `hot`: what one read and one move cost, in instructions."""

import statistics
import tempfile

import baselines
import harness
import instructions
import profiles
import shapes
from figures import Figure, Skip

KEY = "order:000001"
#: Four commands are a transaction: this and those that are measured are whole ones.
WARM_UP = 12


def run(scale):
    why = instructions.missing()
    if why:
        return [Skip("instructions of the hot path", why)], []
    with tempfile.TemporaryDirectory(prefix="redisstate-") as folder:
        floor, no_floor = baselines.floor(folder)
        plain = medians(plans, scale, scale.servers, floor)
        logged = medians(plans, scale, max(1, scale.servers // 3), None, ["appendonly yes", "appendfsync no"])
    rows = _figures(plain, logged)
    for row in rows:
        if row.verdict == "missed":
            row.profile = profile(next(name for name in row.peers if "SM." in name), plans)
    if no_floor:
        rows.append(Skip("the floor of the module API", no_floor, optional=True))
    return rows, []


def profile(name, make_plans):
    """Returns as text where the instructions of one of the commands go."""
    commands = 1000
    with instructions.Counter(modules=[harness.MODULE]) as server:
        one(server, commands, *make_plans(None, server)[name])
        rows = profiles.functions(server.server.profile(server.dumps), commands)
    return profiles.show(f"{name}: instructions a command, by function", rows)


def medians(plans, scale, servers, floor, config=()):
    """Returns the instructions of each plan, the median over some servers."""
    runs = []
    for _ in range(servers):
        with instructions.Counter(config, [harness.MODULE, *([floor] if floor else [])]) as server:
            todo = plans(floor, server)
            runs.append({name: one(server, scale.commands, *plan) for name, plan in todo.items()})
    return {name: statistics.median(run[name] for run in runs) for name in runs[0]}


def plans(floor=None, server=None):
    """Returns {name: (the commands that run first, the measured commands, their reply)}."""
    moves = ["on_hold", "confirmed"]
    stored = ("SM.SET", KEY, shapes.order(), "confirmed")
    plans = {
        "GET": ([("SET", KEY, "confirmed")], [("GET", KEY)], b"$9"),
        "SET": ([("SET", KEY, "confirmed")], [("SET", KEY, state) for state in moves], b"+OK"),
        "SM.STATE": ([stored], [("SM.STATE", KEY)], b"*1"),
        "SM.MUTATE": ([stored], [("SM.MUTATE", KEY, state) for state in moves], b"+OK"),
        "refused SM.MUTATE": ([stored], [("SM.MUTATE", KEY, "refunded")], b"$-1"),
        "SM.MUTATE, 2 states": _round_trip(2),
        "SM.MUTATE, 5,000 states": _round_trip(5000),
    }
    if server:
        script = server("SCRIPT", "LOAD", baselines.MOVE).split(b"\r\n")[1]
        lua = [("EVALSHA", script, 2, KEY, "map", state) for state in moves]
        plans["Lua script"] = ([baselines.hash_of(KEY, "confirmed"), baselines.hash_map("map")], lua, b"+OK")
    if floor:
        word = ("FLOOR.SET", KEY, "confirmed")
        plans["module floor, read"] = ([word], [("FLOOR.GET", KEY)], b"*1")
        plans["module floor, write"] = ([word], [("FLOOR.MOVE", KEY, state) for state in moves], b"+OK")
    return plans


def _round_trip(states):
    """A ring, gone through as far as the commands reach. The names are equally long in both rings."""
    width = 6
    names = [shapes.name(i, width) for i in range(states)]
    moves = [("SM.MUTATE", KEY, name) for name in names[1:] + names[:1]]
    return [("SM.SET", KEY, shapes.ring(states, width))], moves, b"+OK"


def one(server, commands, setup, turn, expect):
    """Returns the mean of the instructions of commands that take turns."""
    server("FLUSHALL")
    for command in setup:
        server(*command)
    sequence = [turn[i % len(turn)] for i in range(WARM_UP + commands)]
    for command in sequence[:WARM_UP]:
        server(*command)
    return server.count(sequence[WARM_UP:], expect)


def _figures(plain, logged):
    read = {name: plain[name] for name in ("GET", "module floor, read") if name in plain}
    write = {n: plain[n] for n in ("SET", "module floor, write", "Lua script") if n in plain}
    set_ = plain["SET"]
    return [
        Figure("SM.STATE / GET, instructions", plain["SM.STATE"] / plain["GET"], at_most=1.35,
               peers={"SM.STATE": plain["SM.STATE"], **read}),
        Figure("SM.MUTATE / SET, instructions (replicating)", plain["SM.MUTATE"] / set_, at_most=1.30,
               peers={"SM.MUTATE": plain["SM.MUTATE"], **write}),
        Figure("SM.MUTATE / SET, instructions, with an AOF", logged["SM.MUTATE"] / logged["SET"],
               peers={name: logged[name] for name in ("SM.MUTATE", "SET", "Lua script")}),
        Figure("a refused SM.MUTATE / SET, instructions", plain["refused SM.MUTATE"] / set_, at_most=1.30,
               peers={"refused SM.MUTATE": plain["refused SM.MUTATE"], "SET": set_}),
        Figure("SM.MUTATE / Lua script, instructions", plain["SM.MUTATE"] / plain["Lua script"],
               peers={"Lua script": plain["Lua script"]}),
        Figure("SM.MUTATE on 5,000 states / on 2, instructions",
               plain["SM.MUTATE, 5,000 states"] / plain["SM.MUTATE, 2 states"], at_most=1.08,
               peers={n: plain[n] for n in ("SM.MUTATE, 5,000 states", "SM.MUTATE, 2 states")}),
    ]  # fmt: skip
