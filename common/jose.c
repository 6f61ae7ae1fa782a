/* jose.c -- OpenSSL does the arithmetic, jansson the JSON; what is here chooses, and in doubt refuses. */
#include "common/jose.h"

#include <assert.h>
#include <jansson.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <sodium.h>
#include <stdlib.h>

enum {
    MOST_KEYS_TRIED = 8,
    SHORTEST_RSA = 2048,
    LONGEST_RSA = 8192,
    COORDINATE = 32, /* bytes of one of P-256, and of Ed25519 */
};

/* ---- base64url ---- */

bool base64url_read(struct arena *arena, struct slice text, struct slice *bytes)
{
    uint8_t *out = arena_alloc(arena, text.size + 1);
    size_t size = 0;
    const char *end = NULL;
    bool read = sodium_base642bin(out, text.size + 1, (const char *)text.data, text.size, NULL, &size, &end,
                                  sodium_base64_VARIANT_URLSAFE_NO_PADDING) == 0 &&
                end == (const char *)text.data + text.size;
    *bytes = slice_of(out, read ? size : 0);
    return read;
}

const char *base64url_text(struct arena *arena, const void *bytes, size_t size)
{
    size_t length = sodium_base64_encoded_len(size, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    char *text = arena_alloc(arena, length);
    return sodium_bin2base64(text, length, bytes, size, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

/* ---- keys ---- */

/* A member of a key, decoded; size 0 where it is none. */
static struct slice member(struct arena *arena, const json_t *key, const char *name)
{
    const json_t *value = json_object_get(key, name);
    struct slice bytes = slice_of(NULL, 0);
    if (!json_is_string(value) ||
        !base64url_read(arena, slice_of(json_string_value(value), json_string_length(value)), &bytes))
        return slice_of(NULL, 0);
    return bytes;
}

static bool text_is(const json_t *object, const char *name, const char *wanted)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text && strcmp(text, wanted) == 0;
}

static EVP_PKEY *key_from(const char *type, OSSL_PARAM *params)
{
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    if (!context || EVP_PKEY_fromdata_init(context) != 1 ||
        EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
        key = NULL;
    EVP_PKEY_CTX_free(context);
    return key;
}

static EVP_PKEY *rsa_key(struct arena *arena, const json_t *jwk)
{
    struct slice modulus = member(arena, jwk, "n"), exponent = member(arena, jwk, "e");
    if (modulus.size < SHORTEST_RSA / 8 || modulus.size > LONGEST_RSA / 8 || exponent.size == 0 || exponent.size > 8)
        return NULL;
    BIGNUM *n = BN_bin2bn(modulus.data, (int)modulus.size, NULL),
           *e = BN_bin2bn(exponent.data, (int)exponent.size, NULL);
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    if (!n || !e || !builder || !OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) ||
        !OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e))
        abort();
    OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(builder);
    EVP_PKEY *key = BN_num_bits(n) >= SHORTEST_RSA && BN_is_odd(e) && !BN_is_one(e) ? key_from("RSA", params) : NULL;
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    BN_free(n);
    BN_free(e);
    return key;
}

static EVP_PKEY *p256_key(struct arena *arena, const json_t *jwk)
{
    struct slice x = member(arena, jwk, "x"), y = member(arena, jwk, "y");
    uint8_t point[1 + 2 * COORDINATE] = { POINT_CONVERSION_UNCOMPRESSED };
    char group[] = "prime256v1";
    if (!text_is(jwk, "crv", "P-256") || x.size != COORDINATE || y.size != COORDINATE)
        return NULL;
    memcpy(point + 1, x.data, COORDINATE);
    memcpy(point + 1 + COORDINATE, y.data, COORDINATE);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point),
        OSSL_PARAM_construct_end(),
    };
    return key_from("EC", params); /* NULL for a point that is not on the curve */
}

static EVP_PKEY *ed25519_key(struct arena *arena, const json_t *jwk)
{
    struct slice x = member(arena, jwk, "x");
    if (!text_is(jwk, "crv", "Ed25519") || x.size != COORDINATE)
        return NULL;
    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x.data, x.size);
}

/* ---- signatures ---- */

static bool verified(EVP_PKEY *key, const EVP_MD *digest, struct slice signature, struct slice text)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool valid = context && EVP_DigestVerifyInit(context, NULL, digest, NULL, key) == 1 &&
                 EVP_DigestVerify(context, signature.data, signature.size, text.data, text.size) == 1;
    EVP_MD_CTX_free(context);
    return valid;
}

static bool verify_rs256(EVP_PKEY *key, struct slice signature, struct slice text)
{
    return verified(key, EVP_sha256(), signature, text);
}

