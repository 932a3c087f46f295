/* server/http/stored.h - files of the store that never change, whole or a range of them. A file's hash is its entity
** tag, and caches may keep it for ever. */
#ifndef FF_SERVER_HTTP_STORED_H
#define FF_SERVER_HTTP_STORED_H

#include "server/http/server.h"

struct ff_stored {
    const char *type, *name; /* name: under which a browser saves it */
    const char *sha256;
    int64_t size;
    /* The file, checked; not called where the client has it already. */
    ff_err (*open)(void *self, int *fd, ff_ctx *ctx);
    void *self;
};
/* 200, 206, 304 or 416, as the request's headers ask. */
FF_MUST_USE ff_err ff_reply_stored(struct ff_request *r, const struct ff_stored *file, ff_ctx *ctx);

#endif
