/* worker/theta/halofit.c - see halofit.h; equation numbers are those of arXiv:1208.2701. */
#include "worker/theta/halofit.h"

#include <string.h>

#define FADE_R 1e-3 /* Mpc/h: from the start of the table to here */
#define FADE_SLOPE_FROM 0.01
#define FADE_SLOPE_TO 0.05

static const double ln10 = 2.302585092994045684;

/* Values of one sigma table and, for the first lane, its slope in ln R. */
static struct ff_dual lookup(const struct ff_power_table *p, int q, struct ff_spot spot, double *slope)
{
    struct ff_dual r = {.v = ff_spline_value(p->sigma[q][0], p->sm[q][0], spot)};
    *slope = ff_spline_slope(p->sigma[q][0], p->sm[q][0], spot) / p->sgrid.h;
    for (int j = 1; j < FF_S_LANES; j++) r.d[FF_OMEGA_C + j - 1] = ff_spline_value(p->sigma[q][j], p->sm[q][j], spot);
    return r;
}

/* Cell and fraction where ln sigma^2, which falls with R, is `target`. Bisection over cells, then bracketed Newton. */
static struct ff_spot root(const struct ff_power_table *p, double target)
{
    const double *f = p->sigma[FF_S_VALUE][0], *m = p->sm[FF_S_VALUE][0];
    int low = 0, high = p->sgrid.n - 1;
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (f[middle] > target)
            low = middle;
        else
            high = middle;
    }
    double a = 0, b = 1;
    struct ff_spot spot = {.i = low, .b = (f[low] - target) / (f[low] - f[low + 1])};
    for (int step = 0; step < 60; step++) {
        double miss = ff_spline_value(f, m, spot) - target, slope = ff_spline_slope(f, m, spot);
        if (miss > 0)
            a = spot.b;
        else
            b = spot.b;
        double next = slope < 0 ? spot.b - miss / slope : -1;
        if (!(next > a && next < b)) next = (a + b) / 2;
        double moved = next - spot.b;
        spot.b = next;
        if (moved < 1e-15 && moved > -1e-15) break;
    }
    return spot;
}

/* 0 at x = from, 1 at x = to, with two continuous derivatives. */
static struct ff_dual fade(struct ff_dual x, double from, double to)
{
    double t = (x.v - from) / (to - from);
    if (t <= 0 || t >= 1) return ff_dual_const(t > 0);
    return ff_dual_chain(x, t * t * t * (10 + t * (6 * t - 15)), 30 * t * t * (1 - t) * (1 - t) / (to - from));
}

/* k_nl, n_eff, C and how much of the nonlinear part is there. */
static void measure(struct ff_halofit *h, const struct ff_power_table *p, struct ff_dual lnamp, bool derivs)
{
    const double *f = p->sigma[FF_S_VALUE][0];
    h->nonlinear = f[0] + lnamp.v > 0;
    h->valid = f[p->sgrid.n - 1] + lnamp.v < 0;
    if (!h->nonlinear || !h->valid) return;
    struct ff_spot spot = root(p, -lnamp.v);
    double slope, slope1, slope2;
    struct ff_dual value = lookup(p, FF_S_VALUE, spot, &slope), i1 = lookup(p, FF_S_SLOPE, spot, &slope1);
    struct ff_dual curve = lookup(p, FF_S_CURVE, spot, &slope2);
    h->nonlinear = slope < 0 && i1.v > FADE_SLOPE_FROM;
    if (!h->nonlinear) return;
    h->lnr.v = p->sgrid.x0 + (spot.i + spot.b) * p->sgrid.h;
    h->by[FF_BY_N].v = i1.v - 3;
    h->by[FF_BY_C].v = curve.v;
    for (int j = 0; derivs && j < FF_NCOSMO; j++) {
        double lnr = -(lnamp.d[j] + value.d[j]) / slope;
        h->lnr.d[j] = lnr;
        h->by[FF_BY_N].d[j] = i1.d[j] + slope1 * lnr;
        h->by[FF_BY_C].d[j] = curve.d[j] + slope2 * lnr;
    }
    h->by[FF_BY_FADE] = ff_dual_mul(fade(h->lnr, p->sgrid.x0, log(FADE_R)),
                                    fade(h->by[FF_BY_N], FADE_SLOPE_FROM - 3, FADE_SLOPE_TO - 3));
}

