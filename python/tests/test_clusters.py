"""A cluster of three primaries, through both clients."""

import pytest
import redis

from conftest import ORDER
from harness import Pool, wait_until
from redis_state import ModuleMissing, Verdict

KEYS = [f"order:{at}" for at in range(60)]


@pytest.fixture
def machines(clients, wire_options, cluster):
    for node in cluster:
        node.run("FLUSHALL")
    return clients.of(
        lambda library: library.RedisCluster(host="127.0.0.1", port=cluster[0].port, socket_timeout=30, **wire_options)
    )


def text(keys):
    return {key if isinstance(key, str) else key.decode() for key in keys}


def test_every_command_finds_its_node(machines, cluster):
    for key in KEYS:
        assert machines.new(key, ORDER, id="n") == Verdict("created", "new", 1)
    assert all(node.run("DBSIZE") > 5 for node in cluster), "the keys are on all nodes"
    for key in KEYS:
        assert machines.fire_or_raise(key, "pay").moved
        assert machines.state(key) == machines.get(key).state == machines.info(key).state == "paid"
        assert machines.history(key, count=1)[0].event == "pay" and machines.can(key, "sent")
        assert machines.next(key)[0] == "sent" and machines.events(key)["ship"] == ("sent",)
    key = KEYS[0]
    assert machines.emit("order:{7}", "moves:{7}", fire="pay") is None
    machines.new("order:{7}", ORDER)
    assert machines.emit("order:{7}", "moves:{7}", fire="pay").entry
    assert machines.redefine(key, ORDER).redefined and machines.force(key, "new").moved
    assert machines.wait(key, "paid", timeout=50).waited and machines.wait(key, "new", timeout=50).reached
    assert machines.lint(key) == [] and machines.export(key, "DOT")


def test_counts_are_added_up_and_definitions_merged(machines):
    for at, key in enumerate(KEYS):
        machines.new(key, ORDER, state="paid" if at % 3 == 0 else None)
    counts = machines.count("order", revision=3)
    assert (counts["paid"], counts["new"], counts["sent"]) == (20, 40, 0)
    (found,) = machines.definitions()
    assert (found.name, found.revision, found.machines, found.states) == ("order", 3, 60, 8)


def test_a_scan_goes_over_every_primary(machines):
    for at, key in enumerate(KEYS):
        machines.new(key, ORDER, state="paid" if at % 3 == 0 else None)
    found = list(machines.scan(name="order", count=7))
    assert len(found) == 60 and text(found) == set(KEYS)
    assert text(machines.scan(states=["paid"], match="order:*")) == set(KEYS[::3])


def test_a_pipeline_goes_to_several_nodes(machines):
    pipe = machines.pipeline(transaction=False)
    for key in KEYS:
        pipe.new(key, ORDER).fire(key, "pay")
    replies = pipe.execute()
    assert [verdict.what for verdict in replies] == ["created", "moved"] * 60
    assert machines.count("order")["paid"] == 60


def test_a_transaction_in_one_slot(machines):
    pipe = machines.pipeline(transaction=True)
    replies = pipe.new("order:{7}", ORDER).fire("order:{7}", "pay").state("order:{7}").execute()
    assert [replies[0].what, replies[1].what, replies[2]] == ["created", "moved", "paid"]


def test_a_transaction_over_two_slots(machines):
    pipe = machines.pipeline(transaction=True)
    with pytest.raises(redis.exceptions.RedisClusterException, match="slot"):
        pipe.new("a", ORDER).new("b", ORDER).execute()
    assert [verdict.what for verdict in pipe.new("b", ORDER).execute()] == ["created"]
    assert machines.state("a") is None


def test_a_slot_that_moves_to_another_node(machines, cluster):
    key = "order:{moving}"
    machines.new(key, ORDER)
    slot = cluster[0].run("CLUSTER", "KEYSLOT", key)
    source = _owner(cluster, key)
    target = next(node for node in cluster if node is not source)
    _move(slot, source, target, key)
    assert machines.fire(key, "pay").moved and machines.wait(key, "paid", timeout=100).reached
    _move(slot, target, source, key)
    assert machines.state(key) == "paid"


def _owner(cluster, key):
    for node in cluster:
        with node.client() as client:
            try:
                if client.exists(key):
                    return node
            except Exception:
                continue
    raise AssertionError(key)


def _move(slot, source, target, key):
    target.run("CLUSTER", "SETSLOT", slot, "IMPORTING", source.node_id())
    source.run("CLUSTER", "SETSLOT", slot, "MIGRATING", target.node_id())
    source.run("MIGRATE", "127.0.0.1", target.port, key, 0, 10_000)
    for node in (target, source):
        node.run("CLUSTER", "SETSLOT", slot, "NODE", target.node_id())


def test_a_node_without_the_module(clients):
    pool = Pool()
    try:
        nodes = pool.cluster(1, module=None)
        machines = clients.of(lambda library: library.RedisCluster(host="127.0.0.1", port=nodes[0].port))
        for call in (lambda: machines.fire("o", "pay"), lambda: machines.count("n"), lambda: list(machines.scan())):
            with pytest.raises(ModuleMissing):
                call()
    finally:
        pool.close()


def test_a_missing_key(machines):
    assert machines.fire("nothing", "pay") is None
    wait_until(lambda: machines.count("order") == {}, "an empty cluster")
