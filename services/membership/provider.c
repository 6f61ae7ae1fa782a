/* provider.c -- what the provider has published is kept for as long as it says, within bounds, and fetched by one thread at a time. */
#include "services/membership/provider.h"

#include "common/buffer.h"
#include "common/clock.h"
#include "common/fetch.h"
#include "common/log.h"
#include "common/loopback.h"
#include "common/secret_file.h"
#include "common/settings.h"
#include "services/membership/id_token.h"

#include <jansson.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>

enum {
    FETCH_US = 5000000, /* of one request */
    LEAST_AGE_S = 60,
    MOST_AGE_S = 86400,
    USUAL_AGE_S = 3600,
    STALE_S = 86400, /* how much longer what is known serves where the provider does not answer */
    AGAIN_US = 2000000, /* after a failure: those who wait in line behind it do not each try for themselves */
    NEW_KEYS_US = 60000000, /* between two fetches for the sake of a key that is not known */
};

static const char UNAVAILABLE[] = "provider_unavailable";
static const char REFUSED[] = "provider_refused";
static const char INVALID[] = "token_invalid";

/* One document of the provider's, as text. */
struct document {
    struct arena *arena;
    struct slice text; /* size 0: none yet */
    int64_t fresh_until_us, failed_us, renewed_us; /* 0: never */
};

struct metadata {
    const char *authorization, *token, *keys, *userinfo; /* endpoints; userinfo may be NULL */
    bool secret_in_form;
};

struct provider {
    const char *issuer, *client_id, *client_secret, *claim, *scopes, *authorities_file;
    const char *const *redirects;
    pthread_mutex_t lock; /* over both documents; held while one is fetched, and only then for long */
    struct document discovery, keys;
};

/* ---- settings ---- */

static bool is_issuer(const char *url)
{
    bool https = strncmp(url, "https://", 8) == 0, http = strncmp(url, "http://", 7) == 0;
    return (https || (http && url_is_loopback(url))) && !strpbrk(url, "?# ");
}

static bool check_settings(struct arena *arena, const struct settings *settings, struct provider *provider,
                           const char **error)
{
    if (!is_issuer(provider->issuer))
        *error = arena_printf(arena, "setting oidc_issuer: '%s' is no https:// URL", provider->issuer);
    else if (!*provider->client_id)
        *error = "setting oidc_client_id: there is none";
    else if (!provider->redirects[0])
        *error = "setting oidc_redirect_uri: there is none";
    else if (*settings->oidc_client_secret_file)
        return secret_file_read(arena, "oidc_client_secret_file", settings->oidc_client_secret_file,
                                &provider->client_secret, error);
    else
        return true;
    return false;
}

bool provider_open(struct arena *arena, const struct settings *settings, struct provider **provider, const char **error)
{
    *provider = NULL;
    if (!*settings->oidc_issuer)
        return true;
    struct provider *opened = arena_zalloc(arena, sizeof *opened);
    *opened = (struct provider){
        .issuer = settings->oidc_issuer,
        .client_id = settings->oidc_client_id,
        .claim = settings->oidc_student_number_claim,
        .scopes = settings->oidc_scopes,
        .authorities_file = settings->authorities_file,
        .redirects = settings_list(arena, settings->oidc_redirect_uri),
    };
    if (!check_settings(arena, settings, opened, error))
        return false;
    pthread_mutex_init(&opened->lock, NULL);
    *provider = opened;
    return true;
}

void provider_close(struct provider *provider)
{
    if (!provider)
        return;
    arena_free(provider->discovery.arena);
    arena_free(provider->keys.arena);
    pthread_mutex_destroy(&provider->lock);
}

const char *provider_redirect(const struct provider *provider, const char *wanted)
{
    const char *const *redirect = provider->redirects;
    if (!wanted)
        return redirect[1] ? NULL : redirect[0];
    while (*redirect && strcmp(*redirect, wanted) != 0)
        redirect++;
    return *redirect;
}

void provider_redirect_hash(const char *redirect, uint8_t hash[PROVIDER_REDIRECT_HASH])
{
    uint8_t whole[crypto_hash_sha256_BYTES];
    crypto_hash_sha256(whole, (const uint8_t *)redirect, strlen(redirect));
    memcpy(hash, whole, PROVIDER_REDIRECT_HASH);
}

const char *provider_redirect_of_hash(const struct provider *provider, const uint8_t hash[PROVIDER_REDIRECT_HASH])
{
    uint8_t own[PROVIDER_REDIRECT_HASH];
    for (const char *const *redirect = provider->redirects; *redirect; redirect++) {
        provider_redirect_hash(*redirect, own);
        if (memcmp(own, hash, sizeof own) == 0)
            return *redirect;
    }
    return NULL;
}

