"""What a client of HTTP/1.1 may count on: answers in order, HEAD, OPTIONS, 100 Continue, ends in the middle of everything,
CORS, request ids, the gateway's own paths. Sections in brackets as in test_http_framing.py."""

import json
import re
import socket

import pytest

from api.given import NOBODY, UUID, check_problem, committee, new_label
from api.wire import GET, HEAD, POST, Read, answers_in, campus, creation, fill, read_answer, settled, wire
from harness import wait_until


def test_answers_have_what_belongs(wire, admin):
    answer = answers_in(wire.raw_request(fill(GET, admin) + b"Connection: close\r\n\r\n").data)[0]
    names = [name.lower() for name, _ in answer.lines]
    assert len(names) == len(set(names)), answer
    assert re.fullmatch(r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT", answer.headers["date"])
    assert answer.headers["content-length"] == str(len(answer.body)) and answer.headers["connection"] == "close"


def test_http_1_0(wire):
    """No Host is needed; the connection ends unless it is asked to stay (9.3)."""
    answer = wire.raw_request(b"GET /healthz HTTP/1.0\r\n\r\n" + GET + b"\r\n")
    assert answer.statuses == [200] and answer.closed, answer
    with wire.dial() as sock:
        sock.sendall(b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        first = read_answer(sock)
        assert first.headers["connection"] == "keep-alive"
        sock.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert Read(sock).statuses == [200]


def test_keep_alive(wire):
    with wire.dial() as sock:
        for _ in range(100):
            sock.sendall(GET + b"\r\n")
            assert read_answer(sock).status == 200
        sock.sendall(GET + b"Connection: close\r\n\r\n")
        answer = Read(sock)
        assert answer.statuses == [200] and answer.closed


def test_pipelining_answers_in_order(wire, admin):
    """Reads, writes, lists and what is refused at once, in one piece (9.3.2)."""
    top = new_label("c")
    create = json.dumps({"path": top, "kind": "committee", "title": "a"}).encode()
    requests, statuses = [], []
    for i in range(40):
        kinds = [
            (b"GET /healthz HTTP/1.1\r\nHost: x\r\n", b"", 200),
            (b"GET /v1/organisations?count=exact HTTP/1.1\r\n", b"", 200),
            (b"POST /v1/organisations HTTP/1.1\r\nContent-Length: %d\r\n" % len(create), create, 201 if i == 2 else 409),
            (b"GET /v1/people/" + NOBODY.encode() + b" HTTP/1.1\r\n", b"", 404),
            (b"GET /v1/me HTTP/1.1\r\nHost: x\r\n", b"", 401),
            (b"PUT /v1/me HTTP/1.1\r\n", b"", 405),
        ]
        line, body, status = kinds[i % len(kinds)]
        head = line if b"Host" in line else line + HEAD
        requests.append(fill(head, admin) + b"X-Request-Id: r%d\r\n" % i + (b"Connection: close\r\n" if i == 39 else b"")
                        + b"\r\n" + body)
        statuses.append(status)
    answers = answers_in(wire.raw_request(b"".join(requests)).data)
    assert [answer.headers["x-request-id"] for answer in answers] == [f"r{i}" for i in range(40)]
    assert [answer.status for answer in answers] == statuses


def test_pipelined_behind_what_is_broken(wire, client, admin):
    """What came before is answered, what comes behind is not."""
    path = new_label("s")
    data = GET + b"\r\n" + GET + b"X A: b\r\n\r\n" + creation(admin, path)
    answer = wire.raw_request(data)
    assert answer.statuses == [200, 400] and answer.closed, answer
    client.get(f"/v1/organisations/{path}").expect(404)


def test_requests_behind_connection_close_are_not_executed(wire, client, admin):
    path = new_label("s")
    answer = wire.raw_request(GET + b"Connection: close\r\n\r\n" + creation(admin, path))
    assert answer.statuses == [200] and answer.closed
    client.get(f"/v1/organisations/{path}").expect(404)


def test_head(wire, client, admin):
    """As GET to the byte, without the body (9110 9.3.2)."""
    path = committee(client)
    targets = [f"/v1/organisations/{path}", "/v1/organisations/no.such", "/healthz", "/openapi.json", "/v1/nothing"]
    for target in targets:
        data = b"".join(method + b" " + target.encode() + b" HTTP/1.1\r\n" + fill(HEAD, admin) + b"X-Request-Id: r\r\n" + more
                        + b"\r\n" for method, more in ((b"HEAD", b""), (b"GET", b"Connection: close\r\n")))
        head, get = answers_in(wire.raw_request(data).data, bodiless=[0])
        volatile = ("date", "connection", "ratelimit-remaining", "ratelimit-reset")
        assert head.status == get.status
        assert {n: v for n, v in head.headers.items() if n not in volatile} == \
            {n: v for n, v in get.headers.items() if n not in volatile}
    answer = client.request("HEAD", f"/v1/organisations/{path}", headers={"If-None-Match": '"1"'}).expect(304)
    assert answer.etag == '"1"' and not answer.body


def test_options(wire, client, anonymous):
    """Without a key: what a browser asks first (9110 9.3.7)."""
    for path, allow in (("/v1/people", "GET, HEAD, POST, OPTIONS"), (f"/v1/people/{NOBODY}", "GET, HEAD, PATCH, OPTIONS"),
                        (f"/v1/keys/{NOBODY}:revoke", "POST, OPTIONS"), ("/v1/me", "GET, HEAD, OPTIONS")):
        answer = anonymous.request("OPTIONS", path).expect(204)
        assert answer.headers["Allow"] == allow and not answer.body
        assert answer.headers["Content-Length"] is None  # 9110 8.6
    check_problem(client.request("OPTIONS", "/v1/nothing"), 404, "not_found")
    answer = wire.raw_request(b"OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.statuses == [200] and answer.closed


def test_100_continue(wire, admin):
    """9110 10.1.1: asked before the body, unless the body is there or will not be taken."""
    with wire.dial() as sock:
        for _ in range(2):
            sock.sendall(fill(POST, admin) + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
            assert read_answer(sock).status == 100
            sock.sendall(b"{}")
            assert read_answer(sock).status == 422
        sock.sendall(fill(POST, admin) + b"Expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n\r\n")
        assert read_answer(sock).status == 100
        sock.sendall(b"2\r\n{}\r\n0\r\n\r\n")
        assert read_answer(sock).status == 422
        sock.sendall(fill(POST, admin) + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}")
        assert read_answer(sock).status == 422
        sock.sendall(fill(POST, admin) + b"Expect: 100-continue\r\nContent-Length: 65537\r\n\r\n")
        answer = Read(sock)
        assert answer.statuses == [413] and answer.closed, answer
    answer = wire.raw_request(GET + b"Expect: 100-continue\r\nConnection: close\r\n\r\n")
    assert answer.statuses == [200]


def test_half_close(wire, client, admin):
    """Who has said all may close that direction and still read; half a request is nothing."""
    answer = wire.raw_request(fill(b"GET /v1/organisations HTTP/1.1\r\n" + HEAD, admin) + b"\r\n", half_close=True)
    assert answer.statuses == [200] and answer.closed
    path = new_label("s")
    answer = wire.raw_request((GET + b"\r\n") * 3 + creation(admin, path), half_close=True)
    assert answer.statuses == [200, 200, 200, 201]
    path = new_label("s")
    for cut in (1, 10):
        answer = wire.raw_request(creation(admin, path)[:-cut], half_close=True)
        assert answer.statuses in ([], [400]) and answer.closed and answer.seconds < 5
    client.get(f"/v1/organisations/{path}").expect(404)


def test_clients_that_go_away(campus, wire, admin):
    """In the middle of everything; the server lives on, and forgets them."""
    request = fill(b"GET /v1/organisations?count=exact HTTP/1.1\r\n" + HEAD, admin) + b"\r\n"
    for data in (request, request[:20], request * 50, fill(POST, admin) + b"Content-Length: 500\r\n\r\n{", b""):
        with wire.dial() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset, not an end
            sock.sendall(data)
    wire.close()
    wait_until(lambda: campus.metric("campus_http_connections") == 0, "no connections left")
    assert wire.get("/readyz").status == 200


# -- CORS --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def open_campus(new_campus):
    return new_campus(settings={"CAMPUS_CORS_ORIGINS": "https://league.example, http://localhost:3000"})


@pytest.fixture(scope="module")
def open_admin(open_campus):
    return open_campus.key()


@pytest.fixture
def open_wire(open_campus):
    with open_campus.client() as client:
        yield client


@pytest.mark.parametrize("origin, admitted", [("https://league.example", True), ("http://localhost:3000", True),
                                              ("https://evil.example", False), ("https://league.example.evil", False),
                                              ("http://league.example", False), ("null", False), ("https://league", False),
                                              ("HTTPS://LEAGUE.EXAMPLE", False), ("*", False)])
def test_cors(open_wire, open_admin, origin, admitted):
    ask = {"Origin": origin, "Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization"}
    preflight = open_wire.request("OPTIONS", f"/v1/people/{NOBODY}", headers=ask).expect(204)
    answers = [preflight, open_wire.get("/v1/me", headers={"Origin": origin}).expect(401),
               open_wire.get("/v1/me", headers={"Origin": origin, "Authorization": f"Bearer {open_admin}"}).expect(200)]
    for answer in answers:
        assert answer.headers["Access-Control-Allow-Origin"] == (origin if admitted else None)
        assert answer.headers["Access-Control-Allow-Credentials"] is None
        assert not admitted or answer.headers["Vary"] == "Origin"
    if admitted:
        assert "PATCH" in preflight.headers["Access-Control-Allow-Methods"]
        for name in ("Authorization", "Content-Type", "If-Match", "If-None-Match", "Idempotency-Key"):
            assert name in preflight.headers["Access-Control-Allow-Headers"]
        for name in ("ETag", "Location", "Retry-After", "X-Request-Id"):
            assert name in answers[2].headers["Access-Control-Expose-Headers"]


def test_cors_off(client):
    answer = client.get("/v1/me", headers={"Origin": "https://league.example"}).expect(200)
    assert not [name for name in answer.headers if name.startswith("Access-Control")]


# -- request ids -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["a", "4bf92f3577b34da6a3ce929d0e0e4736", "a.b_c-D", "9" * 64])
def test_request_ids_are_kept(client, given):
    for path in ("/v1/me", "/v1/nothing", "/healthz"):
        assert client.get(path, headers={"X-Request-Id": given}).headers["X-Request-Id"] == given


@pytest.mark.parametrize("given", [None, "", "9" * 65, "a b", "a\tb", "<script>", "a/b", "\u00e9", "a,b", 'a"b'])
def test_request_ids_are_made(client, given):
    seen = set()
    for path in ("/v1/me", "/v1/nothing", "/healthz"):
        made = client.get(path, headers={"X-Request-Id": given}).headers["X-Request-Id"]
        assert UUID.fullmatch(made), made
        seen.add(made)
    assert len(seen) == 3


# -- the gateway's own paths -------------------------------------------------------------------------------------------


def test_own_paths(anonymous):
    assert anonymous.get("/healthz").expect(200).json() == {"status": "ok"}
    assert anonymous.get("/readyz").expect(200).json() == {"status": "ready"}
    version = anonymous.get("/version").expect(200).json()
    assert version["name"] == "campus" and version["version"]
    assert anonymous.get("/openapi.json").expect(200).headers.get_content_type() == "application/json"
    check_problem(anonymous.get("/metrics"), 404, "not_found")  # on a port of its own


def test_metrics_port(campus, client):
    client.get("/v1/me").expect(200)
    text = campus.metrics()
    for line in text.splitlines():
        assert re.fullmatch(r"# (TYPE|HELP) campus_\w+ .+|campus_\w+(\{(\w+=\"[^\"\\]*\",?)*\})? (\d+(\.\d+)?(e[+-]?\d+)?)", line), line
    for name in ("campus_requests_total", "campus_request_seconds", "campus_http_connections", "campus_bus_workers"):
        assert re.search(rf"^# TYPE {name} ", text, re.M), name
    types = re.findall(r"^# TYPE (\w+)", text, re.M)
    assert len(types) == len(set(types))
    samples = [line.rpartition(" ")[0] for line in text.splitlines() if not line.startswith("#")]
    assert len(samples) == len(set(samples))
    before = settled(campus, "campus_requests_total", method="GetMe", status="2xx")
    client.get("/v1/me").expect(200)
    client.get("/v1/me", headers={"Authorization": "Bearer x"}).expect(401)
    wait_until(lambda: campus.metric("campus_requests_total", method="GetMe", status="2xx") == before + 1, "one more")
    assert campus.metric("campus_requests_total", method="GetMe", status="4xx") >= 1
    with type(client)("127.0.0.1", campus.metrics_port) as other:
        for method, path in (("GET", "/"), ("GET", "/v1/me"), ("POST", "/metrics"), ("GET", "/metrics/")):
            assert other.request(method, path).status in (404, 405)
        assert other.raw_request(b"x\r\n\r\n").status == 400
