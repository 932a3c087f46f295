/* worker/gang/runner.h - runs a task with the engine (worker/job/task.h). The job of the last task stays prepared: the
** next task of the same job (the same spec) is spared parsing, reading and checking. */
#ifndef FF_WORKER_GANG_RUNNER_H
#define FF_WORKER_GANG_RUNNER_H

#include "worker/gang/work.h"

FF_MUST_USE ff_err ff_runner_open(struct ff_runner *out, ff_ctx *ctx);
void ff_runner_close(struct ff_runner *runner);

#endif
