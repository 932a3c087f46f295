/* worker/job/fit.h - where a posterior lies, before any chain runs: the maximum of the marginal likelihood of the parameters
** for a Gaussian field with the same spectra (ff_sim_marginal), with the prior, by damped Fisher scoring. It gives chains a start,
** a centre and a metric; it is never an answer. */
#ifndef FF_WORKER_JOB_FIT_H
#define FF_WORKER_JOB_FIT_H

#include "worker/job/engine.h"
#include "worker/job/transform.h"

struct ff_fit {
    double mean[FF_MAX_PARS];   /* (nfree) the maximum, in the units of theta, ... */
    double sd[FF_MAX_PARS];     /* (nfree) ... and sds around it without bounds: for ff_transform_recentre */
    double centre[FF_MAX_PARS]; /* (nfree) v at u = 0 of these references */
    double factor[FF_MAX_PARS * FF_MAX_PARS]; /* (nfree, nfree) lower Cholesky factor of the covariance of v */
    int evaluations;                          /* of theta and the marginal likelihood */
    bool converged;
};

/* t has the prior as reference, and is recentred at the end. The engine has data set and derivatives; its tables are overwritten. A fit that does not converge gives the best point
** found and its metric; FF_EOUTSIDE when the model is undefined at every point tried, prior centre included. */
FF_MUST_USE ff_err ff_fit_marginal(struct ff_engine *e, struct ff_transform *t, struct ff_fit *fit, ff_ctx *ctx);

#endif
