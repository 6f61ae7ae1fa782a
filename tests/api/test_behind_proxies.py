"""Behind nginx and HAProxy: the same answers as without them; nothing that they take for one request is two to the gateway;
and clients are told apart by what the proxies say of them, not by what they say themselves."""

import http.client
import itertools
import json

import pytest

from api.given import committee, new_label
from api.test_http_framing import BROKEN
from api.wire import GET, HEAD, POST, Read, answers_in, creation, fill, settled
from harness import wait_until
from proxies import Proxy

_ids = itertools.count(1)


@pytest.fixture(scope="module")
def campus(new_campus):
    return new_campus(settings={"CAMPUS_TRUSTED_PROXIES": "127.0.0.1"})


@pytest.fixture(scope="module", params=["nginx", "haproxy"])
def proxy(campus, request):
    with Proxy(request.param, campus) as proxy:
        yield proxy


@pytest.fixture
def through(proxy, admin):
    with proxy.client(admin) as client:
        yield client


def new_id():
    return f"proxied-{next(_ids)}"


# -- the same answers --------------------------------------------------------------------------------------------------

JSON = {"Content-Type": "application/json"}
PATCH = {"Content-Type": "application/merge-patch+json"}
REQUESTS = [
    # (method, path below the committee or the server, headers, body)
    ("GET", "/healthz", {}, None),
    ("GET", "/readyz", {}, None),
    ("GET", "/openapi.json", {"Accept-Encoding": "gzip"}, None),
    ("GET", "/docs", {"Accept-Encoding": "gzip"}, None),
    ("HEAD", "/docs", {}, None),
    ("GET", "/nothing", {}, None),
    ("GET", "/v1/me", {}, None),
    ("GET", "/v1/me", {"Authorization": None}, None),
    ("GET", "/v1/me", {"Authorization": "Bearer campus_wrong"}, None),
    ("HEAD", "/v1/me", {}, None),
    ("OPTIONS", "/v1/people", {}, None),
    ("PUT", "/v1/people", JSON, b"{}"),
    ("DELETE", "/v1/organisations/@", {}, None),
    ("BREW", "/v1/organisations/@", {}, None),
    ("GET", "/v1/organisations/@", {}, None),
    ("GET", "/v1/organisations/@", {"If-None-Match": '"1"'}, None),
    ("HEAD", "/v1/organisations/@", {"If-None-Match": '"2"'}, None),
    ("GET", "/v1/organisations/@", {"Accept-Language": "zh"}, None),
    ("GET", "/v1/organisations/no.such", {"Accept-Language": "zh"}, None),
    ("GET", "/v1/organisations?parent=@&count=exact&page_size=1", {}, None),
    ("GET", "/v1/organisations?parent=%E4%BA%BA&x=a%2Fb", {}, None),
    ("GET", "/v1/people?q=%E6%9D%8E", {}, None),
    ("GET", "/v1/people/a%20b", {}, None),
    ("GET", "/v1/people/a~b'(c)!*;=:@&+$,", {}, None),
    ("GET", "/v1/people?q=" + "a" * 7000, {}, None),
    ("POST", "/v1/organisations", JSON, b"{}"),
    ("POST", "/v1/organisations", JSON, b'{"path":'),
    ("POST", "/v1/organisations", JSON, b'{"path":"@","kind":"committee","title":"a"}'),
    ("POST", "/v1/organisations", {"Content-Type": "text/plain"}, b"{}"),
    ("POST", "/v1/organisations", JSON, b" " * 65537),
    ("POST", "/v1/organisations", {**JSON, "Idempotency-Key": "\x7f"}, b"{}"),
    ("PATCH", "/v1/organisations/@", PATCH, b'{"title":"a"}'),
    ("PATCH", "/v1/organisations/@", {**PATCH, "If-Match": '"7"'}, b'{"title":"a"}'),
    ("PATCH", "/v1/organisations/@", {**PATCH, "If-Match": '"1"'}, b'{"title":null}'),
    ("POST", "/v1/people:import?dry_run=true", {"Content-Type": "text/csv"}, "学号,姓名\n1,甲\n".encode()),
    ("POST", "/v1/people:import?dry_run=true", {"Content-Type": "text/csv"}, b"x\n" * 1000000),
]
# What a proxy may say in its own words, or the gateway says anew each time.
OWN = {"date", "server", "connection", "keep-alive", "ratelimit-remaining", "ratelimit-reset"}


def told(client, method, path, headers, body):
    """Status, headers and body of an answer, as far as they are the gateway's and the same each time."""
    answer = client.request(method, path, raw=body, headers={"X-Request-Id": "same", **headers})
    kept = {name.lower(): value for name, value in answer.headers.items() if name.lower() not in OWN}
    made = kept.pop("x-request-id")  # a new one, where the request was refused before that field was read
    return answer.status, kept, answer.body.replace(made.encode(), b"same")


@pytest.mark.parametrize("method, path, headers, body", REQUESTS,
                         ids=[f"{case[0]} {case[1][:30]} {i}" for i, case in enumerate(REQUESTS)])
