"""Mermaid: what its state diagrams become, and back. The server's own drawing judges what is written."""

import json

import pytest

import nodejs
from converting import HOSTILE, PLAIN, check_round_trips, definition, drawable, exported, rows, timer, told, without
from harness import ROOT
from redis_state import Definition
from redis_state.convert import ConversionError, read, write
from redis_state.convert._write_mermaid import diagram


def drawing(*lines):
    return read("stateDiagram-v2\n" + "\n".join(lines) + "\n")


def test_labels_are_events_and_the_start_is_the_initial_state():
    found = drawing(
        "[*] --> new", "new --> paid : pay", "new --> paid", "paid-->new:back", "paid --> sent", "sent --> [*]"
    )
    assert found.format == "mermaid" and found.definition.initial == "new" and found.notes == ()
    assert rows(found) == {"new": {"pay": "paid", "": "paid"}, "paid": {"back": "new", "": "sent"}, "sent": []}


def test_a_state_may_have_a_name_beside_its_id():
    found = drawing('state "In review: #quot;a#quot; #38; b" as r', "r : a description", "[*] --> r")
    assert rows(found) == {'In review: "a" & b': []}
    assert told(found) == ["line 3: the description of 'r' is left out: 'a description'"]


def test_of_arrows_with_one_label_the_caller_says_which():
    found = drawing("[*] --> a", "a --> b : x", "a --> c : x")
    assert rows(found)["a"] == {"x": ["b", "c"]}
    assert told(found) == ["line 4: 'x' leads to several states: the caller says which, with TO"]


def test_composites_are_flattened():
    found = drawing(
        "[*] --> p", "state p {", "  [*] --> a", "  a --> b : x", "  b --> [*]", "}", 'state "The Q" as q {', "c", "}",
        "p --> q : y",
    )  # fmt: skip
    assert rows(found) == {"p.a": {"x": "p.b", "y": "The Q"}, "p.b": {"y": "The Q"}, "The Q": [], "The Q.c": []}
    assert told(found) == [
        "line 2: the states inside 'p' are flattened: 'p.a', 'p.b'",
        "line 8: no initial state inside 'The Q': it is a state of its own",
        "line 8: the states inside 'The Q' are flattened: 'The Q.c'",
    ]


def test_a_state_is_at_home_where_it_is_declared_or_deepest():
    found = drawing("[*] --> a", "b --> a", "state p {", "[*] --> b", "state a {", "[*] --> c", "}", "}")
    assert rows(found) == {"p.b": ["p.a.c"], "p.a.c": []}
    with pytest.raises(ConversionError, match="line 6: the state 'a' has another place too: line 2"):
        drawing("state a {", "x", "}", "state b {", "state a {", "y", "}", "}")
    with pytest.raises(ConversionError, match="line 3: the state 'a' is inside itself"):
        drawing("state a {", "state a {", "x", "}", "}")


def test_choices_are_passed_and_forks_are_states():
    found = drawing(
        "state c <<choice>>", "state f <<fork>>", "state j [[join]]", "[*] --> a", "a --> c : x", "c --> b : if n #gt; 0", "c --> f",
        "f --> b", "f --> j",
    )  # fmt: skip
    assert rows(found) == {"f": ["b", "j"], "j": [], "a": {"x": ["b", "f"]}, "b": []}
    assert told(found) == [
        "line 3: the fork 'f' is kept as a state: a machine is in one state at a time: of the ways that leave it, one is taken",
        "line 4: the join 'j' is kept as a state: it is a state like others",
        "line 7: the condition 'if n > 0' isn't checked: the caller decides",
        "line 2: the choice 'c' isn't a state here: moves lead past it, and the caller says where to",
        "line 6: 'x' leads to several states: the caller says which, with TO",
    ]


