"""SM.EMIT: a move and an entry of it in a stream, both or neither: verdicts, errors before anything has
changed, what is published and replicated. That a crash leaves no half of it is in faults/test_kills.py."""

import json
import random
import threading
import time

import pytest
import redis

from harness import (
    NIL,
    OK,
    SECOND_MODULE,
    array,
    bulk,
    digest,
    encode,
    follow,
    rewrite_aof,
    wait_in_sync,
    wait_until,
)
from shop import SHOP, WRONGTYPE, verdict
from test_events import Listener
from timers import all_fired, info, kinds, together

FULL = b"-ERR the stream's last id is the greatest possible, it takes no more entries\r\n"
LAMP = json.dumps({"map": {"on": {"press": "off"}, "off": {"press": "on"}}, "history": 9, "initial": "off"})
TIMED = json.dumps(
    {"map": {"a": {"go": "b"}, "b": {"go": "a"}, "c": {"go": "a"}}, "after": {"a": {"to": "c"}, "b": {"to": None}},
     "history": 9, "initial": "a"}
)  # fmt: skip
FIELDS = ["key", "from", "to", "event", "version", "at", "user", "by", "reason", "id"]
LAST_ID = f"{2**64 - 1}-{2**64 - 1}"


def entries(db, stream="out"):
    """Returns the entries of a stream: (id, fields), in order."""
    return [(i, {k.decode(): v.decode() for k, v in f.items()}) for i, f in db.xrange(stream)]


def parts(reply):
    """Splits a reply of four elements on the wire into the verdict as SM.FIRE sends it, and the rest."""
    assert reply.startswith(b"*4\r\n"), reply
    body = reply[4:]
    end = body.index(b"\r\n", body.index(b"\r\n:") + 2) + 2
    return b"*3\r\n" + body[:end], body[end:]


# ---- verdicts -----------------------------------------------------------------------------------


def test_a_move_has_an_entry(both, db):
    found, rest = parts(both("SM.EMIT", "m", "out", "FIRE", "pay"))
    assert found == verdict("moved", "paid", 2)
    ((name, fields),) = entries(db)
    assert rest == bulk(name)
    assert list(fields) == FIELDS
    assert fields == dict(zip(FIELDS, ["m", "new", "paid", "pay", "2", "", "default", "", "", ""]))
    assert both("SM.STATE", "m") == array("paid")


@pytest.mark.parametrize(
    "command, what, state",
    [
        (["FIRE", "ship"], "refused", "new"),
        (["FIRE", "never"], "refused", "new"),
        (["MOVE", "sent"], "refused", "new"),
        (["FIRE", "pay", "TO", "void"], "refused", "new"),
        (["FIRE", "pay", "IFSTATE", "paid"], "conflict", "new"),
        (["MOVE", "paid", "IFVERSION", "2"], "conflict", "new"),
    ],
    ids=" ".join,
)
def test_without_a_move_there_is_no_entry(both, db, command, what, state):
    assert parts(both("SM.EMIT", "m", "out", *command)) == (verdict(what, state, 1), both.nil)
    assert db.exists("out") == 0


def test_a_missing_key_is_nil(both, db):
    assert both("SM.EMIT", "missing", "out", "FIRE", "pay") == both.nil
    assert both("SM.EMIT", "missing", "text", "FIRE", "pay") == both.nil
    assert set(db.keys()) == {b"m", b"text"}


def test_the_same_request_is_made_once(both, db):
    first = both("SM.EMIT", "m", "out", "FIRE", "pay", "ID", "request-1")
    assert parts(first)[0] == verdict("moved", "paid", 2)
    again = both("SM.EMIT", "m", "out", "FIRE", "pay", "ID", "request-1", "REASON", "other")
    assert parts(again) == (verdict("repeated", "paid", 2), both.nil)
    # To another stream it is the same move still, and so it is for the command without an entry.
    assert parts(both("SM.EMIT", "m", "more", "FIRE", "pay", "ID", "request-1"))[1] == both.nil
    assert both("SM.FIRE", "m", "pay", "ID", "request-1") == verdict("repeated", "paid", 2)
    assert len(entries(db)) == 1 and db.exists("more") == 0
    assert entries(db)[0][1]["id"] == "request-1"


