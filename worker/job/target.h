/* worker/job/target.h - the log density of a posterior job: parameters in the coordinates of transform.h, the field in white or
** whitened latents (sim.h). One per chain; not shared between threads. */
#ifndef FF_WORKER_JOB_TARGET_H
#define FF_WORKER_JOB_TARGET_H

#include "worker/job/engine.h"
#include "worker/job/transform.h"
#include "worker/sample/target.h"

struct ff_posterior {
    struct ff_engine engine; /* f32, data set */
    struct ff_transform transform;
    enum ff_whiten whiten;
    double theta_bar[FF_MAX_PARS];
    const struct ff_comm *comm; /* ranks that evaluate it together; NULL: this one alone */
};

/* How many of `threads` a density of this job makes use of: the parallel loops of a small map are shorter than the wait for
** a second thread, above all where others compete for the cores. Results do not depend on it. */
int ff_posterior_threads(const struct ff_job *job, int threads);

FF_MUST_USE ff_err ff_posterior_init(struct ff_posterior *p, const struct ff_job *job,
                                     const struct ff_shift_table *shift, const struct ff_maps *data, int threads,
                                     const struct ff_comm *comm, ff_ctx *ctx);
void ff_posterior_done(struct ff_posterior *p);

/* The sampler's view of it; borrows p. */
struct ff_target ff_posterior_target(struct ff_posterior *p);

#endif
