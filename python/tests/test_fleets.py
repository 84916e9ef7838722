"""Counts, definitions and scans on one server."""

import dataclasses
import gc
import tracemalloc
from datetime import datetime, timedelta, timezone

import pytest

from conftest import ORDER
from redis_state import Definition

NEXT = dataclasses.replace(ORDER, revision=4)


def text(keys):
    return {key if isinstance(key, str) else key.decode() for key in keys}


def test_count(machines):
    for at in range(5):
        machines.new(f"o:{at}", ORDER)
    machines.fire("o:0", "pay")
    machines.new("o:5", NEXT)
    assert list(machines.count("order").items())[:3] == [("new", 5), ("paid", 1), ("cancelled", 0)]
    assert machines.count("order", revision=4)["new"] == 1 and machines.count("order", 3)["new"] == 4
    assert machines.count("nobody") == {}


def test_definitions(machines):
    machines.new("o:1", ORDER)
    machines.new("o:2", ORDER)
    machines.new("o:3", NEXT)
    machines.new("p:1", Definition(map={}, initial="a", name="alone"))
    found = machines.definitions()
    assert [(d.name, d.revision, d.machines, d.states) for d in found] == [
        ("alone", None, 1, 1),
        ("order", 3, 2, 8),
        ("order", 4, 1, 8),
    ]
    assert all(d.bytes > 0 for d in found)


def test_scan(machines, db):
    for at in range(30):
        machines.new(f"o:{at}", ORDER if at % 2 else NEXT, state="paid" if at % 3 == 0 else None)
    db.set("a string", "no machine")
    keys = lambda **options: text(machines.scan(**options))
    all_keys = {f"o:{at}" for at in range(30)}
    assert keys() == keys(name="order") == all_keys
    assert keys(name="order", revision=3) == {f"o:{at}" for at in range(30) if at % 2}
    assert keys(states=["paid"]) == keys(states="paid") == {f"o:{at}" for at in range(30) if at % 3 == 0}
    assert keys(states=["paid", "new"], count=1000) == all_keys
    assert keys(match="o:1?") == {f"o:{at}" for at in range(10, 20)}
    assert keys(idle=timedelta(hours=1)) == set() and keys(idle=0) == all_keys
    soon, late = datetime.now(timezone.utc) + timedelta(minutes=1), 4_102_444_800_000
    machines.force("o:2", "archived", due=late)
    machines.force("o:1", "cancelled")
    machines.force("o:4", "archived", due=soon)
    assert keys(due=soon) == {"o:4"}
    assert keys(due=soon - timedelta(milliseconds=1)) == keys(due=0) == set()
    assert keys(due=late) - keys(due=late - 1) == {"o:2"}
    assert "o:5" in keys(due=late) and "o:1" not in keys(due=late)


def test_keys_of_a_scan_are_as_the_client_decodes_them(machines, wire_options):
    machines.new("o", ORDER)
    assert list(machines.scan()) == ["o" if wire_options["decode_responses"] else b"o"]


def test_a_scan_keeps_nothing(clients, db):
    """bench_fire.py shows the same with 200,000 machines."""
    machines = clients.at(db.server.port)
    if clients.kind == "asyncio":
        pytest.skip("the tests' helper collects the keys; the generator is the same")
    with machines.pipeline(transaction=False) as pipe:
        for at in range(20_000):
            pipe.new(f"o:{at}", ORDER, id=None)
        pipe.execute()
    sum(1 for _ in machines.scan(count=100))
    gc.collect()
    tracemalloc.start()
    seen = sum(1 for _ in machines.scan(count=100))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert seen >= 20_000 and peak < 300_000, f"{peak} bytes"
