"""SM.EXPORT: Graphviz and Mermaid read the diagrams, and find the machine's states and transitions."""

import html
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as xml

import pytest

import nodejs
from documents import ORDER
from harness import ROOT, SLOWDOWN
from model import Machine
from test_corpus import FILES, load
from test_lint import in_order
from traffic import store

GALLERY = {path: json.loads(path.read_text()) for path in sorted(ROOT.glob("docs/gallery/*.json"))}
PLAIN = [path for path, fields in GALLERY.items() if not {"any", "after"} & {*fields}]
# The drawing doesn't depend on the server that returns the text.
once = pytest.mark.once
graphviz = pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz is not installed")

# Names that are, or look like, syntax of one of the two languages, of HTML or of Markdown.
HOSTILE = [
    "", " ", "  a  b  ", "\0", "\n", "a\r\nb", "\t", "\x1b[31m", "\x7f", "\x80\x9f", "\u2028\u2029",
    '"', "'", "`a`", "\\", '\\"', "\\N", "\\G\\n\\l\\r", "a\\", '"];evil[label="', '" as s1\nx --> y',
    "&", "&lt;", "&amp;#10;", "&#34;", "#34;", "#lt;", "#", ";", "a;b", "<b>a</b>", "<script>alert(1)</script>",
    "<<fork>>", "<>", "]]>", "<!-- a -->", "%%a", "%%{init: {}}%%", "---", "--", "-->", "->", ":", ":::a",
    "::", "{", "}", "[*]", "[[fork]]", "(a)", "|", "/", "//a", "=", "+", "$$a$$", "@", "~", "^", ",",
    "_a_", "__proto__", "__a__", "*a*", "**a**", "~~a~~", "# a", "- a", "1. a", "+ a", "> a", "[a](b)", "![a](b)",
    "a_b", "a-b", "a.b", "a__b", "_", "-", ".", "www.example.com", "https://example.com", "fa:fa-car",
    "s0", "s1", "start", "end", "state", "note", "class", "classDef", "style a fill:#f00;", "direction LR", "a DIRECTION\u3000tb", "redirection  RL",
    "graph", "digraph", "node", "subgraph", "strict", "constructor", "toString", "accTitle: a", "click",
    "ﬂ°°65¶ß", "¶ß", "ﬂ°", "Straße", "é", "e\u0301", "中文", "🚀", "👩\u200d🚀", "שלום", "\u202ea", "\ufeffa",
    "\ufffe\uffff", "\ud7ff\ue000", "\ufdd0", "\U0010ffff", "\xa0", "\u3000", "x" * 20_000, '"' * 5000,
]  # fmt: skip


def ring(names):
    """Makes a ring of these states, with a way out of each."""
    following = names[1:] + names[:1]
    return Machine({name: [after, "the end"] for name, after in zip(names, following)}, names[0])


def shown(name):
    """Returns a name as a diagram shows it: control characters as symbols, invalid ones as �."""
    pictures = {code: 0x2400 + code for code in range(0x20)} | {0x7F: 0x2421}
    unseen = [*range(0x80, 0xA0), 0x2028, 0x2029, 0xFFFE, 0xFFFF]
    cut = name[:1000] + "…" * (len(name) > 1000)
    return cut.translate(pictures | dict.fromkeys(unseen, 0xFFFD)) or "(empty)"


def spaces_joined(text):
    """Joins white space as HTML and SVG do: one space for any, and none at the ends."""
    return " ".join(text.split())


def states(model):
    """Returns the states in the order of their IDs."""
    foreign = [] if model.current in in_order(model.map, model.initial) else [model.current]
    return in_order(model.map, model.initial) + foreign


def transitions(model):
    """Returns the transitions as pairs of IDs, each once, in document order."""
    ids = {name: f"s{at}" for at, name in enumerate(states(model))}
    return [(ids[source], ids[to]) for source, row in model.map.items() for to in dict.fromkeys(row)]


