"""scripts/setup.sh on machines that lack a program: it names the program, and how to install it.

A machine is a folder of programs that is the whole PATH, without apt, and a copy of the project's files
that the script reads. The programs print a version and do nothing else.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from harness import ROOT

pytestmark = pytest.mark.once

TOOLS = "awk bash cat cmp cp cut dirname env grep head id mktemp rm sed sh sort tr".split()
COMPILER = """#!/bin/sh
cat >/dev/null
while [ "$1" != -o ]; do shift; done
[ "$2" = /dev/null ] || { echo '#!/bin/sh' >"$2"; chmod +x "$2"; }
"""
# `python3 -m venv --clear FOLDER` makes an environment that accepts every import and installation.
PYTHON = """#!/bin/sh
case "$*" in
    --version) echo "Python 3.11.2" ;;
    "-m venv"*) mkdir -p .venv/bin; printf '#!/bin/sh\\n' >.venv/bin/python; chmod +x .venv/bin/python; echo made ;;
esac
"""


# Such an environment imports nothing until something is installed, and notes what.
IMPORTS_AFTER_PIP = r"""printf '#!/bin/sh
case "$1" in
    -c) [ -e pip ] ;;
    -m) echo "$* with $PIP_CONSTRAINT" >>pip ;;
esac
'"""


