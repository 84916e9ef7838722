"""The command line: migrate, interrupted and resumed."""

import json
import signal

import pytest

from commandline import answer, complaint, facts, machines_of, run, start, whole_output
from harness import wait_until
from proxy import CuttingProxy
from redis_state import Definition
from redis_state.cli._migration import Migration

OLD = Definition(
    map={"new": {"pay": "paid"}, "paid": {"ship": "sent"}}, initial="new", history=9, name="order", revision=1
)
NEW = Definition(
    map={"new": {"pay": "settled"}, "settled": {"ship": "sent"}, "sent": {"return": "back"}},
    initial="new",
    history=9,
    name="order",
    revision=2,
)
RENAME = ["--rename", "paid=settled"]


@pytest.fixture
def files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "new.json").write_text(NEW.to_json())
    return tmp_path


@pytest.fixture
def machines(db):
    return machines_of(db.server)


def fill(machines, count):
    pipe = machines.pipeline(transaction=False)
    for number in range(count):
        pipe.new(f"order:{number}", OLD, state=("new", "paid", "sent")[number % 3], id=None)
    pipe.execute()


def versions(machines):
    """Returns the version of each machine: 2 after one migration."""
    return {machines.info(key).version for key in machines.scan(count=1000)}


def migrated(machines):
    return sum(machines.count("order", 2).values())


def test_a_fleet_is_migrated_and_stays_in_its_states(files, db, machines):
    fill(machines, 250)
    lines = answer("migrate", "order", "new.json", *RENAME, "--by", "me", "--reason", "spring", at=db.server)
    assert lines[0].startswith("migrated   250 of 250, in ")
    assert lines[1:] == ["already    0", "conflicts  0", "failed     0"]
    assert machines.count("order") == {"new": 84, "settled": 83, "sent": 83, "back": 0}
    move = machines.history("order:1", 1)[0]
    assert (move.kind, move.from_state, move.to_state, move.by, move.reason) == (
        "redefine",
        "paid",
        "settled",
        "me",
        "spring",
    )
    again = facts("migrate", "order", "new.json", *RENAME, at=db.server)
    assert (again["migrated"], again["already"], again["machines"], again["finished"]) == (0, 250, 0, True)
    assert versions(machines) == {2}


def test_failures_are_counted_by_reason_with_examples(files, db, machines):
    fill(machines, 12)
    result = run("migrate", "order", "new.json", at=db.server)
    assert result.exit_code == 1
    assert result.stdout.startswith("migrated   8 of 12, in ")
    (reason,) = [line for line in result.stdout.splitlines() if "×" in line]
    assert reason.startswith("  4 × the new definition has no state 'paid', name another with RENAME: order:")
    assert reason.endswith(", …") and reason.count("order:") == 3
    found = json.loads(run("--json", "migrate", "order", "new.json", at=db.server).stdout)
    assert (found["migrated"], found["already"], found["failed"]) == (0, 8, 4)
    assert found["reasons"][0]["machines"] == 4 and len(found["reasons"][0]["examples"]) == 3


def test_a_dry_run_says_which_states_need_a_rename(files, db, machines):
    fill(machines, 10)
    machines.fire("order:0", "pay")
    result = run("migrate", "order", "new.json", "--dry-run", at=db.server)
    assert result.exit_code == 1
    assert [line.split(maxsplit=2) for line in result.stdout.splitlines()[:-1]] == [
        ["state", "machines", "in revision 2"],
        ["new", "3", "the same"],
        ["paid", "4", "missing: needs --rename"],
        ["sent", "3", "the same"],
    ]
    assert result.stdout.splitlines()[-1] == "10 machines to migrate, 0 already there, 4 would fail"
    lines = answer("migrate", "order", "new.json", "--dry-run", *RENAME, at=db.server)
    assert lines[2].split(maxsplit=2) == ["paid", "4", "→ settled"]
    found = facts("migrate", "order", "new.json", "--dry-run", *RENAME, at=db.server)
    assert found["states"]["paid"] == {"machines": 4, "becomes": "settled"} and found["would_fail"] == 0
    assert migrated(machines) == 0


