"""Primary, replica, AOF replay and reload end with the same DEBUG DIGEST after any traffic."""

import json

import pytest

from documents import ORDER, order
from harness import SECOND_MODULE, digest, follow, rewrite_aof, wait_in_sync
from traffic import Traffic

OPERATIONS = 6000
AOF = ["appendonly yes", "appendfsync always"]
TINY_LIMITS = [
    "redisstate.max-document-bytes 1",
    "redisstate.max-states 1",
    "redisstate.max-transitions 1",
    "redisstate.max-reason-bytes 1",
]


def same_everywhere(primary, *replicas):
    for replica in replicas:
        wait_in_sync(primary, replica)
        assert digest(replica) == digest(primary)


def test_digest_after_random_traffic(servers):
    """Backs a row of the README: primary, replica, AOF replay after kill -9, rewrite and reload."""
    primary, replica = servers.pair(AOF)
    traffic = Traffic(primary, seed=2026).run(OPERATIONS)
    assert min(traffic.leftovers()) > 1, "machines that documented mode would not store are among them"
    traffic.check()
    same_everywhere(primary, replica)
    traffic.check(replica)
    expected = digest(primary)

    primary.run("DEBUG", "RELOAD")
    assert digest(primary) == expected
    replica.run("DEBUG", "RELOAD")
    assert digest(replica) == expected
    primary.kill()
    primary.start()
    assert digest(primary) == expected, "AOF replay"
    traffic.check()
    assert rewrite_aof(primary) == "ok"
    primary.kill()
    primary.start()
    assert digest(primary) == expected, "replay of the rewritten AOF"


@pytest.mark.parametrize("seed", range(3))
def test_replica_that_joins_under_traffic(servers, seed):
    primary, replica = servers.start(), servers.start()
    traffic = Traffic(primary, seed).run(500)
    replica.run("REPLICAOF", "127.0.0.1", primary.port)
    traffic.run(1500)
    same_everywhere(primary, replica)
    traffic.check(replica)


# ---- what is replicated -------------------------------------------------------------------------


def replicated(server, *commands):
    """Returns how many bytes the commands add to the replication stream."""
    before = server.info("replication")["master_repl_offset"]
    for command in commands:
        try:
            server.run(*command)
        except Exception:
            pass
    return server.info("replication")["master_repl_offset"] - before


def test_only_what_happened_is_replicated(servers):
    primary, replica = servers.pair(["repl-ping-replica-period 3600"])
    primary.run("SM.SET", "m", ORDER)
    nothing = [
        ("SM.MUTATE", "m", "nowhere"),
        ("SM.MUTATE", "m", "nowhere", "", "FORCE"),
        ("SM.MUTATE", "none", "boo"),
        ("SM.MUTATE", "m", "boo", "", "NONSENSE"),
        ("SM.RESET", "none"),
        ("SM.SET", "m", "{"),
        ("SM.SET", "m", ORDER, "nowhere"),
        ("SM.SET", "m", order("nowhere")),
        ("SM.GET", "m"),
        ("SM.STATE", "m", "LIST"),
        ("SM.TEMPLATE",),
    ]
    for command in nothing:
        assert replicated(primary, command) == 0, command
    assert replicated(primary, ("SM.MUTATE", "m", "boo")) > 0
    same_everywhere(primary, replica)


def test_a_replica_refuses_writes_and_answers_reads(servers):
    primary, replica = servers.pair()
    primary.run("SM.SET", "m", ORDER)
    wait_in_sync(primary, replica)
    assert replica.run("SM.GET", "m") == order()
    for command in ("SM.MUTATE m boo", "SM.RESET m", "SM.CREATE m", "SM.SET m {}"):
        with pytest.raises(Exception, match="read only replica"):
            replica.run(*command.split())


# ---- called by another module ------------------------------------------------------------------

SECOND = [f"loadmodule {SECOND_MODULE}"]


@pytest.mark.skipif(not SECOND_MODULE.exists(), reason=f"no second module at {SECOND_MODULE}: make build-tests")
@pytest.mark.parametrize("edge", [[], ["redisstate.compat edge"]], ids=["documented", "edge"])
def test_a_command_of_another_module_does_the_same_everywhere(servers, edge):
    """The other module's command is replicated, not the call. Replicas and replays call this module again:
    their limits don't apply, and a move that the primary refused is refused again."""
    primary, replica = servers.pair([*AOF, *SECOND, *edge], [*SECOND, *edge, *TINY_LIMITS])
    call = lambda *command: primary.run("VERBATIM.CALL", *command)
    assert call("SM.SET", "m", '{"initial":"on","map":{"on":["off"],"off":["on"]}}') == b"OK"
    assert call("SM.MUTATE", "m", "off", "a reason") == b"OK"
    assert call("SM.MUTATE", "m", "on") == b"OK"
    assert call("SM.MUTATE", "none", "on") is None
    assert call("SM.RESET", "none") is None
    # In `edge` a refused move is an error, and a replicated command must not fail on a replica.
    assert edge or call("SM.MUTATE", "m", "nowhere") is None
    same_everywhere(primary, replica)
    assert replica.run("SM.GET", "m", "REASON") == (b"a reason" if edge else b"")
    expected = digest(primary)
    primary.kill()
    primary.start()
    assert digest(primary) == expected, "AOF replay"
    for server in (primary, replica):
        assert b" fails " not in server.log()


