"""What the console answers about one machine and about keys, and how it says what is wrong."""

import json
import threading

import pytest
import redis

from conftest import ORDER
from consoles import consoles as consoles
from consoles import seconds_of
from harness import SLOWDOWN, wait_until
from redis_state import Definition, StateMachines
from redis_state.console._picture import identity
from test_faults import OldServer

BYTES = b"order:\xff\x00<script>"
PLAIN = Definition(map={"off": ["on"], "on": ["off"]}, initial="off")


@pytest.fixture
def fleet(db):
    return StateMachines(db)


@pytest.fixture
def console(db, consoles):
    return consoles(db.server, write=True, by="anna")


def fire(console, key, event, version, to=None, id="click-1", **more):
    body = {"key": key, "event": event, "to": to, "reason": "", "by": "", "version": version, "id": id, **more}
    return console.ask("fire", **body)


# ---- about, fleets -----------------------------------------------------------------------------------


def test_about(db, console):
    about = console.ask("about")
    assert about.pop("server").split()[0] in ("Redis", "Valkey")
    seconds, _ = db.time()
    assert abs(about.pop("now") - seconds * 1000) < 5000
    assert about == {"write": True, "address": "the server", "by": "anna"}


def test_fleets(fleet, console):
    for number, revision in enumerate((2, 3, 3)):
        fleet.new(f"order:{number}", Definition.from_document({**ORDER.to_document(), "revision": revision}))
    fleet.new("lamp", Definition(map=PLAIN.map, initial="off", name="lamp"))
    fleet.new("nameless", PLAIN)
    fleets = console.ask("fleets")["fleets"]
    size = {"states": 8, "transitions": 7}
    assert fleets == [
        {
            "name": "lamp",
            "machines": 1,
            "revisions": [{"revision": None, "machines": 1, "states": 2, "transitions": 2}],
        },
        {
            "name": "order",
            "machines": 3,
            "revisions": [{"revision": 2, "machines": 1, **size}, {"revision": 3, "machines": 2, **size}],
        },
    ]


def test_no_fleets(console):
    assert console.ask("fleets")["fleets"] == []


# ---- one machine -------------------------------------------------------------------------------------


def test_a_machine(fleet, console):
    fleet.new("order:1", ORDER, by="ben", reason="by phone")
    seen = console.ask("machine", key="order:1", version=None, definition_id=None)
    definition = seen.pop("definition")
    (made,) = seen.pop("history")
    assert seen["now"] - 60_000 < seen["since"] == made["at"] <= seen["now"]
    assert seen["due"] == seen["since"] + 3_600_000
    assert seen["definition_id"] == definition["id"] == identity(ORDER)
    for field in ("now", "since", "due", "definition_id"):
        del seen[field]
    assert seen == {
        "key": "order:1",
        "name": "order",
        "revision": 3,
        "state": "new",
        "version": 1,
        "due_to": "cancelled",
        "terminal": False,
        "reason": "by phone",
        "history_limit": 20,
        "history_whole": True,
        "events": [
            {"event": "pay", "targets": ["paid"]},
            {"event": "cancel", "targets": ["cancelled"]},
            {"event": "archive", "targets": ["archived"]},
        ],
    }
    assert (made["version"], made["kind"], made["from"], made["to"]) == (1, "new", "", "new")
    assert (made["by"], made["reason"], made["user"]) == ("ben", "by phone", "default")


def test_what_the_page_has_is_not_sent_again(fleet, console):
    fleet.new("order:1", ORDER)
    seen = console.ask("machine", key="order:1", version=None)
    again = console.ask("machine", key="order:1", version=1, definition_id=seen["definition_id"])
    assert "definition" not in again and "history" not in again and again["definition_id"] == seen["definition_id"]
    fleet.fire("order:1", "pay")
    moved = console.ask("machine", key="order:1", version=1, definition_id=seen["definition_id"])
    assert "definition" not in moved
    assert [move["to"] for move in moved["history"]] == ["paid", "new"]


def test_another_definition_is_sent(fleet, console):
    fleet.new("order:1", ORDER)
    seen = console.ask("machine", key="order:1", version=None)
    other = Definition.from_document({**ORDER.to_document(), "history": 21})
    fleet.redefine("order:1", other)
    answer = console.ask("machine", key="order:1", version=1, definition_id=seen["definition_id"])
    assert answer["definition"]["id"] == answer["definition_id"] == identity(other) != seen["definition_id"]


