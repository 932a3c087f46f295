/* server/queue/tasks_commit.c - how an attempt ended, and everything that follows from it. See tasks.h.
** The fence is the UPDATE in move_task: it changes the row of this attempt, while nobody has been leased the task since and
** the job has not ended, or no row. What was recorded before is answered again without being done again. */
#include <stdlib.h>
#include <string.h>

#include "common/fault.h"
#include "server/queue/events.h"
#include "server/queue/life.h"
#include "server/queue/quota.h"
#include "server/queue/tasks.h"

enum { POISON_FIRST_MS = 30000, ENVIRONMENT_FIRST_MS = 5000, WAIT_MOST_MS = 3600000 };

/* A report with what the database says about its task. */
struct report {
    ff_tx *tx;
    const struct ff_commit *c;
    int64_t job, user, now;
    char state[12]; /* of the task */
    int losses;
    bool known, running; /* running: else the lease was lost meanwhile */
    const char *reason;
};

static ff_err load(struct report *r, ff_ctx *ctx)
{
    struct ff_stmt s;
    ff_sql_open(&s, r->tx,
                "SELECT j.row, j.user, t.state, t.losses FROM jobs j JOIN tasks t ON t.job = j.row "
                "WHERE j.id = ?1 AND t.name = ?2",
                FF_ARGS(FF_T(r->c->job), FF_T(r->c->task)), ctx);
    if (ff_sql_next(&s)) {
        r->known = true;
        r->job = ff_col_int(&s, 0);
        r->user = ff_col_int(&s, 1);
        ff_col_copy(&s, 2, r->state, sizeof r->state);
        r->losses = (int)ff_col_int(&s, 3);
        r->running = !strcmp(r->state, "running");
    }
    return ff_sql_close(&s);
}

/* Was this outcome of this attempt recorded before, with the same file? */
static ff_err recorded(const struct report *r, bool *same, bool *other, ff_ctx *ctx)
{
    struct ff_stmt s;
    *same = *other = false;
    ff_sql_open(&s, r->tx, "SELECT sha256 FROM commits WHERE job = ?1 AND task = ?2 AND attempt = ?3 AND outcome = ?4",
                FF_ARGS(FF_I(r->job), FF_T(r->c->task), FF_I(r->c->attempt), FF_I(r->c->outcome)), ctx);
    if (ff_sql_next(&s)) {
        *same = !strcmp(ff_col_text(&s, 0), r->c->sha256 ? r->c->sha256 : "");
        *other = !*same;
    }
    return ff_sql_close(&s);
}

/* ---- the fence ---- */

struct move {
    const char *state;
    int64_t not_before;
    int losses; /* to be added */
    bool done;  /* this attempt is the one to build on */
};

static ff_err move_task(const struct report *r, const struct move *m, bool *moved, ff_ctx *ctx)
{
    const struct ff_commit *c = r->c;
    ff_err err = ff_sql_run(r->tx,
                            "UPDATE tasks SET state = ?4, reason = ?5, not_before = ?6, losses = losses + ?7, "
                            "done = CASE ?8 WHEN 1 THEN attempt ELSE done END "
                            "WHERE job = ?1 AND name = ?2 AND attempt = ?3 AND state IN ('queued', 'running') AND "
                            "(SELECT state FROM jobs WHERE row = ?1) IN ('queued', 'running', 'cancelling')",
                            FF_ARGS(FF_I(r->job), FF_T(c->task), FF_I(c->attempt), FF_T(m->state), FF_T(r->reason),
                                    FF_I(m->not_before), FF_I(m->losses), FF_I(m->done)),
                            ctx);
    *moved = !err && ff_sql_changed(r->tx) == 1;
    if (!*moved) return err;
    err = ff_sql_run(
        r->tx, "INSERT INTO commits (job, task, attempt, outcome, sha256) VALUES (?1, ?2, ?3, ?4, ?5)",
        FF_ARGS(FF_I(r->job), FF_T(c->task), FF_I(c->attempt), FF_I(c->outcome), FF_T(c->sha256 ? c->sha256 : "")),
        ctx);
    if (!err) err = ff_share_charge(r->tx, r->user, r->now, c->core_seconds, c->gpu_seconds, ctx);
    if (!err) err = ff_life_task_event(r->tx, r->job, c->task, c->attempt, m->state, r->reason, c->message, ctx);
    return err;
}

