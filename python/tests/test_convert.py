"""Converters as a whole: which format a text is in, names, and texts that are made to break a reader."""

import json
import pickle
import time

import pytest

from converting import HOSTILE, definition, rows, told
from redis_state import Definition, StateMachineError
from redis_state.convert import FORMATS, ConversionError, Note, read, write


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_is_found_by_its_form(format):
    found = Definition(map={"new": {"pay": "paid"}}, initial="new")
    written = write(found, format)
    for text in (written.text, written.text.encode(), "\ufeff" + written.text, written.text.encode("utf-8-sig")):
        conversion = read(text)
        assert (conversion.format, conversion.definition.initial) == (format, "new")
        assert read(text, format) == conversion


def test_a_document_is_read_as_the_server_reads_it():
    conversion = read('{"initial":"a","map":{"a":["b"]},"current":"b","reason":"x"}')
    assert conversion.format == "document" and rows(conversion) == {"a": ["b"]} and conversion.notes == ()
    with pytest.raises(ConversionError, match=r"map\.a\[0\]: expected a string, found 7"):
        read('{"initial":"a","map":{"a":[7]}}')
    assert write(conversion.definition, "document").text == '{"map":{"a":["b"]},"initial":"a"}\n'


def test_a_machine_may_be_one_field_of_a_file():
    assert rows(read('{"machine":{"initial":"a","states":{"a":{"on":{"x":"a"}}}}}')) == {"a": {"x": "a"}}
    assert read("machine:\n  states: [a]\n  initial: a\n").format == "transitions"


@pytest.mark.parametrize(
    ("given", "name", "revision"), [(None, "door", 3), ("gate", "gate", 3), ("", "", None), ("door", "door", 3)]
)
def test_the_caller_can_give_the_name(given, name, revision):
    found = read('{"id":"door","version":"3","initial":"a","states":{"a":{}}}', name=given).definition
    assert (found.name, found.revision) == (name, revision)


def test_a_name_that_is_too_long_is_left_out_and_refused_from_the_caller():
    text = json.dumps({"id": "x" * 257, "initial": "a", "states": {"a": {}}})
    assert read(text).definition.name == ""
    assert told(read(text)) == [f"the name '{'x' * 59}…' is left out: names have up to 256 bytes"]
    with pytest.raises(ConversionError, match="name: expected 1 to 256 bytes"):
        read('{"map":{},"initial":"a"}', name="é" * 129)


def test_an_unknown_format_is_an_error():
    for use in (lambda: read("{}", "bpmn"), lambda: write(Definition(map={}, initial="a"), "bpmn")):
        with pytest.raises(
            ConversionError, match="no format 'bpmn': expected one of xstate, asl, scxml, transitions, mermaid"
        ):
            use()


def test_the_error_is_one_of_the_package_and_can_be_sent():
    error = pickle.loads(pickle.dumps(ConversionError("line 3", "no state 'b'")))
    assert isinstance(error, StateMachineError) and (error.place, error.what) == ("line 3", "no state 'b'")
    assert str(error) == "line 3: no state 'b'" and str(Note("", "x")) == "x"


# ---- texts that nobody would write --------------------------------------------------------------

