"""Real servers for the tests. Each has its own port and folder, and is removed when the test ends.

SERVER   the server to test: a name on the path, or a path (default redis-server);
         scripts/servers.sh fetches the other tested releases
MODULE   the module to load (default target/release/libredis_state.so)
FAULT_MODULE    the same, built with fault injection
SECOND_MODULE   a module that calls this one (default target/debug/examples/libsecond_module.so)
SLOWDOWN        the factor by which every timeout is multiplied (4 under a memory checker)
"""

import ctypes
import functools
import itertools
import os
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from pathlib import Path

import redis

ROOT = Path(__file__).resolve().parents[2]
SERVER = os.environ.get("SERVER", "redis-server")
MODULE = Path(os.environ.get("MODULE", ROOT / "target/release/libredis_state.so")).resolve()
FAULT_MODULE = Path(os.environ.get("FAULT_MODULE", ROOT / "target/fault/release/libredis_state.so")).resolve()
SECOND_MODULE = Path(os.environ.get("SECOND_MODULE", ROOT / "target/debug/examples/libsecond_module.so")).resolve()
SLOWDOWN = float(os.environ.get("SLOWDOWN", "1"))
# Under a memory checker a server must exit by itself, because the checker writes its report then.
GRACEFUL_STOP = SLOWDOWN > 1

# The texts that a crashing server writes. 'panicked at' is Rust's own line on standard error.
CRASH = re.compile(
    rb"crashed by signal|BUG REPORT START|ASSERTION FAILED|Guru Meditation|panicked at"
    rb"|AddressSanitizer|memory allocation of"
)


class ServerCrashed(AssertionError):
    """A server ended or wrote a crash report although the test expects it to run."""


def wait_until(condition, what, timeout=20.0, pause=0.01):
    """Calls `condition` until it returns a true value, and returns that value."""
    end = time.monotonic() + timeout * SLOWDOWN
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {timeout * SLOWDOWN:.0f} s in vain for: {what}")
        time.sleep(pause)


# Below the system's ephemeral ports. The port of the cluster bus is 10000 higher.
PORTS = range(10000, 20000)
_ports = itertools.cycle(random.sample(PORTS, len(PORTS)))


def take_port():
    """Returns a port that is free, as is its cluster bus port, and a lock on it: an abstract Unix socket.
    Until it is closed, no other process that runs tests takes the port."""
    for port in _ports:
        lock = socket.socket(socket.AF_UNIX)
        try:
            lock.bind(f"\0redisstate-test-{port}")
            if _can_bind(port) and _can_bind(port + 10000):
                return port, lock
        except OSError:
            pass
        lock.close()


