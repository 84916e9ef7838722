"""Timers in a cluster: a slot moves to another node and a node fails over amid deadlines, and each fires once.

A machine fires where its slot is served: until the hand-over on the source, then on the target. While a slot
comes in, the server refuses what the target's timers do, and they try again.
"""

import random
import time

import pytest

from harness import digest, server_version, wait_in_sync, wait_until
from test_cluster_traffic import fail_over, join, owner
from timers import HOUR, TICK, all_fired, figures, info, make_ticks, ticked_once

KEYS = [f"{{k}}:{i}" for i in range(100)]

needs_migrateslots = pytest.mark.skipif(
    server_version() < ("valkey", (9, 0, 0)), reason="CLUSTER MIGRATESLOTS is in Valkey 9 and up"
)


@pytest.fixture
def moving(servers):
    """Starts a cluster. Returns the number of the slot of the keys, its node and another."""
    nodes = servers.cluster(3)
    slot = nodes[0].run("CLUSTER", "KEYSLOT", "{k}")
    source = owner(nodes, slot)
    return slot, source, next(node for node in nodes if node is not source)


def set_slot(slot, how, *nodes, other=()):
    for node in nodes:
        node.run("CLUSTER", "SETSLOT", slot, how, *other)


def begin_by_hand(slot, source, target):
    set_slot(slot, "IMPORTING", target, other=[source.node_id()])
    set_slot(slot, "MIGRATING", source, other=[target.node_id()])


def fired(*nodes):
    return sum(figures(node)["fired"] for node in nodes)


# ---- key by key -----------------------------------------------------------------------------------------


def test_a_slot_moves_key_by_key_amid_deadlines(moving):
    slot, source, target = moving
    dues = make_ticks(source, KEYS, 3000, delay_ms=200)
    begin_by_hand(slot, source, target)
    while keys := source.run("CLUSTER", "GETKEYSINSLOT", slot, 5):
        source.run("MIGRATE", "127.0.0.1", target.port, "", 0, 60_000, "KEYS", *keys)
        time.sleep(0.05)
    wait_until(lambda: figures(target)["refused"] > 0, "a timer that the target may not fire yet")
    set_slot(slot, "NODE", target, source, other=[target.node_id()])
    all_fired(target)
    ticked_once(target, dues)
    assert fired(source, target) == len(KEYS) and figures(source)["pending"] == 0
    assert figures(source)["refused"] == 0


def test_the_source_goes_on_firing_what_it_still_has(moving):
    """And the target fires nothing before the slot is its own, however long that takes."""
    slot, source, target = moving
    here = make_ticks(source, KEYS[:20], 0, delay_ms=HOUR)
    there = make_ticks(source, KEYS[20:40], 0, delay_ms=HOUR)
    begin_by_hand(slot, source, target)
    source.run("CONFIG", "SET", "redisstate.timers", "no")
    target.run("CONFIG", "SET", "redisstate.timers", "no")
    for key in (*here, *there):
        source.run("SM.REDEFINE", key, TICK, "DUE", 0)
    due = {key: info(source, key)["due"] for key in (*here, *there)}
    source.run("MIGRATE", "127.0.0.1", target.port, "", 0, 60_000, "KEYS", *there)
    for node in (source, target):
        node.run("CONFIG", "SET", "redisstate.timers", "yes")
    all_fired(source)
    assert fired(source) == 20
    wait_until(lambda: figures(target)["refused"] >= 60, "each to be refused some times")
    assert fired(target) == 0 and figures(target)["pending"] == 20
    # A node doesn't give a slot away of which it holds keys.
    source.run("DEL", *here)
    set_slot(slot, "NODE", target, source, other=[target.node_id()])
    all_fired(target)
    assert fired(target) == 20
    for key in there:
        assert (info(target, key)["version"], info(target, key)["since"]) == (3, due[key])


def test_a_slot_that_is_given_back(moving):
    """The keys go there and come home again before they are due, and fire once."""
    slot, source, target = moving
    dues = make_ticks(source, KEYS, 500, delay_ms=1500)
    for here, there in ((source, target), (target, source)):
        begin_by_hand(slot, here, there)
        here.run("MIGRATE", "127.0.0.1", there.port, "", 0, 60_000, "KEYS", *KEYS)
        set_slot(slot, "NODE", there, here, other=[there.node_id()])
    all_fired(source)
    ticked_once(source, dues)
    assert figures(target)["pending"] == 0 and fired(source, target) == len(KEYS)


# ---- Valkey 9: at once ----------------------------------------------------------------------------------


