"""The server's clock, by which times of machines go."""

from __future__ import annotations

import time
from typing import Any

from redis.exceptions import NoPermissionError

from redis_state._client import StateMachines


def server_now(machines: StateMachines) -> int:
    """Returns the server's time in milliseconds since 1970, by which IDLE goes too."""
    client: Any = machines.client
    where = {"target_nodes": client.get_primaries()[0]} if hasattr(client, "get_primaries") else {}
    try:
        seconds, microseconds = client.execute_command("TIME", **where)
    except NoPermissionError:
        # Who may not ask goes by the clock here. Whether a machine is idle, the server says all the same.
        return int(time.time() * 1000)
    return int(seconds) * 1000 + int(microseconds) // 1000
