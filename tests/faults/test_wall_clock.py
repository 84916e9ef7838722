"""The wall clock is set forward and back: a timer fires once, as soon as the clock is past its deadline, and its
deadline is its time all the same. A preloaded library (wallclock.c) shows the server another clock."""

import random
import time

import pytest

from harness import digest, follow, wait_in_sync, wait_until
from preload import library
from timers import HOUR, ORDER, TICK, all_fired, chain, figures, history, info, make_ticks, ticked_once, wait_for_state

DAY = 24 * HOUR


class Clock:
    """The wall clock of the servers that are started with `environment`."""

    def __init__(self, folder):
        self.file = folder / "shift"
        self.set(0)
        self.environment = {"LD_PRELOAD": library(folder, "wallclock"), "WALLCLOCK": str(self.file)}

    def set(self, shift, server=None):
        """Sets the clock so many ms before or after the right time, and waits until a server has noticed: some
        look at the clock no more than every other millisecond."""
        data = shift.to_bytes(8, "little", signed=True)
        # In place, because the servers have mapped the file.
        with open(self.file, "r+b" if self.file.exists() else "wb") as file:
            file.write(data)
        if server:
            noticed = lambda: abs(int(server.run("TIME")[0]) - time.time() - shift / 1000) < 1.2
            wait_until(noticed, f"the server to see the shift {shift}")


@pytest.fixture
def clock(tmp_path):
    return Clock(tmp_path)


@pytest.fixture
def server(servers, clock):
    return servers.start(["appendonly yes"], environment=clock.environment)


def test_set_forward(servers, server, clock):
    """What is overdue then fires at once, the rest later."""
    replica = servers.start()
    follow(replica, server)
    dues = make_ticks(server, [f"k{i}" for i in range(200)], HOUR, delay_ms=HOUR)
    later = make_ticks(server, [f"later{i}" for i in range(20)], HOUR, delay_ms=3 * DAY)
    clock.set(DAY, server)
    wait_until(lambda: figures(server)["pending"] == 20, "the others to fire")
    ticked_once(server, dues)
    clock.set(4 * DAY, server)
    all_fired(server)
    ticked_once(server, later)
    wait_in_sync(server, replica)
    assert digest(replica) == digest(server)


def test_a_chain_over_a_jump(server, clock):
    """As after downtime: 16 steps are exact, and the next counts from now."""
    server.run("SM.NEW", "m", chain(17, HOUR, last=9 * DAY))
    begun = info(server, "m")["since"]
    clock.set(2 * DAY, server)
    wait_for_state(server, "m", "s16")
    clock.set(2 * DAY + HOUR, server)
    wait_for_state(server, "m", "s17")
    times = [entry["at"] - begun for entry in reversed(history(server, "m"))]
    assert times[:17] == [HOUR * i for i in range(17)]
    assert 2 * DAY + HOUR <= times[17] < 2 * DAY + 2 * HOUR


@pytest.mark.parametrize("back", [DAY, 30_000, 1500])
def test_set_back(server, clock, back):
    """New timers fire in time, though the server's own alarm was set by the old clock. Old ones wait for theirs."""
    dues = make_ticks(server, [f"k{i}" for i in range(50)], 100, delay_ms=500)
    clock.set(-back, server)
    for key in ("new", "other"):
        server.run("SM.NEW", key, ORDER, "AFTER", 100)
        wait_for_state(server, key, "expired")
        assert history(server, key)[0]["at"] == history(server, key)[1]["at"] + 100
    # The clock of one machine never goes back.
    server.run("SM.FIRE", "k1", "go", "AFTER", 10 * HOUR)
    moved, made = history(server, "k1")[:2]
    assert moved["kind"] == b"timeout" or moved["at"] >= made["at"]
    if moved["kind"] == b"move":
        dues.pop("k1")
        server.run("DEL", "k1")
    clock.set(0, server)
    all_fired(server)
    ticked_once(server, dues)


def test_set_back_while_the_server_sleeps(server, clock):
    """Only the clock changes, no command comes: what is due by the new clock fires."""
    server.run("SM.NEW", "far", TICK, "AFTER", HOUR)
    time.sleep(0.3)
    clock.set(-HOUR, server)
    server.run("SM.NEW", "m", ORDER, "AFTER", 2500)
    clock.set(-2 * HOUR, server)
    time.sleep(0.3)
    clock.set(-HOUR, server)
    wait_for_state(server, "m", "expired")


def test_a_clock_that_jumps_all_the_time(server, clock):
    rng = random.Random(3)
    dues = make_ticks(server, [f"k{i}" for i in range(1000)], 2000, rng, delay_ms=500)
    end = time.monotonic() + 3
    while time.monotonic() < end:
        clock.set(rng.randint(-3000, 2000))
        time.sleep(rng.uniform(0, 0.1))
    clock.set(0, server)
    all_fired(server)
    ticked_once(server, dues)
    expected = digest(server)
    server.kill()
    server.start()
    assert digest(server) == expected
