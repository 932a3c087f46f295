/* worker/job/draws_index.c - the result of a draws job that is too large for one file (draws_team.h): all but the
** arrays, and where those are. */
#include "worker/job/draws_rows.h"

#include <stdio.h>
#include <stdlib.h>

#include "worker/job/result_info.h"

static ff_err check_chunks(struct ff_draws *d, const struct ff_task *tasks, int ntasks,
                           const struct ff_task_folders *folders, struct ff_chunks *c, long *nvalid, ff_ctx *ctx)
{
    struct ff_draw_rows rows;
    ff_err err = ff_draw_rows_alloc(&rows, &d->layout, ctx);
    for (int i = 0; !err && i < ntasks; i++) {
        if (tasks[i].kind != FF_TASK_CHUNK) continue;
        const char *dir;
        struct ff_chunk *chunk = &c->chunk[c->n++];
        err = ff_draws_folder(d, &tasks[i], folders, &dir, ctx);
        if (!err) err = ff_draws_check_arrays(d, &tasks[i], dir, &rows, chunk, ctx);
        if (!err) ff_meter_count(&d->meter, "assembly", chunk->first + chunk->count, d->job->count);
        *nvalid += chunk->valid;
    }
    ff_draw_rows_free(&rows);
    c->total = c->n;
    return err;
}

static ff_err write_index(const struct ff_draws *d, const struct ff_chunks *c, long nvalid, ff_ctx *ctx)
{
    ff_h5 *f = NULL;
    const struct ff_result_info info = ff_run_result_info(d->run, d->plan_hash);
    ff_err err = ff_result_open(&f, d->run->out, &info, ctx);
    if (!err) err = ff_draws_dims(f, d, ctx);
    if (!err) err = ff_chunks_put(f, c, ctx);
    if (!err) return ff_draws_close(f, d, nvalid, ctx);
    return ff_h5_end(f, err, ctx);
}

ff_err ff_draws_index(struct ff_draws *d, const struct ff_task *tasks, int ntasks,
                      const struct ff_task_folders *folders, ff_ctx *ctx)
{
    long nvalid = 0;
    struct ff_chunks c = {.narrays = ff_draws_narrays(&d->layout), .chunk = calloc((size_t)ntasks, sizeof *c.chunk)};
    if (!c.chunk) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a list of %d chunks", ntasks);
    snprintf(c.observable, sizeof c.observable, "%s", ff_draws_observable(d));
    snprintf(c.noise, sizeof c.noise, "%s", ff_draws_noise(d));
    ff_meter_init(&d->meter, &d->run->sink, "manifest", 0);
    ff_err err = check_chunks(d, tasks, ntasks, folders, &c, &nvalid, ctx);
    if (!err) err = write_index(d, &c, nvalid, ctx);
    ff_chunks_done(&c);
    return err;
}
