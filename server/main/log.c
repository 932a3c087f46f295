/* server/main/log.c - see log.h. */
#include "server/main/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/model.h"

enum { LINE_SIZE = 2048 };

struct ff_log {
    pthread_mutex_t lock; /* guards all below */
    int fd;
    char path[FF_PATH_SIZE];
    long long size, max_bytes;
    int keep;
};

static int open_file(const char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0640);
}

ff_err ff_log_open(struct ff_log **out, const char *path, long long max_bytes, int keep, ff_ctx *ctx)
{
    struct stat status;
    struct ff_log *log = *out = calloc(1, sizeof *log);
    if (!log) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the log");
    pthread_mutex_init(&log->lock, NULL);
    log->max_bytes = max_bytes;
    log->keep = keep;
    snprintf(log->path, sizeof log->path, "%s", path);
    log->fd = path[0] ? open_file(path) : STDERR_FILENO;
    if (log->fd >= 0) {
        if (path[0] && fstat(log->fd, &status) == 0) log->size = status.st_size;
        return FF_OK;
    }
    const int cause = errno;
    ff_log_close(log);
    *out = NULL;
    return ff_fail_at(ctx, FF_EUSAGE, "/log_file", FF_HERE, "cannot write the log %s: %s", path, strerror(cause));
}

void ff_log_close(struct ff_log *log)
{
    if (!log) return;
    if (log->path[0] && log->fd >= 0) close(log->fd);
    pthread_mutex_destroy(&log->lock);
    free(log);
}

/* path.keep-1 -> path.keep, .., path -> path.1. A failure leaves the log as it is: messages matter more than its size. */
static void rotate(struct ff_log *log)
{
    char from[FF_PATH_SIZE + 16], to[FF_PATH_SIZE + 16];
    for (int i = log->keep; i >= 1; i--) {
        snprintf(to, sizeof to, "%s.%d", log->path, i);
        snprintf(from, sizeof from, i > 1 ? "%s.%d" : "%s", log->path, i - 1);
        if (rename(from, to) != 0 && errno != ENOENT) return;
    }
    const int fd = open_file(log->path);
    if (fd < 0) return;
    close(log->fd);
    log->fd = fd;
    log->size = 0;
}

static void write_line(struct ff_log *log, const char *line, size_t size)
{
    pthread_mutex_lock(&log->lock);
    if (log->path[0] && log->size + (long long)size > log->max_bytes) rotate(log);
    const ssize_t wrote = write(log->fd, line, size);
    if (wrote > 0) log->size += wrote;
    pthread_mutex_unlock(&log->lock);
}

static size_t begin_line(char *line, const char *level)
{
    char now[FF_TIME_SIZE];
    ff_time_text(ff_now_ms(), now);
    const size_t n = (size_t)snprintf(line, LINE_SIZE, "%s %-7s ", now, level);
    return n;
}

/* A message is one line, whatever is in it. */
static void end_line(struct ff_log *log, char *line, size_t begin, size_t size)
{
    if (size > LINE_SIZE - 2) size = LINE_SIZE - 2;
    for (size_t i = begin; i < size; i++) {
        if ((unsigned char)line[i] < 0x20 || line[i] == 0x7f) line[i] = '?';
    }
    line[size] = '\n';
    write_line(log, line, size + 1);
}

void ff_log_message(void *self, const char *level, const char *message)
{
    char line[LINE_SIZE];
    const size_t begin = begin_line(line, level);
    const int n = snprintf(line + begin, LINE_SIZE - begin, "%s", message);
    end_line(self, line, begin, begin + (size_t)(n > 0 ? n : 0));
}

void ff_log_printf(struct ff_log *log, const char *level, const char *format, ...)
{
    char message[LINE_SIZE];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    ff_log_message(log, level, message);
}

void ff_log_access(void *self, const char *request_id, const char *method, const char *route, int status,
                   long long bytes, double ms, const char *user)
{
    char line[LINE_SIZE];
    const size_t begin = begin_line(line, "access");
    const int n = snprintf(line + begin, LINE_SIZE - begin, "%s %s %s %d %lld B %.1f ms %s", request_id, method, route,
                           status, bytes, ms, user && user[0] ? user : "-");
    end_line(self, line, begin, begin + (size_t)(n > 0 ? n : 0));
}

void ff_log_error(struct ff_log *log, const ff_ctx *ctx)
{
    ff_log_printf(log, "error", "%s: %s%s%s", ff_code_slug(ctx->code), ctx->pointer, ctx->pointer[0] ? ": " : "",
                  ctx->message);
    for (int i = 0; i < ctx->nframes; i++)
        ff_log_printf(log, "error", "  %s:%d %s", ctx->frames[i].file, ctx->frames[i].line, ctx->frames[i].note);
}
