/* transcript.c -- what people have earned; certificates of it are signed here, as the key never leaves the program. */
#include "services/membership/tables.h"

#include "common/call.h"
#include "common/parameter.h"

#include <sodium.h>

enum {
    KEY_ID = 8, /* bytes of the public key's hash */
    CODE_SIZE =
        sodium_base64_ENCODED_LEN(crypto_sign_BYTES, sodium_base64_VARIANT_URLSAFE_NO_PADDING), /* with its NUL */
};

/* The pair is derived from the server's secret: the same in every process, and nowhere to be stolen from. */
static void key_pair(const struct call *call, uint8_t public_key[crypto_sign_PUBLICKEYBYTES],
                     uint8_t secret_key[crypto_sign_SECRETKEYBYTES])
{
    uint8_t seed[crypto_sign_SEEDBYTES];
    _Static_assert(crypto_sign_SEEDBYTES == CALL_HASH, "call_hash() gives 32 bytes");
    call_hash(call, "transcript key", slice_text(""), seed);
    crypto_sign_seed_keypair(public_key, secret_key, seed);
    sodium_memzero(seed, sizeof seed);
}

static const char *key_id(struct call *call, const uint8_t public_key[crypto_sign_PUBLICKEYBYTES])
{
    uint8_t hash[crypto_hash_sha256_BYTES];
    char hex[2 * KEY_ID + 1];
    crypto_hash_sha256(hash, public_key, crypto_sign_PUBLICKEYBYTES);
    return arena_strdup(call_arena(call), sodium_bin2hex(hex, sizeof hex, hash, KEY_ID));
}

static void add_key(struct call *call)
{
    uint8_t public_key[crypto_sign_PUBLICKEYBYTES], secret_key[crypto_sign_SECRETKEYBYTES];
    key_pair(call, public_key, secret_key);
    sodium_memzero(secret_key, sizeof secret_key);
    call_add(call, "key_id", key_id(call, public_key));
    call_add(call, "public_key", parameter_bytes(call_arena(call), slice_of(public_key, sizeof public_key)));
}

static const char *column(struct call *call, const char *name)
{
    return arena_text(call_arena(call), call_column(call, name));
}

/* What is signed, as the manual has it: four lines without an end of the last. */
static const char *statement_of(struct call *call, const char *number)
{
    return arena_printf(call_arena(call), "campus transcript v1\n%s\n%s\n%s", number, column(call, "issued_on"),
                        column(call, "snapshot_hash"));
}

/* On a retry after the server's secret has changed the certificate stands, but this server cannot sign for its key any more. */
static void issue_finish(struct call *call)
{
    uint8_t public_key[crypto_sign_PUBLICKEYBYTES], secret_key[crypto_sign_SECRETKEYBYTES];
    uint8_t signature[crypto_sign_BYTES];
    char text[CODE_SIZE];
    const char *number = column(call, "number"), *statement = statement_of(call, number);
    key_pair(call, public_key, secret_key);
    if (slice_is(call_column(call, "key_id"), key_id(call, public_key))) {
        crypto_sign_detached(signature, NULL, (const uint8_t *)statement, strlen(statement), secret_key);
        sodium_bin2base64(text, sizeof text, signature, sizeof signature, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
        call_reply_text(call, "statement", statement);
        call_reply_text(call, "signature", text);
        call_reply_text(call, "code", arena_printf(call_arena(call), "%s.%s", number, text));
    }
    sodium_memzero(secret_key, sizeof secret_key);
}

/* "2026-000123.<signature>"; its form is checked by the contract. */
static bool read_code(struct call *call, const char *number, uint8_t signature[crypto_sign_BYTES])
{
    const char *code = call_text(call, "code"), *dot = strchr(code, '.');
    size_t size = 0;
    return dot && slice_is(slice_of(code, (size_t)(dot - code)), number) &&
           sodium_base642bin(signature, crypto_sign_BYTES, dot + 1, strlen(dot + 1), NULL, &size, NULL,
                             sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0 &&
           size == crypto_sign_BYTES;
}

/* What is not there is verified all the same, against a key that is, so that no answer comes sooner than another. */
static void verify_finish(struct call *call)
{
    uint8_t public_key[crypto_sign_PUBLICKEYBYTES], secret_key[crypto_sign_SECRETKEYBYTES];
    uint8_t signature[crypto_sign_BYTES] = { 0 };
    const char *number = call_text(call, "number"), *statement = statement_of(call, number);
    struct slice known = call_column(call, "public_key");
    key_pair(call, public_key, secret_key);
    sodium_memzero(secret_key, sizeof secret_key);
    if (known.size == sizeof public_key)
        memcpy(public_key, known.data, sizeof public_key);
    bool read = read_code(call, number, signature);
    bool good = crypto_sign_verify_detached(signature, (const uint8_t *)statement, strlen(statement), public_key) == 0;
    if (read && good && known.size == sizeof public_key)
        return;
    call_reply_clear(call);
    call_reply_text(call, "state", "unknown");
}

#define KEY "key_id, public_key"

const struct method transcript_methods[] = {
    { "GetTranscript", .query = "get_transcript", .lane = LANE_HEAVY },
    { "ListCredits", .query = "target_transcript, list_credits", .count = "count_credits", .lane = LANE_HEAVY },
    { "RecordCredit", .query = "target_credit_new, record_credit" },
    { "ReverseCredit", .query = "lock_credit, target_credit, reverse_credit" },
    { "ObjectToCredit", .query = "lock_credit, target_credit_objected, object_to_credit" },
    { "ListObjections", .query = "list_objections", .count = "count_objections", .lane = LANE_HEAVY },
    { "DecideObjection", .query = "lock_objection, target_objection, decide_objection" },
    { "ListRejectedCredits", .query = "target_whole_campus, list_rejected_credits", .count = "count_rejected_credits",
      .lane = LANE_HEAVY },
    { "RetryRejectedCredits", .query = "target_whole_campus, lock_rejected_credits, retry_rejected_credits" },
    { "ListCreditPolicies", .query = "list_credit_policies", .lane = LANE_HEAVY },
    { "CreateCreditPolicy", .query = "lock_credit_policies, target_credit_policy_new, create_credit_policy" },
    { "SetCreditModule", .query = "lock_credit_policies, target_credit_policy, set_credit_module" },
    { "IssueTranscript", .check = add_key, .adds = KEY, .query = "target_transcript_issued, issue_transcript",
      .finish = issue_finish },
    { "ListTranscripts", .query = "target_transcript, list_transcripts", .lane = LANE_HEAVY },
    { "RevokeTranscript", .query = "target_certificate, revoke_transcript" },
    { "VerifyTranscript", .hides = "snapshot_hash, public_key", .query = "verify_transcript", .finish = verify_finish },
    { "ListTranscriptKeys", .check = add_key, .adds = KEY, .query = "list_transcript_keys", .lane = LANE_HEAVY },
    { 0 },
};
