/* worker/job/task.h - one task of a job on a gang: what a server hands out. `ffworker --job` runs the same tasks by the same
** functions (run.h). A task reads the folders of tasks it depends on and writes its own; nothing else.
** Folder of an attempt: checkpoints (worker/io/checkpoint.h), thinned fields and previews of maps (preview.h) of a chain;
** the store of a chunk of draws and, when it is done, its .npy files (draws_team.h); the result of the job's last task.
** Events: samples (numbered within the task), progress, maps and logs under the task's name; states are told by whoever
** hands the task out. */
#ifndef FF_WORKER_JOB_TASK_H
#define FF_WORKER_JOB_TASK_H

#include "worker/job/run.h"

/* Folder of the attempt that committed task `name`, valid until the next call; NULL when there is none. */
struct ff_task_folders {
    void *self;
    const char *(*of)(void *self, const char *name);
};

struct ff_task_run {
    struct ff_run run; /* run.ckpt_dir: the folder of this attempt (made here); run.out: the result, in it */
    const struct ff_task *task;
    const char *resume_dir;      /* folder of an earlier attempt to go on from, or NULL; may be run.ckpt_dir */
    struct ff_task_folders done; /* what this task builds on */
    long draws;                  /* chain: draws to hold when it ends; 0: the job's (or its first look, see below) */
    double assemble_bytes; /* manifest: where the arrays of all draws have more, they stay in the chunks' files, and the
                           ** result says where (files/chunks.h); 0: one file holds any number */
    void (*checkpointed)(void *self); /* files in the folder changed (to be sent, if nobody shares it); or NULL */
    void *checkpointed_self;
};

enum ff_task_end { FF_TASK_DONE, FF_TASK_MORE };
/* Runs the task to its end or until run.stop (FF_EINTERRUPTED, what is done is kept). *end FF_TASK_MORE with *draws: a
** reduce that wants that many draws of every chain first, because the stopping rule (`until`) does or because a chain's
** newest checkpoint turned out to be damaged. */
FF_MUST_USE ff_err ff_run_task(const struct ff_task_run *t, enum ff_task_end *end, long *draws, ff_ctx *ctx);

/* Looks at the stopping rule: draws a chain is to hold at the first look, and at the next after a look at `held` draws with
** effective sample size `ess`: as many as it promises to take, at least 25 more, at most twice as many, in steps of 25. */
long ff_first_look(const struct ff_sampler *s);
long ff_next_look(const struct ff_sampler *s, long held, double ess);

#endif
