"""RDB files hold each definition once, and no other payload refers to a definition: every way in which
that could go wrong."""

import pytest
import redis

from documents import ORDER, document
from harness import (
    background_save,
    digest,
    follow,
    rewrite_aof,
    server_version,
    start_saving,
    value_digests,
    wait_for_save,
    wait_in_sync,
    wait_until,
)
from proxy import CuttingProxy
from server_files import RDB_CONFIG, payload_out_of_file, record, with_expiries_past

# The lowest two bits of a record (docs/format.md): where its definition is.
ALONE, FIRST, EARLIER = 0, 1, 2


def long_document(name, states=200):
    return document({f"{name}{i}": [f"{name}{(i + 1) % states}"] for i in range(states)}, f"{name}0")


DOCUMENTS = [long_document(name) for name in ("left", "right", "upper")]
KEYS = [f"m:{i}" for i in range(60)]
SIZE = sum(map(len, DOCUMENTS))


def populate(server):
    """Stores sixty machines of three definitions, a fifth of them in another database and some moved."""
    with server.client() as client:
        for i, key in enumerate(KEYS):
            client.select(3 if i % 5 == 0 else 0)
            name = ("left", "right", "upper")[i % 3]
            client.execute_command("SM.SET", key, DOCUMENTS[i % 3])
            if i % 2:
                client.execute_command("SM.MUTATE", key, f"{name}1", f"reason {i}")


def form(data, key):
    return record(data, key)[0] & 0b11


def open_on_another(servers, data, **kwargs):
    other = servers.prepare(RDB_CONFIG, **kwargs)
    (other.folder / "dump.rdb").write_bytes(data)
    return other.start()


def saved(server):
    server.run("SAVE")
    return (server.folder / "dump.rdb").read_bytes()


def bgsaved(server):
    background_save(server)
    return (server.folder / "dump.rdb").read_bytes()


def restores_elsewhere(server, other, keys=("m:1", "m:2", "m:4")):
    """Checks that payloads of DUMP are self-contained, twice in a row."""
    for key in keys:
        dump = server.run("DUMP", key)
        other.run("RESTORE", key, 0, dump, "REPLACE")
        assert other.run("SM.GET", key) == server.run("SM.GET", key)
        assert dump == server.run("DUMP", key)


@pytest.fixture
def filled(servers):
    server = servers.start(RDB_CONFIG)
    populate(server)
    return server


# ---- once a file ------------------------------------------------------------------------------------


@pytest.mark.parametrize("save", [saved, bgsaved])
def test_a_file_holds_each_definition_once(servers, filled, save):
    data = save(filled)
    assert len(data) < SIZE + 60 * len(KEYS)
    forms = [form(data, key) for key in KEYS]
    assert (forms.count(FIRST), forms.count(EARLIER)) == (3, len(KEYS) - 3)
    assert digest(open_on_another(servers, data)) == digest(filled)


def test_every_file_stands_alone(servers, filled):
    """Marks of one file are not used for the next, whichever process wrote it."""
    for save in (saved, saved, bgsaved, saved, bgsaved, bgsaved):
        data = save(filled)
        assert sorted(form(data, key) for key in KEYS)[:3] == [FIRST] * 3
        assert digest(open_on_another(servers, data)) == digest(filled)


def test_a_definition_that_came_back_between_two_files(servers, filled):
    """A definition that was freed and made again is new to the next file."""
    saved(filled)
    filled.run("FLUSHALL")
    populate(filled)
    assert digest(open_on_another(servers, saved(filled))) == digest(filled)


@pytest.mark.parametrize("diskless", ["yes", "no"], ids=["diskless", "disk"])
def test_a_full_sync_sends_each_definition_once(servers, filled, diskless):
    filled.run("CONFIG", "SET", "repl-diskless-sync", diskless)
    for load in ("disabled", "swapdb"):
        replica = servers.start([f"repl-diskless-load {load}"])
        with CuttingProxy(filled.port) as proxy:
            replica.run("REPLICAOF", "127.0.0.1", proxy.port)
            wait_in_sync(filled, replica)
            assert digest(replica) == digest(filled)
            assert SIZE / 2 < max(proxy.counts) < SIZE + 100 * len(KEYS)
            restores_elsewhere(replica, servers.start())
            replica.run("REPLICAOF", "NO", "ONE")


def test_two_replicas_by_one_child(servers, filled):
    filled.run("CONFIG", "SET", "repl-diskless-sync", "yes")
    replicas = [servers.start() for _ in range(2)]
    for replica in replicas:
        replica.run("REPLICAOF", "127.0.0.1", filled.port)
    for replica in replicas:
        wait_in_sync(filled, replica)
        assert digest(replica) == digest(filled)


