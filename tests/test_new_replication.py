"""Versions, histories, request ids and times are the same on replicas, after AOF replay and after a reload;
what was accepted once is never refused elsewhere; and nobody but the server says when and who."""

import json
import time

import pytest
import redis

from harness import SECOND_MODULE, as_edge, digest, encode, follow, rewrite_aof, wait_for_rewrite, wait_in_sync
from server_files import commands
from test_replication import AOF, TINY_LIMITS, drop_link, replicated, same_everywhere, syncs
from versioned import Traffic, everything, facts, past

TOGGLE = json.dumps({"map": {"a": {"go": "b"}, "b": {"go": "a"}}, "initial": "a"})
FAR = 4_000_000_000_000
REMEMBERED = json.dumps({"map": {"a": {"go": "b"}, "b": {"go": "a"}}, "history": 9, "initial": "a"})
BOTH = pytest.mark.parametrize("document", [TOGGLE, REMEMBERED], ids=["untimed", "timed"])
PLAIN_AOF = [*AOF, "aof-use-rdb-preamble no", "auto-aof-rewrite-percentage 0"]


@pytest.mark.parametrize("seed", range(3))
def test_random_traffic_of_all_commands(servers, seed):
    primary, replica = servers.pair(PLAIN_AOF, [*PLAIN_AOF, "redisstate.compat edge", *TINY_LIMITS])
    last = servers.start()
    follow(last, replica)
    traffic = Traffic(primary, seed).run(4000)
    for command in ("SM.FIRE", "SM.MOVE", "SM.FORCE"):
        for what in (b"moved", b"refused", b"conflict", b"repeated", "error"):
            assert traffic.seen.get((command, what), 0) > 1, (command, what)
    for seen in (b"created", b"exists", b"repeated", "error"):
        assert traffic.seen.get(("SM.NEW", seen), 0) > 1, seen
    for seen in (b"moved", b"refused", b"conflict", b"repeated", "error"):
        assert traffic.seen.get(("SM.EMIT", seen), 0) > 1, seen
    for seen in (b"redefined", b"conflict", b"repeated", "error"):
        assert traffic.seen.get(("SM.REDEFINE", seen), 0) > 1, seen
    traffic.check(primary)
    wait_in_sync(primary, replica)
    wait_in_sync(replica, last)
    expected, shown = digest(primary), everything(primary)
    for server in (replica, last):
        assert digest(server) == expected
        traffic.check(server)
        assert everything(server) == shown
    for server in (primary, replica):
        server.run("DEBUG", "RELOAD")
        assert digest(server) == expected, "reload"
    for server in (replica, primary):
        server.kill()
        server.start()
    assert digest(primary) == expected, "AOF replay"
    assert everything(primary) == shown
    assert rewrite_aof(primary) == "ok"
    aof = b"".join(path.read_bytes() for path in (primary.folder / "appendonlydir").glob("*.base.aof"))
    assert {words[0].upper() for words, _ in commands(aof)} & {b"SM.SET", b"SM.LOAD"}
    primary.kill()
    primary.start()
    assert digest(primary) == expected, "replay of the rewritten AOF"
    assert everything(primary) == shown
    assert digest(replica) == expected, "the replica's own replay"
    assert everything(replica) == shown
    follow(replica, primary)
    assert digest(replica) == expected, "and a full sync"


def wild(traffic, rounds):
    """Traffic of all commands, unchecked, over machines in states that only `current` names, as old files have
    them, and over copies that came from other keys by RESTORE."""
    rng, client = traffic.rng, traffic.client
    for _ in range(rounds):
        traffic.run(40)
        old, key, other = (rng.choice(traffic.keys) for _ in range(3))
        fields = {"map": {"new": ["paid"], "paid": ["new", "sent"]}, "initial": rng.choice(["new", ""])}
        as_edge(client, "SM.SET", old, json.dumps(fields), rng.choice(["elsewhere", "void"]))
        client.execute_command(
            "SM.MUTATE", old, rng.choice(["new", "elsewhere", "void"]), rng.choice(["", "x"]), "FORCE"
        )
        if dump := client.dump(key):
            client.restore(other, rng.choice([0, 10**11]), dump, replace=True)


