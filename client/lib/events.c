/* client/lib/events.c - the events of a job over as many connections as it takes (http.h). The server numbers events; each
** connection asks for those after the last one seen, so that nothing is missed and nothing is told twice. Heartbeats keep
** a quiet stream apart from a dead one. */
#include <stdio.h>
#include <string.h>

#include "client/lib/client.h"
#include "client/lib/exchange.h"
#include "client/lib/sse.h"
#include "common/clock.h"

static const double first_wait_s = 0.2, default_retry_s = 3, longest_wait_s = 10;

static double least(double a, double b)
{
    return a < b ? a : b;
}

struct listening {
    ff_on_event on_event;
    void *self;
    ff_ctx *ctx;
    struct ff_sse sse;
    long seen;      /* seq of the last event */
    double heard_s; /* when anything new was last heard, monotonic */
    double wait_s;  /* before the next connection: doubles up to retry_s while nothing is heard */
    double retry_s; /* as the server said */
    bool ended;     /* "end" was seen */
    bool stopped;   /* on_event said so */
};

/* Ends the transfer from inside; which of the two it was is in the struct. */
enum { STOP = FF_EINTERRUPTED };

static ff_err on_sse(void *self, const struct ff_sse_event *e, ff_ctx *ctx)
{
    struct listening *l = self;
    if (e->id >= 0 && e->id <= l->seen) return FF_OK; /* known: a server that only repeats itself is not heard */
    l->heard_s = ff_clock_s();
    l->wait_s = first_wait_s;
    if (strcmp(e->event, "heartbeat") == 0) return FF_OK;
    json_error_t error;
    json_t *event = json_loadb(e->data, e->size, JSON_ALLOW_NUL, &error);
    if (!json_is_object(event)) {
        json_decref(event);
        return ff_fail(ctx, FF_ESERVER, FF_HERE, "event %ld of the stream is no JSON object", e->id);
    }
    if (e->id >= 0) l->seen = e->id;
    l->ended = strcmp(e->event, "end") == 0;
    l->stopped = !l->on_event(l->self, e->data, event);
    json_decref(event);
    return l->ended || l->stopped ? STOP : FF_OK;
}

static ff_err on_bytes(void *self, const void *bytes, size_t size)
{
    struct listening *l = self;
    return ff_sse_feed(&l->sse, bytes, size, on_sse, l, l->ctx);
}

/* One connection. FF_OK: to be continued by another one, unless ended or stopped. */
static ff_err listen_once(ff_client *c, struct listening *l, const char *path, bool *over, ff_ctx *ctx)
{
    char last[64];
    snprintf(last, sizeof last, "Last-Event-ID: %ld", l->seen);
    struct ff_exchange x = {.method = "GET",
                            .path = path,
                            .headers = {"Accept: text/event-stream", last},
                            .silence_s = c->silence_s,
                            .take = on_bytes,
                            .self = l};
    l->ctx = ctx;
    ff_err err = ff_exchange_run(c, &x, ctx);
    if (l->sse.retry_ms > 0) l->retry_s = least((double)l->sse.retry_ms / 1000, longest_wait_s);
    ff_sse_done(&l->sse);
    if (l->ended || l->stopped) {
        err = FF_OK;
        *over = true;
    } else if (!err && x.status == 204) {
        *over = true;
    } else if (!err && (x.status < 200 || x.status > 299)) {
        err = ff_exchange_problem(&x, ctx);
        if (ff_exchange_busy(&x, &l->wait_s) || x.status == 502 || x.status == 504) err = FF_EUNREACHABLE;
        l->wait_s = least(l->wait_s, longest_wait_s);
    }
    ff_exchange_done(&x);
    return err;
}

static ff_err give_up(const struct listening *l, const char *job, double patience_s, ff_ctx *ctx)
{
    char why[FF_NOTE_SIZE];
    snprintf(why, sizeof why, "%.*s", FF_NOTE_SIZE - 1, ctx && ctx->code ? ctx->message : "the stream broke off");
    ff_fail_at(ctx, FF_EUNREACHABLE, job, FF_HERE, "nothing was heard from the server for %.0f s (last event: %ld)",
               patience_s, l->seen);
    ff_note(ctx, FF_HERE, "%s", why);
    return FF_EUNREACHABLE;
}

ff_err ff_client_events(ff_client *c, const char *job, long after, double patience_s, ff_on_event on_event, void *self,
                        ff_ctx *ctx)
{
    char path[128];
    struct listening l = {
        .on_event = on_event, .self = self, .seen = after, .wait_s = first_wait_s, .retry_s = default_retry_s};
    bool over = false;
    snprintf(path, sizeof path, "/v1/jobs/%s/events", job);
    l.heard_s = ff_clock_s();
    for (;;) {
        ff_ctx broke = {0};
        ff_err err = listen_once(c, &l, path, &over, &broke);
        if (over) return FF_OK;
        if (err && err != FF_EUNREACHABLE) {
            if (ctx) *ctx = broke;
            return err;
        }
        double left = l.heard_s + patience_s - ff_clock_s();
        if (left <= 0) {
            if (ctx) *ctx = broke;
            return give_up(&l, job, patience_s, ctx);
        }
        err = ff_client_pause(c, least(l.wait_s, left), ctx);
        l.wait_s = least(2 * l.wait_s, l.retry_s);
        if (err) return err;
    }
}
