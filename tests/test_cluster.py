"""Every command in a cluster: the server and redis-py's cluster client route it by its key, or are told the
node."""

import re

import pytest
import redis

from documents import ORDER, order
from harness import OK, ROOT, SLOWDOWN, Pool, bulk, server_version, value_digests, wait_until
from test_acl import METADATA, call
from walks import STATES, document

# Every command that has a key, and the longer forms of some.
KEYLESS = {"SM.TEMPLATE", "SM.COUNT", "SM.DEFINITIONS", "SM.SCAN"}
KEYED = [call(name, "{k}") for name in METADATA if name not in KEYLESS] + [
    ["SM.SET", "{k}", ORDER, "boo"],
    ["SM.GET", "{k}", "REASON"],
    ["SM.STATE", "{k}", "LIST"],
    ["SM.MUTATE", "{k}", "boo", "why", "FORCE"],
    ["SM.EXPORT", "{k}", "MERMAID"],
    ["SM.FIRE", "{k}", "", "TO", "boo", "IFSTATE", "bar", "ID", "request"],
    ["SM.NEW", "{k}", ORDER, "STATE", "boo"],
    ["SM.REDEFINE", "{k}", ORDER, "RENAME", "bar", "boo"],
    ["SM.HISTORY", "{k}", "COUNT", "1"],
]


@pytest.fixture(scope="module")
def _nodes():
    pool = Pool()
    try:
        yield pool.cluster(3)
    finally:
        pool.close()


@pytest.fixture
def nodes(_nodes):
    for node in _nodes:
        node.run("FLUSHALL")
    return _nodes


@pytest.fixture
def client(nodes):
    client = redis.RedisCluster(host="127.0.0.1", port=nodes[0].port, protocol=2, socket_timeout=60 * SLOWDOWN)
    yield client
    client.close()


def slot(node, key):
    return node.run("CLUSTER", "KEYSLOT", key)


