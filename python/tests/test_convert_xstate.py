"""XState: what its machines become, and back."""

import json

import pytest

from converting import HOSTILE, PLAIN, check_round_trips, rows, timer, told
from redis_state import Definition
from redis_state.convert import ConversionError, read, write


def machine(states, **fields):
    return read(json.dumps({"initial": next(iter(states)), "states": states, **fields}), "xstate")


def test_events_lead_to_siblings_and_final_states_are_terminal():
    found = machine(
        {"open": {"on": {"CLOSE": "shut", "LOCK": {"target": "locked"}}}, "shut": {}, "locked": {"type": "final"}}
    )
    assert rows(found) == {"open": {"CLOSE": "shut", "LOCK": "locked"}, "shut": [], "locked": []}
    assert found.definition.initial == "open" and found.notes == ()


def test_the_id_is_the_name_and_the_version_the_revision():
    found = machine({"a": {}}, id="door", version="3")
    assert (found.definition.name, found.definition.revision) == ("door", 3)
    found = machine({"a": {}}, id="door", version="1.2.0")
    assert found.definition.revision is None and told(found) == ["version: left out: '1.2.0' isn't a revision"]


def test_inner_states_get_the_names_of_their_paths_and_the_moves_of_the_outer_ones():
    found = machine(
        {
            "play": {
                "initial": "idle",
                "on": {"STOP": "stopped"},
                "states": {"idle": {"on": {"GO": "run"}}, "run": {"on": {"STOP": "idle"}}},
            },
            "stopped": {"on": {"AGAIN": "play"}},
        }
    )
    assert rows(found) == {
        "play.idle": {"GO": "play.run", "STOP": "stopped"},
        "play.run": {"STOP": "play.idle"},
        "stopped": {"AGAIN": "play.idle"},
    }
    assert told(found) == ["states.play: the states inside 'play' are flattened: 'play.idle', 'play.run'"]


def test_a_flattened_name_that_is_taken_gets_a_number():
    found = machine({"a.b": {"on": {"x": "a"}}, "a": {"initial": "b", "states": {"b": {}}}})
    assert rows(found) == {"a.b": {"x": "a.b (2)"}, "a.b (2)": []}
    assert "states.a.states.b: another state is named 'a.b' too, so this is 'a.b (2)'" in told(found)


@pytest.mark.parametrize(
    ("target", "state"),
    [("b", "b"), ("#beta", "b"), ("#m.b", "b"), ("c.d", "c.d"), ("#m.c.d", "c.d"), (".e", "a.e"), ("c", "c.d")],
)
def test_targets_are_siblings_ids_and_paths(target, state):
    inner = {"initial": "e", "states": {"e": {}}}
    states = {"a": {**inner, "on": {"x": target}}, "b": {"id": "beta"}, "c": {"initial": "d", "states": {"d": {}}}}
    assert machine(states, id="m").definition.events("a.e") == {"x": (state,)}


def test_an_id_with_a_dot_is_meant_whole_if_there_is_no_path_to_it():
    states = {"a": {"on": {"x": "#d.e", "y": r"#d\.e", "z": "#f.g"}}, "b": {"id": "d.e"}, "c": {"id": "f.g"}}
    states["d"] = {"id": "d", "initial": "e", "states": {"e": {}}}
    assert rows(machine(states))["a"] == {"x": "d.e", "y": "b", "z": "c"}


def test_what_the_root_takes_is_any_and_final_states_are_beyond_it():
    states = {"a": {"on": {"next": "b"}}, "b": {"on": {"stop": {}}}, "c": {"on": {"stop": "a"}}, "d": {"type": "final"}}
    found = machine(states, on={"stop": ".d"})
    assert found.definition.any == {"stop": "d"}
    assert rows(found) == {"a": {"next": "b"}, "b": {"stop": []}, "c": {"stop": "a"}, "d": []}


def test_an_event_of_the_root_with_conditions_leads_to_several_states():
    found = machine({"a": {}, "b": {}}, on={"x": [{"target": ".a", "guard": "g"}, {"target": ".b"}, {"target": ".a"}]})
    assert found.definition.to_document()["any"] == {"x": ["a", "b"]}
    # An event of `any` doesn't lead from a target to itself, so the targets have entries of their own.
    assert rows(found) == {"a": {"x": ["a", "b"]}, "b": {"x": ["a", "b"]}}


@pytest.mark.parametrize("key", ["guard", "cond"])
def test_of_guarded_transitions_the_caller_says_which(key):
    found = machine({"a": {"on": {"x": [{"target": "b", key: "isBig"}, "c"]}}, "b": {}, "c": {}})
    assert rows(found)["a"] == {"x": ["b", "c"]}
    assert told(found) == [
        "states.a.on.x[0]: the condition 'isBig' isn't checked: the caller decides",
        "states.a.on.x[1]: 'x' leads to several states: the caller says which, with TO",
    ]


def test_what_comes_after_a_transition_without_a_guard_is_never_taken():
    found = machine({"a": {"on": {"x": ["b", "c"]}}, "b": {}, "c": {}})
    assert rows(found)["a"] == {"x": "b"}
    assert told(found) == ["states.a.on.x[1]: never taken: one before it has no condition"]


