/* call.c -- what a handler may ask of its call, and how a request becomes one. */
#include "common/call_state.h"

#include "common/log.h"
#include "common/parameter.h"
#include "common/permission.h"

#include "bus.pb-c.h"

#include <assert.h>
#include <sodium.h>

/* ---- reading ---- */

static const char **copy_texts(struct arena *arena, char **texts, size_t count)
{
    const char **copies = arena_alloc(arena, (count + 1) * sizeof *copies);
    for (size_t i = 0; i < count; i++)
        copies[i] = arena_strdup(arena, texts[i]);
    return copies;
}

static const char *copy_text(struct arena *arena, const char *text)
{
    return text ? arena_strdup(arena, text) : NULL;
}

static void read_caller(struct arena *arena, const Campus__Bus__Principal *told, struct call_caller *caller)
{
    size_t count = 0;
    for (size_t i = 0; i < told->n_grants; i++)
        count += told->grants[i]->n_permissions;
    *caller = (struct call_caller){
        .id = arena_strdup(arena, told->id),
        .person = copy_text(arena, told->person),
        .session = copy_text(arena, told->session),
        .permissions = arena_alloc(arena, (count + 1) * sizeof *caller->permissions),
        .organisations = arena_alloc(arena, (count + 1) * sizeof *caller->organisations),
    };
    for (size_t i = 0; i < told->n_grants; i++) {
        const char *organisation = arena_strdup(arena, told->grants[i]->organisation);
        for (size_t j = 0; j < told->grants[i]->n_permissions; j++) {
            caller->permissions[caller->grant_count] = arena_strdup(arena, told->grants[i]->permissions[j]);
            caller->organisations[caller->grant_count++] = organisation;
        }
    }
}

static void read_header(struct call *call, const BusRequest *header)
{
    struct arena *arena = call->arena;
    if (header->caller)
        read_caller(arena, header->caller, &call->caller);
    call->scopes = copy_texts(arena, header->scopes, header->n_scopes);
    call->scope_count = header->n_scopes;
    call->set = copy_texts(arena, header->set, header->n_set);
    call->set_count = header->n_set;
    call->idempotency_key = copy_text(arena, header->idempotency_key);
    call->key_minted = header->key_minted;
    call->again = header->again;
    call->has_if_version = header->has_if_version;
    call->if_version = header->if_version;
    call->request_id = copy_text(arena, header->request_id);
    call->has_client = header->has_client;
    call->client = header->client;
}

bool call_read(struct call *call, const BusRequest *header, struct slice body)
{
    const struct message *message = call->plan->rpc->request;
    struct wire_field field;
    call->body = arena_copy(call->arena, body);
    call->fields = arena_zalloc(call->arena, (message->count + 1) * sizeof *call->fields);
    read_header(call, header);
    struct wire_reader reader = wire_read(call->body);
    while (wire_next(&reader, &field)) {
        const struct field *known = message_field(message, field.number);
        if (!known)
            continue;
        call->fields[known->index] = field;
        call->present |= UINT64_C(1) << known->index;
    }
    return !reader.broken && (call->plan->rpc->kind == RPC_READ || call->idempotency_key);
}

const char *call_principal(const struct call *call)
{
    return call->caller.id ? call->caller.id : "anonymous";
}

/* ---- the request, for handlers ---- */

const struct schema *call_schema(const struct call *call)
{
    return call->plans->schema;
}

struct arena *call_arena(struct call *call)
{
    return call->arena;
}

void *call_service(const struct call *call)
{
    return call->service;
}

int64_t call_deadline_us(const struct call *call)
{
    return call->deadline_us;
}

const char *call_request_id(const struct call *call)
{
    return call->request_id;
}

static const struct field *field_named(const struct call *call, const char *name)
{
    const struct field *field = message_find(call->plan->rpc->request, slice_text(name));
    assert(field);
    return field;
}

static const struct wire_field *value_of(const struct call *call, const char *name)
{
    const struct field *field = field_named(call, name);
    return call->present >> field->index & 1 ? &call->fields[field->index] : NULL;
}

bool call_has(const struct call *call, const char *field)
{
    return value_of(call, field) != NULL;
}

struct slice call_bytes(const struct call *call, const char *field)
{
    const struct wire_field *value = value_of(call, field);
    return value ? value->bytes : slice_of(NULL, 0);
}

const char *call_text(struct call *call, const char *field)
{
    return parameter_text(call->arena, field_named(call, field), call->body);
}

int64_t call_integer(const struct call *call, const char *field, int64_t absent)
{
    const struct wire_field *value = value_of(call, field);
    return value ? (int64_t)value->value : absent;
}

size_t call_texts(struct call *call, const char *field, const char *const **values)
{
    uint32_t number = field_named(call, field)->number;
    struct wire_reader reader = wire_read(call->body);
    struct wire_field value;
    size_t count = 0;
    while (wire_next(&reader, &value))
        count += value.number == number;
    const char **texts = arena_alloc(call->arena, (count + 1) * sizeof *texts);
    reader = wire_read(call->body);
    for (size_t i = 0; wire_next(&reader, &value);)
        if (value.number == number)
            texts[i++] = arena_text(call->arena, value.bytes);
    *values = texts;
    return count;
}

