"""SM.FIRE, SM.MOVE, SM.FORCE, SM.NEW, SM.REDEFINE, SM.EVENTS, SM.INFO and SM.HISTORY: replies as bytes on
the wire, the order of checks, and what a command that fails leaves behind. The options are in
test_options.py."""

import json
import time

import pytest
import redis

from harness import NIL, array, bulk, digest, wait_in_sync
from shop import SHOP, WRONGTYPE, verdict
from test_events import Listener

REMEMBERED = json.dumps({"map": {"a": {"go": "b"}, "b": {"go": "a"}}, "history": 6, "initial": "a"})
TIMED = json.dumps(
    {
        "map": {"a": {"go": "b", "end": "c"}, "b": {"go": "a"}},
        "after": {"b": {"ms": 86400000, "to": "c"}, "a": {"to": None}},
        "initial": "a",
        "name": "lamp",
        "revision": 7,
    }
)


def pairs(flat):
    return dict(zip(flat[::2], flat[1::2], strict=True))


def info(db, key="m"):
    reply = db.execute_command("SM.INFO", key)
    return {k.decode(): v for k, v in (reply if isinstance(reply, dict) else pairs(reply)).items()}


def history(db, key="m", *more):
    entries = db.execute_command("SM.HISTORY", key, *more)
    return [{k.decode(): v for k, v in pairs(entry).items()} for entry in entries]


# ---- verdicts -----------------------------------------------------------------------------------


def test_verdicts(both):
    assert both("SM.FIRE", "m", "pay", "ID", "1") == verdict("moved", "paid", 2)
    assert both("SM.FIRE", "m", "pay") == verdict("refused", "paid", 2)
    assert both("SM.FIRE", "m", "ship", "IFVERSION", "1") == verdict("conflict", "paid", 2)
    assert both("SM.FIRE", "m", "ship") == verdict("moved", "sent", 3)
    assert both("SM.FIRE", "m", "pay", "ID", "1") == verdict("repeated", "paid", 2)
    assert both("SM.NEW", "n", SHOP) == verdict("created", "new", 1)
    assert both("SM.NEW", "m", SHOP) == verdict("exists", "sent", 3)
    assert both("SM.REDEFINE", "m", SHOP) == verdict("redefined", "sent", 4)
    for command in ("SM.FIRE none e", "SM.MOVE none s", "SM.FORCE none s", "SM.EVENTS none", "SM.INFO none"):
        assert both(*command.split()) == both.nil
    assert both("SM.HISTORY", "none") == both.nil and both("SM.REDEFINE", "none", SHOP) == both.nil
    for command in ("SM.FIRE text e", "SM.MOVE text s", "SM.FORCE text s", "SM.EVENTS text", "SM.INFO text"):
        assert both(*command.split()) == WRONGTYPE
    assert both("SM.HISTORY", "text") == WRONGTYPE
    assert both("SM.NEW", "text", SHOP) == both("SM.REDEFINE", "text", SHOP) == WRONGTYPE


def test_a_choice_needs_to(shop):
    shop("SM.FIRE", "m", "pay")
    error = shop("SM.FIRE", "m", "refund")
    assert error.startswith(b"-ERR ") and b"'back'" in error and b"'partly'" in error and b"TO" in error
    assert shop("SM.FIRE", "m", "refund", "TO", "kept") == verdict("refused", "paid", 2)
    assert shop("SM.FIRE", "m", "ship", "TO", "kept") == verdict("refused", "paid", 2)
    assert shop("SM.FIRE", "m", "refund", "to", "partly") == verdict("moved", "partly", 3)


def test_moves_without_a_name(shop):
    assert shop("SM.FIRE", "m", "") == verdict("refused", "new", 1)
    shop("SM.FIRE", "m", "pay")
    shop("SM.FIRE", "m", "ship")
    assert shop("SM.FIRE", "m", "").startswith(b"-ERR ")
    assert shop("SM.FIRE", "m", "", "TO", "paid") == verdict("moved", "paid", 4)
    assert shop("SM.FIRE", "m", "") == verdict("moved", "kept", 5)


