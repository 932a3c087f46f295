/* worker/sim/covariance.c - see covariance.h. Threads share blocks of classes, or pairs of bins; sums over blocks
** are added in the order of the blocks. */
#include "worker/sim/covariance.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "worker/core/ff_math.h"

void ff_covariance_layout(struct ff_covariance *c, const struct ff_grid *g, bool lognormal, double size_rad,
                          double l_max, struct ff_arena *a)
{
    const double pixel = size_rad / g->n;
    c->grid = *g;
    c->lognormal = lognormal;
    c->pixel_area = pixel * pixel;
    ff_classes_layout(&c->classes, g, size_rad, l_max, a);
    const long pitch = c->classes.pitch, matrix = lognormal ? ff_cosine_size(g->n) : 0;
    c->scratch_size = lognormal ? matrix + ff_cosine_scratch(g->n) : 0;
    c->g = ff_arena_take(a, g->npairs * pitch, sizeof(double));
    c->b = ff_arena_take(a, g->npairs * pitch, sizeof(double));
    c->inverse = ff_arena_take(a, g->nbins * pitch, sizeof(double));
    c->xi = ff_arena_take(a, g->npairs * matrix, sizeof(double));
    c->scratch = ff_arena_take(a, g->threads * c->scratch_size, sizeof(double));
    c->block_sums = ff_arena_take(a, pitch / FF_BLOCK * FF_BLOCK_SUMS, sizeof(double));
    c->pair_sums = ff_arena_take(a, g->npairs, sizeof(double));
}

ff_err ff_covariance_init(struct ff_covariance *c, ff_ctx *ctx)
{
    ff_classes_fill(&c->classes, &c->grid);
    if (c->pixel_window) ff_classes_average_pixels(&c->classes);
    return c->lognormal ? ff_cosine_init(&c->cosine, c->grid.n, ctx) : FF_OK;
}

void ff_covariance_done(struct ff_covariance *c)
{
    ff_cosine_free(c->cosine);
    c->cosine = NULL;
}

void ff_covariance_load(const struct ff_covariance *c, const double *array, int rows, long at, ff_lanes *out)
{
    for (int r = 0; r < rows; r++) memcpy(out[r], array + r * c->classes.pitch + at, sizeof(ff_lanes));
}

void ff_covariance_store(const struct ff_covariance *c, ff_lanes *in, int rows, long at, double *array)
{
    for (int r = 0; r < rows; r++) memcpy(array + r * c->classes.pitch + at, in[r], sizeof(ff_lanes));
}

/* Bins of a pair. */
static void bins_of(int nbins, int pair, int *i, int *j)
{
    for (*i = 0; pair >= nbins - *i; (*i)++) pair -= nbins - *i;
    *j = *i + pair;
}

/* How many points of the grid entry k of an axis 0 .. h stands for. */
static double copies(const struct ff_grid *g, int k)
{
    return k == 0 || (g->n % 2 == 0 && k == g->h) ? 1 : 2;
}

/* Class values times factor, and times copies of both axes if `weigh`, as a full symmetric matrix. */
static void spread(const struct ff_covariance *c, const double *values, bool weigh, double factor, double *matrix)
{
    const struct ff_grid *g = &c->grid;
    const long pitch = ff_cosine_pitch(g->n);
    for (int i = 0; i <= g->h; i++) {
        const int32_t *index = c->classes.index + i * g->qp;
        const double row = factor * (weigh ? copies(g, i) : 1), inner = weigh ? 2 : 1;
        double *to = matrix + i * pitch;
#pragma omp simd
        for (int j = 0; j <= g->h; j++) to[j] = row * inner * values[index[j]];
        to[0] /= inner;
        if (g->n % 2 == 0) to[g->h] /= inner;
        for (long j = g->h + 1; j < pitch; j++) to[j] = 0;
    }
    memset(matrix + (g->h + 1) * pitch, 0, (size_t)((pitch - g->h - 1) * pitch) * sizeof *matrix);
}

