"""SM.WAIT: what ends a wait and what doesn't, by every command that changes a machine, on replicas, at the
fail-over, and for keys that go away or become something else."""

import json
import select
import time

import pytest

from harness import NIL, NIL3, OK, SECOND_MODULE, Pool, array, bulk, encode, server_version, wait_in_sync, wait_until
from shop import WRONGTYPE, verdict

# From 7.2 on, and in Valkey, a server tells a module's blocked clients that their key has gone.
TELLS_OF_LOSS = server_version()[0] == "valkey" or server_version()[1] >= (7, 2)
FOR_EVER = "0"
MACHINE = {"map": {"a": {"go": "b", "on": "c"}, "b": {"go": "a"}, "c": ["a"]}, "initial": "a"}
TURN = json.dumps(MACHINE)
AT_B = json.dumps({**MACHINE, "current": "b"})
OTHER_AT_B = json.dumps({"map": {"b": ["d"]}, "initial": "b"})
RENAMED = json.dumps({"map": {"n": ["c"]}, "initial": "n"})
TIMED = json.dumps({**MACHINE, "after": {"a": {"to": "b"}, "c": {"to": None}}})
UNBLOCKED = b"-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n"


class Waiter:
    """A client that waits, on a connection of its own."""

    def __init__(self, server, arguments, protocol=2, database=0):
        self.server = server
        self.wire = server.wire()
        self.wire("HELLO", protocol)
        self.wire("SELECT", database)
        self.id = int(self.wire("CLIENT", "ID")[1:])
        before = waiters(server)
        self.wire.send(encode("SM.WAIT", *arguments))
        # A short wait may be over before we look.
        if arguments[1] == FOR_EVER or len(arguments[1]) > 4:
            wait_until(lambda: waiters(server) == before + 1, "the client to wait")

    def reply(self):
        """Returns the reply of the wait, which has ended or ends by itself. It is the only one: the
        connection stays in step."""
        reply = self.wire.reply()
        in_step(self.wire)
        return reply

    def ended(self):
        """Returns the reply of a wait that the last command has ended, so it is there."""
        assert self._has_reply(), "the wait goes on"
        return self.reply()

    def given_up(self):
        """Returns the reply of a wait that goes on, and ends as if its time were over."""
        assert self.goes_on()
        assert self.server.run("CLIENT", "UNBLOCK", self.id) == 1
        return self.ended()

    def goes_on(self):
        return not self._has_reply()

    def _has_reply(self):
        # A server writes what a command caused before it reads the next one.
        self.server.run("PING")
        # Not select(), which takes no descriptors above 1,023.
        poll = select.poll()
        poll.register(self.wire.socket, select.POLLIN)
        return bool(poll.poll(0))


def waiters(server):
    return server.info()["redisstate_waiters"]


def in_step(wire):
    assert wire("ECHO", "in step") == bulk("in step")


@pytest.fixture
def waiting():
    """Returns a function that makes a client wait: waiting(server, key, ms, *states)."""
    opened = []

    def start(server, *arguments, **more):
        opened.append(Waiter(server, arguments, **more))
        return opened[-1]

    yield start
    for waiter in opened:
        waiter.wire.close()
    for server in {waiter.server for waiter in opened if waiter.server.alive()}:
        wait_until(lambda: waiters(server) == 0, "no client to wait any more")


@pytest.fixture
def turn(wire):
    """A connection to a server with a machine in state a in `m`, and a string in `text`."""
    assert wire("SM.SET", "m", TURN) == OK
    assert wire("SET", "text", "x") == OK
    return wire


@pytest.fixture(params=[2, 3])
def protocol(request):
    return request.param


# ---- without waiting ----------------------------------------------------------------------------


def test_reached_already(turn, protocol):
    turn("HELLO", protocol)
    for ms in (FOR_EVER, "1", "60000", str(2**53 - 1)):
        assert turn("SM.WAIT", "m", ms, "a") == verdict("reached", "a", 1)
        assert turn("SM.WAIT", "m", ms, "x", "b", "a", "a") == verdict("reached", "a", 1)
    assert turn("SM.FIRE", "m", "go") == verdict("moved", "b", 2)
    assert turn("SM.WAIT", "m", FOR_EVER, "b") == verdict("reached", "b", 2)
    in_step(turn)


def test_missing_key(turn, protocol):
    turn("HELLO", protocol)
    assert turn("SM.WAIT", "none", FOR_EVER, "a") == {2: NIL, 3: NIL3}[protocol]
    in_step(turn)


def test_another_type(turn):
    assert turn("SM.WAIT", "text", FOR_EVER, "a") == WRONGTYPE
    in_step(turn)


