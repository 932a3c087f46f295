/* worker/job/posterior_result.h - the reduce step of a posterior: diagnostics over all chains and the result file (docs: results). */
#ifndef FF_WORKER_JOB_POSTERIOR_RESULT_H
#define FF_WORKER_JOB_POSTERIOR_RESULT_H

#include "worker/job/posterior_chain.h"

/* R-hat and effective sample sizes over all chains, of one column of the record. */
struct ff_mixing {
    double rhat, ess_bulk, ess_tail;
};
struct ff_mixing ff_posterior_mixing(const struct ff_pchain *chains, int nchains, long ndraws, int column);
/* The worst over the free parameters: largest R-hat, smallest bulk and tail ESS. NAN with none, or too few draws. */
struct ff_mixing ff_posterior_worst(const struct ff_pchain *chains, int nchains, long ndraws);

/* Is `draws` enough of every chain? With `until`: its effective sample size and R-hat are reached, or as many as are allowed. */
bool ff_posterior_enough(const struct ff_sampler *s, long draws, const struct ff_mixing *mixing);

/* Writes run->out from chains that hold ndraws draws each. `seconds`: of the whole job. The accumulators of chain 0
** take in those of the others. */
FF_MUST_USE ff_err ff_posterior_write(const struct ff_run *run, const struct ff_fit *fit, struct ff_pchain *chains,
                                      int nchains, long ndraws, double seconds, ff_ctx *ctx);

#endif
