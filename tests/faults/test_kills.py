"""kill -9 and power cuts at random moments: no acknowledged move is lost, and no move is added; a move and its
entry in a stream are both there or neither. After each, the counts of machines are those of a walk.

After kill -9 the kernel still has all written data, whatever `appendfsync` is. A simulated power cut
leaves only synced data: a preloaded library (powercut.c) records the synced length, and the test cuts
the file there.

Runs FAULT_ROUNDS rounds (make test-faults ROUNDS=…). A machine is a ring of states, so its current
state tells how many moves it has made. With request ids, its version tells how many requests were done.
"""

import json
import os
import random
import threading
import time

import pytest
import redis

from documents import document
from harness import OK, SLOWDOWN, aof_files, array, bulk, wait_in_sync, wait_until
from preload import library
from versioned import facts, past
from walks import check_inside

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "5"))
SEED = int(os.environ.get("FAULT_SEED", str(random.randrange(10**6))))
RING = 1000
MACHINE = document({f"s{i}": [f"s{(i + 1) % RING}"] for i in range(RING)}, "s0")
WRITERS = 3


class Writer:
    """Moves one machine round the ring as fast as it can, and counts the acknowledged moves."""

    def __init__(self, server, key, moves=0):
        self.server, self.key = server, key
        self.acknowledged = moves
        self.problem = None
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            with self.server.wire() as wire:
                while True:
                    number = self.acknowledged + 1
                    reply = wire("SM.MUTATE", self.key, f"s{number % RING}", f"move {number}")
                    if reply != OK:
                        self.problem = reply
                        return
                    self.acknowledged = number
        except (OSError, AssertionError, ValueError):
            return  # the server is gone, as it should be

    def join(self):
        self.thread.join(30 * SLOWDOWN)
        assert not self.thread.is_alive() and self.problem is None, self.problem


def found(server, key, acknowledged):
    """Returns how many moves the server has. Checks that these are all acknowledged moves, and at most one
    more that was in flight."""
    with server.wire() as wire:
        state, reason = wire("SM.STATE", key), wire("SM.GET", key, "REASON")
    for moves in (acknowledged, acknowledged + 1):
        if state == array(f"s{moves % RING}"):
            assert reason == bulk(f"move {moves}" if moves else ""), "state and reason belong together"
            return moves
    raise AssertionError(f"{key}: {acknowledged} moves acknowledged, the server has {state!r} (FAULT_SEED={SEED})")


def test_no_acknowledged_move_is_lost(servers, figure):
    rng = random.Random(SEED)
    server = servers.start(["appendonly yes", "appendfsync always", "auto-aof-rewrite-min-size 64kb"])
    moves = {f"m:{i}": 0 for i in range(WRITERS)}
    for key in moves:
        server.run("SM.SET", key, MACHINE)
    for _ in range(ROUNDS):
        writers = [Writer(server, key, count) for key, count in moves.items()]
        time.sleep(rng.uniform(0.005, 0.25))
        server.kill()
        for writer in writers:
            writer.join()
        server.start()
        check_inside(server)
        moves = {w.key: found(server, w.key, w.acknowledged) for w in writers}
    figure(f"{ROUNDS} kills, {sum(moves.values())} moves, none lost (FAULT_SEED={SEED})")


# ---- requests that are sent again ---------------------------------------------------------------------

FIRED = {"map": {f"s{i}": {"next": f"s{(i + 1) % RING}"} for i in range(RING)}, "initial": "s0"}
REMEMBERED = 20


class Requester:
    """Fires as fast as it can, each request with an id of its own. The machine is a ring, so a version says
    which state there must be. `versions` has the version that each acknowledged request made."""

    def __init__(self, server, key, name):
        self.server, self.key, self.name = server, key, name
        self.versions = []
        self.problem = self.thread = None

    def request(self, client):
        """Sends the first request that was never answered. Returns what happened."""
        number = len(self.versions) + 1
        command = ("SM.FIRE", self.key, "next", "ID", f"{self.name} {number}", "REASON", f"{number}")
        what, state, version = client.execute_command(*command)
        assert state == b"s%d" % ((version - 1) % RING), (state, version)
        self.versions.append(version)
        return what

    def start(self):
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        try:
            with self.server.client() as client:
                while True:
                    what = self.request(client)
                    assert what == b"moved", what
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError):
            return  # the server is gone, as it should be
        except Exception as problem:
            self.problem = problem

    def join(self):
        self.thread.join(30 * SLOWDOWN)
        assert not self.thread.is_alive() and self.problem is None, self.problem


