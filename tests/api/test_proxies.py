"""Behind proxies: X-Forwarded-For is believed from those that are trusted, as far as it can be, and from nobody else."""

import contextlib

import pytest

from harness import HarnessError, wait_until


@pytest.fixture(scope="module")
def behind(new_campus):
    """The test is the proxy, and 10.0.0.0/8 are others."""
    return new_campus(settings={"CAMPUS_TRUSTED_PROXIES": "127.0.0.1, 10.0.0.0/8, fd00::/8", "CAMPUS_RATE_ADDRESS": "2",
                                "CAMPUS_MAX_CONNECTIONS_ADDRESS": "6", "CAMPUS_MAX_CONNECTIONS": "12"})


@pytest.fixture(scope="module")
def exposed(new_campus):
    """Trusts a proxy that is not us."""
    return new_campus(settings={"CAMPUS_TRUSTED_PROXIES": "127.0.0.2", "CAMPUS_RATE_ADDRESS": "2"})


def exhaust(campus, *forwarded):
    """Asks until the address has had too much; each request with the next of these fields, over and over."""
    with campus.client() as client:
        for i in range(1000):
            answer = client.get("/v1/nothing", headers={"X-Forwarded-For": forwarded[i % len(forwarded)]})
            if answer.status == 429:
                assert answer.code == "too_many_requests" and int(answer.headers["Retry-After"]) >= 1
                return
            answer.expect(404)
    raise HarnessError("never too much")


def served(campus, forwarded):
    with campus.client() as client:
        return client.get("/v1/nothing", headers={"X-Forwarded-For": forwarded}).status == 404


def test_each_client_has_its_own_limit(behind):
    exhaust(behind, "198.51.100.1")
    assert served(behind, "198.51.100.2")
    exhaust(behind, "198.51.100.2")


def test_what_a_client_writes_itself_moves_nothing(behind):
    exhaust(behind, *(f"203.0.113.{i}, 198.51.100.3" for i in range(200)))
    exhaust(behind, *(f"203.0.113.{i}, 10.0.0.9, 198.51.100.4, 10.0.0.{i}" for i in range(200)))
    exhaust(behind, *(f"unknown{i}, 198.51.100.5:{4000 + i}" for i in range(200)))
    assert served(behind, "198.51.100.6, 203.0.113.250")  # no one has asked from there


def test_a_network_of_ipv6_is_one_client(behind):
    exhaust(behind, *(f"[2001:db8::{i:x}]:80" for i in range(200)))
    assert served(behind, "2001:db8:0:1::1")


def test_what_is_no_address_is_the_proxys(behind):
    exhaust(behind, "unknown", "", "1.2.3", "198.51.100.7, ?")
    assert served(behind, "198.51.100.7")


def test_nobody_else_is_believed(exposed):
    exhaust(exposed, *(f"198.51.100.{i}" for i in range(200)))


def test_a_trusted_proxy_may_have_many_connections(behind):
    """Up to what there may be in all."""
    wait_until(lambda: behind.metric("campus_http_connections") == 0, "no connections left")
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(behind.client()) for _ in range(12)]
        for client in clients:
            client.get("/healthz").expect(200)
        with behind.client() as surplus:
            surplus.get("/healthz").expect(503)


@pytest.mark.parametrize("trusted", ["localhost", "10.0.0.0/33", "10.0.0.1/8", "127.0.0.1, *"])
def test_bad_networks_stop_the_start(exposed, trusted):
    done = exposed.run("serve", "gateway", f"--trusted_proxies={trusted}", "--listen=127.0.0.1:0", check=False)
    bad = trusted.split(", ")[-1]
    assert done.returncode == 1 and f"setting trusted_proxies: '{bad}' is neither an address nor a network" in done.stderr