@pytest.mark.parametrize("ms", ["x", "-1", "+5", "1.5", "", "1 ", "1e3", "0x1", str(2**53), "9" * 30, b"\0", b"\xff"])
def test_bad_ms(turn, ms):
    for key in ("m", "none", "text"):
        error = turn("SM.WAIT", key, ms, "a", "b")
        assert error.startswith(b"-ERR ms: expected a whole number from 0 to 9007199254740991, found '")
    in_step(turn)


def test_too_few_arguments(turn):
    for arguments in ([], ["m"], ["m", "1"]):
        assert turn("SM.WAIT", *arguments).startswith(b"-ERR wrong number of arguments")
    in_step(turn)


# ---- in transactions, scripts and calls of modules ------------------------------------------------


def test_in_a_transaction(turn, protocol):
    turn("HELLO", protocol)
    assert turn("MULTI") == OK
    for command in (
        ["SM.WAIT", "m", FOR_EVER, "b"],
        ["ECHO", "between"],
        ["SM.WAIT", "m", "60000", "b", "c"],
        ["SM.WAIT", "m", FOR_EVER, "a"],
        ["SM.WAIT", "none", FOR_EVER, "a"],
        ["SM.WAIT", "text", FOR_EVER, "a"],
        ["SM.FIRE", "m", "go"],
        ["SM.WAIT", "m", FOR_EVER, "b"],
    ):
        assert turn(*command) == b"+QUEUED\r\n"
    replies = [
        verdict("waited", "a", 1),
        bulk("between"),
        verdict("waited", "a", 1),
        verdict("reached", "a", 1),
        {2: NIL, 3: NIL3}[protocol],
        WRONGTYPE,
        verdict("moved", "b", 2),
        verdict("reached", "b", 2),
    ]
    assert turn("EXEC") == b"*%d\r\n" % len(replies) + b"".join(replies)
    in_step(turn)


@pytest.mark.parametrize("call", ["redis.call", "redis.pcall"])
def test_in_a_script(turn, call, protocol):
    turn("HELLO", protocol)
    script = f"redis.setresp({protocol}) return {{{call}('SM.WAIT', KEYS[1], ARGV[1], 'b'), 'then'}}"
    run = lambda key, ms: turn("EVAL", script, "1", key, ms)
    for ms in (FOR_EVER, "60000"):
        assert run("m", ms) == b"*2\r\n" + verdict("waited", "a", 1) + bulk("then")
        in_step(turn)
    turn("SM.FIRE", "m", "go")
    assert run("m", FOR_EVER) == b"*2\r\n" + verdict("reached", "b", 2) + bulk("then")
    alone = f"redis.setresp({protocol}) return {call}('SM.WAIT', KEYS[1], '0', 'b')"
    assert turn("EVAL", alone, "1", "none") == {2: NIL, 3: NIL3}[protocol]
    in_step(turn)
    assert turn("EVAL", f"return {call}('SM.WAIT', KEYS[1], '0', 'b')", "1", "text").startswith(b"-WRONGTYPE")
    in_step(turn)


def test_in_a_function(turn):
    body = "redis.register_function('wait', function(keys) return redis.call('SM.WAIT', keys[1], '0', 'b') end)"
    assert turn("FUNCTION", "LOAD", "REPLACE", "#!lua name=waits\n" + body) == bulk("waits")
    assert turn("FCALL", "wait", "1", "m") == verdict("waited", "a", 1)
    in_step(turn)


@pytest.mark.skipif(not SECOND_MODULE.exists(), reason=f"no second module at {SECOND_MODULE}")
@pytest.mark.parametrize("caller", ["VERBATIM.CALL", "REPLICATED.CALL"])
def test_in_a_call_of_another_module(servers, caller):
    server = servers.start([f"loadmodule {SECOND_MODULE}"])
    with server.client() as client:
        run = client.execute_command
        run("SM.SET", "m", TURN)
        assert run(caller, "SM.WAIT", "m", FOR_EVER, "b") == [b"waited", b"a", 1]
        assert run(caller, "SM.WAIT", "m", FOR_EVER, "a") == [b"reached", b"a", 1]
        assert run(caller, "SM.WAIT", "none", FOR_EVER, "a") is None
        assert client.echo("in step") == b"in step"
    assert waiters(server) == 0


# ---- what serves --------------------------------------------------------------------------------

CHANGES = {
    "fire": (["SM.FIRE", "m", "go"], "b", 2),
    "move": (["SM.MOVE", "m", "b"], "b", 2),
    "force": (["SM.FORCE", "m", "b"], "b", 2),
    "mutate": (["SM.MUTATE", "m", "b"], "b", 2),
    "mutate by force": (["SM.MUTATE", "m", "b", "why", "FORCE"], "b", 2),
    "set in place": (["SM.SET", "m", AT_B], "b", 2),
    "set in place to another definition": (["SM.SET", "m", OTHER_AT_B], "b", 2),
    "create in place": (["SM.CREATE", "m"], "", 2),
    "redefine": (["SM.REDEFINE", "m", RENAMED, "RENAME", "a", "n"], "n", 2),
    "in a script": (["EVAL", "return redis.call('SM.FIRE', KEYS[1], 'go')", "1", "m"], "b", 2),
}


