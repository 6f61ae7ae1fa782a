/* database_verdict.c -- what an error of PostgreSQL means for a batch. */
#include "common/database_connection.h"
#include "common/database_words.h"

/* What an SQLSTATE means for a batch; the first prefix that fits decides. */
static const struct {
    const char *prefix;
    enum answer verdict;
} verdicts[] = {
    { "40001", ANSWER_CONFLICT }, /* serialization failure */
    { "40P01", ANSWER_CONFLICT }, /* deadlock */
    { "57014", ANSWER_EXPIRED }, /* statement timeout */
    { "57P", ANSWER_LOST }, /* shutting down, starting up */
    { "08", ANSWER_LOST }, /* the connection itself */
    { "26000", ANSWER_LOST }, /* the statement is not prepared here: a new connection prepares it */
    { "53", ANSWER_UNAVAILABLE }, /* disk, memory or connections are used up */
    { "58", ANSWER_UNAVAILABLE }, /* the system below PostgreSQL failed */
};

static bool field_is(const PGresult *result, int field, const char *text)
{
    const char *value = PQresultErrorField(result, field);
    return value && strcmp(value, text) == 0;
}

/* Results that a new connection mends: it ends this one, or has plans from before a change of the schema, or a write has
 * come to a server that has become a standby. */
static bool ends_connection(enum lane lane, const PGresult *result, const char *sqlstate)
{
    return !sqlstate || field_is(result, PG_DIAG_SEVERITY_NONLOCALIZED, "FATAL") ||
           field_is(result, PG_DIAG_SEVERITY_NONLOCALIZED, "PANIC") ||
           (strcmp(sqlstate, "0A000") == 0 && field_is(result, PG_DIAG_SOURCE_FUNCTION, "RevalidateCachedQuery")) ||
           (strcmp(sqlstate, "25006") == 0 && !database_reads_only(lane));
}

enum answer database_judge(enum lane lane, const PGresult *result)
{
    const char *sqlstate = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (ends_connection(lane, result, sqlstate))
        return ANSWER_LOST;
    for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++)
        if (strncmp(sqlstate, verdicts[i].prefix, strlen(verdicts[i].prefix)) == 0)
            return verdicts[i].verdict;
    return ANSWER_REFUSED;
}

static void copy_field(char *to, size_t size, const PGresult *result, int field)
{
    const char *value = PQresultErrorField(result, field);
    snprintf(to, size, "%s", value ? value : "");
}

void database_note_refusal(struct batch *batch, size_t step, const PGresult *result)
{
    batch->failed_step = step;
    copy_field(batch->sqlstate, sizeof batch->sqlstate, result, PG_DIAG_SQLSTATE);
    copy_field(batch->constraint, sizeof batch->constraint, result, PG_DIAG_CONSTRAINT_NAME);
    copy_field(batch->table, sizeof batch->table, result, PG_DIAG_TABLE_NAME);
    copy_field(batch->column, sizeof batch->column, result, PG_DIAG_COLUMN_NAME);
    *batch->complaints = '\0';
    if (strcmp(batch->sqlstate, BATCH_COMPLAINTS) == 0)
        copy_field(batch->complaints, sizeof batch->complaints, result, PG_DIAG_MESSAGE_DETAIL);
}