DEEP = 10_000
NOT_TEXT = {
    "empty": b"",
    "blank": " \n ",
    "not UTF-8": b"\xff\xfe{",
    "an image": b"\x89PNG\r\n\x1a\n",
    "NUL": "\0",
    "prose": "Dear all: hello\n",
    "a number": "42",
    "null": "null",
    "a list": "[]",
    "another diagram": "flowchart LR\n a --> b\n",
    "a template of CloudFormation": '{"Resources":{"x":{"Type":"AWS::StepFunctions::StateMachine"}}}',
    "HTML": "<html></html>",
    "cut JSON": '{"states":',
    "NaN": '{"states":{},"initial":NaN}',
    "half a pair": '{"initial":"\\ud800","states":{"\\ud800":{}}}',
    "a large number": '{"initial":"a","version":' + "9" * 5000 + ',"states":{"a":{}}}',
}
DEEP_TEXTS = {
    "JSON": "[" * DEEP * 10,
    "xstate": '{"initial":"a","states":{"a":' * DEEP + "{}" + "}}" * DEEP,
    "xstate within JSON's depth": '{"initial":"a","states":{"a":' * 120 + "{}" + "}}" * 120,
    "asl": '{"StartAt":"a","States":{"a":{"Type":"Parallel","Branches":[' * DEEP,
    "scxml": "<scxml>" + '<state>' * DEEP + "</state>" * DEEP + "</scxml>",
    "scxml within XML's depth": "<scxml>" + "<state>" * 120 + "</state>" * 120 + "</scxml>",
    "transitions": '{"initial":"a","states":[{"name":"a","children":[' * DEEP,
    "transitions within JSON's depth": '{"initial":"a","states":[' + '{"name":"a","children":[' * 120 + "]}" * 120 + "]}",
    "YAML": "states: " + "[" * DEEP + "]" * DEEP,
    "mermaid": "stateDiagram-v2\n" + "".join(f"state s{at} {{\n" for at in range(DEEP)) + "}\n" * DEEP,
    "open mermaid": "stateDiagram-v2\n" + "".join(f"state s{at} {{\n" for at in range(DEEP)),
}  # fmt: skip
GROWING = {
    "aliases": "l0: &l0 [x, y]\n"
    + "".join(f"l{at}: &l{at} [{', '.join(f'{{name: {c}, children: *l{at - 1}}}' for c in 'abcdefghi')}]\n" for at in range(1, 9))
    + "initial: a\nstates: *l8\n",
    "an alias of itself": "states: &a [*a]\n",
    "wildcards": json.dumps({"initial": "s0", "states": {f"s{at}": {"on": {f"e{at}": "s0", "*": "s1"}} for at in range(3000)}}),
    "outer events": json.dumps(
        {"initial": "p", "states": {"p": {"initial": "s0", "on": {f"e{at}": f".s{at}" for at in range(2000)}, "states": {f"s{at}": {} for at in range(2000)}}}}
    ),
    "history": json.dumps(
        {"initial": "p", "states": {"p": {"initial": "s0", "states": {**{f"s{at}": {"on": {"x": "#h"}} for at in range(2000)}, "h": {"id": "h", "type": "history"}}}}}
    ),
    "parts of an event": '<scxml><state id="a"><transition event="' + "a." * 100_000 + 'b" target="a"/></state></scxml>',
}  # fmt: skip
LARGE = {
    "text": "x" * (64 * 1024 * 1024 + 1),
    "YAML": "states: [a]\n" + "# x\n" * 300_000,
    "states": json.dumps({"initial": "0", "states": {str(at): {} for at in range(100_001)}}),
}


def parameters(texts):
    return [pytest.param(text, id=name) for name, text in texts.items()]


@pytest.mark.parametrize("text", parameters({**NOT_TEXT, **DEEP_TEXTS, **GROWING, **LARGE}))
def test_it_is_a_short_error_in_little_time(text):
    start = time.monotonic()
    with pytest.raises(ConversionError) as error:
        read(text)
    assert "\n" not in str(error.value) and len(str(error.value)) < 400
    assert time.monotonic() - start < 60
    assert not isinstance(error.value.__context__, RecursionError) or error.value.__suppress_context__


def test_the_limits_are_named():
    with pytest.raises(ConversionError, match=r"100001 states, over the limit of 100000 \(redisstate.max-states\)"):
        read(LARGE["states"])
    with pytest.raises(ConversionError, match=r"transitions, over the limit of 1000000 \(redisstate.max-transitions\)"):
        read(GROWING["history"])
    with pytest.raises(ConversionError, match="over 200000 values, those of aliases counted each time"):
        read(GROWING["aliases"])
    with pytest.raises(ConversionError, match="line 1: an alias of what is around it"):
        read(GROWING["an alias of itself"])


def test_long_chains_are_followed():
    lines = "".join(f"state c{at} <<choice>>\nc{at} --> c{at + 1}\n" for at in range(3000))
    assert rows(read(f"stateDiagram-v2\n[*] --> a\na --> c0\n{lines}")) == {"a": ["c3000"], "c3000": []}


