/* worker/sample/target.h - a log density with gradient, as samplers see it.
** A point is (q, z): q the few parameters in unconstrained coordinates (double), z the field's latent (float), which in
** good coordinates is near N(0, I) and carries no metric. Either may be empty. */
#ifndef FF_WORKER_SAMPLE_TARGET_H
#define FF_WORKER_SAMPLE_TARGET_H

#include "common/err.h"
#include "worker/core/spread.h"

struct ff_target {
    void *self;
    int nparam;
    long nlatent; /* of this rank */
    /* Of the latents over ranks: then every call about the chain is collective, every rank runs the same chain, and all
    ** that is no latent is the same on each. */
    struct ff_spread spread;
    /* Log density at (q, z) up to a constant, gradients into gq (nparam) and gz (nlatent). A point outside the model or a
    ** non-finite value: *lp = -INFINITY and FF_OK (the sampler counts a divergence). An error return stops the chain. */
    ff_err (*eval)(void *self, const double *q, const float *z, double *lp, double *gq, float *gz, ff_ctx *ctx);
};

#endif
