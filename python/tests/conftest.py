"""Fixtures: the servers of the module's own tests, and clients of every kind over them."""

import asyncio
import importlib.util
import inspect

import pytest
import redis
import redis.asyncio

from harness import ROOT, SLOWDOWN, Pool
from redis_state import AsyncStateMachines, Definition, StateMachines, Timer

# The module's conftest has the fixtures of servers. It has the name of this file, so it is loaded by its path.
_spec = importlib.util.spec_from_file_location("module_fixtures", ROOT / "tests/conftest.py")
_fixtures = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_fixtures)
pytest_configure = _fixtures.pytest_configure
pytest_report_header = _fixtures.pytest_report_header
pytest_xdist_auto_num_workers = _fixtures.pytest_xdist_auto_num_workers
servers, server, db, _documented = _fixtures.servers, _fixtures.server, _fixtures.db, _fixtures._documented

ORDER = Definition(
    map={
        "new": {"pay": "paid", "cancel": "cancelled"},
        "paid": {"ship": "sent", "refund": ["refunded", "partly refunded"], "": "lost"},
    },
    initial="new",
    any={"archive": "archived"},
    after={"new": Timer("cancelled", 3_600_000), "archived": Timer(None)},
    history=20,
    name="order",
    revision=3,
)


class Awaited:
    """An asyncio object whose methods wait for their results, so that one test runs on both clients."""

    def __init__(self, inner, loop):
        self._inner = inner
        self._loop = loop

    def __getattr__(self, name):
        method = getattr(self._inner, name)
        return (lambda *args, **kwargs: self._done(method(*args, **kwargs))) if callable(method) else method

    def _done(self, result):
        if inspect.isawaitable(result):
            return self._loop.run_until_complete(result)
        if inspect.isasyncgen(result):
            return self._loop.run_until_complete(_collected(result))
        if result.__class__.__name__ == "AsyncPipeline":
            return Awaited(result, self._loop)
        return result

    def __len__(self):
        return len(self._inner)


async def _collected(items):
    return [item async for item in items]


class Machines:
    """Makes clients of one kind, blocking or asyncio, and closes them in the end."""

    def __init__(self, kind):
        self.kind = kind
        self.closing = []
        self.loop = asyncio.new_event_loop() if kind == "asyncio" else None

    def of(self, client_of):
        """Returns machines over what `client_of` makes of the module `redis` or `redis.asyncio`."""
        if self.kind == "blocking":
            client = client_of(redis)
            self.closing.append(client.close)
            return StateMachines(client)
        client = self.loop.run_until_complete(_made(lambda: client_of(redis.asyncio)))
        self.closing.append(lambda: self.loop.run_until_complete(client.aclose()))
        return Awaited(AsyncStateMachines(client), self.loop)

    def at(self, port, **options):
        options.setdefault("socket_timeout", 30 * SLOWDOWN)
        return self.of(lambda library: library.Redis(port=port, **options))

    def close(self):
        for close in self.closing:
            close()
        if self.loop:
            self.loop.close()


async def _made(make):
    # Some asyncio clients look for the running loop when they are made.
    return make()


@pytest.fixture(params=["blocking", "asyncio"])
def clients(request):
    """Makes clients of each kind: clients.at(port), clients.of(lambda library: library.RedisCluster(…))."""
    made = Machines(request.param)
    yield made
    made.close()


@pytest.fixture(params=[(False, 2), (True, 2), (False, 3), (True, 3)], ids=["bytes-2", "text-2", "bytes-3", "text-3"])
def wire_options(request):
    """The four ways to talk: replies decoded or not, RESP2 or RESP3."""
    decoded, protocol = request.param
    return {"decode_responses": decoded, "protocol": protocol}


@pytest.fixture
def machines(clients, wire_options, db):
    """Machines on the shared server, for both kinds of clients and the four ways to talk."""
    return clients.at(db.server.port, **wire_options)


@pytest.fixture
def plain(clients, db):
    """Machines on the shared server, for both kinds of clients with redis-py's defaults."""
    return clients.at(db.server.port)


@pytest.fixture(scope="module")
def cluster():
    """The nodes of a cluster of three primaries, one for the tests of a file."""
    pool = Pool()
    try:
        yield pool.cluster(3)
    finally:
        pool.close()
