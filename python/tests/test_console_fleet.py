"""What the console shows of a fleet: counts, what is stuck and what is due next, by walks in slices."""

import random
import threading
import time
from dataclasses import replace

import pytest

from conftest import ORDER
from consoles import consoles as consoles
from harness import wait_until
from redis_state import Definition, StateMachines
from redis_state.console import _walk, _watcher
from redis_state.console._backend import next_page
from redis_state.console._picture import identity
from redis_state.console._walk import SHOWN, Found, Kept

HOUR = 3_600_000


@pytest.fixture
def fleet(db):
    return StateMachines(db)


@pytest.fixture
def console(db, consoles):
    return consoles(db.server)


def make(fleet, number, begin=0, transaction=False, definition=ORDER, **options):
    pipe = fleet.pipeline(transaction=transaction)
    for each in range(begin, begin + number):
        pipe.new(f"order:{each}", definition, **{name: value(each) for name, value in options.items()})
    pipe.execute()


def keys(rows):
    return [row["key"] for row in rows]


def calls(db, command):
    stats = {name.lower(): stat["calls"] for name, stat in db.info("commandstats").items()}
    return stats.get(f"cmdstat_{command}", 0)


def watchers():
    return [thread for thread in threading.enumerate() if thread.name == "fleet watcher"]


# ---- counts and definition ---------------------------------------------------------------------------


def test_counts_are_in_the_order_of_the_document(fleet, console):
    make(fleet, 6, state=lambda each: ("sent", "new", "paid")[each % 3])
    seen = console.until(lambda answer: "definition" in answer, "the definition", name="order", revision=None)
    counts = [(count["state"], count["machines"]) for count in seen["counts"]]
    assert counts == [(state, 2 if state in ("new", "paid", "sent") else 0) for state in ORDER.states]
    assert seen["machines"] == 6 and seen["final"] == seen["definition"]["final"]
    assert seen["definition_id"] == seen["definition"]["id"] == identity(ORDER)
    again = console.ask("fleet", name="order", revision=None, definition_id=seen["definition_id"])
    assert "definition" not in again and again["definition_id"] == seen["definition_id"]


def test_counts_are_live(fleet, console):
    make(fleet, 2)
    console.ask("fleet", name="order", revision=None)
    fleet.fire("order:1", "pay")
    paid = lambda answer: {"state": "paid", "machines": 1} in answer["counts"]
    console.until(paid, "the move to be counted", name="order", revision=None)


def test_a_name_that_nobody_has(console):
    seen = console.ask("fleet", name="nobody", revision=None)
    assert (seen["counts"], seen["machines"], seen["stuck"], seen["due"]) == ([], 0, [], [])
    assert "definition" not in seen


def test_revisions(fleet, console):
    old = Definition.from_document({**ORDER.to_document(), "revision": 2, "initial": "paid"})
    make(fleet, 30, definition=old)
    make(fleet, 3, begin=30)
    both = console.walked("order")
    assert both["machines"] == 33 and both["definition_id"] == identity(ORDER)
    alone = console.walked("order", revision=2)
    assert alone["machines"] == 30 and alone["definition_id"] == identity(old)
    assert set(keys(alone["stuck"])) <= {f"order:{each}" for each in range(30)}
    newer = Definition.from_document({**ORDER.to_document(), "revision": 4})
    fleet.new("newer", newer)
    console.until(lambda answer: answer["definition_id"] == identity(newer), "the newer", name="order", revision=None)


def test_another_document_of_the_same_revision(fleet, console, monkeypatch):
    monkeypatch.setattr(_watcher, "_SAMPLE_AGAIN", 0.5)
    make(fleet, 3)
    console.walked("order")
    other = Definition.from_document({**ORDER.to_document(), "history": 21})
    for each in range(3):
        fleet.redefine(f"order:{each}", other)
    console.until(lambda answer: answer["definition_id"] == identity(other), "the other", name="order", revision=None)


# ---- stuck -------------------------------------------------------------------------------------------


