/* server/queue/tasks_lease.c - the best ready task for a gang. See tasks.h.
** Users that have ready tasks in the pool are found by stepping through the index from one to the next; each has its share
** computed; then the first ready task that fits, of the user that has used least. The cost grows with the number of users
** that wait, not with the number of tasks. */
#include <stdlib.h>
#include <string.h>

#include "common/fault.h"
#include "server/queue/life.h"
#include "server/queue/quota.h"
#include "server/queue/tasks.h"

/* ---- whose turn ---- */

struct shares {
    struct ff_share *share;
    int n, capacity;
};

static ff_err add_share(ff_tx *tx, struct shares *all, int64_t user, int64_t now, ff_ctx *ctx)
{
    if (all->n == all->capacity) {
        int capacity = all->capacity ? 2 * all->capacity : 16;
        struct ff_share *share = realloc(all->share, (size_t)capacity * sizeof *share);
        if (!share) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for %d users", capacity);
        all->share = share;
        all->capacity = capacity;
    }
    return ff_share_read(tx, user, now, &all->share[all->n++], ctx);
}

static int by_use(const void *a, const void *b)
{
    const struct ff_share *x = a, *y = b;
    if (x->used < y->used) return -1;
    if (x->used > y->used) return 1;
    return (x->user > y->user) - (x->user < y->user);
}

static ff_err find_shares(ff_tx *tx, const char *pool, int64_t now, struct shares *all, ff_ctx *ctx)
{
    ff_err err = FF_OK;
    for (int64_t user = 0; !err;) {
        err = ff_sql_int(tx, &user, 0,
                         "SELECT user FROM tasks WHERE state = 'queued' AND pool = ?1 AND user > ?2 "
                         "ORDER BY user LIMIT 1",
                         FF_ARGS(FF_T(pool), FF_I(user)), ctx);
        if (err || !user) break;
        err = add_share(tx, all, user, now, ctx);
    }
    if (all->n) qsort(all->share, (size_t)all->n, sizeof all->share[0], by_use);
    return err;
}

/* ---- which task ---- */

struct pick {
    int64_t job; /* 0: none */
    char task[32];
};

/* Priority, then age of the job, then the order of its tasks: the order of the index. */
static ff_err pick_task(ff_tx *tx, const struct ff_gang *gang, int64_t user, int64_t now, struct pick *out, ff_ctx *ctx)
{
    struct ff_stmt s;
    *out = (struct pick){0};
    ff_sql_open(&s, tx,
                "SELECT job, name FROM tasks WHERE state = 'queued' AND pool = ?1 AND user = ?2 AND not_before <= ?3 "
                "AND ranks <= ?4 AND (memory <= ?5 OR ?5 <= 0) ORDER BY priority DESC, job, number LIMIT 1",
                FF_ARGS(FF_T(gang->pool), FF_I(user), FF_I(now), FF_I(gang->ranks), FF_R(gang->memory_bytes)), ctx);
    if (ff_sql_next(&s)) {
        out->job = ff_col_int(&s, 0);
        ff_col_copy(&s, 1, out->task, sizeof out->task);
    }
    return ff_sql_close(&s);
}

/* ---- the lease ---- */

static ff_err read_job(ff_tx *tx, int64_t job, int64_t now, struct ff_lease *lease, char state[12], ff_ctx *ctx)
{
    struct ff_stmt s;
    lease->job_row = job;
    ff_sql_open(&s, tx, "SELECT id, kind, state, walltime_s, started_ms FROM jobs WHERE row = ?1", FF_ARGS(FF_I(job)),
                ctx);
    if (ff_sql_next(&s)) {
        ff_col_copy(&s, 0, lease->job, sizeof lease->job);
        ff_col_copy(&s, 1, lease->kind, sizeof lease->kind);
        ff_col_copy(&s, 2, state, 12);
        lease->walltime_s = ff_walltime_left(ff_col_real(&s, 3), ff_col_int(&s, 4), now);
        lease->job_started = ff_col_int(&s, 4) == 0;
    }
    return ff_sql_close(&s);
}

static json_t *json_of(const char *text)
{
    json_t *value = text ? json_loads(text, 0, NULL) : NULL;
    return value ? value : json_object();
}

static ff_err take_task(ff_tx *tx, const struct ff_gang *gang, const struct pick *pick, int64_t now,
                        struct ff_lease *lease, bool *waits, ff_ctx *ctx)
{
    struct ff_stmt s;
    int cores = gang->threads > 0 ? gang->threads : gang->ranks > 0 ? gang->ranks : 1;
    ff_sql_open(&s, tx,
                "SELECT number, attempt + 1, first, count, waits, target FROM tasks "
                "WHERE job = ?1 AND name = ?2 AND state = 'queued'",
                FF_ARGS(FF_I(pick->job), FF_T(pick->task)), ctx);
    if (ff_sql_next(&s)) {
        memcpy(lease->task, pick->task, sizeof lease->task);
        lease->number = (int)ff_col_int(&s, 0);
        lease->attempt = (int)ff_col_int(&s, 1);
        lease->first = (long)ff_col_int(&s, 2);
        lease->count = (long)ff_col_int(&s, 3);
        *waits = ff_col_int(&s, 4) != 0;
        lease->state = json_of(ff_col_text(&s, 5));
    }
    ff_err err = ff_sql_close(&s);
    if (!err && !lease->attempt) err = ff_fail(ctx, FF_EBUG, FF_HERE, "a ready task is not there");
    if (!err && !lease->state) err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a task");
    if (err) return err;
    return ff_sql_run(
        tx,
        "UPDATE tasks SET state = 'running', attempt = ?3, worker = ?4, reason = '', leased_ms = ?5, "
        "cores = ?6, taken = 0 WHERE job = ?1 AND name = ?2",
        FF_ARGS(FF_I(pick->job), FF_T(pick->task), FF_I(lease->attempt), FF_T(gang->worker), FF_I(now), FF_I(cores)),
        ctx);
}

