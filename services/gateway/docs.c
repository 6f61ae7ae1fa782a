/* docs.c -- a table of files, each plain and compressed, under a policy that lets a browser load nothing else. */
#include "services/gateway/docs.h"

#include "common/embed.h"
#include "services/gateway/accept.h"
#include "services/gateway/exchange_state.h"

#include <sodium.h>
#include <strings.h>

/* The build puts each of them into the program twice: as it is, and as NAME.gz. */
static const struct {
    const char *path, *name, *type;
} files[] = {
    { "/docs", "docs/index.html", "text/html; charset=utf-8" },
    { "/docs/", "docs/index.html", "text/html; charset=utf-8" },
    { "/docs/docs.css", "docs/docs.css", "text/css; charset=utf-8" },
    { "/docs/docs.js", "docs/docs.js", "text/javascript; charset=utf-8" },
    { "/docs/icon.svg", "docs/icon.svg", "image/svg+xml" },
    { "/docs/licence.txt", "docs/licence.txt", "text/plain; charset=utf-8" },
    { "/docs/swagger-ui.css", "docs/swagger-ui.css", "text/css; charset=utf-8" },
    { "/docs/swagger-ui-bundle.js", "docs/swagger-ui-bundle.js", "text/javascript; charset=utf-8" },
};

enum { FILES = sizeof files / sizeof *files };

/* The page may load and call this gateway and nobody else; inline code and inline styles are none of it, eval neither. The
 * small pictures of its style sheet are data: URLs. */
static const char policy[] = "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
                             "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
                             "frame-ancestors 'none'\r\n"
                             "X-Content-Type-Options: nosniff\r\n"
                             "Referrer-Policy: no-referrer\r\n"
                             "Cross-Origin-Opener-Policy: same-origin\r\n"
                             "Cross-Origin-Resource-Policy: same-origin\r\n";

enum coding { PLAIN, GZIP, CODINGS };

struct form {
    struct slice content;
    const char *etag; /* quoted; of the content, so that plain and compressed differ */
};

struct docs {
    struct form forms[FILES][CODINGS];
};

/* ---- at start ---- */

static const char *etag_of(struct arena *arena, struct slice content)
{
    uint8_t hash[crypto_generichash_BYTES_MIN];
    char hex[2 * sizeof hash + 1];
    crypto_generichash(hash, sizeof hash, content.data, content.size, NULL, 0);
    return arena_printf(arena, "\"%s\"", sodium_bin2hex(hex, sizeof hex, hash, sizeof hash));
}

static bool take(struct arena *arena, const char *name, struct form *form, const char **error)
{
    const struct embedded *file = embed_find(name);
    if (!file) {
        *error = arena_printf(arena, "the file %s is not in the program", name);
        return false;
    }
    *form = (struct form){ .content = file->content, .etag = etag_of(arena, file->content) };
    return true;
}

const struct docs *docs_new(struct arena *arena, const char **error)
{
    struct docs *docs = arena_zalloc(arena, sizeof *docs);
    for (size_t i = 0; i < FILES; i++) {
        const char *compressed = arena_printf(arena, "%s.gz", files[i].name);
        if (!take(arena, files[i].name, &docs->forms[i][PLAIN], error) ||
            !take(arena, compressed, &docs->forms[i][GZIP], error))
            return NULL;
    }
    return docs;
}

/* ---- an answer ---- */

static size_t place_of(struct slice path)
{
    size_t i = 0;
    while (i < FILES && !slice_is(path, files[i].path))
        i++;
    return i;
}

bool docs_has(struct slice path)
{
    return place_of(path) < FILES;
}

static bool takes_gzip(const struct exchange *exchange)
{
    const struct slice *given = http_header_once(exchange->request, "accept-encoding");
    struct slice header = given ? *given : slice_of(NULL, 0);
    struct accept_choice choice;
    while (accept_next(&header, &choice))
        if (choice.value.size == 4 && strncasecmp((const char *)choice.value.data, "gzip", 4) == 0)
            return choice.quality > 0;
    return false;
}

/* If-None-Match names it already (RFC 9110 §13.1.2). */
static bool is_known(const struct exchange *exchange, const char *etag)
{
    const struct slice *known = http_header_once(exchange->request, "if-none-match");
    return known && (slice_is(*known, "*") || (known->size && memmem(known->data, known->size, etag, strlen(etag))));
}

void docs_answer(struct exchange *exchange)
{
    size_t place = place_of(exchange->request->path);
    enum coding coding = takes_gzip(exchange) ? GZIP : PLAIN;
    const struct form *form = &exchange->context->docs->forms[place][coding];
    buffer_text(&exchange->headers, policy);
    buffer_printf(&exchange->headers, "Cache-Control: no-cache\r\nVary: Accept-Encoding\r\nETag: %s\r\n", form->etag);
    if (is_known(exchange, form->etag)) {
        answer_text(exchange, 304, "", slice_of(NULL, 0));
        return;
    }
    if (coding == GZIP)
        buffer_text(&exchange->headers, "Content-Encoding: gzip\r\n");
    answer_text(exchange, 200, files[place].type, form->content);
}