/* ---- what follows ---- */

static ff_err end_job(const struct report *r, const char *state, const char *reason, const char *message,
                      const json_t *problem, ff_ctx *ctx)
{
    const struct ff_end end = {.state = state, .reason = reason, .message = message, .problem = problem};
    return ff_life_end(r->tx, r->job, &end, ctx);
}

/* A job that was asked to stop ends when the last of its gangs has reported. */
static ff_err finish_cancel(const struct report *r, const struct ff_life *life, ff_ctx *ctx)
{
    struct ff_stmt s;
    char reason[32] = "", message[160] = "";
    if (life->running) return FF_OK;
    ff_sql_open(&s, r->tx, "SELECT reason, message FROM jobs WHERE row = ?1", FF_ARGS(FF_I(r->job)), ctx);
    if (ff_sql_next(&s)) {
        ff_col_copy(&s, 0, reason, sizeof reason);
        ff_col_copy(&s, 1, message, sizeof message);
    }
    ff_err err = ff_sql_close(&s);
    return err ? err : end_job(r, "cancelled", reason, message, NULL, ctx);
}

static ff_err insert_result(const struct report *r, ff_ctx *ctx)
{
    const struct ff_commit *c = r->c;
    if (!c->path || !c->sha256) return FF_OK;
    return ff_sql_run(r->tx,
                      "INSERT INTO results (job, user, task, attempt, path, sha256, size, created_ms, chunk_bytes, "
                      "hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ff_hash(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8))",
                      FF_ARGS(FF_I(r->job), FF_I(r->user), FF_T(c->task), FF_I(c->attempt), FF_T(c->path),
                              FF_T(c->sha256), FF_I(c->size), FF_I(r->now), FF_I(c->chunk_bytes)),
                      ctx);
}

static ff_err succeed_job(const struct report *r, bool cancelling, ff_ctx *ctx)
{
    ff_err err = insert_result(r, ctx);
    if (!err && cancelling)
        err = ff_events_append(r->tx, r->job, NULL, 1,
                               json_pack("{ss ss ss}", "type", "log", "level", "warning", "message",
                                         "the job was asked to stop when its result was already finished"),
                               ctx);
    return err ? err : end_job(r, "succeeded", NULL, NULL, NULL, ctx);
}

/* Tasks that waited for all the others are ready now. */
static ff_err unblock(const struct report *r, ff_ctx *ctx)
{
    struct ff_stmt s;
    char name[32] = "";
    ff_sql_open(&s, r->tx, "UPDATE tasks SET state = 'queued' WHERE job = ?1 AND state = 'blocked' RETURNING name",
                FF_ARGS(FF_I(r->job)), ctx);
    while (ff_sql_next(&s)) ff_col_copy(&s, 0, name, sizeof name);
    ff_err err = ff_sql_close(&s);
    if (!err && *name) err = ff_life_task_event(r->tx, r->job, name, 1, "queued", NULL, NULL, ctx);
    ff_note_ready(r->tx);
    return err;
}

static ff_err succeeded(const struct report *r, bool *moved, ff_ctx *ctx)
{
    const struct move m = {.state = "succeeded", .done = true};
    struct ff_life life;
    ff_err err = move_task(r, &m, moved, ctx);
    if (!err && *moved) err = ff_life_read(r->tx, r->job, &life, ctx);
    if (err || !*moved) return err;
    bool cancelling = !strcmp(life.state, "cancelling");
    if (life.done == life.ntasks) return succeed_job(r, cancelling, ctx);
    if (cancelling) return finish_cancel(r, &life, ctx);
    return life.done == life.ntasks - life.nwaits ? unblock(r, ctx) : FF_OK;
}