def payload(dump, record):
    """Returns a DUMP payload with another record in it, and the old checksum."""
    head = dump[: 1 + 9 + 1]
    length = bytes([0x80]) + len(record).to_bytes(4, "big")
    return head + length + record + b"\0" + dump[-10:]


def test_a_client_that_restores_into_a_file_that_is_loading(servers):
    """A writable replica that loads in the background serves clients meanwhile. A payload that they
    restore can neither refer to a definition of the file nor take the number of one."""
    primary = servers.start(["repl-diskless-sync yes", "repl-backlog-size 16384", *RDB_CONFIG])
    replica = servers.start(["replica-read-only no", "repl-diskless-load swapdb", *RDB_CONFIG])
    follow(replica, primary)
    replica.run("REPLICAOF", "127.0.0.1", 1)
    for i in range(40):
        primary.run("SM.SET", f"m:{i}", long_document(f"n{i}x", 50))
    replica.run("DEBUG", "SET-SKIP-CHECKSUM-VALIDATION", 1)
    replica.run("CONFIG", "SET", "key-load-delay", 250_000)
    replica.run("CONFIG", "SET", "loading-process-events-interval-bytes", 1024)
    replica.run("REPLICAOF", "127.0.0.1", primary.port)
    wait_until(lambda: replica.info("persistence")["async_loading"], "the load to begin")
    replica.run("SM.SET", "own", ORDER)
    dump = replica.run("DUMP", "own")
    archive = dump[dump.index(b"RSMA") : -11]
    with replica.client() as client, client.pipeline(transaction=False) as pipe:
        for number in (n.to_bytes(8, "little") for n in range(40)):
            # One refers to a definition of the file, one carries another definition under its number.
            pipe.execute_command("RESTORE", b"e" + number, 0, payload(dump, b"\2\0" + number))
            pipe.execute_command("RESTORE", b"f" + number, 0, payload(dump, b"\1\0" + number + archive))
        replies = pipe.execute(raise_on_error=False)
        assert client.info("persistence")["async_loading"], "the load was over too soon"
    assert all(isinstance(reply, redis.exceptions.ResponseError) for reply in replies[::2])
    assert set(replies[1::2]) == {b"OK"}
    replica.run("CONFIG", "SET", "key-load-delay", 0)
    wait_in_sync(primary, replica)
    assert digest(replica) == digest(primary)


def first_number(data):
    """Returns the number of a file's first definition, which is before its archive."""
    return data[data.index(b"RSMA") - 8 : data.index(b"RSMA")]


def test_no_file_tells_the_numbers_of_another(filled):
    """A process that saves in the background is a fork and has the random keys of its parent."""
    numbers = [first_number(save(filled)) for save in (saved, bgsaved, bgsaved, bgsaved, saved)]
    assert len(set(numbers)) == 5


# ---- DUMP is self-contained during any save -----------------------------------------------------------


def test_dump_after_a_file(servers, filled):
    other = servers.start()
    restores_elsewhere(filled, other)
    for save in (saved, bgsaved):
        save(filled)
        restores_elsewhere(filled, other)
    filled.run("DEBUG", "RELOAD")
    restores_elsewhere(filled, other)


def test_dump_and_migrate_while_a_child_saves(servers, filled):
    other = servers.start()
    filled.run("CONFIG", "SET", "rdb-key-save-delay", 1_000_000)
    start_saving(filled)
    restores_elsewhere(filled, other)
    before = value_digests(filled, ["m:7", "m:8"])
    assert filled.run("MIGRATE", "127.0.0.1", other.port, "", 0, 60_000, "KEYS", "m:7", "m:8") == b"OK"
    assert value_digests(other, ["m:7", "m:8"]) == before
    assert filled.info("persistence")["rdb_bgsave_in_progress"] == 1


def test_dump_while_a_replica_is_fed(servers, filled):
    filled.run("CONFIG", "SET", "repl-diskless-sync", "yes")
    filled.run("CONFIG", "SET", "rdb-key-save-delay", 100_000)
    replica, other = servers.start(), servers.start()
    replica.run("REPLICAOF", "127.0.0.1", filled.port)
    fed = lambda: filled.info("persistence")["rdb_bgsave_in_progress"]
    wait_until(fed, "the child that feeds the replica")
    restores_elsewhere(filled, other)
    wait_in_sync(filled, replica)
    assert digest(replica) == digest(filled)


