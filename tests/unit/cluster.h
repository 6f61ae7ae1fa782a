/* cluster.h -- a private PostgreSQL for one test program: in a folder of its own, on a Unix socket alone.
 *
 * Where something fails it says so on standard error and aborts: a test without its database proves nothing. */
#ifndef CAMPUS_TESTS_CLUSTER_H
#define CAMPUS_TESTS_CLUSTER_H

struct cluster;

/* Started and taking connections; UTF8, C.UTF-8, no fsync; superuser postgres, trusted. It stops with this process too. */
struct cluster *cluster_start(void);
/* For libpq: host and dbname, without a user. The cluster's. */
const char *cluster_conninfo(const struct cluster *cluster);
/* Runs SQL as the superuser. */
void cluster_run(const struct cluster *cluster, const char *sql);
/* As a crash looks to its clients: every connection breaks at once. */
void cluster_kill(struct cluster *cluster);
void cluster_revive(struct cluster *cluster);
/* Also removes the folder. NULL is fine. */
void cluster_stop(struct cluster *cluster);

#endif
