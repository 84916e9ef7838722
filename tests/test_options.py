"""The options of SM.FIRE, SM.MOVE, SM.FORCE, SM.EMIT, SM.NEW, SM.REDEFINE and SM.HISTORY. A wrong one is an error
that says what was expected, before the key is looked at and before anything is done."""

import json
import random

import pytest

from harness import ROOT, array, bulk, digest
from shop import SHOP, WRONGTYPE, verdict
from test_fire import REMEMBERED, TIMED, history, info, pairs

METADATA = json.loads((ROOT / "commands.json").read_text())
# The arguments before the options, of a request that succeeds on a machine of SHOP in `m`.
FIRST = {
    "SM.FIRE": ["pay"],
    "SM.MOVE": ["paid"],
    "SM.FORCE": ["sent"],
    "SM.EMIT": ["out", "FIRE", "pay"],
    "SM.NEW": [SHOP],
    "SM.REDEFINE": [SHOP],
}
# A value that is right for an option, in whatever command.
RIGHT = {
    "TO": ["paid"],
    "STATE": ["new"],
    "RENAME": ["new", "new"],
    "IFSTATE": ["new"],
    "IFVERSION": ["1"],
    "ID": ["x"],
    "BY": ["me"],
    "REASON": ["why"],
    "AFTER": ["5"],
    "DUE": ["5"],
    "MAXLEN": ["1"],
}
VERSIONS = "expected a whole number from 1 to 4294967295, found "
TIMES = {
    "AFTER": "expected a whole number from 1 to 9007199254740991, found ",
    "DUE": "expected a whole number from 0 to 9007199254740991, found ",
}
NO_NUMBERS = ["", "-1", "+1", "1.0", "1e3", "0x1", " 1", "1 ", "1\0", "x", "٣", b"\xff", "9" * 30]


def words_of(arguments):
    for argument in arguments:
        if argument["type"] == "oneof":
            yield from words_of(argument["arguments"])
        elif "token" in argument:
            yield argument["token"]


# What names the move of SM.EMIT comes first, and is no option.
OPTIONS = {
    command: [word for word in words_of(METADATA[command]["arguments"]) if word not in ("FIRE", "MOVE")]
    for command in FIRST
}
each_command = pytest.mark.parametrize("command", FIRST)
each_option = pytest.mark.parametrize("command, option", [(c, option) for c in FIRST for option in OPTIONS[c]])


def listed(names):
    return f"{', '.join(names[:-1])} or {names[-1]}"


def error(text):
    return b"-ERR " + text.encode() + b"\r\n"


def unknown(command, option):
    return error(f"unknown option '{option}' for {command}: expected {listed(OPTIONS[command])}")


@pytest.fixture
def refuse(wire, db):
    """Returns refuse(command, *options), which returns the error. It is the same whatever the key holds, and
    in a transaction and a script, and nothing is done."""
    wire("SM.SET", "m", SHOP)
    wire("SM.SET", "timed", TIMED)
    wire("SET", "text", "x")
    before = digest(db.server)

    def refuse(command, *options):
        first = FIRST[command]
        reply = wire(command, "m", *first, *options)
        assert reply.startswith(b"-ERR ") and reply.count(b"\r\n") == 1
        for key in ("timed", "text", "none"):
            assert wire(command, key, *first, *options) == reply, key
        wire("MULTI")
        assert wire(command, "m", *first, *options) == b"+QUEUED\r\n"
        assert wire("EXEC") == b"*1\r\n" + reply
        words = [command, "m", *first, *options]
        assert reply.removesuffix(b"\r\n") in wire("EVAL", "return redis.pcall(unpack(ARGV))", "1", "m", *words)
        assert digest(db.server) == before
        assert info(db)["version"] == 1
        return reply

    return refuse


