"""`redis-state console` as a program: what it prints, and how it begins and ends."""

import json
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
import webbrowser
from urllib.parse import urlsplit

import pytest

from commandline import complaint, environment, run, start
from conftest import ORDER
from harness import SLOWDOWN, wait_until
from redis_state import StateMachines


@pytest.fixture
def programs():
    """Starts consoles as programs: programs(server, "--write") returns the process and the printed address."""
    running = []

    def begin(server, *words):
        process = start(server, "console", "--port", "0", *words)
        running.append(process)
        return process, process.stdout.readline().strip()

    yield begin
    for process in running:
        process.kill()
        process.communicate()


def post(address, what, body, **headers):
    parts = urlsplit(address)
    own = {"Content-Type": "application/json", "Origin": f"http://{parts.netloc}", **headers}
    request = urllib.request.Request(f"http://{parts.netloc}/api/{what}", json.dumps(body).encode(), own)
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def ended(process, how=signal.SIGINT):
    """Ends the program. Returns its exit code, what else it has printed, and the seconds that it took."""
    begin = time.monotonic()
    process.send_signal(how)
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err, time.monotonic() - begin


def test_it_prints_the_address_and_serves_the_page(db, programs):
    process, address = programs(db.server)
    assert address.startswith("http://127.0.0.1:") and address.endswith("/")
    with urllib.request.urlopen(address, timeout=30) as page:
        assert b"<html" in page.read() and page.headers["ETag"] and page.headers["Cache-Control"] == "no-cache"
    about = post(address, "about", {})[1]
    assert (about["write"], about["address"]) == (False, f"127.0.0.1:{db.server.port}/0")
    code, out, err, _ = ended(process)
    assert (code, out) == (130, "") and "Ctrl-C ends it" in err


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_at_once_while_somebody_looks(db, programs, how):
    process, address = programs(db.server)
    assert post(address, "fleet", {"name": "order", "revision": None})[0] == 200
    code, _, err, took = ended(process, how)
    assert code == 130 and took < 10 * SLOWDOWN and "Traceback" not in err


def test_with_write_the_address_has_the_token(db, programs):
    StateMachines(db).new("order:1", ORDER)
    process, address = programs(db.server, "--write", "--by", "anna")
    token = urlsplit(address).fragment.removeprefix("token=")
    fire = {"key": "order:1", "event": "pay", "version": 1, "id": "i"}
    assert post(address, "fire", fire)[0] == 401
    status, answer = post(address, "fire", fire, Authorization=f"Bearer {token}")
    assert (status, answer["what"], answer["machine"]["history"][0]["by"]) == (200, "moved", "anna")
    _, out, err, _ = ended(process)
    assert token not in out + err


def test_nothing_of_what_is_asked_for_is_logged(db, programs):
    db.set("secret-text", "x")
    process, address = programs(db.server, "--write")
    for what, body in [
        ("machine", {"key": "secret-key", "version": None}),
        ("machine", {"key": "secret-text", "version": None}),
        ("machine", {"key": "secret-key", "version": "secret"}),
        ("search", {"text": "secret", "cursor": "secret"}),
        ("fleet", {"name": "secret", "revision": None}),
        ("fire", {"key": "secret-key", "event": "secret", "version": 1, "id": "secret"}),
    ]:
        post(address, what, body)
    for path in ("secret", "%zz", "api/secret?key=secret"):
        with pytest.raises(urllib.error.HTTPError):
            urllib.request.urlopen(address.partition("#")[0] + path, timeout=30)
    _, out, err, _ = ended(process)
    assert "secret" not in out + err and len(err.splitlines()) == 1


def test_a_password_is_not_shown(db, programs):
    db.acl_setuser("anna", enabled=True, passwords=["+opensesame"], keys=["*"], commands=["+@all"])
    process, address = programs(db.server, "--url", f"redis://anna:opensesame@127.0.0.1:{db.server.port}/2")
    about = post(address, "about", {})[1]
    assert about["address"] == f"127.0.0.1:{db.server.port}/2"
    _, out, err, _ = ended(process)
    assert "opensesame" not in json.dumps(about) + address + out + err


