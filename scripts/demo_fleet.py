#!/usr/bin/env python3
"""Makes a fleet that lives: about 2,000 machines of the gallery, some dozens of which move each second.

    scripts/demo_fleet.py [--port 6379]     until Ctrl-C; `make console` runs it on a server of its own

It wants an empty server and refuses any other, because it stores machines and deletes those that have arrived.

A machine waits a while in its state, then somebody fires one of the events that its story has there. Its timer may
be faster. One try in fifty is of something that the workflow doesn't allow. One machine in a thousand is forgotten for
minutes or hours: it is what an operator looks for. A machine that has arrived stays a while, and a new one follows
it, so the fleet looks the same after a day.
"""

import argparse
import heapq
import itertools
import os
import random
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass

import redis
from demo_stories import STORIES, Step, Story
from redis_state import StateMachines
from redis_state._pipeline import Pipeline

TICK = 0.25  # seconds between two batches
WAIT = 50.0  # the mean time in a state, in seconds
FORGOTTEN = 0.001  # how many stay much longer
FORGOTTEN_AT_FIRST = 0.02  # the same of a new fleet, so that there are some to see
FORGOTTEN_WAIT = 600, 10_800  # for how long, in seconds
NOT_ALLOWED = 0.02  # how many tries are of an event that the state doesn't have
FIRST_MOVES = 8  # a new fleet has made up to so many moves, so that it is all over its states
BATCH = 500


@dataclass
class Machine:
    story: Story
    key: str = ""
    state: str = ""

    def arrived(self) -> bool:
        return self.state not in self.story.steps


def patience(forgotten: float = FORGOTTEN) -> float:
    """Returns for how long a machine stays in its state, in seconds."""
    return random.uniform(*FORGOTTEN_WAIT) if random.random() < forgotten else random.expovariate(1 / WAIT)


def timer(story: Story, state: str) -> int | None:
    """Returns the time of the timer of a state in milliseconds; None if the state has none."""
    return int(1000 * random.uniform(*story.timers[state])) if state in story.timers else None


def make(pipe: Pipeline, machine: Machine) -> None:
    """Queues a new machine, in the place of the one that has arrived."""
    story = machine.story
    if machine.key:
        pipe.execute_command("UNLINK", machine.key)
    machine.key = story.key.format(next(story.numbers))
    machine.state = story.definition.initial
    pipe.new(machine.key, story.definition, by="demo", after=timer(story, machine.state))


def target(story: Story, state: str, move: Step) -> str:
    """Returns where the move leads. A step whose event leads to several states names one."""
    definition = story.definition
    return move.to or str(definition.map.get(state, {}).get(move.event) or definition.any[move.event])


def step(pipe: Pipeline, machine: Machine) -> None:
    """Queues a move, or now and then a try that the server refuses."""
    story, key = machine.story, machine.key
    possible = story.steps[machine.state]
    (move,) = random.choices(possible, [each.weight for each in possible])
    who = random.choice(move.who)
    wrong = story.events - {each.event for each in possible}
    if wrong and random.random() < NOT_ALLOWED:
        pipe.fire(key, random.choice(sorted(wrong)), by=who, reason="by mistake")
        return
    to = target(story, machine.state, move)
    options = {"by": who, "reason": random.choice(move.why), "after": timer(story, to)}
    if move.event:
        pipe.fire(key, move.event, to=move.to, **options)
    else:
        pipe.move(key, to, **options)


def act(machines: StateMachines, moved: list[Machine]) -> None:
    """Makes one move of each of them, or a new one in its place."""
    with machines.pipeline() as pipe:
        for machine in moved:
            make(pipe, machine) if machine.arrived() else step(pipe, machine)
        replies = pipe.execute(raise_on_error=False)
    for machine, verdict in zip(moved, (reply for reply in replies if not isinstance(reply, int))):
        # Those who watch may move machines too, so an event may lead elsewhere than its story says. The next one goes on.
        if not isinstance(verdict, redis.ResponseError):
            # A machine that isn't there was deleted by its timer. It counts as arrived, so another follows.
            machine.state = "" if verdict is None else verdict.state


def batches(machines: list[Machine]) -> Iterator[list[Machine]]:
    for start in range(0, len(machines), BATCH):
        yield machines[start : start + BATCH]


def first(server: StateMachines) -> list[Machine]:
    """Makes the fleet, and lets each machine make some moves."""
    fleet = [Machine(story) for story in STORIES for _ in range(story.machines)]
    for moves in range(FIRST_MOVES + 1):
        # The first time all are made. Those that arrive stay where they are.
        going = [each for each in fleet if not moves or (not each.arrived() and random.random() < 0.7)]
        for batch in batches(going):
            act(server, batch)
    return fleet


def live(server: StateMachines, fleet: list[Machine]) -> None:
    """Moves machines when their time has come, for ever."""
    order = itertools.count()
    now = time.monotonic()
    waiting = [(now + patience(FORGOTTEN_AT_FIRST), next(order), machine) for machine in fleet]
    heapq.heapify(waiting)
    while True:
        time.sleep(TICK)
        now = time.monotonic()
        moved = []
        while waiting[0][0] <= now and len(moved) < BATCH:
            moved.append(heapq.heappop(waiting)[2])
        act(server, moved)
        for machine in moved:
            heapq.heappush(waiting, (now + patience(), next(order), machine))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--port", type=int, default=int(os.environ.get("PORT", "6379")), help="the server's, on this machine"
    )
    client = redis.Redis(port=parser.parse_args().port, socket_timeout=10)
    if client.dbsize():
        sys.exit("demo_fleet.py: the server has keys already; the demo needs an empty one")
    server = StateMachines(client)
    fleet = first(server)
    print(f"{len(fleet)} machines of {len(STORIES)} workflows", flush=True)
    live(server, fleet)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        pass
    except redis.RedisError as error:
        sys.exit(f"demo_fleet.py: {error}")
