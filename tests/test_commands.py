"""The replies and errors of every command, in documented mode, as bytes on the wire."""

import pytest

from documents import ORDER, order
from harness import NIL, OK, array, as_edge, bulk

WRONGTYPE = b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"


@pytest.fixture
def sm(wire):
    """Yields a connection to a server with the example machine at `m`."""
    assert wire("SM.SET", "m", ORDER) == OK
    return wire


# ---- SM.TEMPLATE, SM.CREATE -------------------------------------------------------------------


def test_template_is_an_empty_document(wire):
    assert wire("SM.TEMPLATE") == bulk('{"current":"","map":{},"initial":""}')


def test_template_can_be_set(wire):
    template = b'{"current":"","map":{},"initial":""}'
    assert wire("SM.SET", "m", template) == OK
    assert wire("SM.GET", "m") == bulk(template)


def test_create_makes_a_blank_machine(wire):
    assert wire("SM.CREATE", "m") == OK
    assert wire("SM.GET", "m") == bulk('{"current":"","map":{},"initial":""}')
    assert wire("SM.STATE", "m") == array("")
    assert wire("SM.STATE", "m", "LIST") == b"*0\r\n"
    assert wire("TYPE", "m") == b"+StateType\r\n"


# ---- SM.SET, SM.GET ---------------------------------------------------------------------------


def test_get_writes_the_normal_form(sm):
    assert sm("SM.GET", "m") == bulk('{"current":"bar","map":{"bar":["blee","boo"],"boo":["blee"]},"initial":"bar"}')


def test_get_of_a_missing_key_is_nil(wire):
    assert wire("SM.GET", "none") == NIL
    assert wire("SM.GET", "none", "REASON") == NIL


def test_fields_may_come_in_any_order_and_with_spaces(wire):
    spaced = b' {\n "map" : { "a" : [ "b" ] } ,\t"initial":"a" , "current" : "b"\r\n} '
    assert wire("SM.SET", "m", spaced) == OK
    assert wire("SM.GET", "m") == bulk('{"current":"b","map":{"a":["b"]},"initial":"a"}')


def test_order_and_repeats_of_keys_and_targets_stay(wire):
    text = '{"current":"z","map":{"z":["b","a","b","z"],"a":[],"m":["a"]},"initial":"z"}'
    assert wire("SM.SET", "m", text) == OK
    assert wire("SM.GET", "m") == bulk(text)


@pytest.mark.parametrize("field", ["", '"current":"",'])
def test_empty_or_missing_current_means_initial(wire, field):
    assert wire("SM.SET", "m", '{%s"initial":"a","map":{"a":["b"]}}' % field) == OK
    assert wire("SM.STATE", "m") == array("a")


def test_current_of_the_document_is_taken(wire):
    assert wire("SM.SET", "m", '{"current":"b","initial":"a","map":{"a":["b"]}}') == OK
    assert wire("SM.STATE", "m") == array("b")


def test_current_argument_wins_over_the_document(wire):
    text = '{"current":"b","initial":"a","map":{"a":["b","c"]}}'
    assert wire("SM.SET", "m", text, "c") == OK
    assert wire("SM.STATE", "m") == array("c")


def test_empty_current_argument_leaves_the_documents(wire):
    assert wire("SM.SET", "m", '{"current":"b","initial":"a","map":{"a":["b"]}}', "") == OK
    assert wire("SM.STATE", "m") == array("b")


def test_initial_is_a_state_even_when_the_map_has_it_not(wire):
    assert wire("SM.SET", "m", '{"current":"b","initial":"i","map":{"a":["b"]}}') == OK
    assert wire("SM.GET", "m") == bulk('{"current":"b","map":{"a":["b"]},"initial":"i"}')
    for state in ("i", "a", "b"):
        assert wire("SM.MUTATE", "m", state, "", "FORCE") == OK
    assert wire("SM.MUTATE", "m", "zzz", "", "FORCE") == NIL


@pytest.mark.parametrize("state", ["i", "a", "b"])
def test_initial_a_key_or_a_target_may_be_current(wire, state):
    text = '{"current":"%s","map":{"a":["b"]},"initial":"i"}' % state
    assert wire("SM.SET", "field", text) == OK
    assert wire("SM.SET", "argument", '{"map":{"a":["b"]},"initial":"i"}', state) == OK
    for key in ("field", "argument"):
        assert wire("SM.GET", key) == bulk(text)