def test_an_id_of_a_fire_counts_for_an_emit_and_not_for_another_move(shop, db):
    shop("SM.FIRE", "m", "pay", "ID", "one")
    assert parts(shop("SM.EMIT", "m", "out", "FIRE", "pay", "ID", "one"))[0] == verdict("repeated", "paid", 2)
    for other in (["MOVE", "paid"], ["FIRE", "ship"]):
        assert shop("SM.EMIT", "m", "out", *other, "ID", "one") == b"-ERR this ID was used for another move\r\n"
    assert db.exists("out") == 0


# ---- fields and options ---------------------------------------------------------------------------


def test_fields_of_a_timed_machine(db):
    db.execute_command("SM.NEW", "m", TIMED, "AFTER", 3_600_000)
    words = "BY", "clerk 7", "REASON", "as ordered", "ID", "r-1", "DUE", 4102444800000
    db.execute_command("SM.EMIT", "m", "out", "FIRE", "go", *words)
    ((_, fields),) = entries(db)
    info = dict(zip(*[iter(db.execute_command("SM.INFO", "m"))] * 2))
    made = ["m", "a", "b", "go", "2", str(info[b"since"]), "default", "clerk 7", "as ordered", "r-1"]
    assert list(fields.items()) == list(zip(FIELDS, made))
    assert info[b"due"] == 4102444800000
    # The history says the same.
    last = dict(zip(*[iter(db.execute_command("SM.HISTORY", "m")[0])] * 2))
    for field in ("from", "to", "event", "by", "reason", "id", "user"):
        assert last[field.encode()].decode() == fields[field], field
    assert (last[b"version"], last[b"at"]) == (2, info[b"since"])


def test_a_move_by_state_and_one_without_a_name_have_no_event(shop, db):
    shop("SM.EMIT", "m", "out", "MOVE", "paid")
    shop("SM.EMIT", "m", "out", "FIRE", "")
    first, second = (fields for _, fields in entries(db))
    assert [first[field] for field in ("from", "to", "event", "version")] == ["new", "paid", "", "2"]
    assert [second[field] for field in ("from", "to", "event", "version")] == ["paid", "kept", "", "3"]


def test_one_of_several_targets(shop, db):
    shop("SM.FIRE", "m", "pay")
    reply = shop("SM.EMIT", "m", "out", "FIRE", "refund")
    assert reply == b"-ERR the event leads to 2 states, name one with TO: 'back', 'partly'\r\n"
    assert db.exists("out") == 0
    assert parts(shop("SM.EMIT", "m", "out", "fire", "refund", "to", "partly"))[0] == verdict("moved", "partly", 3)
    assert entries(db)[0][1]["to"] == "partly"


def test_the_user_is_that_of_the_connection(db):
    db.execute_command("SM.SET", "m", SHOP)
    db.execute_command("ACL", "SETUSER", "worker", "reset", "on", "nopass", "+sm.emit", "~m", "~out")
    try:
        with db.server.client(username="worker", password="x") as worker:
            worker.execute_command("SM.EMIT", "m", "out", "FIRE", "pay")
    finally:
        db.execute_command("ACL", "DELUSER", "worker")
    assert entries(db)[0][1]["user"] == "worker"


def test_names_and_keys_of_any_bytes(db):
    document = json.dumps({"map": {"ä\n": {"\u0000e": "b"}}, "initial": "ä\n"})
    db.execute_command("SM.SET", b"k\xff\x00", document)
    db.execute_command("SM.EMIT", b"k\xff\x00", b"s\xfe\x00", "FIRE", "\u0000e", "REASON", "\u0000ü")
    ((_, fields),) = db.xrange(b"s\xfe\x00")
    wanted = [b"k\xff\x00", "ä\n".encode(), b"b", b"\x00e", b"2", b"", b"default", b"", "\0ü".encode(), b""]
    assert list(fields.values()) == wanted


