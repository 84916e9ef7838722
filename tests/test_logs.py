"""The server's log names keys, and shows no user data if it must not."""

import pytest

from harness import FAULT_MODULE, SECOND_MODULE, encode, hides_user_data, server_version, wait_in_sync
from server_files import legacy_payload

KEY = "secret-key"
SHOWS = [] if not hides_user_data() else ["hide-user-data-from-log no"]
HIDES = ["hide-user-data-from-log yes"]
IGNORE = ["propagation-error-behavior ignore"]

needs_hiding = pytest.mark.skipif(not hides_user_data(), reason="this server has no config hide-user-data-from-log")

DOCUMENT = '{"initial":"secret-new","map":{"secret-new":["secret-paid","secret-void"]}}'
OTHER = '{"initial":"secret-other","map":{}}'
# Each fails when it is replayed, and its error would quote a name.
FAILS = {
    "wrong type in a row": ("SM.SET", KEY, '{"initial":"a","map":{"secret-row":"secret-text"}}'),
    "wrong type of a target": ("SM.SET", KEY, '{"initial":"a","map":{"secret-row":["a",["secret-text"]]}}'),
    "unknown field": ("SM.SET", KEY, '{"initial":"a","map":{},"secret-field":1}'),
    "repeated row": ("SM.SET", KEY, '{"initial":"a","map":{"secret-row":[],"secret-row":[]}}'),
    "no JSON": ("SM.SET", KEY, '{"secret-field'),
    "a word that is none": ("SM.SET", KEY, '{"initial":secret}'),
    "no document": ("SM.SET", KEY, '"secret-text"'),
    "unknown option": ("SM.MUTATE", KEY, "secret-paid", "secret-reason", "secret-option"),
    "option of a read": ("SM.GET", KEY, "secret-option"),
    "no such move": ("SM.MUTATE", KEY, "secret-nowhere", "secret-reason"),
    "no such key": ("SM.MUTATE", "secret-missing", "secret-paid"),
    "no such event": ("SM.FIRE", KEY, "secret-event", "REASON", "secret-reason"),
    "no such target": ("SM.FIRE", KEY, "", "TO", "secret-nowhere"),
    "several targets": ("SM.FIRE", KEY, ""),
    "no such state": ("SM.FORCE", KEY, "secret-nowhere"),
    "no machine to move": ("SM.MOVE", "secret-missing", "secret-paid"),
    "unknown option of a move": ("SM.MOVE", KEY, "secret-paid", "secret-option"),
    "no number": ("SM.MOVE", KEY, "secret-paid", "IFVERSION", "secret-version"),
    "no time": ("SM.MOVE", KEY, "secret-paid", "AT secret-time 11:secret-user"),
    "no text": ("SM.MOVE", KEY, "secret-paid", "BY", b"secret-\xff"),
    "too long": ("SM.MOVE", KEY, "secret-paid", "ID", "secret" * 20),
    "no timer": ("SM.MOVE", KEY, "secret-paid", "AFTER", "5"),
    "a machine is there": ("SM.NEW", KEY, DOCUMENT),
    "a lost state": ("SM.REDEFINE", KEY, OTHER),
    "renamed to nothing": ("SM.REDEFINE", KEY, OTHER, "RENAME", "secret-new", "secret-nowhere"),
    "no record": ("SM.LOAD", KEY, "secret-record"),
    "option of SM.HISTORY": ("SM.HISTORY", KEY, "secret-option"),
    "no count": ("SM.HISTORY", KEY, "COUNT", "secret-count"),
    # Of a command whose number of arguments is open. Valkey itself counts the others: see below.
    "an argument too many": ("SM.RESET", KEY, *["secret-argument"] * 4),
    "no moment": ("SM.RESET", KEY, "secret-option", "5", "secret-user"),
    "too many arguments": ("SM.STATE", KEY, "LIST", "secret-argument"),
}
each_failure = pytest.mark.parametrize("command", FAILS.values(), ids=FAILS)


