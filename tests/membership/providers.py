"""providers.py -- whom single sign-on asks: a real provider from npm, and one of the tests' own that can say what no real one would."""

import base64
import hashlib
import http.server
import json
import os
import re
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

import harness

HERE = harness.REPOSITORY / "tests/membership/single_sign_on"
INSTALLED = harness.REPOSITORY / "build/npm/test-provider"
REDIRECT = "https://campus.example.edu.cn/signed-in"


def settings(issuer, client="campus", secret="a secret: 100% + more/=", **more):
    """What a campus has to know of a provider."""
    known = {"CAMPUS_OIDC_ISSUER": issuer, "CAMPUS_OIDC_CLIENT_ID": client, "CAMPUS_OIDC_REDIRECT_URI": REDIRECT}
    if secret:
        file = harness.new_folder() / "client_secret"
        file.write_text(secret + "\n")
        harness.give(file)
        known["CAMPUS_OIDC_CLIENT_SECRET_FILE"] = str(file)
    return {**known, **more}


# -- a real one --------------------------------------------------------------------------------------------------------


def install():
    """Its packages, as package-lock.json has them; again only after that has changed."""
    INSTALLED.mkdir(parents=True, exist_ok=True)
    wanted = (HERE / "package-lock.json").read_text()
    stamp = INSTALLED / "installed.json"
    with harness._once("test-provider"):
        if not stamp.exists() or stamp.read_text() != wanted:
            stamp.unlink(missing_ok=True)
            for file in ("package.json", "package-lock.json"):
                shutil.copy(HERE / file, INSTALLED)
            _npm()
            stamp.write_text(wanted)
        shutil.copy(HERE / "provider.mjs", INSTALLED)


def _npm():
    """The lock has the hash of each package, so it does not matter who carries them: see deploy/npm-files."""
    command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    done = subprocess.run(command, cwd=INSTALLED, capture_output=True, text=True, check=False)
    if done.returncode and "CERT" in done.stderr:
        done = subprocess.run([*command, "--strict-ssl=false", "--userconfig=/dev/null"], cwd=INSTALLED,
                              capture_output=True, text=True, check=False)
    if done.returncode:
        raise harness.HarnessError(f"npm ci failed: {done.stderr.strip()[-500:]}")


class RealProvider:
    """node-oidc-provider; `claims` is "token" or "userinfo": where it says who somebody is."""

    def __init__(self, claims="token", client_auth=None):
        self.arguments = [claims, *([client_auth] if client_auth else [])]

    def __enter__(self):
        install()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("NODE")}
        self.process = subprocess.Popen(["node", "provider.mjs", *self.arguments], cwd=INSTALLED, env=environment,
                                        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                        text=True)
        found = re.match(r"port=(\d+)", self.process.stdout.readline())
        if not found:
            raise harness.HarnessError("the provider does not start")
        self.issuer = f"http://127.0.0.1:{found[1]}"
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows a provider's own redirects, and not the one that leads back to the campus."""

    def redirect_request(self, request, body, code, message, headers, url):
        if url.startswith(REDIRECT):
            return None
        return super().redirect_request(request, body, code, message, headers, url)


def sign_in(url, login):
    """A browser that goes there and signs in: what it comes back with, as {"state": ..., "code": ...}."""
    browser = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(), _Stay)
    try:
        browser.open(f"{url}&login_hint={urllib.parse.quote(login)}", timeout=10)
    except urllib.error.HTTPError as answer:
        back = answer.headers["Location"]
        assert answer.code in (302, 303) and back.startswith(REDIRECT), (answer.code, back, answer.read())
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlparse(back).query))
        return {"state": query["state"], "code": query["code"]}
    raise AssertionError("the provider did not send the browser back")


# -- our own -----------------------------------------------------------------------------------------------------------


