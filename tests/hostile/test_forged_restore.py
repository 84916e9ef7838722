"""Forged payloads: the server lives, memory stays bounded, and accepted machines are sound.

Tries HOSTILE_COUNT random payloads, and every simple damage (make test-hostile COUNT=…). The checksum
check is off, so that the loader itself must refuse them. Half of the damage is to raw bytes, where a
length check usually finds it. The other half is to a field of the record, with all lengths corrected,
so that it reaches the later checks. A failure prints the seed and the payload.
"""

import collections
import json
import os
import random
import re
from pathlib import Path

import pytest
import redis

from damage import WRONG, expanding, forge, misfits, refitted, systematic, wrong
from documents import ORDER, document
from harness import ROOT, SLOWDOWN, aof_files, as_edge, digest, encode, rewrite_aof, value_digests
from payloads import Record, encoded_as, unwrap, wrap
from server_files import FOOTER, MODULE_ID, length
from traffic import store

COUNT = int(os.environ.get("HOSTILE_COUNT", "4000"))
SEED = int(os.environ.get("HOSTILE_SEED", "1"))
BATCH = 200
# The memory by which the server may grow in a run. A batch takes a few megabytes, in the buffers and as
# machines. AddressSanitizer keeps freed memory for a while, and adds much around each allocation.
BOUND = int((32 << 20) * SLOWDOWN)

CONFIG = [
    "rdbcompression no",
    # A payload may turn into a value of one of the server's types, which are not under test.
    "sanitize-dump-payload yes",
    "appendonly yes",
    "appendfsync no",
    "aof-use-rdb-preamble no",
    "auto-aof-rewrite-percentage 0",
    # The server's cron notices the end of a rewrite.
    "hz 100",
]

# Rows of more than 16 targets are searched by hash. More than 64 states need larger tables.
LONG = [f"t{i}" for i in range(17)]
MACHINES = {
    "blank": '{"initial":"","map":{}}',
    "order": ORDER,
    "foreign": document({"a": ["b"]}, "elsewhere", "nowhere"),
    "names": json.dumps({"initial": "\0", "map": {"\0": ["", "🚀\n"], "": ["\0", "\0"]}}),
    "reason": document({"a": ["b"], "b": ["a"]}, "a", "b", "because: é"),
    "long": document({"a": LONG}, "a"),
    "longer": document({"a": [f"t{i % 150}" for i in range(200)], "b": ["a"], "c": ["b", *LONG]}, "a"),
    "big": document({f"s{i}": [f"s{(i * 7) % 130}", f"s{i + 1}"] for i in range(130)}, "s0"),
    "dense": document({f"s{i}": [f"s{(i * j) % 80}" for j in range(1, 31)] for i in range(70)}, "s0"),
}
# What version 1.0 couldn't say, and the steps after SM.NEW.
RICH = json.dumps(
    {
        "map": {"a": {"go": ["b", "c"], "no": []}, "b": {"go": "c", "": "a"}, "c": ["a", "a"]},
        "any": {"stop": "c", "go": ["a", "b"]},
        "after": {"a": {"ms": 5_000_000, "to": "b"}, "b": {"to": None}},
        "history": 5,
        "name": "né",
        "revision": 2,
        "initial": "a",
    }
)
FIRST_MOVES = [
    ("SM.NEW", RICH, "ID", "t1", "BY", "me", "REASON", "because"),
    ("SM.FIRE", "go", "TO", "b", "ID", "t2", "AFTER", 1_000_000),
]
EVENTS = json.dumps({"map": {"a": {"x": "b"}, "b": {"y": ["a", "b"], "": "c"}}, "any": {"z": "a"}, "initial": "a"})
RENAMED = json.dumps({"map": {"q": {"ho": "z"}}, "history": 5, "initial": "q"})
TIMED = json.dumps({"map": {"a": ["b"]}, "after": {"a": {"ms": 10**9, "to": "b"}}, "initial": "a"})
LATER = {
    "rich": FIRST_MOVES,
    "renamed": [*FIRST_MOVES, ("SM.REDEFINE", RENAMED, "RENAME", "b", "q", "ID", "t3", "BY", "é")],
    "events": [("SM.NEW", EVENTS), ("SM.FIRE", "x")],
    "timed": [("SM.NEW", TIMED, "REASON", "why")],
    "ids": [("SM.NEW", ORDER, "ID", "one"), ("SM.MOVE", "boo", "ID", "two"), ("SM.FORCE", "bar", "ID", "three")],
    "any": [("SM.NEW", json.dumps({"map": {f"s{i}": [] for i in range(80)}, "any": {"e": "s1"}, "initial": "s0"}))],
}
SMALL = ("blank", "order", "foreign", "names", "reason", "long", "events", "timed", "ids")

