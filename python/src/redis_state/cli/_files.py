"""Files that are written."""

from __future__ import annotations

import click

from redis_state.cli._faults import os_words


def write_file(path: str, data: bytes) -> None:
    """Writes a whole file."""
    try:
        with open(path, "wb") as file:
            file.write(data)
    except OSError as error:
        raise click.ClickException(os_words(error)) from error
