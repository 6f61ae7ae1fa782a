/* database_words.h -- how libpq is told to connect: of database_connection.c and database_describe.c. */
#ifndef CAMPUS_DATABASE_WORDS_H
#define CAMPUS_DATABASE_WORDS_H

#include "common/database.h"

/* By lane; the last one is the start's describing connection. */
extern const char *const database_lane_names[LANE_COUNT + 1];

bool database_reads_only(enum lane lane);
uint32_t database_statement_ms(const struct database_options *options, enum lane lane);

/* For PQconnectStartParams with expand_dbname. It points into itself and borrows from the options. */
struct database_words {
    const char *keys[20], *values[20];
    char settings[400], name[96];
};

/* LANE_COUNT is the describing connection. */
void database_words(struct database_words *words, const struct database_options *options, enum lane lane);

#endif
