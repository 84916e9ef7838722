"""`redis-state convert`: from one format to another."""

from __future__ import annotations

from typing import Optional

import click

from redis_state.cli._files import write_file
from redis_state.cli._output import print_text, remark
from redis_state.cli._source import read_file, tell_notes
from redis_state.cli._types import NAME
from redis_state.convert import FORMATS, write


@click.command(short_help="From one format to another.")
@click.argument("file")
@click.option("--from", "source", type=click.Choice(FORMATS), help="The format of FILE. It is guessed if left out.")
@click.option("--to", "target", type=click.Choice(FORMATS), required=True, help="The format to write.")
@click.option("-o", "--output", metavar="OUT", help="Write to this file, not to stdout.")
@click.option("--name", type=NAME, help="The name of the definition, by which a fleet is found.")
def convert(file: str, source: Optional[str], target: str, output: Optional[str], name: Optional[str]) -> None:
    """Convert FILE (- is stdin) to another format.

    What one format has and the other can't say is told on stderr, a note a line.
    "document" is the JSON that the server takes.
    """
    found = read_file(file, source, name)
    tell_notes(found)
    written = write(found.definition, target)
    for note in written.notes:
        remark(f"note: {note}")
    if output is None:
        print_text(written.text)
    else:
        write_file(output, written.text.encode())