/* ---- documents ---- */

static const char *complain(const struct provider_flow *flow, const char *code, const char *what, const char *why)
{
    log_warning("single sign-on fails", "request=%s code=%s what=\"%s\" reason=\"%s\"",
                flow->request_id ? flow->request_id : "-", code, what, why);
    return code;
}

static struct fetch_answer ask(const struct provider *provider, struct arena *arena, const struct provider_flow *flow,
                               struct fetch_request request)
{
    int64_t own_us = clock_monotonic_us() + FETCH_US;
    request.authorities_file = provider->authorities_file;
    request.deadline_us = own_us < flow->deadline_us ? own_us : flow->deadline_us;
    return fetch(arena, &request);
}

static const char *why_not(struct arena *arena, const struct fetch_answer *answer)
{
    return answer->failure ? answer->failure : arena_printf(arena, "it answered %ld", answer->status);
}

static void keep(struct document *document, const struct fetch_answer *answer, int64_t now_us)
{
    int64_t age = answer->max_age_s < 0 ? USUAL_AGE_S : answer->max_age_s;
    age = age < LEAST_AGE_S ? LEAST_AGE_S : age > MOST_AGE_S ? MOST_AGE_S : age;
    arena_free(document->arena);
    document->arena = arena_new();
    document->text = arena_copy(document->arena, answer->body);
    document->fresh_until_us = now_us + age * 1000000;
    document->failed_us = 0;
}

/* Under the lock: the document is there afterwards, or false. One that `fits` refuses is as good as none. */
static bool refresh(struct provider *provider, struct arena *arena, const struct provider_flow *flow,
                    struct document *document, const char *url,
                    const char *(*fits)(const struct provider *provider, struct slice text))
{
    int64_t now_us = clock_monotonic_us();
    bool serves = document->text.size && now_us < document->fresh_until_us + (int64_t)STALE_S * 1000000;
    if (document->failed_us && now_us < document->failed_us + AGAIN_US)
        return serves;
    struct fetch_answer answer = ask(provider, arena, flow, (struct fetch_request){ .url = url });
    const char *unfit = answer.status == 200 ? fits(provider, answer.body) : why_not(arena, &answer);
    now_us = clock_monotonic_us();
    if (!unfit) {
        keep(document, &answer, now_us);
        return true;
    }
    document->failed_us = now_us;
    (void)complain(flow, UNAVAILABLE, url, unfit);
    return serves;
}

static bool is_fresh(const struct document *document)
{
    return document->text.size && clock_monotonic_us() < document->fresh_until_us;
}

static json_t *parse(struct slice json)
{
    return json_loadb((const char *)json.data, json.size, JSON_REJECT_DUPLICATES, NULL);
}

/* An endpoint must be as safe to ask as the issuer itself. */
static const char *endpoint(struct arena *arena, const json_t *document, const char *name)
{
    const char *url = json_string_value(json_object_get(document, name));
    bool safe = url && (strncmp(url, "https://", 8) == 0 || (strncmp(url, "http://", 7) == 0 && url_is_loopback(url)));
    return safe ? arena_strdup(arena, url) : NULL;
}

static bool lists(const json_t *array, const char *word)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        const char *text = json_string_value(json_array_get(array, i));
        if (text && strcmp(text, word) == 0)
            return true;
    }
    return false;
}

static bool read_metadata(struct arena *arena, const json_t *document, struct metadata *metadata)
{
    const json_t *methods = json_object_get(document, "token_endpoint_auth_methods_supported");
    *metadata = (struct metadata){
        .authorization = endpoint(arena, document, "authorization_endpoint"),
        .token = endpoint(arena, document, "token_endpoint"),
        .keys = endpoint(arena, document, "jwks_uri"),
        .userinfo = endpoint(arena, document, "userinfo_endpoint"),
        .secret_in_form = lists(methods, "client_secret_post") && !lists(methods, "client_secret_basic"),
    };
    return metadata->authorization && metadata->token && metadata->keys;
}

/* OpenID Connect Discovery 1.0, 4.3: the issuer is exactly the one that was asked. */
static const char *unfit_discovery(const struct provider *provider, struct slice text)
{
    struct arena *arena = arena_new();
    struct metadata metadata;
    json_t *document = parse(text);
    const char *issuer = json_string_value(json_object_get(document, "issuer")), *unfit = NULL;
    if (!issuer || strcmp(issuer, provider->issuer) != 0)
        unfit = "its issuer is another";
    else if (!read_metadata(arena, document, &metadata))
        unfit = "it lacks an endpoint, or one is not https";
    json_decref(document);
    arena_free(arena);
    return unfit;
}

