/* id_token.c -- rules, one after another; the first that is broken is told. */
#include "services/membership/id_token.h"

#include <inttypes.h>
#include <jansson.h>
#include <sodium.h>

enum { LONGEST_SUBJECT = 255, LONGEST_PERSON = 200 };

static json_t *parse(struct slice json)
{
    return json_loadb((const char *)json.data, json.size, JSON_REJECT_DUPLICATES, NULL);
}

static bool is_text(const json_t *value, const char *wanted)
{
    const char *text = json_string_value(value);
    return text && strcmp(text, wanted) == 0;
}

static bool is_audience(const json_t *audience, const char *client_id)
{
    if (json_is_string(audience))
        return is_text(audience, client_id);
    for (size_t i = 0; i < json_array_size(audience); i++)
        if (is_text(json_array_get(audience, i), client_id))
            return true;
    return false;
}

/* Seconds since 1970, of any JSON number; false where it is none that can be a time. */
static bool read_time(const json_t *value, int64_t *seconds)
{
    double number = json_number_value(value);
    if (!json_is_number(value) || !(number >= 0 && number < 1e15))
        return false;
    *seconds = (int64_t)number;
    return true;
}

static const char *broken_times(const json_t *token, int64_t now_s)
{
    int64_t expires, issued, from;
    const json_t *not_before = json_object_get(token, "nbf");
    if (!read_time(json_object_get(token, "exp"), &expires) || !read_time(json_object_get(token, "iat"), &issued))
        return "it lacks its times";
    if (expires + ID_TOKEN_LEEWAY_S <= now_s)
        return "it has expired";
    if (issued - ID_TOKEN_LEEWAY_S > now_s)
        return "it is from the future";
    if (not_before && (!read_time(not_before, &from) || from - ID_TOKEN_LEEWAY_S > now_s))
        return "it is not valid yet";
    return NULL;
}

static const char *broken_rule(const json_t *token, const struct id_token_wanted *wanted)
{
    const json_t *audience = json_object_get(token, "aud"), *party = json_object_get(token, "azp");
    const char *subject = json_string_value(json_object_get(token, "sub"));
    if (!json_is_object(token))
        return "it is no JSON object";
    if (!is_text(json_object_get(token, "iss"), wanted->issuer))
        return "it is another issuer's";
    if (!is_audience(audience, wanted->client_id))
        return "it is for another audience";
    if (party ? !is_text(party, wanted->client_id) : json_array_size(audience) > 1)
        return "it is for another party";
    if (!subject || !*subject || strlen(subject) > LONGEST_SUBJECT)
        return "it has no subject";
    if (!is_text(json_object_get(token, "nonce"), wanted->nonce))
        return "its nonce is another's";
    return broken_times(token, wanted->now_s);
}

/* Some providers have student numbers as numbers. */
static const char *claim_text(struct arena *arena, const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    if (json_is_integer(value))
        return arena_printf(arena, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
    const char *text = json_string_value(value);
    return text && *text && strlen(text) <= LONGEST_PERSON ? arena_strdup(arena, text) : NULL;
}

const char *id_token_read(struct arena *arena, struct slice payload, const struct id_token_wanted *wanted,
                          struct id_token_claims *claims)
{
    json_t *token = parse(payload);
    const char *broken = broken_rule(token, wanted);
    if (!broken)
        *claims = (struct id_token_claims){
            .subject = arena_strdup(arena, json_string_value(json_object_get(token, "sub"))),
            .person = claim_text(arena, token, wanted->claim),
        };
    json_decref(token);
    return broken;
}

const char *id_token_userinfo(struct arena *arena, struct slice body, const char *subject, const char *claim)
{
    json_t *answer = parse(body);
    const char *text = is_text(json_object_get(answer, "sub"), subject) ? claim_text(arena, answer, claim) : NULL;
    json_decref(answer);
    return text;
}

const char *pkce_challenge(struct arena *arena, const char *verifier)
{
    uint8_t hash[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(hash, (const uint8_t *)verifier, strlen(verifier));
    return base64url_text(arena, hash, sizeof hash);
}
