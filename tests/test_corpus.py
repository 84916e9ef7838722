"""Walks real machines (TCP, TLS, SSH, MQTT, Bluetooth) at random and compares them with the model."""

import json
import random

import pytest

from harness import ROOT
from model import Machine

CORPUS = ROOT.parent / "shared/corpus"
FILES = sorted(CORPUS.glob("*.json"))
STEPS = 400

pytestmark = pytest.mark.skipif(not FILES, reason=f"no corpus of real machines at {CORPUS}")


def load(file):
    """Loads a machine of the corpus: its states in order of appearance, each with its distinct targets."""
    data = json.loads(file.read_text())
    mapping = {}
    for source, _, target in data["transitions"]:
        targets = mapping.setdefault(source, [])
        if target not in targets:
            targets.append(target)
    return Machine(mapping, data["initial"])


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_walk(db, file):
    model, rng = load(file), random.Random(file.stem)
    document = json.dumps({"initial": model.initial, "map": model.map})
    assert db.execute_command("SM.SET", "m", document) == b"OK"
    assert db.execute_command("SM.STATE", "m", "LIST") == [s.encode() for s in model.map]
    states = sorted(model.states)
    for step in range(STEPS):
        targets = model.map.get(model.current)
        state = rng.choice(targets if targets and rng.random() < 0.6 else states)
        force = not targets or rng.random() < 0.05
        command = ["SM.MUTATE", "m", state, f"step {step}"] + ["FORCE"] * force
        moved = model.mutate(state, f"step {step}", force)
        assert (db.execute_command(*command) == b"OK") == moved, (step, command)
        assert db.execute_command("SM.STATE", "m") == [model.current.encode()]
    assert json.loads(db.execute_command("SM.GET", "m")) == model.fields()
    db.execute_command("DEBUG", "RELOAD")
    assert json.loads(db.execute_command("SM.GET", "m")) == model.fields()
    assert db.execute_command("SM.RESET", "m") == b"OK"
    assert db.execute_command("SM.STATE", "m") == [model.initial.encode()]


@pytest.mark.parametrize("file", [f for f in FILES if f.stat().st_size < 3000], ids=lambda f: f.stem)
def test_every_pair_of_states(db, file):
    model = load(file)
    document = json.dumps({"initial": model.initial, "map": model.map})
    for source in model.states:
        for target in model.states:
            db.execute_command("SM.SET", "m", document, source)
            allowed = target in model.map.get(source, [])
            assert (db.execute_command("SM.MUTATE", "m", target) == b"OK") == allowed, (source, target)
