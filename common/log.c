/* log.c -- a line is formed whole and written with one write, so that threads do not mix. */
#include "common/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { LONGEST_LINE = 1024 };

static enum log_level threshold = LOG_INFO; /* set once, before threads start */
static _Thread_local const char *thread_role = "main";

void log_set_level(enum log_level level)
{
    threshold = level;
}

void log_set_role(const char *role)
{
    thread_role = role;
}

void log_line(enum log_level level, const char *what, const char *format, ...)
{
    static const char *const names[] = { "debug", "info", "warning", "error" };
    if (level < threshold)
        return;
    struct timespec now;
    struct tm utc;
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    char line[LONGEST_LINE];
    size_t size = strftime(line, sizeof line, "%Y-%m-%dT%H:%M:%S", &utc);
    size += (size_t)snprintf(line + size, sizeof line - size, ".%03ldZ %s %s: %.200s%s", now.tv_nsec / 1000000,
                             names[level], thread_role, what, *format ? " " : "");
    va_list args;
    va_start(args, format);
    int more = vsnprintf(line + size, sizeof line - size, format, args);
    va_end(args);
    if (more > 0)
        size += (size_t)more < sizeof line - size ? (size_t)more : sizeof line - size - 1;
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
            line[i] = '?';
    line[size < sizeof line - 1 ? size : sizeof line - 1] = '\n';
    ssize_t written = write(STDERR_FILENO, line, size < sizeof line - 1 ? size + 1 : sizeof line);
    (void)written; /* nowhere to complain */
}
