"""The bytes of every reply in RESP2 and RESP3. They are frozen, because clients rely on them."""

import pytest

from documents import ORDER
from harness import OK, array, bulk

BLANK = b'{"current":"","map":{},"initial":""}'
DOCUMENT = b'{"current":"bar","map":{"bar":["blee","boo"],"boo":["blee"]},"initial":"bar"}'
WRONGTYPE = b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
ONE, ZERO = b":1\r\n", b":0\r\n"
NIL = {2: b"$-1\r\n", 3: b"_\r\n"}
MERMAID = """stateDiagram-v2
    state "bar" as s0
    state "boo" as s1
    state "blee" as s2
    [*] --> s0
    s0 --> s2
    s0 --> s1
    s1 --> s2
    s2 --> [*]
    classDef current fill:#fc3,stroke:#333,stroke-width:2px
    class s0 current
"""
DOT = """digraph machine {
    rankdir=LR;
    node [shape=box, style=rounded];
    start [shape=point, label=""];
    s0 [label="bar", style="rounded,filled", fillcolor="#ffcc33"];
    s1 [label="boo"];
    s2 [label="blee", peripheries=2];
    start -> s0;
    s0 -> s2;
    s0 -> s1;
    s1 -> s2;
}
"""
UNREACHABLE = ["warning", "unreachable", "x", "no path leads here from the initial state"]
REPEATED = ["info", "repeated-target", "a", "a target is listed more than once in this state's entry"]
FINDINGS = b"*2\r\n" + array(*UNREACHABLE) + array(*REPEATED)

# On a machine of ORDER in `m` (state bar), one with findings in `odd`, a string in `text`. None is nil.
REPLIES = [
    ("SM.TEMPLATE", bulk(BLANK)),
    (("SM.SET", "m", ORDER), OK),
    (("SM.SET", "m", ORDER, "boo"), OK),
    (("SM.SET", "m", "7"), b"-ERR invalid machine: document: expected an object, found 7\r\n"),
    (("SM.SET", "text", ORDER), WRONGTYPE),
    ("SM.CREATE m", OK),
    ("SM.CREATE text", WRONGTYPE),
    ("SM.GET m", bulk(DOCUMENT)),
    ("SM.GET m REASON", bulk("")),
    ("SM.GET none", None),
    ("SM.GET none REASON", None),
    ("SM.GET text", WRONGTYPE),
    ("SM.GET m NO", b"-ERR unknown option 'NO' for SM.GET: expected REASON\r\n"),
    ("SM.STATE m", array("bar")),
    ("SM.STATE m LIST", array("bar", "boo")),
    ("SM.STATE none", None),
    ("SM.STATE none LIST", None),
    ("SM.STATE text", WRONGTYPE),
    ("SM.STATE m NO", b"-ERR unknown option 'NO' for SM.STATE: expected LIST\r\n"),
    ("SM.MUTATE m boo", OK),
    ("SM.MUTATE m boo why", OK),
    ("SM.MUTATE m blee why FORCE", OK),
    ("SM.MUTATE m bar", None),
    ("SM.MUTATE m nowhere why FORCE", None),
    ("SM.MUTATE none boo", None),
    ("SM.MUTATE text boo", WRONGTYPE),
    ("SM.MUTATE m boo why NO", b"-ERR unknown option 'NO' for SM.MUTATE: expected FORCE\r\n"),
    (("SM.MUTATE", "m", "boo", b"\xff"), b"-ERR invalid reason: not UTF-8 at byte 0\r\n"),
    ("SM.RESET m", OK),
    ("SM.RESET none", None),
    ("SM.RESET text", WRONGTYPE),
    ("SM.NEXT m", array("blee", "boo")),
    ("SM.NEXT blank", array()),
    ("SM.NEXT none", None),
    ("SM.NEXT text", WRONGTYPE),
    ("SM.CAN m boo", ONE),
    ("SM.CAN m bar", ZERO),
    ("SM.CAN m nowhere", ZERO),
    ("SM.CAN none boo", None),
    ("SM.CAN text boo", WRONGTYPE),
    ("SM.EXPORT m MERMAID", bulk(MERMAID)),
    ("SM.EXPORT m dot", bulk(DOT)),
    ("SM.EXPORT none DOT", None),
    ("SM.EXPORT text DOT", WRONGTYPE),
    ("SM.EXPORT m SVG", b"-ERR unknown option 'SVG' for SM.EXPORT: expected MERMAID or DOT\r\n"),
    ("SM.EXPORT none SVG", b"-ERR unknown option 'SVG' for SM.EXPORT: expected MERMAID or DOT\r\n"),
    ("SM.LINT m", array()),
    ("SM.LINT odd", FINDINGS),
    ("SM.LINT none", None),
    ("SM.LINT text", WRONGTYPE),
]


