/* worker/theta/shift.c - see shift.h. */
#include "worker/theta/shift.h"

#include <string.h>

#define X_END 60.0 /* end of the integral in L t: the window has fallen like x^-3 */
enum { FINE = 16, STENCIL = 4 };

/* W^2 and dW^2/dlnx of a disc, W = 2 J1(x)/x. */
static void disc(double x, double *w2, double *slope)
{
    double w = x < 1e-5 ? 1 : 2 * j1(x) / x;
    *w2 = w * w;
    *slope = -4 * w * jn(2, x);
}

/* Weights that integrate the window, however fast it oscillates, against local cubics through L^2 P at the nodes. */
static void fill_disc(struct ff_shift *s, double t)
{
    struct ff_rule rule;
    ff_rule_init(&rule);
    double step = log(X_END / t) / (FF_SHIFT_NL - 1);
    for (int i = 0; i < FF_SHIFT_NL; i++) s->lnl[i] = i * step;
    for (int cell = 0; cell < FF_SHIFT_NL - 1; cell++) {
        int first = cell - 1 < 0 ? 0 : (cell + 3 > FF_SHIFT_NL ? FF_SHIFT_NL : cell + 3) - STENCIL;
        for (int q = 0; q < FINE * FF_PANEL; q++) {
            double at = (q / FF_PANEL + (1 + rule.x[q % FF_PANEL]) / 2) / FINE, u = cell - first + at;
            double w2, slope, dlnl = step * rule.w[q % FF_PANEL] / (2 * FINE) / (2 * M_PI);
            disc(exp((cell + at) * step) * t, &w2, &slope);
            for (int m = 0; m < STENCIL; m++) {
                double p = 1;
                for (int k = 0; k < STENCIL; k++)
                    if (k != m) p *= (u - k) / (m - k);
                double l2 = exp(2 * s->lnl[first + m]);
                s->disc[first + m] += p * w2 * dlnl * l2;
                s->disc_lnr[first + m] += p * slope * dlnl * l2;
            }
        }
    }
}

static ff_err init_perturbation(struct ff_shift *s, double pixel, struct ff_pool *pool, ff_ctx *ctx)
{
    if (!(pixel > 1e-8 && pixel < 1))
        return ff_fail(ctx, FF_EBADJOB, FF_HERE, "pixels of %g rad: the log-normal shift needs 1e-8 < pixel < 1",
                       pixel);
    size_t dual = sizeof(struct ff_dual) / sizeof(double), nz = (size_t)s->nz;
    double *s2 = NULL, *s3 = NULL;
    ff_err err = ff_pool_doubles(pool, &s->lnl, FF_SHIFT_NL, ctx);
    if (!err) err = ff_pool_doubles(pool, &s->disc, FF_SHIFT_NL, ctx);
    if (!err) err = ff_pool_doubles(pool, &s->disc_lnr, FF_SHIFT_NL, ctx);
    if (!err) err = ff_pool_doubles(pool, &s->row, (2 + 2 * FF_NCOSMO) * FF_SHIFT_NL, ctx);
    if (!err) err = ff_pool_doubles(pool, &s2, nz * dual, ctx);
    if (!err) err = ff_pool_doubles(pool, &s3, nz * dual, ctx);
    if (err) return err;
    s->s2 = (struct ff_dual *)s2;
    s->s3 = (struct ff_dual *)s3;
    fill_disc(s, pixel / sqrt(M_PI));
    return FF_OK;
}

static ff_err check_axis(const char *name, const double *x, int n, ff_ctx *ctx)
{
    if (n < 1 || !x)
        return ff_fail(ctx, FF_EBADFILE, FF_HERE, "the shift table has %d values of %s: at least 1", n, name);
    for (int i = 0; i < n; i++)
        if (!isfinite(x[i]) || (i && !(x[i] > x[i - 1])))
            return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s of the shift table does not increase at place %d (%g)", name,
                           i + 1, x[i]);
    return FF_OK;
}

static ff_err check_table(const struct ff_shift_table *t, int nbins, ff_ctx *ctx)
{
    if (!t) return ff_fail(ctx, FF_EBUG, FF_HERE, "a shift from a table without a table");
    if (t->nbins != nbins || !t->shift)
        return ff_fail(ctx, FF_EBADFILE, FF_HERE, "the shift table has %d bins, the sources have %d", t->nbins, nbins);
    ff_err err = check_axis("omega_m", t->omega_m, t->nom, ctx);
    if (!err) err = check_axis("sigma8", t->sigma8, t->ns8, ctx);
    if (!err) err = check_axis("w0", t->w0, t->nw0, ctx);
    long n = err ? 0 : (long)t->nom * t->ns8 * t->nw0 * nbins;
    for (long i = 0; i < n; i++)
        if (!(t->shift[i] > 0 && isfinite(t->shift[i])))
            return ff_fail(ctx, FF_EBADFILE, FF_HERE, "shift %ld of the shift table is %g: it must be positive", i + 1,
                           t->shift[i]);
    return err;
}

