"""Payloads that a client forged: the server lives, memory stays bounded, what is taken in is sound.

HOSTILE_COUNT payloads at random, and every simple damage besides (make test-hostile COUNT=…); the
checksum check is off, so that the loader itself must say no. Half of the damage is done to the bytes
as they are, and ends at a length as a rule; half to a field of the record, with all lengths written
anew, so that the rules behind them are reached. The seed is printed by a failure, and the payload
with it.
"""

import collections
import itertools
import json
import os
import random
import re
import struct
from pathlib import Path

import pytest
import redis

from documents import ORDER, document
from harness import ROOT, SLOWDOWN, digest, rewrite_aof, value_digests
from stored import MODULE_ID, length, length_at, varint, varint_at

COUNT = int(os.environ.get("HOSTILE_COUNT", "4000"))
SEED = int(os.environ.get("HOSTILE_SEED", "1"))
BATCH = 200
# The version of the file format and a checksum, both behind the value.
FOOTER = 10
EXTREMES = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63, 2**64 - 1]
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


def legacy(server):
    """Payloads of the old module: one that it wrote, and JSON that is not compressed."""
    written = (ROOT / "tests/data/legacy/encver1.dump").read_bytes()
    tail = b"\0" + written[-FOOTER:]
    return [written, wrap((written[: MODULE_ID + 2], tail), document({"a": ["b"]}, "a", "b", "why"))]


def seeds(server, names=MACHINES):
    """Payloads of both encodings."""
    return legacy(server) + [dump(server, name) for name in names]


def compressed(server):
    server.run("CONFIG", "SET", "rdbcompression", "yes")
    return dump(server, "big")


# ---- payloads, taken apart and put together -----------------------------------------------------


def unwrap(payload):
    """What is around the string, in front and behind, and the string; None if it is compressed."""
    start = MODULE_ID + 2
    if payload[start] >> 6 == 3:
        return None
    size, begin = length_at(payload, start)
    return (payload[:start], payload[begin + size :]), payload[begin : begin + size]


def wrap(around, string):
    """The payload of a string, under the length that it has now."""
    return around[0] + length(len(string)) + string + around[1]


VECTORS = ("names", "name_ends", "row_ends", "targets")
# Each has a pointer and a count there, and behind them is the initial state.
ROOT_BYTES = 36
HEADER = 8
FORM, FIRST, EARLIER, REASON = 0b011, 1, 2, 0b100


class Record:
    """The fields of a record of docs/format.md. `write` makes lengths, counts and pointers fit what
    is there, but for those that are to be wrong."""

    def __init__(self, record):
        self.flags, self.reason, self.number = record[0], b"", b"a number"
        state, at = varint_at(record, 1)
        self.state = varint(state)
        if self.flags & REASON:
            size, at = varint_at(record, at)
            self.reason, at = record[at : at + size], at + size
        # Without a header there is no archive.
        self.header = record[at : at + HEADER]
        self._read_body(record[at + HEADER + 4 :])
        self.order, self.gaps, self.shared, self.raw_body = VECTORS, {}, {}, None
        self.reason_error, self.length_error, self.pointer_errors, self.count_errors = 0, 0, {}, {}

    def _read_body(self, body):
        for name, place in zip(VECTORS, range(len(body) - ROOT_BYTES, len(body), 8)):
            pointer, count = struct.unpack_from("<iI", body, place)
            setattr(self, name, elements(name, body, place + pointer, count))
        (self.initial,) = struct.unpack_from("<I", body, len(body) - 4)

    def write(self):
        out = bytes([self.flags]) + self.state
        if self.flags & REASON:
            out += varint((len(self.reason) + self.reason_error) % 2**32) + self.reason
        if self.flags & FORM:
            out += self.number
        return out + self.archive()

    def archive(self):
        if self.header is None:
            return b""
        body = self.body() if self.raw_body is None else self.raw_body
        return self.header + struct.pack("<I", (len(body) + self.length_error) % 2**32) + body

    def body(self):
        out, starts = b"", {}
        for name in self.order:
            out += self.gaps.get(name, b"")
            starts[name] = len(out)
            out += packed(getattr(self, name))
        starts |= {name: starts[other] for name, other in self.shared.items()}
        for name in VECTORS:
            pointer = starts[name] - len(out) + self.pointer_errors.get(name, 0)
            count = len(getattr(self, name)) + self.count_errors.get(name, 0)
            out += struct.pack("<II", pointer % 2**32, count % 2**32)
        return out + struct.pack("<I", self.initial)

    def rename(self, state, name):
        """Another name for a state, in the room that it needs."""
        start, end = ([0] + self.name_ends)[state : state + 2]
        self.names = self.names[:start] + name + self.names[end:]
        grown = len(name) - (end - start)
        self.name_ends = [at + grown if i >= state else at for i, at in enumerate(self.name_ends)]

    def name(self, state):
        start, end = ([0] + self.name_ends)[state : state + 2]
        return self.names[start:end]

    def lengthen(self, row, by):
        """Moves the ends from a row on, for targets that were put there or taken away."""
        self.row_ends = [at + by if i >= row else at for i, at in enumerate(self.row_ends)]


