"""Pipelines and transactions."""

import pytest
import redis

from conftest import ORDER
from redis_state import Conflict, Definition, InvalidDefinition, NotPermitted, Verdict


@pytest.fixture(params=[True, False], ids=["transaction", "pipeline"])
def pipe(machines, request):
    return machines.pipeline(transaction=request.param)


def test_replies_are_parsed_in_order(machines, pipe, db):
    pipe.new("o", ORDER).fire("o", "pay").fire("missing", "pay").execute_command("EXPIRE", "o", 60)
    pipe.info("o").emit("o", "moves", move="sent").get("o").history("o", count=1).events("o").redefine("o", ORDER)
    assert len(pipe) == 10
    replies = pipe.execute()
    assert replies[:4] == [Verdict("created", "new", 1), Verdict("moved", "paid", 2), None, True]
    assert replies[4].version == 2 and replies[5].entry and replies[6].state == "sent"
    assert [move.to_state for move in replies[7]] == ["sent"] and replies[8] == {"archive": ("archived",)}
    assert replies[9].redefined and len(pipe) == 0
    assert db.ttl("o") > 0 and pipe.execute() == []


def test_a_transaction_is_one(machines, db):
    seen = []
    pipe = machines.pipeline()
    assert not hasattr(machines.pipeline(), "wait"), "in a transaction nobody can wait"
    pipe = machines.pipeline(transaction=True).new("o", ORDER).fire("o", "pay")
    with db.monitor() as monitor:
        pipe.execute()
        for line in monitor.listen():
            seen.append(line["command"].split()[0])
            if seen[-1] == "EXEC":
                break
    assert seen[-4:] == ["MULTI", "SM.NEW", "SM.FIRE", "EXEC"]


def test_an_error_is_raised_or_returned(machines, pipe, db):
    db.set("text", "x")
    wrong_type = pipe.new("o", ORDER).fire("text", "pay").state("o").execute(raise_on_error=False)
    assert wrong_type[0].created and wrong_type[2] == "new"
    assert isinstance(wrong_type[1], redis.ResponseError)
    with pytest.raises(redis.ResponseError, match="wrong kind of value"):
        pipe.fire("text", "pay").fire("o", "pay").execute()
    assert machines.state("o") == "paid", "the others were done"


def test_an_error_that_ends_the_transaction(machines, db, clients):
    db.execute_command("ACL", "SETUSER", "reader", "on", ">pw", "~*", "+@connection", "+multi", "+exec", "+sm.get")
    try:
        reader = clients.at(db.server.port, username="reader", password="pw")
        with pytest.raises(NotPermitted, match="SM.FIRE") as caught:
            reader.pipeline().get("o").fire("o", "pay").execute()
        assert caught.value.command == "SM.FIRE"
    finally:
        db.execute_command("ACL", "DELUSER", "reader")


def test_each_request_of_a_pipeline_has_an_id_of_its_own(machines, pipe):
    lamp = Definition(map={"off": {"press": "on"}, "on": {"press": "off"}}, initial="off")
    pipe.new("l", lamp).fire("l", "press").fire("l", "press").fire("l", "press", id="x").fire("l", "press", id="x")
    assert [verdict.what for verdict in pipe.execute()] == ["created", "moved", "moved", "moved", "repeated"]
    assert machines.state("l") == "on"


def test_verdicts_that_are_no_success_do_not_end_it(machines, pipe):
    machines.new("o", ORDER)
    verdicts = pipe.fire("o", "ship").fire("o", "pay", if_version=9).fire("o", "pay").execute()
    assert [verdict.what for verdict in verdicts] == ["refused", "conflict", "moved"]
    assert not any(isinstance(verdict, Conflict) for verdict in verdicts)


def test_an_invalid_definition_is_found_on_the_server_too(machines, pipe):
    with pytest.raises(InvalidDefinition, match="payed"):
        pipe.set("o", ORDER, state="payed").execute()


def test_a_pipeline_closes_with_its_block(db):
    from redis_state import StateMachines

    with StateMachines(db).pipeline() as pipe:
        pipe.new("o", ORDER)
    assert db.exists("o") == 0 and len(pipe) == 0
