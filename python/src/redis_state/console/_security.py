"""Who may ask: only the console's own page, and only who has the token where there is one.

A browser lets any page send requests to this machine. So the `Host` must be the console's own, which keeps out names that
were made to lead here (DNS rebinding); the `Origin` must be the page's own; and requests are JSON, which other pages may
not send without asking first. Writing, and reading from another machine, needs the token besides.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Optional

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from redis_state.console._faults import Refusal

#: Requests of the page begin with this; all else is the page itself.
API = "/api/"

_POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}


def is_loopback(host: str) -> bool:
    """Returns whether only this machine reaches the host."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def in_address(host: str) -> str:
    """Returns a host as addresses have it: that of IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


@dataclass(frozen=True)
class Access:
    """What the console allows. `token` is a fresh one wherever one is needed."""

    host: str
    port: int
    write: bool = False
    token: Optional[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        needed = self.write or self.reading_needs_token
        object.__setattr__(self, "token", secrets.token_urlsafe(32) if needed else None)

    @property
    def reading_needs_token(self) -> bool:
        """Whether others than this machine can reach the console."""
        return not is_loopback(self.host)

    @property
    def address(self) -> str:
        """The page's address, with the token as its fragment, which browsers send to nobody."""
        return f"http://{in_address(self.host)}:{self.port}/" + (f"#token={self.token}" if self.token else "")

    @property
    def hosts(self) -> set[str]:
        """The values of `Host` that are the console's own."""
        names = {self.host.lower(), "127.0.0.1", "localhost", "::1"}
        return {f"{in_address(name)}:{self.port}" for name in names} | (
            {in_address(name) for name in names} if self.port == 80 else set()
        )

    def check(self, headers: Headers, path: str) -> None:
        """Raises a refusal for a request that isn't the page's own."""
        if headers.get("host", "").lower() not in self.hosts:
            raise Refusal(421, "host", "the console isn't at this address: use the one that it printed")
        sites = ("same-origin",) if path.startswith(API) else ("same-origin", "none")
        if headers.get("sec-fetch-site", "same-origin") not in sites:
            raise Refusal(403, "origin", "another page led here: type the address, or copy it")
        origin = headers.get("origin")
        if origin is not None and not _is_own(origin, headers):
            raise Refusal(403, "origin", "the request is of another page")
        if path.startswith(API) and self.reading_needs_token:
            self._check_token(headers)

    def check_write(self, headers: Headers) -> None:
        """Raises a refusal for a request that may not change anything."""
        if not self.write:
            raise Refusal(403, "read-only", "the console was started without --write")
        if "origin" not in headers:
            raise Refusal(403, "origin", "the request doesn't say of which page it is")
        self._check_token(headers)

    def _check_token(self, headers: Headers) -> None:
        sent = headers.get("authorization", "").encode("latin-1")
        if self.token is None or not hmac.compare_digest(sent, f"Bearer {self.token}".encode()):
            raise Refusal(
                401, "token", "the token is missing or wrong: open the whole address that the console printed"
            )


def _is_own(origin: str, headers: Headers) -> bool:
    return origin.lower() == f"http://{headers['host'].lower()}"


class Guard:
    """Lets only the page's own requests through to `app`, and gives every answer the headers that keep it safe.

    `refuse` makes an answer of a refusal.
    """

    def __init__(self, app: ASGIApp, access: Access, refuse: Callable[[Refusal], ASGIApp]) -> None:
        self._app = app
        self._access = access
        self._refuse = refuse

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request."""
        if scope["type"] != "http":
            return
        path: str = scope["path"]

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                _set_headers(message, path)
            await send(message)

        try:
            self._access.check(Headers(scope=scope), path)
        except Refusal as refusal:
            await self._refuse(refusal)(scope, receive, send_safely)
            return
        await self._app(scope, receive, send_safely)


def _set_headers(message: Any, path: str) -> None:
    headers = MutableHeaders(scope=message)
    for name, value in _HEADERS.items():
        headers[name] = value
    headers["cache-control"] = "no-store" if path.startswith(API) else "no-cache"
