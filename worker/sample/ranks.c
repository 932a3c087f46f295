/* worker/sample/ranks.c - see ranks.h. */
#include "worker/sample/ranks.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct ranked {
    double value;
    long place;
};

static int by_value(const void *a, const void *b)
{
    const double x = ((const struct ranked *)a)->value, y = ((const struct ranked *)b)->value;
    return (x > y) - (x < y);
}

static int by_number(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double ff_normal_quantile(double p)
{
    /* Abramowitz & Stegun 26.2.23 (error < 4.5e-4), then Halley steps on the distribution function, on the side where
    ** the tail is small and keeps its digits: each step cubes the error. */
    const double tail = p < 0.5 ? p : 1 - p;
    const double t = sqrt(-2 * log(tail));
    double x = t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
    for (int i = 0; i < 3; i++) {
        const double excess = 0.5 * erfc(x * M_SQRT1_2) - tail;
        const double step = excess * sqrt(2 * M_PI) * exp(0.5 * x * x);
        x += step / (1 + 0.5 * x * step);
    }
    return p < 0.5 ? -x : x;
}

bool ff_rank_scores(const double *x, long n, double *z)
{
    struct ranked *sorted = malloc((size_t)n * sizeof *sorted);
    if (!sorted) return false;
    for (long i = 0; i < n; i++) sorted[i] = (struct ranked){x[i], i};
    qsort(sorted, (size_t)n, sizeof *sorted, by_value);
    for (long first = 0, last; first < n; first = last) {
        for (last = first + 1; last < n && sorted[last].value == sorted[first].value;) last++;
        const double rank = 0.5 * (double)(first + 1 + last); /* ranks first+1 .. last share their mean */
        const double score = ff_normal_quantile((rank - 0.375) / ((double)n + 0.25));
        for (long i = first; i < last; i++) z[sorted[i].place] = score;
    }
    free(sorted);
    return true;
}

bool ff_quantiles(const double *x, long n, const double *prob, int nprob, double *out)
{
    double *sorted = malloc((size_t)n * sizeof *sorted);
    if (!sorted) return false;
    memcpy(sorted, x, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, by_number);
    for (int i = 0; i < nprob; i++) {
        const double place = (double)n * prob[i] + (1 - prob[i]); /* from 1 */
        long k = (long)floor(place);
        k = k < 1 ? 1 : k > n - 1 ? n - 1 : k;
        const double share = fmin(fmax(place - (double)k, 0), 1);
        out[i] = n == 1 ? sorted[0] : (1 - share) * sorted[k - 1] + share * sorted[k];
    }
    free(sorted);
    return true;
}
