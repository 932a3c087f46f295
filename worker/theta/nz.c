/* worker/theta/nz.c - see nz.h. */
#include "worker/theta/nz.h"

#include <math.h>

#include "worker/theta/spline.h"

#define DZ_ROOM 0.3       /* the grid goes on so far beyond the last source */
#define SMAIL_CELL 0.0025 /* of the spline of n(z) */
#define TABLE_FEATURE 0.05
#define GAUSS_SPAN 9.0 /* standard deviations to either side */
enum { SMAIL_CELLS = 4000, GAUSS_CELLS = 720 };

static ff_err curve_init(struct ff_nz_curve *c, int ncells, struct ff_pool *pool, ff_ctx *ctx)
{
    *c = (struct ff_nz_curve){.ncells = ncells};
    ff_err err = ff_pool_doubles(pool, &c->z, (size_t)ncells + 1, ctx);
    if (!err) err = ff_pool_doubles(pool, &c->c, (size_t)ncells * 4, ctx);
    if (!err) err = ff_pool_doubles(pool, &c->below, (size_t)ncells + 1, ctx);
    return err;
}

static double integral(const double *c, double t)
{
    return t * (c[0] + t * (c[1] / 2 + t * (c[2] / 3 + t * c[3] / 4)));
}

static void curve_sum(struct ff_nz_curve *c)
{
    for (int i = 0; i < c->ncells; i++) c->below[i + 1] = c->below[i] + integral(c->c + 4 * i, c->z[i + 1] - c->z[i]);
}

struct shape { /* a smooth distribution */
    double (*at)(const struct shape *s, double z);
    const struct ff_sources *sources;
    int bin;
    double low, high; /* edges of a photo-z bin */
};

/* The natural spline through ncells + 1 values of the shape from z0 on. */
static ff_err curve_fill(struct ff_nz_curve *c, const struct shape *shape, double z0, double h, int ncells,
                         struct ff_pool *pool, ff_ctx *ctx)
{
    struct ff_pool scratch = {.n = 0};
    struct ff_spline spline;
    double *f = NULL, *m = NULL;
    ff_err err = curve_init(c, ncells, pool, ctx);
    if (!err) err = ff_spline_init(&spline, z0, h, ncells + 1, &scratch, ctx);
    if (!err) err = ff_pool_doubles(&scratch, &f, (size_t)ncells + 1, ctx);
    if (!err) err = ff_pool_doubles(&scratch, &m, (size_t)ncells + 1, ctx);
    if (err) goto done;
    for (int i = 0; i <= ncells; i++) {
        c->z[i] = z0 + i * h;
        f[i] = shape->at(shape, c->z[i]);
    }
    ff_spline_fit(&spline, f, m);
    for (int i = 0; i < ncells; i++) {
        double *k = c->c + 4 * i;
        k[0] = f[i];
        k[1] = (f[i + 1] - f[i] - 2 * m[i] - m[i + 1]) / h;
        k[2] = 3 * m[i] / (h * h);
        k[3] = (m[i + 1] - m[i]) / (h * h * h);
    }
    curve_sum(c);
done:
    ff_pool_done(&scratch);
    return err;
}

static double smail(const struct shape *s, double z)
{
    const struct ff_sources *p = s->sources;
    return z > 0 ? pow(z / p->z0, p->a) * exp(-pow(z / p->z0, p->b)) : 0;
}

static double smail_bin(const struct shape *s, double z)
{
    double sd = M_SQRT2 * fmax(s->sources->sigma_z, FF_NZ_SIGMA_MIN) * (1 + z);
    return smail(s, z) / 2 * (erf((s->high - z) / sd) - erf((s->low - z) / sd));
}

static double gaussian(const struct shape *s, double z)
{
    double x = (z - s->sources->z[s->bin]) / s->sources->sd[s->bin];
    return exp(-x * x / 2);
}

/* Redshift below which a fraction of the curve lies. */
static double quantile(const struct ff_nz_curve *c, double fraction)
{
    double target = fraction * c->below[c->ncells];
    int i = 0;
    while (i < c->ncells - 1 && c->below[i + 1] < target) i++;
    double low = 0, high = c->z[i + 1] - c->z[i];
    for (int step = 0; step < 60; step++) {
        double t = (low + high) / 2;
        if (c->below[i] + integral(c->c + 4 * i, t) < target)
            low = t;
        else
            high = t;
    }
    return c->z[i] + low;
}

