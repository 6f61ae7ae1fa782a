/* mail_text.c -- a file's first line is the subject; behind an empty line comes the text. */
#include "services/membership/mail_text.h"

#include "common/embed.h"

static const char place[] = "{link}";

bool mail_text_make(struct arena *arena, const char *kind, const char *locale, const char *link, const char **subject,
                    const char **text)
{
    const struct embedded *file = embed_find(arena_printf(arena, "services/membership/mail/%s.%s.txt", kind, locale));
    if (!file)
        return false;
    const char *whole = (const char *)file->content.data, *end = strstr(whole, "\n\n");
    assert(end);
    const char *body = end + 2, *gap = strstr(body, place);
    *subject = arena_printf(arena, "%.*s", (int)(end - whole), whole);
    *text = gap ? arena_printf(arena, "%.*s%s%s", (int)(gap - body), body, link, gap + strlen(place)) : body;
    return true;
}
