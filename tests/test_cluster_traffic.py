"""A cluster of three is resharded and failed over under traffic: no move is lost or wrongly refused, and
machines arrive with all that they have.

FAULT_ROUNDS is the number of slots that are moved to another node and back.
"""

import contextlib
import os
import threading
import time

import pytest
import redis

from documents import document
from harness import (
    OK,
    SLOWDOWN,
    ServerCrashed,
    Wire,
    array,
    bulk,
    digest,
    server_version,
    value_digests,
    wait_in_sync,
    wait_until,
)
from versioned import Traffic, everything

ROUNDS = max(2, int(os.environ.get("FAULT_ROUNDS", "5")) // 10)
RING = 1000
MACHINE = document({f"s{i}": [f"s{(i + 1) % RING}"] for i in range(RING)}, "s0")
KEYS = [f"{{k}}:{i}" for i in range(6)]


class Mover(threading.Thread):
    """Moves machines round their rings, and follows the cluster's redirections itself."""

    def __init__(self, nodes, keys):
        super().__init__(daemon=True)
        self.wires = {node.port: Wire(node.port) for node in nodes}
        self.at = nodes[0].port
        self.moves = dict.fromkeys(keys, 0)
        self.redirected = 0
        self.stop = threading.Event()
        self.problem = None

    def run(self):
        try:
            while not self.stop.is_set():
                for key in self.moves:
                    number = self.moves[key] + 1
                    reply = self.send("SM.MUTATE", key, f"s{number % RING}", f"move {number}")
                    assert reply == OK, (key, number, reply)
                    self.moves[key] = number
        except Exception as problem:
            self.problem = problem

    def send(self, *command):
        reply = self.wires[self.at](*command)
        while reply.startswith((b"-MOVED ", b"-ASK ", b"-TRYAGAIN", b"-CLUSTERDOWN", b"-UNBLOCKED")):
            self.redirected += 1
            kind, *rest = reply.split()
            port = int(rest[1].rsplit(b":", 1)[1]) if rest and kind in (b"-MOVED", b"-ASK") else self.at
            if kind == b"-ASK":
                assert self.wires[port]("ASKING") == OK
            else:
                self.at = port
            reply = self.wires[port](*command)
        return reply

    def end(self):
        self.stop.set()
        self.join(60 * SLOWDOWN)
        assert not self.is_alive() and self.problem is None, self.problem
        for key, moves in self.moves.items():
            assert self.send("SM.STATE", key) == array(f"s{moves % RING}"), (key, moves)
            assert self.send("SM.GET", key, "REASON") == bulk(f"move {moves}" if moves else "")


def owner(nodes, slot):
    return nodes[min(slot // (16384 // 3), 2)]


def move_by_hand(nodes, slot, source, target):
    """Moves a slot with the steps of redis-cli --cluster reshard, a few keys at a time."""
    target.run("CLUSTER", "SETSLOT", slot, "IMPORTING", source.node_id())
    source.run("CLUSTER", "SETSLOT", slot, "MIGRATING", target.node_id())
    while keys := source.run("CLUSTER", "GETKEYSINSLOT", slot, 2):
        source.run("MIGRATE", "127.0.0.1", target.port, "", 0, 60_000, "KEYS", *keys)
    for node in (target, source, *nodes):
        node.run("CLUSTER", "SETSLOT", slot, "NODE", target.node_id())


def move_at_once(nodes, slot, source, target):
    count = source.run("CLUSTER", "COUNTKEYSINSLOT", slot)
    start_moving(slot, source, target)
    mine = lambda: target.run("CLUSTER", "COUNTKEYSINSLOT", slot) == count
    gone = lambda: not source.run("CLUSTER", "COUNTKEYSINSLOT", slot)
    wait_until(lambda: mine() and gone(), "the slot to move", 60)


def start_moving(slot, source, target):
    source.run("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", target.node_id())


def need_migrateslots():
    if server_version()[0] != "valkey" or server_version()[1] < (9, 0, 0):
        pytest.skip("CLUSTER MIGRATESLOTS is in Valkey 9 and up")


def started(nodes):
    """Starts movers and waits until each has made some moves."""
    slot = nodes[0].run("CLUSTER", "KEYSLOT", "{k}")
    for key in KEYS:
        owner(nodes, slot).run("SM.SET", key, MACHINE)
    movers = [Mover(nodes, KEYS[i::2]) for i in range(2)]
    for mover in movers:
        mover.start()
    go_on(movers)
    return slot, movers


def go_on(movers, moves=20):
    """Waits until every mover has made some more moves."""
    for mover in movers:
        until = sum(mover.moves.values()) + moves
        wait_until(lambda: mover.problem or sum(mover.moves.values()) >= until, "moves to be made", 60)


@pytest.mark.parametrize("move", [move_by_hand, move_at_once])
def test_resharded_under_traffic(servers, move):
    if move is move_at_once:
        need_migrateslots()
    nodes = servers.cluster(3)
    slot, movers = started(nodes)
    at = nodes.index(owner(nodes, slot))
    for _ in range(ROUNDS):
        source, target = nodes[at], nodes[(at + 1) % 3]
        move(nodes, slot, source, target)
        at = (at + 1) % 3
        go_on(movers)
    for mover in movers:
        mover.end()
        assert mover.redirected


# ---- every command --------------------------------------------------------------------------------

TAGGED = [f"m:{{k}}:{i}" for i in range(25)]
# Without RDB preamble: a machine in a file is one that commands have made.
PLAIN_AOF = ["appendonly yes", "aof-use-rdb-preamble no"]


class Follower:
    """A client for the keys of one slot, which goes where the slot goes. What was redirected wasn't done."""

    def __init__(self, nodes, at):
        self.clients = {node.port: node.client() for node in nodes}
        self.at = at.port

    def send(self, what):
        while True:
            try:
                return what(self.clients[self.at])
            except redis.exceptions.MovedError as moved:
                self.at = moved.port
            except redis.exceptions.ClusterDownError:
                time.sleep(0.01)  # a node that was started again doesn't know the others yet
            except redis.exceptions.ResponseError as error:
                if not str(error).startswith("UNBLOCKED"):
                    raise

    def execute_command(self, *words):
        return self.send(lambda client: client.execute_command(*words))

    def eval(self, *words):
        return self.send(lambda client: client.eval(*words))

    @contextlib.contextmanager
    def pipeline(self, transaction):
        yield Transaction(self)


class Transaction(list):
    def __init__(self, follower):
        self.follower = follower

    def execute_command(self, *words):
        self.append(words)

    def execute(self, raise_on_error):
        def play(client):
            with client.pipeline(transaction=True) as pipe:
                for words in self:
                    pipe.execute_command(*words)
                return pipe.execute(raise_on_error=raise_on_error)

        return self.follower.send(play)


def tagged_traffic(nodes, seed):
    """Returns traffic of every command with keys of one slot, the slot, its node and the next one."""
    slot = nodes[0].run("CLUSTER", "KEYSLOT", TAGGED[0])
    source = owner(nodes, slot)
    traffic = Traffic(source, seed, keys=TAGGED, stream="moves:{k}")
    traffic.client = Follower(nodes, source)
    return traffic, slot, source, nodes[(nodes.index(source) + 1) % 3]


@pytest.mark.parametrize("move", [move_by_hand, move_at_once])
def test_machines_arrive_with_all_that_they_have(servers, move):
    if move is move_at_once:
        need_migrateslots()
    nodes = servers.cluster(3, PLAIN_AOF)
    traffic, slot, source, target = tagged_traffic(nodes, seed=20)
    traffic.run(2000)
    keys = [*sorted(traffic.machines), traffic.stream]
    before, shown, whole = value_digests(source, keys), everything(source), digest(source)
    move(nodes, slot, source, target)
    assert value_digests(target, keys) == before
    assert everything(target) == shown
    assert digest(target) == whole
    traffic.check(target)
    target.kill()
    target.start()
    assert digest(target) == whole, "the append-only file of the target"


def test_every_command_while_a_slot_moves(servers):
    need_migrateslots()
    nodes = servers.cluster(3, PLAIN_AOF)
    traffic, slot, source, target = tagged_traffic(nodes, seed=21)
    traffic.run(1500)
    during = 0
    for _ in range(ROUNDS):
        # The snapshot of the slot takes this many microseconds a key.
        source.run("CONFIG", "SET", "rdb-key-save-delay", 20_000)
        start_moving(slot, source, target)
        while source.run("CLUSTER", "COUNTKEYSINSLOT", slot):
            traffic.run(20)
            during += traffic.client.at == source.port
            assert during < 10_000, "the slot doesn't move"
        traffic.run(100)
        assert traffic.client.at == target.port
        traffic.check(target)
        expected = digest(target)
        target.kill()
        target.start()
        assert digest(target) == expected, "the append-only file of the target"
        traffic.client = Follower(nodes, target)
        source, target = target, nodes[(nodes.index(target) + 1) % 3]
    assert during >= 3 * ROUNDS, "batches while the slot moved"


def test_failed_over_under_traffic(servers):
    """After CLUSTER FAILOVER, the replica takes over when it has every move of the primary."""
    # A failed election is not repeated before four times this timeout.
    config = ["cluster-node-timeout 5000"]
    nodes = servers.cluster(3, config)
    replica = servers.start(["cluster-enabled yes", *config])
    slot = nodes[0].run("CLUSTER", "KEYSLOT", "{k}")
    primary = owner(nodes, slot)
    join(replica, primary, nodes)
    slot, movers = started(nodes)
    for mover in movers:
        mover.wires[replica.port] = Wire(replica.port)
    for new, old in ((replica, primary), (primary, replica)):
        fail_over(new)
        wait_until(lambda: old.info("replication")["role"] == "slave", "the old primary to follow", 60)
        up = lambda: old.info("replication").get("master_link_status") == "up"
        wait_until(up, "the old primary to be in sync", 60)
        go_on(movers)
    for mover in movers:
        mover.end()
        assert mover.redirected


class Survivor(Mover):
    """A mover that goes on after its node has died.

    Replication is asynchronous, so WAIT follows each move: a move that a replica has confirmed must
    never be lost. After a lost connection the mover reads the machine, to find out whether the last
    move was made.
    """

    def __init__(self, nodes, key):
        super().__init__(nodes, [key])
        self.key, self.ports = key, [node.port for node in nodes]
        self.confirmed = self.lost = 0

    def send(self, *command):
        reply = super().send(*command)
        if command[0] == "SM.MUTATE" and reply == OK:
            number = self.moves[self.key] + 1
            if self.wires[self.at]("WAIT", 1, 50) == b":1\r\n":
                self.confirmed = number
        return reply

    def run(self):
        while not self.stop.is_set() and self.problem is None:
            super().run()
            if isinstance(self.problem, (OSError, ServerCrashed)):
                self.problem = self.recover()

    def recover(self):
        try:
            moves = wait_until(self.moves_found, "another node to take over", 60)
            # Every confirmed move, and at most the unconfirmed one.
            assert self.confirmed <= moves <= self.moves[self.key] + 1, (self.confirmed, moves, self.moves)
            self.lost += 1
            self.moves[self.key] = moves
        except Exception as problem:
            return problem

    def moves_found(self):
        """Returns the number of the last move, from the first node that answers for the key."""
        for port in self.ports:
            try:
                with Wire(port) as wire:
                    reply = wire("SM.GET", self.key, "REASON")
            except (OSError, ServerCrashed):
                continue
            if reply.startswith(b"$"):
                self.wires[port], self.at = Wire(port), port
                text = reply.split(b"\r\n")[1]
                return int(text.split()[1]) if text else 0
        return None


def test_a_primary_that_is_killed_is_replaced(servers):
    """After kill -9 of a primary under traffic, its replica is elected and has every move that it had
    confirmed. The old primary comes back as a replica with the same data."""
    # A test host that pauses for some seconds must not cause an election.
    config = [
        "cluster-node-timeout 30000",
        "cluster-replica-validity-factor 0",
        "appendonly yes",
        "appendfsync no",  # written data survives a kill, though not a power cut
    ]
    nodes = servers.cluster(3, config)
    replica = servers.start(["cluster-enabled yes", *config])
    slot = nodes[0].run("CLUSTER", "KEYSLOT", "{k}")
    primary = owner(nodes, slot)
    join(replica, primary, nodes)
    survivors = []
    for key in KEYS[:3]:
        primary.run("SM.SET", key, MACHINE)
        survivors.append(Survivor([*nodes, replica], key))
    for survivor in survivors:
        survivor.start()
    go_on(survivors)
    wait_until(lambda: all(survivor.confirmed for survivor in survivors), "confirmed moves")
    primary.kill()
    others = [node for node in (*nodes, replica) if node is not primary]
    patience(others, 2000 * SLOWDOWN)
    wait_until(lambda: replica.info("replication")["role"] == "master", "the replica's election", 60)
    patience(others, 30000)
    go_on(survivors)
    primary.start()
    wait_until(lambda: primary.info("replication")["role"] == "slave", "the old primary to follow", 60)
    go_on(survivors)
    for survivor in survivors:
        survivor.end()
        assert survivor.lost == 1
    wait_in_sync(replica, primary)
    assert digest(primary) == digest(replica)


def patience(nodes, milliseconds):
    """Sets the time after which these nodes take a silent node for dead."""
    for node in nodes:
        node.run("CONFIG", "SET", "cluster-node-timeout", int(milliseconds))


def join(replica, primary, nodes):
    """Adds the replica to the cluster, makes it follow its primary, and waits until all nodes know it."""
    replica.run("CLUSTER", "MEET", "127.0.0.1", primary.port)
    knows = lambda node, other: other.node_id() in node.raw("CLUSTER", "NODES")
    wait_until(lambda: knows(replica, primary), "the replica to know its primary", 60)
    wait_until(lambda: replicates(replica, primary), "the replica to follow", 60)
    acquainted = lambda node: knows(node, replica) and knows(replica, node)
    wait_until(lambda: all(map(acquainted, nodes)), "all to know each other", 60)


def replicates(replica, primary):
    if replica.info("replication")["role"] == "master":
        try:
            replica.run("CLUSTER", "REPLICATE", primary.node_id())
        except Exception:
            return False
    return replica.info("replication").get("master_link_status") == "up"


def fail_over(new):
    """Sends CLUSTER FAILOVER, and repeats it only after the server's timeout of five seconds, because an
    earlier repeat restarts the failover."""
    asked = time.monotonic() - 6

    def promoted():
        nonlocal asked
        if new.info("replication")["role"] == "master":
            return True
        if time.monotonic() - asked >= 6:
            asked = time.monotonic()
            with contextlib.suppress(redis.exceptions.ResponseError):
                new.run("CLUSTER", "FAILOVER")
        return False

    wait_until(promoted, "the failover", 90)
