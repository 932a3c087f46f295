/* server/http/npy.h - a table of doubles as .npy version 1.0. (Arrays of files are the store's; this room may not include
** files/.) */
#ifndef FF_SERVER_HTTP_NPY_H
#define FF_SERVER_HTTP_NPY_H

#include <stddef.h>

#include "common/err.h"

/* rows: (n, ncolumns). bytes: malloc'ed. */
FF_MUST_USE ff_err ff_npy_of_rows(const double *rows, long n, int ncolumns, void **bytes, size_t *size, ff_ctx *ctx);

#endif
