/* worker/theta/background.c - see background.h. */
#include "worker/theta/background.h"

#include <math.h>

bool ff_expansion_at(const struct ff_cosmology *c, double l, struct ff_expansion *out)
{
    double s = exp(l), z_a = 1 - 1 / s; /* z/(1+z) = 1-a */
    double ode = 1 - c->om - c->ok;
    double lw0 = 3 * l, lwa = 3 * (l - z_a); /* dln(rho_de)/dw0, /dwa */
    double x = exp(3 * l + c->w0 * lw0 + c->wa * lwa);
    double w = c->w0 + c->wa * z_a;
    double e2 = c->om * s * s * s + c->ok * s * s + ode * x;
    if (!(e2 > 0) || !isfinite(e2)) return false;

    double de2[FF_NBG] = {s * s * s - x, ode * x * lw0, ode * x * lwa};
    double om = c->om * s * s * s / e2, de = ode * x / e2, e = sqrt(e2);
    double dom[FF_NBG] = {s * s * s / e2, 0, 0}, dde[FF_NBG] = {-x / e2, de * lw0, de * lwa};
    double dw[FF_NBG] = {0, 1, z_a};
    out->e[0] = e;
    out->om[0] = om;
    out->wde[0] = (1 + w) * de;
    out->turn[0] = -1 - (om + (1 + 3 * w) * de) / 2;
    for (int j = 0; j < FF_NBG; j++) {
        double omj = dom[j] - om * de2[j] / e2, dej = dde[j] - de * de2[j] / e2;
        out->e[1 + j] = de2[j] / (2 * e);
        out->om[1 + j] = omj;
        out->wde[1 + j] = (1 + w) * dej + dw[j] * de;
        out->turn[1 + j] = -(omj + (1 + 3 * w) * dej + 3 * dw[j] * de) / 2;
    }
    return true;
}

void ff_expansion_invh(const struct ff_expansion *at, double invh[FF_LANES])
{
    invh[0] = FF_HUBBLE_RADIUS / at->e[0];
    for (int j = 1; j < FF_LANES; j++) invh[j] = -invh[0] * at->e[j] / at->e[0];
}

ff_err ff_background_init(struct ff_background *b, const struct ff_grid *grid, struct ff_pool *pool, ff_ctx *ctx)
{
    *b = (struct ff_background){.grid = grid};
    size_t n = (size_t)grid->n;
    double *at;
    ff_err err = ff_pool_doubles(pool, &at, n * sizeof(struct ff_expansion) / sizeof(double), ctx);
    b->at = (struct ff_expansion *)at;
    if (!err) err = ff_pool_doubles(pool, &b->l, n, ctx);
    if (!err) err = ff_pool_doubles(pool, &b->invh, n * FF_LANES, ctx);
    if (!err) err = ff_pool_doubles(pool, &b->chi, n * FF_LANES, ctx);
    if (err) return err;
    for (size_t i = 0; i < n; i++) b->l[i] = log1p(grid->z[i]);
    return FF_OK;
}

bool ff_background_solve(struct ff_background *b, const struct ff_cosmology *c)
{
    for (int i = 0; i < b->grid->n; i++) {
        struct ff_expansion *x = &b->at[i];
        if (!ff_expansion_at(c, b->l[i], x)) return false;
        ff_expansion_invh(x, b->invh + i * FF_LANES);
    }
    for (int j = 0; j < FF_LANES; j++) b->chi_end[j] = ff_grid_below(b->grid, b->invh + j, b->chi + j, FF_LANES);
    return true;
}
