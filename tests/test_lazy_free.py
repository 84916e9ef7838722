"""Machines are freed in the background while equal ones are made: none is lost, and no memory leaks.

FAULT_ROUNDS makes it longer (make test-faults runs a part; see the rounds below).
"""

import os
import random
import threading

from documents import document
from harness import wait_until

ROUNDS = int(os.environ.get("FAULT_ROUNDS", "5"))
CLIENTS = 4
# Above the effort from which a server frees in the background: a quarter of a megabyte.
LARGE = [
    document({f"{name}{i}": [f"{name}{(i * 7 + j) % 12_000}" for j in range(3)] for i in range(12_000)}, f"{name}0")
    for name in ("a", "b")
]
SMALL = [document({f"{name}{i}": [f"{name}{i + 1}"] for i in range(9)}, f"{name}0") for name in "pqrstuv"]


def figures(server):
    section = server.info("redisstate")
    return {name.removeprefix("redisstate_"): value for name, value in section.items()}


def empty(server):
    now = figures(server)
    return not any(now[name] for name in ("machines", "definitions", "definition_bytes", "document_bytes"))


class Client(threading.Thread):
    """Makes, moves, copies and deletes machines of a few definitions that all clients share."""

    def __init__(self, server, seed, steps):
        super().__init__(daemon=True)
        self.server, self.rng, self.steps = server, random.Random(seed), steps
        self.problem = None

    def run(self):
        try:
            with self.server.client() as client:
                for _ in range(self.steps):
                    self.step(client)
        except Exception as problem:
            self.problem = problem

    def step(self, client):
        rng = self.rng
        key, other = rng.sample([f"m:{i}" for i in range(12)], 2)
        dice = rng.random()
        if dice < 0.35:
            client.execute_command("SM.SET", key, rng.choice(SMALL))
        elif dice < 0.5:
            client.execute_command("SM.SET", key, rng.choice(LARGE))
        elif dice < 0.6:
            client.execute_command("COPY", key, other, "REPLACE")
        elif dice < 0.8:
            client.unlink(key, other)
        elif dice < 0.83:
            client.flushall(asynchronous=True)
        else:
            state = client.execute_command("SM.STATE", key)
            if state:
                client.execute_command("SM.MUTATE", key, state[0], "r" * 50, "FORCE")
            client.execute_command("SM.GET", key)


def stress(server, seed, steps):
    clients = [Client(server, seed * CLIENTS + i, steps) for i in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join()
        assert client.problem is None, client.problem
    server.run("FLUSHALL", "ASYNC")
    wait_until(lambda: empty(server), f"everything to be freed: {figures(server)}", 60)


def test_nothing_stays_after_background_frees(server):
    stress(server, 0, 200)
    # By now the clients' buffers and the allocator's reserve have their full size.
    server.run("MEMORY", "PURGE")
    before = server.info("memory")["used_memory"]
    for seed in range(1, 2 + ROUNDS // 5):
        stress(server, seed, 250)
    used = lambda: server.info("memory")["used_memory"]
    # Less than one large definition; hundreds were made and freed.
    wait_until(lambda: used() < before + 250_000, f"the memory to come back from {used() - before}")
    freed = server.info("memory").get("lazyfreed_objects", 1)
    assert freed, "it was the background thread that freed"


def test_moves_of_a_machine_whose_equals_go_in_the_background(server):
    """One key stays; other machines of its definition are made and freed meanwhile."""
    with server.client() as client:
        for round in range(20):
            client.execute_command("SM.SET", "stays", LARGE[0])
            client.execute_command("SM.SET", "goes", LARGE[0])
            client.unlink("goes")
            assert client.execute_command("SM.MUTATE", "stays", "a1") == b"OK"
            client.unlink("stays")
            client.execute_command("SM.SET", "stays", LARGE[0])
            assert client.execute_command("SM.STATE", "stays") == [b"a0"], round
    wait_until(lambda: figures(server)["machines"] == 1, "all but one to be freed", 60)
    server.run("FLUSHALL", "ASYNC")
    wait_until(lambda: empty(server), "everything to be freed", 60)