SYNTAX = [
    (["SHOVE", "pay"], "ERR unknown option 'SHOVE' for SM.EMIT: expected FIRE or MOVE"),
    (["MOVE", "paid", "TO", "paid"], "ERR unknown option 'TO' for SM.EMIT: expected IFSTATE, IFVERSION, "),
    (["FIRE", "pay", "MAXLEN"], "ERR MAXLEN: there is no value after it"),
    (["FIRE", "pay", "MAXLEN", "0"], "ERR MAXLEN: expected a whole number from 1 to 9007199254740991, found '0'"),
    (["FIRE", "pay", "MAXLEN", "~", "5"], "ERR MAXLEN: expected a whole number"),
    (["FIRE", "pay", "MAXLEN", "1", "MAXLEN", "1"], "ERR MAXLEN: option given twice"),
    (["FIRE", "pay", "REASON", b"\xff"], "ERR invalid reason: not UTF-8 at byte 0"),
    (["FIRE", "pay", "AFTER", "5"], "ERR the state 'paid' has no timer in the definition"),
    # What replication adds, clients may not.
    (["FIRE", "pay", "ENTRY 1-1 user"], "ERR unknown option 'ENTRY 1-1 user' for SM.EMIT"),
    (["FIRE", "pay", "AT 1 4:user"], "ERR unknown option 'AT 1 4:user' for SM.EMIT"),
    (["FIRE", "pay", "MAXLEN", "5", "LEFT 1"], "ERR unknown option 'LEFT 1' for SM.EMIT"),
]


@pytest.mark.parametrize("command, error", SYNTAX, ids=lambda part: str(part)[:40])
def test_syntax(shop, db, command, error):
    before = digest(db.server)
    assert shop("SM.EMIT", "m", "out", *command).decode().startswith(f"-{error}")
    assert digest(db.server) == before


def test_maxlen_removes_old_entries_by_whole_blocks(db):
    db.execute_command("CONFIG", "SET", "stream-node-max-entries", 10)
    try:
        db.execute_command("SM.SET", "m", LAMP)
        for _ in range(100):
            db.execute_command("SM.EMIT", "m", "all", "FIRE", "press")
        for _ in range(100):
            db.execute_command("SM.EMIT", "m", "out", "FIRE", "press", "MAXLEN", 30)
    finally:
        db.execute_command("CONFIG", "SET", "stream-node-max-entries", 100)
    assert db.xlen("all") == 100
    assert 30 <= db.xlen("out") < 30 + 10
    assert entries(db)[-1][1]["version"] == "201"


# ---- errors come before anything has changed -------------------------------------------------------


def unchanged(db, wire, *command):
    """Returns the reply to a command that must change nothing."""
    digest = lambda: db.execute_command("DEBUG", "DIGEST")
    before, dirty = digest(), db.info("persistence")["rdb_changes_since_last_save"]
    reply = wire(*command)
    assert digest() == before
    assert db.info("persistence")["rdb_changes_since_last_save"] == dirty
    return reply


def test_a_stream_of_another_type(shop, db):
    assert unchanged(db, shop, "SM.EMIT", "m", "text", "FIRE", "pay") == WRONGTYPE


def test_a_machine_of_another_type(shop, db):
    assert unchanged(db, shop, "SM.EMIT", "text", "out", "FIRE", "pay") == WRONGTYPE
    assert db.exists("out") == 0


def test_one_key_for_both(shop, db):
    assert unchanged(db, shop, "SM.EMIT", "m", "m", "FIRE", "pay") == WRONGTYPE
    assert unchanged(db, shop, "SM.EMIT", "none", "none", "FIRE", "pay") == NIL
    shop("XADD", "out", "*", "a", "b")
    assert unchanged(db, shop, "SM.EMIT", "out", "out", "FIRE", "pay") == WRONGTYPE


def test_a_stream_that_is_full(shop, db):
    db.xadd("out", {"a": "b"}, id=LAST_ID)
    assert unchanged(db, shop, "SM.EMIT", "m", "out", "FIRE", "pay") == FULL
    # What writes no entry doesn't care.
    assert parts(shop("SM.EMIT", "m", "out", "FIRE", "ship"))[0] == verdict("refused", "new", 1)


def test_an_id_is_above_the_last_one(shop, db):
    far = 2**63
    db.xadd("out", {"a": "b"}, id=f"{far}-7")
    assert parts(shop("SM.EMIT", "m", "out", "FIRE", "pay"))[1] == bulk(f"{far}-8")


def test_over_maxmemory(server):
    with server.client() as db, server.wire() as wire:
        db.execute_command("SM.SET", "m", LAMP)
        db.config_set("maxmemory", 1)
        try:
            reply = unchanged(db, wire, "SM.EMIT", "m", "out", "FIRE", "press")
            assert reply.startswith(b"-OOM command not allowed when used memory > 'maxmemory'.")
            # The same command without an entry may be made.
            assert wire("SM.FIRE", "m", "press") == verdict("moved", "on", 2)
            with pytest.raises(redis.exceptions.ResponseError, match="used memory > 'maxmemory'"):
                db.eval("return redis.call('SM.EMIT', 'm', 'out', 'FIRE', 'press')", 0)
        finally:
            db.config_set("maxmemory", 0)
        assert db.exists("out") == 0


