"""Data of the old module (encoding version 1) can be loaded, and is saved in the encoding of today."""

import json

import pytest
import redis

from harness import ROOT, digest, follow, wait_in_sync
from model import Machine

LEGACY = ROOT / "tests/data/legacy"
MACHINES = json.loads((LEGACY / "encver1.json").read_text())
FIELDS = ("current", "map", "initial")


def expected(name, mode):
    """Returns the document that SM.GET must write. Documented mode leaves out an empty reason."""
    machine = MACHINES[name]
    out = {field: machine[field] for field in FIELDS}
    out["current"] = out["current"] or out["initial"]
    return out | ({"reason": machine["reason"]} if machine["reason"] or mode == "edge" else {})


@pytest.fixture(params=["documented", "edge"])
def mode(request):
    return request.param


@pytest.fixture
def opened(servers, mode):
    server = servers.prepare(module_args=f"compat {mode}")
    (server.folder / "dump.rdb").write_bytes((LEGACY / "encver1.rdb").read_bytes())
    return server.start()


def stored(server):
    with server.client() as client:
        return {k.decode(): json.loads(client.execute_command("SM.GET", k)) for k in client.keys()}


def test_the_old_rdb_opens(opened, mode):
    assert stored(opened) == {name: expected(name, mode) for name in MACHINES}


def test_it_is_saved_in_the_new_encoding(opened, mode):
    before, hashes = stored(opened), digest(opened)
    opened.run("DEBUG", "RELOAD")
    opened.run("SAVE")
    opened.restart("NOSAVE")
    assert stored(opened) == before
    assert digest(opened) == hashes
    assert b'{"current":"' not in opened.run("DUMP", "order"), "the JSON of encoding 1"


def test_the_old_machines_move(opened, mode):
    for name, machine in MACHINES.items():
        model = Machine(machine["map"], machine["initial"], machine["current"], machine["reason"])
        for state in [s for s in model.map.get(model.current, []) if s in model.map or mode == "documented"][:1]:
            assert opened.run("SM.MUTATE", name, state) == b"OK"
        assert opened.run("SM.RESET", name) == b"OK"
        assert opened.run("SM.STATE", name) == [model.initial.encode()]


def test_the_old_dump_is_restored(server):
    server.run("RESTORE", "mutated", 0, (LEGACY / "encver1.dump").read_bytes())
    assert json.loads(server.run("SM.GET", "mutated")) == expected("mutated", "documented")
    again = server.run("DUMP", "mutated")
    server.run("RESTORE", "again", 0, again)
    assert server.run("DUMP", "again") == again
    assert server.run("SM.GET", "again") == server.run("SM.GET", "mutated")


def test_a_limit_binds_what_a_client_restores_and_nothing_that_is_loaded(servers):
    dump = (LEGACY / "encver1.dump").read_bytes()
    server = servers.prepare(["redisstate.max-document-bytes 10"])
    (server.folder / "dump.rdb").write_bytes((LEGACY / "encver1.rdb").read_bytes())
    server.start()
    assert server.run("DBSIZE") == len(MACHINES)
    with pytest.raises(redis.exceptions.ResponseError, match="Bad data format"):
        server.run("RESTORE", "m", 0, dump)
    assert b"over the limit of 10 (redisstate.max-document-bytes)" in server.log()
    primary = servers.start()
    follow(server, primary)
    primary.run("RESTORE", "m", 0, dump)
    wait_in_sync(primary, server)
    assert digest(server) == digest(primary)


def test_equal_old_and_new_machines_have_one_digest(opened, mode):
    opened.run("SM.SET", "new", json.dumps(MACHINES["mutated"]))
    old, new = opened.run("DEBUG", "DIGEST-VALUE", "mutated", "new")
    assert json.loads(opened.run("SM.GET", "new")) == json.loads(opened.run("SM.GET", "mutated"))
    assert (old == new) == (opened.run("SM.GET", "new") == opened.run("SM.GET", "mutated"))
