"""Servers without the module, with an older one, with an ACL that forbids; and lost replies."""

import socket
import threading

import pytest
import redis
import redis.asyncio

from conftest import ORDER
from proxy import CuttingProxy
from redis_state import (
    Conflict,
    Definition,
    Missing,
    ModuleMissing,
    ModuleTooOld,
    NotPermitted,
    Refused,
    StateMachineError,
    UnknownEvent,
    Verdict,
)

LAMP = Definition(map={"off": {"press": "on"}, "on": {"press": "off"}}, initial="off")


@pytest.fixture
def bare(servers, clients, wire_options):
    """Machines over a server without the module."""
    return clients.at(servers.start(module=None).port, **wire_options)


def test_a_server_without_the_module(bare):
    calls = [
        ("SM.FIRE", lambda: bare.fire("o", "pay")),
        ("SM.FIRE", lambda: bare.fire_or_raise("o", "pay")),
        ("SM.COUNT", lambda: bare.count("order")),
        ("SM.SCAN", lambda: list(bare.scan())),
        ("SM.WAIT", lambda: bare.wait("o", "paid", timeout=100)),
        ("SM.FIRE", lambda: bare.pipeline(transaction=False).fire("o", "pay").execute()),
        ("SM.FIRE", lambda: bare.pipeline(transaction=True).fire("o", "pay").execute()),
        # A text that looks like the error of another command.
        ("SM.FIRE", lambda: bare.pipeline().fire("x) of pipeline caused error: y", "pay").execute()),
    ]
    for command, call in calls:
        with pytest.raises(ModuleMissing, match="loadmodule /path/to/libredis_state.so") as caught:
            call()
        assert caught.value.command == command and command in str(caught.value)
        assert isinstance(caught.value.__cause__, redis.ResponseError)


class OldServer:
    """Answers as a server with version 1.0 of the module does: it knows SM.GET, and no SM.FIRE. A stand-in, because
    the tests load no module but the one that was just built."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with connection, connection.makefile("rb") as lines:
            while line := lines.readline():
                words = [self._word(lines) for _ in range(int(line[1:]))]
                connection.sendall(self._reply(words[0].upper()))

    @staticmethod
    def _word(lines):
        length = int(lines.readline()[1:])
        return lines.read(length + 2)[:length]

    @staticmethod
    def _reply(command):
        if command == b"SM.GET":
            return b"-ERR wrong number of arguments for 'SM.GET' command\r\n"
        if command.startswith(b"SM."):
            return b"-ERR unknown command '%s', with args beginning with: 'o' \r\n" % command
        return b"+OK\r\n"


def test_a_server_with_an_older_module(clients):
    server = OldServer()
    machines = clients.at(server.port, protocol=2)
    for command, call in [("SM.FIRE", lambda: machines.fire("o", "pay")), ("SM.COUNT", lambda: machines.count("n"))]:
        with pytest.raises(ModuleTooOld, match=f"too old: it has no command {command}") as caught:
            call()
        assert caught.value.command == command
    server.listener.close()


@pytest.fixture
def as_user(clients, wire_options, db):
    """Makes machines for a user with the rules, who is removed in the end."""

    def made(*rules):
        db.execute_command("ACL", "SETUSER", "someone", "reset", "on", ">pw", "+@connection", *rules)
        return clients.at(db.server.port, username="someone", password="pw", **wire_options)

    yield made
    db.execute_command("ACL", "DELUSER", "someone")


def test_an_acl_that_forbids_a_command(as_user, db):
    machines = as_user("~*", "+sm.new", "+sm.fire")
    machines.new("o", ORDER)
    for command, call in [
        ("SM.FORCE", lambda: machines.force("o", "paid")),
        ("SM.GET", lambda: machines.get("o")),
        ("SM.SCAN", lambda: list(machines.scan())),
        ("SM.DEFINITIONS", machines.definitions),
        ("SM.FORCE", lambda: machines.pipeline(transaction=False).fire("o", "pay").force("o", "new").execute()),
    ]:
        with pytest.raises(NotPermitted, match=command) as caught:
            call()
        assert caught.value.command == command
    assert db.execute_command("SM.STATE", "o") == [b"paid"]


def test_an_acl_that_forbids_a_key(as_user):
    machines = as_user("~order:*", "+sm.new")
    assert machines.new("order:1", ORDER).created
    with pytest.raises(NotPermitted, match="SM.NEW: .*keys"):
        machines.new("parcel:1", ORDER)


def test_a_refusal_where_the_definition_may_not_be_read(as_user):
    machines = as_user("~*", "+sm.new", "+sm.fire")
    machines.new("o", ORDER)
    with pytest.raises(Refused) as caught:
        machines.fire_or_raise("o", "pya")
    assert not isinstance(caught.value, UnknownEvent)


def test_other_errors_stay_redis_errors(machines, db):
    db.set("text", "x")
    with pytest.raises(redis.ResponseError, match="wrong kind of value"):
        machines.fire("text", "pay")
    machines.new("o", ORDER, state="paid")
    with pytest.raises(redis.ResponseError, match="name one with TO: 'refunded', 'partly refunded'"):
        machines.fire("o", "refund")
    with pytest.raises(redis.ResponseError, match="ID: expected 1 to 64 bytes"):
        machines.fire("o", "ship", id="x" * 65)


def test_the_tree_of_errors():
    for error in (Missing, Refused, UnknownEvent, Conflict, ModuleMissing, ModuleTooOld, NotPermitted):
        assert issubclass(error, StateMachineError)
    assert issubclass(UnknownEvent, Refused)


# ---- lost replies ------------------------------------------------------------------------------------


@pytest.fixture
def lossy(clients, db):
    """A proxy that can lose a reply, and machines over a client that then sends again, as redis-py does."""
    proxy = CuttingProxy(db.server.port)
    library = redis.asyncio if clients.kind == "asyncio" else redis
    retry = library.retry.Retry(redis.backoff.NoBackoff(), 3)
    yield proxy, clients.at(proxy.port, retry=retry)
    proxy.close()


def test_a_move_whose_reply_is_lost_is_made_once(lossy):
    proxy, machines = lossy
    machines.new("l", LAMP)
    proxy.lose_next_reply()
    assert machines.fire("l", "press") == Verdict("repeated", "on", 2)
    assert machines.info("l").version == 2


def test_without_an_id_it_is_made_twice(lossy):
    """So the test before shows something."""
    proxy, machines = lossy
    machines.new("l", LAMP)
    proxy.lose_next_reply()
    assert machines.fire("l", "press", id=None) == Verdict("moved", "off", 3)


def test_a_new_machine_whose_reply_is_lost(lossy):
    proxy, machines = lossy
    machines.state("l")
    proxy.lose_next_reply()
    assert machines.new("l", LAMP) == Verdict("repeated", "off", 1)
