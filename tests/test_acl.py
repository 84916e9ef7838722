"""ACL: the commands that users may run whose rules name categories and key patterns.

Redis before 7.2 has no categories for the commands of modules. There the rules name the commands.
"""

import json
import re

import pytest
import redis

from documents import ORDER
from harness import ROOT, aof_files, digest, rewrite_aof, server_version, wait_in_sync
from server_files import commands

METADATA = json.loads((ROOT / "commands.json").read_text())
CALLS = {
    "SM.TEMPLATE": [],
    "SM.SET": ["{key}", ORDER],
    "SM.CREATE": ["{key}"],
    "SM.GET": ["{key}"],
    "SM.STATE": ["{key}"],
    "SM.MUTATE": ["{key}", "boo"],
    "SM.RESET": ["{key}"],
    "SM.NEXT": ["{key}"],
    "SM.CAN": ["{key}", "boo"],
    "SM.EXPORT": ["{key}", "DOT"],
    "SM.LINT": ["{key}"],
    "SM.FIRE": ["{key}", "", "TO", "boo"],
    "SM.MOVE": ["{key}", "boo"],
    "SM.FORCE": ["{key}", "boo"],
    "SM.EMIT": ["{key}", "{key}", "FIRE", ""],
    "SM.NEW": ["{key}", ORDER],
    "SM.REDEFINE": ["{key}", ORDER, "RENAME", "", "bar"],
    "SM.TIMEOUT": ["{key}"],
    "SM.WAIT": ["{key}", "1", "boo"],
    "SM.LOAD": ["{key}", "record"],
    "SM.EVENTS": ["{key}"],
    "SM.INFO": ["{key}"],
    "SM.HISTORY": ["{key}"],
    "SM.COUNT": ["order"],
    "SM.DEFINITIONS": [],
    "SM.SCAN": ["0"],
}
# The error of a command that no client may use, whatever its rights.
LOAD_ERROR = "SM.LOAD is for replication and append-only files, use RESTORE"
COMMANDS = set(CALLS)
READS = {"SM.TEMPLATE", "SM.GET", "SM.STATE", "SM.NEXT", "SM.CAN", "SM.EXPORT", "SM.LINT"}
READS |= {"SM.EVENTS", "SM.INFO", "SM.HISTORY", "SM.WAIT"}
FLEETS = {"SM.COUNT", "SM.DEFINITIONS", "SM.SCAN"}
READS |= FLEETS
WRITES = {"SM.SET", "SM.CREATE", "SM.MUTATE", "SM.RESET"}
WRITES |= {"SM.EMIT"}
WRITES |= {"SM.FIRE", "SM.MOVE", "SM.FORCE", "SM.NEW", "SM.REDEFINE", "SM.TIMEOUT", "SM.LOAD"}
KEYED = COMMANDS - {"SM.TEMPLATE"} - FLEETS

NAME, VERSION = server_version()
HAS_CATEGORIES = NAME == "valkey" or VERSION >= (7, 2)
HAS_OWN_CATEGORY = NAME == "valkey" or VERSION >= (7, 4)
categories = pytest.mark.skipif(not HAS_CATEGORIES, reason="this server has no categories for modules")
own_category = pytest.mark.skipif(not HAS_OWN_CATEGORY, reason="this server has no categories of modules")


def call(command, key="order:1"):
    return [command, *[key if part == "{key}" else part for part in CALLS[command]]]


@pytest.fixture
def user(server):
    """Returns user(rules), which makes a user with these rules."""
    server.run("SM.SET", "order:1", ORDER)
    server.run("SM.SET", "payment:1", ORDER)
    return lambda rules: User(server, rules)


