/* worker/job/check.h - is the model of a job right? Analytic derivatives against differences, at a prior draw of the job's seed: the
** adjoint of the simulator, and the log density in white and (but for lpt) in whitened coordinates, along a random direction of the latent
** and along every free parameter, in f64 and f32. */
#ifndef FF_WORKER_JOB_CHECK_H
#define FF_WORKER_JOB_CHECK_H

#include <jansson.h>
#include <stdbool.h>

#include "worker/job/run.h"

/* *report: {"ok", "parameters", "checks": [{"name", "precision", "value", "expected", "relative_error", "tolerance", "ok"}]},
** and for lpt "mesh", the cells of the box that was checked, which are fewer than the model's where that has more than 2^15. */
FF_MUST_USE ff_err ff_check(const struct ff_prepared *p, int threads, json_t **report, bool *ok, ff_ctx *ctx);

#endif
