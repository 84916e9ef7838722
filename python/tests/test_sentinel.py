"""A primary that Sentinel names, and a replica that becomes one."""

import os
import subprocess
import time

import pytest
import redis
import redis.asyncio

from conftest import ORDER
from harness import SERVER, die_with_parent, take_port, wait_in_sync, wait_until
from redis_state import StateMachines


class Sentinel:
    """A process of Redis Sentinel that watches a primary under the name `orders`."""

    def __init__(self, folder, primary):
        self.port, self._lock = take_port()
        config = folder / "sentinel.conf"
        config.write_text(
            f"port {self.port}\ndir {folder}\n"
            f"sentinel monitor orders 127.0.0.1 {primary.port} 1\n"
            "sentinel down-after-milliseconds orders 500\nsentinel failover-timeout orders 5000\n"
        )
        self.process = subprocess.Popen(
            [SERVER, str(config), "--sentinel"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            preexec_fn=die_with_parent,
        )

    def knows(self, **facts):
        """Returns whether the sentinel says that of its primary."""
        try:
            with redis.Redis(port=self.port) as client:
                state = client.sentinel_master("orders")
        except redis.ConnectionError:
            return False
        return all(state[name] == value for name, value in facts.items())

    def close(self):
        self.process.kill()
        self.process.wait()
        self._lock.close()


@pytest.fixture
def watched(servers, tmp_path):
    primary, replica = servers.pair()
    sentinel = Sentinel(tmp_path, primary)
    try:
        wait_until(lambda: sentinel.knows(**{"num-slaves": 1}), "the sentinel to know the replica", 30)
        yield primary, replica, sentinel
    finally:
        sentinel.close()


def through(sentinel, clients):
    def client_of(library):
        sentinels = library.sentinel.Sentinel([("127.0.0.1", sentinel.port)], socket_timeout=5)
        return sentinels.master_for("orders", socket_timeout=5)

    return clients.of(client_of)


@pytest.mark.skipif(os.environ.get("SLOWDOWN", "1") != "1", reason="half a second without a reply is a failover here")
def test_a_failover(watched, clients):
    primary, replica, sentinel = watched
    machines = through(sentinel, clients)
    assert machines.new("o", ORDER).created and machines.fire("o", "pay", id="r1").moved
    wait_in_sync(primary, replica)
    primary.kill()
    wait_until(lambda: sentinel.knows(port=replica.port), "the failover", 30)
    # The client asks the sentinel anew, and the replica knows the request.
    assert until_writable(lambda: machines.fire("o", "pay", id="r1")).repeated
    assert machines.fire_or_raise("o", "ship").state == "sent"
    assert machines.count("order")["sent"] == 1 and [*machines.scan(states=["sent"])] == [b"o"]
    assert machines.wait("o", "sent", timeout=1000).reached
    with replica.client() as client:
        assert StateMachines(client).state("o") == "sent"


def until_writable(call):
    """Returns what the call does once the new primary takes writes."""
    end = time.monotonic() + 20
    while True:
        try:
            return call()
        except (redis.ConnectionError, redis.ReadOnlyError, redis.TimeoutError):
            assert time.monotonic() < end
            time.sleep(0.1)


def test_a_replica_that_is_promoted(servers, clients):
    primary, replica = servers.pair()
    machines = clients.at(primary.port)
    machines.new("o", ORDER)
    machines.fire("o", "pay", id="r1")
    wait_in_sync(primary, replica)
    there = clients.at(replica.port)
    assert there.state("o") == "paid" and there.info("o").version == 2 and there.count("order")["paid"] == 1
    with pytest.raises(redis.ReadOnlyError):
        there.fire("o", "ship")
    primary.kill()
    replica.run("REPLICAOF", "NO", "ONE")
    assert there.fire("o", "pay", id="r1").repeated and there.fire("o", "ship").state == "sent"
    assert [move.event for move in there.history("o")] == ["ship", "pay", ""]
