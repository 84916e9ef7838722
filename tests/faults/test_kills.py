"""kill -9 at random moments under `appendfsync always`: no acknowledged move is lost, none is made up.

FAULT_ROUNDS rounds (make test-faults ROUNDS=…). A machine is a ring of states, so that its state
says how many moves it has made.
"""

import os
import random
import threading
import time

import pytest

from documents import document
from harness import OK, SLOWDOWN, array, bulk, in_sync, wait_until

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "5"))
SEED = int(os.environ.get("FAULT_SEED", str(random.randrange(10**6))))
RING = 1000
MACHINE = document({f"s{i}": [f"s{(i + 1) % RING}"] for i in range(RING)}, "s0")
WRITERS = 3


class Writer:
    """Moves one machine round the ring as fast as it can, and counts what was acknowledged."""

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
    """How many moves the server knows of: all that were acknowledged, and at most the one in flight."""
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
        moves = {w.key: found(server, w.key, w.acknowledged) for w in writers}
    figure(f"{ROUNDS} kills, {sum(moves.values())} moves, none lost (FAULT_SEED={SEED})")


@pytest.mark.parametrize("round", range(max(1, ROUNDS // 20)))
def test_a_replica_promoted_under_traffic_has_whole_moves(servers, round):
    """Replication is asynchronous: the last moves may be missing, a part of a move may not."""
    primary, replica = servers.pair()
    primary.run("SM.SET", "m", MACHINE)
    in_sync(primary, replica)
    writer = Writer(primary, "m")
    time.sleep(random.Random(SEED + round).uniform(0.05, 0.3))
    primary.kill()
    writer.join()
    replica.run("REPLICAOF", "NO", "ONE")
    state = int(replica.run("SM.STATE", "m")[0][1:])
    reason = replica.run("SM.GET", "m", "REASON").decode()
    moves = int(reason.split()[1]) if reason else 0
    assert moves % RING == state and moves <= writer.acknowledged + 1
    again = Writer(replica, "m", moves)
    wait_until(lambda: again.acknowledged > moves, "a move on the new primary")
    replica.kill()
    again.join()
