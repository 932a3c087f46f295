/* server/queue/jobs_find.c - one job by id, for whoever may see it; cancelling; counts; retention. See jobs.h. */
#include <stdlib.h>
#include <string.h>

#include "server/queue/jobs.h"
#include "server/queue/life.h"

ff_err ff_fail_no_job(const char *id, ff_ctx *ctx)
{
    return ff_fail_at(ctx, FF_ENOTFOUND, id, FF_HERE, "there is no such job");
}

ff_err ff_job_row_of(ff_tx *tx, const struct ff_who *who, const char *id, int64_t *row, ff_ctx *ctx)
{
    return ff_sql_int(tx, row, 0, "SELECT row FROM jobs WHERE id = ?1 AND (user = ?2 OR ?3)",
                      FF_ARGS(FF_T(id), FF_I(who->user), FF_I(who->admin)), ctx);
}

ff_err ff_jobs_find(ff_tx *tx, const struct ff_who *who, const char *id, struct ff_job_row *out, ff_ctx *ctx)
{
    struct ff_stmt s;
    *out = (struct ff_job_row){0};
    ff_sql_open(&s, tx,
                "SELECT j.row, j.ended, j.last_seq, j.last_sample, j.state, j.kind, r.task FROM jobs j "
                "LEFT JOIN results r ON r.job = j.row WHERE j.id = ?1 AND (j.user = ?2 OR ?3)",
                FF_ARGS(FF_T(id), FF_I(who->user), FF_I(who->admin)), ctx);
    if (ff_sql_next(&s)) {
        out->row = ff_col_int(&s, 0);
        out->ended = ff_col_int(&s, 1) != 0;
        out->last_seq = (long)ff_col_int(&s, 2);
        out->last_sample = (long)ff_col_int(&s, 3);
        ff_col_copy(&s, 4, out->state, sizeof out->state);
        ff_col_copy(&s, 5, out->kind, sizeof out->kind);
        ff_col_copy(&s, 6, out->result_task, sizeof out->result_task);
    }
    ff_err err = ff_sql_close(&s);
    return err || out->row ? err : ff_fail_no_job(id, ctx);
}

ff_err ff_jobs_spec(ff_tx *tx, const struct ff_who *who, const char *id, char **spec, ff_ctx *ctx)
{
    struct ff_stmt s;
    bool found = false;
    *spec = NULL;
    ff_sql_open(&s, tx,
                "SELECT s.text FROM jobs j JOIN specs s ON s.job = j.row WHERE j.id = ?1 AND (j.user = ?2 OR ?3)",
                FF_ARGS(FF_T(id), FF_I(who->user), FF_I(who->admin)), ctx);
    if (ff_sql_next(&s)) {
        found = true;
        *spec = strdup(ff_col_text(&s, 0));
    }
    ff_err err = ff_sql_close(&s);
    if (!err && !found) err = ff_fail_no_job(id, ctx);
    if (!err && !*spec) err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a job");
    return err;
}

ff_err ff_jobs_cancel(ff_tx *tx, const struct ff_who *who, const char *id, const char *reason, ff_ctx *ctx)
{
    struct ff_job_row job;
    ff_err err = ff_jobs_find(tx, who, id, &job, ctx);
    if (err) return err;
    if (ff_state_ended(job.state))
        return ff_fail_at(ctx, FF_ECONFLICT, id, FF_HERE,
                          "the job has ended (%s); only one that has not can be cancelled", job.state);
    return ff_life_cancel(tx, job.row, reason, ctx);
}

/* ---- counts ---- */

static long *count_of(struct ff_job_counts *c, const char *state)
{
    const struct {
        const char *state;
        long *count;
    } all[] = {{"queued", &c->queued},       {"running", &c->running}, {"cancelling", &c->cancelling},
               {"succeeded", &c->succeeded}, {"failed", &c->failed},   {"crashed", &c->crashed},
               {"cancelled", &c->cancelled}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        if (!strcmp(state, all[i].state)) return all[i].count;
    }
    return NULL;
}

