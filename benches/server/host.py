"""Describes the machine and the software of a run, without which a figure says little."""

import datetime
import os
import platform
import re
import shutil
import subprocess
from pathlib import Path

import harness
import postgres


def about():
    """Returns the facts as {name: text}."""
    return {
        "date": datetime.date.today().isoformat(),
        "module": _output("git", "describe", "--always", "--dirty=, with changes") or "unknown",
        "server": _output(harness.SERVER, "--version"),
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}, {_distribution()}",
        "compiler": _output("rustc", "--version"),
        "PostgreSQL": postgres.version() or "none",
        "valgrind": _output("valgrind", "--version") or "none",
        "Python": platform.python_version(),
    }


def _output(*command):
    if not shutil.which(command[0]):
        return ""
    done = subprocess.run(command, capture_output=True, text=True, cwd=harness.ROOT)
    return done.stdout.strip()


def _processor():
    info = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*: (.*)", info.read_text()) if info.exists() else None
    return found[1].strip() if found else platform.processor() or platform.machine()


def _distribution():
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return "unknown distribution"