def test_a_machine_made_anew_with_another_definition(fleet, console, db):
    fleet.new("k", ORDER)
    first = console.ask("machine", key="k", version=None)
    db.delete("k")
    other = Definition(map={"new": {"go": "gone"}}, initial="new", history=20, name="order", revision=3)
    fleet.new("k", other)
    assert console.ask("machine", key="k", version=1, definition_id=first["definition_id"])["definition"]["states"] == [
        "new",
        "gone",
    ]


def test_a_history_that_forgets_is_not_whole(fleet, console):
    short = Definition(map={"off": {"press": "on"}, "on": {"press": "off"}}, initial="off", history=3)
    fleet.new("lamp", short)
    for _ in range(2):
        fleet.fire("lamp", "press")
    assert console.ask("machine", key="lamp", version=None)["history_whole"] is True
    fleet.fire("lamp", "press")
    seen = console.ask("machine", key="lamp", version=None)
    assert seen["history_whole"] is False and [move["version"] for move in seen["history"]] == [4, 3, 2]


def test_a_machine_without_name_times_and_history(fleet, console):
    fleet.set("plain", PLAIN)
    seen = console.ask("machine", key="plain", version=None)
    assert (seen["name"], seen["revision"], seen["since"], seen["due"], seen["due_to"]) == ("", None, None, None, None)
    assert (seen["history_limit"], seen["history"], seen["history_whole"]) == (0, [], True)
    assert seen["events"] == [{"event": "", "targets": ["on"]}]
    fleet.move("plain", "on")
    assert console.ask("machine", key="plain", version=1)["history_whole"] is False


def test_a_timer_that_deletes(fleet, console):
    fleet.new("order:1", ORDER, state="archived", after=3_600_000)
    seen = console.ask("machine", key="order:1", version=None)
    assert seen["due"] > seen["now"] and seen["due_to"] is None and seen["terminal"] is True


def test_keys_of_any_bytes(fleet, console):
    fleet.new(BYTES, ORDER)
    text = "order:\udcff\x00<script>"
    seen = console.ask("machine", key=text, version=None)
    assert seen["key"] == text
    assert fire(console, text, "pay", 1)["what"] == "moved"
    assert console.ask("search", text=text, cursor=None)["exact"]["key"] == text
    assert console.ask("search", text="\udcff", cursor=None)["keys"][0]["key"] == text


def test_names_of_every_kind(fleet, console):
    odd = ("", "a\nb", "<img src=x onerror=alert(1)>", "\u202eevil", "é😀", '"\\&amp;', "\x00\x1b[31m", "x" * 5000)
    machine = Definition(
        map={state: {name: list(odd) for name in odd} for state in odd}, initial=odd[0], name=odd[2], history=5
    )
    fleet.new("odd", machine)
    definition = console.ask("machine", key="odd", version=None)["definition"]
    assert definition["states"] == list(odd)
    assert {edge["event"] for edge in definition["edges"]} == set(odd)
    assert (
        "<img" in definition["dot"]
        and "\x1b" not in definition["dot"]
        and len(max(definition["dot"].splitlines(), key=len)) < 1000
    )
    answer = fire(console, "odd", odd[6], 1, to=odd[3], reason=odd[2], by=odd[3])
    assert (answer["what"], answer["state"], answer["machine"]["reason"]) == ("moved", odd[3], odd[2])
    assert answer["machine"]["history"][0]["event"] == odd[6]