def begin_at_once(slot, source, target, delay_us=15_000):
    """Begins a migration whose snapshot takes so long for each key."""
    source.run("CONFIG", "SET", "rdb-key-save-delay", delay_us)
    source.run("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", target.node_id())


@needs_migrateslots
def test_a_slot_moves_at_once_amid_deadlines(moving):
    slot, source, target = moving
    dues = make_ticks(source, KEYS, 3000, random.Random(1), delay_ms=200)
    begin_at_once(slot, source, target)
    arrived = lambda: target.run("CLUSTER", "COUNTKEYSINSLOT", slot) == len(KEYS)
    wait_until(arrived, "the slot to arrive", 60)
    wait_until(lambda: not source.run("CLUSTER", "COUNTKEYSINSLOT", slot), "the slot to leave", 60)
    all_fired(target)
    ticked_once(target, dues)
    assert fired(source, target) == len(KEYS)
    assert fired(source) > 0, "the source fires while the snapshot goes out"
    wait_until(lambda: figures(source)["pending"] == 0, "the source to forget them")


@needs_migrateslots
def test_all_are_due_before_the_slot_arrives(moving):
    """So the target's hints come from a snapshot that is older than what the source fires meanwhile."""
    slot, source, target = moving
    begun = time.monotonic()
    dues = make_ticks(source, KEYS, 600, random.Random(2), delay_ms=400)
    begin_at_once(slot, source, target, 30_000)
    wait_until(lambda: target.run("CLUSTER", "COUNTKEYSINSLOT", slot) == len(KEYS), "the slot to arrive", 60)
    assert time.monotonic() - begun > 1
    wait_until(lambda: not source.run("CLUSTER", "COUNTKEYSINSLOT", slot), "the slot to leave", 60)
    all_fired(target)
    ticked_once(target, dues)
    assert fired(source, target) == len(KEYS)


@needs_migrateslots
def test_a_migration_that_is_cancelled(moving):
    slot, source, target = moving
    dues = make_ticks(source, KEYS, 2000, random.Random(3), delay_ms=400)
    begin_at_once(slot, source, target, 50_000)
    time.sleep(1)
    source.run("CLUSTER", "CANCELSLOTMIGRATIONS")
    source.run("CONFIG", "SET", "rdb-key-save-delay", 0)
    all_fired(source)
    ticked_once(source, dues)
    assert fired(source) == len(KEYS) and fired(target) == 0
    wait_until(lambda: figures(target)["pending"] == 0, "the target to forget them")


# ---- another node takes over ------------------------------------------------------------------------------


def test_failed_over_amid_deadlines(servers):
    """CLUSTER FAILOVER pauses the primary until its replica has everything: nothing fires meanwhile, each once."""
    config = ["cluster-node-timeout 5000", "appendonly yes"]
    nodes = servers.cluster(3, config)
    replica = servers.start(["cluster-enabled yes", *config])
    primary = owner(nodes, nodes[0].run("CLUSTER", "KEYSLOT", "{k}"))
    join(replica, primary, nodes)
    keys = [f"{{k}}:{i}" for i in range(1000)]
    dues = make_ticks(primary, keys, 3000, delay_ms=300)
    time.sleep(1)
    fail_over(replica)
    wait_until(lambda: primary.info("replication")["role"] == "slave", "the old primary to follow", 60)
    up = lambda: primary.info("replication").get("master_link_status") == "up"
    wait_until(up, "the old primary to be in sync", 60)
    all_fired(replica)
    ticked_once(replica, dues)
    wait_in_sync(replica, primary)
    assert digest(replica) == digest(primary)
    assert fired(replica, primary) == 1000


def test_nothing_fires_while_the_cluster_is_down(servers):
    """A node that doesn't see the others accepts no write, and no timer's either."""
    nodes = servers.cluster(3, ["cluster-node-timeout 1000"])
    source = owner(nodes, nodes[0].run("CLUSTER", "KEYSLOT", "{k}"))
    others = [node for node in nodes if node is not source]
    source.run("CONFIG", "SET", "redisstate.timers", "no")
    dues = make_ticks(source, KEYS[:10], 0)
    for node in others:
        node.kill()
    down = lambda: b"cluster_state:fail" in source.raw("CLUSTER", "INFO")
    wait_until(down, "the cluster to be down", 60)
    source.run("CONFIG", "SET", "redisstate.timers", "yes")
    began = time.monotonic()
    wait_until(lambda: figures(source)["refused"] >= 4, "the timers to be refused")
    assert fired(source) == 0
    assert figures(source)["refused"] <= 1 + 10 * (time.monotonic() - began), "one try is enough for all"
    for node in others:
        node.start()
    all_fired(source, 60)
    ticked_once(source, dues)
