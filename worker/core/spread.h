/* worker/core/spread.h - a long vector whose rows are spread over ranks, rank after rank (mesh.h: latents): sums that do
** not depend on who has which rows, and the whole vector on rank 0. Collective. All zero: not spread, one rank has all;
** then there are no rows, and sums are those of reduce.h. */
#ifndef FF_WORKER_CORE_SPREAD_H
#define FF_WORKER_CORE_SPREAD_H

#include "worker/core/comm.h"

struct ff_spread {
    const struct ff_comm *comm; /* NULL: one rank */
    long row;                   /* items in a row */
    int nrows, first, count;    /* rows of all; this rank's */
};

/* Items before this rank's first. */
static inline long ff_spread_before(const struct ff_spread *s)
{
    return s->row * s->first;
}

/* Sum of a[i] b[i]: rows one by one (reduce.h), then in their order. n: items of this rank. rows: scratch of nrows. */
FF_MUST_USE ff_err ff_spread_dot_f32(const struct ff_spread *s, const float *a, const float *b, long n, int threads,
                                     double *rows, double *sum, ff_ctx *ctx);
FF_MUST_USE ff_err ff_spread_dot_f64(const struct ff_spread *s, const double *a, const double *b, long n, int threads,
                                     double *rows, double *sum, ff_ctx *ctx);

/* n items of item_bytes each, of this rank, to `whole` on rank 0 (of all ranks, in order; others: NULL), and back. */
FF_MUST_USE ff_err ff_spread_collect(const struct ff_spread *s, const void *own, long n, size_t item_bytes, void *whole,
                                     ff_ctx *ctx);
FF_MUST_USE ff_err ff_spread_hand_out(const struct ff_spread *s, const void *whole, void *own, long n,
                                      size_t item_bytes, ff_ctx *ctx);

#endif
