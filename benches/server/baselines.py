"""The baselines of the benchmarks: a Lua script over a hash, and the cheapest possible module."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import harness
import shapes

# An order as a hash, with the script that a careful team would write. It checks and moves in one step,
# and all orders share one hash with the map.
MOVE = """
local state = redis.call('HGET', KEYS[1], 'state')
if not state then return false end
if redis.call('HEXISTS', KEYS[2], state .. '>' .. ARGV[1]) == 0 then return false end
redis.call('HSET', KEYS[1], 'state', ARGV[1], 'reason', ARGV[2] or '')
return redis.status_reply('OK')
"""

# The same with what a history of 16 remembers: who, when and why, as a list of JSON; and a version.
# KEYS: the order, the map, the history. ARGV: the event, who, why.
FIRE = """
local order = redis.call('HMGET', KEYS[1], 'state', 'version')
if not order[1] then return false end
local to = redis.call('HGET', KEYS[2], order[1] .. '>' .. ARGV[1])
if not to then return {'refused', order[1], order[2]} end
local version = order[2] + 1
local now = redis.call('TIME')
redis.call('HSET', KEYS[1], 'state', to, 'version', version, 'reason', ARGV[3])
redis.call('LPUSH', KEYS[3], cjson.encode({
  version = version, at = now[1] * 1000 + math.floor(now[2] / 1000), from = order[1], event = ARGV[1],
  to = to, by = ARGV[2], reason = ARGV[3]}))
redis.call('LTRIM', KEYS[3], 0, 15)
return {'moved', to, version}
"""


def hash_of(key, state):
    """Returns the command that stores an order as a hash."""
    return "HSET", key, "state", state, "initial", shapes.ORDER_STATES[0], "reason", ""


def hash_map(key):
    """Returns the command that stores the order's map as a hash, with a field for each transition."""
    rows = json.loads(shapes.order())["map"]
    fields = [f"{a}>{b}" for a, targets in rows.items() for b in targets]
    return "HSET", key, *(part for field in fields for part in (field, "1"))


def floor(folder):
    """Compiles the cheapest possible module (null_module.c) into `folder`.

    Returns its path, or None and why there is none.
    """
    compiler = os.environ.get("CC", "cc")
    if not shutil.which(compiler):
        return None, f"no C compiler ({compiler})"
    header = _module_header()
    if not header:
        return None, "no redismodule.h in the sources of the redis-module crate"
    out = Path(folder) / "floor.so"
    source = Path(__file__).with_name("null_module.c")
    command = [compiler, "-O2", "-fPIC", "-shared", "-std=gnu11", "-Wno-unused", "-I", header.parent]
    done = subprocess.run([*command, "-o", out, source], capture_output=True, text=True)
    return (out, None) if done.returncode == 0 else (None, f"{compiler}: {done.stderr.strip()[:300]}")


def _module_header():
    # For this platform only, because cargo has not downloaded the crates of other platforms.
    versions = subprocess.run(["rustc", "-vV"], capture_output=True, text=True).stdout
    host = versions.partition("host: ")[2].split("\n")[0]
    command = ["cargo", "metadata", "--format-version", "1", "--offline", "--filter-platform", host]
    done = subprocess.run(command, capture_output=True, text=True, cwd=harness.ROOT)
    if done.returncode:
        return None
    for package in json.loads(done.stdout)["packages"]:
        if package["name"] == "redis-module":
            header = Path(package["manifest_path"]).parent / "src/include/redismodule.h"
            return header if header.exists() else None
    return None