@pytest.mark.parametrize("change", CHANGES)
def test_reached_by(turn, db, waiting, change, protocol):
    command, state, version = CHANGES[change]
    waiter = waiting(db.server, "m", FOR_EVER, state, protocol=protocol)
    assert turn(*command)[:1] in b"*+"
    assert waiter.ended() == verdict("reached", state, version)
    assert waiters(db.server) == 0


def test_reached_by_reset(turn, db, waiting):
    assert turn("SM.FIRE", "m", "go") == verdict("moved", "b", 2)
    waiter = waiting(db.server, "m", FOR_EVER, "a")
    assert turn("SM.RESET", "m") == OK
    assert waiter.ended() == verdict("reached", "a", 3)


def test_reached_by_a_transaction(turn, db, waiting):
    waiter = waiting(db.server, "m", FOR_EVER, "c")
    for command in (["MULTI"], ["SM.FIRE", "m", "go"], ["SM.FORCE", "m", "c"]):
        turn(*command)
    assert waiter.goes_on()
    turn("EXEC")
    assert waiter.ended() == verdict("reached", "c", 3)


def test_reached_by_a_timer(server, waiting):
    overdue(server)
    waiter = waiting(server, "m", FOR_EVER, "b")
    server.run("CONFIG", "SET", "redisstate.timers", "yes")
    assert waiter.reply() == verdict("reached", "b", 3)


def overdue(server):
    """Makes a machine in `m` that moves to b as soon as timers may fire again."""
    server.run("CONFIG", "SET", "redisstate.timers", "no")
    server.run("SM.SET", "m", TIMED)
    server.run("SM.FORCE", "m", "a", "AFTER", "1")


def test_a_wait_fires_no_timer(server, waiting):
    with server.wire() as wire:
        overdue(server)
        assert waiting(server, "m", "100", "b").reply() == verdict("waited", "a", 2)
        waiter = waiting(server, "m", FOR_EVER, "b")
        assert waiter.goes_on()
        assert wire("SM.TIMEOUT", "m") == verdict("moved", "b", 3)
        assert waiter.ended() == verdict("reached", "b", 3)


def test_binary_names(turn, db, waiting):
    key, state = b"\0k\xff\r\n*1\r\n", "\0é\r\n$5\r\n\U0001f600"
    assert turn("SM.SET", key, json.dumps({"map": {"a": [state]}, "initial": "a"})) == OK
    waiter = waiting(db.server, key, FOR_EVER, b"\xff", state)
    shorter = waiting(db.server, key, FOR_EVER, state[:-1], "\0", "")
    assert turn("SM.MOVE", key, state) == verdict("moved", state, 2)
    assert waiter.ended() == verdict("reached", state, 2)
    assert shorter.goes_on()


def test_in_another_database(turn, db, waiting):
    assert turn("SELECT", "1") == OK
    assert turn("SM.SET", "m", TURN) == OK
    waiter = waiting(db.server, "m", FOR_EVER, "b", database=1)
    timed = waiting(db.server, "m", "200", "b", database=1)
    assert db.execute_command("SM.FIRE", "m", "go")[0] == b"moved"
    assert waiter.goes_on()
    assert timed.reply() == verdict("waited", "a", 1)
    assert turn("SM.FIRE", "m", "go") == verdict("moved", "b", 2)
    assert waiter.ended() == verdict("reached", "b", 2)


# ---- several states, several waiters --------------------------------------------------------------


@pytest.mark.parametrize("event, state", [("go", "b"), ("on", "c")])
def test_several_states(turn, db, waiting, event, state):
    waiter = waiting(db.server, "m", FOR_EVER, "x", "b", "c", "b")
    assert turn("SM.FIRE", "m", event) == verdict("moved", state, 2)
    assert waiter.ended() == verdict("reached", state, 2)


def test_another_state_does_not_serve(turn, db, waiting):
    waiter = waiting(db.server, "m", FOR_EVER, "c")
    assert turn("SM.FIRE", "m", "go") == verdict("moved", "b", 2)
    assert turn("SM.FIRE", "m", "no") == verdict("refused", "b", 2)
    assert turn("SM.SET", "other", TURN) == OK
    assert turn("SM.FIRE", "other", "on") == verdict("moved", "c", 2)
    assert turn("SM.FIRE", "m", "go") == verdict("moved", "a", 3)
    assert waiter.goes_on()
    assert waiters(db.server) == 1
    assert turn("SM.FIRE", "m", "on") == verdict("moved", "c", 4)
    assert waiter.ended() == verdict("reached", "c", 4)


