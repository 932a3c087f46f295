/* worker/job/draws_rows.c - see draws_rows.h. */
#include "worker/job/draws_rows.h"

#include <stdlib.h>
#include <string.h>

static const size_t BLOCK_BYTES = (size_t)8 << 20; /* of records moved at once */

long ff_draws_block_rows(const struct ff_draw_layout *layout)
{
    const size_t rows = BLOCK_BYTES / layout->size;
    return rows ? (long)rows : 1;
}

int ff_draws_narrays(const struct ff_draw_layout *l)
{
    return l->nscore ? FF_CHUNK_ARRAYS : FF_CHUNK_SCORE;
}

size_t ff_draws_row_bytes(const struct ff_draw_layout *l, int array)
{
    const size_t bytes[FF_CHUNK_ARRAYS] = {[FF_CHUNK_THETA] = (size_t)l->ntheta * sizeof(double),
                                           [FF_CHUNK_X] = (size_t)l->nobs * sizeof(float),
                                           [FF_CHUNK_VALID] = 1,
                                           [FF_CHUNK_SCORE] = (size_t)l->nscore * sizeof(double)};
    return bytes[array];
}

void ff_draw_rows_free(struct ff_draw_rows *rows)
{
    for (int a = 0; a < FF_CHUNK_ARRAYS; a++) free(rows->array[a]);
    *rows = (struct ff_draw_rows){0};
}

ff_err ff_draw_rows_alloc(struct ff_draw_rows *rows, const struct ff_draw_layout *l, ff_ctx *ctx)
{
    const size_t n = (size_t)ff_draws_block_rows(l);
    *rows = (struct ff_draw_rows){0};
    for (int a = 0; a < ff_draws_narrays(l); a++) {
        rows->array[a] = malloc(n * ff_draws_row_bytes(l, a));
        if (rows->array[a]) continue;
        ff_draw_rows_free(rows);
        return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for %zu draws of %zu bytes", n, l->size);
    }
    return FF_OK;
}

static ff_err open_chunk(const struct ff_draws *d, const struct ff_task *task, const char *dir, ff_store **store,
                         ff_ctx *ctx)
{
    char path[FF_PATH_SIZE + 64];
    bool other_origin;
    ff_draws_store_path(dir, task, path, sizeof path);
    const struct ff_store_config config = {.path = path,
                                           .identity = d->run->prepared->spec_hash,
                                           .origin = d->origin,
                                           .record = d->layout.size,
                                           .nrecords = task->count,
                                           .read_only = true};
    return ff_store_open(store, &config, &other_origin, ctx);
}

/* One record into row `row`; is the draw valid? */
static bool add_row(struct ff_draw_rows *rows, const struct ff_draw_layout *l, long row, const char *record)
{
    const size_t offset[FF_CHUNK_ARRAYS] = {
        [FF_CHUNK_X] = l->x, [FF_CHUNK_VALID] = l->valid, [FF_CHUNK_SCORE] = l->score};
    for (int a = 0; a < ff_draws_narrays(l); a++) {
        const size_t bytes = ff_draws_row_bytes(l, a);
        memcpy((char *)rows->array[a] + (size_t)row * bytes, record + offset[a], bytes);
    }
    return record[l->valid];
}

ff_err ff_draws_take(struct ff_draws *d, const struct ff_task *task, const char *dir, struct ff_draw_rows *rows,
                     const struct ff_rows_taker *taker, long *nvalid, ff_ctx *ctx)
{
    const struct ff_draw_layout *l = &d->layout;
    const long most = ff_draws_block_rows(l);
    ff_store *store = NULL;
    ff_err err = open_chunk(d, task, dir, &store, ctx);
    for (long i = 0, n = 0; !err && i < task->count; i++) {
        if (!ff_store_get(store, i, d->records)) {
            err = ff_fail(ctx, FF_EIO, FF_HERE, "draw %ld can no longer be read from %s: run again with --resume",
                          task->first + i, dir);
            break;
        }
        *nvalid += add_row(rows, l, n, d->records);
        if (++n < most && i + 1 < task->count) continue;
        err = taker->take(taker->self, l, rows, task->first + i + 1 - n, n, ctx);
        n = 0;
    }
    ff_store_close(store);
    return err;
}
