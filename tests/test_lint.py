"""SM.LINT: each code on a machine made for it, and random machines compared with a naive check."""

import json
import random

import pytest

from documents import ORDER
from harness import NIL, ROOT
from model import Machine
from test_corpus import FILES, load
from traffic import random_document, store

SEVERITY = {
    "initial-without-entry": "error",
    "current-without-entry": "error",
    "unreachable": "warning",
    "no-way-out": "warning",
    "repeated-target": "info",
    "state-leftover": "warning",
}


def lint(client, key="m"):
    """Returns (code, state) of every finding, and checks the rest of its row."""
    rows = [[part.decode() for part in row] for row in client.execute_command("SM.LINT", key)]
    for severity, code, _, message in rows:
        assert severity == SEVERITY[code] and message and message.isprintable()
    return [(code, state) for _, code, state, _ in rows]


def lint_of(client, mapping, initial, current=""):
    document = json.dumps({"current": current, "initial": initial, "map": mapping})
    store(client, "m", document)
    return lint(client)


# ---- the naive check ----------------------------------------------------------------------------


def leads_to(mapping, start):
    """Returns every state on a path from `start`, including `start`."""
    found = [start]
    for state in found:
        found += [target for target in mapping.get(state, []) if target not in found]
    return found


def in_order(mapping, initial):
    """Returns the states of the map and the initial one: entries first, then in order of appearance."""
    targets = (target for row in mapping.values() for target in row)
    return list(dict.fromkeys([*mapping, *targets, initial]))


def naive(mapping, initial, current, stored=None):
    """`stored`: the state in which it was stored, if that isn't the current one."""
    states = in_order(mapping, initial)
    reached = leads_to(mapping, initial)
    ends = [state for state in reached if not mapping.get(state)]
    leftover = [state for state in [current if stored is None else stored] if state not in states]
    stuck = [s for s in reached if ends and not any(end in leads_to(mapping, s) for end in ends)]
    return (
        [("initial-without-entry", initial)] * (initial not in mapping)
        + [("current-without-entry", current)] * (current not in states)
        + [("state-leftover", state) for state in leftover]
        + [("unreachable", state) for state in states if state not in reached]
        + [("no-way-out", state) for state in states if state in stuck]
        + [("repeated-target", s) for s, row in mapping.items() if len(set(row)) < len(row)]
    )


SEEDS = range(40)


def random_documents(seed):
    rng = random.Random(seed)
    return [random_document(rng) for _ in range(10)]


@pytest.mark.parametrize("seed", SEEDS)
def test_random_machines(db, seed):
    rng = random.Random(seed)
    for document in random_documents(seed):
        model = store(db, "m", document)
        stored = model.current
        assert lint(db) == naive(model.map, model.initial, stored), document
        db.execute_command("SM.RESET", "m")
        assert lint(db) == naive(model.map, model.initial, model.initial, stored), document
        moved = rng.choice(sorted(model.states))
        db.execute_command("SM.MUTATE", "m", moved, "", "FORCE")
        assert lint(db) == naive(model.map, model.initial, moved, stored), document


def test_some_random_machines_have_a_leftover_state():
    """Without such, the test above would say nothing of them."""
    models = [Machine.of(text, any_state=True) for seed in SEEDS for text in random_documents(seed)]
    assert sum(bool(model.leftovers()) for model in models) > 10


def sparse(rng):
    """Makes a machine with few transitions, so that every code except the first occurs."""
    names = [f"s{i}" for i in range(rng.randint(2, 12))]
    keys = [name for name in names if name == "s0" or rng.random() < 0.8]
    mapping = {key: rng.choices(names, k=rng.choice([0, 1, 1, 2, 3])) for key in keys}
    return mapping, "s0", rng.choice([*names, "elsewhere"])


