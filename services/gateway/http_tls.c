/* http_tls.c -- OpenSSL between two pairs of buffers: it never sees the socket.
 *
 * What has come lies in the bufferevent's input, what is to be sent goes to its output; both are the ends of a BIO. So
 * reading, writing, limits and time are those of plain connections. */
#include "services/gateway/http_tls.h"

#include "common/log.h"
#include "services/gateway/http_certificate.h"
#include "services/gateway/http_transport.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOOK_S = 1, /* between two looks at the files */
    RECORD = SSL3_RT_MAX_PLAIN_LENGTH,
    SEALED_LIMIT = 128 << 10, /* bytes that wait for the socket; the rest of a large answer is sealed behind them */
};

struct http_tls {
    struct http_certificate certificate;
    struct http_certificate_stamp loaded, seen; /* the files: as they were read, and at the last look */
    SSL_CTX *context;
    BIO_METHOD *buffers;
    struct event *look;
};

/* The BIO. */

static int on_read(BIO *bio, char *data, int size)
{
    const struct http_transport *t = BIO_get_data(bio);
    int got = evbuffer_remove(bufferevent_get_input(t->bev), data, (size_t)size);
    BIO_clear_retry_flags(bio);
    if (got > 0)
        return got;
    BIO_set_retry_read(bio);
    return -1;
}

static int on_write(BIO *bio, const char *data, int size)
{
    struct http_transport *t = BIO_get_data(bio);
    if (evbuffer_add(bufferevent_get_output(t->bev), data, (size_t)size) != 0)
        abort(); /* out of memory */
    t->queued += (uint64_t)size;
    return size;
}

static long on_control(BIO *bio, int what, long number, void *pointer)
{
    (void)bio, (void)number, (void)pointer;
    return what == BIO_CTRL_FLUSH;
}

static BIO_METHOD *buffers_new(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "evbuffers");
    if (!method)
        abort();
    BIO_meth_set_read(method, on_read);
    BIO_meth_set_write(method, on_write);
    BIO_meth_set_ctrl(method, on_control);
    return method;
}

/* The way of TLS. */

/* Nothing more can be read or sealed. Told at the level where nobody is disturbed by whoever scans the port. */
static void fail(struct http_transport *t)
{
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    log_debug("no tls", "reason=\"%s\"", reason ? reason : "");
    ERR_clear_error();
    t->failed = true;
}

/* What a call of OpenSSL that went no further means. */
static void stopped(struct http_transport *t, int result)
{
    switch (SSL_get_error(t->session, result)) {
    case SSL_ERROR_WANT_READ:
        break;
    case SSL_ERROR_ZERO_RETURN:
        t->ended = true;
        break;
    default:
        fail(t);
    }
}

static bool shake_hands(struct http_transport *t)
{
    int result = t->ready ? 1 : SSL_accept(t->session);
    t->ready = result == 1;
    if (!t->ready)
        stopped(t, result);
    return t->ready;
}

/* One record at most; false when there is none. */
static bool open_record(struct http_transport *t, size_t room)
{
    struct evbuffer_iovec place;
    if (evbuffer_reserve_space(t->input, (ev_ssize_t)room, &place, 1) != 1)
        abort(); /* out of memory */
    size_t got = 0;
    int result = SSL_read_ex(t->session, place.iov_base, place.iov_len, &got);
    place.iov_len = got;
    evbuffer_commit_space(t->input, &place, got > 0);
    if (result != 1)
        stopped(t, result);
    return result == 1;
}

static void take(struct http_transport *t)
{
    const struct evbuffer *come = bufferevent_get_input(t->bev);
    size_t size = evbuffer_get_length(come);
    if (t->failed || t->ended || size == 0)
        return;
    ERR_clear_error(); /* the queue is the thread's: what stands there would pass for this connection's */
    if (!shake_hands(t))
        return;
    while ((evbuffer_get_length(come) || SSL_pending(t->session)) && open_record(t, size < RECORD ? size : RECORD))
        ;
}

/* One record of the next run of bytes. It never waits: the buffer takes all. */
static void seal_record(struct http_transport *t)
{
    struct evbuffer_iovec run;
    if (evbuffer_peek(t->output, RECORD, NULL, &run, 1) < 1)
        return;
    size_t size = run.iov_len < RECORD ? run.iov_len : RECORD, written = 0;
    if (SSL_write_ex(t->session, run.iov_base, size, &written) != 1)
        fail(t);
    evbuffer_drain(t->output, written);
    t->queued -= written; /* the record was counted instead */
}

