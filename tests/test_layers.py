"""scripts/layers.py finds every use of a higher layer in small test trees, and nothing else."""

import subprocess
import sys

import pytest

from harness import ROOT

pytestmark = pytest.mark.once


@pytest.fixture
def layers(tmp_path):
    """Writes a tree of {path: text}, checks it, and returns the findings."""

    def check(files):
        for path, text in files.items():
            (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / path).write_text(text)
        command = [sys.executable, ROOT / "scripts/layers.py", tmp_path]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == bool(done.stdout) and not done.stderr, done.stderr
        return done.stdout.splitlines()

    return check


def found(layers, path, text):
    return [line.split(" ")[0] for line in layers({path: text})]


def test_downwards_and_in_its_own_folder(layers):
    assert not layers({
        "src/core/src/lib.rs": "mod hash;\nmod definition;\npub use definition::Definition;\npub use crate::hash::of;\n",
        "src/core/src/hash.rs": "use std::collections::HashMap;\n",
        "src/core/src/definition/mod.rs": "mod archive;\nuse crate::hash;\nuse self::archive::View;\n",
        "src/core/src/definition/archive.rs": "use super::Definition;\nuse super::super::hash;\nuse crate::definition::parts;\n",
        "src/server/mod.rs": "use crate::server::log;\n",
        "src/build.rs": "use crate::anything;\n",
    })  # fmt: skip


def test_a_circle(layers):
    problems = layers({
        "src/core/src/definition/mod.rs": "use crate::hash;\nuse crate::interner::Shared;\n",
        "src/core/src/interner/mod.rs": "use crate::definition::Definition;\n",
    })  # fmt: skip
    (problem,) = problems
    assert problem.startswith("src/core/src/definition/mod.rs:2: ") and "interner" in problem


def test_the_same_layer(layers):
    assert found(layers, "src/core/src/hash.rs", "\nuse crate::probe::Probe;\n") == ["src/core/src/hash.rs:2:"]


@pytest.mark.parametrize("text", [
    "use crate::config::{self, Number};",
    "use crate::{config};",
    "use crate::{server::log, config::Number};",
    "use crate::{\n    server::{log, api},\n    config,\n};",
    "fn f() { crate::stats::count(); }",
    "fn f() { super::super::stats::count(); }",
    "mod inner { use super::super::super::stats; }",
    "macro_rules! m { () => { $crate::stats::count() } }",
    "use crate::Exported;",
    'const A: &str = "{"; use crate::stats;',
])  # fmt: skip
def test_ways_to_write_it(layers, text):
    assert len(found(layers, "src/server/key.rs", text)) == 1


@pytest.mark.parametrize("text", [
    "// use crate::config;\n/// [`crate::stats`]\n/* crate::stats */\n",
    'const A: &str = "crate::stats";',
    "pub(crate) fn f() {}\npub(super) fn g() {}",
    "mod inner { use super::f; fn g() { super::super::log::say(); } }",
    "use redis_module::raw;\nfn f() {}\n#[cfg(test)]\nmod tests {\n    use crate::stats;\n}\n",
])  # fmt: skip
def test_what_is_no_use_of_another_layer(layers, text):
    assert found(layers, "src/server/key.rs", text) == []


def test_a_file_that_has_no_layer(layers):
    assert found(layers, "src/helpers.rs", "") == ["src/helpers.rs:1:"]
