/* server/main/log.h - the server's log: one line a message, to standard error or to a file that is rotated by size. Lines
** have time, level and text; requests have their id, route, status, bytes and time, never a header or a token. Thread safe. */
#ifndef FF_SERVER_MAIN_LOG_H
#define FF_SERVER_MAIN_LOG_H

#include <stddef.h>

#include "common/err.h"

struct ff_log;

/* path "": standard error. At `max_bytes` the file becomes path.1, that path.2, .. up to path.`keep`. */
FF_MUST_USE ff_err ff_log_open(struct ff_log **out, const char *path, long long max_bytes, int keep, ff_ctx *ctx);
void ff_log_close(struct ff_log *log);

/* The signatures that the other rooms call; self is the log. Control characters in `message` become '?'. */
void ff_log_message(void *self, const char *level, const char *message);
void ff_log_access(void *self, const char *request_id, const char *method, const char *route, int status,
                   long long bytes, double ms, const char *user);
void ff_log_printf(struct ff_log *log, const char *level, const char *format, ...) FF_PRINTF(3, 4);
/* An error with its place and the chain of callers. */
void ff_log_error(struct ff_log *log, const ff_ctx *ctx);

#endif