def test_a_state_that_is_left_at_once_does_not_serve(turn, db, waiting):
    waiter = waiting(db.server, "m", FOR_EVER, "b")
    for command in (["MULTI"], ["SM.FIRE", "m", "go"], ["SM.FIRE", "m", "go"], ["EXEC"]):
        turn(*command)
    assert waiter.goes_on()
    twice = "redis.call('SM.FIRE', KEYS[1], 'go') return redis.call('SM.FIRE', KEYS[1], 'go')"
    assert turn("EVAL", twice, "1", "m") == verdict("moved", "a", 5)
    assert waiter.goes_on()
    assert turn("SM.FIRE", "m", "go") == verdict("moved", "b", 6)
    assert waiter.ended() == verdict("reached", "b", 6)


def test_several_waiters_on_one_key(turn, db, waiting):
    for_b = [waiting(db.server, "m", FOR_EVER, "b") for _ in range(5)]
    for_c = [waiting(db.server, "m", FOR_EVER, "c") for _ in range(5)]
    for_both = [waiting(db.server, "m", FOR_EVER, "c", "b") for _ in range(5)]
    assert turn("SM.FIRE", "m", "go") == verdict("moved", "b", 2)
    for waiter in for_b + for_both:
        assert waiter.ended() == verdict("reached", "b", 2)
    assert all(waiter.goes_on() for waiter in for_c)
    assert waiters(db.server) == 5
    assert turn("SM.FORCE", "m", "c") == verdict("moved", "c", 3)
    for waiter in for_c:
        assert waiter.ended() == verdict("reached", "c", 3)
    assert waiters(db.server) == 0


def test_a_pipeline_goes_on_after_the_wait(turn, db):
    with db.server.wire() as wire:
        wire.send(encode("SM.WAIT", "m", FOR_EVER, "b") + encode("SM.WAIT", "m", "1", "c") + encode("ECHO", "last"))
        wait_until(lambda: waiters(db.server) == 1, "the client to wait")
        assert turn("SM.FIRE", "m", "go") == verdict("moved", "b", 2)
        assert wire.reply() == verdict("reached", "b", 2)
        assert wire.reply() == verdict("waited", "b", 2)
        assert wire.reply() == bulk("last")


def test_a_state_that_the_definition_lacks(turn, db, waiting):
    assert waiting(db.server, "m", "50", "n").reply() == verdict("waited", "a", 1)
    waiter = waiting(db.server, "m", FOR_EVER, "n", "unheard of")
    assert turn("SM.FIRE", "m", "go") == verdict("moved", "b", 2)
    assert waiter.goes_on()
    assert turn("SM.REDEFINE", "m", RENAMED, "RENAME", "b", "n") == verdict("redefined", "n", 3)
    assert waiter.ended() == verdict("reached", "n", 3)


# ---- the end of the time ------------------------------------------------------------------------


def test_waited(turn, db, waiting, protocol):
    began = time.monotonic()
    waiter = waiting(db.server, "m", "300", "b", protocol=protocol)
    assert waiter.reply() == verdict("waited", "a", 1)
    assert time.monotonic() - began >= 0.3
    assert waiters(db.server) == 0


def test_waited_for_a_machine_that_moved_meanwhile(turn, db, waiting, protocol):
    waiter = waiting(db.server, "m", FOR_EVER, "b", protocol=protocol)
    assert turn("SM.FIRE", "m", "on") == verdict("moved", "c", 2)
    assert waiter.given_up() == verdict("waited", "c", 2)


def test_the_longest_time(turn, db, waiting):
    waiter = waiting(db.server, "m", str(2**53 - 1), "b")
    assert waiter.goes_on()
    assert turn("SM.FIRE", "m", "go") == verdict("moved", "b", 2)
    assert waiter.ended() == verdict("reached", "b", 2)


@pytest.mark.parametrize(
    "how, reply", [([], verdict("waited", "c", 2)), (["TIMEOUT"], verdict("waited", "c", 2)), (["ERROR"], UNBLOCKED)]
)
def test_client_unblock(turn, db, waiting, how, reply, protocol):
    waiter = waiting(db.server, "m", FOR_EVER, "b", protocol=protocol)
    other = waiting(db.server, "m", FOR_EVER, "b")
    assert turn("SM.FIRE", "m", "on") == verdict("moved", "c", 2)
    assert waiter.goes_on()
    assert turn("CLIENT", "UNBLOCK", waiter.id, *how) == b":1\r\n"
    assert waiter.ended() == reply
    assert turn("CLIENT", "UNBLOCK", waiter.id, *how) == b":0\r\n"
    assert other.goes_on()
    assert waiters(db.server) == 1