def terminal(model):
    return {f"s{at}" for at, name in enumerate(states(model)) if not model.map.get(name)}


def id_of(model, state):
    return f"s{states(model).index(state)}"


def export(client, model, language):
    store(client, "m", model.document())
    return client.execute_command("SM.EXPORT", "m", language).decode()


def machines(paths, read):
    return [pytest.param(path, read, id=path.stem) for path in paths]


def from_gallery(path):
    return Machine.of(path.read_text())


# ---- Graphviz -----------------------------------------------------------------------------------

SVG = "{http://www.w3.org/2000/svg}"


def drawn(text):
    """Draws a text with Graphviz. Large machines get a faster layout, which reads the same language."""
    quick = ["-Ktwopi"] if text.count("->") > 200 else []
    command = ["dot", *quick, "-Tsvg"]
    done = subprocess.run(command, input=text.encode(), capture_output=True, timeout=120 * SLOWDOWN)
    assert done.returncode == 0 and not done.stderr, done.stderr.decode()
    return xml.fromstring(done.stdout)


def parts(svg, kind):
    """Returns {title: part} of every node or edge."""
    return {g.find(f"{SVG}title").text: g for g in parts_listed(svg, kind)}


def parts_listed(svg, kind):
    return [g for g in svg.iter(f"{SVG}g") if g.get("class") == kind]


def check_drawing(client, model):
    svg = drawn(export(client, model, "DOT"))
    nodes, edges = parts(svg, "node"), parts(svg, "edge")
    labels = {f"s{at}": spaces_joined(shown(name)) for at, name in enumerate(states(model))}
    assert set(nodes) == {"start", *labels}
    assert {node: text_of(nodes[node]) for node in labels} == labels
    start = ("start", id_of(model, model.initial))
    assert set(edges) == {"->".join(pair) for pair in [start, *transitions(model)]}
    assert {node for node in labels if outlines(nodes[node]) == 2} == terminal(model)
    assert [node for node in labels if "#ffcc33" in fills(nodes[node])] == [id_of(model, model.current)]


def text_of(node):
    return spaces_joined("".join(text.text or "" for text in node.iter(f"{SVG}text")))


def outlines(node):
    return sum(1 for path in node.iter(f"{SVG}path"))


def fills(node):
    return [path.get("fill") for path in node.iter(f"{SVG}path")]


@once
@graphviz
@pytest.mark.parametrize(("path", "read"), machines(PLAIN, from_gallery) + machines(FILES, load))
def test_graphviz_draws_the_machine(db, path, read):
    check_drawing(db, read(path))


@once
@graphviz
@pytest.mark.parametrize("name", HOSTILE, ids=lambda name: ascii(name)[:30])
def test_graphviz_takes_any_name(db, name):
    check_drawing(db, Machine({name: [name, "b"]}, name))
    check_drawing(db, Machine({"a": [name]}, "a", name))


@once
@graphviz
def test_graphviz_takes_them_all_at_once(db):
    check_drawing(db, ring(HOSTILE))


@once
@graphviz
@pytest.mark.parametrize("current", ["bar", "boo", "blee", "elsewhere"])
def test_graphviz_shows_the_current_state(db, current):
    check_drawing(db, Machine(json.loads(ORDER)["map"], "bar", current))


# ---- Mermaid ------------------------------------------------------------------------------------

READER = ROOT / "tests/clients/mermaid.mjs"


def read_by_mermaid(texts, folder, *how):
    file = folder / "diagrams.json"
    file.write_text(json.dumps(texts))
    return json.loads(nodejs.node(READER.read_text(), file, *how))


def check_diagram(model, found):
    assert "error" not in found, found["error"]
    ends = [(state, "root_end") for state in sorted(terminal(model))]
    start = [("root_start", id_of(model, model.initial))]
    expected = sorted(start + transitions(model) + ends)
    assert sorted(map(tuple, found["transitions"])) == expected
    with_class = [state for state, classes in found["classes"].items() if classes]
    assert with_class == [id_of(model, model.current)]
    assert found["classes"][with_class[0]] == ["current"]


