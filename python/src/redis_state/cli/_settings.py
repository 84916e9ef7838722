"""What holds for every subcommand: the server, and whether the output is for programs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Optional, TypeVar

import click

from redis_state import StateMachines
from redis_state.cli._connection import connected

F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_URL = "redis://127.0.0.1:6379"


@dataclass
class Settings:
    """The options that may stand before or after the name of the subcommand. The later one counts."""

    url: str = DEFAULT_URL
    cluster: bool = False
    sentinel: Optional[str] = None
    json: bool = False

    @cached_property
    def machines(self) -> StateMachines:
        """The machines of the server. It is connected to when the first command is sent."""
        return StateMachines(connected(self.url, self.cluster, self.sentinel))


def _kept(ctx: click.Context, param: click.Parameter, value: Any) -> None:
    if value is not None and param.name is not None:
        setattr(ctx.ensure_object(Settings), param.name, value)


def _option(*names: str, **more: Any) -> Callable[[F], F]:
    def decorate(command: F) -> F:
        return click.option(*names, callback=_kept, expose_value=False, **more)(command)

    return decorate


_URL = "The server: redis://, rediss:// (TLS) or unix://. From REDIS_URL if that is set, which keeps a password out of the list of processes."
_CLUSTER = "The server is a node of a cluster: all primaries are asked."
_SENTINEL = "The server is a Sentinel: it names the primary of this service."


def server_options(command: F) -> F:
    """Gives a subcommand the options that say which server."""
    # Only the group looks at the environment, so that it never overrules an option there.
    for option in (
        _option("--sentinel", metavar="SERVICE", help=_SENTINEL),
        _option("--cluster", is_flag=True, default=None, help=_CLUSTER),
        _option("--url", metavar="URL", help=_URL),
    ):
        command = option(command)
    return command


def group_options(command: F) -> F:
    """Gives the program itself the options that hold for every subcommand."""
    command = json_option(command)
    command = _option("--sentinel", metavar="SERVICE", help=_SENTINEL)(command)
    command = _option("--cluster", is_flag=True, default=None, help=_CLUSTER)(command)
    return _option("--url", metavar="URL", envvar="REDIS_URL", help=f"{_URL} By default {DEFAULT_URL}.")(command)


def json_option(command: F) -> F:
    """Gives a subcommand the option for output that programs read."""
    return _option("--json", is_flag=True, default=None, help="Print JSON, for programs.")(command)


def pass_settings(command: Callable[..., Any]) -> Callable[..., Any]:
    """Hands the settings to a subcommand as its first argument."""
    return click.make_pass_decorator(Settings, ensure=True)(command)
