/* client/lib/sse.h - server-sent events (text/event-stream) out of bytes that come in any pieces. Private to client/lib.
** Call order: a zeroed struct -> ff_sse_feed as bytes come -> ff_sse_done. An event cut off at the end of a stream is
** dropped, as the format says. */
#ifndef FF_CLIENT_LIB_SSE_H
#define FF_CLIENT_LIB_SSE_H

#include <stdbool.h>

#include "client/lib/bytes.h"

enum { FF_SSE_NAME = 24, FF_SSE_MOST = 16 << 20 };

struct ff_sse {
    struct ff_bytes line, data;
    char event[FF_SSE_NAME]; /* "" : "message" */
    long id;                 /* of this event, < 0: none was given */
    bool has_id;
    bool after_cr; /* a line feed now belongs to the line before */
    long retry_ms; /* what the server wants between connections; 0: not said */
};

struct ff_sse_event {
    const char *event; /* "" : none was named */
    const char *data;  /* NUL-terminated, lines joined by line feeds */
    size_t size;
    long id; /* < 0: none */
};
/* Its error ends the feeding. */
typedef ff_err (*ff_sse_fn)(void *self, const struct ff_sse_event *event, ff_ctx *ctx);
/* FF_ETOOLARGE: a line or an event of more than FF_SSE_MOST bytes. */
FF_MUST_USE ff_err ff_sse_feed(struct ff_sse *s, const char *bytes, size_t size, ff_sse_fn fn, void *self, ff_ctx *ctx);
void ff_sse_done(struct ff_sse *s);

#endif
