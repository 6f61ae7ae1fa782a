/* accounts.c -- accounts of people: the tokens that set a password, and the password. */
#include "services/membership/tables.h"

#include "common/call.h"
#include "common/uuid.h"
#include "services/membership/account_token.h"
#include "services/membership/proof.h"

/* The id of this request's token: derived, so that a retry names the same; an id of version 8 (RFC 9562 §5.8). */
static const char *token_id(struct call *call)
{
    uint8_t secret[PROOF_SECRET];
    char text[UUID_TEXT];
    call_derive_secret(call, secret);
    secret[6] = (uint8_t)((secret[6] & 0x0F) | 0x80);
    secret[8] = (uint8_t)((secret[8] & 0x3F) | 0x80);
    uuid_format(secret, text);
    return arena_strdup(call_arena(call), text);
}

static const char *token_text(struct call *call)
{
    char *text = arena_alloc(call_arena(call), ACCOUNT_TOKEN_TEXT);
    account_token_text(call_secret(call), token_id(call), text);
    return text;
}

static void add_token(struct call *call)
{
    call_add(call, "token_id", token_id(call));
    call_add(call, "token_hash", proof_hash(call, token_text(call)));
}

static void invite_check(struct call *call)
{
    add_token(call);
}

static void invite_finish(struct call *call)
{
    if (!call_has(call, "deliver"))
        call_reply_text(call, "token", token_text(call));
}

static void forget_check(struct call *call)
{
    proof_count_as(call, "forgotten login", call_text(call, "login"));
    add_token(call);
}

static void set_up_check(struct call *call)
{
    const char *password = call_text(call, "password");
    if (proof_admits_password(call, password))
        (void)!proof_add_password(call, "password_hash", password);
}

/* The new one is hashed only where the old one is right. */
static void change_check(struct call *call)
{
    const char *wanted = call_text(call, "new_password");
    if (!proof_may_try(call) || !proof_admits_password(call, wanted))
        return;
    if (proof_try_password(call, call_text(call, "old_password"), "password_wrong"))
        (void)!proof_add_password(call, "password_hash", wanted);
}

const struct method account_methods[] = {
    { "InvitePerson", .check = invite_check, .adds = "token_id, token_hash",
      .query = "lock_person, target_invited, void_tokens, invite_person", .finish = invite_finish },
    { "SetUpAccount", .first = "find_token", .check = set_up_check, .aside = ASIDE_HASH, .adds = "password_hash",
      .query = "lock_token, lock_account_of_token, set_up_account" },
    { "ForgetAccount", .check = forget_check, .adds = "login_hash, token_id, token_hash", .queue_by = "login",
      .query = "lock_login, count_forgotten, lock_forgotten, void_forgotten, forget_account" },
    { "ChangePassword", .prepare = proof_prepare_own, .first = "find_own_account", .check = change_check,
      .aside = ASIDE_HASH, .adds = "login_hash, verdict, account_version, password_hash",
      .query = "lock_login, lock_account_own, change_password" },
    { "GetAccount", .query = "get_account" },
    { "LockAccount", .query = "target_account_to_lock, lock_account_of, lock_account" },
    { "UnlockAccount", .query = "target_account_to_unlock, unlock_account" },
    { 0 },
};