def encoded(data):
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _number(value, size=None):
    return encoded(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


class Key:
    """A key of a provider: `jwk` is its public half, sign() a whole token."""

    def __init__(self, algorithm="RS256", kid="one", bits=2048):
        self.algorithm, self.kid = algorithm, kid
        if algorithm == "RS256":
            self.private = rsa.generate_private_key(65537, bits)
            public = self.private.public_key().public_numbers()
            own = {"kty": "RSA", "n": _number(public.n), "e": _number(public.e)}
        elif algorithm == "ES256":
            self.private = ec.generate_private_key(ec.SECP256R1())
            public = self.private.public_key().public_numbers()
            own = {"kty": "EC", "crv": "P-256", "x": _number(public.x, 32), "y": _number(public.y, 32)}
        else:
            self.private = ed25519.Ed25519PrivateKey.generate()
            raw = self.private.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
            own = {"kty": "OKP", "crv": "Ed25519", "x": encoded(raw)}
        self.jwk = {**own, "kid": kid, "use": "sig", "alg": algorithm}

    def signature(self, text):
        if self.algorithm == "RS256":
            return self.private.sign(text, padding.PKCS1v15(), hashes.SHA256())
        if self.algorithm == "ES256":
            r, s = decode_dss_signature(self.private.sign(text, ec.ECDSA(hashes.SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        return self.private.sign(text)

    def sign(self, claims, **header):
        text = f"{encoded({'alg': self.algorithm, 'kid': self.kid, **header})}.{encoded(claims)}".encode()
        return f"{text.decode()}.{encoded(self.signature(text))}"


class OwnProvider:
    """Answers as it is told: `documents` by path (status, headers, bytes), `on_token` makes the ID token of claims. Each code is
    redeemed once, and `on_redeem` is called then. While `silent` is set it answers nothing."""

    def __init__(self, port=0):
        self.first_key = Key()
        self.codes, self.spent, self.asked = {}, set(), []
        self.reset()
        self.silent = threading.Event()
        self.released = threading.Event()
        provider = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                self.answer(b"")

            def do_POST(self):
                self.answer(self.rfile.read(int(self.headers["Content-Length"])))

            def answer(self, body):
                path = urllib.parse.urlparse(self.path).path
                provider.asked.append(path)
                if provider.silent.is_set():
                    provider.released.wait(30)
                    self.close_connection = True
                    return
                status, headers, content = provider.say(path, self.headers, body)
                content = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                try:
                    self.wfile.write(content)
                except OSError:
                    pass

        http.server.ThreadingHTTPServer.allow_reuse_address = True
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.port = self.server.server_address[1]
        self.issuer = f"http://127.0.0.1:{self.port}"

    def reset(self):
        """As it was made."""
        self.key = self.first_key
        self.keys = [self.key]
        self.on_token = lambda claims: self.key.sign(claims)
        self.on_redeem = None
        self.overrides = {}

    def discovery(self):
        return {"issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/authorize?tenant=1",
                "token_endpoint": f"{self.issuer}/token", "jwks_uri": f"{self.issuer}/keys"}

    def say(self, path, headers, body):
        if path in self.overrides:
            return self.overrides[path]
        if path == "/.well-known/openid-configuration":
            return 200, {}, self.discovery()
        if path == "/keys":
            return 200, {}, {"keys": [key.jwk for key in self.keys]}
        if path == "/token":
            return self.redeem(headers, dict(urllib.parse.parse_qsl(body.decode())))
        return 404, {}, b"{}"

    def authorize(self, url, login, **claims):
        """What the browser comes back with after signing in as `login`. Claims of the time may be functions of now; None is none."""
        asked = dict(urllib.parse.parse_qsl(urllib.parse.urlparse(url).query))
        code = f"code-{len(self.codes)}-{time.monotonic_ns()}"
        now = int(time.time())
        said = {"iss": self.issuer, "aud": asked["client_id"], "sub": f"sub-{login}", "preferred_username": login,
                "nonce": asked["nonce"], "iat": now, "exp": now + 300, **claims}
        said = {name: value(now) if callable(value) else value for name, value in said.items()}
        self.codes[code] = (asked, {name: value for name, value in said.items() if value is not None})
        return {"state": asked["state"], "code": code}

    def redeem(self, _headers, form):
        asked, claims = self.codes.get(form["code"], (None, None))
        if asked is None or form["code"] in self.spent or form["redirect_uri"] != asked["redirect_uri"] or \
                encoded(hashlib.sha256(form["code_verifier"].encode()).digest()) != asked["code_challenge"]:
            return 400, {}, {"error": "invalid_grant"}
        self.spent.add(form["code"])
        if self.on_redeem:
            self.on_redeem()
        return 200, {}, {"access_token": "access", "token_type": "Bearer", "id_token": self.on_token(claims)}

    def __enter__(self):
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.released.set()
        self.server.shutdown()
        self.server.server_close()
