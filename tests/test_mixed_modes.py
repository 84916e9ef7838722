"""`documented` and `edge` side by side end with one digest, whichever mode the primary or a replay has."""

import json
import os
import random

import pytest

from harness import as_edge, digest, wait_in_sync, wait_until

ROUNDS = max(1, int(os.environ.get("FAULT_ROUNDS", "5")) // 5)
OPERATIONS = 1500
MODES = ["documented", "edge"]
NAMES = ["a", "b", "c", "", "t", "🚀"]
REASONS = ["", "why", "é\0\n", "r" * 200]


def random_document(rng):
    """Makes a document with rows, targets without a row, repeats, and at times a field that only `edge`
    accepts."""
    rows = rng.sample(NAMES, rng.randint(0, 4))
    out = {"initial": rng.choice(NAMES), "map": {r: rng.choices(NAMES, k=rng.randint(0, 3)) for r in rows}}
    if rng.random() < 0.4:
        out["current"] = rng.choice(NAMES)
    if rng.random() < 0.3:
        out["reason"] = rng.choice(REASONS)
    if rng.random() < 0.3:
        out["unknown"] = {"deep": [1, "two"]}
    return json.dumps(out, ensure_ascii=False)


def random_command(rng):
    key, state = f"m:{rng.randrange(15)}", rng.choice(NAMES)
    return rng.choices(
        [
            ("SM.SET", key, random_document(rng)),
            ("SM.SET", key, random_document(rng), state),
            ("SM.MUTATE", key, state),
            ("SM.MUTATE", key, state, rng.choice(REASONS)),
            ("SM.MUTATE", key, state, rng.choice(REASONS), "force"),
            ("SM.RESET", key),
            ("SM.CREATE", key),
            ("COPY", key, f"m:{rng.randrange(15)}", "REPLACE"),
        ],
        [3, 1, 6, 6, 4, 3, 1, 1],
    )[0]


def traffic(server, rng, operations=OPERATIONS):
    """Sends random writes, of which some are refused. Returns how many were not."""
    done = 0
    with server.client() as client:
        for _ in range(operations // 50):
            # A state of its own, which documented mode doesn't take from a client.
            as_edge(client, "SM.SET", f"m:{rng.randrange(15)}", random_document(rng), "elsewhere")
            with client.pipeline(transaction=rng.random() < 0.2) as pipe:
                for _ in range(50):
                    pipe.execute_command(*random_command(rng))
                done += sum(reply == b"OK" for reply in pipe.execute(raise_on_error=False))
    return done


def in_mode(server, mode):
    server.run("CONFIG", "SET", "redisstate.compat", mode)


@pytest.mark.parametrize("primary_mode", MODES)
@pytest.mark.parametrize("replica_mode", MODES)
def test_a_replica_in_either_mode(servers, primary_mode, replica_mode):
    primary, replica = servers.pair()
    in_mode(primary, primary_mode)
    in_mode(replica, replica_mode)
    for seed in range(ROUNDS):
        assert traffic(primary, random.Random(seed)) > OPERATIONS / 5
        wait_in_sync(primary, replica)
        assert digest(replica) == digest(primary), f"seed {seed}"


def test_the_primary_changes_its_mode(servers):
    primary, replica = servers.pair()
    rng = random.Random(1)
    for round in range(4 * ROUNDS):
        in_mode(primary, MODES[round % 2])
        traffic(primary, rng, 300)
        wait_in_sync(primary, replica)
        assert digest(replica) == digest(primary)


@pytest.mark.parametrize("written, replayed", [MODES, MODES[::-1]])
@pytest.mark.parametrize("rewritten", [False, True])
def test_an_aof_of_one_mode_replayed_in_the_other(servers, written, replayed, rewritten):
    config = ["appendonly yes", "appendfsync no", "aof-use-rdb-preamble no", f"redisstate.compat {written}"]
    server = servers.start(config)
    for seed in range(ROUNDS):
        traffic(server, random.Random(seed))
        before = digest(server)
        if rewritten:
            server.run("DEBUG", "RELOAD")
            server.run("CONFIG", "SET", "appendonly", "no")
            server.run("CONFIG", "SET", "appendonly", "yes")
            wait_rewritten(server)
        text = server.config_file.read_text()
        server.config_file.write_text(text.replace(f"compat {written}", f"compat {replayed}"))
        server.restart()
        assert server.config("redisstate.compat") == replayed
        assert digest(server) == before, f"seed {seed}"
        written, replayed = replayed, written


def wait_rewritten(server):
    done = lambda: not (i := server.info("persistence"))["aof_rewrite_in_progress"] and not i["aof_rewrite_scheduled"]
    wait_until(done, "the rewrite", 60)
