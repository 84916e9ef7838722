"""INFO redisstate: every field is right, however machines are made and freed."""

import json
import re

import pytest
import redis

from documents import ORDER
from harness import ROOT, wait_in_sync, wait_until
from server_files import checked
from traffic import Traffic

OTHER = b'{"initial":"on","map":{"on":["off"],"off":["on"]}}'
GAUGES = ["machines", "definitions", "definition_bytes", "document_bytes", "machines_per_definition"]
TIMES = [
    "waiters",
    "timers_pending",
    "timers_fired",
    "timers_refused",
    "timers_lost",
    "timers_healed",
    "timers_late_last_ms",
    "timers_late_max_ms",
]
COUNTERS = [
    "moves_done",
    "moves_refused",
    "documents_parsed",
    "documents_recognised",
    "limits_hit",
    "loads_refused",
]


def info(server):
    section = server.info("redisstate")
    return {name.removeprefix("redisstate_"): value for name, value in section.items()}


def grown(server, before):
    """Returns the counters that changed, and by how much they grew."""
    now = info(server)
    return {name: now[name] - before[name] for name in COUNTERS if now[name] != before[name]}


def holds(server, machines, definitions):
    """Waits for frees in the background, then checks the fields."""
    there = lambda: (info(server)["machines"], info(server)["definitions"]) == (machines, definitions)
    wait_until(there, f"{machines} machines and {definitions} definitions, not {info(server)}")
    now = info(server)
    assert now["machines_per_definition"] == machines // max(definitions, 1)
    assert (now["definition_bytes"] > 0) == (definitions > 0)


@pytest.fixture
def counted(server):
    """Runs a command and returns the counters that grew."""

    def run(*command):
        before = info(server)
        with server.wire() as wire:
            wire(*command)
        return grown(server, before)

    server.run("SM.SET", "m", ORDER)
    return run


# ---- the section --------------------------------------------------------------------------------


def test_the_fields_are_those_of_the_page(db):
    documented = re.findall(r"^\| `redisstate_(\w+)` \|", (ROOT / "docs/operations.md").read_text(), re.M)
    assert list(info(db.server)) == documented == GAUGES + COUNTERS + TIMES


def test_a_new_server_counts_nothing(server):
    assert set(info(server).values()) == {0}


@pytest.mark.parametrize("section", ["redisstate", "modules", "everything"])
def test_where_it_is_shown(wire, section):
    text = wire("INFO", section)
    assert text.count(b"# redisstate\r\n") == 1 and b"\r\nredisstate_machines:0\r\n" in text


def test_it_is_no_part_of_the_default_sections(wire):
    assert b"redisstate_machines" not in wire("INFO")


# ---- what there is ------------------------------------------------------------------------------


def test_machines_and_definitions(server):
    for i in range(10):
        server.run("SM.SET", f"order:{i}", ORDER)
    holds(server, 10, 1)
    server.run("SM.SET", "light", OTHER)
    holds(server, 11, 2)
    server.run("SM.SET", "light", ORDER)
    holds(server, 11, 1)
    server.run("DEL", "order:0", "light")
    holds(server, 9, 1)


def test_white_space_and_state_make_no_definition(server):
    server.run("SM.SET", "a", ORDER)
    server.run("SM.SET", "b", ORDER.replace(b",", b" ,\n"), "boo")
    server.run("SM.MUTATE", "a", "boo", "reason")
    holds(server, 2, 1)


GOES = [
    "FLUSHALL SYNC",
    "FLUSHALL ASYNC",
    "FLUSHDB",
    "DEL m",
    "UNLINK m",
    "SET m text",
    "PEXPIRE m -1",
    "RENAME text m",
]


@pytest.mark.parametrize("goes", GOES)
def test_gone_is_gone(server, goes):
    server.run("SET", "text", "text")
    server.run("SM.SET", "m", ORDER)
    holds(server, 1, 1)
    server.run(*goes.split())
    holds(server, 0, 0)
    assert info(server)["document_bytes"] == 0


def test_a_large_definition_that_is_freed_in_the_background(server):
    states = {f"s{i}": [f"s{i + 1}"] for i in range(30_000)}
    document = json.dumps({"initial": "s0", "map": states})
    server.run("SM.SET", "m", document)
    holds(server, 1, 1)
    server.run("UNLINK", "m")
    holds(server, 0, 0)


def test_copies_and_restored_values_share(server):
    server.run("SM.SET", "m", ORDER)
    server.run("COPY", "m", "copied")
    server.run("COPY", "m", "elsewhere", "DB", 3)
    server.run("RESTORE", "restored", 0, server.raw("DUMP", "m"))
    holds(server, 4, 1)
    server.run("RENAME", "copied", "renamed")
    server.run("MOVE", "renamed", 2)
    holds(server, 4, 1)
    server.run("SWAPDB", 0, 3)
    holds(server, 4, 1)


