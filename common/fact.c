/* fact.c -- statements in pairs: first a lock, then what needs a snapshot younger than it. */
#include "common/fact.h"

#include "common/buffer.h"
#include "common/method.h"

#include <ctype.h>

#define LOT "500" /* FACT_LOT */

/* What was said of the lock holds for the transaction. To try again in the next statement would now and then succeed with
 * a snapshot from before the other relay's commit, and number again what it has numbered. */
const char fact_relay_lock_sql[] = "SELECT set_config('campus.is_relay', "
                                   "pg_try_advisory_xact_lock(hashtext(current_schema() || '.fact'))::text, true)";

const char fact_relay_number_sql[] =
    "WITH head AS (SELECT coalesce(max(pos), 0) AS pos FROM fact), "
    "lot AS (SELECT id FROM fact WHERE pos IS NULL ORDER BY id LIMIT " LOT "), "
    "numbered AS (SELECT id, row_number() OVER (ORDER BY id) AS n FROM lot), "
    "moved AS (UPDATE fact SET pos = head.pos + numbered.n FROM head, numbered WHERE fact.id = numbered.id "
    "AND current_setting('campus.is_relay') = 'true' RETURNING 1) "
    "SELECT count(*) FROM moved";

const char *fact_cursor_sql(struct arena *arena, const char *source)
{
    return arena_printf(arena, "SELECT pos FROM fact_cursor WHERE source = '%s' FOR UPDATE", source);
}

const char *fact_apply_sql(struct arena *arena, const char *source, const char *statement)
{
    static const char word[] = "WITH";
    while (isspace((unsigned char)*statement))
        statement++;
    if (strncasecmp(statement, word, sizeof word - 1) != 0 || !isspace((unsigned char)statement[sizeof word - 1]))
        return NULL;
    size_t size = strlen(statement);
    while (size && (isspace((unsigned char)statement[size - 1]) || statement[size - 1] == ';'))
        size--;
    return arena_printf(arena,
                        "WITH batch AS (SELECT f.* FROM %s.facts f WHERE f.pos > (SELECT pos FROM fact_cursor WHERE "
                        "source = '%s') ORDER BY f.pos LIMIT " LOT "),%.*s\n, moved AS (UPDATE fact_cursor SET pos = "
                        "(SELECT max(pos) FROM batch) WHERE source = '%s' AND EXISTS (SELECT FROM batch)) "
                        "SELECT count(*) FROM batch",
                        source, source, (int)size - 4, statement + sizeof word - 1, source);
}

const char *fact_lag_sql(struct arena *arena, const struct consumer *consumers)
{
    struct buffer sql = buffer_in(arena);
    buffer_printf(&sql,
                  "SELECT 0 AS n, current_setting('server_version') AS version, count(*) AS facts, "
                  "(extract(epoch FROM campus.now() - min(at)) * 1000)::bigint AS oldest_ms "
                  "FROM (SELECT at FROM fact WHERE pos IS NULL ORDER BY id LIMIT %d) AS unpublished",
                  FACT_MOST_COUNTED);
    for (int n = 1; consumers && consumers->source; consumers++, n++)
        buffer_printf(&sql,
                      " UNION ALL SELECT %d, NULL, (SELECT coalesce(max(pos), 0) FROM %s.facts) - "
                      "(SELECT pos FROM fact_cursor WHERE source = '%s'), NULL",
                      n, consumers->source, consumers->source);
    buffer_text(&sql, " ORDER BY n");
    return buffer_cstring(&sql);
}
