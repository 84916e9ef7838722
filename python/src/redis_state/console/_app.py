"""The app: the page's files, and the API that the page asks."""

from __future__ import annotations

import json
import mimetypes
import sys
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Optional

from anyio import CapacityLimiter, to_thread
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from redis_state.console._api import Api
from redis_state.console._body import Body
from redis_state.console._faults import Refusal
from redis_state.console._security import API, Access, Guard

STATIC = Path(__file__).parent / "static"
_MOST_BYTES = 64 * 1024
# Each waits for the server at most a second or two.
_THREADS = 8
# Some systems know other types, and browsers then don't run the files.
_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}

Handler = Callable[[Body], dict[str, Any]]


def make_app(api: Api, access: Access) -> ASGIApp:
    """Returns the app. `api` answers those requests that `access` lets through."""
    for suffix, kind in _TYPES.items():
        mimetypes.add_type(kind, suffix)
    threads = _Threads()
    answers = [
        Route("/" + handler.__name__, _endpoint(handler, threads, access, handler == api.fire), methods=["POST"])
        for handler in (api.about, api.fleets, api.fleet, api.machine, api.search, api.list, api.fire)
    ]
    page = StaticFiles(directory=STATIC, html=True)
    routes = [Mount(API.rstrip("/"), routes=answers), Mount("/", page)]
    return Guard(Starlette(routes=routes), access, _refused)


class _Threads:
    """The threads in which requests wait for the server, so many at most."""

    def __init__(self) -> None:
        self._limiter: Optional[CapacityLimiter] = None

    async def run(self, work: Callable[[], Response]) -> Response:
        """Returns what the work returns."""
        # A limiter belongs to the loop that runs.
        self._limiter = self._limiter or CapacityLimiter(_THREADS)
        return await to_thread.run_sync(work, limiter=self._limiter)


def _endpoint(
    handler: Handler, threads: _Threads, access: Access, writes: bool
) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        try:
            if writes:
                access.check_write(request.headers)
            text = await _body(request)
        except Refusal as refusal:
            return _refused(refusal)
        return await threads.run(lambda: _answered(handler, text))

    return answer


async def _body(request: Request) -> bytes:
    """Returns the body, unless it is too large or not said to be JSON."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refusal(415, "bad-request", "the body must be application/json")
    text = b""
    try:
        async for part in request.stream():
            text += part
            if len(text) > _MOST_BYTES:
                raise Refusal(413, "bad-request", f"the body is larger than {_MOST_BYTES // 1024} KiB")
    except ClientDisconnect:
        raise Refusal(400, "bad-request", "the body ends too early") from None
    return text


def _answered(handler: Handler, text: bytes) -> Response:
    try:
        return _json(handler(Body(text)))
    except Refusal as refusal:
        return _refused(refusal)
    except Exception:
        traceback.print_exc(file=sys.stderr)
        return _refused(Refusal(500, "bug", "the console has a bug: where it runs, it has written more about it"))


def _refused(refusal: Refusal) -> Response:
    response = _json({"error": refusal.text, "code": refusal.code}, refusal.status)
    if refusal.status == 401:
        response.headers["www-authenticate"] = "Bearer"
    return response


def _json(value: dict[str, Any], status: int = 200) -> Response:
    # Bytes of keys that are no UTF-8 are halves of characters here. As escapes they survive.
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"))
    return Response(text, status, media_type="application/json")
