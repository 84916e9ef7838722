"""Payloads that a client forged: the server lives, memory stays bounded, what is taken in is sound.

HOSTILE_COUNT payloads at random, and every simple damage besides (make test-hostile COUNT=…); the
checksum check is off, so that the loader itself must say no. Half of the damage is done to the bytes
as they are, and ends at a length as a rule; half to a field of the record, with all lengths written
anew, so that the rules behind them are reached. The seed is printed by a failure, and the payload
with it.
"""

import collections
import json
import os
import random
import re
from pathlib import Path

import pytest
import redis

from damage import expanding, forge, misfits, refitted, systematic
from documents import ORDER, document
from harness import ROOT, SLOWDOWN, digest, rewrite_aof, value_digests
from payloads import FOOTER, Record, unwrap, wrap
from server_files import MODULE_ID, length

COUNT = int(os.environ.get("HOSTILE_COUNT", "4000"))
SEED = int(os.environ.get("HOSTILE_SEED", "1"))
BATCH = 200
# What a run may take more than the server had before it. A batch is some megabytes, on its way and as
# machines; AddressSanitizer keeps what was freed for a while, and much around what was not.
BOUND = int((32 << 20) * SLOWDOWN)

CONFIG = [
    "rdbcompression no",
    # A payload may turn into a value of the server's own; those are not on trial.
    "sanitize-dump-payload yes",
    "appendonly yes",
    "appendfsync no",
    "aof-use-rdb-preamble no",
    "auto-aof-rewrite-percentage 0",
    # The end of a rewrite is noticed by the cron.
    "hz 100",
]

# Rows of more than 16 targets are searched by hash; more than 64 states are another size of tables.
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
SMALL = ("blank", "order", "foreign", "names", "reason", "long")

# The module's reasons to refuse, by what it logs, in the order of docs/format.md.
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
    "numbering": "not numbered by first appearance",
    "document": "document of",
    "canonical": "not in canonical form",
    "repeated name": "two states have the same name",
    "state": "current state is number",
}
REFUSED = re.compile(rb"holds no valid state machine: (.*)")


@pytest.fixture
def server(servers):
    server = servers.start(CONFIG)
    server.run("DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", 1)
    return server


def dump(server, name):
    server.run("SM.SET", "seed", MACHINES[name])
    return server.run("DUMP", "seed")


def legacy():
    """Payloads of the old module: one that it wrote, and JSON that is not compressed."""
    written = (ROOT / "tests/data/legacy/encver1.dump").read_bytes()
    around = written[: MODULE_ID + 2], b"\0" + written[-FOOTER:]
    return [written, wrap(around, document({"a": ["b"]}, "a", "b", "why"))]


def seeds(server):
    """A payload of every kind of machine, in the encoding of today, and those of the old module."""
    out = legacy() + [dump(server, name) for name in MACHINES]
    server.run("CONFIG", "SET", "rdbcompression", "yes")
    return [*out, dump(server, "big")]


# ---- what was accepted must be sound ----------------------------------------------------------------


def use(client, key):
    """Every command and callback on a machine that was taken in; what it says must hold together."""
    stored = json.loads(client.execute_command("SM.GET", key))
    states = client.execute_command("SM.STATE", key, "LIST")
    assert [s.encode() for s in stored["map"]] == states
    assert client.execute_command("SM.STATE", key) == [stored["current"].encode()]
    assert client.execute_command("SM.GET", key, "REASON") == stored.get("reason", "").encode()
    ahead = list(dict.fromkeys(s.encode() for s in stored["map"].get(stored["current"], [])))
    assert client.execute_command("SM.NEXT", key) == ahead
    for state in states[:3] + ahead[-3:]:
        assert client.execute_command("SM.CAN", key, state) == (state in ahead)
    for notation in ("MERMAID", "DOT"):
        assert client.execute_command("SM.EXPORT", key, notation)
    assert all(len(row) == 4 for row in client.execute_command("SM.LINT", key))
    assert client.execute_command("MEMORY", "USAGE", key) < 50_000_000
    use_copies(client, key, stored)


def use_copies(client, key, stored):
    """One that was dumped and restored, one that moves, and one of the same document."""
    dump = client.execute_command("DUMP", key)
    client.execute_command("RESTORE", "again", 0, dump, "REPLACE")
    assert client.execute_command("SM.GET", "again") == client.execute_command("SM.GET", key)
    one, other = client.execute_command("DEBUG", "DIGEST-VALUE", key, "again")
    assert one == other
    assert client.execute_command("COPY", key, "copy", "REPLACE")
    for target in stored["map"].get(stored["current"], [])[:3]:
        assert client.execute_command("SM.MUTATE", "copy", target, "moved", "FORCE") == b"OK"
    allowed = stored["map"].get(stored["initial"], [])
    assert client.execute_command("SM.RESET", "copy") == b"OK"
    for target in allowed[:1]:
        assert client.execute_command("SM.MUTATE", "copy", target) == b"OK"
    client.execute_command("SM.SET", "fresh", json.dumps(stored, ensure_ascii=False))
    # An empty `current` in a document means the initial state.
    stored["current"] = stored["current"] or stored["initial"]
    assert json.loads(client.execute_command("SM.GET", "fresh")) == stored


