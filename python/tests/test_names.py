"""Names in any script, and keys of any bytes."""

import pytest

from redis_state import Definition, Timer

NAMES = [
    "état",
    "状態",
    "حالة",
    "готово",
    "é🚀",
    "a\0b",
    'q"uo\\te',
    "x\ny\r",
    "",
    "\u202e",
    "-",
    "NX",
    "ID",
    "x" * 3000,
]
KEYS = [b"\xff\xfe", b"", b"a\0b", b"\r\n", "clé", "鍵🔑", b"SM.FIRE", "{tag}rest"]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_any_name_is_a_state_and_an_event(machines, name):
    definition = Definition(
        map={"start": {name: name}, name: {"back": "start"}}
        if name
        else {"start": {"": name}, name: {"back": "start"}},
        initial="start",
        any={name: "end"} if name else {},
        after={name: Timer("start", 10**9)},
        name=name[:60],
        history=3,
    )
    machines.new("k", definition, by=name[:200], id=name[:40] or None)
    assert machines.fire("k", name, reason=name).state == name
    assert machines.state("k") == machines.get("k").state == machines.info("k").state == name
    assert machines.get("k").definition == definition and machines.get("k").reason == name
    assert machines.history("k")[0].to_state == machines.history("k")[0].event == name
    assert machines.can("k", name) is definition_has(definition, name)
    assert machines.wait("k", name, timeout=1000).state == name
    if name:
        assert machines.count(name[:60])[name] == 1
    assert [*machines.scan(states=[name])] and not [*machines.scan(states=["start"])]
    if name:
        (moved, info) = machines.pipeline().move("k", "start", if_state=name).info("k").execute()
        assert moved.moved and info.name == name[:60]


def definition_has(definition, name):
    return any(name in targets for targets in definition.events(name).values())


@pytest.mark.parametrize("key", KEYS, ids=range(len(KEYS)))
def test_any_key(machines, wire_options, db, key):
    definition = Definition(map={"a": {"go": "b"}}, initial="a")
    assert machines.new(key, definition).created
    assert machines.pipeline().fire(key, "go").state(key).execute()[1] == "b"
    assert db.execute_command("SM.STATE", key) == [b"b"]
    assert machines.fire(key, "go").refused
    try:
        expected = key.decode() if isinstance(key, bytes) else key
    except UnicodeDecodeError:
        return
    found = list(machines.scan())
    assert found == [expected if wire_options["decode_responses"] else expected.encode()]


def test_names_are_utf8_whatever_encoding_the_client_has(clients, db):
    machines = clients.at(db.server.port, encoding="latin-1", decode_responses=True)
    machines.new("clé", Definition(map={"état": {"é": "ê"}}, initial="état"))
    assert machines.fire("clé", "é").state == "ê"
    assert machines.get("clé").state == "ê" and machines.state("clé") == "ê"
    # The key is the client's: it has its encoding.
    assert db.execute_command("SM.STATE", "clé".encode("latin-1")) == ["ê".encode()]