# ---- a current state that the document has not ------------------------------------------------

# A slip of the pen, and options that a plain SET of the server has.
NO_STATES = ["payed", "NX", "XX", "KEEPTTL", "GET"]
FAR = 33177117420000


def no_state(name, advice):
    return b'-ERR invalid machine: current: the document has no state "%s": %s\r\n' % (name.encode(), advice)


def no_field(name):
    return no_state(name, b"add it to the map or correct it")


def no_argument(name):
    return no_state(name, b"the argument is the current state, and there are no options")


@pytest.fixture
def live(sm):
    """The wire, with a machine at `m` that has moved for a reason and expires."""
    assert sm("SM.MUTATE", "m", "boo", "shipped") == OK
    assert sm("PEXPIREAT", "m", FAR) == b":1\r\n"
    yield sm
    assert sm("SM.GET", "m") == bulk(order("boo", "shipped"))
    assert sm("SM.GET", "m", "REASON") == bulk("shipped")
    assert sm("PEXPIRETIME", "m") == b":%d\r\n" % FAR


@pytest.mark.parametrize("name", NO_STATES)
def test_an_unlisted_current_argument_is_refused(live, name):
    light = b'{"initial":"on","map":{"on":["off"],"off":["on"]}}'
    for text in (ORDER, light, order(name), light):
        assert live("SM.SET", "m", text, name) == no_argument(name)
    assert live("SM.SET", "new", ORDER, name) == no_argument(name)
    assert live("EXISTS", "new") == b":0\r\n"
    assert live("SM.MUTATE", "m", name, "", "FORCE") == NIL


@pytest.mark.parametrize("name", NO_STATES)
def test_an_unlisted_current_field_is_refused(live, name):
    at_the_end = ORDER[:-1] + b',"current":"%s"}' % name.encode()
    for text in (order(name), at_the_end, order(name, "a reason"), order(name)):
        assert live("SM.SET", "m", text) == no_field(name)
        assert live("SM.SET", "m", text, "") == no_field(name)
    assert live("SM.SET", "new", order(name)) == no_field(name)
    assert live("EXISTS", "new") == b":0\r\n"
    assert live("SM.MUTATE", "m", name, "", "FORCE") == NIL


def test_an_unlisted_current_field_does_not_matter_beside_an_argument(wire):
    assert wire("SM.SET", "m", order("payed"), "boo") == OK
    assert wire("SM.GET", "m") == bulk(order("boo"))
    assert wire("SM.MUTATE", "m", "payed", "", "FORCE") == NIL


def test_an_unlisted_current_state_is_refused_whatever_machines_have_it(db, live):
    """Those of an edge server and of version 1.0 do; they are no reason to make another one."""
    as_edge(db, "SM.SET", "old", ORDER, "payed")
    assert live("SM.GET", "old") == bulk(order("payed"))
    assert live("SM.SET", "m", ORDER, "payed") == no_argument("payed")
    assert live("SM.SET", "m", order("payed")) == no_field("payed")
    assert live("SM.SET", "old", order("payed")) == no_field("payed")
    assert live("SM.GET", "old") == bulk(order("payed"))


def test_an_unlisted_state_that_is_there_stays_one(db, wire):
    as_edge(db, "SM.SET", "m", ORDER, "elsewhere")
    assert wire("SM.GET", "m") == bulk(order("elsewhere"))
    assert wire("SM.STATE", "m") == array("elsewhere")
    assert wire("SM.MUTATE", "m", "boo") == NIL
    assert wire("SM.RESET", "m") == OK
    assert wire("SM.MUTATE", "m", "elsewhere", "", "FORCE") == OK
    assert wire("SM.GET", "m") == bulk(order("elsewhere"))


# ---- the rest of a document -------------------------------------------------------------------


def test_reason_of_the_document_is_kept(wire):
    text = '{"current":"a","map":{"a":["b"]},"initial":"a","reason":"moved over"}'
    assert wire("SM.SET", "m", text) == OK
    assert wire("SM.GET", "m") == bulk(text)
    assert wire("SM.GET", "m", "REASON") == bulk("moved over")


