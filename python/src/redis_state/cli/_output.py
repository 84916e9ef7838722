"""How results are printed: aligned for people, JSON for programs. Results go to stdout, all else to stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from io import StringIO
from typing import IO, Any, Optional, Union

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from redis_state.cli._escape import line, lines

Cell = Union[str, Text]

# Wide enough that nothing is wrapped.
_UNWRAPPED = 1_000_000


def console(stream: Optional[IO[str]] = None, width: Optional[int] = None) -> Console:
    """Returns a console that takes every text as it is: no markup, no emoji codes, no colours of its own choice.
    Without a terminal, or with NO_COLOR, nothing has a colour."""
    stream = stream or sys.stdout
    options: dict[str, Any] = {"color_system": None} if os.environ.get("NO_COLOR") else {}
    if not stream.isatty():
        options.update(color_system=None, force_terminal=False)
    return Console(file=stream, width=width, markup=False, emoji=False, highlight=False, **options)


def is_terminal(stream: Optional[IO[str]] = None) -> bool:
    """Returns whether somebody watches: then lines may be drawn over."""
    return (stream or sys.stdout).isatty() and os.environ.get("TERM") != "dumb"


def grid(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Table:
    """Returns aligned columns with a head. A column whose name begins with `>` is aligned to the right."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold", show_header=any(columns))
    for name in columns:
        table.add_column(Text(name.lstrip(">")), justify="right" if name.startswith(">") else "left", overflow="fold")
    for row in rows:
        table.add_row(*(cell if isinstance(cell, Text) else Text(cell) for cell in row))
    return table


def print_table(columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
    """Prints aligned columns. On a narrow terminal that wraps lines, not cells: so a key can still be copied."""
    text = StringIO()
    out = console(width=_UNWRAPPED)
    out.file = text
    out.print(grid(columns, rows))
    for each in text.getvalue().splitlines():
        click.echo(each.rstrip())


def print_fields(fields: Iterable[tuple[str, Cell]]) -> None:
    """Prints names and values, one a line. Values that are empty are left out."""
    print_table(("", ""), [(Text(name, "bold"), value) for name, value in fields if value])


def print_json(value: object) -> None:
    """Prints one value on one line, in ASCII: no terminal obeys any of it."""
    click.echo(json.dumps(value))


def print_text(text: str) -> None:
    """Prints a text that a program reads: as it is, but without controls on a terminal."""
    safe = lines(text) if sys.stdout.isatty() else text
    click.echo(safe, nl=not safe.endswith("\n"))
    if safe != text and lines(text) != text.replace("\t", "    "):
        remark("some characters are shown escaped, -o writes them as they are")


def remark(text: str) -> None:
    """Tells people something beside the result."""
    click.echo(line(text), err=True)