/* One pair, in place on values (classes): C_l/area -> G. Returns the least 1 + xi/(shift shift) met. */
static double gaussianise(struct ff_covariance *c, int pair, double *values, double *scratch)
{
    const struct ff_grid *g = &c->grid;
    const struct ff_classes *cl = &c->classes;
    const long pitch = ff_cosine_pitch(g->n), size = ff_cosine_size(g->n);
    double *matrix = scratch, *work = scratch + size, *xi = c->xi + pair * size;
    int bi, bj;
    bins_of(g->nbins, pair, &bi, &bj);
    const double scale = 1 / (c->shift[bi] * c->shift[bj]);
    spread(c, values, true, 1.0 / ((double)g->n * g->n), matrix);
    ff_cosine_apply(c->cosine, matrix, xi, work);
    double least = 1;
    for (int i = 0; i <= g->h; i++) {
        const double row = 2 * copies(g, i);
        const double *from = xi + i * pitch;
        double *to = matrix + i * pitch;
#pragma omp simd reduction(min : least)
        for (int j = i; j <= g->h; j++) {
            const double t = ff_fma_f64(from[j], scale, 1.0);
            least = t < least ? t : least;
            to[j] = row * ff_log_f64(t);
        }
        if (i == 0) to[0] /= 2;
        if (g->n % 2 == 0) to[g->h] /= 2;
    }
    if (!(least > 0)) return least;
    ff_cosine_mirror(c->cosine, matrix);
    ff_cosine_apply(c->cosine, matrix, matrix, work);
    for (long k = 0; k < cl->count; k++) values[k] = matrix[cl->i[k] * pitch + cl->j[k]];
    return least;
}

/* Adjoint of gaussianise, in place. Sets pair_sums[pair] = sum over pixels of g_bar xi/(shift shift + xi). */
static void gaussianise_adjoint(struct ff_covariance *c, int pair, double *values, double *scratch)
{
    const struct ff_grid *g = &c->grid;
    const struct ff_classes *cl = &c->classes;
    const long pitch = ff_cosine_pitch(g->n), size = ff_cosine_size(g->n);
    double *matrix = scratch, *work = scratch + size;
    const double *xi = c->xi + pair * size;
    int bi, bj;
    bins_of(g->nbins, pair, &bi, &bj);
    const double product = c->shift[bi] * c->shift[bj];
    /* a class off the diagonal is two entries of the matrix: each gets half its cotangent */
    for (long k = 0; k < cl->count; k++) values[k] *= 1 - 0.5 * cl->twice[k];
    for (long k = cl->count; k < cl->pitch; k++) values[k] = 0;
    spread(c, values, false, 1, matrix);
    ff_cosine_apply(c->cosine, matrix, matrix, work);
    double total = 0;
    for (int i = 0; i <= g->h; i++) {
        const double row = 2 * copies(g, i), *x = xi + i * pitch;
        double *m = matrix + i * pitch, sum = 0;
        m[i] *= i == 0 ? 0.5 : 1; /* the ends of an axis stand for one point, not two */
        if (g->n % 2 == 0) m[g->h] *= 0.5;
#pragma omp simd reduction(+ : sum)
        for (int j = i; j <= g->h; j++) {
            const double t = row * m[j] / (product + x[j]);
            m[j] = t;
            sum += t * x[j];
        }
        total += 2 * sum - m[i] * x[i];
    }
    c->pair_sums[pair] = total;
    ff_cosine_mirror(c->cosine, matrix);
    ff_cosine_apply(c->cosine, matrix, matrix, work);
    const double norm = 1.0 / ((double)g->n * g->n);
    for (long k = 0; k < cl->count; k++) {
        const int i = cl->i[k], j = cl->j[k];
        values[k] = norm * (1 + cl->twice[k]) * copies(g, i) * copies(g, j) * matrix[i * pitch + j];
    }
}

static void factor_block(struct ff_covariance *c, long at)
{
    const struct ff_grid *g = &c->grid;
    ff_lanes cov[FF_MAX_PAIRS], b[FF_MAX_PAIRS], inverse[FF_MAX_BINS];
    double *sums = c->block_sums + at / FF_BLOCK * FF_BLOCK_SUMS;
    ff_covariance_load(c, c->g, g->npairs, at, cov);
    ff_block_cholesky(g->nbins, cov, b, inverse, &sums[0]);
    ff_covariance_store(c, b, g->npairs, at, c->b);
    ff_covariance_store(c, inverse, g->nbins, at, c->inverse);
    const double *modes = c->classes.modes + at;
    for (int i = 0; i < g->nbins; i++) {
        const double *diagonal = cov[ff_pair(g->nbins, i, i)];
        double sum = 0;
        for (int x = 0; x < FF_BLOCK; x++) sum += modes[x] * diagonal[x];
        sums[2 + i] = sum;
    }
}