/* Spec and what the task builds on. Only a task that waits for others reads their files. */
static ff_err read_inputs(ff_tx *tx, bool waits, struct ff_lease *lease, ff_ctx *ctx)
{
    struct ff_stmt s;
    int failed = 0;
    lease->inputs = json_pack("{si}", "resume", lease->attempt - 1);
    if (!lease->inputs) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a task");
    ff_sql_open(&s, tx, "SELECT text, extend FROM specs WHERE job = ?1", FF_ARGS(FF_I(lease->job_row)), ctx);
    if (ff_sql_next(&s)) {
        lease->spec = strdup(ff_col_text(&s, 0));
        failed |= ff_col_text(&s, 1) && json_object_set_new(lease->inputs, "extend", ff_col_json(&s, 1));
    }
    ff_err err = ff_sql_close(&s);
    if (err) return err;
    if (waits) {
        ff_sql_open(&s, tx, "SELECT name, done FROM tasks WHERE job = ?1 AND state = 'succeeded' ORDER BY number",
                    FF_ARGS(FF_I(lease->job_row)), ctx);
        while (ff_sql_next(&s))
            failed |= json_object_set_new(lease->inputs, ff_col_text(&s, 0), json_integer(ff_col_int(&s, 1)));
        err = ff_sql_close(&s);
    }
    if (!err && (failed || !lease->spec)) err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a task");
    return err;
}

static ff_err start_job(ff_tx *tx, const struct ff_lease *lease, const char *state, int64_t now, ff_ctx *ctx)
{
    const bool begins = !strcmp(state, "queued");
    /* one change of the row: another of its state would be another of every index with the state in it */
    const char *change = begins
                             ? "UPDATE jobs SET attempts = max(attempts, ?2), started_ms = coalesce(started_ms, ?3), "
                               "state = 'running', reason = '', message = '' WHERE row = ?1"
                             : "UPDATE jobs SET attempts = max(attempts, ?2), started_ms = coalesce(started_ms, ?3) "
                               "WHERE row = ?1";
    ff_err err = ff_sql_run(tx, change, FF_ARGS(FF_I(lease->job_row), FF_I(lease->attempt), FF_I(now)), ctx);
    if (!err && begins) err = ff_life_task_event(tx, lease->job_row, NULL, 1, "running", NULL, NULL, ctx);
    if (!err) err = ff_life_task_event(tx, lease->job_row, lease->task, lease->attempt, "running", NULL, NULL, ctx);
    return err;
}

/* *taken = false when the job's walltime turned out to be over: then the job is cancelled instead. */
static ff_err lease_pick(ff_tx *tx, const struct ff_gang *gang, const struct pick *pick, int64_t now,
                         struct ff_lease *lease, bool *taken, ff_ctx *ctx)
{
    char state[12] = "";
    bool waits = false;
    *taken = false;
    ff_err err = read_job(tx, pick->job, now, lease, state, ctx);
    if (err) return err;
    if (lease->walltime_s < 0) return ff_life_cancel(tx, pick->job, "walltime", ctx);
    err = take_task(tx, gang, pick, now, lease, &waits, ctx);
    if (!err) err = read_inputs(tx, waits, lease, ctx);
    if (!err) err = start_job(tx, lease, state, now, ctx);
    *taken = !err;
    ff_crash_point("queue_leased");
    return err;
}

void ff_lease_done(struct ff_lease *lease)
{
    if (!lease) return;
    json_decref(lease->state);
    json_decref(lease->inputs);
    free(lease->spec);
    *lease = (struct ff_lease){0};
}

ff_err ff_tasks_lease(ff_tx *tx, const struct ff_gang *gang, struct ff_lease *lease, bool *found, ff_ctx *ctx)
{
    struct shares all = {0};
    int64_t now = ff_now_ms();
    *lease = (struct ff_lease){0};
    *found = false;
    ff_err err = find_shares(tx, gang->pool, now, &all, ctx);
    for (int i = 0; i < all.n && !err && !*found; i++) {
        struct pick pick = {.job = 1};
        while (!err && !*found && pick.job && all.share[i].may_run) {
            err = pick_task(tx, gang, all.share[i].user, now, &pick, ctx);
            if (err || !pick.job) break;
            ff_lease_done(lease);
            err = lease_pick(tx, gang, &pick, now, lease, found, ctx);
        }
    }
    free(all.share);
    if (err || !*found) ff_lease_done(lease);
    return err;
}
