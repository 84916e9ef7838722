"""The subcommands, one a file."""

from redis_state.cli.commands.console import console
from redis_state.cli.commands.convert import convert
from redis_state.cli.commands.draw import draw
from redis_state.cli.commands.fleet import fleet
from redis_state.cli.commands.history import history
from redis_state.cli.commands.lint import lint
from redis_state.cli.commands.migrate import migrate
from redis_state.cli.commands.show import show
from redis_state.cli.commands.stuck import stuck
from redis_state.cli.commands.sweep import sweep
from redis_state.cli.commands.watch import watch

ALL = (convert, lint, draw, show, history, watch, fleet, stuck, sweep, migrate, console)
