"""The server describes the commands exactly as commands.json does."""

import json
import os
import shutil

import pytest

from harness import ROOT, server_version
from transcripts import CLEAR, Terminal

METADATA = json.loads((ROOT / "commands.json").read_text())
NAME, VERSION = server_version()
CATEGORIES = NAME == "valkey" or VERSION >= (7, 2)
OWN_CATEGORY = NAME == "valkey" or VERSION >= (7, 4)

# The words of commands.json, and those of the server.
FLAGS = {"deny-oom": "denyoom"}
CALLS = {
    "SM.SET": [["k", "{}"], ["k", "{}", "current"]],
    "SM.CREATE": [["k"]],
    "SM.GET": [["k"], ["k", "REASON"]],
    "SM.STATE": [["k"], ["k", "LIST"]],
    "SM.MUTATE": [["k", "s"], ["k", "s", "r"], ["k", "s", "r", "FORCE"]],
    "SM.RESET": [["k"]],
    "SM.NEXT": [["k"]],
    "SM.CAN": [["k", "s"]],
    "SM.EXPORT": [["k", "DOT"], ["k", "MERMAID"]],
    "SM.LINT": [["k"]],
    "SM.FIRE": [["k", "e"], ["k", "e", "TO", "s", "IFSTATE", "s", "IFVERSION", "1", "ID", "i", "AFTER", "1"]],
    "SM.MOVE": [["k", "s"], ["k", "s", "BY", "who", "REASON", "r", "DUE", "1"]],
    "SM.FORCE": [["k", "s"], ["k", "s", "REASON", "r"]],
    "SM.EMIT": [["k", "out", "FIRE", "e"], ["k", "out", "MOVE", "s", "ID", "i", "AFTER", "1", "MAXLEN", "9"]],
    "SM.NEW": [["k", "{}"], ["k", "{}", "STATE", "s", "ID", "i"]],
    "SM.REDEFINE": [["k", "{}"], ["k", "{}", "RENAME", "a", "b", "RENAME", "c", "d", "IFVERSION", "1"]],
    "SM.TIMEOUT": [["k"]],
    "SM.WAIT": [["k", "1", "s"], ["k", "1", "s", "s", "s"]],
    "SM.LOAD": [["k", "record"]],
    "SM.EVENTS": [["k"]],
    "SM.INFO": [["k"]],
    "SM.HISTORY": [["k"], ["k", "COUNT", "1"]],
}
every_command = pytest.mark.parametrize("command", METADATA)
every_call = pytest.mark.parametrize(
    "call", [[name, *rest] for name, calls in CALLS.items() for rest in calls], ids=" ".join
)


def pairs(flat):
    """Turns a RESP2 list of names and values into a dictionary."""
    return dict(zip((key.decode() for key in flat[::2]), flat[1::2]))


def text(value):
    return value.decode() if isinstance(value, bytes) else value


def words(values):
    return {value.decode().lower() for value in values}


# ---- COMMAND DOCS -------------------------------------------------------------------------------


def documented_arguments(flat):
    """Converts the arguments of COMMAND DOCS to the form of commands.json. The keys come in the order of
    their specs."""
    entries = [documented_argument(argument) for argument in flat]
    keys = [entry.pop("key_spec_index") for entry in entries if entry["type"] == "key"]
    assert keys == list(range(len(keys)))
    return entries


def documented_argument(flat):
    """Converts one of them; a key with the number of its spec."""
    entry = {key: text(value) for key, value in pairs(flat).items()}
    # Newer servers add a display text, by default the argument's name.
    assert entry.pop("display_text", entry["name"]) == entry["name"]
    if "flags" in entry:
        flags = words(entry.pop("flags"))
        # A repeated argument repeats its token too.
        assert ("multiple_token" in flags) == ("multiple" in flags and "token" in entry)
        entry.update(dict.fromkeys(flags - {"multiple_token"}, True))
    if "arguments" in entry:
        entry["arguments"] = documented_arguments(entry["arguments"])
    return entry


@every_command
def test_docs(db, command):
    name, flat = db.server.raw("COMMAND", "DOCS", command)
    docs = {key: text(value) for key, value in pairs(flat).items()}
    assert name.decode() == command
    assert docs.pop("group") == "module"
    assert docs.pop("module") == "redisstate"
    history = [list(map(text, entry)) for entry in docs.pop("history", [])]
    arguments = documented_arguments(docs.pop("arguments", []))
    entry = METADATA[command]
    assert arguments == entry["arguments"]
    assert history == entry.get("history", [])
    assert docs == {field: entry[field] for field in ("summary", "since", "complexity")}


