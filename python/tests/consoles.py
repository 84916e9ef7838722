"""A console in this process, served at a port of its own, and a page that asks it by HTTP."""

import http.client
import json
import threading
import time

import pytest
import uvicorn

from harness import SLOWDOWN, wait_until
from redis_state import StateMachines
from redis_state.cli._connection import connected
from redis_state.console import Access, Api, Backend, listen, make_app
from redis_state.console._run import configured


class Console:
    """Serves the console of a server. `host` is what it believes to be its address; it listens on loopback always."""

    def __init__(self, url, write=False, by="", host="127.0.0.1", cluster=False, patience=1.0):
        make = lambda: StateMachines(connected(url, cluster, None, patience * SLOWDOWN))
        self.socket = listen("127.0.0.1", 0)
        self.port = self.socket.getsockname()[1]
        self.access = Access(host, self.port, write)
        self.api = Api(Backend(make, "the server"), write, by)
        self.uvicorn = uvicorn.Server(configured(make_app(self.api, self.access)))
        self.thread = threading.Thread(target=self.uvicorn.run, args=([self.socket],), daemon=True)
        self.thread.start()
        wait_until(lambda: self.uvicorn.started, "the console to start")

    def close(self):
        self.uvicorn.should_exit = self.uvicorn.force_exit = True
        self.thread.join(20)
        self.api.close()
        self.socket.close()

    @property
    def own_headers(self):
        """What the page itself sends."""
        headers = {
            "Host": f"127.0.0.1:{self.port}",
            "Origin": f"http://127.0.0.1:{self.port}",
            "Sec-Fetch-Site": "same-origin",
            "Content-Type": "application/json",
        }
        return {**headers, "Authorization": f"Bearer {self.access.token}"} if self.access.token else headers

    def send(self, method, path, body=b"", headers=None):
        """Sends exactly these headers. Returns the status, the headers, and the body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30 * SLOWDOWN)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in (headers or {}).items():
                connection.putheader(name, value)
            if body:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body or None)
            reply = connection.getresponse()
            return reply.status, {name.lower(): value for name, value in reply.getheaders()}, reply.read()
        finally:
            connection.close()

    def post(self, what, body, **changes):
        """Asks as the page does, but for the changes: headers with `_` for `-`; None leaves one out. Returns the
        status and the answer."""
        headers = {**self.own_headers, **{name.replace("_", "-"): value for name, value in changes.items()}}
        headers = {name: value for name, value in headers.items() if value is not None}
        text = body if isinstance(body, bytes) else json.dumps(body).encode()
        status, _, reply = self.send("POST", f"/api/{what}", text, headers)
        return status, json.loads(reply)

    def ask(self, what, **body):
        """Asks as the page does, for an answer."""
        status, answer = self.post(what, body)
        assert status == 200, (status, answer)
        return answer

    def refused(self, what, **body):
        """Asks as the page does, for an error. Returns its status and its code."""
        status, answer = self.post(what, body)
        assert status >= 400 and isinstance(answer["error"], str) and answer["error"], (status, answer)
        return status, answer["code"]

    def whole(self, what, field="keys", **body):
        """Asks again and again until a list is whole."""
        found, cursor = [], None
        while True:
            answer = self.ask(what, **body, cursor=cursor)
            found += answer[field]
            cursor = answer["cursor"]
            if cursor is None:
                return found

    def walked(self, name, revision=None):
        """Returns what is known of a fleet when the walks have been over all of it."""
        now = self.ask("about")["now"]
        done = lambda answer: answer["walk"]["done_at"] is not None and answer["walk"]["done_at"] > now
        return self.until(done, "a walk over the fleet", name=name, revision=revision)

    def until(self, is_true, what, **body):
        """Asks for a fleet until the answer is as it should be."""
        answers = []

        def asked():
            answers[:] = [self.ask("fleet", **body)]
            return is_true(answers[0])

        wait_until(asked, what, pause=0.1)
        return answers[0]


@pytest.fixture
def consoles():
    """Serves consoles for this test alone: consoles(server, write=True)."""
    made = []

    def make(server, **options):
        port = getattr(server, "port", server)
        query = options.pop("query", "")
        user = options.pop("user", "")
        made.append(Console(f"redis://{user}127.0.0.1:{port}{query}", **options))
        return made[-1]

    yield make
    for console in made:
        console.close()


def hold(server, seconds):
    """Lets the server do nothing else for so long."""
    with server.client() as client:
        client.execute_command("DEBUG", "SLEEP", seconds)


def seconds_of(call):
    begin = time.monotonic()
    call()
    return time.monotonic() - begin
