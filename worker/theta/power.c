/* worker/theta/power.c - see power.h. */
#include "worker/theta/power.h"

#define K_MIN 1e-5
#define K_TOPHAT 1e2  /* end of the sigma8 integral */
#define K_STEP 0.0125 /* of the spline; the integrals take every second node, which is enough for smooth integrands */
#define I_STEP (2 * K_STEP)
#define R_MIN 4e-5 /* exp(-(k R)^2) has ended before the last k of the grid */
/* k to 9.8e4; R to 1600, in steps of R_STRIDE integration steps, so that filters depend on the sum of two indices. */
enum {
    K_COUNT = 1841,
    I_COUNT = (K_COUNT + 1) / 2,
    R_COUNT = 141,
    R_STRIDE = 5,
    FILTERS = I_COUNT + R_STRIDE * R_COUNT
};

#define TWO_PI2 (2 * M_PI * M_PI)

static double tophat(double x)
{
    return x < 0.02 ? 1 - x * x / 10 : 3 * (sin(x) - x * cos(x)) / (x * x * x);
}

static void fill_grids(struct ff_power_table *p)
{
    for (int i = 0; i < K_COUNT; i++) {
        double lnk = p->grid.x0 + i * K_STEP, k = exp(lnk);
        p->lnk[i] = lnk;
        p->k[i] = k;
        p->scale[i] = 1 + k * k / (FF_POWER_K0 * FF_POWER_K0);
    }
    for (int i = 0; i < I_COUNT; i++) {
        double k = p->k[2 * i], w = tophat(8 * k);
        p->k3[i] = I_STEP * k * k * k / TWO_PI2;
        p->tophat[i] = k <= K_TOPHAT ? p->k3[i] * w * w : 0;
    }
    for (int i = 0; i < FILTERS; i++) {
        double x = exp(p->grid.x0 + p->sgrid.x0 + i * I_STEP), x2 = x * x, g = exp(-x2);
        p->filter[i * FF_NSIGMA + FF_S_VALUE] = g;
        p->filter[i * FF_NSIGMA + FF_S_SLOPE] = 2 * x2 * g;
        p->filter[i * FF_NSIGMA + FF_S_CURVE] = 4 * x2 * (1 - x2) * g;
    }
}

ff_err ff_power_init(struct ff_power_table *p, double t_cmb, struct ff_pool *pool, ff_ctx *ctx)
{
    *p = (struct ff_power_table){.t_cmb = t_cmb};
    double **k_arrays[] = {&p->k, &p->lnk, &p->scale}, **i_arrays[] = {&p->k3, &p->tophat};
    ff_err err = ff_spline_init(&p->grid, log(K_MIN), K_STEP, K_COUNT, pool, ctx);
    if (!err) err = ff_spline_init(&p->sgrid, log(R_MIN), R_STRIDE * I_STEP, R_COUNT, pool, ctx);
    for (size_t i = 0; i < sizeof k_arrays / sizeof *k_arrays && !err; i++)
        err = ff_pool_doubles(pool, k_arrays[i], K_COUNT, ctx);
    for (size_t i = 0; i < sizeof i_arrays / sizeof *i_arrays && !err; i++)
        err = ff_pool_doubles(pool, i_arrays[i], I_COUNT, ctx);
    for (int j = 0; j < FF_T_LANES && !err; j++) {
        err = ff_pool_doubles(pool, &p->t[j], K_COUNT, ctx);
        if (!err) err = ff_pool_doubles(pool, &p->m[j], K_COUNT, ctx);
    }
    if (!err) err = ff_pool_doubles(pool, &p->row, I_COUNT * FF_S_STRIDE, ctx);
    if (!err) err = ff_pool_doubles(pool, &p->filter, FILTERS * FF_NSIGMA, ctx);
    for (int q = 0; q < FF_NSIGMA; q++)
        for (int j = 0; j < FF_S_LANES && !err; j++) {
            err = ff_pool_doubles(pool, &p->sigma[q][j], R_COUNT, ctx);
            if (!err) err = ff_pool_doubles(pool, &p->sm[q][j], R_COUNT, ctx);
        }
    if (err) return err;
    fill_grids(p);
    return FF_OK;
}

/* k^n_s T^2 and its derivatives from T in p->t (before it is scaled). */
static void fill_rows(struct ff_power_table *p, bool derivs)
{
#pragma omp simd
    for (int i = 0; i < I_COUNT; i++) {
        double lnk = p->lnk[2 * i], tilt = exp(p->ns.v * lnk), t = p->t[0][2 * i];
        double *row = p->row + i * FF_S_STRIDE;
        row[0] = tilt * t * t;
        if (derivs) {
            for (int j = 1; j < FF_T_LANES; j++) row[j] = 2 * tilt * t * p->t[j][2 * i];
            row[FF_T_LANES] = row[0] * lnk;
        }
    }
}

