/* server/queue/inner.h - what the files of this room share: the queue, a connection, a transaction. Private. */
#ifndef FF_SERVER_QUEUE_INNER_H
#define FF_SERVER_QUEUE_INNER_H

#include <pthread.h>

#include "server/queue/sql.h"
#include "server/queue/users.h"

/* What the functions of a batch changed, gathered for the listeners; rolled back with the function that noted it. */
struct ff_notes {
    int64_t *jobs; /* with repetitions until the commit */
    int njobs, capacity;
    bool ready_tasks, cancels;
};

struct ff_tx { /* one connection; its queue NULL while the database is opened and checked */
    sqlite3 *db;
    ff_queue *queue;
    struct ff_sql_cache cache;
    struct ff_notes notes;
    ff_tx *next; /* of the free ones of the pool */
};

/* ---- connection.c ---- */
enum ff_open_mode { FF_OPEN_CHECK, FF_OPEN_WRITER, FF_OPEN_READER, FF_OPEN_COPY };
FF_MUST_USE ff_err ff_connect(ff_tx **out, const char *path, enum ff_open_mode mode, ff_ctx *ctx);
void ff_disconnect(ff_tx *tx); /* NULL is fine */
/* Without preparing: PRAGMA, BEGIN and the like, which are not worth the cache. */
FF_MUST_USE ff_err ff_sql_script(ff_tx *tx, const char *text, ff_ctx *ctx);

/* ---- notes: call only in a writing transaction ---- */
FF_MUST_USE ff_err ff_note_job(ff_tx *tx, int64_t job, ff_ctx *ctx);
void ff_note_ready(ff_tx *tx);
void ff_note_cancels(ff_tx *tx);

/* ---- writer.c: group commit ---- */
struct ff_writer;
FF_MUST_USE ff_err ff_writer_start(struct ff_writer **out, ff_queue *q, ff_ctx *ctx);
void ff_writer_stop(struct ff_writer *w); /* finishes what waits */
FF_MUST_USE ff_err ff_writer_run(struct ff_writer *w, ff_queue_fn fn, void *arg, ff_ctx *ctx);

/* ---- readers.c: the pool ---- */
struct ff_readers;
FF_MUST_USE ff_err ff_readers_start(struct ff_readers **out, ff_queue *q, int n, ff_ctx *ctx);
void ff_readers_stop(struct ff_readers *r);
FF_MUST_USE ff_err ff_readers_run(struct ff_readers *r, ff_queue_fn fn, void *arg, ff_ctx *ctx);

enum { FF_MAX_LISTENERS = 4 };
struct ff_queue {
    char *path;
    struct ff_writer *writer;
    struct ff_readers *readers;
    int nlisteners;
    struct {
        ff_queue_listener tell;
        void *self;
    } listener[FF_MAX_LISTENERS];
    pthread_mutex_t lock; /* of listeners and defaults */
    struct ff_quotas defaults;
};

/* ---- migrate.c, check.c ---- */
enum { FF_SCHEMA_VERSION = 3, FF_APPLICATION_ID = 0x46464c44 /* "FFLD" */ };
/* Version of an open database, 0: empty. FF_EDATABASE when it is somebody else's, FF_EVERSION when it is newer. */
FF_MUST_USE ff_err ff_schema_version(ff_tx *tx, const char *path, int *version, ff_ctx *ctx);
FF_MUST_USE ff_err ff_migrate(ff_tx *writer, const char *path, ff_ctx *ctx);
/* quick_check and the hashes of rows; `version` tells which tables there are. */
FF_MUST_USE ff_err ff_check_database(ff_tx *tx, const char *path, int version, ff_ctx *ctx);
/* Name of a file system that is shared over a network, by its magic number (statfs); NULL: not one of them. */
const char *ff_network_fs(unsigned long magic);

#endif
