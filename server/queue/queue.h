/* server/queue/queue.h - the durable queue: one SQLite file (WAL, synchronous=FULL), one writer thread, group commit.
** All SQL of the product is in this room. Other rooms compose the calls of jobs.h, tasks.h, events.h, datasets.h, users.h
** and workers.h inside a function that runs in one transaction.
** Call order: ff_queue_open -> ff_queue_listen (before other threads use it) -> ff_queue_write / ff_queue_read from any
** thread -> ff_queue_close.
** Durability: ff_queue_write returns after the fsync of the batch its transaction was part of. Errors of one function
** roll back that function's changes only (a savepoint); the rest of the batch is committed.
** Times are milliseconds since 1970 (display, retention); nothing here decides by the clock when a lease ends. */
#ifndef FF_SERVER_QUEUE_QUEUE_H
#define FF_SERVER_QUEUE_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"
#include "common/err.h"

typedef struct ff_queue ff_queue;
typedef struct ff_tx ff_tx; /* a transaction on one connection, valid inside an ff_queue_fn only */

struct ff_queue_config {
    const char *path; /* of the database; created when missing */
    int readers;      /* connections for reading, 1..64 */
};

/* Refuses, before touching anything: a file system of the network (FF_EUSAGE, naming it), a schema newer than this build
** (FF_EVERSION, both numbers), a damaged database (FF_EDATABASE: which file, how to restore; quick_check and the hash chain
** of rows that carry one). Migrations run one after another under an exclusive lock, each in one transaction. */
FF_MUST_USE ff_err ff_queue_open(ff_queue **out, const struct ff_queue_config *config, ff_ctx *ctx);
void ff_queue_close(ff_queue *q); /* NULL is fine; what was being written is finished first */

typedef ff_err (*ff_queue_fn)(ff_tx *tx, void *arg, ff_ctx *ctx);
/* Runs fn on the writer thread; blocks until it is durable. FF_EDISKFULL or FF_EDATABASE when the commit failed: then
** nothing of the whole batch happened, although fn ran: what it allocated for its caller is still the caller's to free. */
FF_MUST_USE ff_err ff_queue_write(ff_queue *q, ff_queue_fn fn, void *arg, ff_ctx *ctx);
/* Runs fn in a read transaction (one snapshot) on the calling thread with a connection of the pool. */
FF_MUST_USE ff_err ff_queue_read(ff_queue *q, ff_queue_fn fn, void *arg, ff_ctx *ctx);

/* Told after every commit, on the writer thread, which must not be held up: what may have changed. */
struct ff_changes {
    int njobs;           /* jobs with new events, each once */
    const int64_t *jobs; /* their row numbers (struct ff_event.job of events.h) */
    bool ready_tasks;    /* tasks may have become ready to lease */
    bool cancels;        /* a job has to be told to stop */
};
typedef void (*ff_queue_listener)(void *self, const struct ff_changes *changes);
/* At most 4 listeners. */
void ff_queue_listen(ff_queue *q, ff_queue_listener listener, void *self);
/* When it returns the listener is not called any more. */
void ff_queue_unlisten(ff_queue *q, ff_queue_listener listener, void *self);

/* A consistent copy into a new file while everything runs (sqlite3_backup), checked and fsynced, then renamed. */
FF_MUST_USE ff_err ff_queue_backup(ff_queue *q, const char *path, ff_ctx *ctx);
/* The same of a database that is not open here, as it is: it stays at its schema, so that a server of an older build may be using
** it meanwhile, and the copy has the same one. FF_EVERSION: newer than this build. FF_EDATABASE: damaged, empty, another
** program's. */
FF_MUST_USE ff_err ff_queue_copy(const char *database, const char *path, ff_ctx *ctx);

/* A bare write that succeeds only when the disk takes it: what /readyz asks. */
FF_MUST_USE ff_err ff_queue_probe(ff_queue *q, ff_ctx *ctx);

/* Public ids: a prefix ("job_", "ds_", "wk_", "tk_", "us_") and 26 characters [a-z0-9], random. */
enum { FF_ID_SIZE = 32 };
void ff_id_make(const char *prefix, char out[FF_ID_SIZE]);
bool ff_id_valid(const char *prefix, const char *id);

#endif
