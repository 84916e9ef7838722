"""`make console`: a fleet that moves by itself, with the console to look at it. It ends whole, and leaves nothing."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from harness import MODULE, ROOT, SERVER, SLOWDOWN, take_port, wait_until
from redis_state import StateMachines

sys.path.append(str(ROOT / "scripts"))
import demo_fleet  # noqa: E402
from demo_stories import STORIES  # noqa: E402

NAMES = [story.definition.name for story in STORIES]


class Demo:
    """scripts/console.sh, with folders of its own."""

    def __init__(self, tmp_path, **environment):
        self.tmp = tmp_path / "tmp"
        self.tmp.mkdir()
        (self.port, lock), (self.web, other) = take_port(), take_port()
        self.locks = [lock, other]
        settings = {"SERVER": SERVER, "PORT": str(self.port), "WEB": str(self.web), "TMPDIR": str(self.tmp)}
        self.process = subprocess.Popen(
            [ROOT / "scripts/console.sh", MODULE],
            env={**os.environ, **settings, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # As a terminal's: a group of its own, and no signal is ignored, which bash couldn't change.
            start_new_session=True,
            preexec_fn=lambda: [signal.signal(each, signal.SIG_DFL) for each in (signal.SIGINT, signal.SIGHUP)],
        )

    def address(self):
        """Waits for the page, and returns its address: the first thing that is printed."""
        blank, line = self.process.stdout.readline(), self.process.stdout.readline()
        assert blank == "\n", self.process.communicate()
        return re.fullmatch(r"  The console:  (http://127\.0\.0\.1:\d+/#token=\S+)\n", line)[1]

    def children(self):
        """Returns the process ids of the server, of the fleet and of the console, when no other program prints."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        # While one ends, the kernel may leave out another.
        return wait_until(lambda: len(found := path.read_text().split()) == 3 and found, "three programs to run")

    def ended(self):
        """Waits for the end. Returns the exit code and what was printed to stderr."""
        _, said = self.process.communicate(timeout=20 * SLOWDOWN)
        return self.process.returncode, said

    def left(self):
        """Returns what it has left behind: files, and programs that listen."""
        listening = [port for port in (self.port, self.web) if listens(port)]
        return [*self.tmp.iterdir(), *listening]

    def close(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        for lock in self.locks:
            lock.close()


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def demo(tmp_path):
    demo = Demo(tmp_path)
    yield demo
    demo.close()


def asked(address, what, body):
    own = address.split("/#")[0]
    headers = {"Content-Type": "application/json", "Origin": own}
    request = urllib.request.Request(f"{own}/api/{what}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=20 * SLOWDOWN) as answer:
        return json.load(answer)


# ---- the whole ----------------------------------------------------------------------------------------


def test_it_shows_a_fleet_that_moves(demo):
    address = demo.address()
    assert {each["name"]: each["machines"] for each in asked(address, "fleets", {})["fleets"]}.keys() == set(NAMES)
    assert asked(address, "about", {})["write"] is True
    counts = lambda: asked(address, "fleet", {"name": "order", "revision": None, "definition_id": None})["counts"]
    before = counts()
    wait_until(lambda: counts() != before, "an order to move")
    with urllib.request.urlopen(address.split("#")[0], timeout=20 * SLOWDOWN) as page:
        assert b"<html" in page.read()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_ends_all_of_it(demo, number, code):
    demo.address()
    children = demo.children()
    assert len(children) == 3
    # A terminal sends Ctrl-C to all of them.
    (os.killpg if number == signal.SIGINT else os.kill)(demo.process.pid, number)
    assert demo.ended() == (code, "")
    assert [child for child in children if Path(f"/proc/{child}").exists()] == []
    assert demo.left() == []


def test_a_signal_while_it_starts(demo):
    wait_until(lambda: listens(demo.port), "the server to start")
    demo.process.terminate()
    assert demo.ended() == (143, "")
    assert demo.left() == []


@pytest.mark.parametrize(("which", "name"), [(0, "server"), (1, "demo fleet"), (2, "console")])
def test_it_ends_when_one_of_the_three_does(demo, which, name):
    demo.address()
    os.kill(int(demo.children()[which]), signal.SIGKILL)
    code, said = demo.ended()
    assert code == 1 and f"make console: the {name} has ended; its last lines:\n" in said
    assert demo.left() == []


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv of util-linux ties programs to another")
def test_nothing_is_left_running_by_sigkill(demo):
    children = demo.children()
    demo.process.kill()
    wait_until(lambda: all(map(has_ended, children)), "the programs to end")


def has_ended(process):
    try:
        # Nobody may have waited for it yet.
        return "\nState:\tZ" in Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


def test_a_program_that_hangs_is_killed(demo):
    demo.address()
    os.kill(int(demo.children()[1]), signal.SIGSTOP)
    demo.process.terminate()
    assert demo.ended()[0] == 143
    assert demo.left() == []


@pytest.mark.parametrize("name", ["PORT", "WEB"])
def test_a_port_that_is_taken(tmp_path, name):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        demo = Demo(tmp_path, **{name: str(port)})
        code, said = demo.ended()
        other = {"PORT": 6380, "WEB": 8018}[name]
        assert code == 1
        assert said == (
            f"make console: port {port} is taken by another program; choose one with {name}=…, "
            f"as in: make console {name}={other}\n"
        )
        assert demo.left() == []
        demo.close()


def test_a_server_that_does_not_start(tmp_path):
    demo = Demo(tmp_path, SERVER="false")
    code, said = demo.ended()
    assert code == 1 and "the server has ended" in said
    assert demo.left() == []
    demo.close()


# ---- the fleet ----------------------------------------------------------------------------------------


def fleet_program(port):
    words = [sys.executable, ROOT / "scripts/demo_fleet.py", "--port", str(port)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "python/src")}
    return subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_the_fleet_wants_an_empty_server(db):
    db.set("something", "of somebody")
    with fleet_program(db.server.port) as program:
        assert program.communicate(timeout=20 * SLOWDOWN)[1] == (
            "demo_fleet.py: the server has keys already; the demo needs an empty one\n"
        )
    assert db.keys() == [b"something"]


def test_the_fleet_ends_with_its_server(server):
    with fleet_program(server.port) as program:
        assert program.stdout.readline() == f"{sum(s.machines for s in STORIES)} machines of {len(STORIES)} workflows\n"
        server.kill()
        code = program.wait(20 * SLOWDOWN)
        assert (code, program.stderr.read().count("\n")) == (1, 1)


def test_the_fleet_stays_as_large_and_as_varied(db):
    machines = StateMachines(db)
    fleet = demo_fleet.first(machines)
    seen = {name: set() for name in NAMES}
    for _ in range(12):
        for batch in demo_fleet.batches(fleet):
            demo_fleet.act(machines, batch)
        for story in STORIES:
            counts = machines.count(story.definition.name)
            assert sum(counts.values()) == story.machines
            seen[story.definition.name].update(state for state, count in counts.items() if count)
    # To some states only a timer leads, and the shortest takes ten seconds.
    unseen = {state for story in STORIES for state in {*story.definition.states} - seen[story.definition.name]}
    assert unseen <= {"expired", "timed out", "lost"}
    statistics = db.info("commandstats")
    assert statistics["cmdstat_SM.FIRE"]["failed_calls"] == 0


def test_the_machines_have_names_reasons_and_deadlines(db):
    machines = StateMachines(db)
    fleet = demo_fleet.first(machines)
    orders = [each.key for each in fleet if each.story.definition.name == "order"]
    moves = [move for key in orders for move in machines.history(key) if move.kind == "move"]
    assert {"Priya Nair", "clerk 7", "support: Sara"} <= {move.by for move in moves}
    assert {"card 4242", "signed for"} <= {move.reason for move in moves}
    waiting = [info for key in orders if (info := machines.info(key)).due is not None]
    assert waiting and all(info.due_to in ("cancelled", "closed") for info in waiting)


def test_others_may_move_the_machines_too(db):
    """An event may lead elsewhere than the fleet thinks, or need a target that it doesn't name."""
    machines = StateMachines(db)
    fleet = demo_fleet.first(machines)
    orders = [each for each in fleet if each.story.definition.name == "order"]
    for each in orders:
        machines.force(each.key, "on hold")
        each.state = "paid"
    demo_fleet.act(machines, orders)
    assert {each.state for each in orders} <= {"on hold", "paid"}
    db.delete(*[each.key for each in orders])
    demo_fleet.act(machines, orders)
    demo_fleet.act(machines, orders)
    assert machines.count("order")["new"] == len(orders)