static ff_err read_durations(ff_tx *tx, struct ff_job_counts *out, ff_ctx *ctx)
{
    struct ff_stmt s;
    ff_sql_open(&s, tx,
                "SELECT substr(n.name, 6), n.value, ms.value FROM totals n JOIN totals ms "
                "ON ms.name = 'job_ms.' || substr(n.name, 6) WHERE n.name >= 'jobs.' AND n.name < 'jobs/' ORDER BY 1",
                FF_NO_ARGS, ctx);
    while (out->nkinds < FF_MAX_KINDS && ff_sql_next(&s)) {
        ff_col_copy(&s, 0, out->duration[out->nkinds].kind, sizeof out->duration[0].kind);
        out->duration[out->nkinds].jobs = (long)ff_col_int(&s, 1);
        out->duration[out->nkinds].seconds = (double)ff_col_int(&s, 2) / 1000;
        out->nkinds++;
    }
    return ff_sql_close(&s);
}

ff_err ff_jobs_count(ff_tx *tx, struct ff_job_counts *out, ff_ctx *ctx)
{
    struct ff_stmt s;
    int64_t oldest = 0, redeliveries = 0;
    *out = (struct ff_job_counts){0};
    ff_sql_open(&s, tx, "SELECT state, count(*) FROM jobs GROUP BY state", FF_NO_ARGS, ctx);
    while (ff_sql_next(&s)) {
        long *count = count_of(out, ff_col_text(&s, 0));
        if (count) *count = (long)ff_col_int(&s, 1);
    }
    ff_err err = ff_sql_close(&s);
    if (!err)
        err = ff_sql_int(tx, &oldest, 0, "SELECT created_ms FROM jobs WHERE state = 'queued' ORDER BY row LIMIT 1",
                         FF_NO_ARGS, ctx);
    if (!err)
        err = ff_sql_int(tx, &redeliveries, 0, "SELECT value FROM totals WHERE name = 'redeliveries'", FF_NO_ARGS, ctx);
    if (!err) err = read_durations(tx, out, ctx);
    double age = (double)(ff_now_ms() - oldest) / 1000;
    out->oldest_queued_s = oldest && age > 0 ? age : 0;
    out->redeliveries = (long)redeliveries;
    return err;
}

/* ---- retention ---- */

ff_err ff_jobs_expired(ff_tx *tx, int64_t before_ms, int most, char (**ids)[FF_ID_SIZE], int *n, ff_ctx *ctx)
{
    struct ff_stmt s;
    *n = 0;
    *ids = calloc((size_t)(most > 0 ? most : 1), sizeof **ids);
    if (!*ids) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for %d ids", most);
    /* one that another job still goes on from is kept */
    ff_sql_open(&s, tx,
                "SELECT id FROM jobs j WHERE finished_ms < ?1 AND finished_ms IS NOT NULL AND NOT EXISTS "
                "(SELECT 1 FROM jobs k WHERE k.extend_of = j.id AND k.extend_of IS NOT NULL AND k.finished_ms IS NULL) "
                "ORDER BY finished_ms LIMIT ?2",
                FF_ARGS(FF_I(before_ms), FF_I(most)), ctx);
    while (*n < most && ff_sql_next(&s)) ff_col_copy(&s, 0, (*ids)[(*n)++], FF_ID_SIZE);
    ff_err err = ff_sql_close(&s);
    if (!err) return FF_OK;
    free(*ids);
    *ids = NULL;
    *n = 0;
    return err;
}

ff_err ff_jobs_remove(ff_tx *tx, const char *id, ff_ctx *ctx)
{
    const struct ff_who anybody = {.admin = true};
    struct ff_job_row job;
    ff_err err = ff_jobs_find(tx, &anybody, id, &job, ctx);
    if (err) return err;
    if (!ff_state_ended(job.state))
        return ff_fail_at(ctx, FF_ECONFLICT, id, FF_HERE, "the job has not ended; only one that has can be removed");
    return ff_sql_run(tx, "DELETE FROM jobs WHERE row = ?1", FF_ARGS(FF_I(job.row)), ctx);
}