def words(command):
    return command.split() if isinstance(command, str) else list(command)


@pytest.fixture
def connection(wire, protocol):
    """Yields a connection in this protocol, to a server with the keys of REPLIES."""
    wire("HELLO", protocol)
    wire("SM.SET", "m", ORDER)
    wire("SM.SET", "odd", '{"initial":"a","map":{"a":["a","a"],"x":["a"]}}')
    wire("SM.CREATE", "blank")
    wire("SET", "text", "text")
    return wire


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize(("command", "expected"), REPLIES)
def test_reply(connection, protocol, command, expected):
    assert connection(*words(command)) == (NIL[protocol] if expected is None else expected)


@pytest.mark.parametrize("protocol", [2, 3])
def test_binary_names_and_reasons(connection, protocol):
    name, reason = 'é\0\r\n"🚀', "line\r\nfeed \0"
    connection("SM.SET", "m", '{"initial":"a","map":{"a":["é\\u0000\\r\\n\\"🚀"]}}')
    assert connection("SM.NEXT", "m") == array(name)
    assert connection("SM.CAN", "m", name) == ONE
    assert connection("SM.MUTATE", "m", name, reason) == OK
    assert connection("SM.STATE", "m") == array(name)
    assert connection("SM.GET", "m", "REASON") == bulk(reason)


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("command", ["SM.TEMPLATE x", "SM.GET", "SM.NEXT m x", "SM.LINT m x", "SM.MUTATE m"])
def test_the_wrong_number_of_arguments(connection, protocol, command):
    name = command.split()[0]
    expected = f"-ERR wrong number of arguments for '{name}' command\r\n".encode()
    assert connection(*command.split()).lower() == expected.lower()


@pytest.mark.parametrize("protocol", [2, 3])
def test_within_a_transaction_the_shapes_are_the_same(connection, protocol):
    connection("MULTI")
    for command in ("SM.CAN m boo", "SM.NEXT m", "SM.MUTATE m bar", "SM.LINT odd"):
        assert connection(*command.split()) == b"+QUEUED\r\n"
    expected = b"*4\r\n" + ONE + array("blee", "boo") + NIL[protocol] + FINDINGS
    assert connection("EXEC") == expected


def test_lua_sees_nil_as_false(db):
    script = "return type(redis.call('SM.MUTATE', KEYS[1], 'boo'))"
    assert db.eval(script, 1, "none") == b"boolean"


# ---- edge mode: the frozen words of the old module ----------------------------------------------

EDGE = [
    ("SM.TEMPLATE", bulk(b'{"current":"","map":{},"initial":"","reason":""}')),
    ("SM.GET m", bulk(DOCUMENT[:-1] + b',"reason":""}')),
    ("SM.MUTATE m bar", b"-Invaild state transition\r\n"),
    ("SM.MUTATE m blee", b"-Invaild state transition\r\n"),
    ("SM.MUTATE m boo why NO", b"-Invaild command option\r\n"),
    ("SM.GET m NO", b"-Invaild command option\r\n"),
    ("SM.EXPORT m SVG", b"-Invaild command option\r\n"),
    ("SM.MUTATE m boo", OK),
    ("SM.MUTATE none boo", None),
    ("SM.NEXT m", array("boo")),
    ("SM.CAN m blee", ZERO),
    ("SM.LINT m", array()),
]


@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize(("command", "expected"), EDGE)
def test_reply_in_edge_mode(edge, protocol, command, expected):
    with edge.server.wire() as wire:
        wire("HELLO", protocol)
        wire("SM.SET", "m", ORDER)
        assert wire(*words(command)) == (NIL[protocol] if expected is None else expected)
