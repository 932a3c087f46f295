/* worker/sample/autocov.c - see autocov.h. Two chains travel as the real and imaginary part of one complex series:
** the real part of its autocovariance is the sum of theirs. Power spectra add up, so one transform back serves all
** chains. */
#include "worker/sample/autocov.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct complex_pair {
    double re, im;
};

static void bit_reverse(struct complex_pair *x, size_t n)
{
    for (size_t i = 1, j = 0; i < n; i++) {
        size_t bit = n >> 1;
        for (; j & bit; bit >>= 1) j ^= bit;
        j ^= bit;
        if (i >= j) continue;
        const struct complex_pair t = x[i];
        x[i] = x[j];
        x[j] = t;
    }
}

/* Radix-2 transform in place, exp(-2 pi i j k / n), n a power of 2; root[k] = exp(-2 pi i k / n), k < n/2. */
static void transform(struct complex_pair *x, size_t n, const struct complex_pair *root)
{
    bit_reverse(x, n);
    for (size_t half = 1; half < n; half *= 2) {
        const size_t stride = n / (2 * half);
        for (size_t first = 0; first < n; first += 2 * half) {
            for (size_t k = 0; k < half; k++) {
                const struct complex_pair w = root[k * stride], a = x[first + k], b = x[first + k + half];
                const struct complex_pair wb = {w.re * b.re - w.im * b.im, w.re * b.im + w.im * b.re};
                x[first + k] = (struct complex_pair){a.re + wb.re, a.im + wb.im};
                x[first + k + half] = (struct complex_pair){a.re - wb.re, a.im - wb.im};
            }
        }
    }
}

static double mean_of(const double *x, long n)
{
    double sum = 0;
    for (long i = 0; i < n; i++) sum += x[i];
    return sum / (double)n;
}

/* Chains a and b (NULL: none), each less its mean, padded with zeros to size. */
static void load(struct complex_pair *series, size_t size, const double *a, const double *b, long n)
{
    const double mean_a = mean_of(a, n), mean_b = b ? mean_of(b, n) : 0;
    memset(series, 0, size * sizeof *series);
    for (long i = 0; i < n; i++) series[i] = (struct complex_pair){a[i] - mean_a, b ? b[i] - mean_b : 0};
}

bool ff_autocov(const double *x, int nchains, long n, double *acov)
{
    size_t size = 2;
    while (size < 2 * (size_t)n) size *= 2;
    struct complex_pair *series = malloc(size * sizeof *series);
    struct complex_pair *power = calloc(size, sizeof *power);
    struct complex_pair *root = malloc(size / 2 * sizeof *root);
    const bool ok = series && power && root;
    if (ok) {
        for (size_t k = 0; k < size / 2; k++) {
            const double angle = -6.283185307179586476925 * (double)k / (double)size;
            root[k] = (struct complex_pair){cos(angle), sin(angle)};
        }
        for (int c = 0; c < nchains; c += 2) {
            load(series, size, x + c * n, c + 1 < nchains ? x + (c + 1) * n : NULL, n);
            transform(series, size, root);
            for (size_t k = 0; k < size; k++) power[k].re += series[k].re * series[k].re + series[k].im * series[k].im;
        }
        transform(power, size, root); /* forward and back agree in the real part of a real series' transform */
        for (long i = 0; i < n; i++) acov[i] = power[i].re / ((double)size * (double)n * (double)nchains);
    }
    free(root);
    free(power);
    free(series);
    return ok;
}
