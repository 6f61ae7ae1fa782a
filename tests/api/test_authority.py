"""A caller sees and changes what their key covers, and nothing else."""

import itertools
import re
import threading
import time

import pytest

from api.given import (check_problem, committee, ids, membership, new_key, new_label, new_number, organisation, person)
from api.wire import GET, answers_in
from harness import wait_until
from load import Sent

# -- every method, for every sort of key -------------------------------------------------------------------------------
#
# What each operation is asked for, about the subtree `top`: a function from (client of an administrator, top) to the target
# and what else the request takes. What one who holds the permission elsewhere is answered goes by the sort of operation:
#   one     about one thing: 404, as if it were not there
#   list    200 without it
#   place   makes something at a place: 403
#   rows    200, each row refused
#   campus  of the whole campus: 403 for whoever holds it in a part
#   harmless  200, about nobody
#   public  200 for everybody


def patched(path):
    return path, {"json": {}, "headers": {"If-Match": "*", "Content-Type": "application/merge-patch+json"}}


def somebody(client, top):
    return person(client, top)["id"]


def member(client, top):
    return membership(client, somebody(client, top), top)["id"]


def key(client, top):
    return new_key(client, "membership.keys.write", top)["id"]


def crowd(client, top):
    """Enough people to be told in figures."""
    return [person(client, top, grade=2021) for _ in range(5)]


def roster(top):
    return {"raw": f"学号,姓名,学院\n{new_number()},a,{top}\n".encode(), "type": "text/csv"}


def credit(client, top):
    asked = {"kind": "other", "module": "skills", "credits": 100}
    return client.post(f"/v1/people/{somebody(client, top)}/credits", asked).expect(201).json()


def objection(client, top):
    return client.post(f"/v1/credits/{credit(client, top)['id']}:object", {"text": "a"}).expect(201).json()["id"]


def certificate(client, top):
    return client.post(f"/v1/people/{credit(client, top)['person_id']}/transcript:issue").expect(201).json()


def policy(client):
    """A version of the policy to come; its number."""
    day = f"{next(DAYS)}-08-01"
    return client.post("/v1/credit_policies", {"in_force_from": day}).expect(201).json()["version"]


DAYS = itertools.count(2100)

