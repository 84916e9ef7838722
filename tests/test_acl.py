"""ACL: the commands that users may run whose rules name categories and key patterns.

Redis before 7.2 has no categories for the commands of modules. There the rules name the commands.
"""

import json
import re

import pytest
import redis

from documents import ORDER
from harness import ROOT, server_version

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
    "SM.NEW": ["{key}", ORDER],
    "SM.REDEFINE": ["{key}", ORDER, "RENAME", "", "bar"],
    "SM.LOAD": ["{key}", "record"],
    "SM.EVENTS": ["{key}"],
    "SM.INFO": ["{key}"],
    "SM.HISTORY": ["{key}"],
}
# The error of a command that no client may use, whatever its rights.
LOAD_ERROR = "SM.LOAD is for replication and append-only files, use RESTORE"
COMMANDS = set(CALLS)
READS = {"SM.TEMPLATE", "SM.GET", "SM.STATE", "SM.NEXT", "SM.CAN", "SM.EXPORT", "SM.LINT"}
READS |= {"SM.EVENTS", "SM.INFO", "SM.HISTORY"}
WRITES = {"SM.SET", "SM.CREATE", "SM.MUTATE", "SM.RESET"}
WRITES |= {"SM.FIRE", "SM.MOVE", "SM.FORCE", "SM.NEW", "SM.REDEFINE", "SM.LOAD"}
KEYED = COMMANDS - {"SM.TEMPLATE"}

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

    def may(self, *command):
        """Returns whether the server runs the command. A forbidden command must change nothing."""
        before = self.server.run("DEBUG", "DIGEST")
        with self.server.client(username="someone", password="secret") as client:
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
    assert reader.commands("payment:1") == {"SM.TEMPLATE"}
    assert not reader.may("SM.MUTATE", "order:1", "boo", "why", "FORCE")


def test_a_writer_of_orders(user):
    writer = user("~order:* " + by_category_or_name("+@write", WRITES))
    assert writer.commands("order:1") == WRITES
    assert writer.commands("payment:1") == set()


def test_a_clerk_who_reads_and_moves_but_defines_nothing(user):
    clerk = user("~order:* +sm.mutate +sm.reset " + by_category_or_name("+@read", READS))
    assert clerk.commands("order:1") == READS | {"SM.MUTATE", "SM.RESET"}


def test_a_worker_who_moves_but_can_not_force(user):
    worker = user("~order:* +sm.fire +sm.move")
    assert worker.commands("order:1") == {"SM.FIRE", "SM.MOVE"}
    assert not worker.may("SM.FORCE", "order:1", "bar")
    assert user("~order:* +sm.force").commands("order:1") == {"SM.FORCE"}


def test_keys_to_read_and_keys_to_write(user):
    viewer = user("%R~order:* %W~log:* +@all")
    assert viewer.commands("order:1") == READS
    # A move reveals no more of a value than SREM does, which needs no read permission either.
    assert viewer.commands("log:1") == WRITES | {"SM.TEMPLATE"}


ALL_BUT_WRITES = (
    "+@all -@write -sm.set -sm.create -sm.mutate -sm.reset -sm.fire -sm.move -sm.force -sm.new -sm.redefine -sm.load"
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
    "viewer": READS - {"SM.TEMPLATE"},
    "auditor": READS,
}


def test_the_users_of_the_docs(user):
    found = dict(RULE.findall((ROOT / "docs/operations.md").read_text()))
    assert {name: user(rules).commands() for name, rules in found.items()} == MAY


@own_category
def test_the_short_form_of_the_docs(user):
    (rules,) = re.findall(r"^    ACL SETUSER viewer on >secret (.*)$", (ROOT / "docs/operations.md").read_text(), re.M)
    assert user(rules).commands() == READS


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
