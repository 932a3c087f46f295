/* server/queue/tasks_read.c - who holds what, and how much there is to do. See tasks.h. */
#include <stdlib.h>
#include <string.h>

#include "server/queue/life.h"
#include "server/queue/tasks.h"

/* A lease that ran out is an end that nobody reported, so it does not count. */
static ff_err was_recorded(ff_tx *tx, const char *job, const char *task, int attempt, bool *recorded, ff_ctx *ctx)
{
    int64_t n = 0;
    const ff_err err = ff_sql_int(tx, &n, 0,
                                  "SELECT count(*) FROM commits c JOIN jobs j ON j.row = c.job WHERE j.id = ?1 AND "
                                  "c.task = ?2 AND c.attempt = ?3 AND c.outcome <> ?4",
                                  FF_ARGS(FF_T(job), FF_T(task), FF_I(attempt), FF_I(FF_TASK_LOST)), ctx);
    *recorded = n > 0;
    return err;
}

ff_err ff_tasks_holding(ff_tx *tx, const char *job, const char *task, int attempt, struct ff_holding *out, ff_ctx *ctx)
{
    struct ff_stmt s;
    *out = (struct ff_holding){0};
    ff_sql_open(&s, tx,
                "SELECT j.state FROM jobs j JOIN tasks t ON t.job = j.row WHERE j.id = ?1 AND t.name = ?2 AND "
                "t.attempt = ?3 AND t.attempt > 0 AND t.state IN ('running', 'queued') AND j.ended = 0",
                FF_ARGS(FF_T(job), FF_T(task), FF_I(attempt)), ctx);
    if (ff_sql_next(&s)) {
        out->current = true;
        out->cancelling = !strcmp(ff_col_text(&s, 0), "cancelling");
    }
    const ff_err err = ff_sql_close(&s);
    return err ? err : was_recorded(tx, job, task, attempt, &out->recorded, ctx);
}

/* Rows (job id, task, worker, attempt, walltime, start) of a statement, which is closed. */
static ff_err gather(struct ff_stmt *s, struct ff_running **out, int *n, ff_ctx *ctx)
{
    int capacity = 0;
    bool no_memory = false;
    *out = NULL;
    *n = 0;
    while (!no_memory && ff_sql_next(s)) {
        if (*n == capacity) {
            capacity = capacity ? 2 * capacity : 16;
            struct ff_running *more = realloc(*out, (size_t)capacity * sizeof *more);
            no_memory = !more;
            if (no_memory) break;
            *out = more;
        }
        struct ff_running *r = &(*out)[(*n)++];
        ff_col_copy(s, 0, r->job, sizeof r->job);
        ff_col_copy(s, 1, r->task, sizeof r->task);
        ff_col_copy(s, 2, r->worker, sizeof r->worker);
        r->attempt = (int)ff_col_int(s, 3);
        /* over: as good as over, since 0 says that there is none */
        const double left = ff_walltime_left(ff_col_real(s, 4), ff_col_int(s, 5), ff_now_ms());
        r->walltime_s = left < 0 ? 1e-3 : left;
    }
    ff_err err = ff_sql_close(s);
    if (!err && no_memory) err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the running tasks");
    if (!err) return FF_OK;
    free(*out);
    *out = NULL;
    *n = 0;
    return err;
}

ff_err ff_tasks_running(ff_tx *tx, struct ff_running **out, int *n, ff_ctx *ctx)
{
    struct ff_stmt s;
    ff_sql_open(&s, tx,
                "SELECT j.id, t.name, t.worker, t.attempt, j.walltime_s, j.started_ms FROM tasks t "
                "JOIN jobs j ON j.row = t.job WHERE t.state = 'running' ORDER BY t.job, t.number",
                FF_NO_ARGS, ctx);
    return gather(&s, out, n, ctx);
}

ff_err ff_tasks_cancelling(ff_tx *tx, struct ff_running **out, int *n, ff_ctx *ctx)
{
    struct ff_stmt s;
    ff_sql_open(
        &s, tx,
        "SELECT j.id, t.name, t.worker, t.attempt, j.walltime_s, j.started_ms FROM jobs j "
        "JOIN tasks t ON t.job = j.row WHERE j.state = 'cancelling' AND t.state = 'running' ORDER BY t.job, t.number",
        FF_NO_ARGS, ctx);
    return gather(&s, out, n, ctx);
}

ff_err ff_tasks_count(ff_tx *tx, const char *pool, long *ready, long *running, ff_ctx *ctx)
{
    int64_t n = 0, m = 0;
    ff_err err;
    if (*pool) {
        err = ff_sql_int(tx, &n, 0, "SELECT count(*) FROM tasks WHERE state = 'queued' AND pool = ?1",
                         FF_ARGS(FF_T(pool)), ctx);
        if (!err)
            err = ff_sql_int(tx, &m, 0, "SELECT count(*) FROM tasks WHERE state = 'running' AND pool = ?1",
                             FF_ARGS(FF_T(pool)), ctx);
    } else {
        err = ff_sql_int(tx, &n, 0, "SELECT count(*) FROM tasks WHERE state = 'queued'", FF_NO_ARGS, ctx);
        if (!err) err = ff_sql_int(tx, &m, 0, "SELECT count(*) FROM tasks WHERE state = 'running'", FF_NO_ARGS, ctx);
    }
    *ready = (long)n;
    *running = (long)m;
    return err;
}