@pytest.mark.parametrize("again", ["DEBUG RELOAD", "DEBUG LOADAOF", "restart"])
def test_after_a_load(servers, again):
    server = servers.start(["appendonly yes", "appendfsync always"])
    for i in range(5):
        server.run("SM.SET", f"order:{i}", ORDER)
    server.run("SM.SET", "light", OTHER)
    server.run("SM.MUTATE", "light", "off")
    server.restart() if again == "restart" else server.run(*again.split())
    holds(server, 6, 2)


def test_after_a_full_synchronisation(servers):
    primary, replica = servers.start(), servers.start()
    replica.run("SM.SET", "old", OTHER)
    for i in range(5):
        primary.run("SM.SET", f"order:{i}", ORDER)
    replica.run("REPLICAOF", "127.0.0.1", primary.port)
    wait_in_sync(primary, replica)
    holds(replica, 5, 1)


@pytest.mark.parametrize("seed", range(3))
def test_after_all_kinds_of_traffic(server, seed):
    """There are as many machines as keys, and as many definitions as pairs of map and initial."""
    traffic = Traffic(server, seed).run(600)
    machines = traffic.machines.values()
    distinct = {json.dumps([machine.map, machine.initial]) for machine in machines}
    # Machines of earlier tests may still be being freed in the background.
    all_there = lambda: info(server)["machines"] == len(machines)
    wait_until(all_there, f"{len(machines)} machines")
    assert len(distinct) <= info(server)["definitions"]
    server.run("DEBUG", "RELOAD")
    wait_until(all_there, f"{len(machines)} machines after the reload")
    server.run("FLUSHALL")
    holds(server, 0, 0)


# ---- what has happened --------------------------------------------------------------------------


def test_moves(counted):
    assert counted("SM.MUTATE", "m", "boo") == {"moves_done": 1}
    assert counted("SM.MUTATE", "m", "bar") == {"moves_refused": 1}
    assert counted("SM.MUTATE", "m", "no such state") == {"moves_refused": 1}
    assert counted("SM.MUTATE", "m", "no such state", "", "FORCE") == {"moves_refused": 1}
    assert counted("SM.MUTATE", "m", "bar", "why", "FORCE") == {"moves_done": 1}
    assert counted("SM.RESET", "m") == {"moves_done": 1}
    assert counted("SM.RESET", "m") == {}
    assert counted("SM.MUTATE", "none", "boo") == {}
    assert counted("SM.RESET", "none") == {}
    assert counted("SM.MUTATE", "m", "boo", "why", "NONSENSE") == {}


SHOP = '{"map":{"new":{"pay":"paid","split":["paid","void"]}},"any":{"void":"void"},"history":9,"initial":"new"}'


def test_moves_with_a_verdict(server, counted):
    server.run("SM.SET", "shop", SHOP)
    assert counted("SM.FIRE", "shop", "pay", "ID", "x") == {"moves_done": 1}
    assert counted("SM.FIRE", "shop", "pay", "ID", "x") == {}, "repeated"
    assert counted("SM.FIRE", "shop", "pay", "IFVERSION", "1") == {}, "conflict"
    assert counted("SM.FIRE", "shop", "pay") == {"moves_refused": 1}
    assert counted("SM.FIRE", "shop", "nonsense") == {"moves_refused": 1}
    assert counted("SM.MOVE", "shop", "new") == {"moves_refused": 1}
    assert counted("SM.MOVE", "shop", "void") == {"moves_done": 1}
    assert counted("SM.FORCE", "shop", "nowhere") == {"moves_refused": 1}
    assert counted("SM.FORCE", "shop", "new") == {"moves_done": 1}
    assert counted("SM.FIRE", "shop", "split") == {}, "an error"
    assert counted("SM.FIRE", "shop", "pay", "NO") == {}
    assert counted("SM.FIRE", "none", "pay") == {}
    assert counted("SM.RESET", "shop") == {"moves_done": 1}, "it starts the time of entry anew"


def test_documents_with_a_verdict(counted):
    assert counted("SM.NEW", "n", ORDER) == {"documents_recognised": 1}
    assert counted("SM.NEW", "o", SHOP) == {"documents_parsed": 1}
    assert counted("SM.NEW", "o", SHOP) == {"documents_recognised": 1}, "it is read although there is a machine"
    assert counted("SM.NEW", "p", b"nonsense") == {}
    assert counted("SM.REDEFINE", "n", b"nonsense") == {}
    assert counted("SM.REDEFINE", "n", SHOP, "RENAME", "bar", "paid") == {"documents_recognised": 1, "moves_done": 1}
    assert counted("SM.REDEFINE", "n", OTHER, "RENAME", "paid", "on") == {"documents_parsed": 1, "moves_done": 1}