REQUESTS = {
    "CreateOrganisation": ("place", lambda c, top: ("/v1/organisations", {"json": {
        "path": f"{top}.{new_label()}", "kind": "department", "title": "a"}})),
    "GetOrganisation": ("one", lambda c, top: (f"/v1/organisations/{top}", {})),
    "ListOrganisations": ("list", lambda c, top: ("/v1/organisations?count=exact&within=" + top, {})),
    "PatchOrganisation": ("one", lambda c, top: patched(f"/v1/organisations/{top}")),
    "DissolveOrganisation": ("one", lambda c, top: (
        f"/v1/organisations/{organisation(c, f'{top}.{new_label()}')['path']}:dissolve", {})),
    "CreatePerson": ("place", lambda c, top: ("/v1/people", {"json": {
        "student_number": new_number(), "name": "a", "home": top}})),
    "GetPerson": ("one", lambda c, top: (f"/v1/people/{somebody(c, top)}", {})),
    "ListPeople": ("list", lambda c, top: (f"/v1/people?count=exact&home={top}" + "&q=李" * bool(somebody(c, top)), {})),
    "GetPeopleFigures": ("list", lambda c, top: (f"/v1/people:figures?home={top}" * bool(crowd(c, top)), {})),
    "PatchPerson": ("one", lambda c, top: patched(f"/v1/people/{somebody(c, top)}")),
    "ImportPeople": ("rows", lambda c, top: ("/v1/people:import", roster(top))),
    "CreateMembership": ("place", lambda c, top: ("/v1/memberships", {"json": {
        "person_id": somebody(c, top), "organisation": top}})),
    "GetMembership": ("one", lambda c, top: (f"/v1/memberships/{member(c, top)}", {})),
    "ListMemberships": ("list", lambda c, top: (
        f"/v1/memberships?count=exact&within={top}" + "&kind=member" * bool(member(c, top)), {})),
    "EndMembership": ("one", lambda c, top: (f"/v1/memberships/{member(c, top)}:end", {"json": {"reason": "left"}})),
    "CreateKey": ("place", lambda c, top: ("/v1/keys", {"json": {
        "name": "a", "permissions": ["membership.keys.write"], "organisation": top}})),
    "GetKey": ("one", lambda c, top: (f"/v1/keys/{key(c, top)}", {})),
    "ListKeys": ("list", lambda c, top: (f"/v1/keys?count=exact&within={top}" + "&page_size=9" * bool(key(c, top)), {})),
    "RevokeKey": ("one", lambda c, top: (f"/v1/keys/{key(c, top)}:revoke", {})),
    "RotateKey": ("one", lambda c, top: (f"/v1/keys/{key(c, top)}:rotate", {})),
    "PatchAccountPolicy": ("campus", lambda c, top: patched("/v1/account_policy")),
    "GetMe": (None, lambda c, top: ("/v1/me", {})),
    "GetTranscript": ("one", lambda c, top: (f"/v1/people/{credit(c, top)['person_id']}/transcript", {})),
    "ListCredits": ("one", lambda c, top: (f"/v1/people/{credit(c, top)['person_id']}/credits?count=exact", {})),
    "RecordCredit": ("one", lambda c, top: (f"/v1/people/{somebody(c, top)}/credits", {"json": {
        "kind": "other", "module": "skills", "credits": 1}})),
    "ReverseCredit": ("one", lambda c, top: (f"/v1/credits/{credit(c, top)['id']}:reverse", {"json": {"reason": "a"}})),
    "ObjectToCredit": ("one", lambda c, top: (f"/v1/credits/{credit(c, top)['id']}:object", {"json": {"text": "a"}})),
    "ListObjections": ("list", lambda c, top: (
        "/v1/credit_objections?count=exact" + "&page_size=9" * bool(objection(c, top)), {})),
    "DecideObjection": ("one", lambda c, top: (f"/v1/credit_objections/{objection(c, top)}:decide", {"json": {
        "outcome": "dismissed", "reason": "a"}})),
    "ListRejectedCredits": ("campus", lambda c, top: ("/v1/credits:rejected?count=exact", {})),
    "RetryRejectedCredits": ("campus", lambda c, top: ("/v1/credits:retry", {"json": {}})),
    "ListCreditPolicies": (None, lambda c, top: ("/v1/credit_policies", {})),
    "CreateCreditPolicy": ("campus", lambda c, top: ("/v1/credit_policies", {"json": {"in_force_from": f"{next(DAYS)}-08-01"}})),
    "SetCreditModule": ("campus", lambda c, top: (f"/v1/credit_policies/{policy(c)}/modules/skills", {"json": {"title": "a"}})),
    "IssueTranscript": ("one", lambda c, top: (f"/v1/people/{credit(c, top)['person_id']}/transcript:issue", {})),
    "ListTranscripts": ("one", lambda c, top: (f"/v1/people/{certificate(c, top)['person_id']}/transcripts", {})),
    "RevokeTranscript": ("one", lambda c, top: (f"/v1/transcripts/{certificate(c, top)['number']}:revoke", {"json": {
        "reason": "a"}})),
    "VerifyTranscript": ("public", lambda c, top: (
        "/v1/transcripts/{number}:verify?code={code}".format(**certificate(c, top)), {})),
    "ListTranscriptKeys": ("public", lambda c, top: ("/v1/transcript_keys", {})),
    "ListPersonalFields": (None, lambda c, top: ("/v1/personal_fields", {})),
    "ReadSensitive": ("one", lambda c, top: (f"/v1/people/{somebody(c, top)}/sensitive:read", {"json": {
        "fields": ["phone"], "read_reason": "a test"}})),
    "SetSensitive": ("one", lambda c, top: (f"/v1/people/{somebody(c, top)}/sensitive/phone", {"json": {"value": "110"}})),
    "ClearSensitive": ("one", lambda c, top: (f"/v1/people/{somebody(c, top)}/sensitive/phone", {})),
    "ListSensitiveReads": ("one", lambda c, top: (f"/v1/people/{somebody(c, top)}/sensitive_reads", {})),
    "ListConsentWordings": (None, lambda c, top: ("/v1/consent_wordings", {})),
    "RecordConsent": ("one", lambda c, top: (f"/v1/people/{somebody(c, top)}/consents", {"json": {
        "field": "health", "state": "given", "wording": 1}})),
    "ListConsents": ("one", lambda c, top: (f"/v1/people/{somebody(c, top)}/consents", {})),
    "ExportPerson": ("one", lambda c, top: (f"/v1/people/{somebody(c, top)}/export", {})),
    "ErasePerson": ("one", lambda c, top: (f"/v1/people/{somebody(c, top)}:erase", {"json": {}})),
    "MinimisePeople": ("harmless", lambda c, top: ("/v1/privacy:minimise", {"json": {"dry_run": True}})),
}


