/* worker/theta/universe.h - what every kind of table starts from, in one: sources, redshift grid, background, growth,
** linear power and lensing kernels at one theta; and what thetas the model means something for.
** Call order: ff_universe_init (the struct stays where it is) -> ff_universe_solve (any number). */
#ifndef FF_WORKER_THETA_UNIVERSE_H
#define FF_WORKER_THETA_UNIVERSE_H

#include "worker/theta/kernels.h"
#include "worker/theta/power.h"

struct ff_universe {
    struct ff_nz nz;
    struct ff_grid grid;
    struct ff_background bg;
    struct ff_growth growth;
    struct ff_power_table power;
    struct ff_kernels kernels;
};

/* t_cmb_k: 0 for 2.726. */
FF_MUST_USE ff_err ff_universe_init(struct ff_universe *u, const struct ff_sources *sources, double t_cmb_k,
                                    struct ff_pool *pool, ff_ctx *ctx);
/* At theta (ff_par_count(nbins) entries); derivs: of the power too, everything else has its own always. NULL, or what puts
** theta outside the model: static text. */
FF_MUST_USE const char *ff_universe_solve(struct ff_universe *u, const double *theta, bool derivs);

static inline struct ff_cosmology ff_cosmology_of(const double *theta)
{
    return (struct ff_cosmology){.om = theta[FF_OMEGA_C] + theta[FF_OMEGA_B], .w0 = theta[FF_W0], .wa = theta[FF_WA]};
}

bool ff_all_finite(const double *x, size_t n);

#endif
