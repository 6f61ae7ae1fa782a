/* operation.c -- the operations, and their one walk down the road, on which the rows come from PostgreSQL. */
#include "tests/bench/stages/operation.h"

#include "tests/bench/stages/cuts.h"
#include "tests/bench/stages/road.h"
#include "tests/bench/stages/stages.h"

struct operation operations[] = {
    { .name = "point read", .request = "GET /v1/people/01900000-0000-7000-8100-000000000007 HTTP/1.1\r\n" },
    { .name = "create",
      .request = "POST /v1/people HTTP/1.1\r\nContent-Type: application/json\r\nIdempotency-Key: 7f3a9c\r\n",
      .body =
          "{\"student_number\":\"2026990001\",\"name\":\"李雷\",\"latin_name\":\"Li Lei\",\"home\":\"university.cs\","
          "\"grade\":2026,\"class_name\":\"计科1\",\"status\":\"active\",\"email\":\"li.lei@example.edu\","
          "\"phone\":\"13900000001\"}" },
    { .name = "page of 20", .request = "GET /v1/people?home=university.cs&page_size=20 HTTP/1.1\r\n" },
    { .name = "import of 10",
      .request = "POST /v1/people:import HTTP/1.1\r\nContent-Type: text/csv\r\nIdempotency-Key: 7f3a9d\r\n",
      .body = "student_number,name,latin_name,home,grade,class_name,status,email,phone\r\n"
              "2026990001,李雷,Li Lei,university.cs,2026,计科1,active,li.lei@example.edu,13900000001\r\n"
              "2026990002,韩梅梅,Han Meimei,university.cs,2026,计科1,active,han.meimei@example.edu,13900000002\r\n"
              "2026990003,王芳,Wang Fang,university.cs,2026,计科1,active,wang.fang@example.edu,13900000003\r\n"
              "2026990004,李娜,Li Na,university.cs,2026,计科2,active,li.na@example.edu,13900000004\r\n"
              "2026990005,张伟,Zhang Wei,university.cs,2026,计科2,active,zhang.wei@example.edu,13900000005\r\n"
              "2026990006,刘洋,Liu Yang,university.cs,2026,计科2,active,liu.yang@example.edu,13900000006\r\n"
              "2026990007,陈静,Chen Jing,university.cs,2026,计科3,active,chen.jing@example.edu,13900000007\r\n"
              "2026990008,杨勇,Yang Yong,university.cs,2026,计科3,active,yang.yong@example.edu,13900000008\r\n"
              "2026990009,赵敏,Zhao Min,university.nowhere,2026,计科3,active,zhao.min@example.edu,13900000009\r\n"
              "2026990010,孙超,Sun Chao,university.cs,2026,计科3,active,sun.chao@example.edu,13900000010\r\n" },
    { 0 },
};

/* What all clients send, and the length of what follows. */
static struct slice whole_request(struct arena *arena, const struct operation *operation)
{
    struct buffer bytes = buffer_in(arena);
    buffer_text(&bytes, operation->request);
    buffer_text(&bytes, "Host: campus.example.edu\r\nUser-Agent: website/1.4\r\nAccept: application/json\r\n"
                        "Authorization: Bearer " ROAD_TOKEN "\r\n");
    if (operation->body)
        buffer_printf(&bytes, "Content-Length: %zu\r\n", strlen(operation->body));
    buffer_printf(&bytes, "\r\n%s", operation->body ? operation->body : "");
    return buffer_slice(&bytes);
}

/* ---- the rows ---- */

static void run_sql(const struct road *road, const char *text)
{
    PGresult *result = PQexec(road->connection, text);
    if (PQresultStatus(result) != PGRES_COMMAND_OK)
        road_fail(text, PQresultErrorMessage(result));
    PQclear(result);
}

static void clear_result(void *result)
{
    PQclear(result);
}

/* The batch as the worker's database would run it: binary results, one transaction, which is then taken back. */
static void run_batch(struct operation *operation)
{
    const struct road *road = operation->road;
    const struct batch *batch = operation->call.batch;
    run_sql(road, "BEGIN");
    for (size_t i = 0; i < batch->step_count; i++) {
        struct step *step = &batch->steps[i];
        step->result = PQexecParams(road->connection, step->statement->text, step->statement->parameter_count,
                                    step->statement->parameter_types, step->values, NULL, NULL, 1);
        step->row_count = PQntuples(step->result);
        arena_defer(operation->kept, clear_result, step->result);
        ExecStatusType status = PQresultStatus(step->result);
        if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
            road_fail(step->statement->name, PQresultErrorMessage(step->result));
    }
    run_sql(road, "ROLLBACK");
}

/* ---- the walk ---- */

static void free_arena(void *arena)
{
    arena_free(arena);
}

/* A stage in memory that is kept. */
static void walk(struct operation *operation, stage_run *stage)
{
    operation->scratch = arena_new();
    arena_defer(operation->kept, free_arena, operation->scratch);
    stage(operation);
}

void operation_walk(struct operation *operation, struct road *road)
{
    operation->road = road;
    operation->crowd = 1;
    operation->kept = arena_new();
    operation->bytes = whole_request(operation->kept, operation);
    walk(operation, stage_parse);
    walk(operation, settle_key);
    walk(operation, stage_exchange_in);
    operation->exchange = cuts.exchange;
    operation->headers = buffer_slice(&cuts.exchange->headers);
    operation->rpc = cuts.rpc;
    operation->header = cuts.header;
    operation->message = cuts.body;
    walk(operation, stage_pack_request);
    walk(operation, stage_call);
    walk(operation, stage_bind);
    run_batch(operation);
    walk(operation, stage_rows);
    campus__bus__reply__init(&operation->reply_header);
    operation->reply_header.status = CAMPUS__STATUS__OK;
    operation->reply = buffer_slice(&operation->call.reply);
    walk(operation, stage_pack_reply);
    walk(operation, stage_exchange_out);
    operation->response = cuts.response;
    walk(operation, stage_head);
    operation->scratch = NULL;
}

void operation_done(struct operation *operation)
{
    arena_free(operation->kept);
}
