/* proof.c -- the hashes and seals are under keys that are derived from the server's secret, one for each purpose. */
#include "services/membership/proof.h"

#include "common/buffer.h"
#include "common/parameter.h"
#include "services/membership/password.h"

#include <assert.h>
#include <ctype.h>
#include <sodium.h>
#include <stdlib.h>

enum {
    LONGEST_SEALED = 128,
    BASE64_SIZE = sodium_base64_ENCODED_LEN(PROOF_SECRET, sodium_base64_VARIANT_URLSAFE_NO_PADDING),
};

static const char session_prefix[] = "campus_s_"; /* so that a token that has leaked is known for what it is */

/* ---- attempts ---- */

void proof_count_as(struct call *call, const char *kind, const char *login)
{
    uint8_t hash[CALL_HASH];
    char *folded = arena_strdup(call_arena(call), login);
    for (char *at = folded; *at; at++) /* as person_of_login() does */
        if (*at >= 'A' && *at <= 'Z')
            *at = (char)(*at + ('a' - 'A'));
    call_hash(call, kind, slice_text(folded), hash);
    call_add(call, "login_hash", parameter_bytes(call_arena(call), slice_of(hash, sizeof hash)));
}

void proof_prepare_own(struct call *call)
{
    if (call_person(call))
        proof_count_as(call, "own account", call_person(call));
    else
        call_refuse(call, "people_only");
}

bool proof_may_try(struct call *call)
{
    const char *wait_ms = call_found(call, "wait_ms");
    if (!wait_ms)
        return true;
    call_refuse(call, "too_many_attempts");
    call_retry_after(call, (uint32_t)strtoul(wait_ms, NULL, 10));
    return false;
}

bool proof_try_password(struct call *call, const char *password, const char *wrong)
{
    bool right = password_verify(call_found(call, "password_hash"), password);
    call_add(call, "verdict", right ? NULL : wrong);
    call_add(call, "account_version", call_found(call, "account_version"));
    return right;
}

/* The address before its @, too. */
static const char *mailbox(struct call *call)
{
    const char *email = call_found(call, "email");
    return email ? arena_printf(call_arena(call), "%.*s", (int)strcspn(email, "@"), email) : NULL;
}

bool proof_admits_password(struct call *call, const char *password)
{
    static const char *const columns[] = { "student_number", "name", "latin_name" };
    enum { COLUMNS = sizeof columns / sizeof *columns };
    const char *own[COLUMNS + 2] = { NULL };
    size_t count = 0;
    for (size_t i = 0; i < COLUMNS; i++)
        if (call_found(call, columns[i]))
            own[count++] = call_found(call, columns[i]);
    own[count] = mailbox(call);
    size_t shortest = strtoul(call_found(call, "password_shortest"), NULL, 10);
    const char *fault = password_fault(call_arena(call), password, shortest, own);
    if (fault)
        call_refuse(call, fault);
    return !fault;
}

bool proof_add_password(struct call *call, const char *name, const char *password)
{
    char *hash = arena_alloc(call_arena(call), PASSWORD_HASH);
    if (!password_hash(password, hash)) {
        call_refuse(call, "unavailable");
        return false;
    }
    call_add(call, name, hash);
    return true;
}

/* ---- secrets that are shown once ---- */

const char *proof_session_token(struct call *call)
{
    uint8_t secret[PROOF_SECRET];
    char text[BASE64_SIZE];
    call_derive_secret(call, secret);
    sodium_bin2base64(text, sizeof text, secret, sizeof secret, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    return arena_printf(call_arena(call), "%s%s", session_prefix, text);
}

void proof_add_session(struct call *call)
{
    call_add(call, "token_hash", proof_hash(call, proof_session_token(call)));
}

void proof_show_session(struct call *call)
{
    call_reply_text(call, "secret", proof_session_token(call));
}

const char *proof_hash(struct call *call, const char *text)
{
    uint8_t hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(hash, (const uint8_t *)text, strlen(text));
    return parameter_bytes(call_arena(call), slice_of(hash, sizeof hash));
}

/* ---- factors ---- */

/* A key for each person: what is sealed for one cannot be put in another's place. */
static void seal_key(const struct call *call, const char *person, uint8_t key[CALL_HASH])
{
    call_hash(call, "second factor", slice_text(person), key);
}

const char *proof_seal(struct call *call, const char *person, const uint8_t *secret, size_t size)
{
    uint8_t key[CALL_HASH], sealed[LONGEST_SEALED];
    assert(crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES + size <= sizeof sealed);
    seal_key(call, person, key);
    randombytes_buf(sealed, crypto_secretbox_NONCEBYTES);
    crypto_secretbox_easy(sealed + crypto_secretbox_NONCEBYTES, secret, size, sealed, key);
    return parameter_bytes(call_arena(call),
                           slice_of(sealed, crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES + size));
}

bool proof_open(const struct call *call, const char *person, const char *hex, uint8_t *secret, size_t size)
{
    uint8_t key[CALL_HASH], sealed[LONGEST_SEALED];
    size_t found = 0, expected = crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES + size;
    seal_key(call, person, key);
    return sodium_hex2bin(sealed, sizeof sealed, hex, strlen(hex), NULL, &found, NULL) == 0 && found == expected &&
           crypto_secretbox_open_easy(secret, sealed + crypto_secretbox_NONCEBYTES, found - crypto_secretbox_NONCEBYTES,
                                      sealed, key) == 0;
}

const char *proof_recovery_hash(struct call *call, const char *person, const char *code)
{
    uint8_t hash[CALL_HASH];
    struct buffer plain = buffer_in(call_arena(call));
    buffer_printf(&plain, "%s ", person);
    for (; *code; code++)
        if (*code != '-')
            buffer_byte(&plain, (uint8_t)tolower((unsigned char)*code));
    call_hash(call, "recovery code", buffer_slice(&plain), hash);
    return parameter_bytes(call_arena(call), slice_of(hash, sizeof hash));
}
