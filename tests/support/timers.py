"""Machines with timers, what a server says about them, and random traffic whose timers fire.

How a test makes a machine due without the server's alarm: `DUE 0` is due at once, and nothing fires in
the middle of a transaction (`together`); and with `redisstate.timers no` nothing fires at all.
"""

import json
import random
import time

from harness import wait_until
from versioned import facts, past

HOUR = 3_600_000
# A wait that is long enough for a timer that should not fire, and the only one that is counted in seconds:
# a slow machine makes such a test pass, never fail.
MOMENT = 0.4

# Its timer leads back to where it was and isn't set again: the version says how often it has fired.
TICK = json.dumps({"map": {"wait": {"go": "wait"}}, "after": {"wait": {"to": "wait"}}, "history": 9, "initial": "wait"})
# Its timer deletes it.
BRIEF = json.dumps({"map": {"wait": {"go": "wait"}}, "after": {"wait": {"to": None}}, "history": 9, "initial": "wait"})
ORDER = json.dumps(
    {
        "map": {"new": {"pay": "paid", "renew": "new"}, "expired": {"revive": "new", "close": "closed"}},
        "after": {"new": {"ms": HOUR, "to": "expired"}, "paid": {"to": "expired"}},
        "history": 20,
        "initial": "new",
    }
)


def chain(steps, ms, last=HOUR):
    """Returns a document whose timers lead through so many steps of so many ms each, then wait."""
    after = {f"s{i}": {"ms": ms, "to": f"s{i + 1}"} for i in range(steps)}
    after[f"s{steps}"] = {"ms": last, "to": "end"}
    return json.dumps({"map": {"end": []}, "after": after, "history": 255, "initial": "s0"})


def figures(server):
    """Returns the fields of INFO about timers, without their prefix."""
    prefix = "redisstate_timers_"
    return {k.removeprefix(prefix): v for k, v in server.info("redisstate").items() if k.startswith(prefix)}


def together(server, *commands):
    """Runs commands in one transaction, in which nothing fires by itself. Returns the replies."""
    with server.client() as client, client.pipeline(transaction=True) as pipe:
        for command in commands:
            pipe.execute_command(*command)
        return pipe.execute()


def all_fired(server, timeout=20):
    """Waits until no timer is pending."""
    wait_until(lambda: (server.check(), figures(server)["pending"] == 0)[1], "all timers to fire", timeout)


def kinds(server, key, db=0):
    """Returns the kinds of the moves in a machine's history, oldest first."""
    return [entry["kind"].decode() for entry in reversed(history(server, key, db))]


def history(server, key, db=0):
    """Returns a machine's history, newest first."""
    with server.client(db=db) as client:
        return past(client, key)


def info(server, key, db=0):
    with server.client(db=db) as client:
        return facts(client, key)


def state(server, key, db=0):
    """Returns a machine's state, None without a machine."""
    with server.client(db=db) as client:
        found = client.execute_command("SM.STATE", key)
    return found and found[0].decode()


def wait_for_state(server, key, wanted, db=0, timeout=20):
    wait_until(lambda: state(server, key, db) == wanted, f"{key} to be in {wanted}", timeout)


def ticked_once(server, dues, db=0):
    """Checks that each of these ticks fired once, at the moment that is given for its key."""
    with server.client(db=db) as client, client.pipeline(transaction=False) as pipe:
        for key in dues:
            pipe.execute_command("SM.HISTORY", key)
        replies = pipe.execute(raise_on_error=False)
    for (key, due), entries in zip(dues.items(), replies, strict=True):
        assert isinstance(entries, list), (key, entries)
        last = dict(zip(entries[0][::2], entries[0][1::2], strict=True))
        shown = len(entries), last[b"version"], last[b"kind"], last[b"at"], last[b"user"]
        assert shown == (2, 2, b"timeout", due, b""), (key, due, entries)