static ff_err init_smail(struct ff_nz *nz, const struct ff_sources *s, struct ff_pool *pool, ff_ctx *ctx)
{
    if (!(s->a >= 0 && s->a < 50 && s->b > 0 && s->b < 50 && s->z0 > 0 && s->z0 < 10 && s->sigma_z >= 0 &&
          s->sigma_z < 1))
        return ff_fail(ctx, FF_EBADJOB, FF_HERE,
                       "Smail sources with a %g, b %g, z0 %g, sigma_z %g: allowed are 0 <= a < 50, 0 < b < 50, "
                       "0 < z0 < 10, 0 <= sigma_z < 1",
                       s->a, s->b, s->z0, s->sigma_z);
    struct ff_pool scratch = {.n = 0};
    struct ff_nz_curve all;
    struct shape shape = {.at = smail, .sources = s};
    ff_err err = curve_fill(&all, &shape, 0, SMAIL_CELL, SMAIL_CELLS, &scratch, ctx);
    shape.at = smail_bin;
    for (int i = 0; i < s->nbins && !err; i++) {
        shape.low = i ? shape.high : 0;
        shape.high = i == s->nbins - 1 ? FF_NZ_SMAIL_END : quantile(&all, (i + 1.0) / s->nbins);
        err = curve_fill(&nz->bin[i], &shape, 0, SMAIL_CELL, SMAIL_CELLS, pool, ctx);
        nz->bin[i].feature = 2 * SMAIL_CELL;
    }
    ff_pool_done(&scratch);
    return err;
}

static ff_err init_gaussian(struct ff_nz *nz, const struct ff_sources *s, struct ff_pool *pool, ff_ctx *ctx)
{
    for (int i = 0; i < s->nbins; i++) {
        if (!(s->sd[i] >= 1e-3 && s->sd[i] <= 5 && s->z[i] > 0 && s->z[i] <= 20))
            return ff_fail(ctx, FF_EBADJOB, FF_HERE,
                           "Gaussian sources of bin %d with z %g, sd %g: allowed are 0 < z <= 20, 0.001 <= sd <= 5",
                           i + 1, s->z[i], s->sd[i]);
        struct shape shape = {.at = gaussian, .sources = s, .bin = i};
        double z0 = s->z[i] - GAUSS_SPAN * s->sd[i], h = 2 * GAUSS_SPAN * s->sd[i] / GAUSS_CELLS;
        ff_err err = curve_fill(&nz->bin[i], &shape, z0, h, GAUSS_CELLS, pool, ctx);
        if (err) return err;
        nz->bin[i].feature = s->sd[i];
    }
    return FF_OK;
}

static ff_err check_table(const struct ff_curve *t, int bin, ff_ctx *ctx)
{
    if (t->n < 2 || t->n > FF_NZ_MAX_ROWS || !t->x || !t->y)
        return ff_fail(ctx, FF_EBADFILE, FF_HERE, "the n(z) table of bin %d has %ld rows: allowed are 2 to %d", bin + 1,
                       t->n, (int)FF_NZ_MAX_ROWS);
    for (long i = 0; i < t->n; i++) {
        if (!(t->x[i] >= 0 && t->x[i] <= FF_NZ_MAX_Z && t->y[i] >= 0 && isfinite(t->y[i])))
            return ff_fail(ctx, FF_EBADFILE, FF_HERE,
                           "row %ld of the n(z) table of bin %d is (%g, %g): allowed are 0 <= z <= %g and n >= 0",
                           i + 1, bin + 1, t->x[i], t->y[i], FF_NZ_MAX_Z);
        if (i && !(t->x[i] > t->x[i - 1]))
            return ff_fail(ctx, FF_EBADFILE, FF_HERE,
                           "z of the n(z) table of bin %d does not increase at row %ld (%g, %g)", bin + 1, i + 1,
                           t->x[i - 1], t->x[i]);
    }
    return FF_OK;
}

static double secant(const struct ff_curve *t, long i)
{
    return (t->y[i + 1] - t->y[i]) / (t->x[i + 1] - t->x[i]);
}

/* Slope at row i of the monotone cubics of Fritsch & Butland 1984: no overshoot, so n stays positive. */
static double table_slope(const struct ff_curve *t, long i)
{
    if (i == 0) return secant(t, 0);
    if (i == t->n - 1) return secant(t, i - 1);
    double left = secant(t, i - 1), right = secant(t, i);
    return left * right > 0 ? 2 * left * right / (left + right) : 0;
}

