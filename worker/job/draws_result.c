/* worker/job/draws_result.c - what leaves a draws job: the one file assembled from its chunks, and the .npy files a finished chunk shows of
** itself before (draws_team.h). */
#include "worker/job/draws_team.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files/npy.h"
#include "worker/job/result_info.h"

static const size_t BLOCK_BYTES = (size_t)8 << 20; /* of records moved at once */

long ff_draws_block_rows(const struct ff_draw_layout *layout)
{
    const size_t rows = BLOCK_BYTES / layout->size;
    return rows ? (long)rows : 1;
}

/* ---- the result ---- */

struct block {             /* rows of the result, gathered from records */
    double *theta, *score; /* (rows, ntheta) (rows, nscore) */
    float *x;              /* (rows, nobs) */
    uint8_t *valid;        /* (rows) */
};

static void block_free(struct block *b)
{
    free(b->theta);
    free(b->score);
    free(b->x);
    free(b->valid);
}

static ff_err block_alloc(struct block *b, const struct ff_draw_layout *l, long rows, ff_ctx *ctx)
{
    const size_t n = (size_t)rows;
    b->theta = malloc(n * (size_t)l->ntheta * sizeof *b->theta);
    b->score = malloc(n * (size_t)l->nscore * sizeof *b->score + 1);
    b->x = malloc(n * (size_t)l->nobs * sizeof *b->x);
    b->valid = malloc(n);
    if (b->theta && b->score && b->x && b->valid) return FF_OK;
    block_free(b);
    *b = (struct block){0};
    return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for %ld draws of %zu bytes", rows, l->size);
}

/* Where blocks go. first: row of the first one in the job. */
struct taker {
    void *self;
    ff_err (*take)(void *self, const struct ff_draw_layout *l, const struct block *b, long first, long rows,
                   ff_ctx *ctx);
};

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

static void add_row(struct block *b, const struct ff_draw_layout *l, long row, const char *record)
{
    memcpy(b->theta + row * l->ntheta, record, (size_t)l->ntheta * sizeof *b->theta);
    memcpy(b->score + row * l->nscore, record + l->score, (size_t)l->nscore * sizeof *b->score);
    memcpy(b->x + row * l->nobs, record + l->x, (size_t)l->nobs * sizeof *b->x);
    b->valid[row] = (uint8_t)record[l->valid];
}

/* The rows of one chunk, which stands in `dir`, a block at a time; *nvalid counts. */
static ff_err take_chunk(struct ff_draws *d, const struct ff_task *task, const char *dir, struct block *b,
                         const struct taker *taker, long *nvalid, ff_ctx *ctx)
{
    const struct ff_draw_layout *l = &d->layout;
    const long most = ff_draws_block_rows(l);
    ff_store *store = NULL;
    ff_err err = open_chunk(d, task, dir, &store, ctx);
    for (long i = 0, rows = 0; !err && i < task->count; i++) {
        if (!ff_store_get(store, i, d->records)) {
            err = ff_fail(ctx, FF_EIO, FF_HERE, "draw %ld can no longer be read from %s: run again with --resume",
                          task->first + i, dir);
            break;
        }
        add_row(b, l, rows, d->records);
        *nvalid += b->valid[rows];
        if (++rows < most && i + 1 < task->count) continue;
        err = taker->take(taker->self, l, b, task->first + i + 1 - rows, rows, ctx);
        rows = 0;
    }
    ff_store_close(store);
    return err;
}

/* ---- one file of all ---- */

static ff_err put_block(void *self, const struct ff_draw_layout *l, const struct block *b, long first, long rows,
                        ff_ctx *ctx)
{
    ff_h5 *f = self;
    ff_err err = ff_h5_put_rows(f, "draws", "theta", FF_F64_T, first, rows, b->theta, ctx);
    if (!err) err = ff_h5_put_rows(f, "draws", "x", FF_F32_T, first, rows, b->x, ctx);
    if (!err) err = ff_h5_put_rows(f, "draws", "valid", FF_U8_T, first, rows, b->valid, ctx);
    if (!err && l->nscore) err = ff_h5_put_rows(f, "draws", "score", FF_F64_T, first, rows, b->score, ctx);
    return err;
}

