/* worker/gang/runner.h - runs a task with the engine (worker/job/task.h). The job of the last task stays prepared: the
** next task of the same job (the same spec) is spared parsing, reading and checking, and the next chain the mock data
** and the fit that gives chains their start. The result of a draws job is one file up to 4 GiB of arrays, more stay in
** the files of the chunks. FF_ASSEMBLE_BYTES in the environment is another limit: less for tests, more where a private
** server shares a disk with its user. */
#ifndef FF_WORKER_GANG_RUNNER_H
#define FF_WORKER_GANG_RUNNER_H

#include "worker/gang/work.h"

FF_MUST_USE ff_err ff_runner_open(struct ff_runner *out, ff_ctx *ctx);
void ff_runner_close(struct ff_runner *runner);

#endif
