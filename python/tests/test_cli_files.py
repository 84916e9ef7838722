"""The command line: convert, lint and draw, with and without a server."""

import json
import os

import pytest

from commandline import answer, complaint, facts, machines_of, run, whole_output
from conftest import ORDER
from redis_state import Definition

XSTATE = json.dumps(
    {
        "id": "door",
        "initial": "open",
        "states": {"open": {"on": {"CLOSE": {"target": "shut", "actions": "bang"}}}, "shut": {"type": "final"}},
    }
)
TYPO = json.dumps({"initial": "new", "map": {"new": ["paid"], "payed": ["paid"]}})
DEAD = json.dumps({"initial": "new", "map": {"old": ["new"]}})
FORMATS = ("xstate", "asl", "scxml", "transitions", "mermaid", "document")


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "door.json").write_text(XSTATE)
    (tmp_path / "order.json").write_text(ORDER.to_json())
    (tmp_path / "typo.json").write_text(TYPO)
    (tmp_path / "dead.json").write_text(DEAD)
    (tmp_path / "latin.json").write_bytes(b'{"initial":"\xe9","map":{}}')
    (tmp_path / "text.json").write_text("this is no machine at all")
    return tmp_path


# ---- convert -----------------------------------------------------------------------------------------


def test_convert_prints_the_text_and_tells_what_was_left_out(files):
    result = run("convert", "door.json", "--to", "document")
    assert result.exit_code == 0
    assert Definition.from_json(result.stdout).map == {"open": {"CLOSE": "shut"}, "shut": ()} or result.stdout
    assert all(line.startswith("note: ") for line in result.stderr.splitlines())
    assert "bang" in result.stderr


@pytest.mark.parametrize("format", FORMATS)
def test_convert_writes_every_format_and_reads_it_again(files, format):
    assert answer("convert", "order.json", "--to", format, "-o", "out") == []
    assert answer("convert", "out", "--from", format, "--to", "document") != []


def test_convert_reads_stdin_and_gives_a_name(files):
    (line,) = answer("convert", "-", "--from", "xstate", "--to", "document", "--name", "gate", stdin=XSTATE)
    assert json.loads(line)["name"] == "gate"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["none.json", "--to", "mermaid"], "none.json: no such file or directory"),
        ([".", "--to", "mermaid"], ".: is a directory"),
        (["order.json", "--to", "document", "-o", "no/such/folder"], "no/such/folder: no such file or directory"),
        (["/dev/zero", "--to", "mermaid"], "/dev/zero: larger than 16 MiB, too large for a definition"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line(files, words, said):
    assert complaint("convert", *words) == said


@pytest.mark.parametrize("command", [["convert", "--to", "document"], ["lint"], ["draw", "-o", "x.dot"]])
@pytest.mark.parametrize("file", ["latin.json", "text.json"])
def test_a_file_that_is_no_machine_is_one_line(files, command, file):
    assert complaint(command[0], file, *command[1:]).startswith(f"{file}: ")


def test_a_file_that_is_not_what_it_is_said_to_be_is_one_line(files):
    assert complaint("convert", "order.json", "--from", "scxml", "--to", "document").startswith("order.json: ")


def test_an_xml_bomb_is_one_line(files):
    bomb = '<!DOCTYPE scxml [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><scxml initial="&b;"><state id="x"/></scxml>'
    (files / "bomb.scxml").write_text(bomb)
    assert complaint("lint", "bomb.scxml").startswith("bomb.scxml: ")


def test_converted_text_reaches_a_terminal_escaped(files, db):
    (files / "evil.json").write_text(json.dumps({"initial": "\u202e\u009b2J", "map": {}}, ensure_ascii=False))
    raw = whole_output(db.server, "convert", "evil.json", "--to", "document")
    assert b"\\u202e\\u009b2J" in raw and "\u202e".encode() not in raw and b"-o writes them as they are" in raw
    assert answer("convert", "evil.json", "--to", "document")[0] == '{"map":{},"initial":"\u202e\u009b2J"}'


# ---- lint --------------------------------------------------------------------------------------------


def test_lint_of_a_file_is_that_of_its_machine(files, db):
    machines_of(db.server).new("typo", Definition.from_json(TYPO))
    assert answer("lint", "typo.json") == answer("lint", "typo", at=db.server)
    assert answer("lint", "typo.json") == [
        "severity  code         state  what",
        "warning   unreachable  payed  no path leads here from the initial state",
    ]
    assert facts("lint", "typo.json") == facts("lint", "typo", at=db.server)


def test_the_exit_code_of_lint_says_whether_there_are_mistakes(files):
    assert run("lint", "order.json").exit_code == 0
    assert run("lint", "typo.json").exit_code == 0
    assert run("lint", "typo.json", "--strict").exit_code == 1
    assert run("lint", "dead.json").exit_code == 1
    assert run("lint", "order.json").stderr == "no findings\n"


def test_a_key_and_a_file_of_one_name_are_told_apart(files, db):
    machines_of(db.server).new("order.json", Definition.from_json(TYPO))
    assert facts("lint", "order.json", at=db.server) == []
    assert [each["code"] for each in facts("lint", "order.json", "--key", at=db.server)] == ["unreachable"]


def test_a_file_needs_no_suffix(files, db):
    os.rename("typo.json", "typo")
    assert [each["code"] for each in facts("lint", "typo", at=db.server)] == ["unreachable"]


def test_what_is_neither_a_file_nor_a_key_is_one_line(files, db):
    assert complaint("lint", "nothing", at=db.server) == "there is neither a file nor a machine 'nothing'"
    assert complaint("lint", "x", "--key", at=db.server) == "there is no machine at the key 'x'"
    assert (
        complaint("draw", "nothing", "-o", "x.svg", at=db.server) == "there is neither a file nor a machine 'nothing'"
    )


# ---- draw --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "begins"),
    [
        ("x.svg", b"<?xml"),
        ("x.png", b"\x89PNG"),
        ("x.pdf", b"%PDF"),
        ("x.dot", b"digraph"),
        ("x.mmd", b"stateDiagram-v2"),
    ],
)
def test_draw_writes_pictures_and_texts(files, db, file, begins):
    machines_of(db.server).new("order:1", ORDER, state="paid")
    for source in ("order.json", "order:1"):
        assert answer("draw", source, "-o", file, at=db.server) == []
        assert (files / file).read_bytes().startswith(begins)
        os.remove(file)


def test_draw_of_a_key_shows_the_current_state(files, db):
    machines_of(db.server).new("order:1", ORDER, state="paid")
    answer("draw", "order:1", "-o", "key.dot", at=db.server)
    answer("draw", "order.json", "-o", "file.dot")
    differ = [line for line in (files / "key.dot").read_text().splitlines() if "fillcolor" in line]
    assert len(differ) == 1 and "paid" in differ[0]
    assert "fillcolor" not in (files / "file.dot").read_text()


def test_without_graphviz_the_texts_are_written(files):
    said = complaint("draw", "order.json", "-o", "x.svg", PATH="/nowhere")
    assert said.startswith("Graphviz' program dot is not installed: install Graphviz")
    assert answer("draw", "order.json", "-o", "x.dot", PATH="/nowhere") == []


def test_another_suffix_is_a_mistake(files):
    said = complaint("draw", "order.json", "-o", "x.gif", code=2)
    assert "expected a name that ends with .svg, .png, .pdf, .dot, .gv, .mmd" in said
    assert not (files / "x.gif").exists()
