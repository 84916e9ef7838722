"""Moves by click: made, refused, faster by somebody else, with a choice."""

import pytest
from playwright.sync_api import expect

from redis_state import Definition, StateMachines

ORDER = Definition.from_document(
    {
        "map": {
            "new": {"pay": "paid", "cancel": "cancelled"},
            "paid": {"ship": "sent", "refund": ["refunded", "partly refunded"], "check": "paid"},
        },
        "any": {"hold": "on hold"},
        "initial": "new",
        "history": 20,
        "name": "order",
    }
)
PLAIN = Definition.from_document({"map": {"open": ["closed", "lost"]}, "initial": "open", "name": "plain"})


@pytest.fixture
def machines(db):
    machines = StateMachines(db)
    machines.new("order:1", ORDER)
    machines.new("order:2", ORDER)
    machines.fire("order:2", "pay", by="clerk 7", reason="card 4242")
    return machines


@pytest.fixture
def look(machines, db, consoles, window):
    """Opens a machine in a console that may write."""

    def look(key, *options):
        console = consoles(db.server, "--write", *options)
        return window(console).open(f"#/machine/{key.replace(':', '%3A')}")

    return look


def test_fire_by_click(look, machines):
    window = look("order:1")
    expect(window.by("state")).to_have_text("new")
    window.click_fire("pay")
    window.by("fire-reason").fill("cash at the counter")
    window.by("fire-by").fill("Amina")
    window.by("fire-submit").click()
    expect(window.by("fire-dialog")).to_be_hidden()
    expect(window.by("state")).to_have_text("paid")
    expect(window.by("version")).to_have_text("2")
    newest = window.by("move").first
    expect(newest.get_by_test_id("move-reason")).to_have_text("cash at the counter")
    expect(newest.get_by_test_id("move-who")).to_contain_text("Amina")
    expect(newest.get_by_test_id("move-event")).to_contain_text("pay")
    # What can be fired is another now, and a screen reader is told of the move.
    expect(window.by("event")).to_have_count(4)
    expect(window.by("announcer")).to_contain_text("paid")
    (move,) = machines.history("order:1", count=1)
    assert (move.event, move.to_state, move.by, move.reason) == ("pay", "paid", "Amina", "cash at the counter")
    assert move.id != ""


def test_fire_where_the_page_comes_by_plain_http(look, machines):
    """Of another machine's pages, browsers trust only those that come by HTTPS, and keep this function from the others."""
    window = look("order:1")
    window.page.evaluate("delete Crypto.prototype.randomUUID")
    window.click_fire("pay")
    window.by("fire-submit").click()
    expect(window.by("state")).to_have_text("paid")
    assert len(machines.history("order:1", count=1)[0].id) == 32


def test_the_picture_shows_where_it_is_and_which_way_it_came(look):
    window = look("order:2")
    expect(window.by("diagram")).to_have_attribute("data-status", "drawn")
    picture = window.by("diagram")
    expect(picture.locator("g.current title")).to_have_text("paid")
    expect(picture.locator("g.visited title")).to_have_text("new")
    expect(picture.locator("g.edge.went title")).to_have_text("new → paid, on pay")
    # To two states by refund, to one by ship, to itself, and by the event of `any`.
    expect(picture.locator("g.edge.can")).to_have_count(5)
    window.click_fire("ship")
    window.by("fire-submit").click()
    expect(picture.locator("g.current title")).to_have_text("sent")
    expect(picture.locator("g.edge.went")).to_have_count(2)


def test_for_whom_the_console_acts(look, machines):
    window = look("order:1", "--by", "night shift")
    window.click_fire("pay")
    expect(window.by("fire-by")).to_have_value("night shift")
    window.by("fire-submit").click()
    expect(window.by("state")).to_have_text("paid")
    assert machines.history("order:1", count=1)[0].by == "night shift"


def test_nothing_happens_by_cancel_or_escape(look, machines):
    window = look("order:1")
    for leave in (lambda: window.by("fire-cancel").click(), lambda: window.page.keyboard.press("Escape")):
        window.click_fire("cancel")
        leave()
        expect(window.by("fire-dialog")).to_be_hidden()
    assert machines.info("order:1").version == 1


