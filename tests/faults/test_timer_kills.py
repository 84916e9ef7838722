"""kill -9 at random moments among deadlines, with `appendfsync always`: no timer is lost and none fires twice.

Runs FAULT_ROUNDS rounds (make test-faults ROUNDS=…). Each round adds machines whose timers fall due around
the kill and the restart:

- ticks, whose timer leads back to where it was and isn't set again: the version counts the timeouts;
- brief ones, whose timer deletes them;
- rings, made once, which fire for ever: the times in a history are an arithmetic progression, so a timeout
  that is lost or made twice shows, whenever it happened. Clients move them, too.
"""

import os
import random
import threading
import time

import redis

from harness import SLOWDOWN, aof_files, digest, rewrite_aof, wait_in_sync, wait_until
from timers import BRIEF, TICK, TimerTraffic, all_fired, figures, make_ticks, ticked_once
from versioned import facts, past
from walks import check_inside

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "5"))
SEED = int(os.environ.get("FAULT_SEED", str(random.randrange(10**6))))
TICKS = 60
RINGS = 6
STATES = 5
ALWAYS = ["appendonly yes", "appendfsync always", "auto-aof-rewrite-min-size 64kb"]


def ring(ms):
    after = ",".join(f'"s{i}":{{"ms":{ms},"to":"s{(i + 1) % STATES}"}}' for i in range(STATES))
    states = ",".join(f'"s{i}":{{"skip":"s{(i + 2) % STATES}"}}' for i in range(STATES))
    return f'{{"map":{{{states}}},"after":{{{after}}},"history":255,"initial":"s0"}}'


class Mover(threading.Thread):
    """Moves rings now and then, and keeps the newest version of each that a reply has told."""

    def __init__(self, server, seen, rng):
        super().__init__(daemon=True)
        self.server, self.seen, self.rng = server, seen, random.Random(rng.random())
        self.moved, self.problem = [], None
        self.start()

    def run(self):
        try:
            with self.server.client() as client:
                while True:
                    key = self.rng.choice(sorted(self.seen))
                    if self.rng.random() < 0.3:
                        what, state, version = client.execute_command("SM.FIRE", key, "skip")
                        assert what == b"moved"
                        self.moved.append((key, version, state))
                    else:
                        version = facts(client, key)["version"]
                    self.seen[key] = max(self.seen[key], version)
                    time.sleep(0.002)
        except AssertionError as problem:
            self.problem = problem
        except (OSError, redis.exceptions.ConnectionError):
            return  # the server is gone, as it should be


def check_ring(entries, ms, restarts):
    """Checks each step of a history, newest first. Returns the number of timeouts."""
    count = 0
    for i, (entry, before) in enumerate(zip(entries, entries[1:])):
        assert entry["version"] == before["version"] + 1 and entry["from"] == before["to"], (SEED, entries)
        step = 1 if entry["kind"] == b"timeout" else 2
        assert int(entry["to"][1:]) == (int(before["to"][1:]) + step) % STATES, (SEED, entries)
        if entry["kind"] != b"timeout":
            in_time = entry["at"] < before["at"] + ms or counts_from_now(entries[i:], 0, restarts)
            assert in_time, (SEED, "it was due before", entry, before)
            continue
        count += 1
        late = entry["at"] - (before["at"] + ms)
        assert late == 0 or counts_from_now(entries[i:], ms, restarts), (SEED, late, entry, before)
    return count


def counts_from_now(entries, ms, restarts):
    """Returns whether the newest of these may count from when the one before was done, `ms` after it at least: if
    that was the last of 16 overdue steps in a row, after a restart."""
    overdue = [entry["kind"] for entry in entries[1:17]]
    return set(overdue) == {b"timeout"} and any(entries[0]["at"] - ms >= moment for moment in restarts)


