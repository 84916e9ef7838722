"""The command line: the pace of a walk, and Ctrl-C between its batches."""

import os
import signal

import pytest

from redis_state.cli import _pace
from redis_state.cli._fleets import batches
from redis_state.cli._interrupts import Interrupts


def ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)


def test_a_batch_ends_before_an_interruption():
    done = []
    with pytest.raises(KeyboardInterrupt), Interrupts() as interrupts, interrupts.held():
        ctrl_c()
        done.append("the batch")
    assert done == ["the batch"]


def test_a_second_interruption_ends_a_batch():
    with Interrupts() as interrupts, pytest.raises(KeyboardInterrupt), interrupts.held():
        ctrl_c()
        ctrl_c()
        pytest.fail("the batch went on")


def test_between_batches_an_interruption_comes_at_once():
    with Interrupts() as interrupts:
        with interrupts.held():
            pass
        with pytest.raises(KeyboardInterrupt):
            ctrl_c()
            pytest.fail("it was held")


def test_the_handlers_are_as_before():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with Interrupts():
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


class Clock:
    """A clock that goes on only when somebody sleeps."""

    def __init__(self):
        self.now = 100.0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    made = Clock()
    monkeypatch.setattr(_pace, "time", made)
    return made


@pytest.mark.parametrize(("rate", "batch"), [(5000, 100), (500, 50), (10, 1), (3, 1), (0, 100)])
def test_batches_are_small_at_low_rates(clock, rate, batch):
    assert _pace.Pace(rate).batch == batch


def test_a_pace_is_kept(clock):
    pace = _pace.Pace(1000)
    for _ in range(20):
        pace.wait(100)
    assert clock.now == pytest.approx(102)


def test_lost_time_is_not_made_up_for(clock):
    pace = _pace.Pace(1000)
    clock.now += 50
    pace.wait(100)
    begin = clock.now
    for _ in range(10):
        pace.wait(100)
    assert clock.now - begin == pytest.approx(1)


def test_no_rate_is_no_wait(clock):
    pace = _pace.Pace(0)
    pace.wait(1_000_000)
    assert clock.now == 100


def test_batches_are_full_but_for_the_last():
    assert list(batches("abcde", 2)) == [["a", "b"], ["c", "d"], ["e"]]
    assert list(batches("", 2)) == []