ff_err ff_shift_init(struct ff_shift *s, enum ff_shift_kind kind, double pixel_rad, const struct ff_shift_table *table,
                     const double *numbers, const struct ff_kernels *k, struct ff_pool *pool, ff_ctx *ctx)
{
    *s = (struct ff_shift){.kind = kind, .nbins = k->nz->nbins, .nz = k->bg->grid->n, .table = table};
    if (kind == FF_SHIFT_PERTURBATION) return init_perturbation(s, pixel_rad, pool, ctx);
    if (kind == FF_SHIFT_TABLE) return check_table(table, s->nbins, ctx);
    for (int b = 0; b < s->nbins; b++) {
        if (!(numbers[b] > 0 && isfinite(numbers[b])))
            return ff_fail(ctx, FF_EBADJOB, FF_HERE, "the shift of bin %d is %g: it must be positive", b + 1,
                           numbers[b]);
        s->numbers[b] = numbers[b];
    }
    return FF_OK;
}

static double dot(const double *a, const double *b)
{
    double sum = 0;
    for (int i = 0; i < FF_SHIFT_NL; i++) sum += a[i] * b[i];
    return sum;
}

void ff_shift_row(struct ff_shift *s, const struct ff_power_table *p, const struct ff_state *state, int iz, bool derivs)
{
    if (s->kind != FF_SHIFT_PERTURBATION) return;
    struct ff_rows rows = {.p = s->row, .lin = s->row + FF_SHIFT_NL};
    for (int j = 0; j < FF_NCOSMO; j++) {
        rows.dp[j] = s->row + (2 + 2 * j) * FF_SHIFT_NL;
        rows.dlin[j] = s->row + (3 + 2 * j) * FF_SHIFT_NL;
    }
    ff_rows_at(p, state, s->lnl, FF_SHIFT_NL, derivs, &rows);
    double chi2 = exp(2 * state->lnchi), value = dot(s->disc, rows.lin), slope = dot(s->disc_lnr, rows.lin);
    struct ff_dual s2 = {.v = dot(s->disc, rows.p) / chi2}, s3 = {.v = 36. / 7 + 1.5 * slope / value};
    for (int j = 0; derivs && j < FF_NCOSMO; j++) {
        s2.d[j] = dot(s->disc, rows.dp[j]) / chi2 + 2 * s2.v * state->lnk[j];
        s3.d[j] = 1.5 * (dot(s->disc_lnr, rows.dlin[j]) - slope / value * dot(s->disc, rows.dlin[j])) / value;
    }
    s->s2[iz] = s2;
    s->s3[iz] = s3;
}

/* The root of s x^3 - 3 x^2 - var: convex beyond 1/s, so Newton from above goes straight down to it. */
static double root(double s, double var)
{
    double x = 3 / s + cbrt(var / s);
    for (int step = 0; step < 60; step++) {
        double next = x - ((s * x - 3) * x * x - var) / ((3 * s * x - 6) * x);
        if (!(next < x)) break;
        x = next;
    }
    return x;
}

/* Variance and skewness of one bin, and their derivatives with respect to its dz. */
static void moments(const struct ff_shift *s, const struct ff_kernels *k, int bin, struct ff_dual out[2], double dz[2])
{
    const struct ff_background *bg = k->bg;
    out[0] = out[1] = ff_dual_const(0);
    dz[0] = dz[1] = 0;
    for (int i = 0; i < s->nz; i++) {
        const double *lens = k->lens + (bin * s->nz + i) * FF_G_LANES;
        struct ff_dual g = ff_dual_spread(lens), path = ff_dual_spread(bg->invh + i * FF_LANES);
        struct ff_dual gs = ff_dual_mul(g, s->s2[i]), length = ff_dual_affine(bg->grid->w[i], path, 0);
        struct ff_dual var = ff_dual_mul(length, ff_dual_mul(g, gs));
        struct ff_dual skew = ff_dual_mul(ff_dual_mul(length, s->s3[i]), ff_dual_mul(g, ff_dual_mul(gs, gs)));
        out[0] = ff_dual_add(out[0], var);
        out[1] = ff_dual_add(out[1], skew);
        dz[0] += 2 * length.v * gs.v * lens[FF_K_DZ];
        dz[1] += 3 * length.v * s->s3[i].v * gs.v * gs.v * lens[FF_K_DZ];
    }
}

