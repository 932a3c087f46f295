/* files/h5_write.h - the file being written, as h5_write.c, h5_pack.c and h5_commit.c share it. */
#ifndef FF_FILES_H5_WRITE_H
#define FF_FILES_H5_WRITE_H

#include "files/h5_internal.h"

struct ff_h5_item {        /* a dataset that was promised to the reader */
    char name[FF_H5_NAME]; /* "group/name" */
    bool is_dim;
    enum ff_type type; /* of variables; a dimension's type is its coordinate's */
    int rank;
    hsize_t shape[FF_MAX_RANK];
};

struct ff_h5 {
    hid_t file;
    char *path, *part;
    struct ff_h5_item *items; /* (nitems) in order of creation */
    int nitems, capacity;
};

/* Memory of f only; the file is closed or dropped before. */
void ff_h5_free(ff_h5 *f);

/* Dataset creation properties: contiguous, or chunked with shuffle and deflate where that pays. data may be NULL. */
hid_t ff_h5_storage(enum ff_type type, int rank, const hsize_t *shape, const void *data);

#endif
