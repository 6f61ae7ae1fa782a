/* statement.c -- a small lexer of SQL: it must know strings, quoted names and comments only to leave them alone. */
#include "common/statement.h"

#include "common/buffer.h"

#include <ctype.h>
#include <stdlib.h>

static const char marker[] = "-- name:";

static bool name_char(char c)
{
    return isalnum((unsigned char)c) || c == '_';
}

static const char *line_end(const char *at, const char *end)
{
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    return newline ? newline : end;
}

/* Behind what begins at `at`: a string, a quoted name, a dollar-quoted text or a comment; `at` itself where none begins. */
static const char *skip_opaque(const char *at, const char *end)
{
    const char *close = NULL;
    if (*at == '\'' || *at == '"') {
        close = memchr(at + 1, *at, (size_t)(end - at - 1));
        return close ? close + 1 : end; /* a doubled quote begins the next string at once */
    }
    if (end - at >= 2 && at[0] == '-' && at[1] == '-')
        return line_end(at, end);
    if (end - at >= 2 && at[0] == '/' && at[1] == '*') {
        close = memmem(at + 2, (size_t)(end - at - 2), "*/", 2);
        return close ? close + 2 : end;
    }
    if (*at == '$') {
        const char *tag = at + 1;
        while (tag < end && name_char(*tag))
            tag++;
        if (tag == end || *tag != '$')
            return at;
        size_t size = (size_t)(tag + 1 - at);
        close = memmem(tag + 1, (size_t)(end - tag - 1), at, size);
        return close ? close + size : end;
    }
    return at;
}

static size_t parameter_number(struct arena *arena, struct statement *statement, struct slice name)
{
    for (size_t i = 0; i < statement->parameter_count; i++)
        if (slice_is(name, statement->parameters[i]))
            return i + 1;
    size_t size = statement->parameter_count * sizeof *statement->parameters;
    statement->parameters = arena_grow(arena, statement->parameters, size, size + sizeof *statement->parameters);
    statement->parameters[statement->parameter_count++] = arena_text(arena, name);
    return statement->parameter_count;
}

static bool begins_parameter(const char *start, const char *at, const char *end)
{
    return *at == ':' && end - at > 1 && (isalpha((unsigned char)at[1]) || at[1] == '_') &&
           (at == start || at[-1] != ':'); /* x::type is a cast */
}

/* The source as text for PostgreSQL, without what ends it: instead of the n-th parameter instead[n - 1], or $n. */
static const char *rewrite(struct arena *arena, struct statement *statement, const char *const *instead)
{
    struct buffer out = buffer_in(arena);
    const char *start = (const char *)statement->source.data, *end = start + statement->source.size;
    for (const char *at = start; at < end;) {
        const char *behind = skip_opaque(at, end);
        if (behind == at && begins_parameter(start, at, end)) {
            for (behind = at + 1; behind < end && name_char(*behind); behind++)
                ;
            struct slice parameter = slice_of(at + 1, (size_t)(behind - at - 1));
            size_t number = parameter_number(arena, statement, parameter);
            if (instead)
                buffer_text(&out, instead[number - 1]);
            else
                buffer_printf(&out, "$%zu", number);
        } else {
            behind = behind == at ? at + 1 : behind;
            buffer_add(&out, at, (size_t)(behind - at));
        }
        at = behind;
    }
    while (out.size && (isspace(out.data[out.size - 1]) || out.data[out.size - 1] == ';'))
        out.size--;
    return buffer_cstring(&out);
}

struct statement statement_parse(struct arena *arena, const char *name, struct slice text)
{
    struct statement statement = { .name = name, .source = text };
    statement.text = rewrite(arena, &statement, NULL);
    return statement;
}

const char *statement_with(struct arena *arena, const struct statement *statement, const char *const *instead)
{
    struct statement same = *statement; /* every parameter is known: none is added */
    return rewrite(arena, &same, instead);
}

static bool append(struct arena *arena, struct statements *statements, struct statement statement, const char **error)
{
    if (statements_find(statements, slice_text(statement.name))) {
        *error = arena_printf(arena, "there are two statements %s", statement.name);
        return false;
    }
    if (!*statement.text) {
        *error = arena_printf(arena, "statement %s is empty", statement.name);
        return false;
    }
    size_t size = statements->count * sizeof *statements->all;
    statements->all = arena_grow(arena, statements->all, size, size + sizeof *statements->all);
    statements->all[statements->count++] = statement;
    return true;
}

static const char *next_marker(const char *at, const char *end)
{
    while (at < end) {
        if ((size_t)(end - at) >= sizeof marker - 1 && memcmp(at, marker, sizeof marker - 1) == 0)
            return at;
        at = line_end(at, end);
        at += at < end;
    }
    return end;
}

bool statements_parse(struct arena *arena, struct slice file, struct statements *statements, const char **error)
{
    const char *end = (const char *)file.data + file.size;
    *statements = (struct statements){ 0 };
    for (const char *at = next_marker((const char *)file.data, end); at < end;) {
        const char *name = at + sizeof marker - 1, *text = line_end(name, end);
        struct slice *parts;
        char *line = arena_text(arena, slice_of(name, (size_t)(text - name)));
        if (names_split(arena, line, &parts) != 1) {
            *error = arena_printf(arena, "a statement's name is not one word:%s", line);
            return false;
        }
        at = next_marker(text, end);
        const char *own_name = arena_text(arena, parts[0]);
        struct slice body = slice_of(text, (size_t)(at - text));
        if (!append(arena, statements, statement_parse(arena, own_name, body), error))
            return false;
    }
    return true;
}

const struct statement *statements_find(const struct statements *statements, struct slice name)
{
    for (size_t i = 0; i < statements->count; i++)
        if (slice_is(name, statements->all[i].name))
            return &statements->all[i];
    return NULL;
}

const char *statement_body(struct arena *arena, const struct statement *statement)
{
    struct slice source = statement->source;
    while (source.size && strchr(" \t\r\n;", source.data[source.size - 1]))
        source.size--;
    return arena_text(arena, source);
}

bool statement_has_cte(const struct statement *statement, const char *name)
{
    size_t size = strlen(name);
    for (const char *at = strstr(statement->text, name); at; at = strstr(at + 1, name)) {
        const char *behind = at + size;
        if (at > statement->text && name_char(at[-1]))
            continue;
        while (isspace((unsigned char)*behind))
            behind++;
        if (strncasecmp(behind, "AS", 2) == 0 && (isspace((unsigned char)behind[2]) || behind[2] == '('))
            return true;
    }
    return false;
}

size_t names_split(struct arena *arena, const char *list, struct slice **parts)
{
    size_t count = 0;
    *parts = arena_alloc(arena, ((list ? strlen(list) : 0) / 2 + 1) * sizeof **parts);
    for (const char *at = list; at && *at;) {
        at += strspn(at, " \t\r,");
        size_t size = strcspn(at, " \t\r,");
        if (size)
            (*parts)[count++] = slice_of(at, size);
        at += size;
    }
    return count;
}