def elements(name, body, at, count):
    if name == "names":
        return body[at : at + count]
    return list(struct.unpack_from(f"<{count}I", body, at))


def packed(vector):
    return vector if isinstance(vector, bytes) else b"".join(struct.pack("<I", n % 2**32) for n in vector)


# ---- damage to bytes ------------------------------------------------------------------------------


def flip(rng, value):
    for _ in range(rng.randint(1, 4)):
        value[rng.randrange(len(value))] ^= 1 << rng.randrange(8)


def overwrite(rng, value):
    """A length, count or offset of any width, in either byte order, at an extreme."""
    width = rng.choice([1, 2, 4, 8])
    at = rng.randrange(len(value))
    number = rng.choice(EXTREMES) % (1 << (8 * width))
    value[at : at + width] = number.to_bytes(width, rng.choice(["little", "big"]))


def nudge(rng, value):
    at = rng.randrange(len(value))
    value[at] = (value[at] + rng.choice([-2, -1, 1, 2])) % 256


def truncate(rng, value):
    del value[rng.randrange(len(value)) :]


def insert(rng, value):
    at = rng.randrange(len(value))
    value[at:at] = rng.randbytes(rng.choice([1, 1, 4, 8, 100]))


def remove(rng, value):
    at = rng.randrange(len(value))
    del value[at : at + rng.choice([1, 1, 4, 8])]


def swap(rng, value):
    """A piece of the payload over another piece of it."""
    length = rng.choice([1, 2, 4, 8, 16])
    source, target = rng.randrange(len(value)), rng.randrange(len(value))
    value[target : target + length] = value[source : source + length]


DAMAGE = [flip, overwrite, overwrite, nudge, truncate, insert, remove, swap]


def damaged(rng, data):
    value = bytearray(data)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        if len(value) > 1:
            rng.choice(DAMAGE)(rng, value)
    return bytes(value)


# ---- damage to fields -----------------------------------------------------------------------------


def other_flags(rng, record):
    record.flags = rng.choice([FIRST, EARLIER, EARLIER, FORM, REASON, REASON | FIRST, 8, 0x80])
    if record.flags & FORM == EARLIER and rng.random() < 0.5:
        record.header = None


def other_state(rng, record):
    near = varint(rng.randrange(len(record.name_ends) + 2))
    far = varint(rng.choice(EXTREMES) % 2**32)
    record.state = rng.choice([near, near, far, b"\x80\x00", b"\x80" * 5, b"\xff" * 4 + b"\x1f"])


def other_reason(rng, record):
    record.flags |= REASON
    record.reason = rng.choice([b"", b"why", "é🚀\0\"".encode(), b"\xff", b"\xc3", b"\xed\xa0\x80", b"x" * 300])
    record.reason_error = rng.choice([0, 0, 0, 1, -1, 2**31])


def other_header(rng, record):
    header = bytearray(record.header)
    nudge(rng, header)
    record.header = bytes(header) if rng.random() < 0.8 else None


def other_length(rng, record):
    record.length_error = rng.choice([-36, -1, 1, 4, 2**30, 2**31])


