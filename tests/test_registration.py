"""The server knows the commands exactly as commands.json describes them."""

import json

import pytest

from documents import ORDER
from harness import ROOT, array, server_version

READS = {"SM.GET", "SM.STATE", "SM.NEXT", "SM.CAN", "SM.EXPORT", "SM.LINT", "SM.EVENTS", "SM.INFO", "SM.HISTORY"}
READS |= {"SM.WAIT"}
KEYLESS = {"SM.TEMPLATE", "SM.COUNT", "SM.DEFINITIONS", "SM.SCAN"}
WRITES = {"SM.SET", "SM.CREATE", "SM.MUTATE", "SM.RESET"}
WRITES |= {"SM.FIRE", "SM.MOVE", "SM.FORCE", "SM.NEW", "SM.REDEFINE", "SM.TIMEOUT", "SM.LOAD"}
WRITES |= {"SM.EMIT"}
DENY_OOM = {"SM.SET", "SM.CREATE", "SM.NEW", "SM.REDEFINE", "SM.EMIT"}
TWO_KEYS = {"SM.EMIT"}
# The number of arguments with the command itself. -3 means 3 or more.
ARITY = {
    "SM.TEMPLATE": 1,
    "SM.SET": -3,
    "SM.CREATE": 2,
    "SM.GET": -2,
    "SM.STATE": -2,
    "SM.MUTATE": -3,
    "SM.RESET": -2,  # replication adds the time
    "SM.NEXT": 2,
    "SM.CAN": 3,
    "SM.EXPORT": 3,
    "SM.LINT": 2,
    "SM.FIRE": -3,
    "SM.MOVE": -3,
    "SM.FORCE": -3,
    "SM.EMIT": -5,
    "SM.NEW": -3,
    "SM.REDEFINE": -3,
    "SM.TIMEOUT": -2,
    "SM.WAIT": -4,
    "SM.LOAD": 3,
    "SM.EVENTS": 2,
    "SM.INFO": 2,
    "SM.HISTORY": -2,
    "SM.COUNT": -2,
    "SM.DEFINITIONS": 1,
    "SM.SCAN": -2,
}
COMMANDS = list(ARITY)


def info(db, command):
    """Returns COMMAND INFO as the server sends it: name, arity, flags, first, last, step, …, key specs."""
    with db.server.wire() as wire:
        assert wire("COMMAND", "INFO", command) != b"*1\r\n*-1\r\n", f"{command} is not there"
    return db.server.raw("COMMAND", "INFO", command)[0]


def flags(db, command):
    return {flag.decode() for flag in info(db, command)[2]}


def test_module_is_loaded(db):
    modules = [dict(zip(row[::2], row[1::2])) for row in db.server.raw("MODULE", "LIST")]
    # Some servers also load their own modules.
    assert b"redisstate" in [module[b"name"] for module in modules]


@pytest.mark.parametrize("command", COMMANDS)
def test_arity(db, command):
    assert info(db, command)[1] == ARITY[command]


@pytest.mark.parametrize("command", sorted(READS | KEYLESS))
def test_reads_are_readonly(db, command):
    assert "write" not in flags(db, command)
    if command in READS:
        assert "readonly" in flags(db, command)


@pytest.mark.parametrize("command", sorted(WRITES))
def test_writes_are_writes(db, command):
    assert "write" in flags(db, command) and "readonly" not in flags(db, command)
    assert ("denyoom" in flags(db, command)) or command not in DENY_OOM


@pytest.mark.parametrize("command", sorted(READS | WRITES))
def test_keys(db, command):
    assert list(info(db, command)[3:6]) == [1, 2 if command in TWO_KEYS else 1, 1]


@pytest.mark.parametrize("command", sorted(KEYLESS))
def test_no_key(db, command):
    assert list(info(db, command)[3:6]) == [0, 0, 0]


ARGUMENTS = {
    "SM.SET": ["k", "{}"],
    "SM.CREATE": ["k"],
    "SM.GET": ["k"],
    "SM.STATE": ["k"],
    "SM.MUTATE": ["k", "s"],
    "SM.RESET": ["k"],
    "SM.NEXT": ["k"],
    "SM.CAN": ["k", "s"],
    "SM.EXPORT": ["k", "DOT"],
    "SM.LINT": ["k"],
    "SM.FIRE": ["k", "e"],
    "SM.MOVE": ["k", "s"],
    "SM.FORCE": ["k", "s"],
    "SM.EMIT": ["k", "out", "FIRE", "e"],
    "SM.NEW": ["k", "{}"],
    "SM.REDEFINE": ["k", "{}"],
    "SM.TIMEOUT": ["k"],
    "SM.WAIT": ["k", "1", "s"],
    "SM.LOAD": ["k", "record"],
    "SM.EVENTS": ["k"],
    "SM.INFO": ["k"],
    "SM.HISTORY": ["k"],
}


@pytest.mark.parametrize("command", ARGUMENTS)
def test_getkeys(wire, command):
    keys = ["k", "out"] if command in TWO_KEYS else ["k"]
    assert wire("COMMAND", "GETKEYS", command, *ARGUMENTS[command]) == array(*keys)


@pytest.mark.parametrize("command", ARGUMENTS)
def test_getkeysandflags(db, command):
    (key, key_flags), *more = db.server.raw("COMMAND", "GETKEYSANDFLAGS", command, *ARGUMENTS[command])
    assert key == b"k"
    access = {b"RO"} if command in READS else {b"RW", b"OW"}
    assert access & set(key_flags), key_flags
    assert [name for name, _ in more] == ([b"out"] if command in TWO_KEYS else [])
    assert all(access & set(flags) for _, flags in more)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_metadata_file_says_the_same(db, command):
    """Fails if the file was edited and the module was not rebuilt."""
    entry = metadata(command)
    assert entry["arity"] == info(db, command)[1]
    assert {"readonly", "write"} & set(map(str.lower, entry["flags"])) <= flags(db, command)


