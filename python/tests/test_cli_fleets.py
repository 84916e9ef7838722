"""The command line: fleet, stuck and sweep."""

import time

import pytest

from commandline import answer, complaint, facts, in_terminal, machines_of, run, url
from conftest import ORDER
from redis_state import Definition

LAMP = Definition(map={"off": {"press": "on"}, "on": {"press": "off"}}, initial="off", name="lamp")


@pytest.fixture
def at(db):
    """The shared server, with five new orders and three that are paid, all of a while ago."""
    machines = machines_of(db.server)
    for number in range(8):
        machines.new(f"order:{number}", ORDER, state="paid" if number < 3 else "new")
        time.sleep(0.003)
    time.sleep(0.1)
    return db.server


# ---- fleet -------------------------------------------------------------------------------------------


def test_fleet_draws_counts_as_bars(at):
    head, new, paid, *_, total = answer("fleet", "order", at=at)
    assert head == "state            machines  share"
    assert new == "new                     5  62.5%  " + "█" * 40
    assert paid == "paid                    3  37.5%  " + "█" * 24
    assert total == "8 machines"


def test_fleet_prints_json_and_one_revision(at):
    found = facts("fleet", "order", "--revision", 3, at=at)
    assert found.pop("states")["paid"] == 3
    assert found == {"name": "order", "revision": 3, "machines": 8}


def test_a_name_that_nobody_has_is_an_error(at):
    assert complaint("fleet", "ordr", at=at) == "there are no machines of the name 'ordr', only 'order'"
    assert complaint("fleet", "order", "--revision", 9, at=at).startswith(
        "there are no machines of the name 'order' revision 9"
    )


def test_fleet_is_one_shot_without_a_terminal(at):
    assert answer("fleet", "order", "--watch", at=at)[-1] == "8 machines"


def test_fleet_counts_again_in_a_terminal(at):
    terminal = in_terminal(at, "fleet", "order", "--every", "50ms")
    terminal.shows("8 machines, ")
    machines_of(at).new("order:8", ORDER)
    terminal.shows("9 machines, ")
    terminal.type("\x03")
    terminal.close()


# ---- stuck -------------------------------------------------------------------------------------------


def test_stuck_lists_the_oldest_first(at):
    head, *rows = answer("stuck", "order", "--idle", "50ms", at=at)
    assert head.split() == ["key", "state", "for", "since"]
    assert [row.split()[:2] for row in rows] == [[f"order:{n}", "paid" if n < 3 else "new"] for n in range(8)]


def test_stuck_keeps_only_the_oldest(at):
    result = run("stuck", "order", "--idle", "50ms", "--state", "new", "--limit", 2, at=at)
    assert [row.split()[0] for row in result.stdout.splitlines()[1:]] == ["order:3", "order:4"]
    assert result.stderr == "and 3 more, --limit lists more of them\n"


def test_stuck_prints_json(at):
    found = facts("stuck", "order", "--idle", "50ms", "--state", "paid", "--limit", 1, at=at)[0]
    assert found.pop("since").endswith("Z") and found.pop("idle_ms") > 50
    assert found == {"key": "order:0", "state": "paid", "version": 1, "revision": 3}


def test_a_machine_that_has_arrived_is_not_stuck(at):
    machines_of(at).force("order:0", "cancelled")
    machines_of(at).force("order:1", "refunded")
    time.sleep(0.02)
    # Orders that are cancelled can still be archived, so only the definition without `any` has terminal states.
    ended = Definition(map={"new": ["done"]}, initial="new", name="ended", history=1)
    machines_of(at).new("ended:1", ended, state="done")
    time.sleep(0.02)
    assert run("stuck", "ended", "--idle", "10ms", at=at).stderr == "no machine is stuck\n"
    assert answer("stuck", "ended", "--idle", "10ms", "--state", "done", at=at)[1].split()[0] == "ended:1"


def test_stuck_says_why_it_can_find_none(db):
    machines_of(db.server).new("lamp:1", LAMP)
    said = run("stuck", "lamp", "--idle", "1ms", at=db.server).stderr
    assert (
        said == 'no machine is stuck, but machines know since when only if their definition has "history" or "after"\n'
    )


@pytest.mark.parametrize("words", [["stuck"], ["sweep", "--idle", "1s", "--event", "x"]])
def test_a_misspelt_state_is_an_error(at, words):
    said = complaint(words[0], "order", "--state", "payed", *words[1:], at=at)
    assert said.startswith("'order' has no state 'payed', only 'new', 'paid', ")


# ---- sweep -------------------------------------------------------------------------------------------