@pytest.mark.parametrize("load", ["disabled", "swapdb"])
@pytest.mark.parametrize("preamble", ["yes", "no"])
def test_digests_over_leftovers_rewrites_and_resynchronisations(servers, preamble, load):
    config = [*AOF, f"aof-use-rdb-preamble {preamble}", "auto-aof-rewrite-percentage 0"]
    primary = servers.start(config)
    middle, last = (servers.start([*config, f"repl-diskless-load {load}"]) for _ in range(2))
    traffic = Traffic(primary, seed=7, checked=False)
    wild(traffic, 10)
    follow(middle, primary)
    follow(last, middle)
    full, partial = syncs(primary)
    wild(traffic, 5)
    primary.run("BGREWRITEAOF")
    drop_link(primary)
    wild(traffic, 5)
    same_in_chain(primary, middle, last)
    assert syncs(primary) == (full, partial + 1)
    middle.run("REPLICAOF", "NO", "ONE")
    middle.run("SET", "its", "own way")
    wild(traffic, 5)
    follow(middle, primary)
    assert syncs(primary)[0] == full + 1
    wild(traffic, 5)
    same_in_chain(primary, middle, last)

    expected, shown = digest(primary), everything(primary)
    versions = [machine["version"] for machine, _ in shown.values()]
    left = [key for key in shown if "state-leftover" in str(primary.run("SM.LINT", key))]
    assert len(shown) > 5 and max(versions) > 5 and left, "machines of many ages"
    for server in (primary, middle, last):
        wait_for_rewrite(server)
        server.run("DEBUG", "RELOAD")
        assert digest(server) == expected, "reload"
    for server in (last, middle, primary):
        server.kill()
        server.start()
        assert digest(server) == expected, "replay"
        assert everything(server) == shown
        assert b" fails " not in server.log()


def same_in_chain(primary, middle, last):
    wait_in_sync(primary, middle)
    wait_in_sync(middle, last)
    assert digest(primary) == digest(middle) == digest(last)


def test_dump_and_restore_elsewhere(servers):
    here, there = servers.start(), servers.start(["redisstate.compat edge", *TINY_LIMITS])
    traffic = Traffic(here, seed=4).run(1500)
    for key in [*traffic.machines, traffic.stream]:
        at = max(0, here.run("PEXPIRETIME", key))
        there.run("RESTORE", key, at, here.run("DUMP", key), "ABSTTL")
    assert digest(there) == digest(here)
    assert everything(there) == everything(here)
    traffic.check(there)


def test_replica_that_joins_under_traffic_and_goes_on_alone(servers):
    primary, replica = servers.start(), servers.start()
    traffic = Traffic(primary, seed=5).run(500)
    replica.run("REPLICAOF", "127.0.0.1", primary.port)
    traffic.run(1000)
    same_everywhere(primary, replica)
    primary.kill()
    replica.run("REPLICAOF", "NO", "ONE")
    traffic.client = replica.client()
    traffic.run(1000).check(replica)


@pytest.mark.parametrize("replica_config", [[], TINY_LIMITS], ids=["documented", "tiny limits"])
def test_an_edge_primary(servers, replica_config):
    primary, replica = servers.pair([*PLAIN_AOF, "redisstate.compat edge"], replica_config)
    traffic = Traffic(primary, seed=6, checked=False).run(4000)
    assert traffic.seen["SM.FIRE", b"moved"] > 50 and traffic.seen["SM.SET", b"OK"] > 3
    same_everywhere(primary, replica)
    shown = everything(primary)
    assert everything(replica) == shown
    primary.run("SET", "sentinel", "1")
    expected = digest(primary)
    primary.kill()
    primary.start()
    assert digest(primary) == expected


