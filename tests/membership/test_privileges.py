"""What the service's role may do with its tables: add to history, but neither rewrite nor remove it, nor read past the log of reads."""

import pytest

import harness

ROLE = "campus_membership"

# What statements set, table by table; what stands in none of them can only be read and added to. A lock needs one column too:
# incompatibility and sign_on_flow are never updated.
CHANGED = {
    "account": "password_hash password_set_at signed_in_at totp_sealed totp_since totp_step totp_pending totp_pending_until locked_at"
               " locked_reason version updated_at",
    "account_client": "last_at",
    "account_policy": "password_shortest idle_seconds session_seconds overlap_seconds setup_seconds reset_seconds failures_of_client"
                      " client_seconds failures_in_all all_seconds client_known_days mails_at_once mail_seconds statuses version"
                      " updated_at",
    "account_recovery_code": "used_at",
    "account_token": "used_at void_at",
    "answer": "principal key_hash method fingerprint rows expires_at",
    "api_key": "token_hash previous_token_hash previous_expires_at revoked_at last_used_at version updated_at",
    "application": "state choices any_track answers reviewers submitted_at interview_at interview_place decided_at decided_by track"
                   " membership_id reason version updated_at",
    "appointment": "until reason version updated_at",
    "ban": "lifted_at lifted_reason version updated_at",
    "campaign": "title description opens_at closes_at quota audience_homes audience_grades audience_statuses questions gives"
                " cancelled_at version updated_at",
    "campaign_track": "quota",
    "credit_module": "title title_en term_cap year_cap",
    "credit_objection": "outcome reason decided_by decided_at version",
    "credit_rejection": "reason applied_at tried_at",
    "fact": "pos",
    "fact_cursor": "source pos",
    "handover": "incoming_id list outgoing_signed_at incoming_signed_at closed_at closed_by close_reason superseded_by version"
                " updated_at",
    "incompatibility": "reason",
    "mail": "recipient attempts next_attempt_at leased_until sent_at failed_at failure",
    "membership": "until reason renew_by expulsion_reason version updated_at",
    "membership_term": "renewal month day opens_days grace_days version updated_at",
    "office": "title title_en seats carries_over abolished_on version updated_at",
    "organisation": "title title_en description led_by founded_on dissolved_on successor version updated_at",
    "person": "student_number name latin_name home grade class_name status email phone version updated_at",
    "registration": "state round report plan supervisor version updated_at",
    "role": "title title_en description version updated_at",
    "role_grant": "until version updated_at",
    "session": "token_hash previous_token_hash previous_expires_at last_used_at revoked_at reason",
    "sign_in_failure": "count until",
    "sign_on_flow": "expires_at",
    "supervision": "supervisor version updated_at",
    "transcript_certificate": "revoked_at revoke_reason",
}

# What is over, is taken back before anything came of it, or says only what holds now.
REMOVED = {"account_client", "account_recovery_code", "account_token", "answer", "campaign_track", "incompatibility", "mail",
           "office_role", "person_reach", "role", "role_permission", "session", "sign_in_failure", "sign_on_flow", "supervision"}

TABLES = """pg_class c WHERE c.relnamespace = 'membership'::regnamespace AND c.relkind IN ('r', 'p', 'v')"""


def allowed(campus, privilege):
    return {name for name, in campus.sql(f"SELECT c.relname FROM {TABLES} AND has_table_privilege('{ROLE}', c.oid, '{privilege}')")}


def test_only_what_changes_can_be_changed(campus):
    found = campus.sql(f"""SELECT c.relname, a.attname
                             FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
                            WHERE c.relnamespace = 'membership'::regnamespace AND c.relkind IN ('r', 'p', 'v')
                              AND a.attnum > 0 AND NOT a.attisdropped
                              AND has_column_privilege('{ROLE}', c.oid, a.attnum, 'UPDATE')""")
    assert {tuple(row) for row in found} == {(table, column) for table, columns in CHANGED.items() for column in columns.split()}