def test_the_end_is_a_state_if_there_are_other_ways_out():
    found = drawing("[*] --> a", "a --> b", "a --> [*]", "b --> [*] : done")
    assert rows(found) == {"a": ["b", "[*]"], "b": {"done": "[*]"}, "[*]": []}
    assert told(found) == [
        "line 4: the end is a state of its own, '[*]', as 'a' has other ways out or an event",
        "line 5: the end is a state of its own, '[*]', as 'b' has other ways out or an event",
    ]


def test_guards_and_actions_of_a_label_are_told():
    found = drawing("[*] --> a", "a --> b : pay [n > 1] / log it", "a --> b : [late]", "a --> b : GET /x<br/>or so")
    assert rows(found)["a"] == {"pay": "b", "": "b", "GET /x or so": "b"}
    assert told(found) == [
        "line 3: the action 'log it' is left out",
        "line 5: a line break in the label is a space here",
        "line 3: the condition 'n > 1' isn't checked: the caller decides",
        "line 4: the condition 'late' isn't checked: the caller decides",
    ]


def test_regions_are_one_state():
    found = drawing("[*] --> p", "state p {", "[*] --> a", "a --> b : x", "--", "[*] --> c", "}", "p --> d : y")
    assert rows(found) == {"p": {"y": "d"}, "d": []}
    assert any(
        "'p' is kept as one state, and what is inside is left out: 'region 1', 'a', 'b'" in note for note in told(found)
    )
    found = drawing("[*] --> a", "a --> b", "--", "[*] --> c")
    assert rows(found) == {"region 1.a": ["region 1.b"], "region 1.b": []}
    assert "only the first one, 'region 1', is kept" in told(found)[0]


def test_what_is_only_drawn_is_told():
    found = drawing(
        "direction LR", "accTitle: a title", "accDescr {", "two", "lines }", "%%{init: {'theme': 'dark'}}%%", "# a comment",
        "[*] --> a:::bold %% a comment", "note right of a", "it says", "end note", "note left of a : short",
        "classDef bold fill:#f00;", "class a bold", "style a fill:#fff", "a --> b: x;", "a --> b: y #35; %% z", "scale 350 width",
    )  # fmt: skip
    assert rows(found) == {"a": {"x": "b", "y #": "b"}, "b": []}
    assert told(found) == [
        "line 3: left out: 'accTitle: a title'",
        "line 4: left out: 'accDescr { two lines }'",
        "line 10: left out: 'note right of a it says end note'",
        "line 13: left out: 'note left of a : short'",
        "line 2: how it is drawn is left out: 'direction'",
        "line 14: how it is drawn is left out: 'classDef'",
        "line 15: how it is drawn is left out: 'class'",
        "line 16: how it is drawn is left out: 'style'",
        "line 19: how it is drawn is left out: 'scale'",
    ]


def test_a_title_is_the_name_and_a_page_may_be_around_it():
    text = (
        "# Page\n\n```mermaid\n---\ntitle: door\nconfig:\n  look: neo\n---\nstateDiagram\n  [*] --> a\n  a -> b\n```\n"
    )
    with pytest.raises(ConversionError, match="line 11 column 5: didn't expect '->'"):
        read(text)
    found = read(text.replace("->", "-->").replace("--->", "-->"))
    assert found.definition.name == "door" and rows(found) == {"a": ["b"], "b": []}
    assert told(found) == ["line 1: left out: 'config'"]


def test_timers_and_any_are_read_as_the_server_draws_them():
    found = drawing(
        'state "#42;" as any',
        "[*] --> a",
        "a --> b : after 30 min",
        "b --> [*] : after 1 d",
        "c --> a : timer",
        "any --> c : stop",
    )
    assert found.definition.after == {"a": timer("b", 1_800_000), "b": timer(None, 86_400_000), "c": timer("a")}
    assert found.definition.any == {"stop": "c"} and rows(found) == {"a": [], "b": [], "c": []}