def test_a_move_on_an_edge_primary_keeps_the_expiry(servers):
    primary, replica = servers.pair([*PLAIN_AOF, "redisstate.compat edge"])
    primary.run("SM.NEW", "t", REMEMBERED)
    primary.run("PEXPIREAT", "t", FAR)
    for move in (["SM.MUTATE", "t", "b"], ["SM.RESET", "t"]):
        assert primary.run(*move) == b"OK"
        wait_in_sync(primary, replica)
        assert [server.run("PEXPIRETIME", "t") for server in (primary, replica)] == [FAR, FAR]
    primary.kill()
    primary.start()
    assert primary.run("PEXPIRETIME", "t") == FAR


# ---- what is replicated -------------------------------------------------------------------------


def test_the_commands_in_the_aof(servers):
    """Untimed machines replicate verbatim; timed ones with the time and the user of the move."""
    server = servers.start(PLAIN_AOF)
    sent = [
        ("SM.NEW", "u", TOGGLE, "ID", "1"),
        ("SM.FIRE", "u", "go", "IFVERSION", "1", "id", "2", "REASON", "why"),
        ("SM.MOVE", "u", "a", "BY", "x"),
        ("SM.REDEFINE", "u", TOGGLE, "RENAME", "a", "b"),
        ("SM.NEW", "t", REMEMBERED, "ID", "1"),
        ("SM.FIRE", "t", "go", "IFVERSION", "1", "id", "2", "REASON", "why"),
        ("SM.MOVE", "t", "a", "BY", "x"),
        ("SM.FORCE", "t", "a"),
        ("SM.REDEFINE", "t", REMEMBERED, "RENAME", "a", "b"),
    ]
    for command in sent:
        server.run(*command)
    times = [str(entry["at"]).encode() for entry in reversed(everything(server)[b"t"][1])]
    moments = [b"AT %s 7:default%s" % moment for moment in zip(times, [b"", b" 0: 3:why", b" 1:x", b"", b""])]
    # The texts of BY and REASON are in the moment.
    own = sent[:5] + [sent[5][:-2], sent[6][:-2]] + sent[7:]
    groups = [[]] * 4 + [[moment] for moment in moments]
    (file,) = (server.folder / "appendonlydir").glob("*.incr.aof")
    found = [words for words, _ in commands(file.read_bytes()) if words[0].startswith(b"SM.")]
    assert found == [[w.encode() for w in words] + group for words, group in zip(own, groups, strict=True)]


TEXTS = ["", " ", "1:a", "0: 3:abc", "\0", "ä€", "x" * 250, "AT", "BY", "REASON", "7:default"]


def test_all_texts_of_a_move_arrive(servers):
    """BY and REASON go with the moment, whatever is in them and whatever other options are there."""
    primary, replica = servers.pair([*PLAIN_AOF])
    document = json.dumps(json.loads(REMEMBERED) | {"history": 255})
    primary.run("SM.NEW", "t", document, "REASON", "the first", "BY", "0:")
    told = [["0:", "the first"]]
    for number, by in enumerate(TEXTS):
        for why in TEXTS:
            options = [["BY", by], ["REASON", why], ["ID", f"{number} {why[:9]}"], ["IFVERSION", len(told)]]
            options = options[:2] if number % 2 else options[::-1]
            assert primary.run("SM.FIRE", "t", "go", *(word for option in options for word in option))[0] == b"moved"
            told.append([by, why])
    primary.run("SM.REDEFINE", "t", document, "REASON", "REASON", "RENAME", "BY", "a", "BY", "BY")
    primary.run("SM.FORCE", "t", "a", "REASON", "REASON")
    primary.run("SM.MOVE", "t", "b", "BY", "BY")
    told += [["BY", "REASON"], ["", "REASON"], ["BY", ""]]
    entries = everything(primary)[b"t"][1]
    assert [[entry["by"].decode(), entry["reason"].decode()] for entry in entries] == told[::-1][: len(entries)]
    assert len(entries) == len(told)
    same_everywhere(primary, replica)
    shown = everything(primary)
    primary.kill()
    primary.start()
    assert everything(primary) == shown


