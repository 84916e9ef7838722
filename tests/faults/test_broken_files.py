"""Cut or damaged files, and a cut full sync, are refused with a reason and never crash the server.

Tries a few offsets of each file by default, and every byte if FAULT_ROUNDS is 100 or more (make test-faults).
"""

import itertools
import json
import os
import re
import shutil
import signal
import sys

import pytest
import redis

from documents import ORDER, document
from harness import CRASH, SLOWDOWN, Server, aof_files, digest, encode, rewrite_aof, wait_in_sync, wait_until
from proxy import CuttingProxy
from server_files import RDB_CONFIG, commands, line, value_span

EVERY_BYTE = int(os.environ.get("FAULT_ROUNDS", "5")) >= 100
FEW = 9
# The bits in which a damaged byte differs.
DAMAGES = [0x01, 0x80, 0xFF]
MACHINES = {
    "order:1": [("SM.SET", ORDER)],
    "order:2": [("SM.SET", ORDER), ("SM.MUTATE", "boo", "a reason")],
    "other": [("SM.SET", document({"on": ["off"], "off": ["on", "on"]}, "on", "off"))],
    "blank": [("SM.CREATE",)],
}
REASONS = r"the data ends too early|record|definition|archive|number|state|reason|encoding|magic|header"
SAYS_WHY = re.compile(rf"key '(\S+)' holds no valid state machine: .*({REASONS})".encode())
BAD_NUMBER = re.compile(
    rb"key '\S+' holds no valid state machine: definition \w+ was (not in the file so far|in the file before)"
)
# The servers' own messages about damage outside of a machine. A start with a sound file logs none of them.
SERVERS_WORDS = re.compile(
    rb"Internal error in RDB reading offset|Short read or OOM loading DB|Terminating server after rdb file"
    rb"|Unknown RDB (?:string )?encoding|Wrong signature|Can't handle RDB format version"
    rb"|Unexpected end of file reading the append only file|Bad file format reading the append only file"
    rb"|Unknown command '[^\n]*' reading the append only file|Error reading the append only file"
    rb"|Fatal error: the truncated file is not the last file"
)
# The last message before the server ends, or checks the file and ends.
GIVES_UP = b"Internal error in RDB reading offset"
# The most resident memory of a server with any file. A new server takes about 15 MB.
ENOUGH_KB = 200_000


def populate(server):
    for key, steps in MACHINES.items():
        for name, *rest in steps:
            assert server.run(name, key, *rest) == b"OK"
    server.run("SET", "plain", "a string")


