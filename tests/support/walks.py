"""Fleets: documents with names, random traffic over many machines, and their counts by SM.COUNT and by a walk
over all keys."""

import collections
import json
import random

import redis

from harness import FAULT_MODULE, wait_until

STATES = ["new", "paid", "shipped", "lost"]
DATABASES = 3


def document(name="order", revision=1, **more):
    """Returns a document in which every state leads to every other."""
    rows = {state: {"go": [other for other in STATES if other != state]} for state in STATES}
    return json.dumps({"map": rows, "name": name, "revision": revision, "initial": "new"} | more)


# The timers of the last one start only where a move gives the time.
TIMERS = {"paid": {"to": "lost"}, "shipped": {"to": None}}
DOCUMENTS = [
    document(),
    document(revision=2),
    document("device", 7),
    document("device", 7, history=3),
    document("lease", 1, after=TIMERS),
]
# What the name and the revision of each are.
LABELS = [("order", 1), ("order", 2), ("device", 7), ("lease", 1)]


def count(server, *arguments):
    """Returns the reply of SM.COUNT as a dictionary."""
    flat = server.raw("SM.COUNT", *arguments)
    return {state.decode(): number for state, number in zip(flat[::2], flat[1::2])}


def walk(server):
    """Returns the number of machines by (name, revision) and state, by asking each key of each database."""
    counts = collections.Counter()
    for database in range(16):
        client = server.client(db=database)
        with client.pipeline(transaction=False) as pipe:
            for key in {*client.scan_iter(count=1000, _type="StateType")}:
                pipe.execute_command("SM.INFO", key)
            # A key may have gone meanwhile.
            for fields in filter(None, pipe.execute()):
                if isinstance(fields, list):
                    fields = dict(zip(fields[::2], fields[1::2]))
                label = (fields[b"name"].decode(), fields[b"revision"])
                counts[label, fields[b"state"].decode()] += 1
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
    """Waits for frees in the background, which are counted until they are done, and for timers. INFO counts
    machines in another way."""

    def agree():
        counts = counted(server)
        return counts == walk(server) and sum(counts.values()) == server.info("redisstate")["redisstate_machines"]

    wait_until(agree, "the counts to be those of a walk")
    expected = counted(server)
    for name in {name for name, _ in LABELS}:
        whole = collections.Counter()
        for (label, state), number in expected.items():
            whole[state] += number if label[0] == name else 0
        assert +collections.Counter(count(server, name)) == +whole


def check_inside(server):
    """Waits until the module itself finds its counts to be those of a walk, if it is the build that can look:
    that walk sees every value, in one command, and definitions without a name too."""
    if not FAULT_MODULE.exists():
        return

    def said():
        try:
            server.run("SM.CHECK")
        except redis.exceptions.ResponseError as difference:
            return str(difference)
        return None

    # Frees in the background are counted until they are done.
    try:
        wait_until(lambda: said() is None, "the counts to be those of a walk")
    except AssertionError as problem:
        raise AssertionError(said()) from problem


class Traffic:
    """Random commands of all kinds that make, move and remove machines. Errors are part of it: of missing keys,
    of keys of another type, of documents that are none."""

    def __init__(self, server, seed, keys=60):
        self.random = random.Random(seed)
        self.server, self.keys = server, keys
        self.connect()

    def connect(self):
        self.clients = [self.server.client(db=database) for database in range(DATABASES)]

    def key(self):
        return f"m{self.random.randrange(self.keys)}"

    def step(self, client):
        """Returns the commands of one step."""
        choose = self.random.choice
        key, other = self.key(), self.key()
        document, state, database = choose(DOCUMENTS), choose(STATES), self.random.randrange(DATABASES)
        timer = choose([[], [], [], ["AFTER", choose([1, 10**9])]])
        script = "redis.call('SM.FIRE', KEYS[1], 'go', 'TO', ARGV[1])"
        words = choose(
            [
                ("SM.NEW", key, document, "STATE", state, *timer),
                ("SM.SET", key, document, state),
                ("SM.FIRE", key, "go", "TO", state, *timer),
                ("SM.FORCE", key, state, *timer),
                ("SM.MUTATE", key, state),
                ("SM.RESET", key),
                ("SM.TIMEOUT", key),
                ("SM.EMIT", key, "moves", "FIRE", "go", "TO", state, "MAXLEN", 10),
                ("SM.REDEFINE", key, document),
                ("SM.NEW", key, '{"map":'),
                ("DEL", key),
                ("UNLINK", key),
                ("RENAME", key, other),
                ("MOVE", key, database),
                ("COPY", key, other, "DB", database, "REPLACE"),
                ("PEXPIRE", key, 1),
                ("SET", key, "text"),
                ("EVAL", script, 1, key, state),
                ("MULTI", key, document, state),
                ("RESTORE", other, key),
            ]
        )
        if words[0] == "MULTI":
            return [("MULTI",), ("SM.SET", key, document), ("SM.FORCE", key, state), ("EXEC",)]
        if words[0] == "RESTORE":
            dump = client.dump(key)
            return [("RESTORE", other, 0, dump, "REPLACE")] if dump else []
        return [words]

    def run(self, steps):
        while steps > 0:
            client, size = self.random.choice(self.clients), min(steps, self.random.randint(1, 40))
            with client.pipeline(transaction=False) as pipe:
                for _ in range(size):
                    for words in self.step(client):
                        pipe.execute_command(*words)
                pipe.execute(raise_on_error=False)
            steps -= size

    def close(self):
        for client in self.clients:
            client.close()
