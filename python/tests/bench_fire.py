"""Figures of the client: `fire` beside a bare command, and the memory of a scan.

    python python/tests/bench_fire.py [fire|scan] [--port 6379 | --start]

`--start` starts a server of its own with the module, as the tests do (SERVER and MODULE choose them). Otherwise the
server is the one at the port; its keys that begin with `bench:` are deleted. Nothing else may run beside it.

`fire` alternates slices of calls, so that whatever else the machine does hits both sides alike, and prints the rate of
`machines.fire` over that of `client.execute_command("SM.FIRE", …)`, in the same process over the same client:

- with ids on both sides: `fire` makes its own, the bare command sends one that it makes by the same function;
- without an id on either side;
- `fire` as it is by default, with an id, beside the bare command without one. That is what a caller gets who changes
  from one to the other: it pays for the id in the client and in the server, which keeps it.

`scan` makes 200,000 machines and walks over them twice. It prints the greatest traced memory of the second walk, and
how much the process grew.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import sys
import time
import tracemalloc
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "python/src"), str(ROOT / "tests/support")]

import redis  # noqa: E402

from redis_state import Definition, StateMachines  # noqa: E402
from redis_state._requests import fresh_id  # noqa: E402

LAMP = Definition(map={"off": {"press": "on"}, "on": {"press": "off"}}, initial="off", name="bench lamp")
CALLS = 500
SLICES = 40
MACHINES = 200_000


def timed(call) -> float:
    began = time.perf_counter()
    for _ in range(CALLS):
        call()
    return time.perf_counter() - began


def compare(name, bare, ours) -> float:
    """Runs slices of both in turn, and prints the rates and their ratio."""
    times = {bare: [], ours: []}
    for at in range(SLICES + 4):
        for call in (bare, ours) if at % 2 else (ours, bare):
            times[call].append(timed(call))
    # The first ones warm up. The median leaves out slices in which something else ran.
    rates = {call: CALLS / statistics.median(slices[4:]) for call, slices in times.items()}
    ratio = rates[ours] / rates[bare]
    print(f"{name:42} bare {rates[bare]:8,.0f}/s   fire {rates[ours]:8,.0f}/s   ratio {ratio:.2f}")
    return ratio


def bench_fire(client) -> None:
    machines = StateMachines(client)
    client.delete("bench:lamp")
    machines.new("bench:lamp", LAMP)
    command = client.execute_command
    compare(
        "ids on both sides",
        lambda: command("SM.FIRE", "bench:lamp", "press", "ID", fresh_id()),
        lambda: machines.fire("bench:lamp", "press"),
    )
    compare(
        "no ids",
        lambda: command("SM.FIRE", "bench:lamp", "press"),
        lambda: machines.fire("bench:lamp", "press", id=None),
    )
    compare(
        "fire with its id, bare without one",
        lambda: command("SM.FIRE", "bench:lamp", "press"),
        lambda: machines.fire("bench:lamp", "press"),
    )
    client.delete("bench:lamp")


def rss() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def bench_scan(client) -> None:
    machines = StateMachines(client)
    for start in range(0, MACHINES, 1000):
        pipe = machines.pipeline(transaction=False)
        for at in range(start, start + 1000):
            pipe.new(f"bench:{at}", LAMP, id=None)
        pipe.execute()
    walk = lambda: sum(1 for _ in machines.scan(name="bench lamp", match="bench:*", count=1000))
    walk()
    before, began = rss(), time.perf_counter()
    seen = walk()
    seconds, grown = time.perf_counter() - began, rss() - before
    tracemalloc.start()
    walk()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    print(
        f"scan: {seen:,} keys in {seconds:.2f} s; traced peak {peak / 1024:,.0f} KiB; RSS grew {grown / 1024:,.0f} KiB"
    )
    for start in range(0, MACHINES, 1000):
        client.unlink(*(f"bench:{at}" for at in range(start, start + 1000)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="?", choices=["fire", "scan"])
    parser.add_argument("--port", type=int, default=6379)
    parser.add_argument("--start", action="store_true", help="start a server with the module")
    options = parser.parse_args()
    pool = None
    if options.start:
        from harness import Pool

        pool = Pool()
        options.port = pool.start().port
    try:
        with redis.Redis(port=options.port) as client:
            for name, bench in (("fire", bench_fire), ("scan", bench_scan)):
                if options.what in (None, name):
                    bench(client)
    finally:
        if pool:
            pool.close()


if __name__ == "__main__":
    main()
