/* http_tls.h -- TLS for the server: a certificate that is read again when its files change, and a way over the socket.
 *
 * TLS 1.2 and 1.3 (RFC 5246, 8446), no renegotiation, no compression; of protocols (ALPN, RFC 7301) http/1.1 alone. A
 * connection keeps the certificate with which it began. */
#ifndef CAMPUS_GATEWAY_HTTP_TLS_H
#define CAMPUS_GATEWAY_HTTP_TLS_H

struct event_base;
struct http_tls;
struct http_transport;
struct ssl_ctx_st;

/* Reads both files and looks at them once a second. NULL with *error (a static string) naming the setting at fault. */
struct http_tls *http_tls_new(struct event_base *base, const char *certificate_file, const char *key_file,
                              const char **error) __attribute__((warn_unused_result));
/* Nobody is connected any more. NULL is fine. */
void http_tls_free(struct http_tls *tls);

/* Sends a plain transport, as yet unused, the way of TLS. It is ready when the client has shaken hands. */
void http_tls_start(struct http_tls *tls, struct http_transport *transport);

#endif
