"""The console in Chromium, on real servers.

CHROMIUM   the browser: a name on the path, or a path (default chromium)
SHOTS      a folder that keeps a picture of the end of each test

Every page is watched. A test fails if its page has an error, breaks its content security policy, opens a dialog of the
browser, or asks anybody but the console.
"""

import os
import re
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect, sync_playwright

from commandline import start
from harness import SLOWDOWN

CHROMIUM = os.environ.get("CHROMIUM", "chromium")
PATIENCE = 30_000 * SLOWDOWN
expect.set_options(timeout=PATIENCE)
# What a browser says by itself of an answer that is an error. The tests look at what the page makes of it.
ERRORS_OF_ANSWERS = re.compile(r"Failed to load resource: (the server responded|net::ERR_)")
DESKTOP = {"width": 1280, "height": 800}


@pytest.fixture(scope="session")
def chromium():
    with sync_playwright() as playwright:
        # As root, and in a container, there is no sandbox. The pages are the console's own.
        browser = playwright.chromium.launch(executable_path=shutil.which(CHROMIUM), args=["--no-sandbox"])
        yield browser
        browser.close()


class Console:
    """`redis-state console` as a program."""

    def __init__(self, server, *options, port=0):
        self.program = start(server, "console", "--port", port, *options)
        self.address = self.program.stdout.readline().strip()
        assert self.address, self.program.stderr.read()

    @property
    def origin(self):
        return self.address.split("#")[0].rstrip("/")

    @property
    def port(self):
        return urlsplit(self.address).port

    def end(self):
        self.program.kill()
        self.program.wait()


@pytest.fixture
def consoles():
    """Starts consoles: consoles(server, '--write')."""
    started = []

    def make(server, *options, **more):
        started.append(Console(server, *options, **more))
        return started[-1]

    yield make
    for console in started:
        console.end()


class Window:
    """A window with the console, and what went wrong in it."""

    def __init__(self, context, console):
        self.console = console
        self.faults = []
        # What a test brings about by intent.
        self.meant = None
        self.asked = []
        self.page = context.new_page()
        self.page.set_default_timeout(PATIENCE)
        self.page.on("console", self._said)
        self.page.on("pageerror", lambda error: self.faults.append(f"error: {error}"))
        self.page.on("dialog", self._dialog)
        self.page.on("request", self._requested)

    def _said(self, message):
        if message.type in ("error", "warning") and not ERRORS_OF_ANSWERS.match(message.text):
            self.faults.append(f"{message.type}: {message.text}")

    def _dialog(self, dialog):
        self.faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def _requested(self, request):
        self.asked.append(request.url)
        if not request.url.startswith((f"{self.console.origin}/", "data:")):
            self.faults.append(f"elsewhere: {request.url}")

    def open(self, fragment=None):
        """Opens the address that the console printed, and then a view of it: `#/machine/order%3A1`."""
        self.page.goto(self.console.address)
        if fragment is not None:
            expect(self.by("heading")).to_be_visible()
            self.go(fragment)
        return self

    def go(self, fragment):
        self.page.evaluate("fragment => { location.hash = fragment }", fragment)

    def by(self, testid, **values):
        """Returns the elements of a test id, with these values of `data-…`."""
        rest = "".join(f'[data-{name}="{value}"]' for name, value in values.items())
        return self.page.locator(f'[data-testid="{testid}"]{rest}')

    def event(self, name):
        return self.by("event", event=name)

    def click_fire(self, event):
        self.event(event).get_by_test_id("fire").click()
        expect(self.by("fire-dialog")).to_be_visible()

    def focused(self):
        """Returns the test id of what has the focus."""
        return self.page.evaluate("document.activeElement.dataset.testid ?? document.activeElement.tagName")


@pytest.fixture
def window(chromium, request, tmp_path):
    """Makes windows: window(console, color_scheme='dark'). Each is a browser of its own, without a past."""
    windows = []

    def make(console, **options):
        context = chromium.new_context(**{"viewport": DESKTOP, **options})
        windows.append(Window(context, console))
        return windows[-1]

    yield make
    folder = Path(os.environ.get("SHOTS", tmp_path))
    folder.mkdir(exist_ok=True, parents=True)
    for number, each in enumerate(windows, 1):
        name = re.sub(r"[^\w-]+", "-", request.node.name).strip("-")
        suffix = f"-{number}" if len(windows) > 1 else ""
        each.page.screenshot(path=folder / f"{name}{suffix}.png", full_page=True)
        each.page.context.close()
    assert [
        fault for each in windows for fault in each.faults if not (each.meant and re.search(each.meant, fault))
    ] == []
