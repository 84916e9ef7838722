"""Runs the recipes of docs/clients.md unchanged, except for the address of the server.

redis-py, node-redis and redis-rs, each against one server and against a cluster. Where node, npm or
cargo is missing, or can't get the client, the test is skipped and says so.
"""

import os
import re
import shutil
import subprocess
import sys

import pytest

import nodejs
from harness import ROOT, SLOWDOWN

pytestmark = pytest.mark.once

PAGE = (ROOT / "docs/clients.md").read_text()
RECIPE = re.compile(r"<!-- recipe: ([^>]+?) -->\n(?:<!-- .*? -->\n)*```\w+\n(.*?)^```$", re.M | re.S)
RECIPES = dict(RECIPE.findall(PAGE))
RUN = {f"{client}{where}" for client in ("redis-py", "node-redis", "redis-rs") for where in ("", " cluster")}
NOT_RUN = {"go-redis", "jedis"}
PRINTED = "paid\nrefused\n"


def test_the_page_has_a_recipe_for_every_client():
    assert set(RECIPES) == RUN | NOT_RUN
    for name in NOT_RUN:
        assert f"<!-- recipe: {name} -->\n<!-- not run: " in PAGE


@pytest.fixture(params=["one server", "cluster"])
def recipe(request, servers):
    """Yields (the suffix of a recipe's name, the port to use in place of the page's)."""
    if request.param == "cluster":
        return " cluster", "7000", servers.cluster()[0].port
    return "", "6379", servers.start().port


def program(client, recipe):
    """Returns the text of a recipe with the test's port in place of the page's."""
    suffix, page_port, port = recipe
    text = RECIPES[client + suffix]
    assert text.count(page_port) == 1
    return text.replace(page_port, str(port))


def test_redis_py(recipe):
    command = [sys.executable, "-c", program("redis-py", recipe)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60 * SLOWDOWN)
    assert (done.stdout, done.stderr) == (PRINTED, "")


def test_node_redis(recipe):
    assert nodejs.node(program("node-redis", recipe)) == PRINTED


# ---- Rust ---------------------------------------------------------------------------------------

CRATE = ROOT / "tests/clients/redis-rs"
BUILD = ROOT / "target/clients/redis-rs"
ADDRESS = re.compile(r'"redis://127\.0\.0\.1:\d+/"')


def built(name):
    """Returns the program of a recipe. Both are built once and together, and read the address at run time."""
    if not shutil.which("cargo"):
        pytest.skip("cargo is not installed")
    (BUILD / "src/bin").mkdir(parents=True, exist_ok=True)
    for file in ("Cargo.toml", "Cargo.lock"):
        write_if_new(BUILD / file, (CRATE / file).read_text())
    for suffix in ("", " cluster"):
        text, count = ADDRESS.subn('std::env::var("ADDRESS").unwrap()', RECIPES["redis-rs" + suffix])
        assert count == 1
        write_if_new(BUILD / f"src/bin/{suffix.strip() or 'single'}.rs", text)
    cargo("fetch", "--locked", skip="cargo could not get redis-rs")
    cargo("build", "--locked", "--offline")
    return BUILD / "target/debug" / name


def write_if_new(path, text):
    """Writes a file if its text has changed, so that cargo doesn't rebuild without need. Replaces it
    atomically, because another worker may be writing it or running cargo at the same time."""
    if not path.exists() or path.read_text() != text:
        whole = path.with_suffix(f".{os.getpid()}")
        whole.write_text(text)
        whole.replace(path)


def cargo(*arguments, skip=None):
    environment = {**os.environ, "CARGO_TARGET_DIR": str(BUILD / "target")}
    limit = 200 if skip else 380
    try:
        done = subprocess.run(
            ["cargo", *arguments], cwd=BUILD, env=environment, capture_output=True, text=True, timeout=limit
        )
    except subprocess.TimeoutExpired:
        if skip:
            pytest.skip(f"{skip} in {limit} seconds")
        raise
    if done.returncode and skip:
        pytest.skip(f"{skip}: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr


def test_redis_rs(recipe):
    suffix, _, port = recipe
    environment = {**os.environ, "ADDRESS": f"redis://127.0.0.1:{port}/"}
    command = [built(suffix.strip() or "single")]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60 * SLOWDOWN)
    assert (done.stdout, done.stderr) == (PRINTED, "")
