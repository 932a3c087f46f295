/* server/http/logs.c - GET /v1/jobs/{job}/logs: log, state and end events as NDJSON. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/http/look.h"
#include "server/http/pages.h"
#include "server/http/reply.h"

enum { MAX_TAIL = 10000, PAGE = 256 };

/* "2026-01-31T23:59:59Z", with a fraction or none, or milliseconds since 1970. */
static bool parse_time(const char *text, int64_t *ms)
{
    struct tm tm = {0};
    long number;
    int read = 0;
    if (ff_parse_number(text, 0, INT64_MAX, &number)) {
        *ms = number;
        return true;
    }
    if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2d%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday, &tm.tm_hour, &tm.tm_min,
               &tm.tm_sec, &read) != 6)
        return false;
    const char *rest = text + read;
    int64_t milli = 0;
    if (*rest == '.') {
        const size_t n = strspn(rest + 1, "0123456789");
        if (n == 0) return false;
        for (size_t i = 0, scale = 100; i < n && i < 3; i++, scale /= 10) milli += (rest[1 + i] - '0') * (int64_t)scale;
        rest += 1 + n;
    }
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    const time_t seconds = timegm(&tm);
    *ms = (int64_t)seconds * 1000 + milli;
    return strcmp(rest, "Z") == 0 && seconds >= 0;
}

static ff_err source_of(struct ff_request *r, struct ff_page_source *s, long *tail, ff_ctx *ctx)
{
    const char *since = ff_query_text(&r->query, "since"), *task = ff_query_text(&r->query, "task");
    long attempt;
    ff_err err = ff_query_number(&r->query, "after", 0, LONG_MAX, 0, &s->place, ctx);
    if (!err) err = ff_query_number(&r->query, "attempt", 1, 1000000, 0, &attempt, ctx);
    if (!err) err = ff_query_number(&r->query, "tail", 0, MAX_TAIL, -1, tail, ctx);
    if (err) return err;
    s->attempt = (int)attempt;
    s->left = LONG_MAX;
    if (since && !parse_time(since, &s->since_ms))
        return ff_fail_at(ctx, FF_EBADREQUEST, "since", FF_HERE,
                          "not a time; allowed: like 2026-01-31T23:59:59Z, or milliseconds since 1970");
    if (task && (!*task || strlen(task) >= sizeof s->task))
        return ff_fail_at(ctx, FF_EBADREQUEST, "task", FF_HERE, "not a task's name; allowed: like chain-0");
    if (task) snprintf(s->task, sizeof s->task, "%s", task);
    return FF_OK;
}

/* ---- the last lines only ---- */
struct tail {
    long most, n; /* lines[i % most], n of them came */
    char *lines[];
};

static ff_err keep(void *self, const struct ff_event *event, ff_ctx *ctx)
{
    struct tail *t = self;
    char **line = &t->lines[t->n % t->most];
    free(*line);
    *line = strdup(event->text);
    if (!*line) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the last lines");
    t->n++;
    return FF_OK;
}

static char *join(const struct tail *t, size_t *size)
{
    const long first = t->n > t->most ? t->n - t->most : 0;
    *size = 0;
    for (long i = first; i < t->n; i++) *size += strlen(t->lines[i % t->most]) + 1;
    char *text = malloc(*size + 1), *at = text;
    for (long i = first; text && i < t->n; i++) {
        const size_t n = strlen(t->lines[i % t->most]);
        memcpy(at, t->lines[i % t->most], n);
        at[n] = '\n';
        at += n + 1;
    }
    return text;
}

static ff_err reply_tail(struct ff_request *r, struct ff_page_source *source, long most, ff_ctx *ctx)
{
    struct tail *t = calloc(1, sizeof *t + (size_t)(most ? most : 1) * sizeof t->lines[0]);
    if (!t) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for %ld lines", most);
    t->most = most ? most : 1;
    ff_err err = FF_OK;
    long n = most;
    while (!err && n > 0) err = ff_page_read(r->http, source, PAGE, keep, t, &n, ctx);
    size_t size = 0;
    char *text = err ? NULL : join(t, &size);
    if (!err) err = ff_reply_bytes(r, MHD_HTTP_OK, "application/x-ndjson", text, size, ctx);
    for (long i = 0; i < t->most; i++) free(t->lines[i]);
    free(t);
    return err;
}

ff_err ff_get_logs(struct ff_request *r, ff_ctx *ctx)
{
    struct ff_page_source source = {0};
    struct ff_job_row job;
    long tail;
    ff_err err = source_of(r, &source, &tail, ctx);
    if (!err) err = ff_look_job(r, &job, ctx);
    if (err) return err;
    source.job = job.row;
    return tail < 0 ? ff_reply_pages(r, &source, ctx) : reply_tail(r, &source, tail, ctx);
}