def test_only_what_is_over_can_be_removed(campus):
    assert allowed(campus, "DELETE") == REMOVED
    for privilege in ("TRUNCATE", "TRIGGER", "REFERENCES"):
        assert allowed(campus, privilege) == set()


def test_no_more_can_be_added_than_statements_add(campus):
    given = {"account_policy", "consent_wording", "mail_kind", "office_kind_order", "organisation_kind_parent", "personal_field",
             "sensitive", "sensitive_reading"}
    assert not given & allowed(campus, "INSERT")
    assert campus.value(f"SELECT has_schema_privilege('{ROLE}', 'membership', 'CREATE')") == "f"
    assert campus.value(f"SELECT has_column_privilege('{ROLE}', 'membership.role', 'builtin', 'INSERT')") == "f"


@pytest.mark.parametrize("statement", [
    "UPDATE membership.appointment SET person_id = person_id",
    "UPDATE membership.appointment SET since = since",
    "DELETE FROM membership.appointment",
    "UPDATE membership.role_grant SET role = 'administrator'",
    "UPDATE membership.role_grant SET granted_by = NULL",
    "UPDATE membership.membership SET since = since",
    "DELETE FROM membership.membership",
    "UPDATE membership.api_key SET permissions = '{*}'",
    "UPDATE membership.person SET erased_at = NULL",
    "DELETE FROM membership.person",
    "UPDATE membership.ban SET until = since",
    "UPDATE membership.application_comment SET text = ''",
    "DELETE FROM membership.application",
    "UPDATE membership.handover_item SET title = ''",
    "DELETE FROM membership.handover_list",
    "UPDATE membership.registration_submission SET report = NULL",
    "UPDATE membership.registration_decision SET comment = NULL",
    "DELETE FROM membership.registration_decision",
    "UPDATE membership.credit_line SET credits = 0",
    "DELETE FROM membership.credit_line",
    "TRUNCATE membership.credit_line",
    "UPDATE membership.transcript_certificate SET snapshot_hash = ''",
    "UPDATE membership.consent SET state = 'given'",
    "DELETE FROM membership.consent",
    "DELETE FROM membership.sensitive_reading",
    "INSERT INTO membership.sensitive_reading DEFAULT VALUES",
    "UPDATE membership.fact SET data = '{}'",
    "DELETE FROM membership.fact",
    "UPDATE membership.account_policy SET one = true",
    "DELETE FROM membership.account_policy",
    "UPDATE membership.session SET person_id = person_id",
    "SELECT FROM membership.sensitive",
    "SELECT plain FROM membership.sensitive",
    "SELECT sealed FROM membership.sensitive",
    "SELECT membership.minimise_due('{}', 1)",
])
def test_what_has_been_stays(campus, statement):
    with pytest.raises(harness.HarnessError, match="permission denied"):
        campus.sql(statement, role=ROLE)


def test_a_number_is_not_told_to_who_guesses_many(campus):
    """What a roster asks, whether it changes anything, is answered for one number a person."""
    somebody = campus.value("""INSERT INTO membership.organisation (path, kind, parent_kind, title)
                               VALUES ('guessed', 'university', '', 'Guessed');
                               INSERT INTO membership.person (id, student_number, name, home, phone)
                               VALUES (campus.new_id(), 'guessed-1', '张三', 'guessed', '13900990042') RETURNING id""")

    def known(*numbers):
        asked = ", ".join(f"'{number}'" for number in numbers)
        return campus.sql(f"""SELECT membership.sensitive_phones_known(array_fill('{somebody}'::uuid, ARRAY[{len(numbers)}]),
                                                                       ARRAY[{asked}])""", role=ROLE)

    assert known("13900990042") == [[somebody]]
    assert known("13900990043") == known("13900990041", "13900990042", "13900990043") == []