# ---- timers fire first -----------------------------------------------------------------------------


def test_what_is_due_fires_before(server):
    new, emit, state = together(
        server,
        ["SM.NEW", "m", TIMED, "DUE", 0],
        ["SM.EMIT", "m", "out", "FIRE", "go"],
        ["SM.STATE", "m"],
    )
    # The timer led to c, and the event leads from there to a.
    assert new[0] == b"created" and state == [b"a"]
    assert emit[:3] == [b"moved", b"a", 3]
    with server.client() as db:
        ((name, fields),) = entries(db)
        assert name == emit[3]
        assert (fields["from"], fields["to"], fields["version"]) == ("c", "a", "3")
    assert kinds(server, "m") == ["new", "timeout", "move"]


def test_a_timer_that_deletes_leaves_nothing_to_emit(server):
    new, emit, there = together(
        server,
        ["SM.NEW", "m", TIMED, "STATE", "b", "DUE", 0],
        ["SM.EMIT", "m", "out", "FIRE", "go"],
        ["EXISTS", "m", "out"],
    )
    assert (emit, there) == (None, 0)


def test_a_timer_fires_though_the_stream_takes_nothing(server):
    with server.client() as db:
        db.set("text", "x")
        pipe = db.pipeline()
        pipe.execute_command("SM.NEW", "m", TIMED, "DUE", 0)
        pipe.execute_command("SM.EMIT", "m", "text", "FIRE", "go")
        _, error = pipe.execute(raise_on_error=False)
        assert "WRONGTYPE" in str(error)
    assert kinds(server, "m") == ["new", "timeout"]


# ---- transactions, scripts, waiting, events --------------------------------------------------------


def test_in_a_transaction_and_in_a_script(db):
    db.execute_command("SM.SET", "m", LAMP)
    pipe = db.pipeline(transaction=True)
    for _ in range(2):
        pipe.execute_command("SM.EMIT", "m", "out", "FIRE", "press")
    first, second = pipe.execute()
    third = db.eval("return redis.call('SM.EMIT', KEYS[1], KEYS[2], 'FIRE', 'press')", 2, "m", "out")
    assert [reply[:3] for reply in (first, second, third)] == [
        [b"moved", b"on", 2],
        [b"moved", b"off", 3],
        [b"moved", b"on", 4],
    ]
    assert [name for name, _ in entries(db)] == [first[3], second[3], third[3]]
    refused = db.eval("return redis.call('SM.EMIT', KEYS[1], KEYS[2], 'FIRE', 'x')[4] == false", 2, "m", "out")
    assert refused == 1


@pytest.mark.parametrize("there", [False, True], ids=["a new stream", "a stream"])
def test_it_wakes_xread(db, there):
    db.execute_command("SM.SET", "m", LAMP)
    last = db.xadd("out", {"a": "b"}).decode() if there else "0"
    with db.server.wire() as reader:
        got = []
        thread = threading.Thread(target=lambda: got.append(reader("XREAD", "BLOCK", "20000", "STREAMS", "out", last)))
        thread.start()
        wait_until(lambda: db.info("clients")["blocked_clients"] == 1, "the reader to wait")
        name = db.execute_command("SM.EMIT", "m", "out", "FIRE", "press")[3]
        thread.join(15)
    assert len(got) == 1 and name in got[0] and b"press" in got[0]


def test_it_wakes_sm_wait(db):
    db.execute_command("SM.SET", "m", LAMP)
    with db.server.wire() as waiter:
        got = []
        thread = threading.Thread(target=lambda: got.append(waiter("SM.WAIT", "m", "20000", "on")))
        thread.start()
        wait_until(lambda: db.info("clients")["blocked_clients"] == 1, "the client to wait")
        db.execute_command("SM.EMIT", "m", "out", "FIRE", "press")
        thread.join(15)
    assert got == [verdict("reached", "on", 2)]


