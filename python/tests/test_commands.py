"""Each command through both clients, with replies decoded and not, in RESP2 and RESP3."""

from datetime import datetime, timedelta, timezone

import pytest

from conftest import ORDER
from redis_state import (
    Conflict,
    Definition,
    Emitted,
    Finding,
    InvalidDefinition,
    Machine,
    Missing,
    Refused,
    UnknownEvent,
    Verdict,
)

PLAIN = Definition(map={"new": ["paid"], "paid": ["new"]}, initial="new")


def close_to_now(moment):
    return moment.utcoffset() == timedelta(0) and abs(datetime.now(timezone.utc) - moment) < timedelta(minutes=2)


def test_the_life_of_a_machine(machines):
    assert machines.new("o", ORDER) == Verdict("created", "new", 1)
    assert machines.new("o", ORDER) == Verdict("exists", "new", 1)
    assert machines.fire("o", "pay", by="clerk 7", reason="card 4242", id="r1") == Verdict("moved", "paid", 2)
    assert machines.fire("o", "pay", id="r1") == Verdict("repeated", "paid", 2)
    assert machines.fire("o", "pay") == Verdict("refused", "paid", 2)
    assert machines.fire("o", "ship", if_version=1) == Verdict("conflict", "paid", 2)
    assert machines.fire("o", "refund", to="partly refunded", if_state="paid") == Verdict("moved", "partly refunded", 3)
    assert machines.move("o", "archived", if_version=3) == Verdict("moved", "archived", 4)
    assert machines.force("o", "new", reason="ticket 5512") == Verdict("moved", "new", 5)
    assert machines.move("o", "sent") == Verdict("refused", "new", 5)
    assert machines.state("o") == "new"
    machines.reset("o")
    assert machines.state("o") == "new" and machines.get("o").reason == ""


def test_reading_one(machines):
    machines.new("o", ORDER, state="paid", reason="by hand")
    assert machines.get("o") == Machine(ORDER, "paid", "by hand")
    assert machines.events("o") == {
        "ship": ("sent",),
        "refund": ("refunded", "partly refunded"),
        "": ("lost",),
        "archive": ("archived",),
    }
    assert machines.next("o") == ("sent", "refunded", "partly refunded", "lost", "archived")
    assert machines.can("o", "sent") is True and machines.can("o", "new") is False
    assert machines.export("o", "DOT").startswith("digraph") and "stateDiagram-v2" in machines.export("o", "MERMAID")
    assert machines.lint("o") == ORDER.lint() == []
    lost = Definition(map={"new": ["paid"], "lost": ["paid"]}, initial="new")
    machines.set("l", lost)
    assert machines.lint("l") == lost.lint()
    assert machines.lint("l") == [
        Finding("warning", "unreachable", "lost", "no path leads here from the initial state")
    ]


def test_info(machines):
    machines.new("o", ORDER, after=timedelta(minutes=5))
    info = machines.info("o")
    assert (info.name, info.revision, info.state, info.version) == ("order", 3, "new", 1)
    assert close_to_now(info.since) and info.due - info.since == timedelta(minutes=5)
    assert (info.due_to, info.terminal, info.states) == ("cancelled", False, 8)
    assert (info.history, info.history_limit, info.machines) == (1, 20, 1)
    machines.set("p", PLAIN, state="paid")
    info = machines.info("p")
    assert (info.name, info.revision, info.since, info.due, info.due_to) == ("", None, None, None, None)
    assert (info.transitions, info.history, info.history_limit) == (2, 0, 0)


def test_a_timer_that_deletes_leads_nowhere(machines):
    machines.new("o", ORDER, state="archived", due=datetime(2100, 1, 1, tzinfo=timezone.utc))
    info = machines.info("o")
    assert info.due == datetime(2100, 1, 1, tzinfo=timezone.utc) and info.due_to is None and info.terminal


