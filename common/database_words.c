/* database_words.c -- who a connection says it is, and what it is allowed. */
#include "common/database_words.h"

enum { LONG_FACTOR = 10 }; /* statements of imports and of the background may take so much longer */

const char *const database_lane_names[LANE_COUNT + 1] = { "point",  "heavy",      "write", "brief",
                                                          "import", "background", "start" };

/* A point read has one good plan, of one question as of many at once. A list's best plan depends on which filters are
 * given; planning costs less than a wrong plan. */
static const char *const planning[LANE_COUNT + 1] = {
    [LANE_POINT] = " -c plan_cache_mode=force_generic_plan",
    [LANE_HEAVY] = " -c plan_cache_mode=force_custom_plan",
    [LANE_WRITE] = "",
    [LANE_BRIEF] = "",
    [LANE_IMPORT] = "",
    [LANE_BACKGROUND] = "",
    [LANE_COUNT] = "",
};

bool database_reads_only(enum lane lane)
{
    return lane == LANE_POINT || lane == LANE_HEAVY;
}

uint32_t database_statement_ms(const struct database_options *options, enum lane lane)
{
    return options->statement_ms * (lane == LANE_IMPORT || lane == LANE_BACKGROUND ? LONG_FACTOR : 1);
}

/* What stands before dbname is a default that the operator's conninfo may change; what stands behind it is decided here.
 * So reads may be sent to replicas, and writes always look for the primary. */
void database_words(struct database_words *words, const struct database_options *options, enum lane lane)
{
    snprintf(words->name, sizeof words->name, "campus/%s/%s", options->schema, database_lane_names[lane]);
    snprintf(words->settings, sizeof words->settings,
             "-c search_path=%s,campus,public -c statement_timeout=%u -c lock_timeout=%u"
             " -c idle_in_transaction_session_timeout=10s -c timezone=UTC -c jit=off%s%s",
             options->schema, database_statement_ms(options, lane), options->lock_ms,
             database_reads_only(lane) ? " -c default_transaction_read_only=on" : "", planning[lane]);
    const char *const pairs[][2] = {
        { "connect_timeout", "5" },
        { "tcp_user_timeout", "10000" },
        { "keepalives_idle", "10" },
        { "keepalives_interval", "5" },
        { "keepalives_count", "3" },
        { "target_session_attrs", "primary" },
        { "dbname", options->conninfo },
        { "user", options->role },
        { "options", words->settings },
        { "application_name", words->name },
        { "client_encoding", "UTF8" },
        { "gssencmode", "disable" },
        { database_reads_only(lane) ? NULL : "target_session_attrs", "read-write" },
    };
    size_t used = 0;
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (pairs[i][0] && pairs[i][1]) {
            words->keys[used] = pairs[i][0];
            words->values[used++] = pairs[i][1];
        }
    words->keys[used] = words->values[used] = NULL;
}
