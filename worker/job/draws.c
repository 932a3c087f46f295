/* worker/job/draws.c - see draws_team.h: chunks of draws, and the job that is made of them. */
#include "worker/job/draws_rows.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fault.h"
#include "common/version.h"
#include "worker/io/folder.h"

/* ---- memory ---- */

size_t ff_draws_bytes(const struct ff_job *job, int threads)
{
    struct ff_draw_layout layout;
    ff_draw_layout_of(&layout, job);
    const size_t makers = (size_t)ff_draws_makers(job, job->count, threads);
    const size_t maker = ff_drawer_bytes(&job->model, threads / (int)makers) + layout.size +
                         (size_t)(layout.nscore ? layout.nobs : 0) * sizeof(float);
    return makers * maker + 3 * (size_t)ff_draws_block_rows(&layout) * layout.size;
}

int ff_draws_makers(const struct ff_job *job, long most, int threads)
{
    if (job->model.simulator == FF_SIM_LPT) return 1;
    return most < threads ? (int)most : threads;
}

/* ---- chunks ---- */

void ff_draws_store_path(const char *dir, const struct ff_task *task, char *path, size_t size)
{
    snprintf(path, size, "%s/%s.store", dir, task->name);
}

static ff_err open_chunk(const struct ff_draws *d, const struct ff_task *task, bool resume, ff_store **store,
                         ff_ctx *ctx)
{
    char path[FF_PATH_SIZE + 64];
    ff_draws_store_path(d->run->ckpt_dir, task, path, sizeof path);
    const struct ff_store_config config = {.path = path,
                                           .identity = d->run->prepared->spec_hash,
                                           .origin = d->origin,
                                           .record = d->layout.size,
                                           .nrecords = task->count,
                                           .resume = resume};
    bool other_origin;
    ff_err err = ff_store_open(store, &config, &other_origin, ctx);
    if (!err && other_origin)
        ff_emit_log(&d->run->sink, task->name, "warning",
                    "the draws kept so far came from another build or processor: their last digits may differ from a "
                    "run in one piece");
    return err;
}

/* One chunk while it is worked on. */
struct chunk {
    struct ff_draws *draws;
    const struct ff_task *task;
    const ff_store *store;
    bool resume;
    long next;  /* draw to be taken */
    ff_err err; /* the first failure */
    ff_ctx *ctx;
};

/* One draw: kept from before, or made and stored. */
static ff_err do_draw(const struct chunk *c, int worker, long i, ff_ctx *ctx)
{
    const struct ff_draws *d = c->draws;
    const bool lead = ff_run_leads(d->run);
    char *record = d->records + (size_t)worker * d->layout.size;
    struct {
        bool kept, stop;
    } told = {.kept = lead && c->resume && ff_store_get(c->store, i, record), .stop = lead && ff_run_stopped(d->run)};
    ff_err err = ff_share(d->run->comm, &told, sizeof told, ctx);
    if (!err && told.stop)
        err = ff_fail(ctx, FF_EINTERRUPTED, FF_HERE, "stopped with %ld of %ld draws kept", d->done, d->total);
    if (err || told.kept) return err;
    err = ff_draw_make(&d->makers[worker], c->task->first + i, record, ctx);
    if (!err && lead) err = ff_store_put(c->store, i, record, ctx);
    ff_crash_point("draw_kept");
    return ff_share_error(d->run->comm, err, ctx);
}

/* Takes draws of the chunk until none is left, somebody failed, or the run is to stop. */
static void work(struct chunk *c, int worker)
{
    struct ff_draws *d = c->draws;
    for (;;) {
        ff_ctx own = {0};
        long i;
        ff_err failed;
#pragma omp critical(ff_draws_chunk)
        {
            i = c->next++;
            failed = c->err;
        }
        if (i >= c->task->count || failed) return;
        ff_err err = do_draw(c, worker, i, &own);
#pragma omp critical(ff_draws_chunk)
        {
            if (err && !c->err) {
                c->err = err;
                if (c->ctx) *c->ctx = own;
            } else if (!err) {
                d->done++;
                ff_meter_count(&d->meter, "draws", d->done, d->total);
            }
        }
    }
}

ff_err ff_draws_chunk(struct ff_draws *d, const struct ff_task *task, bool resume, ff_ctx *ctx)
{
    ff_store *store = NULL;
    ff_err err = ff_run_leads(d->run) ? open_chunk(d, task, resume, &store, ctx) : FF_OK;
    err = ff_share_error(d->run->comm, err, ctx);
    if (err) return err;
    struct chunk c = {.draws = d, .task = task, .store = store, .resume = resume, .ctx = ctx};
    snprintf(d->meter.task, sizeof d->meter.task, "%s", task->name);
#pragma omp parallel for num_threads(d->nmakers) schedule(static, 1)
    for (int worker = 0; worker < d->nmakers; worker++) work(&c, worker);
    ff_store_close(store);
    return c.err;
}

/* ---- who makes them ---- */

