/* answer.c -- the framework's SQL around a WRITE, and the hashes that it binds. */
#include "common/answer.h"

#include <sodium.h>

const char answer_claim_sql[] =
    "INSERT INTO answer (principal, key_hash, method, fingerprint, rows, expires_at) "
    "VALUES (:answer_principal::text, :answer_key::bytea, :method::text, :answer_fingerprint::bytea, 'null', "
    "campus.now() + make_interval(secs => :answer_seconds::int4))";

const char answer_expire_sql[] =
    "DELETE FROM answer WHERE principal = :answer_principal::text AND key_hash = :answer_key::bytea "
    "AND expires_at <= campus.now()";

const char answer_seal_sql[] =
    "INSERT INTO answer (principal, key_hash, method, fingerprint, rows, expires_at) "
    "VALUES (:answer_principal::text, :answer_key::bytea, :method::text, :answer_fingerprint::bytea, "
    "to_jsonb(:refusal::text), campus.now() + make_interval(secs => :answer_seconds::int4)) ON CONFLICT DO NOTHING";

#define FIND                                                                                                           \
    "SELECT fingerprint, CASE WHEN jsonb_typeof(rows) = 'string' THEN rows #>> '{}' END AS refusal FROM answer "       \
    "WHERE principal = :answer_principal::text AND key_hash = :answer_key::bytea"

const char answer_find_sql[] = FIND;
const char answer_seek_sql[] = FIND " AND expires_at > campus.now()";

const char answer_sweep_sql[] = "DELETE FROM answer WHERE ctid = ANY (ARRAY("
                                "SELECT ctid FROM answer WHERE expires_at <= campus.now() LIMIT 1000 "
                                "FOR UPDATE SKIP LOCKED))";

#define STORED                                                                                                         \
    "\n, stored AS (UPDATE answer SET rows = (SELECT jsonb_agg(to_jsonb(reply)) FROM reply)"                           \
    " WHERE principal = :answer_principal::text AND key_hash = :answer_key::bytea)"
#define TOLD                                                                                                           \
    "\n, told AS (INSERT INTO fact (type, subject, data, actor, method, request_id)"                                   \
    " SELECT type, subject, data, :answer_principal::text, :method::text, :request_id::text FROM facts)"
#define ANSWERED "\nSELECT * FROM reply"

const char *answer_tail(bool facts)
{
    return facts ? STORED TOLD ANSWERED : STORED ANSWERED;
}

bool answer_is_replay(const char *sqlstate, const char *table)
{
    return strcmp(sqlstate, "23505") == 0 && strcmp(table, "answer") == 0;
}

bool answer_is_refusal(const char *sqlstate, const char *table, const char *column)
{
    return strcmp(sqlstate, "23502") == 0 && strcmp(table, "answer") == 0 && strcmp(column, "rows") == 0;
}

bool answer_is_key(struct slice key)
{
    for (size_t i = 0; i < key.size; i++)
        if (key.data[i] <= ' ' || key.data[i] >= 0x7F)
            return false;
    return key.size >= 1 && key.size <= ANSWER_LONGEST_KEY;
}

void answer_key_hash(const char *key, uint8_t hash[ANSWER_HASH])
{
    crypto_hash_sha256(hash, (const uint8_t *)key, strlen(key));
}

void answer_fingerprint(const uint8_t secret[ANSWER_SECRET], const struct answer_request *request,
                        uint8_t hash[ANSWER_HASH])
{
    crypto_auth_hmacsha256_state state;
    uint64_t paths = request->set_count; /* so that no path can pass for the body's beginning */
    crypto_auth_hmacsha256_init(&state, secret, ANSWER_SECRET);
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)request->method, strlen(request->method) + 1);
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)&request->if_version, sizeof request->if_version);
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)&paths, sizeof paths);
    for (size_t i = 0; i < request->set_count; i++)
        crypto_auth_hmacsha256_update(&state, (const uint8_t *)request->set[i], strlen(request->set[i]) + 1);
    crypto_auth_hmacsha256_update(&state, request->body.data, request->body.size);
    crypto_auth_hmacsha256_final(&state, hash);
}