def test_a_client_that_goes(turn, db, waiting):
    gone, killed, last = (waiting(db.server, "m", FOR_EVER, "b") for _ in range(3))
    gone.wire.close()
    wait_until(lambda: waiters(db.server) == 2, "the server to notice")
    assert turn("CLIENT", "KILL", "ID", killed.id) == b":1\r\n"
    wait_until(lambda: waiters(db.server) == 1, "the client to be gone")
    assert turn("SM.FIRE", "m", "go") == verdict("moved", "b", 2)
    assert last.ended() == verdict("reached", "b", 2)
    assert waiters(db.server) == 0
    assert db.info()["blocked_clients"] == 0


# ---- keys that go and come ------------------------------------------------------------------------

LOSSES = {
    "DEL": [["DEL", "m"]],
    "UNLINK": [["UNLINK", "m"]],
    "FLUSHDB": [["FLUSHDB"]],
    "FLUSHDB ASYNC": [["FLUSHDB", "ASYNC"]],
    "FLUSHALL": [["FLUSHALL"]],
    "FLUSHALL ASYNC": [["FLUSHALL", "ASYNC"]],
    "RENAME": [["RENAME", "m", "away"]],
    "MOVE": [["MOVE", "m", "5"]],
    "SWAPDB": [["SWAPDB", "0", "6"]],
    "PEXPIREAT": [["PEXPIREAT", "m", "1"]],
    "EXEC": [["MULTI"], ["SM.FIRE", "m", "go"], ["DEL", "m"], ["EXEC"]],
}


def end_by_loss(waiter):
    """Returns the reply to who waits for a key that has gone: at once if the server tells, else in the end."""
    return waiter.ended() if TELLS_OF_LOSS else waiter.given_up()


@pytest.mark.parametrize("how", LOSSES)
def test_a_key_that_goes(turn, db, waiting, how, protocol):
    waiter = waiting(db.server, "m", FOR_EVER, "b", protocol=protocol)
    for command in LOSSES[how]:
        assert not turn(*command).startswith(b"-")
    assert end_by_loss(waiter) == {2: NIL, 3: NIL3}[protocol]


def test_a_key_that_expires(turn, db, waiting):
    waiter = waiting(db.server, "m", FOR_EVER, "b")
    assert turn("PEXPIRE", "m", "200") == b":1\r\n"
    wait_until(lambda: db.dbsize() == 1, "the key to expire")
    assert end_by_loss(waiter) == NIL


def test_a_key_that_its_timer_deletes(turn, db, waiting):
    assert turn("SM.SET", "timed", TIMED) == OK
    waiter = waiting(db.server, "timed", FOR_EVER, "b")
    assert turn("SM.FIRE", "timed", "on", "AFTER", "200") == verdict("moved", "c", 2)
    wait_until(lambda: not db.exists("timed"), "the timer")
    assert end_by_loss(waiter) == NIL


def test_a_key_that_is_overwritten(turn, db, waiting):
    waiter = waiting(db.server, "m", FOR_EVER, "b")
    assert turn("SET", "m", "text") == OK
    assert end_by_loss(waiter) == WRONGTYPE


@pytest.mark.parametrize(
    "command",
    [["RPUSH", "m", "x"], ["RENAME", "text", "m"], ["COPY", "text", "m", "REPLACE"]],
    ids=lambda command: command[0],
)
def test_a_key_that_becomes_something_else_in_one_step(turn, db, waiting, command):
    turn("DEL", "list")
    waiter = waiting(db.server, "m", FOR_EVER, "b")
    for step in (["MULTI"], ["DEL", "m"], command, ["EXEC"]):
        assert not turn(*step).startswith(b"-")
    if command[0] == "RPUSH":
        # Every server says when there is a new list.
        assert waiter.ended() == WRONGTYPE
    else:
        assert end_by_loss(waiter) == WRONGTYPE


def test_a_key_that_goes_and_comes_back(turn, db, waiting):
    waiter = waiting(db.server, "m", FOR_EVER, "b")
    assert turn("DEL", "m") == b":1\r\n"
    assert turn("SM.NEW", "m", TURN, "STATE", "b") == verdict("created", "b", 1)
    assert waiter.ended() == (NIL if TELLS_OF_LOSS else verdict("reached", "b", 1))


@pytest.mark.parametrize("at_once", [True, False])
def test_new_on_a_missing_key(turn, db, waiting, at_once):
    """In one step with DEL, SM.NEW serves on every server; alone it can't: nobody waits for no key."""
    if not at_once:
        assert turn("SM.WAIT", "none", FOR_EVER, "b") == NIL
        assert turn("SM.NEW", "none", TURN, "STATE", "b") == verdict("created", "b", 1)
        in_step(turn)
        return
    waiter = waiting(db.server, "m", FOR_EVER, "b")
    for command in (["MULTI"], ["DEL", "m"], ["SM.NEW", "m", TURN, "STATE", "b"], ["EXEC"]):
        turn(*command)
    assert waiter.ended() == verdict("reached", "b", 1)


