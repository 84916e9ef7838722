"""Refused documents: the error names the place, and the stored machine doesn't change."""

import json

import pytest

from documents import ORDER, order
from harness import OK, bulk, wait_until

REFUSED = {
    # the mistake: (document, words that the error must have)
    "empty": (b"", []),
    "not json": (b"hello", []),
    "cut": (b'{"initial":"a","map":{"a":["b"', []),
    "two documents": (b'{"initial":"a","map":{}}{"initial":"a","map":{}}', []),
    "rubbish behind": (b'{"initial":"a","map":{}} x', []),
    "trailing comma": (b'{"initial":"a","map":{},}', []),
    "an array": (b"[]", ["expected an object"]),
    "a string": (b'"a"', ["expected an object"]),
    "a number": (b"7", ["expected an object"]),
    "null": (b"null", ["expected an object"]),
    "nul byte": (b'{"initial":"a","map":{"a":["b\0c"]}}', []),
    "raw newline in a name": (b'{"initial":"a","map":{"a":["b\nc"]}}', []),
    "byte order mark": (b'\xef\xbb\xbf{"initial":"a","map":{}}', []),
    "no initial": (b'{"map":{}}', ["initial"]),
    "no map": (b'{"initial":"a"}', ["map"]),
    "nothing": (b"{}", ["map"]),
    "initial not a string": (b'{"initial":7,"map":{}}', ["initial: expected a string, found 7"]),
    "initial null": (b'{"initial":null,"map":{}}', ["initial: expected a string, found null"]),
    "current not a string": (b'{"initial":"a","map":{},"current":true}', ["current: expected a string, found true"]),
    "reason not a string": (b'{"initial":"a","map":{},"reason":[]}', ["reason: expected a string, found an array"]),
    "map not an object": (b'{"initial":"a","map":[]}', ["map: expected an object, found an array"]),
    "map a string": (b'{"initial":"a","map":"x"}', ["map: expected an object"]),
    "targets not an array": (b'{"initial":"a","map":{"a":"b"}}', ["map.a: expected an array or an object, found"]),
    "event's target a number": (
        b'{"initial":"a","map":{"a":{"e":7}}}',
        ["map.a.e: expected a string or an array, found 7"],
    ),
    "event's target an object": (
        b'{"initial":"a","map":{"a":{"e":{}}}}',
        ["map.a.e: expected a string or an array, found an object"],
    ),
    "event twice": (b'{"initial":"a","map":{"a":{"e":"a","e":"b"}}}', ["map.a.e: key given twice"]),
    "event's target twice": (b'{"initial":"a","map":{"a":{"e":["a","a"]}}}', ["map.a.e[1]: target given twice"]),
    "any without a name": (b'{"initial":"a","map":{},"any":{"":"a"}}', ["an event of any needs a name"]),
    "any without a target": (b'{"initial":"a","map":{},"any":{"e":[]}}', ["an event of any needs a target"]),
    "timer of no state": (b'{"initial":"a","map":{},"after":{"b":{"to":"a"}}}', ['no state "b"']),
    "timer to nowhere": (b'{"initial":"a","map":{},"after":{"a":{"ms":1}}}', ["after.a.to: missing"]),
    "timer of no time": (b'{"initial":"a","map":{},"after":{"a":{"ms":0,"to":"a"}}}', ["after.a.ms: expected"]),
    "history of none": (b'{"initial":"a","map":{},"history":0}', ["history: expected a whole number from 1 to 255"]),
    "history too long": (b'{"initial":"a","map":{},"history":256}', ["history: expected a whole number from 1 to 255"]),
    "history of a half": (b'{"initial":"a","map":{},"history":1.5}', ["history: expected a whole number"]),
    "history a text": (b'{"initial":"a","map":{},"history":"20"}', ["history: expected a whole number"]),
    "timer of too much time": (
        b'{"initial":"a","map":{},"after":{"a":{"ms":9007199254740992,"to":"a"}}}',
        ["after.a.ms: expected a whole number from 1 to 9007199254740991"],
    ),
    "timer with a field more": (b'{"initial":"a","map":{},"after":{"a":{"to":"a","at":1}}}', ["expected ms or to"]),
    "timer twice": (b'{"initial":"a","map":{},"after":{"a":{"to":"a"},"a":{"to":"a"}}}', ["after.a: key given twice"]),
    "no name": (b'{"initial":"a","map":{},"name":""}', ["name: expected 1 to 256 bytes, found 0 bytes"]),
    "long name": (
        b'{"initial":"a","map":{},"name":"%s"}' % (b"n" * 257),
        ["name: expected 1 to 256 bytes, found 257 bytes"],
    ),
    "name not a string": (b'{"initial":"a","map":{},"name":7}', ["name: expected a string, found 7"]),
    "revision alone": (b'{"initial":"a","map":{},"revision":1}', ["revision: only a document with a name has one"]),
    "revision alone, first": (
        b'{"revision":0,"initial":"a","map":{}}',
        ["revision: only a document with a name has one"],
    ),
    "revision too large": (
        b'{"initial":"a","map":{},"name":"n","revision":4294967296}',
        ["revision: expected a whole number from 0 to 4294967295"],
    ),
    "revision below zero": (
        b'{"initial":"a","map":{},"name":"n","revision":-1}',
        ["revision: expected a whole number from 0 to 4294967295"],
    ),
    "current of no state": (b'{"initial":"a","map":{},"current":"b"}', ['the document has no state "b"']),
    "target a number": (
        b'{"initial":"a","map":{"bar":["b",7]}}',
        ["invalid machine: map.bar[1]: expected a string, found 7"],
    ),
    "target an array": (b'{"initial":"a","map":{"a":[["b"]]}}', ["map.a[0]: expected a string, found an array"]),
    "target null": (b'{"initial":"a","map":{"a":["b","c",null]}}', ["map.a[2]: expected a string, found null"]),
    "unknown field": (b'{"initial":"a","map":{},"states":[]}', ["states"]),
    "misspelt field": (b'{"initial":"a","map":{},"Current":"a"}', ["Current"]),
    "field twice": (b'{"initial":"a","map":{},"initial":"b"}', ["initial"]),
    "map twice": (b'{"initial":"a","map":{},"map":{}}', ["map"]),
    "state twice": (b'{"initial":"a","map":{"a":["b"],"c":[],"a":["c"]}}', ["map", "a"]),
    "state twice, once escaped": (b'{"initial":"a","map":{"a":["b"],"\\u0061":["c"]}}', ["map", "a"]),
    "lone high surrogate": (b'{"initial":"a","map":{"a":["\\ud800"]}}', []),
    "lone low surrogate": (b'{"initial":"a","map":{"a":["\\udc00x"]}}', []),
    "surrogates reversed": (b'{"initial":"a","map":{"a":["\\udc00\\ud800"]}}', []),
    "invalid utf-8": (b'{"initial":"a","map":{"a":["\xff"]}}', []),
    "overlong utf-8": (b'{"initial":"a","map":{"a":["\xc0\xaf"]}}', []),
    "utf-8 surrogate": (b'{"initial":"a","map":{"a":["\xed\xa0\x80"]}}', []),
    "cut utf-8": (b'{"initial":"a","map":{"a":["\xe2\x82"]}}', []),
    "bad escape": (b'{"initial":"a","map":{"a":["\\x41"]}}', []),
    "short escape": (b'{"initial":"a","map":{"a":["\\u12"]}}', []),
    "utf-16": ('{"initial":"a","map":{}}'.encode("utf-16-le"), []),
    "nan": (b'{"initial":NaN,"map":{}}', []),
    "comment": (b'{"initial":"a",/* c */"map":{}}', []),
    "single quotes": (b"{'initial':'a','map':{}}", []),
    "huge number": (b'{"initial":' + b"9" * 400 + b',"map":{}}', []),
}


