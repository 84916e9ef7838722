"""The machines of docs/gallery load and can be walked, and their diagrams are those of SM.EXPORT."""

import json
import re

import pytest

from harness import ROOT

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
def machine(path):
    return json.loads(path.read_text())


@pytest.fixture
def loaded(db, path):
    assert db.execute_command("SM.SET", "m", path.read_bytes()) == b"OK"
    return db


def states(machine):
    targets = (target for row in machine["map"].values() for target in row)
    return list(dict.fromkeys([*machine["map"], *targets, machine["initial"]]))


def test_there_are_five():
    assert len(MACHINES) == 5


def test_the_gallery_and_the_readme_have_pictures():
    assert {ROOT / "README.md", GALLERY / "README.md"} <= set(DRAWN)


def test_the_server_gives_it_back(loaded, machine):
    assert json.loads(loaded.execute_command("SM.GET", "m")) == {**machine, "current": machine["initial"]}


def test_every_move_is_as_the_map_says(loaded, machine):
    for source in states(machine):
        for target in states(machine):
            assert loaded.execute_command("SM.MUTATE", "m", source, "", "FORCE") == b"OK"
            allowed = target in machine["map"].get(source, [])
            assert loaded.execute_command("SM.MUTATE", "m", target) == (b"OK" if allowed else None)


def test_every_state_is_reached_from_the_initial_one(machine):
    reached = [machine["initial"]]
    for state in reached:
        reached += [target for target in machine["map"].get(state, []) if target not in reached]
    assert set(reached) == set(states(machine))


def test_the_gallery_shows_it(path):
    assert f"({path.name})" in TEXT


@pytest.mark.parametrize("path", DRAWN, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_diagrams_are_what_the_server_draws(db, path):
    """Before each diagram, the page names the machine's file or has its document."""
    text = path.read_text()
    drawn = re.findall(r"<!-- drawn from: (.+?) -->\n+```mermaid\n(.*?)```", text, re.S)
    assert len(drawn) == text.count(MACHINE)
    for source, diagram in drawn:
        document = source if source.startswith("{") else (GALLERY / source).read_text()
        db.execute_command("SM.SET", "m", document)
        assert db.execute_command("SM.EXPORT", "m", "MERMAID").decode().rstrip("\n") == diagram.rstrip("\n")