def check_labels(model, found):
    """Checks that the finished drawing shows each name, as text."""
    labels = {re.search(r"-state-(s\d+)-", key)[1]: label for key, label in found["labels"].items() if label}
    for at, name in enumerate(states(model)):
        label = labels[f"s{at}"].removeprefix("<p>").removesuffix("</p>")
        assert "<" not in label, name
        assert spaces_joined(html.unescape(label)) == spaces_joined(shown(name))


@once
def test_mermaid_reads_every_machine(db, tmp_path):
    # Mermaid takes minutes for the largest ones.
    small = [path for path in FILES if path.stat().st_size < 20_000]
    models = [load(path) for path in small] + [from_gallery(path) for path in PLAIN]
    models += [Machine(json.loads(ORDER)["map"], "bar", state) for state in ("boo", "blee", "elsewhere")]
    found = read_by_mermaid([export(db, model, "MERMAID") for model in models], tmp_path)
    for model, diagram in zip(models, found, strict=True):
        check_diagram(model, diagram)


@once
def test_mermaid_shows_any_name_as_it_is(db, tmp_path):
    # Except two kinds of names: white space alone, which a browser doesn't show, and Mermaid's own
    # notation for an entity, which it always replaces with the character, escaped or not.
    shows = [name for name in HOSTILE if name.strip() and not {*name} & {*"ﬂ¶"}]
    models = [ring(shows[at : at + 25]) for at in range(0, len(shows), 25)]
    models += [from_gallery(path) for path in PLAIN]
    found = read_by_mermaid([export(db, model, "MERMAID") for model in models], tmp_path, "render")
    for model, diagram in zip(models, found, strict=True):
        check_diagram(model, diagram)
        check_labels(model, diagram)


@once
def test_mermaid_takes_them_all_at_once(db, tmp_path):
    model = ring(HOSTILE)
    (found,) = read_by_mermaid([export(db, model, "MERMAID")], tmp_path)
    check_diagram(model, found)


# ---- events and timers --------------------------------------------------------------------------


class Drawing:
    """What a document's diagram shows: names by ID, arrows as (from, to, text), and final states."""

    def __init__(self, fields):
        self.rows = {state: row if isinstance(row, dict) else {"": row} for state, row in fields["map"].items()}
        self.any, self.timers = fields.get("any", {}), fields.get("after", {})
        moves = [(state, event, to) for state, row in self.rows.items() for event, to in each_target(row)]
        from_any = list(each_target(self.any))
        ends = [timer["to"] for timer in self.timers.values() if timer["to"] is not None]
        names = [*self.rows, *(to for _, _, to in moves), *(to for _, to in from_any), *ends, fields["initial"]]
        ids = {name: f"s{at}" for at, name in enumerate(dict.fromkeys(names))}
        self.names = {id: name for name, id in ids.items()}
        self.initial = ids[fields["initial"]]
        self.arrows = [(ids[state], ids[to], event) for state, event, to in moves]
        self.arrows += [("any", ids[to], event) for event, to in from_any]
        timers = self.timers.items()
        self.arrows += [(ids[state], ids.get(timer["to"], "deleted"), duration(timer)) for state, timer in timers]
        self.final = {id for id, name in self.names.items() if self.is_final(name)}

    def is_final(self, state):
        row = self.rows.get(state, {})
        added = [to for event, to in each_target(self.any) if event not in row and to != state]
        timer = self.timers.get(state, {"to": state})
        return not added and not list(each_target(row)) and timer["to"] == state


def each_target(row):
    for event, targets in row.items():
        yield from ((event, to) for to in ([targets] if isinstance(targets, str) else targets))


