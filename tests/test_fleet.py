"""SM.COUNT, SM.DEFINITIONS and SM.SCAN: what they reply, and what they refuse. That the counts are right after
whatever happens is in test_counts.py."""

import collections
import json
import random

import pytest

from harness import wait_until
from walks import DOCUMENTS, STATES, count, document


def test_a_state_without_machines_is_there_with_zero(server):
    server.run("SM.SET", "m", document())
    assert count(server, "order") == {"new": 1, "paid": 0, "shipped": 0, "lost": 0}
    server.run("SM.FORCE", "m", "lost")
    assert count(server, "order") == {"new": 0, "paid": 0, "shipped": 0, "lost": 1}


def test_a_name_that_is_unknown_has_no_states(server):
    server.run("SM.SET", "m", document())
    server.run("SM.CREATE", "blank")
    assert count(server, "nothing") == count(server, "") == count(server, b"\xff") == {}
    assert count(server, "order", "REVISION", 2) == {}
    server.run("DEL", "m")
    assert count(server, "order") == {}


def test_definitions_of_one_name_are_summed_by_state(server):
    other = {"map": {"lost": ["found"]}, "name": "order", "revision": 1, "initial": "found"}
    for at, text in enumerate([document(), document(), json.dumps(other), document(revision=2)]):
        server.run("SM.SET", f"m{at}", text)
    server.run("SM.FORCE", "m0", "lost")
    server.run("SM.FORCE", "m2", "lost")
    rest = {"paid": 0, "shipped": 0}
    assert count(server, "order", "REVISION", 1) == rest | {"new": 1, "lost": 2, "found": 0}
    assert count(server, "order") == rest | {"new": 2, "lost": 2, "found": 0}


def test_the_reply_is_a_map(server):
    server.run("SM.SET", "m", '{"map":{"a":["b"]},"name":"n","initial":"a"}')
    with server.wire() as wire:
        assert wire("SM.COUNT", "n") == b"*4\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n:0\r\n"
        wire("HELLO", "3")
        assert wire("SM.COUNT", "n") == b"%2\r\n$1\r\na\r\n:1\r\n$1\r\nb\r\n:0\r\n"
        assert wire("SM.COUNT", "none") == b"%0\r\n"


NUMBER = "expected a whole number from"
WRONG = {
    "SM.COUNT n REVISION": "REVISION: there is no value after it",
    "SM.COUNT n REVISION x": f"REVISION: {NUMBER} 0 to 4294967295, found 'x'",
    "SM.COUNT n REVISION -1": f"REVISION: {NUMBER} 0 to 4294967295, found '-1'",
    "SM.COUNT n REVISION 4294967296": f"REVISION: {NUMBER} 0 to 4294967295, found '4294967296'",
    "SM.COUNT n STATE a": "unknown option 'STATE' for SM.COUNT: expected REVISION",
}


@pytest.mark.parametrize("command", WRONG)
def test_what_is_wrong_is_said(db, command):
    with db.server.wire() as wire:
        assert wire(*command.split()) == f"-ERR {WRONG[command]}\r\n".encode()


def definitions(server):
    replies = server.raw("SM.DEFINITIONS")
    return [{name.decode(): value for name, value in zip(one[::2], one[1::2])} for one in replies]


def test_definitions_come_by_name_and_revision(server):
    named = [("b", 1), ("a", 10), ("a", 9), ("aa", 0)]
    for at, (name, revision) in enumerate(named):
        server.run("SM.SET", f"m{at}", document(name, revision))
    server.run("SM.SET", "none", '{"map":{"a":["b"]},"name":"b","initial":"a"}')
    server.run("SM.CREATE", "blank")
    server.run("COPY", "m0", "copy", "DB", "3")
    found = definitions(server)
    assert [(one["name"].decode(), one["revision"]) for one in found] == [
        ("a", 9), ("a", 10), ("aa", 0), ("b", None), ("b", 1),
    ]  # fmt: skip
    assert [one["machines"] for one in found] == [1, 1, 1, 1, 2]
    assert (found[0]["states"], found[0]["transitions"]) == (4, 12)
    assert (found[3]["states"], found[3]["transitions"]) == (2, 1)
    server.run("FLUSHALL")
    # Redis 8 frees the values in the background.
    wait_until(lambda: definitions(server) == [], "the definitions to go")


