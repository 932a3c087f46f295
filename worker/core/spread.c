/* worker/core/spread.c - see spread.h. */
#include "worker/core/spread.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "worker/core/mesh.h"
#include "worker/core/planes.h"
#include "worker/core/reduce.h"

static ff_err add_rows(const struct ff_spread *s, double *rows, double *sum, ff_ctx *ctx)
{
    const struct ff_comm self = ff_comm_self();
    const ff_err err =
        ff_rows_gather(s->comm ? s->comm : &self, s->nrows, s->first, s->count, 1, rows + s->first, rows, ctx);
    *sum = 0;
    for (int y = 0; y < s->nrows && !err; y++) *sum += rows[y];
    return err;
}

ff_err ff_spread_dot_f32(const struct ff_spread *s, const float *a, const float *b, long n, int threads, double *rows,
                         double *sum, ff_ctx *ctx)
{
    if (!s->row) {
        *sum = ff_dot_f32(a, b, n, threads);
        return FF_OK;
    }
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int y = 0; y < s->count; y++) rows[s->first + y] = ff_dot_f32(a + y * s->row, b + y * s->row, s->row, 1);
    return add_rows(s, rows, sum, ctx);
}

ff_err ff_spread_dot_f64(const struct ff_spread *s, const double *a, const double *b, long n, int threads, double *rows,
                         double *sum, ff_ctx *ctx)
{
    if (!s->row) {
        *sum = ff_dot_f64(a, b, n, threads);
        return FF_OK;
    }
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1)
    for (int y = 0; y < s->count; y++) rows[s->first + y] = ff_dot_f64(a + y * s->row, b + y * s->row, s->row, 1);
    return add_rows(s, rows, sum, ctx);
}

/* The part of the whole that is rank r's, as a message. */
static struct ff_message part(const struct ff_spread *s, const void *whole, int r, size_t item_bytes)
{
    const int nranks = s->comm->nranks, first = ff_mesh_first(s->nrows, nranks, r);
    const size_t row = (size_t)s->row * item_bytes, count = (size_t)(ff_mesh_first(s->nrows, nranks, r + 1) - first);
    return (struct ff_message){.peer = r, .bytes = (char *)(uintptr_t)whole + (size_t)first * row, .size = count * row};
}

/* One message between every rank and rank 0, itself included. */
static ff_err with_first(const struct ff_spread *s, const void *whole, const void *own, long n, size_t item_bytes,
                         bool collect, ff_ctx *ctx)
{
    const struct ff_comm *c = s->comm;
    const struct ff_message mine = {.peer = 0, .bytes = (void *)(uintptr_t)own, .size = (size_t)n * item_bytes};
    struct ff_message *parts = NULL;
    const int nparts = c->rank == 0 ? c->nranks : 0;
    if (nparts) {
        parts = calloc((size_t)nparts, sizeof *parts);
        if (!parts) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for %d messages", nparts);
    }
    for (int r = 0; r < nparts; r++) parts[r] = part(s, whole, r, item_bytes);
    const ff_err err =
        collect ? c->sendrecv_list(c, &mine, 1, parts, nparts, ctx) : c->sendrecv_list(c, parts, nparts, &mine, 1, ctx);
    free(parts);
    return err;
}

ff_err ff_spread_collect(const struct ff_spread *s, const void *own, long n, size_t item_bytes, void *whole,
                         ff_ctx *ctx)
{
    if (s->comm && s->comm->nranks > 1) return with_first(s, whole, own, n, item_bytes, true, ctx);
    memcpy(whole, own, (size_t)n * item_bytes);
    return FF_OK;
}

ff_err ff_spread_hand_out(const struct ff_spread *s, const void *whole, void *own, long n, size_t item_bytes,
                          ff_ctx *ctx)
{
    if (s->comm && s->comm->nranks > 1) return with_first(s, whole, own, n, item_bytes, false, ctx);
    memcpy(own, whole, (size_t)n * item_bytes);
    return FF_OK;
}
