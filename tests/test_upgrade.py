"""What version 1.0 wrote is read, means the same, moves by the new commands, and is written in the new form."""

import base64
import json
import shutil

import pytest

from documents import document
from harness import (
    ROOT,
    as_edge,
    digest,
    follow,
    rewrite_aof,
    value_digests,
    wait_for_rewrite,
    wait_in_sync,
    wait_until,
)
from model import Machine
from stand_in import Primary
from versioned import facts

DATA = ROOT / "tests/data/v1.0"
MACHINES = json.loads((DATA / "machines.json").read_text())
DUMPS = {key: base64.b64decode(dump) for key, dump in json.loads((DATA / "dumps.json").read_text()).items()}
OLD_ARCHIVE, NEW_ARCHIVE = b"RSMA\x01\x00", b"RSMA\x02\x00"


class Stored:
    """The machines that a server must have, by database and key."""

    def __init__(self, source):
        self.all = {(int(db), key): fields for db in MACHINES for key, fields in MACHINES[db].items()}
        if source == "dumps":
            self.all = {(0, key): MACHINES["0"][key] for key in DUMPS}
        self.models = {at: self.model(fields) for at, fields in self.all.items()}
        self.versions = {at: fields["version by the aof"] if "aof" in source else 1 for at, fields in self.all.items()}

    @staticmethod
    def model(fields):
        model = Machine(fields["map"], fields["initial"], fields["current"], fields.get("reason", ""))
        # An empty name is a state like any other here.
        model.current = fields["current"]
        model.states |= {fields["left over"]} if "left over" in fields else set()
        return model

    def check(self, server):
        """Checks everything that a client can ask for, and that there are no others."""
        for db in (0, 3):
            with server.client(db=db) as client:
                keys = {key.decode() for key in client.keys() if client.type(key) == b"StateType"}
                assert keys == {key for number, key in self.all if number == db}
                for key in keys:
                    self.check_one(client, db, key)

    def check_one(self, client, db, key):
        model, run = self.models[db, key], client.execute_command
        expected = document(model.map, model.initial, model.current, model.reason or None)
        assert run("SM.GET", key) == expected, key
        assert run("SM.GET", key, "REASON") == model.reason.encode()
        assert run("SM.STATE", key) == [model.current.encode()]
        assert run("SM.STATE", key, "LIST") == [name.encode() for name in model.map]
        assert run("SM.NEXT", key) == [name.encode() for name in dict.fromkeys(model.map.get(model.current, []))]
        assert run("PEXPIRETIME", key) == self.all[db, key].get("expires", -1)
        info = facts(client, key)
        assert (info["state"], info["version"]) == (model.current.encode(), self.versions[db, key]), key
        assert (info["since"], info["history-limit"], info["name"]) == (None, 0, b""), key
        assert run("SM.HISTORY", key) == []

    def count_what_a_plain_file_counts(self, server):
        """A file of commands makes some machines by two of them. All that follows counts on from there."""
        for db, key in self.all:
            with server.client(db=db) as client:
                version = facts(client, key)["version"]
            assert version - self.versions[db, key] in (0, 1), key
            self.versions[db, key] = version

    def move(self, server):
        """Makes a move of each kind with each machine, and looks at every answer."""
        for db, key in self.all:
            with server.client(db=db) as client:
                self.move_one(client, (db, key), self.models[db, key])

    def move_one(self, client, at, model):
        key, run = at[1], client.execute_command
        targets = model.map.get(model.current, [])
        if targets:
            assert self.happened(at, model.mutate(targets[-1]))
            assert run("SM.FIRE", key, "", "TO", targets[-1]) == self.verdict("moved", at)
        for words in (("SM.FIRE", key, "", "TO", "nowhere"), ("SM.FIRE", key, "pay"), ("SM.MOVE", key, "nowhere")):
            assert run(*words) == self.verdict("refused", at), words
        assert run("SM.MUTATE", key, "nowhere", "why", "FORCE") is None
        targets = model.map.get(model.current, [])
        if targets:
            assert self.happened(at, model.mutate(targets[0], "a reason: é\0"))
            assert run("SM.MUTATE", key, targets[0], "a reason: é\0") == b"OK"
        if "left over" in self.all[at]:
            assert self.happened(at, model.mutate(self.all[at]["left over"], "back", force=True))
            assert run("SM.FORCE", key, model.current, "REASON", "back") == self.verdict("moved", at)
        assert run("SM.FIRE", key, "", "IFVERSION", self.versions[at] + 1) == self.verdict("conflict", at)

    def happened(self, at, moved):
        self.versions[at] += moved
        return moved

    def verdict(self, what, at):
        return [what.encode(), self.models[at].current.encode(), self.versions[at]]


