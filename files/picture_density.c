/* files/picture_density.c - see picture_density.h. Kernel width: Silverman (1986), Density Estimation, eq. 3.31 in one
** dimension and 4.14 in two. Edge correction: each kernel's lost mass is given back, Jones (1993), Stat. Comput. 3, 135. */
#include "files/picture_density.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double quantile(const double *sorted, long n, double q)
{
    double place = q * (double)(n - 1);
    long i = (long)place;
    return i + 1 < n ? sorted[i] + (place - (double)i) * (sorted[i + 1] - sorted[i]) : sorted[n - 1];
}

static double standard_deviation(const double *x, long n)
{
    double mean = 0, sum = 0;
    for (long i = 0; i < n; i++) mean += x[i] / (double)n;
    for (long i = 0; i < n; i++) sum += (x[i] - mean) * (x[i] - mean);
    return sqrt(sum / (double)n);
}

ff_err ff_density_axis_init(struct ff_density_axis *axis, const double *x, long n, double truth, ff_ctx *ctx)
{
    *axis = (struct ff_density_axis){.x = x, .n = n};
    if (n < 2) return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%ld samples; a density needs at least 2", n);
    for (long i = 0; i < n; i++) {
        if (!isfinite(x[i])) return ff_fail(ctx, FF_EBADFILE, FF_HERE, "sample %ld is not finite", i);
    }
    double *sorted = malloc((size_t)n * sizeof *sorted);
    if (!sorted) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory to sort %ld samples", n);
    memcpy(sorted, x, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, ascending);
    axis->least = sorted[0];
    axis->most = sorted[n - 1];
    axis->q16 = quantile(sorted, n, 0.5 - 0.341344746);
    axis->q50 = quantile(sorted, n, 0.5);
    axis->q84 = quantile(sorted, n, 0.5 + 0.341344746);
    double middle = (quantile(sorted, n, 0.75) - quantile(sorted, n, 0.25)) / 1.349;
    double sd = standard_deviation(x, n);
    axis->spread = middle > 0 ? fmin(sd, middle) : sd;
    double low = quantile(sorted, n, 0.001), high = quantile(sorted, n, 0.999);
    free(sorted);
    double width = high > low ? high - low : fmax(1e-3, 0.1 * fabs(low));
    if (isfinite(truth) && truth > low - width && truth < high + width) {
        low = fmin(low, truth);
        high = fmax(high, truth);
    }
    axis->low = low - 0.12 * width;
    axis->high = high + 0.12 * width;
    return FF_OK;
}

static int bin_of(const struct ff_density_axis *axis, double value, int nbins)
{
    double place = (value - axis->low) / (axis->high - axis->low) * nbins;
    return place >= 0 && place < nbins ? (int)place : -1;
}

/* Gaussian kernel along one axis (stride elements apart), each output divided by the kernel's share of where samples can be. */
struct kernel {
    int nbins, first, last; /* bins from first to last hold samples */
    double sigma_bins;
};

/* Do the samples end abruptly at `end`, as at a prior's edge? Only then is a kernel's loss beyond it given back: at the end of
** a thin tail that would blow up the last few samples. Compared are the density of samples within one kernel width of the
** end and the peak of a normal of this spread. */
static bool abrupt(const struct ff_density_axis *axis, double end, double width)
{
    enum { FEWEST = 8 };
    const double share_of_peak = 0.12, normal_peak = 0.3989;
    long near = 0;
    for (long i = 0; i < axis->n; i++) near += fabs(axis->x[i] - end) <= width;
    double density = (double)near / (double)axis->n / width * axis->spread;
    return near >= FEWEST && density > share_of_peak * normal_peak;
}

static struct kernel kernel_of(const struct ff_density_axis *axis, int nbins, double silverman)
{
    double bin = (axis->high - axis->low) / nbins, width = silverman * axis->spread;
    struct kernel kernel = {.nbins = nbins, .first = 0, .last = nbins - 1, .sigma_bins = fmax(0.6, width / bin)};
    int first = bin_of(axis, axis->least, nbins), last = bin_of(axis, axis->most, nbins);
    if (first >= 0 && abrupt(axis, axis->least, width)) kernel.first = first;
    if (last >= 0 && abrupt(axis, axis->most, width)) kernel.last = last;
    return kernel;
}

static void smooth(const struct kernel *k, double *values, long stride, double *scratch /* (nbins) */)
{
    int reach = (int)ceil(4 * k->sigma_bins);
    for (int i = k->first; i <= k->last; i++) {
        double sum = 0, share = 0;
        for (int j = i - reach; j <= i + reach; j++) {
            if (j < k->first || j > k->last) continue;
            double u = (j - i) / k->sigma_bins, weight = exp(-0.5 * u * u);
            sum += weight * values[j * stride];
            share += weight;
        }
        scratch[i] = sum / share;
    }
    for (int i = 0; i < k->nbins; i++) values[i * stride] = i >= k->first && i <= k->last ? scratch[i] : 0;
}

ff_err ff_density_1d(double *out, int nbins, const struct ff_density_axis *x, ff_ctx *ctx)
{
    double *scratch = calloc((size_t)nbins, sizeof *scratch);
    if (!scratch) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a density of %d bins", nbins);
    memset(out, 0, (size_t)nbins * sizeof *out);
    for (long i = 0; i < x->n; i++) {
        int bin = bin_of(x, x->x[i], nbins);
        if (bin >= 0) out[bin] += 1;
    }
    struct kernel kernel = kernel_of(x, nbins, 0.9 * pow((double)x->n, -0.2));
    smooth(&kernel, out, 1, scratch);
    free(scratch);
    return FF_OK;
}

ff_err ff_density_2d(double *out, int nbins, const struct ff_density_axis *x, const struct ff_density_axis *y,
                     ff_ctx *ctx)
{
    double *scratch = calloc((size_t)nbins, sizeof *scratch);
    if (!scratch) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a density of %d x %d bins", nbins, nbins);
    memset(out, 0, (size_t)nbins * (size_t)nbins * sizeof *out);
    for (long i = 0; i < x->n; i++) {
        int column = bin_of(x, x->x[i], nbins), row = bin_of(y, y->x[i], nbins);
        if (column >= 0 && row >= 0) out[(long)row * nbins + column] += 1;
    }
    double silverman = pow((double)x->n, -1.0 / 6);
    struct kernel along = kernel_of(x, nbins, silverman), across = kernel_of(y, nbins, silverman);
    for (int row = 0; row < nbins; row++) smooth(&along, out + (long)row * nbins, 1, scratch);
    for (int column = 0; column < nbins; column++) smooth(&across, out + column, nbins, scratch);
    free(scratch);
    return FF_OK;
}

ff_err ff_density_level(const double *density, long n, double share, double *level, ff_ctx *ctx)
{
    *level = NAN;
    double *sorted = malloc((size_t)n * sizeof *sorted);
    if (!sorted) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory to sort %ld densities", n);
    memcpy(sorted, density, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, ascending);
    double total = 0, above = 0;
    for (long i = 0; i < n; i++) total += sorted[i];
    long i = n - 1;
    for (; i > 0 && above + sorted[i] < share * total; i--) above += sorted[i];
    *level = sorted[i];
    free(sorted);
    return FF_OK;
}