@BOTH
def test_what_did_not_happen_is_not_replicated(servers, document):
    primary, replica = servers.pair(["repl-ping-replica-period 3600"])
    primary.run("SM.NEW", "m", document)
    primary.run("SM.FIRE", "m", "go", "ID", "x")
    for command in [
        ("SM.FIRE", "m", "nonsense"), ("SM.FIRE", "m", "go", "IFVERSION", "9"), ("SM.FIRE", "m", "go", "ID", "x"),
        ("SM.FIRE", "none", "go"), ("SM.FIRE", "m", "go", "AFTER", "5"), ("SM.MOVE", "m", "b"),
        ("SM.FORCE", "m", "c"), ("SM.NEW", "m", document), ("SM.REDEFINE", "m", document, "RENAME", "b", "zz"),
        ("SM.INFO", "m"), ("SM.HISTORY", "m"), ("SM.EVENTS", "m"), ("SM.LOAD", "m", "x"),
    ]:  # fmt: skip
        assert replicated(primary, command) == 0, command
    assert replicated(primary, ("SM.FIRE", "m", "go")) > 0
    same_everywhere(primary, replica)


@BOTH
@pytest.mark.parametrize(
    "options", ["IFVERSION 1", "IFSTATE a", "ID x", "IFVERSION 1 IFSTATE a ID x"], ids=lambda o: o.replace(" ", "-")
)
@pytest.mark.parametrize("command", ["SM.FIRE m go", "SM.MOVE m b", "SM.FORCE m b"])
def test_a_condition_or_a_known_id_stops_no_replica(servers, document, options, command):
    """As after an upgrade from 1.0, when versions differ. The replica is made to differ by hand."""
    primary, replica = servers.pair(replica_config=["replica-read-only no"])
    primary.run("SM.NEW", "m", document)
    wait_in_sync(primary, replica)
    if "ID" in options:
        replica.run("SM.FIRE", "m", "go", "ID", "x")
        replica.run("SM.FIRE", "m", "go")
    if "IFSTATE" in options:
        replica.run("SM.REDEFINE", "m", json.dumps(json.loads(document) | {"any": {"go": "b"}, "map": {"a": {}, "z": {}}}),
                    "RENAME", "a", "z")  # fmt: skip
    else:
        replica.run("SM.FORCE", "m", "a")
    version = replica.run("SM.INFO", "m")[7]
    assert primary.run(*command.split(), *options.split()) == [b"moved", b"b", 2]
    wait_in_sync(primary, replica)
    assert replica.run("SM.STATE", "m") == [b"b"]
    assert replica.run("SM.INFO", "m")[7] == version + 1
    assert b" fails " not in replica.log()


@BOTH
def test_a_condition_or_a_known_id_stops_no_replay(servers, document):
    server = servers.start(PLAIN_AOF)
    server.run("SM.NEW", "m", document)
    server.run("SM.FIRE", "m", "go", "ID", "x")
    server.kill()
    (file,) = (server.folder / "appendonlydir").glob("*.incr.aof")
    with open(file, "ab") as aof:
        aof.write(encode("SM.FIRE", "m", "go", "IFVERSION", "77", "IFSTATE", "nowhere"))
        aof.write(encode("SM.MOVE", "m", "b", "ID", "x", "IFVERSION", "78"))
    server.start()
    assert facts(server.client(), "m")["version"] == 4
    assert server.run("SM.STATE", "m") == [b"b"]
    assert b" fails " not in server.log()


def test_a_replica_refuses_the_new_writes_and_answers_reads(servers):
    primary, replica = servers.pair()
    primary.run("SM.NEW", "m", REMEMBERED)
    wait_in_sync(primary, replica)
    for command in ("SM.FIRE m go", "SM.MOVE m b", "SM.FORCE m b", "SM.NEW n {}", "SM.REDEFINE m {}", "SM.LOAD m x"):
        with pytest.raises(Exception, match="read only replica"):
            replica.run(*command.split())
    for command in ("SM.HISTORY m", "SM.EVENTS m"):
        assert replica.run(*command.split()) == primary.run(*command.split())
    assert everything(replica) == everything(primary)


