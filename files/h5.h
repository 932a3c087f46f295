/* files/h5.h - writing and reading HDF5 the way ArviZ, xarray and h5py expect (docs: conventions 4.4, 4.5).
** Writer, call order: ff_h5_create -> per group: ff_h5_group, its dimensions, its variables, attributes -> ff_h5_close
** (which closes, re-opens and checks, fsyncs, renames into place and fsyncs the folder) or ff_h5_abandon.
** Every dimension is a dataset of the dimension's name in the group, attached to each variable's axis; creation order
** is tracked; booleans are int8 with attribute dtype="bool"; labels are variable-length UTF-8.
** Not thread safe: one thread of a process uses HDF5. */
#ifndef FF_FILES_H5_H
#define FF_FILES_H5_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"

enum ff_type { FF_F32_T, FF_F64_T, FF_I64_T, FF_U8_T, FF_BOOL_T }; /* FF_BOOL_T: memory is int8_t */
enum { FF_MAX_RANK = 6, FF_H5_SOURCE = 320 };

typedef struct ff_h5 ff_h5; /* a file being written */

/* Writes `path`.part until closed. */
FF_MUST_USE ff_err ff_h5_create(ff_h5 **out, const char *path, ff_ctx *ctx);
FF_MUST_USE ff_err ff_h5_close(ff_h5 *f, ff_ctx *ctx); /* frees f in any case */
void ff_h5_abandon(ff_h5 *f);                          /* removes the unfinished file; NULL is fine */
/* The end that `err` asks for: FF_OK closes, else the file is abandoned. Returns err or what closing returns. Where the disk
** failed (FF_EIO, here or in closing) what it has of the file stays as NAME.part, to be looked at. */
FF_MUST_USE ff_err ff_h5_end(ff_h5 *f, ff_err err, ff_ctx *ctx);

/* Groups directly under "/" by name ("posterior"); "/" itself is "". Exists already: no error. */
FF_MUST_USE ff_err ff_h5_group(ff_h5 *f, const char *group, ff_ctx *ctx);

/* Dimensions of a group: counted 0..n-1, labelled by numbers, labelled by texts, or without coordinate (pixels). */
FF_MUST_USE ff_err ff_h5_dim(ff_h5 *f, const char *group, const char *name, long n, ff_ctx *ctx);
FF_MUST_USE ff_err ff_h5_dim_values(ff_h5 *f, const char *group, const char *name, const double *values, long n,
                                    ff_ctx *ctx);
FF_MUST_USE ff_err ff_h5_dim_labels(ff_h5 *f, const char *group, const char *name, const char *const *labels, long n,
                                    ff_ctx *ctx);
FF_MUST_USE ff_err ff_h5_dim_plain(ff_h5 *f, const char *group, const char *name, long n, ff_ctx *ctx);

/* A variable over dimensions of its group; `dims` is "chain draw" (space separated, slowest first; "" for a scalar).
** The lengths are those of the dimensions. data in C order. FF_ENUMERIC names the first element that is not finite; infinity
** is allowed in noise_sd (masked) and max_energy_error, anything in the group diagnostics (unknown). */
FF_MUST_USE ff_err ff_h5_put(ff_h5 *f, const char *group, const char *name, enum ff_type type, const char *dims,
                             const void *data, ff_ctx *ctx);
/* The same in slices along the first dimension: create, then append `count` rows at row `first` (any order). */
FF_MUST_USE ff_err ff_h5_reserve(ff_h5 *f, const char *group, const char *name, enum ff_type type, const char *dims,
                                 ff_ctx *ctx);
FF_MUST_USE ff_err ff_h5_put_rows(ff_h5 *f, const char *group, const char *name, enum ff_type type, long first,
                                  long count, const void *data, ff_ctx *ctx);

/* A file that begins as a copy of `base`, which one of ours wrote; what is put goes into it besides (h5_virtual.c). */
FF_MUST_USE ff_err ff_h5_create_from(ff_h5 **out, const char *path, const char *base, ff_ctx *ctx);
/* A variable whose rows stand in other files, one source after the other, each in a dataset of the same group and name.
** Dimensions may be those of the base. h5py and h5dump show it as one array; readers of ours do not follow it. */
struct ff_h5_source {
    char file[FF_H5_SOURCE]; /* its path from the folder of this file */
    long count;              /* rows */
};
FF_MUST_USE ff_err ff_h5_put_virtual(ff_h5 *f, const char *group, const char *name, enum ff_type type, const char *dims,
                                     const struct ff_h5_source *sources, long nsources, ff_ctx *ctx);

/* Attributes of a group ("" = root), of a variable ("posterior/sigma8"). */
FF_MUST_USE ff_err ff_h5_attr_text(ff_h5 *f, const char *object, const char *name, const char *value, ff_ctx *ctx);
FF_MUST_USE ff_err ff_h5_attr_number(ff_h5 *f, const char *object, const char *name, double value, ff_ctx *ctx);
FF_MUST_USE ff_err ff_h5_attr_int(ff_h5 *f, const char *object, const char *name, int64_t value, ff_ctx *ctx);

/* Reading. Files are untrusted: sizes are checked against the limits given before anything is allocated. */
typedef struct ff_h5r ff_h5r;
FF_MUST_USE ff_err ff_h5r_open(ff_h5r **out, const char *path, ff_ctx *ctx);
void ff_h5r_close(ff_h5r *f);
bool ff_h5r_has(const ff_h5r *f, const char *name);
/* Shape of a dataset; *rank <= FF_MAX_RANK. FF_EBADFILE names file and dataset when absent or of larger rank. */
FF_MUST_USE ff_err ff_h5r_shape(ff_h5r *f, const char *name, int *rank, long *shape, ff_ctx *ctx);
/* The whole dataset converted to `type`, malloc'ed; refused above max_elements. */
FF_MUST_USE ff_err ff_h5r_get(ff_h5r *f, const char *name, enum ff_type type, long max_elements, void **data, int *rank,
                              long *shape, ff_ctx *ctx);
/* The same of `count` rows of the first axis from row `first` (FF_ERANGE when they are not all there); shape[0] becomes
** count. */
FF_MUST_USE ff_err ff_h5r_rows(ff_h5r *f, const char *name, enum ff_type type, long first, long count,
                               long max_elements, void **data, int *rank, long *shape, ff_ctx *ctx);
FF_MUST_USE ff_err ff_h5r_attr_number(ff_h5r *f, const char *object, const char *name, double *value, ff_ctx *ctx);
/* malloc'ed text of at most max_bytes. */
FF_MUST_USE ff_err ff_h5r_attr_text(ff_h5r *f, const char *object, const char *name, long max_bytes, char **value,
                                    ff_ctx *ctx);
/* Names of the links of a group, malloc'ed array of malloc'ed strings, in creation order where tracked. */
FF_MUST_USE ff_err ff_h5r_list(ff_h5r *f, const char *group, char ***names, int *n, ff_ctx *ctx);
FF_MUST_USE ff_err ff_h5r_labels(ff_h5r *f, const char *name, char ***labels, int *n, ff_ctx *ctx);
void ff_names_free(char **names, int n);

#endif
