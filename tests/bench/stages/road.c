/* road.c -- a PostgreSQL with some people, a worker's plans on it, a gateway, and the bus between them. */
#include "tests/bench/stages/road.h"

#include "tests/bench/stages/operation.h"
#include "tests/unit/cluster.h"

#include "common/clock.h"
#include "common/embed.h"
#include "common/execute.h"
#include "common/log.h"
#include "common/migrate.h"
#include "common/wire.h"
#include "services/gateway/forwarded.h"
#include "services/membership/membership.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

enum { LARGEST_MESSAGE = 16 << 20, CREDITS = 256, PATIENCE_US = 20 * 1000000, LIMITED_KEYS = 65536 };

void road_fail(const char *what, const char *why)
{
    fprintf(stderr, "stages: %s: %s\n", what, why ? why : "failed");
    exit(1);
}

/* ---- the worker's plans ---- */

static const char people[] =
    "SET search_path = membership, campus, public;"
    "INSERT INTO organisation (path, kind, title) VALUES ('university', 'university', '大学');"
    "INSERT INTO organisation (path, kind, title) VALUES ('university.cs', 'college', '计算机学院');"
    "INSERT INTO person (id, student_number, name, latin_name, home, grade, class_name, email, phone)"
    " SELECT ('01900000-0000-7000-8100-' || lpad(n::text, 12, '0'))::uuid, 'B' || lpad(n::text, 8, '0'), '王建国',"
    "        'Wang Jianguo', 'university.cs', 2018 + n % 8, '计科' || n, 'student' || n || '@example.edu', '1390000' "
    "|| n"
    "   FROM generate_series(1, 40) n";

static void fill_database(struct road *road)
{
    static const char *const services[] = { "membership", NULL };
    const char *error = NULL;
    FILE *nowhere = fopen("/dev/null", "w");
    road->cluster = cluster_start();
    cluster_run(road->cluster, "CREATE ROLE campus_owner LOGIN; CREATE ROLE campus_membership LOGIN;"
                               "ALTER DATABASE postgres OWNER TO campus_owner");
    if (!nowhere || !migrate(road->arena, cluster_conninfo(road->cluster), services, nowhere, &error))
        road_fail("migrate", error);
    fclose(nowhere);
    cluster_run(road->cluster, people);
}

static void describe(struct road *road, size_t from)
{
    struct plans *plans = &road->plans;
    const char *error = NULL;
    bool unreachable;
    if (!database_describe(road->arena, &road->options, plans->prepared + from, plans->prepared_count - from, &error,
                           &unreachable))
        road_fail("describe", error);
}

/* As a start makes them; see common/service.c. */
static void bind_plans(struct road *road)
{
    road->options = (struct database_options){ .conninfo = cluster_conninfo(road->cluster),
                                               .role = "campus_membership",
                                               .schema = "membership",
                                               .lanes = { [LANE_POINT] = { 2, 64 }, [LANE_HEAVY] = { 2, 1 } },
                                               .queue_limit = 100,
                                               .unavailable_ms = 5000,
                                               .statement_ms = 5000,
                                               .lock_ms = 1000 };
    /* Nobody publishes facts to it here. */
    struct service *alone = arena_alloc(road->arena, sizeof *alone);
    *alone = membership_service;
    alone->consumers = NULL;
    if (!plans_gather(&road->plans, road->arena, alone, road->schema, embed_statements(road->arena, "membership")))
        road_fail("plans", road->plans.error);
    describe(road, 0);
    size_t gathered = road->plans.prepared_count;
    if (!plans_bind(&road->plans))
        road_fail("plans", road->plans.error);
    describe(road, gathered);
}

static void connect_database(struct road *road)
{
    road->connection = PQconnectdb(
        arena_printf(road->arena, "%s user=campus_membership options='-c search_path=membership,campus,public'",
                     cluster_conninfo(road->cluster)));
    if (PQstatus(road->connection) != CONNECTION_OK)
        road_fail("database", PQerrorMessage(road->connection));
}

