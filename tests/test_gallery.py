"""The machines of docs/gallery load and can be walked, and their diagrams are those of SM.EXPORT."""

import json
import re

import pytest
import redis

from harness import ROOT
from versioned import Definition

pytestmark = pytest.mark.once

GALLERY = ROOT / "docs/gallery"
MACHINES = sorted(GALLERY.glob("*.json"))
TEXT = (GALLERY / "README.md").read_text()
MACHINE = "```mermaid\nstateDiagram"
DRAWN = [path for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")] if MACHINE in path.read_text()]


@pytest.fixture(params=MACHINES, ids=lambda path: path.stem)
def path(request):
    return request.param


@pytest.fixture
def fields(path):
    return json.loads(path.read_text())


@pytest.fixture
def machine(fields):
    return Definition(fields)


@pytest.fixture
def loaded(db, path):
    assert db.execute_command("SM.SET", "m", path.read_bytes()) == b"OK"
    return db


def test_there_are_six():
    assert len(MACHINES) == 6


def test_the_gallery_and_the_readme_have_pictures():
    assert {ROOT / "README.md", GALLERY / "README.md"} <= set(DRAWN)


def test_the_server_gives_it_back(loaded, fields):
    assert json.loads(loaded.execute_command("SM.GET", "m")) == {**fields, "current": fields["initial"]}


def put(db, state):
    assert db.execute_command("SM.FORCE", "m", state)[:2] == [b"moved", state.encode()]


def test_every_move_is_as_the_map_says(loaded, machine):
    for source in machine.states:
        for target in machine.states:
            put(loaded, source)
            allowed = machine.leads(source, target)
            assert loaded.execute_command("SM.MUTATE", "m", target) == (b"OK" if allowed else None)


def test_every_event_is_as_the_document_says(loaded, machine):
    for source in machine.states:
        for event in events(machine):
            targets = machine.targets(source, event)
            for target in targets:
                put(loaded, source)
                assert fire(loaded, event, "TO", target)[:2] == [b"moved", target.encode()]
            put(loaded, source)
            if len(targets) > 1:
                with pytest.raises(redis.exceptions.ResponseError, match=f"leads to {len(targets)} states"):
                    fire(loaded, event)
            else:
                assert fire(loaded, event)[0] == (b"moved" if targets else b"refused")


def events(machine):
    return {event for row in [*machine.rows.values(), machine.any] for event in row}


def fire(db, event, *more):
    return db.execute_command("SM.FIRE", "m", event, *more)


def test_every_state_is_reached_from_the_initial_one(machine):
    reached = [machine.initial]
    for state in reached:
        reached += [target for target in machine.states if machine.leads(state, target) and target not in reached]
    assert set(reached) == machine.states


def test_a_client_can_make_every_move_of_a_timer(machine):
    """Each has an event too, as the gallery says."""
    for state, timer in machine.timers.items():
        assert timer["to"] is None or machine.leads(state, timer["to"])


def test_the_gallery_shows_it(path):
    assert f"({path.name})" in TEXT


@pytest.mark.parametrize("path", DRAWN, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_diagrams_are_what_the_server_draws(db, path):
    """Before each diagram, the page names the machine's file, perhaps with a state, or has its document."""
    text = path.read_text()
    drawn = re.findall(r"<!-- drawn from: (.+?) -->\n+```mermaid\n(.*?)```", text, re.S)
    assert len(drawn) == text.count(MACHINE)
    for source, diagram in drawn:
        store(db, source)
        assert db.execute_command("SM.EXPORT", "m", "MERMAID").decode().rstrip("\n") == diagram.rstrip("\n")


def store(db, source):
    if source.startswith("{"):
        db.execute_command("SM.SET", "m", source)
    else:
        file, _, state = source.partition(" in ")
        db.execute_command("SM.SET", "m", (GALLERY / file).read_text(), state)
