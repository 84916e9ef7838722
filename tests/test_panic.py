"""A panic anywhere in the module is an error and doesn't end the server. The fault-injection build
forces the panics."""

import pytest

from documents import ORDER, order
from harness import FAULT_MODULE, NIL, digest, follow, rewrite_aof, wait_for_save, wait_until
from test_acl import LOAD_ERROR, METADATA, call

pytestmark = pytest.mark.skipif(
    not FAULT_MODULE.exists(), reason=f"no fault-injection build at {FAULT_MODULE}: make build-tests"
)

COMMANDS = {name: call(name, "m") for name in METADATA} | {"SM.EMIT": ["SM.EMIT", "m", "moves", "MOVE", "boo"]}


@pytest.fixture
def sm(servers):
    """Yields a client of a server whose module panics on demand. The server has the machines `m` and `n`."""
    server = servers.start(["appendonly no"], module=FAULT_MODULE, allow_panics=True)
    for key in ("m", "n"):
        server.run("SM.SET", key, ORDER)
    return server


def error_of(command):
    """Returns the beginning of the error that the client gets."""
    return b"ERR %s failed by a bug in the module redisstate" % command.encode()


def panic_at(server, place):
    server.run("CONFIG", "SET", "redisstate.panic-at", place)


def panicked(server):
    """Returns whether the armed place has panicked. A fork has its own copy of the armed place."""
    return server.config("redisstate.panic-at") == ""


def unharmed(server, key="n"):
    """Checks that the server lives, and that the other machine is unchanged and works."""
    panic_at(server, "")
    assert server.alive()
    assert server.run("SM.GET", key) == order()
    assert server.run("SM.MUTATE", key, "boo") == b"OK"
    assert server.run("SM.RESET", key) == b"OK"


@pytest.mark.parametrize("command", COMMANDS)
def test_a_panic_in_a_command_is_an_error_reply(sm, command):
    panic_at(sm, command)
    with sm.wire() as wire:
        reply = wire(*COMMANDS[command])
        assert reply.startswith(b"-" + error_of(command))
        assert reply.count(b"\r\n") == 1
        assert wire("PING") == b"+PONG\r\n"
        again = wire(*COMMANDS[command])
        if command == "SM.LOAD":
            assert again == b"-ERR %s\r\n" % LOAD_ERROR.encode()
        else:
            assert not again.startswith(b"-"), "the next one works"
    unharmed(sm)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_panic_in_multi_and_lua(sm, command):
    panic_at(sm, command)
    with sm.wire() as wire:
        wire("MULTI")
        wire(*COMMANDS[command])
        wire("PING")
        assert wire("EXEC").startswith(b"*2\r\n-" + error_of(command))
        panic_at(sm, command)
        reply = wire("EVAL", "return redis.pcall(unpack(ARGV))", 0, *COMMANDS[command])
        assert error_of(command) in reply
    unharmed(sm)


def test_a_panic_while_loading_a_payload_is_a_refused_payload(sm):
    dump = sm.run("DUMP", "m")
    panic_at(sm, "rdb_load")
    with pytest.raises(Exception, match="(?i)payload|format"):
        sm.run("RESTORE", "new", 0, dump)
    assert sm.run("EXISTS", "new") == 0
    sm.run("RESTORE", "new", 0, dump)
    unharmed(sm, "new")
    unharmed(sm)


def test_a_panic_while_loading_at_start_is_a_refused_load(sm):
    sm.run("SAVE")
    sm.shutdown("NOSAVE")
    with open(sm.config_file, "a") as config:
        config.write("redisstate.panic-at rdb_load\n")
    log = sm.fails_to_start()
    assert b"crashed by signal" not in log


def test_a_panic_while_dumping_leaves_nothing_that_could_be_taken_for_a_machine(sm):
    panic_at(sm, "rdb_save")
    with sm.wire() as wire:
        reply = wire("DUMP", "m")
    panic_at(sm, "")
    if reply.startswith(b"$") and reply != NIL:
        with pytest.raises(Exception, match="(?i)payload|format"):
            sm.run("RESTORE", "new", 0, reply.split(b"\r\n", 1)[1][:-2])
    unharmed(sm)


def test_a_panic_while_saving_in_the_foreground_costs_nothing(sm):
    """A foreground save can't report a failure. The module writes the value again, and the file is complete."""
    sm.run("SAVE")
    sm.run("SM.MUTATE", "m", "boo")
    before = digest(sm)
    panic_at(sm, "rdb_save")
    assert sm.run("SAVE")
    assert panicked(sm)
    unharmed(sm)
    sm.restart("NOSAVE")
    assert digest(sm) == before


def test_a_panic_while_saving_in_the_background_leaves_the_last_good_file(sm):
    sm.run("SAVE")
    good = (sm.folder / "dump.rdb").read_bytes()
    before = digest(sm)
    sm.run("SM.MUTATE", "m", "boo")
    panic_at(sm, "rdb_save")
    sm.run("BGSAVE")
    assert wait_for_save(sm) == "err"
    assert b"fault injected at rdb_save" in sm.log()
    assert (sm.folder / "dump.rdb").read_bytes() == good
    unharmed(sm)
    sm.restart("NOSAVE")
    assert digest(sm) == before


