/* server/dispatch/helpers.h - a few threads that read, write and hash files, so that the loop never waits for a disk.
** Requests of one lane are done in order by one thread. Whoever submits finds the answers with ff_helpers_take after
** wake_fd (an eventfd) was written to.
** Call order: ff_helpers_start -> (ff_helpers_submit, ff_helpers_take)* -> ff_helpers_stop. */
#ifndef FF_SERVER_DISPATCH_HELPERS_H
#define FF_SERVER_DISPATCH_HELPERS_H

#include <jansson.h>

#include "server/dispatch/inner.h"

enum ff_request_kind {
    FF_REQUEST_PUT,    /* bytes of a file at an offset -> have */
    FF_REQUEST_GET,    /* -> bytes, nbytes, total */
    FF_REQUEST_ACCEPT, /* a result checked and moved -> path, chunk_bytes */
    FF_REQUEST_LIST,   /* files of the attempts in `list` -> files */
    FF_REQUEST_DROP,   /* other attempts of the task thrown away */
    FF_REQUEST_TIDY    /* chunks of draws that the result does not need; chunk_bytes: of those it does */
};

struct ff_request {
    enum ff_request_kind kind;
    struct ff_request *next;
    char worker[FF_ID_SIZE]; /* the gang that asked: it may be gone when the answer is there */
    struct ff_attempt attempt;
    char name[112], sha256[65], path[512];
    int64_t offset, size;
    void *bytes; /* owned */
    size_t nbytes;
    json_t *body, *list, *files; /* owned; body: of the message */
    struct ff_lease lease;       /* LIST */
    ff_ctx ctx;                  /* code FF_OK: done */
    int64_t have, total, chunk_bytes;
};
struct ff_request *ff_request_new(enum ff_request_kind kind, const char *worker, const struct ff_attempt *attempt);
void ff_request_free(struct ff_request *request); /* NULL is fine */

struct ff_helpers;
FF_MUST_USE ff_err ff_helpers_start(struct ff_helpers **out, ff_storehouse *store, int wake_fd, ff_ctx *ctx);
void ff_helpers_submit(struct ff_helpers *h, unsigned lane, struct ff_request *request); /* takes it */
/* All that are done, oldest first, or NULL. The caller frees each. */
struct ff_request *ff_helpers_take(struct ff_helpers *h);
/* What is being done is finished, what waits is dropped. NULL is fine. */
void ff_helpers_stop(struct ff_helpers *h);

#endif
