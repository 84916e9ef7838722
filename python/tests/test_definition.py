"""Definitions: the server's checks in the server's words, its normal form, and what can be fired where."""

import dataclasses
import json
import pickle
import random

import pytest
import redis

from conftest import ORDER
from redis_state import Definition, InvalidDefinition, Timer

LONG = "x" * 41

# Documents that are no machines. The message is compared with the server's.
WRONG = [
    "[]",
    '"text"',
    "7",
    "{}",
    '{"map":{}}',
    '{"initial":"a"}',
    '{"map":[],"initial":"a"}',
    '{"map":{},"initial":7}',
    '{"map":{},"initial":null}',
    '{"map":{},"initial":true}',
    '{"map":{},"initial":["a"]}',
    '{"map":{},"initial":{}}',
    '{"map":{},"initial":"a","colour":1}',
    '{"map":{},"initial":"a","na\\u00efve \\n":1}',
    '{"map":{},"initial":"a","initial":"b"}',
    '{"map":{},"map":{},"initial":"b"}',
    '{"map":{"new":7},"initial":"new"}',
    '{"map":{"new":"paid"},"initial":"new"}',
    '{"map":{"new":null},"initial":"new"}',
    '{"map":{"new":[1.0]},"initial":"new"}',
    '{"map":{"new":["a",7]},"initial":"new"}',
    '{"map":{"new":["a",-7]},"initial":"new"}',
    '{"map":{"new":["a",[]]},"initial":"new"}',
    '{"map":{"new":["a",false]},"initial":"new"}',
    '{"map":{"in review":[7]},"initial":"new"}',
    '{"map":{"":[7]},"initial":"new"}',
    '{"map":{"a.b\\"\'\\\\\\t\\u0000\\u0007":[7]},"initial":"new"}',
    '{"map":{"%s":[7]},"initial":"new"}' % LONG,
    '{"map":{"%s":[7]},"initial":"new"}' % ("é" * 21),
    '{"map":{"naïve":[7],"b":8},"initial":"new"}',
    '{"map":{"new":[],"new":[]},"initial":"new"}',
    '{"map":{"new":{"pay":7}},"initial":"new"}',
    '{"map":{"new":{"pay":["a",7]}},"initial":"new"}',
    '{"map":{"new":{"pay":["a","a"]}},"initial":"new"}',
    '{"map":{"new":{"":["a","a"]}},"initial":"new"}',
    '{"map":{"new":{"pay":"a","pay":"b"}},"initial":"new"}',
    '{"map":{},"initial":"a","any":[]}',
    '{"map":{},"initial":"a","any":{"":"a"}}',
    '{"map":{},"initial":"a","any":{"x":[]}}',
    '{"map":{},"initial":"a","any":{"x":1}}',
    '{"map":{},"initial":"a","any":{"x":["a","a"]}}',
    '{"map":{},"initial":"a","any":{"x":"a","x":"b"}}',
    '{"map":{},"initial":"a","after":[]}',
    '{"map":{},"initial":"a","after":{"a":"b"}}',
    '{"map":{},"initial":"a","after":{"a":{}}}',
    '{"map":{},"initial":"a","after":{"a":{"to":7}}}',
    '{"map":{},"initial":"a","after":{"a":{"to":"b","ms":0}}}',
    '{"map":{},"initial":"a","after":{"a":{"to":"b","ms":1.5}}}',
    '{"map":{},"initial":"a","after":{"a":{"to":"b","ms":9007199254740992}}}',
    '{"map":{},"initial":"a","after":{"a":{"to":"b","ms":null}}}',
    '{"map":{},"initial":"a","after":{"a":{"to":"b","s":1}}}',
    '{"map":{},"initial":"a","after":{"a":{"to":"b","to":"c"}}}',
    '{"map":{},"initial":"a","after":{"z":{"to":"b"}}}',
    '{"map":{},"initial":"a","after":{"a":{"to":"b"},"a":{"to":"b"}}}',
    '{"map":{},"initial":"a","history":0}',
    '{"map":{},"initial":"a","history":256}',
    '{"map":{},"initial":"a","history":"5"}',
    '{"map":{},"initial":"a","history":true}',
    '{"map":{},"initial":"a","name":""}',
    '{"map":{},"initial":"a","name":7}',
    '{"map":{},"initial":"a","name":"%s"}' % ("é" * 129),
    '{"map":{},"initial":"a","revision":1}',
    '{"map":{},"initial":"a","name":"n","revision":-1}',
    '{"map":{},"initial":"a","name":"n","revision":4294967296}',
    '{"map":{},"initial":"a","name":"n","revision":null}',
    '{"map":{},"initial":"a","current":"b"}',
    '{"map":{},"initial":"a","current":7}',
    '{"map":{},"initial":"a","reason":7}',
    # Not JSON.
    "",
    " \n",
    "\ufeff{}",
    '{"map":{"a":["\\ud83d"]},"initial":"a"}',
    '{"map":{"a":["\\ude80"]},"initial":"a"}',
    '{"map":{"a":["\\ud83d \\ude80"]},"initial":"a"}',
    '{"map":{"a":["\\ud83d\\ud83d\\ude80"]},"initial":"a"}',
]

