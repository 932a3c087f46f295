/* worker/job/draws.c - see draws.h: the tasks of a draws job, chunk after chunk, and the result assembled from them. */
#include "worker/job/draws.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/version.h"
#include "worker/io/folder.h"
#include "worker/io/store.h"
#include "worker/job/meter.h"
#include "worker/job/result_info.h"
#include "worker/job/run.h"

static const size_t BLOCK_BYTES = (size_t)8 << 20; /* of records moved at once into the result */

struct team {
    const struct ff_run *run;
    const struct ff_job *job;
    struct ff_draw_layout layout;
    char origin[256];
    int nmakers;
    struct ff_draw_maker *makers; /* (nmakers) */
    char *records;                /* (nmakers, layout.size) */
    struct ff_meter meter;
    long done;
};

/* ---- memory and disk ---- */

static long block_rows(const struct ff_draw_layout *layout)
{
    const size_t rows = BLOCK_BYTES / layout->size;
    return rows ? (long)rows : 1;
}

size_t ff_draws_bytes(const struct ff_job *job, int threads)
{
    struct ff_draw_layout layout;
    ff_draw_layout_of(&layout, job);
    const size_t makers = (size_t)(job->count < threads ? job->count : threads);
    const size_t maker =
        ff_drawer_bytes(&job->model, 1) + layout.size + (size_t)(layout.nscore ? layout.nobs : 0) * sizeof(float);
    return makers * maker + 3 * (size_t)block_rows(&layout) * layout.size;
}

/* ---- chunks ---- */

static void store_config(const struct team *t, const struct ff_task *task, char *path, size_t size,
                         struct ff_store_config *config)
{
    snprintf(path, size, "%s/%s.store", t->run->ckpt_dir, task->name);
    *config = (struct ff_store_config){.path = path,
                                       .identity = t->run->prepared->spec_hash,
                                       .origin = t->origin,
                                       .record = t->layout.size,
                                       .nrecords = task->count,
                                       .resume = t->run->resume};
}

static ff_err open_chunk(const struct team *t, const struct ff_task *task, bool reading, ff_store **store, ff_ctx *ctx)
{
    char path[FF_PATH_SIZE + 64];
    struct ff_store_config config;
    bool other_origin;
    store_config(t, task, path, sizeof path, &config);
    if (reading) config.resume = true;
    ff_err err = ff_store_open(store, &config, &other_origin, ctx);
    if (!err && other_origin && !reading)
        ff_emit_log(&t->run->sink, task->name, "warning",
                    "the draws kept so far came from another build or processor: their last digits may differ from a "
                    "run in one piece");
    return err;
}

/* One draw: kept from before, or made and stored. */
static ff_err do_draw(struct team *t, int worker, const struct ff_task *task, const ff_store *store, long i,
                      ff_ctx *ctx)
{
    char *record = t->records + (size_t)worker * t->layout.size;
    if (t->run->resume && ff_store_get(store, i, record)) return FF_OK;
    ff_err err = ff_draw_make(&t->makers[worker], task->first + i, record, ctx);
    if (!err) err = ff_store_put(store, i, record, ctx);
    return err;
}

/* Takes draws of the chunk from `next` until none is left, somebody failed, or the run is to stop. */
static void work(struct team *t, int worker, const struct ff_task *task, const ff_store *store, long *next,
                 ff_err *first_err, ff_ctx *ctx)
{
    for (;;) {
        ff_ctx own = {0};
        long i;
        ff_err failed;
#pragma omp critical(ff_draws_team)
        {
            i = (*next)++;
            failed = *first_err;
        }
        if (i >= task->count || failed) return;
        ff_err err = ff_run_stopped(t->run) ? ff_fail(&own, FF_EINTERRUPTED, FF_HERE,
                                                      "stopped with %ld of %ld draws kept", t->done, t->job->count)
                                            : do_draw(t, worker, task, store, i, &own);
#pragma omp critical(ff_draws_team)
        {
            if (err && !*first_err) {
                *first_err = err;
                if (ctx) *ctx = own;
            } else if (!err) {
                t->done++;
                ff_meter_count(&t->meter, "draws", t->done, t->job->count);
            }
        }
    }
}

