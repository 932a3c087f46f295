/* worker/job/engine.h - parameters to a simulator that is set: one ff_theta and one ff_sim joined by their tables. */
#ifndef FF_WORKER_JOB_ENGINE_H
#define FF_WORKER_JOB_ENGINE_H

#include <stdbool.h>

#include "common/err.h"
#include "common/job.h"
#include "worker/sim/sim.h"
#include "worker/theta/lightcone.h"
#include "worker/theta/theta.h"

struct ff_engine {
    const struct ff_model *model; /* borrowed */
    ff_theta *theta;              /* spectra: of the simulator, or (lpt) of the marginal fit only */
    ff_lightcone *light;          /* lpt only */
    ff_sim *sim;
    struct ff_tables tables;
    struct ff_light_tables light_tables;
    double gain[FF_MAX_BINS];
    const char *why; /* what put the last theta outside the model; static text */
    /* storage for cotangents: (nbins); (npairs,nell) (nbins), or of lpt (nk) (nz) (nz) (nbins,nz) */
    double *gain_bar, *cl_bar, *shift_bar, *amplitude_bar, *d1_bar, *d2_bar, *weight_bar;
    double seconds_theta; /* spent in theta so far */
};

/* comm: ranks that evaluate together (sim.h), NULL: this one alone. derivs: theta tables carry derivatives. shift: the table of the model's FF_SHIFT_TABLE, or NULL. */
FF_MUST_USE ff_err ff_engine_init(struct ff_engine *e, const struct ff_model *model, const struct ff_shift_table *shift,
                                  enum ff_precision precision, int threads, const struct ff_comm *comm, bool derivs,
                                  ff_ctx *ctx);
void ff_engine_done(struct ff_engine *e);
long ff_engine_nlatent(const struct ff_model *model); /* reals of a latent, of all ranks */
size_t ff_engine_bytes(const struct ff_model *model, enum ff_precision precision, int threads);

/* Tables at theta (model->npars) set in the simulator. *inside = false (and FF_OK) when theta is outside the model. */
FF_MUST_USE ff_err ff_engine_set(struct ff_engine *e, const double *theta, bool *inside, ff_ctx *ctx);

/* The bars to pass to ff_sim_vjp / ff_sim_energy: this engine's storage. */
struct ff_sim_bars ff_engine_bars(struct ff_engine *e);
/* Cotangent of theta (model->npars) from the bars just filled and the tables' derivatives. */
void ff_engine_theta_bar(const struct ff_engine *e, double *theta_bar);

#endif