static void open_database(struct road *road)
{
    int64_t until_us = clock_monotonic_us() + PATIENCE_US;
    for (size_t i = 0; i < 2 * ROAD_CROWD; i++)
        road->call_arenas[i] = arena_new();
    road->database = database_open(road->base, &road->options, road->plans.prepared, road->plans.prepared_count);
    while (!database_ready(road->database)) {
        if (clock_monotonic_us() >= until_us)
            road_fail("database", "is not ready");
        event_base_loop(road->base, EVLOOP_ONCE);
    }
}

/* ---- the bus ---- */

static struct slice make_principal(struct road *road)
{
    const struct message *reply = schema_rpc(road->schema, "ResolveKey")->reply;
    struct buffer wire = buffer_in(road->arena);
    wire_put_text(&wire, message_find(reply, slice_text("id"))->number, "01900000-0000-7000-8000-00000000000a");
    const struct field *grants = message_find(reply, slice_text("grants"));
    size_t mark = wire_open(&wire, grants->number);
    wire_put_text(&wire, message_find(grants->message, slice_text("permissions"))->number, "*");
    wire_close(&wire, mark);
    return buffer_slice(&wire);
}

/* A call of the road's worker. */
struct road_call {
    struct call call; /* first */
    const struct road *road;
};

static void on_end(struct call *call)
{
    BusReply reply = CAMPUS__BUS__REPLY__INIT;
    const struct road *road = ((const struct road_call *)(const void *)call)->road;
    if (call->problem.status != STATUS_OK)
        road_fail(call->plan->rpc->name, call->problem.code);
    reply.status = CAMPUS__STATUS__OK;
    bus_reply(road->inproc.bus, call->origin, &reply, buffer_slice(&call->reply));
}

/* As services do it. A call's memory is taken anew when all others have had their turn, so when it has long ended. */
static void begin_call(struct road *road, struct bus_origin origin, const BusRequest *header, struct slice body)
{
    struct arena *arena = road->call_arenas[road->calls++ % (2 * ROAD_CROWD)];
    arena_reset(arena);
    struct road_call *mine = arena_zalloc(arena, sizeof *mine);
    struct call *call = &mine->call;
    mine->road = road;
    *call = (struct call){
        .arena = arena,
        .plan = plans_find(&road->plans, header->method),
        .origin = origin,
        .begun_us = clock_monotonic_us(),
        .secret = road->secret,
        .on_end = on_end,
    };
    call->deadline_us = call->begun_us + (int64_t)header->left_ms * 1000;
    if (!call->plan || !call_read(call, header, body))
        road_fail(header->method, "is no call");
    execute(call, road->database, &road->plans, on_end);
}

/* Knows every key. */
static void on_call(struct road *road, struct bus *bus, struct bus_origin origin, const BusRequest *header,
                    struct slice body)
{
    BusReply reply = CAMPUS__BUS__REPLY__INIT;
    bool key = strcmp(header->method, "ResolveKey") == 0;
    reply.status = CAMPUS__STATUS__OK;
    if (key || road->now)
        bus_reply(bus, origin, &reply, key ? road->principal : road->now->reply);
    else
        begin_call(road, origin, header, body);
}

static void on_inproc_call(struct bus_origin origin, const BusRequest *header, struct slice body, void *context)
{
    struct road *road = context;
    on_call(road, road->inproc.bus, origin, header, body);
}

static void on_ipc_call(struct bus_origin origin, const BusRequest *header, struct slice body, void *context)
{
    struct road *road = context;
    on_call(road, road->ipc.bus, origin, header, body);
}

