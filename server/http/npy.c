/* server/http/npy.c - see npy.h. */
#include "server/http/npy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

ff_err ff_npy_of_rows(const double *rows, long n, int ncolumns, void **bytes, size_t *size, ff_ctx *ctx)
{
    enum {
        PREAMBLE = 128,
        HEAD = 10
    }; /* whole preamble, a multiple of 64; magic, version and length before the text */
    const size_t data = (size_t)n * (size_t)ncolumns * sizeof *rows;
    char *out = malloc(PREAMBLE + data);
    *bytes = out;
    *size = PREAMBLE + data;
    if (!out) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for %ld rows", n);
    memcpy(out, "\x93NUMPY\x01\x00", 8);
    out[8] = (char)(PREAMBLE - HEAD);
    out[9] = 0;
    const int used = snprintf(out + HEAD, PREAMBLE - HEAD,
                              "{'descr': '<f8', 'fortran_order': False, 'shape': (%ld, %d), }", n, ncolumns);
    memset(out + HEAD + used, ' ', (size_t)(PREAMBLE - HEAD - used));
    out[PREAMBLE - 1] = '\n';
    if (data) memcpy(out + PREAMBLE, rows, data);
    return FF_OK;
}
