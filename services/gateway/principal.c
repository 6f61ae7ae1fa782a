/* principal.c -- a small cache by the token's hash; who asks while an answer is on its way waits for the same one. */
#include "services/gateway/principal.h"

#include "common/clock.h"
#include "common/permission.h"
#include "common/wire.h"
#include "services/gateway/limits.h"

#include "bus.pb-c.h"

#include <sodium.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <uthash.h>

enum {
    HASH = crypto_hash_sha256_BYTES,
    KEPT_US = 1000000,
    REMEMBERED_US = 600000000, /* that a key was somebody's */
    MOST_ENTRIES = 20000,
    LONGEST_TOKEN = 128,
};

struct principal_wait {
    struct principal_wait *next, **link; /* link: what points here */
    principal_on_result on_result;
    void *context;
    uint64_t client;
    bool taken; /* from what the client may fail */
};

TAILQ_HEAD(entry_list, entry);

struct entry {
    UT_hash_handle hh;
    TAILQ_ENTRY(entry) at; /* in principals->strangers */
    bool met; /* it was somebody's when last asked about with success */
    bool stranger; /* not met, and not asked about now */
    uint8_t hash[HASH];
    struct principals *principals;
    struct arena *arena; /* the question's and the principal's; a stranger has none */
    struct principal principal;
    enum principal_result result; /* the last one; UNAVAILABLE before the first */
    int64_t until_us; /* how long the result is good; not while there is a ticket */
    struct dispatch_ticket *ticket;
    struct principal_wait *waits;
};

/* The fields of ResolveKey and of the messages in it, as the contract numbers them. */
struct names {
    const struct field *token_hash; /* of its request */
    const struct field *id, *person, *session, *own, *grants, *allowed_addresses, *expires_at; /* of its reply */
    const struct field *organisation, *permissions; /* of a grant */
};

struct principals {
    struct dispatcher *dispatcher;
    const struct rpc *rpc;
    struct names names;
    struct limits *failures;
    struct entry *entries; /* oldest first */
    struct entry_list strangers; /* likewise */
};

static bool find_names(const struct rpc *rpc, struct names *names)
{
    *names = (struct names){
        .token_hash = message_find(rpc->request, slice_text("token_hash")),
        .id = message_find(rpc->reply, slice_text("id")),
        .person = message_find(rpc->reply, slice_text("person")),
        .session = message_find(rpc->reply, slice_text("session")),
        .own = message_find(rpc->reply, slice_text("own_permissions")),
        .grants = message_find(rpc->reply, slice_text("grants")),
        .allowed_addresses = message_find(rpc->reply, slice_text("allowed_addresses")),
        .expires_at = message_find(rpc->reply, slice_text("expires_at")),
    };
    if (!names->grants || !names->grants->message)
        return false;
    names->organisation = message_find(names->grants->message, slice_text("organisation"));
    names->permissions = message_find(names->grants->message, slice_text("permissions"));
    return names->token_hash && names->id && names->person && names->session && names->own &&
           names->allowed_addresses && names->expires_at && names->organisation && names->permissions;
}

struct principals *principals_new(struct dispatcher *dispatcher, const struct schema *schema, struct limits *failures,
                                  const char **error)
{
    const struct rpc *rpc = schema_rpc(schema, "ResolveKey");
    struct names names;
    if (!rpc || !find_names(rpc, &names)) {
        *error = "the contract has no ResolveKey(token_hash) that gives id, person, session, own_permissions, grants "
                 "(organisation, permissions), "
                 "allowed_addresses, expires_at";
        return NULL;
    }
    struct principals *principals = calloc(1, sizeof *principals);
    if (!principals)
        abort();
    principals->dispatcher = dispatcher;
    principals->rpc = rpc;
    principals->names = names;
    principals->failures = failures;
    TAILQ_INIT(&principals->strangers);
    return principals;
}

