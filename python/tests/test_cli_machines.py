"""The command line: one machine."""

import json
import signal

import pytest

from commandline import answer, complaint, facts, in_terminal, machines_of, run, start, whole_output
from conftest import ORDER
from redis_state import Definition, Timer

HOSTILE = "\x1b[31m[red]\u202e:smile:"


@pytest.fixture
def at(db):
    """The shared server, with an order that is paid."""
    machines = machines_of(db.server)
    machines.new("order:1", ORDER, by="shop")
    machines.fire("order:1", "pay", by="clerk 7", reason="card 4242", id="request-1")
    return db.server


def test_show_says_where_a_machine_is_and_what_can_be_fired(at):
    lines = answer("show", "order:1", at=at)
    fields = dict(line.split(maxsplit=1) for line in lines if not line.startswith(" "))
    since = fields.pop("since")
    assert fields == {
        "key": "order:1",
        "state": "paid",
        "version": "2",
        "reason": "card 4242",
        "definition": "order, revision 3",
        "size": "8 states, 7 transitions, shared by 1 machines",
        "history": "2 of at most 20 moves",
        "events": "ship → sent",
    }
    assert since.endswith("Z, 0ms ago") or "ms ago" in since
    assert [line.strip() for line in lines if line.startswith(" ")] == [
        "refund → refunded, partly refunded",
        "(no name) → lost",
        "archive → archived",
    ]


def test_show_tells_of_the_timer(db):
    machines_of(db.server).new("order:1", ORDER)
    (timer,) = [line for line in answer("show", "order:1", at=db.server) if line.startswith("timer")]
    assert timer.split()[1:3] == ["→", "cancelled"] and timer.endswith(", in 59m 59s")
    machines_of(db.server).fire("order:1", "archive", after=7_200_000)
    (timer,) = [line for line in answer("show", "order:1", at=db.server) if line.startswith("timer")]
    assert "deletes the key at " in timer and timer.endswith(", in 1h 59m")


def test_show_prints_json_of_all_that_is_known(at):
    found = facts("show", "order:1", at=at)
    assert found.pop("since").endswith("Z")
    assert found == {
        "key": "order:1",
        "state": "paid",
        "version": 2,
        "name": "order",
        "revision": 3,
        "due": None,
        "due_to": None,
        "terminal": False,
        "reason": "card 4242",
        "events": {"ship": ["sent"], "refund": ["refunded", "partly refunded"], "": ["lost"], "archive": ["archived"]},
        "states": 8,
        "transitions": 7,
        "history": 2,
        "history_limit": 20,
        "machines": 1,
    }


def test_options_stand_before_or_after_the_subcommand(at):
    url = f"redis://127.0.0.1:{at.port}"
    wrong = "redis://127.0.0.1:1"
    assert run("show", "order:1", "--json", "--url", url).exit_code == 0
    assert run("--url", wrong, "show", "order:1", "--url", url).exit_code == 0
    assert run("show", "order:1", REDIS_URL=url).exit_code == 0
    assert run("--url", url, "show", "order:1", REDIS_URL=wrong).exit_code == 0


def test_history_lists_the_newest_first_without_empty_columns(at):
    head, *rows = [line.split("  ") for line in answer("history", "order:1", at=at)]
    assert [name.strip() for name in head if name] == ["version", "at", "event", "states", "by", "user", "reason", "id"]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert [row[0] for row in cells] == ["2", "1"]
    assert cells[0][2:] == ["pay", "new → paid", "clerk 7", "default", "card 4242", "request-1"]
    assert cells[1][2:5] == ["(made)", "new", "shop"]
    machines_of(at).new("order:2", Definition(map={"new": ["paid"]}, initial="new", history=3), id=None)
    assert answer("history", "order:2", at=at)[0].split() == ["version", "at", "event", "states", "user"]


def test_history_counts_and_prints_json(at):
    (move,) = facts("history", "order:1", "--count", 1, at=at)
    assert move.pop("at").endswith("Z")
    assert move == {
        "version": 2,
        "kind": "move",
        "from": "new",
        "to": "paid",
        "event": "pay",
        "user": "default",
        "by": "clerk 7",
        "reason": "card 4242",
        "id": "request-1",
    }


def test_a_machine_without_history_is_no_failure(db):
    machines_of(db.server).new("lamp", Definition(map={"off": ["on"]}, initial="off"))
    result = run("history", "lamp", at=db.server)
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "the machine remembers no moves, because its definition has no history\n"


@pytest.mark.parametrize("command", ["show", "history", "watch"])
def test_a_missing_key_is_an_error(db, command):
    assert complaint(command, "order:9", at=db.server) == "there is no machine at the key 'order:9'"


