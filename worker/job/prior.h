/* worker/job/prior.h - priors of single parameters: density, gradient and draws. */
#ifndef FF_WORKER_JOB_PRIOR_H
#define FF_WORKER_JOB_PRIOR_H

#include <stdint.h>

#include "common/job.h"

/* log p(x), normalised over the prior's support (a truncated normal includes its normalisation), and d log p/dx. Outside: -INFINITY. */
double ff_prior_logp(const struct ff_prior *prior, double x, double *dlogp);

/* The parameter vector of draw `draw`: each free parameter by inverse CDF from its own address (seed, FF_RNG_PRIOR, draw, par),
** fixed ones at their value. */
void ff_prior_draw(const struct ff_model *model, uint64_t seed, uint32_t draw, double *theta /* (npars) */);

/* Centre of every prior; fixed values. */
void ff_prior_centre(const struct ff_model *model, double *theta /* (npars) */);

#endif
