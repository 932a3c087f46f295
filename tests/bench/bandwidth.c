/* tests/bench/bandwidth.c - memory bandwidth of this machine: the limit that map-sized loops are compared with.
** copy (2 words an element) and triad (3 words) in float as in STREAM (McCalpin 1995), write-allocate not counted, arrays
** far larger than the last cache, best of a few passes. Prints `name value unit threads`. */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>

enum { ELEMENTS = 1 << 25, PASSES = 7 }; /* 128 MiB an array */

static double copy_seconds(float *restrict to, const float *restrict from, int threads)
{
    double start = omp_get_wtime();
#pragma omp parallel for num_threads(threads) schedule(static)
    for (long i = 0; i < ELEMENTS; i++) to[i] = from[i];
    return omp_get_wtime() - start;
}

static double triad_seconds(float *restrict to, const float *restrict a, const float *restrict b, int threads)
{
    double start = omp_get_wtime();
#pragma omp parallel for num_threads(threads) schedule(static)
    for (long i = 0; i < ELEMENTS; i++) to[i] = a[i] + 3.0f * b[i];
    return omp_get_wtime() - start;
}

static void measure(float *a, float *b, float *c, int threads)
{
    double copy = 1e9, triad = 1e9;
    for (int pass = 0; pass < PASSES; pass++) {
        double t = copy_seconds(a, b, threads);
        if (t < copy) copy = t;
        t = triad_seconds(a, b, c, threads);
        if (t < triad) triad = t;
    }
    double bytes = (double)ELEMENTS * sizeof(float) * 1e-9;
    printf("memory_copy %.4g GB/s %d\n", 2 * bytes / copy, threads);
    printf("memory_triad %.4g GB/s %d\n", 3 * bytes / triad, threads);
}

int main(void)
{
    float *a = malloc(ELEMENTS * sizeof *a); /* (ELEMENTS) */
    float *b = malloc(ELEMENTS * sizeof *b); /* (ELEMENTS) */
    float *c = malloc(ELEMENTS * sizeof *c); /* (ELEMENTS) */
    if (!a || !b || !c) {
        fprintf(stderr, "bandwidth: no memory for 3 arrays of %zu bytes\n", ELEMENTS * sizeof(float));
        free(a);
        free(b);
        free(c);
        return 1;
    }
    int most = omp_get_max_threads();
#pragma omp parallel for num_threads(most) schedule(static)
    for (long i = 0; i < ELEMENTS; i++) { /* touched by the thread that will use it */
        a[i] = 0;
        b[i] = 1;
        c[i] = (float)(i & 7);
    }
    measure(a, b, c, 1);
    if (most > 1) measure(a, b, c, most);
    free(a);
    free(b);
    free(c);
    return 0;
}