def test_every_count_of_machines_is_the_same(server):
    """SM.INFO and INFO count references to a definition, the others have counters."""
    for at in range(5):
        server.run("SM.SET", f"m{at}", DOCUMENTS[at % 2])
        server.run("SM.FORCE", f"m{at}", STATES[at % 4])
    server.run("DEL", "m4")
    fields = server.raw("SM.INFO", "m0")
    assert fields[fields.index(b"machines") + 1] == 2
    assert [one["machines"] for one in definitions(server)] == [2, 2]
    assert server.info("redisstate")["redisstate_machines"] == 4
    assert [sum(count(server, "order", "REVISION", revision).values()) for revision in (1, 2)] == [2, 2]


def test_the_bytes_are_the_share_in_memory_usage(server):
    """A machine's own memory doesn't change with the number of its definition's machines."""
    server.run("SM.SET", "m0", document())
    alone = server.run("MEMORY", "USAGE", "m0")
    (definition,) = definitions(server)
    server.run("SM.SET", "m1", document())
    half = definition["bytes"] // 2
    assert alone - server.run("MEMORY", "USAGE", "m0") == half


def scan(client, *options):
    """Returns the keys of all calls of a scan, with repeats."""
    cursor, keys = b"0", []
    while True:
        cursor, found = client.execute_command("SM.SCAN", cursor, *options)
        keys += found
        if cursor == b"0":
            return keys


def names(*numbers):
    return {f"m{number}".encode() for number in numbers}


