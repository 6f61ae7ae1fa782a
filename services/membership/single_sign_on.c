/* single_sign_on.c -- two halves of one sign-in; the browser carries it from one to the other. */
#include "services/membership/tables.h"

#include "common/call.h"
#include "common/uuid.h"
#include "services/membership/proof.h"
#include "services/membership/provider.h"
#include "services/membership/sign_on_flow.h"
#include "services/membership/state.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>

enum { RETRY_AFTER_MS = 5000 };

static struct provider *provider_of(const struct call *call)
{
    return ((const struct membership *)call_service(call))->provider;
}

static const char *derived(struct call *call, const struct sign_on_flow *flow, const char *purpose)
{
    return sign_on_flow_secret(call_arena(call), call_secret(call), flow, purpose);
}

static struct provider_flow flow_at_provider(struct call *call, const struct sign_on_flow *flow)
{
    return (struct provider_flow){
        .redirect = provider_redirect_of_hash(provider_of(call), flow->redirect),
        .state = derived(call, flow, "state"),
        .nonce = derived(call, flow, "nonce"),
        .verifier = derived(call, flow, "verifier"),
        .deadline_us = call_deadline_us(call),
        .request_id = call_request_id(call),
    };
}

static void add_began(struct call *call, const struct sign_on_flow *flow)
{
    call_add(call, "flow_began_ms", arena_printf(call_arena(call), "%" PRId64, flow->began_ms));
}

static void refuse(struct call *call, const char *code)
{
    call_refuse(call, code);
    if (strcmp(code, "provider_unavailable") == 0)
        call_retry_after(call, RETRY_AFTER_MS);
}

/* ---- begin ---- */

static void begin_prepare(struct call *call)
{
    if (!provider_of(call))
        call_refuse(call, "single_sign_on_off");
    else if (!provider_redirect(provider_of(call), call_text(call, "redirect_uri")))
        call_refuse(call, "redirect_uri_unknown");
}

static void begin_check(struct call *call)
{
    struct sign_on_flow flow = { .began_ms = strtoll(call_found(call, "now_ms"), NULL, 10) };
    const char *url = NULL;
    randombytes_buf(flow.id, sizeof flow.id);
    provider_redirect_hash(provider_redirect(provider_of(call), call_text(call, "redirect_uri")), flow.redirect);
    struct provider_flow at_provider = flow_at_provider(call, &flow);
    const char *refusal = provider_authorization(provider_of(call), call_arena(call), &at_provider, &url);
    if (refusal) {
        refuse(call, refusal);
        return;
    }
    add_began(call, &flow);
    call_add(call, "flow", sign_on_flow_text(call_arena(call), call_secret(call), &flow));
    call_add(call, "authorization_url", url);
}

/* ---- complete ---- */

static bool read_flow(struct call *call, struct sign_on_flow *flow)
{
    return sign_on_flow_read(call_arena(call), call_secret(call), call_bytes(call, "flow"), flow) &&
           provider_redirect_of_hash(provider_of(call), flow->redirect);
}

static bool is_state(struct call *call, const struct sign_on_flow *flow)
{
    struct slice given = call_bytes(call, "state"), own = slice_text(derived(call, flow, "state"));
    return given.size == own.size && sodium_memcmp(given.data, own.data, own.size) == 0;
}

static void complete_prepare(struct call *call)
{
    struct sign_on_flow flow;
    char id[UUID_TEXT];
    if (!provider_of(call)) {
        call_refuse(call, "single_sign_on_off");
    } else if (!read_flow(call, &flow)) {
        call_refuse(call, "flow_unknown");
    } else if (!is_state(call, &flow)) {
        call_refuse(call, "state_mismatch");
    } else {
        uuid_format(flow.id, id);
        call_add(call, "flow_id", arena_strdup(call_arena(call), id));
        add_began(call, &flow);
    }
}

static void complete_check(struct call *call)
{
    struct sign_on_flow flow;
    const char *student_number = NULL;
    if (!read_flow(call, &flow)) {
        call_refuse(call, "flow_unknown"); /* .prepare has seen that it can be read */
        return;
    }
    struct provider_flow at_provider = flow_at_provider(call, &flow);
    const char *refusal =
        provider_redeem(provider_of(call), call_arena(call), &at_provider, call_text(call, "code"), &student_number);
    if (refusal) {
        refuse(call, refusal);
        return;
    }
    call_add(call, "student_number", student_number);
    proof_add_session(call);
}

const struct method single_sign_on_methods[] = {
    { "BeginSingleSignOn", .prepare = begin_prepare, .first = "find_flow_times", .check = begin_check,
      .aside = ASIDE_NETWORK, .adds = "flow, flow_began_ms, authorization_url", .query = "begin_single_sign_on" },
    { "CompleteSingleSignOn", .prepare = complete_prepare, .first = "find_flow", .check = complete_check,
      .aside = ASIDE_NETWORK, .adds = "flow_id, flow_began_ms, student_number, token_hash",
      .query = "take_flow, lock_signed_on, complete_single_sign_on", .finish = proof_show_session },
    { 0 },
};
