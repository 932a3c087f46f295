/* files/npy.h - NumPy .npy v1.0 (and reading of v2.0), little and big endian, C or Fortran order. */
#ifndef FF_FILES_NPY_H
#define FF_FILES_NPY_H

#include <stddef.h>

#include "common/err.h"
#include "files/h5.h"

FF_MUST_USE ff_err ff_npy_write(const char *path, enum ff_type type, int rank, const long *shape, const void *data,
                                ff_ctx *ctx);
/* Any integer or real type, converted to double in C order, malloc'ed; refused above max_elements. */
FF_MUST_USE ff_err ff_npy_read(const char *path, long max_elements, double **data, int *rank, long *shape, ff_ctx *ctx);

#endif
