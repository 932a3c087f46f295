/* server/queue/extend.h - a posterior that goes on from where another one ended. Private. */
#ifndef FF_SERVER_QUEUE_EXTEND_H
#define FF_SERVER_QUEUE_EXTEND_H

#include "server/queue/inner.h"
#include "server/queue/jobs.h"

struct ff_extension {
    char *from;   /* JSON: {"job", "attempts": {"chain-0": 2, ..}}; NULL: no extension */
    char *target; /* JSON: {"draws": N}, which every chain is to hold */
};
/* What the chains of submission s start from. FF_ENOTFOUND, FF_ECONFLICT. */
FF_MUST_USE ff_err ff_extension_make(ff_tx *tx, const struct ff_submission *s, struct ff_extension *out, ff_ctx *ctx);
void ff_extension_done(struct ff_extension *e);

#endif