def metadata(command):
    data = json.loads((ROOT / "commands.json").read_text())
    entries = data.get("commands", data)
    if isinstance(entries, dict):
        return entries[command]
    return next(entry for entry in entries if entry["name"].upper() == command)


WRONG_COUNTS = [
    ("SM.TEMPLATE", "x"),
    ("SM.SET",),
    ("SM.SET", "k"),
    ("SM.SET", "k", ORDER, "c", "more"),
    ("SM.CREATE",),
    ("SM.CREATE", "k", "more"),
    ("SM.GET",),
    ("SM.GET", "k", "REASON", "more"),
    ("SM.STATE",),
    ("SM.STATE", "k", "LIST", "more"),
    ("SM.MUTATE",),
    ("SM.MUTATE", "k"),
    ("SM.MUTATE", "k", "s", "r", "FORCE", "more"),
    ("SM.RESET",),
    ("SM.RESET", "k", "more"),
    ("SM.NEXT",),
    ("SM.NEXT", "k", "more"),
    ("SM.CAN", "k"),
    ("SM.CAN", "k", "s", "more"),
    ("SM.EXPORT", "k"),
    ("SM.EXPORT", "k", "DOT", "more"),
    ("SM.LINT",),
    ("SM.LINT", "k", "more"),
    ("SM.FIRE",),
    ("SM.FIRE", "k"),
    ("SM.MOVE",),
    ("SM.MOVE", "k"),
    ("SM.FORCE",),
    ("SM.FORCE", "k"),
    ("SM.EMIT",),
    ("SM.EMIT", "k", "out", "FIRE"),
    ("SM.NEW",),
    ("SM.NEW", "k"),
    ("SM.REDEFINE",),
    ("SM.REDEFINE", "k"),
    ("SM.TIMEOUT",),
    ("SM.WAIT",),
    ("SM.WAIT", "k"),
    ("SM.WAIT", "k", "1"),
    ("SM.LOAD",),
    ("SM.LOAD", "k"),
    ("SM.LOAD", "k", "record", "more"),
    ("SM.EVENTS",),
    ("SM.EVENTS", "k", "more"),
    ("SM.INFO",),
    ("SM.INFO", "k", "more"),
    ("SM.HISTORY",),
    ("SM.HISTORY", "k", "COUNT", "1", "more"),
    ("SM.COUNT",),
    ("SM.COUNT", "n", "REVISION", "1", "more"),
    ("SM.DEFINITIONS", "more"),
    ("SM.SCAN",),
]


@pytest.mark.parametrize("command", WRONG_COUNTS, ids=lambda c: f"{c[0]} with {len(c) - 1}")
def test_a_wrong_number_of_arguments_is_the_servers_own_error(wire, command):
    reply = wire(*command)
    expected = b"-ERR wrong number of arguments for '%s' command\r\n" % command[0].lower().encode()
    assert reply.lower() == expected.lower()
    assert wire("EXISTS", "k") == b":0\r\n"


def test_configs_and_their_defaults(db):
    reply = db.server.raw("CONFIG", "GET", "redisstate.*")
    assert dict(zip(reply[::2], reply[1::2])) == {
        b"redisstate.compat": b"documented",
        b"redisstate.share-definitions": b"yes",
        b"redisstate.timers": b"yes",
        b"redisstate.max-document-bytes": b"16777216",
        b"redisstate.max-states": b"100000",
        b"redisstate.max-transitions": b"1000000",
        b"redisstate.max-reason-bytes": b"65536",
        b"redisstate.max-waiters": b"1000",
    }


def test_configs_from_the_file_by_arguments_and_rewritten(servers):
    server = servers.start(
        ["redisstate.max-states 10", "redisstate.compat edge"],
        module_args="max-transitions 20 redisstate.max-reason-bytes 30",
    )
    assert server.config("redisstate.max-states") == "10"
    assert server.config("redisstate.max-transitions") == "20"
    assert server.config("redisstate.max-reason-bytes") == "30"
    server.run("CONFIG", "SET", "redisstate.max-states", 11)
    server.run("CONFIG", "REWRITE")
    server.restart()
    assert server.config("redisstate.max-states") == "11"
    assert server.config("redisstate.compat") == "edge"


@pytest.mark.parametrize("arguments", ["compat neither", "max-states many", "nonsense 1", "max-states"])
def test_a_wrong_argument_is_a_refused_load_that_says_why(servers, arguments):
    server = servers.prepare(module_args=arguments)
    log = server.fails_to_start().decode()
    assert arguments.split()[0] in log.replace("loadmodule", "")


def test_acl_by_category_and_key(db):
    db.execute_command("SM.SET", "order:1", ORDER)
    # Before 7.2 the server has no categories for commands of modules, so the rules name the commands.
    name, version = server_version()
    allowed = ["+sm.state", "+sm.get"] if name == "redis" and version < (7, 2, 0) else ["+@read"]
    db.execute_command("ACL", "SETUSER", "reader", "reset", "on", "nopass", *allowed, "~order:*")
    try:
        with db.server.client(username="reader", password="x") as reader:
            assert reader.execute_command("SM.STATE", "order:1") == [b"bar"]
            assert reader.execute_command("SM.GET", "order:1")
            for command in ("SM.GET payment:1", "SM.MUTATE order:1 boo", "SM.RESET order:1"):
                with pytest.raises(Exception, match="(?i)permission"):
                    reader.execute_command(*command.split())
    finally:
        db.execute_command("ACL", "DELUSER", "reader")