/* The pixel axes cannot be called y and x here: x is the name of the data. */
static ff_err reserve(ff_h5 *f, const struct ff_draws *d, ff_ctx *ctx)
{
    const struct ff_model *m = &d->job->model;
    const bool shear = m->observable != FF_CONVERGENCE;
    ff_err err = ff_h5_group(f, "draws", ctx);
    if (!err) err = ff_h5_dim(f, "draws", "draw", d->job->count, ctx);
    if (!err)
        err =
            ff_result_dim_parameters(f, "draws", "parameter", m->sources.nbins, d->layout.place, d->layout.ntheta, ctx);
    if (!err) err = ff_h5_dim(f, "draws", "bin", m->sources.nbins, ctx);
    if (!err && shear) err = ff_h5_dim(f, "draws", "component", 2, ctx);
    if (!err) err = ff_h5_dim_plain(f, "draws", "pixel_y", m->npix, ctx);
    if (!err) err = ff_h5_dim_plain(f, "draws", "pixel_x", m->npix, ctx);
    if (!err) err = ff_h5_reserve(f, "draws", "theta", FF_F64_T, "draw parameter", ctx);
    if (!err)
        err = ff_h5_reserve(f, "draws", "x", FF_F32_T,
                            shear ? "draw bin component pixel_y pixel_x" : "draw bin pixel_y pixel_x", ctx);
    if (!err) err = ff_h5_reserve(f, "draws", "valid", FF_U8_T, "draw", ctx);
    if (!err && d->layout.nscore) err = ff_h5_reserve(f, "draws", "score", FF_F64_T, "draw parameter", ctx);
    if (!err) err = ff_h5_attr_text(f, "draws/x", "observable", shear ? "shear" : "convergence", ctx);
    if (!err) err = ff_h5_attr_text(f, "draws/x", "noise", d->job->noise ? "included" : "none", ctx);
    return err;
}

static ff_err put_chunks(struct ff_draws *d, const struct ff_task *tasks, int ntasks,
                         const struct ff_task_folders *folders, ff_h5 *f, long *nvalid, ff_ctx *ctx)
{
    struct block block = {0};
    const struct taker taker = {.self = f, .take = put_block};
    ff_err err = block_alloc(&block, &d->layout, ff_draws_block_rows(&d->layout), ctx);
    for (int i = 0; !err && i < ntasks; i++) {
        if (tasks[i].kind != FF_TASK_CHUNK) continue;
        const char *dir = folders->of(folders->self, tasks[i].name);
        if (!dir)
            err = ff_fail(ctx, FF_ECHECKPOINT, FF_HERE, "%s, which the result is made of, is not done", tasks[i].name);
        else if (ff_run_stopped(d->run))
            err = ff_fail(ctx, FF_EINTERRUPTED, FF_HERE, "stopped while assembling the result; all draws are kept");
        if (!err) err = take_chunk(d, &tasks[i], dir, &block, &taker, nvalid, ctx);
        if (!err) ff_meter_count(&d->meter, "assembly", tasks[i].first + tasks[i].count, d->job->count);
    }
    block_free(&block);
    return err;
}

ff_err ff_draws_assemble(struct ff_draws *d, const struct ff_task *tasks, int ntasks,
                         const struct ff_task_folders *folders, ff_ctx *ctx)
{
    ff_h5 *f = NULL;
    long nvalid = 0;
    const struct ff_result_info info = ff_run_result_info(d->run, d->plan_hash);
    ff_meter_init(&d->meter, &d->run->sink, "manifest", 0);
    ff_err err = ff_result_open(&f, d->run->out, &info, ctx);
    if (!err) err = reserve(f, d, ctx);
    if (!err) err = put_chunks(d, tasks, ntasks, folders, f, &nvalid, ctx);
    if (err) {
        ff_h5_abandon(f);
        return err;
    }
    const struct ff_result_cost cost = {.gradients = d->layout.nscore ? nvalid : 0, .model_evaluations = d->job->count};
    return ff_result_close(f, &cost, ctx);
}

