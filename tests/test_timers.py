"""Timers: each fires once, with its deadline as the time of its move, whatever happens to the key, the
server and the data meanwhile. test_cluster_timers.py has clusters, faults/test_timer_kills.py has kills."""

import json
import os
import random
import signal
import threading
import time

import pytest
import redis

from harness import (
    SECOND_MODULE,
    SLOWDOWN,
    background_save,
    digest,
    encode,
    follow,
    rewrite_aof,
    start_saving,
    wait_for_rewrite,
    wait_for_save,
    wait_in_sync,
    wait_until,
)
from proxy import CuttingProxy
from server_files import commands
from test_events import Listener
from timers import (
    BRIEF,
    HOUR,
    MOMENT,
    ORDER,
    TICK,
    TimerTraffic,
    all_fired,
    chain,
    error_of,
    figures,
    history,
    info,
    kinds,
    make_ticks,
    state,
    ticked_once,
    together,
    wait_for_state,
)
from versioned import named

AOF = ["appendonly yes", "appendfsync always", "auto-aof-rewrite-percentage 0"]
PLAIN_AOF = [*AOF, "aof-use-rdb-preamble no"]
OFF = "redisstate.timers no"


def now_ms():
    return int(time.time() * 1000)


def logged(server):
    """Returns the commands of the module in the append-only file, as texts."""
    (file,) = (server.folder / "appendonlydir").glob("*.incr.aof")
    return [[w.decode() for w in words] for words, _ in commands(file.read_bytes()) if words[0].startswith(b"SM.")]


@pytest.fixture
def idle(servers):
    """Starts a server whose timers don't fire."""
    return servers.start(module_args="timers no")


@pytest.fixture
def listener(server):
    listener = Listener(server)
    yield listener
    listener.close()


def wake(server):
    """Lets timers fire from now on."""
    server.run("CONFIG", "SET", "redisstate.timers", "yes")


def on_next_start(server, old, new):
    """Changes a line of the configuration file."""
    text = server.config_file.read_text()
    assert old in text
    server.config_file.write_text(text.replace(old, new))


# ---- what a timer does --------------------------------------------------------------------------------


def test_it_fires_once_with_the_deadline_as_its_time(server, listener):
    document = json.dumps(json.loads(ORDER) | {"after": {"new": {"ms": 60, "to": "expired"}}})
    shown = named(together(server, ("SM.NEW", "m", document, "REASON", "why"), ("SM.INFO", "m"))[1])
    assert (shown["due"] - shown["since"], shown["due-to"]) == (60, b"expired")
    wait_for_state(server, "m", "expired")
    last, first = history(server, "m")
    assert last == {
        "version": 2, "at": shown["due"], "kind": b"timeout", "from": b"new", "event": b"", "to": b"expired",
        "user": b"", "by": b"", "reason": b"", "id": b"",
    }  # fmt: skip
    assert first["kind"] == b"new"
    now = info(server, "m")
    assert (now["version"], now["since"], now["due"], now["due-to"]) == (2, shown["due"], None, b"")
    assert server.run("SM.GET", "m", "REASON") == b""
    assert [name for name in listener.names() if name != "new"] == ["sm.new", "sm.timeout"]
    time.sleep(MOMENT)
    assert info(server, "m")["version"] == 2


def test_without_a_history(server):
    document = json.dumps({"map": {}, "after": {"new": {"ms": 30, "to": "old"}}, "initial": "new"})
    server.run("SM.NEW", "m", document)
    wait_for_state(server, "m", "old")
    assert server.run("SM.INFO", "m")[7] == 2


def test_each_of_many_fires_once_at_its_own_time(server):
    dues = make_ticks(server, [f"k{i}" for i in range(2000)], 1500)
    all_fired(server)
    ticked_once(server, dues)
    assert figures(server)["fired"] == 2000


def test_they_fire_in_the_order_of_their_deadlines(server):
    server.run("CONFIG", "SET", "notify-keyspace-events", "Ed")
    server.run("CONFIG", "SET", "redisstate.timers", "no")
    with server.client() as client, client.pubsub() as channel:
        channel.psubscribe("__keyevent@0__:sm.timeout")
        channel.get_message(timeout=None)
        keys = list(range(100))
        random.Random(1).shuffle(keys)
        begin = now_ms() + 1000
        # No deadline is before the machine's beginning, so all have to be there by then.
        together(server, *(["SM.NEW", key, TICK, "DUE", begin + 3 * key] for key in keys))
        wait_until(lambda: now_ms() > begin + 300, "all to be due")
        wake(server)
        seen = [int(channel.get_message(timeout=20 * SLOWDOWN)["data"]) for _ in keys]
    assert seen == sorted(keys)


@pytest.mark.parametrize("way", ["alarm", "client", "first"])
def test_a_timer_to_nowhere_deletes_the_key(servers, way):
    """Replicated, in the append-only file, and with the event of a deletion."""
    primary, replica = servers.pair([*PLAIN_AOF, *([OFF] if way == "client" else [])])
    ears = [Listener(server) for server in (primary, replica)]
    made = ("SM.NEW", "m", BRIEF, "DUE", "0")
    match way:
        case "alarm":
            primary.run(*made)
            wait_until(lambda: not primary.run("EXISTS", "m"), "the key to go")
        case "client":
            primary.run(*made)
            assert primary.run("SM.TIMEOUT", "m") == [b"deleted", b"wait", 1]
        case "first":
            assert together(primary, made, ("SM.FIRE", "m", "go"))[1] is None
    wait_in_sync(primary, replica)
    for server, ear in zip((primary, replica), ears):
        assert server.run("EXISTS", "m") == 0
        assert [name for name in ear.names() if name != "new"] == ["sm.new", "sm.timeout", "del"]
        assert figures(server)["pending"] == 0
        ear.close()
    assert [words[0] for words in logged(primary)] == ["SM.NEW", "SM.TIMEOUT"]
    primary.kill()
    primary.start()
    assert primary.run("DBSIZE") == 0


def test_a_deleted_key_can_be_made_again(server):
    for _ in range(3):
        assert server.run("SM.NEW", "m", BRIEF, "AFTER", 20)[0] == b"created"
        wait_until(lambda: not server.run("EXISTS", "m"), "the key to go")
    server.run("SM.NEW", "m", BRIEF, "AFTER", HOUR)
    time.sleep(MOMENT)
    assert info(server, "m")["version"] == 1


def test_watch_sees_a_timer(server):
    with server.client() as client, client.pipeline() as pipe:
        client.config_set("redisstate.timers", "no")
        client.execute_command("SM.NEW", "m", TICK, "DUE", 0)
        pipe.watch("m")
        wake(server)
        wait_until(lambda: info(server, "m")["version"] == 2, "the timer")
        pipe.multi()
        pipe.execute_command("SM.STATE", "m")
        with pytest.raises(redis.exceptions.WatchError):
            pipe.execute()


def test_what_a_timer_replicates(servers):
    """One command with the time of the move, whoever made it."""
    server = servers.start([*PLAIN_AOF, OFF])
    server.run("SM.NEW", "m", ORDER, "DUE", "0")
    due = str(info(server, "m")["due"])
    assert server.run("SM.TIMEOUT", "m") == [b"moved", b"expired", 2]
    assert logged(server)[1:] == [["SM.TIMEOUT", "m", f"AT {due}"]]
    wake(server)
    server.run("SM.FORCE", "m", "new", "DUE", "0")
    wait_for_state(server, "m", "expired")
    due = str(history(server, "m")[0]["at"])
    assert logged(server)[3:] == [["SM.TIMEOUT", "m", f"AT {due}"]]
    before = digest(server), history(server, "m")
    server.kill()
    server.start()
    assert (digest(server), history(server, "m")) == before


def test_it_keeps_the_expiry_of_the_key(servers):
    primary, replica = servers.pair()
    for key in ("m", "n"):
        together(primary, ("SM.NEW", key, ORDER, "DUE", "0"), ("PEXPIREAT", key, 4_000_000_000_000))
    for key in ("m", "n"):
        wait_for_state(primary, key, "expired")
    wait_in_sync(primary, replica)
    for server in (primary, replica):
        assert server.run("PEXPIRETIME", "m") == server.run("PEXPIRETIME", "n") == 4_000_000_000_000
    assert digest(primary) == digest(replica)


@pytest.mark.parametrize("name", ["", "\0", "a\0b\r\n", "é🚀", "k" * 22, "k" * 23, "k" * 300, "k" * 70_000], ids=len)
def test_any_name(server, name):
    server.run("SM.NEW", name, TICK, "AFTER", 20)
    server.run("SM.NEW", f"{name}2", TICK, "AFTER", HOUR)
    wait_until(lambda: info(server, name)["version"] == 2, "it to fire")
    server.run("RENAME", f"{name}2", f"{name}3")
    server.run("SM.FIRE", f"{name}3", "go", "AFTER", 20)
    wait_until(lambda: info(server, f"{name}3")["version"] == 3, "the renamed one to fire")


def test_a_waiting_client_is_served_by_a_timer(db):
    db.execute_command("SM.NEW", "m", ORDER, "AFTER", 200)
    assert db.execute_command("SM.WAIT", "m", int(20_000 * SLOWDOWN), "expired") == [b"reached", b"expired", 2]


