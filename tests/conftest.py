"""Fixtures: servers that end with the test, and shared ones that are emptied before each test."""

import os
import subprocess

import pytest

import harness
from harness import Pool


def pytest_report_header():
    name, version = harness.server_version()
    return [
        f"server: {name} {'.'.join(map(str, version))} ({harness.SERVER})",
        f"module: {harness.MODULE}",
    ]


def pytest_xdist_auto_num_workers():
    """Two for each core, as half of the time is spent waiting: for servers to start, to save, to
    follow one another."""
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
    """Has a test say what it counted, at the end of the run."""
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
    """One server of this test's own, with the module on its defaults."""
    return servers.start()


class Shared:
    """A server that the tests of one file share; every test finds it empty and on its defaults."""

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
    """A client of the shared server in documented mode; db.server is the server."""
    yield from _client_of(_documented)


@pytest.fixture
def edge(_edge):
    """The same in edge mode."""
    yield from _client_of(_edge)


@pytest.fixture
def wire(db):
    """The exact bytes of the shared server in documented mode."""
    with db.server.wire() as wire:
        yield wire