def test_empty_reason_of_the_document_is_no_reason(wire):
    assert wire("SM.SET", "m", '{"initial":"a","map":{"a":[]},"reason":""}') == OK
    assert wire("SM.GET", "m") == bulk('{"current":"a","map":{"a":[]},"initial":"a"}')


def test_set_replaces_a_machine(sm):
    assert sm("SM.MUTATE", "m", "boo", "why") == OK
    assert sm("SM.SET", "m", '{"initial":"x","map":{}}') == OK
    assert sm("SM.GET", "m") == bulk('{"current":"x","map":{},"initial":"x"}')
    assert sm("SM.GET", "m", "REASON") == bulk("")


def test_what_get_gives_can_be_set_again(sm):
    sm("SM.MUTATE", "m", "boo", 'quote " and \\ and \n')
    text = sm("SM.GET", "m")
    json = text.split(b"\r\n", 1)[1][:-2]
    assert sm("SM.SET", "copy", json) == OK
    assert sm("SM.GET", "copy") == text


# ---- SM.STATE ---------------------------------------------------------------------------------


def test_state_is_an_array_of_one(sm):
    assert sm("SM.STATE", "m") == array("bar")


def test_state_list_is_the_maps_keys(sm):
    assert sm("SM.STATE", "m", "LIST") == array("bar", "boo")


def test_state_of_a_missing_key_is_nil(wire):
    assert wire("SM.STATE", "none") in (NIL, b"*-1\r\n")
    assert wire("SM.STATE", "none", "LIST") in (NIL, b"*-1\r\n")


# ---- SM.MUTATE --------------------------------------------------------------------------------


def test_an_allowed_move(sm):
    assert sm("SM.MUTATE", "m", "boo") == OK
    assert sm("SM.GET", "m") == bulk(order("boo"))


def test_a_refused_move_is_nil_and_changes_nothing(sm):
    assert sm("SM.MUTATE", "m", "boo", "first") == OK
    assert sm("SM.MUTATE", "m", "bar", "second") == NIL
    assert sm("SM.GET", "m") == bulk(order("boo", "first"))


def test_staying_where_it_is_needs_a_transition_too(wire):
    assert wire("SM.SET", "m", '{"initial":"a","map":{"a":["a","b"],"b":[]}}') == OK
    assert wire("SM.MUTATE", "m", "a") == OK
    assert wire("SM.MUTATE", "m", "b") == OK
    assert wire("SM.MUTATE", "m", "b") == NIL


def test_a_target_without_an_entry_is_terminal(sm):
    assert sm("SM.MUTATE", "m", "blee") == OK
    assert sm("SM.STATE", "m") == array("blee")
    for state in ("bar", "boo", "blee"):
        assert sm("SM.MUTATE", "m", state) == NIL


def test_mutate_of_a_missing_key_is_nil_and_makes_none(wire):
    assert wire("SM.MUTATE", "none", "a") == NIL
    assert wire("SM.MUTATE", "none", "a", "why", "FORCE") == NIL
    assert wire("EXISTS", "none") == b":0\r\n"


def test_the_reason_is_that_of_the_last_move(sm):
    assert sm("SM.GET", "m", "REASON") == bulk("")
    assert sm("SM.MUTATE", "m", "boo", "because") == OK
    assert sm("SM.GET", "m", "REASON") == bulk("because")
    assert sm("SM.GET", "m") == bulk(order("boo", "because"))
    assert sm("SM.MUTATE", "m", "blee") == OK
    assert sm("SM.GET", "m", "REASON") == bulk("")
    assert sm("SM.GET", "m") == bulk(order("blee"))


def test_an_empty_reason_is_none(sm):
    assert sm("SM.MUTATE", "m", "boo", "because") == OK
    assert sm("SM.MUTATE", "m", "blee", "") == OK
    assert sm("SM.GET", "m") == bulk(order("blee"))


def test_force_goes_to_any_known_state(sm):
    assert sm("SM.MUTATE", "m", "blee") == OK
    assert sm("SM.MUTATE", "m", "bar", "rolled back", "FORCE") == OK
    assert sm("SM.GET", "m") == bulk(order("bar", "rolled back"))
    assert sm("SM.MUTATE", "m", "blee", "", "FORCE") == OK


def test_force_to_an_unknown_state_is_nil(sm):
    assert sm("SM.MUTATE", "m", "nowhere", "", "FORCE") == NIL
    assert sm("SM.GET", "m") == bulk(order())