/* Whether it is one of the strangers. */
static void set_stranger(struct entry *entry, bool stranger)
{
    struct entry_list *strangers = &entry->principals->strangers;
    if (entry->stranger && !stranger)
        TAILQ_REMOVE(strangers, entry, at);
    if (!entry->stranger && stranger)
        TAILQ_INSERT_TAIL(strangers, entry, at);
    entry->stranger = stranger;
}

static void entry_free(struct entry *entry)
{
    if (entry->ticket)
        dispatch_cancel(entry->ticket);
    set_stranger(entry, false);
    HASH_DEL(entry->principals->entries, entry);
    arena_free(entry->arena);
    free(entry);
}

void principals_free(struct principals *principals)
{
    struct entry *entry, *next;
    if (!principals)
        return;
    HASH_ITER(hh, principals->entries, entry, next)
    {
        entry_free(entry);
    }
    free(principals);
}

/* Makes room: what is out of date goes, and of a flood of tokens the oldest; strangers before others. */
static void evict(struct principals *principals, int64_t now_us)
{
    struct entry *entry, *next;
    while ((entry = TAILQ_FIRST(&principals->strangers)) &&
           (entry->until_us <= now_us || HASH_COUNT(principals->entries) >= MOST_ENTRIES))
        entry_free(entry);
    HASH_ITER(hh, principals->entries, entry, next)
    {
        bool idle = !entry->waits && !entry->ticket, old = entry->until_us + REMEMBERED_US <= now_us;
        if (idle && (old || HASH_COUNT(principals->entries) >= MOST_ENTRIES))
            entry_free(entry);
        else if (HASH_COUNT(principals->entries) < MOST_ENTRIES)
            break; /* oldest first: what follows is younger */
    }
}

static struct entry *entry_add(struct principals *principals, const uint8_t *hash, int64_t now_us)
{
    evict(principals, now_us);
    struct entry *entry = calloc(1, sizeof *entry);
    if (!entry)
        abort();
    memcpy(entry->hash, hash, HASH);
    entry->principals = principals;
    entry->result = PRINCIPAL_UNAVAILABLE;
    HASH_ADD(hh, principals->entries, hash, HASH, entry);
    return entry;
}

static size_t count_fields(struct slice wire, uint32_t number)
{
    struct wire_reader reader = wire_read(wire);
    struct wire_field field;
    size_t count = 0;
    while (wire_next(&reader, &field))
        count += field.number == number;
    return count;
}

static struct principal_grant read_grant(struct arena *arena, const struct names *names, struct slice wire)
{
    size_t count = count_fields(wire, names->permissions->number);
    struct principal_grant grant = { .organisation = "",
                                     .permissions = arena_alloc(arena, (count + 1) * sizeof *grant.permissions) };
    struct wire_reader reader = wire_read(wire);
    struct wire_field field;
    while (wire_next(&reader, &field)) {
        if (field.number == names->organisation->number)
            grant.organisation = arena_text(arena, field.bytes);
        else if (field.number == names->permissions->number)
            grant.permissions[grant.permission_count++] = arena_text(arena, field.bytes);
    }
    return grant;
}

/* What is no network lets nobody in. */
static struct network read_network(struct arena *arena, struct slice text)
{
    struct network network;
    if (!network_parse(arena_text(arena, text), &network))
        network = (struct network){ .bits = ADDRESS_BITS };
    return network;
}

