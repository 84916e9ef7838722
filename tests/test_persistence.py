"""Stored machines come back from files, reloads, dumps and copies, and memory is freed."""

import json
import time

import pytest

from documents import ORDER, document, order
from harness import (
    aof_files,
    as_edge,
    background_save,
    digest,
    rewrite_aof,
    start_saving,
    value_digests,
    wait_until,
)
from traffic import Traffic

FAR = 33177117420000


def big(states, targets=3):
    mapping = {f"s{i}": [f"s{(i * 7 + j) % states}" for j in range(targets)] for i in range(states)}
    return document(mapping, "s0")


def populate(server):
    """Stores machines of every kind, among keys of other types."""
    with server.client() as client:
        client.execute_command("SM.CREATE", "blank")
        client.execute_command("SM.SET", "order", ORDER)
        client.execute_command("SM.SET", "moved", ORDER)
        client.execute_command("SM.MUTATE", "moved", "boo", 'é \0 \n "why"')
        for key in ("foreign", "foreign and reset", "foreign and moved"):
            as_edge(client, "SM.SET", key, ORDER, "elsewhere")
        client.execute_command("SM.RESET", "foreign and reset")
        client.execute_command("SM.MUTATE", "foreign and moved", "boo", "why", "FORCE")
        client.execute_command(
            "SM.SET", "names", json.dumps({"initial": "", "map": {"": ["\0", "🚀"], "\0": ["", "\n"]}})
        )
        client.execute_command("SM.SET", "repeats", '{"initial":"a","map":{"a":["b","b","a"],"c":[]}}')
        for states in (63, 64, 65, 4097):
            client.execute_command("SM.SET", f"big:{states}", big(states))
        for i in range(300):
            client.execute_command("SM.SET", f"shared:{i}", ORDER)
            if i % 3 == 0:
                client.execute_command("SM.MUTATE", f"shared:{i}", "boo", f"reason {i}" if i % 2 else "")
        client.execute_command("SM.SET", "dies", ORDER)
        client.pexpireat("dies", FAR)
        client.set("string", "value")
        client.hset("hash", "f", "v")
        client.select(3)
        client.execute_command("SM.SET", "order", ORDER, "blee")


def contents(server):
    """Returns everything that a client can see of every key, and the server's digest."""
    out = {}
    for db in (0, 3):
        with server.client(db=db) as client:
            for key in client.keys():
                get = client.execute_command("SM.GET", key) if client.type(key) == b"StateType" else None
                out[db, key] = (client.type(key), get, client.execute_command("PEXPIRETIME", key))
    return out, digest(server)


def save_and_restart(server):
    server.run("SAVE")
    server.restart("NOSAVE")


def bgsave_and_kill(server):
    background_save(server)
    server.kill()
    server.start()


# ---- RDB ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "way",
    [
        lambda server: server.run("DEBUG", "RELOAD"),
        save_and_restart,
        bgsave_and_kill,
        lambda server: server.restart("SAVE"),
    ],
    ids=["DEBUG RELOAD", "SAVE", "BGSAVE and kill -9", "SHUTDOWN SAVE"],
)
def test_rdb(server, way):
    populate(server)
    before = contents(server)
    way(server)
    assert contents(server) == before
    way(server)
    assert contents(server) == before


def test_empty_server_reloads(server):
    server.run("DEBUG", "RELOAD")
    assert server.run("DBSIZE") == 0


def test_reload_survives_the_limits_being_lowered(server):
    populate(server)
    before = contents(server)
    for limit in ("max-document-bytes", "max-states", "max-transitions", "max-reason-bytes"):
        server.run("CONFIG", "SET", f"redisstate.{limit}", 1)
    server.run("DEBUG", "RELOAD")
    assert contents(server) == before


@pytest.mark.parametrize("mode", ["documented", "edge"])
def test_reload_in_the_other_mode_keeps_the_digest(server, mode):
    populate(server)
    before = digest(server)
    server.run("CONFIG", "SET", "redisstate.compat", mode)
    server.run("DEBUG", "RELOAD")
    assert digest(server) == before