@pytest.fixture
def fleet(server):
    """Eight machines: two of each document, the second one paid; and keys of other types."""
    for at in range(8):
        server.run("SM.NEW", f"m{at}", DOCUMENTS[at // 2], "STATE", STATES[at % 2])
    server.run("SM.CREATE", "m8")
    server.run("SET", "text", "1")
    server.run("RPUSH", "list", "1")
    server.run("SM.NEW", "elsewhere", DOCUMENTS[0])
    server.run("MOVE", "elsewhere", 1)
    return server


FOUND = {
    "": range(9),
    "NAME order": range(4),
    "NAME device": range(4, 8),
    "NAME order REVISION 2": [2, 3],
    "REVISION 7 NAME device": range(4, 8),
    "NAME order REVISION 3": [],
    "NAME none": [],
    "STATE paid": [1, 3, 5, 7],
    "STATE paid STATE new STATE none": range(8),
    "STATE none": [],
    "NAME order STATE paid": [1, 3],
    "MATCH m[0-2]": range(3),
    "MATCH *": range(9),
    "match m1 state paid count 1": [1],
    "IDLE 0": [6, 7],
    "IDLE 3600000": [],
    "DUE 9007199254740991": [],
}


@pytest.mark.parametrize("options", FOUND)
def test_a_scan_finds_the_machines_that_fit(fleet, options):
    assert set(scan(fleet.client(), *options.split())) == names(*FOUND[options])


def test_idle_counts_from_when_the_state_was_entered(fleet):
    client = fleet.client()
    wait_until(lambda: set(scan(client, "IDLE", "200")) == names(6, 7), "both machines to be idle")
    client.execute_command("SM.FORCE", "m7", "lost")
    assert set(scan(client, "IDLE", "200")) <= names(6)


def test_due_finds_timers_by_their_time(fleet):
    """Of any age and of any kind: the document's, one of a move's own, one that is overdue."""
    client = fleet.client()
    client.config_set("redisstate.timers", "no")
    try:
        for key, due in (("m6", 0), ("m7", 4_102_444_800_000)):
            client.execute_command("SM.REDEFINE", key, DOCUMENTS[4])
            client.execute_command("SM.FORCE", key, "paid", "DUE", due)
        after = {"map": {"a": ["b"]}, "after": {"a": {"ms": 60_000, "to": "b"}}, "initial": "a"}
        client.execute_command("SM.NEW", "m9", json.dumps(after))
        due = dict(zip(*[iter(client.execute_command("SM.INFO", "m9"))] * 2))[b"due"]
        found = {
            at: set(scan(client, "DUE", at))
            for at in (0, due - 1, due, 4_102_444_799_999, 4_102_444_800_000, 2**53 - 1)
        }
        assert found == {
            0: set(),
            due - 1: names(6),
            due: names(6, 9),
            4_102_444_799_999: names(6, 9),
            4_102_444_800_000: names(6, 7, 9),
            2**53 - 1: names(6, 7, 9),
        }
        assert set(scan(client, "DUE", due, "STATE", "a")) == names(9)
        # A state without a timer has none.
        client.execute_command("SM.FORCE", "m7", "new")
        assert set(scan(client, "DUE", 2**53 - 1)) == names(6, 9)
    finally:
        client.config_set("redisstate.timers", "yes")


def test_a_scan_of_an_empty_database(server):
    assert server.raw("SM.SCAN", "0") == [b"0", []]


def test_a_call_visits_as_many_keys_as_it_is_told(server):
    client = server.client()
    with client.pipeline() as pipe:
        for at in range(1000):
            pipe.execute_command("SM.CREATE", f"m{at}")
        pipe.execute()
    for number, most in ((None, 30), (1, 20), (100, 140)):
        options = () if number is None else ("COUNT", number)
        cursor, found = client.execute_command("SM.SCAN", "0", *options)
        assert cursor != b"0"
        assert (number or 10) / 2 <= len(found) <= most


def test_a_call_ends_before_others_wait_for_long(server):
    """However many keys it may visit. This many take more than ten times as long as a call does."""
    server.run("SM.NEW", "m0", DOCUMENTS[0])
    with server.client() as client, client.pipeline(transaction=False) as pipe:
        for at in range(1, 60_000):
            pipe.execute_command("COPY", "m0", f"m{at}")
        pipe.execute()
        cursor, found = client.execute_command("SM.SCAN", "0", "COUNT", 2**32 - 1)
        assert cursor != b"0"
        assert 50 < len(found) < 40_000
        assert set(scan(client, "COUNT", 2**32 - 1)) == names(*range(60_000))


def test_machines_that_stay_are_found_while_keys_come_and_go(server):
    """Each at least once, whatever the hash table does meanwhile, and nothing that isn't a machine."""
    client, dice = server.client(), random.Random(7)
    for at in range(500):
        client.execute_command("SM.NEW", f"stays{at}", DOCUMENTS[0])
    cursor, keys, machines = b"0", [], set()
    while True:
        cursor, found = client.execute_command("SM.SCAN", cursor, "NAME", "order")
        keys += found
        if cursor == b"0":
            break
        with client.pipeline() as pipe:
            for _ in range(100):
                at = dice.randrange(3000)
                if dice.random() < 0.5:
                    pipe.execute_command("SM.SET", f"comes{at}", DOCUMENTS[0])
                    machines.add(f"comes{at}".encode())
                else:
                    pipe.execute_command("SET", f"text{at}", "1")
            for _ in range(60):
                pipe.execute_command("DEL", f"comes{dice.randrange(3000)}", f"text{dice.randrange(3000)}")
            pipe.execute()
    stays = {f"stays{at}".encode() for at in range(500)}
    assert stays <= set(keys) <= stays | machines


def test_a_scan_is_no_use_of_a_key(server):
    client = server.client()
    client.execute_command("SM.NEW", "m", DOCUMENTS[3])
    wait_until(lambda: client.object("idletime", "m") >= 2, "the key to be idle")
    scan(client, "STATE", "new", "NAME", "device", "IDLE", "0")
    assert client.object("idletime", "m") >= 2
    client.config_set("maxmemory-policy", "allkeys-lfu")
    client.execute_command("SM.SET", "n", DOCUMENTS[3])
    before = client.object("freq", "n")
    for _ in range(300):
        scan(client, "STATE", "new")
    assert client.object("freq", "n") <= before


def test_an_expired_machine_is_not_found(server):
    client = server.client()
    client.execute_command("DEBUG", "SET-ACTIVE-EXPIRE", "0")
    for key in ("goes", "stays"):
        client.execute_command("SM.CREATE", key)
    client.pexpire("goes", 1)
    wait_until(lambda: client.pttl("goes") == -2, "the expiry")
    assert scan(client) == [b"stays"]


def test_a_scan_in_a_script_and_in_a_transaction(fleet):
    client = fleet.client()
    script = "return redis.call('SM.SCAN', '0', 'STATE', 'paid', 'COUNT', '100')"
    assert set(client.eval(script, 0)[1]) == names(1, 3, 5, 7)
    with client.pipeline() as pipe:
        pipe.execute_command("SM.SCAN", "0", "COUNT", "100")
        ((cursor, found),) = pipe.execute()
    assert (cursor, set(found)) == (b"0", names(*range(9)))


WRONG_SCANS = {
    "x": f"cursor: {NUMBER} 0 to 18446744073709551615, found 'x'",
    "-1": f"cursor: {NUMBER} 0 to 18446744073709551615, found '-1'",
    "18446744073709551616": f"cursor: {NUMBER} 0 to 18446744073709551615, found '18446744073709551616'",
    "0 COUNT 0": f"COUNT: {NUMBER} 1 to 4294967295, found '0'",
    "0 COUNT x": f"COUNT: {NUMBER} 1 to 4294967295, found 'x'",
    "0 COUNT": "COUNT: there is no value after it",
    "0 COUNT 1 COUNT 2": "COUNT: option given twice",
    "0 REVISION 1": "REVISION: expected NAME beside it",
    "0 NAME n REVISION x": f"REVISION: {NUMBER} 0 to 4294967295, found 'x'",
    "0 NAME n NAME m": "NAME: option given twice",
    "0 STATE": "STATE: there is no value after it",
    "0 IDLE -1": f"IDLE: {NUMBER} 0 to 9007199254740991, found '-1'",
    "0 IDLE 1.5": f"IDLE: {NUMBER} 0 to 9007199254740991, found '1.5'",
    "0 IDLE 1 IDLE 1": "IDLE: option given twice",
    "0 DUE -1": f"DUE: {NUMBER} 0 to 9007199254740991, found '-1'",
    "0 DUE": "DUE: there is no value after it",
    "0 DUE 1 DUE 1": "DUE: option given twice",
    "0 MATCH": "MATCH: there is no value after it",
    "0 MATCH a MATCH b": "MATCH: option given twice",
    "0 TYPE string": "unknown option 'TYPE' for SM.SCAN: expected NAME, REVISION, STATE, IDLE, DUE, MATCH or COUNT",
}


@pytest.mark.parametrize("arguments", WRONG_SCANS)
def test_what_is_wrong_with_a_scan_is_said(db, arguments):
    with db.server.wire() as wire:
        assert wire("SM.SCAN", *arguments.split()) == f"-ERR {WRONG_SCANS[arguments]}\r\n".encode()


@pytest.mark.parametrize("option", ["NAME", "STATE"])
def test_a_name_that_is_no_text(db, option):
    with db.server.wire() as wire:
        reply = wire("SM.SCAN", "0", option, b"a\xff")
    assert reply == f"-ERR {option}: text is not UTF-8 at byte 1\r\n".encode()


# ---- anything ---------------------------------------------------------------------------------------

OPTIONS = {
    "SM.SCAN": ["NAME", "REVISION", "STATE", "IDLE", "DUE", "MATCH", "COUNT"],
    "SM.COUNT": ["REVISION"],
    "SM.DEFINITIONS": [],
}
ARGUMENTS = {"SM.SCAN": ["0"], "SM.COUNT": ["order"], "SM.DEFINITIONS": []}
ANY_WORDS = ["NAME", "state", "Count", "REVISION", "idle", "Due", "LIMIT", "TYPE", "", b"\xff"]
ANY_VALUES = [
    "order", "device", "none", "new", "paid", "1", "2", "7", "0", "-1", "1000", "m[0-3]", "*", "", "3600000",
    "4294967295", "4294967296", "9007199254740991", "9007199254740992", "18446744073709551616", "\u00e9", b"\xff",
]  # fmt: skip


def is_right(option, value):
    """Whether docs/commands.md allows this value."""
    raw = value if isinstance(value, bytes) else value.encode()
    number = int(raw) if raw.isdigit() else -1
    is_text = raw != b"\xff"
    return {
        "NAME": is_text,
        "STATE": is_text,
        "REVISION": 0 <= number < 2**32,
        "IDLE": 0 <= number < 2**53,
        "DUE": 0 <= number < 2**53,
        "COUNT": 1 <= number < 2**32,
    }.get(option, True)


def wanted_of(command, options):
    """Returns the values of each option, or None if they are no options by docs/commands.md."""
    wanted, rest = collections.defaultdict(list), list(options)
    while rest:
        word = rest.pop(0)
        option = word.upper() if isinstance(word, str) else word
        if option not in OPTIONS[command] or (option in wanted and option != "STATE") or not rest:
            return None
        wanted[option].append(rest.pop(0))
        if not is_right(option, wanted[option][0 if option != "STATE" else -1]):
            return None
    needs_name = command == "SM.SCAN" and "REVISION" in wanted and "NAME" not in wanted
    return None if needs_name else wanted


def found_by(wanted):
    """Returns the numbers of the machines in the fleet that a scan has to find. None has been idle for long, and none
    has a timer that runs."""
    found = []
    for at in range(9):
        name, revision = ("order", 1 + at // 2) if at < 4 else ("device", 7) if at < 8 else (None, None)
        state = STATES[at % 2] if at < 8 else ""
        fits = (
            wanted.get("NAME", [name]) == [name]
            and [int(r) for r in wanted.get("REVISION", [])] in ([], [revision])
            and ("STATE" not in wanted or state in wanted["STATE"])
            and ("IDLE" not in wanted or (at in (6, 7) and int(wanted["IDLE"][0]) < 3_600_000))
            and "DUE" not in wanted
            and ("MATCH" not in wanted or wanted["MATCH"][0] == "*" or (wanted["MATCH"][0] == "m[0-3]" and at < 4))
        )
        found += [at] if fits else []
    return found


def test_any_options(fleet):
    """Nonsense and sense mixed: wrong syntax is an error, and right syntax finds what there is."""
    rng, met, client = random.Random(12), collections.Counter(), fleet.client()
    wait_until(lambda: set(scan(client, "IDLE", "1000")) == names(6, 7), "machines that are idle")
    with fleet.wire() as wire:
        for _ in range(8000):
            command = rng.choices(list(OPTIONS), [20, 4, 1])[0]
            options = []
            for _ in range(rng.choice([0, 1, 1, 1, 2, 2, 3, 4])):
                option = rng.choice(OPTIONS[command] if OPTIONS[command] and rng.random() < 0.9 else ANY_WORDS)
                good = rng.random() < 0.6
                good = [value for value in ANY_VALUES if is_right(option, value)] if good else ANY_VALUES
                options += [option, *([rng.choice(good)] if rng.random() < 0.95 else [])]
            wanted = wanted_of(command, options)
            reply = wire(command, *ARGUMENTS[command], *options)
            met[command, wanted is None] += 1
            if wanted is None:
                assert reply.startswith(b"-") and reply.count(b"\r\n") == 1, (command, options, reply)
            elif command == "SM.SCAN":
                if wanted["COUNT"] == []:
                    options += ["COUNT", "1000"]
                assert set(scan(client, *options)) == names(*found_by(wanted)), options
            else:
                assert reply.startswith(b"*"), (command, options, reply)
    assert {(command, wrong) for command in OPTIONS for wrong in (True, False)} == set(met), met
