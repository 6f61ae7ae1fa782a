/* fetch.c -- libcurl, a handle a request: there are few, and none may inherit anything from another. */
#include "common/fetch.h"

#include "common/buffer.h"
#include "common/clock.h"
#include "common/loopback.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdlib.h>

enum { CONNECT_MS = 3000, LONGEST_AGE_S = 1000000000 };

struct fetching {
    struct buffer body;
    struct fetch_answer answer;
    bool too_large;
};

/* ---- what is sent ---- */

void fetch_form_add(struct buffer *form, const char *name, const char *value)
{
    static const char hex[] = "0123456789ABCDEF";
    buffer_printf(form, "%s%s=", form->size ? "&" : "", name);
    for (; *value; value++) {
        uint8_t c = (uint8_t)*value;
        if (isalnum(c) || strchr("-._~", c)) {
            buffer_byte(form, c);
        } else {
            buffer_byte(form, '%');
            buffer_byte(form, (uint8_t)hex[c >> 4]);
            buffer_byte(form, (uint8_t)hex[c & 15]);
        }
    }
}

/* ---- what comes ---- */

static size_t on_body(char *data, size_t size, size_t count, void *context)
{
    struct fetching *fetching = context;
    size_t given = size * count;
    fetching->too_large = given > FETCH_LARGEST - fetching->body.size;
    if (fetching->too_large)
        return 0;
    buffer_add(&fetching->body, data, given);
    return given;
}

static bool begins(struct slice text, const char *word)
{
    return text.size >= strlen(word) && strncasecmp((const char *)text.data, word, strlen(word)) == 0;
}

int64_t fetch_max_age(struct slice header)
{
    static const char max_age[] = "max-age=";
    const uint8_t *at = header.data, *end = header.data + header.size;
    int64_t age = -1;
    while (at < end) {
        const uint8_t *comma = memchr(at, ',', (size_t)(end - at));
        struct slice word = slice_trimmed(slice_of(at, (size_t)((comma ? comma : end) - at)));
        if (begins(word, "no-store") || begins(word, "no-cache"))
            return 0;
        if (begins(word, max_age) && word.size > strlen(max_age) && isdigit(word.data[strlen(max_age)])) {
            age = 0;
            for (size_t i = strlen(max_age); i < word.size && isdigit(word.data[i]) && age < LONGEST_AGE_S; i++)
                age = age * 10 + (word.data[i] - '0');
        }
        at = comma ? comma + 1 : end;
    }
    return age;
}

static size_t on_header(char *data, size_t size, size_t count, void *context)
{
    static const char name[] = "cache-control:";
    struct fetching *fetching = context;
    struct slice line = slice_of(data, size * count);
    while (line.size && (line.data[line.size - 1] == '\n' || line.data[line.size - 1] == '\r'))
        line.size--;
    if (begins(line, name))
        fetching->answer.max_age_s = fetch_max_age(slice_of(line.data + strlen(name), line.size - strlen(name)));
    return size * count;
}

/* ---- both ---- */

static struct fetch_answer failed(const char *failure)
{
    return (struct fetch_answer){ .failure = failure, .max_age_s = -1 };
}

static void set_headers(CURL *curl, struct arena *arena, const struct fetch_request *request,
                        struct curl_slist **headers)
{
    *headers = curl_slist_append(NULL, "Accept: application/json");
    if (request->bearer)
        *headers = curl_slist_append(*headers, arena_printf(arena, "Authorization: Bearer %s", request->bearer));
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, *headers);
}

static void set_limits(CURL *curl, const struct fetch_request *request, int64_t left_us)
{
    bool here = url_is_loopback(request->url);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, here ? "http,https" : "https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    if (here)
        curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(left_us / 1000 + 1));
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (*request->authorities_file)
        curl_easy_setopt(curl, CURLOPT_CAINFO, request->authorities_file);
}

static void set_request(CURL *curl, const struct fetch_request *request)
{
    curl_easy_setopt(curl, CURLOPT_URL, request->url);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "campus");
    if (request->form)
        curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, request->form);
    if (!request->user)
        return;
    curl_easy_setopt(curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC);
    curl_easy_setopt(curl, CURLOPT_USERNAME, request->user);
    curl_easy_setopt(curl, CURLOPT_PASSWORD, request->password);
}

struct fetch_answer fetch(struct arena *arena, const struct fetch_request *request)
{
    struct fetching fetching = { .body = buffer_in(arena), .answer = { .max_age_s = -1 } };
    int64_t left_us = request->deadline_us - clock_monotonic_us();
    struct curl_slist *headers;
    if (left_us <= 0)
        return failed("there is no time left");
    CURL *curl = curl_easy_init();
    if (!curl)
        abort();
    set_request(curl, request);
    set_limits(curl, request, left_us);
    set_headers(curl, arena, request, &headers);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &fetching);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &fetching);
    CURLcode code = curl_easy_perform(curl);
    if (code == CURLE_OK)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &fetching.answer.status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    if (code != CURLE_OK)
        return failed(fetching.too_large ? "its answer is too large" : curl_easy_strerror(code));
    fetching.answer.body = buffer_slice(&fetching.body);
    return fetching.answer;
}
