/* worker/job/draws_result.c - the result of a draws job in one file, assembled from its chunks (draws_team.h). */
#include "worker/job/draws_rows.h"
#include "worker/job/result_info.h"

static ff_err put_rows(void *self, const struct ff_draw_layout *l, const struct ff_draw_rows *rows, long first, long n,
                       ff_ctx *ctx)
{
    ff_err err = FF_OK;
    for (int a = 0; !err && a < ff_draws_narrays(l); a++)
        err = ff_h5_put_rows(self, "draws", ff_chunk_arrays[a].name, ff_chunk_arrays[a].type, first, n, rows->array[a],
                             ctx);
    return err;
}

/* The pixel axes cannot be called y and x here: x is the name of the data. */
ff_err ff_draws_dims(ff_h5 *f, const struct ff_draws *d, ff_ctx *ctx)
{
    const struct ff_model *m = &d->job->model;
    ff_err err = ff_h5_group(f, "draws", ctx);
    if (!err) err = ff_h5_dim(f, "draws", "draw", d->job->count, ctx);
    if (!err)
        err =
            ff_result_dim_parameters(f, "draws", "parameter", m->sources.nbins, d->layout.place, d->layout.ntheta, ctx);
    if (!err) err = ff_h5_dim(f, "draws", "bin", m->sources.nbins, ctx);
    if (!err && m->observable != FF_CONVERGENCE) err = ff_h5_dim(f, "draws", "component", 2, ctx);
    if (!err) err = ff_h5_dim_plain(f, "draws", "pixel_y", m->npix, ctx);
    if (!err) err = ff_h5_dim_plain(f, "draws", "pixel_x", m->npix, ctx);
    return err;
}

const char *ff_draws_observable(const struct ff_draws *d)
{
    return d->job->model.observable != FF_CONVERGENCE ? "shear" : "convergence";
}

const char *ff_draws_noise(const struct ff_draws *d)
{
    return d->job->noise ? "included" : "none";
}

static ff_err reserve(ff_h5 *f, const struct ff_draws *d, ff_ctx *ctx)
{
    const bool components = d->job->model.observable != FF_CONVERGENCE;
    ff_err err = ff_draws_dims(f, d, ctx);
    for (int a = 0; !err && a < ff_draws_narrays(&d->layout); a++)
        err = ff_h5_reserve(f, "draws", ff_chunk_arrays[a].name, ff_chunk_arrays[a].type, ff_chunk_dims(a, components),
                            ctx);
    if (!err) err = ff_h5_attr_text(f, "draws/x", "observable", ff_draws_observable(d), ctx);
    if (!err) err = ff_h5_attr_text(f, "draws/x", "noise", ff_draws_noise(d), ctx);
    return err;
}

ff_err ff_draws_folder(const struct ff_draws *d, const struct ff_task *task, const struct ff_task_folders *folders,
                       const char **dir, ff_ctx *ctx)
{
    *dir = folders->of(folders->self, task->name);
    if (!*dir) return ff_fail(ctx, FF_ECHECKPOINT, FF_HERE, "%s, which the result is made of, is not done", task->name);
    if (ff_run_stopped(d->run))
        return ff_fail(ctx, FF_EINTERRUPTED, FF_HERE, "stopped while making the result; all draws are kept");
    return FF_OK;
}

static ff_err put_chunks(struct ff_draws *d, const struct ff_task *tasks, int ntasks,
                         const struct ff_task_folders *folders, ff_h5 *f, long *nvalid, ff_ctx *ctx)
{
    struct ff_draw_rows rows;
    const struct ff_rows_taker taker = {.self = f, .take = put_rows};
    ff_err err = ff_draw_rows_alloc(&rows, &d->layout, ctx);
    for (int i = 0; !err && i < ntasks; i++) {
        if (tasks[i].kind != FF_TASK_CHUNK) continue;
        const char *dir;
        err = ff_draws_folder(d, &tasks[i], folders, &dir, ctx);
        if (!err) err = ff_draws_take(d, &tasks[i], dir, &rows, &taker, nvalid, ctx);
        if (!err) ff_meter_count(&d->meter, "assembly", tasks[i].first + tasks[i].count, d->job->count);
    }
    ff_draw_rows_free(&rows);
    return err;
}

ff_err ff_draws_close(ff_h5 *f, const struct ff_draws *d, long nvalid, ff_ctx *ctx)
{
    const struct ff_result_cost cost = {.gradients = d->layout.nscore ? nvalid : 0, .model_evaluations = d->job->count};
    return ff_result_close(f, &cost, ctx);
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
    if (!err) return ff_draws_close(f, d, nvalid, ctx);
    return ff_h5_end(f, err, ctx);
}