@pytest.mark.parametrize("preamble", ["yes", "no"])
def test_dump_after_an_aof_rewrite(servers, preamble):
    server, other = servers.start(["appendonly yes", f"aof-use-rdb-preamble {preamble}"]), servers.start()
    populate(server)
    assert rewrite_aof(server) == "ok"
    restores_elsewhere(server, other)
    before = digest(server)
    server.restart("NOSAVE")
    assert digest(server) == before
    restores_elsewhere(server, other)


# ---- a save that fails ------------------------------------------------------------------------------


@pytest.mark.parametrize("part", [0, 0.1, 0.5, 0.9, 0.999])
def test_a_save_that_fails_leaves_dump_whole(servers, filled, part):
    before = digest(filled)
    filled.limit_file_size(int(part * len(saved(filled))))
    with pytest.raises(Exception):
        filled.run("SAVE")
    restores_elsewhere(filled, servers.start())
    filled.limit_file_size(None)
    assert digest(filled) == before
    assert digest(open_on_another(servers, saved(filled))) == before


def test_a_save_that_cannot_end(servers, filled):
    # The file's name is that of a folder, so the last step, renaming, fails.
    (filled.folder / "dump.rdb" / "full").mkdir(parents=True)
    with pytest.raises(Exception):
        filled.run("SAVE")
    restores_elsewhere(filled, servers.start())