# ---- SM.RESET ---------------------------------------------------------------------------------


def test_reset_goes_back_to_initial_and_clears_the_reason(sm):
    assert sm("SM.MUTATE", "m", "boo", "because") == OK
    assert sm("SM.RESET", "m") == OK
    assert sm("SM.GET", "m") == bulk(order())


def test_reset_of_a_missing_key_is_nil(wire):
    assert wire("SM.RESET", "none") == NIL
    assert wire("EXISTS", "none") == b":0\r\n"


# ---- options ----------------------------------------------------------------------------------


@pytest.mark.parametrize("spell", [str.lower, str.upper, str.title])
def test_options_are_case_insensitive(sm, spell):
    assert sm("SM.STATE", "m", spell("list")) == array("bar", "boo")
    assert sm("SM.MUTATE", "m", "bar", "why", spell("force")) == OK
    assert sm("SM.GET", "m", spell("reason")) == bulk("why")


@pytest.mark.parametrize(
    "command, expected",
    [
        (("SM.GET", "m", "X"), b"-ERR unknown option 'X' for SM.GET: expected REASON\r\n"),
        (("SM.STATE", "m", "X"), b"-ERR unknown option 'X' for SM.STATE: expected LIST\r\n"),
        (
            ("SM.MUTATE", "m", "boo", "why", "X"),
            b"-ERR unknown option 'X' for SM.MUTATE: expected FORCE\r\n",
        ),
    ],
)
def test_an_unknown_option_is_an_error_that_says_what_was_expected(sm, command, expected):
    assert sm(*command) == expected
    assert sm("SM.GET", "m") == bulk(order())


@pytest.mark.parametrize("option", ["", "REASONS", "REASO", "a\0b", "a\r\nb", "é", "x" * 5000])
def test_any_bytes_as_an_option_are_one_error_line(sm, option):
    reply = sm("SM.GET", "m", option)
    assert reply.startswith(b"-ERR unknown option '") and reply.count(b"\r\n") == 1
    assert len(reply) < 250 and (b"...'" in reply) == (len(option) > 250), reply
    assert sm("PING") == b"+PONG\r\n"


# ---- wrong types ------------------------------------------------------------------------------

ON_A_KEY = [
    ("SM.SET", "k", ORDER),
    ("SM.SET", "k", ORDER, "boo"),
    ("SM.CREATE", "k"),
    ("SM.GET", "k"),
    ("SM.GET", "k", "REASON"),
    ("SM.STATE", "k"),
    ("SM.STATE", "k", "LIST"),
    ("SM.MUTATE", "k", "boo"),
    ("SM.MUTATE", "k", "boo", "why", "FORCE"),
    ("SM.RESET", "k"),
]


@pytest.mark.parametrize("command", ON_A_KEY, ids=lambda c: " ".join(map(str, c[:1] + c[2:])))
@pytest.mark.parametrize("make", [("SET", "k", "v"), ("HSET", "k", "f", "v"), ("XADD", "k", "1-1", "f", "v")])
def test_wrongtype(wire, command, make):
    wire(*make)
    kind = wire("TYPE", "k")
    assert wire(*command) == WRONGTYPE
    assert wire("TYPE", "k") == kind


def test_other_types_commands_refuse_a_machine(sm):
    assert sm("GET", "m") == WRONGTYPE
    assert sm("HGETALL", "m") == WRONGTYPE
    assert sm("APPEND", "m", "x") == WRONGTYPE
    assert sm("SM.GET", "m") == bulk(order())


# ---- time to live -----------------------------------------------------------------------------


def test_set_clears_the_ttl_as_SET_does(sm):
    assert sm("EXPIRE", "m", 1000) == b":1\r\n"
    assert sm("SM.SET", "m", ORDER) == OK
    assert sm("TTL", "m") == b":-1\r\n"


@pytest.mark.parametrize("command", [("SM.MUTATE", "m", "boo"), ("SM.RESET", "m"), ("SM.MUTATE", "m", "nowhere")])
def test_moves_keep_the_ttl(sm, command):
    assert sm("PEXPIREAT", "m", 33177117420000) == b":1\r\n"
    sm(*command)
    assert sm("PEXPIRETIME", "m") == b":33177117420000\r\n"