# ---- configs that differ ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "primary_config, replica_config",
    [
        ([], TINY_LIMITS),
        ([], ["redisstate.compat edge"]),
        ([], ["redisstate.compat edge", *TINY_LIMITS]),
    ],
    ids=["tiny limits", "edge replica", "both"],
)
def test_a_replicas_config_never_breaks_replication(servers, primary_config, replica_config):
    primary, replica = servers.pair(primary_config, replica_config)
    traffic = Traffic(primary, seed=11).run(1500)
    same_everywhere(primary, replica)
    assert json.loads(replica.run("SM.GET", sorted(traffic.machines)[0]))


def test_a_replica_that_has_gone_its_own_way_says_so(servers):
    config = ["replica-read-only no", "propagation-error-behavior ignore"]
    primary, replica = servers.pair(replica_config=config)
    primary.run("SM.SET", "m", ORDER)
    primary.run("SM.SET", "n", ORDER)
    wait_in_sync(primary, replica)
    replica.run("SM.MUTATE", "m", "blee", "by hand", "FORCE")
    replica.run("DEL", "n")
    primary.run("SM.MUTATE", "m", "boo")
    primary.run("SM.MUTATE", "n", "boo")
    wait_in_sync(primary, replica)
    for key, why in (("m", "move"), ("n", "key")):
        line = (
            f"redisstate: key '{key}': SM.MUTATE fails though the primary did it: "
            f"no such {why}, although the command succeeded on the primary"
        )
        assert line.encode() in replica.log()
    assert replica.run("SM.STATE", "m") == [b"blee"]
    # A client of the same replica gets nil, as on any server.
    assert replica.run("SM.MUTATE", "m", "boo") is None and replica.run("SM.RESET", "n") is None


def edge_traffic(server, rounds=200):
    """Sends what only an edge server accepts or treats differently: unknown fields, unlisted states, kept reasons."""
    with server.client() as client:
        for i in range(rounds):
            key = f"m:{i % 20}"
            client.execute_command("SM.SET", key, '{"x":[1],"initial":"a","map":{"a":["b","t"],"b":["a"]}}')
            client.execute_command("SM.MUTATE", key, "b", f"reason {i}")
            client.execute_command("SM.MUTATE", key, "a")
            if i % 3 == 0:
                client.execute_command("SM.MUTATE", key, "b", "", "FORCE")
                client.execute_command("SM.RESET", key)
            client.execute_command("SM.SET", f"own:{key}", ORDER, f"own {i}")
            client.execute_command("SM.SET", f"reset:{key}", order(f"own {i}"))
            client.execute_command("SM.RESET", f"reset:{key}")


@pytest.mark.parametrize("replica_config", [[], TINY_LIMITS], ids=["documented", "tiny limits"])
def test_an_edge_primary_with_a_documented_replica(servers, replica_config):
    primary, replica = servers.pair(["redisstate.compat edge"], replica_config)
    edge_traffic(primary)
    same_everywhere(primary, replica)


def test_the_mode_changes_under_traffic(servers):
    primary, replica = servers.pair(AOF)
    traffic = Traffic(primary, seed=5)
    for mode in ("edge", "documented", "edge", "documented"):
        replica.run("CONFIG", "SET", "redisstate.compat", mode)
        traffic.run(200)
    same_everywhere(primary, replica)
    expected = digest(primary)
    primary.kill()
    primary.start()
    assert digest(primary) == expected


# ---- resynchronisation --------------------------------------------------------------------------


def syncs(primary):
    stats = primary.info("stats")
    return stats["sync_full"], stats["sync_partial_ok"]


def drop_link(primary):
    primary.run("CLIENT", "KILL", "TYPE", "replica")


def test_partial_resync(servers):
    primary, replica = servers.pair()
    traffic = Traffic(primary, seed=7).run(300)
    full, partial = syncs(primary)
    drop_link(primary)
    traffic.run(300)
    same_everywhere(primary, replica)
    assert syncs(primary) == (full, partial + 1)


def test_full_resync_after_the_backlog_ran_over(servers):
    primary, replica = servers.pair(["repl-backlog-size 16384"])
    traffic = Traffic(primary, seed=8).run(300)
    full, _ = syncs(primary)
    replica.run("REPLICAOF", "NO", "ONE")
    traffic.run(3000)
    follow(replica, primary)
    same_everywhere(primary, replica)
    assert syncs(primary)[0] == full + 1


@pytest.mark.parametrize("sync", ["yes", "no"], ids=["diskless", "disk"])
@pytest.mark.parametrize("load", ["disabled", "on-empty-db", "swapdb"])
def test_full_sync_by_every_way_of_loading(servers, sync, load):
    primary = servers.start([f"repl-diskless-sync {sync}"])
    replica = servers.start([f"repl-diskless-load {load}"])
    traffic = Traffic(primary, seed=9).run(600)
    replica.run("SM.SET", "old", ORDER)
    if load == "on-empty-db":
        replica.run("FLUSHALL")
    follow(replica, primary)
    same_everywhere(primary, replica)
    traffic.run(300)
    same_everywhere(primary, replica)
    assert replica.run("EXISTS", "old") == 0


def test_a_chain_of_replicas(servers):
    primary, middle = servers.pair()
    last = servers.start()
    follow(last, middle)
    Traffic(primary, seed=10).run(1000)
    wait_in_sync(primary, middle)
    wait_in_sync(middle, last)
    assert digest(primary) == digest(middle) == digest(last)


def test_a_promoted_replica_goes_on(servers):
    primary, replica = servers.pair()
    traffic = Traffic(primary, seed=12).run(500)
    same_everywhere(primary, replica)
    replica.run("REPLICAOF", "NO", "ONE")
    traffic.server, traffic.client = replica, replica.client()
    traffic.run(500).check()
    follow(primary, replica)
    same_everywhere(replica, primary)