def test_keys_that_expire_while_it_is_down_take_nothing_with_them(server):
    """Later keys refer to the definition of an earlier key, which expires while the file is loaded."""
    with server.client() as client:
        for i in range(200):
            client.execute_command("SM.SET", f"m:{i}", ORDER)
            if i % 2:
                client.pexpire(f"m:{i}", 1500)
        client.execute_command("SAVE")
    server.shutdown("NOSAVE")
    time.sleep(1.6)
    server.start()
    with server.client() as client:
        assert client.dbsize() == 100
        for i in range(0, 200, 2):
            assert client.execute_command("SM.GET", f"m:{i}") == order()


def test_an_rdb_without_machines_opens_without_the_module(servers):
    server = servers.start()
    server.run("SM.SET", "m", ORDER)
    server.run("DEL", "m")
    server.run("SET", "string", "value")
    server.run("SAVE")
    plain = servers.prepare(module=None)
    (plain.folder / "dump.rdb").write_bytes((server.folder / "dump.rdb").read_bytes())
    plain.start()
    assert plain.run("GET", "string") == b"value"


def test_a_shared_definition_is_stored_once_a_file(server):
    with server.client() as client:
        for i in range(200):
            client.execute_command("SM.SET", f"m:{i}", big(1000))
        client.execute_command("SAVE")
    assert (server.folder / "dump.rdb").stat().st_size < 4 * len(big(1000))


# ---- a save that fails --------------------------------------------------------------------------


def test_after_a_failed_save_a_dump_is_still_whole(servers, server):
    populate(server)
    before = contents(server)
    dumps = {key: server.run("DUMP", key) for key in ("order", "moved", "shared:7", "big:4097")}
    server.limit_file_size(20_000)
    with pytest.raises(Exception):
        server.run("SAVE")
    server.limit_file_size(None)
    other = servers.start()
    for key, dump in dumps.items():
        assert server.run("DUMP", key) == dump
        other.run("RESTORE", key, 0, dump)
        assert other.run("SM.GET", key) == server.run("SM.GET", key)
    save_and_restart(server)
    assert contents(server) == before


def test_a_dump_while_a_child_saves_is_whole(servers):
    server, other = servers.start(), servers.start()
    populate(server)
    server.run("CONFIG", "SET", "rdb-key-save-delay", 500_000)
    start_saving(server)
    assert server.info("persistence")["rdb_bgsave_in_progress"] == 1
    for key in ("order", "moved", "shared:7", "big:65"):
        other.run("RESTORE", key, 0, server.run("DUMP", key))
        assert other.run("SM.GET", key) == server.run("SM.GET", key)
    assert server.info("persistence")["rdb_bgsave_in_progress"] == 1