ff_err ff_draws_init(struct ff_draws *d, const struct ff_run *run, long most, ff_ctx *ctx)
{
    const struct ff_job *job = run->prepared->job;
    *d = (struct ff_draws){.run = run, .job = job, .nmakers = ff_draws_makers(job, most, run->threads)};
    ff_draw_layout_of(&d->layout, job);
    d->makers = calloc((size_t)d->nmakers, sizeof *d->makers);
    d->records = malloc((size_t)d->nmakers * d->layout.size);
    ff_err err = FF_OK;
    if (!d->makers || !d->records)
        err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for %d draws of %zu bytes", d->nmakers, d->layout.size);
    for (int i = 0; !err && i < d->nmakers; i++)
        err = ff_draw_maker_init(&d->makers[i], job, &run->prepared->shift, run->prepared->data.noise_sd, &d->layout,
                                 run->threads / d->nmakers, run->comm, ctx);
    if (err) {
        ff_draws_done(d);
        return err;
    }
    d->plan_hash = ff_sim_plan_hash(d->makers[0].drawer.engine.sim);
    snprintf(d->origin, sizeof d->origin, "%s %s %016llx", ff_build_id(), ff_cpu_class(),
             (unsigned long long)d->plan_hash);
    d->total = job->count;
    ff_meter_init(&d->meter, &run->sink, "draws", 0);
    return FF_OK;
}

void ff_draws_done(struct ff_draws *d)
{
    for (int i = 0; d->makers && i < d->nmakers; i++) ff_draw_maker_done(&d->makers[i]);
    free(d->makers);
    free(d->records);
    *d = (struct ff_draws){0};
}

/* ---- the tasks one by one ---- */

ff_err ff_run_chunk(const struct ff_task_run *t, ff_ctx *ctx)
{
    struct ff_draws d;
    char from[FF_PATH_SIZE + 64], to[FF_PATH_SIZE + 64];
    bool found = t->resume_dir != NULL;
    ff_err err = FF_OK;
    if (t->resume_dir && strcmp(t->resume_dir, t->run.ckpt_dir) != 0) {
        ff_draws_store_path(t->resume_dir, t->task, from, sizeof from);
        ff_draws_store_path(t->run.ckpt_dir, t->task, to, sizeof to);
        err = ff_folder_copy(from, to, &found, ctx);
    }
    err = ff_share_error(t->run.comm, err, ctx);
    if (!err) err = ff_draws_init(&d, &t->run, t->task->count, ctx);
    if (err) return err;
    d.total = t->task->count;
    err = ff_draws_chunk(&d, t->task, found, ctx);
    if (!err && ff_run_leads(&t->run)) err = ff_draws_export(&d, t->task, ctx);
    err = ff_share_error(t->run.comm, err, ctx);
    if ((!err || err == FF_EINTERRUPTED) && t->checkpointed) t->checkpointed(t->checkpointed_self);
    ff_draws_done(&d);
    return err;
}

/* Bytes of the arrays of /draws, all chunks together. */
static double array_bytes(const struct ff_draws *d)
{
    double row = 0;
    for (int a = 0; a < ff_draws_narrays(&d->layout); a++) row += (double)ff_draws_row_bytes(&d->layout, a);
    return row * (double)d->job->count;
}

/* The result, in one file or as an index. */
static ff_err write_result(struct ff_draws *d, const struct ff_task_run *t, const struct ff_task *tasks, int ntasks,
                           ff_ctx *ctx)
{
    const bool whole = !(t->assemble_bytes > 0) || array_bytes(d) <= t->assemble_bytes;
    if (!whole) return ff_draws_index(d, tasks, ntasks, &t->done, ctx);
    const ff_err err = ff_folder_check_room(t->run.out, ff_store_bytes(d->layout.size, d->job->count), "/count", ctx);
    return err ? err : ff_draws_assemble(d, tasks, ntasks, &t->done, ctx);
}

ff_err ff_run_manifest(const struct ff_task_run *t, ff_ctx *ctx)
{
    struct ff_task *tasks = NULL;
    int ntasks;
    struct ff_draws d;
    ff_err err = ff_tasks_split(t->run.prepared->job, &tasks, &ntasks, ctx);
    if (!err) err = ff_draws_init(&d, &t->run, 1, ctx);
    if (!err) {
        if (ff_run_leads(&t->run)) err = write_result(&d, t, tasks, ntasks, ctx);
        err = ff_share_error(t->run.comm, err, ctx);
        ff_draws_done(&d);
    }
    free(tasks);
    return err;
}

/* ---- the job ---- */

/* Chunks of one worker stand in one folder. */
static const char *same_folder(void *self, const char *name)
{
    (void)name;
    return ((const struct ff_run *)self)->ckpt_dir;
}

ff_err ff_run_draws(const struct ff_run *run, const struct ff_task *tasks, int ntasks, ff_ctx *ctx)
{
    struct ff_draws d;
    struct ff_draw_layout layout;
    ff_draw_layout_of(&layout, run->prepared->job);
    const struct ff_task_folders folders = {.self = (void *)run, .of = same_folder};
    /* The kept draws and the result assembled from them stand side by side for a while. */
    const double bytes = 2 * ff_store_bytes(layout.size, run->prepared->job->count);
    const bool lead = ff_run_leads(run);
    ff_err err = run->resume || !lead ? FF_OK : ff_folder_check_room(run->out, bytes, "/count", ctx);
    err = ff_share_error(run->comm, err, ctx);
    if (!err) err = ff_draws_init(&d, run, run->prepared->job->count, ctx);
    if (err) return err;
    for (int i = 0; !err && i < ntasks; i++) {
        ff_run_tell(run, tasks[i].name, "running", NULL);
        if (tasks[i].kind == FF_TASK_CHUNK)
            err = ff_draws_chunk(&d, &tasks[i], run->resume, ctx);
        else
            err = ff_share_error(run->comm, lead ? ff_draws_assemble(&d, tasks, ntasks, &folders, ctx) : FF_OK, ctx);
        ff_run_tell_end(run, tasks[i].name, err, ctx);
    }
    ff_draws_done(&d);
    return err;
}