def test_times_beyond_pythons_calendar_are_its_last(machines):
    machines.new("o", ORDER, after=9_007_199_254_740_991 // 2)
    assert machines.info("o").due == datetime.max.replace(tzinfo=timezone.utc)


@pytest.mark.parametrize("due", [4_102_444_800_000, datetime(2100, 1, 1, 1, tzinfo=timezone(timedelta(hours=1)))])
def test_due_is_a_moment(plain, due):
    plain.new("o", ORDER, due=due)
    assert plain.info("o").due == datetime(2100, 1, 1, tzinfo=timezone.utc)


def test_due_before_1970_means_now(plain):
    plain.new("o", ORDER, due=datetime(1900, 1, 1, tzinfo=timezone.utc))
    assert plain.wait("o", "cancelled", timeout=timedelta(seconds=20)).reached


def test_due_without_a_zone_is_refused(plain):
    with pytest.raises(ValueError, match="time zone"):
        plain.new("o", ORDER, due=datetime(2100, 1, 1))
    assert plain.state("o") is None


def test_a_part_of_a_millisecond_is_one(plain):
    plain.new("o", ORDER, after=timedelta(microseconds=1))
    assert plain.wait("o", "cancelled", timeout=20_000).reached


def test_history(machines):
    machines.new("o", ORDER, by="shop")
    machines.fire("o", "pay", by="clerk 7", reason="card", id="r1")
    moves = machines.history("o")
    assert [(m.version, m.kind, m.from_state, m.to_state, m.event, m.by, m.reason) for m in moves] == [
        (2, "move", "new", "paid", "pay", "clerk 7", "card"),
        (1, "new", "", "new", "", "shop", ""),
    ]
    assert moves[0].id == "r1" and moves[0].user == "default" and close_to_now(moves[0].at)
    assert machines.history("o", count=1) == moves[:1]
    machines.set("p", PLAIN)
    assert machines.history("p") == []


def test_redefine(machines):
    machines.new("o", ORDER, state="paid")
    other = Definition(map={"new": {"pay": "settled"}, "settled": ["sent"]}, initial="new", name="order", revision=4)
    assert machines.redefine("o", other, rename={"paid": "settled"}, if_state="new").conflict
    assert machines.redefine("o", other, rename={"paid": "settled"}, id="m") == Verdict("redefined", "settled", 2)
    assert machines.redefine("o", other, rename={"paid": "settled"}, id="m").repeated
    assert machines.get("o").definition == other


def test_emit(machines):
    machines.new("o", ORDER)
    emitted = machines.emit("o", "moves", fire="pay", by="clerk", id="r1", maxlen=1000)
    assert (emitted.what, emitted.state, emitted.version) == ("moved", "paid", 2)
    assert isinstance(emitted, Emitted) and emitted.entry.count("-") == 1
    assert machines.emit("o", "moves", fire="pay", id="r1") == Emitted("repeated", "paid", 2, None)
    assert machines.emit("o", "moves", fire="refund", to="refunded").entry is not None
    assert machines.emit("o", "moves", move="archived", if_state="refunded").moved
    assert machines.emit("missing", "moves", fire="pay") is None


@pytest.mark.parametrize("asked", [{}, {"fire": "pay", "move": "paid"}])
def test_emit_needs_one_move(plain, asked):
    with pytest.raises(ValueError, match="exactly one"):
        plain.emit("o", "moves", **asked)


def test_a_timeout(machines, db):
    db.config_set("redisstate.timers", "no")
    try:
        machines.new("o", ORDER, due=0)
        assert machines.timeout("o") == Verdict("moved", "cancelled", 2)
        assert machines.timeout("o").refused
        machines.new("a", ORDER, state="archived", due=0)
        assert machines.timeout("a") == Verdict("deleted", "archived", 1)
    finally:
        db.config_set("redisstate.timers", "yes")


def test_a_missing_key(machines):
    assert machines.fire("k", "pay") is machines.move("k", "paid") is machines.force("k", "paid") is None
    assert machines.redefine("k", ORDER) is machines.get("k") is machines.state("k") is None
    assert machines.can("k", "paid") is machines.events("k") is machines.next("k") is None
    assert machines.info("k") is machines.history("k") is machines.lint("k") is None
    assert machines.export("k", "DOT") is machines.timeout("k") is machines.reset("k") is None
    assert machines.wait("k", "paid", timeout=1000) is None


def test_raising(machines):
    machines.new("o", ORDER)
    assert machines.fire_or_raise("o", "pay", id="r1") == Verdict("moved", "paid", 2)
    assert machines.fire_or_raise("o", "pay", id="r1").repeated
    assert machines.move_or_raise("o", "sent").moved and machines.force_or_raise("o", "new").moved
    with pytest.raises(Missing, match="'k'"):
        machines.fire_or_raise("k", "pay")
    with pytest.raises(Refused, match="'ship' is refused.*'new' at version 4") as caught:
        machines.fire_or_raise("o", "ship")
    assert not isinstance(caught.value, UnknownEvent) and caught.value.verdict == Verdict("refused", "new", 4)
    with pytest.raises(UnknownEvent, match="'pya' is nowhere in the definition"):
        machines.fire_or_raise("o", "pya")
    with pytest.raises(Conflict, match="'pay'"):
        machines.fire_or_raise("o", "pay", if_version=1)
    with pytest.raises(UnknownEvent):
        machines.move_or_raise("o", "payed")
    with pytest.raises(Refused) as caught:
        machines.move_or_raise("o", "sent")
    assert not isinstance(caught.value, UnknownEvent)
    with pytest.raises(UnknownEvent):
        machines.force_or_raise("o", "payed")


def test_a_verdict_is_false_if_it_is_no_success():
    of = lambda what: Verdict(what, "s", 1)
    assert not any(map(of, ["refused", "conflict", "waited"]))
    assert all(map(of, ["moved", "repeated", "created", "exists", "redefined", "deleted", "reached"]))
    assert [what for what in ("moved", "repeated", "created", "exists", "reached") if of(what).changed] == [
        "moved",
        "created",
    ]


def test_an_unknown_option_is_refused_before_anything_is_sent(plain):
    with pytest.raises(TypeError, match="if_versoin"):
        plain.fire("o", "pay", if_versoin=1)
    with pytest.raises(TypeError):
        plain.fire("o", "pay", maxlen=1)


def test_a_definition_over_the_servers_limits(machines, db):
    db.config_set("redisstate.max-states", 3)
    try:
        with pytest.raises(InvalidDefinition, match="8 states, over the limit of 3"):
            machines.new("o", ORDER)
        machines.set("p", PLAIN)
        with pytest.raises(InvalidDefinition, match="over the limit"):
            machines.redefine("p", ORDER)
        with pytest.raises(InvalidDefinition, match="over the limit"):
            machines.pipeline().set("o", ORDER).execute()
    finally:
        db.config_set("redisstate.max-states", 100_000)


def test_a_state_that_the_definition_does_not_have(machines):
    with pytest.raises(InvalidDefinition, match='current: the document has no state "payed"'):
        machines.set("o", ORDER, state="payed")


def test_a_machine_whose_state_its_document_does_not_name(machines, db):
    """Version 1.0 stored such machines, and edge mode does."""
    db.config_set("redisstate.compat", "edge")
    try:
        db.execute_command("SM.SET", "o", PLAIN.to_json(), "elsewhere")
    finally:
        db.config_set("redisstate.compat", "documented")
    assert machines.get("o") == Machine(PLAIN, "elsewhere", "")
    assert [finding.code for finding in machines.lint("o")] == ["current-without-entry", "state-leftover"]