ARRIVALS = {
    "RENAME": ["RENAME", "other", "m"],
    "COPY": ["COPY", "other", "m", "REPLACE"],
    "RESTORE": ["RESTORE", "m", "0", "payload", "REPLACE"],
    "SWAPDB": ["SWAPDB", "0", "7"],
}


@pytest.mark.parametrize("how", ARRIVALS)
@pytest.mark.parametrize("state", ["b", "c"])
def test_a_machine_that_comes_from_elsewhere(turn, db, waiting, how, state):
    for database in ("7", "0"):
        assert turn("SELECT", database) == OK
        assert turn("SM.SET", "m" if database == "7" else "other", TURN) == OK
        assert turn("SM.FIRE", "m" if database == "7" else "other", "go") == verdict("moved", "b", 2)
    payload = db.dump("other")
    waiter = waiting(db.server, "m", FOR_EVER, state)
    command = [payload if word == "payload" else word for word in ARRIVALS[how]]
    assert turn(*command)[:1] in b"+:"
    if state == "b":
        assert waiter.ended() == verdict("reached", "b", 2)
    else:
        assert waiter.goes_on()
        assert turn("SM.FORCE", "m", "c") == verdict("moved", "c", 3)
        assert waiter.ended() == verdict("reached", "c", 3)


# ---- how many may wait --------------------------------------------------------------------------


def test_max_waiters(servers, waiting):
    server = servers.start(module_args="max-waiters 2")
    with server.wire() as wire:
        assert wire("SM.SET", "m", TURN) == OK
        assert wire("CONFIG", "GET", "redisstate.max-waiters") == array("redisstate.max-waiters", "2")
        first, second = (waiting(server, "m", FOR_EVER, "b") for _ in range(2))
        full = b"-ERR 2 clients are waiting by SM.WAIT, and no more may (redisstate.max-waiters)\r\n"
        for ms in (FOR_EVER, "1"):
            assert wire("SM.WAIT", "m", ms, "b") == full
        # What needs no waiting is answered all the same.
        assert wire("SM.WAIT", "m", FOR_EVER, "a") == verdict("reached", "a", 1)
        assert wire("SM.WAIT", "none", FOR_EVER, "a") == NIL
        wait = "return redis.call('SM.WAIT', KEYS[1], '0', 'b')"
        assert wire("EVAL", wait, "1", "m") == verdict("waited", "a", 1)
        # A place that gets free is taken.
        first.wire.close()
        wait_until(lambda: waiters(server) == 1, "the server to notice")
        third = waiting(server, "m", FOR_EVER, "b")
        assert wire("CONFIG", "SET", "redisstate.max-waiters", "3") == OK
        fourth = waiting(server, "m", FOR_EVER, "b")
        # A lower limit leaves those that wait.
        assert wire("CONFIG", "SET", "redisstate.max-waiters", "1") == OK
        assert wire("SM.WAIT", "m", "1", "b") == full.replace(b"2", b"1")
        assert all(waiter.goes_on() for waiter in (second, third, fourth))
        assert wire("SM.FIRE", "m", "go") == verdict("moved", "b", 2)
        for waiter in (second, third, fourth):
            assert waiter.ended() == verdict("reached", "b", 2)
        assert wire("SM.WAIT", "m", "20", "a") == verdict("waited", "b", 2)
        in_step(wire)


def test_max_waiters_is_a_config(turn):
    name = "redisstate.max-waiters"
    assert turn("CONFIG", "GET", name) == array(name, "1000")
    for bad in ("0", "-1", "x", "", str(2**20 + 1)):
        assert turn("CONFIG", "SET", name, bad).startswith(b"-ERR CONFIG SET failed")
    for good in ("1", str(2**20), "1000"):
        assert turn("CONFIG", "SET", name, good) == OK
        assert turn("CONFIG", "GET", name) == array(name, good)


# ---- permissions --------------------------------------------------------------------------------


def test_a_reader_may_wait(turn, db):
    assert turn("ACL", "SETUSER", "reader", "on", "nopass", "+sm.wait", "~m") == OK
    with db.server.wire() as wire:
        assert wire("AUTH", "reader", "x") == OK
        assert wire("SM.WAIT", "m", "1", "b") == verdict("waited", "a", 1)
        assert wire("SM.WAIT", "other", "1", "b").startswith(b"-NOPERM")
        assert wire("SM.FIRE", "m", "go").startswith(b"-NOPERM")


# ---- replicas and fail-over ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def _replicated():
    pool = Pool()
    yield pool.pair()
    pool.close()


@pytest.fixture
def replicated(_replicated):
    """A primary with a machine in `m`, and its replica in sync. The tests of this file share them."""
    primary, replica = _replicated
    primary.run("FLUSHALL")
    primary.run("SM.SET", "m", TURN)
    wait_in_sync(primary, replica)
    return primary, replica


