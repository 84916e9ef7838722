"""The console answers its own page only, and changes nothing without --write and the token."""

import http.client
import json

import pytest

from conftest import ORDER
from consoles import consoles as consoles
from redis_state import StateMachines
from redis_state.console._security import Access, is_loopback

POLICY = (
    "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; worker-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
FIRE = {"key": "order:1", "event": "pay", "to": None, "reason": "", "by": "", "version": 1, "id": "click-1"}


@pytest.fixture
def reading(db, consoles):
    StateMachines(db).new("order:1", ORDER)
    return consoles(db.server)


@pytest.fixture
def writing(db, consoles):
    StateMachines(db).new("order:1", ORDER)
    return consoles(db.server, write=True)


def fired(db):
    return StateMachines(db).info("order:1").version > 1


# ---- every request ---------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_only_posts_are_answered(reading, method):
    status, headers, _ = reading.send(method, "/api/about", headers=reading.own_headers)
    assert status == 405 and headers["allow"] == "POST"
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "json"]
)
def test_a_body_must_be_said_to_be_json(reading, kind):
    # Other pages can send these without asking first.
    status, answer = reading.post("about", {}, Content_Type=kind)
    assert (status, answer["code"]) == (415, "bad-request")


def test_json_may_have_a_charset(reading):
    assert reading.post("about", {}, Content_Type="application/json; charset=utf-8")[0] == 200


def test_a_body_has_64_kib_at_most(reading):
    body = json.dumps({"key": "x" * 70_000, "version": None}).encode()
    assert reading.post("machine", body[: 64 * 1024])[0] == 400
    status, answer = reading.post("machine", body)
    assert (status, answer["code"]) == (413, "bad-request")


def test_a_body_without_a_length_has_64_kib_at_most(reading):
    chunk = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
    headers = {**reading.own_headers, "Transfer-Encoding": "chunked"}
    connection = http.client.HTTPConnection("127.0.0.1", reading.port, timeout=30)
    connection.putrequest("POST", "/api/about", skip_host=True)
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    connection.send(chunk * 3)
    assert connection.getresponse().status == 413
    connection.close()


@pytest.mark.parametrize(
    "host",
    [None, "", "evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "127.0.0.1:{port}.evil.example"]
    + ["localhost.evil.example:{port}", "127.0.0.2:{port}", "user@127.0.0.1:{port}"],
)
@pytest.mark.parametrize("path", ["/", "/api/about"])
def test_another_host_is_refused(reading, host, path):
    # Whoever makes a name of his own lead here has a page of the same origin.
    headers = {**reading.own_headers, "Host": host and host.format(port=reading.port)}
    del headers["Origin"]
    headers = {name: value for name, value in headers.items() if value is not None}
    # A request without any is none at all, and nobody waits for its body.
    sent = b"{}" if path != "/" and host is not None else b""
    status, _, body = reading.send("POST" if path != "/" else "GET", path, sent, headers)
    assert status == (400 if host is None else 421)
    assert host is None or json.loads(body)["code"] == "host"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LocalHost", "[::1]"])
def test_names_of_this_machine_are_its_own(reading, host):
    own = f"{host}:{reading.port}"
    assert reading.post("about", {}, Host=own, Origin=f"http://{own}")[0] == 200


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "", "https://127.0.0.1:{port}", "http://127.0.0.1", "http://localhost:{port}"]
    + ["http://127.0.0.1:{port}.evil.example", "http://127.0.0.1:{port}/"],
)
@pytest.mark.parametrize("path", ["/", "/api/about"])
def test_another_origin_is_refused(reading, origin, path):
    headers = {**reading.own_headers, "Origin": origin.format(port=reading.port)}
    status, _, body = reading.send("POST" if path != "/" else "GET", path, b"{}" if path != "/" else b"", headers)
    assert (status, json.loads(body)["code"]) == (403, "origin")


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none", "anything"])
def test_requests_of_other_sites_are_refused(reading, site):
    status, answer = reading.post("about", {}, Sec_Fetch_Site=site)
    assert (status, answer["code"]) == (403, "origin")


@pytest.mark.parametrize(
    ("site", "expected"), [("none", True), ("same-origin", True), ("cross-site", False), ("same-site", False)]
)
def test_the_page_itself_may_be_opened_by_typing_its_address(reading, site, expected):
    headers = {"Host": f"127.0.0.1:{reading.port}", "Sec-Fetch-Site": site}
    status, _, _ = reading.send("GET", "/", headers=headers)
    assert (status != 403) is expected