def test_somebody_else_was_faster(look, machines):
    window = look("order:1")
    window.click_fire("pay")
    machines.fire("order:1", "cancel", by="somebody else")
    # The dialog says it as soon as the page knows, and so does the answer.
    expect(window.by("fire-moved-on")).to_contain_text("cancelled")
    window.by("fire-submit").click()
    expect(window.by("fire-result")).to_have_attribute("data-what", "conflict")
    expect(window.by("fire-result")).to_contain_text("Somebody else was faster. It is in cancelled now, version 2.")
    expect(window.by("state")).to_have_text("cancelled")
    # A cancelled order can't be paid, so there is nothing to try again.
    expect(window.by("fire-again")).to_be_hidden()
    window.by("fire-cancel").click()
    assert machines.info("order:1").state == "cancelled"


def test_somebody_else_was_faster_and_one_tries_again(look, machines):
    window = look("order:2")
    window.click_fire("ship")
    window.by("fire-reason").fill("parcel 81")
    machines.fire("order:2", "check")
    window.by("fire-submit").click()
    expect(window.by("fire-result")).to_contain_text("It is in paid now, version 3.")
    assert machines.info("order:2").version == 3
    window.by("fire-again").click()
    window.by("fire-submit").click()
    expect(window.by("state")).to_have_text("sent")
    assert machines.info("order:2").version == 4


def test_a_refused_one(look, machines, db):
    """The version is the one that the page has seen, of another machine that is at the key now."""
    window = look("order:1")
    window.click_fire("pay")
    db.delete("order:1")
    machines.new("order:1", PLAIN)
    window.by("fire-submit").click()
    expect(window.by("fire-result")).to_have_attribute("data-what", "refused")
    expect(window.by("fire-result")).to_contain_text("Refused")
    expect(window.by("state")).to_have_text("open")
    assert machines.info("order:1").version == 1


def test_a_machine_that_is_gone(look, db):
    window = look("order:1")
    window.click_fire("pay")
    db.delete("order:1")
    window.by("fire-submit").click()
    expect(window.by("fire-result")).to_have_attribute("data-what", "missing")
    window.by("fire-cancel").click()
    expect(window.by("problem")).to_contain_text("No machine here")
    assert db.exists("order:1") == 0


def test_a_choice(look, machines):
    window = look("order:2")
    expect(window.event("refund").get_by_test_id("event-targets")).to_contain_text("partly refunded")
    window.click_fire("refund")
    choices = window.by("fire-target")
    expect(choices).to_have_count(2)
    expect(choices.first).to_be_checked()
    window.page.get_by_label("partly refunded").check()
    window.by("fire-submit").click()
    expect(window.by("state")).to_have_text("partly refunded")
    assert machines.history("order:2", count=1)[0].event == "refund"


def test_moves_without_names(look, machines):
    machines.new("plain:1", PLAIN)
    window = look("plain:1")
    window.click_fire("")
    window.page.get_by_label("lost").check()
    window.by("fire-submit").click()
    expect(window.by("state")).to_have_text("lost")
    assert machines.info("plain:1").state == "lost"


def test_an_answer_that_is_lost(look, machines):
    """The move is made, but its answer doesn't arrive. Fired again, it isn't made twice."""
    window = look("order:2")

    def lose(route):
        route.fetch()
        route.abort()

    window.page.route("**/api/fire", lose, times=1)
    window.click_fire("check")
    window.by("fire-submit").click()
    expect(window.by("fire-result")).to_contain_text("Firing again is safe")
    assert machines.info("order:2").version == 3
    window.by("fire-submit").click()
    expect(window.by("fire-dialog")).to_be_hidden()
    expect(window.by("version")).to_have_text("3")
    assert machines.info("order:2").version == 3


def test_a_timer_counts_down_and_fires(look, machines):
    document = {"map": {"open": {"close": "closed"}}, "initial": "open", "history": 5, "name": "short"}
    short = Definition.from_document({**document, "after": {"open": {"ms": 1000, "to": "closed"}}})
    machines.new("short:1", short, after=3_600_000)
    window = look("short:1")
    expect(window.by("due-to")).to_contain_text("closed")
    shown = window.by("due").text_content()
    expect(window.by("due")).not_to_have_text(shown)
    machines.new("short:2", short, after=500)
    window.go("#/machine/short%3A2")
    expect(window.by("state")).to_have_text("closed")
    expect(window.by("move").first).to_have_attribute("data-kind", "timeout")
    expect(window.by("events")).to_contain_text("final state")
