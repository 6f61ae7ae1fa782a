/* sessions.c -- signing in, and what becomes of the session that it opens. */
#include "services/membership/tables.h"

#include "common/call.h"
#include "services/membership/password.h"
#include "services/membership/proof.h"
#include "services/membership/totp.h"

#include <stdlib.h>

/* ---- signing in ---- */

static void sign_in_prepare(struct call *call)
{
    proof_count_as(call, "login", call_text(call, "login"));
}

/* Why a code is not right, or NULL. A recovery code is compared by the statement that spends it. */
static const char *try_code(struct call *call, const char *code)
{
    uint8_t secret[TOTP_SECRET];
    const char *person = call_found(call, "person_id");
    if (!code)
        return "second_factor_required";
    if (strlen(code) != TOTP_DIGITS) {
        call_add(call, "recovery_hash", proof_recovery_hash(call, person, code));
        return NULL;
    }
    if (!proof_open(call, person, call_found(call, "totp_sealed"), secret, sizeof secret))
        return "second_factor_wrong";
    int64_t last = strtoll(call_found(call, "totp_step"), NULL, 10);
    int64_t step = totp_step(secret, code, strtoll(call_found(call, "now_seconds"), NULL, 10), last);
    if (step < 0)
        return "second_factor_wrong";
    call_add(call, "totp_step", arena_printf(call_arena(call), "%lld", (long long)step));
    return NULL;
}

/* One hash is computed whoever the login names, and only the right password lets anything else be seen. None is where too much
 * has failed from this network; of failures elsewhere the statement judges, which knows the password to be right. */
static void sign_in_check(struct call *call)
{
    const char *password = call_text(call, "password"), *hash = call_found(call, "password_hash");
    if (!proof_may_try(call))
        return;
    proof_add_session(call);
    call_add(call, "found_person", call_found(call, "person_id"));
    if (!proof_try_password(call, password, "credentials_wrong"))
        return;
    if (call_found(call, "totp_sealed"))
        call_add(call, "verdict", try_code(call, call_text(call, "code")));
    if (password_is_stale(hash))
        (void)!proof_add_password(call, "new_password_hash", password);
}

/* ---- afterwards ---- */

static void needs_session(struct call *call)
{
    if (!call_session(call))
        call_refuse(call, "no_session");
}

static void renew_check(struct call *call)
{
    needs_session(call);
    proof_add_session(call);
}

const struct method session_methods[] = {
    { "SignIn", .prepare = sign_in_prepare, .first = "find_account", .check = sign_in_check, .aside = ASIDE_HASH,
      .adds =
          "login_hash, token_hash, found_person, verdict, account_version, totp_step, recovery_hash, new_password_hash",
      .queue_by = "login", .query = "lock_login, sign_in", .finish = proof_show_session },
    { "RenewSession", .check = renew_check, .adds = "token_hash", .query = "lock_own_session, renew_session",
      .finish = proof_show_session },
    { "SignOut", .check = needs_session, .query = "lock_own_session, sign_out" },
    { "ListSessions", .query = "list_sessions", .lane = LANE_HEAVY },
    { "GetSession", .query = "get_session" },
    { "RevokeSession", .query = "target_session, revoke_session" },
    { "RevokeSessions", .query = "target_person_of_sessions, revoke_sessions" },
    { "IssueSession", .check = proof_add_session, .adds = "token_hash",
      .query = "target_person_to_issue, issue_session", .finish = proof_show_session },
    { 0 },
};