def test_keyspace_events(db):
    db.execute_command("SM.SET", "m", SHOP)
    db.execute_command("CONFIG", "SET", "stream-node-max-entries", 1)
    listener = Listener(db.server)
    try:
        seen = lambda: [(c.split(":", 1)[1], e) for c, e in listener.events() if c.startswith("__keyspace@")]
        db.execute_command("SM.EMIT", "m", "out", "FIRE", "pay")
        assert [event for event in seen() if event[1] != "new"] == [("m", "sm.fire"), ("out", "xadd")]
        db.execute_command("SM.EMIT", "m", "out", "MOVE", "sent", "MAXLEN", 1)
        assert seen() == [("m", "sm.move"), ("out", "xadd"), ("out", "xtrim")]
        for quiet in (["FIRE", "pay"], ["MOVE", "kept", "IFVERSION", 1]):
            db.execute_command("SM.EMIT", "m", "out", *quiet)
        assert seen() == []
    finally:
        listener.close()
        db.execute_command("CONFIG", "SET", "stream-node-max-entries", 100)
        db.execute_command("CONFIG", "SET", "notify-keyspace-events", "")


@pytest.mark.parametrize("key", ["m", "out"])
def test_watch_sees_both_keys(db, key):
    db.execute_command("SM.SET", "m", LAMP)
    db.execute_command("SM.EMIT", "m", "out", "FIRE", "press")
    with db.server.client() as other, other.pipeline() as pipe:
        pipe.watch(key)
        db.execute_command("SM.EMIT", "m", "out", "FIRE", "press")
        pipe.multi()
        pipe.ping()
        with pytest.raises(redis.exceptions.WatchError):
            pipe.execute()


def test_a_stream_that_has_expired_is_a_new_one(db):
    db.execute_command("SM.SET", "m", LAMP)
    db.execute_command("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    try:
        db.xadd("out", {"a": "b"})
        db.pexpire("out", 1)
        time.sleep(0.02)
        db.execute_command("SM.EMIT", "m", "out", "FIRE", "press")
        assert [list(fields) for _, fields in entries(db)] == [FIELDS]
        assert db.ttl("out") == -1
    finally:
        db.execute_command("DEBUG", "SET-ACTIVE-EXPIRE", 1)


# ---- permissions -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rules, may",
    [
        ("+sm.emit ~m ~out", True),
        ("+sm.emit ~m", False),
        ("+sm.emit ~out", False),
        ("+sm.emit ~m %R~out", False),
        ("+sm.emit %R~m ~out", False),
        ("+sm.emit ~m %W~out", True),
        ("+xadd +sm.fire ~*", False),
    ],
)
def test_permissions(db, rules, may):
    """XADD itself needn't be allowed. Both keys have to be."""
    db.execute_command("SM.SET", "m", LAMP)
    db.execute_command("ACL", "SETUSER", "worker", "reset", "on", "nopass", *rules.split())
    try:
        with db.server.client(username="worker", password="x") as worker:
            if may:
                assert worker.execute_command("SM.EMIT", "m", "out", "FIRE", "press")[0] == b"moved"
            else:
                with pytest.raises(redis.exceptions.NoPermissionError):
                    worker.execute_command("SM.EMIT", "m", "out", "FIRE", "press")
    finally:
        db.execute_command("ACL", "DELUSER", "worker")
    assert db.exists("out") == may


# ---- replicas and files ----------------------------------------------------------------------------


