/* privacy.c -- sensitive fields are sealed and opened here; the rest is SQL. */
#include "services/membership/tables.h"

#include "common/call.h"
#include "common/rules.h"
#include "services/membership/sealed.h"

#include <assert.h>

enum { MOST_ETHNICITY = 20, IDENTITY_NUMBER = 18 };

/* ---- what a value must be ---- */

/* GB 11643-1999: seventeen digits and a check character by ISO 7064, MOD 11-2. */
static bool is_identity_number(const char *value)
{
    static const int weights[] = { 7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2 };
    static const char checks[] = "10X98765432";
    int sum = 0;
    if (strlen(value) != IDENTITY_NUMBER)
        return false;
    for (int i = 0; i < IDENTITY_NUMBER - 1; i++) {
        if (value[i] < '0' || value[i] > '9')
            return false;
        sum += weights[i] * (value[i] - '0');
    }
    return value[IDENTITY_NUMBER - 1] == checks[sum % 11];
}

static bool is_ethnicity(const char *value)
{
    size_t characters = 0;
    for (; *value; value++)
        characters += ((uint8_t)*value & 0xC0) != 0x80;
    return characters <= MOST_ETHNICITY;
}

/* As where a person is recorded. */
static bool is_phone(struct call *call, const char *value)
{
    const struct message *person = schema_message(call_schema(call), "campus.membership.CreatePersonRequest");
    const char *argument;
    assert(person);
    return !rules_text(call_arena(call), message_find(person, slice_text("phone")), slice_text(value), &argument);
}

static bool is_good(struct call *call, const char *field, const char *value)
{
    if (strcmp(field, "phone") == 0)
        return is_phone(call, value);
    if (strcmp(field, "identity_number") == 0)
        return is_identity_number(value);
    return strcmp(field, "ethnicity") != 0 || is_ethnicity(value);
}

static const char *wanted(const char *field)
{
    if (strcmp(field, "phone") == 0)
        return "a telephone number such as +86 10 5550 0101";
    if (strcmp(field, "identity_number") == 0)
        return "an identity number of 18 characters, the last of which checks the others (GB 11643)";
    return "an ethnicity of at most 20 characters";
}

static void set_check(struct call *call)
{
    const char *field = call_text(call, "field"), *value = call_text(call, "value");
    bool plain = strcmp(field, "phone") == 0;
    if (!is_good(call, field, value))
        call_complain(call, "/value", "bad_format", wanted(field));
    else if (plain)
        call_add(call, "plain", value);
    else
        call_add(call, "sealed", sealed_make(call, call_text(call, "id"), field, value));
}

/* ---- what is shown ---- */

static const struct {
    const char *field, *column;
} sealed_fields[] = {
    { "ethnicity", "sealed_ethnicity" },
    { "health", "sealed_health" },
    { "identity_number", "sealed_identity_number" },
};

static void show_sealed(struct call *call)
{
    for (size_t i = 0; i < sizeof sealed_fields / sizeof *sealed_fields; i++) {
        struct slice sealed = call_column(call, sealed_fields[i].column);
        if (!sealed.data)
            continue;
        const char *value = sealed_open(call, call_text(call, "id"), sealed_fields[i].field, sealed);
        if (value)
            call_reply_text(call, sealed_fields[i].field, value);
        else
            call_refuse(call, "sealed_otherwise");
    }
}

#define SEALED "sealed_ethnicity, sealed_health, sealed_identity_number"

/* The methods that read sensitive fields are READs, since a WRITE's answer would be stored; yet they note the read, so they run where
 * writes do. Sent twice, as a READ may be, they note it twice. */
const struct method privacy_methods[] = {
    { "ListPersonalFields", .query = "list_personal_fields", .lane = LANE_HEAVY },
    { "ReadSensitive", .hides = SEALED, .query = "target_sensitive_read, read_sensitive", .finish = show_sealed,
      .lane = LANE_WRITE },
    { "SetSensitive", .check = set_check, .adds = "plain, sealed",
      .query = "lock_person, target_sensitive_written, set_sensitive" },
    { "ClearSensitive", .query = "target_sensitive_cleared, clear_sensitive" },
    { "ListSensitiveReads", .query = "target_person_or_self, list_sensitive_reads", .lane = LANE_HEAVY },
    { "ListConsentWordings", .query = "list_consent_wordings", .lane = LANE_HEAVY },
    { "RecordConsent", .query = "target_consent, record_consent" },
    { "ListConsents", .query = "target_person_or_self, list_consents", .lane = LANE_HEAVY },
    { "ExportPerson", .hides = SEALED, .query = "target_person_or_self, export_person", .finish = show_sealed,
      .lane = LANE_IMPORT },
    { "ErasePerson", .query = "lock_person_erased, lock_person, target_person_erased, erase_person" },
    { "MinimisePeople", .query = "lock_minimise, minimise", .lane = LANE_IMPORT },
    { 0 },
};