class User:
    def __init__(self, server, rules):
        server.run("ACL", "SETUSER", "someone", "reset", "on", ">secret", *rules.split())
        self.server = server

    def client(self):
        return self.server.client(username="someone", password="secret")

    def may(self, *command):
        """Returns whether the server runs the command. A forbidden command must change nothing."""
        before = self.server.run("DEBUG", "DIGEST")
        with self.client() as client:
            try:
                client.execute_command(*command)
                return True
            except redis.exceptions.NoPermissionError:
                assert self.server.run("DEBUG", "DIGEST") == before
                return False
            except redis.exceptions.ResponseError as error:
                if command[0] == "SM.LOAD" and str(error) == LOAD_ERROR:
                    return True
                raise

    def commands(self, key="order:1"):
        return {command for command in CALLS if self.may(*call(command, key))}


def by_category_or_name(category, commands):
    """Returns rules that allow the commands of a category on any server."""
    return category if HAS_CATEGORIES else " ".join(f"+{command.lower()}" for command in sorted(commands))


def test_the_calls_are_all_there_are():
    assert COMMANDS == set(METADATA)


def test_nothing_is_allowed_at_first(user):
    assert user("~*").commands() == set()


def test_a_reader_of_orders(user):
    reader = user("~order:* " + by_category_or_name("+@read", READS))
    assert reader.commands("order:1") == READS
    assert reader.commands("payment:1") == {"SM.TEMPLATE"} | FLEETS
    assert not reader.may("SM.MUTATE", "order:1", "boo", "why", "FORCE")


def test_a_writer_of_orders(user):
    writer = user("~order:* " + by_category_or_name("+@write", WRITES))
    assert writer.commands("order:1") == WRITES
    assert writer.commands("payment:1") == set()


def test_a_clerk_who_reads_and_moves_but_defines_nothing(user):
    clerk = user("~order:* +sm.mutate +sm.reset " + by_category_or_name("+@read", READS))
    assert clerk.commands("order:1") == READS | {"SM.MUTATE", "SM.RESET"}


MOVES_ONLY = "~order:* +sm.fire +sm.move +multi +exec +eval"
FORCES = [
    ("SM.FORCE", "order:1", "boo"),
    ("SM.MUTATE", "order:1", "boo"),
    ("SM.MUTATE", "order:1", "boo", "why", "FORCE"),
    ("SM.RESET", "order:1"),
    ("SM.SET", "order:1", ORDER, "boo"),
    ("SM.CREATE", "order:1"),
    ("SM.NEW", "order:2", ORDER, "STATE", "boo"),
    ("SM.REDEFINE", "order:1", ORDER, "RENAME", "bar", "boo"),
    ("SM.LOAD", "order:1", "record"),
    ("RESTORE", "order:1", "0", "payload", "REPLACE"),
    ("DEL", "order:1"),
]


def test_a_worker_who_moves_but_can_not_force(user):
    worker = user("~order:* +sm.fire +sm.move")
    assert worker.commands("order:1") == {"SM.FIRE", "SM.MOVE"}
    assert worker.commands("payment:1") == set()
    assert user("~order:* +sm.force").commands("order:1") == {"SM.FORCE"}


@pytest.mark.parametrize("command", FORCES, ids=lambda command: " ".join(map(str, command))[:40])
def test_a_worker_leads_no_machine_where_its_definition_does_not(server, user, command):
    """Neither by a command of another name, nor in a transaction, nor in a script."""
    worker = user(MOVES_ONLY)
    before = server.run("DEBUG", "DIGEST")
    assert not worker.may(*command)
    with worker.client() as client:
        client.execute_command("MULTI")
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.execute_command(*command)
        with pytest.raises(redis.exceptions.ResponseError, match="EXECABORT|discarded"):
            client.execute_command("EXEC")
        with pytest.raises(redis.exceptions.ResponseError, match="(?i)no permission|can't run"):
            client.execute_command("EVAL", "return redis.call(unpack(ARGV))", 1, command[1], *command)
    assert server.run("DEBUG", "DIGEST") == before


