/* worker/core/reduce.c - see reduce.h. Chunk sums wait in a small buffer that is emptied in order, so that any length
** is summed without allocation. */
#include "worker/core/reduce.h"

enum { LANES = 16, WINDOW = 256 }; /* lanes of a chunk's sum; chunk sums kept at a time */

/* Sum of a[i] * b[i] over one chunk; b NULL: sum of a[i]. */
static double chunk_f32(const float *a, const float *b, long n)
{
    double lane[LANES] = {0};
    long i = 0;
    for (; i + LANES <= n; i += LANES)
#pragma omp simd
        for (int l = 0; l < LANES; l++) lane[l] += (double)a[i + l] * (b ? (double)b[i + l] : 1.0);
    for (int l = 0; i < n; i++, l++) lane[l] += (double)a[i] * (b ? (double)b[i] : 1.0);
    for (int step = LANES / 2; step > 0; step /= 2)
        for (int l = 0; l < step; l++) lane[l] += lane[l + step];
    return lane[0];
}

static double chunk_f64(const double *a, const double *b, long n)
{
    double lane[LANES] = {0};
    long i = 0;
    for (; i + LANES <= n; i += LANES)
#pragma omp simd
        for (int l = 0; l < LANES; l++) lane[l] += a[i + l] * (b ? b[i + l] : 1.0);
    for (int l = 0; i < n; i++, l++) lane[l] += a[i] * (b ? b[i] : 1.0);
    for (int step = LANES / 2; step > 0; step /= 2)
        for (int l = 0; l < step; l++) lane[l] += lane[l + step];
    return lane[0];
}

/* Exactly one of af and ad is set; bf and bd go with them and may be NULL. */
static double reduce(const float *af, const float *bf, const double *ad, const double *bd, long n, int threads)
{
    const long nchunk = (n + FF_REDUCE_CHUNK - 1) / FF_REDUCE_CHUNK;
    double part[WINDOW], total = 0;
    for (long base = 0; base < nchunk; base += WINDOW) {
        const long count = nchunk - base < WINDOW ? nchunk - base : WINDOW;
#pragma omp parallel for num_threads(threads) schedule(static) if (threads > 1 && count > 1)
        for (long c = 0; c < count; c++) {
            const long lo = (base + c) * FF_REDUCE_CHUNK, len = n - lo < FF_REDUCE_CHUNK ? n - lo : FF_REDUCE_CHUNK;
            part[c] = af ? chunk_f32(af + lo, bf ? bf + lo : 0, len) : chunk_f64(ad + lo, bd ? bd + lo : 0, len);
        }
        for (long c = 0; c < count; c++) total += part[c];
    }
    return total;
}

double ff_dot_f32(const float *a, const float *b, long n, int threads)
{
    return reduce(a, b, 0, 0, n, threads);
}

double ff_dot_f64(const double *a, const double *b, long n, int threads)
{
    return reduce(0, 0, a, b, n, threads);
}

double ff_sum_f32(const float *a, long n, int threads)
{
    return reduce(a, 0, 0, 0, n, threads);
}

double ff_sum_f64(const double *a, long n, int threads)
{
    return reduce(0, 0, a, 0, n, threads);
}
