/* worker/theta/pool.h - memory of one ff_theta: arrays made at init, freed together.
** Call order: ff_pool_doubles (any number) -> ff_pool_done. Nothing is allocated while tables are evaluated. */
#ifndef FF_WORKER_THETA_POOL_H
#define FF_WORKER_THETA_POOL_H

#include <stddef.h>

#include "common/err.h"

enum { FF_POOL_BLOCKS = 192 };

struct ff_pool {
    void *block[FF_POOL_BLOCKS];
    int n;
};

/* A zeroed, 64-byte aligned array of `n` doubles in *out (NULL on failure). */
FF_MUST_USE ff_err ff_pool_doubles(struct ff_pool *pool, double **out, size_t n, ff_ctx *ctx);
void ff_pool_done(struct ff_pool *pool);

#endif