def test_the_options_are_those_of_the_metadata():
    move = ["IFSTATE", "IFVERSION", "ID", "BY", "REASON", "AFTER", "DUE"]
    assert OPTIONS == {
        "SM.FIRE": ["TO", *move],
        "SM.MOVE": move,
        "SM.FORCE": move,
        "SM.EMIT": ["TO", *move, "MAXLEN"],
        "SM.NEW": ["STATE", "ID", "BY", "REASON", "AFTER", "DUE"],
        "SM.REDEFINE": ["RENAME", *move],
    }


@each_option
def test_right_values(db, command, option):
    """The values that the other tests here put behind options are right: without a mistake all succeed."""
    document, key = (TIMED, "n") if option in ("AFTER", "DUE") else (SHOP, "m")
    db.execute_command("SM.SET", "m", document)
    timed = {"SM.FIRE": ["go"], "SM.MOVE": ["b"], "SM.FORCE": ["b"], "SM.EMIT": ["out", "FIRE", "go"]}
    first = timed if document == TIMED else FIRST
    first = first.get(command, [document])
    if command != "SM.NEW":
        key = "m"
    elif key == "m":
        db.delete("m")
    done = db.execute_command(command, key, *first, option.lower(), *RIGHT[option])
    assert done[0] in (b"moved", b"created", b"redefined")


# ---- wrong, repeated, half ------------------------------------------------------------------------


@each_command
def test_an_unknown_option(refuse, command):
    others = set(RIGHT) - set(OPTIONS[command])
    for option in ("NO", "", "AT", "AT 5", "FROM 5", "COUNT", "FORCE", "LIST", "NX", "GET", *sorted(others)):
        assert refuse(command, option) == unknown(command, option)
        assert refuse(command, option, *RIGHT.get(option, ["1", "x"])) == unknown(command, option)
    assert refuse(command, b"\xff").startswith(b"-ERR unknown option ")
    assert refuse(command, "REASON", "why", "NO") == unknown(command, "NO")
    assert refuse(command, "REASO", "why") == unknown(command, "REASO")
    assert refuse(command, "REASONS", "why") == unknown(command, "REASONS")


def test_to_is_for_fire_alone(refuse):
    for command in set(FIRST) - {"SM.FIRE", "SM.EMIT"}:
        assert refuse(command, "TO", "paid") == unknown(command, "TO")


@pytest.mark.parametrize("command, option", [(c, option) for c in FIRST for option in OPTIONS[c] if option != "RENAME"])
def test_a_repeated_option(refuse, command, option):
    """Of RENAME there may be several: test_fire.py."""
    said = error(f"{option}: option given twice")
    once = [option, *RIGHT[option]]
    assert refuse(command, *once, *once) == said
    assert refuse(command, *once, option.lower(), *RIGHT[option]) == said
    assert refuse(command, *once, option) == said
    between = "BY" if option == "REASON" else "REASON"
    assert refuse(command, *once, between, "x", *once) == said


@each_option
def test_half_an_option(refuse, command, option):
    said = error(f"{option}: there is no value after it")
    assert refuse(command, option) == said
    other = "BY" if option == "REASON" else "REASON"
    assert refuse(command, other, "x", option) == said
    if option == "RENAME":
        assert refuse(command, "RENAME", "new") == said
        assert refuse(command, *RIGHT["RENAME"], "RENAME", "new").startswith(b"-ERR unknown option 'new'")


@each_command
def test_after_and_due(refuse, command):
    for options in (("AFTER", "1", "DUE", "1"), ("DUE", "1", "AFTER", "1"), ("AFTER", "1", "BY", "x", "due", "1")):
        reply = refuse(command, *options)
        assert reply in [error(f"{name}: expected only one of AFTER and DUE") for name in ("AFTER", "DUE")]


# ---- values ---------------------------------------------------------------------------------------


@each_command
def test_numbers_out_of_range(refuse, command):
    wrong = [("AFTER", "0"), ("AFTER", "9007199254740992"), ("DUE", "9007199254740992")]
    if "IFVERSION" in OPTIONS[command]:
        wrong += [("IFVERSION", "0"), ("IFVERSION", "4294967296")]
    for option, value in wrong:
        expected = TIMES.get(option, VERSIONS)
        assert refuse(command, option, value) == error(f"{option}: {expected}'{value}'")


