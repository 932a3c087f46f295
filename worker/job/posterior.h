/* worker/job/posterior.h - the tasks of a posterior: its chains one by one, each wherever it runs, and what is made of them; and all of
** them together on one worker. The chains, the stopping rule and the result are the same functions on both roads. */
#ifndef FF_WORKER_JOB_POSTERIOR_H
#define FF_WORKER_JOB_POSTERIOR_H

#include "worker/job/task.h"

/* One chain, up to t->draws draws. */
FF_MUST_USE ff_err ff_run_chain(const struct ff_task_run *t, ff_ctx *ctx);
/* The chains t->done knows, as far as they have come: the result, or FF_TASK_MORE with the draws each is to have first. */
FF_MUST_USE ff_err ff_run_reduce(const struct ff_task_run *t, enum ff_task_end *end, long *draws, ff_ctx *ctx);

/* The whole job; tasks: of ff_tasks_split. */
FF_MUST_USE ff_err ff_run_posterior(const struct ff_run *run, const struct ff_task *tasks, ff_ctx *ctx);

#endif
