/* factors.c -- the second factor: begun, confirmed, ended. */
#include "services/membership/tables.h"

#include "common/call.h"
#include "services/membership/proof.h"
#include "services/membership/totp.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum { RECOVERY_CODES = 10, RECOVERY_BYTES = 20, RECOVERY_CODE = 12 };

/* ---- beginning ---- */

/* With the password, where there is one: who finds a session open must not shut its owner out. */
static void begin_check(struct call *call)
{
    uint8_t secret[PROOF_SECRET];
    const char *password = call_has(call, "password") ? call_text(call, "password") : "";
    if (call_found(call, "totp_sealed")) {
        call_refuse(call, "second_factor_on");
        return;
    }
    if (!proof_may_try(call))
        return;
    if (call_found(call, "password_hash"))
        (void)!proof_try_password(call, password, "password_wrong");
    call_derive_secret(call, secret);
    call_add(call, "totp_sealed", proof_seal(call, call_person(call), secret, TOTP_SECRET));
}

static void begin_finish(struct call *call)
{
    uint8_t secret[PROOF_SECRET];
    char text[TOTP_BASE32];
    call_derive_secret(call, secret);
    totp_base32(secret, text);
    call_reply_text(call, "secret", text);
    call_reply_text(call, "uri",
                    arena_printf(call_arena(call),
                                 "otpauth://totp/Campus?secret=%s&issuer=Campus&algorithm=SHA1&digits=%d&period=%d",
                                 text, TOTP_DIGITS, TOTP_SECONDS));
}

/* ---- confirming ---- */

/* The code of that number, "abcde-fghij": fifty bits. */
static const char *recovery_code(struct call *call, unsigned place)
{
    const uint8_t number = (uint8_t)place;
    uint8_t secret[PROOF_SECRET], bytes[TOTP_SECRET];
    char text[TOTP_BASE32], code[RECOVERY_CODE];
    call_derive_secret(call, secret);
    crypto_generichash(bytes, sizeof bytes, &number, sizeof number, secret, sizeof secret);
    totp_base32(bytes, text);
    for (char *at = text; *at; at++)
        *at = *at >= 'A' && *at <= 'Z' ? (char)(*at - 'A' + 'a') : *at;
    snprintf(code, sizeof code, "%.5s-%.5s", text, text + 5);
    return arena_strdup(call_arena(call), code);
}

static void add_recovery_codes(struct call *call)
{
    const char *hashes[RECOVERY_CODES];
    for (unsigned i = 0; i < RECOVERY_CODES; i++)
        hashes[i] = proof_recovery_hash(call, call_person(call), recovery_code(call, i));
    call_add_array(call, "recovery_hashes", hashes, RECOVERY_CODES);
}

static void confirm_check(struct call *call)
{
    const char *pending = call_found(call, "totp_pending");
    uint8_t secret[TOTP_SECRET];
    if (call_found(call, "totp_sealed")) {
        call_refuse(call, "second_factor_on");
        return;
    }
    if (!pending || !proof_open(call, call_person(call), pending, secret, sizeof secret)) {
        call_refuse(call, "no_pending_factor");
        return;
    }
    int64_t step = totp_step(secret, call_text(call, "code"), strtoll(call_found(call, "now_seconds"), NULL, 10), 0);
    if (step < 0) {
        call_refuse(call, "second_factor_wrong");
        return;
    }
    call_add(call, "pending_seen", pending);
    call_add(call, "totp_step", arena_printf(call_arena(call), "%lld", (long long)step));
    add_recovery_codes(call);
}

static void confirm_finish(struct call *call)
{
    for (unsigned i = 0; i < RECOVERY_CODES; i++)
        call_reply_text(call, "recovery_codes", recovery_code(call, i));
}

/* ---- ending ---- */

static void disable_check(struct call *call)
{
    if (!call_found(call, "totp_sealed"))
        call_refuse(call, "no_second_factor");
    else if (proof_may_try(call))
        (void)!proof_try_password(call, call_text(call, "password"), "password_wrong");
}

const struct method factor_methods[] = {
    { "BeginTotp", .prepare = proof_prepare_own, .first = "find_own_account", .check = begin_check, .aside = ASIDE_HASH,
      .adds = "login_hash, totp_sealed, verdict, account_version", .query = "lock_login, begin_totp",
      .finish = begin_finish },
    { "ConfirmTotp", .prepare = proof_prepare_own, .first = "find_own_account", .check = confirm_check,
      .adds = "login_hash, pending_seen, totp_step, recovery_hashes",
      .query = "lock_pending_totp, clear_recovery_codes, confirm_totp", .finish = confirm_finish },
    { "DisableTotp", .prepare = proof_prepare_own, .first = "find_own_account", .check = disable_check,
      .aside = ASIDE_HASH, .adds = "login_hash, verdict, account_version", .query = "lock_login, disable_totp" },
    { "ResetFactor", .query = "target_factor, lock_account_of, reset_factor" },
    { 0 },
};