/* Equations A6-A14. */
static void fit(struct ff_halofit *h)
{
    double n = h->by[FF_BY_N].v, c = h->by[FF_BY_C].v, om = h->by[FF_BY_OM].v, w = h->by[FF_BY_W].v;
    double n2 = n * n, n3 = n2 * n, n4 = n2 * n2;
    double raw = 6.0835 + 1.3373 * n - 0.1959 * n2 - 5.5274 * c, sign = raw < 0 ? -1 : 1;
    h->alpha = sign * raw;
    memcpy(h->alpha_by, (double[FF_NFIT]){sign * (1.3373 - 0.3918 * n), -sign * 5.5274, 0, 0}, sizeof h->alpha_by);
    h->beta = 2.0379 - 0.7354 * n + 0.3157 * n2 + 1.2490 * n3 + 0.3980 * n4 - 0.1682 * c;
    memcpy(h->beta_by, (double[FF_NFIT]){-0.7354 + 0.6314 * n + 3.7470 * n2 + 1.5920 * n3, -0.1682, 0, 0},
           sizeof h->beta_by);
    h->gamma = 0.1971 - 0.0843 * n + 0.8460 * c;
    memcpy(h->gamma_by, (double[FF_NFIT]){-0.0843, 0.8460, 0, 0}, sizeof h->gamma_by);
    h->lna = ln10 * (1.5222 + 2.8553 * n + 2.3706 * n2 + 0.9903 * n3 + 0.2250 * n4 - 0.6038 * c + 0.1749 * w);
    memcpy(h->lna_by,
           (double[FF_NFIT]){ln10 * (2.8553 + 4.7412 * n + 2.9709 * n2 + 0.9 * n3), -ln10 * 0.6038, 0, ln10 * 0.1749},
           sizeof h->lna_by);
    h->lnb = ln10 * (-0.5642 + 0.5864 * n + 0.5716 * n2 - 1.5474 * c + 0.2279 * w);
    memcpy(h->lnb_by, (double[FF_NFIT]){ln10 * (0.5864 + 1.1432 * n), -ln10 * 1.5474, 0, ln10 * 0.2279},
           sizeof h->lnb_by);
    h->lnc = ln10 * (0.3698 + 2.0404 * n + 0.8161 * n2 + 0.5869 * c) + 0.0743 * log(om);
    memcpy(h->lnc_by, (double[FF_NFIT]){ln10 * (2.0404 + 1.6322 * n), ln10 * 0.5869, 0.0743 / om, 0}, sizeof h->lnc_by);
    h->lnnu = ln10 * (5.2105 + 3.6902 * n);
    memcpy(h->lnnu_by, (double[FF_NFIT]){ln10 * 3.6902, 0, 0, 0}, sizeof h->lnnu_by);
    h->f1 = pow(om, -0.0307);
    memcpy(h->f1_by, (double[FF_NFIT]){0, 0, -0.0307 * h->f1 / om, 0}, sizeof h->f1_by);
    h->f2 = pow(om, -0.0585);
    memcpy(h->f2_by, (double[FF_NFIT]){0, 0, -0.0585 * h->f2 / om, 0}, sizeof h->f2_by);
}

void ff_halofit_set(struct ff_halofit *h, const struct ff_power_table *p, struct ff_dual lnd2, struct ff_dual om,
                    struct ff_dual w, bool derivs)
{
    memset(h, 0, sizeof *h);
    h->by[FF_BY_OM] = om;
    h->by[FF_BY_W] = w;
    measure(h, p, ff_dual_add(p->lnamp, lnd2), derivs);
    if (h->nonlinear && h->valid) fit(h);
}

