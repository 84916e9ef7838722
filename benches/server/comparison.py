"""Section `comparison`: a whole move, beside what teams use today, at equal durability.

A whole move is one event of a workflow: the guard, the new state, its version, a history of 20 with BY and
REASON, and the deadline that the new state starts. It is made by SM.FIRE, by a Lua script, and by a function
of PostgreSQL (the folder `sides` has the three). Beside them is SET with PX, which only overwrites a text and
starts a deadline.

The clients are the servers' own: redis-benchmark and pgbench. Each command picks one of many machines at
random, so that PostgreSQL's row locks hardly ever collide. Its history keeps every move, as such tables do.
"""

import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from contextlib import ExitStack, closing
from pathlib import Path

import harness
import load
import postgres
from figures import Bars, Figure, Skip

SIDES = Path(__file__).with_name("sides")
#: redis-benchmark puts the number of a machine here, with twelve digits.
NUMBER = "__rand_int__"
EVENT, WHO, WHY = "turn", "12345678", "customerpaid"
STAYS_MS = 3_600_000
DEADLINES = "deadlines"

SET, LUA, FIRE, SQL = "SET with PX", "Lua script", "SM.FIRE", "PostgreSQL"
#: How the clients send: connections, and commands in flight on each.
EIGHT, PIPELINED = (8, 1), (50, 16)
SENT = {EIGHT: "8 clients", PIPELINED: "50 × 16 pipelined"}
SYNCED = {False: "synced each second", True: "each synced"}
#: Below this many milliseconds for an fdatasync, the server's work counts beside the disk's.
FAST_DISK_MS = 0.5
#: So many moves fill a history of 20 for nearly all machines, as moves are drawn at random.
MOVES_BEFORE = 35


def run(scale):
    if not shutil.which("redis-benchmark"):
        return [Skip("the whole move beside others", "no redis-benchmark (Debian's package redis-tools)")], []
    machines, turn, rounds = scale.keys // 20, 2 * scale.turn, max(2, scale.rounds // 2)
    lacking = postgres.missing()
    with ExitStack() as stack:
        plans = Plans({synced: Redis(stack, synced, machines) for synced in SYNCED})
        if not lacking:
            plans.add_postgres(Postgres(stack, machines))
        rates = _alternate(plans.all, rounds, turn)
    rows = [*_figures(rates, _fdatasync_ms()), plans.shares()]
    if lacking:
        rows.append(Skip("the whole move beside PostgreSQL", lacking, optional=True))
    return rows, [_bars(rates)]


# ---- the sides --------------------------------------------------------------------------------


class Redis:
    """A server with an append-only file that holds every machine in all three ways."""

    def __init__(self, stack, synced, machines):
        config = ["appendonly yes", f"appendfsync {'always' if synced else 'everysec'}"]
        self.server = stack.enter_context(closing(harness.Server([*config, "auto-aof-rewrite-percentage 0"]).start()))
        self.machines, self.shares = machines, {}
        document = (SIDES / "machine.json").read_text()
        first = json.loads(document)["initial"]
        numbers = [f"{number:012d}" for number in range(machines)]
        load.send_all(self.server, (("SM.NEW", f"machine:{number}", document) for number in numbers))
        load.send_all(self.server, (("HSET", f"hash:{number}", "state", first, "version", 1) for number in numbers))
        script = self.server.run("SCRIPT", "LOAD", (SIDES / "move.lua").read_text())
        self.commands = {
            SET: ("SET", f"string:{NUMBER}", "working", "PX", STAYS_MS),
            FIRE: ("SM.FIRE", f"machine:{NUMBER}", EVENT, "BY", WHO, "REASON", WHY),
            LUA: ("EVALSHA", script.decode(), 2, f"hash:{NUMBER}", DEADLINES, EVENT, WHO, WHY),
        }
        self._try()
        for name in (FIRE, LUA):
            self.send(name, PIPELINED, MOVES_BEFORE * machines)

    def _try(self):
        """Every side does what it says, on the first machine. redis-benchmark doesn't look at replies."""
        with self.server.client() as client:
            for name, command in self.commands.items():
                reply = client.execute_command(*(str(part).replace(NUMBER, "0" * 12) for part in command))
                if name != SET and reply != [b"moved", b"working", 2]:
                    raise RuntimeError(f"{name}: {reply}")

    def send(self, name, how, count):
        """Sends a command that often. Returns commands a second."""
        (connections, pipeline), command = how, self.commands[name]
        place = "-h", "127.0.0.1", "-p", self.server.port, "-r", self.machines
        amount = "-n", count, "-c", connections, "-P", pipeline, "--csv"
        arguments = [str(part) for part in ("redis-benchmark", *place, *amount, *command)]
        cpu, start = self._cpu(), time.perf_counter()
        done = subprocess.run(arguments, capture_output=True, text=True, check=True)
        seconds = time.perf_counter() - start
        self.shares.setdefault((name, how), []).append(100 * (self._cpu() - cpu) / seconds)
        if self.server.info("errorstats"):
            raise RuntimeError(f"{name}: {self.server.info('errorstats')}")
        # The last line is the figures: the name, commands a second, ...
        return float(done.stdout.strip().split("\n")[-1].split('","')[1])

    def _cpu(self):
        """Returns the seconds of processor time that the thread which runs commands has taken."""
        info = self.server.info("cpu")
        return info["used_cpu_user_main_thread"] + info["used_cpu_sys_main_thread"]