@pytest.mark.parametrize("command", ["show", "history", "watch", "lint"])
def test_another_type_is_an_error(db, command):
    db.set("text", "x")
    assert complaint(command, "text", at=db.server) == "the key doesn't hold a machine, but another type"


def test_a_key_is_any_bytes(db):
    machines = machines_of(db.server)
    machines.new(b"\xff\x00k", ORDER)
    assert facts("show", b"\xff\x00k".decode("utf-8", "surrogateescape"), at=db.server)["state"] == "new"
    assert answer("show", b"\xff\x00k".decode("utf-8", "surrogateescape"), at=db.server)[0].split() == [
        "key",
        "\\xff\\x00k",
    ]


def test_hostile_names_reach_the_terminal_escaped(db):
    definition = Definition(map={HOSTILE: {HOSTILE: "\x07"}}, initial=HOSTILE, history=5, name=HOSTILE)
    machines_of(db.server).new(HOSTILE, definition, by=HOSTILE, reason=HOSTILE)
    machines_of(db.server).fire(HOSTILE, HOSTILE, by=HOSTILE, reason=HOSTILE)
    for words in (
        ["show", HOSTILE],
        ["history", HOSTILE],
        ["fleet", HOSTILE],
        ["stuck", HOSTILE, "--idle", "1ms", "--state", "\x07"],
    ):
        raw = whole_output(db.server, *words, NO_COLOR="1")
        assert b"\\x07" in raw and b"\\x1b[31m[red]\\u202e:smile:" in raw
        assert not [c for c in raw.replace(b"\r\n", b"").decode() if not c.isprintable()]


# ---- watch -------------------------------------------------------------------------------------------


def test_watch_prints_each_move_and_ends_when_the_key_is_gone(at):
    watching = start(at, "watch", "order:1", "--every", "20ms", "--json")
    assert json.loads(watching.stdout.readline()) == {"now": "watched", "state": "paid", "version": 2}
    machines = machines_of(at)
    pipe = machines.pipeline()
    pipe.fire("order:1", "refund", to="refunded").force("order:1", "paid", by="support").force(
        "order:1", "paid"
    ).execute()
    moves = [json.loads(watching.stdout.readline()) for _ in range(3)]
    assert [(move["version"], move["kind"], move["to"]) for move in moves] == [
        (3, "move", "refunded"),
        (4, "force", "paid"),
        (5, "force", "paid"),
    ]
    machines.client.delete("order:1")
    assert json.loads(watching.stdout.readline()) == {"now": "gone", "version": 5}
    assert watching.wait(30) == 0


def test_watch_says_what_is_not_remembered(db):
    machines = machines_of(db.server)
    machines.new("short", Definition(map={"on": ["off"], "off": ["on"]}, initial="off", history=2))
    machines.new("none", Definition(map={"on": ["off"], "off": ["on"]}, initial="off"))
    for key, lines in {
        "short": ["(2 moves that aren't remembered)", "off → on", "on → off"],
        "none": ["(4 moves that aren't remembered)"],
    }.items():
        watching = start(db.server, "watch", key, "--every", "20ms")
        assert watching.stdout.readline() == "v1  off\n"
        pipe = machines.pipeline()
        for state in ("on", "off", "on", "off"):
            pipe.move(key, state)
        pipe.execute()
        for line in lines:
            assert line in watching.stdout.readline()
        watching.send_signal(signal.SIGINT)
        assert watching.wait(30) == 130
        assert watching.stderr.read() == ""


def test_watch_notices_that_a_machine_was_made_anew(at):
    watching = start(at, "watch", "order:1", "--every", "20ms")
    assert watching.stdout.readline() == "v2  paid\n"
    machines = machines_of(at)
    pipe = machines.pipeline()
    pipe.execute_command("DEL", "order:1").new("order:1", ORDER).execute()
    assert watching.stdout.readline() == "the key was deleted and the machine made anew\n"
    assert watching.stdout.readline().split("  ")[1:] == ["v1", "(made)", "new\n"]
    watching.terminate()
    watching.wait(30)


def test_watch_shows_timers_in_a_terminal(db):
    definition = Definition(map={"new": []}, initial="new", after={"new": Timer("late")}, history=5)
    machines_of(db.server).new("page", definition, after=1500)
    terminal = in_terminal(db.server, "watch", "page", "--every", "50ms")
    terminal.shows("v1  new")
    terminal.shows("v2  (timer)  new → late")
    terminal.type("\x03")
    terminal.close()
