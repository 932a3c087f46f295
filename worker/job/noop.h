/* worker/job/noop.h - the task that does nothing (noop.c). */
#ifndef FF_WORKER_JOB_NOOP_H
#define FF_WORKER_JOB_NOOP_H

#include "worker/job/task.h"

FF_MUST_USE ff_err ff_run_noop(const struct ff_task_run *t, ff_ctx *ctx);

#endif
