"""docs/console.md: the user who can only read sees the whole page, and can change nothing."""

import json
import re

import pytest
from playwright.sync_api import expect

from harness import ROOT
from redis_state import Definition, StateMachines

(RULE,) = re.findall(r"> (ACL SETUSER looker .+)$", (ROOT / "docs/console.md").read_text(), re.M)
COMMANDS = json.loads((ROOT / "commands.json").read_text())
LAMP = Definition.from_document(
    {
        "map": {"off": {"switch": "on"}, "on": {"switch": "off"}},
        "initial": "off",
        "history": 5,
        "name": "lamp",
        "after": {"on": {"ms": 3_600_000, "to": "off"}},
    }
)


@pytest.fixture
def looker(db, monkeypatch):
    """Makes the user of the page, with some machines to look at."""
    machines = StateMachines(db)
    for number in range(5):
        machines.new(f"lamp:{number}", LAMP)
    machines.fire("lamp:1", "switch", reason="dark")
    db.execute_command(*RULE.split())
    yield f"redis://looker:secret@127.0.0.1:{db.server.port}"
    db.execute_command("ACL", "DELUSER", "looker")


def test_the_whole_page(looker, db, consoles, window):
    window = window(consoles(db.server, "--url", looker, "--write")).open()
    expect(window.by("fleet-row", name="lamp").get_by_test_id("fleet-machines")).to_have_text("5")
    window.go("#/fleet/lamp")
    expect(window.by("state-row", state="off").get_by_test_id("state-count")).to_have_text("4")
    expect(window.by("diagram")).to_have_attribute("data-status", "drawn")
    expect(window.by("stuck").get_by_test_id("machine-row")).to_have_count(5)
    expect(window.by("due").get_by_test_id("machine-row")).to_have_count(1)
    window.by("state-row", state="on").get_by_role("link").click()
    expect(window.by("state-list").get_by_test_id("machine-row")).to_have_count(1)
    window.by("search").fill("lamp:1")
    window.by("search-hit").first.click()
    expect(window.by("state")).to_have_text("on")
    expect(window.by("move")).to_have_count(2)
    expect(window.by("due")).to_be_visible()
    expect(window.by("problem")).to_be_hidden()
    # The server refuses what the page would do with --write, and the page says so.
    window.click_fire("switch")
    window.by("fire-submit").click()
    expect(window.by("fire-result")).to_have_attribute("data-what", "error")
    expect(window.by("fire-result")).to_contain_text("permi")
    assert StateMachines(db).info("lamp:1").version == 2


def commands(rows):
    """Yields the words of each command and subcommand that COMMAND knows, and how many words it has at least."""
    for name, arity, *_, subcommands in rows:
        if subcommands:
            yield from commands(subcommands)
        else:
            yield name.split(b"|"), abs(arity)


def test_nothing_that_writes(looker, db):
    """The user may run what the rule names, and besides only what every user may."""
    allowed = set()
    for words, least in commands(db.server.raw("COMMAND")):
        arguments = ["lamp:1"] * (least - len(words))
        reply = db.server.raw("ACL", "DRYRUN", "looker", *words, *arguments)
        if b"permissions" not in reply:
            allowed.add(words[0].decode().upper())
    named = {word[1:].upper() for word in RULE.split() if word.startswith("+")}
    assert named <= allowed <= named | {"AUTH", "HELLO", "QUIT", "RESET"}
    assert not {name for name in named & COMMANDS.keys() if "write" in COMMANDS[name]["flags"]}


def test_it_is_left_out_what_it_may_not_see(looker, db, consoles, window):
    db.execute_command("ACL", "SETUSER", "looker", "resetkeys", "%R~lamp:1*")
    window = window(consoles(db.server, "--url", looker)).open("#/fleet/lamp")
    expect(window.by("total")).to_have_text("5")
    expect(window.by("stuck").get_by_test_id("machine-row")).to_have_count(1)
    window.go("#/machine/lamp%3A2")
    expect(window.by("problem")).to_contain_text("can't be shown")