def module_lines(server):
    return [line for line in server.log().split(b"\n") if b"redisstate: " in line]


def prepared(servers, config, command):
    """Makes a server with an append-only file in which a command fails."""
    server = servers.prepare(["appendonly yes", "aof-use-rdb-preamble no", *IGNORE, *config])
    folder = server.folder / "appendonlydir"
    folder.mkdir()
    (folder / "appendonly.aof.1.incr.aof").write_bytes(encode("SM.SET", KEY, DOCUMENT) + encode(*command))
    (folder / "appendonly.aof.manifest").write_text("file appendonly.aof.1.incr.aof seq 1 type i\n")
    return server


def replayed(servers, config, command):
    return prepared(servers, config, command).start()


@needs_hiding
@each_failure
def test_a_failed_replay_shows_no_user_data(servers, command):
    server = replayed(servers, HIDES, command)
    assert server.run("SM.STATE", KEY) == [b"secret-new"]
    log = server.log()
    assert b"secret" not in log
    assert b"key *redacted*: " + command[0].encode() + b" fails while the file is loaded: " in log


@each_failure
def test_a_failed_replay_shows_the_key_otherwise(servers, command):
    server = replayed(servers, SHOWS, command)
    line = module_lines(server)[-1]
    assert b"key '" + command[1].encode() + b"': " in line
    assert b"fails while the file is loaded: " in line
    assert b"ERR" not in line


TOO_MANY = [
    ("SM.CREATE", KEY, "secret-argument"),
    ("SM.CREATE", KEY, "secret-option", "5", "secret-user"),
    ("SM.CREATE", KEY, "AT 5 11:secret-user"),
    ("SM.LOAD", KEY, "secret-record", "secret-argument"),
    ("SM.LOAD", KEY, "secret-record", "AT 5 11:secret-user"),
]


@pytest.mark.parametrize("command", TOO_MANY, ids=" ".join)
def test_a_command_that_takes_no_moment_takes_no_more_arguments_from_a_file_either(servers, command):
    server = prepared(servers, SHOWS, command)
    if server_version()[0] == "valkey":
        # It counts the arguments itself while it reads the file, where their number is fixed.
        assert b"wrong number of arguments" in server.fails_to_start()
        return
    server.start()
    assert server.run("SM.STATE", KEY) == [b"secret-new"]
    line = module_lines(server)[-1]
    assert line.endswith(b"%s fails while the file is loaded: wrong number of arguments" % command[0].encode())


@needs_hiding
def test_a_replica_that_fails_shows_no_user_data(servers):
    config = ["replica-read-only no", *IGNORE, *HIDES]
    primary, replica = servers.pair(replica_config=config)
    primary.run("SM.SET", KEY, DOCUMENT)
    wait_in_sync(primary, replica)
    replica.run("DEL", KEY)
    primary.run("SM.MUTATE", KEY, "secret-paid", "secret-reason")
    wait_in_sync(primary, replica)
    lines = module_lines(replica)
    assert lines[-1].endswith(b"no such key, although the command succeeded on the primary")
    assert not [line for line in replica.log().split(b"\n") if b"secret" in line]


needs_second_module = pytest.mark.skipif(
    not SECOND_MODULE.exists(), reason=f"no second module at {SECOND_MODULE}: make build-tests"
)


@needs_hiding
@needs_second_module
@pytest.mark.parametrize("read_only", ["yes", "no"])
def test_an_error_of_another_modules_replicated_call_shows_no_user_data(servers, read_only):
    """The server logs it as an error of that module's command."""
    config = [f"loadmodule {SECOND_MODULE}", *IGNORE, *HIDES]
    primary, replica = servers.pair(config, [*config, f"replica-read-only {read_only}"])
    with primary.wire() as wire:
        assert b"secret-text" in wire("VERBATIM.CALL", "SM.SET", KEY, '{"initial":"a","map":{},"secret-text":1}')
        assert b"secret-state" in wire("VERBATIM.CALL", "SM.SET", KEY, DOCUMENT, "secret-state")
    wait_in_sync(primary, replica)
    assert not [line for line in replica.log().split(b"\n") if b"secret" in line]


