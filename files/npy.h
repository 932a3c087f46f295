/* files/npy.h - NumPy .npy v1.0 (and reading of v2.0), little and big endian, C or Fortran order. */
#ifndef FF_FILES_NPY_H
#define FF_FILES_NPY_H

#include <stddef.h>

#include "common/err.h"
#include "files/h5.h"

/* The bytes before the numbers of an array, into out; returns how many. rank <= FF_MAX_RANK. */
enum { FF_NPY_HEAD = 128 + 64 * FF_MAX_RANK };
size_t ff_npy_head(char out[FF_NPY_HEAD], enum ff_type type, int rank, const long *shape);

FF_MUST_USE ff_err ff_npy_write(const char *path, enum ff_type type, int rank, const long *shape, const void *data,
                                ff_ctx *ctx);
/* Any integer or real type, converted to double in C order, malloc'ed; refused above max_elements. */
FF_MUST_USE ff_err ff_npy_read(const char *path, long max_elements, double **data, int *rank, long *shape, ff_ctx *ctx);

#endif
