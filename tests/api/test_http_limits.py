"""What a connection may ask for, how long it may take, and how many there may be: within it all is served, beyond it refused
with its reason, and the connection closed."""

import contextlib
import json
import socket

import pytest

from api.given import MEMBERS
from api.wire import GET, POST, Read, answers_in, campus, fill, read_answer, settled, wire
from harness import wait_until


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
    with wire.dial() as sock:
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


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "tls"])
def tight(new_campus, request):
    return new_campus(tls=request.param, settings={
        "CAMPUS_HEADER_MS": "300", "CAMPUS_BODY_MS": "300", "CAMPUS_IDLE_MS": "600", "CAMPUS_WRITE_MS": "400"})


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
    with tight_wire.dial() as sock:
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
    with tight_wire.dial() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.settimeout(10)
        request = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
        with contextlib.suppress(OSError):
            sock.sendall(request * 2000)  # 80 MB of answers
        wait_until(lambda: tight.metric("campus_http_timed_out_total") == before + 1, "the connection cut")


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
def test_connections_of_one_address(new_campus, tls):
    crowded = new_campus(tls=tls, settings={"CAMPUS_MAX_CONNECTIONS_ADDRESS": "6"})
    ask = GET + b"Connection: close\r\n\r\n"
    wait_until(lambda: crowded.metric("campus_http_connections") == 0, "no connections left")
    with crowded.client() as client, contextlib.ExitStack() as stack:
        held = [stack.enter_context(client.dial()) for _ in range(6)]
        for sock in held:  # each is let in, and those who are in are served on
            sock.sendall(GET + b"\r\n")
            assert read_answer(sock).status == 200
        answer = client.raw_request(ask)
        assert answer.statuses == [503] and answer.closed, answer
        surplus = answers_in(answer.data)[0]
        assert int(surplus.headers["retry-after"]) >= 1 and json.loads(surplus.body)["code"] == "unavailable"
        held[0].sendall(GET + b"\r\n")
        assert read_answer(held[0]).status == 200
        held[1].close()
        wait_until(lambda: client.raw_request(ask).statuses == [200], "room")
