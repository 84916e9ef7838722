"""`redis-state console`: a page to look at."""

from __future__ import annotations

import webbrowser
from types import ModuleType
from urllib.parse import urlsplit

import click

from redis_state import StateMachines
from redis_state.cli._connection import check_whole, connected
from redis_state.cli._faults import OF_REDIS
from redis_state.cli._output import remark
from redis_state.cli._settings import Settings, pass_settings, server_options
from redis_state.cli._types import NAME

# Seconds. Who looks at a page wants to know soon that the server is away.
_PATIENCE = 1.0


@click.command(short_help="A page to look at fleets and machines.")
@click.option(
    "--host", default="127.0.0.1", show_default=True, help="Where the page is. By default only this machine reaches it."
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8017, show_default=True, help="Its port; 0 takes a free one."
)
@click.option("--write", is_flag=True, help="Let the page fire events, for who has the address with the token.")
@click.option("--by", type=NAME, default="", metavar="TEXT", help="For whom the page acts, for the history.")
@click.option("--open", "opens", is_flag=True, help="Open the page in a browser.")
@server_options
@pass_settings
def console(settings: Settings, host: str, port: int, write: bool, by: str, opens: bool) -> None:
    """Serve a page that shows the fleets and the machines of the server, live, until Ctrl-C.

    It changes nothing, unless --write is given. Then the address that is printed has a token, and only who opens this
    address can fire events. The page needs no internet.
    """
    parts = _parts()
    _check_server(settings)
    backend = parts.Backend(lambda: _machines(settings), _address(settings))
    try:
        at = parts.listen(host, port)
    except OSError as error:
        raise click.ClickException(f"--host {host} --port {port}: {(error.strerror or str(error)).lower()}") from error
    with at:
        access = parts.Access(host, at.getsockname()[1], write)
        if opens and access.token:
            raise click.UsageError(
                "--open: others would see the token in the list of processes, so open the address that is printed without --open"
            )
        api = parts.Api(backend, write, by)
        click.echo(access.address)
        remark(f"The console of {backend.address}. Ctrl-C ends it.")
        if opens:
            webbrowser.open(access.address)
        parts.serve(parts.make_app(api, access), at)


def _parts() -> ModuleType:
    """Returns the package of the console, which needs more than the other subcommands."""
    try:
        from redis_state import console as parts
    except ModuleNotFoundError as error:
        if error.name and error.name.startswith("redis_state"):
            raise
        raise click.ClickException(
            "the console needs more packages: pip install 'redis-state-machine[console]' (or './python[console]')"
        ) from error
    return parts


def _check_server(settings: Settings) -> None:
    """Refuses mistakes in the options. A server that is away may come."""
    try:
        check_whole(_machines(settings))
    except OF_REDIS as error:
        remark(f"The server doesn't answer yet: {error}")


def _machines(settings: Settings) -> StateMachines:
    return StateMachines(connected(settings.url, settings.cluster, settings.sentinel, _PATIENCE))


def _address(settings: Settings) -> str:
    """Returns where the server is, without user and password."""
    parts = urlsplit(settings.url)
    if parts.scheme == "unix":
        return parts.path
    host = parts.hostname or "127.0.0.1"
    port = parts.port or (26379 if settings.sentinel else 6379)
    shown = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    if settings.sentinel:
        return f"{settings.sentinel} (by {shown})"
    if settings.cluster:
        return f"{shown} (cluster)"
    return f"{shown}/{parts.path.strip('/') or '0'}"