@pytest.fixture
def sm(wire):
    assert wire("SM.SET", "m", ORDER) == OK
    assert wire("SM.MUTATE", "m", "boo", "kept") == OK
    return wire


def refuse(sm, text):
    """Checks that a refused document doesn't change the stored machine. Returns the error."""
    reply = sm("SM.SET", "m", text)
    assert reply.startswith(b"-ERR invalid machine: "), reply
    assert reply.count(b"\r\n") == 1
    assert len(reply) < 1000, "an error is a line to be read, however large the document"
    # The same in the other commands that read a document, whatever the key holds.
    for key in ("new", "m"):
        assert sm("SM.SET", key, text) == sm("SM.NEW", key, text) == sm("SM.REDEFINE", key, text) == reply
    assert sm("SM.GET", "m") == bulk(order("boo", "kept"))
    assert sm("EXISTS", "new") == b":0\r\n"
    return reply


@pytest.mark.parametrize("what", REFUSED)
def test_refused(sm, what):
    text, words = REFUSED[what]
    reply = refuse(sm, text).decode()
    for word in words:
        assert word in reply


def deep(levels):
    return b'{"initial":"a","map":' + b'{"a":' * levels + b"[]" + b"}" * levels + b"}"


@pytest.mark.parametrize("levels", [3, 100, 10_000, 1_000_000])
def test_deep_objects(sm, levels):
    refuse(sm, deep(levels))


