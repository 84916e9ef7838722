"""The library transitions: what its machines become, and back. The library itself judges what is written."""

import enum
import json

import pytest

from converting import HOSTILE, PLAIN, check_round_trips, definition, rows, timer, told, without
from redis_state import Definition
from redis_state.convert import ConversionError, read, read_machine, write

AUTO = (
    "auto_transitions: the library's own moves from each state to each (`to_x`) are left out: SM.FORCE makes such moves"
)


def machine(states, transitions=(), **fields):
    arguments = {
        "states": states,
        "transitions": list(transitions),
        "initial": "a",
        "auto_transitions": False,
        **fields,
    }
    return read(json.dumps(arguments), "transitions")


def test_triggers_are_events():
    rows_of = {"trigger": "x", "source": ["a", "b"], "dest": "c"}
    found = machine(["a", {"name": "b"}, "c"], [rows_of, ["y", "c", "a"]], name="door")
    assert rows(found) == {"a": {"x": "c"}, "b": {"x": "c"}, "c": {"y": "a"}}
    assert (found.definition.initial, found.definition.name, found.notes) == ("a", "door", ())


def test_the_moves_that_the_library_adds_are_told():
    assert told(read('{"states":["a"],"initial":"a"}')) == [AUTO]


def test_conditions_and_callbacks_are_told():
    first = {"trigger": "x", "source": "a", "dest": "b", "conditions": ["big"], "unless": "old", "before": "log"}
    found = machine(["a", "b", {"name": "c", "on_enter": "hi"}], [first, ["x", "a", "c"], ["x", "a", "b"]])
    assert rows(found)["a"] == {"x": ["b", "c"]}
    assert told(found) == [
        "states[2]: left out: 'on_enter'",
        "transitions[0]: left out: 'before'",
        "transitions[0]: the condition 'big and not old' isn't checked: the caller decides",
        "transitions[1]: 'x' leads to several states: the caller says which, with TO",
        "transitions[2]: never taken: one before it has no condition",
    ]


def test_a_star_is_any_and_leads_to_itself_too():
    found = machine(["a", "b"], [["x", "a", "b"], ["stop", "*", "b"]])
    assert found.definition.any == {"stop": "b"}
    assert rows(found) == {"a": {"x": "b"}, "b": {"stop": "b"}}


def test_what_comes_after_a_star_is_never_taken():
    found = machine(["a", "b", "c"], [["x", "*", "c"], ["x", "a", "b"]])
    assert found.definition.events("a") == {"x": ("c",)}
    assert "transitions[1]: never taken: `*` before it takes 'x' in each state" in told(found)


def test_a_star_with_a_condition_leaves_the_event_to_others():
    found = machine(["a", "b", "c"], [{"trigger": "x", "source": "*", "dest": "c", "conditions": "g"}, ["x", "a", "b"]])
    assert found.definition.events("a") == {"x": ("c", "b")} and found.definition.events("b") == {"x": ("c",)}


def test_reflexive_and_internal_transitions_are_moves_onto_the_same_state():
    found = machine(["a", "b"], [["x", "a", "="], ["y", "a", None], ["z", "*", "="]])
    assert rows(found) == {"a": {"x": "a", "y": "a", "z": "a"}, "b": {"z": "b"}}
    assert told(found) == ["transitions[1]: stays in its state: it is a move onto the same state"]


def test_nested_states_are_flattened():
    inner = {
        "name": "b",
        "initial": "1",
        "children": ["1", {"name": "2", "children": ["x"]}],
        "transitions": [["go", "1", "2"]],
    }
    found = machine(["a", inner], [["in", "a", "b"], ["out", "b", "a"], ["deep", "b_1", "b_2_x"]])
    assert rows(found) == {
        "a": {"in": "b.1"},
        "b.1": {"deep": "b.2.x", "go": "b.2", "out": "a"},
        "b.2": {"out": "a"},
        "b.2.x": {"out": "a"},
    }
    assert "states[1].children[1]: no initial state inside '2': it is a state of its own" in told(found)


def test_parallel_states_are_one_state():
    both = {
        "name": "p",
        "parallel": [{"name": "1", "children": ["x", "y"], "initial": "x", "transitions": [["go", "x", "y"]]}, "2"],
    }
    found = machine(["a", both], [["in", "a", "p"], ["out", "p", "a"]])
    assert rows(found) == {"a": {"in": "p"}, "p": {"out": "a"}}
    assert "'p' is kept as one state, and what is inside is left out: '1', 'x', 'y'" in told(found)[0]


def test_a_timeout_that_calls_a_trigger_is_a_timer():
    late = {"name": "a", "timeout": 1.5, "on_timeout": "fail"}
    found = machine([late, "b", {"name": "c", "timeout": 3, "on_timeout": ["ring"]}], [["fail", "a", "b"]])
    assert found.definition.after == {"a": timer("b", 1500)} and rows(found)["a"] == {"fail": "b"}
    assert told(found) == [
        "states[0].timeout: the timer makes the move 'fail', and callers may fire it too",
        "states[2].timeout: left out: on_timeout calls 'ring', which is no trigger of the state",
    ]


def test_ordered_transitions_lead_from_each_state_to_the_next():
    found = machine(["a", "b", "c"], ordered_transitions=True)
    assert rows(found) == {"a": {"next_state": "b"}, "b": {"next_state": "c"}, "c": {"next_state": "a"}}


def test_an_initial_state_that_is_missing_is_added_as_the_library_does():
    found = machine(["a"], initial="start")
    assert found.definition.initial == "start"
    assert told(found) == ["initial: the library adds the state 'start', as there is none"]