def test_hardly_any_change_of_a_text_is_more_than_an_error():
    """Cuts and overwrites texts of every format: the reader returns something or raises its own error."""
    import random

    rng = random.Random(13)
    for format in FORMATS:
        text = write(definition(3, HOSTILE[:40]), format).text
        for _ in range(150):
            at, length = rng.randrange(len(text)), rng.randrange(1, 20)
            changed = (
                text[:at]
                + rng.choice(["", "}", '"', "\n", "[", "7", "null", "<", "&", ": ", "*", "#"])
                + text[at + length :]
            )
            try:
                read(changed, format)
                read(changed)
            except ConversionError as error:
                assert "\n" not in str(error)


@pytest.mark.parametrize(
    "value",
    [None, True, 7, 1.5, "x", "", [], {}, [[]], [7], {"a": 7}, [None], [{}], {"": {}}, ["x", "y", "z"]],
    ids=repr,
)
@pytest.mark.parametrize("format", ["xstate", "asl", "transitions"])
def test_a_value_of_any_kind_in_any_place_is_no_more_than_an_error(format, value):
    """Puts the value in the place of each value of a whole text, one after the other."""
    original = json.loads(WHOLE[format])
    read(json.dumps(original), format)
    for path in places(original, ()):
        changed = json.loads(WHOLE[format])
        put(changed, path, value)
        try:
            read(json.dumps(changed), format)
        except ConversionError as error:
            assert "\n" not in str(error)


WHOLE = {
    "xstate": """{"id":"m","version":"1","initial":"a","on":{"*":".b"},"meta":{"redis-state":{"history":3}},"states":{
        "a":{"id":"i","entry":["x"],"always":[{"target":"b","guard":{"type":"g"}}],"after":{"10":"b","x":[{"target":"b"}]},
        "on":{"e":["b",{"target":"#i","actions":"x","cond":"y","meta":{"redis-state":{"event":""}}}],"f.*":{}}},
        "b":{"invoke":{"src":"s","id":"n","onDone":{"target":"a"},"onError":["a"]},"meta":{"redis-state":{"delete":5,"name":"c"}}},
        "p":{"type":"parallel","onDone":"a","states":{"r":{"on":{"x":"#i"}}}},
        "q":{"initial":"z","onDone":"a","states":{"z":{"type":"final"},"h":{"type":"history","history":"deep","target":"z"}}}}}""",
    "asl": """{"StartAt":"a","States":{"a":{"Type":"Task","TimeoutSeconds":5,"Next":"b","Retry":[{}],
        "Catch":[{"ErrorEquals":["States.ALL"],"Next":"d"}]},"b":{"Type":"Choice","Choices":[{"Variable":"$.event",
        "StringEquals":"x","Next":"c"},{"And":[{"Variable":"$.event","StringEquals":"y"},{"Variable":"$.to",
        "StringEquals":"d"}],"Next":"d"}],"Default":"c"},"c":{"Type":"Wait","Seconds":3,"Next":"d"},"d":{"Type":"Parallel",
        "Branches":[{"States":{"x":{}}}],"Next":"e"},"e":{"Type":"Map","ItemProcessor":{"States":{}},"End":true}}}""",
    "transitions": """{"name":"m","initial":"a","ordered_transitions":true,"auto_transitions":false,"states":["a",{"name":"b",
        "timeout":5,"on_timeout":["go"],"on_enter":"x"},{"name":"c","initial":"1","children":["1",{"name":"2"}],
        "transitions":[["x","1","2"]]},{"name":"d","parallel":["1","2"]}],"transitions":[["go","b","a"],{"trigger":"x",
        "source":["a","c_1"],"dest":"c","conditions":["g"],"unless":"h","before":"y"},["y","*","="],["z","a",null]]}""",
}


def places(value, path):
    """Yields the path of each value inside a value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*path, key)
        yield from places(inner, (*path, key))


def put(value, path, new):
    for key in path[:-1]:
        value = value[key]
    value[path[-1]] = new
