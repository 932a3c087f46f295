/* worker/core/rng.h - random numbers by address: Philox4x32-10 (Salmon et al. 2011, SC'11; Random123's definition).
** A number is a pure function of (seed, purpose, stream, index); nothing is kept between calls, so any rank, thread or
** restarted process makes the same bits. key = seed; counter = (index lo, index hi, stream, purpose). */
#ifndef FF_WORKER_CORE_RNG_H
#define FF_WORKER_CORE_RNG_H

#include <stdint.h>

/* What a number is for: one entry per use, so that two uses never share numbers. Add at the end only. */
enum ff_purpose {
    FF_RNG_LATENT = 1,  /* white latents of a simulation; stream = draw */
    FF_RNG_NOISE,       /* pixel noise; stream = draw */
    FF_RNG_PRIOR,       /* theta ~ prior; stream = draw */
    FF_RNG_START,       /* a chain's start; stream = chain */
    FF_RNG_PREDICTIVE,  /* posterior-predictive replicas; stream = replica */
    FF_RNG_CHECK,       /* directions of --check */
    FF_RNG_TEST,        /* tests and benches */
    FF_RNG_CATALOG,     /* rotations and mock catalogues */
    FF_RNG_CHAIN = 1024 /* a chain's own numbers: FF_RNG_CHAIN + 16 * chain + use; stream = iteration */
};

/* Four 32-bit words at one address. */
void ff_rng_words(uint64_t seed, uint32_t purpose, uint32_t stream, uint64_t index, uint32_t out[4]);

/* Uniform in (0, 1), never 0 or 1, 52 bits. */
double ff_rng_uniform(uint64_t seed, uint32_t purpose, uint32_t stream, uint64_t index);

/* Standard normals number first .. first+n-1 of the stream (normal i comes from counter i/4, lane i%4, Box-Muller with
** the polynomials of core/ff_math.h): the same bits on every machine and thread count, and in f32 and f64 the same
** number up to rounding. */
void ff_rng_normals_f32(uint64_t seed, uint32_t purpose, uint32_t stream, uint64_t first, long n, float *out,
                        int threads);
void ff_rng_normals_f64(uint64_t seed, uint32_t purpose, uint32_t stream, uint64_t first, long n, double *out,
                        int threads);
/* The four normals of each of n counters: out (n, 4). */
void ff_rng_normals_at(uint64_t seed, uint32_t purpose, uint32_t stream, const uint64_t *index, long n, double *out);

#endif
