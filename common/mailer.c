/* mailer.c -- libcurl for SMTP; for a folder, a file that appears whole under its name. */
#include "common/mailer.h"

#include "common/loopback.h"
#include "common/secret_file.h"
#include "common/settings.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CONNECT_MS = 10000, ANSWER_S = 15, SEND_MS = 30000 };

struct sending;

struct mailer {
    void (*send)(struct sending *sending); /* leaves in it how that ended */
    const char *from_name, *from;
    const char *url, *folder; /* one of them */
    CURL *curl;
};

/* How far a conversation has come: what a refusal is about. */
enum stage { STAGE_GREETING, STAGE_RECIPIENT, STAGE_LETTER };

struct sending {
    struct mailer *mailer;
    struct arena *arena;
    const struct letter *letter;
    struct slice rest; /* what of it has still to go */
    curl_socket_t socket;
    struct mailer_delivery delivery;
    enum stage stage;
    bool (*give_up)(void *context);
    void *context;
};

/* ---- a mail server ---- */

static size_t on_read(char *to, size_t size, size_t count, void *context)
{
    struct sending *sending = context;
    size_t most = size * count, given = sending->rest.size < most ? sending->rest.size : most;
    if (given)
        memcpy(to, sending->rest.data, given);
    sending->rest = slice_of(sending->rest.data + given, sending->rest.size - given);
    return given;
}

static int on_socket(void *context, curl_socket_t socket, curlsocktype purpose)
{
    struct sending *sending = context;
    (void)purpose;
    sending->socket = socket;
    return CURL_SOCKOPT_OK;
}

/* Who gives up cuts the line: libcurl would else say QUIT and wait for the answer. */
static int on_progress(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    struct sending *sending = context;
    (void)a, (void)b, (void)c, (void)d;
    bool ends = sending->give_up(sending->context);
    if (ends && sending->socket != CURL_SOCKET_BAD)
        shutdown(sending->socket, SHUT_RDWR);
    return ends;
}

/* The only way to learn which command was answered last. */
static int on_debug(CURL *curl, curl_infotype type, char *data, size_t size, void *context)
{
    struct sending *sending = context;
    (void)curl;
    if (type == CURLINFO_HEADER_OUT && size >= 4 && memcmp(data, "RCPT", 4) == 0)
        sending->stage = STAGE_RECIPIENT;
    else if (type == CURLINFO_HEADER_OUT && size >= 4 && memcmp(data, "DATA", 4) == 0)
        sending->stage = STAGE_LETTER;
    return 0;
}

/* A refusal for ever of the recipient or the letter is final. One of the sign-in or of the sender is the operator's to mend. */
static struct mailer_delivery ended(struct sending *sending, CURLcode code)
{
    static const char *const stages[] = { "before the recipient", "at the recipient", "at the letter" };
    long answer = 0;
    if (code == CURLE_OK)
        return (struct mailer_delivery){ .end = MAILER_SENT };
    curl_easy_getinfo(sending->mailer->curl, CURLINFO_RESPONSE_CODE, &answer);
    bool final = answer >= 500 && answer < 600 && sending->stage != STAGE_GREETING;
    return (struct mailer_delivery){
        .end = final ? MAILER_REFUSED : MAILER_LATER,
        .failure = answer >= 400
                       ? arena_printf(sending->arena, "the mail server said %ld %s", answer, stages[sending->stage])
                       : arena_strdup(sending->arena, curl_easy_strerror(code)),
    };
}

static void send_by_smtp(struct sending *sending)
{
    CURL *curl = sending->mailer->curl;
    struct buffer text = buffer_in(sending->arena);
    letter_write(&text, sending->letter);
    sending->rest = buffer_slice(&text);
    struct curl_slist *recipients = curl_slist_append(NULL, sending->letter->to);
    if (!recipients)
        abort();
    curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, recipients);
    curl_easy_setopt(curl, CURLOPT_READDATA, sending);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, sending);
    curl_easy_setopt(curl, CURLOPT_SOCKOPTDATA, sending);
    curl_easy_setopt(curl, CURLOPT_DEBUGDATA, sending);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_setopt(curl, CURLOPT_MAIL_RCPT, NULL);
    curl_slist_free_all(recipients);
    sending->delivery = ended(sending, code);
}

static bool set_user(struct arena *arena, CURL *curl, const struct settings *settings, const char **error)
{
    const char *password;
    if (!*settings->mail_user)
        return true;
    if (!secret_file_read(arena, "mail_password_file", settings->mail_password_file, &password, error))
        return false;
    curl_easy_setopt(curl, CURLOPT_USERNAME, settings->mail_user);
    curl_easy_setopt(curl, CURLOPT_PASSWORD, password);
    return true;
}

/* Says its own domain in EHLO, unless the URL says another: a container's name is nobody's. */
static const char *url_with_domain(struct arena *arena, const char *url, const char *from)
{
    const char *host = strstr(url, "://") + 3;
    return strchr(host, '/') ? url : arena_printf(arena, "%s/%s", url, letter_domain(from));
}