def test_an_expired_machine_is_missing(sm):
    sm("PEXPIREAT", "m", 1)
    assert sm("SM.GET", "m") == NIL
    assert sm("SM.MUTATE", "m", "boo") == NIL
    assert sm("SM.RESET", "m") == NIL


def test_a_refused_set_leaves_the_ttl(sm):
    sm("PEXPIREAT", "m", 33177117420000)
    assert sm("SM.SET", "m", "{").startswith(b"-ERR invalid machine: ")
    assert sm("PEXPIRETIME", "m") == b":33177117420000\r\n"


# ---- MULTI, scripts, WATCH --------------------------------------------------------------------


def test_multi(sm):
    assert sm("MULTI") == OK
    queued = [("SM.MUTATE", "m", "boo", "r"), ("SM.MUTATE", "m", "bar"), ("SM.GET", "m")]
    for command in queued:
        assert sm(*command) == b"+QUEUED\r\n"
    assert sm("EXEC") == b"*3\r\n" + OK + NIL + bulk(order("boo", "r"))


def test_lua(sm):
    script = """
        local moved = redis.call('SM.MUTATE', KEYS[1], ARGV[1], ARGV[2])
        local refused = redis.call('SM.MUTATE', KEYS[1], 'bar')
        local state = redis.call('SM.STATE', KEYS[1])
        local wrong = redis.pcall('SM.GET', KEYS[1], 'NONSENSE')
        return {moved.ok, tostring(refused), state[1], wrong.err ~= nil and 1 or 0}
    """
    reply = sm("EVAL", script, 1, "m", "boo", "why")
    assert reply == b"*4\r\n" + bulk("OK") + bulk("false") + bulk("boo") + b":1\r\n"
    assert sm("SM.GET", "m") == bulk(order("boo", "why"))


def watched(db, command):
    """Returns whether another client's command makes a transaction that watches `m` fail."""
    with db.server.wire() as watcher, db.server.wire() as other:
        other("SM.SET", "m", ORDER)
        assert watcher("WATCH", "m") == OK
        other(*command)
        watcher("MULTI")
        watcher("PING")
        return watcher("EXEC") in (NIL, b"*-1\r\n")


@pytest.mark.parametrize("command", [("SM.MUTATE", "m", "boo"), ("SM.SET", "m", ORDER), ("SM.CREATE", "m")])
def test_watch_is_tripped_by_a_change(db, command):
    assert watched(db, command)


@pytest.mark.parametrize(
    "command",
    [
        ("SM.MUTATE", "m", "nowhere"),
        ("SM.MUTATE", "m", "nowhere", "", "FORCE"),
        ("SM.MUTATE", "m", "boo", "why", "NONSENSE"),
        ("SM.SET", "m", "{"),
        ("SM.GET", "m"),
        ("SM.STATE", "m", "LIST"),
    ],
)
def test_watch_is_not_tripped_by_what_changes_nothing(db, command):
    assert not watched(db, command)


def test_refused_writes_dirty_nothing(db):
    db.execute_command("SM.SET", "m", ORDER)
    before = db.info("persistence")["rdb_changes_since_last_save"]
    db.execute_command("SM.MUTATE", "m", "nowhere")
    db.execute_command("SM.MUTATE", "none", "boo")
    db.execute_command("SM.RESET", "none")
    assert db.info("persistence")["rdb_changes_since_last_save"] == before
    db.execute_command("SM.MUTATE", "m", "boo")
    assert db.info("persistence")["rdb_changes_since_last_save"] == before + 1


# ---- RESP3 ------------------------------------------------------------------------------------


def test_resp3_shapes(sm):
    sm("HELLO", "3")
    assert sm("SM.TEMPLATE") == bulk('{"current":"","map":{},"initial":""}')
    assert sm("SM.GET", "m") == bulk(order())
    assert sm("SM.GET", "m", "REASON") == bulk("")
    assert sm("SM.STATE", "m") == array("bar")
    assert sm("SM.STATE", "m", "LIST") == array("bar", "boo")
    assert sm("SM.MUTATE", "m", "boo") == OK
    assert sm("SM.RESET", "m") == OK
    missing = ("SM.GET none", "SM.GET none REASON", "SM.STATE none", "SM.STATE none LIST")
    for command in (*missing, "SM.MUTATE none x", "SM.MUTATE m nowhere", "SM.RESET none"):
        assert sm(*command.split()) == b"_\r\n", command
