/* cluster.c -- initdb, postgres, and their end. */
#include "tests/unit/cluster.h"

#include <ftw.h>
#include <grp.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define BIN "/usr/lib/postgresql/15/bin/"

enum { START_SECONDS = 30 };

struct cluster {
    char folder[32], data[48], log[48], conninfo[80];
    pid_t server;
};

static void fail(const char *what)
{
    perror(what);
    abort();
}

/* PostgreSQL refuses to run as root. */
static void become_unprivileged(void)
{
    const struct passwd *user = geteuid() == 0 ? getpwnam("postgres") : NULL;
    if (user && (setgroups(0, NULL) || setgid(user->pw_gid) || setuid(user->pw_uid)))
        fail("cluster: another user");
}

/* The server goes with its test, however that ends. */
static pid_t spawn(const struct cluster *cluster, char *const arguments[])
{
    pid_t child = fork();
    if (child < 0)
        fail("cluster: fork");
    if (child > 0)
        return child;
    become_unprivileged();
    prctl(PR_SET_PDEATHSIG, SIGQUIT);
    if (chdir(cluster->folder) || !freopen("/dev/null", "r", stdin) || !freopen(cluster->log, "a", stdout) ||
        dup2(STDOUT_FILENO, STDERR_FILENO) < 0)
        fail("cluster: folder");
    execv(arguments[0], arguments);
    _exit(127);
}

static void wait_until_ready(const struct cluster *cluster)
{
    for (int i = 0; i < START_SECONDS * 100; i++) {
        if (PQping(cluster->conninfo) == PQPING_OK)
            return;
        nanosleep(&(struct timespec){ .tv_nsec = 10000000 }, NULL);
    }
    fprintf(stderr, "cluster: not ready, see %s\n", cluster->log);
    abort();
}

void cluster_revive(struct cluster *cluster)
{
    char program[] = BIN "postgres";
    char *arguments[] = { program, (char[]){ "-D" }, cluster->data, NULL };
    cluster->server = spawn(cluster, arguments);
    wait_until_ready(cluster);
}

static void init_data(const struct cluster *cluster)
{
    char program[] = BIN "initdb", data[sizeof cluster->data];
    strcpy(data, cluster->data);
    char *arguments[] = { program,
                          (char[]){ "-D" },
                          data,
                          (char[]){ "--encoding=UTF8" },
                          (char[]){ "--locale=C.UTF-8" },
                          (char[]){ "--auth=trust" },
                          (char[]){ "--username=postgres" },
                          (char[]){ "--no-sync" },
                          NULL };
    int status;
    pid_t child = spawn(cluster, arguments);
    if (waitpid(child, &status, 0) != child || status != 0) {
        fprintf(stderr, "cluster: initdb failed, see %s\n", cluster->log);
        abort();
    }
}

static void write_settings(const struct cluster *cluster)
{
    char path[80];
    snprintf(path, sizeof path, "%s/postgresql.auto.conf", cluster->data);
    FILE *file = fopen(path, "a");
    if (!file)
        fail("cluster: settings");
    fprintf(file,
            "listen_addresses = ''\nunix_socket_directories = '%s'\nfsync = off\nmax_connections = 100\n"
            "shared_buffers = 64MB\ndeadlock_timeout = 50ms\n",
            cluster->folder);
    if (fclose(file) != 0)
        fail("cluster: settings");
}

struct cluster *cluster_start(void)
{
    struct cluster *cluster = calloc(1, sizeof *cluster);
    if (!cluster)
        abort();
    strcpy(cluster->folder, "/tmp/campus-test-XXXXXX");
    if (!mkdtemp(cluster->folder))
        fail("cluster: mkdtemp");
    const struct passwd *user = geteuid() == 0 ? getpwnam("postgres") : NULL;
    if (user && chown(cluster->folder, user->pw_uid, user->pw_gid))
        fail("cluster: chown");
    snprintf(cluster->data, sizeof cluster->data, "%s/data", cluster->folder);
    snprintf(cluster->log, sizeof cluster->log, "%s/log", cluster->folder);
    snprintf(cluster->conninfo, sizeof cluster->conninfo, "host=%s dbname=postgres", cluster->folder);
    init_data(cluster);
    write_settings(cluster);
    cluster_revive(cluster);
    return cluster;
}

const char *cluster_conninfo(const struct cluster *cluster)
{
    return cluster->conninfo;
}

void cluster_run(const struct cluster *cluster, const char *sql)
{
    char conninfo[160];
    snprintf(conninfo, sizeof conninfo, "%s user=postgres options='-c client_min_messages=warning'", cluster->conninfo);
    PGconn *pg = PQconnectdb(conninfo);
    PGresult *result = PQexec(pg, sql);
    ExecStatusType status = PQresultStatus(result);
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        fprintf(stderr, "cluster: %s", PQerrorMessage(pg));
        abort();
    }
    PQclear(result);
    PQfinish(pg);
}

void cluster_kill(struct cluster *cluster)
{
    kill(cluster->server, SIGQUIT);
    if (waitpid(cluster->server, NULL, 0) != cluster->server)
        fail("cluster: wait");
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *place)
{
    (void)info, (void)kind, (void)place;
    return remove(path);
}

void cluster_stop(struct cluster *cluster)
{
    if (!cluster)
        return;
    cluster_kill(cluster);
    nftw(cluster->folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(cluster);
}