def _can_bind(port):
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _in_the_child():
    """Makes a write over the file size limit an error, as on a full disk, instead of a fatal signal."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    die_with_parent()


def die_with_parent():
    """On Linux, makes this process die with the one that started it, even if that is killed."""
    try:
        PR_SET_PDEATHSIG = 1
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    except (OSError, AttributeError):
        pass


@functools.cache
def server_version():
    """Returns ('redis' or 'valkey', (major, minor, patch)) of the server under test."""
    text = subprocess.run([SERVER, "--version"], capture_output=True, text=True, check=True).stdout
    name = "valkey" if text.lower().startswith("valkey") else "redis"
    return name, tuple(int(n) for n in re.search(r"v=(\d+)\.(\d+)\.(\d+)", text).groups())


def hides_user_data():
    """Returns whether the server has the config `hide-user-data-from-log`."""
    name, version = server_version()
    return name == "valkey" or version >= (7, 4)


# ---- one server -------------------------------------------------------------------------------


class Server:
    """One server process with its folder, its log and its configuration file.

    `config` is a list of lines for the configuration file, or a dict of them. The file also loads the
    module, so that CONFIG REWRITE and a restart work as on a user's server. `environment` is a dict of
    additional environment variables.
    """

    def __init__(self, config=(), module=MODULE, module_args="", allow_panics=False, environment=()):
        self.folder = Path(tempfile.mkdtemp(prefix="redisstate-"))
        self.port, self._port_lock = take_port()
        self.allow_panics = allow_panics
        self.environment = {**os.environ, **dict(environment)}
        self.process = None
        self.expected_to_end = False
        lines = [f"{k} {v}" for k, v in config.items()] if isinstance(config, dict) else list(config)
        self._write_config(lines, module, module_args)

    def _write_config(self, lines, module, module_args):
        text = [
            f"port {self.port}",
            "bind 127.0.0.1",
            f"dir {self.folder}",
            'save ""',
            "enable-debug-command yes",
            "enable-module-command yes",
            "repl-diskless-sync-delay 0",
            "propagation-error-behavior panic",
        ]
        if hides_user_data():
            # Valkey's default is yes, but most tests that read a log look for a key or a name.
            text.append("hide-user-data-from-log no")
        if module is not None:
            text.append(f"loadmodule {module} {module_args}".rstrip())
        self.config_file.write_text("\n".join(text + lines) + "\n")

    @property
    def config_file(self):
        return self.folder / "server.conf"

    @property
    def log_file(self):
        return self.folder / "server.log"

    def log(self):
        return self.log_file.read_bytes() if self.log_file.exists() else b""

    # -- life ------------------------------------------------------------------------------

    def command(self):
        return [SERVER, str(self.config_file)]

    def start(self, wait=True):
        self.expected_to_end = False
        in_main = threading.current_thread() is threading.main_thread()
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=self.environment,
                start_new_session=True,
                preexec_fn=_in_the_child if in_main else None,
            )
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self):
        wait_until(self._answers, f"a server on port {self.port} to answer")

    def _answers(self):
        if self.process.poll() is not None:
            raise ServerCrashed(f"the server ended while starting:\n{self._log_tail()}")
        try:
            with self.client() as client:
                return client.ping()
        except redis.exceptions.BusyLoadingError:
            return False
        except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError):
            return False

    def fails_to_start(self):
        """Starts the server, waits until it exits, and returns its log."""
        self.start(wait=False)
        self.expected_to_end = True
        wait_until(lambda: self.process.poll() is not None, "the server to refuse to start")
        return self.log()

    def kill(self):
        """Kills the server with SIGKILL, as the out-of-memory killer does."""
        self.expected_to_end = True
        self._signal_group(signal.SIGKILL)
        self.process.wait()

    def shutdown(self, save=None):
        """Sends SHUTDOWN, with `save` (SAVE or NOSAVE) if given, and waits for the exit."""
        self.expected_to_end = True
        with self.client() as client:
            try:
                client.execute_command("SHUTDOWN", *([save] if save else []))
            except redis.exceptions.ConnectionError:
                pass
        self.process.wait(60 * SLOWDOWN)

    def restart(self, save=None):
        self.shutdown(save)
        return self.start()

    def limit_file_size(self, size):
        """Makes writes beyond `size` fail, as on a full disk, in child processes too. None: no limit."""
        soft = resource.RLIM_INFINITY if size is None else size
        resource.prlimit(self.process.pid, resource.RLIMIT_FSIZE, (soft, resource.RLIM_INFINITY))

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def check(self):
        """Raises ServerCrashed if the server has ended unexpectedly or wrote a crash report."""
        log = self.log()
        found = CRASH.search(log)
        if found and not (self.allow_panics and found.group() == b"panicked at"):
            raise ServerCrashed(f"crash report of {SERVER}:\n{self._log_tail(found.start())}")
        if self.process and not self.alive() and not self.expected_to_end:
            raise ServerCrashed(f"exit code {self.process.returncode}:\n{self._log_tail()}")

    def close(self, check=True):
        """Ends the server and removes its folder. Raises ServerCrashed if it had crashed."""
        try:
            if check:
                self.check()
        finally:
            if self.process:
                if GRACEFUL_STOP and self.alive():
                    self._stop_gracefully()
                self._signal_group(signal.SIGKILL)
                self.process.wait()
            shutil.rmtree(self.folder, ignore_errors=True)
            self._port_lock.close()

    def _stop_gracefully(self):
        self.process.terminate()
        try:
            self.process.wait(20 * SLOWDOWN)
        except subprocess.TimeoutExpired:
            pass

    def _signal_group(self, number):
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def _log_tail(self, start=None):
        log = self.log()
        part = log[start : start + 6000] if start is not None else log[-6000:]
        return part.decode(errors="replace")

    # -- talking to it ---------------------------------------------------------------------

    def client(self, protocol=2, **more):
        # No retries: a retried write would hide a lost reply.
        more.setdefault("socket_timeout", 60 * SLOWDOWN)
        return redis.Redis(
            port=self.port,
            protocol=protocol,
            retry=redis.retry.Retry(redis.backoff.NoBackoff(), 0),
            driver_info=None,
            **more,
        )

    def wire(self):
        return Wire(self.port)

    def info(self, section="everything"):
        with self.client() as client:
            return client.info(section)

    def run(self, *command):
        with self.client() as client:
            return client.execute_command(*command)

    def raw(self, *command):
        """Returns the RESP2 reply without redis-py's conversions."""
        with self.client() as client:
            client.response_callbacks.clear()
            return client.execute_command(*command)

    def node_id(self):
        """Returns the id of this node in its cluster."""
        return self.run("CLUSTER", "MYID")

    def config(self, name):
        """Returns the value of one config as text."""
        return self.raw("CONFIG", "GET", name)[1].decode()