def test_any(shop):
    assert shop("SM.FIRE", "m", "archive") == verdict("refused", "new", 1), "[] refuses what any allows"
    assert shop("SM.MOVE", "m", "archived") == verdict("moved", "archived", 2), "by the event 'lose'"
    assert shop("SM.FIRE", "m", "archive") == verdict("refused", "archived", 2), "never onto itself"
    assert shop("SM.FIRE", "m", "lose") == verdict("moved", "lost", 3), "one is left without itself"
    assert shop("SM.FIRE", "m", "lose", "TO", "lost") == verdict("refused", "lost", 3)
    assert shop("SM.FORCE", "m", "kept") == verdict("moved", "kept", 4)
    assert shop("SM.FIRE", "m", "archive") == verdict("moved", "sent", 5), "the state's own entry wins"
    assert shop("SM.FIRE", "m", "lose").startswith(b"-ERR ")


def test_move_and_force(shop):
    assert shop("SM.MOVE", "m", "sent") == verdict("refused", "new", 1)
    assert shop("SM.MOVE", "m", "nowhere") == verdict("refused", "new", 1)
    assert shop("SM.MOVE", "m", "paid") == verdict("moved", "paid", 2)
    assert shop("SM.MOVE", "m", "partly") == verdict("moved", "partly", 3)
    assert shop("SM.FORCE", "m", "nowhere") == verdict("refused", "partly", 3)
    assert shop("SM.FORCE", "m", "new") == verdict("moved", "new", 4)
    assert shop("SM.FORCE", "m", "new") == verdict("moved", "new", 5)
    assert shop("SM.MOVE", "m", "paid", "TO", "paid").startswith(b"-ERR "), "TO is for SM.FIRE"


# ---- SM.NEW ---------------------------------------------------------------------------------------


def test_new(shop):
    assert shop("SM.NEW", "n", SHOP, "STATE", "sent", "ID", "1", "REASON", "why") == verdict("created", "sent", 1)
    assert shop("SM.GET", "n", "REASON") == bulk("why")
    assert shop("SM.NEW", "n", REMEMBERED, "ID", "1") == verdict("repeated", "sent", 1), "the command alone counts"
    assert shop("SM.NEW", "n", SHOP, "ID", "2") == verdict("exists", "sent", 1)
    assert shop("SM.NEW", "n", SHOP, "ID", "2") == verdict("exists", "sent", 1), "what did nothing isn't remembered"
    assert shop("SM.FIRE", "n", "", "TO", "paid", "ID", "3") == verdict("moved", "paid", 2)
    assert shop("SM.NEW", "n", SHOP, "ID", "1") == verdict("repeated", "sent", 1)
    assert shop("SM.NEW", "n", SHOP, "ID", "3").startswith(b"-ERR ")
    assert shop("SM.NEW", "n", SHOP, "STATE", "nowhere") == verdict("exists", "paid", 2)
    assert shop("SM.NEW", "o", SHOP, "STATE", "nowhere").startswith(b"-ERR ")
    assert shop("EXISTS", "o") == b":0\r\n"
    assert shop("SM.NEW", "o", SHOP.replace('"initial"', '"current":"paid","initial"'), "STATE", "sent") == verdict(
        "created", "sent", 1
    )
    for option in ("IFSTATE a", "IFVERSION 1", "TO a", "RENAME a b"):
        assert shop("SM.NEW", "p", SHOP, *option.split()).startswith(b"-ERR unknown option"), option


# ---- reading -------------------------------------------------------------------------------------


def rows(*items):
    return b"*%d\r\n" % len(items) + b"".join(array(*item) for item in items)


def test_events(both):
    any_rows = [("archive", "archived"), ("lose", "lost", "archived"), ("void", "void")]
    assert both("SM.EVENTS", "m") == rows(("pay", "paid"), ("cancel", "void"), *any_rows[1:])
    both("SM.FIRE", "m", "pay")
    own = [("ship", "sent"), ("refund", "back", "partly"), ("", "kept")]
    assert both("SM.EVENTS", "m") == rows(*own, *any_rows)
    both("SM.FORCE", "m", "archived")
    assert both("SM.EVENTS", "m") == rows(("lose", "lost"), ("void", "void"))
    both("SM.SET", "end", '{"initial":"a","map":{}}')
    assert both("SM.EVENTS", "end") == b"*0\r\n"


FIELDS = "name revision state version since due due-to terminal states transitions history history-limit machines"


