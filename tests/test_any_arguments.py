"""Sends every command of version 1.0 with random arguments of any number: the reply must be the model's, or
an error if the arguments are wrong. Most of them are nonsense, so that every path of the argument code runs.
test_options.py does the same with the options of the newer commands."""

import json
import random

import pytest

from harness import NIL, OK, array, as_edge, bulk
from model import Machine

ROUNDS = 20_000
KEYS = [b"k:1", b"k:2", b"k:3"]
STRING = b"a string"
STATES = [b"a", b"b", b"", "é".encode(), b"a\0", b"\xff", b"nowhere"]
OPTIONS = [b"REASON", b"reason", b"List", b"LIST", b"FORCE", b"fOrCe", b"FORC", b"FORCED", b"dot", b"MERMAID", b"\xc3"]
DOCUMENTS = [
    b'{"initial":"a","map":{"a":["b","b"],"b":["a",""],"":["a"]}}',
    '{"current":"é","initial":"a","map":{"a":["é"],"é":["a\\u0000"]},"reason":"so"}'.encode(),
    b'{"initial":"","map":{}}',
    b'{"initial":"a"}',
    b'{"initial":"a","map":{"a":["\xff"]}}',
    b"[",
]
COMMANDS = [
    b"SM.TEMPLATE", b"SM.SET", b"SM.SET", b"SM.CREATE", b"SM.GET", b"SM.STATE", b"SM.MUTATE", b"SM.MUTATE",
    b"SM.RESET", b"SM.NEXT", b"SM.CAN", b"SM.EXPORT", b"SM.LINT",
]  # fmt: skip
ERROR = object()


def text(argument):
    """Returns the argument as text, or None if it isn't UTF-8."""
    try:
        return argument.decode()
    except UnicodeDecodeError:
        return None


class Model:
    """Gives the replies that docs/commands.md promises. Arguments are checked before the key."""

    def __init__(self):
        self.machines = {}

    def reply(self, name, *args):
        try:
            return getattr(self, name.decode().lower().removeprefix("sm."))(*args)
        except TypeError as error:
            assert "positional argument" in str(error), error
            return ERROR  # another number of arguments

    def on(self, key, reply):
        """Returns the reply for a key: an error for another type, nil for a missing key, or `reply(machine)`."""
        if key == STRING:
            return ERROR
        machine = self.machines.get(key)
        return NIL if machine is None else reply(machine)

    def template(self):
        return bulk('{"current":"","map":{},"initial":""}')

    def set(self, key, document, current=b""):
        try:
            machine = Machine.of(document.decode(), current.decode())
        except (ValueError, KeyError, TypeError):
            return ERROR
        if key == STRING:
            return ERROR
        self.machines[key] = machine
        return OK

    def store_as_edge(self, client, rng):
        """A machine in a state that documented mode would not take, for what comes then."""
        key, document = rng.choice(KEYS), rng.choice(DOCUMENTS[:3])
        current = rng.choice([state for state in STATES + OPTIONS if text(state) is not None])
        assert as_edge(client, "SM.SET", key, document, current) == b"OK"
        self.machines[key] = Machine.of(document.decode(), current.decode(), any_state=True)

    def create(self, key):
        if key == STRING:
            return ERROR
        self.machines[key] = Machine()
        return OK

    def get(self, key, option=None):
        if option is None:
            return self.on(key, lambda m: bulk(json.dumps(m.fields(), ensure_ascii=False, separators=(",", ":"))))
        return self.on(key, lambda m: bulk(m.reason)) if option.upper() == b"REASON" else ERROR

    def state(self, key, option=None):
        if option is None:
            return self.on(key, lambda m: array(m.current.encode()))
        return self.on(key, lambda m: array(*[s.encode() for s in m.map])) if option.upper() == b"LIST" else ERROR

    def mutate(self, key, state, reason=b"", option=None):
        if (option is not None and option.upper() != b"FORCE") or text(reason) is None:
            return ERROR
        return self.on(key, lambda m: OK if m.mutate(text(state), reason.decode(), option is not None) else NIL)

    def reset(self, key):
        return self.on(key, lambda m: m.reset() or OK)

    def next(self, key):
        return self.on(key, lambda m: array(*[s.encode() for s in dict.fromkeys(m.map.get(m.current, []))]))

    def can(self, key, state):
        return self.on(key, lambda m: b":%d\r\n" % m.allows(text(state)))

    def export(self, key, notation):
        known = notation.upper() in (b"DOT", b"MERMAID")
        return self.on(key, lambda m: None) if known else ERROR

    def lint(self, key):
        return self.on(key, lambda m: None)


def arguments(rng, name):
    """Makes arguments: mostly a key first, then valid and invalid ones, sometimes too many."""
    key = rng.choice([*KEYS, *KEYS, b"none", STRING]) if rng.random() < 0.97 else rng.choice(OPTIONS)
    if name == b"SM.TEMPLATE" and rng.random() < 0.8:
        return []
    rest = [rng.choice(STATES + OPTIONS) for _ in range(rng.choice([0, 0, 0, 1, 1, 2, 3, 4]))]
    if name == b"SM.SET" and rng.random() < 0.8:
        rest = [rng.choice(DOCUMENTS), *rest[:2]]
    if name in (b"SM.MUTATE", b"SM.CAN") and rng.random() < 0.8:
        rest = [rng.choice(STATES), *rest[:2]]
    return [key, *rest] if rng.random() < 0.97 else []


def spelled(rng, name):
    return rng.choice([name, name.lower(), name.title()])


@pytest.mark.parametrize("seed", range(2))
def test_any_arguments(server, seed):
    rng, model = random.Random(seed), Model()
    server.run("SET", STRING, "x")
    met = set()
    with server.wire() as wire, server.client() as client:
        for _ in range(ROUNDS):
            if rng.random() < 0.02:
                model.store_as_edge(client, rng)
            name = rng.choice(COMMANDS)
            args = arguments(rng, name)
            expected = model.reply(name, *args)
            reply = wire(spelled(rng, name), *args)
            if expected is ERROR:
                assert reply.startswith((b"-ERR ", b"-WRONGTYPE ")) and reply.count(b"\r\n") == 1, (name, args, reply)
            elif expected is None:
                assert reply[:1] in b"$*" and reply != NIL, (name, args, reply)
            else:
                assert reply == expected, (name, args, reply, expected)
            met.add((name, len(args), expected is ERROR, expected is NIL))
    # Every command succeeded and failed with every number of arguments that it takes.
    assert {(name, n) for name, n, error, nil in met if not error and not nil} >= TAKEN
    assert {name for name, _, error, _ in met if error} == set(COMMANDS)


TAKEN = {
    (name.encode(), n)
    for name, counts in {
        "SM.TEMPLATE": [0], "SM.SET": [2, 3], "SM.CREATE": [1], "SM.GET": [1, 2], "SM.STATE": [1, 2],
        "SM.MUTATE": [2, 3, 4], "SM.RESET": [1], "SM.NEXT": [1], "SM.CAN": [2], "SM.EXPORT": [2], "SM.LINT": [1],
    }.items()
    for n in counts
}  # fmt: skip