# The module's reasons to refuse, as it logs them, in the order of docs/format.md.
REFUSALS = {
    "encoding": "is newer than this module",
    "JSON": "not JSON at byte",
    "short record": "record ends too early",
    "record flags": "unknown record flags",
    "varint": "damaged number in record",
    "reason": "reason is empty or not UTF-8",
    "no file": "met outside one",
    "trailing": "too many at the end of the record",
    "short archive": "expected 12 or more",
    "magic": "does not begin with RSMA",
    "version": "archive version",
    "archive flags": "archive flags",
    "length": "behind the header, which says",
    "structure": "archive structure is damaged",
    "states": "states, expected 1 to",
    "rows": "rows, more than states",
    "row ends": "row ends do not cover the targets",
    "names": "name ends do not cover the names, or these are not UTF-8",
    "numbering": "states are not numbered by first appearance",
    "document": "document of",
    "canonical": "not in canonical form",
    "repeated name": "have the same name",
    "state": "current state is number",
    "machine version": "machine version",
    "part length": "where that is no length",
    "part text": "a text is not UTF-8",
    "part trailing": "too many at the end of a part",
    "part state": "state number",
    "part event": "event number",
    "known name": "stands as text, although",
    "request kind": "unknown kind of request",
    "ids: version": "request ids: version 0",
    "ids: twice": "one comes twice",
    "ids: many": "more than 8",
    "times: needless": "neither timers nor a history",
    "times: missing": "the definition has timers or a history",
    "times: entry": "the time of entry is beyond",
    "times: deadline": "the deadline is beyond",
    "times: no timer": "a deadline in a state without a timer",
    "times: not given": "a deadline that nobody gave",
    "times: no deadline": "no deadline in a state with a timer",
    "history: missing": "there is none, but the definition has one",
    "history: early": "entered after the last move",
    "history: kind": "unknown kind of entry",
    "history: entries": "more entries than the definition allows",
    "history: time": "a time beyond",
    "history: event": "an event without a name",
    "history: oldest": "the oldest entry tells of one before",
    "history: from": "a new machine comes from nowhere",
    "history: new": "a new machine that is not the oldest",
    "history: end": "doesn't end in the current state",
    "history: user": "a user that is the same as before",
    "history: 1970": "a time before 1970",
    "rare": "rare parts are empty or more than one",
    "event names": "event ends do not cover",
    "event numbering": "events are not numbered by first appearance",
    "groups": "events of rows are not",
    "any": "events of any are not",
    "timers": "timers are not",
    "limit": "history of",
    "label": "name of the definition is not",
    "revision": "revisions are more than one",
}
# Not met here: an archive of more than 384 MiB and a reason of more than 64 MiB, for their size; numbers of
# definitions that a file has or hasn't (tests/test_rdb_sharing.py and tests/faults); and a history over
# 65,535 bytes, which its length in the record is refused for before.
REFUSED = re.compile(rb"holds no valid state machine: (.*)")


@pytest.fixture
def server(servers):
    server = servers.start(CONFIG)
    server.run("DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", 1)
    return server


def dump(server, name):
    with server.client() as client:
        client.delete("seed")
        if name in MACHINES:
            store(client, "seed", MACHINES[name])
        for command, *rest in LATER.get(name, ()):
            client.execute_command(command, "seed", *rest)
    return server.run("DUMP", "seed")


def legacy():
    """Returns payloads of the old module: one that it wrote, and uncompressed JSON."""
    written = (ROOT / "tests/data/legacy/encver1.dump").read_bytes()
    around = written[: MODULE_ID + 2], b"\0" + written[-FOOTER:]
    return [written, wrap(around, document({"a": ["b"]}, "a", "b", "why"))]


def first_release(payload):
    """Returns a payload as release 1.0 wrote it."""
    around, string = unwrap(payload)
    return wrap(encoded_as(around, 2), Record(string).as_version_1().write())


def seeds(server):
    """Returns a payload of every kind of machine in the current encoding, those of release 1.0, and those of
    the old module."""
    out = legacy() + [dump(server, name) for name in (*MACHINES, *LATER)]
    out += [first_release(dump(server, name)) for name in MACHINES]
    server.run("CONFIG", "SET", "rdbcompression", "yes")
    return [*out, dump(server, "big")]


