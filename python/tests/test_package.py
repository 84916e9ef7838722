"""The package itself: what it exports, and that both clients have the same methods."""

import inspect
import os
import subprocess
import sys

import pytest

import redis_state
from harness import ROOT
from redis_state import AsyncPipeline, AsyncStateMachines, Pipeline, StateMachines

SOURCE = ROOT / "python/src/redis_state"


def public(kind):
    return {name for name in dir(kind) if not name.startswith("_")}


def test_both_clients_have_the_same_methods_with_the_same_arguments():
    assert public(StateMachines) == public(AsyncStateMachines)
    for name in public(StateMachines) - {"pipeline"}:
        one, other = getattr(StateMachines, name), getattr(AsyncStateMachines, name)
        assert inspect.signature(one).parameters.keys() == inspect.signature(other).parameters.keys(), name
        if name != "scan":
            assert inspect.iscoroutinefunction(other), name
        assert one.__doc__ == other.__doc__, name


def test_pipelines_have_every_command_of_one_key_but_waits():
    many = {"count", "definitions", "scan", "pipeline", "wait"}
    raising = {name for name in public(StateMachines) if name.endswith("_or_raise")}
    assert public(Pipeline) == (public(StateMachines) - many - raising) | {"execute", "execute_command"}
    assert public(AsyncPipeline) == public(Pipeline)


@pytest.mark.parametrize("name", redis_state.__all__)
def test_everything_public_is_described(name):
    found = getattr(redis_state, name)
    if not inspect.isclass(found):
        return
    assert found.__doc__ and not found.__doc__.startswith(f"{name}("), "a description, not the dataclass's own"
    methods = inspect.getmembers(found, lambda member: inspect.isfunction(member) or isinstance(member, property))
    bare = [key for key, member in methods if not key.startswith("_") and not member.__doc__]
    assert not bare


def test_help_shows_the_signature_of_a_command():
    signature = inspect.signature(StateMachines.fire)
    assert list(signature.parameters) == ["self", "key", "event", "to", "options"]
    assert signature.return_annotation == "Optional[Verdict]"
    assert StateMachines.fire_or_raise.__name__ == "fire_or_raise"
    assert "Raises Missing" in StateMachines.fire_or_raise.__doc__


def test_the_package_is_typed_and_needs_no_test_tools():
    assert (SOURCE / "py.typed").exists()
    program = (
        "import sys, redis_state; sys.exit('pytest' in sys.modules or 'typing_extensions' in redis_state.__dict__)"
    )
    environment = {**os.environ, "PYTHONPATH": str(SOURCE.parent)}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)


def test_it_runs_without_typing_extensions():
    """It is no dependency: redis-py has it below Python 3.11 only."""
    program = "import sys; sys.modules['typing_extensions'] = None; import redis_state._asyncio"
    environment = {**os.environ, "PYTHONPATH": str(SOURCE.parent)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True)
    assert done.returncode == 0 or "redis/" in done.stderr, done.stderr
