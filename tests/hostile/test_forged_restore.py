"""Payloads that a client forged: the server lives, memory stays bounded, what is taken in is sound.

HOSTILE_COUNT payloads at random, and every simple damage besides (make test-hostile COUNT=…); the
checksum check is off, so that the loader itself must say no. The seed is printed by a failure, and
the payload with it.
"""

import json
import os
import random

import pytest

from documents import ORDER, document
from harness import ROOT

COUNT = int(os.environ.get("HOSTILE_COUNT", "4000"))
SEED = int(os.environ.get("HOSTILE_SEED", "1"))
BATCH = 200
# The version of the file format and a checksum, both behind the value.
FOOTER = 10
EXTREMES = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 2**63, 2**64 - 1]

MACHINES = {
    "blank": '{"initial":"","map":{}}',
    "order": ORDER,
    "foreign": document({"a": ["b"]}, "elsewhere", "nowhere"),
    "names": json.dumps({"initial": "\0", "map": {"\0": ["", "🚀\n"], "": ["\0", "\0"]}}),
    "reason": document({"a": ["b"], "b": ["a"]}, "a", "b", "because: é"),
    "big": document({f"s{i}": [f"s{(i * 7) % 130}", f"s{i + 1}"] for i in range(130)}, "s0"),
}


@pytest.fixture
def server(servers):
    server = servers.start(["rdbcompression no"])
    server.run("DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", 1)
    return server


def seeds(server):
    """A payload of every kind of machine, in the encoding of today, and one of the old module's."""
    out = [(ROOT / "tests/data/legacy/encver1.dump").read_bytes()]
    for text in MACHINES.values():
        server.run("SM.SET", "seed", text)
        out.append(server.run("DUMP", "seed"))
    server.run("CONFIG", "SET", "rdbcompression", "yes")
    out.append(server.run("DUMP", "seed"))
    return out


# ---- damage ---------------------------------------------------------------------------------------


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


def forge(rng, payload):
    value, footer = bytearray(payload[:-FOOTER]), payload[-FOOTER:]
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        if len(value) > 1:
            rng.choice(DAMAGE)(rng, value)
    return bytes(value) + footer


def systematic(payload):
    """Every truncation, and every byte set to each of a few values."""
    value, footer = payload[:-FOOTER], payload[-FOOTER:]
    for end in range(len(value)):
        yield value[:end] + footer
    for at in range(len(value)):
        for byte in (0x00, 0x01, 0x7F, 0x80, 0xFF, value[at] ^ 0x01):
            yield value[:at] + bytes([byte]) + value[at + 1 :] + footer


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
    for state in states[:3]:
        assert client.execute_command("SM.CAN", key, state) == (state in ahead)
    for notation in ("MERMAID", "DOT"):
        assert client.execute_command("SM.EXPORT", key, notation)
    assert all(len(row) == 4 for row in client.execute_command("SM.LINT", key))
    assert client.execute_command("MEMORY", "USAGE", key) < 50_000_000
    client.execute_command("DEBUG", "DIGEST-VALUE", key)
    dump = client.execute_command("DUMP", key)
    client.execute_command("RESTORE", "again", 0, dump, "REPLACE")
    assert client.execute_command("SM.GET", "again") == client.execute_command("SM.GET", key)
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


def try_all(server, payloads):
    """Restores them in batches; returns how many were accepted."""
    accepted = 0
    with server.client() as client:
        for start in range(0, len(payloads), BATCH):
            batch = payloads[start : start + BATCH]
            client.flushall()
            with client.pipeline(transaction=False) as pipe:
                for i, payload in enumerate(batch):
                    pipe.execute_command("RESTORE", f"p:{i}", 0, payload)
                replies = pipe.execute(raise_on_error=False)
            for i, reply in enumerate(replies):
                if reply == b"OK" and client.type(f"p:{i}") == b"StateType":
                    accepted += 1
                    try:
                        use(client, f"p:{i}")
                    except Exception as error:
                        raise AssertionError(f"seed {SEED}, payload {batch[i].hex()}") from error
            server.check()
        if accepted:
            client.execute_command("DEBUG", "RELOAD")
    return accepted


def bounded(server):
    info = server.info("memory")
    assert info["used_memory_peak"] < 500_000_000, "no length field makes the server reserve what isn't there"


def test_untouched_payloads_are_accepted(server):
    payloads = seeds(server)
    assert try_all(server, payloads) == len(payloads)


def test_every_truncation_and_byte(server, figure):
    payloads = [forged for payload in seeds(server)[:6] for forged in systematic(payload)]
    random.Random(SEED).shuffle(payloads)
    accepted = try_all(server, payloads[:COUNT])
    bounded(server)
    figure(f"{min(len(payloads), COUNT)} payloads, {accepted} accepted and used")


def test_random_damage(server, figure):
    rng = random.Random(SEED)
    originals = seeds(server)
    accepted = 0
    for start in range(0, COUNT, 10 * BATCH):
        payloads = [forge(rng, rng.choice(originals)) for _ in range(min(10 * BATCH, COUNT - start))]
        accepted += try_all(server, payloads)
    bounded(server)
    figure(f"{COUNT} payloads, {accepted} accepted and used")
