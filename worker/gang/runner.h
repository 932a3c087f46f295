/* worker/gang/runner.h - runs a task with the engine (worker/job/task.h). The job of the last task stays prepared: the
** next task of the same job (the same spec) is spared parsing, reading and checking, and the next chain the mock data
** and the fit that gives chains their start. The result of a draws job is one file up to 4 GiB of arrays, more stay in
** the files of the chunks. FF_ASSEMBLE_BYTES in the environment is another limit: less for tests, more where a private
** server shares a disk with its user. */
#ifndef FF_WORKER_GANG_RUNNER_H
#define FF_WORKER_GANG_RUNNER_H

#include "worker/gang/ranks.h"
#include "worker/gang/work.h"

/* ranks: of this gang, borrowed. The tasks of a simulator that is spread over ranks are run by all of them; scratch: the folder
** below which ranks that follow keep what they are sent, NULL: $TMPDIR or /tmp. */
FF_MUST_USE ff_err ff_runner_open(struct ff_runner *out, struct ff_ranks *ranks, const char *scratch, ff_ctx *ctx);
/* Of a rank that follows: its part in a task that rank 0 calls it to (ff_ranks_follow). */
FF_MUST_USE ff_err ff_runner_part(void *runner, ff_ctx *ctx);
void ff_runner_close(struct ff_runner *runner);

#endif