SOURCES = ["rdb", "aof", "aof-plain", "dumps"]


@pytest.fixture(params=SOURCES)
def source(request):
    return request.param


def open_old(servers, source, config=()):
    """Starts a server on the files of version 1.0."""
    if source == "dumps":
        server = servers.start(config)
        for key, dump in DUMPS.items():
            server.run("RESTORE", key, 0, dump)
    elif source == "rdb":
        server = servers.prepare(config)
        shutil.copyfile(DATA / "dump.rdb", server.folder / "dump.rdb")
        server.start()
    else:
        server = servers.prepare(["appendonly yes", "auto-aof-rewrite-percentage 0", *config])
        shutil.copytree(DATA / source, server.folder / "appendonlydir")
        server.start()
    assert source == "dumps" or server.run("GET", "string") == b"between the machines"
    return server


@pytest.fixture
def opened(servers, source):
    stored, server = Stored(source), open_old(servers, source)
    if source == "aof-plain":
        stored.count_what_a_plain_file_counts(server)
    return server, stored


TINY_LIMITS = [f"redisstate.max-{what} 1" for what in ("document-bytes", "states", "transitions", "reason-bytes")]


@pytest.mark.parametrize("config", [TINY_LIMITS, ["redisstate.compat edge"]], ids=["tiny limits", "edge"])
def test_no_config_matters(servers, source, config):
    stored, server = Stored(source), open_old(servers, source, config)
    if source == "aof-plain":
        stored.count_what_a_plain_file_counts(server)
    expected = digest(open_old(servers, source))
    assert digest(server) == expected
    server.run("CONFIG", "SET", "redisstate.compat", "documented")
    stored.check(server)


# ---- saved again ----------------------------------------------------------------------------------


def reload(servers, server):
    server.run("DEBUG", "RELOAD")
    return server


def save_and_restart(servers, server):
    server.run("CONFIG", "SET", "appendonly", "no")
    server.run("SAVE")
    server.run("CONFIG", "REWRITE")
    return server.restart("NOSAVE")


def rewrite_and_kill(preamble):
    def way(servers, server):
        server.run("CONFIG", "SET", "aof-use-rdb-preamble", preamble)
        server.run("CONFIG", "SET", "appendonly", "yes")
        wait_for_rewrite(server)
        assert rewrite_aof(server) == "ok"
        server.run("CONFIG", "REWRITE")
        server.kill()
        return server.start()

    return way


def take_over_by_a_replica(servers, server):
    replica = servers.start()
    follow(replica, server)
    replica.run("REPLICAOF", "NO", "ONE")
    return replica


def dump_and_restore(servers, server):
    other = servers.start()
    for db in (0, 3):
        with server.client(db=db) as here, other.client(db=db) as there:
            for key in here.keys():
                there.restore(key, max(0, here.pexpiretime(key)), here.dump(key), absttl=True)
    return other


WAYS = {
    "DEBUG RELOAD": reload,
    "SAVE": save_and_restart,
    "a rewritten AOF": rewrite_and_kill("yes"),
    "a plain AOF": rewrite_and_kill("no"),
    "a full sync": take_over_by_a_replica,
    "DUMP and RESTORE": dump_and_restore,
}


@pytest.mark.parametrize("way", WAYS)
def test_what_1_0_wrote_is_read_moves_and_is_saved(servers, opened, way):
    server, stored = opened
    stored.check(server)
    for _ in range(2):
        before = digest(server)
        server = WAYS[way](servers, server)
        assert digest(server) == before
        stored.check(server)
        stored.move(server)
        stored.check(server)