class Traffic:
    """Random commands on timed and untimed machines and two streams, most of them SM.EMIT."""

    def __init__(self, server, seed):
        self.rng = random.Random(seed)
        self.server = server
        self.db = server.client()
        for key in ("lamp", "plain", "timed"):
            document = {"lamp": LAMP, "plain": SHOP, "timed": TIMED}[key]
            self.db.execute_command("SM.NEW", key, document)
        self.moved = 0

    def run(self, steps):
        """Ends when nothing is due any more: a timer that fired later would change what a test compares."""
        for _ in range(steps):
            self.step()
        all_fired(self.server)
        return self

    def step(self):
        rng = self.rng
        key, stream = rng.choice(["lamp", "plain", "timed", "timed"]), rng.choice(["s1", "s2"])
        event = rng.choice({"lamp": ["press"], "plain": ["pay", "ship", "refund", ""], "timed": ["go"]}[key])
        command = ["SM.EMIT", key, stream, "FIRE", event]
        command += ["MAXLEN", rng.randint(1, 40)] if rng.random() < 0.5 else []
        command += ["ID", rng.randint(1, 20)] if rng.random() < 0.2 else []
        command += ["BY", "x", "REASON", "y" * rng.randint(0, 50)] if rng.random() < 0.3 else []
        command += ["DUE", 0] if key == "timed" and self.state("timed") != b"b" and rng.random() < 0.2 else []
        if event == "refund":
            command += ["TO", "back"]
        if rng.random() < 0.1:
            self.db.execute_command("SM.FORCE", key, {"lamp": "on", "plain": "new", "timed": "a"}[key])
        elif rng.random() < 0.1:
            self.send(["EVAL", "return redis.call(unpack(ARGV))", 2, key, stream, *command])
        else:
            self.send(command)

    def send(self, command):
        try:
            reply = self.db.execute_command(*command)
        except redis.exceptions.ResponseError as error:
            assert any(known in str(error) for known in ("this ID was used", "name one with TO")), (command, error)
        else:
            self.moved += reply is not None and reply[0] == b"moved"
            if reply is None:
                self.db.execute_command("SM.NEW", "timed", TIMED)

    def state(self, key):
        found = self.db.execute_command("SM.STATE", key)
        return found and found[0]


def streams(server):
    with server.client() as db:
        return {stream: entries(db, stream) for stream in ("s1", "s2")}


def test_replicas_have_the_very_same_entries(servers):
    primary, replica = servers.pair(["stream-node-max-entries 10"], ["stream-node-max-entries 7", "appendonly yes"])
    chained = servers.start()
    follow(chained, replica)
    traffic = Traffic(primary, 7).run(1500)
    assert traffic.moved > 500
    wait_in_sync(primary, replica)
    wait_in_sync(replica, chained)
    wanted = streams(primary)
    assert wanted["s1"] and wanted["s2"]
    assert streams(replica) == streams(chained) == wanted
    assert digest(primary) == digest(replica) == digest(chained)
    # The replica's own file makes the same.
    replica.run("REPLICAOF NO ONE")
    replica.kill()
    replica.start()
    assert streams(replica) == wanted


@pytest.mark.parametrize("preamble", ["yes", "no"])
def test_an_append_only_file_has_the_very_same_entries(servers, preamble):
    config = ["appendonly yes", f"aof-use-rdb-preamble {preamble}", "stream-node-max-entries 10"]
    server = servers.start(config)
    with server.client() as db:
        db.config_set("appendfsync", "always")
    traffic = Traffic(server, 8).run(600)
    before = streams(server), digest(server)
    for _ in range(2):
        server.kill()
        server.start()
        assert (streams(server), digest(server)) == before
        assert rewrite_aof(server) == "ok"
    assert traffic.moved > 200


def test_a_timer_and_an_entry_are_replicated_in_order_as_one_unit(servers):
    primary, replica = servers.pair()
    with primary.client() as db, replica.client() as copy, copy.monitor() as monitor:
        db.execute_command("SM.SET", "plain", LAMP)
        db.execute_command("SM.SET", "text", LAMP)
        together(primary, ["SM.NEW", "m", TIMED, "DUE", 0], ["SM.EMIT", "m", "out", "FIRE", "go", "MAXLEN", 5])
        db.execute_command("SET", "end", "1")
        seen = []
        for said in monitor.listen():
            seen.append(said["command"])
            if said["command"].startswith("SET end"):
                break
    names = [line.split()[0].upper() for line in seen if line.split()[0].upper() not in ("SELECT", "PING", "REPLCONF")]
    assert names[-6:] == ["MULTI", "SM.NEW", "SM.TIMEOUT", "SM.EMIT", "EXEC", "SET"], seen
    (emit,) = [line for line in seen if line.startswith("SM.EMIT")]
    assert "ENTRY " in emit and "XADD" not in " ".join(seen)


WRONG_ENTRIES = [
    "", " ", "x", "5", "5-1", "5-", "-1", "5-1 ", "5-1 user", "5-1 3:user", "5-1 5:user", "5-1 -1:", "5-x 4:user",
    "+5-1 4:user", "5-1 4:user ", "5-1 4:user AT", "5-1 4:user AT ", "5-1 4:user AT x", "5-1 4:user AT 5 AT 5",
    "5-1 4:user AT 9007199254740992", "5-1 4:user LEFT 0", "5-1 4:user LEFT -1", "5-1 4:user LEFT 1 AT 5",
    "5-1  4:user", "18446744073709551616-1 4:user", "5-1 99999999999999999999:user",
]  # fmt: skip