def as_edge(client, *command):
    """Runs a command in edge mode. It takes machines whose current state nothing else in them names:
    documented mode refuses to store such, and has to live with those that are there."""
    (mode,) = client.config_get("redisstate.compat").values()
    client.config_set("redisstate.compat", "edge")
    try:
        return client.execute_command(*command)
    finally:
        client.config_set("redisstate.compat", mode)


# ---- exact bytes ------------------------------------------------------------------------------


def encode(*args):
    """Encodes a command in RESP. Strings are sent as UTF-8."""
    out = [b"*%d\r\n" % len(args)]
    for arg in args:
        data = arg if isinstance(arg, bytes) else str(arg).encode()
        out.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(out)


class Wire:
    """A connection that returns the raw bytes of each reply."""

    AGGREGATES = {b"*": 1, b"~": 1, b">": 1, b"%": 2, b"|": 2}

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60 * SLOWDOWN)
        self.stream = self.socket.makefile("rb")

    def __call__(self, *args):
        """Sends one command and returns the whole reply, undecoded."""
        self.send(encode(*args))
        return self.reply()

    def send(self, data):
        self.socket.sendall(data)

    def reply(self):
        line = self.stream.readline()
        if not line:
            raise ServerCrashed("the server closed the connection")
        kind = line[:1]
        if kind in (b"$", b"=", b"!"):
            length = int(line[1:])
            return line if length < 0 else line + self.stream.read(length + 2)
        if kind in self.AGGREGATES:
            count = int(line[1:])
            parts = [self.reply() for _ in range(max(count, 0) * self.AGGREGATES[kind])]
            return line + b"".join(parts)
        return line

    def close(self):
        self.stream.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def bulk(data):
    """Returns the bytes of a reply that is one bulk string."""
    data = data if isinstance(data, bytes) else data.encode()
    return b"$%d\r\n%s\r\n" % (len(data), data)


def array(*items):
    """Returns the bytes of a reply that is an array of bulk strings."""
    return b"*%d\r\n" % len(items) + b"".join(bulk(item) for item in items)


OK = b"+OK\r\n"
NIL = b"$-1\r\n"
NIL3 = b"_\r\n"


# ---- several servers --------------------------------------------------------------------------


