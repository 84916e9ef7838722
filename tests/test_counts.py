"""The counts by state against a walk over all keys, after everything that makes, moves and removes machines.

The long walk takes COUNT_STEPS random steps (make test-counts STEPS=...).
"""

import os
import random

import pytest

from harness import background_save, follow, rewrite_aof, wait_for_save, wait_in_sync, wait_until
from walks import DOCUMENTS, Traffic, assert_counts_are_right, counted, walk

STEPS = int(os.environ.get("COUNT_STEPS", "10000"))
SEED = int(os.environ.get("COUNT_SEED", str(random.randrange(10**6))))


@pytest.fixture
def traffic(server):
    traffic = Traffic(server, seed=12)
    traffic.run(1500)
    yield traffic
    traffic.close()


def test_the_counts_after_random_traffic(server, traffic):
    for _ in range(5):
        traffic.run(300)
        assert_counts_are_right(server)
    assert sum(counted(server).values()) > 30


AFTER = {
    "a reload": ["DEBUG", "RELOAD"],
    "SWAPDB": ["SWAPDB", "0", "1"],
    "FLUSHDB": ["FLUSHDB"],
    "FLUSHDB ASYNC": ["FLUSHDB", "ASYNC"],
    "FLUSHALL ASYNC": ["FLUSHALL", "ASYNC"],
}


@pytest.mark.parametrize("what", AFTER)
def test_the_counts_after(server, traffic, what):
    assert_counts_are_right(server)
    before = counted(server)
    server.run(*AFTER[what])
    assert_counts_are_right(server)
    if what in ("a reload", "SWAPDB"):
        assert counted(server) == before


def test_the_counts_after_a_restart(server, traffic):
    background_save(server)
    before = walk(server)
    server.restart()
    assert counted(server) == before == walk(server)


@pytest.mark.parametrize("preamble", ["yes", "no"])
def test_the_counts_after_the_aof_was_rewritten_and_read(servers, preamble):
    server = servers.start(["appendonly yes", f"aof-use-rdb-preamble {preamble}"])
    traffic = Traffic(server, seed=3)
    traffic.run(500)
    rewrite_aof(server)
    traffic.run(500)
    traffic.close()
    assert_counts_are_right(server)
    server.restart()
    assert sum(counted(server).values()) > 30
    assert_counts_are_right(server)


@pytest.mark.parametrize("load", ["disabled", "swapdb"])
def test_the_counts_of_a_replica(servers, load):
    primary = servers.start()
    replica = servers.start([f"repl-diskless-load {load}"])
    old = Traffic(replica, seed=5)
    old.run(500)
    old.close()
    traffic = Traffic(primary, seed=4)
    traffic.run(500)
    follow(replica, primary)
    wait_in_sync(primary, replica)
    traffic.run(500)
    traffic.close()
    wait_in_sync(primary, replica)
    for server in (primary, replica):
        assert_counts_are_right(server)
    assert sum(counted(primary).values()) > 30
    assert counted(primary) == counted(replica)


