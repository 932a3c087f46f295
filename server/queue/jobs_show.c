/* server/queue/jobs_show.c - jobs as the API shows them: one, and pages of them. See jobs.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/queue/jobs.h"
#include "server/queue/life.h"

#define JOB_COLUMNS                                                                                                    \
    "SELECT j.row, j.id, j.kind, j.name, j.state, j.reason, j.message, j.created_ms, j.started_ms, j.finished_ms, "    \
    "u.name, j.priority, j.pool, j.progress, j.attempts, j.ntasks, j.done, j.retry_of, j.extend_of, r.size, "          \
    "r.sha256, r.corrupt, r.chunk_bytes, j.problem "                                                                   \
    "FROM jobs j JOIN users u ON u.row = j.user LEFT JOIN results r ON r.job = j.row "
enum column {
    ROW,
    ID,
    KIND,
    NAME,
    STATE,
    REASON,
    MESSAGE,
    CREATED,
    STARTED,
    FINISHED,
    USER,
    PRIORITY,
    POOL,
    PROGRESS,
    ATTEMPTS,
    NTASKS,
    DONE,
    RETRY_OF,
    EXTEND_OF,
    SIZE,
    SHA256,
    CORRUPT,
    CHUNK_BYTES,
    PROBLEM
};

static json_t *links_of(const char *id, bool result)
{
    static const char *const names[] = {"events", "logs", "samples", "result"};
    char path[96];
    snprintf(path, sizeof path, "/v1/jobs/%s", id);
    json_t *links = json_pack("{ss}", "self", path);
    size_t n = sizeof names / sizeof names[0] - (result ? 0 : 1);
    for (size_t i = 0; links && i < n; i++) {
        snprintf(path, sizeof path, "/v1/jobs/%s/%s", id, names[i]);
        json_object_set_new(links, names[i], json_string(path));
    }
    return links;
}

static json_t *result_of(struct ff_stmt *s)
{
    if (!ff_col_text(s, SHA256)) return json_null();
    return json_pack("{sI ss sb sI}", "size", (json_int_t)ff_col_int(s, SIZE), "sha256", ff_col_text(s, SHA256),
                     "corrupt", ff_col_int(s, CORRUPT) != 0, "chunk_bytes", (json_int_t)ff_col_int(s, CHUNK_BYTES));
}

/* The job of the statement's row; NULL: no memory. */
static json_t *job_of(struct ff_stmt *s)
{
    json_t *job =
        json_pack("{ss ss ss ss ss ss so so so ss}", "id", ff_col_text(s, ID), "kind", ff_col_text(s, KIND), "name",
                  ff_col_text(s, NAME), "state", ff_col_text(s, STATE), "reason", ff_col_text(s, REASON), "message",
                  ff_col_text(s, MESSAGE), "created", ff_col_time(s, CREATED), "started", ff_col_time(s, STARTED),
                  "finished", ff_col_time(s, FINISHED), "user", ff_col_text(s, USER));
    json_t *rest = json_pack("{sI ss so sI s{sI sI} ss? ss? so so so}", "priority", (json_int_t)ff_col_int(s, PRIORITY),
                             "pool", ff_col_text(s, POOL), "progress", ff_col_json(s, PROGRESS), "attempts",
                             (json_int_t)ff_col_int(s, ATTEMPTS), "tasks", "total", (json_int_t)ff_col_int(s, NTASKS),
                             "done", (json_int_t)ff_col_int(s, DONE), "retry_of", ff_col_text(s, RETRY_OF), "extend_of",
                             ff_col_text(s, EXTEND_OF), "result", result_of(s), "error", ff_col_json(s, PROBLEM),
                             "links", links_of(ff_col_text(s, ID), ff_col_text(s, SHA256) != NULL));
    int failed = !job || !rest || json_object_update(job, rest);
    json_decref(rest);
    if (!failed) return job;
    json_decref(job);
    return NULL;
}

/* ---- one ---- */

/* When leases end only dispatch knows: null here. */
static ff_err tasks_of(ff_tx *tx, int64_t job, json_t *out, ff_ctx *ctx)
{
    struct ff_stmt s;
    ff_err err = FF_OK;
    ff_sql_open(&s, tx, "SELECT name, state, attempt, worker, reason FROM tasks WHERE job = ?1 ORDER BY number",
                FF_ARGS(FF_I(job)), ctx);
    while (!err && ff_sql_next(&s)) {
        const char *worker = ff_col_text(&s, 3);
        json_t *task = json_pack("{ss ss sI ss? sn ss}", "name", ff_col_text(&s, 0), "state", ff_col_text(&s, 1),
                                 "attempt", (json_int_t)ff_col_int(&s, 2), "worker", *worker ? worker : NULL,
                                 "lease_expires", "reason", ff_col_text(&s, 4));
        ff_list_add(&err, out, task, ctx);
    }
    ff_err closed = ff_sql_close(&s);
    return err ? err : closed;
}