def test_stuck_are_the_oldest(fleet, console):
    order = random.sample(range(1500), 1500)
    # The oldest of them at moments that are far enough from each other.
    for each in order[:80]:
        fleet.new(f"order:{each}", ORDER)
        fleet.fire(f"order:{each}", "pay")
        time.sleep(0.01)
    pipe = fleet.pipeline(transaction=False)
    for each in order[80:]:
        pipe.new(f"order:{each}", ORDER)
    pipe.execute()
    seen = console.walked("order")["stuck"]
    since = {f"order:{each}": fleet.info(f"order:{each}").since.timestamp() * 1000 for each in range(1500)}
    expected = sorted(since.values())[:SHOWN]
    assert [row["since"] for row in seen] == pytest.approx(expected, abs=0.01)
    assert all(since[row["key"]] == pytest.approx(row["since"], abs=0.01) for row in seen)
    assert {(row["state"], row["version"]) for row in seen} == {("paid", 2)}


def test_terminal_states_are_not_stuck(fleet, console):
    ended = Definition(map={"new": {"end": "done"}}, initial="new", name="order", history=2)
    make(fleet, 200, definition=ended, state=lambda each: "new" if each in (7, 70) else "done")
    assert sorted(keys(console.walked("order")["stuck"])) == ["order:7", "order:70"]


def test_a_fleet_that_has_ended_is_not_stuck(fleet, console):
    ended = Definition(map={"new": {"end": "done"}}, initial="new", name="order", history=2)
    make(fleet, 30, definition=ended, state=lambda each: "done")
    assert console.walked("order")["stuck"] == []


def test_machines_that_are_not_timed_are_in_no_list(fleet, console):
    make(fleet, 30, definition=Definition(map={"new": ["old"], "old": ["new"]}, initial="new", name="order"))
    seen = console.walked("order")
    assert (seen["machines"], seen["stuck"], seen["due"]) == (30, [], [])


def test_one_that_moves_leaves_the_list(fleet, console):
    make(fleet, 300)
    first = keys(console.walked("order")["stuck"])
    assert len(first) == SHOWN
    for key in first[:5]:
        fleet.fire(key, "pay")
    gone = lambda answer: not set(first[:5]) & set(keys(answer["stuck"])) and len(answer["stuck"]) == SHOWN
    console.until(gone, "others to take their places", name="order", revision=None)


def test_keys_that_go_leave_the_list(db, fleet, console):
    make(fleet, 30)
    first = keys(console.walked("order")["stuck"])
    db.delete(*first[:15])
    db.set(first[15], "another type")
    rest = lambda answer: (
        sorted(keys(answer["stuck"])) == sorted({f"order:{each}" for each in range(30)} - set(first[:16]))
    )
    console.until(rest, "those that are left", name="order", revision=None)


# ---- due ---------------------------------------------------------------------------------------------


def test_due_are_the_next(fleet, console, db):
    now = int(db.time()[0]) * 1000
    due = {f"order:{each}": now + HOUR + random.randrange(10**9) for each in range(1500)}
    make(fleet, 1500, due=lambda each: due[f"order:{each}"])
    seen = console.walked("order")["due"]
    expected = sorted(due.items(), key=lambda item: item[1])[:SHOWN]
    assert [(row["key"], row["due"]) for row in seen] == expected
    assert {(row["state"], row["version"], row["due_to"]) for row in seen} == {("new", 1, "cancelled")}
    fleet.new("sooner", ORDER, due=now + HOUR - 1, state="archived")
    console.until(lambda answer: keys(answer["due"])[0] == "sooner", "the sooner one", name="order", revision=None)
    assert console.ask("fleet", name="order", revision=None)["due"][0]["due_to"] is None


def test_a_timer_that_fires_leaves_the_list(fleet, console):
    make(fleet, 5)
    fleet.new("soon", ORDER, after=3000)
    assert keys(console.walked("order")["due"])[0] == "soon"
    console.until(
        lambda answer: len(answer["due"]) == 5 and "soon" not in keys(answer["due"]),
        "the timer",
        name="order",
        revision=None,
    )


def test_an_older_module_knows_nothing_of_due(fleet, console, monkeypatch):
    # The server's own words for an option that it doesn't know.
    monkeypatch.setattr(_watcher, "DUE", "DUE-BY")
    make(fleet, 30)
    seen = console.walked("order")
    assert seen["due"] is None and len(seen["stuck"]) == SHOWN and seen["machines"] == 30


