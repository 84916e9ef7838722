"""SCXML: what its charts become, and back."""

import xml.etree.ElementTree as xml

import pytest

from converting import HOSTILE, PLAIN, check_round_trips, rows, timer, told
from redis_state import Definition
from redis_state.convert import ConversionError, read, write

SPACE = "http://www.w3.org/2005/07/scxml"


def chart(inner, fields=""):
    return read(f'<scxml xmlns="{SPACE}" version="1.0" {fields}>{inner}</scxml>')


def test_events_lead_to_states_and_the_first_state_is_the_initial_one():
    found = chart('<state id="a"><transition event="x y" target="b"/></state><final id="b"/>', 'name="door"')
    assert rows(found) == {"a": {"x": "b", "y": "b"}, "b": []}
    assert (found.definition.initial, found.definition.name, found.notes) == ("a", "door", ())
    assert chart('<state id="a"/><state id="b"/>', 'initial="b"').definition.initial == "b"


def test_a_chart_without_a_namespace_is_read_too():
    assert rows(read('<scxml><state id="a"/></scxml>')) == {"a": []}


def test_inner_states_begin_where_the_text_says():
    inner = '<state id="p" {}>{}<state id="a"/><state id="b"/></state><state id="o"><transition event="x" target="p"/></state>'
    for fields, first, expected in (
        ("", "", "p.a"),
        ('initial="b"', "", "p.b"),
        ("", '<initial><transition target="b"/></initial>', "p.b"),
    ):
        assert rows(chart(inner.format(fields, first)))["o"] == {"x": expected}


def test_an_event_fits_longer_names_too():
    found = chart(
        '<state id="a"><transition event="err" target="b"/><transition event="err.io.disk" target="c"/></state>'
        '<state id="b"><transition event="err.*" target="c"/><transition event="err." target="c"/></state>'
        '<state id="c"><transition event="error" target="a"/><transition event="*" target="b"/></state>'
    )
    assert rows(found) == {
        "a": {"err": "b", "err.io.disk": "b"},
        "b": {"err": "c", "err.io.disk": "c"},
        "c": {"error": "a", "err": "b", "err.io.disk": "b"},
    }


def test_what_is_not_a_move_is_told():
    found = chart(
        '<datamodel><data id="d"/></datamodel>\n'
        '<state id="a">\n'
        '<onentry><log expr="1"/></onentry>\n'
        '<transition event="x" cond="d &gt; 1" target="b"><assign location="d"/></transition>\n'
        '<transition event="x" target="c"/>\n'
        '<transition event="y"><log/></transition>\n'
        '<transition target="c"/>\n'
        '<transition cond="d"/>\n'
        '<invoke type="t"/></state>\n'
        '<state id="b"/><state id="c"/>'
    )
    assert rows(found)["a"] == {"x": ["b", "c"], "y": "a", "": "c"}
    assert told(found) == [
        "line 1: left out: 'datamodel'",
        "line 2: left out: 'invoke'",
        "line 3: actions of <onentry> left out: 'log'",
        "line 4: actions left out: 'assign'",
        "line 6: actions left out: 'log'",
        "line 6: stays in its state: it is a move onto the same state",
        "line 7: is made by the machine itself there; here a caller makes it",
        "line 8: left out: it has neither an event nor a target",
        "line 4: the condition 'd > 1' isn't checked: the caller decides",
        "line 5: 'x' leads to several states: the caller says which, with TO",
    ]


def test_an_event_that_a_state_sends_itself_later_is_a_timer():
    found = chart(
        '<state id="a"><onentry><send event="late" delay="1.5s"/></onentry><onexit><cancel sendid="l"/></onexit>'
        '<transition event="late" target="b"/><transition event="x" target="b"/></state>'
        '<state id="b"><onentry><send event="later" delayexpr="d"/></onentry><transition event="later" target="a"/></state>'
    )
    assert rows(found) == {"a": {"x": "b"}, "b": []}
    assert found.definition.after == {"a": timer("b", 1500), "b": timer("a")}
    assert told(found) == [
        "line 1: 'late' is a timer here, and no event that callers fire in this state",
        "line 1: the delay 'd' is computed there: here the move into the state gives it, with AFTER",
        "line 1: 'later' is a timer here, and no event that callers fire in this state",
    ]
    found = chart('<state id="a"><onentry><send event="late" delay="5s"/></onentry></state>')
    assert told(found) == ["line 1: left out: the state has no transition by 'late', which it sends"]


