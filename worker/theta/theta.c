/* worker/theta/theta.c - see theta.h: puts the room's parts together. */
#include "worker/theta/theta.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "worker/theta/limber.h"
#include "worker/theta/shift.h"

#define T_CMB 2.726
#define LEAST_KEPT 0.5 /* of a source bin after its shift dz */
enum { MAX_ELL = 4096 };

struct ff_theta {
    struct ff_pool pool;
    bool nonlinear, want_shift;
    struct ff_nz nz;
    struct ff_grid grid;
    struct ff_background bg;
    struct ff_growth growth;
    struct ff_power_table power;
    struct ff_kernels kernels;
    struct ff_limber limber;
    struct ff_shift shift;
};

static ff_err check(const struct ff_theta_config *c, ff_ctx *ctx)
{
    if (c->nell < 1 || c->nell > MAX_ELL)
        return ff_fail(ctx, FF_EBADJOB, FF_HERE, "%d multipoles: allowed are 1 to %d", c->nell, (int)MAX_ELL);
    for (int i = 0; i < c->nell; i++)
        if (!(c->ell[i] > 0 && c->ell[i] <= 1e7) || (i && !(c->ell[i] > c->ell[i - 1])))
            return ff_fail(ctx, FF_EBADJOB, FF_HERE, "multipole %d is %g: they must increase and lie between 0 and 1e7",
                           i + 1, c->ell[i]);
    if (c->t_cmb_k != 0 && !(c->t_cmb_k > 1 && c->t_cmb_k < 5))
        return ff_fail(ctx, FF_EBADJOB, FF_HERE, "a CMB of %g K: allowed are 1 to 5", c->t_cmb_k);
    return FF_OK;
}

static ff_err init_parts(ff_theta *t, const struct ff_theta_config *c, ff_ctx *ctx)
{
    double edge[FF_NZ_MAX_PANELS + 1];
    ff_err err = ff_nz_init(&t->nz, c->sources, &t->pool, ctx);
    if (err) return err;
    err = ff_grid_init(&t->grid, edge, ff_nz_panels(&t->nz, edge), &t->pool, ctx);
    if (!err) err = ff_background_init(&t->bg, &t->grid, &t->pool, ctx);
    if (!err) err = ff_growth_init(&t->growth, &t->pool, ctx);
    if (!err) err = ff_power_init(&t->power, c->t_cmb_k != 0 ? c->t_cmb_k : T_CMB, &t->pool, ctx);
    if (!err) err = ff_kernels_init(&t->kernels, &t->nz, &t->bg, &t->pool, ctx);
    if (!err) err = ff_limber_init(&t->limber, c->ell, c->nell, &t->kernels, &t->pool, ctx);
    if (!err && c->want_shift)
        err = ff_shift_init(&t->shift, c->shift_kind, c->pixel_rad, c->shift_table, c->shift_numbers, &t->kernels,
                            &t->pool, ctx);
    return err;
}

ff_err ff_theta_init(ff_theta **out, const struct ff_theta_config *config, ff_ctx *ctx)
{
    *out = NULL;
    ff_err err = check(config, ctx);
    if (err) return err;
    ff_theta *t = calloc(1, sizeof *t);
    if (!t) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the theory tables (%zu bytes)", sizeof *t);
    t->nonlinear = config->power == FF_POWER_HALOFIT;
    t->want_shift = config->want_shift;
    err = init_parts(t, config, ctx);
    if (err) {
        ff_note(ctx, FF_HERE, "while preparing the theory tables");
        ff_theta_free(t);
        return err;
    }
    *out = t;
    return FF_OK;
}

void ff_theta_free(ff_theta *t)
{
    if (!t) return;
    ff_pool_done(&t->pool);
    free(t);
}

ff_err ff_tables_init(struct ff_tables *out, const ff_theta *t, bool derivs, ff_ctx *ctx)
{
    *out = (struct ff_tables){.nbins = t->nz.nbins, .npairs = t->limber.npairs, .nell = t->limber.nell};
    out->npars = ff_par_count(out->nbins);
    size_t table = (size_t)out->npairs * (size_t)out->nell, npars = (size_t)out->npars, nbins = (size_t)out->nbins;
    out->cl = calloc(table, sizeof *out->cl);
    out->shift = calloc(nbins, sizeof *out->shift);
    if (derivs) {
        out->dcl = calloc(npars * table, sizeof *out->dcl);
        out->dshift = calloc(npars * nbins, sizeof *out->dshift);
    }
    if (out->cl && out->shift && (!derivs || (out->dcl && out->dshift))) return FF_OK;
    ff_tables_done(out);
    return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for tables of %d pairs at %d multipoles", t->limber.npairs,
                   t->limber.nell);
}

