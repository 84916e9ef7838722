"""The command line: every error is one line, and an exit code."""

import json
import subprocess

import pytest

from commandline import PROGRAM, answer, complaint, environment, facts, machines_of, run, start, url
from conftest import ORDER
from test_faults import OldServer
from test_sentinel import watched as watched

READS = [
    ["show", "k"],
    ["history", "k"],
    ["watch", "k"],
    ["lint", "k"],
    ["draw", "k", "-o", "x.dot"],
    ["fleet", "order"],
    ["stuck", "order"],
    ["sweep", "order", "--state", "new", "--idle", "1s", "--event", "pay"],
    ["migrate", "order", "order.json"],
]


@pytest.fixture(autouse=True)
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "order.json").write_text(json.dumps({**ORDER.to_document(), "revision": 4}))
    return tmp_path


@pytest.mark.parametrize("words", READS, ids=lambda words: words[0])
def test_no_server_is_one_line(words):
    assert complaint(*words, at=1).startswith("no connection to the server: ")


@pytest.mark.parametrize("words", READS, ids=lambda words: words[0])
def test_a_server_without_the_module_is_one_line(servers, words):
    said = complaint(*words, at=servers.start(module=None))
    assert "because the module redisstate isn't loaded" in said and "loadmodule /path/to/libredis_state.so" in said


@pytest.mark.parametrize("words", READS, ids=lambda words: words[0])
def test_a_server_with_an_older_module_is_one_line(words):
    server = OldServer()
    said = complaint(*words, "--url", f"{url(server)}?protocol=2")
    assert said.startswith("the module redisstate of the server is too old: it has no command SM.")
    server.listener.close()


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["show", "order:1"], "SM.INFO"),
        (["history", "order:1"], "SM.HISTORY"),
        (["fleet", "order"], "SM.COUNT"),
        (["lint", "order:1"], "SM.LINT"),
        (["draw", "order:1", "-o", "x.mmd"], "SM.EXPORT"),
    ],
)
def test_a_command_that_is_forbidden_is_named(db, words, command):
    machines_of(db.server).new("order:1", ORDER)
    as_user(db, "+@all", f"-{command}")
    said = complaint(*words, "--url", f"redis://reader:secret@127.0.0.1:{db.server.port}")
    assert said.startswith(f"the server's ACL doesn't permit {command}: ")
    assert "secret" not in said


@pytest.mark.parametrize(
    ("words", "command"),
    [
        (["sweep", "order", "--state", "new", "--idle", "1ms", "--event", "pay"], "SM.FIRE"),
        (["migrate", "order", "order.json"], "SM.REDEFINE"),
    ],
)
def test_a_command_that_is_forbidden_stops_a_walk(db, words, command):
    machines_of(db.server).new("order:1", ORDER)
    as_user(db, "+@all", f"-{command}")
    result = run(*words, "--url", f"redis://reader:secret@127.0.0.1:{db.server.port}")
    assert result.exit_code == 1
    assert result.stderr.startswith(f"stopped: the server's ACL doesn't permit {command}: ")


def test_who_may_only_look_needs_no_more(db):
    machines_of(db.server).new("order:1", ORDER)
    as_user(
        db, "-@all", "+ping", "+hello", "+auth", "+client", "+sm.info", "+sm.events", "+sm.get", "+sm.count", "+sm.scan"
    )
    who = ["--url", f"redis://reader:secret@127.0.0.1:{db.server.port}"]
    assert facts("show", "order:1", *who)["state"] == "new"
    assert answer("show", "order:1", *who)[1].split() == ["state", "new"]
    assert facts("fleet", "order", *who)["machines"] == 1
    assert facts("stuck", "order", "--idle", "1ms", *who)[0]["key"] == "order:1"


def as_user(db, *rules):
    db.execute_command("ACL", "SETUSER", "reader", "reset", "on", ">secret", "~*", "&*", *rules)


def test_a_wrong_password_is_one_line_without_it(db):
    as_user(db, "+@all")
    said = complaint("show", "k", "--url", f"redis://reader:hunter2@127.0.0.1:{db.server.port}")
    assert said.startswith("the server wants another user or password: ") and "hunter2" not in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["shwo", "k"], "No such command 'shwo'"),
        (["show"], "Missing argument 'KEY'"),
        (["show", "k", "--colour"], "No such option"),
        (["stuck", "order", "--idle", "90"], "expected a duration such as"),
        (["fleet", "\udcff"], "the text is not UTF-8"),
        (["show", "k", "--url", "http://x"], "Redis URL must specify one of the following schemes"),
        (["show", "k", "--url", "redis://x:port"], "--url: "),
        (["show", "k", "--cluster", "--sentinel", "x"], "expected only one of them"),
        (["convert", "x"], "Missing option '--to'"),
    ],
)
def test_a_mistake_in_the_arguments_is_one_line_and_2(words, said):
    assert said in complaint(*words, code=2)


def test_help_is_there_for_every_subcommand():
    from redis_state.cli import program

    assert "Commands:" in run().stdout
    for name in program.commands:
        assert run(name, "--help").stdout.startswith(f"Usage: redis-state {name} ") or run(name, "-h").exit_code == 0


def test_the_program_writes_no_colour_into_a_pipe(db):
    machines_of(db.server).new("order:1", ORDER)
    for words in (["show", "order:1"], ["history", "order:1"], ["fleet", "order"]):
        out, err = start(db.server, *words).communicate(timeout=60)
        assert "\x1b" not in out and err == "" and all(line == line.rstrip() for line in out.splitlines())


def test_a_reader_that_has_enough_is_no_error(db):
    machines_of(db.server).new("order:1", ORDER)
    words = [*PROGRAM, "history", "order:1", "--json"]
    process = subprocess.Popen(words, env=environment(db.server), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(60) == 1


def test_an_output_without_the_characters_gets_them_escaped(db):
    machines_of(db.server).new("order:1", ORDER, by="支払")
    process = start(db.server, "history", "order:1", PYTHONIOENCODING="latin-1")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "") and "\\u652f\\u6255" in out


def test_sentinel_names_the_server(watched):
    primary, _, sentinel = watched
    machines_of(primary).new("order:1", ORDER)
    assert facts("show", "order:1", "--sentinel", "orders", "--url", url(sentinel))["state"] == "new"
    said = complaint("show", "order:1", "--sentinel", "other", "--url", url(sentinel))
    assert said.startswith("no connection to the server: No master found for 'other'")
