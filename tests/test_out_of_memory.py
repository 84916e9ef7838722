"""Over `maxmemory`, if nothing can be evicted: commands that need memory are refused, others run."""

import pytest

from documents import ORDER, order
from harness import OK, bulk, digest, wait_in_sync

OOM = b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"
GOES_ON = [
    ("SM.MUTATE", "m", "boo"),
    ("SM.MUTATE", "m", "boo", ""),
    ("SM.MUTATE", "m", "boo", "", "FORCE"),
    ("SM.RESET", "m"),
    ("UNLINK", "m"),
]
REFUSED = [
    ("SM.SET", "m", ORDER),
    ("SM.SET", "new", ORDER),
    ("SM.CREATE", "m"),
    ("SM.CREATE", "new"),
    ("SM.MUTATE", "m", "boo", "a reason"),
    ("SM.MUTATE", "m", "boo", "a reason", "FORCE"),
]
SHOP = '{"map":{"new":{"pay":"paid"},"paid":["new"]},"after":{"paid":{"to":"new"}},"history":50,"initial":"new"}'
# On a machine of SHOP in `shop`. What each replies when there is memory.
NEEDS_NOTHING = [
    (("SM.FIRE", "shop", "pay"), "moved"),
    (("SM.FIRE", "shop", "pay", "IFSTATE", "new", "IFVERSION", "1", "TO", "paid"), "moved"),
    (("SM.FIRE", "shop", "pay", "REASON", "", "BY", ""), "moved"),
    (("SM.FIRE", "shop", "nonsense", "REASON", "why", "ID", "x"), "refused"),
    (("SM.FIRE", "shop", "pay", "IFVERSION", "9", "REASON", "why", "ID", "x"), "conflict"),
    (("SM.MOVE", "shop", "paid"), "moved"),
    (("SM.MOVE", "shop", "paid", "IFSTATE", "new"), "moved"),
    (("SM.FORCE", "shop", "paid"), "moved"),
]
GIVEN = [("REASON", "why"), ("BY", "me"), ("ID", "x"), ("AFTER", "100000000"), ("DUE", "9007199254740991")]
NEEDS_MEMORY = [
    ((*command, *given), "moved")
    for command in (("SM.FIRE", "shop", "pay"), ("SM.MOVE", "shop", "paid"), ("SM.FORCE", "shop", "paid"))
    for given in GIVEN
]
NEEDS_MEMORY += [
    (("SM.NEW", "n", SHOP), "created"),
    (("SM.NEW", "shop", SHOP), "exists"),
    (("SM.REDEFINE", "shop", SHOP), "redefined"),
]
READS = [("SM.GET", "m"), ("SM.GET", "m", "REASON"), ("SM.STATE", "m", "LIST"), ("SM.TEMPLATE",), ("SM.NEXT", "m")]
READS += [("SM.EVENTS", "shop"), ("SM.INFO", "shop"), ("SM.HISTORY", "shop")]


@pytest.fixture
def full(server):
    server.run("SM.SET", "m", ORDER)
    server.run("SM.MUTATE", "m", "blee", "before", "FORCE")
    server.run("SM.RESET", "m")
    server.run("SM.NEW", "shop", SHOP)
    server.run("CONFIG", "SET", "maxmemory-policy", "noeviction")
    server.run("CONFIG", "SET", "maxmemory", 1)
    return server


@pytest.mark.parametrize("command", REFUSED, ids=lambda c: " ".join(map(str, c))[:40])
def test_refused(full, command):
    before = digest(full)
    with full.wire() as wire:
        assert wire(*command) == OOM
    assert digest(full) == before
    full.run("CONFIG", "SET", "maxmemory", 0)
    with full.wire() as wire:
        assert wire(*command) == OK


@pytest.mark.parametrize("command", GOES_ON, ids=lambda c: " ".join(map(str, c))[:40])
def test_goes_on(full, command):
    with full.wire() as wire:
        assert wire(*command) in (OK, b":1\r\n")


def is_verdict(reply, what):
    return reply.startswith(b"*3\r\n" + bulk(what))


def shown(value):
    return " ".join(map(str, value))[:60] if isinstance(value, tuple) else ""


@pytest.mark.parametrize("command, what", NEEDS_MEMORY, ids=shown)
def test_what_needs_memory_is_refused(full, command, what):
    before = digest(full)
    with full.wire() as wire:
        assert wire(*command) == OOM
        assert digest(full) == before
        full.run("CONFIG", "SET", "maxmemory", 0)
        assert is_verdict(wire(*command), what)


