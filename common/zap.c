/* zap.c -- one question after another; a refused key is named in the log, though not each time that it tries again. */
#include "common/zap.h"

#include "common/clock.h"
#include "common/curve.h"
#include "common/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

enum {
    LONGEST_FRAME = 256,
    KEY_BYTES = 32,
    REMEMBERED_REFUSALS = 64,
    QUIET_US = 60 * 1000 * 1000, /* a refused key dials again several times a second */
};

/* The frames of a question, in their order. */
enum { VERSION, REQUEST_ID, DOMAIN, ADDRESS, IDENTITY, MECHANISM, CREDENTIALS, QUESTION_FRAMES };

struct frame {
    size_t size; /* as sent, also where it is longer than what is kept */
    char bytes[LONGEST_FRAME + 1];
};

struct refusal {
    char key[CURVE_TEXT];
    int64_t told_us;
};

struct zap {
    void *zmq, *socket;
    struct allowed *allowed;
    struct refusal refusals[REMEMBERED_REFUSALS];
    size_t next_refusal;
    pthread_t thread;
};

static bool receive_frame(void *socket, struct frame *frame, bool *more)
{
    int size, option = 0;
    size_t option_size = sizeof option;
    do
        size = zmq_recv(socket, frame->bytes, LONGEST_FRAME, 0);
    while (size < 0 && errno == EINTR);
    if (size < 0)
        return false;
    frame->size = (size_t)size;
    frame->bytes[size < LONGEST_FRAME ? size : LONGEST_FRAME] = '\0';
    zmq_getsockopt(socket, ZMQ_RCVMORE, &option, &option_size);
    *more = option;
    return true;
}

/* Returns how many frames the question had, or 0 at the end of the context. */
static size_t receive_question(void *socket, struct frame frames[QUESTION_FRAMES])
{
    struct frame excess;
    size_t count = 0;
    bool more = true;
    while (more) {
        if (!receive_frame(socket, count < QUESTION_FRAMES ? &frames[count] : &excess, &more))
            return 0;
        count++;
    }
    return count;
}

static void answer(void *socket, const struct frame *request_id, const char *user)
{
    const char *status = user ? "200" : "400", *text = user ? "OK" : "not allowed";
    zmq_send(socket, "1.0", 3, ZMQ_SNDMORE);
    zmq_send(socket, request_id->bytes, request_id->size, ZMQ_SNDMORE);
    zmq_send(socket, status, 3, ZMQ_SNDMORE);
    zmq_send(socket, text, strlen(text), ZMQ_SNDMORE);
    zmq_send(socket, user ? user : "", user ? strlen(user) : 0, ZMQ_SNDMORE);
    zmq_send(socket, "", 0, 0);
}

static bool told_lately(struct zap *zap, const char *key)
{
    int64_t now_us = clock_monotonic_us();
    for (size_t i = 0; i < REMEMBERED_REFUSALS; i++) {
        struct refusal *refusal = &zap->refusals[i];
        if (strcmp(refusal->key, key) != 0)
            continue;
        bool lately = now_us - refusal->told_us < QUIET_US;
        if (!lately)
            refusal->told_us = now_us;
        return lately;
    }
    struct refusal *refusal = &zap->refusals[zap->next_refusal++ % REMEMBERED_REFUSALS];
    memcpy(refusal->key, key, CURVE_TEXT);
    refusal->told_us = now_us;
    return false;
}

static bool well_formed(const struct frame frames[QUESTION_FRAMES], size_t count)
{
    return count == QUESTION_FRAMES && strcmp(frames[VERSION].bytes, "1.0") == 0 &&
           frames[REQUEST_ID].size <= LONGEST_FRAME && strcmp(frames[DOMAIN].bytes, ZAP_DOMAIN) == 0 &&
           strcmp(frames[MECHANISM].bytes, "CURVE") == 0 && frames[CREDENTIALS].size == KEY_BYTES;
}

/* Whom an accepted key speaks for is its own text: what it may serve is looked up when it offers something. */
static void decide(struct zap *zap, const struct frame frames[QUESTION_FRAMES], size_t count)
{
    char key[CURVE_TEXT];
    if (!well_formed(frames, count)) {
        answer(zap->socket, &frames[REQUEST_ID], NULL);
        return;
    }
    zmq_z85_encode(key, (const uint8_t *)frames[CREDENTIALS].bytes, KEY_BYTES);
    allowed_refresh(zap->allowed);
    bool allowed = allowed_name(zap->allowed, key);
    if (!allowed && !told_lately(zap, key))
        log_error("bus: key refused", "key=%s address=%s", key, frames[ADDRESS].bytes);
    answer(zap->socket, &frames[REQUEST_ID], allowed ? key : NULL);
}

static void *run(void *context)
{
    struct zap *zap = context;
    struct frame frames[QUESTION_FRAMES];
    size_t count;
    log_set_role("zap");
    while ((count = receive_question(zap->socket, frames)))
        decide(zap, frames, count);
    zmq_close(zap->socket);
    return NULL;
}

struct zap *zap_start(void *zmq, struct allowed *allowed)
{
    struct zap *zap = calloc(1, sizeof *zap);
    if (!zap)
        abort();
    zap->zmq = zmq;
    zap->allowed = allowed;
    zap->socket = zmq_socket(zmq, ZMQ_REP);
    if (!zap->socket || zmq_setsockopt(zap->socket, ZMQ_LINGER, &(int){ 0 }, sizeof(int)) != 0 ||
        zmq_bind(zap->socket, "inproc://zeromq.zap.01") != 0) {
        int error = errno;
        if (zap->socket)
            zmq_close(zap->socket);
        free(zap);
        errno = error;
        return NULL;
    }
    if (pthread_create(&zap->thread, NULL, run, zap) != 0)
        abort();
    return zap;
}

void zap_stop(struct zap *zap)
{
    if (!zap)
        return;
    zmq_ctx_shutdown(zap->zmq);
    pthread_join(zap->thread, NULL);
    allowed_free(zap->allowed);
    free(zap);
}