static bool solve_perturbation(const struct ff_shift *s, const struct ff_kernels *k, double *shift, double *dshift)
{
    for (int b = 0; b < s->nbins; b++) {
        struct ff_dual m[2];
        double dz[2];
        moments(s, k, b, m, dz);
        double var = m[0].v, ratio = m[1].v / (var * var);
        if (!(var > 0 && ratio > 0 && isfinite(ratio))) return false;
        double x = root(ratio, var), fx = 3 * ratio * x * x - 6 * x;
        double by_skew = -x * x * x / (var * var) / fx, by_var = (1 + 2 * x * x * x * ratio / var) / fx;
        shift[b] = x;
        if (!dshift) continue;
        for (int j = 0; j < FF_NCOSMO; j++) dshift[j * s->nbins + b] = by_skew * m[1].d[j] + by_var * m[0].d[j];
        dshift[ff_par_dz(s->nbins, b) * s->nbins + b] = by_skew * dz[1] + by_var * dz[0];
    }
    return true;
}

/* Cell and fraction of x on an axis, and dfraction/dx (0 where clamped). */
static int axis_find(const double *axis, int n, double x, double *fraction, double *slope)
{
    *fraction = *slope = 0;
    if (n == 1 || x <= axis[0]) return 0;
    if (x >= axis[n - 1]) {
        *fraction = 1;
        return n - 2;
    }
    int i = 0;
    while (x >= axis[i + 1]) i++;
    *slope = 1 / (axis[i + 1] - axis[i]);
    *fraction = (x - axis[i]) * *slope;
    return i;
}

static void solve_table(const struct ff_shift *s, const double *theta, double *shift, double *dshift)
{
    const struct ff_shift_table *t = s->table;
    double f[3], slope[3];
    int n = s->nbins;
    int i = axis_find(t->omega_m, t->nom, theta[FF_OMEGA_C] + theta[FF_OMEGA_B], &f[0], &slope[0]);
    int j = axis_find(t->sigma8, t->ns8, theta[FF_SIGMA8], &f[1], &slope[1]);
    int k = axis_find(t->w0, t->nw0, theta[FF_W0], &f[2], &slope[2]);
    for (int b = 0; b < n; b++) {
        double value = 0, d[3] = {0};
        for (int corner = 0; corner < 8; corner++) {
            int u[3] = {corner & 1, corner >> 1 & 1, corner >> 2};
            double w[3], by[3]; /* weights of the corner and their slopes */
            for (int a = 0; a < 3; a++) {
                w[a] = u[a] ? f[a] : 1 - f[a];
                by[a] = u[a] ? slope[a] : -slope[a];
            }
            int ii = i + (t->nom > 1 ? u[0] : 0), jj = j + (t->ns8 > 1 ? u[1] : 0), kk = k + (t->nw0 > 1 ? u[2] : 0);
            double at = t->shift[(((long)ii * t->ns8 + jj) * t->nw0 + kk) * n + b];
            value += w[0] * w[1] * w[2] * at;
            d[0] += by[0] * w[1] * w[2] * at;
            d[1] += w[0] * by[1] * w[2] * at;
            d[2] += w[0] * w[1] * by[2] * at;
        }
        shift[b] = value;
        if (!dshift) continue;
        dshift[FF_OMEGA_C * n + b] = dshift[FF_OMEGA_B * n + b] = d[0];
        dshift[FF_SIGMA8 * n + b] = d[1];
        dshift[FF_W0 * n + b] = d[2];
    }
}

bool ff_shift_solve(const struct ff_shift *s, const struct ff_kernels *k, const double *theta, double *shift,
                    double *dshift)
{
    if (dshift) memset(dshift, 0, (size_t)ff_par_count(s->nbins) * (size_t)s->nbins * sizeof *dshift);
    if (s->kind == FF_SHIFT_PERTURBATION) return solve_perturbation(s, k, shift, dshift);
    if (s->kind == FF_SHIFT_TABLE)
        solve_table(s, theta, shift, dshift);
    else
        memcpy(shift, s->numbers, (size_t)s->nbins * sizeof *shift);
    return true;
}
