/* stages.c -- stages [--once] [FILE]: what each stage of a request costs, as tables; and as JSON in the file.
 *
 * What is told is what a request costs this process, not how long it waits: of stages that gain by company when 64 are under
 * way, and also when one is alone. With --once every stage of every operation runs once and nothing is measured: that they
 * still work. */
#include "tests/bench/stages/stages.h"

#include "tests/bench/stages/measure.h"
#include "tests/bench/stages/road.h"

#include <stdio.h>

static bool any(const struct operation *operation)
{
    (void)operation;
    return true;
}

static bool sends_json(const struct operation *operation)
{
    return operation->body && *operation->body == '{';
}

/* What can be run again and again. */
static bool reads(const struct operation *operation)
{
    return operation->rpc->kind == RPC_READ;
}

/* What a stage is in the sum: one of those that make it up, a part of the one above it, or another way to do that one. */
enum kind { WHOLE, PART, INSTEAD };

/* In the order of the road. */
static const struct stage {
    const char *name;
    enum kind kind;
    size_t crowd; /* requests under way at once, by which the costs are divided */
    bool (*suits)(const struct operation *operation);
    stage_run *settle; /* before each repetition, or NULL */
    stage_run *run;
} stages[] = {
    { "connection: read, parse, write", WHOLE, ROAD_CROWD, any, NULL, stage_connection },
    { "the kernel's, both sides", PART, 1, any, NULL, stage_kernel },
    { "parse", PART, 1, any, NULL, stage_parse },
    { "response head", PART, 1, any, NULL, stage_head },
    { "the connection alone", INSTEAD, 1, any, NULL, stage_connection },
    { "exchange, to the bus", WHOLE, 1, any, settle_key, stage_exchange_in },
    { "route", PART, 1, any, NULL, stage_route },
    { "limits: address, key", PART, 1, any, settle_limits, stage_limits },
    { "key look-up", PART, 1, any, settle_key, stage_key },
    { "request to message", PART, 1, any, NULL, stage_request },
    { "of it JSON to wire", PART, 1, sends_json, NULL, stage_json_in },
    { "of it rules", PART, 1, any, NULL, stage_rules },
    { "dispatch and bus, inproc", WHOLE, ROAD_CROWD, any, settle_bus, stage_bus_inproc },
    { "pack the request", PART, 1, any, NULL, stage_pack_request },
    { "sockets, there and back", PART, ROAD_CROWD, any, NULL, stage_sockets },
    { "read the request", PART, 1, any, NULL, stage_read_request },
    { "pack the reply", PART, 1, any, NULL, stage_pack_reply },
    { "read the reply", PART, 1, any, NULL, stage_read_reply },
    { "the bus alone", INSTEAD, 1, any, settle_bus, stage_bus_inproc },
    { "the bus over ipc", INSTEAD, ROAD_CROWD, any, settle_bus, stage_bus_ipc },
    { "the bus over ipc, alone", INSTEAD, 1, any, settle_bus, stage_bus_ipc },
    { "request to call", WHOLE, 1, any, NULL, stage_call },
    { "bind: call to batch", WHOLE, 1, any, NULL, stage_bind },
    { "database client: batch to rows", WHOLE, ROAD_CROWD, reads, NULL, stage_database },
    { "the database client alone", INSTEAD, 1, reads, NULL, stage_database },
    { "rows to message", WHOLE, 1, any, NULL, stage_rows },
    { "exchange, from the bus", WHOLE, 1, any, NULL, stage_exchange_out },
    { "message to JSON", PART, 1, any, NULL, stage_json_out },
    { "all of it in one run", INSTEAD, ROAD_CROWD, reads, settle_bus, stage_all },
    { "all of it, alone", INSTEAD, 1, reads, settle_bus, stage_all },
};

enum { STAGES = sizeof stages / sizeof *stages };

/* ---- one stage ---- */

/* A stage of an operation, as measure.h wants it. The operation is a copy: what a stage leaves in it stays its own. */
struct trial {
    const struct stage *stage;
    struct operation operation;
};

static void run_trial(void *context)
{
    struct trial *trial = context;
    trial->stage->run(&trial->operation);
}

static void settle_trial(void *context)
{
    struct trial *trial = context;
    trial->stage->settle(&trial->operation);
}

static struct cost try_stage(const struct stage *stage, const struct operation *operation, bool once)
{
    struct trial trial = { .stage = stage, .operation = *operation };
    struct measured measured = { stage->settle ? settle_trial : NULL, run_trial, &trial };
    struct cost cost = { 0 };
    trial.operation.crowd = stage->crowd;
    trial.operation.scratch = arena_new();
    if (once && stage->settle)
        settle_trial(&trial);
    if (once)
        run_trial(&trial);
    else
        cost = measure(&measured, stage->crowd);
    arena_free(trial.operation.scratch);
    return cost;
}

