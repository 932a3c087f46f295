/* server/http/pages.h - events as NDJSON, read from the queue page by page while they are sent. */
#ifndef FF_SERVER_HTTP_PAGES_H
#define FF_SERVER_HTTP_PAGES_H

#include "server/http/server.h"
#include "server/queue/events.h"

struct ff_pages; /* owned by the response */

/* Reads at most `most` events from *place on, each through fn, and moves *place on; no event: the end. */
struct ff_page_source {
    int64_t job;
    long place;
    long left;        /* events still wanted */
    bool samples;     /* place is a sample's number; else that of the last event sent, and logs are read */
    int64_t since_ms; /* logs: not before */
    char task[32];    /* "": all */
    int attempt;      /* 0: all */
};
/* 200 application/x-ndjson. */
FF_MUST_USE ff_err ff_reply_pages(struct ff_request *r, const struct ff_page_source *source, ff_ctx *ctx);
/* One page, at most `most`; *n: how many came. */
FF_MUST_USE ff_err ff_page_read(struct ff_http *h, struct ff_page_source *source, long most, ff_event_fn fn, void *self,
                                long *n, ff_ctx *ctx);

#endif