def test_a_guard_that_fails_leaves_the_event_to_the_state_around():
    inner = {"initial": "b", "on": {"x": "out"}, "states": {"b": {"on": {"x": {"target": "c", "guard": "g"}}}, "c": {}}}
    assert machine({"a": inner, "out": {}}).definition.events("a.b") == {"x": ("a.c", "out")}


def test_actions_entries_and_other_fields_are_told():
    found = machine(
        {"a": {"entry": ["log"], "exit": [], "tags": ["t"], "on": {"x": {"target": "a", "actions": ["save"]}}}}
    )
    assert told(found) == ["states.a: left out: 'entry', 'tags'", "states.a.on.x: actions left out: 'save'"]


def test_an_internal_transition_is_a_move_onto_the_same_state():
    found = machine({"a": {"on": {"x": {"actions": "save"}}, "after": {"10": "b"}}, "b": {}})
    assert rows(found)["a"] == {"x": "a"}
    assert told(found)[1:] == [
        "states.a.on.x: stays in its state: it is a move onto the same state",
        "states.a.on.x: a move onto the same state starts its timer anew",
    ]


def test_delays_are_timers():
    found = machine(
        {"a": {"after": {"1500": "b", "0.5": {"target": "c", "guard": "g"}}}, "b": {"after": {"SLOW": "c"}}, "c": {}}
    )
    assert found.definition.after == {"a": timer("b", 1500), "b": timer("c")}
    assert told(found) == [
        "states.a.after.0.5: 0.5 ms is 1 ms here: timers have whole milliseconds, at least 1",
        "states.b.after.SLOW: the delay 'SLOW' is computed there: here the move into the state gives it, with AFTER",
        "states.a.after.0.5: left out in 'a': a state has one timer",
    ]


def test_a_delay_of_version_4_may_be_in_a_list():
    found = machine({"a": {"after": [{"delay": 10, "target": "b"}]}, "b": {}})
    assert found.definition.after == {"a": timer("b", 10)}


def test_a_delay_of_an_outer_state_begins_anew_in_each_inner_one():
    found = machine(
        {"a": {"initial": "b", "after": {"10": "d"}, "states": {"b": {"on": {"x": "c"}}, "c": {}}}, "d": {}}
    )
    assert found.definition.after == {"a.b": timer("d", 10), "a.c": timer("d", 10)}
    assert any("the time begins anew in each inner state" in note for note in told(found))


def test_eventless_transitions_are_moves_without_a_name():
    for always in ({"always": [{"target": "b", "guard": "g"}, {"target": "c"}]}, {"on": {"": ["b"]}}):
        found = machine({"a": always, "b": {}, "c": {}})
        assert rows(found)["a"] in (["b", "c"], ["b"])
        assert "is made by the machine itself there; here a caller makes it" in told(found)[0]


def test_a_wildcard_is_every_event_that_the_file_names():
    found = machine({"a": {"on": {"*": "c", "x": "b"}}, "b": {"on": {"y.z": "c", "y.*": "a"}}, "c": {}})
    assert rows(found) == {"a": {"x": "b", "y.z": "c"}, "b": {"y.z": "c"}, "c": []}
    assert "states.a.on.*: '*' is every event that the file names: 'x', 'y.z'; no others" in told(found)
    assert "no event of the file fits '*'" in told(machine({"a": {"on": {"*": "a"}}}))[0]


def test_a_wildcard_of_the_root_is_any():
    found = machine({"a": {"on": {"x": "b"}}, "b": {}, "c": {}}, on={"*": ".c"})
    assert found.definition.any == {"x": "c"} and found.definition.events("b") == {"x": ("c",)}


def test_a_history_state_is_one_of_the_inner_states():
    inner = {
        "b": {},
        "c": {"initial": "d", "states": {"d": {}}},
        "h": {"type": "history", "history": "deep", "target": "c"},
    }
    found = machine({"a": {"initial": "b", "states": inner, "on": {"off": "o"}}, "o": {"on": {"on": "a.h"}}})
    assert rows(found)["o"] == {"on": ["a.c.d", "a.b"]}
    assert any("a machine doesn't remember the last inner state" in note for note in told(found))


def test_a_parallel_state_is_one_state_and_its_regions_are_told():
    regions = {
        "left": {"initial": "l", "states": {"l": {"on": {"x": "#end", "y": "#l2"}}, "l2": {"id": "l2"}}},
        "right": {},
    }
    found = machine({"both": {"type": "parallel", "states": regions, "onDone": "end"}, "end": {"id": "end"}})
    assert rows(found) == {"both": {"x": "end", "": "end"}, "end": []}
    assert any(note.startswith("states.both.states.left: a machine is in one state at a time") for note in told(found))
    assert any(note.startswith("states.both.states.right: a machine is in one state at a time") for note in told(found))