def test_sparse_machines_and_every_code_occurs(db):
    rng, seen = random.Random(1), set()
    for _ in range(400):
        machine = sparse(rng)
        found = lint_of(db, *machine)
        assert found == naive(*machine), machine
        seen.update(code for code, _ in found)
    assert seen == set(SEVERITY) - {"initial-without-entry"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_real_machines(db, file):
    model = load(file)
    assert lint_of(db, model.map, model.initial) == naive(model.map, model.initial, model.initial)


@pytest.mark.parametrize("file", sorted(ROOT.glob("docs/gallery/*.json")), ids=lambda path: path.stem)
def test_the_gallery_is_sound(db, file):
    db.execute_command("SM.SET", "m", file.read_bytes())
    assert lint(db) == []


# ---- one by one ---------------------------------------------------------------------------------


def test_a_sound_machine_has_no_findings(db):
    db.execute_command("SM.SET", "m", ORDER)
    for current in ("bar", "boo", "blee"):
        db.execute_command("SM.MUTATE", "m", current, "", "FORCE")
        assert lint(db) == []


def test_a_machine_that_goes_round_for_ever_is_sound(db):
    assert lint_of(db, {"red": ["green"], "green": ["red"]}, "red") == []


def test_a_blank_machine_never_moves(db):
    db.execute_command("SM.CREATE", "m")
    assert lint(db) == [("initial-without-entry", "")]


def test_an_initial_state_without_an_entry(db):
    found = lint_of(db, {"a": ["b"]}, "x")
    assert found == [("initial-without-entry", "x"), ("unreachable", "a"), ("unreachable", "b")]


def test_a_current_state_that_is_nowhere_in_the_map(db):
    leftover = ("state-leftover", "y")
    assert lint_of(db, {"a": ["a"]}, "a", "y") == [("current-without-entry", "y"), leftover]
    db.execute_command("SM.RESET", "m")
    assert lint(db) == [leftover]
    db.execute_command("SM.MUTATE", "m", "y", "", "FORCE")
    assert lint(db) == [("current-without-entry", "y"), leftover]
    db.execute_command("SM.RESET", "m")
    db.execute_command("COPY", "m", "copy")
    db.execute_command("DEBUG", "RELOAD")
    assert lint(db) == lint(db, "copy") == [leftover]


def test_what_is_stored_again_without_it_has_no_leftover(db):
    assert lint_of(db, {"a": ["a"]}, "a", "y")
    db.execute_command("SM.RESET", "m")
    db.execute_command("SM.SET", "m", db.execute_command("SM.GET", "m"))
    assert lint(db) == []


def test_no_way_out(db):
    found = lint_of(db, {"a": ["b", "end"], "b": ["c"], "c": ["b"]}, "a")
    assert found == [("no-way-out", "b"), ("no-way-out", "c")]


def test_an_entry_without_targets_is_an_end(db):
    assert lint_of(db, {"a": ["b", "end"], "b": ["b"], "end": []}, "a") == [("no-way-out", "b")]


def test_repeated_targets_once_an_entry(db):
    found = lint_of(db, {"a": ["b", "b", "b", "a", "a"], "b": ["a", "a"]}, "a")
    assert found == [("repeated-target", "a"), ("repeated-target", "b")]


def test_names_come_as_they_are(db):
    name = 'q"\n\0🚀'
    assert lint_of(db, {"a": ["a"], name: ["a"]}, "a") == [("unreachable", name)]


def test_the_messages_of_a_code_are_one_text(db):
    db.execute_command("SM.SET", "m", '{"initial":"a","map":{"a":["a"],"b":["a"],"c":["a"]}}')
    first, second = db.execute_command("SM.LINT", "m")
    assert first[3] == second[3] == b"no path leads here from the initial state"


def test_a_missing_key_is_nil_and_another_type_an_error(wire):
    assert wire("SM.LINT", "m") == NIL
    wire("SET", "m", "text")
    assert wire("SM.LINT", "m").startswith(b"-WRONGTYPE ")


def test_the_reference_lists_every_code():
    text = (ROOT / "docs/commands.md").read_text()
    for code, severity in SEVERITY.items():
        assert f"| {severity} | `{code}` |" in text


# ---- the largest machines -------------------------------------------------------------------------

STATES = 99_000  # just under the limit; a quadratic check would take far too long


def test_a_long_chain(db):
    mapping = {f"s{i}": [f"s{i + 1}", f"s{i // 2}"] for i in range(STATES)}
    assert lint_of(db, mapping, "s0") == []


def test_all_lead_to_one_that_leads_to_all(db):
    mapping = {f"s{i}": ["hub", "hub"] for i in range(STATES)}
    mapping["hub"] = [*mapping, "end"] * 2
    findings = lint_of(db, mapping, "hub")
    assert findings == [("repeated-target", state) for state in mapping]


def test_none_is_reached(db):
    mapping = {f"s{i}": [f"s{i + 1}"] for i in range(STATES)}
    findings = lint_of(db, {"a": ["a"], **mapping}, "a")
    assert findings == [("unreachable", f"s{i}") for i in range(STATES + 1)]
