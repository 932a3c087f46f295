/* worker/gang/together.h - a task that all ranks of a gang run together: rank 0 tells the others what it was given, and from
** then on every rank makes the same calls of worker/job until the task has ended. The others have no store, no server and
** no folders: datasets come from rank 0, byte for byte, into a scratch folder of their own.
** Rank 0: ff_ranks_call -> ff_together_tell; the others, called: ff_together_hear; then both run the task. */
#ifndef FF_WORKER_GANG_TOGETHER_H
#define FF_WORKER_GANG_TOGETHER_H

#include "worker/core/comm.h"
#include "worker/gang/scratch.h"
#include "worker/gang/work.h"

/* What a rank is told; work names the body's parts and has the paths of the datasets, once they are there. */
struct ff_heard {
    json_t *body;
    struct ff_work work;
    struct ff_work_io io; /* threads, checkpoint_s */
};
void ff_heard_done(struct ff_heard *h);

/* The task. */
FF_MUST_USE ff_err ff_together_tell(const struct ff_comm *c, const struct ff_work *work, const struct ff_work_io *io,
                                    ff_ctx *ctx);
FF_MUST_USE ff_err ff_together_hear(const struct ff_comm *c, struct ff_heard *out, ff_ctx *ctx);
/* Does every rank still have the job from the task before? */
FF_MUST_USE ff_err ff_together_all(const struct ff_comm *c, bool mine, bool *all, ff_ctx *ctx);
/* The files of the work's datasets: rank 0's to the others, where scratch is made below `place` when first needed. */
FF_MUST_USE ff_err ff_together_datasets(const struct ff_comm *c, struct ff_work *work, struct ff_scratch *scratch,
                                        const char *place, ff_ctx *ctx);

#endif
