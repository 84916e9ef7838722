"""Edge mode replies as the published image of the old module does; documented mode doesn't."""

import pytest

from documents import ORDER
from harness import NIL, OK, array, bulk

BLANK = '{"current":"","map":{},"initial":"","reason":""}'
REFUSED = b"-Invaild state transition\r\n"
UNKNOWN_OPTION = b"-Invaild command option\r\n"


@pytest.fixture
def sm(edge):
    with edge.server.wire() as wire:
        assert wire("SM.SET", "m", ORDER) == OK
        yield wire


def document(current, reason=""):
    return bulk(
        '{"current":"%s","map":{"bar":["blee","boo"],"boo":["blee"]},"initial":"bar","reason":"%s"}' % (current, reason)
    )


def test_the_mode_is_on(edge):
    assert edge.server.config("redisstate.compat") == "edge"


def test_reason_is_always_written(sm):
    assert sm("SM.TEMPLATE") == bulk(BLANK)
    assert sm("SM.CREATE", "blank") == OK
    assert sm("SM.GET", "blank") == bulk(BLANK)
    assert sm("SM.GET", "m") == document("bar")
    assert sm("SM.MUTATE", "m", "boo", "because") == OK
    assert sm("SM.GET", "m") == document("boo", "because")


def test_a_refused_move_is_an_error(sm):
    assert sm("SM.MUTATE", "m", "bar") == REFUSED
    assert sm("SM.MUTATE", "m", "nowhere") == REFUSED
    assert sm("SM.MUTATE", "m", "nowhere", "why", "FORCE") == REFUSED
    assert sm("SM.GET", "m") == document("bar")


def test_a_target_must_be_a_key_of_the_map(sm):
    assert sm("SM.MUTATE", "m", "blee") == REFUSED
    assert sm("SM.MUTATE", "m", "blee", "why", "FORCE") == REFUSED
    assert sm("SM.MUTATE", "m", "boo") == OK
    assert sm("SM.MUTATE", "m", "bar", "", "FORCE") == OK


@pytest.mark.parametrize("command", [("SM.GET", "m", "X"), ("SM.STATE", "m", "X"), ("SM.MUTATE", "m", "boo", "", "X")])
def test_an_unknown_option(sm, command):
    assert sm(*command) == UNKNOWN_OPTION
    assert sm("SM.GET", "m") == document("bar")


def test_a_move_without_reason_leaves_the_old_one(sm):
    assert sm("SM.MUTATE", "m", "boo", "because") == OK
    assert sm("SM.MUTATE", "m", "bar", "back", "FORCE") == OK
    assert sm("SM.MUTATE", "m", "boo") == OK
    assert sm("SM.GET", "m") == document("boo", "back")
    assert sm("SM.RESET", "m") == OK
    assert sm("SM.GET", "m") == document("bar", "back")


def test_unknown_fields_are_ignored(sm):
    text = '{"name":"n","initial":"a","states":{"x":[1,{"y":null}]},"map":{"a":["a"]},"v":2}'
    assert sm("SM.SET", "other", text) == OK
    assert sm("SM.GET", "other") == bulk('{"current":"a","map":{"a":["a"]},"initial":"a","reason":""}')


NEW_FIELDS = [
    '"any":{"e":"a"}', '"any":7', '"after":{"a":{"ms":1,"to":null}}', '"after":[]', '"history":20', '"history":0',
    '"name":"n","revision":3', '"revision":"v3"',
]  # fmt: skip


@pytest.mark.parametrize("field", NEW_FIELDS)
def test_the_fields_that_the_old_module_had_not_are_unknown_fields(sm, field):
    assert sm("SM.SET", "other", '{"initial":"a","map":{"a":["a"]},%s}' % field) == OK
    assert sm("SM.GET", "other") == bulk('{"current":"a","map":{"a":["a"]},"initial":"a","reason":""}')


def test_an_object_as_a_row_is_a_wrong_type(sm):
    reply = sm("SM.SET", "m", '{"initial":"a","map":{"a":{"e":"a"}}}')
    assert reply.startswith(b"-ERR invalid machine: map.a: expected an array, found ")
    assert sm("SM.GET", "m") == document("bar")


NO_STATES = ["payed", "NX", "XX", "KEEPTTL", "GET"]


@pytest.mark.parametrize("name", NO_STATES)
def test_any_current_state_is_taken(sm, name):
    """Documented mode takes those alone that the document has otherwise."""
    assert sm("SM.MUTATE", "m", "boo", "because") == OK
    assert sm("PEXPIRE", "m", 100_000) == b":1\r\n"
    assert sm("SM.SET", "m", ORDER, name) == OK
    assert sm("SM.GET", "m") == document(name)
    assert sm("PTTL", "m") == b":-1\r\n"
    text = '{"current":"%s","initial":"bar","map":{"bar":["blee","boo"],"boo":["blee"]}}' % name
    for argument in ([], [""]):
        assert sm("SM.SET", "field", text, *argument) == OK
        assert sm("SM.GET", "field") == document(name)
    assert sm("SM.NEXT", "m") == array()
    assert sm("SM.MUTATE", "m", "boo") == REFUSED
    assert sm("SM.RESET", "m") == OK
    assert sm("SM.MUTATE", "m", name, "", "FORCE") == REFUSED
    assert sm("SM.GET", "m") == document("bar")


