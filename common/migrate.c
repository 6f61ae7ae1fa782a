/* migrate.c -- runs at deployment and at start, over one blocking connection. */
#include "common/migrate.h"

#include "common/embed.h"
#include "common/session.h"
#include "common/version.h"

#include <sodium.h>
#include <stdlib.h>

static const char application[] = "campus/migrate";

static const char bootstrap[] =
    "CREATE SCHEMA IF NOT EXISTS campus;"
    "CREATE TABLE IF NOT EXISTS campus.migration ("
    " schema text NOT NULL, number int NOT NULL, name text NOT NULL, checksum text NOT NULL, admits int NOT NULL,"
    " applied_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (schema, number));"
    "REVOKE ALL ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA public, campus TO PUBLIC;"
    "GRANT SELECT ON campus.migration TO PUBLIC;";

/* One migration as it stands in the program. */
struct migration {
    const char *schema, *name;
    int number, admits;
    char checksum[2 * crypto_hash_sha256_BYTES + 1];
    struct slice sql;
};

/* ---- the files in the program ---- */

static int admits_of(struct arena *arena, struct slice sql)
{
    static const char mark[] = "-- admits:";
    const char *at = strstr(arena_text(arena, sql), mark);
    return at ? atoi(at + sizeof mark - 1) : 0;
}

static struct migration migration_of(struct arena *arena, const char *schema, const char *name, struct slice sql)
{
    uint8_t hash[crypto_hash_sha256_BYTES];
    struct migration migration = { .schema = schema, .name = name, .sql = sql };
    migration.number = atoi(name);
    migration.admits = admits_of(arena, sql);
    crypto_hash_sha256(hash, sql.data, sql.size);
    sodium_bin2hex(migration.checksum, sizeof migration.checksum, hash, sizeof hash);
    return migration;
}

/* Those of one schema; the build embeds them sorted by name, and so by number. */
static size_t find_migrations(struct arena *arena, const char *schema, const char *folder, struct migration **found)
{
    size_t count = 0, size = strlen(folder);
    for (const struct embedded *file = embedded_files; file->name; file++)
        count += strncmp(file->name, folder, size) == 0;
    *found = arena_alloc(arena, (count + 1) * sizeof **found);
    count = 0;
    for (const struct embedded *file = embedded_files; file->name; file++)
        if (strncmp(file->name, folder, size) == 0)
            (*found)[count++] = migration_of(arena, schema, file->name + size, file->content);
    return count;
}

static size_t find_common(struct arena *arena, struct migration **found)
{
    return find_migrations(arena, "campus", "common/schema/", found);
}

static size_t find_service(struct arena *arena, const char *service, struct migration **found)
{
    return find_migrations(arena, service, arena_printf(arena, "services/%s/schema/", service), found);
}

/* ---- applying ---- */

enum state { STATE_MISSING, STATE_APPLIED, STATE_CHANGED, STATE_UNKNOWN };

static enum state state_of(PGconn *connection, const struct migration *migration)
{
    char number[16];
    snprintf(number, sizeof number, "%d", migration->number);
    const char *const values[] = { migration->schema, number };
    PGresult *result =
        session_query(connection, "SELECT checksum FROM campus.migration WHERE schema = $1 AND number = $2", 2, values);
    enum state state = STATE_UNKNOWN;
    if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 0)
        state = STATE_MISSING;
    else if (PQresultStatus(result) == PGRES_TUPLES_OK)
        state = strcmp(PQgetvalue(result, 0, 0), migration->checksum) == 0 ? STATE_APPLIED : STATE_CHANGED;
    PQclear(result);
    return state;
}

static bool record(struct arena *arena, PGconn *connection, const struct migration *migration, const char **error)
{
    char number[16], admits[16];
    snprintf(number, sizeof number, "%d", migration->number);
    snprintf(admits, sizeof admits, "%d", migration->admits);
    const char *const values[] = { migration->schema, number, migration->name, migration->checksum, admits };
    PGresult *result = session_query(
        connection, "INSERT INTO campus.migration (schema, number, name, checksum, admits) VALUES ($1, $2, $3, $4, $5)",
        5, values);
    bool done = PQresultStatus(result) == PGRES_COMMAND_OK;
    if (!done)
        *error = session_words(arena, result);
    PQclear(result);
    return done;
}

