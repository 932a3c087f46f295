/* files/h5_internal.h - what h5_write.c, h5_read.c and h5_error.c share; not for callers of files/h5.h. */
#ifndef FF_FILES_H5_INTERNAL_H
#define FF_FILES_H5_INTERNAL_H

#include <hdf5.h>
#include <stdbool.h>

#include "files/h5.h"

enum { FF_H5_NAME = 256 }; /* bytes of "group/name" */

/* HDF5's own printing of its error stack and its work at exit off. Every entry point calls it: cheap, and there is no
** state of ours. False: HDF5 could not start, for which it only needs memory. */
bool ff_h5_quiet(void);
/* Fails with the text and the innermost message of HDF5's error stack; a full disk turns FF_EIO into FF_EDISKFULL, want
** of memory any code into FF_ENOMEM. To be called right after what failed: every call of HDF5, even a close, empties
** the stack. */
ff_err ff_h5_fail(ff_ctx *ctx, ff_err code, const char *file, int line, const char *fmt, ...) FF_PRINTF(5, 6);

hid_t ff_h5_memory_type(enum ff_type type);
hid_t ff_h5_file_type(enum ff_type type); /* little endian */
size_t ff_h5_type_size(enum ff_type type);

/* Reads a dataset, whose shape is known to have n elements, into the caller's buffer. */
FF_MUST_USE ff_err ff_h5r_fill(ff_h5r *f, const char *name, enum ff_type type, long n, void *data, ff_ctx *ctx);

#endif
