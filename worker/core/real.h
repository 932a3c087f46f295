/* worker/core/real.h - the two lives of a *_real.c file: compiled once with FF_REAL_IS_FLOAT and once with
** FF_REAL_IS_DOUBLE. FF_NAME(x) is x_f32 or x_f64; ff_vec is one machine vector of reals, written as plain
** arithmetic (GCC's vector type). ff_count: mass on a mesh in units of 2^-FF_COUNT_BITS of a cell's mean (mesh.h), an
** integer as wide as a real; ff_count_bits: the same without a sign, whose sums may overflow. */
#ifndef FF_WORKER_CORE_REAL_H
#define FF_WORKER_CORE_REAL_H

#include "worker/core/ff_math.h"

#if defined(FF_REAL_IS_FLOAT)
typedef float ff_real;
typedef int32_t ff_count;
typedef uint32_t ff_count_bits;
enum { FF_COUNT_BITS = 20 };
#define FF_NAME(x) x##_f32
#define FF_FFTW(x) fftwf_##x
#elif defined(FF_REAL_IS_DOUBLE)
typedef double ff_real;
typedef int64_t ff_count;
typedef uint64_t ff_count_bits;
enum { FF_COUNT_BITS = 46 };
#define FF_NAME(x) x##_f64
#define FF_FFTW(x) fftw_##x
#else
#error "compile with -DFF_REAL_IS_FLOAT or -DFF_REAL_IS_DOUBLE"
#endif

#if defined(__AVX512F__)
#define FF_VEC_BYTES 64
#elif defined(__AVX__)
#define FF_VEC_BYTES 32
#else
#define FF_VEC_BYTES 16
#endif

typedef ff_real ff_vec __attribute__((vector_size(FF_VEC_BYTES)));
enum { FF_LANES = FF_VEC_BYTES / (int)sizeof(ff_real) };

FF_HD double ff_vec_sum(ff_vec v)
{
    double sum = 0;
    for (int l = 0; l < FF_LANES; l++) sum += (double)v[l];
    return sum;
}

#endif