static ff_err failed(const struct report *r, bool *moved, ff_ctx *ctx)
{
    const struct move m = {.state = "failed"};
    struct ff_life life;
    ff_err err = move_task(r, &m, moved, ctx);
    if (!err && *moved) err = ff_life_read(r->tx, r->job, &life, ctx);
    if (err || !*moved) return err;
    if (!strcmp(life.state, "cancelling")) return finish_cancel(r, &life, ctx);
    return end_job(r, "failed", r->reason, r->c->message, r->c->problem, ctx);
}

/* The task waits again, and so does the job when none of its tasks runs. */
static ff_err requeue(const struct report *r, int64_t not_before, int losses, bool *moved, ff_ctx *ctx)
{
    struct ff_life life;
    ff_err err = ff_life_read(r->tx, r->job, &life, ctx);
    if (err) return err;
    bool cancelling = !strcmp(life.state, "cancelling");
    const struct move m = {.state = cancelling ? "cancelled" : "queued", .not_before = not_before, .losses = losses};
    err = move_task(r, &m, moved, ctx);
    if (!err && *moved) err = ff_life_read(r->tx, r->job, &life, ctx);
    if (err || !*moved) return err;
    if (cancelling) return finish_cancel(r, &life, ctx);
    ff_note_ready(r->tx);
    if (life.running || strcmp(life.state, "running") != 0) return FF_OK;
    return ff_life_job(r->tx, r->job, "queued", r->reason, r->c->message, ctx);
}

static ff_err crashed(const struct report *r, bool *moved, ff_ctx *ctx)
{
    const struct move m = {.state = "crashed", .losses = 1};
    struct ff_life life;
    ff_err err = move_task(r, &m, moved, ctx);
    if (!err && *moved) err = ff_life_read(r->tx, r->job, &life, ctx);
    if (err || !*moved) return err;
    if (!strcmp(life.state, "cancelling")) return finish_cancel(r, &life, ctx);
    const char *message = r->c->message && *r->c->message ? r->c->message : "its gangs were lost too often";
    return end_job(r, "crashed", r->reason, message, r->c->problem, ctx);
}

static int64_t wait_ms(int64_t first, int times)
{
    int64_t wait = first;
    for (int i = 0; i < times && wait < WAIT_MOST_MS; i++) wait *= 2;
    return wait < WAIT_MOST_MS ? wait : WAIT_MOST_MS;
}

/* A gang that died or could not go on. One that is told of late was counted when its lease ran out. */
static ff_err lost(const struct report *r, bool *moved, ff_ctx *ctx)
{
    bool environment = r->c->outcome == FF_TASK_ENVIRONMENT;
    int losses = r->losses + 1;
    *moved = false;
    if (!r->running) return environment ? requeue(r, 0, 0, moved, ctx) : FF_OK;
    if (losses >= FF_MAX_ATTEMPTS) return crashed(r, moved, ctx);
    int64_t wait = environment  ? wait_ms(ENVIRONMENT_FIRST_MS, losses - 1)
                   : losses < 2 ? 0
                                : wait_ms(POISON_FIRST_MS, losses - 2);
    ff_err err = requeue(r, wait ? r->now + wait : 0, 1, moved, ctx);
    if (err || !*moved) return err;
    return ff_sql_run(r->tx, "UPDATE totals SET value = value + 1 WHERE name = 'redeliveries'", FF_NO_ARGS, ctx);
}

/* ---- not enough yet ---- */

