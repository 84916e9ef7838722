"""Runs the redis-cli transcripts and the Python of the pages (README, docs/ and others), in order, on one
server for each page.

A ```console block is a transcript and starts with `$ redis-cli`. Every line after a prompt is sent to
redis-cli, and the output must equal the lines below, byte for byte. In a ```python block an
expression with a `# -> repr` comment must have that repr. Programs in other languages are recipes:
test_clients.py runs them. A block whose fence follows a line `<!-- not run: reason -->` is left alone.
"""

import ast
import re
import shutil
import subprocess
from itertools import groupby

import pytest
import redis

from harness import ROOT, SLOWDOWN

pytestmark = pytest.mark.once

PAGES = [ROOT / "README.md", *sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")} - {ROOT / "README.md"})]
PROMPT = re.compile(r"^127\.0\.0\.1:\d+(?:\(TX\))?> ?(.*)$")
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
NOT_RUN = re.compile(r"<!-- not run: .+ -->\n+$")
RECIPES = ROOT / "docs/clients.md"
# The tests of the Python package run what is on these.
RUN_BY_PACKAGE = {ROOT / "docs" / name for name in ("python.md", "converters.md", "command-line.md")}
RUN_BY_CLIENTS = re.compile(r"<!-- recipe: .+ -->\n+$")
NO_PROGRAMS = {"mermaid"}  # test_gallery.py compares the diagrams of machines


def blocks(path, kind):
    """Yields (line number, text) of every block of a kind that is to be run."""
    text = path.read_text()
    for match in FENCE.finditer(text):
        if path not in RUN_BY_PACKAGE and match[1] == kind and not NOT_RUN.search(text[: match.start()]):
            yield text.count("\n", 0, match.start()) + 2, match[2]


def with_blocks(find):
    """Returns the pages that have such blocks, as parameters."""
    return [pytest.param(path, id=str(path.relative_to(ROOT))) for path in PAGES if find(path)]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_block_is_run_or_says_why_not(path):
    text = path.read_text()
    for match in FENCE.finditer(text):
        before, kind, body = text[: match.start()], match[1], match[2]
        run = kind == "python" or (kind == "console" and body.startswith("$ redis-cli"))
        recipe = path == RECIPES and RUN_BY_CLIENTS.search(before)
        left = kind in NO_PROGRAMS or path in RUN_BY_PACKAGE or NOT_RUN.search(before) or recipe
        assert run or left, f"{path.name}:{before.count(chr(10)) + 1}: nothing runs this {kind} block"


# ---- transcripts --------------------------------------------------------------------------------


def transcripts(path):
    return [(line, text) for line, text in blocks(path, "console") if text.startswith("$ redis-cli")]


def steps(text):
    """Yields (command, expected output) of a transcript. A command is for the shell (`$ `) or for redis-cli."""
    out = []
    for line in text.splitlines():
        prompt = PROMPT.match(line)
        if prompt:
            out.append((prompt[1], []))
        elif line.startswith("$ "):
            out.append((line, []))
        else:
            out[-1][1].append(line)
    return [(command, "\n".join(lines)) for command, lines in out]


def cli(port, *arguments, **more):
    text = subprocess.run(
        ["redis-cli", "--no-raw", "-p", str(port), *arguments],
        capture_output=True,
        timeout=30 * SLOWDOWN,
        check=True,
        **more,
    ).stdout.decode()
    # redis-cli says how long a command took if that was half a second or more.
    return re.sub(r"^\(\d+\.\d\ds\)\n", "", text, flags=re.MULTILINE)


def session(port, commands):
    """Returns the output of each command, all sent through one redis-cli.

    The outputs are separated by redis-cli's own help on a command. It never reaches the server, so it
    is neither queued in a MULTI nor counted.
    """
    mark = cli(port, input=b"help ping\n")
    script = "".join(f"{command}\nhelp ping\n" for command in commands)
    replies = cli(port, input=script.encode()).split(mark)
    assert len(replies) == len(commands) + 1 and mark.strip()
    return [reply.rstrip("\n") for reply in replies[:-1]]


@pytest.mark.skipif(not shutil.which("redis-cli"), reason="redis-cli is not installed")
@pytest.mark.parametrize("path", with_blocks(transcripts))
def test_transcripts(servers, path):
    port = servers.start().port
    for first_line, text in transcripts(path):
        for in_shell, script in groupby(steps(text), lambda step: step[0].startswith("$ ")):
            script = [step for step in script if step[0] != "$ redis-cli"]
            commands = [command for command, _ in script]
            run = [one_shot(port, command) for command in commands] if in_shell else session(port, commands)
            for (command, expected), printed in zip(script, run, strict=True):
                assert printed == expected.rstrip("\n"), f"{path.name}:{first_line}: {command}"


def one_shot(port, command):
    """Runs a shell command, redis-cli with arguments, in the folder of the README."""
    line = command.removeprefix("$ redis-cli ")
    raw = "" if line.startswith("--raw ") else "--no-raw "
    return (
        subprocess.run(
            f"redis-cli {raw}-p {port} {line}",
            shell=True,
            capture_output=True,
            check=True,
            timeout=30 * SLOWDOWN,
            cwd=ROOT,
        )
        .stdout.decode()
        .rstrip("\n")
    )


def test_the_readme_has_both_walks():
    assert transcripts(PAGES[0]) and list(blocks(PAGES[0], "python"))


# ---- Python -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", with_blocks(lambda path: list(blocks(path, "python"))))
def test_python(servers, monkeypatch, path):
    port = servers.start().port

    class Redis(redis.Redis):
        """Replaces redis.Redis in the texts, which connect to port 6379: the test's server has another port."""

        def __init__(self, *args, **kwargs):
            super().__init__(*args, **{**kwargs, "port": port})

    monkeypatch.setattr(redis, "Redis", Redis)
    monkeypatch.chdir(ROOT)
    names = {}
    for first_line, text in blocks(path, "python"):
        run_python(text, names, f"{path.name}:{first_line}")


def run_python(text, names, place):
    lines = text.splitlines()
    checked = 0
    for node in ast.parse(text).body:
        comment = re.search(r"# -> (.*)$", lines[node.end_lineno - 1])
        if isinstance(node, ast.Expr):
            value = eval(compile(ast.Expression(node.value), place, "eval"), names)
            if comment:
                checked += 1
                assert repr(value) == comment[1].strip(), f"{place}, line {node.lineno}"
        else:
            exec(compile(ast.Module([node], []), place, "exec"), names)
    assert checked == text.count("# -> "), f"{place}: a '# ->' that is not at an expression"
