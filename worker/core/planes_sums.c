/* worker/core/planes_sums.c - see planes.h: rows of numbers whole on every rank, and exact sums over ranks. */
#include "worker/core/planes.h"

#include <stdlib.h>
#include <string.h>

static ff_err no_memory(const struct ff_comm *c, ff_ctx *ctx)
{
    return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for messages among %d ranks", c->nranks);
}

/* `size` bytes of every rank to every other one: those of rank r are at at[r], size[r] long, in `all` of each; what
** is sent may stand at its place in `all` already. */
static ff_err everywhere(const struct ff_comm *c, const void *mine, char *all, const size_t *size, const size_t *at,
                         ff_ctx *ctx)
{
    const size_t n = (size_t)c->nranks, me = (size_t)c->rank;
    size_t *lists = calloc(3 * n, sizeof *lists);
    if (!lists) return no_memory(c, ctx);
    size_t *send = lists, *send_at = lists + n, *recv = lists + 2 * n;
    for (size_t r = 0; r < n; r++) {
        send[r] = r == me ? 0 : size[me];
        recv[r] = r == me ? 0 : size[r];
    }
    if (size[me]) memmove(all + at[me], mine, size[me]);
    const ff_err err = c->alltoallv(c, mine, send, send_at, all, recv, at, ctx);
    free(lists);
    return err;
}

struct rows {
    int first, count;
};

/* All ranks see the same rows, so all of them refuse, or none. */
static ff_err check_rows(const struct rows *rows, int nranks, int nrows, ff_ctx *ctx)
{
    long sum = 0;
    for (int r = 0; r < nranks; r++) {
        if (rows[r].count < 0 || (rows[r].count && (rows[r].first < 0 || rows[r].first > nrows - rows[r].count)))
            return ff_fail(ctx, FF_EBUG, FF_HERE, "rank %d has rows %d and %d more of %d", r, rows[r].first,
                           rows[r].count - 1, nrows);
        sum += rows[r].count;
    }
    if (sum != nrows) return ff_fail(ctx, FF_EBUG, FF_HERE, "%ld rows of all ranks where there are %d", sum, nrows);
    return FF_OK;
}

ff_err ff_rows_gather(const struct ff_comm *c, int nrows, int first, int count, long width, const double *mine,
                      double *all, ff_ctx *ctx)
{
    const size_t n = (size_t)c->nranks, row = (size_t)width * sizeof *all;
    const struct rows own = {first, count};
    struct rows *rows = malloc(n * sizeof *rows);
    size_t *lists = malloc(2 * n * sizeof *lists);
    ff_err err = rows && lists ? FF_OK : no_memory(c, ctx);
    if (!err) err = c->allgather(c, &own, sizeof own, rows, ctx);
    if (!err) err = check_rows(rows, c->nranks, nrows, ctx);
    for (size_t r = 0; r < n && !err; r++) {
        lists[r] = (size_t)rows[r].count * row;
        lists[n + r] = rows[r].count ? (size_t)rows[r].first * row : 0;
    }
    if (!err) err = everywhere(c, mine, (char *)all, lists, lists + n, ctx);
    free(rows);
    free(lists);
    return err;
}

/* Numbers of rank r when n are cut into pieces of `piece`, the last ones shorter or empty. */
static long piece_of(long n, long piece, int r)
{
    const long left = n - piece * r;
    return left < 0 ? 0 : left < piece ? left : piece;
}

static void add(int64_t *to, const int64_t *from, long n)
{
    for (long i = 0; i < n; i++) to[i] = (int64_t)((uint64_t)to[i] + (uint64_t)from[i]);
}

/* This rank's piece of x gets the sum over ranks. Ranks at distance first .. last - 1 send and receive at a time, as
** many as work (n) has room for. */
static ff_err sum_piece(const struct ff_comm *c, int64_t *x, long n, long piece, int64_t *work,
                        struct ff_message *messages, ff_ctx *ctx)
{
    const int ranks = c->nranks, most = n / piece < ranks ? (int)(n / piece) : ranks;
    const long mine = piece_of(n, piece, c->rank);
    struct ff_message *send = messages, *recv = messages + ranks;
    for (int first = 1; first < ranks; first += most) {
        const int count = ranks - first < most ? ranks - first : most;
        for (int i = 0; i < count; i++) {
            const int to = (c->rank + first + i) % ranks, from = (c->rank + 2 * ranks - first - i) % ranks;
            const long theirs = piece_of(n, piece, to);
            send[i] = (struct ff_message){to, theirs ? x + piece * to : x, (size_t)theirs * sizeof *x};
            recv[i] = (struct ff_message){from, work + piece * i, (size_t)mine * sizeof *x};
        }
        const ff_err err = c->sendrecv_list(c, send, count, recv, count, ctx);
        if (err) return err;
        for (int i = 0; i < count && mine; i++) add(x + piece * c->rank, work + piece * i, mine);
    }
    return FF_OK;
}

ff_err ff_sum_i64(const struct ff_comm *c, int64_t *x, long n, int64_t *work, ff_ctx *ctx)
{
    if (c->nranks == 1 || n < 1) return FF_OK;
    const size_t ranks = (size_t)c->nranks;
    const long piece = (n + c->nranks - 1) / c->nranks;
    struct ff_message *messages = malloc(2 * ranks * sizeof *messages);
    size_t *lists = malloc(2 * ranks * sizeof *lists);
    ff_err err = messages && lists ? FF_OK : no_memory(c, ctx);
    for (int r = 0; r < c->nranks && !err; r++) {
        const size_t size = (size_t)piece_of(n, piece, r) * sizeof *x;
        lists[r] = size;
        lists[ranks + (size_t)r] = size ? (size_t)(piece * r) * sizeof *x : 0;
    }
    if (!err) err = sum_piece(c, x, n, piece, work, messages, ctx);
    const long mine = c->rank * piece;
    if (!err) err = everywhere(c, mine < n ? x + mine : x, (char *)x, lists, lists + ranks, ctx);
    free(messages);
    free(lists);
    return err;
}
