/* database_describe.c -- asks PostgreSQL at the start what each statement takes and gives. */
#include "common/buffer.h"
#include "common/database_words.h"

#include <stdlib.h>

enum { EXCERPT = 40 }; /* bytes of a statement's text, from where PostgreSQL points */

static bool lets_in(const struct database_words *words)
{
    PGconn *pg = PQconnectdbParams(words->keys, words->values, 1);
    bool connected = PQstatus(pg) == CONNECTION_OK;
    PQfinish(pg);
    return connected;
}

/* A server that starts up or does not answer may be there later, or was just restarted and is back already; one that answers
 * and says no once more will not change its mind. */
static bool may_come_later(const struct database_words *words)
{
    PGPing ping = PQpingParams(words->keys, words->values, 1);
    return ping == PQPING_REJECT || ping == PQPING_NO_RESPONSE || lets_in(words);
}

/* Appends words as one line: runs of white space and control characters become one space. */
static void add_line(struct buffer *buffer, const char *text, size_t most)
{
    bool space = false;
    for (; *text && most > 0; text++, most--) {
        if ((unsigned char)*text <= ' ') {
            space = buffer->size > 0;
            continue;
        }
        if (space)
            buffer_byte(buffer, ' ');
        space = false;
        buffer_byte(buffer, (uint8_t)*text);
    }
}

static bool continues_character(char byte)
{
    return ((unsigned char)byte & 0xc0) == 0x80;
}

/* PostgreSQL counts characters from 1; text is UTF-8. */
static void add_excerpt(struct buffer *buffer, const char *text, const char *position)
{
    long character = strtol(position, NULL, 10);
    while (*text && character > 1) {
        text++;
        character -= !continues_character(*text);
    }
    size_t size = strnlen(text, EXCERPT);
    while (text[size] && size > 0 && continues_character(text[size]))
        size--;
    buffer_text(buffer, " at \"");
    add_line(buffer, text, size);
    buffer_text(buffer, "\"");
}

static const char *complaint(struct arena *arena, const PGconn *pg, const struct prepared *statement,
                             const PGresult *result)
{
    const char *words = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    const char *position = PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION);
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    struct buffer line = buffer_in(arena);
    buffer_printf(&line, "statement %s: ", statement->name);
    add_line(&line, words ? words : PQerrorMessage(pg), SIZE_MAX);
    if (position)
        add_excerpt(&line, statement->text, position);
    if (sqlstate)
        buffer_printf(&line, " (%s)", sqlstate);
    return buffer_cstring(&line);
}

static void take_description(struct arena *arena, struct prepared *statement, const PGresult *result)
{
    int parameters = PQnparams(result), columns = PQnfields(result);
    statement->parameter_count = parameters;
    statement->column_count = columns;
    statement->parameter_types = arena_alloc(arena, (size_t)parameters * sizeof(Oid));
    statement->column_types = arena_alloc(arena, (size_t)columns * sizeof(Oid));
    statement->column_names = arena_alloc(arena, (size_t)columns * sizeof(char *));
    for (int i = 0; i < parameters; i++)
        statement->parameter_types[i] = PQparamtype(result, i);
    for (int i = 0; i < columns; i++) {
        statement->column_types[i] = PQftype(result, i);
        statement->column_names[i] = arena_strdup(arena, PQfname(result, i));
    }
}

/* Of all parameters of all statements with one question. NULL, or what is wrong. */
static const char *name_types(struct arena *arena, PGconn *pg, struct prepared *statements, size_t count)
{
    struct buffer oids = buffer_in(arena);
    for (size_t i = 0; i < count; i++)
        for (int j = 0; j < statements[i].parameter_count; j++)
            buffer_printf(&oids, "%c%u", oids.size ? ',' : '{', statements[i].parameter_types[j]);
    buffer_text(&oids, oids.size ? "}" : "{}");
    const char *value = buffer_cstring(&oids), *error = NULL;
    PGresult *result = PQexecParams(pg,
                                    "SELECT pg_catalog.format_type(oid, NULL)"
                                    "  FROM pg_catalog.unnest($1::pg_catalog.oid[]) WITH ORDINALITY AS t (oid, at)"
                                    " ORDER BY at",
                                    1, NULL, &value, NULL, NULL, 0);
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        error = arena_printf(arena, "types have no names: %s", PQerrorMessage(pg));
    for (size_t i = 0, row = 0; i < count && !error; i++) {
        size_t parameters = (size_t)statements[i].parameter_count;
        statements[i].parameter_type_names = arena_alloc(arena, (parameters + 1) * sizeof(char *));
        for (size_t j = 0; j < parameters; j++, row++)
            statements[i].parameter_type_names[j] = arena_strdup(arena, PQgetvalue(result, (int)row, 0));
    }
    PQclear(result);
    return error;
}

/* NULL, or what is wrong. */
static const char *describe(struct arena *arena, PGconn *pg, struct prepared *statement)
{
    const char *error = NULL;
    PGresult *result = PQprepare(pg, statement->name, statement->text, 0, NULL);
    if (PQresultStatus(result) == PGRES_COMMAND_OK) {
        PQclear(result);
        result = PQdescribePrepared(pg, statement->name);
    }
    if (PQresultStatus(result) == PGRES_COMMAND_OK)
        take_description(arena, statement, result);
    else
        error = complaint(arena, pg, statement, result);
    PQclear(result);
    return error;
}

static void ignore_notice(void *context, const PGresult *result)
{
    (void)context, (void)result;
}

static const char *connect_error(struct arena *arena, const PGconn *pg)
{
    struct buffer line = buffer_in(arena);
    add_line(&line, PQerrorMessage(pg), SIZE_MAX);
    return buffer_cstring(&line);
}

bool database_describe(struct arena *arena, const struct database_options *options, struct prepared *statements,
                       size_t count, const char **error, bool *unreachable)
{
    struct database_words words = { 0 };
    database_words(&words, options, LANE_COUNT);
    PGconn *pg = PQconnectdbParams(words.keys, words.values, 1);
    PQsetNoticeReceiver(pg, ignore_notice, NULL);
    *error = NULL;
    *unreachable = false;
    if (PQstatus(pg) != CONNECTION_OK) {
        *error = connect_error(arena, pg);
        *unreachable = may_come_later(&words);
    }
    bool connected = !*error;
    for (size_t i = 0; i < count && !*error; i++)
        *error = describe(arena, pg, &statements[i]);
    if (!*error)
        *error = name_types(arena, pg, statements, count);
    *unreachable |= connected && *error && PQstatus(pg) == CONNECTION_BAD;
    PQfinish(pg);
    return !*error;
}
