/* server/dispatch/turn.c - see inner.h: all that the messages of a moment ask of the database, in one transaction, so that the
** verdict on a task and the lease of the gang's next one cost one fsync. Runs on the queue's writer thread while the loop
** waits. An operation that is refused (not the database's fault) must not undo those of other gangs: then each is done
** again in a transaction of its own. */
#include <stdlib.h>
#include <string.h>

#include "common/fault.h"
#include "server/dispatch/inner.h"
#include "server/queue/events.h"

/* ---- the list ---- */

struct ff_op *ff_op_add(struct ff_turn *turn, enum ff_op_kind kind)
{
    if (turn->n == turn->capacity) {
        int capacity = turn->capacity ? 2 * turn->capacity : 64;
        struct ff_op *more = realloc(turn->ops, (size_t)capacity * sizeof *more);
        if (!more) {
            turn->no_memory = true;
            return NULL;
        }
        turn->ops = more;
        turn->capacity = capacity;
    }
    struct ff_op *op = &turn->ops[turn->n++];
    *op = (struct ff_op){.kind = kind};
    return op;
}

/* What the transaction left in it. */
static void forget_answer(struct ff_op *op)
{
    if (op->kind == FF_OP_GRANT) {
        ff_lease_done(&op->lease);
        ff_job_info_drop(op->job);
        free(op->hold);
        op->hold = NULL;
    } else if (op->hold) {
        op->hold->freed = false;
    }
    free(op->cancelling);
    op->lease = (struct ff_lease){0};
    op->job = NULL;
    op->cancelling = NULL;
    op->ncancelling = 0;
}

static void op_done(struct ff_op *op)
{
    if (op->kind == FF_OP_GRANT) {
        ff_lease_done(&op->lease);
        ff_job_info_drop(op->job);
        free(op->hold);
    }
    json_decref(op->body);
    free(op->cancelling);
}

void ff_turn_done(struct ff_turn *turn)
{
    for (int i = 0; i < turn->n; i++) op_done(&turn->ops[i]);
    turn->n = 0;
    turn->bytes = 0;
    turn->no_memory = false;
}

/* ---- one operation ---- */

static const struct ff_who nobody = {.admin = true}; /* the service itself */

static const char *text(const json_t *body, const char *key)
{
    const char *value = json_string_value(json_object_get(body, key));
    return value && *value ? value : NULL;
}

static enum ff_outcome outcome_of(const json_t *body)
{
    static const struct {
        const char *word;
        enum ff_outcome outcome;
    } outcomes[] = {{"succeeded", FF_TASK_SUCCEEDED},
                    {"again", FF_TASK_AGAIN},
                    {"failed", FF_TASK_FAILED},
                    {"released", FF_TASK_RELEASED}};
    const char *word = text(body, "outcome");
    for (size_t i = 0; word && i < sizeof outcomes / sizeof *outcomes; i++) {
        if (strcmp(word, outcomes[i].word) == 0) return outcomes[i].outcome;
    }
    return FF_TASK_ENVIRONMENT;
}

const json_t *ff_commit_result(const json_t *body)
{
    const char *result = text(body, "result");
    size_t i;
    json_t *file;
    json_array_foreach(json_object_get(body, "files"), i, file)
    {
        const char *name = text(file, "name");
        if (name && result && strcmp(name, result) == 0) return file;
    }
    return NULL;
}

static ff_err do_commit(struct ff_tx *tx, struct ff_op *op, ff_ctx *ctx)
{
    const json_t *body = op->body;
    struct ff_commit c = {.job = op->attempt.job,
                          .task = op->attempt.task,
                          .attempt = op->attempt.number,
                          .worker = op->hold   ? op->hold->worker
                                    : op->peer ? op->peer->row.id
                                               : "",
                          .outcome = op->reason ? FF_TASK_ENVIRONMENT : outcome_of(body),
                          .reason = op->reason ? op->reason : text(body, "reason"),
                          .message = op->reason ? op->message : text(body, "message"),
                          .problem = json_object_get(body, "problem"),
                          .state = json_object_get(body, "state"),
                          .core_seconds = json_number_value(json_object_get(body, "core_seconds")),
                          .gpu_seconds = json_number_value(json_object_get(body, "gpu_seconds"))};
    const json_t *result = op->reason ? NULL : ff_commit_result(body);
    if (result) { /* without a path it was not checked now, and can only be what was recorded before */
        c.path = *op->path ? op->path : NULL;
        c.sha256 = text(result, "sha256");
        c.size = json_integer_value(json_object_get(result, "size"));
        c.chunk_bytes = op->chunk_bytes;
    }
    ff_err err = ff_tasks_commit(tx, &c, &op->verdict, ctx);
    if (!err && op->hold) op->hold->freed = true;
    return err;
}

