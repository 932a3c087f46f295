/* worker/io/store.h - many records of one size in one file, each good by itself: what a task has finished, whatever killed it.
** A record ends with a checksum that knows its place and whose job it is, so a torn, missing or foreign record is just "not there" and is
** made again; nothing has to be synced or renamed. Records are written in any order by any number of threads.
** Call order: ff_store_open -> ff_store_get / ff_store_put -> ff_store_close. */
#ifndef FF_WORKER_IO_STORE_H
#define FF_WORKER_IO_STORE_H

#include <stdbool.h>
#include <stddef.h>

#include "common/err.h"

struct ff_store_config {
    const char *path;
    const char *identity; /* what the records have to belong to: the hash of the job */
    const char *origin;   /* what their last digit may depend on: build, kind of processor, FFT plans */
    size_t record;        /* bytes, a multiple of 8 */
    long nrecords;
    bool resume;    /* keep the records of an earlier process */
    bool read_only; /* nothing is made or changed; a file that is missing or has no whole header is FF_EIO */
};
typedef struct ff_store ff_store;

/* FF_ECHECKPOINT when the file belongs to another job. *other_origin: records are there that came from elsewhere. */
FF_MUST_USE ff_err ff_store_open(ff_store **out, const struct ff_store_config *config, bool *other_origin, ff_ctx *ctx);
void ff_store_close(ff_store *s); /* NULL is fine */

/* Record i into `record`; false when it is not there. Thread safe. */
bool ff_store_get(const ff_store *s, long i, void *record);
/* Thread safe. FF_EDISKFULL when there is no room. */
FF_MUST_USE ff_err ff_store_put(const ff_store *s, long i, const void *record, ff_ctx *ctx);

/* Bytes of the whole file. */
double ff_store_bytes(size_t record, long nrecords);

#endif
