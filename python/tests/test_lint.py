"""Lint without a server has the rows of SM.LINT."""

import json

import pytest

from redis_state import Definition, Finding
from test_definition import SEEDS, random_documents

# A definition for each code, and some that are sound.
EACH = {
    "initial-without-entry": {"map": {"a": ["b"]}, "initial": "z"},
    "unreachable": {"map": {"a": ["b"], "lost": ["b"]}, "initial": "a"},
    "no-way-out": {"map": {"a": ["b", "c"], "c": ["c"]}, "initial": "a"},
    "repeated-target": {"map": {"a": ["b", "b"]}, "initial": "a"},
    "timer-never-starts": {
        "map": {"a": ["b"]},
        "initial": "a",
        "after": {"a": {"to": "t", "ms": 5}, "t": {"to": "b"}},
    },
    "timer-cycle": {
        "map": {"a": ["b"], "b": ["a"]},
        "initial": "a",
        "after": {"a": {"to": "b", "ms": 5}, "b": {"to": "a", "ms": 5}},
    },
    "event-never": {"map": {"a": {"go": []}, "b": {"go": "a"}}, "initial": "a", "any": {"go": "b"}},
    "sound with a way out by the second event of any": {
        "map": {"i": {"x": "a"}, "a": {"leave": []}, "b": {"leave": []}, "c": {"go": []}},
        "initial": "i",
        "any": {"go": "b", "leave": "c"},
    },
    "sound": {"map": {"a": ["b"]}, "initial": "a"},
    "sound with any": {"map": {"a": {"go": "b"}}, "initial": "a", "any": {"stop": "b"}},
}


def server_rows(db, definition):
    db.execute_command("SM.SET", "m", definition.to_json())
    return [Finding(*(part.decode() for part in row)) for row in db.execute_command("SM.LINT", "m")]


@pytest.mark.parametrize("code", EACH)
def test_each_code_is_found(db, code):
    definition = Definition.from_document(EACH[code])
    found = definition.lint()
    assert found == server_rows(db, definition)
    assert (code in {finding.code for finding in found}) != code.startswith("sound")


@pytest.mark.parametrize("seed", SEEDS)
def test_random_definitions_have_the_servers_rows(db, seed):
    for document in random_documents(seed):
        definition = Definition.from_document(document)
        assert definition.lint() == server_rows(db, definition), json.dumps(document)


def test_a_large_definition_is_linted_in_linear_time(db):
    count = 20_000
    rows = {f"s{at}": {"next": f"s{at + 1}", f"e{at}": []} for at in range(count)}
    definition = Definition(map=rows, initial="s0", any={f"e{at}": f"s{at}" for at in range(200)})
    assert definition.lint() == server_rows(db, definition)