@pytest.mark.parametrize(
    "path", ["/", "/api/about", "/api/nothing", "/nothing", "/../_app.py", "/%2e%2e/_app.py", "/static"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "evil.example"])
def test_every_answer_has_the_headers(reading, path, method, host):
    headers = {**reading.own_headers, "Host": host.format(port=reading.port)}
    _, found, body = reading.send(method, path, b"{}" if method == "POST" else b"", headers)
    assert found["content-security-policy"] == POLICY
    assert found["x-content-type-options"] == "nosniff"
    assert found["referrer-policy"] == "no-referrer"
    assert found["cross-origin-opener-policy"] == found["cross-origin-resource-policy"] == "same-origin"
    assert found["cache-control"] == ("no-store" if path.startswith("/api/") else "no-cache")
    assert "server" not in found and "access-control-allow-origin" not in found
    assert b"import" not in body


# ---- writing ---------------------------------------------------------------------------------------


def test_the_page_with_the_token_writes(db, writing):
    assert writing.ask("fire", **FIRE)["what"] == "moved"
    assert fired(db)


def test_nothing_is_written_without_write(db, reading):
    assert reading.access.token is None
    status, answer = reading.post("fire", FIRE, Authorization="Bearer None")
    assert (status, answer["code"]) == (403, "read-only")
    assert answer["error"] == "the console was started without --write"
    assert not fired(db)


@pytest.mark.parametrize(
    "sent", [None, "", "Bearer", "Bearer ", "Bearer wrong", "Bearer None", "{token}", "Basic {token}"]
)
def test_nothing_is_written_without_the_token(db, writing, sent):
    token = writing.access.token
    status, answer = writing.post("fire", FIRE, Authorization=sent and sent.format(token=token))
    assert (status, answer["code"]) == (401, "token")
    for almost in (token[:-1], token + "x", token.swapcase()):
        assert writing.post("fire", FIRE, Authorization=f"Bearer {almost}")[0] == 401
    assert token not in json.dumps(answer)
    assert not fired(db)


@pytest.mark.parametrize(
    "changes", [{"Origin": None}, {"Origin": "http://evil.example"}, {"Sec_Fetch_Site": "cross-site"}]
)
def test_nothing_is_written_but_by_the_page(db, writing, changes):
    status, answer = writing.post("fire", FIRE, **changes)
    assert (status, answer["code"]) == (403, "origin")
    assert not fired(db)


def test_reading_needs_no_token_on_this_machine(writing):
    assert writing.post("machine", {"key": "order:1", "version": None}, Authorization=None)[0] == 200


def test_each_console_has_a_token_of_its_own():
    tokens = {Access("127.0.0.1", 80, write=True).token for _ in range(20)}
    assert len(tokens) == 20 and min(map(len, tokens)) >= 43
    assert all(token not in repr(Access("h", 1, True)) for token in tokens)


# ---- from other machines -----------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["about", "fleets", "fleet", "machine", "search", "list", "fire"])
def test_from_other_machines_reading_needs_the_token(db, consoles, what):
    console = consoles(db.server, host="console.example")
    own = f"console.example:{console.port}"
    there = {"Host": own, "Origin": f"http://{own}"}
    for token in (None, "Bearer wrong"):
        status, answer = console.post(what, {}, **there, Authorization=token)
        assert (status, answer["code"]) == (401, "token")
    assert console.post("about", {}, **there)[0] == 200
    # The page itself has no secrets, and gets the token by its address.
    assert console.send("GET", "/", headers={"Host": own})[0] != 401


def test_the_address_has_the_token_where_one_is_needed():
    assert Access("127.0.0.1", 8017).address == "http://127.0.0.1:8017/"
    for access in (Access("127.0.0.1", 8017, write=True), Access("10.0.0.7", 8017)):
        assert access.address == f"http://{access.host}:8017/#token={access.token}"
    assert Access("::1", 8017).address == "http://[::1]:8017/"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback(host):
    assert is_loopback(host)
    assert Access(host, 1).token is None


@pytest.mark.parametrize(
    "host", ["0.0.0.0", "::", "10.0.0.1", "localhost.example", "example.com", "", "127.0.0.1.example"]
)
def test_what_others_reach_is_no_loopback(host):
    assert not is_loopback(host)
    assert Access(host, 1).token