static void link_open(struct road *road, struct link *link, const char *endpoint, struct bus_handler handler)
{
    const char *const *endpoints =
        memcpy(arena_alloc(road->arena, 2 * sizeof endpoint), (const char *[]){ endpoint, NULL }, 2 * sizeof endpoint);
    const char *error = NULL;
    struct dispatch_options dispatch = { .endpoints = endpoints,
                                         .schema = road->schema,
                                         .queue_limit = 100,
                                         .queue_ms = 10000,
                                         .ping_ms = 250,
                                         .max_message = LARGEST_MESSAGE };
    struct bus_options bus = { .service = "membership",
                               .endpoints = endpoints,
                               .credits = CREDITS,
                               .max_message = LARGEST_MESSAGE,
                               .schema = road->schema };
    link->dispatcher = dispatch_open(road->arena, road->base, road->zmq, &dispatch, &error);
    if (!link->dispatcher || !(link->bus = bus_open(road->arena, road->base, road->zmq, &bus, &handler, &error)))
        road_fail(endpoint, error);
}

static void on_there(const struct peer *from, struct slice envelope, struct slice body, void *context)
{
    struct wire_pair *pair = context;
    (void)envelope, (void)body;
    if (bus_socket_send(pair->router, from, pair->envelope, pair->body) != BUS_SENT)
        road_fail("sockets", "no way back");
}

static void on_back(const struct peer *from, struct slice envelope, struct slice body, void *context)
{
    struct wire_pair *pair = context;
    (void)from, (void)envelope, (void)body;
    pair->back++;
}

static void pair_open(struct road *road)
{
    struct bus_socket_options options = { .endpoint = "inproc://pair",
                                          .max_message = LARGEST_MESSAGE,
                                          .context = &road->pair };
    options.kind = BUS_ROUTER;
    options.on_message = on_there;
    road->pair.router = bus_socket_open(road->base, road->zmq, &options);
    options.kind = BUS_DEALER;
    options.on_message = on_back;
    road->pair.dealer = bus_socket_open(road->base, road->zmq, &options);
    if (!road->pair.router || !road->pair.dealer)
        road_fail("sockets", strerrordesc_np(errno));
}

void road_await_workers(struct road *road)
{
    int64_t until_us = clock_monotonic_us() + PATIENCE_US;
    while (!dispatch_ready(road->inproc.dispatcher) || !dispatch_ready(road->ipc.dispatcher)) {
        if (clock_monotonic_us() >= until_us)
            road_fail("bus", "no worker is ready");
        event_base_loop(road->base, EVLOOP_ONCE);
    }
}

static void open_bus(struct road *road)
{
    strcpy(road->folder, "/tmp/campus-stages-XXXXXX");
    road->zmq = zmq_ctx_new();
    if (!mkdtemp(road->folder))
        road_fail(road->folder, strerrordesc_np(errno));
    road->principal = make_principal(road);
    link_open(road, &road->inproc, "inproc://road",
              (struct bus_handler){ .on_request = on_inproc_call, .context = road });
    link_open(road, &road->ipc, arena_printf(road->arena, "ipc://%s/bus", road->folder),
              (struct bus_handler){ .on_request = on_ipc_call, .context = road });
    pair_open(road);
}

/* ---- the gateway ---- */

static void on_request(struct http_exchange *exchange, const struct http_request *request, void *context)
{
    struct road *road = context;
    if (road->now)
        http_respond(exchange, &road->now->response);
    else
        exchange_begin(exchange, request, &road->context);
}

static size_t body_limit(const struct http_request *head, void *context)
{
    struct road *road = context;
    return exchange_body_limit(head, &road->context);
}

static void on_abort(struct http_exchange *exchange, void *context)
{
    (void)exchange, (void)context;
}

/* Counted, and high enough not to be felt. */
static struct limits *open_limits(void)
{
    return limits_new(LIMITS_HIGHEST_RATE, LIMITS_LARGEST_BURST, LIMITED_KEYS);
}

static void close_limits(struct road *road)
{
    limits_free(road->context.address_limits);
    limits_free(road->context.principal_limits);
}

void road_renew_limits(struct road *road)
{
    close_limits(road);
    road->context.address_limits = open_limits();
    road->context.principal_limits = open_limits();
}