def test_moves_in_edge_mode(servers):
    server = servers.start(module_args="compat edge")
    server.run("SM.SET", "m", ORDER)
    before = info(server)
    with server.wire() as wire:
        assert wire("SM.MUTATE", "m", "blee").startswith(b"-")
    assert grown(server, before) == {"moves_refused": 1}


def test_documents(counted):
    # Each spelling of a document is parsed once; the fixture has stored this one already.
    assert counted("SM.SET", "n", ORDER) == {"documents_recognised": 1}
    assert counted("SM.SET", "n", OTHER) == {"documents_parsed": 1}
    assert counted("SM.SET", "n", OTHER) == {"documents_recognised": 1}
    assert counted("SM.SET", "n", ORDER, "boo") == {"documents_recognised": 1}
    assert counted("SM.SET", "n", b"nonsense") == {}
    assert counted("SM.SET", "n", ORDER, "payed") == {}
    assert counted("SM.SET", "n", OTHER.replace(b"{", b'{"current":"payed",', 1)) == {}
    assert counted("SM.CREATE", "n") == {}


def test_reading_counts_nothing(counted):
    for command in [
        "GET m",
        "GET m REASON",
        "STATE m LIST",
        "NEXT m",
        "CAN m boo",
        "CAN m bar",
        "EXPORT m DOT",
        "LINT m",
        "EVENTS m",
        "INFO m",
        "HISTORY m",
        "TEMPLATE",
    ]:
        assert counted(*f"SM.{command}".split()) == {}, command


LIMITS = {
    "max-document-bytes 40": ["SM.SET", "n", OTHER],
    "max-states 1": ["SM.SET", "n", OTHER],
    "max-transitions 1": ["SM.SET", "n", OTHER],
    "max-reason-bytes 3": ["SM.MUTATE", "m", "boo", "four"],
}
WITH_A_VERDICT = {
    "max-document-bytes": [["SM.NEW", "n", OTHER], ["SM.REDEFINE", "m", OTHER]],
    "max-reason-bytes": [
        ["SM.FIRE", "m", "", "TO", "boo", "REASON", "four"],
        ["SM.MOVE", "m", "boo", "REASON", "four"],
        ["SM.FORCE", "m", "boo", "REASON", "four"],
        ["SM.NEW", "n", ORDER, "REASON", "four"],
        ["SM.REDEFINE", "m", ORDER, "REASON", "four"],
    ],
}
WITH_A_VERDICT |= dict.fromkeys(("max-states", "max-transitions"), WITH_A_VERDICT["max-document-bytes"])


@pytest.mark.parametrize("limit", LIMITS)
def test_limits(server, counted, limit):
    name, value = limit.split()
    server.run("CONFIG", "SET", f"redisstate.{name}", value)
    for command in (LIMITS[limit], *WITH_A_VERDICT[name]):
        assert counted(*command) == {"limits_hit": 1}, command
    assert server.run("SM.STATE", "m") == [b"bar"] and server.run("EXISTS", "n") == 0


def test_a_refused_payload(server, counted):
    payload = server.raw("DUMP", "m")
    assert counted("RESTORE", "n", 0, damaged(payload)) == {"loads_refused": 1}
    holds(server, 1, 1)


def damaged(payload):
    """Returns a payload with a name that isn't UTF-8, and a correct checksum."""
    value = payload[:-8].replace(b"blee", b"boo\xff")
    return checked(value + bytes(8))


def test_a_replica_counts_what_it_applies(servers):
    primary, replica = servers.pair()
    primary.run("SM.SET", "m", ORDER)
    primary.run("SM.MUTATE", "m", "boo")
    primary.run("SM.MUTATE", "m", "bar")
    wait_in_sync(primary, replica)
    now = info(replica)
    assert (now["machines"], now["moves_done"], now["moves_refused"]) == (1, 1, 0)


def test_counters_outlive_the_data(server, counted):
    counted("SM.MUTATE", "m", "boo")
    server.run("FLUSHALL")
    assert info(server)["moves_done"] == 1


def test_a_move_that_a_failed_transaction_undid_was_never_made(server, counted):
    with server.client() as client, pytest.raises(redis.exceptions.ExecAbortError):
        client.execute_command("MULTI")
        client.execute_command("SM.MUTATE", "m", "boo")
        with pytest.raises(redis.exceptions.ResponseError):
            client.execute_command("SM.MUTATE")
        client.execute_command("EXEC")
    assert info(server)["moves_done"] == 0
