"""signing.py -- people who sign in: their accounts, sessions and codes, for the tests of them."""

import base64
import hashlib
import hmac
import struct

from api.given import new_label, organisation, person

PASSWORD = "黄昏的第七只鹤 over the lake"
OTHER_PASSWORD = "eleven lanterns below the bridge"


def college(client):
    """A college of a university of its own; its path."""
    top = new_label("uni")
    organisation(client, top, "university")
    organisation(client, f"{top}.cs", "college")
    return f"{top}.cs"


def invite(client, person_id, **more):
    return client.post(f"/v1/people/{person_id}:invite", more).expect(200).json()


def set_up(anonymous, token, password=PASSWORD, **more):
    return anonymous.post("/v1/accounts:set_up", {"token": token, "password": password}, **more)


def account(client, anonymous, home=None, password=PASSWORD, **more):
    """A person with a password."""
    one = person(client, home or college(client), **more)
    set_up(anonymous, invite(client, one["id"])["token"], password).expect(200)
    return one


def sign_in(anonymous, login, password=PASSWORD, code=None, address=None, **more):
    asked = {"login": login, "password": password, **({"code": code} if code else {})}
    headers = {"X-Forwarded-For": address} if address else {}
    return anonymous.post("/v1/sessions", asked, headers={**headers, **more.pop("headers", {})}, **more)


def session(anonymous, one, password=PASSWORD, **more):
    """A session's secret of a person that account() made."""
    return sign_in(anonymous, one["student_number"], password, **more).expect(201).json()["secret"]


def code_of(secret, at):
    """The code of an authenticator at that second of 1970 (RFC 6238)."""
    mac = hmac.new(base64.b32decode(secret), struct.pack(">Q", int(at) // 30), hashlib.sha1).digest()
    number = struct.unpack(">I", mac[mac[-1] & 15:][:4])[0] & 0x7FFFFFFF
    return f"{number % 10**6:06d}"


def now_of(campus):
    """The time by which the campus decides, in seconds."""
    return float(campus.value("SELECT extract(epoch FROM campus.now())"))


def second_factor(campus, holder):
    """Sets one up for the session's holder: its secret, the time of the code that confirmed it, and the recovery codes."""
    begun = holder.post("/v1/account/totp:begin", {"password": PASSWORD}).expect(200).json()
    at = now_of(campus)
    confirmed = holder.post("/v1/account/totp:confirm", {"code": code_of(begun["secret"], at)}).expect(200).json()
    return begun["secret"], at, confirmed["recovery_codes"]
