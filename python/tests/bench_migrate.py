"""Memory and rate of `redis-state migrate`: the program runs over fleets of 20,000 and of 200,000 machines.

    python python/tests/bench_migrate.py [--machines 200000] [--port 6379 | --start]

`--start` starts a server of its own with the module, as the tests do (SERVER and MODULE choose them). Otherwise the
server is the one at the port; its keys that begin with `bench:` are deleted. Nothing else may run beside it.

For each fleet it prints the rate, and the greatest memory of the process, which must not grow with the fleet. The
larger fleet is migrated in two runs: the first one is killed half way.
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "python/src"), str(ROOT / "tests/support")]

import redis  # noqa: E402

from redis_state import Definition, StateMachines  # noqa: E402

NAME = "bench lamp"
LAMPS = [
    Definition(map={"off": {"press": on}, on: {"press": "off"}}, initial="off", history=5, name=NAME, revision=revision)
    for revision, on in enumerate(("on", "shining", "glowing", "burning"))
]
RENAMES = [(old, new) for old, new in zip(("on", "shining", "glowing"), ("shining", "glowing", "burning"))]


def fill(client: redis.Redis, machines: int) -> None:
    for key in client.scan_iter("bench:*", 10_000):
        client.delete(key)
    for first in range(0, machines, 1000):
        pipe = StateMachines(client).pipeline(transaction=False)
        for number in range(first, min(first + 1000, machines)):
            pipe.new(f"bench:{number}", LAMPS[0], state=("off", "on")[number % 2], id=None)
        pipe.execute()


def migrate(port: int, revision: int, kill_at: int = 0) -> tuple[float, int, int]:
    """Runs the program. Returns its seconds, the greatest memory in KiB, and its exit code."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(LAMPS[revision].to_json())
        file.flush()
        old, new = RENAMES[revision - 1]
        options = ["--rename", f"{old}={new}", "--rate", "0"]
        words = [sys.executable, "-m", "redis_state.cli", "migrate", NAME, file.name, *options]
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "python/src"), "REDIS_URL": f"redis://127.0.0.1:{port}"}
        begin = time.monotonic()
        process = subprocess.Popen(words, env=environment)
        while kill_at and migrated(port, revision) < kill_at:
            time.sleep(0.01)
        if kill_at:
            process.send_signal(signal.SIGKILL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        return time.monotonic() - begin, usage.ru_maxrss, process.returncode


def migrated(port: int, revision: int) -> int:
    with redis.Redis(port=port) as client:
        return sum(StateMachines(client).count(NAME, revision).values())


def run(port: int, machines: int) -> None:
    for size in (machines // 10, machines):
        with redis.Redis(port=port) as client:
            fill(client, size)
        seconds, kib, code = migrate(port, 1)
        print(f"{size:,} machines: {size / seconds:,.0f} a second, at most {kib / 1024:.1f} MiB, exit code {code}")
    _, kib, code = migrate(port, 2, machines // 2)
    done = migrated(port, 2)
    print(f"killed at {done:,} of {machines:,}: at most {kib / 1024:.1f} MiB, exit code {code}")
    seconds, kib, code = migrate(port, 2)
    print(f"started again: {machines - done:,} more in {seconds:.1f} s, at most {kib / 1024:.1f} MiB, exit code {code}")
    print(f"machines of the new revision now: {migrated(port, 2):,}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--machines", type=int, default=200_000)
    parser.add_argument("--port", type=int, default=6379)
    parser.add_argument("--start", action="store_true")
    options = parser.parse_args()
    if not options.start:
        return run(options.port, options.machines)
    from harness import Server

    server = Server().start()
    try:
        run(server.port, options.machines)
    finally:
        server.close()


if __name__ == "__main__":
    main()
