"""Random traffic of all commands, checked against a model that knows versions, history, request ids, the
entries of SM.EMIT, and how many machines are in which state.

The same seed makes the same traffic. Deadlines are far away, so that no timer fires.
"""

import collections
import copy
import json
import random

import redis

from harness import wait_until

KEYS = [f"m:{i}" for i in range(25)]
STATES = ["new", "paid", "sent", "void", "é🚀", "a\0b"]
EVENTS = ["pay", "ship", "back", "drop", ""]
TEXTS = ["", "why", 'by hand: "x"', "é🚀\n\0", "r" * 200]
IDS = [f"id {i}" for i in range(12)]
FAR = 9007199254740991
# Of an entry of SM.EMIT, what the model knows.
FIELDS = ["key", "from", "to", "event", "version"]
# Stands for an error, whatever its text.
ERROR = "error"
LUA = """
local replies = {}
for i = 1, #KEYS do
    replies[i] = redis.pcall(unpack(cjson.decode(ARGV[i])))
end
return replies
"""


def listed(targets):
    return [targets] if isinstance(targets, str) else targets


class Definition:
    def __init__(self, fields):
        self.text = json.dumps(fields, ensure_ascii=False)
        self.initial, self.name = fields["initial"], fields.get("name")
        rows = fields.get("map", {})
        self.rows = {s: row if isinstance(row, dict) else {"": row} for s, row in rows.items()}
        self.any = {event: listed(targets) for event, targets in fields.get("any", {}).items()}
        self.timers = fields.get("after", {})
        self.limit = fields.get("history", 0)
        self.timed = bool(self.timers or self.limit)
        lists = [listed(t) for row in self.rows.values() for t in row.values()]
        lists += [*self.any.values(), [t["to"] for t in self.timers.values() if t["to"] is not None]]
        self.states = {*self.rows, self.initial, *(t for targets in lists for t in targets)}

    def targets(self, state, event):
        row = self.rows.get(state, {})
        if event in row:
            return listed(row[event])
        return [target for target in self.any.get(event, []) if target != state]

    def leads(self, state, target):
        events = {*self.rows.get(state, {}), *self.any}
        return any(target in self.targets(state, event) for event in events)


BLANK = Definition({"initial": "", "map": {}})


class Model:
    """A machine: what SM.INFO and SM.HISTORY say about it, and the requests it remembers."""

    def __init__(self, definition, state, version=1):
        self.definition, self.state, self.version = definition, state, version
        self.reason, self.history, self.ids = "", [], []

    def enter(self, kind, state, event="", request=None, options=()):
        options = dict(options)
        old, self.state = self.state, state
        self.note(kind, old, event, request, options)

    def note(self, kind, old, event, request, options):
        if kind != "redefine" or "REASON" in options:
            self.reason = options.get("REASON", "")
        id = options.get("ID", "")
        if id:
            self.ids = [*self.ids, (id, request, self.state, self.version)][-8:]
        entry = (self.version, kind, old, event, self.state, options.get("BY", ""), options.get("REASON", ""), id)
        self.history = [entry, *self.history][: self.definition.limit]

    def verdict(self, what):
        return [what.encode(), self.state.encode(), self.version]

    def known(self, request, options):
        """The answer to an id that is known, if it is."""
        for id, known, state, version in self.ids:
            if id == options.get("ID"):
                return [b"repeated", state.encode(), version] if known == request else ERROR
        return None

    def stopped(self, request, options):
        known = self.known(request, options)
        if known is None and (
            options.get("IFSTATE", self.state) != self.state
            or int(options.get("IFVERSION", self.version)) != self.version
        ):
            return self.verdict("conflict")
        return known

    def move(self, kind, request, options, targets, event=""):
        if answer := self.stopped(request, options):
            return answer
        if not targets:
            return self.verdict("refused")
        if len(set(targets)) > 1:
            return ERROR
        if self.refuses_timer(self.definition, targets[0], options):
            return ERROR
        self.version += 1
        self.enter(kind, targets[0], event, request, options)
        return self.verdict("moved")

    @staticmethod
    def refuses_timer(definition, state, options):
        return bool({"AFTER", "DUE"} & set(options)) and state not in definition.timers

    def redefine(self, definition, renames, options):
        if answer := self.stopped("redefine", options):
            return answer
        state = renames.get(self.state, self.state)
        if not {state, *renames.values()} <= definition.states or self.refuses_timer(definition, state, options):
            return ERROR
        self.version += 1
        self.definition = definition
        self.enter("redefine", state, "", "redefine", options)
        return self.verdict("redefined")