def test_info_of_a_plain_machine(both):
    head = both.map(13) + bulk("name") + bulk("") + bulk("revision") + both.nil + bulk("state") + bulk("new")
    head += bulk("version") + b":1\r\n" + bulk("since") + both.nil + bulk("due") + both.nil + bulk("due-to") + bulk("")
    # pay, cancel, ship, two of refund, kept, two of sent, archive; four targets of any.
    head += bulk("terminal") + b":0\r\n" + bulk("states") + b":9\r\n" + bulk("transitions") + b":13\r\n"
    assert both("SM.INFO", "m").startswith(head)
    assert both("SM.INFO", "m").endswith(bulk("machines") + b":1\r\n")


def test_info_of_a_timed_machine(db):
    before = int(time.time() * 1000) - 1
    db.execute_command("SM.NEW", "m", TIMED)
    db.execute_command("SM.NEW", "n", TIMED)
    first = info(db)
    assert list(first) == FIELDS.split()
    assert (first["name"], first["revision"], first["state"], first["version"]) == (b"lamp", 7, b"a", 1)
    assert before <= first["since"] <= time.time() * 1000 + 1
    assert (first["due"], first["terminal"], first["states"], first["transitions"]) == (None, 0, 3, 3)
    assert first["machines"] == 2
    db.execute_command("SM.FIRE", "m", "go")
    second = info(db)
    assert (second["due"] - second["since"], second["due-to"]) == (86400000, b"c")
    db.execute_command("SM.FIRE", "m", "go", "DUE", "9007199254740991")
    third = info(db)
    assert (third["due"], third["version"], third["due-to"]) == (9007199254740991, 3, b"")
    db.execute_command("SM.FIRE", "m", "end")
    assert info(db)["terminal"] == 1 and info(db)["due"] is None
    db.execute_command("SM.NEW", "o", TIMED, "AFTER", "5000000")
    assert info(db, "o")["due"] - info(db, "o")["since"] == 5000000


ENTRY = ["version", "at", "kind", "from", "event", "to", "user", "by", "reason", "id"]


def test_history_on_the_wire(both):
    both("SM.NEW", "h", REMEMBERED, "REASON", "r", "BY", "b", "ID", "i")
    reply = both("SM.HISTORY", "h")
    head = b"*1\r\n" + both.map(10) + bulk("version") + b":1\r\n" + bulk("at") + b":"
    rest = b"\r\n" + bulk("kind") + bulk("new") + bulk("from") + bulk("") + bulk("event") + bulk("") + bulk("to")
    rest += bulk("a") + bulk("user") + bulk("default") + bulk("by") + bulk("b") + bulk("reason") + bulk("r")
    assert reply.startswith(head) and reply.endswith(rest + bulk("id") + bulk("i"))
    assert reply[len(head) :].split(b"\r\n")[0].isdigit()
    assert both("SM.HISTORY", "m") == b"*0\r\n", "a definition without history"


def test_history_of_every_kind(db):
    run = db.execute_command
    run("SM.SET", "m", REMEMBERED)
    run("SM.FIRE", "m", "go", "BY", "é", "REASON", "why", "ID", "x")
    run("SM.MOVE", "m", "a")
    run("SM.FORCE", "m", "b")
    run("SM.MUTATE", "m", "a", "old way", "FORCE")
    run("SM.RESET", "m")
    run("SM.REDEFINE", "m", REMEMBERED, "RENAME", "a", "b")
    run("SM.SET", "m", REMEMBERED)
    entries = history(db)
    assert all(list(entry) == ENTRY for entry in entries)
    shown = [(e["version"], e["kind"], e["event"], e["to"]) for e in entries]
    assert shown == [
        (8, b"set", b"", b"a"),
        (7, b"redefine", b"", b"b"),
        (6, b"reset", b"", b"a"),
        (5, b"force", b"", b"a"),
        (4, b"force", b"", b"b"),
        (3, b"move", b"", b"a"),
    ]
    assert [e["from"] for e in entries[1:]] == [b"a", b"a", b"b", b"a", b"b"]
    assert entries[3]["reason"] == b"old way" and {e["user"] for e in entries} == {b"default"}
    assert [e["at"] for e in entries] == sorted((e["at"] for e in entries), reverse=True)
    assert history(db, "m", "COUNT", "2") == entries[:2] == history(db, "m", "count", "2")
    run("DEL", "m")
    run("SM.CREATE", "m")
    run("SM.SET", "m", REMEMBERED)
    run("SM.FIRE", "m", "go", "BY", "é", "REASON", "why", "ID", "x")
    first = history(db)[0]
    del first["at"]
    assert first == {
        "version": 3, "kind": b"move", "from": b"a", "event": b"go", "to": b"b",
        "user": b"default", "by": "é".encode(), "reason": b"why", "id": b"x",
    }  # fmt: skip
    assert history(db)[-1]["kind"] == b"set"
    for count in ("0", "-1", "x", "4294967296"):
        with pytest.raises(Exception, match="COUNT"):
            run("SM.HISTORY", "m", "COUNT", count)