def test_who_may_not_walk_gets_the_counts(db, fleet, consoles):
    make(fleet, 30)
    db.acl_setuser("counts", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-sm.scan"])
    console = consoles(db.server, user="counts:x@")
    without = lambda answer: answer["stuck"] is None and answer["due"] is None
    seen = console.until(without, "the walks to be given up", name="order", revision=None)
    assert seen["machines"] == 30 and seen["walk"] == {"done_at": None, "progress": 1.0}


# ---- what it costs -----------------------------------------------------------------------------------


def test_a_fleet_is_counted_once_a_second_for_all_windows(db, fleet, console):
    make(fleet, 100)
    console.walked("order")
    before, begin = calls(db, "sm.count"), time.monotonic()
    for _ in range(100):
        console.ask("fleet", name="order", revision=None)
        time.sleep(0.01)
    assert calls(db, "sm.count") - before <= time.monotonic() - begin + 1


# All 3,000 at one moment, which is the hardest case. Those that are in their last state are never stuck.
@pytest.mark.parametrize(("state", "most"), [("archived", 0), ("new", 0.3)], ids=["due", "stuck"])
def test_walks_bring_hardly_any_key_back(db, fleet, console, state, most):
    now = int(db.time()[0]) * 1000
    make(fleet, 3000, transaction=True, due=lambda each: now + HOUR, state=lambda each: state)
    console.walked("order")
    before, rounds, begin = calls(db, "sm.info"), calls(db, "sm.scan"), time.monotonic()
    for _ in range(3):
        console.walked("order")
    looks = (time.monotonic() - begin + 1) * (2 * SHOWN + 5)
    visited = (calls(db, "sm.scan") - rounds) * 500
    assert visited >= 3 * 3000
    # A call that is late brings a slice of the stuck back.
    assert calls(db, "sm.info") - before <= looks + most * visited


def test_nobody_looks_and_the_watcher_ends(db, fleet, console, monkeypatch):
    monkeypatch.setattr(_watcher, "_FORGOTTEN", 0.5)
    make(fleet, 10)
    console.ask("fleet", name="order", revision=None)
    assert watchers()
    wait_until(lambda: not watchers(), "the watcher to end")
    before = calls(db, "sm.count")
    time.sleep(1.2)
    assert calls(db, "sm.count") == before
    assert console.ask("fleet", name="order", revision=None)["machines"] == 10


def test_watchers_are_few(fleet, console):
    make(fleet, 10)
    for number in range(30):
        console.ask("fleet", name=f"order {number}", revision=None)
    wait_until(lambda: len(watchers()) <= 8, "the others to end", timeout=5)
    assert console.ask("fleet", name="order", revision=None)["machines"] == 10


def test_a_watcher_that_died_is_replaced(fleet, console):
    make(fleet, 10)
    console.ask("fleet", name="order", revision=None)
    (watcher,) = watchers()
    watcher.stop()
    watcher.join(5)
    assert console.ask("fleet", name="order", revision=None)["machines"] == 10
    assert len(watchers()) == 1


# ---- the parts ---------------------------------------------------------------------------------------


def test_progress_goes_from_0_to_1(fleet):
    make(fleet, 3000)
    page = next_page(fleet, ["COUNT", 100])
    seen = [page.progress]
    while not page.over:
        page = next_page(fleet, ["COUNT", 100], page.node, page.cursor)
        seen.append(page.progress)
    assert seen == sorted(seen) and seen[-1] == 1.0 and 0 < seen[0] < 0.2
    assert abs(seen[len(seen) // 2] - 0.5) < 0.1


def test_kept_are_the_earliest(fleet):
    fleet.new("any", ORDER)
    info = replace(fleet.info("any"))
    for _ in range(50):
        kept, moments = Kept(), {}
        for number in range(random.choice([5, 19, 20, 21, 60, 61, 400])):
            moments[b"%d" % number] = random.randrange(300)
            kept.add(Found(moments[b"%d" % number], b"%d" % number, info))
        shown = [found.moment for found in kept.first()]
        assert shown == sorted(moments.values())[:SHOWN]
        assert len(kept._found) <= _walk._KEPT


def test_kept_takes_all_again_when_most_have_gone(fleet):
    fleet.new("any", ORDER)
    info, kept = fleet.info("any"), Kept()
    for number in range(100):
        kept.add(Found(number, b"%d" % number, info))
    assert kept.bound == 59
    for number in range(41):
        kept.remove(b"%d" % number)
    assert kept.bound is None
    kept.add(Found(1000, b"late", info))
    assert kept.first()[-1].moment == 1000
