/* worker/core/pixels_real.c - pixel by pixel: fields to convergence (log-normal, docs: physics section 5), the Gaussian
** likelihood, and their adjoints (docs: compute sections 4.8 and 4.9). A thread takes whole rows; sums are kept per
** row and added in the order of the rows. */
#include "worker/core/fft_real.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "worker/core/ops.h"

#if defined(FF_REAL_IS_FLOAT)
#define FF_EXP ff_exp_f32
#else
#define FF_EXP ff_exp_f64
#endif

enum { LOGLIKE, GAIN, SHIFT, VARIANCE };

/* kappa = shift (e^(f - variance/2) - 1) */
static void lognormal_row(int n, const ff_real *f, double shift, double variance, ff_real *kappa)
{
    const ff_real lambda = (ff_real)shift, half = (ff_real)(0.5 * variance);
#pragma omp simd
    for (int x = 0; x < n; x++) kappa[x] = lambda * (FF_EXP(f[x] - half) - 1);
}

/* bar: cotangent of kappa to cotangent of f. Sums: d/dshift, d/dvariance. */
static void lognormal_adjoint_row(int n, const ff_real *kappa, double shift, ff_real *bar, double *sums)
{
    const ff_real lambda = (ff_real)shift, inverse = (ff_real)(1 / shift);
    ff_real sum_shift = 0, sum_field = 0;
#pragma omp simd reduction(+ : sum_shift, sum_field)
    for (int x = 0; x < n; x++) {
        const ff_real b = bar[x], fb = b * (kappa[x] + lambda);
        sum_shift += b * kappa[x];
        sum_field += fb;
        bar[x] = fb;
    }
    sums[SHIFT] = (double)(sum_shift * inverse);
    sums[VARIANCE] = -0.5 * (double)sum_field;
}

/* bar = gain (d - gain m)/sigma^2, the gradient of the log-likelihood in m. Sums: log-likelihood, d/dgain. */
static void residual_row(int n, const ff_real *model, const ff_real *data, const ff_real *weight, double gain_,
                         ff_real *bar, double *sums)
{
    const ff_real gain = (ff_real)gain_;
    ff_real square = 0, sum_gain = 0;
#pragma omp simd reduction(+ : square, sum_gain)
    for (int x = 0; x < n; x++) {
        const ff_real m = model[x], r = data[x] - gain * m, wr = weight[x] * r;
        square += wr * r;
        sum_gain += wr * m;
        bar[x] = gain * wr;
    }
    sums[LOGLIKE] += -0.5 * (double)square;
    sums[GAIN] += (double)sum_gain;
}

static const ff_real *observed(const struct ff_grid *g, const void *maps, int bin, int comp, int y)
{
    return (const ff_real *)maps + (((long)bin * g->ncomp + comp) * g->npix + y) * g->dp;
}

static void add_rows(const struct ff_pixels *p, struct ff_pixel_sums *sums)
{
    const struct ff_grid *g = &p->grid;
    *sums = (struct ff_pixel_sums){0};
    for (int b = 0; b < g->nbins; b++)
        for (int y = 0; y < g->n; y++) {
            const double *row = p->row_sums + ((long)b * g->n + y) * FF_PIXEL_SUMS;
            sums->loglike += row[LOGLIKE];
            sums->gain[b] += row[GAIN];
            sums->shift[b] += row[SHIFT];
            sums->variance[b] += row[VARIANCE];
        }
}

static void convergence_row(const struct ff_pixels *p, int bin, const ff_real *field, ff_real *kappa)
{
    if (p->lognormal)
        lognormal_row(p->grid.n, field, p->shift[bin], p->variance[bin], kappa);
    else if (kappa != field)
        memcpy(kappa, field, (size_t)p->grid.n * sizeof *kappa);
}

