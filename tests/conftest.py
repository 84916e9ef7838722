"""Fixtures: servers for one test, and shared servers that are emptied before each test."""

import os
import subprocess

import pytest

import harness
from harness import NIL, NIL3, OK, Pool
from shop import SHOP


def pytest_report_header():
    name, version = harness.server_version()
    return [
        f"server: {name} {'.'.join(map(str, version))} ({harness.SERVER})",
        f"module: {harness.MODULE}",
    ]


def pytest_xdist_auto_num_workers():
    """Returns two workers for each core, because the tests spend half of their time waiting for
    servers to start, to save and to synchronise."""
    return min(8, 2 * len(os.sched_getaffinity(0)))


def pytest_configure():
    if not harness.MODULE.exists():
        pytest.exit(f"no module at {harness.MODULE}: 'make build' makes it", returncode=2)
    try:
        harness.server_version()
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.exit(f"SERVER={harness.SERVER} does not run: {error}", returncode=2)


@pytest.fixture
def figure(record_property):
    """Returns a function that adds a text of the test to the summary of the run."""
    return lambda text: record_property("figure", text)


def pytest_terminal_summary(terminalreporter):
    for report in terminalreporter.getreports("passed"):
        for name, text in report.user_properties:
            if name == "figure":
                terminalreporter.write_line(f"{report.nodeid.split('::')[-1]}: {text}")


@pytest.fixture
def servers():
    """Starts servers for this test alone: servers.start(config), servers.pair(), …"""
    pool = Pool()
    yield pool
    pool.close()


@pytest.fixture
def server(servers):
    """Starts a server for this test alone, with the module's default configs."""
    return servers.start()


class Shared:
    """A server that the tests of one file share. Each test finds it empty."""

    def __init__(self, **kwargs):
        self.pool = Pool()
        self.kwargs = kwargs
        self.server = None

    def fresh(self):
        if self.server is None or not self.server.alive():
            self.server = self.pool.start(**self.kwargs)
        self.server.run("FLUSHALL")
        return self.server


@pytest.fixture(scope="module")
def _documented():
    shared = Shared()
    yield shared
    shared.pool.close()


@pytest.fixture(scope="module")
def _edge():
    shared = Shared(module_args="compat edge")
    yield shared
    shared.pool.close()


def _client_of(shared):
    server = shared.fresh()
    client = server.client()
    client.server = server
    yield client
    client.close()
    server.check()


@pytest.fixture
def db(_documented):
    """Yields a client of the shared server in documented mode. `db.server` is the server."""
    yield from _client_of(_documented)


@pytest.fixture
def edge(_edge):
    """Yields a client of the shared server in edge mode."""
    yield from _client_of(_edge)


@pytest.fixture
def wire(db):
    """Yields a connection to the shared server in documented mode that shows the exact bytes."""
    with db.server.wire() as wire:
        yield wire


@pytest.fixture
def shop(wire):
    """The wire, with a machine of SHOP in `m` and a string in `text`."""
    assert wire("SM.SET", "m", SHOP) == OK
    assert wire("SET", "text", "x") == OK
    return wire


@pytest.fixture(params=[2, 3])
def both(request, shop):
    """The same by either protocol, with the nil and the maps of that protocol."""
    shop("HELLO", str(request.param))
    shop.nil = {2: NIL, 3: NIL3}[request.param]
    shop.map = {2: lambda n: b"*%d\r\n" % (2 * n), 3: lambda n: b"%%%d\r\n" % n}[request.param]
    return shop