def test_history_is_cut_between_characters_and_the_reason_stays(db):
    db.execute_command("SM.NEW", "m", REMEMBERED)
    long = "é" * 511 + "🚀" * 10
    db.execute_command("SM.FIRE", "m", "go", "REASON", long)
    assert history(db)[0]["reason"].decode() == "é" * 511
    assert db.execute_command("SM.GET", "m", "REASON").decode() == long


def test_user_of_the_history(db):
    db.execute_command("ACL", "SETUSER", "alice", "on", "nopass", "~*", "+@all")
    with db.server.client(username="alice", password="x") as alice:
        alice.execute_command("SM.NEW", "m", REMEMBERED)
        with alice.pipeline(transaction=True) as pipe:
            pipe.execute_command("SM.FIRE", "m", "go", "BY", "bob")
            pipe.execute()
        alice.execute_command("SM.MUTATE", "m", "a")
        assert [e["user"] for e in history(db)] == [b"alice"] * 3
        alice.eval("return redis.call('SM.FIRE', KEYS[1], 'go')", 1, "m")
        assert history(db)[0]["user"] in (b"", b"alice")
    db.execute_command("ACL", "DELUSER", "alice")


FORGED = [
    "SM.FIRE m go AT 5~4:evil", "SM.FIRE m go REASON x AT 5~4:evil", "SM.MOVE m b AT 5~4:evil", "SM.FORCE m b AT 5~4:evil",
    "SM.MUTATE m b why AT 5~4:evil", "SM.MUTATE m b why FORCE AT 5~4:evil", "SM.MUTATE m b AT 5~4:evil",
    "SM.RESET m AT 5~4:evil", "SM.CREATE m AT 5~4:evil", "SM.SET m {} a AT 5~4:evil", "SM.SET m {} AT 5~4:evil",
    "SM.NEW n {} AT 5~4:evil", "SM.REDEFINE m {} AT 5~4:evil",
]  # fmt: skip


@pytest.mark.parametrize("command", FORGED)
def test_no_client_says_when_or_who(db, command):
    db.execute_command("SM.NEW", "m", REMEMBERED)
    db.execute_command("SM.FIRE", "m", "go", "REASON", "r")
    before = digest(db.server)
    words = [REMEMBERED if word == "{}" else word.replace("~", " ") for word in command.split()]
    with pytest.raises(Exception, match="unknown option|wrong number"):
        db.execute_command(*words)
    with db.pipeline(transaction=True) as pipe, pytest.raises(Exception, match="unknown option|wrong number"):
        pipe.execute_command(*words)
        pipe.execute()
    with pytest.raises(Exception, match="unknown option|[Ww]rong number"):
        db.eval("return redis.call(unpack(ARGV))", 1, "m", *words)
    assert digest(db.server) == before


def test_load_is_not_for_clients(db):
    with pytest.raises(Exception, match="RESTORE"):
        db.execute_command("SM.LOAD", "m", b"x")
    assert db.exists("m") == 0


# ---- SM.REDEFINE ----------------------------------------------------------------------------------


def swapped(history=6):
    return json.dumps({"map": {"a": {"go": "b"}, "b": {"go": "a"}, "c": []}, "history": history, "initial": "c"})


def test_renames_happen_all_at_once(db):
    db.execute_command("SM.NEW", "m", REMEMBERED)
    renames = ["RENAME", "a", "b", "RENAME", "b", "a", "rename", "unknown", "c"]
    assert db.execute_command("SM.REDEFINE", "m", swapped(), *renames) == [b"redefined", b"b", 2]
    assert db.execute_command("SM.REDEFINE", "m", swapped(), *renames) == [b"redefined", b"a", 3]


