/* worker/theta/linear.c - see linear.h. */
#include "worker/theta/linear.h"

void ff_linear_row(const struct ff_power_table *p, double lnamp, double lnchi, const double *lnl, int n, bool derivs,
                   struct ff_linear_block *out)
{
    const struct ff_spline grid = p->grid;
    const double ns = p->ns.v, lnpref = lnamp - log(2 * M_PI * M_PI), k02 = FF_POWER_K0 * FF_POWER_K0;
    const double *t0 = p->t[0], *m0 = p->m[0];
#pragma omp simd
    for (int i = 0; i < n; i++) {
        double lnk = lnl[i] - lnchi, k = exp(lnk), k2 = k * k / k02, scale = 1 / (1 + k2);
        struct ff_spot spot = ff_spline_spot(&grid, lnk);
        double t = ff_spline_value(t0, m0, spot) * scale, pref = exp(lnpref + (ns + 3) * lnk);
        out->lnk[i] = lnk;
        out->k[i] = k;
        out->delta[i] = pref * t * t;
        out->bydelta[i] = 2 * pref * t;
    }
    if (!derivs) return;
    const double *t1 = p->t[1], *t2 = p->t[2], *t3 = p->t[3], *m1 = p->m[1], *m2 = p->m[2], *m3 = p->m[3];
#pragma omp simd
    for (int i = 0; i < n; i++) {
        double k2 = out->k[i] * out->k[i] / k02, scale = 1 / (1 + k2);
        struct ff_spot spot = ff_spline_spot(&grid, out->lnk[i]);
        double t = ff_spline_value(t0, m0, spot);
        out->slope[i] = (ff_spline_slope(t0, m0, spot) / grid.h - 2 * t * k2 * scale) * scale;
        out->t[0][i] = ff_spline_value(t1, m1, spot) * scale;
        out->t[1][i] = ff_spline_value(t2, m2, spot) * scale;
        out->t[2][i] = ff_spline_value(t3, m3, spot) * scale;
    }
}