def test_a_timer_needs_no_users_leave(server):
    """It is the server's own move, whatever the users may do."""
    server.run("SM.NEW", "m", ORDER, "AFTER", 200)
    server.run("SM.NEW", "n", ORDER, "AFTER", HOUR)
    server.run("ACL", "SETUSER", "default", "-sm.timeout")
    assert error_of(server, "SM.TIMEOUT", "n").startswith("NOPERM")
    wait_for_state(server, "m", "expired")
    assert together(server, ("SM.NEW", "o", ORDER, "DUE", "0"), ("SM.FIRE", "o", "revive"))[1][0] == b"moved"


def test_an_edge_primary(servers):
    """Its moves of timed machines are replicated as whole machines. What fires first is a move of its own there, too."""
    primary, replica = servers.pair([*PLAIN_AOF, "redisstate.compat edge"], PLAIN_AOF)
    for key, move in (("a", ["SM.MUTATE", "a", "new"]), ("b", ["SM.RESET", "b"]), ("c", ["SM.FIRE", "c", "revive"])):
        together(primary, ("SM.NEW", key, ORDER, "DUE", "0"), move)
        assert kinds(primary, key)[:2] == ["new", "timeout"]
    primary.run("SM.NEW", "d", ORDER, "AFTER", 30)
    wait_for_state(primary, "d", "expired")
    wait_in_sync(primary, replica)
    expected, pending = digest(primary), figures(primary)["pending"]
    assert pending == 3
    # After a full sync a replica begins a new file.
    wait_for_rewrite(replica)
    for server in (replica, primary):
        assert digest(server) == expected and figures(server)["pending"] == pending
        server.kill()
        server.start()
        assert digest(server) == expected and figures(server)["pending"] == pending


# ---- when a timer is due ------------------------------------------------------------------------------

# The machine is in `new`, and `paid` has a timer without `ms`.
ENTERS = {
    "NEW": ("SM.NEW", "n", ORDER, "STATE", "paid"),
    "FIRE": ("SM.FIRE", "m", "pay"),
    "MOVE": ("SM.MOVE", "m", "paid"),
    "FORCE": ("SM.FORCE", "m", "paid"),
    "REDEFINE": ("SM.REDEFINE", "m", ORDER),
}


@pytest.mark.parametrize("given", ["AFTER", "DUE", "DUE past"])
@pytest.mark.parametrize("command", ENTERS)
def test_a_move_gives_the_deadline(db, command, given):
    db.execute_command("SM.NEW", "m", ORDER)
    words, key = ENTERS[command], ENTERS[command][1]
    option = {"AFTER": ("AFTER", 50), "DUE": ("DUE", now_ms() + 50), "DUE past": ("DUE", 7)}[given]
    replies = together(db.server, (*words, *option), ("SM.INFO", key), ("SM.HISTORY", key))
    shown, made = named(replies[1]), named(replies[2][0])["at"]
    due = made + 50 if given == "AFTER" else max(option[1], made)
    assert shown["due"] == due
    wait_for_state(db.server, key, "expired")
    last = history(db.server, key)[0]
    assert (last["kind"], last["at"]) == (b"timeout", due)


@pytest.mark.parametrize("command", ENTERS)
def test_a_move_gives_a_later_deadline_than_the_definition(db, command):
    """The one from `ms` would have come at once."""
    quick = json.dumps({"map": {"new": {"pay": "paid"}, "paid": {}}, "initial": "new", "history": 5,
                        "after": {"new": {"ms": 1, "to": "x"}, "paid": {"ms": 1, "to": "x"}}})  # fmt: skip
    key = ENTERS[command][1]
    db.execute_command("SM.NEW", "m", quick, "AFTER", 2 * HOUR)
    words = [quick if word == ORDER else word for word in ENTERS[command]]
    db.execute_command(*words, "AFTER", HOUR)
    shown = info(db.server, key)
    entered = history(db.server, key)[0]["at"]
    assert shown["due"] == entered + HOUR
    db.execute_command("SM.NEW", "control", quick)
    wait_for_state(db.server, "control", "x")
    time.sleep(MOMENT)
    assert state(db.server, key) in ("new", "paid")


def test_the_last_moment_there_is(servers):
    """2^53 - 1 ms: what would be later is then."""
    primary, replica = servers.pair(AOF)
    last = 2**53 - 1
    slow = json.dumps({"map": {}, "after": {"a": {"ms": last, "to": "b"}}, "initial": "a"})
    for key, more in (("after", ["AFTER", last]), ("due", ["DUE", last]), ("ms", [])):
        primary.run("SM.NEW", key, slow, *more)
        assert info(primary, key)["due"] == last
    primary.run("SM.NEW", "control", TICK, "AFTER", 20)
    wait_until(lambda: info(primary, "control")["version"] == 2, "the control to fire")
    wait_in_sync(primary, replica)
    expected = digest(primary)
    primary.kill()
    primary.start()
    assert digest(primary) == expected == digest(replica)
    assert figures(primary)["pending"] == figures(replica)["pending"] == 3


def test_the_digest_knows_the_deadline(idle):
    """Otherwise equal digests would say nothing here."""
    # Without a history, which would have the times of the moves.
    document = json.dumps({"map": {}, "after": {"wait": {"to": None}}, "initial": "wait"})
    idle.run("SM.NEW", "a", document, "DUE", 2**50)
    for key, due in (("b", 2**50 + 2), ("c", 2**50 + 1), ("d", 2**50 + 2)):
        idle.run("COPY", "a", key)
        idle.run("SM.REDEFINE", key, document, "DUE", due)
    digests = idle.run("DEBUG", "DIGEST-VALUE", "b", "c", "d")
    assert digests[0] != digests[1] and digests[0] == digests[2]


def test_without_ms_nothing_fires_unless_a_move_says_when(db):
    db.execute_command("SM.NEW", "m", ORDER)
    db.execute_command("SM.FIRE", "m", "pay")
    shown = info(db.server, "m")
    assert (shown["due"], shown["due-to"]) == (None, b"")
    assert figures(db.server)["pending"] == 0


def test_a_move_away_ends_the_timer(db):
    document = json.dumps(
        {"map": {"new": {"pay": "paid"}}, "after": {"new": {"ms": 80, "to": "old"}}, "initial": "new"}
    )
    together(db.server, ("SM.NEW", "m", document), ("SM.FIRE", "m", "pay"))
    assert figures(db.server)["pending"] == 0
    db.execute_command("SM.NEW", "control", document)
    wait_for_state(db.server, "control", "old")
    assert state(db.server, "m") == "paid"


def test_a_move_onto_itself_restarts_the_timer(db):
    """A lease: it is held as long as its worker renews it."""
    lease = json.dumps({"map": {"held": {"renew": "held"}}, "after": {"held": {"ms": 60_000, "to": "free"}},
                        "history": 9, "initial": "held"})  # fmt: skip
    db.execute_command("SM.NEW", "m", lease)
    dues = []
    for move in (["SM.FIRE", "m", "renew"], ["SM.MOVE", "m", "held"], ["SM.FORCE", "m", "held"], ["SM.RESET", "m"]):
        time.sleep(0.01)
        db.execute_command(*move)
        shown = info(db.server, "m")
        assert shown["due"] == shown["since"] + 60_000
        dues.append(shown["due"])
    assert dues == sorted(set(dues)) and figures(db.server)["pending"] == 1
    db.execute_command("SM.FIRE", "m", "renew", "AFTER", 40)
    wait_for_state(db.server, "m", "free")
    assert info(db.server, "m")["version"] == 7


def test_a_move_onto_itself_without_ms_ends_the_timer(db):
    db.execute_command("SM.NEW", "m", TICK, "AFTER", HOUR)
    assert info(db.server, "m")["due"] is not None
    db.execute_command("SM.FIRE", "m", "go")
    assert info(db.server, "m")["due"] is None and figures(db.server)["pending"] == 0


def test_reset_starts_the_timer_anew(db):
    db.execute_command("SM.NEW", "m", ORDER, "AFTER", 5)
    wait_for_state(db.server, "m", "expired")
    db.execute_command("SM.RESET", "m")
    shown = info(db.server, "m")
    assert shown["due"] == shown["since"] + HOUR


def test_a_redefinition_counts_from_the_time_of_entry(db):
    """So a shorter time may be over already. A deadline that a move gave stays."""
    shorter = json.dumps(json.loads(ORDER) | {"after": {"new": {"ms": 1, "to": "expired"}}})
    db.execute_command("SM.NEW", "m", ORDER)
    db.execute_command("SM.NEW", "given", ORDER, "AFTER", 2 * HOUR)
    since, given = info(db.server, "m")["since"], info(db.server, "given")["due"]
    time.sleep(0.01)
    for key in ("m", "given"):
        assert db.execute_command("SM.REDEFINE", key, shorter)[0] == b"redefined"
    wait_for_state(db.server, "m", "expired")
    last = history(db.server, "m")[0]
    # Its time is never before the last change of the machine.
    assert (last["kind"], last["at"]) == (b"timeout", max(since + 1, history(db.server, "m")[1]["at"]))
    assert info(db.server, "given")["due"] == given


def test_a_redefinition_without_the_timer_ends_it(db):
    without = json.dumps({"map": {"new": []}, "initial": "new"})
    together(db.server, ("SM.NEW", "m", ORDER, "AFTER", 30), ("SM.REDEFINE", "m", without))
    assert figures(db.server)["pending"] == 0
    time.sleep(MOMENT)
    assert db.execute_command("SM.INFO", "m")[5:8:2] == [b"new", 2]