@every_command
def test_docs_have_no_empty_lists(db, command):
    """The fields of an empty history and empty arguments are left out, as for built-in commands."""
    docs = pairs(db.server.raw("COMMAND", "DOCS", command)[1])
    assert all(value for value in docs.values())


def test_docs_know_the_name_in_any_case(db):
    assert db.server.raw("COMMAND", "DOCS", "sm.mutate")[0] == b"SM.MUTATE"


def test_the_commands_of_the_module_are_those_of_the_file(db):
    listed = db.server.raw("COMMAND", "LIST", "FILTERBY", "MODULE", "redisstate")
    assert {name.decode().upper() for name in listed} == set(METADATA)


# ---- COMMAND INFO -------------------------------------------------------------------------------


@every_command
def test_info(db, command):
    entry = METADATA[command]
    name, arity, flags, first, last, step, categories, tips, keys, subcommands = db.server.raw(
        "COMMAND", "INFO", command
    )[0]
    assert name.decode() == command
    assert arity == entry["arity"]
    assert words(flags) - {"movablekeys"} == {FLAGS.get(flag, flag) for flag in entry["flags"]} | {"module"}
    assert "movablekeys" not in words(flags)
    keys_used = len(key_flags(entry))
    assert [first, last, step] == [min(keys_used, 1), keys_used, min(keys_used, 1)]
    assert words(categories) == expected_categories(entry)
    assert [tip.decode() for tip in tips] == entry.get("tips", [])
    assert subcommands == []
    assert [key_spec(spec) for spec in keys] == expected_key_specs(entry)


def expected_categories(entry):
    own = {"statemachine"} if OWN_CATEGORY else set()
    return {f"@{name}" for name in {*entry["acl_categories"], *own}} if CATEGORIES else set()


def key_spec(flat):
    """Converts a key spec to nested dictionaries."""
    spec = pairs(flat)
    for part in ("begin_search", "find_keys"):
        spec[part] = pairs(spec[part])
        spec[part]["spec"] = pairs(spec[part]["spec"])
        spec[part]["type"] = text(spec[part]["type"])
    return {**spec, "flags": words(spec["flags"])}


def key_flags(entry):
    """Returns the flags of each key of a command."""
    flags = [entry.get(field) for field in ("key_flags", "second_key_flags")]
    return [{flag.lower() for flag in found} for found in flags if found]


def expected_key_specs(entry):
    return [
        {
            "flags": flags,
            "begin_search": {"type": "index", "spec": {"index": index}},
            "find_keys": {"type": "range", "spec": {"lastkey": 0, "keystep": 1, "limit": 0}},
        }
        for index, flags in enumerate(key_flags(entry), 1)
    ]


@every_command
def test_categories_agree_with_flags(command):
    """For built-in commands, the server derives the categories from the flags."""
    entry = METADATA[command]
    flags, categories = set(entry["flags"]), set(entry["acl_categories"])
    assert ("readonly" in flags, "write" in flags) == ("read" in categories, "write" in categories)
    assert ("fast" in flags) == ("fast" in categories) != ("slow" in categories)


# ---- COMMAND GETKEYS ----------------------------------------------------------------------------


def test_every_command_with_a_key_is_called():
    assert set(CALLS) == {name for name, entry in METADATA.items() if "key_flags" in entry}


def keys_of(call):
    return [key.encode() for key in call[1 : 1 + len(key_flags(METADATA[call[0]]))]]


@every_call
def test_getkeys(db, call):
    assert db.server.raw("COMMAND", "GETKEYS", *call) == keys_of(call)


@every_call
def test_getkeysandflags(db, call):
    found = db.server.raw("COMMAND", "GETKEYSANDFLAGS", *call)
    assert [key for key, _ in found] == keys_of(call)
    assert [words(flags) for _, flags in found] == key_flags(METADATA[call[0]])


# ---- redis-cli ----------------------------------------------------------------------------------


def hint(arguments):
    """Writes arguments as redis-cli shows them."""
    return " ".join(map(shown, arguments))


def shown(entry):
    if entry["type"] == "pure-token":
        inner = entry["token"]
    elif entry["type"] == "oneof":
        inner = "|".join(map(shown, entry["arguments"]))
    elif entry["type"] == "block":
        inner = hint(entry["arguments"])
    else:
        inner = entry["name"]
    if "token" in entry and entry["type"] != "pure-token":
        inner = f"{entry['token']} {inner}"
    if entry.get("multiple"):
        inner = f"{inner} [{inner} ...]"
    return f"[{inner}]" if entry.get("optional") else inner


