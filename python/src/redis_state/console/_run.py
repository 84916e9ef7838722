"""Runs the app until Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
from collections.abc import Iterator
from types import FrameType
from typing import Optional

import uvicorn
from starlette.types import ASGIApp

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def listen(host: str, port: int) -> socket.socket:
    """Returns a socket at the address; a port of 0 takes any that is free. Raises OSError."""
    # asyncio sends small answers at once only over sockets that say that they are TCP's. Others wait for 40 ms.
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    family, kind, protocol, _, address = found[0]
    at = socket.socket(family, kind, protocol)
    try:
        if os.name == "posix":
            at.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        at.bind(address)
        at.listen(128)
    except BaseException:
        at.close()
        raise
    return at


class _Server(uvicorn.Server):
    """Ends at once when it is told to, and leaves it to the caller what Ctrl-C means."""

    def install_signal_handlers(self) -> None:
        """Does nothing: versions of uvicorn before 0.29 set theirs here."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Ends the server by a signal, and without waiting for open connections."""
        before = {each: signal.signal(each, self._end) for each in _SIGNALS}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def _end(self, number: int, frame: Optional[FrameType]) -> None:
        self.should_exit = self.force_exit = True


def configured(app: ASGIApp) -> uvicorn.Config:
    """Returns how the app is served: nothing is logged of what is asked for."""
    return uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=60,
    )


def serve(app: ASGIApp, at: socket.socket) -> None:
    """Serves the app until SIGINT or SIGTERM, which is KeyboardInterrupt then."""
    server = _Server(configured(app))
    with server.capture_signals():
        server.run(sockets=[at])
    raise KeyboardInterrupt
