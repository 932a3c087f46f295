/* files/npy_header.h - the text header of a .npy file: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } */
#ifndef FF_FILES_NPY_HEADER_H
#define FF_FILES_NPY_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "common/err.h"
#include "files/h5.h"

struct ff_npy_header {
    char kind; /* 'f' real, 'i' signed, 'u' unsigned, 'b' bool */
    int size;  /* bytes of a number */
    bool big_endian;
    bool fortran; /* first axis fastest */
    int rank;
    long shape[FF_MAX_RANK]; /* (rank) */
};

/* Parses `text` (size bytes, not terminated); every error names `path`. */
FF_MUST_USE ff_err ff_npy_header_parse(struct ff_npy_header *out, const char *path, const char *text, size_t size,
                                       ff_ctx *ctx);

/* The preamble of an open file, which then stands at its first number; *begin is where that is. */
FF_MUST_USE ff_err ff_npy_head_read(FILE *file, const char *path, struct ff_npy_header *h, long *begin, ff_ctx *ctx);

#endif