def test_redefine_keeps_what_it_must(db):
    run = db.execute_command
    run("SM.NEW", "m", REMEMBERED, "ID", "n")
    run("SM.FIRE", "m", "go", "ID", "f", "REASON", "why", "BY", "b")
    run("PEXPIREAT", "m", 33177117420000)
    old = history(db)
    new = json.dumps({"map": {"x": {"other": "y"}}, "history": 6, "initial": "x", "current": "y", "reason": "ignored"})
    assert run("SM.REDEFINE", "m", new, "RENAME", "b", "x", "ID", "r") == [b"redefined", b"x", 3]
    assert run("SM.GET", "m", "REASON") == b"why" and run("PEXPIRETIME", "m") == 33177117420000
    assert history(db)[1:] == old
    assert (history(db)[0]["kind"], history(db)[0]["from"], history(db)[0]["to"]) == (b"redefine", b"b", b"x")
    assert run("SM.FIRE", "m", "go", "ID", "f") == [b"repeated", b"b", 2]
    assert run("SM.NEW", "m", new, "ID", "n") == [b"repeated", b"a", 1]
    assert run("SM.REDEFINE", "m", swapped(), "ID", "r") == [b"repeated", b"x", 3]
    assert run("SM.REDEFINE", "m", swapped(1), "RENAME", "x", "c", "REASON", "mine") == [b"redefined", b"c", 4]
    assert run("SM.GET", "m", "REASON") == b"mine"
    assert [e["version"] for e in history(db)] == [4], "a shorter history keeps the newest"


def test_what_redefine_refuses(shop, db):
    before = digest(db.server)
    other = '{"map":{"x":["y"]},"initial":"x"}'
    assert b"'new'" in shop("SM.REDEFINE", "m", other)
    assert b"'z'" in shop("SM.REDEFINE", "m", other, "RENAME", "new", "z")
    assert b"'z'" in shop("SM.REDEFINE", "m", other, "RENAME", "new", "x", "RENAME", "q", "z")
    assert shop("SM.REDEFINE", "m", '{"current":"zz",' + other[1:]).startswith(b"-ERR invalid machine")
    assert shop("SM.REDEFINE", "m", other, "RENAME", "new").startswith(b"-ERR RENAME")
    assert digest(db.server) == before
    assert shop("SM.REDEFINE", "m", other, "RENAME", "new", "y") == verdict("redefined", "y", 2)


# ---- the order of checks --------------------------------------------------------------------------


def test_order_of_checks(shop):
    shop("SM.FIRE", "m", "pay", "ID", "x")
    for key in ("none", "text", "m"):
        assert shop("SM.NEW", key, "{").startswith(b"-ERR invalid machine"), "syntax before the key"
        assert shop("SM.REDEFINE", key, "{").startswith(b"-ERR invalid machine")
        assert shop("SM.FIRE", key, "e", "IFVERSION", "0").startswith(b"-ERR IFVERSION")
    assert shop("SM.FIRE", "none", "e", "IFVERSION", "9", "ID", "x") == NIL
    assert shop("SM.FIRE", "text", "e", "IFVERSION", "9") == WRONGTYPE
    assert shop("SM.REDEFINE", "none", '{"initial":"q","map":{}}', "RENAME", "q", "zz") == NIL
    # The ID before the conditions.
    assert shop("SM.FIRE", "m", "pay", "ID", "x", "IFVERSION", "9") == verdict("repeated", "paid", 2)
    assert shop("SM.FIRE", "m", "ship", "ID", "x", "IFVERSION", "9").startswith(b"-ERR ")
    assert shop("SM.FIRE", "m", "pay", "ID", "x", "AFTER", "5") == verdict("repeated", "paid", 2)
    # The conditions before the transition.
    assert shop("SM.FIRE", "m", "nonsense", "IFVERSION", "9") == verdict("conflict", "paid", 2)
    assert shop("SM.FIRE", "m", "refund", "IFSTATE", "new") == verdict("conflict", "paid", 2)
    assert shop("SM.FIRE", "m", "ship", "IFSTATE", "nowhere") == verdict("conflict", "paid", 2)
    assert shop("SM.MOVE", "m", "nowhere", "IFSTATE", "nowhere") == verdict("conflict", "paid", 2)
    other = '{"initial":"q","map":{}}'
    assert shop("SM.REDEFINE", "m", other, "IFVERSION", "9") == verdict("conflict", "paid", 2)
    # The transition before the timer.
    assert shop("SM.FIRE", "m", "nonsense", "AFTER", "5") == verdict("refused", "paid", 2)
    assert b"'back'" in shop("SM.FIRE", "m", "refund", "AFTER", "5")
    assert b"timer" in shop("SM.FIRE", "m", "ship", "AFTER", "5")
    assert shop("SM.FIRE", "m", "ship", "IFSTATE", "paid", "IFVERSION", "2") == verdict("moved", "sent", 3)