class Postgres:
    """A PostgreSQL that holds every machine as a row."""

    def __init__(self, stack, machines):
        self.cluster = stack.enter_context(closing(postgres.Cluster()))
        self.cluster.sql((SIDES / "move.sql").read_text())
        self.cluster.sql(f"INSERT INTO orders SELECT n, 'waiting', 1, '' FROM generate_series(0, {machines - 1}) n")
        reply = self.cluster.sql(f"SELECT fire(0, '{EVENT}', '{WHO}', '{WHY}')").strip()
        if reply != "(moved,working,2)":
            raise RuntimeError(f"PostgreSQL: {reply}")
        # Every machine has a deadline, as on the other side.
        self.cluster.sql(f"SELECT count(fire(id, '{EVENT}', '{WHO}', '{WHY}')) FROM orders; VACUUM ANALYZE; CHECKPOINT")
        self.script = (
            f"\\set order random(0, {machines - 1})\nSELECT * FROM fire(:order, '{EVENT}', '{WHO}', '{WHY}');\n"
        )

    def send(self, synced, count):
        """Makes about that many moves from eight clients. Returns moves a second."""
        return self.cluster.rate(self.script, 8, max(1, count // 8), synced)


class Plans:
    """{(side, how it is sent, whether each is synced): a function that sends so many, and returns the rate}."""

    def __init__(self, servers):
        self.servers = servers
        self.all = {
            (name, how, synced): lambda count, name=name, how=how, server=server: server.send(name, how, count)
            for how in SENT
            for synced, server in servers.items()
            for name in (SET, FIRE, LUA)
        }

    def add_postgres(self, side):
        # pgbench could send a pipeline, but its commands are then one transaction: another promise.
        for synced in SYNCED:
            self.all[SQL, EIGHT, synced] = lambda count, synced=synced: side.send(synced, count)

    def shares(self):
        """How busy the server was: near 100 % if the client was not what limited it."""
        shares = self.servers[False].shares
        own = {name: statistics.median(shares[name, PIPELINED]) for name in (SET, FIRE, LUA)}
        what = f"{SENT[PIPELINED]}, {SYNCED[False]}: the server takes of a processor, at least"
        return Figure(what, min(own.values()), "%", peers=own)


def _alternate(plans, rounds, seconds):
    """Lets every plan run once in each round, for about so many seconds. Returns {plan: its rates}."""
    expected = {plan: _guess(send, seconds) for plan, send in plans.items()}
    rates = {plan: [] for plan in plans}
    for _ in range(rounds):
        for plan, send in plans.items():
            rate = send(max(100, round(expected[plan] * seconds)))
            rates[plan].append(rate)
            expected[plan] = rate
    return rates


def _guess(send, seconds):
    return send(max(100, round(send(100) * seconds / 4)))


def _fdatasync_ms(times=100):
    """Returns the milliseconds that an fdatasync of 4 kB takes in the folder of the servers, the median."""
    spent = []
    with tempfile.TemporaryFile(prefix="redisstate-", buffering=0) as file:
        for _ in range(times):
            start = time.perf_counter()
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
            spent.append(1000 * (time.perf_counter() - start))
    return statistics.median(spent)


# ---- the figures ------------------------------------------------------------------------------


def _figures(rates, disk_ms):
    synced = 2.5 if disk_ms < FAST_DISK_MS else 1.2
    targets = {
        (LUA, PIPELINED, False): 4,
        (SET, PIPELINED, False): 0.65,
        (SQL, EIGHT, False): 4,
        (SQL, EIGHT, True): synced,
    }
    rows = [
        _figure(rates, below, how, is_synced, targets.get((below, how, is_synced)))
        for how in SENT
        for is_synced in SYNCED
        for below in (SET, LUA, SQL)
        if (below, how, is_synced) in rates
    ]
    return [*rows, Figure("an fdatasync of 4 kB in the folder of the servers", disk_ms, "ms")]


def _figure(rates, below, how, synced, target):
    sides = {name: rates[name, how, synced] for name in (FIRE, below)}
    peers = {f"{name}, a second": statistics.median(own) for name, own in sides.items()}
    title = f"the whole move by {FIRE} / {below}, {SENT[how]}, {SYNCED[synced]}"
    return Figure(title, load.ratio(sides, FIRE, below), at_least=target, peers=peers)


def _bars(rates):
    groups = {}
    for (name, how, synced), own in rates.items():
        groups.setdefault(f"{SENT[how]}, {SYNCED[synced]}", {})[name] = statistics.median(own)
    return Bars("comparison", "A whole move, beside what teams use today", "moves a second", groups)
