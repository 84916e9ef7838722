"""Keyspace events: one for each write that changed something, on the primary and on its replicas."""

import pytest

from documents import ORDER
from harness import wait_in_sync

# Each of these is refused or changes nothing, on a machine as it was stored.
QUIET = [
    "SM.MUTATE m bar",
    "SM.MUTATE m none",
    "SM.MUTATE m none why FORCE",
    "SM.MUTATE m boo why NONSENSE",
    "SM.MUTATE missing boo",
    "SM.RESET m",
    "SM.RESET missing",
    "SM.SET m nonsense",
    "SM.SET text {}",
    "SM.CREATE text",
    "SM.CREATE",
    "SM.GET m",
    "SM.GET m REASON",
    "SM.STATE m",
    "SM.STATE m LIST",
    "SM.NEXT m",
    "SM.CAN m boo",
    "SM.EXPORT m DOT",
    "SM.LINT m",
    "SM.TEMPLATE",
    "SM.COUNT order",
    "SM.DEFINITIONS",
    "SM.SCAN 0 STATE boo",
]


class Listener:
    """Collects the keyspace events of a server."""

    def __init__(self, server, classes="KEA"):
        server.run("CONFIG", "SET", "notify-keyspace-events", classes)
        self.server = server
        self.client = server.client()
        self.channel = self.client.pubsub()
        self.channel.psubscribe("__key*__:*", "end")
        for _ in range(2):
            assert self.channel.get_message(timeout=None)["type"] == "psubscribe"

    def events(self):
        """Returns (channel, message) of each event since the last call. A message that we publish ourselves
        marks the end."""
        self.server.run("PUBLISH", "end", "")
        out = []
        while True:
            message = self.channel.get_message(timeout=None)
            if message["channel"] == b"end":
                return out
            out.append((message["channel"].decode(), message["data"].decode()))

    def names(self):
        """Returns the names of the events since the last call."""
        return [data for channel, data in self.events() if channel.startswith("__keyspace@")]

    def close(self):
        self.channel.close()
        self.client.close()


@pytest.fixture
def listen():
    opened = []

    def listen(server, classes="KEA"):
        opened.append(Listener(server, classes))
        return opened[-1]

    yield listen
    for listener in opened:
        listener.close()


@pytest.fixture
def listener(server, listen):
    """Yields a listener on a server with a machine in `m` and a string in `text`."""
    server.run("SM.SET", "m", ORDER)
    server.run("SET", "text", "text")
    return listen(server)


def test_each_write_has_its_event(server, listener):
    with server.wire() as wire:
        wire("SM.SET", "n", ORDER)
        wire("SM.MUTATE", "n", "boo")
        wire("SM.MUTATE", "n", "bar", "why", "FORCE")
        wire("SM.RESET", "n")
        wire("SM.CREATE", "n")
    assert [name for name in listener.names() if name != "new"] == [
        "sm.set",
        "sm.mutate",
        "sm.mutate",
        "sm.reset",
        "sm.create",
    ]


def test_both_channels(server, listener):
    server.run("SM.MUTATE", "m", "boo")
    assert listener.events() == [("__keyspace@0__:m", "sm.mutate"), ("__keyevent@0__:sm.mutate", "m")]


def test_the_database_is_the_keys(server, listener):
    with server.client(db=5) as client:
        client.execute_command("SM.CREATE", "n")
    assert ("__keyspace@5__:n", "sm.create") in listener.events()


def test_a_binary_key(server, listener):
    server.run("SM.CREATE", "a\0b\r\n c")
    assert ("__keyevent@0__:sm.create", "a\0b\r\n c") in listener.events()


@pytest.mark.parametrize("command", QUIET)
def test_none_for_what_is_refused_or_changes_nothing(server, listener, command):
    with server.wire() as wire:
        wire(*command.split())
    assert listener.names() == []


def test_none_for_a_write_without_memory(server, listener):
    server.run("CONFIG", "SET", "maxmemory", 1)
    with server.wire() as wire:
        assert wire("SM.SET", "m", ORDER).startswith(b"-OOM")
        assert wire("SM.MUTATE", "m", "boo", "why").startswith(b"-OOM")
    assert listener.names() == []


