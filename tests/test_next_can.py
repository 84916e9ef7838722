"""SM.NEXT and SM.CAN say exactly which moves SM.MUTATE would make."""

import json
import random

import pytest

from documents import ORDER
from harness import NIL, array, wait_in_sync
from traffic import NAMES, random_document, store


def next_of(model):
    """Returns the targets of the current state, each once, in order of first appearance."""
    return list(dict.fromkeys(model.map.get(model.current, [])))


def would_move(client, key, state):
    """Returns whether SM.MUTATE makes the move, tried on a copy."""
    client.execute_command("COPY", key, "tried", "REPLACE")
    try:
        return client.execute_command("SM.MUTATE", "tried", state) == b"OK"
    except Exception as error:
        assert str(error) == "Invaild state transition"
        return False


# ---- SM.NEXT ------------------------------------------------------------------------------------


def test_next_follows_the_machine(db):
    db.execute_command("SM.SET", "m", ORDER)
    assert db.execute_command("SM.NEXT", "m") == [b"blee", b"boo"]
    db.execute_command("SM.MUTATE", "m", "boo")
    assert db.execute_command("SM.NEXT", "m") == [b"blee"]


def test_next_in_a_terminal_state_is_empty(wire):
    wire("SM.SET", "m", ORDER, "blee")
    assert wire("SM.NEXT", "m") == array()
    wire("SM.SET", "m", '{"initial":"a","map":{"a":[]}}')
    assert wire("SM.NEXT", "m") == array()
    wire("SM.CREATE", "m")
    assert wire("SM.NEXT", "m") == array()


def test_next_is_in_document_order_without_repeats(wire):
    wire("SM.SET", "m", '{"initial":"a","map":{"a":["c","b","c","a","b"],"b":["x"]}}')
    assert wire("SM.NEXT", "m") == array("c", "b", "a")


def test_next_of_a_wide_row(db):
    rng = random.Random(5)
    targets = [f"s{rng.randrange(3000)}" for _ in range(6000)]
    model = store(db, "m", json.dumps({"initial": "a", "map": {"a": targets}}))
    assert db.execute_command("SM.NEXT", "m") == [name.encode() for name in next_of(model)]


def test_next_of_a_missing_key_is_nil(wire):
    assert wire("SM.NEXT", "m") == NIL


# ---- SM.CAN -------------------------------------------------------------------------------------


def test_can(wire):
    wire("SM.SET", "m", ORDER)
    assert wire("SM.CAN", "m", "boo") == b":1\r\n"
    assert wire("SM.CAN", "m", "bar") == b":0\r\n"
    assert wire("SM.CAN", "m", "no such state") == b":0\r\n"
    assert wire("SM.CAN", "m", b"\xff\xfe") == b":0\r\n"
    assert wire("SM.STATE", "m") == array("bar")


def test_can_of_a_missing_key_is_nil(wire):
    assert wire("SM.CAN", "m", "boo") == NIL


def test_can_knows_nothing_of_case_or_prefixes(wire):
    wire("SM.SET", "m", ORDER)
    for name in ("BOO", "bo", "boo ", "boo\0", ""):
        assert wire("SM.CAN", "m", name) == b":0\r\n", name


# ---- both ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_they_say_what_mutate_does(db, seed):
    they_say_what_mutate_does(db, random.Random(seed), lambda model, state: model.allows(state))


@pytest.mark.parametrize("seed", range(12))
def test_they_say_what_mutate_does_in_edge_mode(edge, seed):
    """In `edge`, a move needs an entry for its target."""
    allowed = lambda model, state: model.allows(state) and state in model.map
    they_say_what_mutate_does(edge, random.Random(seed), allowed)


def they_say_what_mutate_does(client, rng, allowed):
    for _ in range(5):
        model = store(client, "m", random_document(rng))
        expected = [state for state in next_of(model) if allowed(model, state)]
        assert client.execute_command("SM.NEXT", "m") == [state.encode() for state in expected]
        for state in {*sorted(model.states)[:25], *NAMES, "unknown"}:
            can = client.execute_command("SM.CAN", "m", state)
            assert can == int(state in expected) == int(would_move(client, "m", state)), state


@pytest.mark.parametrize("command", [("SM.NEXT", "m"), ("SM.CAN", "m", "boo")], ids=lambda c: c[0])
class TestReading:
    def test_another_type_is_the_servers_error(self, wire, command):
        wire("SET", "m", "text")
        expected = b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
        assert wire(*command) == expected

    def test_the_number_of_arguments_is_checked(self, wire, command):
        for wrong in (command[:-1], command + ("more",)):
            assert b"wrong number of arguments for '" in wire(*wrong)

    def test_nothing_changes(self, db, command):
        db.execute_command("SM.SET", "m", ORDER)
        before = db.info("persistence")["rdb_changes_since_last_save"], db.execute_command("DEBUG DIGEST")
        db.execute_command(*command)
        after = db.info("persistence")["rdb_changes_since_last_save"], db.execute_command("DEBUG DIGEST")
        assert after == before

    def test_a_replica_answers(self, servers, command):
        primary, replica = servers.pair()
        primary.run("SM.SET", "m", ORDER)
        wait_in_sync(primary, replica)
        assert replica.raw(*command) == primary.raw(*command)

    def test_a_server_without_memory_answers(self, server, command):
        server.run("SM.SET", "m", ORDER)
        expected = server.raw(*command)
        server.run("CONFIG", "SET", "maxmemory", 1)
        assert server.raw(*command) == expected