/* Nobody has a lease for the attempt, but while its task only waits in the queue the last holder's result is welcome. */
static ff_err do_late(struct ff_tx *tx, struct ff_op *op, ff_ctx *ctx)
{
    struct ff_holding holding;
    ff_err err = ff_tasks_holding(tx, op->attempt.job, op->attempt.task, op->attempt.number, &holding, ctx);
    if (err) return err;
    op->current = holding.current;
    return op->current ? FF_OK : do_commit(tx, op, ctx); /* recorded already, or stale: the queue knows */
}

static ff_err do_lost(struct ff_tx *tx, struct ff_hold *hold, const char *message, ff_ctx *ctx)
{
    enum ff_verdict ignored;
    const struct ff_commit c = {.job = hold->attempt.job,
                                .task = hold->attempt.task,
                                .attempt = hold->attempt.number,
                                .worker = hold->worker,
                                .outcome = FF_TASK_LOST,
                                .reason = "worker_lost",
                                .message = message};
    ff_err err = ff_tasks_commit(tx, &c, &ignored, ctx);
    if (!err) hold->freed = true;
    return err;
}

static ff_err do_hello(struct ff_tx *tx, struct ff_op *op, ff_ctx *ctx)
{
    struct ff_worker_row *row = &op->peer->row;
    memcpy(row->state, op->nheld ? "busy" : "idle", 5);
    ff_err err = ff_workers_put(tx, row, ctx);
    for (int i = 0; !err && i < op->nheld; i++) {
        const struct ff_attempt *a = &op->held[i];
        err = ff_tasks_holding(tx, a->job, a->task, a->number, &op->holding[i], ctx);
    }
    return err;
}

static ff_err do_holding(struct ff_tx *tx, struct ff_op *op, ff_ctx *ctx)
{
    ff_err err = FF_OK;
    for (int i = 0; !err && i < op->nheld; i++) {
        const struct ff_attempt *a = &op->held[i];
        err = ff_tasks_holding(tx, a->job, a->task, a->number, &op->holding[i], ctx);
    }
    return err;
}

static ff_err do_events(struct ff_tx *tx, struct ff_op *op, ff_ctx *ctx)
{
    const struct ff_event_batch batch = {.job = op->attempt.job,
                                         .task = op->attempt.task,
                                         .attempt = op->attempt.number,
                                         .from = (long)json_integer_value(json_object_get(op->body, "from")),
                                         .events = json_object_get(op->body, "events")};
    ff_err err = ff_events_report(tx, &batch, &op->current, ctx);
    if (!err && !op->current) err = ff_tasks_holding(tx, batch.job, batch.task, batch.attempt, &op->holding[0], ctx);
    return err;
}

static ff_err do_stuck(struct ff_tx *tx, struct ff_op *op, ff_ctx *ctx)
{
    struct ff_job_row row;
    const struct ff_attempt *a = &op->hold->attempt;
    ff_err err = ff_jobs_find(tx, &nobody, a->job, &row, ctx);
    if (err || row.ended) return err;
    json_t *event = json_pack("{ss ss ss}", "type", "log", "level", "warning", "message",
                              "stuck: no progress; the task is taken back when its lease runs out");
    if (!event) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for an event");
    return ff_events_append(tx, row.row, a->task, a->number, event, ctx);
}

/* Whoever else ended the job first was right. */
static ff_err do_walltime(struct ff_tx *tx, struct ff_op *op, ff_ctx *ctx)
{
    ff_err err = ff_jobs_cancel(tx, &nobody, op->hold->attempt.job, "walltime", ctx);
    if (err != FF_ECONFLICT && err != FF_ENOTFOUND) return err;
    ff_ctx_clear(ctx);
    return FF_OK;
}

static ff_err do_bye(struct ff_tx *tx, struct ff_op *op, ff_ctx *ctx)
{
    struct ff_hold *hold = op->hold = op->peer->hold;
    ff_err err = hold && !hold->freed ? do_lost(tx, hold, "the gang left without ending its task", ctx) : FF_OK;
    if (!err && op->peer->joined) err = ff_workers_state(tx, op->peer->row.id, "gone", ctx);
    return err;
}