def restore(client, batch):
    """Restores a batch; returns what was accepted, by key."""
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


def digests_or_none(server, keys):
    """Of a server that may be dead."""
    try:
        return value_digests(server, keys)
    except redis.exceptions.ConnectionError:
        return {}


def reload(server, accepted):
    """All that was accepted comes back from an RDB file, and from an AOF of commands."""
    keys = [*accepted, "again", "copy", "fresh"]
    before, each = digest(server), value_digests(server, keys)
    try:
        server.run("DEBUG", "RELOAD")
        assert digest(server) == before, "after DEBUG RELOAD"
        assert rewrite_aof(server) == "ok"
        server.run("DEBUG", "LOADAOF")
        assert digest(server) == before, "after DEBUG LOADAOF"
    except Exception as error:
        now = digests_or_none(server, keys)
        changed = [accepted[key].hex() for key in accepted if each[key] != now.get(key)]
        raise AssertionError(f"seed {SEED}, payloads {changed}") from error


def try_all(server, payloads):
    """Restores them in batches; returns how many were accepted."""
    count = 0
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
            count += len(accepted)
    return count


# ---- what is counted ------------------------------------------------------------------------------


class Peak:
    """The most memory that the process of a server had from here on. The kernel sees what is taken
    and given back within one command; the server looks at its own memory after commands."""

    def __init__(self, server):
        self.folder = Path(f"/proc/{server.process.pid}")
        try:
            # Forgets the peak so far. Where that is not allowed, growth over it is what counts.
            (self.folder / "clear_refs").write_text("5")
        except OSError:
            pass
        self.start = self.now()

    def now(self):
        if not self.folder.exists():
            return 0  # no Linux
        return int(re.search(r"VmHWM:\s*(\d+) kB", (self.folder / "status").read_text())[1]) << 10

    def grown(self):
        return self.now() - self.start


def kind_of(reason):
    return next((kind for kind, text in REFUSALS.items() if text in reason), "shape of the JSON")


def refusals(server):
    """How often the module itself said no, by reason."""
    return collections.Counter(kind_of(why.decode(errors="replace")) for why in REFUSED.findall(server.log()))


def summary(count, accepted, refused, peak):
    kinds = ", ".join(f"{kind} {times}" for kind, times in refused.most_common())
    return (
        f"{count} payloads, {accepted} accepted and used, {refused.total()} refused by the module for "
        f"{len(refused)} reasons, {peak.grown() >> 20} MiB at the peak ({kinds})"
    )


def judge(server, count, accepted, peak, figure, kinds):
    """`kinds`: the refusals without which a run of the usual length has missed its aim."""
    refused = refusals(server)
    assert peak.grown() < BOUND, "nothing in some kilobytes makes the server take what isn't there"
    missed = [kind for kind in kinds if not refused[kind]]
    assert not missed or COUNT < 4000, f"seed {SEED}, never refused for: {missed}"
    figure(summary(count, accepted, refused, peak))


def test_untouched_payloads_are_accepted(server):
    payloads = seeds(server)
    parts = [parts for parts in map(unwrap, payloads) if parts and not parts[1].startswith(b"{")]
    assert len(parts) == len(MACHINES)
    for around, string in parts:
        payloads.append(wrap(around, Record(string).write()))
        assert payloads[-1] in payloads[:-1], "taken apart and put together, it is what it was"
    assert try_all(server, payloads) == len(payloads)


def test_memory_that_a_restore_takes_and_frees_is_seen(server):
    """The measure itself: a compressed string for which the server, not the module, takes too much."""
    peak, repeats = Peak(server), 2 * BOUND // 264
    # LZF: one blank, and again and again the 264 bytes from it on.
    blanks = b"\0 " + b"\xe0\xff\0" * repeats
    string = b"\xc3" + length(len(blanks)) + length(1 + 264 * repeats) + blanks
    head, tail = unwrap(legacy()[1])[0]
    with pytest.raises(redis.exceptions.ResponseError, match="Bad data format"):
        server.run("RESTORE", "blanks", 0, head + string + tail)
    # Zero where no memory is measured.
    if peak.start:
        assert peak.grown() > BOUND


def test_every_truncation_and_byte(server, figure):
    old, own = legacy(), [dump(server, name) for name in SMALL]
    payloads = [forged for payload in old + own for forged in systematic(payload)]
    payloads += [forged for payload in old[1:] + own for forged in refitted(payload)]
    random.Random(SEED).shuffle(payloads)
    # The few that must not be left out by chance come first.
    payloads = [expanding(own[1]), *(forged for payload in own for forged in misfits(payload)), *payloads]
    peak = Peak(server)
    accepted = try_all(server, payloads[:COUNT])
    judge(server, min(COUNT, len(payloads)), accepted, peak, figure, REFUSALS)


def test_random_damage(server, figure):
    rng = random.Random(SEED)
    originals = seeds(server)
    accepted, peak = 0, Peak(server)
    for start in range(0, COUNT, 10 * BATCH):
        payloads = [forge(rng, rng.choice(originals)) for _ in range(min(10 * BATCH, COUNT - start))]
        accepted += try_all(server, payloads)
    # A document that is too long takes intent.
    judge(server, COUNT, accepted, peak, figure, REFUSALS.keys() - {"document"})
