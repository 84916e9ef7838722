"""The page about converters: its examples are what the package says."""

import doctest
import json
import re

import pytest

from harness import ROOT
from redis_state.convert import FORMATS, read

PAGE = (ROOT / "docs/converters.md").read_text()
BLOCK = r"((?:(?:    .*)?\n)+)"
EXAMPLE = re.compile(rf"\n\n{BLOCK}becomes\n\n{BLOCK}with the report\n\n{BLOCK}")


def unindented(block):
    return "\n".join(line[4:] for line in block.strip("\n").split("\n")) + "\n"


EXAMPLES = [tuple(map(unindented, found)) for found in EXAMPLE.findall(PAGE)]


@pytest.mark.parametrize(("text", "document", "report"), EXAMPLES, ids=[read(text).format for text, _, _ in EXAMPLES])
def test_an_example_is_converted_as_the_page_says(text, document, report):
    found = read(text)
    assert found.definition.to_document() == json.loads(document)
    assert "".join(f"{note}\n" for note in found.notes) == report


def test_there_is_an_example_of_each_format():
    assert {read(text).format for text, _, _ in EXAMPLES} == {*FORMATS} - {"document"}


def test_the_session_is_what_python_says():
    session = re.search(r"In Python:\n\n((?:    .*\n)+)", PAGE)[1]
    test = doctest.DocTestParser().get_doctest(session, {}, "converters.md", None, 0)
    assert test.examples and doctest.DocTestRunner().run(test).failed == 0
