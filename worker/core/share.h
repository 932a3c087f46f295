/* worker/core/share.h - what the ranks of a group tell each other about the run: bytes that rank 0 has, and errors, which
** all ranks learn so that all of them stop. Collective; comm NULL or of one rank: nothing to tell. */
#ifndef FF_WORKER_CORE_SHARE_H
#define FF_WORKER_CORE_SHARE_H

#include "worker/core/comm.h"

/* Rank 0's bytes to every rank, in place. */
FF_MUST_USE ff_err ff_share(const struct ff_comm *c, void *bytes, size_t size, ff_ctx *ctx);
/* Every rank says how its part went; all return the error of the lowest rank that has one, with its words. */
FF_MUST_USE ff_err ff_share_error(const struct ff_comm *c, ff_err err, ff_ctx *ctx);

#endif