# ---- what was accepted must be sound ----------------------------------------------------------------


def listed(targets):
    return [targets] if isinstance(targets, str) else targets


def targets(stored, state):
    """Returns the states that a state leads to by a move of a caller, in the order of SM.NEXT."""
    row = stored["map"].get(state, [])
    groups = row if isinstance(row, dict) else {"": row}
    out = [target for group in groups.values() for target in listed(group)]
    for event, group in stored.get("any", {}).items():
        if event not in groups:
            out += [target for target in listed(group) if target != state]
    return list(dict.fromkeys(out))


def use(client, key):
    """Runs every command and callback on an accepted machine. The replies must be consistent."""
    stored = json.loads(client.execute_command("SM.GET", key))
    states = client.execute_command("SM.STATE", key, "LIST")
    assert [s.encode() for s in stored["map"]] == states
    assert client.execute_command("SM.STATE", key) == [stored["current"].encode()]
    assert client.execute_command("SM.GET", key, "REASON") == stored.get("reason", "").encode()
    ahead = [s.encode() for s in targets(stored, stored["current"])]
    assert client.execute_command("SM.NEXT", key) == ahead
    info = client.execute_command("SM.INFO", key)
    info = dict(zip(info[::2], info[1::2]))
    assert info[b"state"] == stored["current"].encode()
    told = client.execute_command("SM.HISTORY", key)
    assert len(told) == info[b"history"] <= info[b"history-limit"] == stored.get("history", 0)
    assert not told or (told[0][1], told[0][11]) == (info[b"version"], info[b"state"])
    events = client.execute_command("SM.EVENTS", key)
    assert {target for _, *named in events for target in named} <= {*ahead, info[b"state"]}
    for state in states[:3] + ahead[-3:]:
        assert client.execute_command("SM.CAN", key, state) == (state in ahead)
    for notation in ("MERMAID", "DOT"):
        assert client.execute_command("SM.EXPORT", key, notation)
    assert all(len(row) == 4 for row in client.execute_command("SM.LINT", key))
    assert client.execute_command("MEMORY", "USAGE", key) < 50_000_000
    use_copies(client, key, stored)


def use_copies(client, key, stored):
    """Uses copies of a machine: one dumped and restored, one that moves, one from the same document."""
    dump = client.execute_command("DUMP", key)
    client.execute_command("RESTORE", "again", 0, dump, "REPLACE")
    assert client.execute_command("SM.GET", "again") == client.execute_command("SM.GET", key)
    one, other = client.execute_command("DEBUG", "DIGEST-VALUE", key, "again")
    assert one == other
    assert client.execute_command("COPY", key, "copy", "REPLACE")
    for target in targets(stored, stored["current"])[:3]:
        assert client.execute_command("SM.MUTATE", "copy", target, "moved", "FORCE") == b"OK"
    allowed = targets(stored, stored["initial"])
    assert client.execute_command("SM.RESET", "copy") == b"OK"
    for target in allowed[:1]:
        assert client.execute_command("SM.MUTATE", "copy", target) == b"OK"
    if not remake(client, stored):
        return
    # An empty `current` in a document means the initial state.
    stored["current"] = stored["current"] or stored["initial"]
    assert json.loads(client.execute_command("SM.GET", "fresh")) == stored


def remake(client, stored):
    """Makes the machine from its document. Returns whether a document can say it: a state that nothing but
    `current` names is for the edge mode, which has nothing that came after version 1.0."""
    text = json.dumps(stored, ensure_ascii=False)
    client.delete("fresh")
    try:
        return client.execute_command("SM.SET", "fresh", text) == b"OK"
    except redis.exceptions.ResponseError as error:
        assert "current" in str(error), error
    if stored.keys() & {"any", "after", "history", "name"} or dict in map(type, stored["map"].values()):
        return False
    return as_edge(client, "SM.SET", "fresh", text) == b"OK"


def restore(client, batch):
    """Restores a batch. Returns the accepted payloads by key."""
    with client.pipeline(transaction=False) as pipe:
        for i, payload in enumerate(batch):
            pipe.execute_command("RESTORE", f"p:{i}", 0, payload)
        replies = pipe.execute(raise_on_error=False)
    accepted = {}
    for i, reply in enumerate(replies):
        if reply == b"OK" and client.type(f"p:{i}") == b"StateType":
            accepted[f"p:{i}"] = batch[i]
        elif reply == b"OK":
            client.delete(f"p:{i}")
    return accepted


