"""`python -m redis_state.cli` is `redis-state`."""

from redis_state.cli import main

main()
