"""Section `counts`: what SM.COUNT and SM.SCAN take over a large fleet, beside PING and SCAN.

Times of round trips on one connection, one command after the other, as an operator asks. The commands take
turns, so that other load on the machine affects them equally.
"""

import json
import statistics
import time
from contextlib import closing
from pathlib import Path

import fleet
import harness
import load
import memory
from figures import Figure

STATES = [f"state-{number:02d}" for number in range(20)]
#: Keys that a call of a scan visits.
VISITED = 1000
#: The longest that the fleet may take to be made, in seconds.
PATIENCE = 900
SCANS = {
    "SCAN TYPE": ("SCAN", "TYPE", "StateType"),
    "SM.SCAN": ("SM.SCAN",),
    "SM.SCAN with NAME and STATE": ("SM.SCAN", "NAME", "order", "STATE", STATES[7]),
}


def run(scale):
    with closing(harness.Server().start()) as server, server.wire() as wire:
        wire.socket.settimeout(PATIENCE)
        _fill(server, wire, scale.counted)
        fleet_of = f"{scale.counted:,} machines"
        return [_count(wire, scale, fleet_of), *_scans(server, wire, scale, fleet_of)], []


def _fill(server, wire, count):
    rows = {state: {"next": STATES[(number + 1) % len(STATES)]} for number, state in enumerate(STATES)}
    document = json.dumps({"map": rows, "name": "order", "revision": 1, "initial": STATES[0]})
    load.send_all(server, (("SM.NEW", state, document, "STATE", state) for state in STATES))
    fleet.copy(wire, STATES, count)
    # The server goes on with its tables in the background.
    memory.used(wire)
    numbers = [int(line[1:]) for line in wire("SM.COUNT", "order").split(b"\r\n") if line.startswith(b":")]
    if (sum(numbers), len(numbers)) != (count, len(STATES)):
        raise RuntimeError(f"SM.COUNT: {numbers} of {count}")


# ---- SM.COUNT -----------------------------------------------------------------------------------


def _count(wire, scale, fleet_of):
    plans = {"SM.COUNT": ("SM.COUNT", "order"), "PING": ("PING",)}
    times = {name: [] for name in plans}
    for _ in range(scale.rounds):
        for name, command in plans.items():
            times[name].append(_round_trip(wire, command, scale.turn))
    ratio = statistics.median(count / ping for count, ping in zip(times["SM.COUNT"], times["PING"]))
    peers = {f"{name}, µs": 1e6 * statistics.median(own) for name, own in times.items()}
    return Figure(f"SM.COUNT of 20 states over {fleet_of} / PING, round trips", ratio, at_most=2, peers=peers)


def _round_trip(wire, command, seconds):
    """Returns the mean time of a round trip. Every reply has to have the same size."""
    sent, size, done = harness.encode(*command), len(wire(*command)), 0
    start = time.perf_counter()
    while time.perf_counter() < start + seconds:
        wire.send(sent)
        got = 0
        while got < size:
            got += len(wire.socket.recv(1 << 16))
        done += 1
    return (time.perf_counter() - start) / done


# ---- SM.SCAN ------------------------------------------------------------------------------------


def _scans(server, wire, scale, fleet_of):
    rates, worst = {name: [] for name in SCANS}, {name: [] for name in SCANS}
    processor = Processor(server)
    expected = dict.fromkeys(SCANS, scale.counted)
    expected["SM.SCAN with NAME and STATE"] = _in_state(wire, STATES[7])
    for _ in range(scale.walks):
        for name, command in SCANS.items():
            seconds, found, slowest = _walk(processor, wire, command)
            # A key may come twice.
            if found < expected[name]:
                raise RuntimeError(f"{name}: {found} keys of {expected[name]}")
            rates[name].append(scale.counted / seconds)
            worst[name].append(slowest)
    server.check()
    return [
        Figure(f"SM.SCAN / SCAN TYPE, keys a second, over {fleet_of}", load.ratio(rates, "SM.SCAN", "SCAN TYPE"),
               at_least=0.333, peers={name: statistics.median(own) for name, own in rates.items()}),
        Figure(f"the longest call of SM.SCAN with COUNT {VISITED} over {fleet_of}, ms of the processor",
               statistics.median(worst["SM.SCAN"]), at_most=5,
               peers={name: statistics.median(own) for name, own in worst.items()}),
    ]  # fmt: skip


def _in_state(wire, state):
    fields = wire("SM.COUNT", "order").split(b"\r\n")
    return int(fields[fields.index(state.encode()) + 1][1:])


def _walk(processor, wire, command):
    """Scans the whole keyspace. Returns the seconds, how many keys were found, and how many ms of the processor the
    longest call took, its reply included."""
    name, *options = command
    cursor, found, longest, start = b"0", 0, 0, time.perf_counter()
    while True:
        before = processor.ms()
        _, _, cursor, keys, *_ = wire(name, cursor, *options, "COUNT", VISITED).split(b"\r\n", 4)
        longest = max(longest, processor.ms() - before)
        found += int(keys[1:])
        if cursor == b"0":
            break
    return time.perf_counter() - start, found, longest


class Processor:
    """What the thread of a server that runs commands has had of a processor. The longest of thousands of calls by the
    clock would tell when another program had the processor: for some milliseconds, on any machine that isn't idle."""

    def __init__(self, server):
        self.path = Path(f"/proc/{server.info('server')['process_id']}/schedstat")

    def ms(self):
        # The first number is the time in ns.
        return int(self.path.read_text().split()[0]) / 1e6
