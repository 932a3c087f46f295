/* files/h5_write.h - the file being written, as h5_write.c, h5_virtual.c, h5_pack.c and h5_commit.c share it. */
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

/* "group/name"; FF_EBUG when that cannot name a dataset. */
FF_MUST_USE ff_err ff_h5_full_name(char out[FF_H5_NAME], const char *group, const char *name, ff_ctx *ctx);
/* A dataset that was promised, NULL. */
const struct ff_h5_item *ff_h5_find(const ff_h5 *f, const char *name);
/* Remembers a dataset: what later variables find their dimensions by, and what the closing check goes through. */
FF_MUST_USE ff_err ff_h5_remember(ff_h5 *f, const struct ff_h5_item *item, ff_ctx *ctx);

/* How a variable is stored: creation properties for its shape. */
struct ff_h5_layout {
    hid_t (*storage)(enum ff_type type, int rank, const hsize_t *shape, const void *arg);
    const void *arg;
};
/* Creates a variable over dimensions of its group, open in *out. */
FF_MUST_USE ff_err ff_h5_add_variable(ff_h5 *f, const char *group, const char *name, enum ff_type type,
                                      const char *dims, const struct ff_h5_layout *layout, hid_t *out, ff_ctx *ctx);

#endif