static bool apply(struct arena *arena, PGconn *connection, const struct migration *migration, FILE *out,
                  const char **error)
{
    const char *begin =
        arena_printf(arena, "BEGIN; CREATE SCHEMA IF NOT EXISTS %s; SET LOCAL search_path = %s, campus, public",
                     migration->schema, migration->schema);
    if (session_run(arena, connection, begin, error) &&
        session_run(arena, connection, arena_text(arena, migration->sql), error) &&
        record(arena, connection, migration, error) && session_run(arena, connection, "COMMIT", error)) {
        fprintf(out, "migrated %s/%s\n", migration->schema, migration->name);
        return true;
    }
    *error = arena_printf(arena, "migration %s/%s: %s", migration->schema, migration->name, *error);
    return false;
}

static bool apply_all(struct arena *arena, PGconn *connection, const struct migration *migrations, size_t count,
                      FILE *out, const char **error)
{
    for (size_t i = 0; i < count; i++) {
        enum state state = state_of(connection, &migrations[i]);
        if (state == STATE_APPLIED || (state == STATE_MISSING && apply(arena, connection, &migrations[i], out, error)))
            continue;
        if (state != STATE_MISSING)
            *error = arena_printf(arena, "migration %s/%s has changed since it was applied", migrations[i].schema,
                                  migrations[i].name);
        return false;
    }
    return true;
}

static bool migrate_over(struct arena *arena, PGconn *connection, const char *const *services, FILE *out,
                         const char **error)
{
    struct migration *migrations;
    if (!session_run(arena, connection, "SET client_min_messages = warning; SELECT pg_advisory_lock(50801)", error) ||
        !session_run(arena, connection, bootstrap, error))
        return false;
    size_t count = find_common(arena, &migrations);
    if (!apply_all(arena, connection, migrations, count, out, error))
        return false;
    for (; *services; services++) {
        count = find_service(arena, *services, &migrations);
        if (!apply_all(arena, connection, migrations, count, out, error))
            return false;
    }
    return true;
}

bool migrate(struct arena *arena, const char *conninfo, const char *const *services, FILE *out, const char **error)
{
    PGconn *connection = session_open(arena, conninfo, "campus_owner", application, error);
    if (!connection)
        return false;
    bool done = migrate_over(arena, connection, services, out, error);
    PQfinish(connection); /* an open transaction and the lock end with it */
    return done;
}

/* ---- checking at start ---- */

static bool check_all(struct arena *arena, PGconn *connection, const struct migration *migrations, size_t count,
                      const char **error)
{
    static const char *const complaints[] = {
        [STATE_MISSING] = "is missing: run `campus migrate`",
        [STATE_CHANGED] = "was applied in another form",
        [STATE_UNKNOWN] = "cannot be read: run `campus migrate`",
    };
    for (size_t i = 0; i < count; i++) {
        enum state state = state_of(connection, &migrations[i]);
        if (state == STATE_APPLIED)
            continue;
        *error = arena_printf(arena, "migration %s/%s %s", migrations[i].schema, migrations[i].name, complaints[state]);
        return false;
    }
    return true;
}

static bool check_admitted(struct arena *arena, PGconn *connection, const char *service, const char **error)
{
    PGresult *result = session_query(
        connection, "SELECT coalesce(max(admits), 0) FROM campus.migration WHERE schema IN ('campus', $1)", 1,
        (const char *const[]){ service });
    bool told = PQresultStatus(result) == PGRES_TUPLES_OK;
    int admits = told ? atoi(PQgetvalue(result, 0, 0)) : 0;
    PQclear(result);
    if (!told)
        *error = arena_printf(arena, "the schema of %s does not tell which programs it admits", service);
    else if (admits > PROGRAM_NUMBER)
        *error = arena_printf(arena, "the schema of %s admits programs from number %d on; this is number %d", service,
                              admits, PROGRAM_NUMBER);
    return told && admits <= PROGRAM_NUMBER;
}

bool migrate_check(struct arena *arena, const char *conninfo, const char *role, const char *service, const char **error,
                   bool *unreachable)
{
    PGconn *connection = session_open(arena, conninfo, role, application, error);
    *unreachable = !connection;
    if (!connection)
        return false;
    struct migration *common, *own;
    size_t common_count = find_common(arena, &common), own_count = find_service(arena, service, &own);
    bool fits = check_all(arena, connection, common, common_count, error) &&
                check_all(arena, connection, own, own_count, error) &&
                check_admitted(arena, connection, service, error);
    *unreachable = !fits && PQstatus(connection) == CONNECTION_BAD;
    PQfinish(connection);
    return fits;
}