static const char *unfit_keys(const struct provider *provider, struct slice text)
{
    json_t *document = parse(text);
    bool fits = json_is_array(json_object_get(document, "keys"));
    (void)provider;
    json_decref(document);
    return fits ? NULL : "it is no set of keys";
}

static const char *get_metadata(struct provider *provider, struct arena *arena, const struct provider_flow *flow,
                                struct metadata *metadata)
{
    size_t size = strlen(provider->issuer);
    const char *url = arena_printf(arena, "%.*s/.well-known/openid-configuration",
                                   (int)(size - (provider->issuer[size - 1] == '/')), provider->issuer);
    pthread_mutex_lock(&provider->lock);
    bool there =
        is_fresh(&provider->discovery) || refresh(provider, arena, flow, &provider->discovery, url, unfit_discovery);
    struct slice text = there ? arena_copy(arena, provider->discovery.text) : slice_of(NULL, 0);
    pthread_mutex_unlock(&provider->lock);
    json_t *document = there ? parse(text) : NULL;
    there = document && read_metadata(arena, document, metadata);
    json_decref(document);
    return there ? NULL : UNAVAILABLE;
}

/* `anew`: although they are fresh, for a key that is not among them. */
static bool get_keys(struct provider *provider, struct arena *arena, const struct provider_flow *flow, const char *url,
                     bool anew, struct slice *keys)
{
    struct document *document = &provider->keys;
    pthread_mutex_lock(&provider->lock);
    int64_t now_us = clock_monotonic_us();
    bool renews = anew && (!document->renewed_us || now_us >= document->renewed_us + NEW_KEYS_US);
    if (renews)
        document->renewed_us = now_us;
    bool there = is_fresh(document) && !renews;
    if (!there)
        there = refresh(provider, arena, flow, document, url, unfit_keys);
    *keys = there ? arena_copy(arena, document->text) : slice_of(NULL, 0);
    pthread_mutex_unlock(&provider->lock);
    return there;
}

/* ---- the two calls ---- */

const char *provider_authorization(struct provider *provider, struct arena *arena, const struct provider_flow *flow,
                                   const char **url)
{
    struct metadata metadata;
    struct buffer query = buffer_in(arena);
    const char *refusal = get_metadata(provider, arena, flow, &metadata);
    if (refusal)
        return refusal;
    fetch_form_add(&query, "response_type", "code");
    fetch_form_add(&query, "client_id", provider->client_id);
    fetch_form_add(&query, "redirect_uri", flow->redirect);
    fetch_form_add(&query, "scope", provider->scopes);
    fetch_form_add(&query, "state", flow->state);
    fetch_form_add(&query, "nonce", flow->nonce);
    fetch_form_add(&query, "code_challenge", pkce_challenge(arena, flow->verifier));
    fetch_form_add(&query, "code_challenge_method", "S256");
    *url = arena_printf(arena, "%s%c%s", metadata.authorization, strchr(metadata.authorization, '?') ? '&' : '?',
                        buffer_cstring(&query));
    return NULL;
}

/* What both words of HTTP Basic are before they are joined (RFC 6749 2.3.1). */
static const char *form_text(struct arena *arena, const char *text)
{
    struct buffer out = buffer_in(arena);
    fetch_form_add(&out, "", text);
    return buffer_cstring(&out) + 1;
}

static struct fetch_answer ask_token(const struct provider *provider, struct arena *arena,
                                     const struct provider_flow *flow, const struct metadata *metadata,
                                     const char *code)
{
    struct buffer form = buffer_in(arena);
    struct fetch_request request = { .url = metadata->token };
    fetch_form_add(&form, "grant_type", "authorization_code");
    fetch_form_add(&form, "code", code);
    fetch_form_add(&form, "redirect_uri", flow->redirect);
    fetch_form_add(&form, "code_verifier", flow->verifier);
    if (!provider->client_secret || metadata->secret_in_form)
        fetch_form_add(&form, "client_id", provider->client_id);
    if (provider->client_secret && metadata->secret_in_form)
        fetch_form_add(&form, "client_secret", provider->client_secret);
    if (provider->client_secret && !metadata->secret_in_form) {
        request.user = form_text(arena, provider->client_id);
        request.password = form_text(arena, provider->client_secret);
    }
    request.form = buffer_cstring(&form);
    return ask(provider, arena, flow, request);
}