def test_a_worker_makes_the_moves_of_the_definition(server, user):
    """By any means that a worker has, a machine goes only where its definition leads."""
    with user(MOVES_ONLY).client() as client:
        assert client.execute_command("SM.FIRE", "order:1", "", "TO", "nowhere")[0] == b"refused"
        assert client.execute_command("SM.MOVE", "order:1", "bar")[0] == b"refused"
        assert client.execute_command("SM.FIRE", "order:1", "", "TO", "boo") == [b"moved", b"boo", 2]
        script = "return redis.call('SM.MOVE', KEYS[1], ARGV[1])"
        assert client.eval(script, 1, "order:1", "bar") == [b"refused", b"boo", 2]
        assert client.eval(script, 1, "order:1", "blee") == [b"moved", b"blee", 3]


# ---- who made a move --------------------------------------------------------------------------------

DIARY = '{"map":{"a":{"go":"b"},"b":{"go":"a"}},"history":50,"initial":"a"}'
# What an application needs, and more. Without RESTORE, which stores whatever was dumped or forged.
APPLICATION = "~* &* +@all -@dangerous -@admin"
SIGNED = [
    "SM.FIRE m go", "SM.MOVE m b", "SM.FORCE m b", "SM.MUTATE m b", "SM.MUTATE m b why", "SM.MUTATE m b why FORCE",
    "SM.RESET m", "SM.SET m {}", "SM.SET m {} b", "SM.CREATE m", "SM.NEW n {}", "SM.REDEFINE m {}",
]  # fmt: skip


def users(server, key="m"):
    entries = [dict(zip(entry[::2], entry[1::2])) for entry in server.raw("SM.HISTORY", key)]
    return [entry[b"user"] for entry in entries]


@pytest.fixture
def diary(servers):
    """Yields a server with a machine that remembers, whose last move another user made."""
    server = servers.start(["appendonly yes", "aof-use-rdb-preamble no"])
    server.run("SM.NEW", "m", DIARY)
    server.run("SM.FIRE", "m", "go")
    return server


@pytest.mark.parametrize("command", SIGNED)
@pytest.mark.parametrize("group", ["AT 5 default", "at 1795582049298 default", "AT 5", "USER default"])
def test_a_client_signs_no_move_with_another_name(diary, command, group):
    someone = User(diary, APPLICATION)
    words = [DIARY if word == "{}" else word for word in f"{command} {group}".split()]
    before = diary.run("DEBUG", "DIGEST")
    match = "unknown option|[Ww]rong number|has no state"
    with someone.client() as client:
        with pytest.raises(redis.exceptions.ResponseError, match=match):
            client.execute_command(*words)
        with client.pipeline(transaction=True) as pipe, pytest.raises(redis.exceptions.ResponseError, match=match):
            pipe.execute_command(*words)
            pipe.execute()
        with pytest.raises(redis.exceptions.ResponseError, match=match):
            client.eval("return redis.call(unpack(ARGV))", 1, words[1], *words)
    assert diary.run("DEBUG", "DIGEST") == before


def test_a_client_loads_no_history_of_its_own_making(diary):
    """SM.LOAD takes a record with any history from an append-only file, and from no client. RESTORE does, for
    whoever may use it."""
    assert rewrite_aof(diary) == "ok"
    (base,) = [path for path in aof_files(diary) if path.name.endswith(".base.aof")]
    (load,) = [words for words, _ in commands(base.read_bytes()) if words[0].upper() == b"SM.LOAD"]
    dump = diary.raw("DUMP", "m")
    someone = User(diary, APPLICATION)
    assert not someone.may("RESTORE", "n", 0, dump)
    before = diary.run("DEBUG", "DIGEST")
    with someone.client() as client:
        for key in (b"m", b"n"):
            words = [b"SM.LOAD", key, load[2]]
            with pytest.raises(redis.exceptions.ResponseError, match=f"^{LOAD_ERROR}$"):
                client.execute_command(*words)
            with client.pipeline(transaction=True) as pipe, pytest.raises(redis.exceptions.ResponseError):
                pipe.execute_command(*words)
                pipe.execute()
            with pytest.raises(redis.exceptions.ResponseError, match=LOAD_ERROR):
                client.eval("return redis.call(unpack(ARGV))", 1, key, *words)
    assert diary.run("DEBUG", "DIGEST") == before
    diary.run("RESTORE", "n", 0, dump)
    assert users(diary, "n") == [b"default", b"default"]


