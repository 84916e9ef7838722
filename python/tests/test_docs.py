"""The Python examples of docs/python.md and README.md do what they say. `# ->` is the value of a line, or what it
prints."""

import ast
import contextlib
import io
import re

import pytest
import redis

from harness import ROOT

BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = ["docs/python.md", "python/README.md"]


def run(block, names):
    """Runs a block statement by statement, and returns how many results were compared."""
    lines, compared = block.splitlines(), 0
    for statement in ast.parse(block).body:
        printed = io.StringIO()
        expected = re.search(r"# -> (.*)$", lines[statement.end_lineno - 1])
        with contextlib.redirect_stdout(printed):
            if isinstance(statement, ast.Expr):
                value = eval(compile(ast.Expression(statement.value), "example", "eval"), names)
                result = repr(value)
            else:
                exec(compile(ast.Module([statement], []), "example", "exec"), names)
                result = printed.getvalue().rstrip("\n")
        if expected:
            assert result == expected.group(1), lines[statement.end_lineno - 1]
            compared += 1
    return compared


@pytest.mark.parametrize("page", PAGES)
def test_the_examples_run(page, server):
    names, compared = {}, 0
    for block in BLOCK.findall((ROOT / page).read_text()):
        compared += run(block.replace("port=6379", f"port={server.port}"), names)
    assert compared >= 4


def test_every_exception_is_on_the_page():
    import redis_state

    page = (ROOT / "docs/python.md").read_text()
    for name in redis_state.__all__:
        found = getattr(redis_state, name)
        if isinstance(found, type) and issubclass(found, Exception):
            assert f"`{name}`" in page or f"`{name}`s" in page, name
    assert redis.ResponseError.__name__ in page