def test_each_deadline_fires_once(servers, figure):
    rng = random.Random(SEED)
    server = servers.start(ALWAYS)
    periods = {f"ring:{i}": rng.randint(20, 120) for i in range(RINGS)}
    for key, ms in periods.items():
        server.run("SM.NEW", key, ring(ms))
    seen = dict.fromkeys(periods, 1)
    dues, moved, restarts, timeouts = {}, 0, [], {}
    for number in range(ROUNDS):
        mover = Mover(server, seen, rng)
        dues |= make_ticks(server, [f"tick:{number}:{i}" for i in range(TICKS)], 600, rng)
        make_ticks(server, [f"brief:{number}:{i}" for i in range(TICKS // 3)], 600, rng, document=BRIEF)
        time.sleep(rng.uniform(0, 0.4))
        server.kill()
        restarts.append(int(time.time() * 1000))
        mover.join(30 * SLOWDOWN)
        assert not mover.is_alive() and mover.problem is None, mover.problem
        time.sleep(rng.choice([0, 0, rng.uniform(0, 0.5)]))
        server.start()
        check_inside(server)
        with server.client() as client:
            for key, ms in periods.items():
                entries = past(client, key)
                assert entries[0]["version"] >= seen[key], (SEED, "a reply told of more", key)
                check_ring(entries, ms, restarts)
                timeouts.update({(key, e["version"]): e["kind"] for e in entries})
                moves = {e["version"]: e["to"] for e in entries if e["kind"] == b"move"}
                for _, version, state in (m for m in mover.moved if m[0] == key and m[1] >= entries[-1]["version"]):
                    assert moves[version] == state, (SEED, key, version)
            moved += len(mover.moved)
    wait_until(lambda: figures(server)["pending"] == RINGS, f"the rest to fire (FAULT_SEED={SEED})", 60)
    ticked_once(server, dues)
    assert not list(server.client().scan_iter("brief:*"))
    fired = len(dues) + ROUNDS * (TICKS // 3) + sum(kind == b"timeout" for kind in timeouts.values())
    figure(
        f"{ROUNDS} kills, {fired} deadlines fired, none lost, none doubled, "
        f"amid {moved} acknowledged moves (FAULT_SEED={SEED})"
    )


def test_kills_amid_random_timers(servers, figure):
    """The histories stay true, and a replica agrees that follows all the time."""
    server, replica = servers.start(ALWAYS), servers.start()
    replica.run("REPLICAOF", "127.0.0.1", server.port)
    timeouts = 0
    rounds = max(2, ROUNDS // 5)
    for number in range(rounds):
        traffic = TimerTraffic(server, SEED + number)
        traffic.run(600)
        server.kill()
        server.start()
        all_fired(server)
        check_inside(server)
        timeouts += traffic.check(server)
        wait_in_sync(server, replica)
        check_inside(replica)
        assert digest(replica) == digest(server), SEED
        assert (figures(replica)["fired"], figures(replica)["pending"]) == (0, 0)
        if number % 3 == 2:
            assert rewrite_aof(server) == "ok"
    figure(f"{rounds} kills, {timeouts} timeouts in histories, all as they should be (FAULT_SEED={SEED})")


def test_a_replica_promoted_amid_deadlines(servers, figure):
    """A kill may lose the last timeouts of the primary. The new one fires these again, as of old."""
    rng = random.Random(SEED)
    again = 0
    rounds = max(2, ROUNDS // 10)
    for _ in range(rounds):
        primary, replica = servers.pair()
        dues = make_ticks(primary, [f"k{i}" for i in range(500)], 1000, rng, delay_ms=200)
        wait_in_sync(primary, replica)
        time.sleep(rng.uniform(0, 0.8))
        primary.kill()
        replica.run("REPLICAOF", "NO", "ONE")
        all_fired(replica)
        ticked_once(replica, dues)
        again += figures(replica)["fired"]
        servers.close()
    figure(f"{rounds} promotions amid 500 deadlines, {again} fired by the new primary (FAULT_SEED={SEED})")


def test_without_the_log_timeouts_are_lost(servers):
    """Proves that the checks above can fail: a log that forgets a timeout, or has one twice, is found out."""
    server = servers.start([*ALWAYS, "aof-use-rdb-preamble no"])
    server.run("SM.NEW", "ring", ring(20))
    dues = make_ticks(server, ["tick"], 0)
    wait_until(lambda: facts(server.client(), "ring")["version"] > 5, "some steps")
    all_of = lambda: past(server.client(), "ring")
    assert check_ring(all_of(), 20, []) >= 4
    ticked_once(server, dues)
    server.run("CONFIG", "SET", "redisstate.timers", "no")
    server.kill()
    (file,) = (path for path in aof_files(server) if ".incr." in path.name)
    data = file.read_bytes()
    start = data.index(b"SM.TIMEOUT", data.index(b"SM.TIMEOUT") + 1)
    start = data.rindex(b"*", 0, start)
    end = data.index(b"*", data.index(b"SM.TIMEOUT", start) + 10)
    file.write_bytes(data[:start] + data[end:])
    server.start()
    try:
        check_ring(all_of(), 20, [])
    except AssertionError:
        return
    raise AssertionError("a timeout was cut out of the log, and nobody noticed")


def test_a_tick_that_fired_twice_is_noticed(servers):
    server = servers.start()
    dues = make_ticks(server, ["tick"], 0)
    all_fired(server)
    ticked_once(server, dues)
    server.run("SM.FIRE", "tick", "go", "AFTER", 1)
    all_fired(server)
    try:
        ticked_once(server, dues)
    except AssertionError:
        return
    raise AssertionError(f"{TICK} fired twice, and nobody noticed")