def offsets(start, end):
    """Returns every offset of a file, or a few in each part of it."""
    return range(start, end, 1 if EVERY_BYTE else max(1, (end - start) // FEW))


# ---- one start with one file ------------------------------------------------------------------------


def try_start(server):
    """Starts the server. Returns whether it started, and its log. Fails if a signal ended it."""
    server.log_file.unlink(missing_ok=True)
    enough = enough_kb()
    server.start(wait=False)
    server.expected_to_end = True
    process = server.process
    came_up = lambda: b"Ready to accept connections" in server.log()
    gave_up = lambda: ended(process) or GIVES_UP in server.log()
    wait_until(lambda: came_up() or gave_up(), "the server to come up or to give up", 60)
    up = came_up()
    peak = memory_kb(process.pid, "VmHWM") if up else peak_of_the_ended(process)
    log = server.log()
    assert not CRASH.search(log), log.decode(errors="replace")
    assert peak < enough, f"the server took {peak} kB, {enough} kB at most were enough"
    # The server exits with 1, or with 0 if its file checker then finds the file well-formed.
    assert process.returncode in (None, 0, 1), log.decode(errors="replace")
    return up, log


def enough_kb():
    """Returns the memory limit. The kernel reports for an ended server at least the memory of this test
    run, because the server was a fork of it first. So in a large run that is the limit."""
    return int(max(ENOUGH_KB * SLOWDOWN, 1.1 * memory_kb("self", "VmRSS")))


def memory_kb(pid, name):
    with open(f"/proc/{pid}/status") as status:
        return int(re.search(rf"^{name}:\s+(\d+) kB$", status.read(), re.MULTILINE)[1])


def ended(process):
    """Returns whether a process has ended. Only the call that collects the process gets its peak memory."""
    if process.returncode is None:
        pid, status, used = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            process.peak_kb = used.ru_maxrss
    return process.returncode is not None


def peak_of_the_ended(process):
    """Waits for the server's end and returns its peak memory. After the error the server runs its file
    checker, which never ends if the file ends between the parts of a module's value
    (rdbLoadCheckModuleValue takes the end of the file for one more part). By then the file is refused,
    so a checker that takes too long is killed."""
    try:
        wait_until(lambda: ended(process), "the checker to end", 0.5)
    except AssertionError:
        os.killpg(process.pid, signal.SIGKILL)
        wait_until(lambda: ended(process), "the checker to be ended")
        process.returncode = 1
    assert process.peak_kb > 0
    return process.peak_kb


def refuses(server, file, data, key=None):
    """Checks that the server refuses this file and logs why, with the key if the damage is in a machine."""
    file.write_bytes(data)
    up, log = try_start(server)
    if up:
        server.kill()
    assert not up, f"{len(data)} bytes of {file.name} were loaded"
    if key is not None:
        said = SAYS_WHY.search(log)
        assert said and said[1] == key.encode(), log.decode(errors="replace")
    else:
        assert SERVERS_WORDS.search(log), log.decode(errors="replace")


def is_sound(server):
    """Checks that every loaded machine can be used by every command and saved."""
    with server.client() as client:
        for key in client.keys():
            if client.type(key) != b"StateType":
                continue
            stored = json.loads(client.execute_command("SM.GET", key))
            assert client.execute_command("SM.STATE", key) == [stored["current"].encode()]
            client.execute_command("MEMORY", "USAGE", key)
            client.execute_command("SM.RESET", key)
            for target in stored["map"].get(stored["initial"], [])[:1]:
                assert client.execute_command("SM.MUTATE", key, target, "why") == b"OK"
        client.execute_command("DEBUG", "DIGEST")
        client.execute_command("SAVE")
    server.check()


def refused_or_sound(server, file, data):
    """Returns the log of a server that refuses this file and logs why. Returns None if the server starts;
    then all its machines must be usable."""
    file.write_bytes(data)
    up, log = try_start(server)
    if not up:
        assert SAYS_WHY.search(log) or SERVERS_WORDS.search(log), log.decode(errors="replace")
        return log
    server.wait_ready()
    is_sound(server)
    server.kill()
    return None


def flipped(data, at, damage):
    return data[:at] + bytes([data[at] ^ damage]) + data[at + 1 :]


def machine_at(data, offset):
    """Returns the key of the machine at an offset of an RDB file."""
    for key in MACHINES:
        start, end = value_span(data, key)
        if start <= offset < end:
            return key
    return None


# ---- these tests themselves ----------------------------------------------------------------------------


class Hungry(Server):
    """A server that takes too much memory and exits."""

    def command(self):
        return [sys.executable, "-c", f"b'x' * 1024 * {enough_kb() * 5 // 4}; exit(1)"]


def test_a_server_that_takes_too_much_is_noticed_though_it_has_ended():
    server = Hungry()
    try:
        with pytest.raises(AssertionError, match="the server took [0-9]+ kB"):
            try_start(server)
    finally:
        server.close()


@pytest.mark.parametrize("aof", [["appendonly no"], ["appendonly yes"]], ids=["RDB", "AOF"])
def test_a_server_that_loads_a_sound_file_says_nothing_of_what_is_taken_for_a_refusal(servers, aof):
    server = servers.start([*aof, *RDB_CONFIG])
    populate(server)
    if aof == ["appendonly yes"]:
        assert rewrite_aof(server) == "ok"
        server.run("SET", "later", "so that the base is not the last file")
    server.restart("SAVE")
    server.kill()
    up, log = try_start(server)
    assert up and re.search(rb"keys loaded: [1-9]|DB loaded from", log), log.decode(errors="replace")
    said = SERVERS_WORDS.search(log) or SAYS_WHY.search(log)
    assert not said, said[0]
    server.kill()


# ---- RDB ----------------------------------------------------------------------------------------------


@pytest.fixture
def rdb(servers):
    """Yields a stopped server, its RDB file, and the machines in it."""
    server = servers.start(RDB_CONFIG)
    populate(server)
    server.run("SAVE")
    server.shutdown("NOSAVE")
    file = server.folder / "dump.rdb"
    return server, file, file.read_bytes()


def test_an_rdb_cut_at_every_byte(rdb):
    server, file, data = rdb
    inside = [sum(value_span(data, key)) // 2 for key in MACHINES]
    # The last eight bytes are the checksum, which isn't checked here.
    for end in sorted({*offsets(1, len(data) - 8), *inside}):
        refuses(server, file, data[:end], machine_at(data, end))


@pytest.mark.parametrize("damage", DAMAGES)
def test_an_rdb_damaged_in_a_machine(rdb, damage):
    damaged_in_a_machine(*rdb, damage)


def damaged_in_a_machine(server, file, data, damage):
    refused = 0
    for key in MACHINES:
        start, end = value_span(data, key)
        for at in offsets(start, end):
            log = refused_or_sound(server, file, flipped(data, at, damage))
            if log is None:
                continue
            refused += 1
            # The damaged length or opcode here is the server's own, so the server reads on past it. Or a
            # definition's number is damaged: a later machine that refers to it doesn't find it, or the
            # damaged number is that of another definition.
            archive = data.find(b"RSMA", start, end)
            if archive - 8 <= at < archive:
                assert BAD_NUMBER.search(log), log.decode(errors="replace")
            elif at >= start + 3:
                assert b"key '" + key.encode() in log, log.decode(errors="replace")
    assert refused


# ---- AOF ----------------------------------------------------------------------------------------------


def aof_server(servers, *config):
    # The server's default. The harness sets panic, which would end the server with a crash report.
    lines = ["appendonly yes", "appendfsync always", "propagation-error-behavior ignore"]
    return servers.start([*lines, *RDB_CONFIG, *config])


@pytest.fixture
def base(servers, request):
    """Yields a stopped server, the base file of its AOF, and the machines in it."""
    server = aof_server(servers, f"aof-use-rdb-preamble {request.param}")
    populate(server)
    assert rewrite_aof(server) == "ok"
    server.run("SET", "later", "so that the base is not the last file")
    server.kill()
    file = next(file for file in aof_files(server) if ".base." in file.name)
    return server, file, file.read_bytes()


@pytest.mark.parametrize("base", ["yes"], indirect=True, ids=["preamble"])
def test_an_aof_with_a_preamble_cut_at_every_byte(base):
    server, file, data = base
    inside = [sum(value_span(data, key)) // 2 for key in MACHINES]
    for end in sorted({*offsets(1, len(data) - 8), *inside}):
        refuses(server, file, data[:end], machine_at(data, end))


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("base", ["yes"], indirect=True, ids=["preamble"])
def test_an_aof_with_a_preamble_damaged_in_a_machine(base, damage):
    damaged_in_a_machine(*base, damage)


@pytest.mark.parametrize("base", ["no"], indirect=True, ids=["plain"])
def test_a_plain_aof_cut_at_every_byte(base):
    server, file, data = base
    # For the server, a file that ends after a command is complete.
    whole = {end for _, end in commands(data)}
    for end in offsets(1, len(data)):
        if end not in whole:
            refuses(server, file, data[:end])


@pytest.mark.parametrize("base", ["no"], indirect=True, ids=["plain"])
def test_a_plain_aof_damaged_in_the_middle(servers, base):
    """The server goes on after a command that fails, so the log must name the key."""
    server, file, data = base
    # Like a replay, `edge` accepts a current state that the document doesn't have.
    scratch = servers.start(["redisstate.compat edge"])
    failed = 0
    for at, key, step in damaged_steps(data):
        file.write_bytes(flipped(data, at, 0x01))
        up, log = try_start(server)
        assert up, log.decode(errors="replace")
        server.wait_ready()
        if not takes_effect(scratch, key, step):
            failed += 1
            name = step[-1][0].encode()
            assert b"key '%s': %s fails while the file is loaded: " % (key.encode(), name) in log, log
        is_sound(server)
        server.kill()
    assert failed


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("part", ["numbers", "name", "key"])
@pytest.mark.parametrize("base", ["no"], indirect=True, ids=["plain"])
def test_a_plain_aof_damaged_around_the_arguments(base, part, damage):
    """The server can't recognise damage that makes another valid key or command. It is loaded."""
    server, file, data = base
    refused = 0
    for span in parts_of_commands(data)[part]:
        for at in offsets(*span):
            refused += refused_or_sound(server, file, flipped(data, at, damage)) is not None
    assert refused or part == "key"


def parts_of_commands(data):
    """Returns the offsets of counts and lengths, names and keys in the commands about machines."""
    out, start = {"numbers": [], "name": [], "key": []}, 0
    for args, end in commands(data):
        if args[1].decode() in MACHINES:
            _, at = line(data, start)
            out["numbers"].append((start, at))
            for part, arg in itertools.zip_longest(["name", "key"], args):
                _, begin = line(data, at)
                out["numbers"].append((at, begin))
                if part:
                    out[part].append((begin, begin + len(arg)))
                at = begin + len(arg) + 2
        start = end
    return out


@pytest.mark.parametrize(
    "step, why",
    [
        (["SM.MUTATE", "order:1"], b"wrong number of arguments"),
        # A moment may follow, which takes three.
        (["SM.RESET", "order:1", *"wxyz"], b"wrong number of arguments"),
        (["SM.LOAD", "order:1", "x"], b"damaged number in record"),
        (["SM.LOAD", "order:1", *"xyz"], b"wrong number of arguments"),
        (["SM.CREATE", "order:1", "x"], b"wrong number of arguments"),
        (["SM.RESET", "order:1", "x"], b"unknown option"),
        (["SM.MUTATE", "order:1", "boo", b"r" * (64 * 2**20 + 1)], b"over the limit of 67108864"),
    ],
    ids=["too few", "too many", "no record", "too much after a record", "too much after a key", "unknown", "too long"],
)
def test_a_command_that_no_server_of_ours_wrote(servers, step, why):
    """The command is skipped and logged, and the loaded machines can be saved and loaded again. Or the
    server itself checks the number of arguments, and refuses the file."""
    # Otherwise the server would rewrite such a long file by itself some time after loading it.
    server = aof_server(servers, "auto-aof-rewrite-percentage 0")
    populate(server)
    server.kill()
    last = next(file for file in aof_files(server) if ".incr." in file.name)
    with open(last, "ab") as file:
        file.write(encode(*step))
    up, log = try_start(server)
    if b"append only file" in log and b"error: wrong number of arguments for" in log:
        assert not up
        return
    assert up, log.decode(errors="replace")
    server.wait_ready()
    assert re.search(rb"key 'order:1': %s fails while the file is loaded: .*%s" % (step[0].encode(), why), log)
    before = digest(server)
    assert rewrite_aof(server) == "ok"
    server.restart()
    assert digest(server) == before


@pytest.mark.parametrize("key, why", [("order:1", b"no such move"), ("order:9", b"no such key")])
def test_a_move_that_cannot_be_repeated_stops_a_server_that_is_told_to(servers, key, why):
    server = aof_server(servers)
    populate(server)
    server.kill()
    last = next(file for file in aof_files(server) if ".incr." in file.name)
    with open(last, "ab") as file:
        file.write(encode("SM.MUTATE", key, "nowhere"))
    with open(server.config_file, "a") as config:
        config.write("propagation-error-behavior panic\n")
    server.log_file.unlink()
    server.start(wait=False)
    # The crash report is expected. (Redis 8.0.6 hangs while writing it.)
    wait_until(lambda: b"This server panicked" in server.log(), "the server to panic")
    server.kill()
    log = server.log()
    line = b"key '%s': SM.MUTATE fails while the file is loaded: %s, although the command succeeded when the file was written"
    assert line % (key.encode(), why) in log
    assert b"Ready to accept connections" not in log
    server.log_file.unlink()


def damaged_steps(data):
    """Yields, for offsets in the commands about machines, the key and its commands with that damage."""
    before, start = {}, 0
    for args, end in commands(data):
        key = args[1].decode()
        if key in MACHINES:
            steps = before.setdefault(key, [])
            for number, arg in enumerate(args[2:], 2):
                begin = data.index(arg, start) if arg else end
                for at in offsets(begin, begin + len(arg)):
                    damaged = bytearray(arg)
                    damaged[at - begin] ^= 0x01
                    now = [*args[:number], bytes(damaged), *args[number + 1 :]]
                    yield at, key, [*steps, (now[0].decode(), *now[2:])]
            steps.append((args[0].decode(), *args[2:]))
        start = end


def takes_effect(scratch, key, steps):
    scratch.run("DEL", key)
    *before, (name, *rest) = steps
    for command, *arguments in before:
        scratch.run(command, key, *arguments)
    try:
        return scratch.run(name, key, *rest) is not None
    except redis.exceptions.ResponseError:
        return False


def test_the_last_aof_cut_at_every_byte(servers):
    """With aof-load-truncated, every complete command is loaded. Without it, the server refuses the file."""
    server = aof_server(servers)
    populate(server)
    server.kill()
    folder, kept = server.folder / "appendonlydir", server.folder / "kept"
    shutil.copytree(folder, kept)
    name = next(file.name for file in aof_files(server) if ".incr." in file.name)
    data = (kept / name).read_bytes()
    digests = digests_by_prefix(servers, data)
    text = server.config_file.read_text()
    for end in offsets(1, len(data)):
        (folder / name).write_bytes(data[:end])
        up, log = try_start(server)
        assert up, log.decode(errors="replace")
        server.wait_ready()
        assert digest(server) == digests[sum(offset <= end for _, offset in commands(data))]
        server.kill()
        shutil.rmtree(folder)
        shutil.copytree(kept, folder)
    server.config_file.write_text(text + "aof-load-truncated no\n")
    refuses(server, folder / name, data[:-1])


def digests_by_prefix(servers, data):
    """Returns the digests after no command, after the first, after the first two, and so on."""
    server = servers.start()
    with server.client() as client:
        out = [digest(server)]
        for args, _ in commands(data):
            client.execute_command(*args)
            out.append(digest(server))
    return out


# ---- a full sync that is cut ----------------------------------------------------------------------------


@pytest.mark.parametrize("sync", ["yes", "no"], ids=["diskless", "disk"])
@pytest.mark.parametrize("load", ["disabled", "on-empty-db", "swapdb"])
def test_a_replica_fed_a_cut_stream_recovers(servers, sync, load):
    """The replica tries again by itself, once a second, so a round takes a second."""
    primary = servers.start([f"repl-diskless-sync {sync}", *RDB_CONFIG])
    populate(primary)
    whole = bytes_of_a_full_sync(servers, primary)
    # Sixty bytes of slack: numbers in the header, and the bytes after the file, differ between syncs.
    cuts = list(range(whole - 60, 100, -1 if EVERY_BYTE else -(whole // 4)))
    replica = servers.start([f"repl-diskless-load {load}"])
    with CuttingProxy(primary.port, cuts) as proxy:
        replica.run("REPLICAOF", "127.0.0.1", proxy.port)
        up = lambda: replica.info("replication")["master_link_status"] == "up"
        wait_until(lambda: not proxy.cuts and up(), "the replica to recover", 60 + 5 * len(cuts))
        wait_in_sync(primary, replica)
        assert digest(replica) == digest(primary)
        assert primary.run("SM.MUTATE", "order:1", "boo", "after") == b"OK"
        wait_in_sync(primary, replica)
        assert replica.run("SM.GET", "order:1", "REASON") == b"after"
    replica.check()


def bytes_of_a_full_sync(servers, primary):
    replica = servers.start()
    with CuttingProxy(primary.port) as proxy:
        replica.run("REPLICAOF", "127.0.0.1", proxy.port)
        wait_in_sync(primary, replica)
        whole = max(proxy.counts)
        replica.run("REPLICAOF", "NO", "ONE")
    return whole