@pytest.fixture(scope="module")
def operations(campus):
    """{operationId: (method, path, permission)} of the API's document."""
    with campus.client() as client:
        document = client.get("/openapi.json").expect(200).json()
    return {operation["operationId"]: (method.upper(), path, operation.get("x-permission"))
            for path, item in document["paths"].items() for method, operation in item.items()}


@pytest.fixture(scope="module")
def places(campus, admin):
    """Two trees that have nothing to do with each other."""
    with campus.client(admin) as client:
        return committee(client), committee(client)


def test_every_operation_is_known(operations):
    assert set(REQUESTS) <= set(operations)


def empty(answer):
    """Whether a list says that there is nothing, and counts nothing."""
    reply = answer.expect(200).json()
    return reply.pop("total_count", 0) == 0 and not any(reply.values())


@pytest.mark.parametrize("name", REQUESTS)
def test_matrix(campus, client, operations, places, name):
    sort, request = REQUESTS[name]
    method, path, permission = operations[name]
    here, elsewhere = places
    below = organisation(client, f"{here}.{new_label()}")["path"]
    every = {held for _, _, held in operations.values() if held}
    service, resource, verb = (permission or "membership.people.read").split(".")
    kinds = {
        "nobody": None,
        "without": (sorted(every - {permission}), None),
        "near": ([f"{service}.{resource}", f"{service}.{resource}.{verb}x", f"{service}.{resource[:-1]}.*", f"x{service}.*"], None),
        "elsewhere": ([permission or "x"], elsewhere),
        "below": ([permission or "x"], below),
        "here": ([permission or "x"], here),
        "resource": ([f"{service}.{resource}.*"], here),
        "service": ([f"{service}.*"], here),
        "all": (["*"], None),
    }
    for kind, held in kinds.items():
        target, more = request(client, here)
        pattern = re.sub(r"\\{\w+\\}", "[^/:?]+", re.escape(path))
        assert re.match(pattern, target), (path, target)
        target = target.replace("李", "%E6%9D%8E")
        secret = held and new_key(client, *held)["secret"]
        with campus.client(secret) as caller:
            answer = caller.request(method, target, **more)
        told = f"{kind}: {answer!r}"
        if sort == "public":
            assert answer.status == 200, told
        elif kind == "nobody":
            check_problem(answer, 401, "unauthenticated")
        elif sort == "campus" and kind != "all":
            check_problem(answer, 403, "permission_denied")
        elif permission is None or kind in ("here", "resource", "service", "all"):
            assert answer.status in (200, 201), told
            assert sort != "list" or not empty(answer), told
            assert sort != "rows" or answer.json()["created"] == 1, told
        elif kind in ("without", "near"):
            check_problem(answer, 403, "permission_denied")
        elif sort == "harmless":
            assert answer.expect(200).json()["people"] == 0, told
        elif sort == "one":
            check_problem(answer, 404, "not_found")
        elif sort == "place":
            check_problem(answer, 403)
        elif sort == "list" and kind == "below":
            assert f'"{here}"' not in answer.expect(200).text, told  # its own only: itself, its own key
        elif sort == "list":
            assert empty(answer), told
        else:
            assert answer.expect(200).json()["refused"] == 1, told


