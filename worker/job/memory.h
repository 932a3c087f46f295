/* worker/job/memory.h - how much memory this process may still take, and the refusal when a job needs more. */
#ifndef FF_WORKER_JOB_MEMORY_H
#define FF_WORKER_JOB_MEMORY_H

#include <stddef.h>

#include "common/err.h"

/* Bytes: what the machine can give, or what is left below the limits of its control groups and of the process. */
size_t ff_memory_available(void);

/* FF_ENOMEM with needed and available GiB and what to change, at `pointer`, when `bytes` do not fit. */
FF_MUST_USE ff_err ff_memory_require(size_t bytes, const char *pointer, const char *change, ff_ctx *ctx);

#endif
