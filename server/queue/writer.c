/* server/queue/writer.c - group commit: one thread, one transaction for everything that waits.
** BEGIN IMMEDIATE; for each function SAVEPOINT, call, RELEASE (or ROLLBACK TO); COMMIT with its fsync; then the callers are
** woken and the listeners told. While a commit is on its way to the disk the next functions gather, so the more callers
** there are, the more share one fsync. A batch ends when nobody waits, or after BATCH_MOST functions or BATCH_NS. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "common/fault.h"
#include "server/queue/inner.h"

enum { BATCH_MOST = 512, BATCH_NS = 2000000 };

/* A function that waits to be run; on its caller's stack until `done`. */
struct request {
    ff_queue_fn fn;
    void *arg;
    ff_ctx *ctx;
    ff_err err;
    bool done;
    pthread_cond_t woken;
    struct request *next;
};

struct ff_writer {
    ff_queue *q;
    ff_tx *tx;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t waiting;
    struct request *first, **last; /* waiting, in the order they came */
    bool stop;
};

static int64_t monotonic_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* ---- one function ---- */

/* The savepoint keeps its changes apart. An error that made SQLite roll everything back is seen by the caller. */
static void run_one(ff_tx *tx, struct request *r)
{
    struct ff_notes before = tx->notes;
    r->err = ff_sql_run(tx, "SAVEPOINT one", FF_NO_ARGS, r->ctx);
    if (r->err) return;
    r->err = r->fn(tx, r->arg, r->ctx);
    if (sqlite3_get_autocommit(tx->db)) return;
    if (r->err) {
        tx->notes.njobs = before.njobs;
        tx->notes.ready_tasks = before.ready_tasks;
        tx->notes.cancels = before.cancels;
        if (ff_sql_run(tx, "ROLLBACK TO one", FF_NO_ARGS, NULL)) { /* then nothing of the batch can be kept */
            sqlite3_exec(tx->db, "ROLLBACK", NULL, NULL, NULL);
            return;
        }
    }
    ff_err err = ff_sql_run(tx, "RELEASE one", FF_NO_ARGS, r->err ? NULL : r->ctx);
    if (!r->err) r->err = err;
}

/* ---- a batch ---- */

static struct request *take(struct ff_writer *w)
{
    pthread_mutex_lock(&w->lock);
    struct request *r = w->first;
    if (r) {
        w->first = r->next;
        if (!w->first) w->last = &w->first;
        r->next = NULL;
    }
    pthread_mutex_unlock(&w->lock);
    return r;
}

/* Runs functions until none waits or the batch is full. The list of those that ran, in order. SQLite ends the transaction
** itself on a full disk and the like: then the batch stops there, and its commit will fail. */
static struct request *run_batch(struct ff_writer *w)
{
    struct request *batch = NULL, **end = &batch, *r;
    int64_t begun = monotonic_ns();
    for (int n = 0; n < BATCH_MOST && monotonic_ns() - begun < BATCH_NS && (r = take(w)); n++) {
        *end = r;
        end = &r->next;
        run_one(w->tx, r);
        if (sqlite3_get_autocommit(w->tx->db)) break;
    }
    return batch;
}

static ff_err commit(struct ff_writer *w, ff_ctx *ctx)
{
    ff_tx *tx = w->tx;
    if (sqlite3_get_autocommit(tx->db)) {
        ff_err code = ctx->code == FF_EDISKFULL || ctx->code == FF_ENOMEM ? ctx->code : FF_EDATABASE;
        return ff_fail(ctx, code, FF_HERE, "the database ended a transaction by itself (%s); nothing was changed",
                       ff_code_title(code));
    }
    ff_crash_point("queue_before_commit");
    ff_err err = ff_fail_io() ? ff_sql_fail(tx->db, SQLITE_FULL, FF_HERE, "commit", ctx)
                              : ff_sql_run(tx, "COMMIT", FF_NO_ARGS, ctx);
    if (!err) ff_crash_point("queue_after_commit");
    return err;
}

/* What failed the whole batch becomes everybody's error, unless they have one of their own. */
static void fail_all(struct request *batch, const ff_ctx *why)
{
    for (struct request *r = batch; r; r = r->next) {
        if (r->err) continue;
        r->err = why->code;
        if (r->ctx) *r->ctx = *why;
    }
}