static ff_err init_table(struct ff_nz *nz, const struct ff_sources *s, struct ff_pool *pool, ff_ctx *ctx)
{
    for (int b = 0; b < s->nbins; b++) {
        const struct ff_curve *t = &s->table[b];
        struct ff_nz_curve *c = &nz->bin[b];
        ff_err err = check_table(t, b, ctx);
        if (!err) err = curve_init(c, (int)t->n - 1, pool, ctx);
        if (err) return err;
        for (int i = 0; i <= c->ncells; i++) c->z[i] = t->x[i];
        for (int i = 0; i < c->ncells; i++) {
            double h = t->x[i + 1] - t->x[i], rise = secant(t, i), left = table_slope(t, i),
                   right = table_slope(t, i + 1);
            double *k = c->c + 4 * i;
            k[0] = t->y[i];
            k[1] = left;
            k[2] = (3 * rise - 2 * left - right) / h;
            k[3] = (left + right - 2 * rise) / (h * h);
        }
        curve_sum(c);
        if (!(c->below[c->ncells] > 0 && isfinite(c->below[c->ncells])))
            return ff_fail(ctx, FF_EBADFILE, FF_HERE, "the n(z) table of bin %d sums to %g: it must hold galaxies",
                           b + 1, c->below[c->ncells]);
        c->feature = fmax(TABLE_FEATURE, (t->x[t->n - 1] - t->x[0]) / (double)t->n);
    }
    return FF_OK;
}

ff_err ff_nz_init(struct ff_nz *nz, const struct ff_sources *s, struct ff_pool *pool, ff_ctx *ctx)
{
    *nz = (struct ff_nz){.nbins = s->nbins};
    if (s->nbins < 1 || s->nbins > FF_MAX_BINS)
        return ff_fail(ctx, FF_EBADJOB, FF_HERE, "%d source bins: allowed are 1 to %d", s->nbins, (int)FF_MAX_BINS);
    ff_err err = s->kind == FF_NZ_SMAIL      ? init_smail(nz, s, pool, ctx)
                 : s->kind == FF_NZ_GAUSSIAN ? init_gaussian(nz, s, pool, ctx)
                                             : init_table(nz, s, pool, ctx);
    if (err) return err;
    for (int b = 0; b < nz->nbins; b++) nz->end = fmax(nz->end, nz->bin[b].z[nz->bin[b].ncells] + DZ_ROOM);
    return FF_OK;
}

struct raw { /* of the unshifted curve */
    double n, slope, below;
};

/* At x; *cell is where to look first and is moved up to where x lies. */
static struct raw curve_at(const struct ff_nz_curve *c, double x, int *cell)
{
    if (x <= c->z[0]) return (struct raw){0, 0, 0};
    if (x >= c->z[c->ncells]) return (struct raw){0, 0, c->below[c->ncells]};
    int low = *cell, high = c->ncells;
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (c->z[middle] <= x)
            low = middle;
        else
            high = middle;
    }
    *cell = low;
    const double *k = c->c + 4 * low;
    double t = x - c->z[low];
    return (struct raw){.n = k[0] + t * (k[1] + t * (k[2] + t * k[3])),
                        .slope = k[1] + t * (2 * k[2] + t * 3 * k[3]),
                        .below = c->below[low] + integral(k, t)};
}

double ff_nz_kept(const struct ff_nz *nz, int bin, double dz)
{
    const struct ff_nz_curve *c = &nz->bin[bin];
    int cell = 0;
    double below = curve_at(c, -dz, &cell).below;
    cell = 0;
    return (curve_at(c, nz->end - dz, &cell).below - below) / c->below[c->ncells];
}

void ff_nz_at(const struct ff_nz *nz, int bin, double dz, const double *z, int count, struct ff_nz_point *out)
{
    const struct ff_nz_curve *c = &nz->bin[bin];
    int cell = 0;
    struct raw base = curve_at(c, -dz, &cell);
    cell = 0;
    struct raw top = curve_at(c, nz->end - dz, &cell);
    double norm = top.below - base.below, norm_dz = base.n - top.n;
    cell = 0;
    for (int i = 0; i < count; i++) {
        struct raw r = curve_at(c, z[i] - dz, &cell);
        double n = r.n / norm, below = (r.below - base.below) / norm;
        out[i] = (struct ff_nz_point){.n = n,
                                      .n_z = r.slope / norm,
                                      .n_dz = -(r.slope + n * norm_dz) / norm,
                                      .below = below,
                                      .below_dz = (base.n - r.n - below * norm_dz) / norm};
    }
}