def test_version_4_may_say_parallel_otherwise_and_history_may_be_shallow():
    old = {"parallel": True, "states": {"l": {}, "r": {}}}
    inner = {"b": {}, "c": {"initial": "d", "states": {"d": {}, "e": {}}}, "h": {"history": True}}
    found = machine({"o": {"on": {"x": "a.h"}}, "a": {"initial": "b", "states": inner}, "p": old})
    assert rows(found)["o"] == {"x": ["a.b", "a.c.d"]} and rows(found)["p"] == []


def test_of_a_parallel_machine_the_first_region_is_kept():
    found = read('{"type":"parallel","states":{"l":{"initial":"a","states":{"a":{"on":{"x":"b"}},"b":{}}},"r":{}}}')
    assert rows(found) == {"l.a": {"x": "l.b"}, "l.b": []}
    assert "only the first one, 'l', is kept: convert 'r' as a machine of its own" in told(found)[0]


def test_what_is_done_inside_leads_on_from_the_final_state():
    found = machine(
        {"a": {"initial": "b", "onDone": "d", "states": {"b": {"on": {"x": "c"}}, "c": {"type": "final"}}}, "d": {}}
    )
    assert rows(found) == {"a.b": {"x": "a.c"}, "a.c": ["d"], "d": []}
    assert "states.a.onDone: is made by the machine itself there; here a caller makes it" in told(found)
    found = machine({"a": {"initial": "b", "onDone": "a", "states": {"b": {}}}})
    assert "states.a.onDone: never made: there is no final state inside" in told(found)


def test_an_invoked_actor_is_a_worker_that_fires_events():
    found = machine({"a": {"invoke": {"src": "load", "onDone": "b", "onError": "c"}}, "b": {}, "c": {}})
    assert rows(found)["a"] == {"done.load": "b", "error.load": "c"}
    assert (
        told(found)[0] == "states.a.invoke[0]: nothing is started: a worker has to do 'load', and fire what comes of it"
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"initial":"a","states":{"a":{"on":{"x":"b"}}}}', "states.a.on.x: no state 'b'"),
        ('{"initial":"b","states":{"a":{}}}', "initial: no state 'b'"),
        ('{"states":{"a":{}}}', "there is no initial state"),
        ('{"initial":"a","states":{}}', "the machine has no states"),
        ('{"initial":"a","states":{"a":{"type":"odd"}}}', "states.a.type: no type of states: 'odd'"),
        ('{"initial":"a","states":{"a":{"id":"i"},"b":{"id":"i"}}}', "states.b.id: another state has the id 'i'"),
        ('{"initial":"a","states":{"a":{"on":[]},"a":{}}}', "states: the key 'a' is there twice"),
        ('{"initial":"a","states":{"a":{"on":{"x":7}}}}', "states.a.on.x: expected an object, found '7'"),
        ('{"initial":"a","states":{"a":{"after":{"1e99":"a"},"on":{"x":["a",null,3]}}}}', "states.a.on.x[2]: expected an object"),
        ('{"initial":"a","states":{"a":{"after":{"99999999999999999":"a"}}}}', "states.a.after.99999999999999999: expected a time"),
        ('{"initial":"c","states":{"a":{"initial":"c","states":{"b":{}}},"c":{}}}', "states.a.initial: no state 'c'"),
    ],
)  # fmt: skip
def test_a_mistake_is_an_error_with_its_place(text, message):
    with pytest.raises(ConversionError) as error:
        read(text, "xstate")
    assert str(error.value).startswith(message)


def test_random_definitions_come_back():
    check_round_trips("xstate", PLAIN)


def test_random_definitions_of_any_names_come_back():
    check_round_trips("xstate", HOSTILE)


def test_a_timer_without_a_time_is_a_delay_to_implement():
    written = write(Definition(map={"a": []}, initial="a", after={"a": timer("b")}), "xstate")
    assert json.loads(written.text)["states"]["a"] == {"after": {"timer": {"target": "b"}}}
    assert [str(note) for note in written.notes] == [
        "after.a: the moves give the time: the delay 'timer' is to be implemented"
    ]
    assert read(written.text).notes == ()


def test_what_is_written_is_a_machine_of_xstate():
    found = Definition(
        map={"new": {"pay": "paid", "": "lost"}, "paid": {"refund": ["part", "all"]}},
        initial="new",
        any={"stop": "lost"},
        after={"new": timer("lost", 10), "paid": timer(None)},
        history=5,
        name="order",
        revision=2,
    )
    written = write(found, "xstate")
    text = json.loads(written.text)
    assert text["id"] == "order" and text["version"] == "2" and text["meta"] == {"redis-state": {"history": 5}}
    assert text["states"]["paid"]["on"] == {"refund": [{"target": "part", "guard": "to part"}, {"target": "all"}]}
    assert text["on"] == {"stop": {"target": "#state-0"}} and text["states"]["lost"]["id"] == "state-0"
    assert text["states"]["lost"]["type"] == "final"
    assert text["states"]["new"]["after"] == {"10": {"target": "#state-0"}}
    assert [str(note) for note in written.notes] == [
        "history: XState has no word for it: it is kept in `meta`",
        "map.new: a move without a name is the event 'move to lost'",
        "map.paid.refund: the caller says which state: there are guards to implement",
        "after.paid: XState can't delete a machine: the timer is kept in `meta`",
    ]
