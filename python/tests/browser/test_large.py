"""A definition of 200 states, and a fleet of 200,000 machines."""

import re

from playwright.sync_api import expect

from redis_state import Definition, StateMachines

STATES = [f"step {number}" for number in range(200)]
LARGE = Definition.from_document(
    {
        "map": {
            state: {"next": STATES[(at + 1) % 200], "back": STATES[at - 1], "skip": STATES[(at * 7 + 3) % 200]}
            for at, state in enumerate(STATES[:-1])
        },
        "any": {"stop": "stopped"},
        "initial": "step 0",
        "history": 20,
        "name": "large",
    }
)
MACHINES = 200_000


def test_200_states(db, consoles, window):
    machines = StateMachines(db)
    machines.new("large:1", LARGE)
    machines.fire("large:1", "skip")
    window = window(consoles(db.server, "--write")).open("#/machine/large%3A1")
    # The rest of the page doesn't wait for the picture, which is made elsewhere.
    expect(window.by("state")).to_have_text("step 3")
    window.click_fire("next")
    window.by("fire-submit").click()
    expect(window.by("state")).to_have_text("step 4")
    expect(window.by("diagram")).to_have_attribute("data-status", "drawn", timeout=90_000)
    expect(window.by("diagram").locator("g.node")).to_have_count(201)
    expect(window.by("diagram").locator("g.current title")).to_have_text("step 4")
    # It can be seen: the picture has been scrolled there.
    expect(window.by("diagram").locator("g.current")).to_be_in_viewport()
    window.by("moves-table").locator("summary").click()
    expect(window.by("moves-row").first).to_be_visible()
    window.go("#/fleet/large")
    expect(window.by("state-row")).to_have_count(201)


def test_the_page_stays_awake_while_200_states_are_drawn(db, consoles, window):
    StateMachines(db).new("large:1", LARGE)
    window = window(consoles(db.server)).open()
    # The longest time in which the page did nothing else.
    window.page.evaluate(
        """() => {
            let last = performance.now();
            window.longest = 0;
            setInterval(() => {
                const now = performance.now();
                window.longest = Math.max(window.longest, now - last);
                last = now;
            }, 10);
        }"""
    )
    begun = window.page.evaluate("performance.now()")
    window.go("#/machine/large%3A1")
    expect(window.by("diagram")).to_have_attribute("data-status", "drawn", timeout=90_000)
    took = window.page.evaluate("performance.now()") - begun
    # The layout alone takes longer than that on any machine, so in the page itself it would have blocked for that long.
    assert window.page.evaluate("window.longest") < took / 2


def fill(db):
    """Makes the machines by copies, as quickly as it goes."""
    machines = StateMachines(db)
    document = {"map": {"new": {"pay": "paid"}, "paid": {}}, "initial": "new", "history": 5, "name": "order"}
    order = Definition.from_document({**document, "after": {"new": {"ms": 3_600_000, "to": "paid"}}})
    machines.new("order:first", order)
    machines.new("order:soon", order, after=600_000)
    machines.new("order:paid", order)
    machines.fire("order:paid", "pay")
    make = "for i = 1, ARGV[1] do redis.call('COPY', KEYS[1], KEYS[1] .. ':' .. ARGV[2] + i) end"
    for start in range(0, MACHINES, 10_000):
        db.eval(make, 1, "order:first", 10_000, start)
    return machines


def test_200_000_machines(db, consoles, window):
    machines = fill(db)
    window = window(consoles(db.server, "--write")).open("#/fleet/order")
    expect(window.by("total")).to_have_text("200,003")
    paid = window.by("state-row", state="paid").get_by_test_id("state-count")
    expect(paid).to_have_text("1")
    # The counts are live before the walk over all of them is over.
    machines.fire("order:first:77", "pay")
    expect(paid).to_have_text("2")
    # The walk over all of them takes its time, and the page shows how far it is. What it has found is there already.
    expect(window.by("walk")).to_have_text(re.compile("looking through the fleet: [1-9]|all seen"))
    expect(window.by("stuck").get_by_test_id("machine-row")).to_have_count(20)
    expect(window.by("due").get_by_test_id("machine-row")).to_have_count(20)
    # The few machines of a rare state, and those whose key has a part.
    window.by("state-row", state="paid").get_by_role("link").click()
    expect(window.by("state-list").get_by_test_id("machine-row")).to_have_count(2, timeout=120_000)
    window.by("search").fill("first:19999")
    expect(window.by("search-hit").first).to_be_visible()
    expect(window.by("search-hit")).to_have_count(11, timeout=120_000)
    window.by("search-hit").first.click()
    expect(window.by("state")).to_have_text("new")
    db.execute_command("FLUSHALL", "ASYNC")
