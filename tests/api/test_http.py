"""HTTP/1.1 byte by byte: what is broken is refused and the connection closed, with nothing behind it executed; what is
right works to the letter. Sections in brackets are those of RFC 9112, or of RFC 9110 where they say so."""

import contextlib
import json
import re
import socket

import pytest

from api.given import MEMBERS, NOBODY, UUID, check_problem, committee, new_label
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


# -- what is broken ----------------------------------------------------------------------------------------------------

BROKEN = [
    # (section, what, bytes)
    # The length of a message
    ("6.3", "two lengths, the first 0", POST + b"Content-Length: 0\r\nContent-Length: @SIZE\r\n\r\n@SMUGGLED"),
    ("6.3", "two lengths, the last 0", POST + b"Content-Length: @SIZE\r\nContent-Length: 0\r\n\r\n@SMUGGLED"),
    ("6.3", "the same length twice", POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}@SMUGGLED"),
    ("6.3", "a list of lengths", POST + b"Content-Length: 0, @SIZE\r\n\r\n@SMUGGLED"),
    ("6.3", "a list of one length", POST + b"Content-Length: 0, 0\r\n\r\n@SMUGGLED"),
    ("6.1", "coding and length", POST + b"Transfer-Encoding: chunked\r\nContent-Length: @SIZE\r\n\r\n0\r\n\r\n@SMUGGLED"),
    ("6.1", "length and coding", POST + b"Content-Length: @SIZE\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n@SMUGGLED"),
    ("6.1", "length 0 and coding", POST + b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n@HEX\r\n@SMUGGLED\r\n0\r\n\r\n"),
    ("9110 8.6", "length +0", POST + b"Content-Length: +0\r\n\r\n@SMUGGLED"),
    ("9110 8.6", "length +size", POST + b"Content-Length: +@SIZE\r\n\r\n@SMUGGLED"),
    ("9110 8.6", "length -1", POST + b"Content-Length: -1\r\n\r\n@SMUGGLED"),
    ("9110 8.6", "length in hexadecimal", POST + b"Content-Length: 0x2\r\n\r\n{}@SMUGGLED"),
    ("9110 8.6", "length with a point", POST + b"Content-Length: 2.0\r\n\r\n{}@SMUGGLED"),
    ("9110 8.6", "two numbers", POST + b"Content-Length: 2 2\r\n\r\n{}@SMUGGLED"),
    ("9110 8.6", "empty length", POST + b"Content-Length:\r\n\r\n@SMUGGLED"),
    ("9110 8.6", "length in words", POST + b"Content-Length: two\r\n\r\n{}@SMUGGLED"),
    ("9110 8.6", "length with a comma", POST + b"Content-Length: 2,\r\n\r\n{}@SMUGGLED"),
    ("9110 8.6", "length 2^64 + 2", POST + b"Content-Length: 18446744073709551618\r\n\r\n{}@SMUGGLED"),
    ("9110 8.6", "length of 40 digits", POST + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n@SMUGGLED"),
    ("9110 8.6", "length behind a vertical tab", POST + b"Content-Length: \x0b2\r\n\r\n{}@SMUGGLED"),
    ("9110 8.6", "length and NUL", POST + b"Content-Length: 2\x00\r\n\r\n{}@SMUGGLED"),
    # Bodies where none belongs
    ("9110 9.3.2", "HEAD with a body", b"HEAD /v1/organisations HTTP/1.1\r\n" + HEAD + b"Content-Length: @SIZE\r\n\r\n@SMUGGLED"),
    ("9110 9.3.1", "GET with a body", b"GET /v1/organisations HTTP/1.1\r\n" + HEAD + b"Content-Length: @SIZE\r\n\r\n@SMUGGLED"),
    ("9110 9.3.1", "GET with chunks", GET + b"Transfer-Encoding: chunked\r\n\r\n@HEX\r\n@SMUGGLED\r\n0\r\n\r\n"),
    ("9110 9.3.5", "DELETE with a body", b"DELETE /v1/organisations HTTP/1.1\r\n" + HEAD + b"Content-Length: @SIZE\r\n\r\n@SMUGGLED"),
    # Codings
    ("5.1", "coding with a space before the colon", POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n@SMUGGLED"),
    ("5.1", "length with a space before the colon", POST + b"Content-Length : @SIZE\r\n\r\n@SMUGGLED"),
    ("5.1", "coding with a tab before the colon", POST + b"Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n@SMUGGLED"),
    ("6.1", "coding gzip", POST + b"Transfer-Encoding: gzip\r\n\r\n@SMUGGLED"),
    ("6.1", "coding identity", POST + b"Transfer-Encoding: identity\r\n\r\n@SMUGGLED"),
    ("6.1", "coding xchunked", POST + b"Transfer-Encoding: xchunked\r\n\r\n@SMUGGLED"),
    ("6.1", "coding chunkedx", POST + b"Transfer-Encoding: chunkedx\r\n\r\n0\r\n\r\n@SMUGGLED"),
    ("6.1", "coding behind a vertical tab", POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n@SMUGGLED"),
    ("6.1", "coding behind a form feed", POST + b"Transfer-Encoding: \x0cchunked\r\n\r\n0\r\n\r\n@SMUGGLED"),
    ("5.5", "coding and NUL", POST + b"Transfer-Encoding: chunked\x00x\r\n\r\n0\r\n\r\n@SMUGGLED"),
    ("6.1", "two codings", POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n@SMUGGLED"),
    ("6.1", "chunked twice", POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n@SMUGGLED"),
    ("6.1", "chunked not last", POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n@SMUGGLED"),
    ("6.1", "two fields", POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n@SMUGGLED"),
    ("6.1", "two fields, chunked last", POST + b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n@SMUGGLED"),
    ("6.1", "a quoted coding", POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n@SMUGGLED'),
    ("6.1", "a coding with a parameter", POST + b"Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n@SMUGGLED"),
    ("6.1", "an empty coding", POST + b"Transfer-Encoding:\r\n\r\n@SMUGGLED"),
    ("6.1", "a comma before", POST + b"Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n@SMUGGLED"),
    ("6.1", "chunked in HTTP/1.0", POST.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n@SMUGGLED"),
    ("5.2", "coding folded", POST + b"Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n@SMUGGLED"),
    # Chunks
    ("7.1", "chunk size 0x2", POST + b"Transfer-Encoding: chunked\r\n\r\n0x2\r\n{}\r\n0\r\n\r\n@SMUGGLED"),
    ("7.1", "chunk size with a space before", POST + b"Transfer-Encoding: chunked\r\n\r\n 2\r\n{}\r\n0\r\n\r\n@SMUGGLED"),
    ("7.1", "chunk size +2", POST + b"Transfer-Encoding: chunked\r\n\r\n+2\r\n{}\r\n0\r\n\r\n@SMUGGLED"),
    ("7.1", "chunk size -2", POST + b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n@SMUGGLED"),
    ("7.1", "no chunk size", POST + b"Transfer-Encoding: chunked\r\n\r\n\r\n{}\r\n0\r\n\r\n@SMUGGLED"),
    ("7.1", "chunk size of letters", POST + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n{}\r\n0\r\n\r\n@SMUGGLED"),
    ("7.1", "chunk size 2^64 + 2", POST + b"Transfer-Encoding: chunked\r\n\r\n10000000000000002\r\n{}\r\n0\r\n\r\n@SMUGGLED"),
    ("7.1", "chunk size line ends in LF", POST + b"Transfer-Encoding: chunked\r\n\r\n2\n{}\r\n0\r\n\r\n@SMUGGLED"),
    ("7.1", "chunk size line ends in CR", POST + b"Transfer-Encoding: chunked\r\n\r\n2\r{}\r\n0\r\n\r\n@SMUGGLED"),
    ("7.1", "chunk ends in LF", POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\n0\r\n\r\n@SMUGGLED"),
    ("7.1", "chunk without an end", POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}0\r\n\r\n@SMUGGLED"),
    ("7.1", "chunk longer than its size", POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}  \r\n0\r\n\r\n@SMUGGLED"),
    ("7.1", "last chunk ends in LF", POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\n\r\n@SMUGGLED"),
    ("7.1", "the end is an LF", POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\n@SMUGGLED"),
    ("7.1.1", "extension with LF", POST + b"Transfer-Encoding: chunked\r\n\r\n2;a\nb\r\n{}\r\n0\r\n\r\n@SMUGGLED"),
    ("7.1.1", "extension with NUL", POST + b"Transfer-Encoding: chunked\r\n\r\n2;a=\x00\r\n{}\r\n0\r\n\r\n@SMUGGLED"),
    ("7.1.2", "trailer line without a colon", POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nx\r\n\r\n@SMUGGLED"),
    ("9110 6.5.1", "a coding in a trailer",
     POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nTransfer-Encoding: x\r\n\r\n@SMUGGLED"),
    ("7.1.2", "trailer folded", POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: a\r\n b\r\n\r\n@SMUGGLED"),
    ("7.1.2", "trailer with a bare CR", POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: a\rb\r\n\r\n@SMUGGLED"),
    # Lines
    ("2.2", "lines that end in LF", b"GET /healthz HTTP/1.1\nHost: x\n\n@SMUGGLED"),
    ("2.2", "the request line ends in LF", b"GET /healthz HTTP/1.1\nHost: x\r\n\r\n@SMUGGLED"),
    ("2.2", "a field ends in LF", GET + b"X-A: b\n\r\n@SMUGGLED"),
    ("2.2", "the section ends in LF", GET + b"\n@SMUGGLED"),
    ("2.2", "the section ends in CR", GET + b"\r@SMUGGLED"),
    ("2.2", "bare CR in a value", GET + b"X-A: b\rc\r\n\r\n@SMUGGLED"),
    ("2.2", "bare CR for an end of line", GET + b"X-A: b\rContent-Length: @SIZE\r\n\r\n@SMUGGLED"),
    ("2.2", "CR CR LF", GET + b"X-A: b\r\r\n\r\n@SMUGGLED"),
    ("2.2", "a space before the first field", b"GET /healthz HTTP/1.1\r\n Host: x\r\nHost: y\r\n\r\n@SMUGGLED"),
    ("5.2", "a folded value", GET + b"X-A: b\r\n c\r\n\r\n@SMUGGLED"),
    ("5.2", "a value folded with a tab", GET + b"X-A: b\r\n\tc\r\n\r\n@SMUGGLED"),
    ("5.1", "no colon", GET + b"X-A\r\n\r\n@SMUGGLED"),
    ("5.1", "no name", GET + b": b\r\n\r\n@SMUGGLED"),
    ("5.1", "a space for a name", GET + b"X A: b\r\n\r\n@SMUGGLED"),
    ("5.1", "a name that is no token", GET + b"X(A): b\r\n\r\n@SMUGGLED"),
    ("5.1", "a name in UTF-8", GET + "é: b\r\n\r\n@SMUGGLED".encode()),
    ("5.1", "NUL in a name", GET + b"X\x00A: b\r\n\r\n@SMUGGLED"),
    ("9110 5.5", "NUL in a value", GET + b"X-A: b\x00c\r\n\r\n@SMUGGLED"),
    ("9110 5.5", "a control byte in a value", GET + b"X-A: b\x01c\r\n\r\n@SMUGGLED"),
    ("9110 5.5", "DEL in a value", GET + b"X-A: b\x7fc\r\n\r\n@SMUGGLED"),
    # Host
    ("3.2", "no Host", b"GET /healthz HTTP/1.1\r\n\r\n@SMUGGLED"),
    ("3.2", "two Hosts", GET + b"Host: other.example\r\n\r\n@SMUGGLED"),
    ("3.2", "the same Host twice", GET + b"Host: campus.example\r\n\r\n@SMUGGLED"),
    ("3.2", "a list of Hosts", b"GET /healthz HTTP/1.1\r\nHost: a.example, b.example\r\n\r\n@SMUGGLED"),
    ("3.2", "a Host with a path", b"GET /healthz HTTP/1.1\r\nHost: a.example/x\r\n\r\n@SMUGGLED"),
    ("3.2", "a Host with a user", b"GET /healthz HTTP/1.1\r\nHost: a@b.example\r\n\r\n@SMUGGLED"),
    ("3.2", "a Host with a space", b"GET /healthz HTTP/1.1\r\nHost: a b\r\n\r\n@SMUGGLED"),
    ("3.2", "a Host with a bad port", b"GET /healthz HTTP/1.1\r\nHost: a:b\r\n\r\n@SMUGGLED"),
    ("3.2", "a Host in UTF-8", "GET /healthz HTTP/1.1\r\nHost: 例子\r\n\r\n@SMUGGLED".encode()),
    ("9110 4.2.1", "an empty Host", b"GET /healthz HTTP/1.1\r\nHost:\r\n\r\n@SMUGGLED"),
    # The request line
    ("2.3", "HTTP/1.9", b"GET /healthz HTTP/1.9\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("2.3", "HTTP/2.0", b"GET /healthz HTTP/2.0\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("2.3", "HTTP/0.9", b"GET /healthz HTTP/0.9\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("2.3", "HTTP/11", b"GET /healthz HTTP/11\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("2.3", "HTTP/1.10", b"GET /healthz HTTP/1.10\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("2.3", "http in small letters", b"GET /healthz http/1.1\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("2.3", "another protocol", b"GET /healthz ICE/1.0\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("3", "no version", b"GET /healthz\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("3", "no target", b"GET HTTP/1.1\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("3", "two spaces", b"GET  /healthz HTTP/1.1\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("3", "two spaces before the version", b"GET /healthz  HTTP/1.1\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("3", "a space behind the version", b"GET /healthz HTTP/1.1 \r\nHost: x\r\n\r\n@SMUGGLED"),
    ("3", "a tab between", b"GET\t/healthz HTTP/1.1\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("3", "a space before the method", b" GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("3.1", "a method that is no token", b"G(T /healthz HTTP/1.1\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("3.2.3", "CONNECT", b"CONNECT a.example:443 HTTP/1.1\r\nHost: a.example:443\r\n\r\n@SMUGGLED"),
    ("3.2.2", "the absolute form", b"GET http://other.example/healthz HTTP/1.1\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("3.2.4", "GET *", b"GET * HTTP/1.1\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("3.2", "a target without a slash", b"GET healthz HTTP/1.1\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("3.2", "a space in the target", b"GET /heal thz HTTP/1.1\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("3.2", "a control byte in the target", b"GET /heal\x01thz HTTP/1.1\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("3.2", "NUL in the target", b"GET /healthz\x00 HTTP/1.1\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("3.2", "a tab in the target", b"GET /heal\tthz HTTP/1.1\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("3.2", "a fragment", b"GET /healthz#x HTTP/1.1\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("3.2", "raw UTF-8 in the target", "GET /人 HTTP/1.1\r\nHost: x\r\n\r\n@SMUGGLED".encode()),
    ("3.2", "raw UTF-8 in the query", "GET /healthz?q=人 HTTP/1.1\r\nHost: x\r\n\r\n@SMUGGLED".encode()),
    ("3.2", "a backslash", b"GET /v1\\people HTTP/1.1\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("3.2.1", "two slashes", b"GET //healthz HTTP/1.1\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("3.2.1", "what looks like an authority", b"GET //a//healthz HTTP/1.1\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("3.2.1", "two slashes in the middle", b"GET /v1//people HTTP/1.1\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("3986 5.2.4", "..", b"GET /v1/../healthz HTTP/1.1\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("3986 5.2.4", ".", b"GET /./healthz HTTP/1.1\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("3986 5.2.4", ".. at the end", b"GET /healthz/.. HTTP/1.1\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("3986 5.2.4", "%2e%2e", b"GET /v1/%2e%2E/healthz HTTP/1.1\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("3986 2.1", "%00", b"GET /healthz%00 HTTP/1.1\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("3986 2.1", "%00 in the query", b"GET /healthz?a=%00 HTTP/1.1\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("3986 2.1", "%2f", b"GET /v1%2fpeople HTTP/1.1\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("3986 2.1", "%5c", b"GET /v1%5Cpeople HTTP/1.1\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("3986 2.1", "half an escape", b"GET /healthz%2 HTTP/1.1\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("3986 2.1", "an escape of letters", b"GET /healthz%zz HTTP/1.1\r\nHost: x\r\n\r\n@SMUGGLED"),
    # Other protocols
    ("9110 10.1.1", "another expectation", POST + b"Expect: 200-ok\r\nContent-Length: @SIZE\r\n\r\n@SMUGGLED"),
    ("9110 7.8", "an upgrade", GET + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n@SMUGGLED"),
    ("9113 3.4", "the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n@SMUGGLED"),
    ("8446 4.1.2", "TLS", b"\x16\x03\x01\x00\xee\x01\x00\x00\xea\x03\x03" + bytes(range(256)) + b"\r\n\r\n@SMUGGLED"),
    ("", "a PROXY header", b"PROXY TCP4 10.0.0.1 10.0.0.2 1 2\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("", "bytes that mean nothing", b"\xff\xfe\xfd\x00\r\n\r\n@SMUGGLED"),
]


@pytest.fixture(scope="module")
def wire(campus):
    with campus.client() as client:
        yield client


@pytest.mark.parametrize("pattern", [case[2] for case in BROKEN], ids=[f"{case[0]} {case[1]}" for case in BROKEN])
def test_broken_http(wire, client, admin, pattern):
    """The same bytes in one piece, and cut in two wherever a reader's state could be forgotten."""
    path = new_label("s")
    data = fill(pattern, admin, creation(admin, path))
    for pieces in ((data,), (data[:1], data[1:]), (data[:-len(data) // 2], data[-len(data) // 2:])):
        answer = send_pieces(wire, pieces)
        assert answer.statuses == [400] and answer.closed, answer
        only = answers_in(answer.data, bodiless=[0] if pattern.startswith(b"HEAD") else [])[0]
        assert only.headers["connection"] == "close" and only.headers["content-type"] == "application/problem+json", only
        if only.body:
            problem = json.loads(only.body)
            assert problem["status"] == 400 and problem["code"] in ("bad_request", "bad_target", "body_not_allowed"), problem
    client.get(f"/v1/organisations/{path}").expect(404)


def send_pieces(wire, pieces):
    """As raw_request, with each piece in a segment of its own."""
    if len(pieces) == 1:
        return wire.raw_request(pieces[0])
    with connected(wire) as sock:
        for piece in pieces:
            with contextlib.suppress(OSError):
                sock.sendall(piece)
        return Read(sock)


@contextlib.contextmanager
def connected(wire):
    with socket.create_connection((wire.host, wire.port), 10) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield sock


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


def test_the_smuggled_request_is_one(wire, client, admin):
    """Behind what is right, the same bytes do what they say: else the tests above could not fail."""
    path = new_label("s")
    data = GET + b"\r\n" + creation(admin, path).replace(b"Host:", b"Connection: close\r\nHost:")
    assert wire.raw_request(data).statuses == [200, 201]
    client.get(f"/v1/organisations/{path}").expect(200)


def settled(campus, name, **labels):
    """A counter when it counts all that was: the page is written anew every second."""
    accepted = campus.metric("campus_http_accepted_total")
    with campus.client() as client:
        client.get("/healthz")
    wait_until(lambda: campus.metric("campus_http_accepted_total") > accepted, "a new page")
    return campus.metric(name, **labels)


def test_refusals_are_counted(campus, wire):
    before = settled(campus, "campus_http_refused_total", code="bad_request")
    wire.raw_request(b"x\r\n\r\n")
    wait_until(lambda: campus.metric("campus_http_refused_total", code="bad_request") == before + 1, "one more")


# -- what is right -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", [
    b"Content-Length: 2\r\n\r\n{}",
    b"content-length:2\r\n\r\n{}",
    b"CONTENT-LENGTH:   2   \r\n\r\n{}",
    b"Content-Length: 002\r\n\r\n{}",
    b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"transfer-encoding:CHUNKED\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n0002\r\n{}\r\n00\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n2;a;b=c\r\n{}\r\n0;x\r\n\r\n",
    b"Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\n{}\r\n0\r\nX-Sum: 1\r\nX-Other: a b\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\nA\r\n{        }\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\na\r\n{        }\r\n0\r\nContent-Length: 500\r\nHost: other.example\r\n\r\n",
], ids=lambda ending: ending.split(b"\r\n\r\n", 1)[0].decode()[:30] + "/" + str(len(ending)))
def test_bodies(wire, admin, ending):
    """Read to the byte: the request behind is understood (6, 7)."""
    data = fill(POST, admin) + ending
    answer = wire.raw_request(data + GET + b"Connection: close\r\n\r\n")
    assert answer.statuses == [422, 200] and answer.closed, answer
    with connected(wire) as sock:  # byte by byte
        for byte in data:
            sock.sendall(bytes([byte]))
        assert read_answer(sock).status == 422


@pytest.mark.parametrize("head", [
    b"\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n",                 # 2.2: empty lines before a request
    b"GET /healthz HTTP/1.1\r\nHost: [::1]:8080\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: a.example:80\r\nX-Empty:\r\nX-A: \xe4\xba\xba\xff\r\n",
    b"GET /healthz? HTTP/1.1\r\nHost: x\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\n!#$%&'*+-.^_`|~: y\r\n",
], ids=lambda head: head.strip().split(b"\r\n")[0].decode() + str(len(head)))
def test_heads(wire, head):
    answer = wire.raw_request(head + b"Connection: close\r\n\r\n")
    assert answer.statuses == [200] and answer.closed, answer


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
    with connected(wire) as sock:
        sock.sendall(b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        first = read_answer(sock)
        assert first.headers["connection"] == "keep-alive"
        sock.sendall(b"GET /healthz HTTP/1.0\r\n\r\n")
        assert Read(sock).statuses == [200]


def test_keep_alive(wire):
    with connected(wire) as sock:
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
    with connected(wire) as sock:
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
        with connected(wire) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # a reset, not an end
            sock.sendall(data)
    wire.close()
    wait_until(lambda: campus.metric("campus_http_connections") == 0, "no connections left")
    assert wire.get("/readyz").status == 200


# -- limits ------------------------------------------------------------------------------------------------------------


def refused(wire, data, status, code):
    answer = wire.raw_request(data)
    assert answer.statuses == [status] and answer.closed, answer
    problem = json.loads(answers_in(answer.data)[0].body)
    assert problem["code"] == code and problem["status"] == status and set(problem) <= MEMBERS, problem


def target_line(size):
    return b"GET /" + b"a" * (size - len("GET / HTTP/1.1")) + b" HTTP/1.1\r\n"


def test_long_request_lines(wire):
    close = b"Host: x\r\nConnection: close\r\n\r\n"
    assert wire.raw_request(target_line(8192) + close).statuses == [404]
    refused(wire, target_line(8193) + close, 414, "uri_too_long")
    refused(wire, b"GET /" + b"a" * 100000, 414, "uri_too_long")
    refused(wire, b"A" * 9000, 414, "uri_too_long")


def test_large_headers(wire):
    refused(wire, GET + b"X: " + b"a" * 17000, 431, "headers_too_large")
    refused(wire, GET + b"X-" + b"a" * 17000, 431, "headers_too_large")
    refused(wire, GET + b"A:b\r\n" * 5000, 431, "headers_too_large")
    assert wire.raw_request(GET + b"A:b\r\n" * 62 + b"Connection: close\r\n\r\n").statuses == [200]
    refused(wire, GET + b"A:b\r\n" * 63 + b"Connection: close\r\n\r\n", 431, "headers_too_large")
    assert wire.raw_request(GET + b"X: " + b"a" * 16000 + b"\r\nConnection: close\r\n\r\n").statuses == [200]


def test_large_bodies(wire, admin):
    """Refused by what is announced, before it is sent; without an announcement, where the limit is passed."""
    post = fill(POST, admin)
    refused(wire, post + b"Content-Length: 65537\r\n\r\n", 413, "too_large")
    refused(wire, post + b"Content-Length: 9223372036854775807\r\n\r\n", 413, "too_large")
    refused(wire, post + b"Transfer-Encoding: chunked\r\n\r\n10001\r\n", 413, "too_large")
    refused(wire, post + b"Transfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\n", 413, "too_large")
    refused(wire, post + b"Transfer-Encoding: chunked\r\n\r\n" + (b"400\r\n" + b" " * 1024 + b"\r\n") * 65, 413, "too_large")
    # Nobody without a key gets more than a little memory, whatever the method admits.
    upload = b"POST /v1/people:import HTTP/1.1\r\nHost: x\r\nContent-Type: text/csv\r\nContent-Length: %d\r\n"
    refused(wire, upload % 65537 + b"\r\n", 413, "too_large")
    with connected(wire) as sock:
        key = b"Authorization: Bearer " + admin.encode()
        sock.sendall(upload % 8388608 + key + b"\r\nExpect: 100-continue\r\n\r\n")
        assert read_answer(sock).status == 100
    refused(wire, upload % 8388609 + key + b"\r\n\r\n", 413, "too_large")


def test_large_chunk_extensions_and_trailers(wire, admin):
    post = fill(POST, admin) + b"Transfer-Encoding: chunked\r\n\r\n"
    refused(wire, post + b"2;a=" + b"b" * 5000 + b"\r\n{}\r\n0\r\n\r\n", 400, "bad_request")
    refused(wire, post + b"1;aaaaaaaa\r\n \r\n" * 600 + b"0\r\n\r\n", 400, "bad_request")
    refused(wire, post + b"2\r\n{}\r\n0\r\nX: " + b"a" * 17000 + b"\r\n\r\n", 431, "headers_too_large")
    refused(wire, post + b"2\r\n{}\r\n0\r\n" + b"A:b\r\n" * 100 + b"\r\n", 431, "headers_too_large")


# -- time, and how many at once ----------------------------------------------------------------------------------------

HEADER_S = BODY_S = 0.3
IDLE_S = 0.6


@pytest.fixture(scope="module")
def tight(new_campus):
    return new_campus(settings={
        "CAMPUS_HEADER_MS": "300", "CAMPUS_BODY_MS": "300", "CAMPUS_IDLE_MS": "600", "CAMPUS_WRITE_MS": "400",
        "CAMPUS_MAX_CONNECTIONS_ADDRESS": "6",
        "CAMPUS_CORS_ORIGINS": "https://league.example, http://localhost:3000"})


@pytest.fixture(scope="module")
def tight_admin(tight):
    return tight.key()


@pytest.fixture
def tight_wire(tight):
    with tight.client() as client:
        yield client


def test_slow_header(tight_wire):
    """The whole section has its time, however steadily it drips."""
    answer = tight_wire.raw_request(GET + b"X: " + b"a" * 1000, dribble=0.02)
    assert answer.statuses == [408] and answer.closed and HEADER_S <= answer.seconds + 0.05 < 3, answer
    answer = tight_wire.raw_request(GET)
    assert answer.statuses == [408] and answer.closed and HEADER_S <= answer.seconds + 0.05 < 3, answer
    answer = tight_wire.raw_request(b"G", half_close=False)
    assert answer.statuses == [408] and answer.closed
    problem = json.loads(answers_in(answer.data)[0].body)
    assert problem["code"] == "request_timeout"


@pytest.mark.parametrize("framing", [b"Content-Length: 1000\r\n\r\n", b"Transfer-Encoding: chunked\r\n\r\n3e8\r\n",
                                     b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: "])
def test_slow_body(tight_wire, tight_admin, framing):
    """Sent at once, the head; dribbled, the body."""
    with connected(tight_wire) as sock:
        sock.sendall(fill(POST, tight_admin) + framing)
        sock.settimeout(0.02)
        data = b""
        for _ in range(500):
            with contextlib.suppress(TimeoutError, ConnectionError):
                sock.sendall(b"a")
            with contextlib.suppress(TimeoutError):
                data = sock.recv(65536)
                break
        assert data.startswith(b"HTTP/1.1 408 "), data
    answer = tight_wire.raw_request(fill(POST, tight_admin) + framing)
    assert answer.statuses == [408] and answer.closed and BODY_S <= answer.seconds + 0.05 < 3, answer


def test_idle_connections_end_without_a_word(tight_wire):
    answer = tight_wire.raw_request(b"")
    assert answer.data == b"" and answer.closed and IDLE_S <= answer.seconds + 0.05 < 4, answer
    answer = tight_wire.raw_request(GET + b"\r\n")
    assert answer.statuses == [200] and answer.closed and IDLE_S <= answer.seconds + 0.05 < 4, answer
    answer = tight_wire.raw_request(b"\r\n" * 200, dribble=0.02)  # empty lines are no request
    assert answer.data == b"" and answer.closed and answer.seconds < 4, answer


def test_clients_that_do_not_read(tight, tight_wire):
    """Answers wait in bounded memory, and not for ever."""
    before = settled(tight, "campus_http_timed_out_total")
    with connected(tight_wire) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(10)
        request = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
        with contextlib.suppress(OSError):
            sock.sendall(request * 2000)  # 80 MB of answers
        wait_until(lambda: tight.metric("campus_http_timed_out_total") == before + 1, "the connection cut")


def test_connections_of_one_address(tight, tight_wire):
    ask = GET + b"Connection: close\r\n\r\n"
    wait_until(lambda: tight.metric("campus_http_connections") == 0, "no connections left")
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(connected(tight_wire)) for _ in range(6)]
        for sock in held:  # each is let in, and those who are in are served on
            sock.sendall(GET + b"\r\n")
            assert read_answer(sock).status == 200
        answer = tight_wire.raw_request(ask)
        assert answer.statuses == [503] and answer.closed, answer
        surplus = answers_in(answer.data)[0]
        assert int(surplus.headers["retry-after"]) >= 1 and json.loads(surplus.body)["code"] == "unavailable"
        held[0].sendall(GET + b"\r\n")
        assert read_answer(held[0]).status == 200
        held[1].close()
        wait_until(lambda: tight_wire.raw_request(ask).statuses == [200], "room")


# -- CORS --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("origin, admitted", [("https://league.example", True), ("http://localhost:3000", True),
                                              ("https://evil.example", False), ("https://league.example.evil", False),
                                              ("http://league.example", False), ("null", False), ("https://league", False),
                                              ("HTTPS://LEAGUE.EXAMPLE", False), ("*", False)])
def test_cors(tight_wire, tight_admin, origin, admitted):
    ask = {"Origin": origin, "Access-Control-Request-Method": "PATCH", "Access-Control-Request-Headers": "authorization"}
    preflight = tight_wire.request("OPTIONS", f"/v1/people/{NOBODY}", headers=ask).expect(204)
    answers = [preflight, tight_wire.get("/v1/me", headers={"Origin": origin}).expect(401),
               tight_wire.get("/v1/me", headers={"Origin": origin, "Authorization": f"Bearer {tight_admin}"}).expect(200)]
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


# -- the document of the API -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def openapi(campus):
    with campus.client() as client:
        return client.get("/openapi.json").expect(200).json()


def operations(document):
    return [(method, path, operation) for path, item in document["paths"].items() for method, operation in item.items()]


def resolve(document, node):
    while "$ref" in node:
        assert node["$ref"].startswith("#/"), node
        found = document
        for part in node["$ref"][2:].split("/"):
            found = found[part]
        node = found
    return node


SCHEMA_WORDS = {"type", "format", "properties", "required", "items", "enum", "const", "pattern", "minLength", "maxLength",
                "minimum", "maximum", "minItems", "maxItems", "anyOf", "oneOf", "description", "additionalProperties", "$ref",
                "readOnly", "writeOnly", "title", "default", "examples", "x-personal", "deprecated"}


def check_schema(document, schema):
    assert set(schema) <= SCHEMA_WORDS, set(schema) - SCHEMA_WORDS
    if "$ref" in schema:
        resolve(document, schema)
    if "type" in schema:
        types = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
        assert set(types) <= {"object", "array", "string", "integer", "number", "boolean", "null"}, schema
    if "pattern" in schema:
        re.compile(schema["pattern"])
    assert set(schema.get("required", [])) <= set(schema.get("properties", {})), schema
    assert ("items" in schema) == (schema.get("type") == "array"), schema
    for inner in [*schema.get("properties", {}).values(), *schema.get("anyOf", []), *schema.get("oneOf", [])]:
        check_schema(document, inner)
    if "items" in schema:
        check_schema(document, schema["items"])


def test_openapi_is_sound(openapi):
    """The shape that OpenAPI 3.1 asks for, where a reader would stumble."""
    assert openapi["openapi"].startswith("3.1.") and openapi["info"]["title"] and openapi["info"]["version"]
    assert set(openapi) <= {"openapi", "info", "servers", "paths", "components", "tags", "security", "externalDocs"}
    tags = [tag["name"] for tag in openapi["tags"]]
    names = [operation["operationId"] for _, _, operation in operations(openapi)]
    assert len(names) == len(set(names)) and len(tags) == len(set(tags))
    shapes = [re.sub(r"\{\w+\}", "{}", path) for path in openapi["paths"]]
    assert len(shapes) == len(set(shapes))
    for schema in openapi["components"]["schemas"].values():
        check_schema(openapi, schema)
    for method, path, operation in operations(openapi):
        assert method in ("get", "put", "post", "delete", "patch") and path.startswith("/v1/")
        assert set(operation) <= {"operationId", "summary", "description", "tags", "parameters", "requestBody", "responses",
                                  "security", "x-permission", "x-access", "deprecated"}, operation
        assert operation["summary"] and set(operation["tags"]) <= set(tags)
        for requirement in operation["security"]:
            assert set(requirement) <= set(openapi["components"]["securitySchemes"])
        parameters = [resolve(openapi, parameter) for parameter in operation.get("parameters", [])]
        places = [(parameter["in"], parameter["name"]) for parameter in parameters]
        assert len(places) == len(set(places))
        assert {name for place, name in places if place == "path"} == set(re.findall(r"\{(\w+)\}", path)), path
        for parameter in parameters:
            assert parameter["in"] != "path" or parameter["required"] is True
            check_schema(openapi, parameter["schema"])
        contents = [operation["requestBody"]["content"]] if "requestBody" in operation else []
        assert not contents or method != "get"
        for status, response in operation["responses"].items():
            assert re.fullmatch(r"[1-5]\d\d|default", status)
            response = resolve(openapi, response)
            assert response["description"]
            contents.append(response.get("content", {}))
            for header in response.get("headers", {}).values():
                check_schema(openapi, resolve(openapi, header)["schema"])
        for content in contents:
            for media_type, media in content.items():
                assert re.fullmatch(r"[\w.+-]+/[\w.+-]+", media_type)
                check_schema(openapi, media["schema"])
        assert "default" in operation["responses"] and {"200", "201"} & set(operation["responses"])


def test_openapi_says_who_may(openapi):
    for _, path, operation in operations(openapi):
        if path != "/v1/me":
            assert re.fullmatch(r"[a-z]+\.[a-z_]+\.[a-z]+", operation["x-permission"]), path


def test_every_route_asks_nobody_for_a_key(openapi, anonymous):
    assert len(operations(openapi)) >= 20
    for method, path, operation in operations(openapi):
        target = re.sub(r"\{(\w+)\}", NOBODY, path)
        for json_body in ([None] if method == "get" else [None, {}]):
            answer = anonymous.request(method.upper(), target, json=json_body)
            if operation["security"]:
                check_problem(answer, 401, "unauthenticated")
            else:
                assert answer.status not in (401, 404, 405), answer