# -- what is seen from where -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tree(campus, admin):
    """A committee with `a`, `a.x`, `b` and `ab` under it, each with a person at home, and a key to read everything in `a`."""
    with campus.client(admin) as client:
        top = committee(client)
        people = {}
        for label in ("", "a", "a.x", "b", "ab"):
            path = f"{top}.{label}" if label else top
            if label:
                organisation(client, path)
            people[label] = person(client, path, name="孔乙己")
        secret = new_key(client, "membership.*", f"{top}.a")["secret"]
    return top, people, secret


@pytest.fixture
def holder(campus, tree):
    with campus.client(tree[2]) as client:
        yield client


def test_organisations_seen(tree, holder):
    top = tree[0]
    shown = [one["path"] for one in holder.pages("/v1/organisations", "organisations")]
    assert shown == [f"{top}.a", f"{top}.a.x"]
    for query in ({"within": top}, {"parent": f"{top}.a"}, {"within": f"{top}.a.x"}, {"q": "a.x"}, {"sort": "title"}):
        for one in holder.pages("/v1/organisations", "organisations", query):
            assert one["path"] in shown
    assert holder.get("/v1/organisations", query={"count": "exact"}).json()["total_count"] == 2
    for query in ({"within": f"{top}.b"}, {"parent": top, "q": "ab"}):
        assert empty(holder.get("/v1/organisations", query={**query, "count": "exact"}))
    for label, status in ((".a", 200), (".a.x", 200), ("", 404), (".b", 404), (".ab", 404)):
        holder.get(f"/v1/organisations/{top}{label}").expect(status)
        patch = holder.patch(f"/v1/organisations/{top}{label}", {}, etag="*")
        patch.expect(status)


def test_people_seen(tree, holder):
    top, people, _ = tree
    for label, one in people.items():
        seen = label in ("a", "a.x")
        path = f"/v1/people/{one['id']}"
        holder.get(path).expect(200 if seen else 404)
        holder.get(path, headers={"If-None-Match": "*"}).expect(304 if seen else 404)
        holder.patch(path, {"grade": 2020}, etag='"77"').expect(412 if seen else 404)
    expected = {people["a"]["id"], people["a.x"]["id"]}
    for query in ({}, {"sort": "name"}, {"sort": "student_number"}, {"q": "孔乙己"}, {"q": "孔", "sort": "name"}, {"home": top},
                  {"home": top, "q": "己"}):
        for page_size in (1, 50):
            shown = [one["id"] for one in holder.pages("/v1/people", "people", {**query, "page_size": page_size})]
            assert set(shown) == expected and len(shown) == 2, query
        assert holder.get("/v1/people", query={**query, "count": "exact"}).json()["total_count"] == 2, query
    for query in ({"home": f"{top}.b"}, {"home": f"{top}.ab", "q": "孔"}, {"organisation": f"{top}.b"},
                  {"q": people["b"]["student_number"]}):
        assert empty(holder.get("/v1/people", query={**query, "count": "exact"})), query


def test_many_ask_at_once(campus, client, tree):
    """Their reads of one moment are one statement for PostgreSQL; what each may see is not."""
    top, people, secret = tree
    callers = {"a": secret, "b": new_key(client, "membership.*", f"{top}.b")["secret"]}

    def ask(home):
        with campus.client(callers[home]) as caller:
            return [(label == home, caller.get(f"/v1/people/{people[label]['id']}").status)
                    for _ in range(50) for label in callers]

    rounds = [Sent(lambda home=home: ask(home)) for home in callers for _ in range(8)]
    assert {seen for each in rounds for seen in each.answer()} == {(True, 200), (False, 404)}


