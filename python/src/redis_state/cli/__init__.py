"""The command line `redis-state`: `main` runs it, `program` is its click group."""

from redis_state.cli._program import main, program

__all__ = ["main", "program"]