def test_same_answers(client, through, method, path, headers, body):
    home = committee(client)
    body = body.replace(b"@", home.encode()) if body and len(body) < 100 else body
    ask = (method, path.replace("@", home), headers, body)
    assert told(through, *ask) == told(client, *ask)


def test_chunked_bodies(proxy, admin):
    """A body of unknown length is told on, however it is cut."""
    with proxy.client().dial() as sock:
        for piece in (fill(POST, admin), b"Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n", b"1\r\n{\r\n", b"1;a=b\r\n",
                      b"}\r\n0\r\nX-Sum: 1\r\n\r\n"):
            sock.sendall(piece)
        answer = answers_in(Read(sock).data)[0]
    assert answer.status == 422 and json.loads(answer.body)["code"] == "invalid"


def test_expectations(through):
    """A proxy may ask for the body itself; who expects 100 gets its answer either way."""
    answer = through.request("POST", "/v1/organisations", raw=b"{}", headers={**JSON, "Expect": "100-continue"})
    answer.expect(422, "invalid")


def test_absolute_form(through):
    """RFC 9112 3.2.2: the proxy may tell it on as it came."""
    through.get(f"http://127.0.0.1:{through.port}/v1/me", headers={"Host": f"127.0.0.1:{through.port}"}).expect(200)


def test_connections_are_kept(campus, through):
    before = settled(campus, "campus_http_accepted_total")
    for _ in range(50):
        through.get("/v1/me").expect(200)
    assert settled(campus, "campus_http_accepted_total") - before < 25


# -- one request is one ------------------------------------------------------------------------------------------------


def named_creation(admin, path):
    """A whole request that makes the organisation `path`, which the proxy's log names by that."""
    return creation(admin, path).replace(b"Host:", b"X-Request-Id: %s\r\nHost:" % path.encode())


def test_two_requests_are_two(client, proxy, admin):
    """Else the tests below could not fail: the same bytes, behind what is right."""
    path = new_label("s")
    data = GET + b"\r\n" + named_creation(admin, path).replace(b"Host:", b"Connection: close\r\nHost:")
    assert proxy.client().raw_request(data).statuses == [200, 201]
    client.get(f"/v1/organisations/{path}").expect(200)
    wait_until(lambda: path in proxy.passed_on(), "the second in the proxy's log")


@pytest.mark.parametrize("pattern", [case[2] for case in BROKEN], ids=[f"{case[0]} {case[1]}" for case in BROKEN])
def test_nothing_is_smuggled(client, through, proxy, admin, pattern):
    """What is executed is what the proxy took for a request of its own; and whoever asks next over the same connection from
    the proxy to the gateway gets the answer to what they asked."""
    path = new_label("s")
    proxy.client().raw_request(fill(pattern, admin, named_creation(admin, path)), half_close=True)
    for _ in range(3):
        asked = new_id()
        answer = through.get("/v1/organisations/no.such", headers={"X-Request-Id": asked}).expect(404)
        assert answer.headers["X-Request-Id"] == asked and answer.json()["request_id"] == asked
    if client.get(f"/v1/organisations/{path}").status == 200:
        wait_until(lambda: path in proxy.passed_on(), f"{path} as a request of its own")


def test_no_more_requests_than_were_passed_on(campus, proxy, admin):
    """All of the patterns again, counted on both sides."""
    def answered():
        return settled(campus, "campus_http_requests_total")

    passed_before, before = len(proxy.passed_on()), answered()
    own = answered() - before  # what it takes to look
    for _, _, pattern in BROKEN:
        proxy.client().raw_request(fill(pattern, admin, GET + b"\r\n"), half_close=True)
    after = answered() - own
    assert after - before - own <= len(proxy.passed_on()) - passed_before


# -- whose request it is -----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def strict(new_campus):
    """Two requests a second from one address."""
    return new_campus(settings={"CAMPUS_TRUSTED_PROXIES": "127.0.0.1", "CAMPUS_RATE_ADDRESS": "2"})


@pytest.fixture(scope="module", params=["nginx", "haproxy"])
def strict_proxy(strict, request):
    with Proxy(request.param, strict) as proxy:
        yield proxy


def statuses(proxy, source, count, forwarded=None):
    """Of requests from that address of this host, the last of them or the first that is refused."""
    connection = http.client.HTTPConnection("127.0.0.1", proxy.port, timeout=30, source_address=(source, 0))
    seen = []
    while len(seen) < count and 429 not in seen:
        headers = {} if forwarded is None else {"X-Forwarded-For": forwarded(len(seen))}
        connection.request("GET", "/v1/nothing", headers=headers)
        answer = connection.getresponse()
        answer.read()
        seen.append(answer.status)
    connection.close()
    return seen


def test_clients_are_told_apart(strict_proxy):
    """Each by its own address; what a client writes itself is passed on, and believed by nobody."""
    first, second, liar = (f"127.{len(strict_proxy.name)}.0.{i}" for i in (1, 2, 3))
    assert statuses(strict_proxy, first, 1000)[-1] == 429
    assert statuses(strict_proxy, second, 1) == [404]
    assert statuses(strict_proxy, liar, 1000, lambda i: f"203.0.113.{i % 250}")[-1] == 429
    assert statuses(strict_proxy, second, 1, lambda i: liar) == [404]
