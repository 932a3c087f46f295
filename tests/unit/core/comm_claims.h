/* tests/unit/core/comm_claims.h - what every communicator promises (comm.h), as functions of one rank that return an
** error, so that ranks that are threads and ranks that are processes can be asked alike. */
#ifndef FF_TESTS_COMM_CLAIMS_H
#define FF_TESTS_COMM_CLAIMS_H

#include <stdlib.h>
#include <string.h>

#include "worker/core/comm.h"

struct claim {
    const char *name;
    ff_err (*holds)(void *self, const struct ff_comm *c, ff_ctx *ctx); /* as ff_comm_threads_run takes it */
};

#define FF_CLAIM(condition)                                                                                            \
    do {                                                                                                               \
        if (!(condition)) return ff_fail(ctx, FF_ETOLERANCE, FF_HERE, "rank %d: not %s", c->rank, #condition);         \
    } while (0)

/* What rank `from` has for rank `to` at place i. */
static inline unsigned char byte_of(int from, int to, size_t i)
{
    return (unsigned char)(31 * from + 7 * to + 13 * (int)(i % 251) + 1);
}

static inline ff_err every_rank_gets_what_each_has_for_it(void *self, const struct ff_comm *c, ff_ctx *ctx)
{
    (void)self;
    const size_t n = (size_t)c->nranks, unit = n <= 8 ? 20011 : 1009, most = 4 * unit;
    size_t counts[4][64] = {{0}}, wrong = 0;
    FF_CLAIM(n <= 64);
    unsigned char *send = calloc(n, most), *recv = calloc(n, most);
    for (size_t r = 0; r < n; r++) { /* lengths differ, some are 0; gaps between pieces */
        counts[0][r] = ((size_t)c->rank * 3 + r * 5) % 4 * unit;
        counts[1][r] = r * most;
        counts[2][r] = (r * 3 + (size_t)c->rank * 5) % 4 * unit;
        counts[3][r] = (n - 1 - r) * most;
        for (size_t i = 0; i < counts[0][r]; i++) send[counts[1][r] + i] = byte_of(c->rank, (int)r, i);
    }
    ff_err err = c->alltoallv(c, send, counts[0], counts[1], recv, counts[2], counts[3], ctx);
    for (size_t r = 0; r < n; r++)
        for (size_t i = 0; i < most; i++)
            wrong += recv[counts[3][r] + i] != (i < counts[2][r] ? byte_of((int)r, c->rank, i) : 0);
    free(send);
    free(recv);
    if (!err) FF_CLAIM(wrong == 0);
    return err;
}

static inline ff_err messages_between_two_ranks_keep_their_order(void *self, const struct ff_comm *c, ff_ctx *ctx)
{
    (void)self;
    enum { N = 5 };
    const int next = (c->rank + 1) % c->nranks, before = (c->rank + c->nranks - 1) % c->nranks;
    int out[N], in[N];
    struct ff_message send[N], recv[N];
    for (int i = 0; i < N; i++) {
        out[i] = 100 * c->rank + i;
        in[i] = -1;
        send[i] = (struct ff_message){next, &out[i], sizeof out[i]};
        recv[i] = (struct ff_message){before, &in[i], sizeof in[i]};
    }
    ff_err err = c->sendrecv_list(c, send, N, recv, N, ctx);
    if (err) return err;
    for (int i = 0; i < N; i++) FF_CLAIM(in[i] == 100 * before + i);
    return c->sendrecv_list(c, NULL, 0, NULL, 0, ctx);
}

/* A number whose sum depends on the order of summation. */
static inline double term(int rank, long i)
{
    static const double sizes[] = {1e16, 1, -1e16, 1e-3, 3e7};
    return sizes[(rank + i) % 5] * (1 + 1e-7 * (double)(i % 97)) * (rank % 2 ? -1.1 : 1);
}

static inline ff_err sums_have_the_order_of_the_ranks(void *self, const struct ff_comm *c, ff_ctx *ctx)
{
    (void)self;
    const long lengths[] = {0, 1, 5, 16384, 40001};
    for (size_t k = 0; k < sizeof lengths / sizeof *lengths; k++) {
        const long n = lengths[k];
        if (n * c->nranks > 400000) continue;
        long wrong = 0;
        double *x = malloc((size_t)(n + 1) * sizeof *x);
        for (long i = 0; i < n; i++) x[i] = term(c->rank, i);
        ff_err err = c->allreduce_f64(c, x, n, ctx);
        for (long i = 0; i < n; i++) {
            double sum = term(0, i);
            for (int r = 1; r < c->nranks; r++) sum += term(r, i);
            wrong += memcmp(&x[i], &sum, sizeof sum) != 0;
        }
        free(x);
        if (err) return err;
        FF_CLAIM(wrong == 0);
    }
    return FF_OK;
}

static inline ff_err everyone_gathers_the_same(void *self, const struct ff_comm *c, ff_ctx *ctx)
{
    (void)self;
    int mine[3] = {c->rank, 10 * c->rank, -1}, all[64][3] = {{0}};
    ff_err err = c->allgather(c, mine, sizeof mine, all, ctx);
    if (err) return err;
    for (int r = 0; r < c->nranks; r++) FF_CLAIM(all[r][0] == r && all[r][1] == 10 * r && all[r][2] == -1);
    return FF_OK;
}

static const struct claim comm_claims[] = {
    {"every_rank_gets_what_each_has_for_it", every_rank_gets_what_each_has_for_it},
    {"messages_between_two_ranks_keep_their_order", messages_between_two_ranks_keep_their_order},
    {"sums_have_the_order_of_the_ranks", sums_have_the_order_of_the_ranks},
    {"everyone_gathers_the_same", everyone_gathers_the_same},
};
enum { COMM_CLAIMS = sizeof comm_claims / sizeof *comm_claims };

/* These two leave a group of threads broken; MPI's goes on. */
static inline ff_err a_rank_that_does_not_exist_is_refused(void *self, const struct ff_comm *c, ff_ctx *ctx)
{
    (void)self;
    int x = 0;
    const struct ff_message nobody = {c->nranks, &x, sizeof x}, me = {c->rank, &x, sizeof x};
    FF_CLAIM(c->sendrecv_list(c, &nobody, 1, &me, 1, ctx) == FF_EBUG);
    return FF_OK;
}

static inline ff_err lengths_that_do_not_agree_are_an_error(void *self, const struct ff_comm *c, ff_ctx *ctx)
{
    (void)self;
    char out[4] = "abc", in[8];
    const struct ff_message send = {c->rank, out, sizeof out}, recv = {c->rank, in, sizeof in};
    FF_CLAIM(c->sendrecv_list(c, &send, 1, &recv, 1, ctx) == FF_EBUG);
    return FF_OK;
}

#endif
