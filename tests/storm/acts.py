"""acts.py -- what a member of the crowd does, one thing at a time, until it is told to stop."""

import load

HOMES = ("su", "su.learning", "su.sports")
ROSTER = 20  # new people in an import
RECENT = 50


def found_homes(stage):
    with stage.campus.client(stage.key) as client:
        load.found(client, *HOMES)


def create(member):
    """A new person; the id, or None."""
    body = load.person(member.chance.choice(HOMES))
    write = member.write("create person", "POST", "/v1/people", json=body,
                         keyed=member.chance.random() < 0.8)
    if write.told:
        member.crowd.people.append((body["student_number"], write.told["id"]))
    return write.told and write.told["id"]


def read(member):
    """One of those who are known; most often of the last."""
    if member.crowd.people:
        known = member.crowd.people[-RECENT:] if member.chance.random() < 0.8 else member.crowd.people
        number, id = member.chance.choice(known)
        answer, _ = member.read(f"/v1/people/{id}")
        if answer and (answer.json()["student_number"], answer.json()["id"]) != (number, id):
            member.ledger.wrong.append(f"read of {id} got {answer!r}")


def patch(member):
    """A person of its own, several times; after a change of which it knows nothing it asks anew."""
    id, version = create(member), 1
    while id and not member.crowd.stopping.is_set() and member.chance.random() < 0.9:
        body = {"class_name": f"class {member.chance.randrange(10**6)}"}
        write = member.write("patch person", "PATCH", f"/v1/people/{id}", json=body, refusals=("stale_version",),
                             headers={"Content-Type": "application/merge-patch+json", "If-Match": f'"{version}"'})
        if write.told:
            version = write.told["version"]
        else:
            answer, _ = member.read(f"/v1/people/{id}")
            version = answer.json()["version"] if answer else version
        member.pause()


def belong(member):
    """A person of its own joins and leaves, on days that no clock decides."""
    id = create(member)
    joined = id and member.write("join", "POST", "/v1/memberships",
                                 json={"person_id": id, "organisation": "su.learning", "since": "2026-01-01"})
    if joined and joined.told:
        member.pause()
        member.write("leave", "POST", f"/v1/memberships/{joined.told['id']}:end",
                     json={"reason": "left", "until": "2026-02-01"})


def import_roster(member):
    """New people, and some of the known, who have moved to another class."""
    new = [load.person(member.chance.choice(HOMES)) for _ in range(ROSTER)]
    known = [number for number, _ in member.chance.sample(member.crowd.people, min(5, len(member.crowd.people)))]
    lines = [f"{one['student_number']},{one['name']},{one['home']},," for one in new]
    lines += [f"{number},,,class {member.chance.randrange(10**6)}," for number in known]
    text = "\n".join(["student_number,name,home,class_name,grade", *lines, ""])
    member.write("import", "POST", "/v1/people:import", raw=text.encode(), type="text/csv")
    for _ in range(20):
        member.pause()