def test_an_rdb_that_is_cut_is_refused_with_a_reason(server):
    populate(server)
    server.run("SAVE")
    server.shutdown("NOSAVE")
    file = server.folder / "dump.rdb"
    data = file.read_bytes()
    file.write_bytes(data[: len(data) // 2])
    assert b"rdb" in server.fails_to_start().lower()


# ---- AOF ----------------------------------------------------------------------------------------

AOF = ["appendonly yes", "appendfsync always"]


def test_aof_and_kill(servers):
    server = servers.start(AOF)
    populate(server)
    before = contents(server)
    server.kill()
    server.start()
    assert contents(server) == before


@pytest.mark.parametrize("preamble", ["yes", "no"])
def test_aof_rewrite(servers, preamble):
    server = servers.start([*AOF, f"aof-use-rdb-preamble {preamble}"])
    populate(server)
    assert rewrite_aof(server) == "ok"
    base = next(file for file in aof_files(server) if ".base." in file.name)
    assert base.read_bytes().startswith(b"*") == (preamble == "no")
    server.run("SM.MUTATE", "order", "boo", "after the rewrite")
    before = contents(server)
    server.kill()
    server.start()
    assert contents(server) == before


@pytest.mark.parametrize("preamble", ["yes", "no"])
def test_aof_loads_under_other_limits_and_mode(servers, preamble):
    server = servers.start([*AOF, f"aof-use-rdb-preamble {preamble}"])
    populate(server)
    assert rewrite_aof(server) == "ok"
    Traffic(server, seed=3).run(300)
    before = digest(server)
    server.kill()
    with open(server.config_file, "a") as config:
        config.write("redisstate.compat edge\nredisstate.max-document-bytes 1\nredisstate.max-states 1\n")
        config.write("redisstate.max-transitions 1\nredisstate.max-reason-bytes 1\n")
    server.start()
    assert digest(server) == before


def test_an_edge_aof_loads_in_documented_mode(servers):
    """Edge clears reasons at other times and reads other documents. The AOF must not depend on it."""
    server = servers.start([*AOF, "redisstate.compat edge"])
    server.run("SM.SET", "m", '{"x":1,"initial":"a","map":{"a":["b"],"b":["a"]}}')
    server.run("SM.MUTATE", "m", "b", "kept")
    server.run("SM.MUTATE", "m", "a")
    server.run("SM.RESET", "m")
    server.run("SM.SET", "foreign", ORDER, "elsewhere")
    server.run("SM.SET", "foreign and reset", order("elsewhere"))
    server.run("SM.RESET", "foreign and reset")
    before = contents(server)
    server.kill()
    text = server.config_file.read_text()
    server.config_file.write_text(text.replace("redisstate.compat edge", "redisstate.compat documented"))
    server.start()
    assert digest(server) == before[1]
    assert server.run("SM.GET", "m", "REASON") == b"kept"
    assert server.run("SM.GET", "foreign") == order("elsewhere")
    assert server.run("SM.MUTATE", "foreign and reset", "elsewhere", "", "FORCE") == b"OK"


# ---- DUMP, RESTORE, COPY, MOVE ------------------------------------------------------------------


def machines(server):
    with server.client() as client:
        return [key for key in client.keys() if client.type(key) == b"StateType"]


def test_dump_and_restore_on_another_server(servers):
    one, two = servers.start(), servers.start()
    populate(one)
    keys = machines(one)
    for key in keys:
        expires = max(one.run("PEXPIRETIME", key), 0)
        two.run("RESTORE", key, expires, one.run("DUMP", key), "ABSTTL")
        assert two.run("SM.GET", key) == one.run("SM.GET", key)
        assert two.run("DUMP", key) == one.run("DUMP", key)
    assert value_digests(one, keys) == value_digests(two, keys)


def test_a_restored_machine_moves(server):
    server.run("SM.SET", "m", ORDER)
    server.run("RESTORE", "copy", 0, server.run("DUMP", "m"))
    assert server.run("SM.MUTATE", "copy", "boo") == b"OK"
    assert server.run("SM.GET", "m") == order()


def test_a_damaged_dump_is_refused(server):
    server.run("SM.SET", "m", ORDER)
    dump = server.run("DUMP", "m")
    for i in range(len(dump)):
        damaged = dump[:i] + bytes([dump[i] ^ 0x55]) + dump[i + 1 :]
        with pytest.raises(Exception, match="(?i)payload|format"):
            server.run("RESTORE", "copy", 0, damaged)
    assert server.run("EXISTS", "copy") == 0


def test_copy_is_a_machine_of_its_own(server):
    server.run("SM.SET", "m", ORDER)
    server.run("SM.MUTATE", "m", "boo", "why")
    assert server.run("COPY", "m", "copy") == 1
    assert server.run("COPY", "m", "m", "DB", 1) == 1
    same = value_digests(server, ["m", "copy"])
    assert same["m"] == same["copy"]
    assert server.run("SM.RESET", "copy") == b"OK"
    assert server.run("SM.GET", "m") == order("boo", "why")
    assert server.run("SM.GET", "copy") == order()
    server.run("DEL", "m")
    assert server.run("SM.MUTATE", "copy", "boo") == b"OK"


def test_digest_sees_definition_state_and_reason(server):
    for key in ("a", "b"):
        server.run("SM.SET", key, ORDER)
    equal = lambda: len(set(value_digests(server, ["a", "b"]).values())) == 1
    assert equal()
    server.run("SM.MUTATE", "a", "boo")
    assert not equal()
    server.run("SM.MUTATE", "b", "boo")
    assert equal()
    server.run("SM.MUTATE", "a", "boo", "reason", "FORCE")
    assert not equal()
    server.run("SM.MUTATE", "a", "boo", "", "FORCE")
    # A version is part of what is stored: as many moves make the same.
    assert not equal()
    for _ in range(2):
        server.run("SM.MUTATE", "b", "boo", "", "FORCE")
    assert equal()
    server.run("SM.SET", "a", ORDER.replace(b"boo", b"bop"), "bop")
    assert not equal()


def test_a_leftover_state_at_version_2_survives_the_rewriting_of_an_aof(servers):
    """A state that only `current` names isn't in a document of the machine in another state."""
    config = ["appendonly yes", "aof-use-rdb-preamble no", "propagation-error-behavior ignore"]
    server = servers.start(config)
    with server.client() as client:
        as_edge(client, "SM.SET", "m", document({"a": ["b"]}, "a", "x"))
    assert server.run("SM.MUTATE", "m", "x", "", "FORCE") == b"OK"
    before = digest(server)
    assert rewrite_aof(server) == "ok"
    server.restart()
    assert server.run("SM.STATE", "m") == [b"x"]
    assert digest(server) == before


# ---- memory -------------------------------------------------------------------------------------


def used(server):
    return server.info("memory")["used_memory"]


FAR = 9007199254740991


def fill(server, count, make, name="m"):
    with server.client() as client:
        for start in range(0, count, 1000):
            with client.pipeline(transaction=False) as pipe:
                for i in range(start, min(start + 1000, count)):
                    pipe.execute_command("SM.SET", f"{name}:{i}", make(i))
                pipe.execute()


def usage(server, count):
    with server.client() as client, client.pipeline(transaction=False) as pipe:
        for i in range(count):
            pipe.execute_command("MEMORY", "USAGE", f"m:{i}", "SAMPLES", 0)
        return sum(pipe.execute())


@pytest.mark.parametrize(
    "make, count",
    [
        (lambda i: ORDER, 20_000),
        (lambda i: big(50, 2).replace(b"s0", b"t%d" % i), 2_000),
        (lambda i: big(3000 + i), 20),
    ],
    ids=["one definition", "each its own", "large ones"],
)
def test_memory_usage_is_the_allocators_truth(server, make, count):
    fill(server, 10, make)
    server.run("FLUSHALL", "SYNC")
    before = used(server)
    fill(server, count, make)
    taken = used(server) - before
    assert usage(server, count) == pytest.approx(taken, rel=0.25)


@pytest.mark.parametrize("command", ["FLUSHALL SYNC", "FLUSHALL ASYNC", "UNLINK", "DEL", "SM.CREATE"])
def test_memory_comes_back(server, command):
    def clear():
        if command.startswith("FLUSH"):
            return server.run(*command.split())
        with server.client() as client:
            for i in range(30):
                client.execute_command(command, f"m:{i}")

    fill(server, 30, lambda i: big(2000 + i))
    clear()
    wait_until(lambda: server.info("memory")["lazyfree_pending_objects"] == 0, "lazy frees")
    server.run("FLUSHALL", "SYNC")
    before = used(server)
    for _ in range(3):
        fill(server, 30, lambda i: big(2000 + i))
        assert used(server) > before + 1_000_000
        clear()
    wait_until(lambda: used(server) < before + 500_000, "the memory to come back")


def test_large_machines_are_freed_in_the_background(server):
    server.run("SM.SET", "big", big(20_000))
    server.run("CONFIG", "RESETSTAT")
    server.run("UNLINK", "big")
    freed = lambda: server.info("memory").get("lazyfreed_objects", 0) >= 1
    wait_until(freed, "the background thread to free it")


def test_without_memory_new_machines_are_refused_and_reads_go_on(server):
    populate(server)
    server.run("CONFIG", "SET", "maxmemory", 1)
    for command in (("SM.SET", "new", ORDER), ("SM.SET", "order", ORDER), ("SM.CREATE", "new")):
        with pytest.raises(Exception, match="OOM|not allowed when used memory"):
            server.run(*command)
    assert server.run("SM.GET", "order") == order()
    assert server.run("SM.STATE", "order") == [b"bar"]
    try:
        assert server.run("SM.MUTATE", "order", "boo") == b"OK"
        assert server.run("SM.GET", "order") == order("boo")
    except Exception as refused:
        assert "not allowed when used memory" in str(refused)
        assert server.run("SM.GET", "order") == order()


def test_machines_are_evicted(servers):
    server = servers.start(["maxmemory-policy allkeys-lru"])
    server.run("CONFIG", "SET", "maxmemory", used(server) + 3_000_000)
    with server.client() as client:
        for i in range(2000):
            assert client.execute_command("SM.SET", f"m:{i}", big(60 + i % 5, 3)) == b"OK"
            client.execute_command("SET", f"s:{i}", "x" * 3000)
    assert server.info("stats")["evicted_keys"] > 0


def test_active_defrag(servers):
    server = servers.start()
    try:
        server.run("CONFIG", "SET", "activedefrag", "yes")
    except Exception:
        pytest.skip("this server was built without active defragmentation")
    server.run("CONFIG", "SET", "active-defrag-ignore-bytes", 1)
    server.run("CONFIG", "SET", "active-defrag-threshold-lower", 0)
    fill(server, 20_000, lambda i: big(20 + i % 50, 2))
    move_all(server, range(20_000), "s1", "reason {}")
    kept = range(1, 20_000, 2)
    with server.client() as client:
        for i in range(0, 20_000, 2):
            client.unlink(f"m:{i}")
    remember(server, range(2_000))
    with server.client() as client:
        for i in range(0, 2_000, 2):
            client.unlink(f"h:{i}")
    some, rounds = kept[:1000], 0
    resting = [f"m:{i}" for i in kept[1000:]] + [f"h:{i}" for i in range(1, 2_000, 2)]
    before = value_digests(server, resting)
    hits = lambda: server.info("stats")["active_defrag_hits"]

    def while_moving():
        nonlocal rounds
        move_all(server, some, "s2", "on the way")
        rounds += 1
        return hits() > 2 * (len(kept) + 1000)

    wait_until(while_moving, "the defragmentation to move two blocks of each machine", 60)
    move_all(server, some, "s1", "reason {}")
    moving = {f"m:{i}": f"reason {i}".encode() for i in some}
    moved = value_digests(server, moving)
    # These writes overwrite memory that was freed although a pointer to it is left.
    fill(server, 20_000, lambda i: big(20 + i % 50, 2), "n")
    move_all(server, range(20_000), "s1", "another {}", "n")
    remember(server, range(2_000, 4_000))
    assert value_digests(server, resting) == before
    assert value_digests(server, moving) == moved
    with server.client() as client:
        for key, reason in moving.items():
            assert client.execute_command("SM.STATE", key) == [b"s1"]
            assert client.execute_command("SM.GET", key, "REASON") == reason
            # SM.SET, the move to s1, those to s2, and the one back.
            assert client.execute_command("SM.INFO", key)[7] == 3 + rounds


DIARY = '{"map":{"a":{"go":"b"},"b":{"go":"a"}},"after":{"b":{"to":null}},"history":9,"initial":"a"}'


def remember(server, numbers):
    """Stores machines with all that a machine can have beside its state."""
    with server.client() as client, client.pipeline(transaction=False) as pipe:
        for i in numbers:
            pipe.execute_command("SM.NEW", f"h:{i}", DIARY, "ID", f"made {i}", "BY", "me", "REASON", f"first {i}")
            pipe.execute_command("SM.FIRE", f"h:{i}", "go", "ID", f"moved {i}", "REASON", "r" * (i % 200), "DUE", FAR)
        assert {reply[0] for reply in pipe.execute()} == {b"created", b"moved"}


def move_all(server, numbers, state, reason, name="m"):
    with server.client() as client, client.pipeline(transaction=False) as pipe:
        for i in numbers:
            pipe.execute_command("SM.MUTATE", f"{name}:{i}", state, reason.format(i), "FORCE")
        assert set(pipe.execute()) == {b"OK"}
