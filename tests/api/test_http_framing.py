"""HTTP/1.1 byte by byte: what is broken is refused and the connection closed, with nothing behind it executed; what is
right is read to the letter. Sections in brackets are those of RFC 9112, or of RFC 9110 where they say so."""

import contextlib
import json

import pytest

from api.given import new_label
from api.wire import GET, HEAD, POST, Read, answers_in, campus, creation, fill, read_answer, settled, wire
from harness import wait_until


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
    ("3.2.2", "no Host beside the absolute form", b"GET http://x/healthz HTTP/1.1\r\n\r\n@SMUGGLED"),
    ("3.2.2", "two Hosts beside the absolute form", GET.replace(b" /", b" http://x/") + b"Host: x\r\n\r\n@SMUGGLED"),
    ("3.2.2", "an absolute form of another scheme", b"GET ftp://x/healthz HTTP/1.1\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("3.2.2", "a scheme with one slash", b"GET http:/x/healthz HTTP/1.1\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("3.2.2", "an absolute form of dots", b"GET http://x/v1/../healthz HTTP/1.1\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("3.2.2", "an absolute form with two slashes", b"GET http://x//healthz HTTP/1.1\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("9110 4.2.1", "an absolute form without a host", b"GET http:///healthz HTTP/1.1\r\nHost: x\r\n\r\n@SMUGGLED"),
    ("9110 4.2.4", "an absolute form with a user", b"GET http://a@x/healthz HTTP/1.1\r\nHost: x\r\n\r\n@SMUGGLED"),
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
            assert problem["request_id"] == only.headers["x-request-id"]
            assert problem["status"] == 400 and problem["code"] in ("bad_request", "bad_target", "body_not_allowed"), problem
    client.get(f"/v1/organisations/{path}").expect(404)


def send_pieces(wire, pieces):
    """As raw_request, with each piece in a segment of its own."""
    if len(pieces) == 1:
        return wire.raw_request(pieces[0])
    with wire.dial() as sock:
        for piece in pieces:
            with contextlib.suppress(OSError):
                sock.sendall(piece)
        return Read(sock)


def test_the_smuggled_request_is_one(wire, client, admin):
    """Behind what is right, the same bytes do what they say: else the tests above could not fail."""
    path = new_label("s")
    data = GET + b"\r\n" + creation(admin, path).replace(b"Host:", b"Connection: close\r\nHost:")
    assert wire.raw_request(data).statuses == [200, 201]
    client.get(f"/v1/organisations/{path}").expect(200)


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
    with wire.dial() as sock:  # byte by byte
        for byte in data:
            sock.sendall(bytes([byte]))
        assert read_answer(sock).status == 422


@pytest.mark.parametrize("head", [
    b"\r\n\r\nGET /healthz HTTP/1.1\r\nHost: x\r\n",                 # 2.2: empty lines before a request
    b"GET /healthz HTTP/1.1\r\nHost: [::1]:8080\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: a.example:80\r\nX-Empty:\r\nX-A: \xe4\xba\xba\xff\r\n",
    b"GET /healthz? HTTP/1.1\r\nHost: x\r\n",
    b"GET http://other.example/healthz HTTP/1.1\r\nHost: x\r\n",   # 3.2.2: the target's authority, not Host
    b"GET HTTPS://[::1]:8443/healthz? HTTP/1.1\r\nHost: x\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n",
    b"GET /healthz HTTP/1.1\r\nHost: x\r\n!#$%&'*+-.^_`|~: y\r\n",
], ids=lambda head: head.strip().split(b"\r\n")[0].decode() + str(len(head)))
def test_heads(wire, head):
    answer = wire.raw_request(head + b"Connection: close\r\n\r\n")
    assert answer.statuses == [200] and answer.closed, answer