def test_the_picture_names_its_parts(fleet, console):
    fleet.new("order:1", ORDER)
    definition = console.ask("machine", key="order:1", version=None)["definition"]
    states = definition["states"]
    assert (definition["initial"], definition["final"], definition["terminal"]) == ("new", [], ["archived"])
    way = lambda edge: (
        None if edge["from"] is None else states[edge["from"]],
        edge["event"],
        None if edge["to"] is None else states[edge["to"]],
    )
    edges = [(*way(edge), edge["timer"]) for edge in definition["edges"]]
    assert edges == [
        ("new", "pay", "paid", False),
        ("new", "cancel", "cancelled", False),
        ("paid", "ship", "sent", False),
        ("paid", "refund", "refunded", False),
        ("paid", "refund", "partly refunded", False),
        ("paid", "", "lost", False),
        (None, "archive", "archived", False),
        ("new", "", "cancelled", True),
        ("archived", "", None, True),
    ]
    for number, state in enumerate(states):
        assert f'    s{number} [id="s{number}", label="{state}"' in definition["dot"]
    for number, edge in enumerate(definition["edges"]):
        assert edge["id"] == f"e{number}"
        source = "any" if edge["from"] is None else f"s{edge['from']}"
        target = "deleted" if edge["to"] is None else f"s{edge['to']}"
        assert f'    {source} -> {target} [id="e{number}"' in definition["dot"]
    assert json.loads(definition["json"]) == ORDER.to_document()
    assert "color" not in definition["dot"]


def test_a_definition_too_large_to_draw_has_no_picture(fleet, console):
    many = [f"s{number}" for number in range(1001)]
    fleet.new("large", Definition(map={state: [many[0]] for state in many}, initial=many[0]))
    definition = console.ask("machine", key="large", version=None)["definition"]
    assert definition["dot"] is None and len(definition["states"]) == 1001 and len(definition["edges"]) == 1001


def test_a_missing_machine(console):
    assert console.refused("machine", key="nothing", version=None) == (404, "missing")


def test_another_type(db, console):
    db.set("text", "x")
    assert console.refused("machine", key="text", version=None) == (409, "wrong-type")
    assert console.refused("fire", key="text", event="x", version=1, id="i") == (409, "wrong-type")
    assert console.ask("search", text="text", cursor=None)["exact"] is None


# ---- search and lists --------------------------------------------------------------------------------


def test_search_finds_the_key_and_those_that_contain_it(fleet, console):
    for key in ("order:1", "order:11", "a order:1", "order:2"):
        fleet.new(key, ORDER)
    answer = console.ask("search", text="order:1", cursor=None)
    assert (answer["exact"]["key"], answer["exact"]["state"], answer["exact"]["name"]) == ("order:1", "new", "order")
    assert sorted(row["key"] for row in answer["keys"]) == ["a order:1", "order:11"] and answer["cursor"] is None


@pytest.mark.parametrize("odd", ["*", "?", "[a-z]", "a]b", "^", "\\", "a\\*", "-"])
def test_search_takes_every_character_as_it_is(fleet, console, odd):
    fleet.new(f"x{odd}y", ORDER)
    fleet.new("xay", ORDER)
    assert [row["key"] for row in console.whole("search", text=odd)] == [f"x{odd}y"]


def test_search_without_text_finds_all(fleet, console):
    fleet.new("order:1", ORDER)
    assert [row["key"] for row in console.whole("search", text="")] == ["order:1"]


def test_search_and_list_go_on(fleet, console):
    pipe = fleet.pipeline(transaction=False)
    for number in range(3000):
        pipe.new(f"order:{number}", ORDER, state=("new", "paid")[number % 2])
    pipe.execute()
    first = console.ask("search", text="order", cursor=None)
    assert 40 <= len(first["keys"]) < 200 and first["cursor"]
    assert {row["key"] for row in console.whole("search", text="order")} == {f"order:{n}" for n in range(3000)}
    listed = console.whole("list", name="order", revision=3, state="paid")
    assert {row["key"] for row in listed} == {f"order:{n}" for n in range(1, 3000, 2)}
    assert {row["state"] for row in listed} == {"paid"}
    assert console.whole("list", name="order", revision=4, state="paid") == []
    assert console.whole("list", name="order", revision=None, state="nowhere") == []


# ---- firing ------------------------------------------------------------------------------------------


def test_fire(fleet, console):
    fleet.new("order:1", ORDER)
    answer = fire(console, "order:1", "pay", 1, reason="the bank called", by="ben")
    assert (answer["what"], answer["state"], answer["version"]) == ("moved", "paid", 2)
    machine = answer["machine"]
    assert (machine["state"], machine["version"], machine["reason"]) == ("paid", 2, "the bank called")
    assert machine["history"][0]["by"] == "ben" and machine["definition"]["states"]


