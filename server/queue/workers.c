/* server/queue/workers.c - gangs that have registered. See workers.h. Those gone for a week are forgotten. */
#include "server/queue/workers.h"

#include "server/queue/life.h"

#define WEEK_MS (INT64_C(7) * 24 * 3600 * 1000)

ff_err ff_workers_put(ff_tx *tx, const struct ff_worker_row *w, ff_ctx *ctx)
{
    int64_t now = ff_now_ms();
    ff_err err =
        ff_sql_run(tx, "DELETE FROM workers WHERE state = 'gone' AND seen_ms < ?1", FF_ARGS(FF_I(now - WEEK_MS)), ctx);
    if (err) return err;
    return ff_sql_run(tx,
                      "INSERT OR REPLACE INTO workers (id, name, pool, backend, device, build, state, ranks, threads, "
                      "memory, seen_ms) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
                      FF_ARGS(FF_T(w->id), FF_T(w->name), FF_T(w->pool), FF_T(w->backend), FF_T(w->device),
                              FF_T(w->build), FF_T(w->state), FF_I(w->ranks), FF_I(w->threads), FF_R(w->memory_bytes),
                              FF_I(now)),
                      ctx);
}

static ff_err no_worker(const char *id, ff_ctx *ctx)
{
    return ff_fail_at(ctx, FF_ENOTFOUND, id, FF_HERE, "there is no such worker");
}

ff_err ff_workers_state(ff_tx *tx, const char *id, const char *state, ff_ctx *ctx)
{
    ff_err err = ff_sql_run(tx, "UPDATE workers SET state = ?2, seen_ms = ?3 WHERE id = ?1",
                            FF_ARGS(FF_T(id), FF_T(state), FF_I(ff_now_ms())), ctx);
    return err || ff_sql_changed(tx) ? err : no_worker(id, ctx);
}

static json_t *worker_of(struct ff_stmt *s)
{
    json_t *task = json_null();
    if (ff_col_text(s, 12))
        task = json_pack("{ss? ss sI}", "job", ff_col_text(s, 11), "task", ff_col_text(s, 12), "attempt",
                         (json_int_t)ff_col_int(s, 13));
    return json_pack("{ss ss ss ss ss ss ss sI sI sf so so}", "id", ff_col_text(s, 0), "name", ff_col_text(s, 1),
                     "pool", ff_col_text(s, 2), "backend", ff_col_text(s, 3), "device", ff_col_text(s, 4), "build",
                     ff_col_text(s, 5), "state", ff_col_text(s, 6), "ranks", (json_int_t)ff_col_int(s, 7), "threads",
                     (json_int_t)ff_col_int(s, 8), "memory_bytes", ff_col_real(s, 9), "seen", ff_col_time(s, 10),
                     "task", task);
}

ff_err ff_workers_list(ff_tx *tx, bool admin, json_t **out, ff_ctx *ctx)
{
    struct ff_stmt s;
    ff_sql_open(&s, tx,
                "SELECT w.id, w.name, w.pool, w.backend, w.device, w.build, w.state, w.ranks, w.threads, w.memory, "
                "w.seen_ms, CASE ?1 WHEN 1 THEN j.id END, t.name, t.attempt FROM workers w "
                "LEFT JOIN tasks t ON t.worker = w.id AND t.state = 'running' LEFT JOIN jobs j ON j.row = t.job "
                "ORDER BY w.state = 'gone', w.name, w.id",
                FF_ARGS(FF_I(admin)), ctx);
    return ff_list_rows(&s, "workers", worker_of, out, ctx);
}

ff_err ff_workers_find(ff_tx *tx, const char *id, struct ff_worker_row *row, ff_ctx *ctx)
{
    struct ff_stmt s;
    *row = (struct ff_worker_row){0};
    ff_sql_open(&s, tx,
                "SELECT id, name, pool, backend, device, build, state, ranks, threads, memory FROM workers "
                "WHERE id = ?1",
                FF_ARGS(FF_T(id)), ctx);
    if (ff_sql_next(&s)) {
        ff_col_copy(&s, 0, row->id, sizeof row->id);
        ff_col_copy(&s, 1, row->name, sizeof row->name);
        ff_col_copy(&s, 2, row->pool, sizeof row->pool);
        ff_col_copy(&s, 3, row->backend, sizeof row->backend);
        ff_col_copy(&s, 4, row->device, sizeof row->device);
        ff_col_copy(&s, 5, row->build, sizeof row->build);
        ff_col_copy(&s, 6, row->state, sizeof row->state);
        row->ranks = (int)ff_col_int(&s, 7);
        row->threads = (int)ff_col_int(&s, 8);
        row->memory_bytes = ff_col_real(&s, 9);
    }
    ff_err err = ff_sql_close(&s);
    return err || row->id[0] ? err : no_worker(id, ctx);
}
