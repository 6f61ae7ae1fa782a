"""test_keys_command.py -- `campus key`: what an operator does with keys from the command line."""

import json

from harness import wait_until


def run(campus, *words):
    return json.loads(campus.run("key", *words).stdout)


def test_a_key_is_made_listed_and_revoked(campus):
    made = run(campus, "create", "--name=website", "--permissions=membership.organisations.read,membership.people.read")
    listed = {key["id"]: key for key in run(campus, "list")["keys"]}
    assert made["secret"].startswith("campus_") and "secret" not in listed[made["id"]]
    assert listed[made["id"]]["permissions"] == ["membership.organisations.read", "membership.people.read"]
    with campus.client(made["secret"]) as client:
        client.get("/v1/me").expect(200)
        assert run(campus, "revoke", made["id"])["revoked_at"]
        wait_until(lambda: client.get("/v1/me").status == 401, "the revocation is known", 3)


def test_what_is_wrong_is_one_line(campus):
    for words in (["create"], ["create", "--name=x", "--permissions=?"], ["create", "--colour=red"],
                  ["revoke", "no-id"], ["revoke", "01890000-0000-7000-8000-000000000000"], ["rename"], []):
        told = campus.run("key", *words, check=False)
        assert told.returncode == 1 and told.stderr.startswith("campus: ") and told.stderr.count("\n") == 1, told