def test_on_a_replica(replicated, waiting, protocol):
    primary, replica = replicated
    waiter = waiting(replica, "m", FOR_EVER, "c", protocol=protocol)
    assert waiting(replica, "m", "50", "c", protocol=protocol).reply() == verdict("waited", "a", 1)
    primary.run("SM.FIRE", "m", "go")
    wait_in_sync(primary, replica)
    assert waiter.goes_on()
    primary.run("SM.FORCE", "m", "c")
    assert waiter.reply() == verdict("reached", "c", 3)
    with replica.wire() as wire:
        assert wire("SM.WAIT", "m", FOR_EVER, "c") == verdict("reached", "c", 3)
        assert wire("SM.WAIT", "none", FOR_EVER, "c") == NIL


@pytest.mark.parametrize("change", CHANGES)
def test_reached_on_a_replica_by(replicated, waiting, change):
    primary, replica = replicated
    command, state, version = CHANGES[change]
    waiter = waiting(replica, "m", FOR_EVER, state)
    primary.run(*command)
    assert waiter.reply() == verdict("reached", state, version)


def test_reached_on_a_replica_by_a_timer(servers, waiting):
    primary, replica = servers.pair()
    overdue(primary)
    wait_in_sync(primary, replica)
    waiter = waiting(replica, "m", FOR_EVER, "b")
    assert waiter.goes_on()
    primary.run("CONFIG", "SET", "redisstate.timers", "yes")
    assert waiter.reply() == verdict("reached", "b", 3)


def test_reached_on_a_replica_by_a_transaction(replicated, waiting):
    primary, replica = replicated
    waiter, left = waiting(replica, "m", FOR_EVER, "c"), waiting(replica, "m", FOR_EVER, "b")
    with primary.wire() as wire:
        for command in (["MULTI"], ["SM.FIRE", "m", "go"], ["SM.FORCE", "m", "c"], ["EXEC"]):
            wire(*command)
    assert waiter.reply() == verdict("reached", "c", 3)
    assert left.goes_on()


def test_a_key_that_goes_on_a_replica(replicated, waiting):
    primary, replica = replicated
    waiter = waiting(replica, "m", FOR_EVER, "b")
    primary.run("DEL", "m")
    wait_in_sync(primary, replica)
    assert end_by_loss(waiter) == NIL


def test_a_wait_across_a_promotion(servers, waiting):
    primary, replica = servers.pair()
    primary.run("SM.SET", "m", TURN)
    wait_in_sync(primary, replica)
    waiter, for_c = waiting(replica, "m", FOR_EVER, "b"), waiting(replica, "m", FOR_EVER, "c")
    primary.kill()
    assert replica.run("REPLICAOF", "NO", "ONE")
    assert waiter.goes_on()
    with replica.wire() as wire:
        assert wire("SM.FIRE", "m", "go") == verdict("moved", "b", 2)
        assert waiter.ended() == verdict("reached", "b", 2)
        assert for_c.goes_on()
        assert wire("SM.FORCE", "m", "c") == verdict("moved", "c", 3)
        assert for_c.ended() == verdict("reached", "c", 3)


def test_a_timer_of_the_promoted_replica(servers, waiting):
    primary, replica = servers.pair()
    overdue(primary)
    wait_in_sync(primary, replica)
    waiter = waiting(replica, "m", FOR_EVER, "b")
    primary.kill()
    assert replica.run("REPLICAOF", "NO", "ONE")
    assert waiter.reply() == verdict("reached", "b", 3)


def test_a_demotion_sends_waiters_away(servers, waiting):
    old, new = servers.start(), servers.start()
    for server in (old, new):
        server.run("SM.SET", "m", TURN)
    waiter = waiting(old, "m", FOR_EVER, "b")
    assert old.run("REPLICAOF", "127.0.0.1", new.port)
    assert waiter.wire.reply().startswith(b"-UNBLOCKED force unblock from blocking operation")
    assert waiter.wire.stream.read() == b"", "the connection is closed"
    wait_until(lambda: waiters(old) == 0, "no client to wait any more")
    wait_in_sync(new, old)
    again = waiting(old, "m", FOR_EVER, "b")
    new.run("SM.FIRE", "m", "go")
    assert again.reply() == verdict("reached", "b", 2)