/* Convergence data, theoretical variance: field rows to their likelihood and back, between the two row passes of the
** transforms, so that a map never leaves the cache. Spectra come with their columns transformed and leave as the row
** transforms of the field's cotangent. */
void FF_NAME(ff_pixels_fused)(const struct ff_pixels *p, const struct ff_fft *fft, void *spectra,
                              struct ff_pixel_sums *sums)
{
    const struct ff_grid *g = &p->grid;
#pragma omp parallel for num_threads(g->threads) schedule(static) if (g->threads > 1)
    for (long r = 0; r < (long)g->nbins * g->n; r++) {
        const int bin = (int)(r / g->n), y = (int)(r % g->n);
        ff_real *row = (ff_real *)p->scratch + omp_get_thread_num() * 2 * g->rp, *bar = row + g->rp;
        ff_real *spectrum = (ff_real *)spectra + r * g->cp * 2;
        double *s = p->row_sums + r * FF_PIXEL_SUMS;
        memset(s, 0, FF_PIXEL_SUMS * sizeof *s);
        if (y >= g->npix) {
            memset(spectrum, 0, (size_t)(2 * g->cp) * sizeof *spectrum);
            continue;
        }
        ff_fft_row_inverse(fft, spectrum, row);
        convergence_row(p, bin, row, row);
        residual_row(g->npix, row, observed(g, p->data, bin, 0, y), observed(g, p->weight, bin, 0, y), p->gain[bin],
                     bar, s);
        for (int x = g->npix; x < g->n; x++) bar[x] = 0;
        if (p->lognormal) lognormal_adjoint_row(g->npix, row, p->shift[bin], bar, s);
        ff_fft_row_forward(fft, bar, spectrum);
    }
    add_rows(p, sums);
}

/* square[b] = sum of f^2 over the simulated grid */
void FF_NAME(ff_pixels_square)(const struct ff_pixels *p, const void *field, double *square)
{
    const struct ff_grid *g = &p->grid;
#pragma omp parallel for num_threads(g->threads) schedule(static) if (g->threads > 1)
    for (long r = 0; r < (long)g->nbins * g->n; r++) {
        const ff_real *row = (const ff_real *)field + r * g->rp;
        ff_real sum = 0;
#pragma omp simd reduction(+ : sum)
        for (int x = 0; x < g->n; x++) sum += row[x] * row[x];
        p->row_sums[r * FF_PIXEL_SUMS] = (double)sum;
    }
    for (int b = 0; b < g->nbins; b++) {
        square[b] = 0;
        for (int y = 0; y < g->n; y++) square[b] += p->row_sums[((long)b * g->n + y) * FF_PIXEL_SUMS];
    }
}

void FF_NAME(ff_pixels_convergence)(const struct ff_pixels *p, const void *field, void *kappa)
{
    const struct ff_grid *g = &p->grid;
#pragma omp parallel for num_threads(g->threads) schedule(static) if (g->threads > 1)
    for (long r = 0; r < (long)g->nbins * g->n; r++)
        convergence_row(p, (int)(r / g->n), (const ff_real *)field + r * g->rp, (ff_real *)kappa + r * g->rp);
}

/* bar: cotangent of kappa in, of the field out. Sets the sums of shift and variance. */
void FF_NAME(ff_pixels_convergence_adjoint)(const struct ff_pixels *p, const void *kappa, void *bar,
                                            struct ff_pixel_sums *sums)
{
    const struct ff_grid *g = &p->grid;
#pragma omp parallel for num_threads(g->threads) schedule(static) if (g->threads > 1)
    for (long r = 0; r < (long)g->nbins * g->n; r++) {
        double *s = p->row_sums + r * FF_PIXEL_SUMS;
        memset(s, 0, FF_PIXEL_SUMS * sizeof *s);
        if (p->lognormal)
            lognormal_adjoint_row(g->n, (const ff_real *)kappa + r * g->rp, p->shift[r / g->n],
                                  (ff_real *)bar + r * g->rp, s);
    }
    add_rows(p, sums);
}

/* bar += factor[b] * field */
void FF_NAME(ff_pixels_add)(const struct ff_pixels *p, const double *factor, const void *field, void *bar)
{
    const struct ff_grid *g = &p->grid;
#pragma omp parallel for num_threads(g->threads) schedule(static) if (g->threads > 1)
    for (long r = 0; r < (long)g->nbins * g->n; r++) {
        const ff_real a = (ff_real)factor[r / g->n], *from = (const ff_real *)field + r * g->rp;
        ff_real *to = (ff_real *)bar + r * g->rp;
#pragma omp simd
        for (int x = 0; x < g->n; x++) to[x] += a * from[x];
    }
}