@pytest.mark.parametrize("command, what", NEEDS_NOTHING, ids=shown)
def test_what_needs_none_goes_on(full, command, what):
    with full.wire() as wire:
        assert is_verdict(wire(*command), what)


def test_a_repetition_needs_no_memory(full):
    """The move is made already. The client only asks again."""
    full.run("CONFIG", "SET", "maxmemory", 0)
    command = ("SM.FIRE", "shop", "pay", "REASON", "why", "ID", "x")
    full.run(*command)
    full.run("CONFIG", "SET", "maxmemory", 1)
    with full.wire() as wire:
        assert is_verdict(wire(*command), "repeated")
        assert wire("SM.FIRE", "none", "pay", "ID", "x") == b"$-1\r\n"
        assert wire("SM.FIRE", "m", "pay", "ID", "").startswith(b"-ERR ID: "), "syntax first"


def test_a_history_without_other_options_goes_on_and_has_an_end(full):
    with full.wire() as wire:
        for _ in range(60):
            assert is_verdict(wire("SM.MOVE", "shop", "paid"), "moved")
            assert is_verdict(wire("SM.MOVE", "shop", "new"), "moved")
    assert len(full.run("SM.HISTORY", "shop")) == 50


def test_reads_go_on(full):
    with full.wire() as wire:
        for command in READS:
            assert not wire(*command).startswith(b"-"), command


@pytest.mark.parametrize("mode", ["documented", "edge"])
def test_by_moves_without_a_reason_the_memory_does_not_grow(full, mode):
    full.run("CONFIG", "SET", "redisstate.compat", mode)
    with full.client() as client:
        usage = client.execute_command("MEMORY", "USAGE", "m")
        for _ in range(200):
            assert client.execute_command("SM.MUTATE", "m", "boo") == b"OK"
            assert client.execute_command("SM.RESET", "m") == b"OK"
        assert client.execute_command("MEMORY", "USAGE", "m") <= usage


def test_a_refused_move_is_refused_before_it_is_looked_at(full):
    """A move that isn't allowed, with a reason that is refused, is an error and not nil."""
    with full.wire() as wire:
        assert wire("SM.MUTATE", "m", "nowhere", "a reason") == OOM
        assert wire("SM.MUTATE", "m", "nowhere") == b"$-1\r\n"


FIRE = "redis.call('DEL', KEYS[2]) return redis.pcall('SM.FIRE', KEYS[1], 'pay', 'REASON', ARGV[1], 'ID', 'x')[1]"


@pytest.mark.parametrize("script", [FIRE, "#!lua flags=allow-oom\n" + FIRE], ids=["plain", "flagged"])
def test_a_script_that_fires_is_not_broken_off_half_way(full, script):
    with full.wire() as wire:
        assert wire("SM.FIRE", "shop", "pay", "REASON", "why") == OOM
        assert wire("EVAL", script, 2, "shop", "other", "why") == bulk("moved")
        assert wire("SM.GET", "shop", "REASON") == bulk("why")


MOVE = "redis.call('DEL', KEYS[2]) return redis.pcall('SM.MUTATE', KEYS[1], 'boo', ARGV[1])"
SCRIPT = "#!lua flags=allow-oom\n" + MOVE
FUNCTION = (
    "#!lua name=moves\n"
    "redis.register_function{function_name='move', flags={'allow-oom'},\n"
    f"  callback=function(KEYS, ARGV) {MOVE} end}}"
)