@pytest.mark.parametrize("words", [("SM.SET", "m", TICK), ("SM.CREATE", "m")], ids=lambda w: w[0])
def test_a_machine_set_in_place_starts_its_own_timer(db, words):
    together(db.server, ("SM.NEW", "m", TICK, "AFTER", 30), words)
    assert figures(db.server)["pending"] == 0
    time.sleep(MOMENT)
    assert db.execute_command("SM.INFO", "m")[7] == 2


def test_sm_set_makes_a_machine_that_fires(db):
    document = json.dumps({"map": {}, "after": {"new": {"ms": 30, "to": "old"}}, "initial": "new"})
    db.execute_command("SM.SET", "m", document)
    wait_for_state(db.server, "m", "old")


# ---- SM.TIMEOUT ---------------------------------------------------------------------------------------


def test_what_sm_timeout_replies(idle):
    idle.run("SM.NEW", "due", ORDER, "DUE", "0")
    idle.run("SM.NEW", "later", ORDER)
    idle.run("SM.NEW", "brief", BRIEF, "DUE", "0")
    idle.run("SM.SET", "untimed", '{"initial":"a","map":{"a":["b"]}}')
    idle.run("SET", "text", "text")
    assert idle.run("SM.TIMEOUT", "due") == [b"moved", b"expired", 2]
    assert idle.run("SM.TIMEOUT", "due") == [b"refused", b"expired", 2]
    assert idle.run("SM.TIMEOUT", "later") == [b"refused", b"new", 1]
    assert idle.run("SM.TIMEOUT", "untimed") == [b"refused", b"a", 1]
    assert idle.run("SM.TIMEOUT", "brief") == [b"deleted", b"wait", 1]
    assert idle.run("SM.TIMEOUT", "brief") is None
    assert error_of(idle, "SM.TIMEOUT", "text").startswith("WRONGTYPE")
    assert "wrong number" in error_of(idle, "SM.TIMEOUT").lower()
    assert history(idle, "due")[0]["user"] == b"", "whoever asked"


def test_only_replication_says_when_a_timer_fired(servers):
    primary, replica = servers.pair([OFF], ["replica-read-only no", OFF])
    primary.run("SM.NEW", "m", TICK, "DUE", "0")
    wait_in_sync(primary, replica)
    for server in (primary, replica):
        before = digest(server)
        for more in (["AT", 5], ["AT 5"], ["AT 5 4:evil"], ["AT 5", "FROM 9"], ["FROM 9"], ["AFTER", 5]):
            error_of(server, "SM.TIMEOUT", "m", *more)
        assert digest(server) == before


def test_sm_timeout_that_changes_nothing_is_not_replicated(servers):
    server = servers.start([*PLAIN_AOF, OFF])
    listener = Listener(server)
    server.run("SM.NEW", "m", ORDER)
    made = listener.names()
    server.run("SM.TIMEOUT", "m")
    server.run("SM.TIMEOUT", "none")
    assert [words[0] for words in logged(server)] == ["SM.NEW"]
    assert made and listener.names() == []
    listener.close()


def test_a_timeout_needs_no_memory(server):
    """Over maxmemory, too: it only makes room."""
    server.run("SM.NEW", "m", ORDER, "AFTER", 300)
    server.run("SM.NEW", "n", ORDER, "AFTER", HOUR)
    server.run("CONFIG", "SET", "maxmemory", 1)
    wait_for_state(server, "m", "expired")
    assert server.run("SM.TIMEOUT", "n") == [b"refused", b"new", 1]
    assert figures(server)["refused"] == 0


# ---- a client's write to a machine that is due --------------------------------------------------------

# After NEW in `new` with a deadline that has come: the timer has moved the machine to `expired`.
FIRES_FIRST = {
    "FIRE": (("SM.FIRE", "m", "revive"), [b"moved", b"new", 3]),
    "MOVE": (("SM.MOVE", "m", "closed"), [b"moved", b"closed", 3]),
    "FORCE": (("SM.FORCE", "m", "closed"), [b"moved", b"closed", 3]),
    "MUTATE": (("SM.MUTATE", "m", "closed", "why"), b"OK"),
    "RESET": (("SM.RESET", "m"), b"OK"),
    "NEW": (("SM.NEW", "m", ORDER), [b"exists", b"expired", 2]),
    "REDEFINE": (("SM.REDEFINE", "m", ORDER), [b"redefined", b"expired", 3]),
    "refused": (("SM.FIRE", "m", "pay"), [b"refused", b"expired", 2]),
    "conflict": (("SM.FIRE", "m", "revive", "IFVERSION", "1"), [b"conflict", b"expired", 2]),
    "TIMEOUT": (("SM.TIMEOUT", "m"), [b"moved", b"expired", 2]),
}
DUE = ("SM.NEW", "m", ORDER, "DUE", "0")


def in_script(server, *words):
    script = "local r = {} for i, w in ipairs(cjson.decode(ARGV[1])) do r[i] = redis.call(unpack(w)) end return r"
    return server.run("EVAL", script, 1, words[0][1], json.dumps(words))


@pytest.mark.parametrize("run", [together, in_script], ids=["multi", "lua"])
@pytest.mark.parametrize("case", FIRES_FIRST)
def test_it_fires_before_a_clients_write(servers, case, run):
    words, expected = FIRES_FIRST[case]
    primary, replica = servers.pair(PLAIN_AOF)
    listener = Listener(primary)
    replies = run(primary, DUE, words, ("SM.HISTORY", "m"))
    assert replies[1] == expected
    entries = [named(entry) for entry in reversed(replies[2])]
    changed = expected not in ([b"exists", b"expired", 2], [b"moved", b"expired", 2]) and expected[0] not in (
        b"refused",
        b"conflict",
    )
    assert [entry["kind"] for entry in entries][:2] == [b"new", b"timeout"] and len(entries) == 2 + changed
    assert entries[1]["at"] == entries[0]["at"], "due at once"
    expected_names = ["SM.NEW", "SM.TIMEOUT", *([words[0]] if changed else [])]
    found = logged(primary)
    assert [line[0] for line in found] == expected_names
    assert found[1] == ["SM.TIMEOUT", "m", f"AT {entries[1]['at']}"]
    assert [n.upper() for n in listener.names() if n != "new"] == expected_names
    listener.close()
    wait_in_sync(primary, replica)
    expected = digest(primary)
    assert digest(replica) == expected
    primary.kill()
    primary.start()
    assert digest(primary) == expected


@pytest.mark.parametrize("case", [c for c in FIRES_FIRST if c != "TIMEOUT"])
def test_nothing_fires_first_if_timers_are_off(idle, case):
    together(idle, DUE, FIRES_FIRST[case][0])
    assert "timeout" not in kinds(idle, "m")


@pytest.mark.parametrize(
    "words",
    [
        ("SM.SET", "m", ORDER), ("RENAME", "m", "n"), ("COPY", "m", "n"), ("PERSIST", "m"), ("SM.GET", "m"),
        ("SM.STATE", "m"), ("SM.NEXT", "m"), ("SM.CAN", "m", "paid"), ("SM.EVENTS", "m"), ("SM.INFO", "m"),
        ("SM.HISTORY", "m"), ("SM.EXPORT", "m", "DOT"), ("SM.LINT", "m"), ("DUMP", "m"), ("OBJECT", "ENCODING", "m"),
    ],
    ids=lambda words: " ".join(words)[:12],
)  # fmt: skip
def test_nothing_fires_before_what_is_no_move(db, words):
    key = "n" if words[0] == "RENAME" else "m"
    replies = together(db.server, DUE, words, ("SM.HISTORY", key))
    assert b"timeout" not in [named(entry)["kind"] for entry in replies[2]]


def test_a_known_request_is_known_after_the_timer(db):
    given = ("SM.NEW", "m", ORDER, "ID", "one", "DUE", "0")
    replies = together(db.server, given, ("SM.NEW", "m", ORDER, "ID", "one"), ("SM.STATE", "m"))
    assert replies == [[b"created", b"new", 1], [b"repeated", b"new", 1], [b"expired"]]


def test_a_machine_that_its_timer_deletes_can_be_new_in_one_step(db):
    made = ("SM.NEW", "m", BRIEF, "DUE", "0")
    assert together(db.server, made, ("SM.NEW", "m", ORDER)) == [[b"created", b"wait", 1], [b"created", b"new", 1]]
    assert kinds(db.server, "m") == ["new"] and figures(db.server)["pending"] == 1
    for words in (("SM.FIRE", "m", "go"), ("SM.RESET", "m"), ("SM.REDEFINE", "m", ORDER), ("SM.MUTATE", "m", "wait")):
        db.execute_command("DEL", "m")
        assert together(db.server, made, words)[1] is None, words
        assert db.execute_command("EXISTS", "m") == 0


def test_all_that_is_overdue_fires_before_a_write(db):
    """Each step that is due by now, as moves of their own."""
    db.config_set("redisstate.timers", "no")
    db.execute_command("SM.NEW", "m", chain(3, 5))
    time.sleep(0.05)
    db.config_set("redisstate.timers", "yes")
    db.execute_command("SM.FORCE", "m", "end")
    entries = history(db.server, "m")
    assert [entry["kind"] for entry in entries] == [b"force", b"timeout", b"timeout", b"timeout", b"new"]
    times = [entry["at"] for entry in entries[:0:-1]]
    assert [at - times[0] for at in times] == [0, 5, 10, 15]