def test_fire_by_default_for_whom_the_console_acts(fleet, console):
    fleet.new("order:1", ORDER)
    assert fire(console, "order:1", "pay", 1)["machine"]["history"][0]["by"] == "anna"


def test_a_refused_one(fleet, console):
    fleet.new("order:1", ORDER)
    answer = fire(console, "order:1", "ship", 1)
    assert (answer["what"], answer["state"], answer["version"]) == ("refused", "new", 1)


def test_a_conflict(fleet, console):
    fleet.new("order:1", ORDER)
    fleet.fire("order:1", "pay")
    answer = fire(console, "order:1", "cancel", 1)
    assert (answer["what"], answer["state"], answer["version"]) == ("conflict", "paid", 2)
    assert answer["machine"]["state"] == "paid"


def test_a_click_counts_once(fleet, console):
    fleet.new("order:1", ORDER)
    assert fire(console, "order:1", "pay", 1)["what"] == "moved"
    assert fire(console, "order:1", "pay", 1)["what"] == "repeated"
    assert fleet.info("order:1").version == 2


def test_a_choice(fleet, console):
    fleet.new("order:1", ORDER, state="paid")
    body = {"key": "order:1", "event": "refund", "version": 1, "id": "i", "reason": "", "by": ""}
    status, answer = console.post("fire", {**body, "to": None})
    assert (status, answer["code"]) == (400, "bad-request") and "the event leads to 2 states" in answer["error"]
    assert console.ask("fire", **body, to="partly refunded")["state"] == "partly refunded"


def test_fire_at_a_missing_machine(console):
    answer = fire(console, "nothing", "pay", 1)
    assert (answer["what"], answer["machine"]) == ("missing", None)


@pytest.mark.parametrize(
    "change",
    [{"by": "x" * 300}, {"id": "x" * 65}, {"id": ""}, {"version": 0}, {"version": 1 << 40}],
)
def test_what_the_server_does_not_take_is_said(fleet, console, change):
    fleet.new("order:1", ORDER)
    body = {"key": "order:1", "event": "pay", "version": 1, "id": "i", **change}
    status, answer = console.post("fire", body)
    assert (status, answer["code"]) == (400, "bad-request") and answer["error"]


# ---- bodies that are wrong ---------------------------------------------------------------------------

BODIES = [
    b"",
    b"{",
    b"nothing",
    b"\xff\xfe",
    b"[]",
    b"7",
    b"null",
    b'"x"',
    b"[" * 60_000,
    b"9" * 60_000,
    b'{"key": "x", "version": ' + b"9" * 60_000 + b"}",
    b'{"key": "\\ud800", "version": null}',
    b'{"version": null}',
    b'{"key": null, "version": null}',
    b'{"key": 7, "version": null}',
    b'{"key": ["x"], "version": null}',
    b'{"key": {"x": 1}, "version": null}',
    b'{"key": "x", "version": "1"}',
    b'{"key": "x", "version": true}',
    b'{"key": "x", "version": -1}',
    b'{"key": "x", "version": 1.5}',
    b'{"key": "x", "version": NaN}',
    b'{"key": "x", "version": null, "definition_id": 7}',
]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body[:40].decode("latin-1") + f" {len(body)}")
def test_a_body_that_is_wrong(console, body, capfd):
    status, answer = console.post("machine", body)
    assert (status, answer["code"]) == (400, "bad-request")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("fleet", {}),
        ("fleet", {"name": "\udcff", "revision": None}),
        ("fleet", {"name": "x", "revision": "3"}),
        ("search", {"cursor": None}),
        ("search", {"text": "x", "cursor": 7}),
        ("search", {"text": "x", "cursor": "7"}),
        ("search", {"text": "x", "cursor": "0:99999999999999999999"}),
        ("search", {"text": "x", "cursor": "-1:0"}),
        ("search", {"text": "x", "cursor": "０:0"}),
        ("list", {"name": "x"}),
        ("list", {"name": "x", "state": 1}),
        ("fire", {}),
        ("fire", {"key": "x", "event": "e", "version": 1}),
        ("fire", {"key": "x", "event": "e", "version": None, "id": "i"}),
        ("fire", {"key": "x", "event": "\udcff", "version": 1, "id": "i"}),
        ("fire", {"key": "x", "event": "e", "to": 7, "version": 1, "id": "i"}),
    ],
)
def test_fields_that_are_wrong(console, what, body):
    assert console.refused(what, **body) == (400, "bad-request")