@each_command
@pytest.mark.parametrize("value", NO_NUMBERS, ids=ascii)
def test_what_is_no_number(refuse, command, value):
    for option in {"IFVERSION", "AFTER", "DUE"} & set(OPTIONS[command]):
        said = b"-ERR %s: %s" % (option.encode(), TIMES.get(option, VERSIONS).encode())
        assert refuse(command, option, value).startswith(said)


@each_command
def test_lengths(refuse, command):
    for value in ("", "x" * 65, "é" * 33, "x" * 100_000):
        said = error(f"ID: expected 1 to 64 bytes, found {len(value.encode())} bytes")
        assert refuse(command, "ID", value) == said
    for value in ("x" * 257, "é" * 129, "x" * 100_000):
        said = error(f"BY: expected 0 to 256 bytes, found {len(value.encode())} bytes")
        assert refuse(command, "BY", value) == said
    said = "reason has 65537 bytes, over the limit of 65536 (redisstate.max-reason-bytes)"
    assert refuse(command, "REASON", "x" * 65_537) == error(said)


@each_command
def test_options_are_text(refuse, command):
    for bad in (b"ab\xff", b"ab\xc3", b"ab\xed\xa0\x80"):
        for option in {"ID", "BY", "TO", "STATE", "IFSTATE"} & set(OPTIONS[command]):
            assert refuse(command, option, bad) == error(f"{option}: text is not UTF-8 at byte 2")
        if "RENAME" in OPTIONS[command]:
            for pair in ((bad, "x"), ("x", bad)):
                assert refuse(command, "RENAME", *pair) == error("RENAME: text is not UTF-8 at byte 2")
        assert refuse(command, "REASON", bad) == error("invalid reason: not UTF-8 at byte 2")


def test_a_state_is_renamed_once(refuse):
    """Which of two new names counts, nobody could say."""
    for second in ("y", "x"):
        twice = ("RENAME", "a", "x", "RENAME", "b", "x", "RENAME", "a", second)
        assert refuse("SM.REDEFINE", *twice) == error("RENAME: state renamed twice")


def test_the_longest_and_the_largest(wire, db):
    id, by, reason = "i" * 64, "é" * 128, "r" * 65_536
    assert wire("SM.NEW", "m", REMEMBERED, "ID", id, "BY", by, "REASON", reason) == verdict("created", "a", 1)
    assert wire("SM.NEW", "m", REMEMBERED, "ID", id) == verdict("repeated", "a", 1)
    (entry,) = history(db)
    assert (entry["id"], entry["by"], entry["reason"]) == (id.encode(), by.encode(), b"r" * 1024)
    assert wire("SM.GET", "m", "REASON") == bulk(reason)
    assert wire("SM.FIRE", "m", "go", "IFVERSION", "4294967295") == verdict("conflict", "a", 1)
    for option, due in (("AFTER", "1"), ("AFTER", "9007199254740991"), ("DUE", "0"), ("DUE", "9007199254740991")):
        # In a transaction, in which nothing fires.
        with db.pipeline(transaction=True) as pipe:
            pipe.delete("t")
            pipe.execute_command("SM.NEW", "t", TIMED, option, due)
            pipe.execute_command("SM.INFO", "t")
            _, created, reply = pipe.execute()
        assert created == [b"created", b"a", 1]
        found = pairs(reply)
        # At least the time of entry, at most 2⁵³−1.
        expected = {"1": found[b"since"] + 1, "0": found[b"since"]}.get(due, 9007199254740991)
        assert found[b"due"] == expected, (option, due)


def test_options_in_any_order_and_case(db):
    options = [("ifstate", "new"), ("IfVersion", "1"), ("id", "x"), ("BY", ""), ("reason", "é"), ("to", "paid")]
    for turn in range(len(options)):
        for order in (options[turn:] + options[:turn], options[turn::-1] + options[:turn:-1]):
            db.execute_command("DEL", "m")
            db.execute_command("SM.SET", "m", SHOP)
            words = [word for option in order for word in option]
            assert db.execute_command("SM.FIRE", "m", "pay", *words) == [b"moved", b"paid", 2], words


