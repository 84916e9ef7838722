"""Figures of the console: how soon it answers, what it takes of the server, and its memory over time.

    python python/tests/bench_console.py [--machines 200000] [--rate 500] [--seconds 30]
    python python/tests/bench_console.py --soak 60 [--rate 50]

It starts a server of its own with the module, as the tests do (SERVER and MODULE choose them), fills it with orders of
the gallery, and moves random ones of them, so many a second, from a process of its own. Beside that runs
`redis-state console --write` as a program.

Without --soak it prints for each request of the page the percentiles of its latency; then what the console's commands
take of the server's time while three windows look at the fleet; and the latency of the traffic with and without them.
With --soak it prints the console's memory and threads once a minute while two windows look and somebody searches.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import multiprocessing
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Optional
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "python/src"), str(ROOT / "tests/support")]

import redis  # noqa: E402

from harness import Server, die_with_parent  # noqa: E402
from redis_state import Definition, StateMachines  # noqa: E402

ORDER = Definition.from_json((ROOT / "docs/gallery/order.json").read_bytes())
# Those that the console sends, and the traffic doesn't.
_OF_CONSOLE = ("sm.scan", "sm.info", "sm.count", "sm.definitions", "sm.get", "sm.events", "sm.history", "time")


def fill(port: int, machines: int) -> None:
    """Makes the orders, one in ten in each state. Every second one has a timer that is due within two weeks."""
    client = redis.Redis(port=port)
    for first in range(0, machines, 1000):
        pipe = StateMachines(client).pipeline(transaction=False)
        for number in range(first, min(first + 1000, machines)):
            pipe.new(f"order:{number}", ORDER, state=ORDER.states[number % len(ORDER.states)], id=None)
        pipe.execute()


# ---- traffic ---------------------------------------------------------------------------------------


def move_about(port: int, machines: int, rate: int, pipe: Any) -> None:
    """Puts random orders on hold and releases them, until the process is ended. Sends its latencies when asked."""
    die_with_parent()
    fleet = StateMachines(redis.Redis(port=port))
    latencies: list[float] = []
    begin = time.monotonic()
    for number in itertools.count():
        time.sleep(max(0.0, begin + number / rate - time.monotonic()))
        key = f"order:{random.randrange(machines)}"
        at = time.perf_counter()
        verdict = fleet.fire(key, "hold", by="bench")
        latencies.append(time.perf_counter() - at)
        if verdict is not None and not verdict:
            fleet.fire(key, "release", to=random.choice(ORDER.states[:6]), by="bench")
        if len(latencies) > 100_000:
            del latencies[:50_000]
        if pipe.poll():
            pipe.recv()
            pipe.send(latencies)
            latencies = []


class Traffic:
    """Moves of other clients, from a process of their own."""

    def __init__(self, port: int, machines: int, rate: int) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=move_about, args=(port, machines, rate, other), daemon=True)
        self.process.start()

    def latencies(self) -> list[float]:
        """Returns the latencies since the last call."""
        self.pipe.send(True)
        found: list[float] = self.pipe.recv()
        return found


# ---- the console -----------------------------------------------------------------------------------


class Console:
    """The program, and the page's requests."""

    def __init__(self, port: int) -> None:
        words = [
            sys.executable,
            "-m",
            "redis_state.cli",
            "--url",
            f"redis://127.0.0.1:{port}",
            "console",
            "--port",
            "0",
        ]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "python/src")}
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "text": True, "env": environment}
        self.process = subprocess.Popen([*words, "--write"], preexec_fn=die_with_parent, **pipes)
        assert self.process.stdout is not None
        parts = urlsplit(self.process.stdout.readline().strip())
        self.host, self.token = parts.netloc, parts.fragment.partition("=")[2]

    def window(self) -> Callable[..., Any]:
        """Returns a function that asks over a connection of its own."""
        connection = http.client.HTTPConnection(self.host, timeout=30)
        headers = {
            "Content-Type": "application/json",
            "Origin": f"http://{self.host}",
            "Authorization": f"Bearer {self.token}",
        }

        def ask(what: str, **body: Any) -> Any:
            connection.request("POST", f"/api/{what}", json.dumps(body), headers)
            reply = connection.getresponse()
            answer = json.loads(reply.read())
            if reply.status != 200:
                raise AssertionError((what, body, reply.status, answer))
            return answer

        return ask

    def memory(self) -> tuple[float, int]:
        """Returns the resident memory in MiB, and the number of threads."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        return int(facts["VmRSS"].split()[0]) / 1024, int(facts["Threads"])

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(20)


@contextmanager
def windows(console: Console, number: int, stop: Optional[threading.Event] = None) -> Iterator[None]:
    """Lets so many windows look at the fleet once a second."""
    stop = stop or threading.Event()

    def look() -> None:
        ask, known = console.window(), None
        while not stop.wait(1.0):
            known = ask("fleet", name="order", revision=None, definition_id=known)["definition_id"]

    threads = [threading.Thread(target=look, daemon=True) for _ in range(number)]
    for thread in threads:
        thread.start()
    yield
    stop.set()
    for thread in threads:
        thread.join()


# ---- figures ---------------------------------------------------------------------------------------


def percentiles(seconds: list[float]) -> str:
    ordered = sorted(seconds)
    at = lambda share: ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000
    shown = (
        f"{name} {at(share):6.1f}" for name, share in (("50 %", 0.5), ("95 %", 0.95), ("99 %", 0.99), ("all", 1.0))
    )
    return f"{', '.join(shown)} ms ({len(ordered):,} times)"


def requests_of(machines: int, definition: str) -> dict[str, Callable[[], tuple[str, dict[str, Any]]]]:
    """Returns what a page asks for, with other keys each time."""
    key = lambda: f"order:{random.randrange(machines)}"
    known = {"definition_id": definition}
    fire = lambda: {"key": key(), "event": "hold", "to": None, "reason": "why", "by": "bench", "version": 1}
    return {
        "about": lambda: ("about", {}),
        "fleets": lambda: ("fleets", {}),
        "fleet": lambda: ("fleet", {"name": "order", "revision": None, **known}),
        "machine, seen": lambda: ("machine", {"key": "order:1", "version": 1, **known}),
        "machine, new": lambda: ("machine", {"key": key(), "version": None, "definition_id": None}),
        "search, found": lambda: ("search", {"text": f"{random.randrange(1000)}", "cursor": None}),
        "search, nowhere": lambda: ("search", {"text": f"nowhere {random.random()}", "cursor": None}),
        "list": lambda: ("list", {"name": "order", "revision": None, "state": "paid", "cursor": None}),
        "list, empty": lambda: ("list", {"name": "order", "revision": 7, "state": "paid", "cursor": None}),
        "fire": lambda: ("fire", {**fire(), "id": f"bench-{random.getrandbits(64):x}"}),
    }


def latencies(console: Console, machines: int, seconds: float) -> None:
    ask = console.window()
    while (definition := ask("fleet", name="order", revision=None)["definition_id"]) is None:
        time.sleep(0.1)
    asked = requests_of(machines, definition)
    taken: dict[str, list[float]] = {name: [] for name in asked}
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        for name, make in asked.items():
            what, body = make()
            begin = time.perf_counter()
            ask(what, **body)
            taken[name].append(time.perf_counter() - begin)
            time.sleep(0.002)
    for name, times in taken.items():
        print(f"  {name:16} {percentiles(times)}", flush=True)


def time_of_server(port: int) -> dict[str, int]:
    """Returns the microseconds that the server has spent on each command of the console."""
    with redis.Redis(port=port) as client:
        stats = client.info("commandstats")
    taken = {name.lower(): stat["usec"] for name, stat in stats.items()}
    return {name: taken.get(f"cmdstat_{name}", 0) for name in _OF_CONSOLE}


def share_of_server(port: int, seconds: float) -> str:
    before, begin = time_of_server(port), time.monotonic()
    time.sleep(seconds)
    passed, after = (time.monotonic() - begin) * 1e6, time_of_server(port)
    shares = {name: (after[name] - before[name]) / passed * 100 for name in _OF_CONSOLE}
    parts = ", ".join(f"{name} {share:.2f} %" for name, share in shares.items() if share >= 0.005)
    return f"{sum(shares.values()):.2f} % ({parts})"


def first_round(console: Console) -> None:
    ask, begin = console.window(), time.monotonic()
    first = None
    while True:
        answer = ask("fleet", name="order", revision=None)
        if answer["stuck"] and first is None:
            first = time.monotonic() - begin
        if answer["walk"]["done_at"]:
            break
        time.sleep(0.1)
    print(f"the first of the list after {first:.1f} s, all of it after {time.monotonic() - begin:.1f} s", flush=True)


def measure(port: int, machines: int, rate: int, seconds: float) -> None:
    traffic = Traffic(port, machines, rate)
    time.sleep(1)
    traffic.latencies()
    time.sleep(seconds / 2)
    print(f"traffic alone:         {percentiles(traffic.latencies())}", flush=True)
    console = Console(port)
    first_round(console)
    with windows(console, 3):
        time.sleep(2)
        traffic.latencies()
        print(f"three windows take of the server {share_of_server(port, seconds / 2)}", flush=True)
        print(f"traffic beside them:   {percentiles(traffic.latencies())}", flush=True)
        print("requests:")
        latencies(console, machines, seconds)
        print(f"traffic beside these:  {percentiles(traffic.latencies())}", flush=True)
    print("memory and threads of the console: %.1f MiB, %d" % console.memory())
    console.close()
    traffic.process.terminate()


def soak(port: int, machines: int, rate: int, minutes: float) -> None:
    traffic, console = Traffic(port, machines, rate), Console(port)
    ask, known = console.window(), None
    end = time.monotonic() + minutes * 60
    with windows(console, 2):
        for second in itertools.count():
            if second % 60 == 0:
                print("%3d min: %.2f MiB, %d threads" % (second // 60, *console.memory()), flush=True)
            if time.monotonic() > end:
                break
            key = f"order:{random.randrange(machines)}"
            known = ask("machine", key=key, version=None, definition_id=known)["definition_id"]
            if second % 5 == 0:
                ask("search", text=f"{random.randrange(1000)}", cursor=None)
                ask("list", name="order", revision=None, state="paid", cursor=None)
            time.sleep(1)
    console.close()
    traffic.process.terminate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--machines", type=int, default=200_000)
    parser.add_argument("--rate", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--soak", type=float, metavar="MINUTES")
    options = parser.parse_args()
    server = Server().start()
    try:
        fill(server.port, options.machines)
        if options.soak:
            soak(server.port, options.machines, options.rate, options.soak)
        else:
            measure(server.port, options.machines, options.rate, options.seconds)
    finally:
        server.close()


if __name__ == "__main__":
    main()
