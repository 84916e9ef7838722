"""Keys as a scan returns them, and looking at many of them at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from redis_state._client import StateMachines

# How many keys a pipeline is about. Longer ones are hardly faster, and other clients wait for them.
BATCH = 100


def key_bytes(key: Any) -> bytes:
    """Returns a key as bytes, whatever the options of the URL make of it."""
    return key if isinstance(key, bytes) else str(key).encode("utf-8", "surrogateescape")


def key_text(key: bytes) -> str:
    """Returns a key for JSON: bytes that aren't UTF-8 are halves of characters, from which they come back."""
    return key.decode("utf-8", "surrogateescape")


def infos(machines: StateMachines, keys: Sequence[bytes]) -> Iterator[tuple[bytes, Any]]:
    """Yields each key with the `Info` of its machine, None if it is missing, or the server's error."""
    for first in range(0, len(keys), BATCH):
        batch = keys[first : first + BATCH]
        pipe = machines.pipeline(transaction=False)
        for key in batch:
            pipe.info(key)
        yield from zip(batch, pipe.execute(raise_on_error=False))
