/* worker/theta/universe.c - see universe.h. */
#include "worker/theta/universe.h"

#include <math.h>

#define T_CMB 2.726
#define LEAST_KEPT 0.5 /* of a source bin after its shift dz */

ff_err ff_universe_init(struct ff_universe *u, const struct ff_sources *sources, double t_cmb_k, struct ff_pool *pool,
                        ff_ctx *ctx)
{
    double edge[FF_NZ_MAX_PANELS + 1];
    if (t_cmb_k != 0 && !(t_cmb_k > 1 && t_cmb_k < 5))
        return ff_fail(ctx, FF_EBADJOB, FF_HERE, "a CMB of %g K: allowed are 1 to 5", t_cmb_k);
    ff_err err = ff_nz_init(&u->nz, sources, pool, ctx);
    if (err) return err;
    err = ff_grid_init(&u->grid, edge, ff_nz_panels(&u->nz, edge), pool, ctx);
    if (!err) err = ff_background_init(&u->bg, &u->grid, pool, ctx);
    if (!err) err = ff_growth_init(&u->growth, pool, ctx);
    if (!err) err = ff_power_init(&u->power, t_cmb_k != 0 ? t_cmb_k : T_CMB, pool, ctx);
    if (!err) err = ff_kernels_init(&u->kernels, &u->nz, &u->bg, pool, ctx);
    return err;
}

/* What is wrong with theta before anything is computed, or NULL. */
static const char *outside(const struct ff_nz *nz, const double *theta)
{
    for (int j = 0; j < ff_par_count(nz->nbins); j++)
        if (!isfinite(theta[j])) return "a parameter is not finite";
    if (!(theta[FF_OMEGA_C] > 0)) return "omega_c is not positive";
    if (!(theta[FF_OMEGA_B] > 0)) return "omega_b is not positive";
    if (!(theta[FF_H] > 0)) return "h is not positive";
    if (!(theta[FF_SIGMA8] > 0)) return "sigma8 is not positive";
    if (!(theta[FF_Z0_IA] > -1)) return "z0_ia is not above -1";
    for (int b = 0; b < nz->nbins; b++)
        if (!(ff_nz_kept(nz, b, theta[ff_par_dz(nz->nbins, b)]) > LEAST_KEPT))
            return "a dz moves half of a source bin out of range";
    return NULL;
}

const char *ff_universe_solve(struct ff_universe *u, const double *theta, bool derivs)
{
    const char *why = outside(&u->nz, theta);
    if (why) return why;
    const struct ff_cosmology c = ff_cosmology_of(theta);
    const struct ff_alignment ia = {.a = theta[FF_A_IA], .eta = theta[FF_ETA_IA], .z0 = theta[FF_Z0_IA]};
    if (!ff_background_solve(&u->bg, &c)) return "the universe does not expand monotonically (E^2 <= 0)";
    if (!ff_growth_solve(&u->growth, &c)) return "structure does not grow";
    if (!ff_power_solve(&u->power, theta, derivs)) return "the linear power cannot be normalised";
    ff_kernels_growth(&u->kernels, &u->growth);
    ff_kernels_solve(&u->kernels, c.om, &ia, theta + ff_par_dz(u->nz.nbins, 0));
    return NULL;
}

bool ff_all_finite(const double *x, size_t n)
{
    double sum = 0; /* stays 0 unless some x is not finite */
    for (size_t i = 0; i < n; i++) sum += x[i] * 0;
    return sum == 0;
}