bool ff_power_solve(struct ff_power_table *p, const double *theta, bool derivs)
{
    struct ff_dual var[FF_NCOSMO];
    for (int j = 0; j < FF_NCOSMO; j++) var[j] = ff_dual_var(theta[j], j);
    p->ns = var[FF_N_S];
    ff_eh98_set(&p->eh, var[FF_OMEGA_C], var[FF_OMEGA_B], var[FF_H], p->t_cmb);
    ff_eh98_transfer(&p->eh, K_COUNT, p->k, p->lnk, p->t[0], derivs ? &p->t[1] : NULL);
    fill_rows(p, derivs);
    double sum[FF_S_LANES] = {0};
    for (int i = 0; i < I_COUNT; i++)
        for (int j = 0; j < FF_S_LANES; j++) sum[j] += p->tophat[i] * p->row[i * FF_S_STRIDE + j];
    if (!(sum[0] > 0) || !isfinite(sum[0])) return false;
    p->lnamp = ff_dual_chain(var[FF_SIGMA8], 2 * log(theta[FF_SIGMA8]) - log(sum[0]), 2 / theta[FF_SIGMA8]);
    for (int j = 1; j < FF_S_LANES; j++) p->lnamp.d[FF_OMEGA_C + j - 1] = -sum[j] / sum[0];
    for (int j = 0; j < (derivs ? FF_T_LANES : 1); j++) {
        for (int i = 0; i < K_COUNT; i++) p->t[j][i] *= p->scale[i];
        ff_spline_fit(&p->grid, p->t[j], p->m[j]);
    }
    return true;
}

/* The three filtered integrals of all lanes at node m of ln R. */
static void filtered(const struct ff_power_table *p, int m, double out[FF_NSIGMA][FF_S_STRIDE])
{
    const double *g = p->filter + m * R_STRIDE * FF_NSIGMA;
    double s0[FF_S_STRIDE] = {0}, s1[FF_S_STRIDE] = {0}, s2[FF_S_STRIDE] = {0};
    double end = log(6.5) - p->sgrid.x0 - m * R_STRIDE * I_STEP; /* ln k where exp(-(k R)^2) < 1e-18 */
    int count = (int)((end - p->grid.x0) / I_STEP);
    count = count < I_COUNT ? count : I_COUNT;
    for (int i = 0; i < count; i++) {
        const double *row = p->row + i * FF_S_STRIDE;
        double k3 = p->k3[i];
        double g0 = k3 * g[i * FF_NSIGMA], g1 = k3 * g[i * FF_NSIGMA + 1], g2 = k3 * g[i * FF_NSIGMA + 2];
        for (int j = 0; j < FF_S_STRIDE; j++) {
            s0[j] += g0 * row[j];
            s1[j] += g1 * row[j];
            s2[j] += g2 * row[j];
        }
    }
    for (int j = 0; j < FF_S_STRIDE; j++) {
        out[FF_S_VALUE][j] = s0[j];
        out[FF_S_SLOPE][j] = s1[j];
        out[FF_S_CURVE][j] = s2[j];
    }
}

bool ff_power_sigma(struct ff_power_table *p, bool derivs)
{
    int lanes = derivs ? FF_S_LANES : 1;
    for (int m = 0; m < R_COUNT; m++) {
        double s[FF_NSIGMA][FF_S_STRIDE];
        filtered(p, m, s);
        double v = s[FF_S_VALUE][0], i1 = s[FF_S_SLOPE][0] / v, i2 = s[FF_S_CURVE][0] / v;
        if (!(v > 0) || !isfinite(v)) return false;
        p->sigma[FF_S_VALUE][0][m] = log(v);
        p->sigma[FF_S_SLOPE][0][m] = i1;
        p->sigma[FF_S_CURVE][0][m] = i1 * i1 + i2;
        for (int j = 1; j < lanes; j++) {
            double d = s[FF_S_VALUE][j] / v, d1 = s[FF_S_SLOPE][j] / v - i1 * d, d2 = s[FF_S_CURVE][j] / v - i2 * d;
            p->sigma[FF_S_VALUE][j][m] = d;
            p->sigma[FF_S_SLOPE][j][m] = d1;
            p->sigma[FF_S_CURVE][j][m] = 2 * i1 * d1 + d2;
        }
    }
    for (int q = 0; q < FF_NSIGMA; q++)
        for (int j = 0; j < lanes; j++) ff_spline_fit(&p->sgrid, p->sigma[q][j], p->sm[q][j]);
    return true;
}

struct ff_dual ff_power_at(const struct ff_power_table *p, double k)
{
    double lnk = log(k), scale = 1 + k * k / (FF_POWER_K0 * FF_POWER_K0), t[FF_T_LANES];
    struct ff_spot spot = ff_spline_spot(&p->grid, lnk);
    for (int j = 0; j < FF_T_LANES; j++) t[j] = ff_spline_value(p->t[j], p->m[j], spot) / scale;
    double value = exp(p->lnamp.v + p->ns.v * lnk) * t[0] * t[0];
    struct ff_dual r = ff_dual_chain2(p->lnamp, p->ns, value, value, value * lnk);
    for (int j = 0; j < FF_NTRANSFER; j++) r.d[FF_OMEGA_C + j] += 2 * value * t[1 + j] / t[0];
    return r;
}
