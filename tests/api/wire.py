"""wire.py -- HTTP/1.1 byte by byte, for the tests of the server: requests with marks in them, and answers as they came."""

import contextlib
import json
import re

import pytest

import harness
from harness import wait_until

KEY = b"@KEY"
HEAD = b"Host: campus.example\r\nAuthorization: Bearer @KEY\r\nContent-Type: application/json\r\n"
POST = b"POST /v1/organisations HTTP/1.1\r\n" + HEAD
GET = b"GET /healthz HTTP/1.1\r\nHost: campus.example\r\n"


def creation(key, path):
    """A whole request that makes an organisation: what a smuggler would hide."""
    body = json.dumps({"path": path, "kind": "union", "title": "smuggled"}).encode()
    return (b"POST /v1/organisations HTTP/1.1\r\nHost: campus.example\r\nAuthorization: Bearer " + key.encode()
            + b"\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def fill(pattern, key, smuggled=b""):
    """Puts in the key, the smuggled request, its length, and its length in hexadecimal."""
    for mark, value in ((b"@KEY", key.encode()), (b"@SIZE", b"%d" % len(smuggled)), (b"@HEX", b"%x" % len(smuggled)),
                        (b"@SMUGGLED", smuggled)):
        pattern = pattern.replace(mark, value)
    return pattern


class Answer:
    """One answer of several on a connection."""

    def __init__(self, head, body):
        status, *lines = head.decode("ascii").split("\r\n")
        assert re.fullmatch(r"HTTP/1\.1 \d{3} [A-Za-z -]+", status), status
        self.status = int(status[9:12])
        self.lines = [line.split(": ", 1) for line in lines]
        self.headers = {name.lower(): value for name, value in self.lines}
        self.body = body

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body[:200]!r}"


def answers_in(data, bodiless=()):
    """The answers in these bytes, which they fill exactly; those whose index is in `bodiless` answer a HEAD."""
    found = []
    while data:
        head, blank, data = data.partition(b"\r\n\r\n")
        assert blank, head
        answer = Answer(head, b"")
        if answer.status not in (100, 204, 304) and sum(a.status != 100 for a in found) not in bodiless:
            size = int(answer.headers["content-length"])
            assert len(data) >= size, answer
            answer.body, data = data[:size], data[size:]
        found.append(answer)
    return found


class Read:
    """All that comes until the other side closes; the bytes, the statuses."""

    def __init__(self, sock):
        self.data, self.closed = b"", False
        with contextlib.suppress(OSError):
            while part := sock.recv(65536):
                self.data += part
            self.closed = True
        self.statuses = harness.RawAnswer(self.data, self.closed, 0).statuses

    def __repr__(self):
        return f"{self.data!r} closed={self.closed}"


def read_answer(sock, bodiless=False):
    """The next answer on a connection that goes on."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = sock.recv(1)
        assert part, f"closed behind {data!r}"
        data += part
    answer = Answer(data[:-4], b"")
    size = 0 if bodiless or answer.status in (100, 204, 304) else int(answer.headers["content-length"])
    while len(answer.body) < size:
        part = sock.recv(size - len(answer.body))
        assert part, "closed in a body"
        answer.body += part
    return answer


def settled(campus, name, **labels):
    """A counter when it counts all that was: the page is written anew every second."""
    accepted = campus.metric("campus_http_accepted_total")
    with campus.client() as client:
        client.get("/healthz")
    wait_until(lambda: campus.metric("campus_http_accepted_total") > accepted, "a new page")
    return campus.metric(name, **labels)


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "tls"])
def campus(new_campus, request):
    """For modules that import it: over either, HTTP is the same."""
    return new_campus(tls=request.param)


@pytest.fixture(scope="module")
def wire(campus):
    """A client of it without a key, for bytes as they are."""
    with campus.client() as client:
        yield client
