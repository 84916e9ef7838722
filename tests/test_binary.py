"""Names, reasons and keys of any bytes come back unchanged, and no reply is cut."""

import json

import pytest

from documents import document
from harness import NIL, OK, array, bulk

NAMES = [
    "",
    "\0",
    "a\0b",
    "\n",
    "a\r\nb",
    "\r\n+OK\r\n",
    '"',
    "\\",
    "\t\x01\x1f\x7f",
    "é",
    "名前",
    "🚀",
    "\u2028\u2029",
    "\U0010ffff",
    " ",
    "$-1",
    "a" * 300,
    "%s%n%d",
    "null",
]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_name_of_any_characters(wire, name):
    machine = {"start": [name], name: ["start"]}
    text = json.dumps({"initial": "start", "map": machine})
    assert wire("SM.SET", "m", text) == OK
    assert wire("SM.STATE", "m", "LIST") == array("start", name)
    assert wire("SM.MUTATE", "m", name, name) == OK
    assert wire("SM.STATE", "m") == array(name)
    assert wire("SM.GET", "m", "REASON") == bulk(name)
    stored = json.loads(body(wire("SM.GET", "m")))
    expected = {"current": name, "map": machine, "initial": "start"}
    assert stored == (expected | {"reason": name} if name else expected)
    assert wire("SM.MUTATE", "m", "start") == OK


def body(reply):
    return reply.split(b"\r\n", 1)[1][:-2]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_the_same_name_escaped_and_plain_is_one_state(wire, name):
    escaped = "".join(f"\\u{unit:04x}" for unit in utf16_units(name))
    text = '{"initial":"start","map":{"start":["%s"]}}' % escaped
    assert wire("SM.SET", "m", text) == OK
    assert wire("SM.MUTATE", "m", name) == OK
    assert wire("SM.STATE", "m") == array(name)


def utf16_units(text):
    data = text.encode("utf-16-be")
    return [int.from_bytes(data[i : i + 2], "big") for i in range(0, len(data), 2)]


def test_names_that_differ_only_after_a_nul_differ(wire):
    assert wire("SM.SET", "m", json.dumps({"initial": "a\0x", "map": {"a\0x": ["a\0y"]}})) == OK
    assert wire("SM.MUTATE", "m", "a") == NIL
    assert wire("SM.MUTATE", "m", "a\0x") == NIL
    assert wire("SM.MUTATE", "m", "a\0y") == OK


def test_names_are_not_normalised(wire):
    composed, decomposed = "\u00e9", "e\u0301"
    assert wire("SM.SET", "m", document({composed: [decomposed]}, composed)) == OK
    assert wire("SM.MUTATE", "m", composed) == NIL
    assert wire("SM.MUTATE", "m", decomposed) == OK


@pytest.mark.parametrize("key", [b"", b"\0", b"a\0b", b"\r\n", b"\xff\xfe", b"{tag}\0"])
def test_keys_of_any_bytes(wire, key):
    assert wire("SM.SET", key, '{"initial":"a","map":{"a":["b"]}}') == OK
    assert wire("SM.MUTATE", key, "b") == OK
    assert wire("SM.STATE", key) == array("b")
    assert wire("SM.RESET", key) == OK
    assert wire("DEL", key) == b":1\r\n"


def test_a_state_that_is_not_utf8_is_unknown(wire):
    assert wire("SM.SET", "m", '{"initial":"a","map":{"a":["b"]}}') == OK
    assert wire("SM.MUTATE", "m", b"\xff") == NIL
    assert wire("SM.MUTATE", "m", b"\xff", b"", "FORCE") == NIL


def test_a_reason_that_is_not_utf8_is_an_error(wire):
    assert wire("SM.SET", "m", '{"initial":"a","map":{"a":["b"]}}') == OK
    reply = wire("SM.MUTATE", "m", "b", b"bad \xff")
    assert reply.startswith(b"-ERR ") and b"UTF-8" in reply
    assert wire("SM.STATE", "m") == array("a")


def test_a_current_argument_that_is_not_utf8_is_an_error(wire):
    assert wire("SM.SET", "m", '{"initial":"a","map":{"a":["b"]}}') == OK
    reply = wire("SM.SET", "m", '{"initial":"x","map":{}}', b"\xff")
    assert reply.startswith(b"-ERR ") and b"UTF-8" in reply
    assert wire("SM.STATE", "m") == array("a")
