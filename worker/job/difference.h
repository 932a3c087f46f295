/* worker/job/difference.h - derivatives of a function on a line by central differences, extrapolated to step 0 (Ridders 1982, Adv. Eng.
** Software 4, 75): what analytic derivatives are checked against. */
#ifndef FF_WORKER_JOB_DIFFERENCE_H
#define FF_WORKER_JOB_DIFFERENCE_H

#include "common/err.h"

/* *value = f(h); NAN where f is undefined. */
typedef ff_err (*ff_line)(void *self, double h, double *value, ff_ctx *ctx);

struct ff_difference {
    double slope;     /* df/dh at 0 */
    double error;     /* estimate of its error */
    double curvature; /* rough d2f/dh2 */
};

/* step: a length over which f changes visibly; halved until f is defined there. NAN slope when it never is. */
FF_MUST_USE ff_err ff_differentiate(ff_line f, void *self, double step, struct ff_difference *out, ff_ctx *ctx);

#endif