/* Loop over observable rows (nbins * ncomp maps): with observed_bar NULL the gradient of the log-likelihood, else the
** given cotangent of gain * model. Outside the data's corner: zero. */
static void observable_bar(const struct ff_pixels *p, const ff_real *model, const ff_real *observed_bar, ff_real *bar,
                           struct ff_pixel_sums *sums)
{
    const struct ff_grid *g = &p->grid;
#pragma omp parallel for num_threads(g->threads) schedule(static) if (g->threads > 1)
    for (long r = 0; r < (long)g->nbins * g->n; r++) {
        const int bin = (int)(r / g->n), y = (int)(r % g->n);
        double *s = p->row_sums + r * FF_PIXEL_SUMS;
        memset(s, 0, FF_PIXEL_SUMS * sizeof *s);
        for (int c = 0; c < g->ncomp; c++) {
            const long map = (long)bin * g->ncomp + c;
            const ff_real *m = model + (map * g->n + y) * g->rp;
            ff_real *b = bar + (map * g->n + y) * g->rp;
            const int width = y < g->npix ? g->npix : 0;
            if (width && !observed_bar)
                residual_row(width, m, observed(g, p->data, bin, c, y), observed(g, p->weight, bin, c, y), p->gain[bin],
                             b, s);
            if (width && observed_bar) {
                const ff_real *in = observed_bar + (map * g->npix + y) * g->npix, gain = (ff_real)p->gain[bin];
                ff_real sum = 0;
#pragma omp simd reduction(+ : sum)
                for (int x = 0; x < width; x++) {
                    sum += in[x] * m[x];
                    b[x] = gain * in[x];
                }
                s[GAIN] += (double)sum;
            }
            for (int x = width; x < g->n; x++) b[x] = 0;
        }
    }
    add_rows(p, sums);
}

void FF_NAME(ff_pixels_residual)(const struct ff_pixels *p, const void *model, void *bar, struct ff_pixel_sums *sums)
{
    observable_bar(p, model, NULL, bar, sums);
}

void FF_NAME(ff_pixels_cotangent)(const struct ff_pixels *p, const void *model, const void *observed_bar, void *bar,
                                  struct ff_pixel_sums *sums)
{
    observable_bar(p, model, observed_bar, bar, sums);
}

/* The data's corner of maps, times gain[b] (gain NULL: 1), to the public layout (nbins, ncomp, npix, npix). */
void FF_NAME(ff_pixels_copy_out)(const struct ff_grid *g, int ncomp, const double *gain, const void *maps, void *out)
{
#pragma omp parallel for num_threads(g->threads) schedule(static) if (g->threads > 1)
    for (long r = 0; r < (long)g->nbins * ncomp * g->npix; r++) {
        const long map = r / g->npix, y = r % g->npix;
        const ff_real a = gain ? (ff_real)gain[map / ncomp] : 1;
        const ff_real *from = (const ff_real *)maps + (map * g->n + y) * g->rp;
        ff_real *to = (ff_real *)out + r * g->npix;
#pragma omp simd
        for (int x = 0; x < g->npix; x++) to[x] = a * from[x];
    }
}

/* Data and noise as given to the padded observed layout; masked pixels become data 0 with weight 0. */
void FF_NAME(ff_pixels_load)(const struct ff_grid *g, const float *map, const float *sd, void *data, void *weight)
{
    for (long r = 0; r < (long)g->nbins * g->ncomp * g->npix; r++)
        for (int x = 0; x < g->npix; x++) {
            const double s = (double)sd[r * g->npix + x];
            const bool masked = isinf(s);
            ((ff_real *)data)[r * g->dp + x] = masked ? 0 : (ff_real)map[r * g->npix + x];
            ((ff_real *)weight)[r * g->dp + x] = masked ? 0 : (ff_real)(1 / (s * s));
        }
}

/* The data over sigma^2, embedded in the simulated grid, zero outside the corner: out (nbins, ncomp, n, rp). */
void FF_NAME(ff_pixels_embed)(const struct ff_grid *g, const void *data, const void *weight, void *out)
{
    for (long r = 0; r < (long)g->nbins * g->ncomp * g->n; r++) {
        const long map = r / g->n, y = r % g->n, at = (map * g->npix + y) * g->dp;
        ff_real *to = (ff_real *)out + r * g->rp;
        memset(to, 0, (size_t)g->rp * sizeof *to);
        if (y >= g->npix) continue;
        const ff_real *d = (const ff_real *)data + at, *w = (const ff_real *)weight + at;
        for (int x = 0; x < g->npix; x++) to[x] = d[x] * w[x];
    }
}
