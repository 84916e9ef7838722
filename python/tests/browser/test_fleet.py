"""What is seen of fleets: live counts, what is stuck, what is due, the machines of a state, the search."""

import pytest
from playwright.sync_api import expect

from redis_state import Definition, StateMachines

LAMP = {
    "map": {"off": {"switch": "on"}, "on": {"switch": "off", "break": "broken"}},
    "initial": "off",
    "history": 5,
    "name": "lamp",
    "after": {"on": {"ms": 3_600_000, "to": "off"}},
}


@pytest.fixture
def machines(db):
    machines = StateMachines(db)
    for number in range(30):
        machines.new(f"lamp:{number}", Definition.from_document(LAMP))
    machines.fire("lamp:1", "switch")
    machines.fire("lamp:2", "switch", after=90_000)
    machines.fire("lamp:2", "break")
    machines.fire("lamp:3", "switch", after=100_000)
    return machines


@pytest.fixture
def fleet(machines, db, consoles, window):
    return window(consoles(db.server)).open("#/fleet/lamp")


def count(window, state):
    return window.by("state-row", state=state).get_by_test_id("state-count")


def test_the_list_of_fleets(machines, db, consoles, window):
    window = window(consoles(db.server)).open()
    row = window.by("fleet-row", name="lamp")
    expect(row.get_by_test_id("fleet-machines")).to_have_text("30")
    machines.new("lamp:30", Definition.from_document(LAMP))
    expect(row.get_by_test_id("fleet-machines")).to_have_text("31")
    # A fleet that comes later is there too, by itself.
    machines.new("door:1", Definition.from_document({"map": {"shut": ["open"]}, "initial": "shut", "name": "door"}))
    expect(window.by("fleet-row")).to_have_count(2)
    row.get_by_role("link").click()
    expect(window.by("heading")).to_have_text("lamp")


def test_no_fleets(db, consoles, window):
    window = window(consoles(db.server)).open()
    expect(window.by("empty")).to_contain_text("No fleets here yet")


def test_the_counts_follow_the_machines(fleet, machines):
    expect(fleet.by("total")).to_have_text("30")
    expect(fleet.by("state-row")).to_have_count(3)
    expect(count(fleet, "off")).to_have_text("27")
    for number in range(10, 20):
        machines.fire(f"lamp:{number}", "switch")
    expect(count(fleet, "off")).to_have_text("17")
    expect(count(fleet, "on")).to_have_text("12")
    expect(count(fleet, "broken")).to_have_text("1")
    expect(fleet.by("diagram").locator('g.node:has(title:text-is("on")) .count')).to_have_text("12")


def test_stuck_longest_and_due_next(fleet, machines):
    stuck = fleet.by("stuck").get_by_test_id("machine-row")
    # The oldest first, and none of those that have arrived.
    expect(stuck).to_have_count(20)
    expect(stuck.first).to_have_attribute("data-key", "lamp:0")
    expect(fleet.by("stuck").locator('[data-key="lamp:2"]')).to_have_count(0)
    due = fleet.by("due").get_by_test_id("machine-row")
    expect(due).to_have_count(2)
    expect(due.first).to_have_attribute("data-key", "lamp:3")
    when = due.first.get_by_test_id("machine-when")
    shown = when.text_content()
    expect(when).not_to_have_text(shown)
    # Those that move drop out, and others come.
    machines.fire("lamp:0", "switch", after=500)
    expect(fleet.by("stuck").locator('[data-key="lamp:0"]')).to_have_count(0)
    machines.fire("lamp:3", "switch")
    expect(fleet.by("due").locator('[data-key="lamp:3"]')).to_have_count(0)


def test_the_machines_of_a_state(fleet):
    fleet.by("state-row", state="off").get_by_role("link").click()
    rows = fleet.by("state-list").get_by_test_id("machine-row")
    expect(rows).to_have_count(27)
    fleet.by("close-list").click()
    expect(fleet.by("state-list")).to_be_hidden()
    # The same by a click on the picture.
    fleet.by("diagram").locator('g.node:has(title:text-is("on")) text').first.click()
    expect(rows).to_have_count(2)
    rows.first.get_by_role("link").click()
    expect(fleet.by("state")).to_have_text("on")
    fleet.page.go_back()
    expect(fleet.by("state-list").get_by_test_id("machine-row")).to_have_count(2)


def test_a_search(fleet):
    fleet.by("search").fill("lamp:1")
    hits = fleet.by("search-hit")
    expect(hits).to_have_count(11)
    expect(hits.first).to_have_attribute("data-key", "lamp:1")
    fleet.by("search").fill("p:29")
    expect(hits).to_have_count(1)
    hits.first.click()
    expect(fleet.by("heading")).to_have_text("lamp:29")
    fleet.by("search").fill("*")
    expect(fleet.by("search-note")).to_contain_text("No machine has a key that contains this")


def test_what_is_not_there(fleet, db):
    fleet.go("#/machine/lamp%3A99")
    expect(fleet.by("problem")).to_contain_text("No machine here")
    db.set("text", "of somebody")
    fleet.go("#/machine/text")
    expect(fleet.by("problem")).to_contain_text("can't be shown")
    fleet.go("#/fleet/lamp")
    expect(fleet.by("total")).to_have_text("30")
    expect(fleet.by("problem")).to_be_hidden()


def test_a_fleet_that_is_gone(fleet, db):
    expect(fleet.by("total")).to_have_text("30")
    db.flushall()
    expect(fleet.by("total")).to_have_text("0")


def test_revisions(machines, db, consoles, window):
    newer = Definition.from_document({**LAMP, "revision": 2, "map": {**LAMP["map"], "broken": {"repair": "off"}}})
    machines.new("lamp:new", newer)
    window = window(consoles(db.server)).open("#/fleet/lamp")
    expect(window.by("total")).to_have_text("31")
    window.by("revision").select_option("2")
    expect(window.by("total")).to_have_text("1")


def test_a_hidden_page_asks_nothing(fleet):
    expect(fleet.by("total")).to_have_text("30")
    fleet.page.evaluate(
        "() => { Object.defineProperty(document, 'hidden', {get: () => window.away !== false, configurable: true});"
        " document.dispatchEvent(new Event('visibilitychange')); }"
    )
    # What is under way ends, and then there is no request in three polls' time.
    fleet.page.wait_for_load_state("networkidle")
    asked = len(fleet.asked)
    fleet.page.evaluate("() => new Promise(done => setTimeout(done, 3000))")
    assert len(fleet.asked) == asked
    with fleet.page.expect_request("**/api/fleet"):
        fleet.page.evaluate("() => { window.away = false; document.dispatchEvent(new Event('visibilitychange')); }")
