"""A PostgreSQL cluster of the benchmark's own, in a temporary folder. Nothing else on the machine is touched.

POSTGRES   the folder of PostgreSQL's programs (default: Debian's newest, or where `postgres` is found)
"""

import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path

import harness

PROGRAMS = "initdb", "postgres", "psql", "pgbench"
#: No checkpoint falls into a turn, and every row is in memory: the best case.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "shared_buffers": "256MB",
    "max_wal_size": "8GB",
    "checkpoint_timeout": "1h",
    "log_min_messages": "warning",
}


def folder():
    """Returns the folder of the programs, or None."""
    return next((place for place in _places() if all((place / name).exists() for name in PROGRAMS)), None)


def _places():
    named, found = os.environ.get("POSTGRES"), shutil.which("postgres")
    if named:
        return [Path(named)]
    debian = sorted(Path("/usr/lib/postgresql").glob("[1-9][0-9]/bin"), reverse=True)
    return [*debian, Path(found).parent] if found else debian


def missing():
    """Returns why there is no PostgreSQL to measure, or None."""
    if not folder():
        return "there is no PostgreSQL with pgbench (Debian's package postgresql)"
    return None if _user() else "PostgreSQL refuses to run as root, and there is no user postgres or nobody"


def version():
    """Returns the version of the server's program, or an empty text."""
    if not folder():
        return ""
    return subprocess.run([folder() / "postgres", "--version"], capture_output=True, text=True).stdout.strip()


def _user():
    """Returns the arguments of subprocess that run a program as an ordinary user."""
    if os.geteuid():
        return {"env": os.environ.copy()}
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": [], "env": os.environ.copy()}
    return None


class Cluster:
    """A running server. It ends with the benchmark, and its folder is removed."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="redisstate-postgres-"))
        self.port, self._port_lock = harness.take_port()
        self.process = None
        self.user = _user()
        if "user" in self.user:
            os.chown(self.folder, self.user["user"], self.user["group"])
        try:
            self._start()
        except BaseException:
            self.close()
            raise

    def _start(self):
        self._run("initdb", "-D", self.folder / "data", "-A", "trust", "-U", "bench", "--locale=C", "-E", "UTF8", "-N")
        settings = {**SETTINGS, "port": self.port, "unix_socket_directories": self.folder}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        with open(self.folder / "server.log", "wb") as log:
            self.process = subprocess.Popen(
                [folder() / "postgres", "-D", self.folder / "data", *options],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                preexec_fn=harness.die_with_parent,
                **self.user,
            )
        harness.wait_until(self._answers, "PostgreSQL to answer", pause=0.1)

    def _answers(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"PostgreSQL ended: {(self.folder / 'server.log').read_text()[-1000:]}")
        try:
            return self.sql("SELECT 1")
        except RuntimeError:
            return False

    def sql(self, text):
        """Runs SQL. An error ends it."""
        return self._run("psql", *self._place(), "-qAtX", "-v", "ON_ERROR_STOP=1", "-f", "-", input=text)

    def rate(self, script, clients, transactions, synced):
        """Returns transactions a second of a pgbench script, with prepared statements. Each client commits
        that many. `synced` says whether a commit waits until it is on the disk."""
        (self.folder / "script.sql").write_text(script)
        said = self._run(
            "pgbench", *self._place(), "-n", "-M", "prepared", "-c", clients, "-j", min(clients, os.cpu_count()),
            "-t", transactions, "-f", self.folder / "script.sql",
            PGOPTIONS=f"-c synchronous_commit={'on' if synced else 'off'}",
        )  # fmt: skip
        if f"processed: {clients * transactions}/{clients * transactions}" not in said:
            raise RuntimeError(f"pgbench: {said}")
        return float(re.search(r"^tps = ([\d.]+)", said, re.M)[1])

    def _place(self):
        return "-h", "127.0.0.1", "-p", self.port, "-U", "bench", "-d", "postgres"

    def _run(self, program, *arguments, input=None, **environment):
        command = [str(part) for part in (folder() / program, *arguments)]
        user = {**self.user, "env": {**self.user["env"], **environment}}
        done = subprocess.run(command, input=input, capture_output=True, text=True, cwd=self.folder, **user)
        if done.returncode:
            raise RuntimeError(f"{program}: {done.stderr.strip()[-500:]}")
        return done.stdout

    def close(self):
        if self.process and self.process.poll() is None:
            # The fast shutdown. PostgreSQL ends its own processes.
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.send_signal(signal.SIGQUIT)
                self.process.wait(30)
        shutil.rmtree(self.folder, ignore_errors=True)
        self._port_lock.close()
