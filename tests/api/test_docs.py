"""The files of the page at /docs as HTTP: how they are named, compressed, kept and guarded."""

import gzip
import json
import re

import pytest

from api.given import check_problem

TYPES = {
    "/docs": "text/html",
    "/docs/": "text/html",
    "/docs/docs.css": "text/css",
    "/docs/docs.js": "text/javascript",
    "/docs/icon.svg": "image/svg+xml",
    "/docs/licence.txt": "text/plain",
    "/docs/swagger-ui.css": "text/css",
    "/docs/swagger-ui-bundle.js": "text/javascript",
}
everywhere = pytest.mark.parametrize("path", TYPES)


@everywhere
def test_plain_and_compressed(anonymous, path):
    plain = anonymous.get(path).expect(200)
    packed = anonymous.get(path, headers={"Accept-Encoding": "br;q=1, gzip;q=0.8"}).expect(200)
    assert plain.headers.get_content_type() == packed.headers.get_content_type() == TYPES[path]
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.body) == plain.body
    assert plain.etag != packed.etag
    assert plain.headers["Vary"] == packed.headers["Vary"] == "Accept-Encoding"


@pytest.mark.parametrize("refusing", ["gzip;q=0", "identity", "br", "", "gzip;q=0.000, *"])
def test_compressed_only_for_those_who_take_it(anonymous, refusing):
    answer = anonymous.get("/docs", headers={"Accept-Encoding": refusing}).expect(200)
    assert "Content-Encoding" not in answer.headers
    assert answer.text.startswith("<!doctype html>")


@everywhere
def test_known_content_is_not_sent_again(anonymous, path):
    for encoding in ("identity", "gzip"):
        headers = {"Accept-Encoding": encoding}
        etag = anonymous.get(path, headers=headers).expect(200).etag
        assert re.fullmatch(r'"[0-9a-f]{32}"', etag)
        known = anonymous.get(path, headers={**headers, "If-None-Match": f'"x", W/{etag}'}).expect(304)
        assert known.etag == etag and known.body == b""
        anonymous.get(path, headers={**headers, "If-None-Match": '"x"'}).expect(200)


@everywhere
def test_methods(anonymous, path):
    whole = anonymous.get(path).expect(200)
    head = anonymous.request("HEAD", path).expect(200)
    assert head.body == b"" and head.headers["Content-Length"] == str(len(whole.body)) and head.etag == whole.etag
    assert anonymous.request("OPTIONS", path).expect(204).headers["Allow"] == "GET, HEAD, OPTIONS"
    refused = anonymous.post(path).expect(405, "method_not_allowed")
    assert refused.headers["Allow"] == "GET, HEAD, OPTIONS"


@everywhere
def test_a_browser_may_do_nothing_else_with_it(anonymous, path):
    headers = anonymous.get(path).expect(200).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self' data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize("path", ["/docs/x", "/docs/index.html", "/doc", "/docs/docs.css.gz", "/docs/introduction.md"])
def test_nothing_else_is_there(anonymous, path):
    check_problem(anonymous.get(path), 404, "not_found")


def test_options_of_own_paths(anonymous):
    assert anonymous.request("OPTIONS", "/healthz").expect(204).headers["Allow"] == "GET, HEAD, OPTIONS"


def test_many_at_once_on_one_connection(anonymous):
    """Large files leave by reference: in order, whole, and between answers that are copied."""
    expected = anonymous.get("/docs/swagger-ui-bundle.js").expect(200).body
    request = b"GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n"
    wanted = [b"/docs/swagger-ui-bundle.js", b"/healthz", b"/docs/icon.svg"] * 3
    stream = b"".join(request % (path, b"") for path in wanted) + request % (b"/healthz", b"Connection: close\r\n")
    answer = anonymous.raw_request(stream, timeout=30)
    assert answer.data.count(b"HTTP/1.1 200 OK\r\n") == len(wanted) + 1 and answer.closed
    assert answer.data.count(expected) == 3


# -- what the page is made from ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def document(campus):
    with campus.client() as client:
        return client.get("/openapi.json").expect(200).json()


def operations(document):
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield path, method, operation


def test_every_operation_has_a_heading_and_words(document):
    described = {tag["name"]: tag["description"] for tag in document["tags"]}
    assert {"organisations", "people", "memberships", "keys"} <= set(described) and all(described.values())
    for _, _, operation in operations(document):
        assert set(operation["tags"]) <= set(described)
        assert operation["summary"] and "`" not in operation["summary"]
    assert "campus_" in document["info"]["description"]


def test_the_examples_of_requests_work(campus, document):
    """On the demo campus, one after the other as the page shows them; only what names an unknown id may find nothing, what people
    do for themselves wants one of them, and what policy says already is said. Nobody has the password of an example."""
    told = ("person_needed", "people_only", "no_session", "credentials_wrong", "single_sign_on_off", "incompatibility_known")
    campus.run("demo")
    with campus.client(campus.key()) as client:
        for path, method, operation in operations(document):
            answer = tried(client, document, path, method, operation)
            if answer is None or path == "/v1/sessions:revoke_all":  # of the caller, who is no person
                continue
            assert answer.status in (200, 201) or answer.code.endswith("_unknown") or answer.code in told, answer


def tried(client, document, path, method, operation):
    """What the page would send with its examples; None where a parameter that is needed has none."""
    query, headers, body = {}, {}, None
    for parameter in operation.get("parameters", []):
        if "$ref" in parameter:
            parameter = document["components"]["parameters"][parameter["$ref"].rpartition("/")[2]]
        example = parameter.get("example")
        if example is None and parameter.get("required"):
            return None
        if example is None:
            continue
        example = example if isinstance(example, str) else json.dumps(example)
        if parameter["in"] == "path":
            path = path.replace("{%s}" % parameter["name"], example)
        else:
            (query if parameter["in"] == "query" else headers)[parameter["name"]] = example
    for type, content in operation.get("requestBody", {}).get("content", {}).items():
        example = content["example"]
        body = example if isinstance(example, str) else json.dumps(example)
        headers["Content-Type"] = type
    return client.request(method.upper(), path, raw=body and body.encode(), query=query, headers=headers,
                          type=headers.get("Content-Type"))
