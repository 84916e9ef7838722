"""docs/command-line.md: its transcripts are what the shell prints, but for times."""

import os
import re
import shutil
import subprocess
import time

import pytest

from commandline import PROGRAM, environment, machines_of, run
from conftest import ORDER
from harness import ROOT
from redis_state import Definition
from redis_state.cli import program

PAGE = ROOT / "docs/command-line.md"
BLOCK = re.compile(r"^    \$ .*\n(?:    .*\n)*", re.M)
NOT_RUN = re.compile(r"<!-- not run: .+ -->\n+$")
# Times, durations and what is made by chance.
VARIES = [
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d{3})?Z"), "TIME"),
    (re.compile(r"\b\d+(?:ms|[smhd])\b(?: \d+[smh]\b)?"), "DURATION"),
    (re.compile(r'"(idle_ms|seconds)": [\d.]+'), r"\1"),
    (re.compile(r"(sweep|migrate)-[0-9a-f]{12}"), r"\1-ID"),
    (re.compile(r" +"), " "),
]


def steps():
    """Yields each command, and what it prints."""
    text = PAGE.read_text()
    for block in BLOCK.finditer(text):
        if NOT_RUN.search(text[: block.start()]):
            continue
        for step in block[0].split("    $ ")[1:]:
            command, *printed = step.splitlines()
            yield command, "\n".join(line[4:] for line in printed)


@pytest.fixture
def shell(server, tmp_path):
    """Returns a function that runs a command in a folder with order.json, and returns what it prints."""
    shutil.copy(ROOT / "docs/gallery/order.json", tmp_path)
    for name, words in {
        "redis-state": PROGRAM,
        "redis-cli": [shutil.which("redis-cli"), "-p", str(server.port)],
    }.items():
        script = tmp_path / "bin" / name
        script.parent.mkdir(exist_ok=True)
        script.write_text(f'#!/bin/sh\nexec {" ".join(words)} "$@"\n')
        script.chmod(0o755)
    path = f"{tmp_path / 'bin'}:{os.environ['PATH']}"

    def run(command):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "timeout": 60}
        words = ["bash", "-c", command]
        return subprocess.run(words, cwd=tmp_path, env=environment(server, PATH=path), **pipes).stdout.rstrip("\n")

    return run


def masked(text):
    for pattern, word in VARIES:
        text = pattern.sub(word, text)
    return text


def test_the_transcripts_are_what_is_printed(shell):
    for command, printed in steps():
        assert masked(shell(command)) == masked(printed), command


NEEDS = re.findall(r"^\| \[`(\w+)[ `].*\| ((?:`SM\.\w+`(?:, )?)+) \|$", PAGE.read_text(), re.M)
ARGUMENTS = {
    "lint": ["order:1"],
    "draw": ["order:1", "-o", "x.dot"],
    "show": ["order:1"],
    "history": ["order:1"],
    "watch": ["order:1", "--every", "10ms"],
    "fleet": ["order"],
    "stuck": ["order", "--idle", "1ms"],
    "sweep": ["order", "--state", "new", "--idle", "1ms", "--event", "pay"],
    "migrate": ["order", "new.json"],
}


def test_the_table_has_what_every_subcommand_needs():
    assert [name for name, _ in NEEDS] == [name for name in program.commands if name != "convert"]


# The console goes on until Ctrl-C. Its page has tests of its own for a user who can only read.
ENDING = [(name, needs) for name, needs in NEEDS if name != "console"]


@pytest.mark.parametrize(("name", "needs"), ENDING, ids=[name for name, _ in ENDING])
def test_a_user_with_what_the_table_says_can_do_it(db, tmp_path, monkeypatch, name, needs):
    monkeypatch.chdir(tmp_path)
    machines_of(db.server).new("order:1", ORDER)
    old = Definition.from_document({**ORDER.to_document(), "revision": 4})
    machines_of(db.server).new("order:2", old)
    (tmp_path / "new.json").write_text(old.to_json())
    if name == "watch":
        # It ends when the key is gone.
        db.pexpire("order:1", 300)
    time.sleep(0.01)
    rules = [f"+{command.strip('`').lower()}" for command in needs.split(", ")]
    db.execute_command("ACL", "SETUSER", "reader", "reset", "on", ">secret", "~*", "-@all", *rules)
    result = run(name, *ARGUMENTS[name], "--url", f"redis://reader:secret@127.0.0.1:{db.server.port}")
    assert (result.exit_code, "ACL" in result.stderr) == (0, False), result.stderr


def test_every_subcommand_and_option_is_on_the_page():
    text = PAGE.read_text()
    for name, command in program.commands.items():
        assert f"\n## {name}\n" in text and f"redis-state {name} " in text
        for option in command.params:
            assert option.param_type_name == "argument" or option.opts[-1] in text or option.opts[0] in text, option
