"""`redis-state draw`: a picture of a definition."""

from __future__ import annotations

import os
import subprocess
from typing import Literal, Optional

import click
import graphviz

from redis_state._draw import dot
from redis_state.cli._escape import line
from redis_state.cli._files import write_file
from redis_state.cli._output import remark
from redis_state.cli._settings import Settings, pass_settings, server_options
from redis_state.cli._source import as_key, is_file, nothing_there, read_file, source_options, tell_notes
from redis_state.convert import write

Language = Literal["MERMAID", "DOT"]

# What Graphviz makes of the text, and the texts themselves.
_PICTURES = {".svg": "svg", ".png": "png", ".pdf": "pdf"}
_TEXTS: dict[str, Language] = {".dot": "DOT", ".gv": "DOT", ".mmd": "MERMAID"}


@click.command(short_help="A picture of a definition.")
@source_options
@click.option(
    "-o", "--output", required=True, metavar="OUT", help="The file to write: .svg, .png, .pdf, .dot, .gv or .mmd."
)
@server_options
@pass_settings
def draw(settings: Settings, source: str, is_key: bool, format: Optional[str], output: str) -> None:
    """Draw the definition of a FILE, or the machine at a KEY with its current state.

    Pictures need Graphviz' program dot. The texts .dot (Graphviz) and .mmd (Mermaid) need nothing.
    """
    suffix = os.path.splitext(output)[1].lower()
    if suffix not in _PICTURES and suffix not in _TEXTS:
        raise click.BadParameter(f"expected a name that ends with {', '.join((*_PICTURES, *_TEXTS))}", param_hint="-o")
    text = _text(settings, source, is_key, format, _TEXTS.get(suffix, "DOT"))
    write_file(output, text.encode() if suffix in _TEXTS else _rendered(text, _PICTURES[suffix]))


def _text(settings: Settings, source: str, is_key: bool, format: Optional[str], language: Language) -> str:
    if is_file(source, is_key):
        found = read_file(source, format)
        tell_notes(found)
        if language == "DOT":
            return dot(found.definition)
        written = write(found.definition, "mermaid")
        for note in written.notes:
            remark(f"note: {note}")
        return written.text
    text = settings.machines.export(as_key(source), language)
    if text is None:
        raise nothing_there(source, is_key)
    return text


def _rendered(text: str, format: str) -> bytes:
    try:
        picture: bytes = graphviz.Source(text).pipe(format=format)
        return picture
    except graphviz.ExecutableNotFound as error:
        raise click.ClickException(
            "Graphviz' program dot is not installed: install Graphviz (apt install graphviz, brew install graphviz), "
            "or write .dot or .mmd"
        ) from error
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace") if isinstance(error.stderr, bytes) else str(error.stderr)
        raise click.ClickException(f"Graphviz failed: {line(said.strip()) or 'it says nothing'}") from error
