"""Reads XML into a small tree that knows its lines. Entities, which can grow a text without end, are refused."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Optional, Union
from xml.sax import SAXParseException
from xml.sax.handler import ContentHandler, feature_namespaces
from xml.sax.xmlreader import InputSource

from defusedxml import DefusedXmlException
from defusedxml.expatreader import create_parser

from redis_state.convert._limits import MAX_DEPTH
from redis_state.convert._notes import ConversionError


@dataclass(eq=False)
class Element:
    """An element: its namespace and local name, and its attributes by the same."""

    space: str
    tag: str
    attributes: Mapping[tuple[str, str], str]
    line: int
    children: list[Element] = field(default_factory=list)

    @property
    def place(self) -> str:
        return f"line {self.line}"

    def get(self, name: str, space: str = "") -> Optional[str]:
        return self.attributes.get((space, name))

    def all(self, *tags: str) -> Iterator[Element]:
        """Yields the children of these names and of this element's namespace."""
        return (child for child in self.children if child.tag in tags and child.space == self.space)


class _Builder(ContentHandler):
    def __init__(self) -> None:
        super().__init__()
        self.root: Optional[Element] = None
        self.open: list[Element] = []
        self.locator: Any = None

    def setDocumentLocator(self, locator: Any) -> None:  # noqa: N802
        self.locator = locator

    def startElementNS(self, name: tuple[Optional[str], str], qname: Optional[str], attrs: Any) -> None:  # noqa: N802
        attributes = {(space or "", local): value for (space, local), value in attrs.items()}
        element = Element(name[0] or "", name[1], attributes, self.locator.getLineNumber())
        # Elements for actions nest beside states.
        if len(self.open) > 2 * MAX_DEPTH:
            raise ConversionError(element.place, "the XML is nested too deep")
        if self.open:
            self.open[-1].children.append(element)
        else:
            self.root = element
        self.open.append(element)

    def endElementNS(self, name: tuple[Optional[str], str], qname: Optional[str]) -> None:  # noqa: N802
        self.open.pop()


def load_xml(source: Union[str, bytes]) -> Element:
    """Reads a document of XML. Bytes are in the encoding that the document says."""
    builder = _Builder()
    parser = create_parser(forbid_dtd=False, forbid_entities=True, forbid_external=True)
    parser.setFeature(feature_namespaces, True)
    parser.setContentHandler(builder)
    try:
        parser.parse(_input(source))
    except DefusedXmlException:
        raise ConversionError(
            "", "the XML declares entities or an outside DTD, which aren't read: a small text could grow without end"
        ) from None
    except SAXParseException as error:
        place = f"line {error.getLineNumber()} column {(error.getColumnNumber() or 0) + 1}"
        raise ConversionError(place, f"not XML: {error.getMessage()}") from None
    except (ValueError, LookupError) as error:
        raise ConversionError("", f"not XML: {error}") from None
    if builder.root is None:
        raise ConversionError("", "not XML: no element")
    return builder.root


def _input(source: Union[str, bytes]) -> InputSource:
    found = InputSource()
    if isinstance(source, str):
        # The text has been decoded, whatever its first line says.
        source = source.encode("utf-8", "replace")
        found.setEncoding("utf-8")
    found.setByteStream(io.BytesIO(source))
    return found
