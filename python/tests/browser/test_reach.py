"""For everybody: by keyboard alone, on a phone, dark, by a screen reader."""

import re
from importlib.resources import files

import pytest
from playwright.sync_api import expect

from redis_state import Definition, StateMachines

ORDER = Definition.from_document(
    {
        "map": {"new": {"pay": "paid"}, "paid": {"refund": ["refunded", "partly refunded"]}},
        "any": {"hold": "on hold"},
        "initial": "new",
        "history": 9,
        "name": "order",
        "after": {"new": {"ms": 3_600_000, "to": "on hold"}},
    }
)
LONG = "a-very-long-name-without-any-place-to-break-it-" * 4
WIDE = Definition.from_document({"map": {LONG: {LONG: LONG + "2"}}, "initial": LONG, "history": 9, "name": LONG})
VIEWS = ["#/", "#/fleet/order", "#/fleet/order/state/new", "#/machine/order%3A1"]
PHONE = {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2, "has_touch": True, "is_mobile": True}


@pytest.fixture
def console(db, consoles):
    machines = StateMachines(db)
    for number in range(30):
        machines.new(f"order:{number}", ORDER)
    machines.new(LONG, WIDE)
    return consoles(db.server, "--write")


def tab_to(window, testid):
    """Presses Tab until the focus is on an element of the test id."""
    for _ in range(80):
        if window.focused() == testid:
            return
        window.page.keyboard.press("Tab")
    raise AssertionError(f"Tab doesn't lead to {testid}")


def test_a_move_by_keyboard_alone(console, window, db):
    window = window(console).open()
    press = window.page.keyboard.press
    expect(window.by("fleet-row").first).to_be_visible()
    press("/")
    expect(window.by("search")).to_be_focused()
    window.page.keyboard.type("order:1")
    expect(window.by("search-hit").first).to_be_visible()
    press("ArrowDown")
    expect(window.by("search-hit").first).to_have_attribute("aria-selected", "true")
    press("Enter")
    expect(window.by("heading")).to_be_focused()
    expect(window.event("pay")).to_be_visible()
    tab_to(window, "fire")
    press("Enter")
    expect(window.by("fire-reason")).to_be_focused()
    window.page.keyboard.type("by keyboard")
    press("Enter")
    expect(window.by("state")).to_have_text("paid")
    # With a choice, the arrows choose. The focus can't leave the dialog, and Escape closes it.
    expect(window.event("refund")).to_be_visible()
    tab_to(window, "fire")
    press("Enter")
    expect(window.by("fire-target").first).to_be_focused()
    press("ArrowDown")
    expect(window.by("fire-target").nth(1)).to_be_checked()
    press("Escape")
    expect(window.by("fire-dialog")).to_be_hidden()
    expect(window.by("fire").first).to_be_focused()
    press("Enter")
    press("ArrowDown")
    tab_to(window, "fire-submit")
    press("Enter")
    expect(window.by("state")).to_have_text("partly refunded")
    assert StateMachines(db).history("order:1", count=2)[1].reason == "by keyboard"


def test_the_focus_stays_while_the_page_lives(console, window, db):
    machines = StateMachines(db)
    window = window(console).open("#/fleet/order")
    rows = window.by("stuck").get_by_test_id("machine-row")
    expect(rows).to_have_count(20)
    second = rows.nth(1).get_by_role("link")
    second.focus()
    key = rows.nth(1).get_attribute("data-key")
    # Others leave the list and come. So does the one with the focus, but it stays until the focus goes.
    for number in range(4):
        machines.fire(f"order:{number}", "hold")
    if machines.info(key).state == "new":
        machines.fire(key, "pay")
    expect(window.by("state-row", state="on hold").get_by_test_id("state-count")).to_have_text("4")
    mine = window.page.locator(f'[data-testid="stuck"] [data-key="{key}"]')
    expect(mine).to_have_class(re.compile("is-gone"))
    expect(mine.get_by_role("link")).to_be_focused()
    window.by("search").focus()
    expect(mine).to_have_count(0)


