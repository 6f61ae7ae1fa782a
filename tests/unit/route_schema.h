/* route_schema.h -- a contract of a few methods, as tables: what the gateway's unit tests route, refuse and
 * describe. */
#ifndef CAMPUS_TESTS_ROUTE_SCHEMA_H
#define CAMPUS_TESTS_ROUTE_SCHEMA_H

#include "common/schema.h"

#define COUNT(table) (sizeof(table) / sizeof *(table))
#define MESSAGE(text, table)                                                                                           \
    {                                                                                                                  \
        .name = text, .full_name = "campus.membership." text, .count = COUNT(table), .fields = table, .comment = ""    \
    }
#define TEXT .type = FIELD_STRING, .comment = "", .rules = { .max_length = 200, .max_items = 100 }
#define ID .type = FIELD_STRING, .comment = "", .rules = { .required = true, .format = FORMAT_UUID, .max_length = 200 }

static const struct enum_value kind_values[] = { { "member", 0, "Pays a fee." }, { "guest", 1, "" } };
static const struct enumeration kind = { "Kind", COUNT(kind_values), kind_values };

static const struct field address_fields[] = {
    { .name = "city",
      .number = 1,
      .type = FIELD_STRING,
      .rules = { .required = true, .max_length = 40 },
      .comment = "" },
    { .name = "since",
      .number = 2,
      .type = FIELD_INT64,
      .output = true,
      .rules.format = FORMAT_INSTANT,
      .comment = "" },
};
static const struct message address = MESSAGE("Address", address_fields);

static const struct field person_fields[] = {
    { .name = "id", .number = 1, .output = true, ID },
    { .name = "name", .number = 2, TEXT },
    { .name = "kind", .number = 3, .type = FIELD_ENUM, .enumeration = &kind, .comment = "What they are." },
    { .name = "address", .number = 4, .type = FIELD_MESSAGE, .message = &address, .comment = "Where they live." },
    { .name = "version", .number = 5, .type = FIELD_INT64, .etag = true, .output = true, .comment = "" },
};
static const struct message person = MESSAGE("Person", person_fields);

static const struct field id_fields[] = { { .name = "id", .number = 1, ID } };
static const struct message get_person_request = MESSAGE("GetPersonRequest", id_fields);
static const struct message me_request = { .name = "MeRequest",
                                           .full_name = "campus.membership.MeRequest",
                                           .comment = "" };

static const struct field list_fields[] = {
    { .name = "page_size",
      .number = 1,
      .type = FIELD_UINT32,
      .rules = { .has_min = true, .min = 1, .has_max = true, .max = 200 },
      .comment = "How many at most." },
    { .name = "kinds",
      .number = 2,
      .type = FIELD_ENUM,
      .repeated = true,
      .enumeration = &kind,
      .rules.max_items = 2,
      .comment = "" },
};
static const struct message list_people_request = MESSAGE("ListPeopleRequest", list_fields);
static const struct field people_fields[] = {
    { .name = "people",
      .number = 1,
      .type = FIELD_MESSAGE,
      .repeated = true,
      .rows = true,
      .message = &person,
      .rules.max_items = 100,
      .comment = "" },
    { .name = "next_page_token", .number = 2, TEXT },
};
static const struct message list_people_reply = MESSAGE("ListPeopleReply", people_fields);

static const struct field create_fields[] = {
    { .name = "name",
      .number = 1,
      .type = FIELD_STRING,
      .rules = { .required = true, .min_length = 1, .max_length = 60, .pattern = "\\S+|\\S.*\\S" },
      .comment = "As on the student card." },
    { .name = "born_on", .number = 2, .type = FIELD_STRING, .rules.format = FORMAT_DATE, .comment = "" },
    { .name = "tags",
      .number = 3,
      .type = FIELD_STRING,
      .repeated = true,
      .rules = { .max_length = 20, .min_items = 1, .max_items = 5 },
      .comment = "" },
    { .name = "addresses",
      .number = 4,
      .type = FIELD_MESSAGE,
      .repeated = true,
      .message = &address,
      .rules.max_items = 3,
      .comment = "" },
    { .name = "created_at",
      .number = 5,
      .type = FIELD_INT64,
      .output = true,
      .rules.format = FORMAT_INSTANT,
      .comment = "" },
};
static const struct message create_person_request = MESSAGE("CreatePersonRequest", create_fields);

