"""Fleets: how many machines are where, by SM.COUNT and SM.DEFINITIONS, against a walk over all keys."""

import collections
import json
import random

import pytest

from harness import background_save, follow, rewrite_aof, wait_in_sync, wait_until

STATES = ["new", "paid", "shipped", "lost"]


def document(name="order", revision=1, **more):
    """Returns a document in which every state leads to every other."""
    rows = {state: {"go": [other for other in STATES if other != state]} for state in STATES}
    return json.dumps({"map": rows, "name": name, "revision": revision, "initial": "new"} | more)


DOCUMENTS = [document(), document(revision=2), document("device", 7), document("device", 7, history=3)]
# What the name and the revision of each are.
LABELS = [("order", 1), ("order", 2), ("device", 7)]


def count(server, *arguments):
    """Returns the reply of SM.COUNT as a dictionary."""
    flat = server.raw("SM.COUNT", *arguments)
    return {state.decode(): number for state, number in zip(flat[::2], flat[1::2])}


def walk(server):
    """Returns the number of machines by (name, revision) and state, by asking each key of each database."""
    counts = collections.Counter()
    for database in range(16):
        client = server.client(db=database)
        for key in client.scan_iter(count=1000, _type="StateType"):
            fields = client.execute_command("SM.INFO", key)
            if isinstance(fields, list):
                fields = dict(zip(fields[::2], fields[1::2]))
            by_name = {name.decode(): value for name, value in fields.items()}
            label = (by_name["name"].decode(), by_name["revision"])
            counts[label, by_name["state"].decode()] += 1
        client.close()
    return counts


def counted(server):
    """Returns the same by SM.COUNT, without the zeros."""
    counts = collections.Counter()
    for name, revision in LABELS:
        for state, number in count(server, name, "REVISION", revision).items():
            counts[(name, revision), state] += number
    return +counts


def assert_counts_are_right(server):
    """Waits for frees in the background, which are counted until they are done."""
    expected = walk(server)
    wait_until(lambda: counted(server) == expected, f"the counts to be {expected}")
    for name in ("order", "device"):
        whole = collections.Counter()
        for (label, state), number in expected.items():
            whole[state] += number if label[0] == name else 0
        assert +collections.Counter(count(server, name)) == +whole


class Traffic:
    """Random commands of all kinds that make, move and remove machines."""

    def __init__(self, server, seed):
        self.random = random.Random(seed)
        self.clients = [server.client(db=database) for database in range(3)]
        self.server = server

    def key(self):
        return f"m{self.random.randrange(60)}"

    def step(self):
        client = self.random.choice(self.clients)
        run, choose = client.execute_command, self.random.choice
        key, other = self.key(), self.key()
        document, state = choose(DOCUMENTS), choose(STATES)
        dump = client.dump(key)
        steps = [
            lambda: run("SM.NEW", key, document, "STATE", state),
            lambda: run("SM.SET", key, document, state),
            lambda: run("SM.FIRE", key, "go", "TO", state),
            lambda: run("SM.FORCE", key, state),
            lambda: run("SM.MUTATE", key, state),
            lambda: run("SM.RESET", key),
            lambda: run("SM.REDEFINE", key, document),
            lambda: run("SM.NEW", key, '{"map":'),
            lambda: run("DEL", key),
            lambda: run("UNLINK", key),
            lambda: run("RENAME", key, other),
            lambda: run("MOVE", key, self.random.randrange(3)),
            lambda: run("COPY", key, other, "DB", self.random.randrange(3), "REPLACE"),
            lambda: dump and client.restore(other, 0, dump, replace=True),
            lambda: run("PEXPIRE", key, 1),
            lambda: run("SET", key, "text"),
            lambda: client.eval("redis.call('SM.FIRE', KEYS[1], 'go', 'TO', ARGV[1])", 1, key, state),
            lambda: self.transaction(client, key, document, state),
        ]
        self.try_(choose(steps))

    @staticmethod
    def transaction(client, key, document, state):
        with client.pipeline() as pipe:
            pipe.execute_command("SM.SET", key, document)
            pipe.execute_command("SM.FORCE", key, state)
            pipe.execute()

    @staticmethod
    def try_(step):
        """Errors are part of the traffic: of missing keys, and of keys of another type."""
        try:
            step()
        except Exception as why:
            if "Connection" in type(why).__name__:
                raise

    def run(self, steps):
        for _ in range(steps):
            self.step()

    def close(self):
        for client in self.clients:
            client.close()