static ff_err add_rest(ff_tx *tx, int64_t row, json_t *job, ff_ctx *ctx)
{
    struct ff_stmt s;
    json_t *tasks = json_array();
    ff_sql_open(&s, tx, "SELECT text FROM specs WHERE job = ?1", FF_ARGS(FF_I(row)), ctx);
    if (ff_sql_next(&s)) json_object_set_new(job, "spec", ff_col_json(&s, 0));
    ff_err err = ff_sql_close(&s);
    json_t *counts = json_object_get(job, "tasks"); /* make room for the list */
    if (!err && (!tasks || json_object_set(job, "task_counts", counts) || json_object_set(job, "tasks", tasks)))
        err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a job");
    if (!err) err = tasks_of(tx, row, tasks, ctx);
    json_decref(tasks);
    return err;
}

ff_err ff_jobs_get(ff_tx *tx, const struct ff_who *who, const char *id, bool full, json_t **out, ff_ctx *ctx)
{
    struct ff_stmt s;
    int64_t row = 0;
    *out = NULL;
    ff_sql_open(&s, tx, JOB_COLUMNS "WHERE j.id = ?1 AND (j.user = ?2 OR ?3)",
                FF_ARGS(FF_T(id), FF_I(who->user), FF_I(who->admin)), ctx);
    if (ff_sql_next(&s)) {
        row = ff_col_int(&s, ROW);
        *out = job_of(&s);
    }
    ff_err err = ff_sql_close(&s);
    if (!err && !row) return ff_fail_no_job(id, ctx);
    if (!err && !*out) err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a job");
    if (!err && full) err = add_rest(tx, row, *out, ctx);
    if (!err) return FF_OK;
    json_decref(*out);
    *out = NULL;
    return err;
}

/* ---- pages ---- */

/* By row number downwards, which is by time of submission; each of the four has its index. */
#define PAGE_END "AND j.row < ?1 AND (?4 IS NULL OR j.kind = ?4) ORDER BY j.row DESC LIMIT ?5"
static const char *page_query(bool all, bool state)
{
    if (all) return state ? JOB_COLUMNS "WHERE j.state = ?3 " PAGE_END : JOB_COLUMNS "WHERE ?3 IS NULL " PAGE_END;
    return state ? JOB_COLUMNS "WHERE j.user = ?2 AND j.state = ?3 " PAGE_END
                 : JOB_COLUMNS "WHERE j.user = ?2 AND ?3 IS NULL " PAGE_END;
}

static ff_err fill_page(ff_tx *tx, const struct ff_who *who, const struct ff_job_filter *f, int64_t before,
                        json_t *jobs, json_t **next, ff_ctx *ctx)
{
    struct ff_stmt s;
    ff_err err = FF_OK;
    int64_t last = 0;
    int n = 0;
    ff_sql_open(&s, tx, page_query(f->all_users && who->admin, f->state != NULL),
                FF_ARGS(FF_I(before), FF_I(who->user), FF_T(f->state), FF_T(f->kind), FF_I(f->limit + 1)), ctx);
    while (!err && n < f->limit && ff_sql_next(&s)) {
        last = ff_col_int(&s, ROW);
        ff_list_add(&err, jobs, job_of(&s), ctx);
        n++;
    }
    bool more = !err && n == f->limit && ff_sql_next(&s);
    ff_err closed = ff_sql_close(&s);
    *next = more ? ff_cursor_make(last) : json_null();
    return err ? err : closed;
}

ff_err ff_jobs_list(ff_tx *tx, const struct ff_who *who, const struct ff_job_filter *filter, json_t **out, ff_ctx *ctx)
{
    int64_t before;
    json_t *next = NULL;
    *out = NULL;
    if (filter->limit < 1 || filter->limit > 500)
        return ff_fail_at(ctx, FF_EBADREQUEST, "limit", FF_HERE, "%d stands here; allowed: 1 to 500", filter->limit);
    if (filter->all_users && !who->admin)
        return ff_fail(ctx, FF_EFORBIDDEN, FF_HERE, "only an administrator sees the jobs of all users");
    ff_err err = ff_cursor_read(filter->cursor, &before, ctx);
    if (err) return err;
    json_t *jobs = json_array();
    err = fill_page(tx, who, filter, before, jobs, &next, ctx);
    *out = json_pack("{so so}", "jobs", jobs, "next_cursor", next);
    if (!err && !*out) err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a list of jobs");
    if (!err) return FF_OK;
    json_decref(*out);
    *out = NULL;
    return err;
}