static ff_err run_chunk(struct team *t, const struct ff_task *task, ff_ctx *ctx)
{
    ff_store *store = NULL;
    long next = 0;
    ff_err err = open_chunk(t, task, false, &store, ctx);
    if (err) return err;
    snprintf(t->meter.task, sizeof t->meter.task, "%s", task->name);
    ff_emit_state(&t->run->sink, task->name, "running", NULL, NULL);
#pragma omp parallel for num_threads(t->nmakers) schedule(static, 1)
    for (int worker = 0; worker < t->nmakers; worker++) work(t, worker, task, store, &next, &err, ctx);
    ff_store_close(store);
    if (!err) ff_emit_state(&t->run->sink, task->name, "succeeded", NULL, NULL);
    return err;
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

static ff_err write_block(ff_h5 *f, const struct ff_draw_layout *l, const struct block *b, long first, long rows,
                          ff_ctx *ctx)
{
    ff_err err = ff_h5_put_rows(f, "draws", "theta", FF_F64_T, first, rows, b->theta, ctx);
    if (!err) err = ff_h5_put_rows(f, "draws", "x", FF_F32_T, first, rows, b->x, ctx);
    if (!err) err = ff_h5_put_rows(f, "draws", "valid", FF_U8_T, first, rows, b->valid, ctx);
    if (!err && l->nscore) err = ff_h5_put_rows(f, "draws", "score", FF_F64_T, first, rows, b->score, ctx);
    return err;
}

/* The rows of one chunk, a block at a time; `nvalid` counts. */
static ff_err copy_chunk(struct team *t, const struct ff_task *task, ff_h5 *f, struct block *b, long *nvalid,
                         ff_ctx *ctx)
{
    const struct ff_draw_layout *l = &t->layout;
    const long rows = block_rows(l);
    ff_store *store = NULL;
    ff_err err = open_chunk(t, task, true, &store, ctx);
    for (long i = 0, held = 0; !err && i < task->count; i++) {
        const char *record = t->records;
        if (!ff_store_get(store, i, t->records)) {
            err = ff_fail(ctx, FF_EIO, FF_HERE, "draw %ld can no longer be read from %s: run again with --resume",
                          task->first + i, t->run->ckpt_dir);
            break;
        }
        memcpy(b->theta + held * l->ntheta, record, (size_t)l->ntheta * sizeof *b->theta);
        memcpy(b->score + held * l->nscore, record + l->score, (size_t)l->nscore * sizeof *b->score);
        memcpy(b->x + held * l->nobs, record + l->x, (size_t)l->nobs * sizeof *b->x);
        b->valid[held] = (uint8_t)record[l->valid];
        *nvalid += record[l->valid];
        if (++held < rows && i + 1 < task->count) continue;
        err = write_block(f, l, b, task->first + i + 1 - held, held, ctx);
        held = 0;
    }
    ff_store_close(store);
    return err;
}

/* The pixel axes cannot be called y and x here: x is the name of the data. */
static ff_err reserve(ff_h5 *f, const struct team *t, ff_ctx *ctx)
{
    const struct ff_model *m = &t->job->model;
    const bool shear = m->observable != FF_CONVERGENCE;
    ff_err err = ff_h5_group(f, "draws", ctx);
    if (!err) err = ff_h5_dim(f, "draws", "draw", t->job->count, ctx);
    if (!err)
        err =
            ff_result_dim_parameters(f, "draws", "parameter", m->sources.nbins, t->layout.place, t->layout.ntheta, ctx);
    if (!err) err = ff_h5_dim(f, "draws", "bin", m->sources.nbins, ctx);
    if (!err && shear) err = ff_h5_dim(f, "draws", "component", 2, ctx);
    if (!err) err = ff_h5_dim_plain(f, "draws", "pixel_y", m->npix, ctx);
    if (!err) err = ff_h5_dim_plain(f, "draws", "pixel_x", m->npix, ctx);
    if (!err) err = ff_h5_reserve(f, "draws", "theta", FF_F64_T, "draw parameter", ctx);
    if (!err)
        err = ff_h5_reserve(f, "draws", "x", FF_F32_T,
                            shear ? "draw bin component pixel_y pixel_x" : "draw bin pixel_y pixel_x", ctx);
    if (!err) err = ff_h5_reserve(f, "draws", "valid", FF_U8_T, "draw", ctx);
    if (!err && t->layout.nscore) err = ff_h5_reserve(f, "draws", "score", FF_F64_T, "draw parameter", ctx);
    if (!err) err = ff_h5_attr_text(f, "draws/x", "observable", shear ? "shear" : "convergence", ctx);
    if (!err) err = ff_h5_attr_text(f, "draws/x", "noise", t->job->noise ? "included" : "none", ctx);
    return err;
}

static ff_err assemble(struct team *t, const struct ff_task *tasks, int ntasks, ff_ctx *ctx)
{
    struct block block = {0};
    ff_h5 *f = NULL;
    long nvalid = 0;
    const struct ff_result_info info = ff_run_result_info(t->run, ff_sim_plan_hash(t->makers[0].drawer.engine.sim));
    ff_err err = block_alloc(&block, &t->layout, block_rows(&t->layout), ctx);
    if (!err) err = ff_result_open(&f, t->run->out, &info, ctx);
    if (!err) err = reserve(f, t, ctx);
    ff_meter_init(&t->meter, &t->run->sink, "manifest", 0);
    for (int i = 0; !err && i < ntasks; i++) {
        if (tasks[i].kind != FF_TASK_CHUNK) continue;
        if (ff_run_stopped(t->run))
            err = ff_fail(ctx, FF_EINTERRUPTED, FF_HERE, "stopped while assembling the result; all draws are kept");
        if (!err) err = copy_chunk(t, &tasks[i], f, &block, &nvalid, ctx);
        if (!err) ff_meter_count(&t->meter, "assembly", tasks[i].first + tasks[i].count, t->job->count);
    }
    block_free(&block);
    if (err) {
        ff_h5_abandon(f);
        return err;
    }
    const struct ff_result_cost cost = {.gradients = t->layout.nscore ? nvalid : 0, .model_evaluations = t->job->count};
    return ff_result_close(f, &cost, ctx);
}

/* ---- the job ---- */

static ff_err team_init(struct team *t, const struct ff_run *run, ff_ctx *ctx)
{
    const struct ff_job *job = run->prepared->job;
    *t = (struct team){.run = run, .job = job, .nmakers = job->count < run->threads ? (int)job->count : run->threads};
    ff_draw_layout_of(&t->layout, job);
    t->makers = calloc((size_t)t->nmakers, sizeof *t->makers);
    t->records = malloc((size_t)t->nmakers * t->layout.size);
    if (!t->makers || !t->records)
        return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for %d draws of %zu bytes", t->nmakers, t->layout.size);
    ff_err err = FF_OK;
    for (int i = 0; !err && i < t->nmakers; i++)
        err = ff_draw_maker_init(&t->makers[i], job, &run->prepared->shift, run->prepared->data.noise_sd, &t->layout,
                                 ctx);
    if (err) return err;
    snprintf(t->origin, sizeof t->origin, "%s %s %016llx", ff_build_id(), ff_cpu_class(),
             (unsigned long long)ff_sim_plan_hash(t->makers[0].drawer.engine.sim));
    ff_meter_init(&t->meter, &run->sink, "draws", 0);
    return FF_OK;
}

static void team_done(struct team *t)
{
    for (int i = 0; t->makers && i < t->nmakers; i++) ff_draw_maker_done(&t->makers[i]);
    free(t->makers);
    free(t->records);
}

ff_err ff_run_draws(const struct ff_run *run, ff_ctx *ctx)
{
    struct ff_task *tasks = NULL;
    int ntasks = 0;
    struct team team = {0};
    struct ff_draw_layout layout;
    ff_draw_layout_of(&layout, run->prepared->job);
    /* The kept draws and the result assembled from them stand side by side for a while. */
    const double bytes = 2 * ff_store_bytes(layout.size, run->prepared->job->count);
    ff_err err = run->resume ? FF_OK : ff_folder_check_room(run->out, bytes, "/count", ctx);
    if (!err) err = ff_tasks_split(run->prepared->job, &tasks, &ntasks, ctx);
    if (!err) err = team_init(&team, run, ctx);
    for (int i = 0; !err && i < ntasks; i++) {
        if (tasks[i].kind == FF_TASK_CHUNK) err = run_chunk(&team, &tasks[i], ctx);
        if (!err && tasks[i].kind == FF_TASK_MANIFEST) err = assemble(&team, tasks, ntasks, ctx);
    }
    team_done(&team);
    free(tasks);
    return err;
}