def test_a_cursor_beyond_the_last_server_is_the_end(console):
    assert console.ask("search", text="x", cursor="9:0") == {
        "exact": None,
        "keys": [],
        "cursor": None,
        "now": pytest.approx(console.ask("about")["now"], abs=60_000),
    }


def test_what_is_not_there(console):
    assert console.send("POST", "/api/nothing", b"{}", console.own_headers)[0] == 404


# ---- servers that are away, or of another kind -------------------------------------------------------

ASKS = [
    ("about", {}),
    ("fleets", {}),
    ("fleet", {"name": "order", "revision": None}),
    ("machine", {"key": "order:1", "version": None}),
    ("search", {"text": "order:1", "cursor": None}),
    ("list", {"name": "order", "revision": None, "state": "new", "cursor": None}),
    ("fire", {"key": "order:1", "event": "pay", "version": 1, "id": "i"}),
]


@pytest.mark.parametrize(("what", "body"), ASKS, ids=[what for what, _ in ASKS])
def test_no_server(consoles, what, body):
    console = consoles(1, write=True)
    took = seconds_of(lambda: None if console.refused(what, **body) == (503, "unreachable") else pytest.fail(what))
    assert took < 2 * SLOWDOWN


@pytest.mark.parametrize(("what", "body"), ASKS[1:], ids=[what for what, _ in ASKS[1:]])
def test_a_server_without_the_module(servers, consoles, what, body):
    console = consoles(servers.start(module=None), write=True)
    assert console.refused(what, **body) == (503, "no-module")
    assert console.ask("about")["server"]


@pytest.mark.parametrize(("what", "body"), ASKS[1:], ids=[what for what, _ in ASKS[1:]])
def test_a_server_with_an_older_module(consoles, what, body):
    server = OldServer()
    assert consoles(server, write=True, query="?protocol=2").refused(what, **body) == (503, "no-module")
    server.listener.close()


COMMANDS = ["sm.definitions", "sm.count", "sm.info", "sm.scan", "sm.scan", "sm.fire"]


@pytest.mark.parametrize(("what", "body"), ASKS[1:], ids=[what for what, _ in ASKS[1:]])
def test_an_acl_that_forbids_the_command(db, fleet, consoles, what, body):
    command = dict(zip([what for what, _ in ASKS[1:]], COMMANDS))[what]
    fleet.new("order:1", ORDER)
    db.acl_setuser("half", enabled=True, nopass=True, keys=["*"], commands=["+@all", f"-{command}"])
    status, answer = consoles(db.server, write=True, user="half:x@").post(what, body)
    assert (status, answer["code"]) == (403, "not-permitted") and command.upper() in answer["error"]


