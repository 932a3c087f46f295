/* worker/job/moments.h - running mean and variance of maps (Welford 1962; merged as in Chan, Golub, LeVeque 1983): fields are
** never kept draw by draw. */
#ifndef FF_WORKER_JOB_MOMENTS_H
#define FF_WORKER_JOB_MOMENTS_H

#include "common/err.h"

struct ff_moments {
    long len, count;
    double *mean, *m2; /* (len) */
};

FF_MUST_USE ff_err ff_moments_init(struct ff_moments *m, long len, ff_ctx *ctx);
void ff_moments_done(struct ff_moments *m);
void ff_moments_add(struct ff_moments *m, const float *x /* (len) */);
/* Adds b's draws to a. */
void ff_moments_merge(struct ff_moments *a, const struct ff_moments *b);
/* Mean and standard deviation (n-1) as float; zero sd for fewer than two draws. Either may be NULL. */
void ff_moments_get(const struct ff_moments *m, float *mean, float *sd);

#endif