@pytest.mark.parametrize("load", ["disabled", "swapdb"])
@pytest.mark.parametrize("change", [["SM.FIRE", "m", "go"], ["DEL", "m"]], ids=lambda change: change[0])
def test_a_wait_across_a_full_sync(servers, waiting, load, change):
    """The replica learns of the change by a file. Redis 7.0 doesn't say what a file from disk brought: the wait sees
    it when its time is over."""
    primary, replica = servers.pair([], [f"repl-diskless-load {load}"])
    primary.run("SM.SET", "m", TURN)
    wait_in_sync(primary, replica)
    is_told = TELLS_OF_LOSS or (load == "swapdb" and change[0] != "DEL")
    waiter = waiting(replica, "m", FOR_EVER, "b")
    other = waiting(replica, "m", FOR_EVER, "c")
    before = primary.info("stats")["sync_full"]
    with primary.wire() as wire:
        cut = [["MULTI"], ["CLIENT", "KILL", "TYPE", "replica"], change, ["DEBUG", "CHANGE-REPL-ID"], ["EXEC"]]
        for command in cut:
            assert not wire(*command).startswith(b"-")
    wait_until(lambda: primary.info("stats")["sync_full"] > before, "a full sync")
    wait_in_sync(primary, replica)
    is_lost = change[0] == "DEL"
    if is_told:
        assert waiter.ended() == (NIL if is_lost else verdict("reached", "b", 2))
    else:
        assert waiter.given_up() == (NIL if is_lost else verdict("reached", "b", 2))
    if is_lost and TELLS_OF_LOSS:
        assert other.ended() == NIL
        return
    assert other.goes_on()
    primary.run(*(["SM.NEW", "m", TURN, "STATE", "c"] if is_lost else ["SM.FORCE", "m", "c"]))
    assert other.reply() == verdict("reached", "c", 1 if is_lost else 3)


def test_a_slot_that_moves_to_another_node(servers, waiting):
    source, target = servers.cluster(2)
    key = next(name for name in map(str, range(100)) if source.run("CLUSTER", "KEYSLOT", name) < 8192)
    slot = source.run("CLUSTER", "KEYSLOT", key)
    source.run("SM.SET", key, TURN)
    waiter = waiting(source, key, FOR_EVER, "b")
    target.run("CLUSTER", "SETSLOT", slot, "IMPORTING", source.node_id())
    source.run("CLUSTER", "SETSLOT", slot, "MIGRATING", target.node_id())
    assert waiter.goes_on()
    source.run("MIGRATE", "127.0.0.1", target.port, key, 0, 5000)
    if TELLS_OF_LOSS:
        # For those that wait here the key has gone.
        assert waiter.ended() == NIL
    else:
        assert waiter.goes_on()
    for node in (target, source):
        node.run("CLUSTER", "SETSLOT", slot, "NODE", target.node_id())
    if not TELLS_OF_LOSS:
        assert waiter.reply() == b"-MOVED %d 127.0.0.1:%d\r\n" % (slot, target.port)
    with source.wire() as wire:
        assert wire("SM.WAIT", key, FOR_EVER, "b").startswith(b"-MOVED")
    again = waiting(target, key, FOR_EVER, "b")
    target.run("SM.FIRE", key, "go")
    assert again.ended() == verdict("reached", "b", 2)


# ---- the server's own life ------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["WRITE", "ALL"])
def test_while_clients_are_paused(server, waiting, what):
    with server.wire() as wire:
        assert wire("SM.SET", "m", TURN) == OK
        long = waiting(server, "m", FOR_EVER, "b")
        short = waiting(server, "m", "300", "b")
        assert wire("CLIENT", "PAUSE", "3000", what) == OK
        end = time.monotonic() + 3
        wire.send(encode("SM.FIRE", "m", "go"))
        assert short.wire.reply() == verdict("waited", "a", 1)
        assert time.monotonic() < end - 1, "the wait ended during the pause"
        assert wire.reply() == verdict("moved", "b", 2)
        assert long.ended() == verdict("reached", "b", 2)


def test_a_wait_across_a_reload(server, waiting):
    server.run("SM.SET", "m", TURN)
    waiter = waiting(server, "m", FOR_EVER, "b")
    server.run("DEBUG", "RELOAD")
    assert waiter.goes_on()
    server.run("SM.FIRE", "m", "go")
    assert waiter.ended() == verdict("reached", "b", 2)


def test_the_default_number_of_waiters(server, waiting):
    server.run("SM.SET", "m", TURN)
    connections = [server.wire() for _ in range(999)]
    for wire in connections:
        wire.send(encode("SM.WAIT", "m", FOR_EVER, "b"))
    wait_until(lambda: waiters(server) == 999, "all to wait")
    waiter = waiting(server, "m", FOR_EVER, "c")
    with server.wire() as wire:
        assert wire("SM.WAIT", "m", FOR_EVER, "b").startswith(b"-ERR 1000 clients are waiting by SM.WAIT")
        assert wire("SM.FIRE", "m", "go") == verdict("moved", "b", 2)
        for other in connections:
            assert other.reply() == verdict("reached", "b", 2)
            other.close()
        assert waiters(server) == 1
        assert wire("SM.FORCE", "m", "c") == verdict("moved", "c", 3)
    assert waiter.ended() == verdict("reached", "c", 3)


def test_shutdown_with_waiters(server, waiting):
    server.run("SM.SET", "m", TURN)
    waiter = waiting(server, "m", FOR_EVER, "b")
    server.shutdown("NOSAVE")
    assert server.process.returncode == 0
    assert waiter.wire.stream.read() == b""
