"""docs/errors.md has every error that a client can get, and every reason in the log."""

import re

import pytest

from documents import ORDER
from harness import ROOT

pytestmark = pytest.mark.once

TEXT = (ROOT / "docs/errors.md").read_text()


def doc(text, place=""):
    """Returns the command for a bad document, and the expected part of the error."""
    return ("SM.SET", "m", text), place


NO_STATE = 'current: the document has no state "payed": '
IN_THE_FIELD = NO_STATE + "add it to the map or correct it"
AS_ARGUMENT = NO_STATE + "the argument is the current state, and there are no options"

AFTER = b'{"initial":"a","map":{"new":[]},"after":{"new":%s}}'

# The command, and a part of the reply that must be in docs/errors.md word for word.
REPLIES = [
    doc(b"[]", "document: expected an object, found "),
    doc(b'{"title":"x"}', "document: unknown field "),
    doc(b'{"title":"x"}', ", expected current, map, any, after, history, name, revision, initial or reason"),
    doc(b'{"initial":"a"}', "map: missing, expected an object"),
    doc(b'{"map":{}}', "initial: missing, expected a string"),
    doc(b'{"map":[]}', "map: expected an object, found "),
    doc(b'{"initial":1}', "initial: expected a string, found "),
    doc(b'{"initial":"a","map":{"new":"paid"}}', "map.new: expected an array or an object, found "),
    doc(b'{"initial":"a","map":{"new":["a",7]}}', "map.new[1]: expected a string, found 7"),
    doc(b'{"initial":"a","map":{"in review":[7]}}', 'map["in review"][0]'),
    doc(b'{"initial":"a","map":{"new":[],"new":[]}}', "map.new: key given twice"),
    doc(b'{"map":{},"map":{}}', "map: field given twice"),
    doc(b'{"initial":"a","map":{},"any":[]}', "any: expected an object, found "),
    doc(b'{"initial":"a","map":{},"after":[]}', "after: expected an object, found "),
    doc(b'{"initial":"a","map":{"paid":{"refund":7}}}', "map.paid.refund: expected a string or an array, found "),
    doc(b'{"initial":"a","map":{"paid":{"refund":["a","a"]}}}', "map.paid.refund[1]: target given twice"),
    doc(b'{"initial":"a","map":{"paid":{"refund":"a","refund":"b"}}}', "map.paid.refund: key given twice"),
    doc(b'{"initial":"a","map":{},"any":{"archive":[]}}', "any.archive: an event of any needs a target"),
    doc(b'{"initial":"a","map":{},"any":{"":"a"}}', 'any[""]: an event of any needs a name'),
    doc(AFTER % b"7", "after.new: expected an object, found "),
    doc(AFTER % b'{"ms":1}', "after.new.to: missing, expected a string or null"),
    doc(AFTER % b'{"to":7}', "after.new.to: expected a string or null, found "),
    doc(AFTER % b'{"to":"a","ms":0}', "after.new.ms: expected a whole number from 1 to 9007199254740991, found "),
    doc(AFTER % b'{"to":"a","at":1}', "after.new: unknown field "),
    doc(AFTER % b'{"to":"a","at":1}', ", expected ms or to"),
    doc(
        b'{"initial":"a","map":{},"after":{"new":{"to":"a"}}}',
        'after.new: the document has no state "new": add it to the map or correct it',
    ),
    doc(b'{"initial":"a","map":{},"history":0}', "history: expected a whole number from 1 to 255, found "),
    doc(b'{"initial":"a","map":{},"name":""}', "name: expected 1 to 256 bytes, found "),
    doc(b'{"initial":"a","map":{},"name":7}', "name: expected a string, found "),
    doc(b'{"initial":"a","map":{},"revision":1}', "revision: only a document with a name has one"),
    doc(
        b'{"initial":"a","map":{},"name":"n","revision":"v3"}',
        "revision: expected a whole number from 0 to 4294967295, found ",
    ),
    (("SM.SET", "m", ORDER, b"\xff"), "current: the argument is not UTF-8"),
    doc(b'{"initial":"a","map":{},"current":"payed"}', IN_THE_FIELD),
    (("SM.SET", "m", ORDER, "payed"), AS_ARGUMENT),
    doc(b"", "it is empty"),
    doc(b"\xef\xbb\xbf" + ORDER, "it begins with a byte order mark, leave that out"),
    doc(b"{", "it ends too early"),
    doc(b'{"initial":}', "expected value"),
    doc(b"{'initial'", "key must be a string"),
    doc(ORDER + b"x", "trailing characters"),
    doc(b'{"initial":"\n', "control character in a string, write it as an escape"),
    doc(b'{"initial":"\xff"}', "invalid UTF-8"),
    doc(rb'{"initial":"\ud83d"}', "escape of half a character (lone surrogate)"),
    doc(b'{"initial":1e999}', "number out of range"),
    doc(b"[" * 40 + b"]" * 40, "nested too deep, a machine has four levels"),
    (("SM.GET", "m", "X"), "for SM.GET: expected REASON"),
    (("SM.MUTATE", "m", "boo", b"\xff"), "ERR invalid reason: not UTF-8 at byte "),
    (("SM.FIRE", "m", "", "X"), "ERR unknown option "),
    (("SM.HISTORY", "m", "X"), "ERR unknown option "),
    (("SM.EMIT", "m", "out", "DO", "x"), "ERR unknown option "),
    (("SM.EMIT", "m", "string", "MOVE", "boo"), "WRONGTYPE Operation against a key holding the wrong kind of value"),
    (("SM.EMIT", "m", "full", "MOVE", "boo"), "ERR the stream's last id is the greatest possible, it takes no more "),
    (("SM.HISTORY", "m", "COUNT"), "there is no value after it"),
    (("SM.REDEFINE", "m", ORDER, "RENAME", "bar"), "there is no value after it"),
    (("SM.FIRE", "m", "", "TO", "boo", "TO", "blee"), "option given twice"),
    (("SM.FIRE", "m", "", "TO"), "there is no value after it"),
    (("SM.MOVE", "m", "boo", "AFTER", 1, "DUE", 1), "expected only one of AFTER and DUE"),
    (("SM.MOVE", "m", "boo", "IFVERSION", 0), "IFVERSION: expected a whole number from 1 to 4294967295, found '0'"),
    (("SM.MOVE", "m", "boo", "ID", ""), "expected 1 to 64 bytes, found "),
    (("SM.MOVE", "m", "boo", "BY", "x" * 257), "expected 0 to 256 bytes, found "),
    (("SM.MOVE", "m", "boo", "BY", b"\xff"), "text is not UTF-8 at byte "),
    (("SM.MOVE", "m", "boo", "REASON", b"\xff"), "ERR invalid reason: not UTF-8 at byte "),
    (("SM.FIRE", "m", ""), " states, name one with TO: "),
    (("SM.MOVE", "used", "blee", "ID", "used"), "ERR this ID was used for another move"),
    (("SM.MOVE", "m", "boo", "AFTER", 1), " has no timer in the definition, leave out AFTER and DUE"),
    (("SM.REDEFINE", "m", b'{"initial":"a","map":{}}'), ", name another with RENAME"),
    (
        ("SM.REDEFINE", "m", b'{"initial":"a","map":{}}', "RENAME", "bar", "b"),
        "ERR RENAME: the new definition has no state ",
    ),
    (("SM.WAIT", "m", "soon", "boo"), "ERR ms: expected a whole number from 0 to 9007199254740991, found "),
    (("SM.LOAD", "m", "x"), "ERR SM.LOAD is for replication and append-only files, use RESTORE"),
    (("SM.SET", "string", ORDER), "WRONGTYPE Operation against a key holding the wrong kind of value"),
]


