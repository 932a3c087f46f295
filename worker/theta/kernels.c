/* worker/theta/kernels.c - see kernels.h. */
#include "worker/theta/kernels.h"

#include <math.h>

ff_err ff_kernels_init(struct ff_kernels *k, const struct ff_nz *nz, const struct ff_background *bg,
                       struct ff_pool *pool, ff_ctx *ctx)
{
    *k = (struct ff_kernels){.nz = nz, .bg = bg};
    size_t n = (size_t)bg->grid->n, bins = (size_t)nz->nbins;
    double *point = NULL;
    ff_err err = ff_pool_doubles(pool, &k->lens, bins * n * FF_G_LANES, ctx);
    if (!err) err = ff_pool_doubles(pool, &k->all, bins * n * FF_K_LANES, ctx);
    if (!err) err = ff_pool_doubles(pool, &k->lnd, n * FF_LANES, ctx);
    if (!err) err = ff_pool_doubles(pool, &k->scratch, n * FF_G_LANES, ctx);
    if (!err) err = ff_pool_doubles(pool, &point, n * sizeof *k->point / sizeof(double), ctx);
    k->point = (struct ff_nz_point *)point;
    return err;
}

void ff_kernels_growth(struct ff_kernels *k, const struct ff_growth *growth)
{
    for (int i = 0; i < k->bg->grid->n; i++) ff_growth_at(growth, k->bg->l[i], k->lnd + i * FF_LANES, NULL);
}

/* int_z F dchi'/chi'^2 of one bin, with derivatives, in k->scratch. */
static void efficiency(struct ff_kernels *k)
{
    const struct ff_background *bg = k->bg;
    for (int i = 0; i < bg->grid->n; i++) {
        const double *chi = bg->chi + i * FF_LANES, *invh = bg->invh + i * FF_LANES;
        double *s = k->scratch + i * FF_G_LANES, weight = invh[0] / (chi[0] * chi[0]), f = k->point[i].below;
        s[FF_K_VALUE] = f * weight;
        for (int j = 1; j < FF_LANES; j++) s[j] = f * weight * (invh[j] / invh[0] - 2 * chi[j] / chi[0]);
        s[FF_K_DZ] = k->point[i].below_dz * weight;
    }
    for (int j = 0; j < FF_G_LANES; j++) ff_grid_above(bg->grid, k->scratch + j, k->scratch + j, FF_G_LANES);
}

static void lensing(struct ff_kernels *k, int bin, double om)
{
    const struct ff_background *bg = k->bg;
    const double *end = bg->chi_end;
    for (int i = 0; i < bg->grid->n; i++) {
        const double *chi = bg->chi + i * FF_LANES, *s = k->scratch + i * FF_G_LANES;
        double *g = k->lens + (bin * bg->grid->n + i) * FF_G_LANES;
        double front = 1.5 / (FF_HUBBLE_RADIUS * FF_HUBBLE_RADIUS) * (1 + bg->grid->z[i]);
        double q = 1 - chi[0] / end[0] - chi[0] * s[0];
        g[FF_K_VALUE] = front * om * chi[0] * q;
        for (int j = 1; j < FF_LANES; j++) {
            double dq = -chi[j] / end[0] + chi[0] * end[j] / (end[0] * end[0]) - chi[j] * s[0] - chi[0] * s[j];
            g[j] = front * om * (chi[j] * q + chi[0] * dq);
        }
        g[FF_K_OM] += front * chi[0] * q;
        g[FF_K_DZ] = -front * om * chi[0] * chi[0] * s[FF_K_DZ];
    }
}

double ff_kernels_align(const struct ff_alignment *ia, double om, double l, const double lnd[FF_LANES],
                        const double invh[FF_LANES], const struct ff_nz_point *point, double w[FF_K_LANES])
{
    double lnz = l - log1p(ia->z0), unit = -FF_C1_RHO_CRIT * om * exp(ia->eta * lnz - lnd[0]) / invh[0];
    double base = unit * point->n, value = ia->a * base;
    w[FF_K_VALUE] += value;
    for (int j = 1; j < FF_LANES; j++) w[j] -= value * (lnd[j] + invh[j] / invh[0]);
    w[FF_K_OM] += value / om;
    w[FF_K_DZ] += ia->a * unit * point->n_dz;
    w[FF_K_A] += base;
    w[FF_K_ETA] += value * lnz;
    w[FF_K_Z0] += -value * ia->eta / (1 + ia->z0);
    return ia->a * unit;
}

static void alignment(struct ff_kernels *k, int bin, double om, const struct ff_alignment *ia)
{
    const struct ff_background *bg = k->bg;
    for (int i = 0; i < bg->grid->n; i++) {
        const double *g = k->lens + (bin * bg->grid->n + i) * FF_G_LANES;
        double *w = k->all + (bin * bg->grid->n + i) * FF_K_LANES;
        for (int j = 0; j < FF_K_LANES; j++) w[j] = j < FF_G_LANES ? g[j] : 0;
        ff_kernels_align(ia, om, bg->l[i], k->lnd + i * FF_LANES, bg->invh + i * FF_LANES, &k->point[i], w);
    }
}

void ff_kernels_solve(struct ff_kernels *k, double om, const struct ff_alignment *ia, const double *dz)
{
    for (int b = 0; b < k->nz->nbins; b++) {
        ff_nz_at(k->nz, b, dz[b], k->bg->grid->z, k->bg->grid->n, k->point);
        efficiency(k);
        lensing(k, b, om);
        alignment(k, b, om, ia);
    }
}