static ff_err check_tables(const struct ff_covariance *c, const double *cl, const double *shift, ff_ctx *ctx)
{
    const int nbins = c->grid.nbins, nell = c->classes.nell;
    for (int p = 0; p < c->grid.npairs; p++)
        for (int k = 0; k < nell; k++)
            if (!isfinite(cl[p * nell + k]))
                return ff_fail(ctx, FF_EOUTSIDE, FF_HERE, "C_l of pair %d at l = %g is not finite", p,
                               c->classes.ell[k]);
    for (int i = 0; i < nbins; i++) {
        for (int k = 0; k < nell; k++)
            if (!(cl[ff_pair(nbins, i, i) * nell + k] > 0))
                return ff_fail(ctx, FF_EOUTSIDE, FF_HERE, "C_l of bin %d with itself at l = %g is %g, not positive", i,
                               c->classes.ell[k], cl[ff_pair(nbins, i, i) * nell + k]);
        if (c->lognormal && !(shift[i] > 0 && isfinite(shift[i])))
            return ff_fail(ctx, FF_EOUTSIDE, FF_HERE, "the log-normal shift of bin %d is %g, not positive", i,
                           shift[i]);
    }
    return FF_OK;
}

ff_err ff_covariance_set(struct ff_covariance *c, const double *cl, const double *shift, ff_ctx *ctx)
{
    const struct ff_grid *g = &c->grid;
    const struct ff_classes *k = &c->classes;
    ff_err err = check_tables(c, cl, shift, ctx);
    if (err) return err;
    for (int i = 0; i < g->nbins; i++) c->shift[i] = c->lognormal ? shift[i] : 1;
#pragma omp parallel num_threads(g->threads) if (g->threads > 1)
    {
        double *scratch = c->scratch ? c->scratch + omp_get_thread_num() * c->scratch_size : NULL;
#pragma omp for schedule(static, 1)
        for (int p = 0; p < g->npairs; p++) {
            double *values = c->g + p * k->pitch;
            for (long at = 0; at < k->pitch; at += FF_BLOCK)
                ff_classes_interpolate(k, cl + p * k->nell, 1 / c->pixel_area, at, values + at);
            c->pair_sums[p] = c->lognormal ? gaussianise(c, p, values, scratch) : 1;
        }
    }
    for (int p = 0; p < g->npairs; p++)
        if (!(c->pair_sums[p] > 0))
            return ff_fail(ctx, FF_EOUTSIDE, FF_HERE,
                           "no log-normal field has these spectra and shifts: 1 + xi/shift^2 of "
                           "pair %d falls to %g",
                           p, c->pair_sums[p]);
#pragma omp parallel for num_threads(g->threads) schedule(static) if (g->threads > 1)
    for (long at = 0; at < k->pitch; at += FF_BLOCK) factor_block(c, at);
    double lowest = 1;
    memset(c->variance, 0, sizeof c->variance);
    for (long s = 0; s < k->pitch / FF_BLOCK; s++) {
        const double *sums = c->block_sums + s * FF_BLOCK_SUMS;
        lowest = fmin(lowest, sums[0]);
        for (int i = 0; i < g->nbins; i++) c->variance[i] += sums[2 + i] / ((double)g->n * g->n);
    }
    if (!c->lognormal && lowest < -1e-6)
        return ff_fail(ctx, FF_EOUTSIDE, FF_HERE, "the C_l are no covariance: a pivot is %g of its diagonal", lowest);
    return FF_OK;
}

void ff_covariance_adjoint(struct ff_covariance *c, const double *variance_bar, double *cl_bar, double *shift_bar)
{
    const struct ff_grid *g = &c->grid;
    const struct ff_classes *k = &c->classes;
#pragma omp parallel num_threads(g->threads) if (g->threads > 1)
    {
        double *scratch = c->scratch ? c->scratch + omp_get_thread_num() * c->scratch_size : NULL;
#pragma omp for schedule(static, 1)
        for (int p = 0; p < g->npairs; p++) {
            double *values = c->g + p * k->pitch;
            int i, j;
            bins_of(g->nbins, p, &i, &j);
            const double per_mode = i == j ? variance_bar[i] / ((double)g->n * g->n) : 0;
            for (long x = 0; x < k->count; x++) values[x] += per_mode * k->modes[x];
            if (c->lognormal) gaussianise_adjoint(c, p, values, scratch);
            if (cl_bar) ff_classes_interpolate_adjoint(k, values, 1 / c->pixel_area, cl_bar + p * k->nell);
        }
    }
    if (!shift_bar || !c->lognormal) return;
    for (int p = 0; p < g->npairs; p++) { /* d ln(1 + xi/(a b))/da = -xi/(a b + xi)/a */
        int i, j;
        bins_of(g->nbins, p, &i, &j);
        shift_bar[i] -= c->pair_sums[p] / c->shift[i];
        shift_bar[j] -= c->pair_sums[p] / c->shift[j];
    }
}