struct tokens {
    const char *id, *access; /* access may be NULL */
};

static const char *text_in(struct arena *arena, const json_t *object, const char *name)
{
    const char *text = json_string_value(json_object_get(object, name));
    return text ? arena_strdup(arena, text) : NULL;
}

static const char *get_tokens(const struct provider *provider, struct arena *arena, const struct provider_flow *flow,
                              const struct metadata *metadata, const char *code, struct tokens *tokens)
{
    struct fetch_answer answer = ask_token(provider, arena, flow, metadata, code);
    if (answer.status == 0 || answer.status == 429 || answer.status >= 500)
        return complain(flow, UNAVAILABLE, "token endpoint", why_not(arena, &answer));
    json_t *body = parse(answer.body);
    const char *error = text_in(arena, body, "error");
    *tokens = (struct tokens){ text_in(arena, body, "id_token"), text_in(arena, body, "access_token") };
    json_decref(body);
    if (answer.status != 200) /* its error is a word of RFC 6749 5.2; what is none is not logged */
        return complain(flow, REFUSED, "token endpoint",
                        error && strspn(error, "abcdefghijklmnopqrstuvwxyz_") == strlen(error) ? error : "no reason");
    return tokens->id ? NULL : complain(flow, INVALID, "token endpoint", "it gave no ID token");
}

static const char *verify(struct provider *provider, struct arena *arena, const struct provider_flow *flow,
                          const struct metadata *metadata, const struct jose_token *token)
{
    enum jose_verdict verdict = JOSE_KEY_UNKNOWN;
    struct slice keys;
    for (int anew = 0; anew <= 1 && verdict == JOSE_KEY_UNKNOWN; anew++) {
        if (!get_keys(provider, arena, flow, metadata->keys, anew, &keys))
            return UNAVAILABLE;
        verdict = jose_verify(arena, keys, token);
    }
    if (verdict == JOSE_VALID)
        return NULL;
    return complain(flow, INVALID, "ID token",
                    verdict == JOSE_INVALID ? "its signature is wrong" : "no key of the provider fits it");
}

/* Not every provider puts into its ID token who it is about; then it says so to whoever has the access token. */
static const char *ask_userinfo(const struct provider *provider, struct arena *arena, const struct provider_flow *flow,
                                const struct metadata *metadata, const struct tokens *tokens,
                                struct id_token_claims *claims)
{
    if (!metadata->userinfo || !tokens->access)
        return complain(flow, INVALID, "ID token", "it lacks the claim, and there is no UserInfo");
    struct fetch_answer answer =
        ask(provider, arena, flow, (struct fetch_request){ .url = metadata->userinfo, .bearer = tokens->access });
    if (answer.status == 0 || answer.status == 429 || answer.status >= 500)
        return complain(flow, UNAVAILABLE, "UserInfo", why_not(arena, &answer));
    if (answer.status == 200)
        claims->person = id_token_userinfo(arena, answer.body, claims->subject, provider->claim);
    return claims->person ? NULL : complain(flow, INVALID, "UserInfo", "it lacks the claim, or is about another");
}

const char *provider_redeem(struct provider *provider, struct arena *arena, const struct provider_flow *flow,
                            const char *code, const char **student_number)
{
    struct metadata metadata;
    struct tokens tokens = { 0 };
    struct jose_token token;
    struct id_token_claims claims;
    const struct id_token_wanted wanted = { .issuer = provider->issuer,
                                            .client_id = provider->client_id,
                                            .nonce = flow->nonce,
                                            .claim = provider->claim,
                                            .now_s = clock_wall_us() / 1000000 };
    const char *refusal = get_metadata(provider, arena, flow, &metadata);
    if (!refusal)
        refusal = get_tokens(provider, arena, flow, &metadata, code, &tokens);
    if (refusal)
        return refusal;
    if (!jose_read(arena, slice_text(tokens.id), &token))
        return complain(flow, INVALID, "ID token", "it is no token that can be verified");
    if ((refusal = verify(provider, arena, flow, &metadata, &token)))
        return refusal;
    const char *broken = id_token_read(arena, token.payload, &wanted, &claims);
    if (broken)
        return complain(flow, INVALID, "ID token", broken);
    if (!claims.person && (refusal = ask_userinfo(provider, arena, flow, &metadata, &tokens, &claims)))
        return refusal;
    *student_number = claims.person;
    return NULL;
}
