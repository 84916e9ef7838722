"""Random traffic: every kind of write, plain, in MULTI and in Lua, checked against the model.

The same seed makes the same traffic. There are few keys, so that they are often replaced, renamed,
copied and deleted, and few documents, so that definitions are shared, freed and made again.
"""

import json
import random

import redis

from harness import as_edge
from model import Machine, Unlisted

KEYS = [f"m:{i}" for i in range(40)]
NAMES = ["new", "paid", "sent", "done", "void", "", "a\0b", 'q"\\', "line\nfeed", "🚀", "é"]
REASONS = ["", "card ok", 'by hand: "x"', "é🚀\n\0", "r" * 300]
# Returns the error of each command, or an empty string.
LUA = """
local errors = {}
for i = 1, #KEYS do
    local reply = redis.pcall(unpack(cjson.decode(ARGV[i])))
    errors[i] = type(reply) == 'table' and reply.err or ''
end
return errors
"""


def store(client, key, document):
    """Stores a document whatever its current state is, and returns its model."""
    try:
        model = Machine.of(document)
    except Unlisted:
        assert as_edge(client, "SM.SET", key, document) == b"OK"
        return Machine.of(document, any_state=True)
    assert client.execute_command("SM.SET", key, document) == b"OK"
    return model


def as_expected(reply):
    """A reply as operations expect it: an error is a string."""
    return str(reply) if isinstance(reply, redis.exceptions.ResponseError) else reply


def random_document(rng):
    names = rng.sample(NAMES, rng.randint(1, 6))
    if rng.random() < 0.1:
        names = [f"s{i}" for i in range(rng.randint(60, 200))]
    mapping = {
        name: [rng.choice(names + NAMES[:2]) for _ in range(rng.randint(0, 4))] for name in names if rng.random() < 0.8
    }
    machine = Machine(mapping, rng.choice(names), rng.choice(["", *names]), rng.choice(REASONS))
    return machine.document()


class Traffic:
    """Sends operations to one server, and keeps the machines that it must have in `machines`."""

    def __init__(self, server, seed=1):
        self.rng = random.Random(seed)
        self.server = server
        self.client = server.client()
        self.documents = [random_document(self.rng) for _ in range(25)]
        self.machines = {}
        self.operations = 0

    def run(self, operations):
        end = self.operations + operations
        while self.operations < end:
            size = self.rng.randint(2, 8)
            ways = [self.plain, self.multi, self.lua, self.plain_and_leftover]
            way = self.rng.choices(ways, [8, 1, 1, 2])[0]
            way([self.operation() for _ in range(size)])
            self.operations += size
        return self

    # -- the ways of sending ------------------------------------------------------------------

    def plain(self, operations):
        for command, expected in operations:
            try:
                reply = self.client.execute_command(*command)
            except redis.exceptions.ResponseError as error:
                reply = error
            assert as_expected(reply) == expected, (command, reply, expected)

    def multi(self, operations):
        with self.client.pipeline(transaction=True) as pipe:
            for command, _ in operations:
                pipe.execute_command(*command)
            replies = pipe.execute(raise_on_error=False)
        for (command, expected), reply in zip(operations, replies, strict=True):
            assert as_expected(reply) == expected, (command, reply, expected)

    def lua(self, operations):
        keys = [command[1] for command, _ in operations]
        arguments = [json.dumps(list(map(str, command))) for command, _ in operations]
        errors = ["ERR " + expected if isinstance(expected, str) else "" for _, expected in operations]
        found = self.client.eval(LUA, len(keys), *keys, *arguments)
        assert [error.decode() for error in found] == errors, operations

    def plain_and_leftover(self, operations):
        """And then a machine in a state of its own: as old ones are, that are moved, copied and saved."""
        self.plain(operations)
        key, document = self.key(), self.rng.choice(self.documents)
        current = self.rng.choice(["elsewhere", *NAMES])
        assert as_edge(self.client, "SM.SET", key, document, current) == b"OK"
        self.machines[key] = Machine.of(document, current, any_state=True)

    # -- one operation, its effect on the model, and the reply that it must have -------------------

    def operation(self):
        kinds = [
            (self.set, 4),
            (self.mutate, 20),
            (self.reset, 2),
            (self.create, 1),
            (self.delete, 1),
            (self.copy, 1),
            (self.rename, 1),
            (self.expire, 1),
        ]
        return self.rng.choices([k for k, _ in kinds], [w for _, w in kinds])[0]()

    def key(self):
        return self.rng.choice(KEYS)

    def present_or_any(self):
        return self.rng.choice(sorted(self.machines)) if self.machines else self.key()

    def set(self):
        key, document = self.key(), self.rng.choice(self.documents)
        argument = [self.rng.choice(NAMES)] if self.rng.random() < 0.2 else []
        command = ("SM.SET", key, document, *argument)
        try:
            self.machines[key] = Machine.of(document, *argument)
        except Unlisted as error:
            return command, str(error)
        return command, b"OK"

    def create(self):
        key = self.key()
        self.machines[key] = Machine()
        return ("SM.CREATE", key), b"OK"

    def mutate(self):
        key = self.present_or_any()
        machine = self.machines.get(key)
        options = ["nowhere", *(sorted(machine.states) if machine else [])]
        allowed = machine.map.get(machine.current) if machine else None
        state = self.rng.choice(allowed if allowed and self.rng.random() < 0.7 else options)
        command, reason, force = ["SM.MUTATE", key, state], "", self.rng.random() < 0.2
        if force or self.rng.random() < 0.6:
            reason = self.rng.choice(REASONS)
            command.append(reason)
        if force:
            command.append("FORCE")
        moved = machine is not None and machine.mutate(state, reason, force)
        return tuple(command), b"OK" if moved else None

    def reset(self):
        key = self.present_or_any()
        if key in self.machines:
            self.machines[key].reset()
        return ("SM.RESET", key), b"OK" if key in self.machines else None

    def delete(self):
        key, command = self.key(), self.rng.choice(["DEL", "UNLINK"])
        return (command, key), int(self.machines.pop(key, None) is not None)

    def copy(self):
        source, target = self.rng.sample(KEYS, 2)
        if source in self.machines:
            self.machines[target] = self.machines[source].copy()
        return ("COPY", source, target, "REPLACE"), int(source in self.machines)

    def rename(self):
        source, target = self.present_or_any(), self.key()
        if source not in self.machines:
            return ("EXISTS", source), 0
        self.machines[target] = self.machines.pop(source)
        return ("RENAME", source, target), True

    def expire(self):
        key = self.present_or_any()
        return ("PEXPIREAT", key, 33177117420000), int(key in self.machines)

    def leftovers(self):
        """How many machines have a state of their own by now, and how many of these are in it."""
        having = [machine for machine in self.machines.values() if machine.leftovers()]
        return len(having), sum(machine.current in machine.leftovers() for machine in having)

    # -- what it must hold -------------------------------------------------------------------------

    def check(self, server=None):
        """Checks that the server has the machines of the model and no others."""
        with (server or self.server).client() as client:
            assert {k.decode() for k in client.keys("m:*")} == set(self.machines)
            for key, machine in self.machines.items():
                stored = json.loads(client.execute_command("SM.GET", key))
                assert stored == machine.fields(), key
                assert list(stored["map"]) == list(machine.map), key