# Python's parser has words and, at times, places of its own: only that the server refuses them too is compared.
NOT_JSON = [
    '{"map":{',
    '{"map":{},"initial":"a"} x',
    '{"map":{},"initial":"a",}',
    "{'map':{},'initial':'a'}",
    '{"map":{"a":["\n"]},"initial":"a"}',
    '{"map":{},"initial":"a","history":NaN}',
    '{"map":{},"initial":"a","history":%s}' % ("9" * 5000),
    "[" * 100_000,
    b'{"map":{"\xff":[]},"initial":"a"}',
]


def server_says(db, document):
    with pytest.raises(redis.ResponseError) as caught:
        db.execute_command("SM.SET", "m", document)
    return str(caught.value).removeprefix("invalid machine: ")


@pytest.mark.parametrize("document", WRONG, ids=range(len(WRONG)))
def test_a_wrong_document_is_refused_in_the_servers_words(db, document):
    with pytest.raises(InvalidDefinition) as caught:
        Definition.from_json(document)
    assert str(caught.value) == server_says(db, document.encode())


@pytest.mark.parametrize("document", NOT_JSON, ids=range(len(NOT_JSON)))
def test_what_is_not_json_is_refused(db, document):
    assert server_says(db, document).startswith("not JSON at byte")
    with pytest.raises(InvalidDefinition, match="not JSON at byte"):
        Definition.from_json(document)


@pytest.mark.parametrize(
    "arguments, says",
    [
        ({"map": {"a": {"b"}}}, "map.a: expected an array or an object, found a set"),
        ({"map": {7: []}}, "map: expected names that are strings, found 7"),
        ({"map": {"a": {7: "b"}}}, "map.a: expected names that are strings, found 7"),
        ({"map": {"a": [b"b"]}}, "map.a[0]: expected a string, found a bytes"),
        ({"map": {}, "history": True}, "history: expected a whole number from 1 to 255, found true"),
        ({"map": {}, "history": -1}, "history: expected a whole number from 1 to 255, found -1"),
        ({"map": {}, "after": {"a": Timer(7)}}, "after.a.to: expected a string or null, found 7"),
        ({"map": {}, "after": {"a": "b"}}, 'after.a: expected an object, found "b"'),
        ({"map": {}, "after": []}, "after: expected an object, found an array"),
        ({"map": {}, "revision": 3}, "revision: only a document with a name has one"),
        ({"map": {"\ud83d": []}}, "document: a name has half a character (lone surrogate), which is no UTF-8"),
    ],
)
def test_the_arguments_are_checked_as_a_document_is(arguments, says):
    with pytest.raises(InvalidDefinition) as caught:
        Definition(initial="a", **arguments)
    assert str(caught.value) == says


NAMES = ["a", "b", "c", "", "é🚀", "a\0b", 'q"uo\\te', "x\ny", "état", "状態"]
EVENTS = ["go", "back", "", "é", "\0", "stop now"]


def random_document(rng):
    names = rng.sample(NAMES, rng.randint(1, 6))
    some = lambda: rng.sample(names, rng.randint(0, min(3, len(names))))
    row = lambda: (
        [rng.choice(names) for _ in range(rng.randint(0, 4))]
        if rng.random() < 0.4
        else {e: rng.choice([rng.choice(names), some()]) for e in rng.sample(EVENTS, rng.randint(0, 4))}
    )
    document = {"map": {name: row() for name in names if rng.random() < 0.7}, "initial": rng.choice(names)}
    if rng.random() < 0.6:
        events = rng.sample([e for e in EVENTS if e], rng.randint(1, 3))
        document["any"] = {e: rng.choice([rng.choice(names), some() or names]) for e in events}
    known = Definition.from_document(document).states
    if rng.random() < 0.6:
        timed = rng.sample(known, rng.randint(1, len(known)))
        document["after"] = {s: {"to": rng.choice([*known, None])} for s in timed}
        for timer in document["after"].values():
            timer.update({"ms": rng.randint(10**6, 10**9)} if rng.random() < 0.7 else {})
    if rng.random() < 0.5:
        document.update(name=rng.choice(NAMES[:3]), history=rng.randint(1, 255))
    return document


