/* worker/sample/diagnostics.c - see diagnostics.h. Formulas: Vehtari et al. 2021 (arXiv:1903.08008), sections 3 and
** 4; the truncation of the autocorrelation sum is Geyer's initial monotone sequence with the details of Stan and ArviZ.
** Chains are split in halves (an odd middle draw is left out), so one chain alone has an R-hat too.
** Out of memory: NAN. */
#include "worker/sample/diagnostics.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "worker/sample/autocov.h"
#include "worker/sample/ranks.h"

/* Draws that mean something: enough, finite, not all equal. */
static bool usable(const double *x, int nchains, long ndraws)
{
    if (nchains < 1 || ndraws < 4) return false;
    bool varies = false;
    for (long i = 0; i < nchains * ndraws; i++) {
        if (!isfinite(x[i])) return false;
        varies = varies || x[i] != x[0];
    }
    return varies;
}

static double mean_of(const double *x, long n)
{
    double sum = 0;
    for (long i = 0; i < n; i++) sum += x[i];
    return sum / (double)n;
}

/* Variance with divisor n - 1. */
static double variance_of(const double *x, long n)
{
    const double mean = mean_of(x, n);
    double sum = 0;
    for (long i = 0; i < n; i++) sum += (x[i] - mean) * (x[i] - mean);
    return sum / (double)(n - 1);
}

/* Half chains (2 nchains, ndraws / 2), malloc'ed. */
static double *split(const double *x, int nchains, long ndraws)
{
    const long half = ndraws / 2;
    double *y = malloc((size_t)(2 * nchains * half) * sizeof *y);
    if (!y) return NULL;
    for (int c = 0; c < nchains; c++) {
        memcpy(y + c * half, x + c * ndraws, (size_t)half * sizeof *y);
        memcpy(y + (nchains + c) * half, x + (c + 1) * ndraws - half, (size_t)half * sizeof *y);
    }
    return y;
}

static double *means_of(const double *x, int nchains, long n)
{
    double *mean = malloc((size_t)nchains * sizeof *mean);
    for (int c = 0; mean && c < nchains; c++) mean[c] = mean_of(x + c * n, n);
    return mean;
}

/* Plain R-hat of chains (nchains, n). */
static double plain_rhat(const double *x, int nchains, long n)
{
    double *mean = means_of(x, nchains, n);
    if (!mean) return NAN;
    double within = 0;
    for (int c = 0; c < nchains; c++) within += variance_of(x + c * n, n) / nchains;
    const double between = (double)n * variance_of(mean, nchains);
    free(mean);
    return sqrt((between / within + (double)n - 1) / (double)n);
}

double ff_rhat(const double *x, int nchains, long ndraws)
{
    if (!usable(x, nchains, ndraws)) return NAN;
    const long half = ndraws / 2, n = 2 * nchains * half;
    double *y = split(x, nchains, ndraws), *z = malloc((size_t)n * sizeof *z);
    double bulk = NAN, tail = NAN, median;
    const double middle = 0.5;
    if (y && z && ff_quantiles(y, n, &middle, 1, &median) && ff_rank_scores(y, n, z)) {
        bulk = plain_rhat(z, 2 * nchains, half);
        for (long i = 0; i < n; i++) y[i] = fabs(y[i] - median);
        if (ff_rank_scores(y, n, z)) tail = plain_rhat(z, 2 * nchains, half);
    }
    free(y);
    free(z);
    /* A NAN on either side is the answer; fmax would hide it. */
    return isnan(bulk) || isnan(tail) ? NAN : fmax(bulk, tail);
}

/* Autocorrelation time from rho (n), rho[t] the combined autocorrelation at lag t, by Geyer's initial monotone
** sequence. Pairs (rho[2k], rho[2k+1]) count while their sum is positive, and never more than the pair before. */
static double correlation_time(double *rho, long n)
{
    long t = 1;
    double even = 1, odd = rho[1];
    while (t < n - 3 && even + odd > 0) {
        even = rho[t + 1];
        odd = rho[t + 2];
        t += 2;
    }
    /* Lags 0 .. last are in whole pairs; of the pair that ended the search only the even lag counts, and not when
    ** both the pair's sum and that lag itself are negative. */
    const long last = t - 2;
    if (t > 1 && even + odd < 0 && even <= 0) rho[last + 1] = 0;
    for (long i = 1; i <= last - 2; i += 2) {
        if (rho[i + 1] + rho[i + 2] > rho[i - 1] + rho[i]) rho[i + 1] = rho[i + 2] = (rho[i - 1] + rho[i]) / 2;
    }
    double sum = 0;
    for (long i = 0; i <= last; i++) sum += rho[i];
    return -1 + 2 * sum + rho[last + 1];
}

/* Effective sample size of chains (nchains, n). */
static double plain_ess(const double *x, int nchains, long n)
{
    const double size = (double)nchains * (double)n;
    double low = x[0], high = x[0];
    for (long i = 1; i < nchains * n; i++) {
        low = fmin(low, x[i]);
        high = fmax(high, x[i]);
    }
    if (high - low < 1e-15) return size;
    double *acov = malloc((size_t)n * sizeof *acov), *mean = means_of(x, nchains, n);
    double ess = NAN;
    if (acov && mean && ff_autocov(x, nchains, n, acov)) {
        const double within = acov[0] * (double)n / (double)(n - 1);
        double total = acov[0];
        if (nchains > 1) total += variance_of(mean, nchains);
        for (long t = 1; t < n; t++) acov[t] = 1 - (within - acov[t]) / total;
        acov[0] = 1;
        const double tau = correlation_time(acov, n);
        ess = isnan(tau) ? NAN : size / fmax(tau, 1 / log10(size));
    }
    free(acov);
    free(mean);
    return ess;
}

/* Effective sample size of the half chains of x. */
static double split_ess(const double *x, int nchains, long ndraws)
{
    double *y = split(x, nchains, ndraws);
    const double ess = y ? plain_ess(y, 2 * nchains, ndraws / 2) : NAN;
    free(y);
    return ess;
}

double ff_ess_bulk(const double *x, int nchains, long ndraws)
{
    if (!usable(x, nchains, ndraws)) return NAN;
    const long half = ndraws / 2, n = 2 * nchains * half;
    double *y = split(x, nchains, ndraws), *z = malloc((size_t)n * sizeof *z);
    const double ess = y && z && ff_rank_scores(y, n, z) ? plain_ess(z, 2 * nchains, half) : NAN;
    free(y);
    free(z);
    return ess;
}

double ff_ess_tail(const double *x, int nchains, long ndraws)
{
    if (!usable(x, nchains, ndraws)) return NAN;
    const long n = nchains * ndraws;
    const double prob[2] = {0.05, 0.95};
    double quantile[2], ess[2] = {NAN, NAN};
    double *below = malloc((size_t)n * sizeof *below);
    if (below && ff_quantiles(x, n, prob, 2, quantile)) {
        for (int q = 0; q < 2; q++) {
            for (long i = 0; i < n; i++) below[i] = x[i] <= quantile[q];
            ess[q] = split_ess(below, nchains, ndraws);
        }
    }
    free(below);
    return isnan(ess[0]) || isnan(ess[1]) ? NAN : fmin(ess[0], ess[1]);
}

double ff_mcse_mean(const double *x, int nchains, long ndraws)
{
    if (!usable(x, nchains, ndraws)) return NAN;
    return sqrt(variance_of(x, nchains * ndraws) / split_ess(x, nchains, ndraws));
}
