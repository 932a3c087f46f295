/* files/guard.h - runs a reader of an untrusted file in a child process with limits on memory, time and files. */
#ifndef FF_FILES_GUARD_H
#define FF_FILES_GUARD_H

#include <stddef.h>

#include "common/err.h"

/* Runs `read(arg, &bytes, &size, ctx)` in a child limited to max_bytes of address space beyond the parent's and
** max_seconds of CPU, and hands its result (bytes malloc'ed there) back as malloc'ed bytes here. A child that crashes or
** needs more time is FF_EBADFILE naming `path`; one that runs out of memory, and says so or is killed for it, is FF_ENOMEM with the
** limit: nothing is said about the file then. */
typedef ff_err (*ff_guard_read)(void *arg, void **bytes, size_t *size, ff_ctx *ctx);
FF_MUST_USE ff_err ff_guard(const char *path, ff_guard_read read, void *arg, size_t max_bytes, int max_seconds,
                            void **bytes, size_t *size, ff_ctx *ctx);

#endif