@pytest.fixture
def traffic(server):
    traffic = Traffic(server, seed=12)
    traffic.run(1500)
    yield traffic
    traffic.close()


def test_the_counts_after_random_traffic(server, traffic):
    for _ in range(5):
        traffic.run(300)
        assert_counts_are_right(server)
    assert sum(counted(server).values()) > 30


AFTER = {
    "a reload": ["DEBUG", "RELOAD"],
    "SWAPDB": ["SWAPDB", "0", "1"],
    "FLUSHDB": ["FLUSHDB"],
    "FLUSHDB ASYNC": ["FLUSHDB", "ASYNC"],
    "FLUSHALL ASYNC": ["FLUSHALL", "ASYNC"],
}


@pytest.mark.parametrize("what", AFTER)
def test_the_counts_after(server, traffic, what):
    before = counted(server)
    server.run(*AFTER[what])
    assert_counts_are_right(server)
    if what in ("a reload", "SWAPDB"):
        wait_until(lambda: counted(server) == before, "the same counts as before")


def test_the_counts_after_a_restart(server, traffic):
    background_save(server)
    before = walk(server)
    server.restart()
    assert counted(server) == before == walk(server)


@pytest.mark.parametrize("preamble", ["yes", "no"])
def test_the_counts_after_the_aof_was_rewritten_and_read(servers, preamble):
    server = servers.start(["appendonly yes", f"aof-use-rdb-preamble {preamble}"])
    traffic = Traffic(server, seed=3)
    traffic.run(500)
    rewrite_aof(server)
    traffic.run(500)
    traffic.close()
    assert_counts_are_right(server)
    server.restart()
    assert sum(counted(server).values()) > 30
    assert_counts_are_right(server)


@pytest.mark.parametrize("load", ["disabled", "swapdb"])
def test_the_counts_of_a_replica(servers, load):
    primary = servers.start()
    replica = servers.start([f"repl-diskless-load {load}"])
    old = Traffic(replica, seed=5)
    old.run(500)
    old.close()
    traffic = Traffic(primary, seed=4)
    traffic.run(500)
    follow(replica, primary)
    wait_in_sync(primary, replica)
    traffic.run(500)
    traffic.close()
    wait_in_sync(primary, replica)
    for server in (primary, replica):
        assert_counts_are_right(server)
    assert sum(counted(primary).values()) > 30
    assert counted(primary) == counted(replica)


