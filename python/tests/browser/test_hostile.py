"""Names that try to be more than names: nothing of the data becomes HTML, script, style or an address."""

import json

import pytest
from playwright.sync_api import expect

from redis_state import StateMachines

NAMES = [
    "<script>document.title='broken'; alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    "\"><svg/onload=alert(3)>'",
    "</title></textarea></svg><b>bold</b>",
    "javascript:alert(4)",
    "{{7*7}} ${7*7} `${alert(5)}`",
    "' onmouseover=alert(6) x='",
    "]]>--><!-- &lt;b&gt; &amp; \\n \\N \\G",
    "a\u202edcba\u202c \u2066x\u2069",
    "bell\x07 esc\x1b[31m\r\n\ttab nul\x00",
    "zero\u200bwidth\ufeff and \u3164 filler",
    "e\u0301\u0302\u0303\u0304\u0305\u0306" * 10,
    "日本語 العربية עברית 👩‍👩‍👧‍👦",
    "x" * 300,
    "../../etc/passwd?x=1#y%00%ff",
    "__proto__",
    "constructor",
    "toString",
    " ",
    "",
]
# As the page shows the odd ones.
SHOWN = {
    NAMES[8]: "aU+202EdcbaU+202C U+2066xU+2069",
    NAMES[9]: r"bell\x07 esc\x1b[31m\r\n\ttab nul\x00",
    " ": "␣",
    "": "(empty)",
}


def document(name):
    """Returns a machine in which every name is one of these."""
    states = [state for state in NAMES if state]
    map_ = {states[0]: {event: target for event, target in zip([*NAMES[:-1]], [*states[1:], states[0]]) if event}}
    map_[states[1]] = {"back": states[0]}
    after = {states[1]: {"ms": 3_600_000, "to": states[2]}}
    return {"initial": states[0], "map": map_, "after": after, "history": 20, "name": name, "revision": 1}


KEYS = [
    b"key <img src=x onerror=alert(7)>",
    b"\xff\xfe\x00\r\n\xc3(",
    "a\u202eb/../%2e#x?y&z".encode(),
    b"__proto__",
    b" ",
]


@pytest.fixture
def machines(db):
    machines = StateMachines(db)
    for key in KEYS:
        for name in (NAMES[0], "__proto__"):
            made = f"{name}:".encode() + key
            db.execute_command(
                "SM.NEW", made, json.dumps(document(name)), "BY", NAMES[1].encode(), "REASON", NAMES[2].encode()
            )
            events = db.execute_command("SM.EVENTS", made)
            db.execute_command("SM.FIRE", made, events[0][0], "BY", NAMES[9], "REASON", "\x00<b>" + NAMES[8])
    return machines


@pytest.fixture
def fleets(machines, db, consoles, window):
    return window(consoles(db.server, "--write")).open()


def is_whole(window):
    """Says that nothing of the data has become an element, an attribute that runs, or a title of its own."""
    foreign = window.page.evaluate(
        """() => [...document.querySelectorAll("*")].flatMap(node => [
            ...(["SCRIPT", "IMG", "B", "IFRAME", "STYLE"].includes(node.nodeName)
                && !node.src?.endsWith("/app.js") ? [node.outerHTML] : []),
            ...[...node.attributes].filter(({name}) => name.startsWith("on")).map(({name}) => name),
            ...["href", "src"].map(name => node.getAttribute(name) ?? "").filter(value => /^\\s*javascript:/i.test(value)),
        ])"""
    )
    assert foreign == []
    assert "broken" != window.page.title()


def test_fleets_and_a_fleet_with_hostile_names(fleets):
    expect(fleets.by("fleet-row")).to_have_count(2)
    expect(fleets.by("fleet-row").filter(has_text="<script>document.title")).to_have_count(1)
    is_whole(fleets)
    fleets.by("fleet-row").filter(has_text="<script>document.title").get_by_role("link").click()
    expect(fleets.by("heading")).to_have_text(NAMES[0])
    expect(fleets.by("diagram")).to_have_attribute("data-status", "drawn")
    for name in NAMES[:9]:
        expect(fleets.by("state-row").filter(has_text=SHOWN.get(name, name)).first).to_be_visible()
    expect(fleets.by("due").get_by_test_id("machine-row")).to_have_count(len(KEYS))
    is_whole(fleets)