def owner(nodes, key):
    """Returns the node of a key's slot: the three nodes share the slots evenly, in their order."""
    return nodes[min(slot(nodes[0], key) // (16384 // 3), 2)]


@pytest.mark.parametrize("command", KEYED, ids=lambda c: " ".join(map(str, (c[0], *c[2:])))[:30])
def test_the_wrong_node_says_where_to_go(nodes, command):
    right = owner(nodes, "{k}")
    moved = b"-MOVED %d 127.0.0.1:%d\r\n" % (slot(right, "{k}"), right.port)
    for node in nodes:
        with node.wire() as wire:
            reply = wire(*command)
        assert (reply == moved) == (node is not right), reply


def test_template_needs_no_slot(nodes):
    for node in nodes:
        with node.wire() as wire:
            assert wire("SM.TEMPLATE") == bulk('{"current":"","map":{},"initial":""}')


def test_redis_pys_cluster_client(nodes, client):
    for i in range(60):
        key = f"order:{i}"
        assert client.execute_command("SM.SET", key, ORDER) == b"OK"
        assert client.execute_command("SM.STATE", key) == [b"bar"]
        assert client.execute_command("SM.MUTATE", key, "boo", "why") == b"OK"
        assert client.execute_command("SM.MUTATE", key, "bar") is None
        assert client.execute_command("SM.GET", key, "REASON") == b"why"
        assert client.execute_command("SM.RESET", key) == b"OK"
        assert client.execute_command("SM.NEXT", key) == [b"blee", b"boo"]
        assert client.execute_command("SM.CAN", key, "boo") == 1
        assert client.execute_command("SM.EXPORT", key, "DOT").startswith(b"digraph")
        assert isinstance(client.execute_command("SM.LINT", key), list)
        assert client.execute_command("SM.GET", key) == order()
        assert client.execute_command("SM.NEW", key, ORDER)[0] == b"exists"
        assert client.execute_command("SM.FIRE", key, "", "TO", "boo") == [b"moved", b"boo", 4]
        assert client.execute_command("SM.MOVE", key, "blee") == [b"moved", b"blee", 5]
        assert client.execute_command("SM.FORCE", key, "bar") == [b"moved", b"bar", 6]
        assert client.execute_command("SM.REDEFINE", key, ORDER) == [b"redefined", b"bar", 7]
        assert client.execute_command("SM.EVENTS", key) == [[b"", b"blee", b"boo"]]
        assert client.execute_command("SM.INFO", key)[:2] == [b"name", b""]
        assert client.execute_command("SM.HISTORY", key) == []
        assert client.execute_command("SM.CREATE", key) == b"OK"
    sizes = [node.run("DBSIZE") for node in nodes]
    assert sum(sizes) == 60 and all(sizes)


# ---- commands without a key -----------------------------------------------------------------------


@pytest.fixture
def recipe(nodes):
    """Returns what the program of docs/clusters.md defines, with the port of this cluster."""
    (text,) = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs/clusters.md").read_text(), re.M | re.S)
    assert text.count("port=7000") == 1
    defined = {}
    exec(text.replace("port=7000", f"port={nodes[0].port}"), defined)
    yield defined
    defined["client"].close()


def test_every_primary_is_counted_and_scanned(nodes, client, recipe):
    assert recipe["count"]("order") == {} and list(recipe["scan"]()) == []
    for i in range(300):
        client.execute_command("SM.NEW", f"order:{i}", document(), "STATE", STATES[i % 3])
        client.set(f"text:{i}", "x")
    assert all(node.raw("SM.COUNT", "order") for node in nodes), "each has some"
    assert recipe["count"]("order") == {"new": 100, "paid": 100, "shipped": 100, "lost": 0}
    keys = lambda *options: sorted(set(recipe["scan"](*options)))
    assert keys() == keys("NAME", "order") == sorted(f"order:{i}" for i in range(300))
    assert keys("STATE", "paid", "NAME", "order") == sorted(f"order:{i}" for i in range(1, 300, 3))
    assert keys("NAME", "device") == []


def test_redis_py_finds_no_node_by_itself(client):
    """Why the recipe names nodes. If this fails, the page may have something simpler to say."""
    for options in ({}, {"target_nodes": redis.RedisCluster.PRIMARIES}):
        with pytest.raises(redis.exceptions.RedisClusterException, match="Missing key"):
            client.execute_command("SM.COUNT", "order", **options)


def test_lua_in_a_cluster(client):
    client.execute_command("SM.SET", "{k}", ORDER)
    assert client.eval("return redis.call('SM.MUTATE', KEYS[1], 'boo')", 1, "{k}") == b"OK"


# ---- a slot moves from one node to another --------------------------------------------------------


FAR = 9007199254740991
DIARY = '{"map":{"a":{"go":"b"},"b":{"go":"a"}},"after":{"b":{"to":null}},"history":9,"initial":"a"}'
# Machines that no command says all of, so that a slot import gets their records.
REMEMBERING = ["{k}:remembers", "{k}:remembers too"]


def remembered(node, key):
    """Returns the expiry, what SM.INFO says apart from the number of machines, and the history."""
    return node.run("PEXPIRETIME", key), node.raw("SM.INFO", key)[:-1], node.raw("SM.HISTORY", key)


def goes_on(node, key):
    assert node.run("SM.FIRE", key, "go", "ID", "moved") == [b"repeated", b"b", 2]
    assert node.run("SM.FIRE", key, "go", "IFVERSION", "2") == [b"moved", b"a", 3]


@pytest.fixture
def moving(nodes):
    """Yields machines in the slot of {k}, the slot's node and another node. Moves the slot back afterwards."""
    home = owner(nodes, "{k}")
    other = next(node for node in nodes if node is not home)
    keys = [f"{{k}}:{i}" for i in range(20)] + REMEMBERING
    with home.client() as client:
        for key in REMEMBERING:
            client.execute_command("SM.NEW", key, DIARY, "ID", "made")
            client.execute_command("SM.FIRE", key, "go", "ID", "moved", "BY", "me", "REASON", "why", "DUE", FAR)
            client.execute_command("PEXPIREAT", key, 33177117420000)
        for i, key in enumerate(keys[:20]):
            client.execute_command("SM.SET", key, ORDER)
            if i % 2:
                client.execute_command("SM.MUTATE", key, "boo", f"reason {i}")
    yield home, other, keys
    for node in nodes:
        node.run("CLUSTER", "SETSLOT", slot(node, "{k}"), "STABLE")
        node.run("CLUSTER", "SETSLOT", slot(node, "{k}"), "NODE", home.node_id())


def test_migrate_key_by_key(nodes, moving):
    home, other, keys = moving
    before = value_digests(home, keys)
    shown = [remembered(home, key) for key in REMEMBERING]
    number = slot(home, "{k}")
    other.run("CLUSTER", "SETSLOT", number, "IMPORTING", home.node_id())
    home.run("CLUSTER", "SETSLOT", number, "MIGRATING", other.node_id())
    home.run("MIGRATE", "127.0.0.1", other.port, "", 0, 60_000, "KEYS", *keys[:10])
    with home.wire() as at_home, other.wire() as there:
        assert at_home("SM.GET", keys[0]).startswith(b"-ASK ")
        assert at_home("SM.MUTATE", keys[0], "boo").startswith(b"-ASK ")
        assert at_home("SM.GET", keys[11]) == bulk(order("boo", "reason 11"))
        assert there("SM.GET", keys[1]).startswith(b"-MOVED ")
        assert there("ASKING") == OK
        assert there("SM.GET", keys[1]) == bulk(order("boo", "reason 1"))
    home.run("MIGRATE", "127.0.0.1", other.port, "", 0, 60_000, "KEYS", *keys[10:])
    for node in (other, home):
        node.run("CLUSTER", "SETSLOT", number, "NODE", other.node_id())
    assert value_digests(other, keys) == before
    for (expiry, *facts), key in zip(shown, REMEMBERING):
        moved_expiry, *moved_facts = remembered(other, key)
        assert moved_facts == facts
        # MIGRATE sends how much time is left, so the way to the target is added.
        assert expiry <= moved_expiry < expiry + 60_000
    with other.client() as client:
        assert client.execute_command("SM.MUTATE", keys[0], "boo") == b"OK"
    for key in REMEMBERING:
        goes_on(other, key)
    other.run("FLUSHALL")


def test_valkeys_atomic_slot_migration(nodes, moving):
    """The target applies neither its limits nor its rules to arriving machines: the source accepted them."""
    name, version = server_version()
    if name != "valkey" or version < (9, 0, 0):
        pytest.skip("CLUSTER MIGRATESLOTS is in Valkey 9 and up")
    home, other, keys = moving
    home.run("CONFIG", "SET", "redisstate.compat", "edge")
    home.run("SM.SET", keys[0], ORDER, "a leftover state")
    home.run("CONFIG", "SET", "redisstate.compat", "documented")
    for limit in ("max-states", "max-transitions", "max-reason-bytes"):
        other.run("CONFIG", "SET", f"redisstate.{limit}", 1)
    before = value_digests(home, keys)
    shown = [remembered(home, key) for key in REMEMBERING]
    number = slot(home, "{k}")
    home.run("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", number, number, "NODE", other.node_id())
    arrived = lambda: other.run("CLUSTER", "COUNTKEYSINSLOT", number) == len(keys)
    wait_until(arrived, "the slot to arrive", 60)
    wait_until(lambda: not home.run("CLUSTER", "COUNTKEYSINSLOT", number), "the slot to leave", 60)
    assert value_digests(other, keys) == before
    assert [remembered(other, key) for key in REMEMBERING] == shown
    for key in REMEMBERING:
        goes_on(other, key)
    for limit in ("max-states", "max-transitions", "max-reason-bytes"):
        other.run("CONFIG", "SET", f"redisstate.{limit}", 1000)
    other.run("FLUSHALL")
