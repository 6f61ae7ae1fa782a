/* fuzz_id_token.c -- any bytes as a provider's token, as its keys, as what the token says, and as a redirect's flow. */
#include "tests/fuzz/fuzz.h"

#include "services/membership/id_token.h"
#include "services/membership/sign_on_flow.h"

/* The keys of RFC 7515 A.3 and RFC 8037 A.2: nobody here has what signs for them. */
static const char keys[] =
    "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
    "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"},"
    "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}]}";

static const char example[] =
    "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19"
    "yb290Ijp0cnVlfQ.DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-"
    "Kg6NU1Q";

static const struct id_token_wanted wanted = {
    .issuer = "joe", .client_id = "c", .nonce = "n", .claim = "number", .now_s = 1300819380
};

/* What is taken says all that was wanted; nothing is taken without a text for whom it is about. */
static void read_claims(struct arena *arena, struct slice payload)
{
    struct id_token_claims claims = { .subject = NULL };
    if (!id_token_read(arena, payload, &wanted, &claims)) {
        need(claims.subject && *claims.subject && (!claims.person || *claims.person));
        need(memmem(payload.data, payload.size, "joe", 3) || memchr(payload.data, '\\', payload.size));
    }
    const char *person = id_token_userinfo(arena, payload, "s", "number");
    need(!person || *person);
}

static void read_token(struct arena *arena, struct slice text)
{
    struct jose_token token;
    if (!jose_read(arena, text, &token))
        return;
    need(token.signed_part.size < text.size && token.payload.size < text.size && token.signature.size < text.size);
    if (jose_verify(arena, slice_text(keys), &token) == JOSE_VALID)
        need(slice_is(slice_of(text.data, token.signed_part.size),
                      arena_text(arena, slice_of(example, token.signed_part.size))) ||
             slice_is(token.payload, "Example of Ed25519 signing"));
    read_claims(arena, token.payload);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t secret[32] = { 7 };
    struct arena *arena = arena_new();
    struct slice input = slice_of(data, size);
    struct jose_token token;
    struct sign_on_flow flow;
    read_token(arena, input);
    read_claims(arena, input);
    need(jose_read(arena, slice_text(example), &token));
    (void)jose_verify(arena, input, &token);
    need(!sign_on_flow_read(arena, secret, input, &flow));
    arena_free(arena);
    return 0;
}