def test_members_are_seen_while_they_are(campus, client, tree, holder):
    """A membership of today shows the person; one of the past or the future does not. Only where their home is they are changed."""
    top = tree[0]
    today = campus.value("SELECT campus.today()")
    future = campus.value("SELECT campus.today() + 9")
    path = f"/v1/people/{somebody(client, f'{top}.b')}"
    holder.get(path).expect(404)
    membership(client, path[-36:], f"{top}.a.x", since=future)
    holder.get(path).expect(404)
    now = membership(client, path[-36:], f"{top}.a", since="2024-01-01")
    holder.get(path).expect(200)
    assert path[-36:] in ids(holder.get("/v1/people").json(), "people")
    assert ids(holder.get("/v1/people", query={"organisation": f"{top}.a"}).json(), "people") == [path[-36:]]
    check_problem(holder.patch(path, {"name": "b"}, etag="*"), 403, "permission_denied")
    client.post(f"/v1/memberships/{now['id']}:end", {"reason": "left", "until": today}).expect(200)
    holder.get(path).expect(404)
    assert path[-36:] not in ids(holder.get("/v1/people").json(), "people")


def test_a_record_moves_by_those_who_may_at_both_ends(client, tree, holder):
    top = tree[0]
    one = f"/v1/people/{somebody(client, f'{top}.a')}"
    check_problem(holder.patch(one, {"home": f"{top}.b"}, etag="*"), 403, "permission_denied")
    check_problem(holder.patch(one, {"home": "no.such"}, etag="*"), 403, "permission_denied")  # tells nothing of elsewhere
    check_problem(holder.patch(one, {"home": f"{top}.a.none"}, etag="*"), 422, "home_unknown")
    holder.patch(one, {"home": f"{top}.a.x"}, etag="*").expect(200)
    assert client.get(one).json()["home"] == f"{top}.a.x" and client.get(one).json()["version"] == 2


def test_places_elsewhere_tell_nothing(client, tree, holder):
    """Where the caller may not write, what is there and what is not are answered alike."""
    top = tree[0]
    for path in (f"{top}.b", f"{top}.none", "no.such", top):
        asks = [("/v1/people", {"student_number": new_number(), "name": "a", "home": path}),
                ("/v1/organisations", {"path": f"{path}.x", "kind": "department", "title": "a"}),
                ("/v1/memberships", {"person_id": tree[1]["a"]["id"], "organisation": path}),
                ("/v1/keys", {"name": "a", "permissions": ["membership.people.read"], "organisation": path})]
        for target, body in asks:
            check_problem(holder.post(target, body), 403, "permission_denied")
    organisation(holder, f"{top}.a.new")
    # Its own path it cannot found again, nor what stands beside it.
    check_problem(holder.post("/v1/organisations", {"path": f"{top}.c", "kind": "department", "title": "a"}), 403)
    check_problem(holder.post("/v1/organisations", {"path": new_label("u"), "kind": "union", "title": "a"}), 403)


def test_memberships_seen(client, tree, holder):
    top, people, _ = tree
    ours = membership(client, people["b"]["id"], f"{top}.a.x", since="2020-01-01")
    client.post(f"/v1/memberships/{ours['id']}:end", {"reason": "left", "until": "2021-01-01"}).expect(200)
    theirs = membership(client, people["a"]["id"], f"{top}.b")
    holder.get(f"/v1/memberships/{ours['id']}").expect(200)
    check_problem(holder.get(f"/v1/memberships/{theirs['id']}"), 404, "not_found")
    check_problem(holder.post(f"/v1/memberships/{theirs['id']}:end", {"reason": "left"}), 404, "not_found")
    shown = [one["id"] for one in holder.pages("/v1/memberships", "memberships", {"page_size": 1})]
    assert ours["id"] in shown and theirs["id"] not in shown
    for query in ({"person_id": people["a"]["id"]}, {"organisation": f"{top}.b"}, {"within": f"{top}.b"}):
        shown = [one["id"] for one in holder.pages("/v1/memberships", "memberships", query)]
        assert theirs["id"] not in shown
    assert empty(holder.get("/v1/memberships", query={"organisation": f"{top}.b", "count": "exact"}))


