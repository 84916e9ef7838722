#!/usr/bin/env python3
"""Makes docs/images/console.png and console-dark.png of a console that runs: that of `make console`.

    scripts/console_pictures.py 'http://127.0.0.1:8017/#token=…'

It needs Playwright and Chromium, as `make test-browser` does. Each picture is 1280 by 800, and below 200 kB.
"""

import json
import os
import shutil
import sys
import urllib.request
from pathlib import Path

from playwright.sync_api import expect, sync_playwright

FOLDER = Path(__file__).resolve().parents[1] / "docs/images"
MOST = 200_000
expect.set_options(timeout=60_000)
SIZE = {"width": 1280, "height": 800}


def asked(address: str, what: str, body: dict) -> dict:
    own = address.split("#")[0]
    headers = {"Content-Type": "application/json", "Origin": own.rstrip("/")}
    request = urllib.request.Request(f"{own}api/{what}", json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def worth(machine: dict) -> int:
    """Returns how much a machine has to show. Those that were made at the start have made their moves all at once."""
    moves = machine["history"]
    waited = sum(new["at"] - old["at"] > 5_000 for new, old in zip(moves, moves[1:]))
    return 2 * waited + sum(bool(move["reason"]) for move in moves) + 2 * (machine["due"] is not None)


def order(address: str) -> str:
    """Returns the key of the order that has most to show, of those from which several events lead."""
    found = {}
    for state in ("paid", "packed", "shipped", "delivered"):
        body = {"name": "order", "revision": None, "state": state, "cursor": None}
        for row in asked(address, "list", body)["keys"]:
            found[row["key"]] = asked(address, "machine", {"key": row["key"], "version": None, "definition_id": None})
    return max(found, key=lambda key: worth(found[key]))


def picture(browser, address: str, fragment: str, scheme: str, name: str) -> None:
    page = browser.new_context(viewport=SIZE, color_scheme=scheme).new_page()
    page.goto(address)
    expect(page.get_by_test_id("heading")).to_be_visible()
    page.evaluate("fragment => { location.hash = fragment }", fragment)
    expect(page.get_by_test_id("diagram")).to_have_attribute("data-status", "drawn")
    page.mouse.move(0, 0)
    if "fleet" in fragment:
        expect(page.get_by_test_id("due").get_by_test_id("machine-row")).to_have_count(20)
    path = FOLDER / name
    page.screenshot(path=path)
    print(f"{path.name}: {path.stat().st_size} bytes")
    if path.stat().st_size > MOST:
        sys.exit(f"{path.name} is larger than {MOST} bytes")


def main(address: str) -> None:
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        chromium = shutil.which(os.environ.get("CHROMIUM", "chromium"))
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        key = order(address).replace(":", "%3A")
        picture(browser, address, f"#/machine/{key}", "light", "console.png")
        picture(browser, address, "#/fleet/order", "dark", "console-dark.png")
        browser.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