def check_what_was_done(server, key, requesters, unanswered):
    """Checks that all acknowledged requests are there once, and at most so many that weren't answered."""
    acknowledged = sorted(version for requester in requesters for version in requester.versions)
    assert len(set(acknowledged)) == len(acknowledged), "two requests made one version"
    with server.client() as client:
        version, past_moves = facts(client, key)["version"], past(client, key)
    moves = version - 1
    what = f"{key}: {len(acknowledged)} requests acknowledged, {moves} moves (FAULT_SEED={SEED})"
    assert len(acknowledged) <= moves <= len(acknowledged) + unanswered, what
    assert set(acknowledged) <= set(range(2, version + 1)), what
    # The version that each id made is also told by the history.
    told = {entry["id"].decode(): entry["version"] for entry in past_moves if entry["kind"] == b"move"}
    limit = REMEMBERED if past_moves else 0
    assert sorted(told.values()) == list(range(2, version + 1))[-limit:] if limit else not told, what
    for requester in requesters:
        made = {f"{requester.name} {n + 1}": version for n, version in enumerate(requester.versions)}
        assert all(told[id] == made[id] for id in told.keys() & made.keys()), what
    return moves


@pytest.mark.parametrize("preamble", ["yes", "no"])
def test_no_acknowledged_request_is_lost_and_none_is_done_twice(servers, figure, preamble):
    """Clients send again what was not answered, with the same id, as soon as the server is back."""
    rng = random.Random(SEED)
    config = ["appendonly yes", "appendfsync always", "auto-aof-rewrite-min-size 64kb"]
    server = servers.start([*config, f"aof-use-rdb-preamble {preamble}"])
    machines = {"plain": ["p"], "remembered": ["r"], "shared": ["a", "b", "c"]}
    for key in machines:
        more = {} if key == "plain" else {"history": REMEMBERED}
        server.run("SM.NEW", key, json.dumps(FIRED | more))
    requesters = {key: [Requester(server, key, name) for name in names] for key, names in machines.items()}
    everyone = [requester for some in requesters.values() for requester in some]
    repeated = 0
    for _ in range(ROUNDS):
        for requester in everyone:
            requester.start()
        time.sleep(rng.uniform(0.005, 0.25))
        server.kill()
        for requester in everyone:
            requester.join()
        server.start()
        check_inside(server)
        for key, some in requesters.items():
            done = check_what_was_done(server, key, some, unanswered=len(some))
            acknowledged = sum(len(requester.versions) for requester in some)
            with server.client() as client:
                again = [requester.request(client) for requester in some]
            assert set(again) <= {b"moved", b"repeated"}
            assert again.count(b"repeated") == done - acknowledged, "the moves that nobody was told of"
            repeated += again.count(b"repeated")
            check_what_was_done(server, key, some, unanswered=0)
    requests = sum(len(requester.versions) for requester in everyone)
    rewrites = server.log().count(b"Background AOF rewrite finished successfully")
    figure(
        f"{ROUNDS} kills, {requests} requests, {repeated} of them done before and answered after a kill, none lost, "
        f"none done twice; {rewrites} rewrites of the AOF (FAULT_SEED={SEED})"
    )


# ---- moves with an entry ------------------------------------------------------------------------------


class Emitter(Requester):
    """Makes moves with an entry. `ids` has the entry of each acknowledged version."""

    def __init__(self, server, key):
        super().__init__(server, key, key)
        self.ids = {}

    def request(self, client):
        what, state, version, entry = client.execute_command("SM.EMIT", self.key, "moves", "FIRE", "next")
        assert state == b"s%d" % ((version - 1) % RING), (state, version)
        self.versions.append(version)
        self.ids[version] = entry
        return what


def check_entries(server, emitters):
    """Checks that each version of each machine has one entry, those that were acknowledged under their ids.
    Returns the number of moves."""
    moves = 0
    with server.client() as client:
        entries = {emitter.key: {} for emitter in emitters}
        for id, fields in client.xrange("moves"):
            version, own = int(fields[b"version"]), entries[fields[b"key"].decode()]
            assert version == len(own) + 2, ("a gap, or an entry twice", fields, SEED)
            assert fields[b"to"] == b"s%d" % ((version - 1) % RING), (fields, SEED)
            own[version] = id
        for emitter in emitters:
            version, own = facts(client, emitter.key)["version"], entries[emitter.key]
            what = f"{emitter.key}: version {version}, {len(own)} entries (FAULT_SEED={SEED})"
            assert version == len(own) + 1, what
            acknowledged = max(emitter.versions, default=1)
            assert version - acknowledged in (0, 1), (acknowledged, what)
            assert all(own[version] == id for version, id in emitter.ids.items()), what
            moves += version - 1
    return moves


def play_entries(server, rounds, end):
    """Makes moves with entries, and ends the server by `end` in the midst of them. Returns how many."""
    rng, moves = random.Random(SEED), 0
    machines = {"plain": {}, "remembered": {"history": REMEMBERED}, "named": {"name": "ring"}}
    for key, more in machines.items():
        server.run("SM.NEW", key, json.dumps(FIRED | more))
    emitters = [Emitter(server, key) for key in machines]
    for _ in range(rounds):
        before = {emitter.key: len(emitter.versions) for emitter in emitters}
        for emitter in emitters:
            emitter.start()
        wait_until(lambda: all(len(e.versions) > before[e.key] for e in emitters), "every emitter to move")
        time.sleep(rng.uniform(0.005, 0.25))
        end(server)
        for emitter in emitters:
            emitter.join()
        server.start()
        check_inside(server)
        moves = check_entries(server, emitters)
    return moves


