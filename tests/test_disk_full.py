"""The disk is full, or a replica was away too long: no acknowledged move is lost, and the server recovers."""

import signal

import pytest
import redis

from documents import document
from harness import (
    OK,
    SLOWDOWN,
    aof_files,
    bulk,
    digest,
    follow,
    start_saving,
    wait_for_save,
    wait_in_sync,
    wait_until,
)
from traffic import Traffic


def test_an_aof_that_cannot_grow_under_always(servers):
    """The server exits before it acknowledges a move that it could not write. All earlier moves are there."""
    server = servers.start(["appendonly yes", "appendfsync always"])
    traffic = Traffic(server, seed=3).run(300)
    before = digest(server)
    server.limit_file_size(size_of_aof(server))
    server.expected_to_end = True
    with pytest.raises(redis.exceptions.ConnectionError):
        server.run("SM.CREATE", "m:0")
    server.process.wait(60 * SLOWDOWN)
    server.start()
    assert digest(server) == before
    traffic.check(server)


def size_of_aof(server):
    return sum(file.stat().st_size for file in aof_files(server) if ".incr." in file.name)


def test_an_aof_that_cannot_grow_under_everysec(servers):
    """The server refuses moves with its own error, and reads go on. With free space it accepts moves
    again, and the file has every acknowledged move."""
    server = servers.start(["appendonly yes", "appendfsync everysec"])
    server.run("SM.SET", "m", document({"on": ["off"], "off": ["on"]}, "on"))
    server.limit_file_size(size_of_aof(server))
    with server.wire() as wire:
        moves = 0

        def move():
            nonlocal moves
            reply = wire("SM.MUTATE", "m", ["on", "off"][(moves + 1) % 2], f"move {moves + 1}")
            moves += reply == OK
            return reply

        refused = wait_until(lambda: (reply := move()) != OK and reply, "a move to be refused")
        assert refused.startswith(b"-MISCONF "), refused
        assert moves and wire("SM.GET", "m", "REASON") == bulk(f"move {moves}")
        server.limit_file_size(None)
        wait_until(lambda: move() == OK, "moves to be taken again")
    before = digest(server)
    server.restart("NOSAVE")
    assert digest(server) == before
    assert server.run("SM.GET", "m", "REASON") == b"move %d" % moves


def test_saves_that_fail_under_traffic(servers):
    primary, replica = servers.pair()
    traffic = Traffic(primary, seed=4).run(300)
    for _ in range(3):
        primary.limit_file_size(1000)
        start_saving(primary)
        traffic.run(300)
        assert wait_for_save(primary) == "err"
        primary.limit_file_size(None)
    wait_in_sync(primary, replica)
    traffic.check()
    assert digest(replica) == digest(primary)
    primary.run("SAVE")
    primary.restart("NOSAVE")
    traffic.check(primary)


def test_a_replica_that_was_away_for_longer_than_the_backlog(servers):
    """A replica is stopped until its primary drops it, and comes back by a full sync."""
    limits = "client-output-buffer-limit replica 100kb 0 0"
    primary, replica = servers.start(["repl-backlog-size 16384", limits]), servers.start()
    follow(replica, primary)
    traffic = Traffic(primary, seed=5).run(300)
    full = primary.info("stats")["sync_full"]
    replica.process.send_signal(signal.SIGSTOP)
    try:
        # The socket buffers between them must be filled too.
        pad = lambda: primary.run("SET", "pad", b"x" * 1_000_000)
        given_up = lambda: pad() and not primary.info("replication")["connected_slaves"]
        wait_until(given_up, "the primary to give the replica up", 120)
        traffic.run(1000)
    finally:
        replica.process.send_signal(signal.SIGCONT)
    traffic.run(500)
    again = lambda: traffic.run(20) and primary.info("stats")["sync_full"] > full
    wait_until(again, "a full sync", 60)
    wait_in_sync(primary, replica)
    traffic.check(replica)
    assert digest(replica) == digest(primary)
