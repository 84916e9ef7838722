"""What the page can ask for. Each method takes the body of a request and returns the answer as JSON has it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any, Optional

from redis.exceptions import ResponseError

from redis_state import Info, StateMachines, _requests
from redis_state._clock import server_now
from redis_state._faults import said
from redis_state.console._backend import Backend, Page, looked_at, next_page, server_name
from redis_state.console._body import Body
from redis_state.console._faults import bad_request
from redis_state.console._fleets import Fleets
from redis_state.console._views import Pictures, machine_view, row
from redis_state.console._watcher import Watchers

Answer = dict[str, Any]

# How long a request walks, in seconds, and after how many keys it has enough.
_WALK = 0.01
_ENOUGH = 40
# How many keys a call visits: the fewer, the more of them come back.
_FEWEST, _MOST = 50, 1000
# What stands for other characters in a pattern of MATCH.
_GLOB = re.compile(rb"[*?\[\]\\^-]")
# The first word of an error that isn't about the arguments.
_CODE = re.compile(r"[A-Z]+ ")
_CURSOR = re.compile(r"(\d{1,4}):(\d{1,20})", re.ASCII)


class Api:
    """Answers the page. `by` is for whom the console acts unless the page says otherwise."""

    def __init__(self, backend: Backend, write: bool, by: str = "") -> None:
        self._backend = backend
        self._write = write
        self._by = by
        self._fleets = Fleets()
        self._pictures = Pictures()
        self._watchers = Watchers(backend, self._fleets, self._pictures)

    def close(self) -> None:
        """Ends what is at work in the background."""
        self._watchers.close()

    def about(self, body: Body) -> Answer:
        """Says what the console is connected to, and what it may do."""
        about = {"write": self._write, "address": self._backend.address, "by": self._by}
        return self._asked(lambda machines: {**about, "server": server_name(machines)})

    def fleets(self, body: Body) -> Answer:
        """Lists the fleets."""
        return self._asked(lambda machines: {"fleets": self._fleets.listed(machines)})

    def fleet(self, body: Body) -> Answer:
        """Shows one fleet."""
        name, revision = body.name("name"), body.optional_number("revision")
        known = body.optional_name("definition_id")
        seen = self._watchers.seen(name, revision)
        answer = {"name": name, "revision": revision, **seen.facts, "definition_id": None}
        if seen.picture is not None:
            answer["definition_id"] = seen.picture["id"]
            if seen.picture["id"] != known:
                answer["definition"] = seen.picture
        return self._asked(lambda machines: answer)

    def machine(self, body: Body) -> Answer:
        """Shows one machine."""
        key, version = body.key("key"), body.optional_number("version")
        definition_id = body.optional_name("definition_id")
        return self._run(lambda machines: machine_view(machines, self._pictures, key, version, definition_id))

    def search(self, body: Body) -> Answer:
        """Finds machines by key: the one that is named, and those whose keys contain the text."""
        text, cursor = body.key("text"), _cursor(body)
        pattern = b"*" + _GLOB.sub(rb"\\\g<0>", text) + b"*"

        def ask(machines: StateMachines) -> Answer:
            exact = looked_at(machines, [text]) if cursor == (0, 0) else []
            found, after = _some(machines, ["MATCH", pattern] if text else [], cursor)
            keys = [row(key, info) for key, info in found if key != text]
            return {"exact": row(*exact[0]) if exact else None, "keys": keys, "cursor": after}

        return self._asked(ask)

    def list(self, body: Body) -> Answer:
        """Lists the machines of a fleet that are in a state."""
        name, revision = body.name("name"), body.optional_number("revision")
        state, cursor = body.name("state"), _cursor(body)
        options = _requests.scan_options(name=name, revision=revision, states=[state])

        def ask(machines: StateMachines) -> Answer:
            found, after = _some(machines, options, cursor)
            keys = [row(key, info) for key, info in found if info.state == state and info.name == name]
            return {"keys": keys, "cursor": after}

        return self._asked(ask)

    def fire(self, body: Body) -> Answer:
        """Fires an event, if the machine still has the version that the page shows."""
        key, event, to = body.key("key"), body.name("event"), body.optional_name("to")
        version, id = body.number("version"), body.name("id")
        reason, by = body.optional_name("reason") or None, body.optional_name("by") or self._by or None

        def ask(machines: StateMachines) -> Answer:
            try:
                verdict = machines.fire(key, event, to=to, if_version=version, id=id, reason=reason, by=by)
            except ResponseError as error:
                # Such as a reason that is too long. Errors of another kind have a type or a first word of their own.
                if type(error) is ResponseError and not _CODE.match(said(error)):
                    raise bad_request(said(error)) from error
                raise
            if verdict is None:
                return {"what": "missing", "state": None, "version": None, "machine": None}
            view = _unless_gone(machines, self._pictures, key)
            return {"what": verdict.what, "state": verdict.state, "version": verdict.version, "machine": view}

        return self._asked(ask)

    def _asked(self, ask: Callable[[StateMachines], Answer]) -> Answer:
        """Returns the answer, with the server's time."""

        def with_time(machines: StateMachines) -> Answer:
            answer = ask(machines)
            return {**answer, "now": server_now(machines)}

        return self._run(with_time)

    def _run(self, ask: Callable[[StateMachines], Answer]) -> Answer:
        answer: Answer = self._backend.run(ask)
        return answer


def _unless_gone(machines: StateMachines, pictures: Pictures, key: bytes) -> Optional[Answer]:
    """Returns the machine as it is now; None if its key is gone meanwhile."""
    if machines.info(key) is None:
        return None
    return machine_view(machines, pictures, key, None, None)


def _cursor(body: Body) -> tuple[int, int]:
    """Returns where a walk goes on: at which primary, and with which cursor."""
    text = body.optional_name("cursor")
    if text is None:
        return 0, 0
    found = _CURSOR.fullmatch(text)
    if found is None or int(found.group(2)) >= 1 << 64:
        raise bad_request("cursor: expected one of an earlier answer")
    return int(found.group(1)), int(found.group(2))


def _some(
    machines: StateMachines, options: list[Any], cursor: tuple[int, int]
) -> tuple[list[tuple[bytes, Info]], Optional[str]]:
    """Walks for a moment. Returns machines, and where to go on; None at the end."""
    begin, count = time.monotonic(), _FEWEST
    keys: dict[bytes, None] = {}
    while True:
        page: Page = next_page(machines, [*options, "COUNT", count], *cursor)
        keys.update(dict.fromkeys(page.keys))
        cursor = page.node, page.cursor
        if page.over or len(keys) >= _ENOUGH or time.monotonic() - begin > _WALK:
            break
        count = min(2 * count, _MOST) if len(page.keys) < _FEWEST // 5 else _FEWEST
    after = None if page.over else f"{page.node}:{page.cursor}"
    return looked_at(machines, list(keys)), after