const char *call_person(const struct call *call)
{
    return call->caller.person;
}

const char *call_session(const struct call *call)
{
    return call->caller.session;
}

bool call_holds(const struct call *call, const char *permission, const char *place)
{
    assert(call->plan->rpc->grants);
    for (size_t i = 0; i < call->caller.grant_count; i++)
        if (permission_covers(call->caller.permissions[i], permission) &&
            path_within(place, call->caller.organisations[i]))
            return true;
    return false;
}

void call_derive_secret(const struct call *call, uint8_t secret[32])
{
    crypto_generichash_state state;
    uint8_t fingerprint[ANSWER_HASH];
    const char *parts[] = { call->plan->rpc->name, call_principal(call), call->idempotency_key };
    crypto_generichash_init(&state, call->secret, PAGE_SECRET, 32);
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        crypto_generichash_update(&state, (const uint8_t *)parts[i], strlen(parts[i]) + 1);
    /* Nobody shares a name with nobody else: of two who send the same key each has a secret of their own. */
    call_fingerprint(call, fingerprint);
    crypto_generichash_update(&state, fingerprint, sizeof fingerprint);
    crypto_generichash_final(&state, secret, 32);
}

const uint8_t *call_secret(const struct call *call)
{
    return call->secret;
}

void call_hash(const struct call *call, const char *purpose, struct slice bytes, uint8_t hash[CALL_HASH])
{
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, call->secret, PAGE_SECRET);
    crypto_auth_hmacsha256_update(&state, (const uint8_t *)purpose, strlen(purpose) + 1);
    crypto_auth_hmacsha256_update(&state, bytes.data, bytes.size);
    crypto_auth_hmacsha256_final(&state, hash);
}

void call_fingerprint(const struct call *call, uint8_t hash[ANSWER_HASH])
{
    const struct answer_request request = {
        .method = call->plan->rpc->name,
        .if_version = call->if_version,
        .set = call->set,
        .set_count = call->set_count,
        .body = call->body,
    };
    answer_fingerprint(call->secret, &request, hash);
}

const char *call_found(const struct call *call, const char *column)
{
    const struct plan *plan = call->plan;
    size_t i = 0;
    while (i < plan->found_count && strcmp(plan->found[i], column) != 0)
        i++;
    assert(i < plan->found_count);
    return call->found ? call->found[i] : NULL;
}

/* ---- what a handler adds and says ---- */

void call_add(struct call *call, const char *name, const char *value)
{
    struct added *added = arena_alloc(call->arena, sizeof *added);
    *added = (struct added){ .next = call->added, .name = name, .value = value };
    call->added = added;
}

void call_add_array(struct call *call, const char *name, const char *const *values, size_t count)
{
    call_add(call, name, parameter_array(call->arena, values, count));
}

void call_refuse(struct call *call, const char *code)
{
    const struct refusal *refusal = rpc_refusal(call->plan->rpc, code);
    if (call->problem.status != STATUS_OK)
        return; /* the first reason stands */
    if (!refusal) {
        bool known = code_find(code) != NULL;
        if (!known)
            log_error("a refusal that nobody declared", "method=%s code=%s", call->plan->rpc->name, code);
        problem_set(&call->problem, known ? code : "conflict");
        return;
    }
    call->problem.status = refusal->status;
    call->problem.code = refusal->code;
}

void call_retry_after(struct call *call, uint32_t ms)
{
    call->problem.retry_after_ms = ms;
}

void call_complain(struct call *call, const char *pointer, const char *code, const char *argument)
{
    problem_add(call->arena, &call->problem, pointer, code, argument);
}

void call_reply_text(struct call *call, const char *field, const char *value)
{
    const struct field *told = message_find(call->plan->rpc->reply, slice_text(field));
    assert(told && (told->type == FIELD_STRING || told->type == FIELD_ENUM));
    if (told->type == FIELD_STRING) {
        wire_put_text(&call->reply, told->number, value);
        return;
    }
    const struct enum_value *known = enum_by_name(told->enumeration, slice_text(value));
    assert(known);
    wire_put_varint(&call->reply, told->number, (uint64_t)known->number);
}

void call_reply_clear(struct call *call)
{
    call->reply = buffer_in(call->arena);
}

struct slice call_column(const struct call *call, const char *column)
{
    const struct step *rows = call->rows;
    int number = PQfnumber(rows->result, column);
    assert(number >= 0);
    if (rows->row_count == 0 || PQgetisnull(rows->result, rows->first_row, number))
        return slice_of(NULL, 0);
    return slice_of(PQgetvalue(rows->result, rows->first_row, number),
                    (size_t)PQgetlength(rows->result, rows->first_row, number));
}