def test_the_counts_after_evictions(server):
    client = server.client()
    for at in range(5000):
        client.execute_command("SM.SET", f"m{at}", DOCUMENTS[at % 4])
    server.run("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
    used = int(server.info("memory")["used_memory"])
    server.run("CONFIG", "SET", "maxmemory", used - 300_000)
    wait_until(lambda: int(server.info("stats")["evicted_keys"]) > 100, "evictions")
    server.run("CONFIG", "SET", "maxmemory", 0)
    assert_counts_are_right(server)
    client.close()


# ---- all of it, for long ----------------------------------------------------------------------------------


class Fate:
    """What happens to a whole server: it has a replica, and an append-only file."""

    def __init__(self, primary, replica, rng):
        self.primary, self.replica, self.rng = primary, replica, rng

    def reload(self):
        """Reloads when no key waits for its expiry: DEBUG RELOAD drops one that is over without a word to replicas and
        to the append-only file, with any server, and without a module too."""
        wait_until(lambda: not any(db["expires"] for db in self.primary.info("keyspace").values()), "keys to expire")
        self.primary.run("DEBUG", "RELOAD")

    def read_the_aof(self):
        self.primary.run("DEBUG", "LOADAOF")

    def rewrite_the_aof(self):
        self.primary.run("CONFIG", "SET", "aof-use-rdb-preamble", self.rng.choice(["yes", "no"]))
        assert rewrite_aof(self.primary) == "ok"

    def kill(self):
        self.primary.kill()
        self.primary.start()

    def swap_databases(self):
        self.primary.run("SWAPDB", 0, self.rng.choice([1, 2]))

    def flush_one(self):
        self.primary.run("FLUSHDB", self.rng.choice(["ASYNC", "SYNC"]))

    def flush_all(self):
        self.primary.run("FLUSHALL", self.rng.choice(["ASYNC", "SYNC"]))

    def evict(self):
        """Makes the server evict some of many new machines, and flushes the others."""
        before = self.primary.info("stats")["evicted_keys"]
        with self.primary.client(db=3) as client:
            with client.pipeline(transaction=False) as pipe:
                for at in range(3000):
                    pipe.execute_command("SM.SET", f"m{at}", DOCUMENTS[at % len(DOCUMENTS)])
                pipe.execute()
            used = self.primary.info("memory")["used_memory"]
            client.config_set("maxmemory", used - 100_000)
            wait_until(lambda: self.primary.info("stats")["evicted_keys"] > before, "evictions", 60)
            client.config_set("maxmemory", 0)
            assert_counts_are_right(self.primary)
            client.flushdb(asynchronous=True)

    def sync_anew(self):
        """A replica that went its own way gets everything anew."""
        full = self.primary.info("stats")["sync_full"]
        wait_for_save(self.primary)
        self.replica.run("CONFIG", "SET", "repl-diskless-load", self.rng.choice(["disabled", "swapdb"]))
        self.replica.run("REPLICAOF", "NO", "ONE")
        alone = Traffic(self.replica, self.rng.random())
        alone.run(100)
        alone.close()
        self.replica.run("SET", "its", "own way")
        follow(self.replica, self.primary)
        assert self.primary.info("stats")["sync_full"] > full

    def all(self):
        return [
            self.reload,
            self.read_the_aof,
            self.rewrite_the_aof,
            self.kill,
            self.swap_databases,
            self.flush_one,
            self.flush_all,
            self.evict,
            self.sync_anew,
        ]


def test_the_counts_are_those_of_a_walk_for_long(servers, figure):
    """Compares both on a primary and its replica after every 250 steps, and after each stroke of fate."""
    rng = random.Random(SEED)
    config = ["appendonly yes", "appendfsync no", "maxmemory-policy allkeys-random"]
    primary, replica = servers.pair(config, ["maxmemory 0"])
    traffic, fate = Traffic(primary, rng.random(), keys=100), Fate(primary, replica, rng)
    met, steps, walks, most = [], 0, 0, 0
    while steps < STEPS:
        for _ in range(4):
            traffic.run(250)
            steps += 250
            assert_counts_are_right(primary)
            walks += 1
        most = max(most, sum(counted(primary).values()))
        # Each once, then any.
        stroke = fate.all()[len(met)] if len(met) < len(fate.all()) else rng.choice(fate.all())
        stroke()
        met.append(stroke.__name__)
        traffic.close()
        traffic.connect()
        wait_in_sync(primary, replica)
        for server in (primary, replica):
            assert_counts_are_right(server)
            walks += 1
        assert counted(primary) == counted(replica)
    traffic.close()
    # There was something to count.
    assert most > 50
    kinds = ", ".join(f"{met.count(name)} {name}" for name in sorted({*met}))
    figure(f"{steps} steps, {walks} walks, up to {most} machines; {kinds} (COUNT_SEED={SEED})")