def test_who_may_not_ask_for_the_time_and_the_version(db, fleet, consoles):
    fleet.new("order:1", ORDER)
    db.acl_setuser("plain", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-info", "-time"])
    console = consoles(db.server, user="plain:x@")
    assert console.ask("about")["server"] == "Redis or Valkey"
    assert console.ask("machine", key="order:1", version=None)["now"] > 1e12


def test_a_password_that_is_wrong(db, consoles):
    db.acl_setuser("anna", enabled=True, passwords=["+right"], keys=["*"], commands=["+@all"])
    status, answer = consoles(db.server, user="anna:secret@").post("fleets", {})
    assert (status, answer["code"]) == (403, "not-permitted") and "secret" not in json.dumps(answer)


def test_keys_that_a_user_may_not_see_are_left_out(db, fleet, consoles):
    fleet.new("order:1", ORDER)
    fleet.new("secret:order", ORDER)
    db.acl_setuser("some", enabled=True, nopass=True, keys=["order:*"], commands=["+@all"])
    console = consoles(db.server, user="some:x@")
    assert [row["key"] for row in console.whole("search", text="order")] == ["order:1"]
    assert [row["key"] for row in console.walked("order")["stuck"]] == ["order:1"]
    assert console.refused("machine", key="secret:order", version=None) == (403, "not-permitted")


def test_a_replica_takes_no_moves(servers, consoles):
    primary, replica = servers.pair()
    StateMachines(primary.client()).new("order:1", ORDER)
    wait_until(lambda: StateMachines(replica.client()).info("order:1"), "the replica to have the machine")
    console = consoles(replica, write=True)
    assert console.ask("machine", key="order:1", version=None)["state"] == "new"
    assert console.refused("fire", key="order:1", event="pay", version=1, id="i") == (409, "replica")


def test_a_server_that_goes_away_and_comes_back(server, consoles):
    console = consoles(server)
    StateMachines(server.client()).new("order:1", ORDER)
    asks = [
        ("machine", {"key": "order:1", "version": None}),
        ("fleet", {"name": "order", "revision": None}),
        ("fleets", {}),
    ]
    for what, body in asks:
        console.ask(what, **body)
    server.shutdown("SAVE")
    for what, body in asks:
        gone = lambda: console.post(what, body)[1].get("code") == "unreachable"
        wait_until(gone, f"{what} to say that the server is away", timeout=5)
    assert seconds_of(lambda: console.refused("machine", key="order:1", version=None)) < 1 * SLOWDOWN
    server.start()
    for what, body in asks:
        wait_until(lambda: console.post(what, body)[0] == 200, f"{what} to be answered again", timeout=5)
    assert console.until(lambda answer: answer["machines"] == 1, "the count", name="order", revision=None)


def test_a_server_that_hangs(server, consoles):
    console = consoles(server)
    StateMachines(server.client()).new("order:1", ORDER)
    console.ask("machine", key="order:1", version=None)
    console.ask("fleet", name="order", revision=None)
    took, threads = [], []

    def ask():
        took.append(seconds_of(lambda: console.refused("machine", key="order:1", version=None)))

    server.process.send_signal(19)
    try:
        asking = [threading.Thread(target=ask) for _ in range(40)]
        for thread in asking:
            thread.start()
        while any(thread.is_alive() for thread in asking):
            threads.append(sum(thread.name.startswith("AnyIO") for thread in threading.enumerate()))
            asking[0].join(0.05)
            for thread in asking[1:]:
                thread.join(0)
        status, answer = console.post("fleet", {"name": "order", "revision": None})
        assert (status, answer["code"]) == (503, "unreachable")
    finally:
        server.process.send_signal(18)
    # Those that came first wait for the server; the others are told what those were told.
    assert len(took) == 40 and max(took) < 2.5 * SLOWDOWN, took
    assert max(threads) <= 8 + 1
    wait_until(lambda: console.post("machine", {"key": "order:1", "version": None})[0] == 200, "an answer", timeout=5)
    wait_until(lambda: console.post("fleet", {"name": "order", "revision": None})[0] == 200, "an answer", timeout=5)


def test_a_cluster(cluster, consoles):
    client = redis.RedisCluster(host="127.0.0.1", port=cluster[0].port)
    fleet = StateMachines(client)
    for number in range(40):
        fleet.set(f"order:{number}", ORDER)
    console = consoles(cluster[0], cluster=True, write=True)
    assert console.ask("fleets")["fleets"][0]["machines"] == 40
    keys = {f"order:{number}" for number in range(40)}
    assert {row["key"] for row in console.whole("search", text="order")} == keys
    assert {row["key"] for row in console.whole("list", name="order", revision=None, state="new")} == keys
    assert fire(console, "order:7", "pay", fleet.info("order:7").version)["what"] == "moved"
    seen = console.walked("order")
    assert seen["machines"] == 40 and len(seen["stuck"]) == 20 and len(seen["due"]) == 20
    client.close()


def test_one_node_of_a_cluster_is_told(cluster, consoles):
    key = next(
        key
        for key in map(str, range(100))
        if not cluster[0].raw("CLUSTER", "GETKEYSINSLOT", 0, 1) and _elsewhere(cluster[0], key)
    )
    status, answer = consoles(cluster[0]).post("machine", {"key": key, "version": None})
    assert (status, answer["code"]) == (502, "cluster") and "--cluster" in answer["error"]


def _elsewhere(node, key):
    try:
        node.run("SM.INFO", key)
    except redis.ResponseError:
        return True
    return False
