"""Step Functions: what the States Language becomes, and back."""

import json

import pytest

from converting import HOSTILE, PLAIN, check_round_trips, rows, timer, told
from redis_state import Definition
from redis_state.convert import ConversionError, read, write


def states(found, **fields):
    return read(json.dumps({"StartAt": next(iter(found)), "States": found, **fields}), "asl")


def task(**fields):
    return {"Type": "Task", "Resource": "arn:x", **fields}


DONE = {"Type": "Succeed"}


def test_next_is_a_move_without_a_name():
    found = states({"Pack": task(Next="Ship"), "Ship": task(End=True)}, Comment="two steps")
    assert rows(found) == {"Pack": ["Ship"], "Ship": []} and found.definition.initial == "Pack"
    assert told(found) == [
        "left out: 'Comment'",
        "States.Pack: left out: 'Resource'",
        "States.Ship: left out: 'Resource'",
        "States.Ship.End: ends when its work is done: here it is a terminal state at once",
    ]


def test_catch_is_an_event_for_each_error():
    catch = [
        {"ErrorEquals": ["A", "B"], "Next": "Bad"},
        {"ErrorEquals": ["States.ALL"], "Next": "Worse", "ResultPath": "$"},
    ]
    found = states({"Work": task(Next="Good", Catch=catch), "Good": DONE, "Bad": {"Type": "Fail"}, "Worse": DONE})
    assert rows(found)["Work"] == {"A": "Bad", "B": "Bad", "States.ALL": "Worse", "": "Good"}
    assert "States.Work.Catch[1]: left out: 'ResultPath'" in told(found)


def test_an_end_with_other_ways_out_is_a_state():
    found = states({"Work": task(End=True, Catch=[{"ErrorEquals": ["A"], "Next": "Bad"}]), "Bad": DONE})
    assert rows(found) == {"Work": {"A": "Bad", "": "End"}, "Bad": [], "End": []}
    assert "States.Work.End: the end is a state of its own here, as there are other ways out" in told(found)


def test_a_timeout_is_a_timer_to_where_it_is_caught():
    catch = [{"ErrorEquals": ["States.Timeout"], "Next": "Late"}, {"ErrorEquals": ["States.ALL"], "Next": "Bad"}]
    found = states({"Work": task(Next="Good", TimeoutSeconds=90, Catch=catch), "Good": DONE, "Late": DONE, "Bad": DONE})
    assert found.definition.after == {"Work": timer("Late", 90_000)}
    assert rows(found)["Work"] == {"States.ALL": "Bad", "": "Good"}
    found = states({"Work": task(Next="Good", TimeoutSeconds=90), "Good": DONE})
    assert not found.definition.after
    assert "States.Work.TimeoutSeconds: left out: no Catch says which state follows" in told(found)


@pytest.mark.parametrize(
    ("wait", "ms", "note"),
    [
        ({"Seconds": 1.5}, 1500, None),
        ({"SecondsPath": "$.s"}, None, "'$.s' is known later: the move into the state gives it, with AFTER"),
        ({"Timestamp": "2030-01-01T00:00:00Z"}, None, "the move into the state gives it, with DUE"),
        ({"TimestampPath": "$.t"}, None, "'$.t' is known later: the move into the state gives it, with DUE"),
        ({"Seconds": "{% $s %}"}, None, "'{% $s %}' is known later"),
    ],
)
def test_a_wait_is_a_timer_and_nothing_else(wait, ms, note):
    found = states({"Hold": {"Type": "Wait", "Next": "Go", **wait}, "Go": DONE})
    assert rows(found)["Hold"] == [] and found.definition.after == {"Hold": timer("Go", ms)}
    assert not found.notes if note is None else note in told(found)[0]


def test_choices_are_moves_whose_conditions_are_told():
    rules = [{"Variable": "$.n", "NumericGreaterThan": 5, "Next": "Big"}, {"Condition": "{% $x %}", "Next": "Odd"}]
    found = states(
        {"Which": {"Type": "Choice", "Choices": rules, "Default": "Small"}, "Big": DONE, "Odd": DONE, "Small": DONE}
    )
    assert rows(found)["Which"] == ["Big", "Odd", "Small"]
    assert """the condition '{"Variable": "$.n", "NumericGreaterThan": 5}' isn't checked""" in told(found)[0]
    assert "the condition '{% $x %}' isn't checked: the caller decides" in told(found)[1]


def test_a_choice_of_an_event_belongs_to_the_task_before_it():
    rules = [
        {"Variable": "$.event", "StringEquals": event, "Next": to} for event, to in (("yes", "Good"), ("no", "Bad"))
    ]
    found = states(
        {"Ask": task(Next="Which"), "Which": {"Type": "Choice", "Choices": rules}, "Good": DONE, "Bad": DONE}
    )
    assert rows(found) == {"Ask": {"yes": "Good", "no": "Bad"}, "Good": [], "Bad": []}
    assert "States.Which: the choice of an event is made in 'Ask'" in told(found)
    found = states(
        {
            "Ask": task(Next="Which"),
            "Also": task(Next="Which"),
            "Which": {"Type": "Choice", "Choices": rules},
            "Good": DONE,
            "Bad": DONE,
        }
    )
    assert rows(found)["Which"] == {"yes": "Good", "no": "Bad"}


