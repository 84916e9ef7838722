"""Where a definition comes from: a file, or the key of a machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, Optional, TypeVar

import click

from redis_state.cli._escape import quoted
from redis_state.cli._faults import os_words
from redis_state.cli._output import remark
from redis_state.cli._types import key
from redis_state.convert import FORMATS, Conversion, ConversionError, read

F = TypeVar("F", bound=Callable[..., Any])

# As large as the server's default for a document.
MOST_BYTES = 16 * 1024 * 1024
_SUFFIXES = (".json", ".scxml", ".xml", ".yaml", ".yml", ".mmd", ".mermaid", ".md", ".txt")


def source_options(command: F) -> F:
    """Gives a subcommand the argument FILE|KEY, and what says which of them is meant."""
    command = click.option(
        "--from", "format", type=click.Choice(FORMATS), help="The file's format, if the guess is wrong."
    )(command)
    command = click.option("--key", "is_key", is_flag=True, help="The argument is a key, whatever files there are.")(
        command
    )
    return click.argument("source", metavar="FILE|KEY")(command)


def is_file(source: str, is_key: bool) -> bool:
    """Returns whether an argument is meant as a file: one that exists, or one that looks like a file's name."""
    if is_key:
        return False
    return source == "-" or os.path.exists(source) or source.lower().endswith(_SUFFIXES)


def read_bytes(path: str) -> bytes:
    """Reads a whole file, or stdin for `-`, unless it is too large to be a definition."""
    try:
        if path == "-":
            data = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with open(path, "rb") as file:
                data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise click.ClickException(os_words(error)) from error
    if len(data) > MOST_BYTES:
        raise click.ClickException(f"{path}: larger than {MOST_BYTES // 1024 // 1024} MiB, too large for a definition")
    return data


def read_file(path: str, format: Optional[str], name: Optional[str] = None) -> Conversion:
    """Reads a definition in any format. `name` takes the place of its own."""
    try:
        return read(read_bytes(path), format, name=name)
    except ConversionError as error:
        raise click.ClickException(f"{path}: {error}") from error


def tell_notes(conversion: Conversion) -> None:
    """Tells what the definition doesn't say of the file."""
    for note in conversion.notes:
        remark(f"note: {note}")


def no_machine(key: bytes) -> click.ClickException:
    """Returns the error for a missing key."""
    return click.ClickException(f"there is no machine at the key {quoted(key)}")


def as_key(source: str) -> bytes:
    """Returns an argument as a key."""
    return key(source)


def nothing_there(source: str, is_key: bool) -> click.ClickException:
    """Returns the error for an argument that is neither a file nor a key."""
    if is_key:
        return no_machine(as_key(source))
    return click.ClickException(f"there is neither a file nor a machine {quoted(source)}")
