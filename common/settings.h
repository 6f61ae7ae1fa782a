/* settings.h -- what an operator can set: one table gives the struct, the environment, the options, --help and the checks.
 *
 * --name=value on the command line wins over CAMPUS_NAME in the environment, which wins over the default. */
#ifndef CAMPUS_SETTINGS_H
#define CAMPUS_SETTINGS_H

#include "common/arena.h"

#include <stdio.h>

/* TEXT(name, default, help) and NUMBER(name, default, least, most, help). Times are in milliseconds. */
#define SETTINGS(TEXT, NUMBER)                                                                                         \
    TEXT(database, "dbname=campus", "PostgreSQL as a libpq conninfo; each role brings its own user")                   \
    TEXT(bus, "inproc://campus", "where gateways bind and workers dial; several separated by commas")                  \
    TEXT(control, "", "where the gateway takes operators' commands (ipc://...); empty: nowhere")                       \
    TEXT(bus_key_file, "", "this process's secret key for a bus over tcp, made by campus keys new")                    \
    TEXT(gateway_key_file, "", "the gateways' public key, for what dials them over tcp")                               \
    TEXT(allowed_keys_file, "", "the gateway's list of public keys and the roles that each may serve over tcp")        \
    TEXT(listen, "127.0.0.1:8080", "address and port for HTTP; port 0 takes a free one")                               \
    TEXT(tls_certificate_file, "", "PEM chain for HTTPS in place of HTTP; read again when it changes")                 \
    TEXT(tls_key_file, "", "PEM private key of the certificate")                                                       \
    TEXT(trusted_proxies, "", "addresses and networks whose X-Forwarded-For is believed, separated by commas")         \
    TEXT(metrics_listen, "127.0.0.1:9464", "address and port for /metrics; empty: none")                               \
    TEXT(secret_file, "", "32 random bytes known to all workers: page tokens and keys are derived from it")            \
    TEXT(mail_url, "", "where mail goes: smtp://HOST[:PORT], smtps://..., file:///FOLDER; empty: it waits")            \
    TEXT(mail_from, "", "whom mail comes from: campus@example.edu.cn, or Name <campus@example.edu.cn>")                \
    TEXT(mail_user, "", "who signs in to the mail server; empty: nobody")                                              \
    TEXT(mail_password_file, "", "that user's password, in a file")                                                    \
    TEXT(account_url, "", "the page that a link in a mail opens; the mail's secret stands behind it")                  \
    TEXT(oidc_issuer, "", "the campus's single sign-on, an OpenID provider: https://...; empty: there is none")        \
    TEXT(oidc_client_id, "", "what the provider knows us as")                                                          \
    TEXT(oidc_client_secret_file, "", "the secret that it gave us, in a file; empty: we are a public client")          \
    TEXT(oidc_redirect_uri, "", "pages to which it sends a browser back, as it knows them, separated by commas")       \
    TEXT(oidc_student_number_claim, "preferred_username", "which of its claims is the student number")                 \
    TEXT(oidc_scopes, "openid profile", "what is asked of it, separated by spaces")                                    \
    TEXT(authorities_file, "", "PEM authorities for mail and single sign-on in place of the system's")                 \
    TEXT(log_level, "info", "debug, info, warning or error")                                                           \
    TEXT(cors_origins, "", "origins that browsers may call from, separated by commas; * for any")                      \
    NUMBER(reuse_port, 0, 0, 1, "1: a successor may listen on the same port, on a bus endpoint of its own")            \
    NUMBER(resolve_ms, 2000, 100, 60000, "between two look-ups of the gateways' names")                                \
    NUMBER(request_ms, 10000, 100, 600000, "how long a request may take, from its arrival to its answer")              \
    NUMBER(header_ms, 10000, 10, 600000, "how long a request's header section may take to arrive")                     \
    NUMBER(body_ms, 30000, 10, 600000, "how long a request's body may take to arrive")                                 \
    NUMBER(idle_ms, 60000, 10, 3600000, "how long a connection may stay without a request")                            \
    NUMBER(write_ms, 15000, 10, 600000, "how long a client may take to read an answer")                                \
    NUMBER(max_connections, 10000, 1, 1000000, "HTTP connections at once")                                             \
    NUMBER(max_connections_address, 2000, 1, 1000000, "HTTP connections at once from one address")                     \
    NUMBER(rate_principal, 1000, 0, 500000, "requests a second of one key; 0: any")                                    \
    NUMBER(rate_address, 2000, 0, 500000, "requests a second from one address; 0: any")                                \
    NUMBER(rate_connections, 500, 0, 500000, "connections a second from one address; 0: any")                          \
    NUMBER(rate_handshakes, 100, 0, 500000, "the same over TLS, where each costs much; 0: any")                        \
    NUMBER(rate_failures, 100, 0, 500000, "requests a second with keys that nobody has, from one address; 0: any")     \
    NUMBER(rate_burst_s, 2, 1, 2, "seconds of its rate that may come at once")                                         \
    NUMBER(body_memory, 134217728, 33554432, 4294967295, "bytes of large bodies at once; a quarter from one address")  \
    NUMBER(concurrent_principal, 256, 0, 100000, "requests of one key under way at once; 0: any")                      \
    NUMBER(queue_limit, 2000, 1, 100000, "requests of one service that wait for a worker")                             \
    NUMBER(queue_ms, 1000, 1, 60000, "how long a request waits for a worker")                                          \
    NUMBER(ping_ms, 250, 10, 250, "between two pings of a worker; three missed ones are its death")                    \
    NUMBER(credits, 512, 1, 4096, "requests that one gateway may have at one worker at once")                          \
    NUMBER(max_message, 16777216, 65536, 268435456, "bytes of a message on the bus")                                   \
    NUMBER(point_connections, 2, 1, 64, "database connections for point reads")                                        \
    NUMBER(heavy_connections, 2, 1, 64, "database connections for lists and exports")                                  \
    NUMBER(write_connections, 6, 1, 64, "database connections for writes")                                             \
    NUMBER(point_depth, 64, 1, 256, "point reads in flight a connection")                                              \
    NUMBER(statement_ms, 5000, 10, 600000, "how long a statement may take; imports have ten times as long")            \
    NUMBER(lock_ms, 1000, 10, 60000, "how long a statement waits for a lock")                                          \
    NUMBER(unavailable_ms, 1000, 1, 60000, "how long a call waits for a lost database")                                \
    NUMBER(startup_ms, 30000, 0, 600000, "how long a start waits for the database")                                    \
    NUMBER(relay_ms, 100, 10, 60000, "between two rounds of the facts' relay")                                         \
    NUMBER(drain_ms, 10000, 0, 600000, "how long a stop waits for what is under way")

struct settings {
#define SETTING_TEXT(name, initial, help) const char *name;
#define SETTING_NUMBER(name, initial, least, most, help) uint32_t name;
    SETTINGS(SETTING_TEXT, SETTING_NUMBER)
#undef SETTING_TEXT
#undef SETTING_NUMBER
};

/* Reads the environment, then those words of argv, from argv[1] on, that are --setting=value. All other words are left in
 * `rest` (NULL-terminated) for the command. False with *error naming the setting that is out of range. */
bool settings_read(struct arena *arena, struct settings *settings, char **argv, const char ***rest, const char **error)
    __attribute__((warn_unused_result));

/* A line a setting: --name=DEFAULT and its help. */
void settings_help(FILE *out);

/* "a,b" to a NULL-terminated list. */
const char *const *settings_list(struct arena *arena, const char *text);

#endif