def test_a_server_that_comes_later(servers, programs):
    server = servers.start()
    server.shutdown()
    process, address = programs(server)
    assert post(address, "fleets", {})[1]["code"] == "unreachable"
    server.start()
    wait_until(lambda: post(address, "fleets", {})[0] == 200, "the console to find the server")
    code, _, err, _ = ended(process)
    assert code == 130 and err.startswith("The server doesn't answer yet: ") and "Traceback" not in err


def test_ctrl_c_while_the_server_hangs(server, programs):
    process, address = programs(server)
    post(address, "fleet", {"name": "order", "revision": None})
    server.process.send_signal(signal.SIGSTOP)
    try:
        begin = time.monotonic()
        assert post(address, "machine", {"key": "order:1", "version": None})[1]["code"] == "unreachable"
        assert time.monotonic() - begin < 2.5 * SLOWDOWN
        code, _, err, took = ended(process)
        assert code == 130 and took < 10 * SLOWDOWN and "Traceback" not in err
    finally:
        server.process.send_signal(signal.SIGCONT)


def test_a_port_that_is_taken(db, programs):
    _, address = programs(db.server)
    port = urlsplit(address).port
    said = complaint("console", "--port", port, at=db.server)
    assert said == f"--host 127.0.0.1 --port {port}: address already in use"


def test_a_host_that_is_not_here(db):
    said = complaint("console", "--host", "192.0.2.1", "--port", 0, at=db.server)
    assert said.startswith("--host 192.0.2.1 --port 0: ")


@pytest.mark.parametrize("words", [["--host", "0.0.0.0"], ["--write"]])
def test_a_token_is_not_opened(db, words, monkeypatch):
    # The program that opens it has it in its arguments, which every user of the machine sees.
    monkeypatch.setattr(webbrowser, "open", lambda address: pytest.fail(address))
    said = complaint("console", "--port", 0, "--open", *words, at=db.server, code=2)
    assert said.startswith("--open: others would see the token")


def test_open(db, monkeypatch):
    from redis_state import console

    opened = []
    monkeypatch.setattr(webbrowser, "open", opened.append)
    # Instead of serving until Ctrl-C.
    monkeypatch.setattr(console, "serve", lambda app, at: None)
    result = run("console", "--port", 0, "--open", at=db.server)
    assert result.exit_code == 0 and opened == [result.stdout.strip()]


@pytest.mark.parametrize(
    "words",
    [
        ["--port", "65536"],
        ["--port", "x"],
        ["--url", "http://x"],
        ["--cluster", "--sentinel", "x"],
        ["--by", "\udcff"],
        ["more"],
    ],
)
def test_arguments_that_are_wrong(words):
    assert complaint("console", *words, code=2)


def test_one_node_of_a_cluster_is_refused(cluster):
    assert complaint("console", "--port", 0, at=cluster[0]).endswith("add --cluster")


@pytest.mark.parametrize("missing", ["starlette", "uvicorn"])
def test_without_the_extra_it_says_what_to_install(db, missing):
    # Python finds no module whose place is taken by None.
    code = f"import sys; sys.modules[{missing!r}] = None; from redis_state.cli import main; main()"
    words = [sys.executable, "-c", code, "console", "--port", "0"]
    done = subprocess.run(words, env=environment(db.server), capture_output=True, text=True, timeout=60 * SLOWDOWN)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "redis-state: the console needs more packages: "
        "pip install 'redis-state-machine[console]' (or './python[console]')\n"
    )


def test_other_subcommands_need_none_of_it(db):
    code = "import sys; sys.modules.update(starlette=None, uvicorn=None, anyio=None); from redis_state.cli import main; main()"
    words = [sys.executable, "-c", code, "show", "nothing"]
    done = subprocess.run(words, env=environment(db.server), capture_output=True, text=True, timeout=60 * SLOWDOWN)
    assert done.stderr == "redis-state: there is no machine at the key 'nothing'\n"
