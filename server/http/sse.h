/* server/http/sse.h - events as the text of server-sent events. */
#ifndef FF_SERVER_HTTP_SSE_H
#define FF_SERVER_HTTP_SSE_H

#include <stddef.h>

/* First bytes of a stream: how long a client waits before it comes back. */
#define FF_SSE_HELLO "retry: 3000\n\n"
/* Without an id, so that it does not move the client's place; with data, so that clients see it. */
#define FF_SSE_HEARTBEAT "event: heartbeat\ndata: {}\n\n"

/* "id: SEQ\nevent: TYPE\ndata: TEXT\n\n", malloc'ed; NULL: no memory. text has no newline. */
char *ff_sse_frame(long seq, const char *type, const char *text, size_t *size);

#endif