def test_a_value_may_look_like_an_option(wire):
    text = json.dumps({"map": {"TO": {"ID": ["BY", "TO"]}}, "history": 2, "initial": "TO"})
    wire("SM.SET", "m", text)
    words = ["SM.FIRE", "m", "ID", "ID", "ID", "BY", "BY", "TO", "BY", "IFSTATE", "TO", "REASON", "IFVERSION"]
    assert wire(*words) == verdict("moved", "BY", 2)
    assert wire("SM.GET", "m", "REASON") == bulk("IFVERSION")


@pytest.mark.parametrize("command", ["SM.FIRE", "SM.MOVE", "SM.FORCE", "SM.REDEFINE", "SM.NEW"])
@pytest.mark.parametrize("option", ["AFTER", "DUE"])
def test_a_time_for_a_state_without_a_timer(wire, db, command, option):
    wire("SM.SET", "m", SHOP)
    before = digest(db.server)
    state = {"SM.FIRE": "paid", "SM.MOVE": "paid", "SM.FORCE": "sent"}.get(command, "new")
    said = error(f"the state '{state}' has no timer in the definition, leave out AFTER and DUE")
    key = "n" if command == "SM.NEW" else "m"
    assert wire(command, key, *FIRST[command], option, "5") == said
    assert digest(db.server) == before
    for key in ("text", "none") if command != "SM.NEW" else ("text", "m"):
        wire("SET", "text", "x")
        expected = {"text": WRONGTYPE, "none": b"$-1\r\n", "m": verdict("exists", "new", 1)}[key]
        assert wire(command, key, *FIRST[command], option, "5") == expected


# ---- SM.HISTORY -------------------------------------------------------------------------------------

COUNTS = "COUNT: expected a whole number from 1 to 4294967295, found "


@pytest.mark.parametrize("key", ["m", "text", "none"])
def test_the_options_of_history(wire, key):
    wire("SM.SET", "m", REMEMBERED)
    wire("SET", "text", "x")
    for option in ("NO", "", "LIMIT", "REASON", "COUNTS"):
        said = error(f"unknown option '{option}' for SM.HISTORY: expected COUNT")
        assert wire("SM.HISTORY", key, option) == wire("SM.HISTORY", key, option, "1") == said
    assert wire("SM.HISTORY", key, "count") == error("COUNT: there is no value after it")
    for value in ("0", "4294967296"):
        assert wire("SM.HISTORY", key, "COUNT", value) == error(f"{COUNTS}'{value}'")
    for value in NO_NUMBERS:
        assert wire("SM.HISTORY", key, "COUNT", value).startswith(b"-ERR " + COUNTS.encode())
    twice = wire("SM.HISTORY", key, "COUNT", "1", "COUNT", "1").lower()
    assert twice == b"-err wrong number of arguments for 'sm.history' command\r\n"


def test_the_largest_count(db):
    db.execute_command("SM.NEW", "m", REMEMBERED)
    assert len(history(db, "m", "COUNT", "4294967295")) == len(history(db, "m", "COUNT", "1")) == 1


# ---- anything ---------------------------------------------------------------------------------------

WORDS = [*RIGHT, "AT", "AT 5", "NO", "to", "ReNaMe", "ifversion", "id", ""]
VALUES = [
    "new", "paid", "sent", "archived", "nowhere", "", "1", "2", "0", "-1", "4294967295", "4294967296",
    "9007199254740991", "9007199254740992", "x" * 64, "x" * 65, "x" * 257, "é", b"\xff", "ID", "TO",
]  # fmt: skip


def is_right(option, value):
    """Whether docs/commands.md allows this value."""
    raw = value if isinstance(value, bytes) else value.encode()
    number = int(raw) if raw.isdigit() else -1
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return {
        "IFVERSION": 1 <= number < 2**32,
        "AFTER": 1 <= number < 2**53,
        "DUE": 0 <= number < 2**53,
        "MAXLEN": 1 <= number < 2**53,
        "ID": 1 <= len(raw) <= 64,
        "BY": len(raw) <= 256,
    }.get(option, True)


