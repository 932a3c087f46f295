/* worker/core/rng.c - see rng.h. Normals are made in double and rounded, so f32 and f64 streams are the same
** numbers. */
#include "worker/core/rng.h"

#include <string.h>

#include "worker/core/ff_math.h"

enum {
    LANES = 16,
    BLOCK = 4 * LANES,
    CHUNK = 1024
}; /* counters a vector loop; normals a loop; normals a thread's turn */

void ff_rng_words(uint64_t seed, uint32_t purpose, uint32_t stream, uint64_t index, uint32_t out[4])
{
    const uint32_t counter[4] = {(uint32_t)index, (uint32_t)(index >> 32), stream, purpose};
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    ff_philox(counter, key, out);
}

double ff_rng_uniform(uint64_t seed, uint32_t purpose, uint32_t stream, uint64_t index)
{
    uint32_t w[4];
    ff_rng_words(seed, purpose, stream, index, w);
    const uint64_t bits = ((uint64_t)w[1] << 32 | w[0]) >> 12;
    return ((double)bits + 0.5) * 0x1p-52;
}

/* Normals of LANES counters. Each loop is one thing for many lanes, so that it becomes vectors; the last one puts the
** four normals of a counter side by side. */
static void block(uint64_t seed, uint32_t purpose, uint32_t stream, const uint64_t index[LANES], double out[BLOCK])
{
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    uint32_t a[2 * LANES], b[2 * LANES], *c = a + LANES, *d = b + LANES; /* words 0, 2 and 1, 3 of the counters */
    double x[2 * LANES], y[2 * LANES];
    for (int i = 0; i < LANES; i++)
        a[i] = (uint32_t)index[i], b[i] = (uint32_t)(index[i] >> 32), c[i] = stream, d[i] = purpose;
    for (int round = 0; round < FF_PHILOX_ROUNDS; round++) {
#pragma omp simd
        for (int i = 0; i < LANES; i++) ff_philox_round(&a[i], &b[i], &c[i], &d[i], k0, k1);
        ff_philox_step(&k0, &k1);
    }
#pragma omp simd
    for (int i = 0; i < 2 * LANES; i++) {
        double p, q;
        ff_box_muller(a[i], b[i], &p, &q);
        x[i] = p, y[i] = q;
    }
    for (int i = 0; i < LANES; i++) {
        out[4 * i] = x[i], out[4 * i + 1] = y[i];
        out[4 * i + 2] = x[LANES + i], out[4 * i + 3] = y[LANES + i];
    }
}

/* Writes normals [lo, hi) of the stream, counted from `first`, to f32 or f64 (the other is NULL). */
static void range(uint64_t seed, uint32_t purpose, uint32_t stream, uint64_t first, long lo, long hi, float *f32,
                  double *f64)
{
    uint64_t index[LANES];
    double normals[BLOCK];
    while (lo < hi) {
        const uint64_t at = first + (uint64_t)lo;
        const long skip = (long)(at % 4);
        long n = BLOCK - skip;
        if (n > hi - lo) n = hi - lo;
        for (int i = 0; i < LANES; i++) index[i] = at / 4 + (uint64_t)i;
        block(seed, purpose, stream, index, normals);
        if (f32)
            for (long i = 0; i < n; i++) f32[lo + i] = (float)normals[skip + i];
        else
            for (long i = 0; i < n; i++) f64[lo + i] = normals[skip + i];
        lo += n;
    }
}

void ff_rng_normals_at(uint64_t seed, uint32_t purpose, uint32_t stream, const uint64_t *index, long n, double *out)
{
    const long whole = n / LANES * LANES;
    for (long i = 0; i < whole; i += LANES) block(seed, purpose, stream, index + i, out + 4 * i);
    if (whole == n) return;
    uint64_t rest[LANES] = {0};
    double normals[BLOCK];
    memcpy(rest, index + whole, (size_t)(n - whole) * sizeof *rest);
    block(seed, purpose, stream, rest, normals);
    memcpy(out + 4 * whole, normals, (size_t)(n - whole) * 4 * sizeof *normals);
}

static void normals(uint64_t seed, uint32_t purpose, uint32_t stream, uint64_t first, long n, float *f32, double *f64,
                    int threads)
{
    const long nchunk = (n + CHUNK - 1) / CHUNK;
    if (threads <= 1 || nchunk <= 1) {
        range(seed, purpose, stream, first, 0, n, f32, f64);
        return;
    }
#pragma omp parallel for num_threads(threads) schedule(static)
    for (long c = 0; c < nchunk; c++) {
        const long lo = c * CHUNK, hi = lo + CHUNK < n ? lo + CHUNK : n;
        range(seed, purpose, stream, first, lo, hi, f32, f64);
    }
}

void ff_rng_normals_f32(uint64_t seed, uint32_t purpose, uint32_t stream, uint64_t first, long n, float *out,
                        int threads)
{
    normals(seed, purpose, stream, first, n, out, 0, threads);
}

void ff_rng_normals_f64(uint64_t seed, uint32_t purpose, uint32_t stream, uint64_t first, long n, double *out,
                        int threads)
{
    normals(seed, purpose, stream, first, n, 0, out, threads);
}