def test_names_of_yaml_are_names():
    text = "states: [on, off, 1]\ninitial: off\ntransitions:\n- [yes, on, off]\n- {trigger: no, source: off, dest: 1}\n"
    assert rows(read(text)) == {"on": {"yes": "off"}, "off": {"no": "1"}, "1": []}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"states":["a"],"initial":"a","transitions":[["x","a","b"]]}', "transitions[0].dest: no state 'b'"),
        ('{"states":["a"],"initial":"a","transitions":[["x","b","a"]]}', "transitions[0].source: no state 'b'"),
        ('{"states":["a","a"],"initial":"a"}', "states[1]: the state 'a' is there twice"),
        ('{"states":[{"on_enter":"x"}],"initial":"a"}', "states[0]: a state without a name"),
        ('{"states":["a"],"initial":null}', "initial: there is no initial state"),
        ('{"states":["a"],"initial":"a","transitions":[["x","a"]]}', "transitions[0]: a transition without 'dest'"),
        ('{"states":[["a"]],"initial":"a"}', "states[0]: expected a name, found a list"),
        ('{"states":[{"name":"a","timeout":"5"}],"initial":"a"}', "states[0].timeout: expected a number of seconds"),
        ('{"states":["a"],"initial":"a","transitions":{}, "transitions":[]}', ": the key 'transitions' is there twice"),
        ('{"states":["a"],"initial":"a","transitions":{"x":"y"}}', "transitions: expected a list, found an object"),
    ],
)
def test_a_mistake_is_an_error_with_its_place(text, message):
    with pytest.raises(ConversionError) as error:
        read(text, "transitions")
    assert str(error.value).startswith(message.lstrip(": "))


def usable(names):
    """Leaves out the two names that have a meaning in the library."""
    return [name for name in names if name not in ("*", "=")]


@pytest.mark.parametrize("names", [PLAIN, usable(HOSTILE)], ids=["plain", "any"])
def test_random_definitions_come_back(names):
    check_round_trips("transitions", names, history=True, deletions=True)


def test_what_the_library_has_no_word_for_is_told():
    found = Definition(
        map={"*": {"x": "="}, "=": ["*"]}, initial="*", after={"*": timer(None), "=": timer("*")}, history=2
    )
    written = write(found, "transitions")
    assert json.loads(written.text)["states"] == ["state *", "state ="]
    assert [str(note) for note in written.notes] == [
        "map.*: '*' has a meaning in the library: this is 'state *'",
        "map.=: '=' has a meaning in the library: this is 'state ='",
        "history: left out: the library has no word for it",
        "map.=: a move without a name is the trigger 'to_state *'",
        "after.*: left out: the library can't delete a machine",
        "after.=: the moves give the time: your code calls the trigger '_timer'",
    ]


# ---- with the library ---------------------------------------------------------------------------


def moved(library, text, state, event, to):
    """Has the library make a machine, put it into a state and trigger an event. Returns where it is then, or None."""
    machine = library.Machine(**arguments(text, to))
    machine.set_state(state)
    if event not in machine.events or event not in machine.get_triggers(state):
        return None
    machine.trigger(event)
    return machine.state


def arguments(text, to):
    """Returns the arguments as they are written, with conditions that hold if the caller says their state."""
    found = json.loads(text)
    for row in found["transitions"]:
        if "conditions" in row:
            row["conditions"] = [lambda name=row["conditions"]: name == f"to_{to}"]
    found["states"] = [state if isinstance(state, str) else state["name"] for state in found["states"]]
    return found


def test_the_library_moves_as_the_definition_says():
    library = pytest.importorskip("transitions")
    for seed in range(25):
        found = without(definition(seed, PLAIN), history=True, deletions=True)
        text = write(found, "transitions").text
        events = {event for state in found.states for event in found.events(state)} - {""}
        for state in found.states:
            for event in events:
                for to in found.events(state).get(event, [None]):
                    assert moved(library, text, state, event, to) == to, f"seed {seed}: {state} {event}"


def test_a_live_machine_is_what_its_arguments_are():
    library = pytest.importorskip("transitions")
    given = {
        "states": ["a", "b", "c"],
        "initial": "b",
        "transitions": [
            ["x", "a", "b"],
            {"trigger": "y", "source": "b", "dest": "c", "unless": ["late"]},
            ["z", "c", "="],
        ],
    }
    found = read_machine(library.Machine(model=[], **given), name="live")
    assert rows(found) == rows(read(json.dumps(given))) == {"a": {"x": "b"}, "b": {"y": "c"}, "c": {"z": "c"}}
    assert (found.definition.initial, found.definition.name, found.format) == ("b", "live", "transitions")
    assert told(found) == [AUTO, "transitions[1]: the condition 'not late' isn't checked: the caller decides"]


def test_a_live_nested_machine_with_members_of_an_enum():
    nesting = pytest.importorskip("transitions.extensions.nesting")

    class Light(enum.Enum):
        RED = 1
        GREEN = 2

    inner = {"name": "go", "children": Light, "initial": Light.GREEN, "transitions": [["dim", "GREEN", "RED"]]}
    machine = nesting.HierarchicalMachine(
        model=[], states=["off", inner], initial="off", transitions=[["on", "off", "go"], ["off", "go", "off"]]
    )
    found = read_machine(machine)
    assert rows(found) == {
        "off": {"on": "go.GREEN"},
        "go.RED": {"off": "off"},
        "go.GREEN": {"dim": "go.RED", "off": "off"},
    }


def test_what_is_no_machine_is_an_error():
    with pytest.raises(ConversionError, match="expected a machine of transitions, found int"):
        read_machine(7)