@pytest.mark.parametrize("state", range(1, 4))
def test_the_machines_of_a_hostile_state(fleets, state):
    fleets.by("fleet-row").filter(has_text="__proto__").first.get_by_role("link").click()
    fleets.by("state-row").filter(has_text=NAMES[state]).get_by_role("link").click()
    # All are in the state to which the first event has led.
    expect(fleets.by("state-list").get_by_test_id("machine-row")).to_have_count(len(KEYS) if state == 1 else 0)
    is_whole(fleets)


@pytest.mark.parametrize("at", range(len(KEYS)))
def test_a_machine_with_a_hostile_key(fleets, db, at):
    """Its address is found by the page itself, so whatever bytes the key has, they get there and back."""
    fleets.by("fleet-row").filter(has_text="__proto__").first.get_by_role("link").click()
    key = (b"__proto__:" + KEYS[at]).decode(errors="surrogateescape")
    rows = fleets.by("due").get_by_test_id("machine-row")
    expect(rows).to_have_count(len(KEYS))
    keys = rows.evaluate_all("rows => rows.map(row => [...row.dataset.key].map(each => each.codePointAt(0)))")
    rows.nth(keys.index([ord(char) for char in key])).get_by_role("link").click()
    expect(fleets.by("state")).to_have_text(NAMES[1])
    expect(fleets.by("move").first.get_by_test_id("move-who")).to_contain_text(SHOWN[NAMES[9]])
    expect(fleets.by("move").first.get_by_test_id("move-reason")).to_contain_text("\\x00<b>")
    expect(fleets.by("diagram")).to_have_attribute("data-status", "drawn")
    is_whole(fleets)
    assert all("proto" not in url for url in fleets.asked)
    fleets.page.reload()
    expect(fleets.by("state")).to_have_text(NAMES[1])
    fleets.click_fire("back")
    is_whole(fleets)
    fleets.by("fire-reason").fill(NAMES[0])
    fleets.by("fire-submit").click()
    expect(fleets.by("state")).to_have_text(NAMES[0])
    expect(fleets.by("event")).to_have_count(len(NAMES) - 1)
    is_whole(fleets)
    (move,) = StateMachines(db).history(b"__proto__:" + KEYS[at], count=1)
    assert move.reason == NAMES[0]


def test_a_byte_that_is_no_utf_8_is_shown_as_such(fleets):
    fleets.by("search").fill("__proto__:")
    expect(fleets.by("search-hit").filter(has_text=r"__proto__:\xff\xfe\x00\r\n\xc3(")).to_have_count(1)
    is_whole(fleets)


def test_an_event_with_a_hostile_name_is_fired(fleets, machines):
    fleets.go("#/machine/__proto__%3A__proto__")
    fleets.click_fire("back")
    fleets.by("fire-submit").click()
    # The first leads to a state of this name.
    row = fleets.by("event").filter(has_text=NAMES[1]).nth(1)
    row.get_by_test_id("fire").click()
    is_whole(fleets)
    fleets.by("fire-submit").click()
    expect(fleets.by("move").first.get_by_test_id("move-event")).to_contain_text(NAMES[1])
    assert machines.history("__proto__:__proto__", count=1)[0].event == NAMES[1]


def test_an_address_that_is_hostile(fleets):
    for fragment in (
        "#/machine/<img src=x onerror=alert(1)>",
        "#/fleet/%ff%00",
        "#/fleet/__proto__/state/toString",
        "#javascript:alert(1)",
    ):
        fleets.go(fragment)
        expect(fleets.by("heading").or_(fleets.by("problem")).first).to_be_visible()
        is_whole(fleets)