SEEDS = range(30)


def random_documents(seed):
    rng = random.Random(seed)
    return [random_document(rng) for _ in range(10)]


@pytest.mark.parametrize("seed", SEEDS)
def test_the_normal_form_is_the_servers(db, seed):
    for document in random_documents(seed):
        definition = Definition.from_document(document)
        db.execute_command("SM.SET", "m", json.dumps(document))
        stored = json.loads(db.execute_command("SM.GET", "m"))
        del stored["current"]
        assert list(json.loads(definition.to_json()).items()) == list(stored.items())
        assert definition.to_json() == json.dumps(stored, ensure_ascii=False, separators=(",", ":"))
        assert Definition.from_json(definition.to_json()) == definition


@pytest.mark.parametrize("seed", SEEDS)
def test_states_and_events_are_the_servers(db, seed):
    text = lambda names: tuple(name.decode() for name in names)
    for document in random_documents(seed):
        definition = Definition.from_document(document)
        # The server counts states; their order is that of the document.
        for state in definition.states:
            db.execute_command("SM.SET", "m", definition.to_json())
            db.execute_command("SM.FORCE", "m", state)
            rows = db.execute_command("SM.EVENTS", "m")
            assert list(definition.events(state).items()) == [(e.decode(), text(to)) for e, *to in rows]
            info = db.execute_command("SM.INFO", "m")
            info = info if isinstance(info, dict) else dict(zip(info[::2], info[1::2]))
            assert info[b"states"] == len(definition.states)
            assert definition.terminal(state) == bool(info[b"terminal"])
            assert all(definition.has_event(e.decode()) for e, *_ in rows)


def test_the_fields_read_as_they_were_given():
    assert ORDER.states == (*("new", "paid", "cancelled", "sent", "refunded", "partly refunded", "lost", "archived"),)
    assert ORDER.map["paid"] == {"ship": "sent", "refund": ("refunded", "partly refunded"), "": "lost"}
    assert ORDER.after["archived"] == Timer(None)
    assert ORDER.events("cancelled") == {"archive": ("archived",)}
    assert ORDER.terminal("archived") and not ORDER.terminal("new")
    assert ORDER.has_event("archive") and ORDER.has_event("") and not ORDER.has_event("pya")
    with pytest.raises(KeyError):
        ORDER.events("nowhere")


def test_a_definition_is_a_value():
    rows = {"a": ["b"]}
    definition = Definition(map=rows, initial="a")
    rows["a"].append("c")
    assert definition.map == {"a": ("b",)}, "the caller's list is copied"
    assert definition == Definition.from_document({"initial": "a", "map": {"a": {"": "b"}}})
    assert len({definition, Definition.from_json(definition.to_json())}) == 1
    assert definition != dataclasses.replace(definition, history=1)
    # The server doesn't share these two.
    assert Definition(map={"a": [], "b": []}, initial="a") != Definition(map={"b": [], "a": []}, initial="a")
    assert definition != "another thing"
    assert pickle.loads(pickle.dumps(definition)) == definition
    with pytest.raises(dataclasses.FrozenInstanceError):
        definition.initial = "b"


def test_escapes_of_whole_characters_are_read(db):
    text = r'{"map":{"a":["\ud83d\ude80","\\ud83d","\u00e9"]},"initial":"a"}'
    assert Definition.from_json(text).map["a"] == ("🚀", "\\ud83d", "é")
    db.execute_command("SM.SET", "m", text)
    assert json.loads(db.execute_command("SM.GET", "m"))["map"] == {"a": ["🚀", "\\ud83d", "é"]}


def test_current_and_reason_are_checked_and_left_out():
    text = '{"map":{"a":["b"]},"initial":"a","current":"b","reason":"why"}'
    assert Definition.from_json(text).to_document() == {"map": {"a": ["b"]}, "initial": "a"}