@pytest.mark.parametrize("levels", [100, 10_000, 1_000_000])
@pytest.mark.parametrize("text", [b"[", b'{"map":', b'{"initial":"a","map":{"a":['])
def test_deep_and_unclosed(sm, text, levels):
    refuse(sm, text * levels)


def test_a_document_over_the_limit_says_which_limit(sm):
    limit = 16 * 1024 * 1024
    text = b'{"initial":"a","map":{}}' + b" " * limit
    reply = refuse(sm, text)
    assert b"%d bytes, over the limit of %d" % (len(text), limit) in reply
    assert b"redisstate.max-document-bytes" in reply


def test_more_states_than_the_limit(sm):
    text = json.dumps({"initial": "0", "map": {str(i): [] for i in range(100_001)}})
    assert b"redisstate.max-states" in refuse(sm, text)


def test_more_transitions_than_the_limit(sm):
    text = json.dumps({"initial": "a", "map": {"a": ["a"] * 1_000_001}})
    assert b"redisstate.max-transitions" in refuse(sm, text)


def test_a_longer_reason_than_the_limit(sm):
    reply = sm("SM.MUTATE", "m", "blee", "x" * 65_537)
    assert reply.startswith(b"-ERR ") and b"redisstate.max-reason-bytes" in reply
    assert sm("SM.GET", "m") == bulk(order("boo", "kept"))
    assert sm("SM.MUTATE", "m", "blee", "x" * 65_536) == OK


def test_a_document_that_becomes_too_long(wire):
    """One name as key, initial and current state: SM.GET would write it three times."""
    assert wire("CONFIG", "SET", "redisstate.max-document-bytes", "64mb") == OK
    name = "x" * (22 << 20)
    reply = wire("SM.SET", "m", json.dumps({"map": {name: []}, "initial": name}))
    assert reply == b"-ERR invalid machine: in normal form it is over 64 MiB\r\n"
    wire("CONFIG", "SET", "redisstate.max-document-bytes", "16mb")


def test_at_the_limits_it_is_accepted(wire):
    many = {str(i): [] for i in range(100_000)}
    assert wire("SM.SET", "states", json.dumps({"initial": "0", "map": many})) == OK
    wide = {"a": ["a"] * 1_000_000}
    assert wire("SM.SET", "transitions", json.dumps({"initial": "a", "map": wide})) == OK
    assert wire("SM.MUTATE", "transitions", "a") == OK


LABEL = '"history":255,"name":"%s","revision":4294967295' % ("n" * 256)
MOST = '{"map":{"a":{"e":[]}},"any":{"f":"a"},"after":{"a":{"ms":9007199254740991,"to":null}},%s,"initial":"a"}' % LABEL


@pytest.mark.parametrize("text", [MOST, '{"map":{},"history":1,"name":"n","revision":0,"initial":"a"}'])
def test_the_largest_and_the_smallest_of_each_field(wire, text):
    assert wire("SM.SET", "m", text) == OK
    assert wire("SM.GET", "m") == bulk('{"current":"a",' + text[1:])
    assert wire("SM.NEW", "n", text).startswith(b"*3\r\n" + bulk("created"))
    assert wire("SM.REDEFINE", "n", text).startswith(b"*3\r\n" + bulk("redefined"))


@pytest.mark.parametrize("command", ["SM.NEW", "SM.REDEFINE"])
def test_a_bad_document_before_another_type_and_bad_options_before_it(wire, command):
    """The document is part of the syntax, which comes before the key."""
    wire("SET", "text", "x")
    assert wire(command, "text", "{").startswith(b"-ERR invalid machine: ")
    assert wire(command, "text", "{", "NO").startswith(b"-ERR ")
    assert wire(command, "text", '{"map":{},"initial":"a"}').startswith(b"-WRONGTYPE ")
    assert wire("GET", "text") == bulk("x")


@pytest.mark.parametrize("size", [1_000, 100_000, 4_000_000])
def test_one_long_name(wire, size):
    text = json.dumps({"initial": "a", "map": {"a": ["x" * size]}})
    assert wire("SM.SET", "m", text) == OK
    assert wire("SM.MUTATE", "m", "x" * size) == OK
    assert wire("SM.STATE", "m") == b"*1\r\n" + bulk("x" * size)


def test_refused_documents_leave_no_memory_behind(db):
    """A hundred refused documents of 8 MB each must not add up."""
    text = b'{"initial":"a","map":{"a":[' + b'"bbbbbbbb",' * 700_000 + b"7]}}"
    used = lambda: db.info("memory")["used_memory"]
    refuse_once = lambda: pytest.raises(Exception, db.execute_command, "SM.SET", "m", text)
    refuse_once()
    before = used()
    for _ in range(100):
        refuse_once()
    wait_until(lambda: used() < before + 20_000_000, "the memory of refused documents to be free")