/* As services/gateway/gateway.c does it. */
static void open_gateway(struct road *road)
{
    static const char *const no_origins[] = { NULL };
    const char *error = NULL;
    struct exchange_context *context = &road->context;
    *context = (struct exchange_context){
        .schema = road->schema,
        .routes = routes_new(road->arena, road->schema, &error),
        .dispatcher = road->inproc.dispatcher,
        .trusted = forwarded_trust_new(road->arena, "", &error),
        .cors_origins = no_origins,
        .request_ms = 10000,
        .failure_limits = open_limits(),
        .counts = arena_zalloc(road->arena, (road->schema->rpc_count + 1) * sizeof *context->counts),
    };
    if (!context->routes || !context->trusted ||
        !(context->principals = principals_new(road->inproc.dispatcher, road->schema, context->failure_limits, &error)))
        road_fail("gateway", error);
    road_renew_limits(road);
}

static struct sockaddr_in local_port(uint16_t port)
{
    return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
}

static int connect_client(uint16_t port)
{
    struct sockaddr_in to = local_port(port);
    int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(client, (const struct sockaddr *)&to, sizeof to) != 0 ||
        setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)) != 0)
        road_fail("client", strerrordesc_np(errno));
    return client;
}

static void open_plain(struct road *road)
{
    struct sockaddr_in at = local_port(0);
    socklen_t size = sizeof at;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(listener, (const struct sockaddr *)&at, size) != 0 || listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr *)&at, &size) != 0)
        road_fail("a plain connection", strerrordesc_np(errno));
    road->plain[0] = connect_client(at.sin_port);
    road->plain[1] = accept(listener, NULL, NULL);
    if (road->plain[1] < 0 || setsockopt(road->plain[1], IPPROTO_TCP, TCP_NODELAY, &(int){ 1 }, sizeof(int)) != 0)
        road_fail("a plain connection", strerrordesc_np(errno));
    close(listener);
}

static void open_connections(struct road *road)
{
    const char *error = NULL;
    road->handler = (struct http_handler){
        .body_limit = body_limit, .on_request = on_request, .on_abort = on_abort, .context = road
    };
    struct http_options options = { .listen = "127.0.0.1:0",
                                    .max_connections = ROAD_CROWD,
                                    .max_connections_address = ROAD_CROWD,
                                    .trusted = road->context.trusted,
                                    .header_ms = 10000,
                                    .body_ms = 10000,
                                    .idle_ms = 3600000,
                                    .write_ms = 10000,
                                    .handler = &road->handler };
    road->http = http_open(road->base, &options, &error);
    if (!road->http)
        road_fail("http", error);
    for (size_t i = 0; i < ROAD_CROWD; i++)
        road->clients[i] = connect_client(htons(http_port(road->http)));
}

/* ---- all of it ---- */

void road_open(struct road *road)
{
    const char *error = NULL;
    log_set_level(LOG_ERROR);
    road->arena = arena_new();
    road->schema = schema_load(road->arena, embed_get("schema.binpb"), &error);
    if (!road->schema)
        road_fail("contract", error);
    fill_database(road);
    bind_plans(road);
    connect_database(road);
    road->base = event_base_new();
    open_database(road);
    open_bus(road);
    open_gateway(road);
    open_connections(road);
    open_plain(road);
    road_await_workers(road);
}

void road_close(struct road *road)
{
    for (size_t i = 0; i < ROAD_CROWD; i++)
        close(road->clients[i]);
    close(road->plain[0]);
    close(road->plain[1]);
    http_close(road->http);
    principals_free(road->context.principals);
    limits_free(road->context.failure_limits);
    close_limits(road);
    bus_socket_close(road->pair.dealer, 0);
    bus_socket_close(road->pair.router, 0);
    for (size_t i = 0; i < 2; i++) {
        struct link *link = i ? &road->ipc : &road->inproc;
        bus_close(link->bus);
        dispatch_close(link->dispatcher);
    }
    zmq_ctx_term(road->zmq);
    database_close(road->database);
    for (size_t i = 0; i < 2 * ROAD_CROWD; i++)
        arena_free(road->call_arenas[i]);
    event_base_free(road->base);
    rmdir(road->folder);
    PQfinish(road->connection);
    cluster_stop(road->cluster);
    arena_free(road->arena);
}
