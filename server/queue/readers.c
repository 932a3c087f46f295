/* server/queue/readers.c - a pool of connections for reading: each call takes one, or waits for one. */
#include <stdlib.h>

#include "server/queue/inner.h"

struct ff_readers {
    ff_tx *free;
    pthread_mutex_t lock;
    pthread_cond_t freed;
};

static ff_tx *take(struct ff_readers *r)
{
    pthread_mutex_lock(&r->lock);
    while (!r->free) pthread_cond_wait(&r->freed, &r->lock);
    ff_tx *tx = r->free;
    r->free = tx->next;
    pthread_mutex_unlock(&r->lock);
    return tx;
}

static void put_back(struct ff_readers *r, ff_tx *tx)
{
    pthread_mutex_lock(&r->lock);
    tx->next = r->free;
    r->free = tx;
    pthread_cond_signal(&r->freed);
    pthread_mutex_unlock(&r->lock);
}

ff_err ff_readers_run(struct ff_readers *r, ff_queue_fn fn, void *arg, ff_ctx *ctx)
{
    ff_tx *tx = take(r);
    ff_err err = ff_sql_run(tx, "BEGIN", FF_NO_ARGS, ctx);
    if (!err) {
        err = fn(tx, arg, ctx);
        ff_err ended = ff_sql_run(tx, "COMMIT", FF_NO_ARGS, err ? NULL : ctx);
        if (!err) err = ended;
        if (ended && !sqlite3_get_autocommit(tx->db)) sqlite3_exec(tx->db, "ROLLBACK", NULL, NULL, NULL);
    }
    put_back(r, tx);
    return err;
}

ff_err ff_readers_start(struct ff_readers **out, ff_queue *q, int n, ff_ctx *ctx)
{
    struct ff_readers *r = calloc(1, sizeof *r);
    *out = NULL;
    if (!r) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the readers of the database");
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->freed, NULL);
    ff_err err = FF_OK;
    for (int i = 0; i < n && !err; i++) {
        ff_tx *tx;
        err = ff_connect(&tx, q->path, FF_OPEN_READER, ctx);
        if (err) break;
        tx->queue = q;
        tx->next = r->free;
        r->free = tx;
    }
    if (err) {
        ff_readers_stop(r);
        return err;
    }
    *out = r;
    return FF_OK;
}

void ff_readers_stop(struct ff_readers *r)
{
    if (!r) return;
    while (r->free) {
        ff_tx *tx = r->free;
        r->free = tx->next;
        ff_disconnect(tx);
    }
    pthread_cond_destroy(&r->freed);
    pthread_mutex_destroy(&r->lock);
    free(r);
}
