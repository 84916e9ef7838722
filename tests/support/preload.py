"""Libraries that a server preloads, so that a test can lie to it."""

import platform
import shutil
import subprocess
import sys

import pytest

from harness import ROOT, SLOWDOWN


def library(folder, name):
    """Compiles tests/faults/`name`.c into a folder and returns its path. Skips the test where that can't be."""
    if sys.platform != "linux" or platform.libc_ver()[0] != "glibc":
        pytest.skip("needs Linux with glibc: a library is preloaded, and asks /proc for names of files")
    if SLOWDOWN > 1:
        pytest.skip("a server under a memory checker has that preloaded, and nothing else")
    compiler = shutil.which("cc")
    if not compiler:
        pytest.skip(f"there is no C compiler (cc) to make tests/faults/{name}.c a library")
    built = folder / f"{name}.so"
    source = ROOT / f"tests/faults/{name}.c"
    subprocess.run([compiler, "-Wall", "-Werror", "-O1", "-shared", "-fPIC", "-o", built, source, "-ldl"], check=True)
    return str(built)
