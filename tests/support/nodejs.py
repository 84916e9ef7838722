"""Runs Node programs for the tests, with the packages of tests/clients/package.json from a cache."""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from harness import ROOT, SLOWDOWN

PACKAGES = ROOT / "tests/clients/package.json"


def packages():
    """Returns a folder with node_modules. If there is none, skips the test and says why."""
    for program in ("node", "npm"):
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "redis-state-machine"
    folder = base / f"npm-{hashlib.sha256(PACKAGES.read_bytes()).hexdigest()[:12]}"
    if not folder.exists():
        base.mkdir(parents=True, exist_ok=True)
        _install(folder)
    return folder


def _install(folder):
    """Installs under a temporary name first, so that no run uses an incomplete installation."""
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".npm-") as building:
        shutil.copy(PACKAGES, building)
        command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
        try:
            done = subprocess.run(command, cwd=building, capture_output=True, text=True, timeout=300)
        except subprocess.TimeoutExpired:
            pytest.skip(f"npm could not get the packages of {PACKAGES.name} in five minutes")
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            pytest.skip(f"npm could not get the packages of {PACKAGES.name}: {last}")
        try:
            os.rename(building, folder)
        except OSError:
            return  # another run has installed them meanwhile
        os.mkdir(building)


def node(script, *arguments):
    """Runs a Node module in the folder of the packages and returns its output."""
    done = subprocess.run(
        ["node", "--input-type=module", "-", *map(str, arguments)],
        cwd=packages(),
        input=script,
        capture_output=True,
        text=True,
        timeout=300 * SLOWDOWN,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