void ff_tables_done(struct ff_tables *tables)
{
    free(tables->cl);
    free(tables->dcl);
    free(tables->shift);
    free(tables->dshift);
    *tables = (struct ff_tables){0};
}

/* What is wrong with theta before anything is computed, or NULL. */
static const char *outside(const ff_theta *t, const double *theta)
{
    for (int j = 0; j < ff_par_count(t->nz.nbins); j++)
        if (!isfinite(theta[j])) return "a parameter is not finite";
    if (!(theta[FF_OMEGA_C] > 0)) return "omega_c is not positive";
    if (!(theta[FF_OMEGA_B] > 0)) return "omega_b is not positive";
    if (!(theta[FF_H] > 0)) return "h is not positive";
    if (!(theta[FF_SIGMA8] > 0)) return "sigma8 is not positive";
    if (!(theta[FF_Z0_IA] > -1)) return "z0_ia is not above -1";
    for (int b = 0; b < t->nz.nbins; b++)
        if (!(ff_nz_kept(&t->nz, b, theta[ff_par_dz(t->nz.nbins, b)]) > LEAST_KEPT))
            return "a dz moves half of a source bin out of range";
    return NULL;
}

/* Power at every redshift and multipole; NULL, or what is wrong. */
static const char *fill_rows(ff_theta *t, bool derivs)
{
    struct ff_state state;
    for (int i = 0; i < t->grid.n; i++) {
        ff_state_set(&state, &t->power, t->nonlinear, t->bg.chi + i * FF_LANES, t->kernels.lnd + i * FF_LANES,
                     t->bg.at[i].om, t->bg.at[i].wde, derivs);
        if (!state.fit.valid) return "the nonlinear scale is larger than 1000 Mpc/h";
        ff_limber_row(&t->limber, &t->power, &state, i, derivs);
        if (t->want_shift) ff_shift_row(&t->shift, &t->power, &state, i, derivs);
    }
    return NULL;
}

static bool all_finite(const double *x, size_t n)
{
    double sum = 0; /* stays 0 unless some x is not finite */
    for (size_t i = 0; i < n; i++) sum += x[i] * 0;
    return sum == 0;
}

static bool tables_finite(const struct ff_tables *out)
{
    size_t table = (size_t)out->npairs * (size_t)out->nell, npars = (size_t)out->npars, nbins = (size_t)out->nbins;
    return all_finite(out->cl, table) && all_finite(out->shift, nbins) &&
           (!out->dcl || all_finite(out->dcl, npars * table)) &&
           (!out->dshift || all_finite(out->dshift, npars * nbins));
}

/* NULL, or what puts theta outside the model. */
static const char *evaluate(ff_theta *t, const double *theta, struct ff_tables *out)
{
    bool derivs = out->dcl != NULL;
    const char *why = outside(t, theta);
    if (why) return why;
    struct ff_cosmology c = {.om = theta[FF_OMEGA_C] + theta[FF_OMEGA_B], .w0 = theta[FF_W0], .wa = theta[FF_WA]};
    struct ff_alignment ia = {.a = theta[FF_A_IA], .eta = theta[FF_ETA_IA], .z0 = theta[FF_Z0_IA]};
    if (!ff_background_solve(&t->bg, &c)) return "the universe does not expand monotonically (E^2 <= 0)";
    if (!ff_growth_solve(&t->growth, &c)) return "structure does not grow";
    if (!ff_power_solve(&t->power, theta, derivs)) return "the linear power cannot be normalised";
    if (t->nonlinear && !ff_power_sigma(&t->power, derivs)) return "the filtered variance is not finite";
    ff_kernels_growth(&t->kernels, &t->growth);
    ff_kernels_solve(&t->kernels, c.om, &ia, theta + ff_par_dz(t->nz.nbins, 0));
    why = fill_rows(t, derivs);
    if (why) return why;
    ff_limber_contract(&t->limber, &t->kernels, out->cl, out->dcl);
    if (t->want_shift && !ff_shift_solve(&t->shift, &t->kernels, theta, out->shift, out->dshift))
        return "a bin of convergence has no positive skewness";
    return tables_finite(out) ? NULL : "a table is not finite";
}

ff_err ff_theta_eval(ff_theta *t, const double *theta, struct ff_tables *out, ff_ctx *ctx)
{
    if (out->nbins != t->nz.nbins || out->nell != t->limber.nell)
        return ff_fail(ctx, FF_EBUG, FF_HERE, "tables of %d bins and %d multipoles, made for %d and %d", out->nbins,
                       out->nell, t->nz.nbins, t->limber.nell);
    out->why = evaluate(t, theta, out);
    out->inside = out->why == NULL;
    return FF_OK;
}