def test_none_for_a_write_over_a_limit(server, listener):
    server.run("CONFIG", "SET", "redisstate.max-states", 1)
    with server.wire() as wire:
        assert wire("SM.SET", "m", ORDER).startswith(b"-ERR")
    assert listener.names() == []


def test_a_write_is_no_read(server, listen):
    """A writing command counts no miss for a missing key, like the server's own commands."""
    listener = listen(server, "KEAm")
    for command in ("SM.MUTATE missing boo", "SM.RESET missing", "SM.MUTATE missing boo why FORCE"):
        server.run(*command.split())
    assert listener.names() == []
    assert server.info("stats")["keyspace_misses"] == 0
    server.run("SM.GET", "missing")
    assert server.info("stats")["keyspace_misses"] == 1


def test_replacing_is_one_event(server, listener):
    """As with SET, there is no event about the old value, whatever its type."""
    server.run("SM.SET", "m", ORDER)
    server.run("SM.CREATE", "m")
    assert listener.names()[-2:] == ["sm.set", "sm.create"]
    assert "del" not in listener.names()


def test_in_edge_mode_too(servers, listen):
    server = servers.start(module_args="compat edge")
    listener = listen(server, "Kd")
    with server.wire() as wire:
        wire("SM.SET", "m", ORDER)
        wire("SM.MUTATE", "m", "blee")
        wire("SM.MUTATE", "m", "boo", "why")
        wire("SM.RESET", "m")
    assert listener.names() == ["sm.set", "sm.mutate", "sm.reset"]


def test_a_transaction_and_a_script(server, listener):
    with server.client() as client:
        with client.pipeline() as pipeline:
            pipeline.execute_command("SM.MUTATE", "m", "boo")
            pipeline.execute_command("SM.MUTATE", "m", "boo")
            assert pipeline.execute() == [b"OK", None]
        client.eval("return redis.call('SM.RESET', KEYS[1])", 1, "m")
    assert listener.names() == ["sm.mutate", "sm.reset"]


# ---- classes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("classes", "expected"),
    [("Kd", ["sm.mutate"]), ("KA", ["sm.mutate"]), ("Kg$lshzxet", []), ("d", []), ("", [])],
)
def test_the_class_is_that_of_modules(server, listen, classes, expected):
    server.run("SM.SET", "m", ORDER)
    listener = listen(server, classes)
    server.run("SM.MUTATE", "m", "boo")
    assert listener.names() == expected


# ---- replicas -----------------------------------------------------------------------------------


def test_a_replica_has_the_events_of_its_primary(servers, listen):
    primary, replica = servers.pair()
    there, here = listen(primary, "Kd"), listen(replica, "Kd")
    with primary.wire() as wire:
        wire("SM.SET", "m", ORDER)
        wire("SM.MUTATE", "m", "boo")
        wire("SM.MUTATE", "m", "bar")
        wire("SM.MUTATE", "m", "bar", "why", "FORCE")
        wire("SM.RESET", "m")
        wire("SM.RESET", "m")
        wire("SM.CREATE", "m")
    wait_in_sync(primary, replica)
    expected = ["sm.set", "sm.mutate", "sm.mutate", "sm.reset", "sm.create"]
    assert there.names() == expected
    assert here.names() == expected


def test_a_replica_of_a_primary_in_edge_mode(servers, listen):
    """A reset that keeps its reason is replicated as a move, the only event with another name there."""
    primary, replica = servers.start(module_args="compat edge"), servers.start()
    replica.run("REPLICAOF", "127.0.0.1", primary.port)
    wait_in_sync(primary, replica)
    there, here = listen(primary, "Kd"), listen(replica, "Kd")
    with primary.wire() as wire:
        wire("SM.SET", "m", ORDER)
        wire("SM.MUTATE", "m", "boo", "why")
        wire("SM.RESET", "m")
    wait_in_sync(primary, replica)
    assert there.names() == ["sm.set", "sm.mutate", "sm.reset"]
    assert here.names() == ["sm.set", "sm.mutate", "sm.mutate"]
