/* worker/job/start.h - what all chains of a posterior have in common before the first transition: the data, real or
** mock, and the fit that gives them a start and a metric. Both follow from the job alone: whoever makes them gets the
** same bits, and a process that runs one chain after another makes them once. */
#ifndef FF_WORKER_JOB_START_H
#define FF_WORKER_JOB_START_H

#include "worker/job/fit.h"
#include "worker/job/run.h"

struct ff_start {
    const struct ff_maps *data; /* the job's dataset (borrowed), or mock */
    struct ff_maps mock;
    struct ff_fit fit;
    bool made;
};

/* Tells the job when the fit did not converge. */
FF_MUST_USE ff_err ff_start_init(struct ff_start *s, const struct ff_run *run, ff_ctx *ctx);
/* The one that run->start keeps, made there now if it was not before; without one, in *own, which is to be done with
** afterwards in any case. */
FF_MUST_USE ff_err ff_start_get(const struct ff_start **out, struct ff_start *own, const struct ff_run *run,
                                ff_ctx *ctx);
void ff_start_done(struct ff_start *s); /* zeroed is fine */

#endif