static const struct field update_fields[] = {
    { .name = "id", .number = 1, ID },
    { .name = "name",
      .number = 2,
      .type = FIELD_STRING,
      .rules = { .required = true, .max_length = 60 },
      .comment = "" },
    { .name = "address", .number = 3, .type = FIELD_MESSAGE, .message = &address, .comment = "" },
};
static const struct message update_person_request = MESSAGE("UpdatePersonRequest", update_fields);

static const struct field import_fields[] = {
    { .name = "file", .number = 1, .type = FIELD_BYTES, .body = true, .comment = "" },
    { .name = "dry_run", .number = 2, .type = FIELD_BOOL, .comment = "Change nothing." },
};
static const struct message import_people_request = MESSAGE("ImportPeopleRequest", import_fields);

static const char *const json_only[] = { NULL };
static const char *const csv_only[] = { "text/csv", NULL };

static const struct refusal create_refusals[] = {
    { "name_taken", STATUS_CONFLICT, "Somebody has this name.", "姓名已存在。", "name", "Choose another name." },
    { "quota", STATUS_CONFLICT, "The union has %s people already.", "学生会已有 %s 人。", NULL, NULL },
    { "too_young", STATUS_INVALID, "Too young.", "年龄不足。", "born_on", "Come back in a year." },
};
static const struct refusal get_refusals[] = {
    { "erased", STATUS_GONE, "The record was erased.", "记录已删除。", "id", NULL },
};

#define RPC(text, in, out, how, where)                                                                                 \
    .name = text, .service = "membership", .request = &(in), .reply = &(out), .verb = how, .path = where,              \
    .body_types = json_only

static const struct rpc sample_rpcs[] = {
    { RPC("GetPerson", get_person_request, person, HTTP_GET, "/v1/people/{id}"), .permission = "membership.people.read",
      .etag = &person_fields[4], .refusals = get_refusals, .refusal_count = COUNT(get_refusals),
      .comment = "One person. What may be seen\ndepends on the caller.\n\nErased ones are gone." },
    { RPC("GetMe", me_request, person, HTTP_GET, "/v1/people/me"), .access = ACCESS_AUTHENTICATED, .comment = "" },
    { RPC("ListPeople", list_people_request, list_people_reply, HTTP_GET, "/v1/people"), .access = ACCESS_PUBLIC,
      .comment = "People" },
    { RPC("CreatePerson", create_person_request, person, HTTP_POST, "/v1/people"), .kind = RPC_WRITE,
      .permission = "membership.people.create", .created = true, .location = "/v1/people/{id}",
      .etag = &person_fields[4], .refusals = create_refusals, .refusal_count = COUNT(create_refusals),
      .comment = "A new person." },
    { RPC("UpdatePerson", update_person_request, person, HTTP_PATCH, "/v1/people/{id}"), .kind = RPC_WRITE,
      .permission = "membership.people.update", .if_match = true, .etag = &person_fields[4],
      .comment = "Changes a person." },
    { .name = "ImportPeople",
      .service = "membership",
      .request = &import_people_request,
      .reply = &list_people_reply,
      .verb = HTTP_POST,
      .path = "/v1/people:import",
      .body_types = csv_only,
      .body = &import_fields[0],
      .kind = RPC_WRITE,
      .permission = "membership.people.import",
      .comment = "Many people." },
    { RPC("RestorePerson", get_person_request, person, HTTP_POST, "/v1/people/{id}:restore"), .kind = RPC_WRITE,
      .permission = "membership.people.restore", .comment = "Undoes an erasure." },
    { RPC("GetRoles", get_person_request, person, HTTP_GET, "/v1/people/{id}/roles"), .comment = "" },
    { .name = "Resolve",
      .service = "membership",
      .request = &get_person_request,
      .reply = &person,
      .access = ACCESS_INTERNAL,
      .body_types = json_only,
      .comment = "" },
};

static const struct schema sample_schema = { .rpcs = sample_rpcs, .rpc_count = COUNT(sample_rpcs) };

#endif