static void row_linear(const struct ff_linear_block *lin, int n, struct ff_halofit_block *out)
{
    memset(out, 0, sizeof *out);
    for (int i = 0; i < n; i++) {
        out->delta[i] = lin->delta[i];
        out->bydelta[i] = 1;
    }
}

/* Equations A1-A3 for `n` wavenumbers; inlined twice, with and without the partial derivatives. */
static inline void row(const struct ff_halofit *restrict h, const struct ff_linear_block *restrict lin, int n,
                       bool derivs, struct ff_halofit_block *restrict out)
{
    const double lnr = h->lnr.v, r = exp(lnr), alpha = h->alpha, beta = h->beta, nu = exp(h->lnnu);
    const double f1 = h->f1, f2 = h->f2, lna = h->lna, lnb = h->lnb, lnc = h->lnc, p3 = 3 - h->gamma;
    const double *al = h->alpha_by, *be = h->beta_by, *ga = h->gamma_by, *la = h->lna_by, *lb = h->lnb_by;
    const double *lc = h->lnc_by, *ln = h->lnnu_by, *g1 = h->f1_by, *g2 = h->f2_by;
    const double al0 = al[0], al1 = al[1], be0 = be[0], be1 = be[1], ga0 = ga[0], ga1 = ga[1], ln0 = ln[0];
    const double la0 = la[0], la1 = la[1], la3 = la[3], lb0 = lb[0], lb1 = lb[1], lb3 = lb[3];
    const double lc0 = lc[0], lc1 = lc[1], lc2 = lc[2], g12 = g1[2], g22 = g2[2], here = h->by[FF_BY_FADE].v;
#pragma omp simd
    for (int i = 0; i < n; i++) {
        double d = lin->delta[i], y = lin->k[i] * r, lny = lin->lnk[i] + lnr, y2 = y * y;
        double ln1d = log(1 + d), den = 1 + alpha * d;
        double lift = exp(beta * ln1d - y / 4 - y2 / 8) / den, q = d * lift;
        double e2 = exp(lnb + f2 * lny), e3 = exp(p3 * (lnc + lny)), sum = 1 + e2 + e3;
        double small = nu / y2, h1 = exp(lna + 3 * f1 * lny) / (sum * (1 + small));
        double more = q + h1 - d;
        out->delta[i] = d + here * more;
        if (derivs) {
            double w2 = e2 / sum, w3 = e3 / sum, ws = small / (1 + small), qa = -q * d / den, qb = q * ln1d;
            double hc = -p3 * w3, hg = w3 * (lnc + lny);
            double hh = here * h1, hqa = here * qa, hqb = here * qb;
            out->bydelta[i] = 1 - here + here * lift * (1 + beta * d / (1 + d) - alpha * d / den);
            out->bylny[i] = hh * (3 * f1 - f2 * w2 + hc + 2 * ws) - here * q * (y + y2) / 4;
            out->by[FF_BY_N][i] = hqa * al0 + hqb * be0 + hh * (la0 - w2 * lb0 + hc * lc0 + hg * ga0 - ws * ln0);
            out->by[FF_BY_C][i] = hqa * al1 + hqb * be1 + hh * (la1 - w2 * lb1 + hc * lc1 + hg * ga1);
            out->by[FF_BY_OM][i] = hh * ((3 * g12 - w2 * g22) * lny + hc * lc2);
            out->by[FF_BY_W][i] = hh * (la3 - w2 * lb3);
            out->by[FF_BY_FADE][i] = more;
        }
    }
}

void ff_halofit_row(const struct ff_halofit *h, const struct ff_linear_block *lin, int n, bool derivs,
                    struct ff_halofit_block *out)
{
    if (!h->nonlinear)
        row_linear(lin, n, out);
    else if (derivs)
        row(h, lin, n, true, out);
    else
        row(h, lin, n, false, out);
}