static void read_principal(struct entry *entry, struct slice body)
{
    struct arena *arena = entry->arena;
    const struct names *names = &entry->principals->names;
    struct principal *principal = &entry->principal;
    struct wire_reader reader = wire_read(body);
    struct wire_field field;
    principal->grants = arena_alloc(arena, (count_fields(body, names->grants->number) + 1) * sizeof *principal->grants);
    principal->own = arena_alloc(arena, (count_fields(body, names->own->number) + 1) * sizeof *principal->own);
    principal->allowed =
        arena_alloc(arena, (count_fields(body, names->allowed_addresses->number) + 1) * sizeof *principal->allowed);
    while (wire_next(&reader, &field)) {
        if (field.number == names->id->number)
            principal->id = arena_text(arena, field.bytes);
        else if (field.number == names->person->number)
            principal->person = arena_text(arena, field.bytes);
        else if (field.number == names->session->number)
            principal->session = arena_text(arena, field.bytes);
        else if (field.number == names->own->number)
            principal->own[principal->own_count++] = arena_text(arena, field.bytes);
        else if (field.number == names->grants->number)
            principal->grants[principal->grant_count++] = read_grant(arena, names, field.bytes);
        else if (field.number == names->allowed_addresses->number)
            principal->allowed[principal->allowed_count++] = read_network(arena, field.bytes);
        else if (field.number == names->expires_at->number && (int64_t)field.value < clock_wall_us() + KEPT_US)
            entry->until_us -= clock_wall_us() + KEPT_US - (int64_t)field.value;
    }
    entry->result = principal->id ? PRINCIPAL_KNOWN : PRINCIPAL_UNAVAILABLE;
}

static struct slice client_key(const uint64_t *client)
{
    return slice_of(client, sizeof *client);
}

static void tell_waits(struct entry *entry)
{
    while (entry->waits) {
        struct principal_wait *wait = entry->waits;
        if (wait->taken && entry->result != PRINCIPAL_UNKNOWN)
            limits_give(entry->principals->failures, client_key(&wait->client));
        principal_on_result on_result = wait->on_result;
        void *context = wait->context;
        principal_forget(wait);
        on_result(entry->result, entry->result == PRINCIPAL_KNOWN ? &entry->principal : NULL, context);
    }
}

static void on_reply(const BusReply *reply, struct slice body, void *context)
{
    struct entry *entry = context;
    entry->ticket = NULL;
    entry->until_us = clock_monotonic_us() + KEPT_US;
    arena_reset(entry->arena);
    entry->principal = (struct principal){ 0 };
    if (reply->status == CAMPUS__STATUS__OK)
        read_principal(entry, body);
    else if (reply->status == CAMPUS__STATUS__NOT_FOUND)
        entry->result = PRINCIPAL_UNKNOWN;
    else
        entry->result = PRINCIPAL_UNAVAILABLE;
    if (entry->result == PRINCIPAL_UNAVAILABLE)
        entry->until_us = clock_monotonic_us(); /* the next one asks anew */
    else
        entry->met = entry->result == PRINCIPAL_KNOWN;
    if (entry->result != PRINCIPAL_KNOWN) {
        arena_free(entry->arena);
        entry->arena = NULL;
    }
    tell_waits(entry);
    if (!entry->ticket)
        set_stranger(entry, !entry->met);
}

static void ask(struct entry *entry, uint32_t within_ms)
{
    BusRequest header = CAMPUS__BUS__REQUEST__INIT;
    set_stranger(entry, false);
    if (!entry->arena)
        entry->arena = arena_new();
    struct buffer body = buffer_in(entry->arena);
    char method[] = "ResolveKey";
    wire_put_bytes(&body, entry->principals->names.token_hash->number, slice_of(entry->hash, HASH));
    header.method = method;
    header.left_ms = within_ms;
    entry->ticket = dispatch_send(entry->principals->dispatcher, entry->principals->rpc, &header, buffer_slice(&body),
                                  on_reply, entry);
}

static void wait_for(struct entry *entry, const struct principal_wait *what, struct principal_wait **place)
{
    struct principal_wait *wait = malloc(sizeof *wait);
    if (!wait)
        abort();
    *wait = *what;
    wait->next = entry->waits;
    wait->link = &entry->waits;
    if (wait->next)
        wait->next->link = &wait->next;
    entry->waits = wait;
    *place = wait;
}