def is_syntax(command, options):
    """Whether these are options by docs/commands.md."""
    seen, renamed, rest = set(), set(), list(options)
    while rest:
        word = rest.pop(0)
        option = word.upper() if isinstance(word, str) else word
        count = 2 if option == "RENAME" else 1
        if option not in OPTIONS[command] or (option in seen and option != "RENAME") or len(rest) < count:
            return False
        seen.add(option)
        if {"AFTER", "DUE"} <= seen or not all(is_right(option, value) for value in rest[:count]):
            return False
        if option == "RENAME" and rest[0] in renamed:
            return False
        renamed |= {rest[0]} if option == "RENAME" else set()
        rest = rest[count:]
    return True


VERDICTS = {b"moved", b"refused", b"conflict", b"repeated", b"created", b"exists", b"redefined"}


@pytest.mark.parametrize("seed", range(2))
def test_any_options(server, seed):
    """Nonsense and sense mixed. Wrong syntax is an error whatever the key holds; an error does nothing; and
    right syntax on a missing key is nil or makes a machine."""
    rng, met = random.Random(seed), {}
    with server.wire() as wire, server.client() as client:
        client.set("text", "x")
        for turn in range(6_000):
            if turn % 100 == 0:
                client.execute_command("SM.SET", "m", rng.choice([SHOP, TIMED, REMEMBERED]))
            command = rng.choice(list(FIRST))
            options = []
            for _ in range(rng.choice([0, 1, 1, 1, 2, 2, 3])):
                option = rng.choice(OPTIONS[command] if rng.random() < 0.9 else WORDS)
                right = RIGHT.get(option.upper(), ["x"])
                count = len(right) if rng.random() < 0.95 else rng.randint(0, 2)
                options += [option, *(right if rng.random() < 0.6 else [rng.choice(VALUES) for _ in range(count)])]
            key = rng.choice(["m", "m", "text", "none"])
            before = digest(server)
            reply = wire(command, key, *FIRST[command], *options)
            said = (command, key, options, reply)
            if not is_syntax(command, options):
                assert reply.startswith(b"-ERR ") and reply.count(b"\r\n") == 1, said
            elif key == "text":
                assert reply == WRONGTYPE, said
            elif key == "none" and command != "SM.NEW":
                assert reply == b"$-1\r\n", said
            elif not reply.startswith(b"-"):
                what, state, version = verdict_of(reply)
                assert what in VERDICTS, said
                changed = what in (b"moved", b"created", b"redefined")
                assert (digest(server) != before) == changed, said
                if changed:
                    assert wire("SM.STATE", key) == array(state), said
                    assert client.execute_command("SM.INFO", key)[7] == version, said
            if reply.startswith(b"-") or key == "text":
                assert digest(server) == before, said
            client.delete("none", "out")
            kind = "syntax" if not is_syntax(command, options) else reply.split(b"\r\n")[2 if reply[:1] == b"*" else 0]
            met[command, kind] = met.get((command, kind), 0) + 1
    for command in FIRST:
        kinds = {kind for name, kind in met if name == command}
        done = {"SM.NEW": b"created", "SM.REDEFINE": b"redefined"}.get(command, b"moved")
        assert {"syntax", done} <= kinds, (command, kinds)


def verdict_of(reply):
    parts = reply.split(b"\r\n")
    if parts[0] == b"*4":
        # Of SM.EMIT: behind the verdict comes the id of the entry.
        is_moved = parts[2] == b"moved"
        assert len(parts[6:]) == 2 + is_moved and (parts[6] == b"$-1") != is_moved, reply
    else:
        assert parts[0] == b"*3" and len(parts) == 7
    assert parts[-1] == b""
    return parts[2], parts[4], int(parts[5].removeprefix(b":"))