class Machine:
    def __init__(self, folder):
        self.bin, self.root, self.project = folder / "bin", folder / "root", folder / "project"
        for made in (self.bin, self.root / "usr/lib/llvm-14/lib", self.project / "tests"):
            made.mkdir(parents=True)
        shutil.copytree(ROOT / "scripts", self.project / "scripts")
        shutil.copy(ROOT / "Cargo.toml", self.project)
        for name in ("requirements.txt", "requirements-browser.txt"):
            shutil.copy(ROOT / "tests" / name, self.project / "tests")
        for tool in (*TOOLS, "chmod", "mkdir"):
            self.link(tool)
        self.program("cc", COMPILER)
        self.program("c++", COMPILER)
        self.program("python3", PYTHON)
        for name, says in {
            "rustc": "rustc 1.95.0",
            "cargo": "cargo 1.95.0",
            "redis-server": "Redis server v=7.0.15 sha=0",
            "redis-cli": "redis-cli 7.0.15",
            "dot": "",
            "chromium": "Chromium 131.0",
        }.items():
            self.says(name, says)
        self.library("libclang.so.1").write_bytes(b"\x7fELF")

    def link(self, tool):
        (self.bin / tool).unlink(missing_ok=True)
        (self.bin / tool).symlink_to(shutil.which(tool))

    def program(self, name, text):
        (self.bin / name).write_text(text)
        (self.bin / name).chmod(0o755)

    def says(self, name, text):
        self.program(name, f"#!/bin/sh\necho '{text}'\n")

    def fails(self, name):
        self.program(name, "#!/bin/sh\necho 'it has no toolchain' >&2\nexit 1\n")

    def lacks(self, name):
        (self.bin / name).unlink()

    def library(self, name):
        return self.root / "usr/lib/llvm-14/lib" / name

    def setup(self, purpose="test", **environment):
        """Runs the script. Returns (whether it succeeded, its output)."""
        done = subprocess.run(
            [self.project / "scripts/setup.sh", purpose],
            env={"PATH": str(self.bin), "LIBCLANG_ROOT": str(self.root), **environment},
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.returncode == 0, done.stderr


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_a_machine_that_has_everything(machine):
    assert machine.setup() == (True, "setup: making .venv with tests/requirements.txt\nmade\n")
    assert machine.setup() == (True, "")


def test_an_unknown_purpose(machine):
    assert machine.setup("tests") == (False, "setup: unknown purpose 'tests'\n")


# ---- the compiler -------------------------------------------------------------------------------


def test_no_compiler(machine):
    machine.lacks("cc")
    ready, said = machine.setup("run")
    assert not ready and "apt-get install build-essential" in said


def test_a_compiler_that_can_not_link(machine):
    machine.fails("cc")
    ready, said = machine.setup("run")
    assert not ready and "no C compiler (cc) that can link" in said and "install build-essential" in said


def test_a_cpp_compiler_that_can_not_link(machine):
    machine.fails("c++")
    assert machine.setup("run")[0]
    ready, said = machine.setup("fuzz")
    assert not ready and "no C++ compiler" in said


# ---- libclang -----------------------------------------------------------------------------------


def libclang_is_missing(machine, **environment):
    ready, said = machine.setup("run", **environment)
    assert not ready and "apt-get install libclang-dev\n" in said
    return said


def test_libclang_of_cpp_is_another_library(machine):
    for name in ("libclang-cpp.so.14", "libclang-cpp.so"):
        machine.library("libclang.so.1").rename(machine.library(name))
        libclang_is_missing(machine)
        machine.library(name).rename(machine.library("libclang.so.1"))
    assert machine.setup("run")[0]


@pytest.mark.parametrize("content", [b"", b"INPUT(libclang.so.14)\n"], ids=["empty", "text"])
def test_a_libclang_that_is_no_library(machine, content):
    machine.library("libclang.so.1").write_bytes(content)
    libclang_is_missing(machine)


def test_a_libclang_whose_file_is_gone(machine):
    machine.library("libclang.so.1").unlink()
    machine.library("libclang.so.1").symlink_to("libclang-14.so.14")
    libclang_is_missing(machine)


@pytest.mark.parametrize("name", ["libclang.so", "libclang-14.so", "libclang.so.1", "libclang-14.so.14.0.6"])
def test_the_names_that_the_build_takes(machine, name):
    machine.library("libclang.so.1").rename(machine.library(name))
    assert machine.setup("run") == (True, "")


def test_libclang_path(machine, tmp_path):
    real = machine.library("libclang.so.1")
    assert "LIBCLANG_PATH" in libclang_is_missing(machine, LIBCLANG_PATH=str(tmp_path / "nowhere"))
    assert "LIBCLANG_PATH" in libclang_is_missing(machine, LIBCLANG_PATH=str(tmp_path))
    assert machine.setup("run", LIBCLANG_PATH=str(real))[0]
    assert machine.setup("run", LIBCLANG_PATH=str(real.parent))[0]
    elsewhere = tmp_path / "a folder"
    elsewhere.mkdir()
    real.rename(elsewhere / real.name)
    assert machine.setup("run", LD_LIBRARY_PATH=f"/nowhere:{elsewhere}")[0]


def test_a_libclang_that_does_not_load_or_is_something_else(machine):
    """Uses a real compiler, so that the library is really loaded. The build takes the newest one."""
    for tool in ("cc", "as", "ld"):
        if not shutil.which(tool):
            pytest.skip(f"{tool} is not installed")
        machine.link(tool)
    machine.library("libclang-99.so.1").write_bytes(b"\x7fELF")
    assert "libclang-99.so.1 can't read a header" in libclang_is_missing(machine)
    shutil.copy(libc(), machine.library("libclang-99.so.1"))
    assert "it is no libclang" in libclang_is_missing(machine)


def libc():
    """Returns the path of this process's C library."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    return next(line.split()[-1] for line in lines if "/libc.so" in line or "/libc-" in line)


# ---- Rust ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("program", ["rustc", "cargo"])
def test_rust_that_is_missing_too_old_or_without_a_toolchain(machine, program):
    for spoil, found in (
        (machine.lacks, "none"),
        (lambda name: machine.says(name, f"{name} 1.63.0"), "1.63.0"),
        (machine.fails, "one that doesn't run"),
    ):
        spoil(program)
        ready, said = machine.setup("run")
        assert not ready and f"{program} {found}" in said and "rustup" in said


# ---- Python -------------------------------------------------------------------------------------


def test_no_python(machine):
    machine.lacks("python3")
    ready, said = machine.setup()
    assert not ready and "apt-get install python3 python3-venv" in said


def test_a_python_that_can_not_make_environments(machine):
    machine.fails("python3")
    ready, said = machine.setup()
    assert not ready and "apt-get install python3-venv" in said


def test_a_python_that_is_too_old(machine):
    machine.says("python3", "Python 3.9.2")
    ready, said = machine.setup()
    assert not ready and "Python 3.10 or newer is needed (python3 is 3.9.2)" in said


def spoilt_environments():
    def interrupted(venv):
        (venv / "requirements.txt").unlink()

    def python_is_gone(venv):
        (venv / "bin/python").unlink()
        (venv / "bin/python").symlink_to("/nowhere/python3")

    def another_python(venv):
        (venv / "bin/python").write_text("#!/bin/sh\nexit 1\n")

    def other_requirements(venv):
        (venv / "requirements.txt").write_text("redis==7.0.0\n")

    return [interrupted, python_is_gone, another_python, other_requirements]


@pytest.mark.parametrize("spoil", spoilt_environments(), ids=lambda spoil: spoil.__name__)
def test_an_environment_that_is_not_whole_is_made_anew(machine, spoil):
    assert machine.setup()[0]
    spoil(machine.project / ".venv")
    if (machine.project / ".venv/bin/python").is_symlink():
        # The real `venv --clear` deletes everything first.
        (machine.bin / "python3").write_text(PYTHON.replace("mkdir -p", "rm -rf .venv; mkdir -p"))
    ready, said = machine.setup()
    assert ready and "making .venv" in said
    assert machine.setup() == (True, "")


def test_without_a_network(machine):
    no_network = PYTHON.replace("printf '#!/bin/sh\\n'", "printf '#!/bin/sh\\nexit 1\\n'")
    machine.program("python3", no_network)
    ready, said = machine.setup()
    assert not ready and "pip could not install" in said and "network" in said


# ---- the server ---------------------------------------------------------------------------------


def test_no_server(machine):
    machine.lacks("redis-server")
    machine.lacks("redis-cli")
    ready, said = machine.setup("run")
    assert not ready and "apt-get install redis-server redis-tools" in said


def test_a_server_that_was_asked_for_and_is_not_there(machine):
    ready, said = machine.setup("run", SERVER="valkey-server")
    assert not ready and "SERVER=valkey-server: no such program" in said


def test_a_server_that_is_too_old(machine):
    machine.says("redis-server", "Redis server v=6.0.16 sha=0")
    ready, said = machine.setup("run")
    assert not ready and "SERVER=redis-server is 6.0.16; 7.0 or newer is needed" in said


def test_a_server_that_is_none_or_does_not_run(machine):
    machine.says("redis-server", "redis-cli 7.0.15")
    ready, said = machine.setup("run")
    assert not ready and "is no server of Redis or Valkey" in said
    machine.fails("redis-server")
    ready, said = machine.setup("run")
    assert not ready and "doesn't run: it has no toolchain" in said


def test_a_valkey_server(machine):
    machine.says("valkey-server", "Valkey server v=8.1.1 sha=0")
    assert machine.setup("run", SERVER=os.fspath(machine.bin / "valkey-server")) == (True, "")


# ---- the console and its tests ------------------------------------------------------------------


def test_the_console_needs_less_than_the_tests(machine):
    said = "setup: making .venv with the package and its console\nmade\n"
    # An environment without the packages fails to import them, until the console's are installed.
    machine.program("python3", PYTHON.replace("printf '#!/bin/sh\\n'", IMPORTS_AFTER_PIP))
    assert machine.setup("console") == (True, "")
    assert machine.setup("console-venv") == (True, said)
    assert machine.setup("console-venv") == (True, "")
    (asked,) = (machine.project / "pip").read_text().splitlines()
    assert asked.endswith("./python[console] with tests/requirements.txt")
    # Nor does it throw away what the tests have made.
    assert "making .venv with tests/requirements.txt" in machine.setup("test")[1]
    assert machine.setup("console-venv") == (True, "")


def test_the_console_needs_what_a_run_needs(machine):
    machine.lacks("redis-server")
    machine.fails("python3")
    ready, said = machine.setup("console")
    assert not ready and "apt-get install python3-venv redis-server\n" in said


def test_the_tests_of_the_browser(machine):
    ready, said = machine.setup("browser")
    assert ready and said.endswith("setup: adding tests/requirements-browser.txt to .venv\n")
    assert machine.setup("browser") == (True, "")
    machine.lacks("chromium")
    ready, said = machine.setup("browser")
    assert not ready and "apt-get install chromium\n" in said
    ready, said = machine.setup("browser", CHROMIUM="/nowhere/chrome")
    assert not ready and "CHROMIUM=/nowhere/chrome doesn't run" in said
    machine.says("chrome", "Chrome 131.0")
    assert machine.setup("browser", CHROMIUM=os.fspath(machine.bin / "chrome")) == (True, "")


# ---- PostgreSQL ---------------------------------------------------------------------------------


def test_the_benchmarks_need_no_postgresql(machine, tmp_path):
    machine.says("valgrind", "valgrind-3.19.0")
    machine.setup()
    assert machine.setup("bench", POSTGRES=str(tmp_path)) == (
        True,
        "setup: no PostgreSQL: it is left out of the comparison\n",
    )
    (tmp_path / "initdb").write_text("")
    (tmp_path / "initdb").chmod(0o755)
    assert machine.setup("bench", POSTGRES=str(tmp_path)) == (True, "")
