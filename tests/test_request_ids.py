"""Request ids: a command whose reply is lost is sent again by the client library, and happens once."""

import json

import pytest
import redis

from harness import digest, wait_in_sync
from proxy import CuttingProxy

TOGGLE = json.dumps({"map": {"off": {"press": "on"}, "on": {"press": "off"}}, "history": 20, "initial": "off"})
OTHER = json.dumps({"map": {"off": {"push": "on"}, "on": {"push": "off"}}, "history": 20, "initial": "off"})


@pytest.fixture
def lossy(db):
    """Yields a client with redis-py's defaults behind a proxy that can lose replies, and the proxy."""
    with CuttingProxy(db.server.port) as proxy, redis.Redis(port=proxy.port) as client:
        client.ping()
        yield client, proxy


def reconnected(proxy):
    """Whether the client came back after its first connection."""
    return len(proxy.counts) > 1


@pytest.mark.parametrize(
    "command, state",
    [
        (("SM.FIRE", "m", "press"), b"on"),
        (("SM.MOVE", "m", "on"), b"on"),
        (("SM.FORCE", "m", "off"), b"off"),
        (("SM.REDEFINE", "m", OTHER), b"off"),
        (("SM.NEW", "n", TOGGLE), b"off"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_lost_reply_with_an_id(db, lossy, command, state):
    client, proxy = lossy
    db.execute_command("SM.NEW", "m", TOGGLE)
    proxy.lose_next_reply()
    version = 1 if command[0] == "SM.NEW" else 2
    assert client.execute_command(*command, "ID", "request 1") == [b"repeated", state, version]
    assert reconnected(proxy)
    assert db.execute_command("SM.INFO", command[1])[7] == version
    assert len(db.execute_command("SM.HISTORY", command[1])) == version
    # Once more, long after: the first time's state and version, not those of now.
    db.execute_command("SM.FORCE", command[1], "on")
    assert client.execute_command(*command, "ID", "request 1") == [b"repeated", state, version]


def test_a_lost_reply_without_an_id(db, lossy):
    """The reason for ids: the library sends the command again, and the machine moves twice."""
    client, proxy = lossy
    db.execute_command("SM.NEW", "m", TOGGLE)
    proxy.lose_next_reply()
    assert client.execute_command("SM.FIRE", "m", "press") == [b"moved", b"off", 3]
    assert reconnected(proxy)
    # Or the caller is told that it failed, although it was done.
    proxy.lose_next_reply()
    assert client.execute_command("SM.FIRE", "m", "press", "IFVERSION", "3") == [b"conflict", b"on", 4]


def test_two_lost_replies(db, lossy):
    client, proxy = lossy
    db.execute_command("SM.NEW", "m", TOGGLE)
    for _ in range(2):
        proxy.lose_next_reply()
    assert client.execute_command("SM.FIRE", "m", "press", "ID", "x", "IFVERSION", "1") == [b"repeated", b"on", 2]
    assert db.execute_command("SM.INFO", "m")[7] == 2


def fire(db, id, *more):
    return db.execute_command("SM.FIRE", "m", "press", "ID", id, *more)


def test_the_last_eight_are_known(db):
    db.execute_command("SM.NEW", "m", TOGGLE, "ID", "0")
    for i in range(1, 9):
        fire(db, str(i))
    for i in range(1, 9):
        assert fire(db, str(i)) == [b"repeated", b"on" if i % 2 else b"off", i + 1]
    assert db.execute_command("SM.NEW", "m", TOGGLE, "ID", "0") == [b"exists", b"off", 9], "the ninth is forgotten"
    assert fire(db, "1")[0] == b"repeated", "a repetition makes nothing older"
    assert fire(db, "9") == [b"moved", b"on", 10]
    assert fire(db, "1") == [b"moved", b"off", 11], "and is done again"


@pytest.mark.parametrize("what", ["refused", "conflict", "error"])
def test_what_did_not_happen_is_not_remembered(db, what):
    db.execute_command("SM.NEW", "m", TOGGLE)
    if what == "refused":
        assert db.execute_command("SM.MOVE", "m", "off", "ID", "x")[0] == b"refused"
    elif what == "conflict":
        assert fire(db, "x", "IFVERSION", "5")[0] == b"conflict"
    else:
        with pytest.raises(redis.exceptions.ResponseError):
            fire(db, "x", "AFTER", "5")
    assert fire(db, "x") == [b"moved", b"on", 2]


# Requests that succeed on a new machine of TOGGLE, and are different requests all of them.
REQUESTS = [
    "SM.FIRE m press", "SM.FIRE m press TO on", "SM.FIRE m push", "SM.MOVE m on", "SM.MOVE m off", "SM.FORCE m on",
    "SM.FORCE m off", "SM.NEW m {}", "SM.REDEFINE m {}",
]  # fmt: skip
MADE = [request for request in REQUESTS if request not in ("SM.FIRE m push", "SM.MOVE m off", "SM.NEW m {}")]


def words(request):
    return [TOGGLE if word == "{}" else word for word in request.split()]


@pytest.mark.parametrize("first", MADE)
def test_an_id_of_another_request_is_an_error(db, first):
    db.execute_command("SM.NEW", "m", TOGGLE)
    made = db.execute_command(*words(first), "ID", "x")
    assert made[0] in (b"moved", b"redefined")
    before = digest(db.server)
    for other in REQUESTS:
        if other == first:
            continue
        for more in ([], ["IFVERSION", "9"], ["IFSTATE", "nowhere"]):
            if more and other.startswith("SM.NEW"):
                continue
            with pytest.raises(redis.exceptions.ResponseError, match="^this ID was used for another move$"):
                db.execute_command(*words(other), "ID", "x", *more)
    assert digest(db.server) == before
    assert db.execute_command(*words(first), "ID", "x") == [b"repeated", *made[1:]]


def test_the_id_that_made_the_machine_is_no_other_request_s(db):
    db.execute_command("SM.NEW", "m", TOGGLE, "ID", "x")
    before = digest(db.server)
    for other in set(REQUESTS) - {"SM.NEW m {}"}:
        with pytest.raises(redis.exceptions.ResponseError, match="^this ID was used for another move$"):
            db.execute_command(*words(other), "ID", "x")
    assert digest(db.server) == before
    assert db.execute_command("SM.NEW", "m", OTHER, "ID", "x") == [b"repeated", b"off", 1]


def test_to_belongs_to_the_request(db):
    choice = json.dumps({"map": {"a": {"go": ["b", "c"]}, "b": {"go": ["a", "c"]}}, "initial": "a"})
    db.execute_command("SM.NEW", "m", choice)
    assert db.execute_command("SM.FIRE", "m", "go", "TO", "b", "ID", "x") == [b"moved", b"b", 2]
    assert db.execute_command("SM.FIRE", "m", "go", "ID", "x", "TO", "b") == [b"repeated", b"b", 2]
    for more in (("TO", "c"), ("TO", "nowhere")):
        with pytest.raises(redis.exceptions.ResponseError, match="ID"):
            db.execute_command("SM.FIRE", "m", "go", *more, "ID", "x")


def test_what_keeps_and_what_forgets_ids(db):
    run = db.execute_command
    run("SM.NEW", "m", TOGGLE)
    fire(db, "x")
    run("SM.RESET", "m")
    run("SM.FORCE", "m", "on")
    run("SM.REDEFINE", "m", OTHER)
    run("SM.REDEFINE", "m", TOGGLE)
    run("COPY", "m", "copy")
    run("RESTORE", "restored", "0", run("DUMP", "m"))
    run("DEBUG", "RELOAD")
    for key in ("m", "copy", "restored"):
        assert run("SM.FIRE", key, "press", "ID", "x") == [b"repeated", b"on", 2]
    run("SM.SET", "m", TOGGLE)
    assert fire(db, "x") == [b"moved", b"on", 8]
    run("SM.CREATE", "copy")
    run("SM.SET", "copy", TOGGLE)
    assert run("SM.FIRE", "copy", "press", "ID", "x") == [b"moved", b"on", 9]
    run("DEL", "restored")
    run("SM.NEW", "restored", TOGGLE)
    assert run("SM.FIRE", "restored", "press", "ID", "x") == [b"moved", b"on", 2]


def test_a_promoted_replica_knows_the_ids(servers):
    primary, replica = servers.pair()
    primary.run("SM.NEW", "m", TOGGLE)
    primary.run("SM.FIRE", "m", "press", "ID", "x")
    wait_in_sync(primary, replica)
    primary.kill()
    replica.run("REPLICAOF", "NO", "ONE")
    assert replica.run("SM.FIRE", "m", "press", "ID", "x") == [b"repeated", b"on", 2]
