/* worker/job/blob.h - bytes put together and taken apart again, for checkpoints: pieces with their lengths, checked on reading. */
#ifndef FF_WORKER_JOB_BLOB_H
#define FF_WORKER_JOB_BLOB_H

#include <stdbool.h>
#include <stddef.h>

struct ff_blob {
    char *bytes;
    size_t size, capacity, at; /* at: reading position */
    bool failed;               /* out of memory while writing; a piece missing or of another length while reading */
};

/* Appends a piece; sets failed when out of memory. */
void ff_blob_put(struct ff_blob *b, const void *piece, size_t size);
/* Takes the next piece, which has to be `size` bytes long. */
void ff_blob_get(struct ff_blob *b, void *piece, size_t size);
/* The next piece in place, whatever its length; NULL when there is none. */
const void *ff_blob_peek(struct ff_blob *b, size_t *size);
/* Frees the bytes of a blob that was written. */
void ff_blob_done(struct ff_blob *b);

#endif