def test_a_log_with_an_entry_that_can_not_be(servers):
    """Replay says so in the log, and makes neither the move nor the entry."""
    server = servers.start(["appendonly yes", "aof-use-rdb-preamble no", "propagation-error-behavior ignore"])
    server.run("SM.SET", "m", LAMP)
    server.kill()
    (file,) = (server.folder / "appendonlydir").glob("*.incr.aof")
    with open(file, "ab") as aof:
        for text in WRONG_ENTRIES:
            aof.write(encode("SM.EMIT", "m", "out", "FIRE", "press", f"ENTRY {text}"))
        aof.write(encode("SM.EMIT", "m", "out", "FIRE", "press", "ENTRY", "5-1 4:user"))
        aof.write(encode("SM.EMIT", "m", "out", "FIRE", "press", "ENTRY 5-1 4:user", "ENTRY 5-2 4:user"))
        aof.write(encode("SM.EMIT", "m", "out", "FIRE", "press", "ENTRY 5-1 4:user"))
    server.start()
    told = [line for line in server.log().split(b"\n") if b"SM.EMIT fails while the file is loaded" in line]
    assert sum(b"ENTRY: " in line for line in told) == len(WRONG_ENTRIES) + 1
    assert len(told) == len(WRONG_ENTRIES) + 2
    with server.client() as db:
        ((_, entry),) = db.xrange("out")
        assert (entry[b"user"], entry[b"version"]) == (b"user", b"2")
    assert info(server, "m")["version"] == 2


# ---- clusters --------------------------------------------------------------------------------------


def test_in_a_cluster_both_keys_are_in_one_slot(servers):
    (node,) = servers.cluster(1)
    with node.client() as db, node.wire() as wire:
        db.execute_command("SM.SET", "{a}m", LAMP)
        reply = wire("SM.EMIT", "{a}m", "{b}out", "FIRE", "press")
        assert reply.startswith(b"-CROSSSLOT")
        assert parts(wire("SM.EMIT", "{a}m", "{a}out", "FIRE", "press"))[0] == verdict("moved", "on", 2)


def test_while_a_slot_moves_the_caller_tries_again(servers):
    source, target = servers.cluster(2)
    slot = source.run("CLUSTER", "KEYSLOT", "{a}")
    if slot > 8191:
        source, target = target, source
    with source.client() as db, source.wire() as wire, target.wire() as there:
        db.execute_command("SM.SET", "{a}m", LAMP)
        wire("XADD", "{a}out", "1-1", "a", "b")
        there("CLUSTER", "SETSLOT", str(slot), "IMPORTING", source.node_id())
        wire("CLUSTER", "SETSLOT", str(slot), "MIGRATING", target.node_id())
        assert wire("MIGRATE", "127.0.0.1", str(target.port), "{a}out", "0", "5000") == OK
        reply = wire("SM.EMIT", "{a}m", "{a}out", "FIRE", "press")
        assert reply.startswith(b"-TRYAGAIN")
        assert wire("SM.STATE", "{a}m") == array("off")


# ---- a module that listens --------------------------------------------------------------------------------


@pytest.mark.skipif(not SECOND_MODULE.exists(), reason=f"no second module at {SECOND_MODULE}")
@pytest.mark.parametrize("stream", ["new", "expired"])
def test_a_module_deletes_the_machine_when_it_hears_of_the_stream(servers, stream):
    """The server tells of a new key, and of one that has expired, in the middle of the command."""
    server = servers.start([f"loadmodule {SECOND_MODULE}"])
    if stream == "expired":
        server.run("DEBUG", "SET-ACTIVE-EXPIRE", "0")
        server.run("XADD", "deadly:m", "*", "a", "b")
    server.run("SM.SET", "m", json.dumps({"map": {"a": {"go": "b"}}, "initial": "a"}))
    if stream == "expired":
        server.run("PEXPIRE", "deadly:m", 1)
        time.sleep(0.01)
    with server.wire() as wire:
        reply = wire("SM.EMIT", "m", "deadly:m", "FIRE", "go")
    if stream == "new":
        assert reply == b"-ERR another module has changed the machine meanwhile\r\n"
    else:
        assert reply == NIL
    assert server.run("EXISTS", "m", "deadly:m") == 0
    server.check()