def other_body(rng, record):
    record.raw_body = damaged(rng, record.body())


def other_letters(rng, record):
    record.names = damaged(rng, record.names)
    if record.name_ends and rng.random() < 0.5:
        record.name_ends[-1] = len(record.names)


def other_name(rng, record):
    """Longer, empty, no text, part of a character, or that of another state."""
    states = range(len(record.name_ends))
    names = [b"", b"n" * 300, b"\xff", b"\xf0\x9f\x9a", '"\\\n\x7f\u2028🚀'.encode(), rng.randbytes(3)]
    record.rename(rng.choice(states), rng.choice([*names, record.name(rng.choice(states))]))


def other_number(rng, record):
    """One number of a vector: near, extreme, gone, twice, or in the place of another."""
    vector = getattr(record, rng.choice([name for name in VECTORS[1:] if getattr(record, name)]))
    at, to = rng.randrange(len(vector)), rng.randrange(len(vector))
    change = rng.randrange(5)
    if change < 2:
        vector[at] = vector[at] + rng.choice([-1, 1]) if change else rng.choice(EXTREMES)
    elif change < 4:
        vector[at : at + 1] = [] if change == 2 else [vector[at]] * 2
    else:
        vector[at], vector[to] = vector[to], vector[at]


def other_target(rng, record):
    """A target more, at any place of a row, and the rows fit again."""
    if record.row_ends:
        row = rng.randrange(len(record.row_ends))
        start, end = ([0] + record.row_ends)[row : row + 2]
        record.targets.insert(rng.randint(start, end), rng.randrange(len(record.name_ends) + 1))
        record.lengthen(row, 1)


def other_row(rng, record):
    """Whole rows more or less, without their targets."""
    if rng.random() < 0.5:
        record.row_ends += [len(record.targets)] * rng.choice([1, 2, len(record.name_ends) + 1])
    else:
        record.row_ends, record.targets = record.row_ends[:-1], record.targets[: ([0, 0] + record.row_ends)[-2]]


def other_states(rng, record):
    """States that nothing leads to, or none at all."""
    for name in rng.choice([[b""], [b"new"], [b"new", b"newer"]]):
        record.names += name
        record.name_ends.append(len(record.names))
    if rng.random() < 0.2:
        record.names, record.name_ends, record.row_ends, record.targets = b"", [], [], []


def other_initial(rng, record):
    record.initial = rng.choice([rng.randrange(len(record.name_ends) + 2), rng.choice(EXTREMES) % 2**32])


def other_pointer(rng, record):
    errors = rng.choice([record.pointer_errors, record.count_errors])
    errors[rng.choice(VECTORS)] = rng.choice([-8, -4, -1, 1, 4, 8, 2**30, 2**31, -(2**31) + 1])


def other_layout(rng, record):
    """The same definition, laid out as no encoder does it."""
    layout = rng.randrange(4)
    if layout < 2:
        record.gaps[rng.choice(VECTORS)] = rng.randbytes(rng.choice([1, 4, 36]))
    elif layout == 2:
        record.order = rng.sample(VECTORS, 4)
    else:
        record.shared[rng.choice(VECTORS)] = rng.choice(VECTORS)


FIELDS = [
    other_flags,
    other_state,
    other_reason,
    other_header,
    other_length,
    other_body,
    other_body,
    other_letters,
    other_name,
    other_name,
    other_number,
    other_number,
    other_target,
    other_target,
    other_row,
    other_states,
    other_initial,
    other_pointer,
    other_layout,
]


def forge(rng, payload):
    """Damage somewhere, with the checksum's place kept; or in a field, with all lengths anew."""
    parts = unwrap(payload)
    if parts is None or rng.random() < 0.5:
        return damaged(rng, payload[:-FOOTER]) + payload[-FOOTER:]
    around, string = parts
    if string.startswith(b"{"):
        return wrap(around, damaged(rng, string))
    record = Record(string)
    rng.choice(FIELDS)(rng, record)
    return wrap(around, record.write())


