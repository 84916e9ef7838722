"""Counts the instructions of a command inside the server. The count is exact, even on a busy machine.

Callgrind counts while the server is in `processCommand`. This excludes reading from and writing to the
socket, and includes everything between: looking up the command, ACL, the command, replication.
"""

import re
import shutil
import subprocess

import harness


def missing():
    """Returns what is missing to count instructions, or None."""
    for tool in ("valgrind", "vgdb", "callgrind_annotate"):
        if not shutil.which(tool):
            return f"{tool} isn't installed"
    return None


class Counter:
    """A server under callgrind, with one connection."""

    def __init__(self, config=(), modules=()):
        self.server = Profiled([*config, *(f"loadmodule {module}" for module in modules)])
        self.server.start()
        self.wire = self.server.wire()
        self.dumps = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.wire.close()
        self.server.close()

    def __call__(self, *command):
        """Runs a command that isn't measured. It must not fail."""
        reply = self.wire(*command)
        if reply.startswith(b"-"):
            raise RuntimeError(f"{command[0]} failed: {reply[:200]!r}")
        return reply

    def count(self, commands, expect=None):
        """Returns the mean of the instructions of `commands`. A few of them should have run before, so that
        the tables have their final size. `expect` is the start of every reply."""
        commands = [harness.encode(*command) for command in commands]
        self._control("zero")
        for command in commands:
            self.wire.send(command)
            reply = self.wire.reply()
            if reply.startswith(b"-") or (expect and not reply.startswith(expect)):
                raise RuntimeError(f"{command[:60]!r}: unexpected reply {reply[:200]!r}")
        return self._dump() / len(commands)

    def _control(self, order):
        done = subprocess.run(["vgdb", f"--pid={self.server.process.pid}", order], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"vgdb {order}: {done.stdout}{done.stderr}")

    def _dump(self):
        self.dumps += 1
        self._control("dump")
        file = self.server.profile(self.dumps)
        harness.wait_until(lambda: file.exists() and _total(file), f"the profile {file}")
        return _total(file)


class Profiled(harness.Server):
    """A server under callgrind."""

    def __init__(self, config):
        super().__init__(config, module=None)

    def command(self):
        out = self.folder / "profile"
        # A server that is a script starts the real server with exec, so the traced process is the same.
        return [
            "valgrind", "--tool=callgrind", "--trace-children=yes", f"--callgrind-out-file={out}",
            "--toggle-collect=processCommand", *super().command(),
        ]  # fmt: skip

    def profile(self, number):
        return self.folder / f"profile.{number}"


def _total(file):
    found = re.search(r"^(?:totals|summary): (\d+)", file.read_text(errors="replace"), re.MULTILINE)
    return int(found[1]) if found else 0