def test_without_a_start_the_first_state_is_the_initial_one():
    found = drawing("a --> b")
    assert found.definition.initial == "a"
    assert told(found) == ["no arrow from [*]: the machine begins in the first state, 'a'"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["a --> "], "line 2 column 6: didn't expect 'the end of the line'"),
        (["a b"], "line 2 column 3: didn't expect 'b'"),
        (["state a {", "b"], "line 3 column 2: didn't expect the end of the text"),
        (["}"], "line 2 column 1: didn't expect '}'"),
        ([], "the diagram has no states"),
        (["note left of a", "[*] --> a"], "line 2 column 6: didn't expect 'left'"),
        (["state p {", "[*] --> a", "}", "state q {", "[*] --> a", "}"], "line 6: 'a' isn't inside 'q'"),
        (['state "#42;" as any', "[*] --> a", "a --> any"], "line 4: 'any' stands for every state"),
        (["state c <<choice>>", "[*] --> a", "a --> c", "c --> c"], "line 4: leads nowhere"),
    ],
)
def test_a_mistake_is_an_error_with_its_place(lines, message):
    with pytest.raises(ConversionError) as error:
        read("stateDiagram-v2\n" + "\n".join(lines) + "\n", "mermaid")
    assert str(error.value).startswith(message)


DRAWABLE = [name for name in HOSTILE if name and drawable(name)]


@pytest.mark.parametrize("names", [PLAIN, DRAWABLE], ids=["plain", "any"])
def test_random_definitions_come_back(names):
    check_round_trips("mermaid", names, labels=True, refusals=True)


def test_what_a_diagram_cannot_hold_is_told():
    found = Definition(
        map={"a\n": {"after 5 s": "", "x\0": "␀", "y": []}, "": [], "␀": [], "\0": []},
        initial="a\n",
        name="n",
        any={"timer": ""},
    )
    assert [str(note) for note in write(found, "mermaid").notes] == [
        "name: left out: a diagram has no word for it",
        "map.'a\\n': the diagram can't hold this name: it shows 'a␊'",
        "map.'': the diagram can't hold this name: it shows '(empty)'",
        "map.'\\x00': the diagram can't hold this name: it shows '␀'",
        "map.'\\x00': another state is shown as '␀' too",
        "map.a\\n.after 5 s: the diagram shows this event like a timer",
        "map.a\\n.x\\x00: the diagram can't hold this event: it shows 'x␀'",
        "map.a\\n.y: left out: the diagram doesn't show that the state refuses the event",
        "any.timer: the diagram shows this event like a timer",
    ]


@pytest.mark.parametrize("names", [PLAIN, HOSTILE], ids=["plain", "any"])
def test_the_server_draws_the_same_diagram(db, names):
    for seed in range(60):
        found = definition(seed, names)
        assert diagram(found, found.initial) == exported(db, found, "MERMAID"), f"seed {seed}"


def test_mermaid_reads_what_is_written_as_it_is_read_here(tmp_path):
    found = [without(definition(seed, PLAIN), refusals=True) for seed in range(40)]
    file = tmp_path / "diagrams.json"
    file.write_text(json.dumps([write(one, "mermaid").text for one in found]))
    drawn = json.loads(nodejs.node((ROOT / "tests/clients/mermaid.mjs").read_text(), file))
    for one, picture in zip(found, drawn):
        assert "error" not in picture
        ids = {f"s{at}": state for at, state in enumerate(one.states)}
        arrows = [
            (ids.get(start), ids.get(end)) for start, end in picture["transitions"] if start in ids and end in ids
        ]
        moves = [(state, to) for state, row in one.map.items() for _, to in each(row)]
        moves += [(state, timer.to) for state, timer in one.after.items() if timer.to is not None]
        assert sorted(arrows) == sorted(moves)


def each(row):
    """Yields the moves of a row, each once."""
    groups = row.items() if hasattr(row, "items") else [("", row)]
    for event, targets in groups:
        yield from ((event, to) for to in dict.fromkeys([targets] if isinstance(targets, str) else targets))