def systematic(payload):
    """Every truncation, and every byte set to each of a few values."""
    value, footer = payload[:-FOOTER], payload[-FOOTER:]
    for end in range(len(value)):
        yield value[:end] + footer
    for at in range(len(value)):
        for byte in (0x00, 0x01, 0x7F, 0x80, 0xFF, value[at] ^ 0x01):
            yield value[:at] + bytes([byte]) + value[at + 1 :] + footer


def cuts(data):
    """Every truncation, and every place with a byte less or more."""
    for at in range(len(data)):
        yield data[:at]
        yield data[:at] + data[at + 1 :]
        yield data[:at] + b"\0" + data[at:]


def refitted(payload):
    """The cuts of the string, and those of the archive's body, with the lengths around them anew."""
    around, string = unwrap(payload)
    yield from (wrap(around, cut) for cut in cuts(string))
    if not string.startswith(b"{"):
        record = Record(string)
        for record.raw_body in cuts(record.body()):
            yield wrap(around, record.write())


def misfits(payload):
    """Fields that are well-formed and wrong, and the definition in every layout but the one."""
    around, string = unwrap(payload)
    changes = [("flags", FIRST), ("flags", EARLIER), ("state", b"\x80\0"), ("state", varint(10_000))]
    changes += [("header", None), ("name_ends", []), ("row_ends", [0] * 1000)]
    changes += [("order", order) for order in itertools.permutations(VECTORS)]
    changes += [("gaps", {name: b"\0" * size}) for name in VECTORS for size in (1, 4)]
    changes += [("shared", {name: other}) for name, other in itertools.permutations(VECTORS, 2)]
    for field, value in changes:
        record = Record(string)
        setattr(record, field, value)
        if record.write() != string:
            yield wrap(around, record.write())


def expanding(payload):
    """An archive of some tens of kilobytes that stands for a document of more than 64 MiB."""
    around, string = unwrap(payload)
    record = Record(string)
    record.rename(0, b"n" * 40_000)
    record.targets = [0] * 2000 + record.targets
    record.lengthen(0, 2000)
    return wrap(around, record.write())


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
    """`kinds`: what a run of the usual length meets many times."""
    refused = refusals(server)
    assert peak.grown() < BOUND, "no length field makes the server reserve what isn't there"
    missed = [kind for kind in kinds if not refused[kind]]
    assert not missed or COUNT < 4000, f"seed {SEED}, never refused for: {missed}"
    figure(summary(count, accepted, refused, peak))


def test_untouched_payloads_are_accepted(server):
    payloads = [*seeds(server), compressed(server)]
    parts = [parts for parts in map(unwrap, payloads) if parts and not parts[1].startswith(b"{")]
    assert len(parts) == len(MACHINES)
    for around, string in parts:
        payloads.append(wrap(around, Record(string).write()))
        assert payloads[-1] in payloads[:-1], "taken apart and put together, it is what it was"
    assert try_all(server, payloads) == len(payloads)


def test_memory_that_a_restore_takes_and_frees_is_seen(server):
    """The measure itself: a compressed string for which the server, not the module, takes too much."""
    peak = Peak(server)
    blanks = b"\0 " + b"\xe0\xff\0" * (2 * BOUND // 264)
    expanded = b"\xc3" + length(len(blanks)) + length(1 + 264 * (2 * BOUND // 264)) + blanks
    head, tail = unwrap(legacy(server)[1])[0]
    with server.client() as client, pytest.raises(redis.exceptions.ResponseError, match="Bad data format"):
        client.execute_command("RESTORE", "blanks", 0, head + expanded + tail)
    if peak.start:
        assert peak.grown() > BOUND


def test_every_truncation_and_byte(server, figure):
    old, own = legacy(server), [dump(server, name) for name in SMALL]
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
    originals = [*seeds(server), compressed(server)]
    accepted, peak = 0, Peak(server)
    for start in range(0, COUNT, 10 * BATCH):
        payloads = [forge(rng, rng.choice(originals)) for _ in range(min(10 * BATCH, COUNT - start))]
        accepted += try_all(server, payloads)
    judge(server, COUNT, accepted, peak, figure, REFUSALS.keys() - {"document"})
