/* worker/theta/rows.c - see rows.h. */
#include "worker/theta/rows.h"

#include <string.h>

_Static_assert(FF_OMEGA_C == 0 && FF_OMEGA_B == 1 && FF_H == 2, "the lanes of T are the first parameters");

struct ff_dual ff_dual_spread(const double *lane)
{
    struct ff_dual r = {.v = lane[0]};
    r.d[FF_OMEGA_C] = r.d[FF_OMEGA_B] = lane[1 + FF_OM];
    r.d[FF_W0] = lane[1 + FF_DW0];
    r.d[FF_WA] = lane[1 + FF_DWA];
    return r;
}

void ff_state_set(struct ff_state *s, const struct ff_power_table *p, bool nonlinear, const double *chi,
                  const double *lnd, const double *om, const double *wde, bool derivs)
{
    struct ff_dual lnchi = ff_dual_log(ff_dual_spread(chi)), lnd2 = ff_dual_affine(2, ff_dual_spread(lnd), 0);
    struct ff_dual lnamp = ff_dual_add(p->lnamp, lnd2);
    s->lnchi = lnchi.v;
    s->lnamp = lnamp.v;
    for (int j = 0; j < FF_NCOSMO; j++) {
        s->lnk[j] = -lnchi.d[j];
        s->lnamp_d[j] = lnamp.d[j];
    }
    if (nonlinear) {
        ff_halofit_set(&s->fit, p, lnd2, ff_dual_spread(om), ff_dual_spread(wde), derivs);
    } else {
        memset(&s->fit, 0, sizeof s->fit);
        s->fit.valid = true;
    }
}

/* Derivative along parameter j, from the partial derivatives; norm: 2 pi^2/k^3. */
static void derivative(const struct ff_power_table *p, const struct ff_state *s, const struct ff_linear_block *lin,
                       const struct ff_halofit_block *non, const double *norm, int j, int n, double *restrict out)
{
    const double lnk = s->lnk[j], lny = lnk + s->fit.lnr.d[j], lnamp = s->lnamp_d[j] + (p->ns.v + 3) * lnk;
    double by[FF_NBY];
    for (int q = 0; q < FF_NBY; q++) by[q] = s->fit.by[q].d[j];
    const double tilt = j == FF_N_S ? 1 : 0, own = j <= FF_H ? 1 : 0;
    const double *t = lin->t[j <= FF_H ? j : 0];
#pragma omp simd
    for (int i = 0; i < n; i++) {
        double linear =
            lin->bydelta[i] * (own * t[i] + lin->slope[i] * lnk) + lin->delta[i] * (lnamp + tilt * lin->lnk[i]);
        double sum = non->bydelta[i] * linear + non->bylny[i] * lny - 3 * lnk * non->delta[i];
        for (int q = 0; q < FF_NBY; q++) sum += non->by[q][i] * by[q];
        out[i] = sum * norm[i];
    }
}

static void block(const struct ff_power_table *p, const struct ff_state *s, const double *lnl, int n, bool derivs,
                  int first, const struct ff_rows *out)
{
    struct ff_linear_block lin;
    struct ff_halofit_block non;
    double norm[FF_ROW];
    ff_linear_row(p, s->lnamp, s->lnchi, lnl + first, n, derivs, &lin);
    ff_halofit_row(&s->fit, &lin, n, derivs, &non);
    for (int i = 0; i < n; i++) {
        norm[i] = 2 * M_PI * M_PI / (lin.k[i] * lin.k[i] * lin.k[i]);
        out->p[first + i] = norm[i] * non.delta[i];
    }
    for (int j = 0; derivs && j < FF_NCOSMO; j++) derivative(p, s, &lin, &non, norm, j, n, out->dp[j] + first);
    if (!out->lin) return;
    memset(&non, 0, sizeof non);
    for (int i = 0; i < n; i++) {
        out->lin[first + i] = norm[i] * lin.delta[i];
        non.delta[i] = lin.delta[i];
        non.bydelta[i] = 1;
    }
    for (int j = 0; derivs && j < FF_NCOSMO; j++) derivative(p, s, &lin, &non, norm, j, n, out->dlin[j] + first);
}

void ff_rows_at(const struct ff_power_table *p, const struct ff_state *s, const double *lnl, int n, bool derivs,
                const struct ff_rows *out)
{
    for (int first = 0; first < n; first += FF_ROW)
        block(p, s, lnl, n - first < FF_ROW ? n - first : FF_ROW, derivs, first, out);
}
