"""Section `deadlines`: what a deadline costs: its move, its memory, its loading, waiting for it, and many that
are due together.

Beside it is what teams build without a module: orders as hashes, their deadlines in a sorted set, and a
worker that asks it again and again.
"""

import json
import os
import statistics
import time
from contextlib import ExitStack, closing

import callgrind_hot
import harness
import instructions
import load
import memory
from callgrind_hot import KEY
from figures import Figure, Skip

FAR_MS = 10**9
MAP = {"map": {"new": {"pay": "paid", "renew": "new"}, "paid": {}, "cancelled": {}}, "initial": "new"}
UNTIMED = json.dumps(MAP)
#: The timer has no `ms`, so a machine has a deadline only if the move gives it one.
ON_REQUEST = json.dumps(MAP | {"after": {"new": {"to": "cancelled"}}})
ALWAYS = json.dumps(MAP | {"after": {"new": {"ms": FAR_MS, "to": "cancelled"}}})
DUE = "due"
#: One turn of the worker. KEYS: the sorted set. ARGV: the time, how many at most.
WORKER = """
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[2])
for _, order in ipairs(due) do
  if redis.call('HGET', order, 'state') == 'new' then redis.call('HSET', order, 'state', 'cancelled') end
  redis.call('ZREM', KEYS[1], order)
end
return #due
"""
AT_ONCE = 100
AOF = ["appendonly yes", "appendfsync everysec", "auto-aof-rewrite-percentage 0"]


def run(scale):
    return [*_instructions(scale), *_memory(scale), *_burst(scale), *_late(scale), *_many(scale)], []


# ---- one move ---------------------------------------------------------------------------------


def _instructions(scale):
    what = "SM.FIRE into a state with a timer / SET with PX, instructions"
    why = instructions.missing()
    if why:
        return [Skip(what, why)]
    own, other = "SM.FIRE into a state with a timer", "SET with PX"
    cost = callgrind_hot.medians(plans, scale, scale.servers, None)
    row = Figure(what, cost[own] / cost[other], at_most=1.30, peers=cost)
    if row.verdict == "missed":
        row.profile = callgrind_hot.profile(own, plans)
    return [row]


def plans(_floor=None, _server=None):
    """Returns {name: (the commands that run first, the measured commands, their reply)}."""
    renew = ("SM.FIRE", KEY, "renew")
    return {
        "SET with PX": ([], [("SET", KEY, "confirmed", "PX", FAR_MS)], b"+OK"),
        "SM.FIRE into a state with a timer": ([("SM.NEW", KEY, ALWAYS)], [renew], b"*3"),
        "SM.FIRE, untimed": ([("SM.NEW", KEY, UNTIMED)], [renew], b"*3"),
    }


# ---- what a deadline takes --------------------------------------------------------------------


def machines(document, count, *options):
    return (("SM.NEW", f"order:{i:08d}", document, *options) for i in range(count))


def hashes(count):
    return (("HSET", f"order:{i:08d}", "state", "new") for i in range(count))


def members(count, at):
    return (("ZADD", DUE, at, f"order:{i:08d}") for i in range(count))


def _memory(scale):
    count = scale.keys
    without = _bytes_a_key(count, machines(ON_REQUEST, count))
    with_one = _bytes_a_key(count, machines(ON_REQUEST, count, "AFTER", FAR_MS))
    untimed = _bytes_a_key(count, machines(UNTIMED, count))
    member = _bytes_a_key(count, members(count, FAR_MS))
    peers = {
        "machine with it": with_one,
        "timed without": without,
        "untimed": untimed,
        "member of a sorted set": member,
    }
    return [Figure("a pending deadline, 14-byte key: memory beyond an untimed machine's", with_one - untimed, "bytes",
                   at_most=110, peers=peers)]  # fmt: skip


def _bytes_a_key(count, commands):
    with closing(harness.Server().start()) as server, server.wire() as wire:
        empty = memory.used(wire)
        load.send_all(server, commands)
        return (memory.used(wire) - empty) / count


# ---- many that are due together ---------------------------------------------------------------


def _burst(scale):
    count = scale.keys
    plain, logged = _fire_all(count, []), _fire_all(count, AOF)
    rates = {"with an AOF": logged[0], "sorted set and a worker that does nothing else": _work_all(count)}
    pings = {"with an AOF": logged[1], "before": plain[2]}
    return [
        Figure(f"{count:,} deadlines that are due together", plain[0], "fired/s", at_least=50_000, peers=rates),
        Figure("the same: the longest PING meanwhile", plain[1], "ms", at_most=20, peers=pings),
    ]