def test_parallel_states_history_and_what_is_done():
    found = chart(
        '<state id="a"><transition event="x" target="h"/><transition event="y" target="r2"/></state>'
        '<parallel id="p"><transition event="done.state.p" target="a"/><state id="r"><transition event="z" target="a"/></state>'
        '<state id="r2"/></parallel>'
        '<state id="s"><transition event="done.state.s" target="a"/><history id="h" type="shallow"><transition target="t2"/></history>'
        '<state id="t"/><state id="t2"/><final id="f"/></state>'
    )
    assert rows(found) == {
        "a": {"x": ["s.t2", "s.t", "s.f"], "y": "p"},
        "p": {"": "a", "z": "a"},
        "s.t": [],
        "s.t2": [],
        "s.f": ["a"],
    }
    shown = " ".join(told(found))
    assert "history of 's': a machine doesn't remember" in shown and "'p' is kept as one state" in shown
    assert "inside 'p', of which nothing is kept: it leads there" in shown


def test_a_state_without_an_id_gets_a_name():
    found = chart('<state><transition event="x" target="b"/></state>\n<state id="b"/>')
    assert rows(found) == {"state of line 1": {"x": "b"}, "b": []}
    assert told(found) == ["line 1: the state has no id: it is 'state of line 1'"]


def test_final_states_take_no_events_of_the_states_around_them():
    found = chart(
        '<state id="w"><transition event="x" target="e"/><state id="a"/><final id="f"/></state><final id="e"/>'
    )
    assert rows(found) == {"w.a": {"x": "e"}, "w.f": {"x": "e"}, "e": []}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('<scxml>\n<state id="a">\n<transition event="x" target="b"/></state></scxml>', "line 3: no state 'b'"),
        ('<scxml><state id="a"/>\n<state id="a"/></scxml>', "line 2: the id 'a' is there twice: line 1"),
        ("<scxml/>", "line 1: the machine has no states"),
        ("<html/>", "line 1: expected <scxml>, found <html>"),
        (
            '<scxml><state id="a" initial="b"><state id="c"/></state><state id="b"/></scxml>',
            "line 1: the initial state 'b' isn't",
        ),
        ('<scxml initial="x"><state id="a"/></scxml>', "line 1: no state 'x'"),
        ('<scxml><state id="a"></scxml>', "line 1 column 24: not XML: mismatched tag"),
        ('<scxml xmlns="urn:other"><state id="a"/></scxml>', "line 1: expected <scxml>, found <scxml>"),
    ],
)
def test_a_mistake_is_an_error_with_its_place(text, message):
    with pytest.raises(ConversionError) as error:
        read(text, "scxml")
    assert str(error.value).startswith(message)


BOMB = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;"><!ENTITY c "&b;&b;&b;&b;">]><scxml name="&c;"/>'
OUTSIDE = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/hostname">]><scxml>&a;</scxml>'


@pytest.mark.parametrize("text", [BOMB, OUTSIDE, '<!DOCTYPE scxml SYSTEM "http://127.0.0.1:1/a.dtd"><scxml/>'])
def test_entities_and_outside_files_are_refused(text):
    with pytest.raises(ConversionError, match="declares entities or an outside DTD, which aren't read"):
        read(text)


def test_the_encoding_is_the_one_that_the_text_says():
    text = '<?xml version="1.0" encoding="ISO-8859-1"?><scxml><state id="é"/></scxml>'
    assert rows(read(text.encode("latin-1"))) == {"é": []}
    assert rows(read(text)) == {"é": []}
    assert rows(read(text.replace("ISO-8859-1", "UTF-16").encode("utf-16"))) == {"é": []}
    with pytest.raises(ConversionError, match="not XML"):
        read(b'<?xml version="1.0" encoding="odd"?><scxml/>')


@pytest.mark.parametrize("names", [PLAIN, HOSTILE], ids=["plain", "any"])
def test_random_definitions_come_back(names):
    check_round_trips("scxml", names)


def test_what_is_written_is_plain_scxml_where_it_can():
    found = Definition(
        map={"new": {"pay": "paid"}, "paid": {"refund": ["part", "all"]}},
        initial="new",
        after={"new": timer("lost", 5)},
    )
    root = xml.fromstring(write(found, "scxml").text)
    new = root.find(f"{{{SPACE}}}state[@id='new']")
    assert [one.attrib for one in new.findall(f"{{{SPACE}}}transition")] == [
        {"event": "after.0", "target": "lost"},
        {"event": "pay", "target": "paid"},
    ]
    assert new.find(f"{{{SPACE}}}onentry/{{{SPACE}}}send").attrib == {
        "event": "after.0",
        "id": "after.0",
        "delay": "5ms",
    }
    assert [one.get("id") for one in root.findall(f"{{{SPACE}}}final")] == ["part", "all", "lost"]
    assert root.get("datamodel") == "ecmascript"