/* ---- what is told ---- */

static double sum_ns(const struct operation *operation, const struct cost *costs)
{
    double sum = 0;
    for (size_t i = 0; i < STAGES; i++)
        sum += stages[i].kind == WHOLE && stages[i].suits(operation) ? costs[i].ns : 0;
    return sum;
}

static const char *number(char *text, size_t size, const char *format, double value)
{
    if (value < 0)
        snprintf(text, size, "-");
    else
        snprintf(text, size, format, value);
    return text;
}

static void print_cost(const struct stage *stage, const struct cost *cost, double share)
{
    static const char *const indents[] = { [WHOLE] = "", [PART] = "  ", [INSTEAD] = "or " };
    char name[48], spread[48], instructions[24], allocations[24];
    snprintf(name, sizeof name, "%s%s", indents[stage->kind], stage->name);
    snprintf(spread, sizeof spread, "(%.0f .. %.0f)", cost->least_ns, cost->most_ns);
    printf("  %-32s %8.0f  %-20s %12s %11s %7.1f %%\n", name, cost->ns, spread,
           number(instructions, sizeof instructions, "%.0f", cost->instructions),
           number(allocations, sizeof allocations, "%.2f", cost->allocations), share * 100);
}

static void print_table(const struct operation *operation, const struct cost *costs)
{
    double sum = sum_ns(operation, costs);
    printf("\n%s\n  %-32s %8s  %-20s %12s %11s %9s\n", operation->name, "", "ns", "(least .. most)", "instructions",
           "allocations", "share");
    for (size_t i = 0; i < STAGES; i++)
        if (stages[i].suits(operation))
            print_cost(&stages[i], &costs[i], costs[i].ns / sum);
    printf("  %-32s %8.0f\n", "sum", sum);
}

static void write_number(FILE *out, const char *name, double value)
{
    char text[32];
    fprintf(out, ", \"%s\": %s", name, value < 0 ? "null" : number(text, sizeof text, "%.2f", value));
}

static void write_json(FILE *out, const struct operation *operation, const struct cost *costs)
{
    static const char *const kinds[] = { [WHOLE] = "whole", [PART] = "part", [INSTEAD] = "instead" };
    double sum = sum_ns(operation, costs);
    const char *comma = "";
    fprintf(out, "%s\n  {\"name\": \"%s\", \"sum_ns\": %.2f, \"stages\": [", operation == operations ? "" : ",",
            operation->name, sum);
    for (size_t i = 0; i < STAGES; i++) {
        if (!stages[i].suits(operation))
            continue;
        fprintf(out, "%s\n    {\"name\": \"%s\", \"kind\": \"%s\", \"at_once\": %zu", comma, stages[i].name,
                kinds[stages[i].kind], stages[i].crowd);
        write_number(out, "ns", costs[i].ns);
        write_number(out, "least_ns", costs[i].least_ns);
        write_number(out, "most_ns", costs[i].most_ns);
        write_number(out, "instructions", costs[i].instructions);
        write_number(out, "allocations", costs[i].allocations);
        fprintf(out, ", \"share\": %.4f}", sum > 0 ? costs[i].ns / sum : 0);
        comma = ",";
    }
    fputs("]}", out);
}

static void try_operation(struct operation *operation, struct road *road, bool once, FILE *json)
{
    struct cost costs[STAGES] = { 0 };
    operation_walk(operation, road);
    for (size_t i = 0; i < STAGES; i++)
        if (stages[i].suits(operation))
            costs[i] = try_stage(&stages[i], operation, once);
    if (once)
        printf("%s: every stage once\n", operation->name);
    else
        print_table(operation, costs);
    if (json)
        write_json(json, operation, costs);
    operation_done(operation);
}

int main(int count, char *arguments[])
{
    static struct road road;
    bool once = count > 1 && strcmp(arguments[1], "--once") == 0;
    const char *path = count > 1 + once ? arguments[1 + once] : NULL;
    FILE *json = path ? fopen(path, "w") : NULL;
    if (path && !json)
        road_fail(path, "cannot be written");
    measure_open();
    road_open(&road);
    if (json)
        fputs("{\"operations\": [", json);
    for (struct operation *operation = operations; operation->name; operation++)
        try_operation(operation, &road, once, json);
    if (json && (fputs("\n]}\n", json) < 0 || fclose(json) != 0))
        road_fail(path, "cannot be written");
    road_close(&road);
    measure_close();
    return 0;
}