def test_the_history_has_the_user_of_the_connection_whatever_else_is_said(diary):
    someone = User(diary, APPLICATION)
    with someone.client() as client:
        for command in SIGNED:
            if command.split()[0] in ("SM.CREATE", "SM.NEW"):
                continue
            words = [DIARY if word == "{}" else word for word in command.split()]
            takes_by = words[0] in ("SM.FIRE", "SM.MOVE", "SM.FORCE", "SM.REDEFINE")
            client.execute_command("SM.FORCE", "m", "a")
            client.execute_command(*words, *(["BY", "default", "REASON", "AT 5 default"] if takes_by else []))
            assert users(diary)[:2] == [b"someone"] * 2, command
        client.execute_command("SM.NEW", "n", DIARY, "BY", "default")
        assert users(diary, "n") == [b"someone"]
        client.execute_command("COPY", "m", "copy")
        assert users(diary, "copy") == users(diary)
        client.eval("return redis.call('SM.FORCE', KEYS[1], 'a', 'BY', 'default')", 1, "n")
        assert users(diary, "n")[0] in (b"someone", b""), "not every server says the user of a script"
    assert users(diary)[-2:] == [b"default"] * 2, "what was before stays"


NAMES = [b"caf\xe9", "é".encode() * 150, b"x" * 300, b"a" + b"\xc3" * 300]


def test_a_user_of_any_name(servers):
    """The server takes any bytes in a name. The history has up to 256 of them, cut between characters, and
    a replica, a reload and a replay know the same ones."""
    primary, replica = servers.pair(["appendonly yes", "appendfsync always", "aof-use-rdb-preamble no"])
    for number, name in enumerate(NAMES):
        primary.run("ACL", "SETUSER", name, "on", "nopass", "~*", "+@all")
        with primary.client() as client:
            client.execute_command("AUTH", name, "x")
            client.execute_command("SM.NEW", f"m:{number}", DIARY)
    shown = [users(primary, f"m:{number}") for number in range(len(NAMES))]
    assert shown == [[NAMES[0]], ["é".encode() * 128], [b"x" * 256], [b"a" + b"\xc3" * 255]]
    wait_in_sync(primary, replica)
    expected = digest(primary)
    assert digest(replica) == expected
    primary.run("DEBUG", "RELOAD")
    assert digest(primary) == expected
    for rewrite in (False, True):
        assert not rewrite or rewrite_aof(primary) == "ok"
        primary.kill()
        primary.start()
        assert digest(primary) == expected


# ---- keys and categories ----------------------------------------------------------------------------


def test_keys_to_read_and_keys_to_write(user):
    viewer = user("%R~order:* %W~log:* +@all")
    assert viewer.commands("order:1") == READS
    # A move reveals no more of a value than SREM does, which needs no read permission either.
    assert viewer.commands("log:1") == WRITES | {"SM.TEMPLATE"} | FLEETS


ALL_BUT_WRITES = (
    "+@all -@write -sm.set -sm.create -sm.mutate -sm.reset -sm.fire -sm.move -sm.force -sm.emit -sm.new"
    " -sm.redefine -sm.timeout -sm.load"
)


def test_all_but_the_category_of_writes(user):
    """On Redis 7.0, which has no categories for modules, `-@write` denies none of its commands."""
    someone = user("~* +@all -@write")
    assert not someone.may("SET", "text", "1")
    assert someone.commands() == (READS if HAS_CATEGORIES else COMMANDS)