@pytest.mark.parametrize("command, part", REPLIES, ids=[part.strip() for _, part in REPLIES])
def test_replies(db, wire, command, part):
    db.execute_command("SM.SET", "m", ORDER)
    db.set("string", "1")
    db.xadd("full", {"a": "b"}, id=f"{2**64 - 1}-{2**64 - 1}")
    db.execute_command("SM.NEW", "used", ORDER)
    db.execute_command("SM.MOVE", "used", "boo", "ID", "used")
    reply = wire(*command).decode()
    assert reply.startswith("-") and part in reply
    assert part in TEXT
    assert ("invalid machine" in reply) == (command[0] == "SM.SET" and command[1] == "m")


LIMITS = [
    ("max-document-bytes", 10, ("SM.SET", "m", ORDER)),
    ("max-states", 2, ("SM.SET", "m", ORDER)),
    ("max-transitions", 2, ("SM.SET", "m", ORDER)),
    ("max-reason-bytes", 2, ("SM.MUTATE", "m", "boo", "because")),
]


@pytest.mark.parametrize("config, value, command", LIMITS, ids=[name for name, *_ in LIMITS])
def test_limits(server, config, value, command):
    server.run("SM.SET", "m", ORDER)
    server.run("CONFIG", "SET", f"redisstate.{config}", value)
    with server.wire() as wire:
        reply = wire(*command).decode()
    words = reply.removeprefix("-").strip().removeprefix("ERR ").removeprefix("invalid machine: ")
    assert f"(redisstate.{config})" in words
    assert re.sub(r"\d+", "…", words) in TEXT


def test_every_text_of_a_reply():
    code = re.sub(r"\\\n\s*", "", (ROOT / "src/errors.rs").read_text())
    texts = re.findall(r'(?:write!\(\s*f,|format!\()\s*"((?:[^"\\]|\\.)*)"', code)
    texts = [text for text in texts if re.sub(r"\{.*?\}|\W", "", text)]
    assert len(texts) > 20
    diverged = {
        text
        for file in (ROOT / "src").rglob("*.rs")
        for text in re.findall(r'fail_if_replicated\(\s*context,\s*"([^"]+)"', file.read_text())
    }
    assert {"no such key", "no such move", "no timer in this state", "there is a machine already"} <= diverged
    texts += [f"ERR {why}, although the command succeeded on the primary" for why in diverged]
    for text in texts:
        longest = max(re.split(r"\{.*?\}", text), key=len).strip()
        assert longest in TEXT, f"docs/errors.md doesn't have: {text}"


@pytest.mark.parametrize("source", ["definition/error", "record/read", "machine/error", "document/error"])
def test_the_log(source):
    code = (ROOT / f"src/core/src/{source}.rs").read_text().split("#[cfg(test)]")[0]
    texts = re.findall(r'(?:write!\(\s*f,|write_str\()\s*"((?:[^"\\]|\\.)*)"', code)
    texts = [text for text in texts if re.sub(r"\{.*?\}|\W", "", text) and "Bytes(" not in text]
    assert len(texts) > 5
    for text in texts:
        longest = max(re.split(r"\{.*?\}", text), key=len).strip()
        assert longest in TEXT, f"docs/errors.md doesn't have: {text}"