static ff_err do_op(ff_tx *tx, struct ff_op *op, ff_ctx *ctx)
{
    switch (op->kind) {
    case FF_OP_HELLO:
        return do_hello(tx, op, ctx);
    case FF_OP_EVENTS:
        return do_events(tx, op, ctx);
    case FF_OP_COMMIT:
        return do_commit(tx, op, ctx);
    case FF_OP_LATE:
        return do_late(tx, op, ctx);
    case FF_OP_HOLDING:
        return do_holding(tx, op, ctx);
    case FF_OP_LOST:
        op->current = !op->hold->freed; /* its commit may have come in this very turn */
        return op->current ? do_lost(tx, op->hold, "its lease ran out", ctx) : FF_OK;
    case FF_OP_STUCK:
        return do_stuck(tx, op, ctx);
    case FF_OP_WALLTIME:
        return do_walltime(tx, op, ctx);
    case FF_OP_BYE:
        return do_bye(tx, op, ctx);
    case FF_OP_SHOW:
        return ff_workers_state(tx, op->peer->row.id, op->peer->shown, ctx);
    case FF_OP_CANCELS:
        return ff_tasks_cancelling(tx, &op->cancelling, &op->ncancelling, ctx);
    case FF_OP_GRANT:
        break;
    }
    return FF_OK;
}

/* ---- leases for idle gangs ---- */

static bool is_free(const ff_dispatch *d, const struct ff_peer *peer, int64_t now)
{
    if (d->stopping || !peer->joined || peer->gone || peer->leaving || peer->draining || peer->barren) return false;
    if (now < peer->shunned_until || atomic_load(&peer->drain_asked) || !peer->reachable ||
        ff_peer_silent(d, peer, now))
        return false;
    return !peer->occupied && (!peer->hold || peer->hold->freed);
}

/* Smaller gangs first: a task that fits one is left to it, and the large ones wait for large tasks. */
static int by_size(const void *x, const void *y)
{
    const struct ff_peer *a = *(struct ff_peer *const *)x, *b = *(struct ff_peer *const *)y;
    if (a->gpu != b->gpu) return a->gpu ? 1 : -1;
    if (a->row.ranks != b->row.ranks) return a->row.ranks < b->row.ranks ? -1 : 1;
    if (a->row.memory_bytes != b->row.memory_bytes) return a->row.memory_bytes < b->row.memory_bytes ? -1 : 1;
    return strcmp(a->row.id, b->row.id);
}

/* Nothing fits a; can anything fit b? */
static bool no_better(const struct ff_peer *b, const struct ff_peer *a)
{
    return strcmp(a->row.pool, b->row.pool) == 0 && (a->gpu || !b->gpu) && b->row.ranks <= a->row.ranks &&
           b->row.memory_bytes <= a->row.memory_bytes;
}

/* A task whose message cannot be made is its job's fault. */
static ff_err fail_task(ff_tx *tx, const struct ff_op *op, const ff_ctx *why, ff_ctx *ctx)
{
    enum ff_verdict ignored;
    json_t *problem = json_pack("{ss ss si ss ss si}", "type", ff_code_slug(why->code), "title",
                                ff_code_title(why->code), "status", ff_code_http(why->code), "detail", why->message,
                                "pointer", why->pointer, "exit_code", ff_code_exit(why->code));
    const struct ff_commit c = {.job = op->lease.job,
                                .task = op->lease.task,
                                .worker = op->peer->row.id,
                                .attempt = op->lease.attempt,
                                .outcome = FF_TASK_FAILED,
                                .reason = ff_code_slug(why->code),
                                .message = why->message,
                                .problem = problem};
    ff_err err = ff_tasks_commit(tx, &c, &ignored, ctx);
    json_decref(problem);
    return err;
}

static bool environment(ff_err err)
{
    return err == FF_EDISKFULL || err == FF_EDATABASE || err == FF_ENOMEM || err == FF_EIO || err == FF_EBUSY;
}

