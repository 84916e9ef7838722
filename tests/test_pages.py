"""The pages are consistent: no link is broken, the contents list every page, and repeated figures are
equal."""

import json
import re

import pytest

import nodejs
from harness import ROOT

pytestmark = pytest.mark.once

README = ROOT / "README.md"
CONTENTS = ROOT / "docs/README.md"
DOCS = sorted(ROOT.glob("docs/**/*.md"))
PAGES = sorted({*ROOT.glob("*.md"), *DOCS, ROOT / "fuzz/README.md"})
FENCE = re.compile(r"^```.*?^```$", re.M | re.S)
LINK = re.compile(r"\[[^]]*\]\(([^) ]+)\)")
DRAWING = re.compile(r"^```mermaid\n(.*?)^```$", re.M | re.S)
HEADING = re.compile(r"^#+ +(.+?) *$", re.M)

each_page = pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))


def prose(path):
    return FENCE.sub("", path.read_text())


def anchors(path):
    """Returns the anchors that GitHub and similar hosts give to a page's headings."""
    seen = []
    for heading in HEADING.findall(prose(path)):
        text = LINK.sub(lambda link: link[0].split("](")[0][1:], heading).lower()
        seen.append(re.sub(r"[^\w\- ]", "", text).replace(" ", "-"))
    return seen


def links(path):
    """Yields (file, anchor) of every link to a file of the repository."""
    for target in LINK.findall(prose(path)):
        if "://" not in target:
            file, _, anchor = target.partition("#")
            yield (path.parent / file).resolve() if file else path, anchor


@each_page
def test_every_link_leads_somewhere(path):
    for file, anchor in links(path):
        assert file.exists(), f"{path.name}: {file.name}"
        assert not anchor or anchor in anchors(file), f"{path.name}: {file.name}#{anchor}"


@each_page
def test_a_heading_is_there_once(path):
    found = anchors(path)
    assert path.name == "CHANGELOG.md" or len(found) == len(set(found))


def test_the_contents_have_every_page():
    listed = {file for file, _ in links(CONTENTS)}
    assert {page.resolve() for page in DOCS} - {CONTENTS} <= listed
    assert CONTENTS in {file for file, _ in links(README)}


def test_the_readme_is_read():
    assert len(README.read_bytes()) <= 12_000


@pytest.mark.parametrize(
    "command, source",
    [("bench", "docs/benchmarks.md"), ("test-faults", "SECURITY.md"), ("test-hostile", "SECURITY.md")],
)
def test_the_figures_of_the_readme_are_those_of_their_source(command, source):
    rows = re.findall(rf"^\|[^|]+\|([^|]+)\| `make {command}\b", README.read_text(), re.M)
    figures = [figure for row in rows for figure in re.findall(r"\d[\d,.]*\d", row)]
    text = (ROOT / source).read_text()
    assert figures
    for figure in figures:
        assert re.search(rf"(?<![\d.,]){re.escape(figure)}(?![\d]|[.,]\d)", text), figure


SIDES = ROOT / "benches/server/sides"


@pytest.mark.parametrize("side", sorted(SIDES.iterdir()), ids=lambda side: side.name)
def test_the_comparison_shows_what_is_measured(side):
    page = (ROOT / "docs/comparison.md").read_text()
    assert f"```{side.suffix[1:]}\n{side.read_text()}```\n" in page


def test_the_table_of_a_full_node_is_that_of_the_benchmarks(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benches/server")
    import report

    table = report.fleet_table(report.Result.load())
    assert table and report.FLEET.findall((ROOT / "docs/operations.md").read_text()) == [table]


MERMAID = """
import { readFileSync } from 'node:fs';
import { JSDOM } from 'jsdom';
const { window } = new JSDOM('<!DOCTYPE html><body></body>');
globalThis.window = window;
globalThis.document = window.document;
const { default: mermaid } = await import('mermaid');
for (const text of JSON.parse(readFileSync(process.argv[2], 'utf8'))) await mermaid.parse(text);
"""


def test_every_picture_is_one_to_mermaid(tmp_path):
    pictures = [picture for path in PAGES for picture in DRAWING.findall(path.read_text())]
    assert len(pictures) > 5
    (tmp_path / "pictures.json").write_text(json.dumps(pictures))
    nodejs.node(MERMAID, tmp_path / "pictures.json")
