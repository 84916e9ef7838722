"""The README is true: its redis-cli transcripts and its Python are run, in their order, on one server.

A ```console block that starts with `$ redis-cli` is a transcript: every line after a prompt is sent
to redis-cli, and what it prints must be the lines below, byte for byte. In a ```python block an
expression with a `# -> repr` comment must have that repr. A block whose fence follows a line
`<!-- not run: reason -->` is left alone.
"""

import ast
import re
import shutil
import subprocess

import pytest
import redis

from harness import ROOT, SLOWDOWN

README = ROOT / "README.md"
PROMPT = re.compile(r"^127\.0\.0\.1:\d+(?:\(TX\))?> ?(.*)$")
FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.M | re.S)
NOT_RUN = re.compile(r"<!-- not run: .+ -->\n+$")

pytestmark = pytest.mark.skipif(not README.exists(), reason="no README.md yet")


def blocks(kind):
    """(line number, text) of every block of a kind that is to be run."""
    text = README.read_text()
    for match in FENCE.finditer(text):
        if match[1] == kind and not NOT_RUN.search(text[: match.start()]):
            yield text.count("\n", 0, match.start()) + 2, match[2]


@pytest.fixture(scope="module")
def readme_server():
    from harness import Pool

    pool = Pool()
    yield pool.start()
    pool.close()


# ---- transcripts --------------------------------------------------------------------------------


def transcripts():
    return [(line, text) for line, text in blocks("console") if text.startswith("$ redis-cli")]


def steps(text):
    """(command, expected output) of a transcript; a command may be shell (`$ `) or redis-cli's."""
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
    return subprocess.run(
        ["redis-cli", "--no-raw", "-p", str(port), *arguments],
        capture_output=True,
        timeout=30 * SLOWDOWN,
        check=True,
        **more,
    ).stdout.decode()


def session(port, commands):
    """The output of each command, all sent through one redis-cli.

    What parts the outputs is redis-cli's own help on a command: it never reaches the server, so it
    is neither queued in a MULTI nor counted by anything.
    """
    mark = cli(port, input=b"help ping\n")
    script = "".join(f"{command}\nhelp ping\n" for command in commands)
    replies = cli(port, input=script.encode()).split(mark)
    assert len(replies) == len(commands) + 1 and mark.strip()
    return [reply.rstrip("\n") for reply in replies[:-1]]


@pytest.mark.skipif(not shutil.which("redis-cli"), reason="redis-cli is not installed")
def test_transcripts(readme_server):
    assert transcripts(), "the README has a redis-cli walk-through"
    for first_line, text in transcripts():
        script = steps(text)
        inside = [command for command, _ in script if not command.startswith("$ ")]
        replies = iter(session(readme_server.port, inside))
        for command, expected in script:
            if command == "$ redis-cli":
                continue
            if command.startswith("$ redis-cli "):
                line = command.removeprefix("$ redis-cli ")
                printed = subprocess.run(
                    f"redis-cli --no-raw -p {readme_server.port} {line}",
                    shell=True, capture_output=True, check=True, timeout=30 * SLOWDOWN,
                ).stdout.decode().rstrip("\n")
            else:
                printed = next(replies)
            assert printed == expected.rstrip("\n"), f"README.md:{first_line}: {command}"


# ---- Python -------------------------------------------------------------------------------------


def test_python(readme_server, monkeypatch):
    found = list(blocks("python"))
    assert found, "the README has a redis-py walk-through"
    port = readme_server.port

    class Redis(redis.Redis):
        """The README's client talks to port 6379; here the server is elsewhere."""

        def __init__(self, *args, **kwargs):
            super().__init__(*args, **{**kwargs, "port": port})

    monkeypatch.setattr(redis, "Redis", Redis)
    names = {}
    for first_line, text in found:
        run_python(text, names, first_line)


def run_python(text, names, first_line):
    lines = text.splitlines()
    checked = 0
    for node in ast.parse(text).body:
        comment = re.search(r"# -> (.*)$", lines[node.end_lineno - 1])
        if isinstance(node, ast.Expr):
            value = eval(compile(ast.Expression(node.value), "README.md", "eval"), names)
            if comment:
                checked += 1
                assert repr(value) == comment[1].strip(), f"README.md:{first_line + node.lineno - 1}"
        else:
            exec(compile(ast.Module([node], []), "README.md", "exec"), names)
    assert checked == text.count("# -> "), f"README.md:{first_line}: a '# ->' that is not at an expression"