def test_only_one_revision_is_migrated_if_asked(files, db, machines):
    fill(machines, 4)
    document = {**OLD.to_document(), "revision": 7}
    machines.new("order:seven", Definition.from_document(document))
    found = facts("migrate", "order", "new.json", *RENAME, "--from-revision", 7, at=db.server)
    assert (found["machines"], found["migrated"]) == (1, 1)
    assert machines.info("order:0").revision == 1


# ---- interrupted and resumed -------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_migration_that_was_ended_goes_on(files, db, machines, number):
    fill(machines, 3000)
    process = start(db.server, "--json", "migrate", "order", "new.json", *RENAME, "--rate", 1000)
    wait_until(lambda: migrated(machines) >= 300, "some machines to be migrated")
    process.send_signal(number)
    said, _ = process.communicate(timeout=60)
    done = migrated(machines)
    assert 0 < done < 3000
    if number == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
    else:
        report = json.loads(said)
        assert process.returncode == 130
        assert (report["stopped"], report["finished"], report["migrated"]) == ("interrupted", False, done)
    again = facts("migrate", "order", "new.json", *RENAME, "--rate", 0, at=db.server)
    assert (again["already"], again["migrated"]) == (done, 3000 - done)
    assert versions(machines) == {2}


def test_two_migrations_side_by_side_change_each_machine_once(files, db, machines):
    fill(machines, 2000)
    words = ["--json", "migrate", "order", "new.json", *RENAME, "--rate", 2000]
    both = [start(db.server, *words) for _ in range(2)]
    reports = [json.loads(process.communicate(timeout=60)[0]) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert sum(report["migrated"] for report in reports) == 2000
    assert versions(machines) == {2}


def each_time(monkeypatch, do):
    """Does something before each batch of changes. It gets the number of the batch, from 1."""
    changed, calls = Migration._changed, []

    def instead(self, todo):
        calls.append(todo)
        do(len(calls), todo)
        return changed(self, todo)

    monkeypatch.setattr(Migration, "_changed", instead)


def test_a_request_that_is_sent_twice_changes_a_machine_once(files, db, machines, monkeypatch):
    fill(machines, 500)
    with CuttingProxy(db.server.port) as proxy:
        each_time(monkeypatch, lambda number, todo: number == 2 and proxy.lose_next_reply())
        found = facts("migrate", "order", "new.json", *RENAME, at=proxy)
        assert proxy.losses == 0 and len(proxy.counts) == 2
    assert (found["migrated"], found["failed"], found["conflicts"]) == (500, 0, 0)
    assert versions(machines) == {2}


def test_a_migration_that_lost_its_connection_goes_on(files, db, machines, monkeypatch):
    fill(machines, 500)
    with CuttingProxy(db.server.port) as proxy:
        each_time(monkeypatch, lambda number, todo: number == 3 and proxy.shut())
        result = run("migrate", "order", "new.json", *RENAME, at=proxy)
    assert result.exit_code == 1
    assert result.stdout.startswith("migrated   200 of 500, in ")
    assert result.stderr.startswith("stopped: no connection to the server: ")
    assert result.stderr.endswith(". Start it again to go on\n") and result.stderr.count("\n") == 1
    again = facts("migrate", "order", "new.json", *RENAME, at=db.server)
    assert again["already"] + again["migrated"] == 500
    assert versions(machines) == {2}


def test_a_machine_that_moves_meanwhile_is_tried_again(files, db, machines, monkeypatch):
    fill(machines, 3)
    each_time(monkeypatch, lambda number, todo: number == 1 and machines.force("order:0", "sent"))
    assert facts("migrate", "order", "new.json", *RENAME, at=db.server)["migrated"] == 3
    assert machines.info("order:0").revision == 2 and machines.state("order:0") == "sent"


def test_a_machine_that_moves_all_the_time_is_a_conflict(files, db, machines, monkeypatch):
    fill(machines, 3)
    each_time(monkeypatch, lambda number, todo: machines.force("order:0", "sent"))
    result = run("migrate", "order", "new.json", *RENAME, at=db.server)
    assert result.exit_code == 1 and "conflicts  1, they move all the time" in result.stdout
    assert machines.info("order:0").revision == 1


def test_a_machine_that_was_changed_by_somebody_else_is_left_alone(files, db, machines, monkeypatch):
    fill(machines, 3)
    third = Definition.from_document({**NEW.to_document(), "revision": 3})

    def redefine(number, todo):
        if number == 1:
            machines.redefine("order:0", third)

    each_time(monkeypatch, redefine)
    words = ["migrate", "order", "new.json", *RENAME, "--from-revision", 1]
    found = facts(*words, at=db.server)
    assert (found["migrated"], found["conflicts"], machines.info("order:0").revision) == (2, 0, 3)


def test_a_fleet_that_went_back_can_be_migrated_again(files, db, machines):
    fill(machines, 3)
    facts("migrate", "order", "new.json", *RENAME, at=db.server)
    (files / "old.json").write_text(OLD.to_json())
    facts("migrate", "order", "old.json", "--rename", "settled=paid", at=db.server)
    assert facts("migrate", "order", "new.json", *RENAME, at=db.server)["migrated"] == 3
    assert versions(machines) == {4}


def test_machines_of_another_database_are_counted_and_not_found(files, db, machines):
    fill(machines, 5)
    result = run("migrate", "order", "new.json", *RENAME, "--url", f"redis://127.0.0.1:{db.server.port}/1")
    assert result.stdout.startswith("migrated   0 of 5, in ")
    assert result.stderr.startswith("5 machines were not found: they are in other databases, ")
    assert run("migrate", "order", "new.json", *RENAME, at=db.server).stderr == ""


# ---- what can't be done ------------------------------------------------------------------------------


def test_a_full_server_stops_the_migration(files, servers):
    server = servers.start()
    fill(machines_of(server), 300)
    server.run("CONFIG", "SET", "maxmemory", "1")
    result = run("migrate", "order", "new.json", *RENAME, at=server)
    assert result.exit_code == 1 and result.stdout.startswith("migrated   0 of 300, in ")
    assert result.stderr.startswith("stopped: the server says: ") and "maxmemory" in result.stderr


def test_a_definition_that_is_too_large_stops_the_migration(files, servers):
    server = servers.start()
    fill(machines_of(server), 300)
    server.run("CONFIG", "SET", "redisstate.max-states", "3")
    result = run("migrate", "order", "new.json", *RENAME, at=server)
    assert result.exit_code == 1
    assert result.stderr.startswith("stopped: invalid machine: map has 4 states, over the limit of 3")


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"name": "orders"}, "x.json: has the name 'orders', and machines would leave the fleet: expected 'order'"),
        ({"name": None, "revision": None}, "x.json: has no name, and machines would leave the fleet: expected 'order'"),
        ({"revision": None}, 'x.json: has no "revision", which tells new machines from old ones: add one'),
        ({"map": 7}, "x.json: invalid machine: map: expected an object, found 7"),
    ],
)
def test_a_document_that_will_not_do_is_refused(files, document, said):
    whole = {**NEW.to_document(), **document}
    (files / "x.json").write_text(json.dumps({name: value for name, value in whole.items() if value is not None}))
    assert complaint("migrate", "order", "x.json") == said


def test_a_revision_that_others_have_already_is_refused(files, db, machines):
    fill(machines, 3)
    other = {**NEW.to_document(), "revision": 1}
    (files / "x.json").write_text(json.dumps(other))
    said = complaint("migrate", "order", "x.json", *RENAME, at=db.server)
    assert said.startswith("there are machines of 'order' revision 1 with another definition, such as 'order:")
    assert said.endswith("': give the new one a revision of its own")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--rename", "paid"], "expected old=new, found 'paid'"),
        (["--rename", "paid=setled"], "the new definition has no state 'setled'"),
        (["--rename", "paid=sent", "--rename", "paid=new"], "the state 'paid' is renamed twice"),
    ],
)
def test_a_wrong_rename_is_a_mistake(files, words, said):
    assert said in complaint("migrate", "order", "new.json", *words, code=2)


def test_a_bar_shows_how_far_it_is(files, db, machines):
    fill(machines, 300)
    shown = whole_output(db.server, "migrate", "order", "new.json", *RENAME)
    assert b"300/300" in shown and b"revision 2" in shown
    assert b"migrated   300 of 300" in shown