def random_definition(rng):
    states = rng.sample(STATES, rng.randint(2, 6))
    some = lambda: rng.sample(states, rng.randint(1, min(3, len(states))))
    one_or_some = lambda: rng.choice([rng.choice(states), some()])
    rows = {}
    for state in states:
        if rng.random() < 0.8:
            events = {event: one_or_some() for event in rng.sample(EVENTS, rng.randint(0, 4))}
            rows[state] = rng.choice([events, events, some()])
    fields = {"map": rows, "initial": rng.choice(states)}
    if rng.random() < 0.5:
        fields["any"] = {event: one_or_some() for event in rng.sample(EVENTS[:-1], 2)}
    if rng.random() < 0.5:
        # A key of `after` must be a state without it.
        states = sorted(Definition(fields).states)
        times = lambda: {"ms": rng.randint(10**11, 10**12)} if rng.random() < 0.7 else {}
        ends = lambda: rng.choice([None, *states])
        fields["after"] = {state: times() | {"to": ends()} for state in some()}
    if rng.random() < 0.6:
        fields["history"] = rng.choice([1, 3, 20, 255])
    if rng.random() < 0.4:
        fields["name"], fields["revision"] = "order", rng.randint(0, 9)
    return Definition(fields)


class Traffic:
    def __init__(self, server, seed=1, checked=True, keys=KEYS, stream="moves"):
        self.rng = random.Random(seed)
        self.keys, self.stream = keys, stream
        self.checked = checked
        self.client = server.client()
        self.definitions = [random_definition(self.rng) for _ in range(20)]
        self.machines = {}
        self.entries = []
        self.seen = {}

    def run(self, operations):
        done = 0
        while done < operations:
            batch = [self.operation() for _ in range(self.rng.randint(2, 8))]
            self.rng.choices([self.plain, self.multi, self.lua], [8, 1, 1])[0](batch)
            done += len(batch)
        return self

    def compare(self, batch, replies):
        for (words, expected), reply in zip(batch, replies, strict=True):
            found = ERROR if isinstance(reply, redis.exceptions.ResponseError) else reply
            what = found[0] if isinstance(found, list) else found
            if words[0] == "SM.EMIT" and isinstance(found, list):
                *found, entry = found
                assert (entry is not None) == (what == b"moved"), (words, reply)
            self.seen[words[0], what] = self.seen.get((words[0], what), 0) + 1
            if self.checked:
                assert found == expected or (expected is True and found == b"OK"), (words, reply, expected)

    def plain(self, batch):
        for words, expected in batch:
            try:
                reply = self.client.execute_command(*words)
            except redis.exceptions.ResponseError as error:
                reply = error
            self.compare([(words, expected)], [reply])

    def multi(self, batch):
        with self.client.pipeline(transaction=True) as pipe:
            for words, _ in batch:
                pipe.execute_command(*words)
            self.compare(batch, pipe.execute(raise_on_error=False))

    def lua(self, batch):
        arguments = [json.dumps(list(map(str, words))) for words, _ in batch]
        keys = [words[1] for words, _ in batch]
        self.compare(batch, self.client.eval(LUA, len(keys), *keys, *arguments))

    # -- one operation and its reply ------------------------------------------------------------

    def operation(self):
        kinds = {self.fire: 14, self.move: 7, self.force: 3, self.new: 4, self.redefine: 4, self.set: 3, self.create: 1}
        kinds |= {
            self.again: 3,
            self.emit: 5,
            self.mutate: 5,
            self.reset: 2,
            self.delete: 2,
            self.copy: 1,
            self.rename: 1,
            self.expire: 1,
        }
        return self.rng.choices(list(kinds), list(kinds.values()))[0]()

    def key(self):
        some = sorted(self.machines)
        return self.rng.choice(some if some and self.rng.random() < 0.6 else self.keys)

    def options(self, machine, without=()):
        rng, out = self.rng, {}
        right = rng.random() < 0.8
        if rng.random() < 0.2:
            out["IFSTATE"] = machine.state if machine and right else rng.choice(STATES)
        if rng.random() < 0.2:
            out["IFVERSION"] = str(machine.version if machine and right else rng.randint(1, 30))
        if rng.random() < 0.4:
            out["ID"] = rng.choice(IDS)
        if rng.random() < 0.3:
            out["BY"] = rng.choice(TEXTS)
        if rng.random() < 0.4:
            out["REASON"] = rng.choice(TEXTS)
        if rng.random() < 0.15:
            name, low = rng.choice([("AFTER", 10**11), ("DUE", FAR - 1000)])
            out[name] = str(rng.randint(low, low + 1000))
        out = {name: value for name, value in out.items() if name not in without}
        names = list(out)
        rng.shuffle(names)
        return {name: out[name] for name in names}

    @staticmethod
    def words(*words, **options):
        return (*words, *(word for pair in options.items() for word in pair))

    def fire(self):
        key = self.key()
        machine = self.machines.get(key)
        event, options = self.rng.choice(EVENTS), self.options(machine)
        targets = machine.definition.targets(machine.state, event) if machine else []
        to = self.rng.choice([*targets, *STATES[:1]]) if len(set(targets)) > 1 or self.rng.random() < 0.1 else None
        words = self.words("SM.FIRE", key, event, *(["TO", to] if to else []), **options)
        if machine is None:
            return words, None
        left = [target for target in targets if to in (None, target)]
        return words, machine.move("move", ("fire", event, to), options, left, event)

    def move(self):
        key = self.key()
        machine, state = self.machines.get(key), self.rng.choice(STATES)
        options = self.options(machine)
        words = self.words("SM.MOVE", key, state, **options)
        if machine is None:
            return words, None
        leads = machine.definition.leads(machine.state, state)
        return words, machine.move("move", ("move", state), options, [state] if leads else [])

    def force(self):
        key = self.key()
        machine, state = self.machines.get(key), self.rng.choice(STATES)
        options = self.options(machine)
        words = self.words("SM.FORCE", key, state, **options)
        if machine is None:
            return words, None
        known = state in machine.definition.states
        return words, machine.move("force", ("force", state), options, [state] if known else [])

    def emit(self):
        before = {key: machine.state for key, machine in self.machines.items()}
        words, verdict = self.rng.choice([self.fire, self.move, self.again])()
        way, key, what, *options = words
        way = way.removeprefix("SM.")
        if way not in ("FIRE", "MOVE"):
            return words, verdict
        if isinstance(verdict, list) and verdict[0] == b"moved":
            machine, event = self.machines[key], what if way == "FIRE" else ""
            self.entries.append([key, before[key], machine.state, event, str(machine.version)])
        return ("SM.EMIT", key, self.stream, way, what, *options), verdict

    def again(self):
        """A request that was done, as a client sends it again that didn't see the reply."""
        known = [(key, id) for key, machine in sorted(self.machines.items()) for id in machine.ids]
        if not known:
            return self.new()
        key, (id, request, _, _) = self.rng.choice(known)
        machine, document = self.machines[key], self.definitions[0].text
        if request in ("new", "redefine"):
            words = ("SM." + request.upper(), key, document)
        else:
            kind, name, to = (*request, None)[:3]
            words = ("SM." + kind.upper(), key, name, *(["TO", to] if to else []))
        return (*words, "ID", id), machine.known(request, {"ID": id})

    def mutate(self):
        key = self.key()
        machine, state = self.machines.get(key), self.rng.choice(STATES)
        reason, force = self.rng.choice(TEXTS), self.rng.random() < 0.3
        words = ("SM.MUTATE", key, state, reason, *(["FORCE"] if force else []))
        if machine is None:
            return words, None
        definition = machine.definition
        can = state in definition.states if force else definition.leads(machine.state, state)
        options = {"REASON": reason}
        done = machine.move("force" if force else "move", None, options, [state] if can else [])
        return words, b"OK" if done[0] == b"moved" else None

    def reset(self):
        key = self.key()
        machine = self.machines.get(key)
        if machine is None:
            return ("SM.RESET", key), None
        if machine.definition.timed or machine.reason or machine.state != machine.definition.initial:
            machine.version += 1
            machine.enter("reset", machine.definition.initial)
        return ("SM.RESET", key), b"OK"

    def new(self):
        key = self.key()
        machine, definition = self.machines.get(key), self.rng.choice(self.definitions)
        options = self.options(machine, without=("IFSTATE", "IFVERSION"))
        state = self.rng.choice(STATES) if self.rng.random() < 0.3 else None
        words = self.words("SM.NEW", key, definition.text, *(["STATE", state] if state else []), **options)
        if machine is not None:
            return words, machine.known("new", options) or machine.verdict("exists")
        state = state or definition.initial
        if state not in definition.states or Model.refuses_timer(definition, state, options):
            return words, ERROR
        machine = self.machines[key] = Model(definition, "")
        machine.enter("new", state, "", "new", options)
        return words, machine.verdict("created")

    def set(self):
        key, definition = self.key(), self.rng.choice(self.definitions)
        old, given = self.machines.get(key), self.rng.choice(["", *sorted(definition.states)])
        words = ("SM.SET", key, definition.text, *([given] if given else []))
        machine = Model(definition, old.state if old else "", old.version + 1 if old else 1)
        machine.history = old.history if old else []
        machine.enter("set" if old else "new", given or definition.initial)
        self.machines[key] = machine
        return words, b"OK"

    def create(self):
        key = self.key()
        old = self.machines.get(key)
        self.machines[key] = Model(BLANK, "", old.version + 1 if old else 1)
        return ("SM.CREATE", key), b"OK"

    def redefine(self):
        key, definition = self.key(), self.rng.choice(self.definitions)
        machine = self.machines.get(key)
        options = self.options(machine)
        olds = self.rng.sample(STATES, self.rng.randint(0, 3))
        if machine and machine.state not in definition.states and self.rng.random() < 0.8:
            olds = [machine.state, *(old for old in olds if old != machine.state)]
        names = sorted(definition.states) if self.rng.random() < 0.9 else STATES
        renames = {old: self.rng.choice(names) for old in olds}
        given = [word for old, new in renames.items() for word in ("RENAME", old, new)]
        words = self.words("SM.REDEFINE", key, definition.text, *given, **options)
        return words, machine and machine.redefine(definition, renames, options)

    def delete(self):
        key = self.key()
        return ("DEL", key), int(self.machines.pop(key, None) is not None)

    def copy(self):
        source, target = self.rng.sample(self.keys, 2)
        if source in self.machines:
            self.machines[target] = copy.deepcopy(self.machines[source])
        return ("COPY", source, target, "REPLACE"), int(source in self.machines)

    def rename(self):
        source, target = self.key(), self.key()
        if source not in self.machines:
            return ("EXISTS", source), 0
        self.machines[target] = self.machines.pop(source)
        return ("RENAME", source, target), True

    def expire(self):
        key = self.key()
        return ("PEXPIREAT", key, 33177117420000), int(key in self.machines)

    # -- what a server must hold ------------------------------------------------------------------

    def check(self, server):
        with server.client() as client:
            assert {key.decode() for key in client.keys("m:*")} == set(self.machines)
            for key, model in self.machines.items():
                info = facts(client, key)
                assert (info["state"].decode(), info["version"]) == (model.state, model.version), key
                assert client.execute_command("SM.GET", key, "REASON").decode() == model.reason, key
                assert info["history"] == len(model.history) and info["history-limit"] == model.definition.limit
                assert (info["since"] is not None) == model.definition.timed
                shown = ["version", "kind", "from", "event", "to", "by", "reason", "id"]
                entries = [[entry[name] for name in shown] for entry in past(client, key)]
                found = [tuple(v if isinstance(v, int) else v.decode() for v in entry) for entry in entries]
                assert found == model.history, key
            entries = [[fields[name.encode()].decode() for name in FIELDS] for _, fields in client.xrange(self.stream)]
            assert entries == self.entries
            counts = lambda: named(client.execute_command("SM.COUNT", "order"))
            # What goes may be freed in the background.
            wait_until(lambda: counts() == self.counts("order"), "the counts to be those of the model")

    def counts(self, name):
        """Returns what SM.COUNT has to reply."""
        machines = [machine for machine in self.machines.values() if machine.definition.name == name]
        counts = collections.Counter(machine.state for machine in machines)
        return {state: counts[state] for machine in machines for state in machine.definition.states}


def named(flat):
    return {name.decode(): value for name, value in zip(flat[::2], flat[1::2], strict=True)}


def facts(client, key):
    return named(client.execute_command("SM.INFO", key))


def past(client, key):
    return [named(entry) for entry in client.execute_command("SM.HISTORY", key)]


def everything(server):
    """What a server says about each of its machines; without `machines`, which counts in this process."""
    with server.client() as client:
        out = {}
        for key in client.scan_iter(count=1000, _type="StateType"):
            out[key] = facts(client, key), past(client, key)
            del out[key][0]["machines"]
        return out
