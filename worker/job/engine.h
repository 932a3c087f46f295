/* worker/job/engine.h - parameters to a simulator that is set: one ff_theta and one ff_sim joined by their tables. */
#ifndef FF_WORKER_JOB_ENGINE_H
#define FF_WORKER_JOB_ENGINE_H

#include <stdbool.h>

#include "common/err.h"
#include "common/job.h"
#include "worker/sim/sim.h"
#include "worker/theta/theta.h"

struct ff_engine {
    const struct ff_model *model; /* borrowed */
    ff_theta *theta;
    ff_sim *sim;
    struct ff_tables tables;
    double gain[FF_MAX_BINS];
    double *cl_bar, *shift_bar, *gain_bar; /* storage for cotangents: (npairs,nell) (nbins) (nbins) */
    double seconds_theta;                  /* spent in theta so far */
};

/* derivs: theta tables carry derivatives. shift: the table of the model's FF_SHIFT_TABLE, or NULL. */
FF_MUST_USE ff_err ff_engine_init(struct ff_engine *e, const struct ff_model *model, const struct ff_shift_table *shift,
                                  enum ff_precision precision, int threads, bool derivs, ff_ctx *ctx);
void ff_engine_done(struct ff_engine *e);
size_t ff_engine_bytes(const struct ff_model *model, enum ff_precision precision, int threads);

/* Tables at theta (model->npars) set in the simulator. *inside = false (and FF_OK) when theta is outside the model. */
FF_MUST_USE ff_err ff_engine_set(struct ff_engine *e, const double *theta, bool *inside, ff_ctx *ctx);

/* The bars to pass to ff_sim_vjp / ff_sim_energy: this engine's storage. */
struct ff_sim_bars ff_engine_bars(struct ff_engine *e);
/* Cotangent of theta (model->npars) from the bars just filled and the tables' derivatives. */
void ff_engine_theta_bar(const struct ff_engine *e, double *theta_bar);

#endif