static ff_err requeue_parts(const struct report *r, const char *target, ff_ctx *ctx)
{
    struct ff_stmt s;
    ff_err err = FF_OK;
    ff_sql_open(&s, r->tx, "SELECT name, attempt FROM tasks WHERE job = ?1 AND waits = 0 ORDER BY number",
                FF_ARGS(FF_I(r->job)), ctx);
    while (!err && ff_sql_next(&s)) {
        char name[32];
        ff_col_copy(&s, 0, name, sizeof name);
        err = ff_life_task_event(r->tx, r->job, name, (int)ff_col_int(&s, 1), "queued", "again", NULL, ctx);
    }
    ff_err closed = ff_sql_close(&s);
    if (!err) err = closed;
    if (!err)
        err = ff_sql_run(r->tx,
                         "UPDATE tasks SET state = 'queued', reason = 'again', not_before = 0, target = ?2 "
                         "WHERE job = ?1 AND waits = 0 AND state = 'succeeded'",
                         FF_ARGS(FF_I(r->job), FF_T(target)), ctx);
    ff_note_ready(r->tx);
    return err;
}

static ff_err again(const struct report *r, bool *moved, ff_ctx *ctx)
{
    struct ff_life life;
    *moved = false;
    if (!json_is_object(r->c->state))
        return ff_fail(ctx, FF_EBADMESSAGE, FF_HERE, "\"again\" without \"state\": where should the tasks go?");
    ff_err err = ff_life_read(r->tx, r->job, &life, ctx);
    if (err) return err;
    bool cancelling = !strcmp(life.state, "cancelling");
    const struct move m = {.state = cancelling ? "cancelled" : life.ntasks > 1 ? "blocked" : "queued"};
    err = move_task(r, &m, moved, ctx);
    if (!err && *moved) err = ff_life_read(r->tx, r->job, &life, ctx);
    if (err || !*moved) return err;
    if (cancelling) return finish_cancel(r, &life, ctx);
    char *target = json_dumps(r->c->state, JSON_COMPACT);
    err = target ? requeue_parts(r, target, ctx) : ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a task");
    free(target);
    return err;
}

/* ---- all of it ---- */

static const char *default_reason(enum ff_outcome outcome)
{
    switch (outcome) {
    case FF_TASK_LOST:
        return "worker_lost";
    case FF_TASK_ENVIRONMENT:
        return "environment";
    case FF_TASK_RELEASED:
        return "released";
    default:
        return "";
    }
}

static ff_err act(const struct report *r, bool *moved, ff_ctx *ctx)
{
    switch (r->c->outcome) {
    case FF_TASK_SUCCEEDED:
        return succeeded(r, moved, ctx);
    case FF_TASK_AGAIN:
        return again(r, moved, ctx);
    case FF_TASK_FAILED:
        return failed(r, moved, ctx);
    case FF_TASK_RELEASED:
        return requeue(r, 0, 0, moved, ctx);
    case FF_TASK_LOST:
    case FF_TASK_ENVIRONMENT:
        return lost(r, moved, ctx);
    }
    return ff_fail(ctx, FF_EBUG, FF_HERE, "no such outcome of a task: %d", (int)r->c->outcome);
}

ff_err ff_tasks_commit(ff_tx *tx, const struct ff_commit *commit, enum ff_verdict *verdict, ff_ctx *ctx)
{
    struct report r = {.tx = tx, .c = commit, .now = ff_now_ms()};
    bool same = false, other = false, moved = false;
    *verdict = FF_STALE;
    r.reason = commit->reason ? commit->reason : default_reason(commit->outcome);
    ff_err err = load(&r, ctx);
    if (!err && r.known) err = recorded(&r, &same, &other, ctx);
    if (err || !r.known || other) return err;
    if (!same) err = act(&r, &moved, ctx);
    if (err) {
        ff_note(ctx, FF_HERE, "while %s of %.40s is reported", commit->task, commit->job);
        return err;
    }
    if (same || moved) *verdict = FF_COMMITTED;
    ff_crash_point("queue_committed_task");
    return FF_OK;
}