static void wake_all(struct ff_writer *w, struct request *batch)
{
    pthread_mutex_lock(&w->lock);
    for (struct request *r = batch, *next; r; r = next) {
        next = r->next; /* r is gone as soon as its caller runs */
        r->done = true;
        pthread_cond_signal(&r->woken);
    }
    pthread_mutex_unlock(&w->lock);
}

static int by_row(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static void tell_listeners(struct ff_writer *w)
{
    struct ff_notes *n = &w->tx->notes;
    if (!n->njobs && !n->ready_tasks && !n->cancels) return;
    if (n->njobs) qsort(n->jobs, (size_t)n->njobs, sizeof n->jobs[0], by_row);
    int distinct = 0;
    for (int i = 0; i < n->njobs; i++) {
        if (!distinct || n->jobs[i] != n->jobs[distinct - 1]) n->jobs[distinct++] = n->jobs[i];
    }
    struct ff_changes changes = {
        .njobs = distinct, .jobs = n->jobs, .ready_tasks = n->ready_tasks, .cancels = n->cancels};
    pthread_mutex_lock(&w->q->lock);
    for (int i = 0; i < w->q->nlisteners; i++) w->q->listener[i].tell(w->q->listener[i].self, &changes);
    pthread_mutex_unlock(&w->q->lock);
}

static void do_batch(struct ff_writer *w)
{
    ff_ctx why = {0};
    struct ff_notes *n = &w->tx->notes;
    n->njobs = 0;
    n->ready_tasks = n->cancels = false;
    ff_err err = ff_sql_run(w->tx, "BEGIN IMMEDIATE", FF_NO_ARGS, &why);
    ff_crash_point("queue_begin");
    struct request *batch = err ? take(w) : run_batch(w);
    if (!err) {
        for (struct request *r = batch; r; r = r->next) { /* whose error made SQLite give up */
            if (r->err) why.code = r->err;
        }
        err = commit(w, &why);
    }
    if (!sqlite3_get_autocommit(w->tx->db)) sqlite3_exec(w->tx->db, "ROLLBACK", NULL, NULL, NULL);
    if (err) fail_all(batch, &why);
    wake_all(w, batch);
    if (!err) tell_listeners(w);
}

/* ---- the thread ---- */

static bool wait_for_work(struct ff_writer *w)
{
    pthread_mutex_lock(&w->lock);
    while (!w->first && !w->stop) pthread_cond_wait(&w->waiting, &w->lock);
    bool work = w->first != NULL;
    pthread_mutex_unlock(&w->lock);
    return work;
}

static void *work(void *self)
{
    struct ff_writer *w = self;
    while (wait_for_work(w)) do_batch(w);
    return NULL;
}

ff_err ff_writer_run(struct ff_writer *w, ff_queue_fn fn, void *arg, ff_ctx *ctx)
{
    struct request r = {.fn = fn, .arg = arg, .ctx = ctx};
    pthread_cond_init(&r.woken, NULL);
    pthread_mutex_lock(&w->lock);
    *w->last = &r;
    w->last = &r.next;
    pthread_cond_signal(&w->waiting);
    while (!r.done) pthread_cond_wait(&r.woken, &w->lock);
    pthread_mutex_unlock(&w->lock);
    pthread_cond_destroy(&r.woken);
    return r.err;
}

ff_err ff_writer_start(struct ff_writer **out, ff_queue *q, ff_ctx *ctx)
{
    struct ff_writer *w = calloc(1, sizeof *w);
    *out = NULL;
    if (!w) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the writer of the database");
    w->q = q;
    w->last = &w->first;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->waiting, NULL);
    ff_err err = ff_connect(&w->tx, q->path, FF_OPEN_WRITER, ctx);
    if (!err) {
        w->tx->queue = q;
        err = ff_migrate(w->tx, q->path, ctx);
    }
    if (!err && pthread_create(&w->thread, NULL, work, w))
        err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "the system gives no thread for the writer of the database");
    if (!err) {
        *out = w;
        return FF_OK;
    }
    ff_disconnect(w->tx);
    pthread_cond_destroy(&w->waiting);
    pthread_mutex_destroy(&w->lock);
    free(w);
    return err;
}

void ff_writer_stop(struct ff_writer *w)
{
    if (!w) return;
    pthread_mutex_lock(&w->lock);
    w->stop = true;
    pthread_cond_signal(&w->waiting);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    ff_disconnect(w->tx);
    pthread_cond_destroy(&w->waiting);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
