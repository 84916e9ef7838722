"""Who may move machines, and what the address has to do with it."""

import pytest
from playwright.sync_api import expect

from redis_state import Definition, StateMachines

ORDER = Definition.from_document(
    {"map": {"new": {"pay": "paid"}}, "initial": "new", "history": 5, "name": "order"},
)
PAY = """async ([token]) => {
    const body = {key: "order:1", event: "pay", to: null, reason: "", by: "", version: 1, id: "by-hand"};
    const headers = {"Content-Type": "application/json", ...(token && {Authorization: `Bearer ${token}`})};
    const answer = await fetch("/api/fire", {method: "POST", headers, body: JSON.stringify(body)});
    return [answer.status, (await answer.json()).code];
}"""


@pytest.fixture
def machines(db):
    machines = StateMachines(db)
    machines.new("order:1", ORDER)
    return machines


def test_without_write(machines, db, consoles, window):
    window = window(consoles(db.server)).open("#/machine/order%3A1")
    expect(window.by("mode")).to_have_attribute("data-mode", "read-only")
    expect(window.event("pay")).to_be_visible()
    expect(window.by("fire")).to_have_count(0)
    assert window.page.evaluate(PAY, [None]) == [403, "read-only"]
    assert machines.info("order:1").version == 1


def test_the_token_goes_out_of_the_address(machines, db, consoles, window):
    console = consoles(db.server, "--write")
    token = console.address.split("#token=")[1]
    window = window(console).open("#/machine/order%3A1")
    expect(window.by("mode")).to_have_attribute("data-mode", "write")
    assert token not in window.page.url
    assert all(token not in url for url in window.asked)
    window.page.go_back()
    assert token not in window.page.url
    # It stays for the tab, after a reload too.
    window.page.reload()
    expect(window.by("mode")).to_have_attribute("data-mode", "write")
    assert window.page.evaluate("Object.keys(localStorage).length + document.cookie.length") == 0
    # No key is in the address of a request either.
    assert all("order" not in url for url in window.asked)


def test_without_the_token(machines, db, consoles, window):
    console = consoles(db.server, "--write")
    window = window(console)
    window.page.goto(f"{console.origin}/#/machine/order%3A1")
    expect(window.by("mode")).to_have_attribute("data-mode", "no-token")
    expect(window.event("pay")).to_be_visible()
    expect(window.by("fire")).to_have_count(0)
    assert window.page.evaluate(PAY, [None]) == [401, "token"]
    assert window.page.evaluate(PAY, ["wrong"]) == [401, "token"]
    assert machines.info("order:1").version == 1


def test_a_wrong_token(machines, db, consoles, window):
    console = consoles(db.server, "--write")
    window = window(console)
    window.page.goto(f"{console.origin}/#token=wrong")
    expect(window.by("heading")).to_be_visible()
    window.go("#/machine/order%3A1")
    # Whether a token is right is seen when it is used.
    expect(window.event("pay")).to_be_visible()
    if window.by("fire").count():
        window.click_fire("pay")
        window.by("fire-submit").click()
        expect(window.by("fire-result")).to_have_attribute("data-what", "error")
        expect(window.by("fire-result")).to_contain_text("token")
    assert machines.info("order:1").version == 1


def test_the_token_of_another_start(machines, db, consoles, window):
    first = consoles(db.server, "--write")
    window = window(first).open("#/machine/order%3A1")
    expect(window.by("mode")).to_have_attribute("data-mode", "write")
    port = first.port
    first.end()
    expect(window.by("banner")).to_be_visible()
    second = consoles(db.server, "--write", port=port)
    expect(window.by("banner")).to_be_hidden()
    window.click_fire("pay")
    window.by("fire-submit").click()
    expect(window.by("fire-result")).to_contain_text("token")
    assert machines.info("order:1").version == 1
    window.page.goto("about:blank")
    window.console = second
    window.open("#/machine/order%3A1")
    window.click_fire("pay")
    window.by("fire-submit").click()
    expect(window.by("state")).to_have_text("paid")


def test_another_page_can_not_fire(machines, db, consoles, window):
    """A page of another origin, which even knows the token."""
    console, other = consoles(db.server, "--write"), consoles(db.server)
    token = console.address.split("#token=")[1]
    window = window(other).open()
    script = PAY.replace('"/api/fire"', f'"{console.origin}/api/fire"')
    with pytest.raises(Exception, match="Failed to fetch"):
        window.page.evaluate(script, [token])
    assert machines.info("order:1").version == 1
    # That is the policy of the page itself; test_console_security.py has what the console does with such a request.
    assert any("Content Security Policy" in fault for fault in window.faults)
    window.meant = "Content Security Policy|Fetch API cannot load|^elsewhere: "