def digests_if_alive(server, keys):
    """Returns the digests of a server, or none of them if it is dead."""
    try:
        return value_digests(server, keys)
    except redis.exceptions.ConnectionError:
        return {}


def reload(server, accepted):
    """Checks that all accepted machines come back from an RDB file and from an AOF of commands."""
    keys = [*accepted, "again", "copy", "fresh"]
    before, each = digest(server), value_digests(server, keys)
    try:
        server.run("DEBUG", "RELOAD")
        assert digest(server) == before, "after DEBUG RELOAD"
        assert rewrite_aof(server) == "ok"
        server.run("DEBUG", "LOADAOF")
        assert digest(server) == before, "after DEBUG LOADAOF"
    except Exception as error:
        now = digests_if_alive(server, keys)
        changed = [accepted[key].hex() for key in accepted if each[key] != now.get(key)]
        raise AssertionError(f"seed {SEED}, payloads {changed}") from error


def fire(server, accepted):
    """Fires what is due, and checks that the machines still come back."""
    replies = [server.run("SM.TIMEOUT", key) for key in accepted]
    assert all(reply is None or reply[0] in (b"moved", b"deleted", b"refused") for reply in replies), replies
    before = digest(server)
    server.run("DEBUG", "RELOAD")
    assert digest(server) == before, f"seed {SEED}, after the timers of {[each.hex() for each in accepted.values()]}"


def try_all(server, payloads):
    """Restores payloads in batches. Returns how many were accepted."""
    count = 0
    # A forged deadline can be over, and the machine is to stay as it is until it is looked at.
    server.run("CONFIG", "SET", "redisstate.timers", "no")
    with server.client() as client:
        for start in range(0, len(payloads), BATCH):
            client.flushall()
            accepted = restore(client, payloads[start : start + BATCH])
            for key, payload in accepted.items():
                try:
                    use(client, key)
                except Exception as error:
                    raise AssertionError(f"seed {SEED}, payload {payload.hex()}") from error
            server.check()
            if accepted:
                reload(server, accepted)
                fire(server, accepted)
            count += len(accepted)
    return count


# ---- what is counted ------------------------------------------------------------------------------


class Peak:
    """Measures the peak memory of a server's process from now on. The kernel also counts memory that is
    taken and freed within one command; the server measures only after commands."""

    def __init__(self, server):
        self.folder = Path(f"/proc/{server.process.pid}")
        try:
            # Resets the peak. If that is not allowed, only growth beyond the old peak is seen.
            (self.folder / "clear_refs").write_text("5")
        except OSError:
            pass
        self.start = self.now()

    def now(self):
        if not self.folder.exists():
            return 0  # not Linux
        return int(re.search(r"VmHWM:\s*(\d+) kB", (self.folder / "status").read_text())[1]) << 10

    def grown(self):
        return self.now() - self.start


def kind_of(reason):
    return next((kind for kind, text in REFUSALS.items() if text in reason), "shape of the JSON")


def refusals(server):
    """Returns how often the module refused a payload, by reason."""
    return collections.Counter(kind_of(why.decode(errors="replace")) for why in REFUSED.findall(server.log()))


def summary(count, accepted, refused, peak):
    kinds = ", ".join(f"{kind} {times}" for kind, times in refused.most_common())
    return (
        f"{count} payloads, {accepted} accepted and used, {refused.total()} refused by the module for "
        f"{len(refused)} reasons, {peak.grown() >> 20} MiB at the peak ({kinds})"
    )


def judge(server, count, accepted, peak, figure, kinds):
    """Checks a run. `kinds` are the reasons to refuse that a run of the usual length must reach."""
    refused = refusals(server)
    assert peak.grown() < BOUND, "nothing in some kilobytes makes the server take what isn't there"
    missed = [kind for kind in kinds if not refused[kind]]
    assert not missed or COUNT < 4000, f"seed {SEED}, never refused for: {missed}"
    figure(summary(count, accepted, refused, peak))


def test_untouched_payloads_are_accepted(server):
    payloads = seeds(server)
    parts = [parts for parts in map(unwrap, payloads) if parts and not parts[1].startswith(b"{")]
    assert len(parts) == 2 * len(MACHINES) + len(LATER)
    for around, string in parts:
        payloads.append(wrap(around, Record(string).write()))
        assert payloads[-1] in payloads[:-1], "taken apart and put together, it is what it was"
    assert try_all(server, payloads) == len(payloads)


