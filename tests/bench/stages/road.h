/* road.h -- the whole road from HTTP to PostgreSQL in one thread and one loop: a gateway, a worker of membership, its plans
 * bound by a real database. The operations that are measured stand at its borders. */
#ifndef CAMPUS_TESTS_STAGES_ROAD_H
#define CAMPUS_TESTS_STAGES_ROAD_H

#include "common/bus.h"
#include "common/bus_socket.h"
#include "common/plan.h"
#include "services/gateway/exchange.h"

struct cluster;
struct operation;

/* The key that all requests show. */
#define ROAD_TOKEN "stages-0123456789abcdefghijklmnopqrstuvwxyz"

/* Requests that are under way together, each of a connection of its own, where a stage is one that gains by that. */
enum { ROAD_CROWD = 64 };

/* A gateway's end of the bus and a worker's. */
struct link {
    struct dispatcher *dispatcher;
    struct bus *bus;
};

/* The same without what gateways and workers say: one message there, one back. */
struct wire_pair {
    struct bus_socket *router, *dealer;
    struct slice envelope, body; /* what comes back */
    size_t back; /* how many have */
};

struct road {
    struct arena *arena;
    const struct schema *schema;
    /* the worker's */
    struct cluster *cluster;
    struct database_options options;
    struct plans plans;
    PGconn *connection; /* as the worker's role: what gives the rows */
    struct database *database;
    struct arena *call_arenas[2 * ROAD_CROWD];
    size_t calls; /* so far */
    uint8_t secret[PAGE_SECRET];
    /* between them */
    struct event_base *base;
    void *zmq;
    char folder[32];
    struct link inproc, ipc;
    struct wire_pair pair;
    struct slice principal; /* what ResolveKey replies */
    /* the gateway's */
    struct exchange_context context;
    struct http_handler handler;
    struct http_server *http;
    int plain[2]; /* both ends of a connection without a server */
    int clients[ROAD_CROWD]; /* sockets, connected to it */
    const struct operation *now; /* whose reply the worker gives, and whose answer the server; NULL: what comes of it */
};

/* Ends the program with a word where something cannot be set up. */
void road_open(struct road *road);
void road_close(struct road *road);

/* Turns the loop until the worker of each link is there. */
void road_await_workers(struct road *road);

/* Forgets how often anybody has asked. */
void road_renew_limits(struct road *road);

/* Ends the program. */
void road_fail(const char *what, const char *why) __attribute__((noreturn));

#endif