def test_a_child_whose_save_fails_leaves_the_file_before(servers, filled):
    good = saved(filled)
    filled.limit_file_size(len(good) // 2)
    start_saving(filled)
    assert wait_for_save(filled) == "err"
    assert (filled.folder / "dump.rdb").read_bytes() == good
    restores_elsewhere(filled, servers.start())


def test_a_reload_that_fails_leaves_restore_as_it_was(servers, filled):
    """After a failed load, RESTORE refuses a record that refers to a definition of the file."""
    dump = filled.run("DUMP", "m:1")
    replica = servers.start(["repl-diskless-load on-empty-db"])
    filled.run("CONFIG", "SET", "repl-diskless-sync", "yes")
    with CuttingProxy(filled.port, [SIZE // 2]) as proxy:
        replica.run("REPLICAOF", "127.0.0.1", proxy.port)
        wait_until(lambda: not proxy.cuts, "the full sync to be cut")
        replica.run("REPLICAOF", "NO", "ONE")
    wait_until(lambda: not replica.info("persistence")["loading"], "the load to end")
    replica.run("FLUSHALL")
    replica.run("RESTORE", "m:1", 0, dump)
    assert replica.run("SM.GET", "m:1") == filled.run("SM.GET", "m:1")
    assert digest(open_on_another(servers, saved(replica))) == digest(replica)


# ---- expired while loading ----------------------------------------------------------------------------


def test_the_first_key_expired_while_loading(servers, filled):
    """The machine that carries the definition expires. Machines that refer to the definition still need it."""
    with filled.client() as client:
        for key in KEYS:
            client.pexpireat(key, 33177117420000)
    data = saved(filled)
    carriers = [key for key in KEYS if form(data, key) == FIRST and filled.run("EXISTS", key)]
    assert carriers
    other = open_on_another(servers, with_expiries_past(data, carriers))
    for key in KEYS:
        assert other.run("SM.GET", key) == (None if key in carriers else filled.run("SM.GET", key))
    section = other.info("redisstate")
    assert section["redisstate_definitions"] == 3
    assert section["redisstate_machines"] == len(KEYS) - len(carriers)


def test_a_file_of_which_all_is_expired_keeps_nothing(servers):
    server = servers.start(RDB_CONFIG)
    for key in KEYS:
        server.run("SM.SET", key, DOCUMENTS[0])
        server.run("PEXPIREAT", key, 33177117420000)
    other = open_on_another(servers, with_expiries_past(saved(server), KEYS))
    assert other.run("DBSIZE") == 0
    section = other.info("redisstate")
    assert (section["redisstate_definitions"], section["redisstate_machines"]) == (0, 0)


# ---- files that tools take apart -----------------------------------------------------------------------

# One of the three machines is the file's first machine of its definition.
DEFAULT_DATABASE = [key for i, key in enumerate(KEYS) if i % 5]


def restored_one_by_one(data, server, other):
    """Returns how many machines of the file another server restores one by one."""
    dump = server.run("DUMP", DEFAULT_DATABASE[0])
    taken = 0
    for key in DEFAULT_DATABASE:
        with other.wire() as wire:
            taken += wire("RESTORE", key, 0, payload_out_of_file(data, key, dump)) == b"+OK\r\n"
    return taken


@pytest.mark.parametrize("save", [saved, bgsaved])
@pytest.mark.parametrize("how", ["config file", "module argument", "CONFIG SET"])
def test_values_of_a_file_that_shares_nothing_are_restored_one_by_one(servers, save, how):
    server = servers.start(
        RDB_CONFIG + ["redisstate.share-definitions no"] * (how == "config file"),
        module_args="share-definitions no" if how == "module argument" else "",
    )
    if how == "CONFIG SET":
        server.run("CONFIG", "SET", "redisstate.share-definitions", "no")
    populate(server)
    data, other = save(server), servers.start()
    assert {form(data, key) for key in KEYS} == {ALONE}
    assert restored_one_by_one(data, server, other) == len(DEFAULT_DATABASE)
    assert value_digests(other, DEFAULT_DATABASE) == value_digests(server, DEFAULT_DATABASE)
    assert digest(open_on_another(servers, data)) == digest(server)


def test_values_of_a_file_that_shares_are_not(servers, filled):
    """The reason for the config: the payloads refer to a definition of a file that isn't there."""
    data = saved(filled)
    assert restored_one_by_one(data, filled, servers.start()) == 0


def test_the_config_applies_from_the_next_file_on(filled):
    filled.run("CONFIG", "SET", "redisstate.share-definitions", "no")
    assert {form(saved(filled), key) for key in KEYS} == {ALONE}
    filled.run("CONFIG", "SET", "redisstate.share-definitions", "yes")
    assert {form(saved(filled), key) for key in KEYS} == {FIRST, EARLIER}


def test_a_full_sync_without_shared_definitions(servers, filled):
    filled.run("CONFIG", "SET", "redisstate.share-definitions", "no")
    replica = servers.start()
    follow(replica, filled)
    assert digest(replica) == digest(filled)


# ---- without the module -------------------------------------------------------------------------------


@pytest.mark.parametrize("save", [saved, bgsaved])
def test_a_file_without_machines_opens_without_the_module(servers, save):
    """On every server, because the module stores no data besides its values in the file."""
    server = servers.start(RDB_CONFIG)
    server.run("SM.SET", "m", ORDER)
    server.run("DEL", "m")
    server.run("SET", "string", "value")
    plain = open_on_another(servers, save(server), module=None)
    assert plain.run("GET", "string") == b"value"


def test_a_replica_without_the_module_follows_while_there_are_no_machines(servers):
    primary, plain = servers.start(), servers.start(module=None)
    primary.run("SET", "string", "value")
    follow(plain, primary)
    assert plain.run("GET", "string") == b"value"


# ---- slot migration -----------------------------------------------------------------------------------


def test_migrate_after_a_save_that_failed(servers, filled):
    filled.limit_file_size(SIZE // 8)
    with pytest.raises(Exception):
        filled.run("SAVE")
    other = servers.start()
    keys = [key for key in KEYS if filled.run("EXISTS", key)]
    before = value_digests(filled, keys)
    assert filled.run("MIGRATE", "127.0.0.1", other.port, "", 0, 60_000, "KEYS", *keys) == b"OK"
    assert value_digests(other, keys) == before


def test_atomic_slot_migration_after_and_before_files(servers):
    """A child process of Valkey sends the slot, by DUMP or by commands. Files are written before and after."""
    name, version = server_version()
    if name != "valkey" or version < (9, 0, 0):
        pytest.skip("CLUSTER MIGRATESLOTS is in Valkey 9 and up")
    home, other = servers.cluster(2)
    slot = home.run("CLUSTER", "KEYSLOT", "{k}")
    keys = [f"{{k}}:{i}" for i in range(30)]
    if slot >= 8192:
        home, other = other, home
    for i, key in enumerate(keys):
        home.run("SM.SET", key, DOCUMENTS[i % 3])
        home.run("SM.MUTATE", key, ("left1", "right1", "upper1")[i % 3], f"reason {i}")
    before = value_digests(home, keys)
    for source, target in ((home, other), (other, home)):
        source.run("SAVE")
        node = target.node_id()
        source.run("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", slot, slot, "NODE", node)
        gone = lambda: not source.run("CLUSTER", "COUNTKEYSINSLOT", slot)
        arrived = lambda: target.run("CLUSTER", "COUNTKEYSINSLOT", slot) == len(keys)
        wait_until(lambda: arrived() and gone(), "the slot to move", 60)
        assert value_digests(target, keys) == before
        target.run("DEBUG", "RELOAD")
        assert value_digests(target, keys) == before