def _fire_all(count, config):
    """Returns the deadlines fired a second, and the longest PING in ms while they fire and before."""
    with closing(harness.Server(config).start()) as server, server.wire() as wire:
        wire("CONFIG", "SET", "redisstate.timers", "no")
        load.send_all(server, machines(ON_REQUEST, count, "AFTER", 1))
        before = max(_ping(wire) for _ in range(500))
        wire("CONFIG", "SET", "redisstate.timers", "yes")
        pings, first = [], None
        while True:
            pings.append(_ping(wire))
            now, fired = time.perf_counter(), _fired(wire)
            if fired and not first:
                first = now, fired
            if fired == count:
                break
        return (fired - first[1]) / (now - first[0]), 1000 * max(pings), 1000 * before


def _ping(wire):
    """Returns the seconds until the server has answered."""
    start = time.perf_counter()
    wire("PING")
    return time.perf_counter() - start


def _fired(wire):
    text = wire("INFO", "redisstate")
    return next(int(line.partition(b":")[2]) for line in text.split(b"\r\n") if b"_timers_fired:" in line)


def _work_all(count):
    """Returns the deadlines a second that a worker handles, without a pause."""
    with closing(harness.Server().start()) as server, server.wire() as wire:
        load.send_all(server, (*hashes(count), *members(count, 1)))
        script = wire("SCRIPT", "LOAD", WORKER).split(b"\r\n")[1]
        start = time.perf_counter()
        while wire("EVALSHA", script, 1, DUE, 2, AT_ONCE) != b":0\r\n":
            pass
        return count / (time.perf_counter() - start)


# ---- one after the other ----------------------------------------------------------------------


def _late(scale):
    """How late the event of a timer arrives at a client, on a server that does nothing else."""
    count = scale.keys // 100
    # Two milliseconds apart, the first when all are there.
    first = int(time.time() * 1000) + 2000
    dues = {f"order:{i:08d}": first + 2 * i for i in range(count)}
    late = []
    with closing(harness.Server(["notify-keyspace-events Ed"]).start()) as server, server.client() as client:
        with client.pubsub(ignore_subscribe_messages=True) as events:
            events.subscribe("__keyevent@0__:sm.timeout")
            load.send_all(server, (("SM.NEW", key, ON_REQUEST, "DUE", due) for key, due in dues.items()))
            while len(late) < count:
                event = events.get_message(timeout=20)
                if event:
                    late.append(time.time() * 1000 - dues[event["data"].decode()])
    late.sort()
    peers = {"half of them": late[count // 2], "the last": late[-1]}
    return [Figure("a quiet server: 99 of 100 timers are late by at most", late[count * 99 // 100], "ms", at_most=20,
                   peers=peers)]  # fmt: skip


# ---- a server with many -----------------------------------------------------------------------


def _many(scale):
    count = 5 * scale.keys
    kinds = {"with deadlines": machines(ON_REQUEST, count, "AFTER", FAR_MS), "without": machines(ON_REQUEST, count)}
    with ExitStack() as stack:
        servers = {name: stack.enter_context(closing(harness.Server().start())) for name in kinds}
        for name, commands in kinds.items():
            load.send_all(servers[name], commands)
        idle = _idle(servers, 10 * scale.turn * scale.rounds)
        ratio, seconds = _loads(servers, scale.reloads)
    return [
        Figure(f"{count:,} machines: loading them with deadlines / without", ratio, at_most=1.5, peers=seconds),
        Figure(
            f"{count:,} pending deadlines, idle: of a processor", idle["with deadlines"], "%", at_most=1, peers=idle
        ),
    ]


def _idle(servers, seconds):
    """Returns how much of a processor each server takes while nobody asks it anything, in %."""
    time.sleep(2)
    before = {name: _cpu(server) for name, server in servers.items()}
    time.sleep(seconds)
    return {name: 100 * (_cpu(server) - before[name]) / seconds for name, server in servers.items()}


def _cpu(server):
    """Returns the seconds of processor time that a server has taken."""
    with open(f"/proc/{server.process.pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _loads(servers, rounds):
    """Returns the median of the ratios of rounds in which each server loads its file, and the seconds."""
    for server in servers.values():
        server.run("SAVE")
    times = {name: [] for name in servers}
    for _ in range(rounds):
        for name, server in servers.items():
            start = time.perf_counter()
            server.run("DEBUG", "RELOAD", "NOSAVE")
            times[name].append(time.perf_counter() - start)
    ratio = statistics.median(a / b for a, b in zip(times["with deadlines"], times["without"]))
    return ratio, {f"{name}, s": statistics.median(own) for name, own in times.items()}