/* ---- .npy files of a chunk ---- */

enum { THETA, X, VALID, SCORE, NPARTS };
static const char *const PARTS[NPARTS] = {"theta", "x", "valid", "score"};

struct npy_files {
    FILE *file[NPARTS]; /* SCORE is NULL without scores */
};

static ff_err cannot_export(ff_ctx *ctx, const char *dir, int why)
{
    return ff_fail(ctx, why == ENOSPC || why == EDQUOT ? FF_EDISKFULL : FF_EIO, FF_HERE,
                   "the draws cannot be written to %s: %s", dir, strerror(why));
}

static bool put_rows(FILE *file, const void *rows, size_t size, size_t n)
{
    return !file || fwrite(rows, size, n, file) == n;
}

static ff_err export_block(void *self, const struct ff_draw_layout *l, const struct block *b, long first, long rows,
                           ff_ctx *ctx)
{
    const struct npy_files *e = self;
    const size_t n = (size_t)rows;
    (void)first;
    if (put_rows(e->file[THETA], b->theta, sizeof *b->theta, n * (size_t)l->ntheta) &&
        put_rows(e->file[X], b->x, sizeof *b->x, n * (size_t)l->nobs) &&
        put_rows(e->file[VALID], b->valid, sizeof *b->valid, n) &&
        put_rows(e->file[SCORE], b->score, sizeof *b->score, n * (size_t)l->nscore))
        return FF_OK;
    return cannot_export(ctx, "the .npy files of a chunk", errno);
}

static ff_err open_part(struct npy_files *e, int part, const struct ff_draws *d, long count, ff_ctx *ctx)
{
    static const enum ff_type types[NPARTS] = {FF_F64_T, FF_F32_T, FF_U8_T, FF_F64_T};
    const struct ff_maps *grid = &d->run->prepared->data;
    const long theta[] = {count, d->layout.ntheta}, npix = grid->npix,
               shear[] = {count, grid->nbins, grid->ncomp, npix, npix},
               convergence[] = {count, grid->nbins, npix, npix};
    const long *shape = part == X ? (grid->ncomp == 2 ? shear : convergence) : theta;
    const int rank = part == X ? (grid->ncomp == 2 ? 5 : 4) : part == VALID ? 1 : 2;
    char path[FF_PATH_SIZE + 64];
    snprintf(path, sizeof path, "%s/%s.npy", d->run->ckpt_dir, PARTS[part]);
    e->file[part] = fopen(path, "wbe");
    char head[FF_NPY_HEAD];
    const size_t size = ff_npy_head(head, types[part], rank, shape);
    if (e->file[part] && fwrite(head, 1, size, e->file[part]) == size) return FF_OK;
    return cannot_export(ctx, path, errno);
}

ff_err ff_draws_export(struct ff_draws *d, const struct ff_task *task, ff_ctx *ctx)
{
    struct npy_files e = {0};
    struct block block = {0};
    long nvalid = 0;
    const struct taker taker = {.self = &e, .take = export_block};
    const char *dir = d->run->ckpt_dir;
    ff_err err = block_alloc(&block, &d->layout, ff_draws_block_rows(&d->layout), ctx);
    for (int part = 0; !err && part < NPARTS; part++)
        if (part != SCORE || d->layout.nscore) err = open_part(&e, part, d, task->count, ctx);
    if (!err) err = take_chunk(d, task, dir, &block, &taker, &nvalid, ctx);
    for (int part = 0; part < NPARTS; part++)
        if (e.file[part] && fclose(e.file[part]) && !err) err = cannot_export(ctx, dir, errno);
    block_free(&block);
    return err;
}
