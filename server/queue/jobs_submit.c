/* server/queue/jobs_submit.c - a job comes in: idempotency key, quotas, datasets, job, tasks and first event, all in one
** transaction. See jobs.h. */
#include <stdlib.h>
#include <string.h>

#include "common/fault.h"
#include "server/queue/extend.h"
#include "server/queue/jobs.h"
#include "server/queue/life.h"
#include "server/queue/quota.h"

enum { KEY_LIFE_MS = 48 * 3600 * 1000 };

/* ---- idempotency ---- */

/* *again: the key belongs to this very request, whose job is `id`. */
static ff_err find_key(ff_tx *tx, const struct ff_submission *s, int64_t now, char id[FF_ID_SIZE], bool *again,
                       ff_ctx *ctx)
{
    struct ff_stmt q;
    bool same = false;
    ff_err err = ff_sql_run(tx, "DELETE FROM idempotency WHERE created_ms < ?1", FF_ARGS(FF_I(now - KEY_LIFE_MS)), ctx);
    if (err) return err;
    ff_sql_open(&q, tx, "SELECT job, request FROM idempotency WHERE user = ?1 AND key = ?2",
                FF_ARGS(FF_I(s->who.user), FF_T(s->idempotency_key)), ctx);
    if (ff_sql_next(&q)) {
        *again = true;
        same = !strcmp(ff_col_text(&q, 1), s->request_hash);
        ff_col_copy(&q, 0, id, FF_ID_SIZE);
    }
    err = ff_sql_close(&q);
    if (err || !*again || same) return err;
    *again = false;
    id[0] = '\0';
    return ff_fail(ctx, FF_EKEYREUSED, FF_HERE, "this idempotency key was used for another request");
}

static ff_err keep_key(ff_tx *tx, const struct ff_submission *s, int64_t now, const char *id, ff_ctx *ctx)
{
    return ff_sql_run(tx, "INSERT INTO idempotency (user, key, request, job, created_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
                      FF_ARGS(FF_I(s->who.user), FF_T(s->idempotency_key), FF_T(s->request_hash), FF_T(id), FF_I(now)),
                      ctx);
}

/* ---- rows ---- */

static ff_err insert_job(ff_tx *tx, const struct ff_submission *s, const char *id, int64_t now, int ntasks, int nwaits,
                         int64_t *row, ff_ctx *ctx)
{
    const struct ff_resources *r = &s->job->resources;
    ff_err err =
        ff_sql_run(tx,
                   "INSERT INTO jobs (id, user, kind, name, state, pool, priority, walltime_s, created_ms, ntasks, "
                   "nwaits, retry_of, extend_of) VALUES (?1, ?2, ?3, ?4, 'queued', ?5, ?6, ?7, ?8, ?9, ?10, ?11, "
                   "?12)",
                   FF_ARGS(FF_T(id), FF_I(s->who.user), FF_T(ff_kind_name(s->job->kind)), FF_T(s->job->name),
                           FF_T(r->pool[0] ? r->pool : "default"), FF_I(r->priority), FF_R(r->walltime_s), FF_I(now),
                           FF_I(ntasks), FF_I(nwaits), FF_T(s->retry_of), FF_T(s->extend_of)),
                   ctx);
    *row = ff_sql_row(tx);
    return err;
}

static bool waits(const struct ff_task *task)
{
    return task->kind == FF_TASK_REDUCE || task->kind == FF_TASK_MANIFEST;
}

static ff_err insert_task(ff_tx *tx, const struct ff_submission *s, int64_t row, const struct ff_task *task, int number,
                          const char *state, const char *target, ff_ctx *ctx)
{
    const struct ff_resources *r = &s->job->resources;
    return ff_sql_run(tx,
                      "INSERT INTO tasks (job, name, number, user, pool, priority, ranks, memory, first, count, waits, "
                      "state, target) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
                      FF_ARGS(FF_I(row), FF_T(task->name), FF_I(number), FF_I(s->who.user),
                              FF_T(r->pool[0] ? r->pool : "default"), FF_I(r->priority),
                              FF_I(r->ranks > 0 ? r->ranks : 1), FF_R(s->memory_bytes), FF_I(task->first),
                              FF_I(task->count), FF_I(waits(task)), FF_T(state), FF_T(target)),
                      ctx);
}

