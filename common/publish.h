/* common/publish.h - a file appears whole or not at all: written as `path`.part, fsynced, renamed, folder fsynced
** (docs: reliability, section 0). Also how an errno of a file becomes an error.
** Call order: ff_part_name -> write the part -> ff_publish; ff_part_drop where anything failed, or the part is kept. */
#ifndef FF_COMMON_PUBLISH_H
#define FF_COMMON_PUBLISH_H

#include <stdio.h>

#include "common/err.h"

/* `path`.part, malloc'ed; NULL when out of memory. */
char *ff_part_name(const char *path);
/* Moves a finished part to `path`, durably. Where that fails the part is left to the caller. */
FF_MUST_USE ff_err ff_publish(const char *part, const char *path, ff_ctx *ctx);
/* The same, never over a file that is there: FF_EUSAGE. */
FF_MUST_USE ff_err ff_publish_new(const char *part, const char *path, ff_ctx *ctx);
/* Removes a part that is not to be published; NULL and one that is not there are fine. */
void ff_part_drop(const char *part);

/* FF_EDISKFULL for a full disk or quota, FF_ENOFILE, FF_ENOMEM, else FF_EIO. */
ff_err ff_errno_code(int number);
/* Fails with "`doing` `path`: strerror(number)". */
ff_err ff_errno_fail(ff_ctx *ctx, int number, const char *doing, const char *path);
/* Fails with "cannot write `path`: why": FF_EDISKFULL where `number` says so, else FF_EIO (a missing folder, too, is
** no missing input). */
ff_err ff_write_fail(ff_ctx *ctx, int number, const char *path, const char *why);
/* Opens a regular file for reading: FF_ENOFILE when missing, FF_EBADFILE when it is a folder, a pipe, a device. */
FF_MUST_USE ff_err ff_open_regular(FILE **out, const char *path, long *size, ff_ctx *ctx);

#endif