def a_little_over(server):
    """Puts a server over `maxmemory` by a few hundredths, with so much data that one more connection
    makes no difference."""
    server.run("CONFIG", "SET", "maxmemory", 0)
    server.run("SET", "ballast", b"x" * 20_000_000)
    server.run("CONFIG", "SET", "maxmemory", server.info("memory")["used_memory"] * 97 // 100)


SCRIPTS = {
    "flagged script": ("EVAL", SCRIPT, 2, "m", "other"),
    "function": ("FCALL", "move", 2, "m", "other"),
    # The server breaks off a script without flags at its first deny-oom command. SM.MUTATE isn't one.
    "script without flags": ("EVAL", MOVE, 2, "m", "other"),
}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
@pytest.mark.parametrize("over", ["by far", "a little"])
def test_a_script_is_not_broken_off_half_way(server, script, over):
    """The server decides whether a script may start. A script that has started may finish."""
    server.run("SM.SET", "m", ORDER)
    server.run("FUNCTION", "LOAD", FUNCTION)
    if over == "a little":
        a_little_over(server)
    else:
        server.run("CONFIG", "SET", "maxmemory", 1)
    with server.wire() as wire:
        assert wire("SM.MUTATE", "m", "boo", "a reason") == OOM
        assert wire(*script, "a reason") == OK
        assert wire("SM.GET", "m", "REASON") == bulk("a reason")


def test_a_script_that_does_not_allow_oom_is_the_servers_to_refuse(full):
    with full.wire() as wire:
        reply = wire("EVAL", "#!lua\n" + MOVE, 2, "m", "other", "a reason")
        assert reply.startswith(b"-OOM ")


def test_where_eviction_makes_room_a_reason_is_not_refused(full):
    """Eviction may be under way. SM.SET, SET and moves with a reason are allowed then."""
    full.run("CONFIG", "SET", "maxmemory-policy", "volatile-lru")
    a_little_over(full)
    with full.wire() as wire:
        assert wire("SM.MUTATE", "m", "boo", "a reason") == OK


def test_leniency_ends(full):
    """If nothing is left to evict, memory exceeds `maxmemory` by at most a tenth."""
    full.run("CONFIG", "SET", "maxmemory", 0)
    full.run("CONFIG", "SET", "maxmemory-policy", "volatile-lru")
    with full.client() as client:
        for i in range(100):
            client.execute_command("SM.SET", f"m:{i}", ORDER)
    a_little_over(full)
    with full.wire() as wire:
        replies = [wire("SM.MUTATE", f"m:{i}", "boo", "r" * 65536) for i in range(100)]
    assert replies[0] == OK and replies[-1] == OOM
    memory = full.info("memory")
    assert memory["used_memory"] < 1.1 * memory["maxmemory"] + 200_000


def test_a_transaction_is_the_servers_to_refuse(full):
    """A queue takes memory, so a full server queues nothing, and no part of the transaction runs."""
    before = digest(full)
    with full.wire() as wire:
        assert wire("MULTI") == OK
        assert wire("SM.MUTATE", "m", "boo") in (OOM, b"+QUEUED\r\n")
        assert wire("SM.SET", "m", ORDER) == OOM
        assert wire("EXEC").startswith(b"-EXECABORT")
    assert digest(full) == before


def test_a_replica_that_is_full_still_follows(servers):
    primary, replica = servers.pair([], ["maxmemory 1", "maxmemory-policy noeviction"])
    with primary.client() as client:
        for i in range(50):
            assert client.execute_command("SM.SET", f"m:{i}", ORDER) == b"OK"
            assert client.execute_command("SM.MUTATE", f"m:{i}", "boo", f"reason {i}") == b"OK"
            assert client.execute_command("SM.NEW", f"s:{i}", SHOP, "ID", "a")[0] == b"created"
            assert client.execute_command("SM.FIRE", f"s:{i}", "pay", "ID", "b", "REASON", "why")[0] == b"moved"
            assert client.execute_command("SM.REDEFINE", f"s:{i}", SHOP, "BY", "me")[0] == b"redefined"
    wait_in_sync(primary, replica)
    assert digest(replica) == digest(primary)
    assert replica.run("SM.GET", "m:7") == order("boo", "reason 7")
    assert len(replica.run("SM.HISTORY", "s:7")) == 3


@pytest.mark.parametrize("preamble", ["yes", "no"])
def test_an_aof_is_loaded_by_a_server_that_is_full(servers, preamble):
    server = servers.start(["appendonly yes", "appendfsync always", f"aof-use-rdb-preamble {preamble}"])
    server.run("SM.SET", "m", ORDER)
    server.run("SM.MUTATE", "m", "boo", "a reason")
    server.run("SM.NEW", "shop", SHOP, "ID", "a")
    server.run("SM.FIRE", "shop", "pay", "REASON", "why", "BY", "me", "AFTER", "100000000")
    before = digest(server)
    server.kill()
    with open(server.config_file, "a") as config:
        config.write("maxmemory 1\nmaxmemory-policy noeviction\n")
    server.start()
    assert digest(server) == before
    with server.wire() as wire:
        assert wire("SM.GET", "m", "REASON") == bulk("a reason")
        assert wire("SM.SET", "n", ORDER) == OOM
