/* http_certificate.h -- a certificate and its key, from two files to what OpenSSL serves. */
#ifndef CAMPUS_GATEWAY_HTTP_CERTIFICATE_H
#define CAMPUS_GATEWAY_HTTP_CERTIFICATE_H

#include <stdbool.h>
#include <sys/stat.h>

struct ssl_ctx_st;

struct http_certificate {
    const char *certificate_file,
        *key_file; /* a PEM chain, its own certificate first; a PEM key without a passphrase */
};

/* What can be seen of the files without reading them. */
struct http_certificate_stamp {
    struct stat certificate, key;
};

struct http_certificate_stamp http_certificate_look(const struct http_certificate *certificate);
bool http_certificate_same(const struct http_certificate_stamp *a, const struct http_certificate_stamp *b);

/* A context with the certificate and nothing else set. NULL with *error (a static string) naming the setting at fault. */
struct ssl_ctx_st *http_certificate_load(const struct http_certificate *certificate, const char **error)
    __attribute__((warn_unused_result));

#endif
