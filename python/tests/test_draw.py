"""Drawings: the text for Graphviz is the server's, and Graphviz takes it."""

import shutil
import subprocess

import pytest

from converting import HOSTILE, PLAIN, definition, exported, timer
from redis_state import Definition
from redis_state._draw import dot, time_shown


@pytest.mark.parametrize("names", [PLAIN, HOSTILE], ids=["plain", "any"])
def test_the_server_draws_the_same(db, names):
    for seed in range(60):
        found = definition(seed, names)
        assert dot(found, found.initial) == exported(db, found, "DOT"), f"seed {seed}"


def test_without_a_current_state_none_is_highlighted():
    found = Definition(map={"a": {"x": "b"}}, initial="a", any={"y": "b"}, after={"b": timer(None, 1000)})
    assert dot(found) == (
        "digraph machine {\n    rankdir=LR;\n    node [shape=box, style=rounded];\n"
        '    start [shape=point, label=""];\n    s0 [label="a"];\n    s1 [label="b"];\n'
        '    any [shape=circle, label="*"];\n    deleted [shape=point, peripheries=2, label=""];\n    start -> s0;\n'
        '    s0 -> s1 [label="x"];\n    any -> s1 [label="y"];\n    s1 -> deleted [label="after 1 s", style=dashed];\n}\n'
    )


def test_times_are_shown_in_the_largest_unit_that_says_them():
    assert [time_shown(ms) for ms in (None, 1, 60_001, 90_000, 7_200_000, 2_592_000_000)] == [
        "timer", "after 1 ms", "after 60001 ms", "after 90 s", "after 2 h", "after 30 d",
    ]  # fmt: skip


@pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz is not installed")
def test_graphviz_takes_any_names():
    for seed in range(20):
        text = dot(definition(seed, HOSTILE))
        done = subprocess.run(["dot", "-Tsvg"], input=text.encode(), capture_output=True, timeout=120)
        assert done.returncode == 0 and not done.stderr, done.stderr.decode()
