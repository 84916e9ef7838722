"""SM.SET and SM.CREATE over a machine replace its value in place, as SET replaces a string."""

import pytest

from documents import ORDER
from harness import OK, digest, wait_in_sync

OVERWRITES = [("SM.SET", "m", ORDER), ("SM.SET", "m", ORDER, "boo"), ("SM.CREATE", "m")]
each = pytest.mark.parametrize("command", OVERWRITES, ids=["set", "set with a state", "create"])


@pytest.fixture
def listener(server):
    server.run("SM.SET", "m", ORDER)
    # All classes, new keys (n) and, if the server has them, overwritten keys and changed types.
    for classes in ("KEAnoc", "KEAn"):
        try:
            server.run("CONFIG", "SET", "notify-keyspace-events", classes)
            break
        except Exception:
            continue
    with server.client() as client:
        channel = client.pubsub()
        channel.psubscribe("__keyspace@0__:m")
        assert channel.get_message(timeout=None)["type"] == "psubscribe"
        yield channel
        channel.close()


def events(server, channel):
    server.run("PUBLISH", "__keyspace@0__:m", "end")
    out = []
    while (event := channel.get_message(timeout=None)["data"]) != b"end":
        out.append(event.decode())
    return out


@each
def test_the_key_is_not_new(server, listener, command):
    server.run(*command)
    assert events(server, listener) == [command[0].lower()]


@each
def test_a_key_that_was_missing_is_new(server, listener, command):
    server.run("DEL", "m")
    server.run(*command)
    assert events(server, listener) == ["del", "new", command[0].lower()]


def frequency(server):
    return server.run("OBJECT", "FREQ", "m")


@each
def test_the_access_counter_stays(server, command):
    server.run("CONFIG", "SET", "maxmemory-policy", "allkeys-lfu")
    # The counter grows with every access and never decays.
    server.run("CONFIG", "SET", "lfu-log-factor", 0)
    server.run("CONFIG", "SET", "lfu-decay-time", 0)
    server.run("SM.SET", "m", ORDER)
    for _ in range(30):
        server.run("SM.STATE", "m")
    before = frequency(server)
    assert before >= 30
    server.run(*command)
    assert frequency(server) >= before


@each
def test_the_expiry_goes(server, command):
    server.run("SM.SET", "m", ORDER)
    server.run("EXPIRE", "m", 1000)
    server.run(*command)
    assert server.run("TTL", "m") == -1


@each
def test_a_transaction_that_watches_the_key_fails(server, command):
    server.run("SM.SET", "m", ORDER)
    with server.wire() as watcher:
        assert watcher("WATCH", "m") == OK
        server.run(*command)
        watcher("MULTI")
        watcher("PING")
        assert watcher("EXEC") == b"*-1\r\n"


@each
def test_a_replica_and_a_restart_see_the_same(servers, command):
    primary, replica = servers.pair(["appendonly yes", "appendfsync always"])
    primary.run("SM.SET", "m", b'{"initial":"x","map":{"x":["y"]}}')
    primary.run("SM.MUTATE", "m", "y", "a reason")
    primary.run("EXPIRE", "m", 1000)
    primary.run(*command)
    wait_in_sync(primary, replica)
    expected = digest(primary)
    assert digest(replica) == expected
    primary.kill()
    primary.start()
    assert digest(primary) == expected


@pytest.mark.parametrize("command", [("SM.SET", "m", b"{"), ("SM.SET", "m", ORDER, "nowhere")])
def test_a_refused_document_leaves_the_key_alone(server, listener, command):
    server.run("SM.MUTATE", "m", "boo", "a reason")
    server.run("EXPIRE", "m", 1000)
    before = digest(server)
    with server.wire() as wire:
        assert wire(*command).startswith(b"-ERR invalid machine: ")
    assert digest(server) == before
    assert server.run("TTL", "m") > 0
    assert events(server, listener) == ["sm.mutate", "expire"]


@each
def test_memory_is_given_back(server, command):
    """The old machine, its definition and its reason are freed."""
    states = ",".join(f'"state {i}":["state {i + 1}"]' for i in range(2000))
    big = f'{{"initial":"state 0","map":{{{states}}}}}'
    server.run("SM.SET", "m", ORDER)
    for _ in range(3):
        server.run("SM.SET", "m", big)
        server.run("SM.MUTATE", "m", "state 1", "r" * 10_000)
        server.run(*command)
        info = server.info("redisstate")
        assert info["redisstate_definitions"] == 1 and info["redisstate_machines"] == 1
