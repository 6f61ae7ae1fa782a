"""recruiting.py -- what the tests of joining start from: campaigns, applicants, reviewers."""

import contextlib

from api.given import organisation, person, union
from membership.staff import acting_as, grant

OPEN = {"opens_at": "2020-01-01T00:00:00Z", "closes_at": "2090-01-01T00:00:00Z"}
PLANNED = {"opens_at": "2089-01-01T00:00:00Z", "closes_at": "2090-01-01T00:00:00Z"}
QUESTIONS = [
    {"id": "why", "text": "为什么？", "kind": "text", "required": True, "least": 2, "most": 10},
    {"id": "days", "text": "可值班？", "kind": "choice", "choices": ["mon", "tue", "wed"], "most": 2},
    {"id": "hours", "text": "每周几小时？", "kind": "number", "least": 1, "most": 20},
    {"id": "again", "text": "参加过？", "kind": "yes_no"},
]


def campaign(client, path, **more):
    return client.post("/v1/campaigns", {"organisation": path, "title": "招新", **OPEN, **more}).expect(201).json()


@contextlib.contextmanager
def somebody(campus, client, home=None, permissions=(), path="", **more):
    """A client of somebody new; `person` is their record."""
    one = person(client, home or union(client), **more)
    if permissions:
        grant(campus, one["id"], permissions, path)
    with acting_as(campus, one["id"]) as own:
        own.person = one
        yield own


@contextlib.contextmanager
def reviewer(campus, client, path, **more):
    with somebody(campus, client, path, ["membership.applications.review", "membership.campaigns.read"], path, **more) as own:
        yield own


def draft(applicant, campaign_id, **more):
    return applicant.post("/v1/applications", {"campaign_id": campaign_id, **more}).expect(201).json()


def act(client, application, verb, **fields):
    """What a custom method of an application, or of its id, answers."""
    id_ = application if isinstance(application, str) else application["id"]
    return client.post(f"/v1/applications/{id_}:{verb}", fields)


def submitted(applicant, campaign_id, **more):
    made = draft(applicant, campaign_id, **more)
    return act(applicant, made, "submit").expect(200).json()


def applied(campus, client, campaign_id, count=1, **more):
    """Applications of so many people, submitted: by SQL, for where only the reviewers matter."""
    home = union(client)
    made = []
    for _ in range(count):
        one = person(client, home)
        made.append(campus.value(
            "INSERT INTO membership.application (id, campaign_id, person_id, choices, state, submitted_at) "
            f"SELECT campus.new_id(), '{campaign_id}', '{one['id']}', array_agg(organisation), 'submitted', campus.now() "
            f"FROM membership.campaign_track WHERE campaign_id = '{campaign_id}' RETURNING id"))
    return made


def branches(client, count=2):
    """A union with so many departments, as paths: the union first."""
    top = union(client)
    return [top, *[organisation(client, f"{top}.d{n}")["path"] for n in range(count)]]