# ---- transactions, scripts, other modules ---------------------------------------------------------------


def test_nothing_fires_within_a_transaction(db):
    """The server runs the whole of it without looking at its alarms."""
    replies = together(db.server, ("SM.NEW", "m", TICK, "AFTER", 20), ("DEBUG", "SLEEP", "0.15"), ("SM.INFO", "m"))
    assert named(replies[2])["version"] == 1
    wait_until(lambda: info(db.server, "m")["version"] == 2, "the timer")


@pytest.mark.parametrize("turns", [3e7, 2e8], ids=["busy", "busy for seconds"])
def test_a_busy_script(servers, turns):
    """Nothing fires in it. Everything fires after it, however late the alarm is then."""
    server = servers.start(["busy-reply-threshold 50"])
    script = """
        for i = 1, 50 do redis.call('SM.NEW', 'k' .. i, ARGV[1], 'AFTER', i) end
        for i = 1, ARGV[2] do end
        return redis.call('SM.INFO', 'k1')
    """
    for _ in range(3):
        server.run("FLUSHALL")
        replies = []
        running = threading.Thread(target=lambda: replies.append(server.run("EVAL", script, 0, TICK, int(turns))))
        running.start()
        wait_until(lambda: replies or is_busy(server), "the script to be busy")
        running.join()
        assert named(replies[0])["version"] == 1
        all_fired(server)
        for i in range(1, 51):
            assert info(server, f"k{i}")["version"] == 2


def is_busy(server):
    try:
        server.run("PING")
    except redis.exceptions.ResponseError as error:
        return str(error).startswith("BUSY")
    return False


def test_an_alarm_that_comes_seconds_late(server):
    """The machine slept, or a command took long."""
    for round in range(4):
        for i in range(50):
            server.run("SM.NEW", f"{round}:{i}", ORDER, "AFTER", 300)
        server.run("DEBUG", "SLEEP", "1.6")
        wait_until(lambda: figures(server)["pending"] == 0, "all timers to fire")
        for i in range(50):
            server.run("SM.FORCE", f"{round}:{i}", "closed")
    assert figures(server)["fired"] == 200


