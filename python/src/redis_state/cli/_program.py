"""The program: its subcommands, and how each ends."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Optional

import click

from redis_state.cli import commands
from redis_state.cli._faults import FAILED, INTERRUPTED, USAGE, explained
from redis_state.cli._settings import Settings, group_options


class Program(click.Group):
    """A group that ends with one line on stderr for every error, and an exit code."""

    def main(self, *args: Any, standalone_mode: bool = True, **extra: Any) -> Any:
        """Runs the program and exits: 0 if all is well, 1 for a failure, 2 for a mistake in the arguments, 130 after
        Ctrl-C."""
        run: Any = super().main
        if not standalone_mode:
            return run(*args, standalone_mode=False, **extra)
        _accept_every_character()
        sys.exit(_ended(lambda: run(*args, standalone_mode=False, **extra)))

    def invoke(self, ctx: click.Context) -> Any:
        """Runs a subcommand. Ctrl-C ends it with its exit code, and without a word where nobody has typed."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            click.echo(err=True, nl=sys.stderr.isatty())
            ctx.exit(INTERRUPTED)


def _ended(run: Callable[[], Any]) -> int:
    try:
        code = run()
        return code if isinstance(code, int) else 0
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except click.UsageError as error:
        return _told(error, USAGE, error.ctx)
    except Exception as error:
        return _told(error, FAILED)


def _told(error: Exception, code: int, ctx: Optional[click.Context] = None) -> int:
    text = explained(error)
    if text is None:
        raise error
    help_at = f" (see {ctx.command_path} --help)" if ctx else ""
    click.echo(f"redis-state: {text}{help_at}", err=True)
    return code


def _accept_every_character() -> None:
    """Makes streams escape what their encoding doesn't have."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def _tell_version(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    if not value:
        return
    try:
        click.echo(version("redis-state-machine"))
    except PackageNotFoundError as error:
        raise click.ClickException("this is not an installed package, so it has no version") from error
    ctx.exit()


@click.group(cls=Program, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@group_options
@click.option(
    "--version", is_flag=True, is_eager=True, expose_value=False, callback=_tell_version, help="Tell the version."
)
@click.pass_context
def program(ctx: click.Context) -> None:
    """State machines of a Redis or Valkey server with the module redisstate: look at them, convert and draw their
    definitions, change whole fleets.

    Durations are written as 250ms, 90s, 15m, 1h30m or 2d.
    """
    ctx.ensure_object(Settings)
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


for command in commands.ALL:
    program.add_command(command)


def main() -> None:
    """Runs `redis-state`."""
    program(prog_name="redis-state")
