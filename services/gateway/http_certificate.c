/* http_certificate.c -- reads the files, and says what is wrong with them. */
#include "services/gateway/http_certificate.h"

#include "common/log.h"

#include <errno.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { LARGEST_FILE = 1 << 20 };

/* What can be wrong with either file, in the words of its setting. */
enum fault { FAULT_NONE, FAULT_UNSET, FAULT_ABSENT, FAULT_FORBIDDEN, FAULT_UNREADABLE, FAULT_STRANGE, FAULT_COUNT };

#define WORDS(setting, other, content)                                                                                 \
    {                                                                                                                  \
        [FAULT_UNSET] = "setting " setting ": is needed beside " other,                                                \
        [FAULT_ABSENT] = "setting " setting ": there is no such file",                                                 \
        [FAULT_FORBIDDEN] = "setting " setting ": may not be read",                                                    \
        [FAULT_UNREADABLE] = "setting " setting ": is not a file of sensible size",                                    \
        [FAULT_STRANGE] = "setting " setting ": holds no " content,                                                    \
    }

static const char *const certificate_words[FAULT_COUNT] =
    WORDS("tls_certificate_file", "tls_key_file", "usable PEM certificate");
static const char *const key_words[FAULT_COUNT] =
    WORDS("tls_key_file", "tls_certificate_file", "usable PEM private key without a passphrase");

/* Before OpenSSL opens it, which would wait for a pipe and say little. */
static enum fault fault_of(const char *file)
{
    struct stat found;
    if (!file || !*file)
        return FAULT_UNSET;
    if (stat(file, &found) != 0)
        return errno == EACCES ? FAULT_FORBIDDEN : FAULT_ABSENT;
    if (!S_ISREG(found.st_mode) || found.st_size > LARGEST_FILE)
        return FAULT_UNREADABLE;
    return access(file, R_OK) == 0 ? FAULT_NONE : FAULT_FORBIDDEN;
}

static struct stat look(const char *file)
{
    struct stat found;
    return stat(file, &found) == 0 ? found : (struct stat){ .st_size = -1 };
}

struct http_certificate_stamp http_certificate_look(const struct http_certificate *certificate)
{
    return (struct http_certificate_stamp){ look(certificate->certificate_file), look(certificate->key_file) };
}

/* By the time of any change, so that a file is read again when it is only made readable. */
static bool same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

bool http_certificate_same(const struct http_certificate_stamp *a, const struct http_certificate_stamp *b)
{
    return same(&a->certificate, &b->certificate) && same(&a->key, &b->key);
}

/* OpenSSL would ask at the terminal. */
static int no_passphrase(char *buffer, int size, int writes, void *context)
{
    (void)buffer, (void)size, (void)writes, (void)context;
    return -1;
}

static bool expired(const SSL_CTX *context)
{
    return X509_cmp_current_time(X509_get0_notAfter(SSL_CTX_get0_certificate(context))) < 0;
}

/* NULL when all is well. */
static const char *read_into(SSL_CTX *context, const struct http_certificate *certificate)
{
    enum fault fault = fault_of(certificate->certificate_file);
    if (!fault && SSL_CTX_use_certificate_chain_file(context, certificate->certificate_file) != 1)
        fault = FAULT_STRANGE;
    if (fault)
        return certificate_words[fault];
    if (expired(context))
        return "setting tls_certificate_file: the certificate has expired";
    fault = fault_of(certificate->key_file);
    if (fault)
        return key_words[fault];
    bool taken = SSL_CTX_use_PrivateKey_file(context, certificate->key_file, SSL_FILETYPE_PEM) == 1;
    if (!taken && ERR_GET_LIB(ERR_peek_last_error()) != ERR_LIB_X509)
        return key_words[FAULT_STRANGE];
    return taken && SSL_CTX_check_private_key(context) == 1 ? NULL : "setting tls_key_file: not the certificate's key";
}

static void warn_of_others(const char *key_file)
{
    struct stat found;
    if (stat(key_file, &found) == 0 && (found.st_mode & (S_IRWXG | S_IRWXO)))
        log_warning("others than its owner may use the file of tls_key_file", "mode=%03o", found.st_mode & 0777U);
}

static void tell(const X509 *certificate)
{
    BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
    char *serial = number ? BN_bn2hex(number) : NULL;
    struct tm until = { 0 };
    char date[sizeof "2026-01-01"] = "";
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &until) == 1)
        strftime(date, sizeof date, "%Y-%m-%d", &until);
    log_info("certificate", "serial=%s until=%s", serial ? serial : "", date);
    OPENSSL_free(serial);
    BN_free(number);
}

SSL_CTX *http_certificate_load(const struct http_certificate *certificate, const char **error)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    if (!context)
        abort(); /* out of memory */
    ERR_clear_error();
    SSL_CTX_set_default_passwd_cb(context, no_passphrase);
    *error = read_into(context, certificate);
    ERR_clear_error();
    if (*error) {
        SSL_CTX_free(context);
        return NULL;
    }
    warn_of_others(certificate->key_file);
    tell(SSL_CTX_get0_certificate(context));
    return context;
}