# ---- what others see ------------------------------------------------------------------------------


def test_versions_go_on(db):
    run = db.execute_command
    version = lambda: info(db)["version"]
    run("SM.SET", "m", SHOP)
    assert version() == 1
    run("SM.RESET", "m")
    assert version() == 1, "a reset that changes nothing"
    run("SM.MUTATE", "m", "paid")
    run("SM.RESET", "m")
    assert version() == 3
    run("SM.SET", "m", SHOP)
    run("SM.CREATE", "m")
    run("SM.SET", "m", SHOP)
    assert version() == 6
    run("COPY", "m", "n")
    assert info(db, "n")["version"] == 6
    run("DEL", "m")
    run("SM.NEW", "m", SHOP)
    assert version() == 1


CHANGING = [
    ("SM.FIRE m pay", "sm.fire"), ("SM.MOVE m paid", "sm.move"), ("SM.FORCE m sent", "sm.force"),
    ("SM.NEW n {}", "sm.new"), ("SM.REDEFINE m {}", "sm.redefine"),
]  # fmt: skip
QUIET = [
    "SM.FIRE m ship", "SM.FIRE m pay IFVERSION 9", "SM.FIRE m lose", "SM.FIRE m pay AFTER 5", "SM.FIRE none pay",
    "SM.MOVE m sent", "SM.FORCE m nowhere", "SM.NEW m {}", "SM.NEW text {}", "SM.REDEFINE m {} RENAME new zz",
    "SM.REDEFINE none {}", "SM.INFO m", "SM.EVENTS m", "SM.HISTORY m", "SM.FIRE m cancel ID x", "SM.LOAD m x",
]  # fmt: skip


@pytest.mark.parametrize("command, event", CHANGING)
def test_keyspace_events(servers, command, event):
    primary, replica = servers.pair()
    primary.run("SM.SET", "m", SHOP)
    wait_in_sync(primary, replica)
    here, there = Listener(primary), Listener(replica)
    primary.run(*[SHOP if word == "{}" else word for word in command.split()])
    wait_in_sync(primary, replica)
    assert here.names() == there.names() == [event]


def test_a_command_that_changes_nothing_is_silent(db):
    run = db.execute_command
    run("SET", "text", "x")
    run("SM.SET", "m", SHOP)
    run("SM.FIRE", "m", "cancel", "ID", "x")
    run("SM.FORCE", "m", "new")
    listener, before = Listener(db.server), digest(db.server)
    offset = db.info("persistence")["rdb_changes_since_last_save"]
    for command in QUIET:
        with db.server.client() as other, other.pipeline() as pipe:
            pipe.watch("m")
            try:
                run(*[SHOP if word == "{}" else word for word in command.split()])
            except redis.exceptions.ResponseError:
                pass
            pipe.multi()
            pipe.ping()
            assert pipe.execute() == [True], command
        assert listener.names() == [], command
    assert digest(db.server) == before
    assert db.info("persistence")["rdb_changes_since_last_save"] == offset
    listener.close()


@pytest.mark.parametrize("command, _", [c for c in CHANGING if c[0].split()[1] == "m"])
def test_watch_sees_a_change(db, command, _):
    db.execute_command("SM.SET", "m", SHOP)
    with db.server.client() as other, other.pipeline() as pipe:
        pipe.watch("m")
        db.execute_command(*[SHOP if word == "{}" else word for word in command.split()])
        pipe.multi()
        pipe.ping()
        with pytest.raises(Exception, match="[Ww]atched"):
            pipe.execute()