def test_the_skip_link(console, window):
    window = window(console).open("#/fleet/order")
    expect(window.by("total")).to_have_text("30")
    window.page.reload()
    expect(window.by("total")).to_have_text("30")
    window.page.keyboard.press("Tab")
    assert window.page.evaluate("document.activeElement.id") == "skip"
    window.page.keyboard.press("Enter")
    assert window.focused() == "MAIN"
    expect(window.by("heading")).to_have_text("order")


@pytest.mark.parametrize("fragment", [*VIEWS, f"#/fleet/{LONG}", f"#/machine/{LONG}"], ids=range(len(VIEWS) + 2))
def test_on_a_phone_nothing_is_beside_the_screen(console, window, fragment):
    window = window(console, **PHONE).open(fragment)
    expect(window.by("heading")).to_be_visible()
    if "fleet" in fragment:
        expect(window.by("state-row").first).to_be_visible()
    if "machine" in fragment:
        expect(window.by("event").first).to_be_visible()
    if fragment != "#/":
        expect(window.by("diagram")).to_have_attribute("data-status", "drawn")
    assert window.page.evaluate("document.scrollingElement.scrollWidth") <= 360
    if "machine" in fragment:
        window.by("fire").first.click()
        box = window.by("fire-dialog").bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= 360
        window.by("fire-submit").scroll_into_view_if_needed()
        window.by("fire-submit").click()
        expect(window.by("fire-dialog")).to_be_hidden()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("fragment", VIEWS, ids=["fleets", "fleet", "state", "machine"])
def test_axe_finds_nothing(console, window, scheme, fragment):
    """The rules of WCAG 2.1 AA that a program can check, contrast among them."""
    window = window(console, color_scheme=scheme, reduced_motion="reduce").open(fragment)
    expect(window.by("heading")).to_be_visible()
    if fragment != "#/":
        expect(window.by("diagram")).to_have_attribute("data-status", "drawn")
    rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]
    check = "rules => axe.run(document, {runOnly: rules}).then(found => found.violations)"
    # Not by a script element, which the page's policy forbids.
    window.page.evaluate((files("axe_playwright_python") / "axe.min.js").read_text())
    found = window.page.evaluate(check, rules)
    if "machine" in fragment:
        window.click_fire("pay")
        found += window.page.evaluate(check, rules)
    assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found] == []


def test_dark_and_light_are_the_systems(console, window):
    color = lambda window: window.page.evaluate("getComputedStyle(document.body).backgroundColor")
    light, dark = window(console, color_scheme="light").open(), window(console, color_scheme="dark").open()
    brightness = lambda text: sum(int(part) for part in text[4:-1].split(", ")[:3])
    assert brightness(color(light)) > 600 > 200 > brightness(color(dark))


def test_who_wants_no_motion_gets_none(console, window):
    window = window(console, reduced_motion="reduce").open("#/machine/order%3A1")
    expect(window.event("pay")).to_be_visible()
    window.click_fire("pay")
    window.by("fire-submit").click()
    expect(window.by("state")).to_have_text("paid")
    running = "document.getAnimations().filter(each => each.playState === 'running' && each.effect.getTiming().duration > 100).length"
    assert window.page.evaluate(running) == 0


def test_what_a_screen_reader_has(console, window):
    window = window(console).open("#/machine/order%3A1")
    expect(window.by("diagram")).to_have_attribute("data-status", "drawn")
    roles = window.page.get_by_role
    for role in ("banner", "main", "search"):
        expect(roles(role)).to_have_count(1)
    expect(roles("heading", level=1)).to_have_count(1)
    expect(roles("button", name="Fire pay")).to_be_visible()
    expect(roles("img", name="Current state: new")).to_be_visible()
    window.by("moves-table").locator("summary").click()
    expect(roles("table")).to_be_visible()
    expect(roles("row", name="pay")).to_be_visible()