AT = [
    "SM.FIRE m go AT 5~4:evil", "SM.MOVE m b AT 5~4:evil", "SM.FORCE m b AT 5~4:evil", "SM.MUTATE m b why AT 5~4:evil",
    "SM.RESET m AT 5~4:evil", "SM.SET m {} a AT 5~4:evil", "SM.CREATE m AT 5~4:evil", "SM.NEW n {} AT 5~4:evil",
    "SM.REDEFINE m {} AT 5~4:evil",
]  # fmt: skip


def test_a_client_of_a_writable_replica_says_neither_when_nor_who(servers):
    primary, replica = servers.pair(replica_config=["replica-read-only no"])
    primary.run("SM.NEW", "m", REMEMBERED)
    wait_in_sync(primary, replica)
    before = digest(replica)
    for command in AT:
        with pytest.raises(Exception, match="unknown option|wrong number"):
            replica.run(*[REMEMBERED if word == "{}" else word.replace("~", " ") for word in command.split()])
    with pytest.raises(Exception, match="RESTORE"):
        replica.run("SM.LOAD", "m", "x")
    assert digest(replica) == before


# ---- called by another module -------------------------------------------------------------------

SECOND = [f"loadmodule {SECOND_MODULE}"]
needs_second = pytest.mark.skipif(not SECOND_MODULE.exists(), reason=f"no second module at {SECOND_MODULE}")
WAYS = {
    "call": lambda *words: ("VERBATIM.CALL", *words),
    "script": lambda *words: ("VERBATIM.CALL", "EVAL", "return redis.call(unpack(ARGV))", "1", words[1], *words),
    "multi": lambda *words: ("VERBATIM.CALL", *words),
}
MOVES = ["SM.NEW n {}", "SM.FIRE m go", "SM.MOVE m a", "SM.FORCE m b", "SM.MUTATE m a why", "SM.RESET m",
         "SM.REDEFINE m {}", "SM.SET m {}", "SM.SET o {}"]  # fmt: skip


@needs_second
@pytest.mark.parametrize("way", WAYS)
def test_another_module_moves_a_machine_with_history(servers, way):
    """On some servers asking for the user within such a call kills the server. So the user is empty."""
    primary = servers.start([*AOF, *SECOND])
    replica = servers.start(SECOND)
    if way != "script":
        # A replica refuses whatever such a script writes, also by SET: its caller isn't the primary for the server.
        follow(replica, primary)
    primary.run("SM.NEW", "m", REMEMBERED)
    for command in MOVES:
        words = WAYS[way](*[REMEMBERED if word == "{}" else word.replace("~", " ") for word in command.split()])
        if way == "multi":
            with primary.client() as client, client.pipeline(transaction=True) as pipe:
                pipe.execute_command(*words)
                assert pipe.execute()[0] is not None, command
        else:
            assert primary.run(*words) is not None, command
    if way != "script":
        wait_in_sync(primary, replica)
    users = {key: [entry["user"] for entry in entries] for key, (_, entries) in everything(primary).items()}
    assert users == {b"m": [b""] * 7 + [b"default"], b"n": [b""], b"o": [b""]}
    states = lambda server: {key: (info["state"], info["version"]) for key, (info, _) in everything(server).items()}
    assert way == "script" or states(replica) == states(primary)
    shown = states(primary)
    primary.kill()
    primary.start()
    assert states(primary) == shown


@needs_second
def test_another_module_says_neither_when_nor_who(servers):
    primary, replica = servers.pair(SECOND, [*SECOND, "replica-read-only no"])
    primary.run("SM.NEW", "m", REMEMBERED)
    wait_in_sync(primary, replica)
    before = digest(primary)
    for server in (primary, replica):
        for command in AT:
            with pytest.raises(redis.exceptions.ResponseError):
                server.run(
                    "VERBATIM.CALL",
                    *[REMEMBERED if word == "{}" else word.replace("~", " ") for word in command.split()],
                )
        with pytest.raises(redis.exceptions.ResponseError):
            server.run("VERBATIM.CALL", "SM.LOAD", "m", "x")
        assert digest(server) == before


