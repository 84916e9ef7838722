"""A server that goes away and comes back, a console that does, and two windows at once."""

import pytest
from playwright.sync_api import expect

from redis_state import Definition, StateMachines

ORDER = Definition.from_document(
    {"map": {"new": {"pay": "paid"}, "paid": {"ship": "sent"}}, "initial": "new", "history": 9, "name": "order"}
)


@pytest.fixture
def server(servers):
    """A server that keeps its data over a restart."""
    server = servers.start(["appendonly yes", "appendfsync always"])
    StateMachines(server.client()).new("order:1", ORDER)
    return server


@pytest.mark.parametrize(
    ("fragment", "whole"), [("#/", "fleet-row"), ("#/fleet/order", "state-row"), ("#/machine/order%3A1", "event")]
)
def test_a_server_that_goes_away_and_comes_back(server, consoles, window, fragment, whole):
    window = window(consoles(server, "--write")).open(fragment)
    expect(window.by(whole).first).to_be_visible()
    server.kill()
    expect(window.by("banner")).to_have_text("The server can't be reached. Trying again…")
    expect(window.by("connection")).to_have_attribute("data-state", "trying")
    # What is known stays, and is seen to be old.
    expect(window.by(whole).first).to_be_visible()
    expect(window.page.locator("main")).to_have_attribute("data-stale", "true")
    server.start()
    expect(window.by("banner")).to_be_hidden()
    expect(window.by("connection")).to_have_attribute("data-state", "live")
    expect(window.page.locator("main")).to_have_attribute("data-stale", "false")
    # It goes on by itself.
    StateMachines(server.client()).fire("order:1", "pay")
    if fragment == "#/fleet/order":
        expect(window.by("state-row", state="paid").get_by_test_id("state-count")).to_have_text("1")
    elif fragment != "#/":
        expect(window.by("state")).to_have_text("paid")


def test_a_move_while_the_server_is_away(server, consoles, window):
    window = window(consoles(server, "--write")).open("#/machine/order%3A1")
    window.click_fire("pay")
    server.kill()
    expect(window.by("banner")).to_be_visible()
    window.by("fire-submit").click()
    expect(window.by("fire-result")).to_contain_text("Firing again is safe")
    server.start()
    expect(window.by("banner")).to_be_hidden()
    window.by("fire-submit").click()
    expect(window.by("state")).to_have_text("paid")


def test_a_server_that_is_away_at_first(server, consoles, window):
    server.kill()
    window = window(consoles(server, "--write"))
    window.page.goto(window.console.address)
    expect(window.by("banner")).to_contain_text("can't be reached")
    server.start()
    expect(window.by("fleet-row")).to_have_count(1)
    expect(window.by("banner")).to_be_hidden()


def test_a_server_that_has_lost_its_data(server, consoles, window):
    window = window(consoles(server)).open("#/machine/order%3A1")
    expect(window.by("state")).to_have_text("new")
    server.run("FLUSHALL")
    expect(window.by("problem")).to_contain_text("No machine here")
    StateMachines(server.client()).new("order:1", ORDER)
    expect(window.by("problem")).to_be_hidden()
    expect(window.by("state")).to_have_text("new")


def test_a_console_that_goes_away_and_comes_back(server, consoles, window):
    console = consoles(server)
    window = window(console).open("#/fleet/order")
    expect(window.by("total")).to_have_text("1")
    console.end()
    expect(window.by("banner")).to_contain_text("The console can't be reached")
    consoles(server, port=console.port)
    expect(window.by("banner")).to_be_hidden()
    StateMachines(server.client()).new("order:2", ORDER)
    expect(window.by("total")).to_have_text("2")


# ---- two windows ----------------------------------------------------------------------------------------


def test_what_one_window_does_the_other_shows(server, consoles, window):
    console = consoles(server, "--write")
    first, second = window(console).open("#/machine/order%3A1"), window(console).open("#/machine/order%3A1")
    overview = window(console).open("#/fleet/order")
    expect(overview.by("state-row", state="paid").get_by_test_id("state-count")).to_have_text("0")
    first.click_fire("pay")
    first.by("fire-submit").click()
    for each in (first, second):
        expect(each.by("state")).to_have_text("paid")
        expect(each.by("move")).to_have_count(2)
        expect(each.event("ship")).to_be_visible()
    expect(overview.by("state-row", state="paid").get_by_test_id("state-count")).to_have_text("1")


def test_two_windows_fire_at_once(server, consoles, window):
    """The second has the dialog open already when the first fires."""
    console = consoles(server, "--write")
    windows = [window(console).open("#/machine/order%3A1") for _ in range(2)]
    for each in windows:
        each.click_fire("pay")
    for each in windows:
        each.by("fire-submit").click()
    expect(windows[0].by("fire-dialog")).to_be_hidden()
    expect(windows[1].by("fire-result")).to_contain_text("Somebody else was faster. It is in paid now, version 2.")
    windows[1].by("fire-cancel").click()
    for each in windows:
        expect(each.by("state")).to_have_text("paid")
        expect(each.by("version")).to_have_text("2")
    assert StateMachines(server.client()).info("order:1").version == 2