def duration(timer):
    for unit, ms in {"d": 86_400_000, "h": 3_600_000, "min": 60_000}.items():
        if timer.get("ms", 1) % ms == 0:
            return f"after {timer['ms'] // ms} {unit}"
    return "timer"


def with_events(names):
    """Makes a document that has each name as an event, and as an event of `any`."""
    rows = {"a": dict.fromkeys(names[::2], "b"), "b": dict.fromkeys(names[1::2], "a"), "c": {}}
    return {"initial": "a", "map": rows, "any": dict.fromkeys(filter(None, names), "c")}


def exported(client, fields, language):
    client.execute_command("SM.SET", "m", json.dumps(fields))
    return client.execute_command("SM.EXPORT", "m", language).decode()


def event_shown(name):
    return spaces_joined(shown(name)) if name else ""


@once
@graphviz
@pytest.mark.parametrize(
    "fields", [*GALLERY.values(), with_events(HOSTILE)], ids=[*(p.stem for p in GALLERY), "hostile"]
)
def test_graphviz_draws_events_and_timers(db, fields):
    drawing = Drawing(fields)
    svg = drawn(exported(db, fields, "DOT"))
    nodes = parts(svg, "node")
    assert {id: text_of(nodes[id]) for id in drawing.names} == drawing.names
    assert {id for id in drawing.names if outlines(nodes[id]) == 2} == drawing.final
    assert ("any" in nodes) == bool(drawing.any) and ("deleted" in nodes) == ("deleted" in str(drawing.arrows))
    found = [(edge.find(f"{SVG}title").text, text_of(edge)) for edge in parts_listed(svg, "edge")]
    arrows = [(f"{source}->{to}", event_shown(text)) for source, to, text in drawing.arrows]
    assert sorted(found) == sorted([*arrows, (f"start->{drawing.initial}", "")])


@once
def test_mermaid_draws_events_and_timers(db, tmp_path):
    # Without the two kinds of names above.
    shows = [name for name in HOSTILE if name.strip() and not {*name} & {*"ﬂ¶"}]
    documents = [*GALLERY.values(), with_events(shows)]
    found = read_by_mermaid([exported(db, fields, "MERMAID") for fields in documents], tmp_path, "render")
    for fields, diagram in zip(documents, found, strict=True):
        assert "error" not in diagram, diagram["error"]
        drawing = Drawing(fields)
        ends = [(id, "root_end") for id in drawing.final]
        expected = [(source, to.replace("deleted", "root_end")) for source, to, _ in drawing.arrows]
        assert sorted(map(tuple, diagram["transitions"])) == sorted([("root_start", drawing.initial), *expected, *ends])
        texts = [event_shown(text) for _, _, text in drawing.arrows if text]
        assert sorted(map(spaces_joined, diagram["arrows"])) == sorted(texts)


# ---- the text -----------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["MERMAID", "DOT"])
def test_it_is_one_line_a_statement_of_plain_characters(db, language):
    """No name breaks out of its line, whichever program reads the text."""
    model = ring(HOSTILE)
    lines = export(db, model, language).split("\n")
    assert not re.search(r"[\0-\x1f\x7f-\x9f\u2028\u2029]", "".join(lines))
    beside_states_and_transitions = {"MERMAID": 5, "DOT": 7}[language]
    ends = len(terminal(model)) if language == "MERMAID" else 0
    expected = len(states(model)) + len(transitions(model)) + ends + beside_states_and_transitions
    assert len(lines) == expected


@pytest.mark.parametrize("language", ["MERMAID", "DOT"])
def test_it_follows_the_machine_and_names_the_language_in_any_case(db, language):
    at_first = export(db, Machine.of(ORDER), language)
    db.execute_command("SM.MUTATE", "m", "boo")
    later = db.execute_command("SM.EXPORT", "m", language.lower()).decode()
    assert later != at_first
    db.execute_command("SM.RESET", "m")
    assert db.execute_command("SM.EXPORT", "m", language).decode() == at_first