def make_ticks(server, keys, spread_ms, rng=random, delay_ms=0, document=TICK):
    """Makes ticks that are due at random within so many ms from now. Returns key -> moment."""
    now = int(time.time() * 1000) + delay_ms
    dues = {key: now + rng.randint(0, spread_ms) for key in keys}
    with server.client() as client, client.pipeline(transaction=False) as pipe:
        for key, due in dues.items():
            pipe.execute_command("SM.NEW", key, document, "DUE", due)
            pipe.execute_command("SM.INFO", key)
        replies = pipe.execute()
    # The deadline is never before the machine's beginning.
    for key, reply in zip(dues, replies[1::2], strict=True):
        if reply is not None:
            dues[key] = max(dues[key], dict(zip(reply[::2], reply[1::2], strict=True))[b"since"])
    return dues


# ---- random traffic whose timers fire ---------------------------------------------------------------


class TimerTraffic:
    """Random moves of machines that are due within tens of milliseconds, and what else happens to keys.

    A machine's history shows whether its timers did what they should: `check` reads it. A move says in BY
    which deadline it gave. All timers lead to states without one, so the traffic comes to rest by itself.
    """

    DATABASES = 3
    KEYS = [f"m:{i}" for i in range(40)]
    STATES = ["a", "b", "c", "x"]
    FIELDS = {
        "map": {
            "a": {"go": "b", "stay": "a"},
            "b": {"go": "c", "back": "a"},
            "c": {"again": "a", "stay": "c"},
            "x": {"again": "a"},
        },
        "initial": "a",
        "history": 255,
    }
    AFTER = {"a": {"ms": 60, "to": "b"}, "b": {"ms": 25, "to": "c"}, "c": {"to": "x"}}
    DOCUMENTS = {
        "ends": json.dumps(FIELDS | {"after": AFTER}),
        "deleted": json.dumps(FIELDS | {"after": AFTER | {"x": {"ms": 90, "to": None}}}),
        "without a history": json.dumps({k: v for k, v in FIELDS.items() if k != "history"} | {"after": AFTER}),
    }

    def __init__(self, server, seed):
        self.rng = random.Random(seed)
        self.clients = [server.client(db=db) for db in range(self.DATABASES)]
        self.dumps = []
        self.done = {}

    def run(self, operations):
        for _ in range(operations):
            self.step(self.rng.choice(self.clients))
            if self.rng.random() < 0.1:
                time.sleep(self.rng.uniform(0, 0.02))
        return self

    def step(self, client):
        rng = self.rng
        if rng.random() < 0.1:
            # What is due within a transaction or a script fires there only before a write to it.
            with client.pipeline(transaction=True) as pipe:
                for _ in range(rng.randint(2, 6)):
                    pipe.execute_command(*self.command())
                replies = pipe.execute(raise_on_error=False)
        else:
            words = self.command()
            if words[0].startswith("SM.") and rng.random() < 0.1:
                words = ["EVAL", "return redis.call(unpack(ARGV))", 1, words[1], *words]
            replies = [client.execute_command(*words)]
        for reply in replies:
            assert not isinstance(reply, Exception) or "BUSYKEY" in str(reply), reply

    def command(self):
        rng = self.rng
        key, other = rng.sample(self.KEYS, 2)
        what = rng.choices(
            ["NEW", "FIRE", "MOVE", "FORCE", "MUTATE", "RESET", "SET", "REDEFINE", "TIMEOUT"]
            + ["DEL", "RENAME", "COPY", "MOVE DB", "SWAPDB", "DUMP", "RESTORE"],
            [30, 20, 8, 5, 5, 3, 3, 3, 3] + [3, 5, 5, 4, 0.5, 2, 2],
        )[0]
        self.done[what] = self.done.get(what, 0) + 1
        document = rng.choice(list(self.DOCUMENTS.values()))
        match what:
            case "NEW":
                given = self.given() if rng.random() < 0.5 else []
                return ["SM.NEW", key, document, "STATE", rng.choice(self.STATES[:3]), *given]
            case "FIRE":
                return ["SM.FIRE", key, rng.choice(["go", "stay", "back", "again"])]
            case "MOVE" | "FORCE":
                # Only into states that have a timer in each document may it be given.
                to = rng.choice(self.STATES)
                return [f"SM.{what}", key, to, *(self.given() if to in "abc" and rng.random() < 0.6 else [])]
            case "MUTATE":
                return ["SM.MUTATE", key, rng.choice(self.STATES)]
            case "SET":
                return ["SM.SET", key, document, rng.choice(self.STATES)]
            case "REDEFINE":
                return ["SM.REDEFINE", key, document]
            case "RESET" | "TIMEOUT":
                return [f"SM.{what}", key]
            case "DEL":
                return ["DEL", key]
            case "RENAME":
                # RENAME of a key that isn't there is an error.
                return ["EVAL", "return redis.call('EXISTS', KEYS[1]) == 1 and redis.call('RENAME', KEYS[1], KEYS[2])",
                        2, key, other]  # fmt: skip
            case "COPY":
                to = rng.randrange(self.DATABASES)
                return ["COPY", key, other, "DB", to, "REPLACE"]
            case "MOVE DB":
                # So is MOVE to the same database.
                return ["EVAL", "return type(redis.pcall('MOVE', KEYS[1], ARGV[1]))", 1, key, rng.randrange(3)]
            case "SWAPDB":
                return ["SWAPDB", *rng.sample(range(self.DATABASES), 2)]
            case "DUMP":
                dump = rng.choice(self.clients).execute_command("DUMP", key)
                self.dumps += [dump] if dump else []
                return ["EXISTS", key]
            case "RESTORE":
                return ["RESTORE", key, 0, rng.choice(self.dumps), "REPLACE"] if self.dumps else ["EXISTS", key]

    def given(self):
        if self.rng.random() < 0.5:
            ms = self.rng.randint(1, 150)
            return ["AFTER", ms, "BY", f"after {ms}"]
        due = int(time.time() * 1000) + self.rng.randint(-50, 150)
        return ["DUE", due, "BY", f"due {due}"]

    def check(self, server):
        """Checks each history of a server at rest. Returns the number of timeouts in them."""
        count = 0
        for db in range(self.DATABASES):
            with server.client(db=db) as client:
                for key in client.keys("m:*"):
                    shown = facts(client, key)
                    assert shown["due"] is None and shown["state"].decode() in "cx", (key, shown)
                    count += self.check_history(list(reversed(past(client, key))))
        return count

    def check_history(self, entries):
        count = 0
        for before, entry in zip(entries, entries[1:]):
            kind, left = entry["kind"], before["to"].decode()
            due = self.deadline(before, left)
            assert entry["version"] == before["version"] + 1, entries
            if kind == b"timeout":
                count += 1
                assert entry["to"].decode() == self.AFTER[left]["to"], entries
                assert (entry["from"], entry["user"], entry["event"]) == (before["to"], b"", b""), entries
                # A redefinition may keep a deadline that an earlier move gave.
                assert entry["at"] == due or before["kind"] == b"redefine", (due, entry, entries)
            elif kind in (b"move", b"force", b"reset") and due is not None and before["kind"] != b"redefine":
                # It would have fired first.
                assert entry["at"] < due, (due, entry, entries)
        return count

    def deadline(self, entry, left):
        """Returns the deadline of the state that was entered, None for none."""
        how, _, number = entry["by"].decode().partition(" ")
        if how == "after":
            return entry["at"] + int(number)
        if how == "due":
            return max(entry["at"], int(number))
        ms = self.AFTER.get(left, {}).get("ms")
        return ms and entry["at"] + ms


def error_of(server, *command):
    """Returns the text of the error that a command must be answered with, with its code."""
    with server.wire() as wire:
        reply = wire(*command)
    assert reply.startswith(b"-"), (command, reply)
    return reply[1:].decode().strip()