def test_a_panic_while_rewriting_the_aof(servers):
    server = servers.start(
        ["appendonly yes", "appendfsync always", "aof-use-rdb-preamble no"],
        module=FAULT_MODULE,
        allow_panics=True,
    )
    server.run("SM.SET", "m", ORDER)
    server.run("SM.SET", "n", ORDER)
    panic_at(server, "aof_rewrite")
    rewrite_aof(server)
    unharmed(server)
    server.kill()
    server.start()
    assert server.run("SM.GET", "m") == order()
    assert server.run("SM.GET", "n") == order()


@pytest.mark.parametrize(
    "place, command",
    [
        ("mem_usage", ("MEMORY", "USAGE", "m")),
        ("digest", ("DEBUG", "DIGEST-VALUE", "m")),
        ("digest", ("DEBUG", "DIGEST")),
        ("copy", ("COPY", "m", "copy")),
        ("free", ("DEL", "m")),
        ("free", ("UNLINK", "m")),
        ("free_effort", ("UNLINK", "m")),
        ("free", ("SET", "m", "a string")),
        ("free", ("FLUSHALL", "SYNC")),
        ("info", ("INFO", "redisstate")),
        ("info", ("INFO", "everything")),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(map(str, value[:2])),
)
def test_a_panic_in_a_callback(sm, place, command):
    panic_at(sm, place)
    with sm.wire() as wire:
        wire(*command)
        assert wire("PING") == b"+PONG\r\n"
    assert panicked(sm)
    assert sm.run("EXISTS", "copy") in (0, 1)
    if command[0] == "FLUSHALL":
        sm.run("SM.SET", "n", ORDER)
    unharmed(sm)


def test_a_panic_in_info_leaves_the_section_out_once(sm):
    panic_at(sm, "info")
    assert sm.info("redisstate") == {}
    assert sm.info("redisstate")["redisstate_machines"] == 2


# ---- a panic in the events about files --------------------------------------------------------------


def test_a_panic_as_a_file_to_save_begins_costs_nothing(sm):
    sm.run("SM.MUTATE", "m", "boo", "why")
    before = digest(sm)
    panic_at(sm, "file_event")
    sm.run("SAVE")
    assert panicked(sm)
    dump = sm.run("DUMP", "m")
    sm.restart("NOSAVE")
    assert digest(sm) == before
    sm.run("RESTORE", "copy", 0, dump)
    assert sm.run("SM.GET", "copy") == sm.run("SM.GET", "m")
    unharmed(sm)


def test_a_panic_as_a_background_save_begins_costs_nothing(sm):
    before = digest(sm)
    panic_at(sm, "file_event")
    sm.run("BGSAVE")
    assert wait_for_save(sm) == "ok"
    assert b"fault injected at file_event" in sm.log()
    panic_at(sm, "")
    sm.restart("NOSAVE")
    assert digest(sm) == before
    unharmed(sm)


def test_a_panic_as_a_file_to_load_begins_is_a_refused_load(sm):
    """Values that refer to a definition of the same file can't be read without it."""
    sm.run("SAVE")
    sm.shutdown("NOSAVE")
    with open(sm.config_file, "a") as config:
        config.write("redisstate.panic-at file_event\n")
    log = sm.fails_to_start()
    assert b"fault injected at file_event" in log
    assert b"holds no valid state machine" in log
    assert b"crashed by signal" not in log


def test_a_panic_as_a_full_sync_begins_is_a_refused_sync(sm, servers):
    """A replica that can't read the file ends, as the servers do for any damaged file."""
    replica = servers.start(module=FAULT_MODULE, allow_panics=True)
    panic_at(replica, "file_event")
    replica.expected_to_end = True
    replica.run("REPLICAOF", "127.0.0.1", sm.port)
    wait_until(lambda: replica.process.poll() is not None, "the replica to refuse the sync")
    # The exit code is zero if the file checker, which runs first, finds the file well-formed.
    assert replica.process.returncode in (0, 1)
    log = replica.log()
    assert b"fault injected at file_event" in log and b"holds no valid state machine" in log
    replica.start()
    follow(replica, sm)
    assert digest(replica) == digest(sm)


def defragged(server):
    stats = server.info("stats")
    return stats["active_defrag_hits"] + stats["active_defrag_misses"] > 0


def test_a_panic_in_defrag(sm):
    try:
        sm.run("CONFIG", "SET", "activedefrag", "yes")
    except Exception:
        pytest.skip("this server was built without active defragmentation")
    sm.run("CONFIG", "SET", "active-defrag-ignore-bytes", 1)
    sm.run("CONFIG", "SET", "active-defrag-threshold-lower", 0)
    with sm.client() as client:
        for i in range(5000):
            client.execute_command("SM.SET", f"k:{i}", ORDER)
        for i in range(0, 5000, 2):
            client.delete(f"k:{i}")
    panic_at(sm, "defrag")
    wait_until(lambda: sm.config("redisstate.panic-at") == "" or defragged(sm), "defrag to run", 30)
    unharmed(sm)