def test_memory_that_a_restore_takes_and_frees_is_seen(server):
    """Tests the measurement with a compressed string that makes the server, not the module, take memory."""
    peak, repeats = Peak(server), 2 * BOUND // 264
    # LZF: one blank, then many times the 264 bytes from it on.
    blanks = b"\0 " + b"\xe0\xff\0" * repeats
    string = b"\xc3" + length(len(blanks)) + length(1 + 264 * repeats) + blanks
    head, tail = unwrap(legacy()[1])[0]
    with pytest.raises(redis.exceptions.ResponseError, match="Bad data format"):
        server.run("RESTORE", "blanks", 0, head + string + tail)
    # Zero if memory can't be measured.
    if peak.start:
        assert peak.grown() > BOUND


def test_each_reason_of_the_parts_that_came_after_1_0(server):
    for why, payload in wrong(dump(server, "rich")):
        known = len(REFUSED.findall(server.log()))
        with pytest.raises(redis.exceptions.ResponseError, match="Bad data format"):
            server.run("RESTORE", "p", 0, payload)
        (text,) = REFUSED.findall(server.log())[known:]
        assert kind_of(text.decode()) == why, text


def test_forged_records_in_an_aof(server):
    """SM.LOAD takes records from a file as RESTORE takes payloads: what is wrong is skipped and logged."""
    server.run("CONFIG", "SET", "propagation-error-behavior", "ignore")
    server.run("CONFIG", "REWRITE")
    rng = random.Random(SEED)
    payloads = [payload for payload in map(unwrap, seeds(server)) if payload and not payload[1].startswith(b"{")]
    server.run("CONFIG", "SET", "rdbcompression", "no")
    sound = unwrap(dump(server, "rich"))[1]
    forged = [unwrap(payload)[1] for _, payload in wrong(wrap((b"\0" * (MODULE_ID + 2), b""), sound))]
    for _ in range(min(COUNT, 2000)):
        around, _ = parts = rng.choice(payloads)
        damaged = forge(rng, wrap(*parts))
        if damaged.startswith(around[0]) and damaged.endswith(around[1]):
            forged.append(damaged[len(around[0]) : len(damaged) - len(around[1])])
    server.run("FLUSHALL")
    server.kill()
    last = next(file for file in aof_files(server) if ".incr." in file.name)
    with open(last, "ab") as file:
        for i, record in enumerate(forged):
            file.write(encode("SM.LOAD", f"p:{i}", record))
        file.write(encode("SM.LOAD", "sound", sound))
    server.start()
    server.check()
    log = server.log().decode(errors="replace")
    failed = set(re.findall(r"key '(p:\d+)': SM.LOAD fails while the file is loaded: ", log))
    assert {f"p:{i}" for i in range(len(WRONG))} <= failed
    with server.client() as client:
        keys = [key.decode() for key in client.keys("p:*")]
        assert not failed & set(keys) and len(failed) + len(keys) == len(forged)
        for key in [*keys, "sound"]:
            use(client, key)
    before = digest(server)
    assert rewrite_aof(server) == "ok"
    server.restart()
    assert digest(server) == before


def test_every_truncation_and_byte(server, figure):
    old, own = legacy(), [dump(server, name) for name in SMALL]
    payloads = [forged for payload in old + own for forged in systematic(payload)]
    payloads += [forged for payload in old[1:] + own for forged in refitted(payload)]
    # The few payloads that every run must try come first.
    rich = [dump(server, name) for name in ("rich", "renamed")]
    payloads += [forged for payload in rich for forged in (*systematic(payload), *refitted(payload))]
    random.Random(SEED).shuffle(payloads)
    payloads = [*(forged for _, forged in wrong(rich[0])), *payloads]
    payloads = [expanding(own[1]), *(forged for payload in own for forged in misfits(payload)), *payloads]
    peak = Peak(server)
    accepted = try_all(server, payloads[:COUNT])
    judge(server, min(COUNT, len(payloads)), accepted, peak, figure, REFUSALS)


def test_random_damage(server, figure):
    rng = random.Random(SEED)
    originals = [dump(server, name) for name in ("rich", "renamed", "ids")] * 5 + seeds(server)
    accepted, peak = 0, Peak(server)
    for start in range(0, COUNT, 10 * BATCH):
        payloads = [forge(rng, rng.choice(originals)) for _ in range(min(10 * BATCH, COUNT - start))]
        accepted += try_all(server, payloads)
    # Random damage never makes a document too long. The reasons of WRONG have a test of their own, because
    # some need more luck than a short run has.
    judge(server, COUNT, accepted, peak, figure, REFUSALS.keys() - WRONG.keys() - {"document"})