def test_other_errors_stay(sm):
    assert sm("SM.SET", "m", '{"initial":"a","map":{"a":[7]}}').startswith(b"-ERR invalid machine: ")
    assert sm("SM.GET", "m") == document("bar")


def test_missing_keys_are_nil(sm):
    for command in ("SM.GET none", "SM.MUTATE none a", "SM.RESET none"):
        assert sm(*command.split()) == NIL


def test_states(sm):
    assert sm("SM.STATE", "m") == array("bar")
    assert sm("SM.STATE", "m", "LIST") == array("bar", "boo")


def test_the_mode_can_be_changed_while_it_runs(server):
    with server.wire() as sm:
        assert sm("SM.SET", "m", ORDER) == OK
        assert sm("SM.MUTATE", "m", "nowhere") == NIL
        assert sm("CONFIG", "SET", "redisstate.compat", "edge") == OK
        assert sm("SM.MUTATE", "m", "nowhere") == REFUSED
        assert sm("CONFIG", "SET", "redisstate.compat", "documented") == OK
        assert sm("SM.MUTATE", "m", "nowhere") == NIL
        assert sm("CONFIG", "SET", "redisstate.compat", "neither").startswith(b"-ERR ")


# ---- the new commands, which edge doesn't bind ----------------------------------------------------

NEW = '{"map":{"a":{"go":"b"},"b":{"end":"c"}},"initial":"a"}'


@pytest.fixture
def moved(sm):
    """Yields a connection to a server with a machine at `n` that was made by SM.NEW."""
    assert sm("SM.NEW", "n", NEW) == verdict("created", "a", 1)
    return sm


def verdict(what, state, version):
    return b"*3\r\n" + bulk(what) + bulk(state) + b":%d\r\n" % version


def test_documents_of_the_new_commands_are_read_as_documented(moved):
    for command in (("SM.NEW", "other"), ("SM.REDEFINE", "n")):
        assert b"unknown field" in moved(*command, '{"initial":"a","map":{},"states":1}')
        assert b"no state" in moved(*command, '{"initial":"a","map":{},"current":"b"}')
        assert b"expected a whole number" in moved(*command, '{"initial":"a","map":{},"history":0}')
    assert moved("EXISTS", "other") == b":0\r\n"
    # SM.GET writes what the machine has.
    assert moved("SM.GET", "n") == bulk('{"current":"a",' + NEW[1:-1] + ',"reason":""}')


def test_the_new_commands_move_as_documented(moved):
    assert moved("SM.FIRE", "n", "end") == verdict("refused", "a", 1)
    assert moved("SM.MOVE", "n", "c") == verdict("refused", "a", 1)
    assert moved("SM.FIRE", "n", "go", "REASON", "why") == verdict("moved", "b", 2)
    assert moved("SM.MOVE", "n", "c") == verdict("moved", "c", 3), "a state without an entry in the map"
    assert moved("SM.GET", "n", "REASON") == bulk(""), "a move without a reason clears it"
    assert moved("SM.FORCE", "n", "a") == verdict("moved", "a", 4)
    assert moved("SM.FORCE", "n", "c") == verdict("moved", "c", 5)
    assert moved("SM.FORCE", "n", "nowhere") == verdict("refused", "c", 5)


@pytest.mark.parametrize(
    "command, expected",
    [
        (("SM.FIRE", "n", "go"), "TO, IFSTATE, IFVERSION, ID, BY, REASON, AFTER or DUE"),
        (("SM.MOVE", "n", "b"), "IFSTATE, IFVERSION, ID, BY, REASON, AFTER or DUE"),
        (("SM.FORCE", "n", "b"), "IFSTATE, IFVERSION, ID, BY, REASON, AFTER or DUE"),
        (("SM.NEW", "other", NEW), "STATE, ID, BY, REASON, AFTER or DUE"),
        (("SM.REDEFINE", "n", NEW), "RENAME, IFSTATE, IFVERSION, ID, BY, REASON, AFTER or DUE"),
        (("SM.HISTORY", "n"), "COUNT"),
    ],
    ids=["SM.FIRE", "SM.MOVE", "SM.FORCE", "SM.NEW", "SM.REDEFINE", "SM.HISTORY"],
)
def test_an_unknown_option_of_a_new_command_is_an_error_as_documented(moved, command, expected):
    """The old words have neither ERR nor the place. Only clients of the old module know them."""
    said = b"-ERR unknown option 'NO' for %s: expected %s\r\n" % (command[0].encode(), expected.encode())
    assert moved(*command, "NO") == said
    assert moved("SM.STATE", "n") == array("a")