void principal_find(struct principals *principals, const struct principal_question *question,
                    struct principal_wait **place, principal_on_result on_result, void *context)
{
    int64_t now_us = clock_monotonic_us();
    uint8_t hash[HASH];
    struct entry *entry = NULL;
    if (question->token.size > LONGEST_TOKEN) {
        on_result(PRINCIPAL_UNKNOWN, NULL, context);
        return;
    }
    crypto_hash_sha256(hash, question->token.data, question->token.size);
    HASH_FIND(hh, principals->entries, hash, HASH, entry);
    bool known = entry && entry->met;
    bool fresh = entry && !entry->ticket && now_us < entry->until_us;
    if (fresh && entry->result == PRINCIPAL_KNOWN) {
        on_result(PRINCIPAL_KNOWN, &entry->principal, context);
        return;
    }
    if (!known && !limits_take(principals->failures, client_key(&question->client), now_us).allowed) {
        on_result(PRINCIPAL_UNASKED, NULL, context);
        return;
    }
    if (fresh) {
        on_result(entry->result, NULL, context);
        return;
    }
    if (!entry)
        entry = entry_add(principals, hash, now_us);
    wait_for(entry,
             &(struct principal_wait){
                 .on_result = on_result, .context = context, .client = question->client, .taken = !known },
             place);
    if (!entry->ticket)
        ask(entry, question->within_ms);
}

void principal_forget(struct principal_wait *wait)
{
    *wait->link = wait->next;
    if (wait->next)
        wait->next->link = wait->link;
    free(wait);
}

/* ---- what it gives ---- */

static bool grant_covers(const struct principal_grant *grant, const char *permission)
{
    for (size_t i = 0; i < grant->permission_count; i++)
        if (permission_covers(grant->permissions[i], permission))
            return true;
    return false;
}

/* Adds a subtree, unless it lies in one of them; those that lie in it go. */
static size_t add_scope(const char **scopes, size_t count, const char *scope)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
        if (path_within(scope, scopes[i]))
            return count;
    for (size_t i = 0; i < count; i++)
        if (!path_within(scopes[i], scope))
            scopes[kept++] = scopes[i];
    scopes[kept] = scope;
    return kept + 1;
}

size_t principal_scopes(struct arena *arena, const struct principal *principal, const char *permission,
                        const char ***scopes)
{
    size_t count = 0;
    *scopes = arena_alloc(arena, (principal->grant_count + 1) * sizeof **scopes);
    for (size_t i = 0; i < principal->grant_count; i++)
        if (grant_covers(&principal->grants[i], permission))
            count = add_scope(*scopes, count, principal->grants[i].organisation);
    for (size_t i = 0; i < count; i++)
        (*scopes)[i] = arena_strdup(arena, (*scopes)[i]);
    return count;
}

bool principal_owns(const struct principal *principal, const char *permission)
{
    for (size_t i = 0; principal->person && i < principal->own_count; i++)
        if (permission_covers(principal->own[i], permission))
            return true;
    return false;
}

bool principal_allows(const struct principal *principal, const struct address *address)
{
    for (size_t i = 0; i < principal->allowed_count; i++)
        if (network_holds(&principal->allowed[i], address))
            return true;
    return principal->allowed_count == 0;
}

static struct principal_grant copy_grant(struct arena *arena, const struct principal_grant *grant)
{
    struct principal_grant copy = {
        .organisation = arena_strdup(arena, grant->organisation),
        .permissions = arena_alloc(arena, (grant->permission_count + 1) * sizeof *copy.permissions),
        .permission_count = grant->permission_count,
    };
    for (size_t i = 0; i < copy.permission_count; i++)
        copy.permissions[i] = arena_strdup(arena, grant->permissions[i]);
    return copy;
}

const struct principal *principal_copy(struct arena *arena, const struct principal *principal, bool grants)
{
    struct principal *copy = arena_alloc(arena, sizeof *copy);
    *copy = (struct principal){
        .id = arena_strdup(arena, principal->id),
        .person = principal->person ? arena_strdup(arena, principal->person) : NULL,
        .session = principal->session ? arena_strdup(arena, principal->session) : NULL,
        .grant_count = grants ? principal->grant_count : 0,
    };
    copy->grants = arena_alloc(arena, (copy->grant_count + 1) * sizeof *copy->grants);
    for (size_t i = 0; i < copy->grant_count; i++)
        copy->grants[i] = copy_grant(arena, &principal->grants[i]);
    return copy;
}
