/* worker/theta/pool.c - see pool.h. */
#include "worker/theta/pool.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

ff_err ff_pool_doubles(struct ff_pool *pool, double **out, size_t n, ff_ctx *ctx)
{
    *out = NULL;
    if (n > SIZE_MAX / sizeof(double) - 64 || pool->n == FF_POOL_BLOCKS)
        return ff_fail(ctx, FF_EBUG, FF_HERE, "an array of %zu numbers as block %d of %d is out of bounds", n, pool->n,
                       (int)FF_POOL_BLOCKS);
    size_t bytes = (n * sizeof(double) + 64) / 64 * 64;
    double *block = aligned_alloc(64, bytes);
    if (!block) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a table of %zu numbers (%zu bytes)", n, bytes);
    memset(block, 0, bytes);
    pool->block[pool->n++] = block;
    *out = block;
    return FF_OK;
}

void ff_pool_done(struct ff_pool *pool)
{
    for (int i = 0; i < pool->n; i++) free(pool->block[i]);
    pool->n = 0;
}