@needs_second
def test_a_command_of_another_module_does_the_same_everywhere(servers):
    primary, replica = servers.pair([*AOF, *SECOND], [*SECOND, *TINY_LIMITS])
    call = lambda *words: primary.run("VERBATIM.CALL", *words)
    assert call("SM.NEW", "m", TOGGLE, "ID", "n") == [b"created", b"a", 1]
    assert call("SM.FIRE", "m", "go", "ID", "x", "IFVERSION", "1", "REASON", "a reason") == [b"moved", b"b", 2]
    assert call("SM.FIRE", "m", "go", "IFVERSION", "1") == [b"conflict", b"b", 2]
    assert call("SM.FIRE", "m", "go", "ID", "x") == [b"repeated", b"b", 2]
    assert call("SM.FIRE", "m", "nonsense") == [b"refused", b"b", 2]
    assert call("SM.NEW", "m", TOGGLE) == [b"exists", b"b", 2]
    assert call("SM.NEW", "m", TOGGLE, "ID", "n") == [b"repeated", b"a", 1]
    assert call("SM.REDEFINE", "m", TOGGLE, "RENAME", "b", "a") == [b"redefined", b"a", 3]
    same_everywhere(primary, replica)
    expected = digest(primary)
    primary.kill()
    primary.start()
    assert digest(primary) == expected
    for server in (primary, replica):
        assert b" fails " not in server.log()


# With times, a history and a timer that is far away.
TIMED = json.dumps({"map": {"a": {"go": "b"}, "b": {"go": "a"}}, "after": {"b": {"ms": 10**11, "to": "a"}}, "history": 9,
                    "initial": "a"})  # fmt: skip
SCRIPT = ("EVAL", "return redis.call(unpack(ARGV))", "1", "m", "SM.FIRE", "m", "go")


@needs_second
@pytest.mark.parametrize("call", [("SM.FIRE", "m", "go"), SCRIPT], ids=["call", "script"])
def test_when_another_module_moved_a_machine_is_told_if_the_move_is_replicated(servers, call):
    """The advice of docs/operations.md: let the call replicate what it did."""
    primary, replica = servers.pair([*PLAIN_AOF, *SECOND], [*AOF, *SECOND])
    primary.run("SM.NEW", "m", TIMED)
    assert primary.run("REPLICATED.CALL", *call) == [b"moved", b"b", 2]
    at = int(aof_moment(primary, b"SM.FIRE").removeprefix(b"AT "))
    assert past(primary.client(), "m")[0]["at"] == at
    assert facts(primary.client(), "m")["due"] == at + 10**11
    shown = everything(primary)
    assert shown[b"m"][1][0]["user"] == b""
    same_everywhere(primary, replica)
    # The full synchronisation made a new file.
    wait_for_rewrite(replica)
    for server in (primary, replica):
        server.kill()
        server.start()
        assert everything(server) == shown
        assert b" fails " not in server.log()


def aof_moment(server, name):
    """Returns the moment of the one command of this name in the incremental append-only file."""
    (file,) = (server.folder / "appendonlydir").glob("*.incr.aof")
    [words] = [words for words, _ in commands(file.read_bytes()) if words[0] == name]
    assert words[-1].startswith(b"AT ")
    return words[-1]


@needs_second
def test_when_another_module_moved_a_machine_is_not_told_if_the_caller_is_replicated(servers):
    """The warning of docs/operations.md: every node makes the move anew, and by its own clock."""
    server = servers.start([*AOF, *SECOND])
    server.run("SM.NEW", "m", TIMED)
    assert server.run("VERBATIM.CALL", "SM.FIRE", "m", "go") == [b"moved", b"b", 2]
    before = everything(server)[b"m"]
    server.kill()
    time.sleep(0.01)
    server.start()
    after = everything(server)[b"m"]
    assert after[0]["since"] > before[0]["since"] and after[0]["due"] > before[0]["due"]
    (made, _), (again, _) = before[1], after[1]
    assert again["at"] > made["at"] and again["user"] == made["user"] == b""
    assert again | {"at": 0} == made | {"at": 0}
