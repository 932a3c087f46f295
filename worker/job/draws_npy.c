/* worker/job/draws_npy.c - the .npy files of a chunk: written when it is done, for readers who do not wait for the
** whole, and checked when they are to stay as the result (draws_team.h). */
#include "worker/job/draws_rows.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "files/npy.h"

enum { PATH_BYTES = FF_PATH_SIZE + 64, BLOCK = 1 << 16 };

struct npy_files {
    FILE *file[FF_CHUNK_ARRAYS]; /* score is NULL without scores */
    const char *dir;
    ff_hash *hash[FF_CHUNK_ARRAYS]; /* of what is checked */
};

static void path_of(const char *dir, int array, char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "%s/%s.npy", dir, ff_chunk_arrays[array].name);
}

/* Bytes before the rows of an array of a chunk of `count` draws. */
static size_t head_of(const struct ff_draws *d, int array, long count, char head[FF_NPY_HEAD])
{
    const struct ff_maps *grid = &d->run->prepared->data;
    const long npix = grid->npix, theta[] = {count, d->layout.ntheta},
               shear[] = {count, grid->nbins, grid->ncomp, npix, npix},
               convergence[] = {count, grid->nbins, npix, npix};
    const bool components = grid->ncomp == 2;
    const long *shape = array == FF_CHUNK_X ? (components ? shear : convergence) : theta;
    const int rank = array == FF_CHUNK_X ? (components ? 5 : 4) : array == FF_CHUNK_VALID ? 1 : 2;
    return ff_npy_head(head, ff_chunk_arrays[array].type, rank, shape);
}

/* ---- writing ---- */

static ff_err cannot_export(ff_ctx *ctx, const char *dir, int why)
{
    return ff_fail(ctx, why == ENOSPC || why == EDQUOT ? FF_EDISKFULL : FF_EIO, FF_HERE,
                   "the draws cannot be written to %s: %s", dir, strerror(why));
}

static ff_err export_rows(void *self, const struct ff_draw_layout *l, const struct ff_draw_rows *rows, long first,
                          long n, ff_ctx *ctx)
{
    const struct npy_files *e = self;
    (void)first;
    for (int a = 0; a < ff_draws_narrays(l); a++)
        if (fwrite(rows->array[a], ff_draws_row_bytes(l, a), (size_t)n, e->file[a]) != (size_t)n)
            return cannot_export(ctx, e->dir, errno);
    return FF_OK;
}

static ff_err create(struct npy_files *e, int array, const struct ff_draws *d, long count, ff_ctx *ctx)
{
    char path[PATH_BYTES], head[FF_NPY_HEAD];
    path_of(e->dir, array, path);
    const size_t size = head_of(d, array, count, head);
    e->file[array] = fopen(path, "wbe");
    if (e->file[array] && fwrite(head, 1, size, e->file[array]) == size) return FF_OK;
    return cannot_export(ctx, path, errno);
}

ff_err ff_draws_export(struct ff_draws *d, const struct ff_task *task, ff_ctx *ctx)
{
    struct npy_files e = {.dir = d->run->ckpt_dir};
    struct ff_draw_rows rows;
    long nvalid = 0;
    const struct ff_rows_taker taker = {.self = &e, .take = export_rows};
    ff_err err = ff_draw_rows_alloc(&rows, &d->layout, ctx);
    for (int a = 0; !err && a < ff_draws_narrays(&d->layout); a++) err = create(&e, a, d, task->count, ctx);
    if (!err) err = ff_draws_take(d, task, e.dir, &rows, &taker, &nvalid, ctx);
    for (int a = 0; a < FF_CHUNK_ARRAYS; a++)
        if (e.file[a] && fclose(e.file[a]) && !err) err = cannot_export(ctx, e.dir, errno);
    ff_draw_rows_free(&rows);
    return err;
}

/* ---- checking ---- */

/* The next bytes of a file are these. */
static ff_err expect(struct npy_files *e, int array, const void *bytes, size_t size, ff_ctx *ctx)
{
    char block[BLOCK];
    const char *at = bytes;
    for (size_t done = 0; done < size;) {
        const size_t n = size - done < sizeof block ? size - done : sizeof block;
        if (fread(block, 1, n, e->file[array]) != n || memcmp(block, at + done, n) != 0)
            return ff_fail(ctx, FF_EIO, FF_HERE, "%s/%s.npy does not hold the draws of its chunk any more", e->dir,
                           ff_chunk_arrays[array].name);
        done += n;
    }
    ff_hash_add(e->hash[array], bytes, size);
    return FF_OK;
}

static ff_err expect_rows(void *self, const struct ff_draw_layout *l, const struct ff_draw_rows *rows, long first,
                          long n, ff_ctx *ctx)
{
    ff_err err = FF_OK;
    (void)first;
    for (int a = 0; !err && a < ff_draws_narrays(l); a++)
        err = expect(self, a, rows->array[a], (size_t)n * ff_draws_row_bytes(l, a), ctx);
    return err;
}

static ff_err open_to_check(struct npy_files *e, int array, const struct ff_draws *d, long count, ff_ctx *ctx)
{
    char path[PATH_BYTES], head[FF_NPY_HEAD];
    path_of(e->dir, array, path);
    e->file[array] = fopen(path, "rbe");
    e->hash[array] = ff_hash_begin();
    if (!e->hash[array]) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory to check %s", path);
    if (!e->file[array]) return ff_fail(ctx, FF_EIO, FF_HERE, "%s cannot be read: %s", path, strerror(errno));
    if (fsync(fileno(e->file[array]))) return cannot_export(ctx, path, errno);
    return expect(e, array, head, head_of(d, array, count, head), ctx);
}

/* Nothing comes after the last row; *chunk gets size and hash. */
static ff_err conclude(struct npy_files *e, int array, struct ff_chunk *chunk, ff_ctx *ctx)
{
    if (fgetc(e->file[array]) != EOF)
        return ff_fail(ctx, FF_EIO, FF_HERE, "%s/%s.npy is longer than the draws of its chunk", e->dir,
                       ff_chunk_arrays[array].name);
    chunk->size[array] = ftell(e->file[array]);
    ff_hash_end(e->hash[array], chunk->sha256[array]);
    e->hash[array] = NULL;
    return FF_OK;
}

ff_err ff_draws_check_arrays(struct ff_draws *d, const struct ff_task *task, const char *dir, struct ff_draw_rows *rows,
                             struct ff_chunk *chunk, ff_ctx *ctx)
{
    struct npy_files e = {.dir = dir};
    const int narrays = ff_draws_narrays(&d->layout);
    const struct ff_rows_taker taker = {.self = &e, .take = expect_rows};
    long nvalid = 0;
    ff_err err = FF_OK;
    for (int a = 0; !err && a < narrays; a++) err = open_to_check(&e, a, d, task->count, ctx);
    if (!err) err = ff_draws_take(d, task, dir, rows, &taker, &nvalid, ctx);
    for (int a = 0; !err && a < narrays; a++) err = conclude(&e, a, chunk, ctx);
    for (int a = 0; a < narrays; a++) {
        if (e.file[a]) fclose(e.file[a]);
        ff_hash_end(e.hash[a], NULL);
    }
    chunk->first = task->first;
    chunk->count = task->count;
    chunk->valid = nvalid;
    return err;
}