def test_slow_commands_amid_timers(server):
    """The server's idea of the time is an old one when an alarm follows a slow command at once."""
    done = threading.Event()

    def slow():
        with server.client() as client:
            while not done.is_set():
                client.execute_command("DEBUG", "SLEEP", "0.006")

    threads = [threading.Thread(target=slow) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        dues = make_ticks(server, [f"k{i}" for i in range(3000)], 1000, delay_ms=500)
        all_fired(server, 60)
    finally:
        done.set()
        for thread in threads:
            thread.join()
    ticked_once(server, dues)


needs_second = pytest.mark.skipif(not SECOND_MODULE.exists(), reason=f"no second module at {SECOND_MODULE}")


@needs_second
@pytest.mark.parametrize("case", FIRES_FIRST)
def test_it_fires_before_another_modules_write(servers, case):
    words, expected = FIRES_FIRST[case]
    primary = servers.start([*AOF, f"loadmodule {SECOND_MODULE}"])
    replica = servers.start()
    follow(replica, primary)
    replies = together(primary, DUE, ("REPLICATED.CALL", *words))
    assert replies[1] == expected
    assert kinds(primary, "m")[1] == "timeout"
    wait_in_sync(primary, replica)
    assert [info(s, "m")["version"] for s in (primary, replica)] == [len(history(primary, "m"))] * 2


# ---- a server that was down -----------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["aof", "rdb", "rewritten", "rewritten plain"])
def test_due_while_the_server_was_down(servers, way):
    files = {"aof": AOF, "rdb": [], "rewritten": AOF, "rewritten plain": PLAIN_AOF}[way]
    server = servers.start([*files, OFF])
    dues = make_ticks(server, [f"k{i}" for i in range(100)], 200)
    server.run("SM.NEW", "brief", BRIEF, "AFTER", 100)
    server.run("SM.NEW", "later", TICK, "AFTER", HOUR)
    later = info(server, "later")["due"]
    if way == "rdb":
        server.run("SAVE")
    if way.startswith("rewritten"):
        assert rewrite_aof(server) == "ok"
    server.kill()
    time.sleep(0.3)
    on_next_start(server, OFF, "redisstate.timers yes")
    server.start()
    wait_until(lambda: figures(server)["pending"] == 1, "what is overdue to fire")
    ticked_once(server, dues)
    assert server.run("EXISTS", "brief") == 0 and info(server, "later")["due"] == later
    if way != "rdb":
        expected = digest(server)
        server.kill()
        server.start()
        assert digest(server) == expected, "what fired at start is in the file"
    assert figures(server)["pending"] == 1


@pytest.mark.parametrize("way", ["start", "SM.TIMEOUT", "first"])
def test_a_chain_is_exact_after_a_pause(servers, way):
    """16 overdue steps count from one another, and the next counts from now."""
    server = servers.start([*PLAIN_AOF, OFF])
    server.run("SM.NEW", "m", chain(17, 10))
    begun = info(server, "m")["since"]
    wait_until(lambda: now_ms() > begun + 400, "17 steps to be overdue")
    resumed = now_ms()
    match way:
        case "start":
            server.kill()
            on_next_start(server, OFF, "redisstate.timers yes")
            server.start()
        case "SM.TIMEOUT":
            assert server.run("SM.TIMEOUT", "m") == [b"moved", b"s16", 17]
            wake(server)
        case "first":
            replies = together(server, ("CONFIG", "SET", "redisstate.timers", "yes"), ("SM.FIRE", "m", "none"))
            assert replies[1] == [b"refused", b"s16", 17]
    wait_for_state(server, "m", "s17")
    times = [entry["at"] for entry in reversed(history(server, "m"))]
    assert times[:17] == [begun + 10 * i for i in range(17)]
    assert len(times) == 18 and resumed + 10 <= times[17] <= now_ms()
    assert set(kinds(server, "m")[1:]) == {"timeout"}
    expected, due = digest(server), info(server, "m")["due"]
    assert due == times[17] + HOUR
    replica = servers.start()
    follow(replica, server)
    server.kill()
    server.start()
    assert digest(server) == expected and history(server, "m")[0]["at"] == times[17]
    assert digest(replica) == expected


def test_a_replica_follows_a_chain_with_a_pause(servers):
    primary, replica = servers.pair([*PLAIN_AOF, OFF])
    primary.run("SM.NEW", "m", chain(40, 2))
    time.sleep(0.2)
    wake(primary)
    wait_for_state(primary, "m", "s40")
    wait_in_sync(primary, replica)
    assert history(replica, "m") == history(primary, "m") and len(history(primary, "m")) == 41
    assert digest(replica) == digest(primary)


def test_a_short_step_in_a_circle_leaves_the_server_alive(servers):
    """A timer of one millisecond that leads back takes its share of the time and no more."""
    circle = json.dumps({"map": {}, "after": {"a": {"ms": 1, "to": "b"}, "b": {"ms": 1, "to": "a"}}, "initial": "a"})
    primary, replica = servers.pair()
    for i in range(20):
        primary.run("SM.NEW", f"k{i}", circle)
    dues = make_ticks(primary, [f"t{i}" for i in range(100)], 300)
    wait_until(lambda: figures(primary)["pending"] == 20, "the others to fire")
    ticked_once(primary, dues)
    assert primary.run("DEL", *(f"k{i}" for i in range(20))) == 20
    all_fired(primary)
    wait_in_sync(primary, replica)
    assert digest(replica) == digest(primary)


# ---- what happens to the key ----------------------------------------------------------------------------


def due_then(*words):
    """Makes a machine due and does something to its key before anything can fire."""
    return [("SM.NEW", "m", TICK, "DUE", "0"), words]


MOVED = {
    "RENAME": (["RENAME", "m", "n"], {("n", 0)}),
    "RENAME to a long name": (["RENAME", "m", "n" * 300], {("n" * 300, 0)}),
    "RENAMENX": (["RENAMENX", "m", "n"], {("n", 0)}),
    "RENAME onto itself": (["RENAME", "m", "m"], {("m", 0)}),
    "MOVE": (["MOVE", "m", "3"], {("m", 3)}),
    "COPY": (["COPY", "m", "n"], {("m", 0), ("n", 0)}),
    "COPY to a database": (["COPY", "m", "n", "DB", "5"], {("m", 0), ("n", 5)}),
    "SWAPDB": (["SWAPDB", "0", "7"], {("m", 7)}),
}


@pytest.mark.parametrize("filler", [0, 5000], ids=["alone", "among others"])
@pytest.mark.parametrize("case", MOVED)
def test_it_fires_wherever_the_machine_is(servers, case, filler):
    primary, replica = servers.pair(AOF)
    if filler:
        primary.run("EVAL", "for i = 1, ARGV[1] do redis.call('SET', 'filler' .. i, i) end", 0, filler)
    words, places = MOVED[case]
    together(primary, *due_then(*words))
    for key, db in places:
        wait_until(lambda: info(primary, key, db)["version"] == 2, f"{key} to fire")
        assert kinds(primary, key, db) == ["new", "timeout"]
    now = figures(primary)
    assert (now["pending"], now["lost"], now["refused"], now["fired"]) == (0, 0, 0, len(places))
    wait_in_sync(primary, replica)
    expected = digest(primary)
    assert digest(replica) == expected
    primary.kill()
    primary.start()
    assert digest(primary) == expected


def test_renamed_again_and_again(server):
    """A name that changes all the time is found in the end, and the machine fires once."""
    server.run("DEBUG", "POPULATE", 20_000)
    dues = make_ticks(server, [f"t:{i}" for i in range(200)], 1500, delay_ms=500)
    names = {key: key for key in dues}
    end = time.monotonic() + 2.5
    with server.client() as client:
        while time.monotonic() < end:
            for key in random.sample(sorted(names), 5):
                new = f"{key}:{random.randrange(10**6)}"
                client.rename(names[key], new)
                names[key] = new
    all_fired(server)
    ticked_once(server, {names[key]: due for key, due in dues.items()})
    now = figures(server)
    assert now["fired"] == 200 and now["lost"] == 0 and now["healed"] > 0


def test_renamed_machines_are_found_however_many_are_renamed_meanwhile(server):
    """There is always one that the walk has missed, and the next walk must not be put off for that."""
    server.run("DEBUG", "POPULATE", 20_000)
    for i in range(500):
        server.run("SM.NEW", f"m{i}", TICK, "AFTER", HOUR)
    done = threading.Event()

    def rename():
        with server.client() as client:
            for turn in range(10**6):
                if done.is_set():
                    return
                of = lambda turn: f"m{turn % 500}" + f":{turn // 500}" * (turn >= 500)
                client.rename(of(turn), f"m{turn % 500}:{turn // 500 + 1}")
                time.sleep(0.003)

    renaming = threading.Thread(target=rename)
    renaming.start()
    try:
        for _ in range(8):
            healed = figures(server)["healed"]
            wait_until(lambda: figures(server)["healed"] > healed, "renamed machines to be found", 5)
            time.sleep(1.2)
    finally:
        done.set()
        renaming.join()
    wait_until(lambda: figures(server)["lost"] == 0, "all to be found")
    assert figures(server)["pending"] == 500


def test_a_walk_that_has_nothing_to_look_for_any_more_is_over(server):
    """The next one begins at the beginning, and at once, however long ago that was."""
    server.run("DEBUG", "POPULATE", 100_000)
    for turn in range(5):
        for i in range(5):
            server.run("SM.NEW", "old", TICK, "AFTER", HOUR)
            server.run("RENAME", "old", "older")
            time.sleep(0.03 * (i + 1))
            server.run("DEL", "older")
        assert figures(server)["lost"] == 0
        time.sleep(1.5)
        server.run("SM.NEW", "m", TICK, "AFTER", HOUR)
        server.run("RENAME", "m", f"n{turn}")
        wait_until(lambda: figures(server)["lost"] == 0, "it to be found", 10)
    assert figures(server)["pending"] == 5


@pytest.mark.parametrize("where", ["on a replica", "with timers off"])
def test_renamed_machines_are_found_where_nothing_fires(servers, where):
    """So that they fire in time once it does."""
    primary = servers.start()
    replica = servers.start()
    follow(replica, primary)
    primary.run("CONFIG", "SET", "redisstate.timers", "no")
    for i in range(20):
        primary.run("SM.NEW", f"m{i}", TICK, "AFTER", HOUR)
        primary.run("RENAME", f"m{i}", f"n{i}")
    wait_in_sync(primary, replica)
    server = replica if where == "on a replica" else primary
    wait_until(lambda: figures(server)["lost"] == 0, "all to be found")
    assert figures(server)["healed"] == figures(server)["pending"] == 20


def test_a_name_heals_by_a_write(db):
    replies = together(
        db.server,
        ("SM.NEW", "m", ORDER), ("RENAME", "m", "n"), ("SM.FIRE", "n", "renew", "AFTER", "60"),
    )  # fmt: skip
    assert replies[2] == [b"moved", b"new", 2]
    now = figures(db.server)
    assert (now["pending"], now["lost"], now["healed"]) == (1, 0, now["healed"])
    wait_for_state(db.server, "n", "expired")
    assert kinds(db.server, "n") == ["new", "move", "timeout"]


@pytest.mark.parametrize("target", ["another machine", "itself in another database", "a string"])
def test_what_is_written_over(db, target):
    """COPY … REPLACE: only the new one fires, at its own time."""
    soon, late = ("SM.NEW", "soon", TICK, "AFTER", "40"), ("SM.NEW", "late", TICK, "AFTER", HOUR)
    match target:
        case "another machine":
            together(db.server, soon, late, ("COPY", "late", "soon", "REPLACE"))
            time.sleep(MOMENT)
            assert info(db.server, "soon")["version"] == 1 and figures(db.server)["pending"] == 2
            together(db.server, ("DEL", "soon"), soon, ("COPY", "soon", "late", "REPLACE"))
            wait_until(lambda: info(db.server, "late")["version"] == 2, "the copy to fire")
            wait_until(lambda: info(db.server, "soon")["version"] == 2, "the source to fire")
        case "itself in another database":
            together(db.server, soon, ("COPY", "soon", "soon", "DB", "2", "REPLACE"),
                     ("COPY", "soon", "soon", "DB", "2", "REPLACE"))  # fmt: skip
            for number in (0, 2):
                wait_until(lambda: info(db.server, "soon", number)["version"] == 2, "it to fire")
        case "a string":
            together(db.server, soon, ("SET", "soon", "text"))
            assert figures(db.server)["pending"] == 0
            time.sleep(MOMENT)
            assert db.get("soon") == b"text"
    wait_until(lambda: figures(db.server)["pending"] == 0, "nothing to be pending")
    assert figures(db.server)["refused"] == 0


def test_restored_over_a_later_deadline(idle):
    """And over an earlier one: the deadline is the payload's, which comes with its own time."""
    idle.run("SM.NEW", "soon", TICK, "AFTER", 300)
    idle.run("SM.NEW", "late", TICK, "AFTER", HOUR)
    due, soon, late = info(idle, "soon")["due"], idle.run("DUMP", "soon"), idle.run("DUMP", "late")
    idle.run("RESTORE", "late", 0, soon, "REPLACE")
    idle.run("RESTORE", "soon", 0, late, "REPLACE")
    idle.run("RESTORE", "another", 0, soon)
    assert figures(idle)["pending"] == 3
    assert "BUSYKEY" in error_of(idle, "RESTORE", "late", 0, late)
    error_of(idle, "RESTORE", "broken", 0, soon[:-1] + bytes([soon[-1] ^ 1]))
    assert figures(idle)["pending"] == 3
    wake(idle)
    for key in ("late", "another"):
        wait_until(lambda: info(idle, key)["version"] == 2, "the restored machine to fire")
        assert history(idle, key)[0]["at"] == due
    assert info(idle, "soon")["version"] == 1 and figures(idle)["pending"] == 1


def test_an_old_backup_times_out_too(server):
    _, dump, shown = together(server, ("SM.NEW", "m", ORDER, "AFTER", 20), ("DUMP", "m"), ("SM.INFO", "m"))
    due = named(shown)["due"]
    wait_for_state(server, "m", "expired")
    server.run("RESTORE", "old", 0, dump)
    wait_for_state(server, "old", "expired")
    assert history(server, "old")[0]["at"] == due
    server.run("RESTORE", "gone", now_ms() - 1000, dump, "ABSTTL")
    all_fired(server)


GONE = {
    "DEL": ["DEL", "m"],
    "UNLINK": ["UNLINK", "m"],
    "SET over": ["SET", "m", "text"],
    "PEXPIRE now": ["PEXPIRE", "m", "-1"],
    "PEXPIRE": ["PEXPIRE", "m", "20"],
    "RENAME over": ["RENAME", "text", "m"],
    "COPY over": ["COPY", "text", "m", "REPLACE"],
    "FLUSHDB": ["FLUSHDB", "SYNC"],
    "FLUSHDB ASYNC": ["FLUSHDB", "ASYNC"],
    "FLUSHALL": ["FLUSHALL", "SYNC"],
    "FLUSHALL ASYNC": ["FLUSHALL", "ASYNC"],
}


@pytest.mark.parametrize("case", GONE)
def test_a_key_that_goes_takes_its_timer_along(servers, case):
    server = servers.start()
    server.run("SET", "text", "text")
    with server.client(db=4) as client:
        client.execute_command("SM.NEW", "stays", TICK, "AFTER", HOUR)
    for i in range(500):
        server.run("SM.NEW", f"k{i}", TICK, "AFTER", HOUR)
    if case == "PEXPIRE":
        # Its deadline comes after its end.
        together(server, ("SM.NEW", "m", TICK, "AFTER", 200), GONE[case])
        wait_until(lambda: not server.run("EXISTS", "m"), "the key to expire")
        time.sleep(MOMENT)
    else:
        together(server, ("SM.NEW", "m", TICK, "DUE", "0"), GONE[case])
    left = 1 + 500 * ("FLUSH" not in case) - ("FLUSHALL" in case)
    wait_until(lambda: figures(server)["pending"] == left, f"{left} to be left, not {figures(server)}")
    now = figures(server)
    assert (now["fired"], now["refused"], now["lost"]) == (0, 0, 0)
    # A new one under the same name has its own timer.
    server.run("SET", "m", "text")
    server.run("DEL", "m")
    server.run("SM.NEW", "m", TICK, "AFTER", 20)
    wait_until(lambda: info(server, "m")["version"] == 2, "the new one to fire")


def test_a_flush_while_machines_are_due(server):
    """FLUSHALL ASYNC frees in the background what the alarm may look at."""
    for round in range(5):
        make_ticks(server, [f"k{i}" for i in range(3000)], 100)
        server.run(*[["FLUSHALL", "ASYNC"], ["FLUSHDB", "ASYNC"]][round % 2])
        dues = make_ticks(server, [f"k{i}" for i in range(100)], 50)
        all_fired(server)
        ticked_once(server, dues)
        server.run("FLUSHALL")
    assert figures(server)["refused"] == 0


def test_an_expired_key_does_not_fire(servers):
    """Also where nobody has noticed yet that it is gone."""
    primary, replica = servers.pair(AOF)
    primary.run("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    listener = Listener(primary)
    for i in range(50):
        together(primary, ("SM.NEW", f"k{i}", TICK, "AFTER", "150"), ("PEXPIRE", f"k{i}", "30"))
    wait_until(lambda: figures(primary)["pending"] == 0, "the alarm to look at them")
    assert figures(primary)["fired"] == 0
    assert "sm.timeout" not in listener.names()
    listener.close()
    wait_in_sync(primary, replica)
    for server in (primary, replica):
        assert server.run("DBSIZE") == 0 and figures(server)["pending"] == 0


def test_an_evicted_key_does_not_fire(server):
    for i in range(2000):
        server.run("SM.NEW", f"m:{i}", TICK, "AFTER", HOUR)
    assert figures(server)["pending"] == 2000
    server.run("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
    server.run("CONFIG", "SET", "maxmemory", server.info("memory")["used_memory"] + 100_000)
    with server.client() as client:
        for i in range(400):
            client.set(f"text:{i}", "x" * 2000)
    # A command that only reads makes the server evict, too.
    server.run("CONFIG", "SET", "maxmemory", 0)
    left = len(list(server.client().scan_iter("m:*", 1000)))
    assert 0 < left < 2000
    # Some are freed in the background.
    wait_until(lambda: figures(server)["pending"] == left, f"{left} to be left, not {figures(server)}")
    server.run("FLUSHALL", "SYNC")
    assert figures(server)["pending"] == 0


def test_databases_that_are_swapped_and_flushed(idle):
    with idle.client(db=1) as one, idle.client(db=2) as two:
        for client in (one, two):
            for i in range(20):
                client.execute_command("SM.NEW", f"k{i}", TICK, "AFTER", 40)
        one.swapdb(1, 2)
        one.swapdb(2, 3)
        one.flushdb()
        # Some servers free a flushed database in the background, by default.
        wait_until(lambda: figures(idle)["pending"] == 20, "the flushed machines to be freed")
        one.execute_command("SM.NEW", "k0", TICK, "AFTER", 20)
    wake(idle)
    all_fired(idle)
    for db, keys in ((3, range(20)), (1, range(1))):
        for i in keys:
            assert info(idle, f"k{i}", db)["version"] == 2
    assert figures(idle)["fired"] == 21


# ---- files ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["DEBUG RELOAD", "DEBUG LOADAOF", "rdb", "aof", "rewritten", "rewritten plain"])
def test_pending_timers_survive(servers, way):
    server = servers.start([OFF, *{"rdb": [], "rewritten plain": PLAIN_AOF}.get(way, AOF)])
    with server.client(db=3) as client:
        client.execute_command("SM.NEW", "k0", ORDER)
    for i in range(300):
        server.run("SM.NEW", f"k{i}", [ORDER, TICK, BRIEF, chain(3, HOUR)][i % 4], "DUE", now_ms() + 50 + i)
    server.run("RENAME", "k1", "renamed")
    server.run("PEXPIRE", "k2", HOUR)
    before = {key: info(server, key)["due"] for key in ("k0", "renamed", "k2", "k3")}
    expected = digest(server)
    match way:
        case "DEBUG RELOAD" | "DEBUG LOADAOF":
            server.run(*way.split())
        case "rdb":
            background_save(server)
            server.restart("NOSAVE")
        case "aof":
            server.kill()
            server.start()
        case _:
            assert rewrite_aof(server) == "ok"
            server.kill()
            server.start()
    assert digest(server) == expected
    assert {key: info(server, key)["due"] for key in before} == before
    assert figures(server)["pending"] == 301
    wake(server)
    # Every fourth is a chain that goes on.
    wait_until(lambda: figures(server)["pending"] == 1 + 75, f"the others to fire, not {figures(server)}")
    assert history(server, "renamed")[0]["at"] == before["renamed"]
    assert server.run("EXISTS", "k2") == 0 and state(server, "k0") == "expired" and state(server, "k3") == "s1"
    assert state(server, "k0", 3) == "new"


def test_timers_fire_while_a_child_saves(servers):
    """The child's file has each timer as pending or as fired, and with the rest of the log all fired once."""
    for plain in (AOF, PLAIN_AOF):
        server = servers.start(plain)
        server.run("CONFIG", "SET", "rdb-key-save-delay", 500)
        dues = make_ticks(server, [f"k{i}" for i in range(1000)], 600, delay_ms=600)
        assert rewrite_aof(server) == "ok"
        server.run("CONFIG", "SET", "rdb-key-save-delay", 0)
        all_fired(server)
        ticked_once(server, dues)
        expected = digest(server)
        server.kill()
        server.start()
        assert digest(server) == expected
        assert figures(server)["pending"] == 0


# ---- replicas -------------------------------------------------------------------------------------------


def test_a_replica_fires_nothing(servers):
    """It keeps the index. Here the primary may not fire, though time goes on."""
    primary, replica = servers.pair([*PLAIN_AOF, OFF], PLAIN_AOF)
    last = servers.start()
    follow(last, replica)
    dues = make_ticks(primary, [f"k{i}" for i in range(50)], 50)
    wait_in_sync(primary, replica)
    wait_in_sync(replica, last)
    wait_until(lambda: now_ms() > max(dues.values()), "all to be due")
    time.sleep(MOMENT)
    for server in (replica, last):
        assert info(server, "k7")["version"] == 1
        assert (figures(server)["pending"], figures(server)["fired"]) == (50, 0)
    wake(primary)
    all_fired(primary)
    ticked_once(primary, dues)
    wait_in_sync(primary, replica)
    wait_in_sync(replica, last)
    expected = digest(primary)
    for server in (replica, last):
        assert (figures(server)["pending"], figures(server)["fired"], digest(server)) == (0, 0, expected)
    wait_for_rewrite(replica)
    replica.kill()
    replica.start()
    assert digest(replica) == expected, "the replica's own log"


def test_a_replica_refuses_sm_timeout(servers):
    primary, replica = servers.pair([OFF])
    primary.run("SM.NEW", "m", TICK, "DUE", "0")
    wait_in_sync(primary, replica)
    assert "READONLY" in error_of(replica, "SM.TIMEOUT", "m")


def test_a_promoted_replica_fires(servers):
    primary, replica = servers.pair(AOF)
    dues = make_ticks(primary, [f"k{i}" for i in range(300)], 1200)
    primary.run("RENAME", "k0", "renamed")
    dues["renamed"] = dues.pop("k0")
    wait_in_sync(primary, replica)
    primary.kill()
    time.sleep(0.3)
    replica.run("REPLICAOF", "NO", "ONE")
    all_fired(replica)
    ticked_once(replica, dues)
    follow(primary.start(), replica)
    assert digest(primary) == digest(replica)


def test_a_replica_that_was_a_primary_stops_firing(servers):
    one, other = servers.pair([*AOF, OFF], [*AOF, OFF])
    dues = make_ticks(one, [f"k{i}" for i in range(200)], 100)
    wait_in_sync(one, other)
    other.run("REPLICAOF", "NO", "ONE")
    follow(one, other)
    wake(one)
    time.sleep(MOMENT)
    wake(other)
    all_fired(other)
    wait_in_sync(other, one)
    ticked_once(one, dues)
    assert (figures(one)["fired"], figures(other)["fired"]) == (0, 200)
    assert digest(one) == digest(other)


@pytest.mark.parametrize("rounds", [4])
def test_failed_over_amid_deadlines(servers, rounds):
    """FAILOVER loses nothing: each of 2,000 fires once, on one server or the other."""
    primary, replica = servers.pair(AOF, AOF)
    dues = make_ticks(primary, [f"k{i}" for i in range(2000)], 1000 * rounds)
    for _ in range(rounds):
        time.sleep(0.5)
        wait_until(lambda: failed_over(primary), "the failover to be accepted")
        wait_until(lambda: replica.info("replication")["role"] == "master", "the replica to be primary", 60)
        up = lambda: primary.info("replication").get("master_link_status") == "up"
        wait_until(up, "the old primary to follow", 60)
        primary, replica = replica, primary
    all_fired(primary)
    ticked_once(primary, dues)
    wait_in_sync(primary, replica)
    assert digest(primary) == digest(replica)
    assert figures(primary)["fired"] + figures(replica)["fired"] == 2000
    assert figures(replica)["pending"] == 0


def failed_over(primary):
    try:
        return primary.run("FAILOVER")
    except redis.exceptions.ResponseError as error:
        # The replica is not in sync yet.
        assert "FAILOVER" in str(error), error
        return False


@pytest.mark.parametrize("save", ["NOSAVE", "SAVE"])
def test_shut_down_with_a_lagging_replica(servers, save):
    """The server waits for its replica, and nothing may be replicated meanwhile."""
    primary, replica = servers.pair([*AOF, "shutdown-timeout 2"])
    dues = make_ticks(primary, [f"k{i}" for i in range(300)], 1500, delay_ms=200)
    os.kill(replica.process.pid, signal.SIGSTOP)
    try:
        primary.run("SET", "text", "text")
        primary.shutdown(save)
    finally:
        os.kill(replica.process.pid, signal.SIGCONT)
    assert primary.process.returncode == 0
    primary.check()
    primary.start()
    all_fired(primary)
    ticked_once(primary, dues)
    wait_in_sync(primary, replica)
    assert digest(primary) == digest(replica)


def slow_sync(replica, port):
    """Begins a full sync that is loaded beside the replica's own data, and takes a second and more."""
    replica.run("CONFIG", "SET", "key-load-delay", 20_000)
    replica.run("CONFIG", "SET", "loading-process-events-interval-bytes", 1024)
    replica.run("REPLICAOF", "127.0.0.1", port)
    wait_until(lambda: replica.info("persistence").get("async_loading"), "the load to begin")


SWAPDB = ["repl-diskless-load swapdb"]
DISKLESS = ["repl-diskless-sync yes", "repl-backlog-size 16384"]


@pytest.mark.parametrize("own", ["empty", "other data", "earlier data"])
@pytest.mark.parametrize("load", ["swapdb", "on-empty-db", "disabled"])
def test_after_a_full_sync_the_timers_are_the_primarys(servers, load, own):
    primary, replica = servers.start([*DISKLESS, *AOF]), servers.start([f"repl-diskless-load {load}"])
    if own == "earlier data":
        for i in range(50):
            primary.run("SM.NEW", f"e{i}", TICK, "AFTER", HOUR)
        follow(replica, primary)
        replica.run("REPLICAOF", "NO", "ONE")
    if own == "other data":
        make_ticks(replica, [f"o{i}" for i in range(100)], 0, delay_ms=HOUR)
        make_ticks(replica, [f"k{i}" for i in range(100)], 0, delay_ms=HOUR)
    dues = make_ticks(primary, [f"k{i}" for i in range(200)], 500, delay_ms=1500)
    # More than the backlog holds, so that the sync is a full one.
    for i in range(40):
        primary.run("SET", f"text{i}", "x" * 1000)
    replica.run("REPLICAOF", "127.0.0.1", primary.port)
    wait_in_sync(primary, replica)
    pending = figures(primary)["pending"]
    wait_until(lambda: figures(replica)["pending"] <= pending, "the old ones to go")
    primary.kill()
    replica.run("REPLICAOF", "NO", "ONE")
    left = 50 if own == "earlier data" else 0
    wait_until(lambda: figures(replica)["pending"] == left, f"all to fire, not {figures(replica)}")
    ticked_once(replica, dues)
    assert figures(replica)["lost"] == 0 and figures(replica)["refused"] == 0


@pytest.mark.parametrize("end", ["completed", "cut off"])
def test_a_sync_beside_the_old_data(servers, end):
    """Of the same history, so the replica serves its old data meanwhile. Cut off, it keeps these and their timers."""
    primary, replica = servers.pair([*DISKLESS, "rdbcompression no", OFF], [*SWAPDB, OFF])
    old = make_ticks(primary, [f"old{i}" for i in range(60)], 500)
    wait_in_sync(primary, replica)
    replica.run("REPLICAOF", "127.0.0.1", 1)
    primary.run("FLUSHALL")
    new = make_ticks(primary, [f"new{i}" for i in range(60)], 0, delay_ms=HOUR)
    for i in range(60):
        primary.run("SET", f"text{i}", "x" * 1000)
    with CuttingProxy(primary.port, hold=30_000 if end == "cut off" else None) as proxy:
        slow_sync(replica, proxy.port)
        assert figures(replica)["pending"] == 60
        if end == "completed":
            replica.run("CONFIG", "SET", "key-load-delay", 0)
            wait_in_sync(primary, replica)
            assert digest(replica) == digest(primary)
        else:
            proxy.shut()
            wait_until(lambda: follows(replica, "127.0.0.1", 1), "the replica to try no more")
    wait_until(lambda: not replica.info("persistence").get("async_loading"), "the load to end", 60)
    # The values that are dropped are freed in the background.
    wait_until(lambda: figures(replica)["pending"] == 60, f"60 to be pending, not {figures(replica)}")
    if end == "cut off":
        assert not replica.run("EXISTS", "new0"), f"a sync got through: {proxy.counts}"
    wait_until(lambda: promoted(replica), "the replica to be promoted")
    wake(replica)
    if end == "completed":
        assert replica.run("DBSIZE") == 120
        for key in new:
            replica.run("SM.REDEFINE", key, TICK, "AFTER", 10)
        all_fired(replica)
        assert {info(replica, key)["version"] for key in new} == {3}
    else:
        all_fired(replica)
        ticked_once(replica, old)
        assert replica.run("DBSIZE") == 60
    assert figures(replica)["fired"] == 60


def promoted(replica):
    return follows(replica, "NO", "ONE")


def follows(replica, *where):
    try:
        return replica.run("REPLICAOF", *where)
    except redis.exceptions.BusyLoadingError:
        return False


def test_a_sync_cut_off_again_and_again(servers):
    primary, replica = servers.start([*DISKLESS, "rdbcompression no"]), servers.start(SWAPDB)
    make_ticks(replica, [f"o{i}" for i in range(50)], 0, delay_ms=HOUR)
    dues = make_ticks(primary, [f"k{i}" for i in range(300)], 300, delay_ms=6000)
    with CuttingProxy(primary.port, [9000, 5000, 2000]) as proxy:
        replica.run("REPLICAOF", "127.0.0.1", proxy.port)
        up = lambda: replica.info("replication")["master_link_status"] == "up"
        wait_until(lambda: not proxy.cuts and up(), "the replica to recover", 60)
        wait_in_sync(primary, replica)
    all_fired(primary, 60)
    ticked_once(primary, dues)
    follow(replica, primary)
    assert digest(replica) == digest(primary)
    wait_until(lambda: figures(replica)["pending"] == 0, "the old ones to go")


# ---- when nothing may be written ------------------------------------------------------------------------


def test_nothing_fires_while_clients_are_paused(servers):
    """A write that no client asked for would end the server."""
    primary, replica = servers.pair([*AOF, OFF])
    dues = make_ticks(primary, [f"k{i}" for i in range(200)], 200)
    with primary.client() as client:
        client.client_pause(int(60_000 * SLOWDOWN), all=False)
        wake(primary)
        wait_until(lambda: now_ms() > max(dues.values()), "all to be due")
        # The alarm looks at least once a second.
        time.sleep(1.2)
        primary.check()
        assert figures(primary)["fired"] == 0
        client.client_unpause()
    all_fired(primary)
    ticked_once(primary, dues)
    wait_in_sync(primary, replica)
    assert digest(replica) == digest(primary)


def test_all_clients_are_paused(servers):
    primary, replica = servers.pair(AOF)
    dues = make_ticks(primary, [f"k{i}" for i in range(200)], 600)
    for _ in range(3):
        primary.run("CLIENT", "PAUSE", 300, "ALL")
        time.sleep(0.05)
    all_fired(primary)
    ticked_once(primary, dues)
    wait_in_sync(primary, replica)
    assert digest(replica) == digest(primary)


def test_a_write_that_was_paused_finds_the_machine_due(servers):
    """Whether the alarm or the write comes first, the timer fires once and before the write."""
    primary, replica = servers.pair(AOF)
    replies = []
    with primary.client() as client:
        for i in range(20):
            client.execute_command("SM.NEW", f"k{i}", ORDER, "AFTER", 300)
        client.client_pause(60_000, all=False)
        writers = [
            threading.Thread(target=lambda i=i: replies.append(primary.run("SM.FIRE", f"k{i}", "revive")))
            for i in range(20)
        ]
        for writer in writers:
            writer.start()
        time.sleep(0.5)
        client.client_unpause()
        for writer in writers:
            writer.join()
    assert replies == [[b"moved", b"new", 3]] * 20
    wait_in_sync(primary, replica)
    for i in range(20):
        assert kinds(replica, f"k{i}") == ["new", "timeout", "move"]
    assert digest(replica) == digest(primary)


def test_too_few_replicas(servers):
    """A refused timer comes back until it can fire."""
    primary = servers.start()
    together(primary, *due_then("CONFIG", "SET", "min-replicas-to-write", "1"))
    wait_until(lambda: figures(primary)["refused"] >= 3, "the timer to be refused")
    assert info(primary, "m")["version"] == 1 and figures(primary)["fired"] == 0
    assert "NOREPLICAS" in error_of(primary, "SM.TIMEOUT", "m")
    replica = servers.start()
    follow(replica, primary)
    wait_until(lambda: info(primary, "m")["version"] == 2, "the timer to fire")
    now = figures(primary)
    assert (now["pending"], now["fired"]) == (0, 1) and now["late_last_ms"] > 100
    wait_in_sync(primary, replica)
    assert digest(replica) == digest(primary)


def test_refused_timers_come_back_slowly(server):
    """While the server takes no writes, one try of all timers is enough, ten a second at most: 500 are no work."""
    server.run("CONFIG", "SET", "min-replicas-to-write", 0)
    server.run("CONFIG", "SET", "redisstate.timers", "no")
    for i in range(500):
        server.run("SM.NEW", f"k{i}", TICK, "DUE", "0")
    server.run("CONFIG", "SET", "min-replicas-to-write", 1)
    began = time.monotonic()
    wake(server)
    wait_until(lambda: figures(server)["refused"] >= 6, "six tries", 30)
    assert figures(server)["refused"] <= 1 + 10 * (time.monotonic() - began)
    server.run("CONFIG", "SET", "min-replicas-to-write", 0)
    all_fired(server)
    assert figures(server)["fired"] == 500


def test_a_disk_that_is_full(servers):
    """The server refuses writes after a save that failed, and so the timers' too."""
    server = servers.start(["save 3600 1000000"])
    server.run("CONFIG", "SET", "redisstate.timers", "no")
    server.run("SM.NEW", "m", TICK, "DUE", "0")
    server.limit_file_size(10)
    start_saving(server)
    assert wait_for_save(server) == "err"
    wake(server)
    wait_until(lambda: figures(server)["refused"] >= 2, "the timer to be refused")
    assert info(server, "m")["version"] == 1
    assert "MISCONF" in error_of(server, "SM.TIMEOUT", "m")
    server.limit_file_size(None)
    background_save(server)
    wait_until(lambda: info(server, "m")["version"] == 2, "the timer to fire")


def test_timers_can_be_turned_off_and_on(server):
    server.run("CONFIG", "SET", "redisstate.timers", "no")
    assert server.config("redisstate.timers") == "no"
    dues = make_ticks(server, [f"k{i}" for i in range(100)], 50)
    together(server, ("SM.NEW", "m", ORDER, "DUE", "0"), ("SM.FIRE", "m", "pay"))
    assert kinds(server, "m") == ["new", "move"], "the machine was due, and nothing fired first"
    time.sleep(MOMENT)
    assert (figures(server)["fired"], figures(server)["pending"]) == (0, 100)
    assert server.run("SM.TIMEOUT", "k0") == [b"moved", b"wait", 2]
    wake(server)
    all_fired(server)
    ticked_once(server, dues)


def test_turned_off_when_the_module_is_loaded(servers):
    server = servers.start(module_args="timers no")
    assert server.config("redisstate.timers") == "no"
    wake(server)
    server.run("CONFIG", "REWRITE")
    server.restart()
    assert server.config("redisstate.timers") == "yes"


# ---- what INFO says -------------------------------------------------------------------------------------


def test_the_figures(idle):
    assert figures(idle) == dict.fromkeys(
        ["pending", "fired", "refused", "lost", "healed", "late_last_ms", "late_max_ms"], 0
    )
    idle.run("SM.NEW", "m", TICK, "DUE", "0")
    idle.run("SM.NEW", "brief", BRIEF, "DUE", "0")
    idle.run("SM.NEW", "later", TICK, "AFTER", HOUR)
    _, told = together(idle, ["RENAME", "later", "renamed"], ["INFO", "redisstate"])
    assert (told["redisstate_timers_pending"], told["redisstate_timers_lost"]) == (3, 1)
    time.sleep(0.2)
    wake(idle)
    wait_until(lambda: figures(idle)["pending"] == 1 and figures(idle)["lost"] == 0, "all to be in order")
    now = figures(idle)
    assert (now["fired"], now["refused"], now["healed"]) == (2, 0, 1)
    assert 200 <= now["late_last_ms"] <= now["late_max_ms"]
    idle.run("SM.FORCE", "m", "wait", "AFTER", 1)
    wait_until(lambda: figures(idle)["fired"] == 3, "the timer")
    assert figures(idle)["late_max_ms"] == now["late_max_ms"] >= figures(idle)["late_last_ms"]
    idle.run("FLUSHALL", "SYNC")
    assert figures(idle)["pending"] == 0 and figures(idle)["fired"] == 3


# ---- random traffic -------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_random_timers(servers, seed):
    """Primary, replica, replica's replica, AOF replay, rewritten AOF and reload agree, and each history says
    that every timer fired when it should and nothing was done before what was due."""
    primary, replica = servers.pair(PLAIN_AOF, AOF)
    last = servers.start()
    follow(last, replica)
    traffic = TimerTraffic(primary, seed).run(4000)
    all_fired(primary)
    assert traffic.check(primary) > 20, "timeouts in the histories"
    wait_in_sync(primary, replica)
    wait_in_sync(replica, last)
    expected = digest(primary)
    for server in (replica, last):
        assert digest(server) == expected
        assert (figures(server)["pending"], figures(server)["fired"]) == (0, 0)
    now = figures(primary)
    assert now["fired"] > 300 and (now["lost"], now["refused"]) == (0, 0)
    for server in (primary, replica):
        server.run("DEBUG", "RELOAD")
        assert digest(server) == expected, "reload"
    for server in (replica, primary):
        server.kill()
        server.start()
        assert digest(server) == expected, "replay"
        assert rewrite_aof(server) == "ok"
        server.kill()
        server.start()
        assert digest(server) == expected, "replay of the rewritten file"


@pytest.mark.parametrize("seed", range(2))
def test_random_timers_with_a_replica_that_comes_and_goes(servers, seed):
    """By full and by partial syncs, on disk, diskless and beside the old data."""
    primary = servers.start([*AOF, *DISKLESS])
    replica = servers.start(SWAPDB if seed else [])
    traffic = TimerTraffic(primary, 100 + seed)
    for round in range(4):
        primary.run("CONFIG", "SET", "repl-diskless-sync", ["yes", "no"][round // 2])
        traffic.run(500)
        replica.run("REPLICAOF", "127.0.0.1", primary.port)
        traffic.run(500)
        wait_in_sync(primary, replica)
        replica.run("REPLICAOF", "127.0.0.1", 1)
    all_fired(primary)
    follow(replica, primary)
    wait_until(lambda: figures(replica)["pending"] == 0, "the replica's to be gone")
    assert digest(replica) == digest(primary)
    traffic.check(replica)


def test_random_timers_that_a_promoted_replica_goes_on_with(servers):
    primary, replica = servers.pair(AOF, AOF)
    traffic = TimerTraffic(primary, 7).run(1500)
    wait_in_sync(primary, replica)
    primary.kill()
    replica.run("REPLICAOF", "NO", "ONE")
    all_fired(replica)
    assert traffic.check(replica) > 5
    assert figures(replica)["fired"] > 0 and figures(replica)["lost"] == 0


def test_a_log_that_ends_within_a_timeout(servers):
    """What was cut off of a log happens again, once."""
    server = servers.start(PLAIN_AOF)
    dues = make_ticks(server, [f"k{i}" for i in range(50)], 300)
    all_fired(server)
    server.kill()
    (file,) = (server.folder / "appendonlydir").glob("*.incr.aof")
    data = file.read_bytes()
    file.write_bytes(data[: data.rindex(b"SM.TIMEOUT") + 20])
    server.start()
    all_fired(server)
    ticked_once(server, dues)


WRONG_MOMENTS = [
    "", "x", " ", "-5", "+5", "5 ", "5  1:a", "5 1", "5 1:", "5 1:ab", "5 2:a", "5 :a", "5 x:a", "5 -1:a", "5 +1:a",
    "5 1:a1:b", "5 1:a 1:b 1:c 1:d", "5 1:a ", "9007199254740992", "5 18446744073709551615:a",
    "5 99999999999999999999:a",
]  # fmt: skip
# What isn't the word and its value as one argument.
NO_MOMENTS = [
    ["AT"],
    ["AT", "5"],
    ["at 5"],
    ["AT5"],
    ["AT 5", "AT 5"],
    ["AT 5", "FROM"],
    ["AT 5", "FROM x"],
    ["FROM 5"],
]
WRONG_TEXTS = [b"5 0: 1:\xff", b"5 0: 0: 1:\xff", "5 0: 257:" + 257 * "a"]


def with_moment(text):
    return b"AT " + (text if isinstance(text, bytes) else text.encode())


def test_a_log_with_a_timeout_that_can_not_be(servers):
    """Replay says so in the log, and goes on or ends as the server's configuration wants it."""
    server = servers.start([*PLAIN_AOF, "propagation-error-behavior ignore"])
    server.run("SM.NEW", "m", TICK, "AFTER", HOUR)
    server.kill()
    (file,) = (server.folder / "appendonlydir").glob("*.incr.aof")
    with open(file, "ab") as aof:
        aof.write(encode("SM.TIMEOUT", "none", "AT 5"))
        aof.write(encode("SM.TIMEOUT", "m"))
        aof.write(encode("SM.FIRE", "m", "go"))
        for moment in (*WRONG_MOMENTS, *WRONG_TEXTS):
            aof.write(encode("SM.TIMEOUT", "m", with_moment(moment)))
        for rest in NO_MOMENTS:
            aof.write(encode("SM.TIMEOUT", "m", *rest))
    server.start()
    assert info(server, "m")["version"] == 2
    assert figures(server)["pending"] == 0
    told = [line for line in server.log().split(b"\n") if b"SM.TIMEOUT fails while the file is loaded" in line]
    assert sum(b"AT: expected a whole number from 0" in line for line in told) == len(WRONG_MOMENTS)
    assert len(told) == len(WRONG_MOMENTS) + len(WRONG_TEXTS) + len(NO_MOMENTS) + 2