class Pool:
    """The servers of one test, or of one file of tests. They end together."""

    def __init__(self):
        self.servers = []

    def start(self, *args, **kwargs):
        return self.prepare(*args, **kwargs).start()

    def prepare(self, *args, **kwargs):
        """Makes a server with its folder and configuration, without starting it."""
        server = Server(*args, **kwargs)
        self.servers.append(server)
        return server

    def close(self):
        problems = []
        for server in self.servers:
            try:
                server.close()
            except ServerCrashed as crash:
                problems.append(str(crash))
        self.servers = []
        if problems:
            raise ServerCrashed("\n\n".join(problems))

    # -- replication -----------------------------------------------------------------------

    def pair(self, primary_config=(), replica_config=(), **kwargs):
        primary = self.start(primary_config, **kwargs)
        replica = self.start(replica_config, **kwargs)
        follow(replica, primary)
        return primary, replica

    # -- cluster ---------------------------------------------------------------------------

    def cluster(self, nodes=3, config=(), **kwargs):
        """Starts a cluster of primaries that share the 16,384 slots, and waits until all nodes agree."""
        lines = ["cluster-enabled yes", "cluster-node-timeout 20000", *config]
        servers = [self.start(lines, **kwargs) for _ in range(nodes)]
        step = 16384 // nodes
        for i, server in enumerate(servers):
            last = 16383 if i == nodes - 1 else (i + 1) * step - 1
            server.run("CLUSTER ADDSLOTSRANGE", i * step, last)
            server.run("CLUSTER SET-CONFIG-EPOCH", i + 1)
        for server in servers[1:]:
            servers[0].run("CLUSTER MEET", "127.0.0.1", server.port)
        for server in servers:
            wait_until(lambda: _cluster_ok(server, nodes), "the cluster to be whole", timeout=60)
        return servers


def _cluster_ok(server, nodes):
    with server.client() as client:
        info = client.execute_command("CLUSTER INFO")
    if isinstance(info, bytes):
        text = info.decode()
        info = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    return info["cluster_state"] == "ok" and int(info["cluster_known_nodes"]) == nodes


def follow(replica, primary):
    replica.run("REPLICAOF", "127.0.0.1", primary.port)
    wait_in_sync(primary, replica)


def wait_in_sync(primary, replica, timeout=60):
    """Waits until the replica has applied every byte that the primary has written by now."""
    offset = primary.info("replication")["master_repl_offset"]

    def caught_up():
        replica.check()
        now = replica.info("replication")
        return now.get("master_link_status") == "up" and now["slave_repl_offset"] >= offset

    wait_until(caught_up, f"the replica to reach offset {offset}", timeout)


# ---- files written in the background ------------------------------------------------------------


def start_saving(server):
    """Sends BGSAVE when no other child process runs. A primary refuses BGSAVE until it has noticed the
    exit of the child that fed a replica, and that is only after the replica reports to be in sync."""
    wait_for_save(server)
    server.run("BGSAVE")


def wait_for_save(server):
    """Waits until no child saves or feeds a replica. Returns the status of the last save to disk."""
    ended = lambda: (i := server.info("persistence"))["rdb_bgsave_in_progress"] == 0 and i
    return wait_until(ended, "the background save to end", 60)["rdb_last_bgsave_status"]


def background_save(server):
    start_saving(server)
    assert wait_for_save(server) == "ok"


def rewrite_aof(server):
    """Sends BGREWRITEAOF when no other rewrite runs, waits for it and returns its status. The server
    delays it while a child feeds a replica."""
    wait_for_rewrite(server)
    server.run("BGREWRITEAOF")
    return wait_for_rewrite(server)


def wait_for_rewrite(server):
    def ended():
        now = server.info("persistence")
        return not (now["aof_rewrite_in_progress"] or now["aof_rewrite_scheduled"]) and now

    return wait_until(ended, "the AOF rewrite to end", 60)["aof_last_bgrewrite_status"]


# ---- what is stored ---------------------------------------------------------------------------


def digest(server):
    """Returns DEBUG DIGEST, one hash over every key, value and expiry of the server."""
    return server.run("DEBUG", "DIGEST")


def value_digests(server, keys):
    keys = list(keys)
    return dict(zip(keys, server.run("DEBUG", "DIGEST-VALUE", *keys))) if keys else {}


def aof_files(server):
    return sorted((server.folder / "appendonlydir").glob("*"))