static bool open_smtp(struct arena *arena, const struct settings *settings, struct mailer *mailer, const char **error)
{
    CURL *curl = mailer->curl = curl_easy_init();
    if (!curl)
        abort();
    mailer->send = send_by_smtp;
    mailer->url = url_with_domain(arena, settings->mail_url, mailer->from);
    curl_easy_setopt(curl, CURLOPT_URL, mailer->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "smtp,smtps");
    curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)SEND_MS);
    curl_easy_setopt(curl, CURLOPT_SERVER_RESPONSE_TIMEOUT, (long)ANSWER_S);
    /* On a connection that was kept, a late answer to one letter would pass for the next one's. */
    curl_easy_setopt(curl, CURLOPT_FORBID_REUSE, 1L);
    curl_easy_setopt(curl, CURLOPT_SOCKOPTFUNCTION, on_socket);
    curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(curl, CURLOPT_USE_SSL,
                     url_is_loopback(settings->mail_url) ? (long)CURLUSESSL_NONE : (long)CURLUSESSL_ALL);
    if (*settings->authorities_file)
        curl_easy_setopt(curl, CURLOPT_CAINFO, settings->authorities_file);
    curl_easy_setopt(curl, CURLOPT_MAIL_FROM, mailer->from);
    curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_VERBOSE, 1L);
    curl_easy_setopt(curl, CURLOPT_DEBUGFUNCTION, on_debug);
    return set_user(arena, curl, settings, error);
}

/* ---- a folder ---- */

static bool write_file(const char *path, struct slice text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return false;
    bool whole = write(fd, text.data, text.size) == (ssize_t)text.size && fsync(fd) == 0;
    return close(fd) == 0 && whole;
}

static void send_to_folder(struct sending *sending)
{
    const char *folder = sending->mailer->folder, *id = sending->letter->id;
    const char *draft = arena_printf(sending->arena, "%s/.%s", folder, id);
    const char *path = arena_printf(sending->arena, "%s/%s.eml", folder, id);
    struct buffer text = buffer_in(sending->arena);
    letter_write(&text, sending->letter);
    if (write_file(draft, buffer_slice(&text)) && rename(draft, path) == 0)
        sending->delivery.end = MAILER_SENT;
    else
        sending->delivery =
            (struct mailer_delivery){ MAILER_LATER,
                                      arena_printf(sending->arena, "cannot write a mail's file: %s", strerror(errno)) };
}

static bool open_folder(struct arena *arena, const struct settings *settings, struct mailer *mailer, const char **error)
{
    mailer->send = send_to_folder;
    mailer->folder = arena_strdup(arena, strstr(settings->mail_url, "://") + 3);
    bool there = mailer->folder[0] == '/' && (mkdir(mailer->folder, 0700) == 0 || errno == EEXIST) &&
                 access(mailer->folder, W_OK | X_OK) == 0;
    if (!there)
        *error = arena_printf(arena, "setting mail_url: '%s' is no folder to write to", settings->mail_url);
    return there;
}

/* ---- both ---- */

static const struct {
    const char *scheme;
    bool (*open)(struct arena *arena, const struct settings *settings, struct mailer *mailer, const char **error);
} ways[] = {
    { "smtp://", open_smtp },
    { "smtps://", open_smtp },
    { "file://", open_folder },
};

static bool open_way(struct arena *arena, const struct settings *settings, struct mailer *mailer, const char **error)
{
    for (size_t i = 0; i < sizeof ways / sizeof *ways; i++)
        if (strncmp(settings->mail_url, ways[i].scheme, strlen(ways[i].scheme)) == 0)
            return ways[i].open(arena, settings, mailer, error);
    *error = arena_printf(arena, "setting mail_url: '%s' is neither smtp://, smtps:// nor file://", settings->mail_url);
    return false;
}

bool mailer_open(struct arena *arena, const struct settings *settings, struct mailer **mailer, const char **error)
{
    struct mailer opened = { .send = NULL };
    *mailer = NULL;
    if (!*settings->mail_url)
        return true;
    if (!letter_split_address(arena, settings->mail_from, &opened.from_name, &opened.from)) {
        *error = arena_printf(arena, "setting mail_from: '%s' is no address", settings->mail_from);
        return false;
    }
    if (!open_way(arena, settings, &opened, error)) {
        curl_easy_cleanup(opened.curl);
        return false;
    }
    *mailer = arena_alloc(arena, sizeof **mailer);
    **mailer = opened;
    return true;
}

void mailer_close(struct mailer *mailer)
{
    if (mailer)
        curl_easy_cleanup(mailer->curl);
}

struct mailer_delivery mailer_send(struct mailer *mailer, struct arena *arena, struct letter letter,
                                   bool (*give_up)(void *context), void *context)
{
    letter.from_name = mailer->from_name;
    letter.from = mailer->from;
    struct sending sending = { .mailer = mailer,
                               .arena = arena,
                               .letter = &letter,
                               .socket = CURL_SOCKET_BAD,
                               .give_up = give_up,
                               .context = context };
    if (!letter_is_address(letter.to))
        return (struct mailer_delivery){ .end = MAILER_REFUSED, .failure = "the recipient is no address" };
    mailer->send(&sending);
    return sending.delivery;
}