def test_keys_seen(client, tree, holder):
    top = tree[0]
    keys = {label: new_key(client, "membership.people.read", f"{top}{label}")["id"] for label in ("", ".a", ".a.x", ".b", ".ab")}
    keys["campus"] = new_key(client, "membership.people.read")["id"]
    shown = [one["id"] for one in holder.pages("/v1/keys", "keys")]
    for label, one in keys.items():
        seen = label in (".a", ".a.x")
        assert (one in shown) == seen
        holder.get(f"/v1/keys/{one}").expect(200 if seen else 404)
        if not seen:
            for action in ("revoke", "rotate"):
                check_problem(holder.post(f"/v1/keys/{one}:{action}"), 404, "not_found")
    assert empty(holder.get("/v1/keys", query={"within": f"{top}.b", "count": "exact"}))


def test_pages_are_read_with_the_authority_of_now(campus, client, tree):
    """A token says where to go on, not what may be seen."""
    top = tree[0]
    wide, narrow = (new_key(client, "membership.people.read", path)["secret"] for path in (top, f"{top}.a"))
    with campus.client(wide) as reader, campus.client(narrow) as other:
        first = reader.get("/v1/people", query={"page_size": 1}).expect(200).json()
        rest = other.get("/v1/people", query={"page_size": 50, "page_token": first["next_page_token"]}).expect(200).json()
        allowed = set(ids(other.get("/v1/people").json(), "people"))
    assert set(ids(rest, "people")) <= allowed


# -- a key that stands for a person ------------------------------------------------------------------------------------


def test_people_see_themselves(campus, client, tree):
    top, people, _ = tree
    one, other = person(client, f"{top}.b"), people["b"]
    mine, theirs = membership(client, one["id"], top), membership(client, other["id"], f"{top}.ab")
    key = new_key(client, "membership.*")
    # Sessions of people come later; until then a key is given its person by hand.
    campus.sql(f"UPDATE membership.api_key SET person_id = '{one['id']}' WHERE id = '{key['id']}'")
    with campus.client(key["secret"]) as self:
        assert self.get("/v1/me").expect(200).json()["person_id"] == one["id"]
        assert self.get(f"/v1/people/{one['id']}").expect(200).json()["student_number"] == one["student_number"]
        check_problem(self.get(f"/v1/people/{other['id']}"), 404, "not_found")
        check_problem(self.patch(f"/v1/people/{one['id']}", {"name": "b"}, etag="*"), 403, "permission_denied")
        check_problem(self.get("/v1/people"), 403, "permission_denied")
        self.get(f"/v1/memberships/{mine['id']}").expect(200)
        check_problem(self.get(f"/v1/memberships/{theirs['id']}"), 404, "not_found")
        for query in ({}, {"person_id": one["id"]}, {"within": top}):
            reply = self.get("/v1/memberships", query={**query, "count": "exact"}).expect(200).json()
            assert ids(reply, "memberships") == [mine["id"]] and reply["total_count"] == 1, query
        assert empty(self.get("/v1/memberships", query={"person_id": other["id"], "count": "exact"}))


# -- rate limits -------------------------------------------------------------------------------------------------------

RATE = 5
ADDRESS_RATE = 60


@pytest.fixture(scope="module")
def limited(new_campus):
    return new_campus(settings={"CAMPUS_RATE_PRINCIPAL": str(RATE), "CAMPUS_RATE_ADDRESS": str(ADDRESS_RATE),
                                "CAMPUS_RATE_BURST_S": "1"})


def too_many(answer):
    """Asserts that this is a refusal for rate; the seconds to wait."""
    problem = check_problem(answer, 429, "too_many_requests")
    wait = int(answer.headers["Retry-After"])
    assert 1 <= wait <= 2 and problem["retry_after"] == wait
    return wait


def spend(client):
    """Asks until it is too much: the answers before, the refusal, and how many may have come through in that time."""
    answers, start = [], time.monotonic()
    for _ in range(200):
        answer = client.get("/v1/me")
        if answer.status == 429:
            return answers, answer, RATE * (time.monotonic() - start + 1) + 1
        answers.append(answer.expect(200))
    raise AssertionError("no limit")