@pytest.mark.parametrize("preamble", ["yes", "no"])
def test_a_move_and_its_entry_are_both_there_or_neither(servers, figure, preamble):
    config = ["appendonly yes", "appendfsync always", "auto-aof-rewrite-min-size 64kb"]
    server = servers.start([*config, f"aof-use-rdb-preamble {preamble}"])
    moves = play_entries(server, ROUNDS, lambda server: server.kill())
    figure(f"{ROUNDS} kills, {moves} moves and as many entries (FAULT_SEED={SEED})")


# ---- power cuts ---------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def powercut(tmp_path_factory):
    """Returns the environment that makes a server record the synced length of its files."""
    return {"LD_PRELOAD": library(tmp_path_factory.mktemp("powercut"), "powercut")}


def cut_power(server):
    """Kills the server, and cuts its last AOF to the synced length."""
    server.kill()
    [last] = [file for file in aof_files(server) if file.name.endswith(".incr.aof")]
    synced = last.with_name(last.name + ".synced")
    length = int(synced.read_text()) if synced.exists() else 0
    assert length <= last.stat().st_size
    os.truncate(last, length)


# No rewrites: after one, another file would be the last one.
POWERCUT_CONFIG = ["appendonly yes", "appendfsync always", "auto-aof-rewrite-percentage 0"]


def test_no_acknowledged_move_is_lost_to_a_power_cut(servers, powercut, figure):
    rng = random.Random(SEED)
    rounds = max(2, ROUNDS // 5)
    server = servers.start(POWERCUT_CONFIG, environment=powercut)
    moves = {f"m:{i}": 0 for i in range(WRITERS)}
    for key in moves:
        server.run("SM.SET", key, MACHINE)
    for _ in range(rounds):
        writers = [Writer(server, key, count) for key, count in moves.items()]
        wait_until(lambda: all(w.acknowledged > moves[w.key] for w in writers), "every writer to move")
        time.sleep(rng.uniform(0.005, 0.25))
        cut_power(server)
        for writer in writers:
            writer.join()
        server.start()
        check_inside(server)
        moves = {w.key: found(server, w.key, w.acknowledged) for w in writers}
    figure(f"{rounds} power cuts, {sum(moves.values())} moves, none lost (FAULT_SEED={SEED})")


def test_a_power_cut_leaves_a_move_and_its_entry_or_neither(servers, powercut, figure):
    rounds = max(2, ROUNDS // 5)
    server = servers.start(POWERCUT_CONFIG, environment=powercut)
    moves = play_entries(server, rounds, cut_power)
    figure(f"{rounds} power cuts, {moves} moves and as many entries (FAULT_SEED={SEED})")


def test_without_a_sync_every_move_is_lost_to_a_power_cut(servers, powercut):
    """Proves that the test above can fail: under `no` the server never syncs while it runs."""
    server = servers.start(POWERCUT_CONFIG, environment=powercut)
    server.run("SM.SET", "m", MACHINE)
    server.run("CONFIG", "SET", "appendfsync", "no")
    for number in range(1, 6):
        assert server.run("SM.MUTATE", "m", f"s{number}", f"move {number}") == b"OK"
    cut_power(server)
    server.start()
    with pytest.raises(AssertionError, match="5 moves acknowledged, the server has .*s0"):
        found(server, "m", 5)
    assert found(server, "m", 0) == 0


@pytest.mark.parametrize("round", range(max(1, ROUNDS // 20)))
def test_a_replica_promoted_under_traffic_has_whole_moves(servers, round):
    """Replication is asynchronous, so the last moves may be missing, but no move is partial."""
    primary, replica = servers.pair()
    primary.run("SM.SET", "m", MACHINE)
    wait_in_sync(primary, replica)
    writer = Writer(primary, "m")
    wait_until(lambda: replica.run("SM.GET", "m", "REASON"), "a move on the replica")
    time.sleep(random.Random(SEED + round).uniform(0.05, 0.3))
    primary.kill()
    writer.join()
    replica.run("REPLICAOF", "NO", "ONE")
    check_inside(replica)
    state = int(replica.run("SM.STATE", "m")[0][1:])
    reason = replica.run("SM.GET", "m", "REASON").decode()
    moves = int(reason.split()[1]) if reason else 0
    assert moves % RING == state and 0 < moves <= writer.acknowledged + 1
    again = Writer(replica, "m", moves)
    wait_until(lambda: again.acknowledged > moves, "a move on the new primary")
    replica.kill()
    again.join()
