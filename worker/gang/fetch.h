/* worker/gang/fetch.h - one file on its way from the server, where no store is shared: GET by GET, one chunk at a time,
** into PATH.part, renamed when all bytes are there. The hash is checked by whoever asked.
** No lock and no socket: as upload.h.
** Call order: ff_fetch_start; ff_fetch_ask when `asked` is false; ff_fetch_chunk for each answer; ff_fetch_end. */
#ifndef FF_WORKER_GANG_FETCH_H
#define FF_WORKER_GANG_FETCH_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

/* What to get: a file of an attempt, or a dataset (job "", task "", attempt 0, name: its id). Texts are the caller's.
** */
struct ff_fetch_want {
    const char *job, *task, *name;
    int attempt;
    int64_t size;
    const char *path; /* where it shall stand; its folder exists */
};

struct ff_fetch {
    struct ff_fetch_want want;
    char *part; /* owned; NULL: nothing is being fetched */
    int fd;
    int64_t have;
    bool asked, done;
    ff_err err;
    ff_ctx why; /* when err */
};

void ff_fetch_init(struct ff_fetch *f);
FF_MUST_USE ff_err ff_fetch_start(struct ff_fetch *f, const struct ff_fetch_want *want, ff_ctx *ctx);
static inline bool ff_fetch_busy(const struct ff_fetch *f)
{
    return f->part && !f->done;
}
/* The members of GET; NULL: no memory. */
json_t *ff_fetch_ask(const struct ff_fetch *f);
/* An answer: its members and bytes. True: it is news. Afterwards f->done says whether there is nothing more to ask. */
bool ff_fetch_chunk(struct ff_fetch *f, const json_t *body, const void *bytes, size_t size);
/* Closes; the file is at want.path when this returns FF_OK, else its part is removed. */
FF_MUST_USE ff_err ff_fetch_end(struct ff_fetch *f, ff_ctx *ctx);

#endif