def refused_creation(campus, client):
    """A creation that is refused for rate. One that the limit lets through, since time has passed, is none. It comes on a
    connection of its own, as that of a refusal takes the next request only after a while."""
    spend(client)
    sent = {"path": new_label("u"), "kind": "union", "title": "a"}, {"Idempotency-Key": new_label("rate-")}
    with campus.client(client.key) as other:
        answer = other.post("/v1/organisations", sent[0], headers=sent[1])
    return answer.status == 429 and (answer, *sent)


def test_rate_of_one_key(limited):
    secrets = [limited.key(), limited.key()]
    with limited.client(secrets[0]) as one, limited.client(secrets[1]) as other:
        answers, refused, most = spend(one)
        assert RATE <= len(answers) <= most
        first = answers[0].headers
        assert first["RateLimit-Limit"] == str(RATE) and int(first["RateLimit-Remaining"]) == RATE - 1
        for answer in answers:
            assert 0 <= int(answer.headers["RateLimit-Remaining"]) < RATE and int(answer.headers["RateLimit-Reset"]) == 1
        too_many(refused)
        assert refused.headers["RateLimit-Remaining"] == "0"
        other.get("/v1/me").expect(200)  # has its own
        # What is refused so has not happened, and is not remembered as the answer to its key.
        refused, sent, key = wait_until(lambda: refused_creation(limited, one), "a creation refused")
        too_many(refused)
        made = wait_until(lambda: (lambda a: a if a.status != 429 else None)(one.post("/v1/organisations", sent, headers=key)),
                          "room", pause=0.1)
        made.expect(201)
        assert "Idempotent-Replayed" not in made.headers


FAILURES = 5


@pytest.fixture(scope="module")
def guarded(new_campus):
    """The test is a proxy, so that it can come from any address."""
    return new_campus(settings={"CAMPUS_RATE_FAILURES": str(FAILURES), "CAMPUS_RATE_BURST_S": "1",
                                "CAMPUS_TRUSTED_PROXIES": "127.0.0.1"})


def asked_from(campus, address, keys):
    """The statuses of a request with each key."""
    with campus.client() as client:
        return [client.get("/v1/me", headers={"Authorization": f"Bearer {key}", "X-Forwarded-For": address}).status
                for key in keys]


def test_rate_of_keys_that_nobody_has(guarded):
    """Whoever tries keys is stopped. It touches neither other addresses nor a key that was good when it was asked about."""
    ours, abuser, other = guarded.key(), "198.51.100.1", "198.51.100.2"
    asked_from(guarded, abuser, [ours])

    def stopped(keys):
        statuses = asked_from(guarded, abuser, keys)
        assert set(statuses) <= {401, 429}, statuses
        return 429 in statuses
    wait_until(lambda: stopped([f"stranger-{n}" for n in range(20 * FAILURES)]), "stopped with ever new keys")
    wait_until(lambda: stopped(["stranger"] * 20 * FAILURES), "stopped with one key")
    assert asked_from(guarded, abuser, [ours] * 3) == [200] * 3
    assert asked_from(guarded, other, [ours, "stranger"]) == [200, 401]


def test_keys_that_somebody_has_are_no_failures(guarded):
    keys = [guarded.key() for _ in range(2 * FAILURES)]
    assert asked_from(guarded, "198.51.100.3", keys) == [200] * len(keys)


def test_rate_of_one_address(limited):
    """Nobody without a key may ask for ever either; what watches the gateway may. In one piece, as a slow machine is still
    faster at that than the rate."""
    answers, lock = [], threading.Lock()
    asked = GET.replace(b"/healthz", b"/v1/people") + b"\r\n"

    def ask():
        with limited.client() as client:
            found = answers_in(client.raw_request(asked * ADDRESS_RATE + GET + b"Connection: close\r\n\r\n", timeout=60).data)
            assert found.pop().status == 200
            with lock:
                answers.extend(found)

    start = time.monotonic()
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - start
    statuses = [answer.status for answer in answers]
    assert set(statuses) == {401, 429} and len(statuses) == 4 * ADDRESS_RATE
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in answers if answer.status == 429)
    assert statuses.count(401) <= ADDRESS_RATE * (seconds + 1) + 1