@needs_hiding
def test_a_client_of_a_replica_is_told_all_the_same(servers):
    primary, replica = servers.pair(HIDES, HIDES)
    primary.run("SM.SET", KEY, DOCUMENT)
    wait_in_sync(primary, replica)
    with replica.wire() as wire:
        assert b"secret-option" in wire("SM.GET", KEY, "secret-option")
        assert b"secret-option" in wire("SM.EXPORT", KEY, "secret-option")
    assert b"secret" not in replica.log()


@needs_hiding
def test_a_config_that_cannot_be_read_counts_as_yes(servers):
    server = servers.start([*SHOWS, 'rename-command CONFIG ""'])
    with server.wire() as wire:
        wire("RESTORE", KEY, 0, legacy_payload(BROKEN))
    (line,) = [line for line in module_lines(server) if b"holds no valid" in line]
    assert b"secret" not in line


@needs_hiding
def test_a_client_is_told_all_the_same(servers):
    server = servers.start(HIDES)
    with server.wire() as wire:
        assert b"secret-text" in wire("SM.SET", KEY, '{"initial":"a","map":{},"secret-text":1}')
        assert b"secret-option" in wire("SM.GET", KEY, "secret-option")
    assert b"secret" not in server.log()


BROKEN = b'{"initial":"secret-new","map":{"secret-row":7}}'


@pytest.mark.parametrize("hide", [pytest.param(True, marks=needs_hiding), False])
def test_a_refused_restore(servers, hide):
    server = servers.start(HIDES if hide else SHOWS)
    with server.wire() as wire:
        assert wire("RESTORE", KEY, 0, legacy_payload(BROKEN)).startswith(b"-ERR Bad data format")
    (line,) = [line for line in module_lines(server) if b"holds no valid state machine" in line]
    assert (b"secret" in line) != hide
    if not hide:
        assert b"key 'secret-key' holds no valid state machine: map.secret-row: " in line


@needs_hiding
def test_the_config_can_be_changed_while_the_server_runs(servers):
    server = servers.start(SHOWS)
    for value, is_shown in (("yes", False), ("no", True), ("yes", False)):
        server.run("CONFIG", "SET", "hide-user-data-from-log", value)
        with server.wire() as wire:
            wire("RESTORE", KEY, 0, legacy_payload(BROKEN))
        line = [line for line in module_lines(server) if b"holds no valid" in line][-1]
        assert (b"secret" in line) == is_shown


needs_fault_module = pytest.mark.skipif(
    not FAULT_MODULE.exists(), reason=f"no module at {FAULT_MODULE}: make build-tests"
)


@needs_hiding
@needs_fault_module
def test_user_data_stay_hidden_if_reading_the_config_fails(servers):
    server = servers.start(SHOWS, module=FAULT_MODULE, allow_panics=True)
    server.run("CONFIG", "SET", "redisstate.panic-at", "config_event")
    server.run("CONFIG", "SET", "hide-user-data-from-log", "no")
    server.run("CONFIG", "SET", "hide-user-data-from-log", "yes")
    assert b"config_event failed by a bug and was given up" in server.log()
    with server.wire() as wire:
        wire("RESTORE", KEY, 0, legacy_payload(BROKEN))
    assert b"secret" not in server.log()


@needs_hiding
@needs_fault_module
def test_a_panic_shows_its_place_and_not_its_message(servers):
    server = servers.start(HIDES, module=FAULT_MODULE, allow_panics=True)
    server.run("SM.SET", KEY, DOCUMENT)
    server.run("CONFIG", "SET", "redisstate.panic-at", "SM.STATE")
    with server.wire() as wire:
        assert wire("SM.STATE", KEY).startswith(b"-ERR SM.STATE failed by a bug")
    log = server.log()
    assert b"fault injected" not in log
    assert b"fault.rs" in log and b"*redacted*" in log
