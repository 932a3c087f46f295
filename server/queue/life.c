/* server/queue/life.c - see life.h. */
#include "server/queue/life.h"

#include <stdlib.h>
#include <string.h>

#include "server/queue/events.h"

bool ff_state_ended(const char *state)
{
    return !strcmp(state, "succeeded") || !strcmp(state, "failed") || !strcmp(state, "crashed") ||
           !strcmp(state, "cancelled");
}

ff_err ff_life_read(ff_tx *tx, int64_t job, struct ff_life *out, ff_ctx *ctx)
{
    struct ff_stmt s;
    *out = (struct ff_life){0};
    ff_sql_open(&s, tx, "SELECT state, ntasks, nwaits, running, done FROM jobs WHERE row = ?1", FF_ARGS(FF_I(job)),
                ctx);
    if (ff_sql_next(&s)) {
        out->row = job;
        ff_col_copy(&s, 0, out->state, sizeof out->state);
        out->ntasks = (int)ff_col_int(&s, 1);
        out->nwaits = (int)ff_col_int(&s, 2);
        out->running = (int)ff_col_int(&s, 3);
        out->done = (int)ff_col_int(&s, 4);
    }
    ff_err err = ff_sql_close(&s);
    if (!err && !out->row) err = ff_fail(ctx, FF_EBUG, FF_HERE, "a job is not in the database");
    return err;
}

static json_t *state_event(const char *state, const char *reason, const char *message)
{
    return json_pack("{ss ss so so}", "type", "state", "state", state, "reason", ff_json_text(reason), "message",
                     ff_json_text(message));
}

ff_err ff_life_job(ff_tx *tx, int64_t job, const char *state, const char *reason, const char *message, ff_ctx *ctx)
{
    ff_err err =
        ff_sql_run(tx, "UPDATE jobs SET state = ?2, reason = ?3, message = ?4 WHERE row = ?1",
                   FF_ARGS(FF_I(job), FF_T(state), FF_T(reason ? reason : ""), FF_T(message ? message : "")), ctx);
    return err ? err : ff_events_append(tx, job, NULL, 1, state_event(state, reason, message), ctx);
}

ff_err ff_life_task_event(ff_tx *tx, int64_t job, const char *task, int attempt, const char *state, const char *reason,
                          const char *message, ff_ctx *ctx)
{
    return ff_events_append(tx, job, task, attempt < 1 ? 1 : attempt, state_event(state, reason, message), ctx);
}

/* ---- the end ---- */

static json_t *end_event(const struct ff_end *end)
{
    json_t *event = json_pack("{ss ss so so}", "type", "end", "state", end->state, "reason", ff_json_text(end->reason),
                              "message", ff_json_text(end->message));
    if (event && end->problem) json_object_set(event, "error", (json_t *)end->problem);
    return event;
}

/* Into the totals, which outlive the jobs: how many jobs of its kind have run and ended, and how long they took. The clock may
** have been set back meanwhile: no job took less than no time. One that never ran does not count. */
static ff_err count_duration(ff_tx *tx, int64_t job, int64_t now, ff_ctx *ctx)
{
    return ff_sql_run(tx,
                      "INSERT INTO totals (name, value) "
                      "SELECT 'jobs.' || kind, 1 FROM jobs WHERE row = ?1 AND started_ms IS NOT NULL UNION ALL "
                      "SELECT 'job_ms.' || kind, max(?2 - started_ms, 0) FROM jobs WHERE row = ?1 AND "
                      "started_ms IS NOT NULL ON CONFLICT (name) DO UPDATE SET value = value + excluded.value",
                      FF_ARGS(FF_I(job), FF_I(now)), ctx);
}

ff_err ff_life_end(ff_tx *tx, int64_t job, const struct ff_end *end, ff_ctx *ctx)
{
    const int64_t now = ff_now_ms();
    int64_t holders = 0;
    char *problem = end->problem ? json_dumps(end->problem, JSON_COMPACT) : NULL;
    ff_err err = ff_sql_int(tx, &holders, 0, "SELECT running FROM jobs WHERE row = ?1", FF_ARGS(FF_I(job)), ctx);
    if (!err)
        err = ff_sql_run(tx,
                         "UPDATE tasks SET state = 'cancelled' WHERE job = ?1 AND "
                         "state IN ('blocked', 'queued', 'running')",
                         FF_ARGS(FF_I(job)), ctx);
    if (!err)
        err = ff_sql_run(tx,
                         "UPDATE jobs SET state = ?2, reason = ?3, message = ?4, problem = ?5, finished_ms = ?6 "
                         "WHERE row = ?1",
                         FF_ARGS(FF_I(job), FF_T(end->state), FF_T(end->reason ? end->reason : ""),
                                 FF_T(end->message ? end->message : ""), FF_T(problem), FF_I(now)),
                         ctx);
    if (!err) err = count_duration(tx, job, now, ctx);
    if (!err) err = ff_events_append(tx, job, NULL, 1, end_event(end), ctx);
    if (holders) ff_note_cancels(tx);
    free(problem);
    return err;
}

static const char *words_of(const char *reason)
{
    if (!strcmp(reason, "walltime")) return "its walltime is over; what it had computed is kept";
    if (!strcmp(reason, "admin")) return "cancelled by an administrator";
    return "cancelled by its user";
}

ff_err ff_life_cancel(ff_tx *tx, int64_t job, const char *reason, ff_ctx *ctx)
{
    struct ff_life life;
    ff_err err = ff_life_read(tx, job, &life, ctx);
    if (err || !strcmp(life.state, "cancelling") || ff_state_ended(life.state)) return err;
    if (!life.running) {
        const struct ff_end end = {.state = "cancelled", .reason = reason, .message = words_of(reason)};
        return ff_life_end(tx, job, &end, ctx);
    }
    err = ff_sql_run(tx, "UPDATE tasks SET state = 'cancelled' WHERE job = ?1 AND state IN ('blocked', 'queued')",
                     FF_ARGS(FF_I(job)), ctx);
    if (!err) err = ff_life_job(tx, job, "cancelling", reason, words_of(reason), ctx);
    ff_note_cancels(tx);
    return err;
}

double ff_walltime_left(double walltime_s, int64_t started_ms, int64_t now)
{
    if (!(walltime_s > 0)) return 0;
    double ran_s = started_ms && now > started_ms ? (double)(now - started_ms) / 1000 : 0;
    return ran_s < walltime_s ? walltime_s - ran_s : -1;
}