def test_the_new_form_and_the_digest(servers):
    """The record of 1.0 is written in the new form, once and for all, and is the machine that is made today."""
    server, stored, equal = open_old(servers, "dumps"), Stored("dumps"), 0
    with server.client() as client:
        for key, old in DUMPS.items():
            new = client.dump(key)
            client.restore("again", 0, new, replace=True)
            assert client.dump("again") == new != old
            model = stored.models[0, key]
            cannot_be_said = model.current == "" != model.initial or model.leftovers() - {model.current}
            if not cannot_be_said:
                written = document(model.map, model.initial, model.current, model.reason)
                client.delete("today")
                as_edge(client, "SM.SET", "today", written)
                assert len(set(value_digests(server, ["today", key]).values())) == 1, key
                equal += 1
    assert equal == len(DUMPS) - 2
    server.run("CONFIG", "SET", "rdbcompression", "no")
    server.run("SAVE")
    saved = (server.folder / "dump.rdb").read_bytes()
    assert NEW_ARCHIVE in saved and OLD_ARCHIVE not in saved


# ---- a primary of version 1.0 -----------------------------------------------------------------------

REPLICATION = "1" * 40
AOF = ["appendonly yes", "appendfsync always"]


def replica_of_1_0(servers, rdb, stream=b"", offset=0):
    """Starts a replica of a primary of version 1.0, which then goes away."""
    replica = servers.start(AOF)
    with Primary(REPLICATION, rdb, stream, offset) as primary:
        replica.run("REPLICAOF", "127.0.0.1", primary.port)
        wait_until(lambda: primary.has_fed(replica), "the replica to have it all")
    # The full synchronisation makes a new append-only file.
    wait_for_rewrite(replica)
    return replica


def test_a_replica_of_1_0_becomes_primary(servers):
    """Version 1.0 counts no versions and sends none. A replica that followed it counts from its full
    sync on, so two replicas may have the same machines at different versions, as long as they synchronise
    in part. The conditions of the new primary were met there, and stop nothing here."""
    stream = (DATA / "aof/appendonly.aof.2.incr.aof").read_bytes()
    early = replica_of_1_0(servers, (DATA / "aof/appendonly.aof.2.base.rdb").read_bytes(), stream)
    late = replica_of_1_0(servers, (DATA / "dump.rdb").read_bytes(), offset=len(stream))
    on_early, on_late = Stored("aof"), Stored("rdb")
    on_early.check(early)
    on_late.check(late)
    early.run("REPLICAOF", "NO", "ONE")
    follow(late, early)
    assert early.info("stats")["sync_full"] == 0 and early.info("stats")["sync_partial_ok"] == 1
    assert digest(late) != digest(early)

    moved = move_under_conditions(early, on_early)
    for at, count in moved.items():
        on_late.models[at] = on_early.models[at]
        on_late.versions[at] += count
    wait_in_sync(early, late)
    on_early.check(early)
    on_late.check(late)
    differing = [at for at in moved if on_early.versions[at] != on_late.versions[at]]
    assert len(differing) >= 5, "moves whose condition is wrong on the replica"

    for server in (early, late):
        before = digest(server)
        server.kill()
        server.start()
        assert digest(server) == before, "a replay of conditions"
        assert b" fails " not in server.log()
    for words in (("NO", "ONE"), ("127.0.0.1", early.port)):
        late.run("REPLICAOF", *words)
    wait_in_sync(early, late)
    assert early.info("stats")["sync_full"] == 1
    assert digest(late) == digest(early)
    on_early.check(late)


def move_under_conditions(server, stored):
    """Moves machines away and back, each time by what they are now. Returns how many moves each made."""
    moved = {}
    for at in stored.all:
        key, model = at[1], stored.models[at]
        away = [("SM.FIRE", key, "", "TO", target) for target in model.map.get(model.current, [])[-1:]]
        steps = [*away, ("SM.FORCE", key, model.current)]
        for words in steps:
            conditions = ("IFVERSION", stored.versions[at], "IFSTATE", model.current, "ID", f"request of {words}")
            assert stored.happened(at, model.mutate(words[-1], "why", force=True))
            with server.client(db=at[0]) as client:
                reply = client.execute_command(*words, *conditions, "REASON", "why")
            assert reply == stored.verdict("moved", at), words
        moved[at] = len(steps)
    return moved