SWEEP = ["sweep", "order", "--state", "new", "--idle", "50ms", "--event"]


def test_sweep_moves_what_is_stuck_and_says_who_and_why(at):
    machines = machines_of(at)
    machines.new("order:fresh", ORDER)
    # The program needs some time to start, so the fresh one is kept fresh by a longer idle time.
    words = [
        "sweep",
        "order",
        "--state",
        "new",
        "--idle",
        "60ms",
        "--event",
        "cancel",
        "--by",
        "me",
        "--reason",
        "late",
    ]
    machines.force("order:3", "new")
    lines = answer(*words, at=at)
    assert lines[0].startswith("moved      4, in ") and lines[1:] == ["conflicts  0", "failed     0"]
    move = machines.history("order:4", 1)[0]
    assert (move.event, move.to_state, move.by, move.reason) == ("cancel", "cancelled", "me", "late")
    assert machines.state("order:fresh") == machines.state("order:3") == "new"


def test_a_sweep_only_says_what_it_would_do(at):
    (line,) = answer(*SWEEP, "cancel", "--dry-run", at=at)
    assert line.startswith("would fire cancel at 5 machines: order:")
    assert machines_of(at).count("order")["new"] == 5


def test_a_sweep_reports_what_was_refused_or_failed(at):
    result = run(*SWEEP, "ship", at=at)
    assert result.exit_code == 1
    assert "failed     5" in result.stdout and "5 × refused in the state 'new': order:" in result.stdout
    found = run("--json", "sweep", "order", "--state", "paid", "--idle", "50ms", "--event", "refund", at=at)
    assert found.exit_code == 1
    assert '"failed": 3' in found.stdout and "the event leads to 2 states, name one with TO" in found.stdout
    words = ["sweep", "order", "--state", "paid", "--idle", "50ms", "--event", "refund", "--to", "refunded"]
    assert facts(*words, at=at)["moved"] == 3


def test_a_sweep_leaves_alone_what_has_moved_meanwhile(at, monkeypatch):
    from redis_state.cli.commands.sweep import Sweep

    seen = Sweep._stuck

    def moved_after_the_look(self, batch):
        stuck = seen(self, batch)
        machines_of(at).fire("order:5", "pay")
        machines_of(at).client.delete("order:6")
        return stuck

    monkeypatch.setattr(Sweep, "_stuck", moved_after_the_look)
    found = facts(*SWEEP, "cancel", at=at)
    assert (found["moved"], found["conflicts"], found["gone"], found["failed"]) == (3, 1, 1, 0)
    assert machines_of(at).state("order:5") == "paid"


def test_a_sweep_leaves_alone_what_has_come_back_meanwhile(at, monkeypatch):
    from redis_state.cli.commands.sweep import Sweep

    seen = Sweep._stuck

    def come_back_before_the_look(self, batch):
        machines_of(at).force("order:5", "new")
        return seen(self, batch)

    monkeypatch.setattr(Sweep, "_stuck", come_back_before_the_look)
    found = facts(*SWEEP, "cancel", at=at)
    assert (found["moved"], found["conflicts"], found["failed"]) == (4, 0, 0)
    assert machines_of(at).state("order:5") == "new"


# ---- in a cluster ------------------------------------------------------------------------------------


def test_in_a_cluster_all_primaries_are_asked(cluster):
    machines = machines_of_cluster(cluster)
    for number in range(30):
        machines.new(f"order:{number}", ORDER)
    time.sleep(0.06)
    whole = ["--cluster", "--url", url(cluster[0])]
    assert facts("fleet", "order", *whole)["machines"] == 30
    assert len(facts("stuck", "order", "--idle", "50ms", *whole)) == 30
    assert facts("sweep", "order", "--state", "new", "--idle", "50ms", "--event", "pay", *whole)["moved"] == 30
    assert facts("show", "order:7", *whole)["state"] == "paid"


def machines_of_cluster(cluster):
    import redis

    from redis_state import StateMachines

    return StateMachines(redis.RedisCluster(host="127.0.0.1", port=cluster[0].port))


def test_one_node_is_not_taken_for_the_whole_fleet(cluster):
    said = "the server is a node of a cluster and knows only its own machines: add --cluster"
    assert complaint("fleet", "order", "--url", url(cluster[0])) == said
    keys = [f"k{number}" for number in range(30)]
    said = {complaint("show", key, "--url", url(cluster[0])) for key in keys}
    assert "the server is a node of a cluster, and the key is on another one: add --cluster" in said


def test_a_server_that_is_no_cluster_is_one_line(db):
    assert complaint("fleet", "order", "--cluster", at=db.server).startswith("no connection to the cluster: ")