static ff_err insert_tasks(ff_tx *tx, const struct ff_submission *s, int64_t row, const struct ff_task *tasks,
                           int ntasks, const struct ff_extension *extension, ff_ctx *ctx)
{
    ff_err err = FF_OK;
    for (int i = 0; i < ntasks && !err; i++) {
        bool blocked = waits(&tasks[i]) && ntasks > 1;
        const char *target = tasks[i].kind == FF_TASK_CHAIN ? extension->target : NULL;
        err = insert_task(tx, s, row, &tasks[i], i, blocked ? "blocked" : "queued", target, ctx);
    }
    if (!err)
        err = ff_sql_run(tx, "INSERT INTO specs (job, text, extend) VALUES (?1, ?2, ?3)",
                         FF_ARGS(FF_I(row), FF_T(s->spec), FF_T(extension->from)), ctx);
    return err;
}

static ff_err insert_datasets(ff_tx *tx, const struct ff_submission *s, int64_t row, ff_ctx *ctx)
{
    ff_err err = FF_OK;
    for (int i = 0; i < s->ndatasets && !err; i++) {
        int64_t dataset;
        err = ff_sql_int(tx, &dataset, 0, "SELECT row FROM datasets WHERE id = ?1 AND (user = ?2 OR ?3)",
                         FF_ARGS(FF_T(s->datasets[i]), FF_I(s->who.user), FF_I(s->who.admin)), ctx);
        if (!err && !dataset) err = ff_fail_at(ctx, FF_ENOTFOUND, s->datasets[i], FF_HERE, "there is no such dataset");
        if (!err)
            err = ff_sql_run(tx, "INSERT OR IGNORE INTO job_datasets (job, dataset) VALUES (?1, ?2)",
                             FF_ARGS(FF_I(row), FF_I(dataset)), ctx);
    }
    return err;
}

/* ---- the whole ---- */

static ff_err check_retry(ff_tx *tx, const struct ff_submission *s, ff_ctx *ctx)
{
    int64_t row = 1;
    if (!s->retry_of) return FF_OK;
    ff_err err = ff_job_row_of(tx, &s->who, s->retry_of, &row, ctx);
    return err || row ? err : ff_fail_no_job(s->retry_of, ctx);
}

static ff_err insert_all(ff_tx *tx, const struct ff_submission *s, const struct ff_task *tasks, int ntasks,
                         const struct ff_extension *extension, const char *id, int64_t now, ff_ctx *ctx)
{
    int64_t row;
    int nwaits = 0;
    for (int i = 0; i < ntasks; i++) nwaits += ntasks > 1 && waits(&tasks[i]);
    ff_err err = insert_job(tx, s, id, now, ntasks, nwaits, &row, ctx);
    if (!err) err = insert_tasks(tx, s, row, tasks, ntasks, extension, ctx);
    if (!err) err = insert_datasets(tx, s, row, ctx);
    if (!err) err = ff_life_task_event(tx, row, NULL, 1, "queued", NULL, NULL, ctx);
    if (!err && s->idempotency_key) err = keep_key(tx, s, now, id, ctx);
    ff_crash_point("queue_submitted");
    return err;
}

ff_err ff_jobs_submit(ff_tx *tx, const struct ff_submission *s, char id[FF_ID_SIZE], bool *again, ff_ctx *ctx)
{
    int64_t now = ff_now_ms();
    struct ff_extension extension = {0};
    struct ff_task *tasks = NULL;
    int ntasks = 0;
    *again = false;
    id[0] = '\0';
    ff_err err = s->idempotency_key ? find_key(tx, s, now, id, again, ctx) : FF_OK;
    if (err || *again) return err;
    err = ff_quota_submit(tx, s->who.user, now, ctx);
    if (!err) err = check_retry(tx, s, ctx);
    if (!err && s->extend_of) err = ff_extension_make(tx, s, &extension, ctx);
    if (!err) err = ff_tasks_split(s->job, &tasks, &ntasks, ctx);
    if (!err) {
        ff_id_make("job_", id);
        err = insert_all(tx, s, tasks, ntasks, &extension, id, now, ctx);
    }
    free(tasks);
    ff_extension_done(&extension);
    if (err) {
        id[0] = '\0';
        return err;
    }
    ff_note_ready(tx);
    return FF_OK;
}