def test_the_rule_of_the_docs_that_denies_all_writes(user):
    someone = user(f"~* {ALL_BUT_WRITES}")
    assert not someone.may("SET", "text", "1")
    assert someone.may("GET", "text")
    assert someone.commands() == READS
    script = "return redis.call(ARGV[1], KEYS[1], 'boo')"
    with pytest.raises(redis.exceptions.ResponseError, match="(?i)no permission|can't run"):
        someone.may("EVAL", script, 1, "order:1", "SM.MUTATE")


@pytest.mark.parametrize("page", ["docs/operations.md", "SECURITY.md"])
def test_the_docs_have_that_rule(page):
    assert ALL_BUT_WRITES in (ROOT / page).read_text()


RULE = re.compile(r"^127.*> ACL SETUSER (\w+) on >secret (.*)$", re.M)
MOVES = {"SM.FIRE", "SM.MOVE"}
PLACES = {"SM.EVENTS", "SM.INFO"}
MAY = {
    "shop": {"SM.NEW", "SM.FIRE"} | PLACES,
    "worker": MOVES | PLACES | {"SM.NEXT"},
    "support": MOVES | PLACES | {"SM.NEXT", "SM.FORCE", "SM.HISTORY"},
    "viewer": READS - {"SM.TEMPLATE"} - FLEETS,
    "auditor": READS,
}


def test_the_users_of_the_docs(user):
    found = dict(RULE.findall((ROOT / "docs/operations.md").read_text()))
    assert {name: user(rules).commands() for name, rules in found.items()} == MAY


@own_category
def test_the_short_form_of_the_docs(user):
    (rules,) = re.findall(r"^    ACL SETUSER viewer on >secret (.*)$", (ROOT / "docs/operations.md").read_text(), re.M)
    assert user(rules).commands() == READS - FLEETS


@own_category
def test_the_module_s_own_category(user):
    assert user("~order:* +@statemachine").commands() == COMMANDS
    assert not user("~order:* +@statemachine").may("GET", "order:1")
    assert user("~* +@all -@statemachine").commands() == set()
    assert user("%R~order:* +@statemachine").commands() == READS


@own_category
def test_the_category_lists_its_commands(server):
    assert b"statemachine" in server.raw("ACL", "CAT")
    listed = {name.decode().upper() for name in server.raw("ACL", "CAT", "statemachine")}
    assert listed == COMMANDS


@categories
@pytest.mark.parametrize("category", ["read", "write", "fast", "slow"])
def test_the_categories_list_the_commands_of_the_metadata(server, category):
    listed = {name.decode().upper() for name in server.raw("ACL", "CAT", category)}
    assert listed & COMMANDS == {command for command, entry in METADATA.items() if category in entry["acl_categories"]}


@pytest.mark.skipif(HAS_CATEGORIES, reason="this server has categories for modules")
def test_without_categories_they_give_nothing(user):
    for category in ("read", "write", "fast", "slow"):
        assert user(f"~* +@{category}").commands() == set()


@pytest.mark.skipif(HAS_OWN_CATEGORY, reason="this server has categories of modules")
def test_without_own_categories_the_name_is_unknown(server):
    with pytest.raises(redis.exceptions.ResponseError, match="(?i)unknown.*command or category"):
        server.run("ACL", "SETUSER", "someone", "+@statemachine")


def test_dry_run_says_the_same(server, user):
    user("~order:* +sm.get")
    dry = lambda *command: server.raw("ACL", "DRYRUN", "someone", *command)
    assert dry("SM.GET", "order:1") == b"OK"
    assert b"payment:1" in dry("SM.GET", "payment:1")
    assert b"sm.mutate" in dry("SM.MUTATE", "order:1", "boo").lower()


def test_a_script_has_no_more_rights_than_its_caller(user):
    someone = user("~order:* +eval +sm.get")
    script = "return redis.call(ARGV[1], KEYS[1], 'boo')"
    with pytest.raises(redis.exceptions.ResponseError, match="(?i)no permission|can't run"):
        someone.may("EVAL", script, 1, "order:1", "SM.MUTATE")
