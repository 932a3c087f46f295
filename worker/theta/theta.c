/* worker/theta/theta.c - see theta.h: puts the room's parts together. */
#include "worker/theta/theta.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "worker/theta/limber.h"
#include "worker/theta/shift.h"
#include "worker/theta/universe.h"

enum { MAX_ELL = 4096 };

struct ff_theta {
    struct ff_pool pool;
    bool nonlinear, want_shift;
    struct ff_universe u;
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
    return FF_OK;
}

static ff_err init_parts(ff_theta *t, const struct ff_theta_config *c, ff_ctx *ctx)
{
    ff_err err = ff_universe_init(&t->u, c->sources, c->t_cmb_k, &t->pool, ctx);
    if (!err) err = ff_limber_init(&t->limber, c->ell, c->nell, &t->u.kernels, &t->pool, ctx);
    if (!err && c->want_shift)
        err = ff_shift_init(&t->shift, c->shift_kind, c->pixel_rad, c->shift_table, c->shift_numbers, &t->u.kernels,
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
    *out = (struct ff_tables){.nbins = t->u.nz.nbins, .npairs = t->limber.npairs, .nell = t->limber.nell};
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

/* Power at every redshift and multipole; NULL, or what is wrong. */
static const char *fill_rows(ff_theta *t, bool derivs)
{
    struct ff_state state;
    for (int i = 0; i < t->u.grid.n; i++) {
        ff_state_set(&state, &t->u.power, t->nonlinear, t->u.bg.chi + i * FF_LANES, t->u.kernels.lnd + i * FF_LANES,
                     t->u.bg.at[i].om, t->u.bg.at[i].wde, derivs);
        if (!state.fit.valid) return "the nonlinear scale is larger than 1000 Mpc/h";
        ff_limber_row(&t->limber, &t->u.power, &state, i, derivs);
        if (t->want_shift) ff_shift_row(&t->shift, &t->u.power, &state, i, derivs);
    }
    return NULL;
}

static bool tables_finite(const struct ff_tables *out)
{
    size_t table = (size_t)out->npairs * (size_t)out->nell, npars = (size_t)out->npars, nbins = (size_t)out->nbins;
    return ff_all_finite(out->cl, table) && ff_all_finite(out->shift, nbins) &&
           (!out->dcl || ff_all_finite(out->dcl, npars * table)) &&
           (!out->dshift || ff_all_finite(out->dshift, npars * nbins));
}

/* NULL, or what puts theta outside the model. */
static const char *evaluate(ff_theta *t, const double *theta, struct ff_tables *out)
{
    bool derivs = out->dcl != NULL;
    const char *why = ff_universe_solve(&t->u, theta, derivs);
    if (why) return why;
    if (t->nonlinear && !ff_power_sigma(&t->u.power, derivs)) return "the filtered variance is not finite";
    why = fill_rows(t, derivs);
    if (why) return why;
    ff_limber_contract(&t->limber, &t->u.kernels, out->cl, out->dcl);
    if (t->want_shift && !ff_shift_solve(&t->shift, &t->u.kernels, theta, out->shift, out->dshift))
        return "a bin of convergence has no positive skewness";
    return tables_finite(out) ? NULL : "a table is not finite";
}

ff_err ff_theta_eval(ff_theta *t, const double *theta, struct ff_tables *out, ff_ctx *ctx)
{
    if (out->nbins != t->u.nz.nbins || out->nell != t->limber.nell)
        return ff_fail(ctx, FF_EBUG, FF_HERE, "tables of %d bins and %d multipoles, made for %d and %d", out->nbins,
                       out->nell, t->u.nz.nbins, t->limber.nell);
    out->why = evaluate(t, theta, out);
    out->inside = out->why == NULL;
    return FF_OK;
}