/* Two numbers side by side (RFC 7518 3.4), where OpenSSL wants DER. */
static bool verify_es256(EVP_PKEY *key, struct slice signature, struct slice text)
{
    if (signature.size != 2 * COORDINATE)
        return false;
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(signature.data, COORDINATE, NULL),
           *s = BN_bin2bn(signature.data + COORDINATE, COORDINATE, NULL);
    if (!pair || !r || !s || ECDSA_SIG_set0(pair, r, s) != 1)
        abort();
    unsigned char *der = NULL;
    int size = i2d_ECDSA_SIG(pair, &der);
    bool valid = size > 0 && verified(key, EVP_sha256(), slice_of(der, (size_t)size), text);
    OPENSSL_free(der);
    ECDSA_SIG_free(pair);
    return valid;
}

static bool verify_eddsa(EVP_PKEY *key, struct slice signature, struct slice text)
{
    return verified(key, NULL, signature, text);
}

static const struct algorithm {
    const char *name, *key_type;
    EVP_PKEY *(*key)(struct arena *arena, const json_t *jwk); /* NULL for a key that does not fit */
    bool (*verify)(EVP_PKEY *key, struct slice signature, struct slice text);
} algorithms[] = {
    { "RS256", "RSA", rsa_key, verify_rs256 },
    { "ES256", "EC", p256_key, verify_es256 },
    { "EdDSA", "OKP", ed25519_key, verify_eddsa },
};

static const struct algorithm *algorithm_find(const char *name)
{
    for (size_t i = 0; name && i < sizeof algorithms / sizeof *algorithms; i++)
        if (strcmp(algorithms[i].name, name) == 0)
            return &algorithms[i];
    return NULL;
}

/* ---- tokens ---- */

static json_t *parse(struct slice json)
{
    return json_loadb((const char *)json.data, json.size, JSON_REJECT_DUPLICATES, NULL);
}

static bool read_header(struct arena *arena, struct slice json, struct jose_token *token)
{
    json_t *header = parse(json);
    const struct algorithm *algorithm = algorithm_find(json_string_value(json_object_get(header, "alg")));
    const json_t *key_id = json_object_get(header, "kid");
    bool known = algorithm && (!key_id || json_is_string(key_id)) && !json_object_get(header, "crit") &&
                 !json_object_get(header, "b64");
    token->algorithm = algorithm ? algorithm->name : NULL;
    token->key_id = known && key_id ? arena_strdup(arena, json_string_value(key_id)) : NULL;
    json_decref(header);
    return known;
}

bool jose_read(struct arena *arena, struct slice text, struct jose_token *token)
{
    const uint8_t *dot = text.size && text.size <= JOSE_LONGEST ? memchr(text.data, '.', text.size) : NULL;
    const uint8_t *end = text.data + text.size;
    const uint8_t *second = dot ? memchr(dot + 1, '.', (size_t)(end - dot - 1)) : NULL;
    struct slice header;
    if (!second)
        return false;
    token->signed_part = slice_of(text.data, (size_t)(second - text.data));
    return base64url_read(arena, slice_of(text.data, (size_t)(dot - text.data)), &header) &&
           base64url_read(arena, slice_of(dot + 1, (size_t)(second - dot - 1)), &token->payload) &&
           base64url_read(arena, slice_of(second + 1, (size_t)(end - second - 1)), &token->signature) &&
           read_header(arena, header, token);
}

/* Whether the key can be the one that is meant: of the algorithm's kind, for signatures, and of the token's name for it. */
static bool is_meant(const json_t *jwk, const struct algorithm *algorithm, const char *key_id)
{
    const json_t *use = json_object_get(jwk, "use"), *own = json_object_get(jwk, "alg");
    return text_is(jwk, "kty", algorithm->key_type) && (!use || text_is(jwk, "use", "sig")) &&
           (!own || text_is(jwk, "alg", algorithm->name)) && (!key_id || text_is(jwk, "kid", key_id));
}

enum jose_verdict jose_verify(struct arena *arena, struct slice keys, const struct jose_token *token)
{
    const struct algorithm *algorithm = algorithm_find(token->algorithm);
    json_t *set = parse(keys), *list = json_object_get(set, "keys");
    enum jose_verdict verdict = JOSE_KEY_UNKNOWN;
    size_t tried = 0;
    assert(algorithm); /* jose_read() has found it */
    for (size_t i = 0; i < json_array_size(list) && tried < MOST_KEYS_TRIED && verdict != JOSE_VALID; i++) {
        const json_t *jwk = json_array_get(list, i);
        EVP_PKEY *key = is_meant(jwk, algorithm, token->key_id) ? algorithm->key(arena, jwk) : NULL;
        if (!key)
            continue;
        tried++;
        verdict = algorithm->verify(key, token->signature, token->signed_part) ? JOSE_VALID : JOSE_INVALID;
        EVP_PKEY_free(key);
    }
    json_decref(set);
    return verdict;
}
