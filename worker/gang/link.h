/* worker/gang/link.h - the gang's end of the wire: one DEALER socket with CURVE, and what became of its connection.
** One thread uses a link. Nothing waits but ff_link_wait: what cannot be sent at once is not sent, and is not kept
** either (whoever asked sends it again when its answer stays away).
** Call order: ff_link_open -> ff_link_wait, then ff_link_change and ff_link_receive until there is nothing ->
** ff_link_close. */
#ifndef FF_WORKER_GANG_LINK_H
#define FF_WORKER_GANG_LINK_H

#include <stdbool.h>

#include "common/err.h"
#include "common/wire.h"
#include "worker/gang/keys.h"

struct ff_link {
    void *context, *socket, *monitor;
};

/* endpoint: tcp://HOST:PORT or ipc://PATH. FF_EUSAGE for anything else. Does not wait for the connection. */
FF_MUST_USE ff_err ff_link_open(struct ff_link *l, const char *endpoint, const struct ff_keys *keys, ff_ctx *ctx);
/* What was sent is given a second to leave. */
void ff_link_close(struct ff_link *l);

/* Until there is something to receive, the connection changed, wake_fd is readable, or `seconds` passed. */
void ff_link_wait(struct ff_link *l, int wake_fd, double seconds);

enum ff_change {
    FF_LINK_SAME,
    FF_LINK_UP,     /* connected, and each side knows the other's key */
    FF_LINK_DOWN,   /* lost; it is being connected again */
    FF_LINK_DENIED, /* the server does not know our key */
    FF_LINK_CUT /* it ended in the middle of the handshake: the server's key is another one, or the server is ending */
};
enum ff_change ff_link_change(struct ff_link *l);

/* false: not now (ctx->code FF_OK), or never: it is no message of the wire (the error in ctx). The body stays the
** caller's. */
bool ff_link_send(struct ff_link *l, enum ff_wire_type type, const json_t *body, const void *blob, size_t blob_size,
                  ff_ctx *ctx);

/* *got false: nothing is waiting. FF_EVERSION, FF_EBADMESSAGE: a message was there and is gone. *bytes: to be freed
** after ff_wire_done(out). */
FF_MUST_USE ff_err ff_link_receive(struct ff_link *l, struct ff_wire *out, void **bytes, bool *got, ff_ctx *ctx);

#endif
