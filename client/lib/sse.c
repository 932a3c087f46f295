/* client/lib/sse.c - see sse.h. */
#include "client/lib/sse.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A whole number >= 0, or -1. */
static long number(const char *text)
{
    char *end;
    if (*text < '0' || *text > '9') return -1;
    long value = strtol(text, &end, 10);
    return *end == '\0' && value < LONG_MAX ? value : -1;
}

static ff_err add_data(struct ff_sse *s, const char *value, ff_ctx *ctx)
{
    ff_err err = s->data.data ? ff_bytes_add(&s->data, "\n", 1, FF_SSE_MOST, ctx) : FF_OK;
    return err ? err : ff_bytes_add(&s->data, value, strlen(value), FF_SSE_MOST, ctx);
}

static ff_err dispatch(struct ff_sse *s, ff_sse_fn fn, void *self, ff_ctx *ctx)
{
    struct ff_sse_event event = {
        .event = s->event, .data = s->data.data, .size = s->data.size, .id = s->has_id ? s->id : -1};
    ff_err err = s->data.data ? fn(self, &event, ctx) : FF_OK;
    ff_bytes_done(&s->data);
    s->event[0] = '\0';
    s->has_id = false;
    return err;
}

/* A line that is not empty: "field: value", or a comment. */
static ff_err take_field(struct ff_sse *s, char *line, ff_ctx *ctx)
{
    char *colon = strchr(line, ':'), *value = line + strlen(line);
    if (colon == line) return FF_OK;
    if (colon) {
        *colon = '\0';
        value = colon + 1;
        if (*value == ' ') value++;
    }
    if (strcmp(line, "data") == 0) return add_data(s, value, ctx);
    if (strcmp(line, "event") == 0) snprintf(s->event, sizeof s->event, "%s", value);
    if (strcmp(line, "id") == 0) {
        s->id = number(value);
        s->has_id = s->id >= 0;
    }
    if (strcmp(line, "retry") == 0 && number(value) >= 0) s->retry_ms = number(value);
    return FF_OK;
}

static ff_err end_line(struct ff_sse *s, ff_sse_fn fn, void *self, ff_ctx *ctx)
{
    ff_err err = s->line.size == 0 ? dispatch(s, fn, self, ctx) : take_field(s, s->line.data, ctx);
    s->line.size = 0;
    return err;
}

ff_err ff_sse_feed(struct ff_sse *s, const char *bytes, size_t size, ff_sse_fn fn, void *self, ff_ctx *ctx)
{
    ff_err err = FF_OK;
    const char *end = bytes + size;
    while (bytes < end && !err) {
        if (s->after_cr && *bytes == '\n') bytes++;
        s->after_cr = false;
        size_t n = 0;
        while (bytes + n < end && bytes[n] != '\n' && bytes[n] != '\r') n++;
        if (n > 0) err = ff_bytes_add(&s->line, bytes, n, FF_SSE_MOST, ctx);
        bytes += n;
        if (bytes < end && !err) {
            s->after_cr = *bytes == '\r';
            bytes++;
            err = end_line(s, fn, self, ctx);
        }
    }
    return err;
}

void ff_sse_done(struct ff_sse *s)
{
    ff_bytes_done(&s->line);
    ff_bytes_done(&s->data);
    *s = (struct ff_sse){0};
}
