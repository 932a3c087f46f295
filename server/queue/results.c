/* server/queue/results.c - results as rows. See datasets.h. */
#include "server/queue/datasets.h"
#include "server/queue/life.h"

#define RESULT_COLUMNS                                                                                                 \
    "SELECT j.id, r.task, r.attempt, r.path, r.sha256, r.size, r.created_ms, r.corrupt, r.chunk_bytes FROM results r " \
    "JOIN jobs j ON j.row = r.job "

static void result_of(struct ff_stmt *s, struct ff_result_row *row)
{
    *row = (struct ff_result_row){.attempt = (int)ff_col_int(s, 2),
                                  .size = ff_col_int(s, 5),
                                  .created_ms = ff_col_int(s, 6),
                                  .corrupt = ff_col_int(s, 7) != 0,
                                  .chunk_bytes = ff_col_int(s, 8)};
    ff_col_copy(s, 0, row->job, sizeof row->job);
    ff_col_copy(s, 1, row->task, sizeof row->task);
    ff_col_copy(s, 3, row->path, sizeof row->path);
    ff_col_copy(s, 4, row->sha256, sizeof row->sha256);
}

ff_err ff_results_find(ff_tx *tx, const struct ff_who *who, const char *job, struct ff_result_row *row, ff_ctx *ctx)
{
    struct ff_stmt s;
    struct ff_job_row known;
    *row = (struct ff_result_row){0};
    ff_err err = ff_jobs_find(tx, who, job, &known, ctx);
    if (err) return err;
    ff_sql_open(&s, tx, RESULT_COLUMNS "WHERE r.job = ?1", FF_ARGS(FF_I(known.row)), ctx);
    if (ff_sql_next(&s)) result_of(&s, row);
    err = ff_sql_close(&s);
    if (err || row->job[0]) return err;
    return ff_fail_at(ctx, FF_ENOTFOUND, job, FF_HERE, "the job has no result (it is %s)", known.state);
}

ff_err ff_results_flag_corrupt(ff_tx *tx, const char *job, ff_ctx *ctx)
{
    ff_err err = ff_sql_run(tx, "UPDATE results SET corrupt = 1 WHERE job = (SELECT row FROM jobs WHERE id = ?1)",
                            FF_ARGS(FF_T(job)), ctx);
    return err || ff_sql_changed(tx) ? err : ff_fail_no_job(job, ctx);
}

ff_err ff_results_each(ff_tx *tx, ff_result_fn fn, void *self, ff_ctx *ctx)
{
    struct ff_stmt s;
    ff_err stopped = FF_OK;
    ff_sql_open(&s, tx, RESULT_COLUMNS "ORDER BY r.job", FF_NO_ARGS, ctx);
    while (!stopped && ff_sql_next(&s)) {
        struct ff_result_row row;
        result_of(&s, &row);
        stopped = fn(self, &row, ctx);
    }
    ff_err err = ff_sql_close(&s);
    return stopped ? stopped : err;
}