def test_the_counts_after_evictions(server):
    client = server.client()
    for at in range(5000):
        client.execute_command("SM.SET", f"m{at}", DOCUMENTS[at % 4])
    server.run("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
    used = int(server.info("memory")["used_memory"])
    server.run("CONFIG", "SET", "maxmemory", used - 300_000)
    wait_until(lambda: int(server.info("stats")["evicted_keys"]) > 100, "evictions")
    server.run("CONFIG", "SET", "maxmemory", 0)
    assert_counts_are_right(server)
    client.close()


def test_a_state_without_machines_is_there_with_zero(server):
    server.run("SM.SET", "m", document())
    assert count(server, "order") == {"new": 1, "paid": 0, "shipped": 0, "lost": 0}
    server.run("SM.FORCE", "m", "lost")
    assert count(server, "order") == {"new": 0, "paid": 0, "shipped": 0, "lost": 1}


def test_a_name_that_is_unknown_has_no_states(server):
    server.run("SM.SET", "m", document())
    server.run("SM.CREATE", "blank")
    assert count(server, "nothing") == count(server, "") == count(server, b"\xff") == {}
    assert count(server, "order", "REVISION", 2) == {}
    server.run("DEL", "m")
    assert count(server, "order") == {}


def test_definitions_of_one_name_are_summed_by_state(server):
    other = {"map": {"lost": ["found"]}, "name": "order", "revision": 1, "initial": "found"}
    for at, text in enumerate([document(), document(), json.dumps(other), document(revision=2)]):
        server.run("SM.SET", f"m{at}", text)
    server.run("SM.FORCE", "m0", "lost")
    server.run("SM.FORCE", "m2", "lost")
    rest = {"paid": 0, "shipped": 0}
    assert count(server, "order", "REVISION", 1) == rest | {"new": 1, "lost": 2, "found": 0}
    assert count(server, "order") == rest | {"new": 2, "lost": 2, "found": 0}


def test_the_reply_is_a_map(server):
    server.run("SM.SET", "m", '{"map":{"a":["b"]},"name":"n","initial":"a"}')
    with server.wire() as wire:
        assert wire("SM.COUNT", "n") == b"*4\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n:0\r\n"
        wire("HELLO", "3")
        assert wire("SM.COUNT", "n") == b"%2\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n:0\r\n"
        assert wire("SM.COUNT", "none") == b"%0\r\n"


NUMBER = "expected a whole number from"
WRONG = {
    "SM.COUNT n REVISION": "REVISION: there is no value after it",
    "SM.COUNT n REVISION x": f"REVISION: {NUMBER} 0 to 4294967295, found 'x'",
    "SM.COUNT n REVISION -1": f"REVISION: {NUMBER} 0 to 4294967295, found '-1'",
    "SM.COUNT n REVISION 4294967296": f"REVISION: {NUMBER} 0 to 4294967295, found '4294967296'",
    "SM.COUNT n STATE a": "unknown option 'STATE' for SM.COUNT: expected REVISION",
}


@pytest.mark.parametrize("command", WRONG)
def test_what_is_wrong_is_said(db, command):
    with db.server.wire() as wire:
        assert wire(*command.split()) == f"-ERR {WRONG[command]}\r\n".encode()


def definitions(server):
    replies = server.raw("SM.DEFINITIONS")
    return [{name.decode(): value for name, value in zip(one[::2], one[1::2])} for one in replies]


def test_definitions_come_by_name_and_revision(server):
    named = [("b", 1), ("a", 10), ("a", 9), ("aa", 0)]
    for at, (name, revision) in enumerate(named):
        server.run("SM.SET", f"m{at}", document(name, revision))
    server.run("SM.SET", "none", '{"map":{"a":["b"]},"name":"b","initial":"a"}')
    server.run("SM.CREATE", "blank")
    server.run("COPY", "m0", "copy", "DB", "3")
    found = definitions(server)
    assert [(one["name"].decode(), one["revision"]) for one in found] == [
        ("a", 9), ("a", 10), ("aa", 0), ("b", None), ("b", 1),
    ]  # fmt: skip
    assert [one["machines"] for one in found] == [1, 1, 1, 1, 2]
    assert (found[0]["states"], found[0]["transitions"]) == (4, 12)
    assert (found[3]["states"], found[3]["transitions"]) == (2, 1)
    server.run("FLUSHALL")
    assert definitions(server) == []


def test_the_bytes_are_the_share_in_memory_usage(server):
    """A machine's own memory doesn't change with the number of its definition's machines."""
    server.run("SM.SET", "m0", document())
    alone = server.run("MEMORY", "USAGE", "m0")
    (definition,) = definitions(server)
    server.run("SM.SET", "m1", document())
    half = definition["bytes"] // 2
    assert alone - server.run("MEMORY", "USAGE", "m0") == half