@pytest.fixture
def cli(db):
    if not shutil.which("redis-cli"):
        pytest.skip("redis-cli is not installed")
    terminal = Terminal("redis-cli", "-p", str(db.server.port))
    terminal.prompt = f"127.0.0.1:{db.server.port}> "
    try:
        terminal.sees(terminal.prompt.rstrip())
        yield terminal
    finally:
        terminal.close()


def test_hints_as_the_reference_writes_them():
    page = (ROOT / "docs/commands.md").read_text()
    for command, entry in METADATA.items():
        line = f"{command} {hint(entry['arguments'])}".rstrip().replace("|", "\\|")
        assert f"| `{line}` |" in page
        assert f"\n## {command}\n\n    {line.replace(chr(92), '')}\n" in page


def options(arguments):
    """Yields each option of a command as its line in the reference begins: `TOKEN value …`."""
    for entry in arguments:
        if entry["type"] == "oneof" and entry.get("optional"):
            yield from options(entry["arguments"])
        elif "token" in entry and entry["type"] != "pure-token":
            values = entry.get("arguments", [entry])
            yield entry["token"], " ".join([entry["token"], *(value["name"] for value in values)])


# Their sections explain their options.
WITH_OWN_OPTIONS = {"SM.HISTORY", "SM.COUNT", "SM.SCAN"}


def test_the_reference_explains_every_option():
    """The table of options has a row for each, which says whose it is if not every command with a verdict
    has it; and each section leads to the table."""
    page = (ROOT / "docs/commands.md").read_text()
    table = page.split("\n## Options\n")[1].split("\n## ")[0]
    having = {
        name: dict(options(METADATA[name]["arguments"])) for name in METADATA if METADATA[name]["since"] != "1.0.0"
    }
    having = {name: found for name, found in having.items() if found and name not in WITH_OWN_OPTIONS}
    assert set(having) == {"SM.FIRE", "SM.MOVE", "SM.EMIT", "SM.FORCE", "SM.NEW", "SM.REDEFINE"}
    for option in {option for found in having.values() for option in found}:
        (row,) = [line for line in table.splitlines() if line.startswith(f"| `{option} ")]
        assert {found[option] for found in having.values() if option in found} <= {row.split("`")[1]}
        takes = {name for name in having if option in having[name]}
        named = {name for name in having if f"`{name}`" in row}
        assert named in (takes, set(having) - takes) or (not named and takes == set(having)), option
    for name in having:
        section = page.split(f"\n## {name}\n")[1].split("\n## ")[0]
        assert "(#options)" in section and "(#verdicts)" in section


@every_command
def test_the_reference_has_complexity_and_categories(command):
    page = (ROOT / "docs/commands.md").read_text()
    section = page.split(f"\n## {command}\n")[1].split("\n## ")[0]
    entry = METADATA[command]
    assert f"| complexity | {entry['complexity']} |" in section
    assert f"| ACL categories | {', '.join(f'`@{name}`' for name in entry['acl_categories'])} |" in section


def test_without_terminal_devices_what_needs_one_is_skipped(monkeypatch):
    def no_terminal():
        raise OSError("out of pty devices")

    monkeypatch.setattr(os, "forkpty", no_terminal)
    monkeypatch.setattr(os, "openpty", no_terminal)
    with pytest.raises(pytest.skip.Exception, match="no terminal devices: out of pty devices"):
        Terminal("redis-cli")


def test_redis_cli_hints(cli):
    for command, entry in METADATA.items():
        for typed in (command, command.lower()):
            cli.type(f"{CLEAR}{typed} ")
            cli.sees(f"{cli.prompt}{typed} {hint(entry['arguments'])}".rstrip())


def test_redis_cli_hints_go_on_with_what_is_missing(cli):
    cli.type(f"{CLEAR}SM.MUTATE order:1 paid ")
    cli.sees(f"{cli.prompt}SM.MUTATE order:1 paid [reason [FORCE]]")


@every_command
def test_redis_cli_help(cli, command):
    cli.type(f"{CLEAR}help {command}\r")
    cli.shows(f"summary: {METADATA[command]['summary']}")
    cli.shows(f"since: {METADATA[command]['since']}")
