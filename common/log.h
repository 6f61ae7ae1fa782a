/* log.h -- one line an event to standard error: time, level, thread's role, what, key=value pairs.
 *
 * Never parameters, bodies, tokens or names of people: a line holds ids, codes, counts and durations. */
#ifndef CAMPUS_LOG_H
#define CAMPUS_LOG_H

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR };

/* For the process; before threads start. */
void log_set_level(enum log_level level);
/* For this thread: "gateway", "membership". A static string. */
void log_set_role(const char *role);

/* `what` is a short phrase; `format` gives key=value pairs separated by spaces, or "". A line feed or another control
 * character in it is written as '?', so that nobody can forge a line. */
void log_line(enum log_level level, const char *what, const char *format, ...) __attribute__((format(printf, 3, 4)));

#define log_debug(...) log_line(LOG_DEBUG, __VA_ARGS__)
#define log_info(...) log_line(LOG_INFO, __VA_ARGS__)
#define log_warning(...) log_line(LOG_WARNING, __VA_ARGS__)
#define log_error(...) log_line(LOG_ERROR, __VA_ARGS__)

#endif