static void seal(struct http_transport *t, bool last)
{
    struct evbuffer *wire = bufferevent_get_output(t->bev);
    while (evbuffer_get_length(t->output) && evbuffer_get_length(wire) < SEALED_LIMIT && !t->failed)
        seal_record(t);
    bool said = SSL_get_shutdown(t->session) & SSL_SENT_SHUTDOWN;
    if (last && !said && !t->failed && evbuffer_get_length(t->output) == 0) {
        (void)SSL_shutdown(t->session);
        ERR_clear_error();
    }
}

static bool holds(const struct http_transport *t)
{
    return SSL_has_pending(t->session);
}

static void end(struct http_transport *t)
{
    SSL_free(t->session);
    evbuffer_free(t->input);
    evbuffer_free(t->output);
}

void http_tls_start(struct http_tls *tls, struct http_transport *t)
{
    static const struct http_way way = { take, seal, holds, end, .ends_bare = false };
    BIO *bio = BIO_new(tls->buffers);
    t->way = &way;
    t->ready = false;
    t->session = SSL_new(tls->context);
    t->input = evbuffer_new();
    t->output = evbuffer_new();
    if (!bio || !t->session || !t->input || !t->output)
        abort(); /* out of memory */
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->session, bio, bio);
    SSL_set_accept_state(t->session);
}

/* The context. */

/* A client that offers protocols and not ours would not understand us. */
static int on_protocols(SSL *session, const uint8_t **chosen, uint8_t *size, const uint8_t *offered,
                        unsigned offered_size, void *context)
{
    static const uint8_t ours[] = "\x08http/1.1";
    uint8_t *found;
    (void)session, (void)context;
    if (SSL_select_next_proto(&found, size, ours, sizeof ours - 1, offered, offered_size) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *chosen = found;
    return SSL_TLSEXT_ERR_OK;
}

/* Forward secrecy and authenticated encryption (RFC 9325 §4.2); TLS 1.3 has nothing else. Tickets resume a session;
 * nothing of it is kept here. */
static void configure(SSL_CTX *context)
{
    bool set = SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) == 1 &&
               SSL_CTX_set_max_proto_version(context, 0) == 1 &&
               SSL_CTX_set_cipher_list(context, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1;
    if (!set)
        abort(); /* an OpenSSL without these is none */
    SSL_CTX_set_options(context, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA | SSL_OP_NO_RENEGOTIATION |
                                     SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_alpn_select_cb(context, on_protocols, NULL);
}

/* Takes up what the files hold. False with *error, and everything as it was. */
static bool load(struct http_tls *tls, const char **error)
{
    SSL_CTX *context = http_certificate_load(&tls->certificate, error);
    if (!context)
        return false;
    configure(context);
    SSL_CTX_free(tls->context);
    tls->context = context;
    return true;
}

/* Files are written one after the other, and not at once: they are read when they have stood still for a look. */
static void on_look(evutil_socket_t fd, short what, void *context)
{
    struct http_tls *tls = context;
    struct http_certificate_stamp now = http_certificate_look(&tls->certificate);
    const char *error;
    (void)fd, (void)what;
    bool still = http_certificate_same(&now, &tls->seen), changed = !http_certificate_same(&now, &tls->loaded);
    tls->seen = now;
    if (!still || !changed)
        return;
    tls->loaded = now;
    if (!load(tls, &error))
        log_error("the certificate stays as it was", "reason=\"%s\"", error);
}

struct http_tls *http_tls_new(struct event_base *base, const char *certificate_file, const char *key_file,
                              const char **error)
{
    struct http_tls *tls = calloc(1, sizeof *tls);
    if (!tls)
        abort();
    tls->certificate = (struct http_certificate){ certificate_file, key_file };
    tls->loaded = tls->seen = http_certificate_look(&tls->certificate);
    if (!load(tls, error)) {
        free(tls);
        return NULL;
    }
    tls->buffers = buffers_new();
    tls->look = event_new(base, -1, EV_PERSIST, on_look, tls);
    event_add(tls->look, &(struct timeval){ .tv_sec = LOOK_S });
    return tls;
}

void http_tls_free(struct http_tls *tls)
{
    if (!tls)
        return;
    event_free(tls->look);
    SSL_CTX_free(tls->context);
    BIO_meth_free(tls->buffers);
    free(tls);
}
