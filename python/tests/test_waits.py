"""Waits, which are longer than the client's socket timeout."""

import asyncio
import threading
import time

import pytest
import redis
import redis.asyncio

from conftest import ORDER
from harness import SLOWDOWN, follow, wait_until
from redis_state import AsyncStateMachines, Definition, StateMachines, Timer

PATIENCE = 3.0 * SLOWDOWN
# Longer than the client would wait for one reply.
LATER = PATIENCE + 0.5


def later(seconds, action):
    timer = threading.Timer(seconds, action)
    timer.start()
    return timer


@pytest.fixture
def impatient(clients, db):
    """Machines over a client that gives up a reply after PATIENCE seconds, and doesn't ask again. It waits in slices of
    half of it, so a machine may stand still for the other half."""
    never = redis.retry.Retry(redis.backoff.NoBackoff(), 0)
    if clients.kind == "asyncio":
        never = redis.asyncio.retry.Retry(redis.backoff.NoBackoff(), 0)
    return clients.at(db.server.port, socket_timeout=PATIENCE, retry=never)


def test_a_state_that_is_there(machines):
    machines.new("o", ORDER)
    assert machines.wait("o", "paid", "new", timeout=10_000).reached


def test_a_wait_that_is_longer_than_the_socket_timeout(impatient, db):
    impatient.new("o", ORDER)
    began = time.monotonic()
    timer = later(LATER, lambda: StateMachines(db).fire("o", "pay"))
    verdict = impatient.wait("o", "paid", timeout=600_000)
    timer.join()
    assert verdict.reached and verdict.state == "paid"
    assert PATIENCE < time.monotonic() - began


def test_a_wait_in_vain(impatient):
    impatient.new("o", ORDER)
    began = time.monotonic()
    verdict = impatient.wait("o", "paid", timeout=round(1000 * LATER))
    assert verdict.waited and not verdict and verdict.state == "new"
    assert PATIENCE < time.monotonic() - began


def test_a_wait_for_ever(impatient, db):
    impatient.new("o", ORDER)
    timer = later(LATER, lambda: StateMachines(db).fire("o", "pay"))
    assert impatient.wait("o", "paid", timeout=None).reached
    timer.join()


def test_no_time_is_one_look(machines):
    machines.new("o", ORDER)
    assert machines.wait("o", "paid", timeout=0).waited and machines.wait("o", "new", timeout=0).reached


def test_a_timer_ends_a_wait(plain):
    plain.new("o", Definition(map={"a": ["b"]}, initial="a", after={"a": Timer("c", 300)}))
    assert plain.wait("o", "c", timeout=20_000).reached


def test_a_key_that_is_deleted_meanwhile(impatient, db):
    impatient.new("o", ORDER)
    timer = later(LATER, lambda: db.delete("o"))
    assert impatient.wait("o", "paid", timeout=600_000) is None
    timer.join()


def test_a_wait_that_somebody_ends_goes_on(impatient, db):
    impatient.new("o", ORDER)

    def unblock():
        ids = lambda: [int(row["id"]) for row in db.client_list() if row["cmd"].lower() == "sm.wait"]
        # Between two slices nobody waits.
        wait_until(lambda: any(db.client_unblock(number, error=True) for number in ids()), "a wait to end")
        time.sleep(0.4)
        StateMachines(db).fire("o", "pay")

    timer = later(0.35, unblock)
    assert impatient.wait("o", "paid", timeout=600_000).reached
    timer.join()


def test_a_primary_that_becomes_a_replica(servers, clients):
    primary, other = servers.start(), servers.start()
    machines = clients.at(primary.port)
    machines.new("o", ORDER)
    with other.client() as client:
        StateMachines(client).new("o", ORDER, state="paid")
    timer = later(0.5, lambda: follow(primary, other))
    # The wait goes on there, and sees what the new primary has.
    assert machines.wait("o", "paid", timeout=30_000).reached
    timer.join()


def test_an_asyncio_wait_leaves_the_others_free_and_can_be_cancelled(db):
    async def scene():
        async with redis.asyncio.Redis(port=db.server.port) as client:
            machines = AsyncStateMachines(client)
            await machines.new("o", ORDER)
            waiting = asyncio.create_task(machines.wait("o", "paid", timeout=None))
            cancelled = asyncio.create_task(machines.wait("o", "sent", timeout=None))
            await asyncio.sleep(0.2)
            assert await machines.state("o") == "new"
            cancelled.cancel()
            with pytest.raises(asyncio.CancelledError):
                await cancelled
            assert (await machines.fire("o", "pay")).moved
            assert (await waiting).reached and await machines.state("o") == "paid"

    asyncio.run(scene())
    wait_until(lambda: not [c for c in db.client_list() if c["cmd"].lower() == "sm.wait"], "nobody to wait")
