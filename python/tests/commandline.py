"""Runs `redis-state`: within the test, as a program, or as a program in a terminal."""

import inspect
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

from click.testing import CliRunner

from harness import ROOT, SLOWDOWN, wait_until
from redis_state import StateMachines
from redis_state.cli import program
from transcripts import Terminal

# click before 8.2 mixes the two streams unless it is told not to.
_SPLIT = {"mix_stderr": False} if "mix_stderr" in inspect.signature(CliRunner).parameters else {}
# Nothing of the machine that runs the tests.
_PLAIN = dict.fromkeys(("REDIS_URL", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "COLUMNS", "LINES"))
_INSTALLED = shutil.which("redis-state", path=str(Path(sys.executable).parent))
PROGRAM = [_INSTALLED] if _INSTALLED else [sys.executable, "-m", "redis_state.cli"]


def url(server):
    return f"redis://127.0.0.1:{getattr(server, 'port', server)}"


def run(*args, at=None, stdin=None, **environment):
    """Runs the command line within the test. Returns what click has: exit_code, stdout, stderr."""
    words = (["--url", url(at)] if at else []) + [str(arg) for arg in args]
    result = CliRunner(**_SPLIT).invoke(program, words, input=stdin, env={**_PLAIN, **environment})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def answer(*args, **options):
    """Runs a command that succeeds, and returns its lines."""
    result = run(*args, **options)
    assert result.exit_code == 0, result.stderr
    return result.stdout.splitlines()


def facts(*args, **options):
    """Runs a command that succeeds with --json, and returns the value."""
    (line,) = answer("--json", *args, **options)
    return json.loads(line)


def complaint(*args, code=1, **options):
    """Runs a command that fails. Returns its one line on stderr, without the program's name."""
    result = run(*args, **options)
    assert result.exit_code == code, (result.exit_code, result.stdout, result.stderr)
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith("redis-state: ")
    return line.removeprefix("redis-state: ")


def environment(server, **more):
    inherited = {name: value for name, value in os.environ.items() if name not in _PLAIN}
    return {**inherited, "PYTHONPATH": str(ROOT / "python/src"), "REDIS_URL": url(server), **more}


def start(server, *args, **more):
    """Starts the program as a process of its own, with pipes."""
    words = [*PROGRAM, *map(str, args)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    # A program that is started in the background ignores Ctrl-C, and so do those that it starts.
    listen = lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    process = subprocess.Popen(words, env=environment(server, **more), preexec_fn=listen, **pipes)
    # So a test that waits for a line that doesn't come fails.
    patience = threading.Timer(60 * SLOWDOWN, process.kill)
    patience.daemon = True
    patience.start()
    return process


def in_terminal(server, *args, **more):
    """Starts the program in a terminal of 200 columns."""
    settings = [f"{name}={value}" for name, value in environment(server, TERM="xterm", **more).items()]
    return Terminal("env", "-i", *settings, *PROGRAM, *map(str, args))


def whole_output(server, *args, **more):
    """Runs the program in a terminal to its end. Returns the bytes that the terminal got."""
    terminal = in_terminal(server, *args, **more)
    wait_until(lambda: _at_end(terminal), "the program to end")
    os.waitpid(terminal.pid, 0)
    return terminal.raw


def _at_end(terminal):
    try:
        terminal._read()
    except OSError:
        # So Linux says that nobody has the terminal open any more.
        return True
    return False


def machines_of(server):
    return StateMachines(server.client())