def test_branches_items_and_retries_are_told():
    inner = {"StartAt": "x", "States": {"x": DONE, "y": DONE}}
    found = states(
        {
            "Both": {"Type": "Parallel", "Branches": [inner], "Next": "Each", "Retry": [{"ErrorEquals": ["E"]}]},
            "Each": {"Type": "Map", "ItemProcessor": inner, "Next": "Done"},
            "Done": DONE,
        }
    )
    assert rows(found) == {"Both": ["Each"], "Each": ["Done"], "Done": []}
    assert told(found) == [
        "States.Both.Branches[0]: a machine is in one state at a time: the branch is left out, with its states 'x', 'y'",
        "States.Both.Retry: left out: who does the work tries again",
        "States.Each.ItemProcessor: what is done for each item: a machine of its own; it is left out, with its states 'x', 'y'",
    ]


def test_it_may_be_yaml_with_tags_of_cloudformation():
    found = read(
        "StartAt: on\nStates:\n  on:\n    Type: Pass\n    Comment: !Sub '${x}'\n    Next: no\n  no: {Type: Succeed}\n"
    )
    assert found.format == "asl" and rows(found) == {"on": ["no"], "no": []}
    assert "line 5: the tag '!Sub' is left out, and its text is kept" in told(found)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        ({"a": task(Next="b")}, "States.a.Next: no state 'b'"),
        ({"a": task()}, "States.a: neither Next nor End"),
        ({"a": {"Type": "Odd"}}, "States.a.Type: no type of states: 'Odd'"),
        ({"a": {"Type": "Wait", "Next": "a"}}, "States.a: a Wait without Seconds or Timestamp"),
        ({"a": {"Type": "Wait", "Seconds": -1, "Next": "a"}}, "States.a.Seconds: expected a time from 0"),
        ({"a": {"Type": "Pass", "Next": ["a"]}}, "States.a.Next: no state"),
        ({"a": {"Type": "Choice", "Choices": [{"Next": "c"}]}}, "States.a.Choices[0].Next: no state 'c'"),
        (
            {"a": task(Next="a", Catch=[{"ErrorEquals": [7], "Next": "a"}])},
            "States.a.Catch[0]: expected a string, found '7'",
        ),
        ({"a": 7}, "States.a: expected an object, found '7'"),
    ],
)
def test_a_mistake_is_an_error_with_its_place(found, message):
    with pytest.raises(ConversionError) as error:
        states(found)
    assert str(error.value).startswith(message)


def test_the_state_at_which_it_starts_is_one_of_them():
    with pytest.raises(ConversionError, match="StartAt: no state 'b'"):
        read('{"StartAt":"b","States":{"a":{"Type":"Succeed"}}}')
    with pytest.raises(ConversionError, match="no state machine of Step Functions: it has a StartAt and States"):
        read('{"States":{}}')


def short(names):
    return [name for name in names if 0 < len(name) <= 80]


@pytest.mark.parametrize("names", [PLAIN, short(HOSTILE)], ids=["plain", "any"])
def test_random_definitions_come_back(names, monkeypatch):
    monkeypatch.setattr("converting.TIMES", [1000, 60_000, 86_400_000])
    check_round_trips("asl", names, labels=True, deletions=True)


def test_what_it_cannot_hold_is_changed_and_told():
    long = "x" * 90
    found = Definition(
        map={"": [long], long: []}, initial="", after={"": timer(long, 1500)}, history=3, name="n", revision=1
    )
    written = write(found, "asl")
    back = read(written.text).definition
    assert back.initial == "(empty)" and back.after == {"(empty)": timer("x" * 72, 2000)}
    assert [str(note) for note in written.notes] == [
        "map.'': names have 1 to 80 characters: this is '(empty)'",
        f"map.'{'x' * 59}…': names have 1 to 80 characters: this is '{'x' * 59}…'",
        "history: left out: the States Language has no word for it",
        "name: left out: the States Language has no word for it",
        "revision: left out: the States Language has no word for it",
        "after.: 1500 ms is 2 s here: times are whole seconds, up to 99999999",
        "map: a state that waits for events is a Task of an activity, whose result has the event as $.event: put your "
        "activity in the place of arn:aws:states:us-east-1:123456789012:activity:wait-for-event",
    ]


def test_a_timer_without_a_time_waits_for_what_the_input_says():
    found = Definition(map={"a": [], "b": {"x": "a"}}, initial="a", after={"a": timer("b"), "b": timer("a")})
    text = json.loads(write(found, "asl").text)["States"]
    assert text["a"] == {"Type": "Wait", "SecondsPath": "$.after", "Next": "b"}
    assert text["b"]["TimeoutSecondsPath"] == "$.after" and text["b"]["Next"] == "b: event"