/* One lease for one gang. *found false: nothing is ready that fits. */
static ff_err grant(ff_dispatch *d, ff_tx *tx, struct ff_peer *peer, bool *found, ff_ctx *ctx)
{
    const struct ff_gang gang = {.worker = peer->row.id,
                                 .pool = peer->row.pool,
                                 .ranks = peer->row.ranks,
                                 .threads = peer->row.threads,
                                 .memory_bytes = peer->row.memory_bytes,
                                 .gpu = peer->gpu};
    *found = false;
    struct ff_op *op = ff_op_add(&d->turn, FF_OP_GRANT);
    if (!op) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a lease");
    op->peer = peer;
    op->hold = ff_hold_new();
    ff_err err = op->hold ? ff_tasks_lease(tx, &gang, &op->lease, found, ctx)
                          : ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a lease");
    if (!err && *found) {
        ff_ctx why = {0};
        err = ff_job_info_get(d, tx, &op->lease, &op->job, &why);
        if (err && environment(err)) {
            *ctx = why;
        } else if (err) {
            err = fail_task(tx, op, &why, ctx);
            ff_lease_done(&op->lease);
            op->lease = (struct ff_lease){0};
        }
    }
    if (err || !op->job) {
        op_done(op);
        d->turn.n--;
    }
    return err;
}

static ff_err grant_all(ff_dispatch *d, ff_tx *tx, ff_ctx *ctx)
{
    const int64_t now = ff_boot_ms();
    struct ff_peer **idle = calloc((size_t)d->npeers + 1, sizeof(struct ff_peer *));
    if (!idle) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for leases");
    size_t n = 0;
    for (struct ff_peer *p = d->peers; p; p = p->next) {
        if (is_free(d, p, now)) idle[n++] = p;
    }
    qsort(idle, n, sizeof *idle, by_size);
    const struct ff_peer *barren = NULL;
    ff_err err = FF_OK;
    for (size_t i = 0; i < n && !err; i++) {
        bool found = false;
        if (!barren || !no_better(idle[i], barren)) err = grant(d, tx, idle[i], &found, ctx);
        if (!err && !found) {
            idle[i]->barren = true;
            barren = idle[i];
        }
    }
    free(idle);
    return err;
}

/* ---- the transaction ---- */

struct span {
    ff_dispatch *d;
    int first, last; /* operations first .. last-1 */
    bool grants;
};

static ff_err run_span(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    const struct span *span = arg;
    ff_err err = FF_OK;
    for (int i = span->first; i < span->last && !err; i++) err = do_op(tx, &span->d->turn.ops[i], ctx);
    return err || !span->grants ? err : grant_all(span->d, tx, ctx);
}

static void forget_from(struct ff_turn *turn, int first, int last)
{
    for (int i = first; i < turn->n; i++) forget_answer(&turn->ops[i]);
    while (turn->n > last) op_done(&turn->ops[--turn->n]);
}

/* Each in its own transaction. */
static void run_apart(ff_dispatch *d)
{
    const int n = d->turn.n;
    for (int i = 0; i < n; i++) {
        ff_ctx ctx = {0};
        struct span one = {.d = d, .first = i, .last = i + 1};
        const ff_err err = ff_queue_write(d->queue, run_span, &one, &ctx);
        struct ff_op *op = &d->turn.ops[i];
        op->err = err;
        if (!err) continue;
        forget_answer(op);
        ff_complain(d, "what a gang asked was refused: %s", ctx.message);
    }
    ff_ctx ctx = {0};
    struct span leases = {.d = d, .first = n, .last = n, .grants = true};
    if (ff_queue_write(d->queue, run_span, &leases, &ctx)) {
        forget_from(&d->turn, n, n);
        ff_complain(d, "no leases: %s", ctx.message);
    }
}

static bool somebody_free(const ff_dispatch *d)
{
    const int64_t now = ff_boot_ms();
    const struct ff_peer *p = d->peers;
    while (p && !is_free(d, p, now)) p = p->next;
    return p;
}

ff_err ff_turn_run(ff_dispatch *d, ff_ctx *ctx)
{
    struct ff_turn *turn = &d->turn;
    const int n = turn->n;
    if (!n && !somebody_free(d)) return FF_OK;
    struct span all = {.d = d, .last = n, .grants = true};
    ff_crash_point("dispatch_before_commit");
    ff_err err = ff_queue_write(d->queue, run_span, &all, ctx);
    ff_crash_point("dispatch_after_commit");
    if (!err) return FF_OK;
    forget_from(turn, 0, n);
    if (environment(err) || n == 0) return err;
    ff_ctx_clear(ctx);
    run_apart(d);
    return FF_OK;
}
