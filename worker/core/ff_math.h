/* worker/core/ff_math.h - exp, log, sin and cos whose bits are ours: branch-free, vectorised by the compiler, the
** same on every machine and device because every fused multiply-add is written out (compile with -ffp-contract=off).
** Errors below 2 ulp; tested against libm in tests/unit/core/ff_math_test.c. Valid C11 and C++17.
** Method: argument reduction to a short interval, then the Taylor series, long enough that its end is below half an ulp
** (log: the classical series of 2 atanh(s), s = (m - 1)/(m + 1), in the arrangement of Tang 1990, ACM TOMS 16, 378). */
#ifndef FF_WORKER_CORE_FF_MATH_H
#define FF_WORKER_CORE_FF_MATH_H

#include <stdint.h>
#include <string.h>

#if defined(__CUDACC__)
#define FF_HD static __host__ __device__ __forceinline__
#else
#define FF_HD static inline __attribute__((always_inline, unused))
#endif

FF_HD double ff_fma_f64(double a, double b, double c)
{
    return __builtin_fma(a, b, c);
}
FF_HD float ff_fma_f32(float a, float b, float c)
{
    return __builtin_fmaf(a, b, c);
}
FF_HD int64_t ff_bits_f64(double x)
{
    int64_t i;
    memcpy(&i, &x, sizeof i);
    return i;
}
FF_HD double ff_from_bits_f64(int64_t i)
{
    double x;
    memcpy(&x, &i, sizeof x);
    return x;
}
FF_HD int32_t ff_bits_f32(float x)
{
    int32_t i;
    memcpy(&i, &x, sizeof i);
    return i;
}
FF_HD float ff_from_bits_f32(int32_t i)
{
    float x;
    memcpy(&x, &i, sizeof x);
    return x;
}

/* e^x. Above the largest finite result: infinity; below 2^-1021 (2^-125): zero; NaN stays. */
FF_HD double ff_exp_f64(double x)
{
    const double top = 709.782712893384, bottom = -707.7, round = 0x1.8p52;
    double t = x > top ? top : x;
    t = t < bottom ? bottom : t;
    const double shifted = ff_fma_f64(t, 1.4426950408889634074, round); /* k = round(x / ln 2) in its low bits */
    const double k = shifted - round;
    double r = ff_fma_f64(k, -6.93147180369123816490e-01, t);
    r = ff_fma_f64(k, -1.90821492927058770002e-10, r);
    double p = 1.0 / 6227020800.0; /* 1/13! */
    p = ff_fma_f64(p, r, 1.0 / 479001600.0);
    p = ff_fma_f64(p, r, 1.0 / 39916800.0);
    p = ff_fma_f64(p, r, 1.0 / 3628800.0);
    p = ff_fma_f64(p, r, 1.0 / 362880.0);
    p = ff_fma_f64(p, r, 1.0 / 40320.0);
    p = ff_fma_f64(p, r, 1.0 / 5040.0);
    p = ff_fma_f64(p, r, 1.0 / 720.0);
    p = ff_fma_f64(p, r, 1.0 / 120.0);
    p = ff_fma_f64(p, r, 1.0 / 24.0);
    p = ff_fma_f64(p, r, 1.0 / 6.0);
    p = ff_fma_f64(p, r, 0.5);
    p = ff_fma_f64(p * r, r, r) + 1.0;
    /* k can be 1024: scale in two steps. */
    const int64_t bits = ff_bits_f64(shifted) - ff_bits_f64(round);
    const int64_t half = (int64_t)((uint64_t)bits - 1);
    const double y = p * ff_from_bits_f64((int64_t)((uint64_t)(half + 1023) << 52)) * 2.0;
    const double low = x < bottom ? 0.0 : y;
    return x > top ? __builtin_inf() : (x != x ? x : low);
}

FF_HD float ff_exp_f32(float x)
{
    const float top = 88.72283f, bottom = -86.9f, round = 0x1.8p23f;
    float t = x > top ? top : x;
    t = t < bottom ? bottom : t;
    const float shifted = ff_fma_f32(t, 1.44269504089f, round);
    const float k = shifted - round;
    float r = ff_fma_f32(k, -0x1.62e400p-1f, t);
    r = ff_fma_f32(k, -0x1.7f7d1cp-20f, r);
    float p = 1.0f / 5040.0f; /* 1/7! */
    p = ff_fma_f32(p, r, 1.0f / 720.0f);
    p = ff_fma_f32(p, r, 1.0f / 120.0f);
    p = ff_fma_f32(p, r, 1.0f / 24.0f);
    p = ff_fma_f32(p, r, 1.0f / 6.0f);
    p = ff_fma_f32(p, r, 0.5f);
    p = ff_fma_f32(p * r, r, r) + 1.0f;
    const int32_t half = ff_bits_f32(shifted) - ff_bits_f32(round) - 1;
    const float y = p * ff_from_bits_f32((int32_t)((uint32_t)(half + 127) << 23)) * 2.0f;
    const float low = x < bottom ? 0.0f : y;
    return x > top ? __builtin_inff() : (x != x ? x : low);
}

/* ln x. x = 0: -infinity; x < 0 or NaN: NaN; infinity stays. */
FF_HD double ff_log_f64(double x)
{
    const double tiny = 0x1p-1022;
    const double scaled = x < tiny ? x * 0x1p54 : x;
    const double shift = x < tiny ? -54.0 : 0.0;
    /* m in [sqrt 1/2, sqrt 2): subtracting the bits of sqrt 1/2 puts the exponent's step there. */
    const int64_t bits = ff_bits_f64(scaled) - 0x3fe6a09e667f3bcd;
    const int64_t exponent = bits >> 52;
    const double m = ff_from_bits_f64((bits & 0x000fffffffffffff) + 0x3fe6a09e667f3bcd);
    /* the integer as a double through the low bits of 2^52 * 1.5: cheaper than a conversion where vectors have none */
    const double e = ff_from_bits_f64(exponent + 0x4338000000000000) - 0x1.8p52 + shift;
    const double f = m - 1.0, s = f / (2.0 + f), z = s * s;
    double p = 2.0 / 23.0;
    p = ff_fma_f64(p, z, 2.0 / 21.0);
    p = ff_fma_f64(p, z, 2.0 / 19.0);
    p = ff_fma_f64(p, z, 2.0 / 17.0);
    p = ff_fma_f64(p, z, 2.0 / 15.0);
    p = ff_fma_f64(p, z, 2.0 / 13.0);
    p = ff_fma_f64(p, z, 2.0 / 11.0);
    p = ff_fma_f64(p, z, 2.0 / 9.0);
    p = ff_fma_f64(p, z, 2.0 / 7.0);
    p = ff_fma_f64(p, z, 2.0 / 5.0);
    p = ff_fma_f64(p, z, 2.0 / 3.0);
    /* ln(1 + f) = f - (f^2/2 - s (f^2/2 + z p)) */
    const double h = 0.5 * f * f;
    const double tail = ff_fma_f64(e, 1.90821492927058770002e-10, s * ff_fma_f64(z, p, h));
    const double y = ff_fma_f64(e, 6.93147180369123816490e-01, f - (h - tail));
    const double wrong = x == 0.0 ? -__builtin_inf() : __builtin_nan("");
    return x > 0.0 ? (x > 0x1.fffffffffffffp1023 ? x : y) : wrong;
}

FF_HD float ff_log_f32(float x)
{
    const float tiny = 0x1p-126f;
    const float scaled = x < tiny ? x * 0x1p25f : x;
    const float shift = x < tiny ? -25.0f : 0.0f;
    const int32_t bits = ff_bits_f32(scaled) - 0x3f3504f3;
    const float e = (float)(bits >> 23) + shift;
    const float m = ff_from_bits_f32((bits & 0x007fffff) + 0x3f3504f3);
    const float f = m - 1.0f, s = f / (2.0f + f), z = s * s;
    float p = 2.0f / 11.0f;
    p = ff_fma_f32(p, z, 2.0f / 9.0f);
    p = ff_fma_f32(p, z, 2.0f / 7.0f);
    p = ff_fma_f32(p, z, 2.0f / 5.0f);
    p = ff_fma_f32(p, z, 2.0f / 3.0f);
    const float h = 0.5f * f * f;
    const float tail = ff_fma_f32(e, 0x1.7f7d1cp-20f, s * ff_fma_f32(z, p, h));
    const float y = ff_fma_f32(e, 0x1.62e400p-1f, f - (h - tail));
    const float wrong = x == 0.0f ? -__builtin_inff() : __builtin_nanf("");
    return x > 0.0f ? (x > 0x1.fffffep127f ? x : y) : wrong;
}

/* sin(pi x) and cos(pi x) for |x| < 2^30 (2^20). */
FF_HD void ff_sincospi_f64(double x, double *sine, double *cosine)
{
    const double round = 0x1.8p52;
    const double shifted = ff_fma_f64(x, 2.0, round);
    const double k = shifted - round; /* nearest quarter turn */
    const int64_t quarter = ff_bits_f64(shifted);
    const double r = ff_fma_f64(k, -0.5, x); /* exact, |r| <= 1/4 */
    const double t = ff_fma_f64(r, 3.141592653589793116, r * 1.2246467991473531772e-16), w = t * t;
    double s = 1.0 / 355687428096000.0; /* 1/17! */
    s = ff_fma_f64(s, w, -1.0 / 1307674368000.0);
    s = ff_fma_f64(s, w, 1.0 / 6227020800.0);
    s = ff_fma_f64(s, w, -1.0 / 39916800.0);
    s = ff_fma_f64(s, w, 1.0 / 362880.0);
    s = ff_fma_f64(s, w, -1.0 / 5040.0);
    s = ff_fma_f64(s, w, 1.0 / 120.0);
    s = ff_fma_f64(s, w, -1.0 / 6.0);
    s = ff_fma_f64(s * w, t, t);
    double c = 1.0 / 20922789888000.0; /* 1/16! */
    c = ff_fma_f64(c, w, -1.0 / 87178291200.0);
    c = ff_fma_f64(c, w, 1.0 / 479001600.0);
    c = ff_fma_f64(c, w, -1.0 / 3628800.0);
    c = ff_fma_f64(c, w, 1.0 / 40320.0);
    c = ff_fma_f64(c, w, -1.0 / 720.0);
    c = ff_fma_f64(c, w, 1.0 / 24.0);
    c = ff_fma_f64(c, w, -0.5);
    c = ff_fma_f64(c, w, 1.0);
    const double a = (quarter & 1) ? c : s, b = (quarter & 1) ? s : c;
    *sine = (quarter & 2) ? -a : a;
    *cosine = ((quarter + 1) & 2) ? -b : b;
}

FF_HD void ff_sincospi_f32(float x, float *sine, float *cosine)
{
    const float round = 0x1.8p23f;
    const float shifted = ff_fma_f32(x, 2.0f, round);
    const float k = shifted - round;
    const int32_t quarter = ff_bits_f32(shifted);
    const float r = ff_fma_f32(k, -0.5f, x);
    const float t = ff_fma_f32(r, 0x1.921fb6p1f, r * -0x1.777a5cp-24f), w = t * t;
    float s = 1.0f / 362880.0f; /* 1/9! */
    s = ff_fma_f32(s, w, -1.0f / 5040.0f);
    s = ff_fma_f32(s, w, 1.0f / 120.0f);
    s = ff_fma_f32(s, w, -1.0f / 6.0f);
    s = ff_fma_f32(s * w, t, t);
    float c = -1.0f / 3628800.0f; /* 1/10! */
    c = ff_fma_f32(c, w, 1.0f / 40320.0f);
    c = ff_fma_f32(c, w, -1.0f / 720.0f);
    c = ff_fma_f32(c, w, 1.0f / 24.0f);
    c = ff_fma_f32(c, w, -0.5f);
    c = ff_fma_f32(c, w, 1.0f);
    const float a = (quarter & 1) ? c : s, b = (quarter & 1) ? s : c;
    *sine = (quarter & 2) ? -a : a;
    *cosine = ((quarter + 1) & 2) ? -b : b;
}

/* Philox4x32-10 (Salmon, Moraes, Dror, Shaw 2011, SC'11): ten of these rounds, the key stepped after each. */
FF_HD void ff_philox_round(uint32_t *c0, uint32_t *c1, uint32_t *c2, uint32_t *c3, uint32_t k0, uint32_t k1)
{
    const uint64_t p = (uint64_t)*c0 * 0xD2511F53u, q = (uint64_t)*c2 * 0xCD9E8D57u;
    const uint32_t a = (uint32_t)(q >> 32) ^ *c1 ^ k0, b = (uint32_t)(p >> 32) ^ *c3 ^ k1;
    *c0 = a;
    *c1 = (uint32_t)q;
    *c2 = b;
    *c3 = (uint32_t)p;
}
enum { FF_PHILOX_ROUNDS = 10 };
FF_HD void ff_philox_step(uint32_t *k0, uint32_t *k1)
{
    *k0 += 0x9E3779B9u;
    *k1 += 0xBB67AE85u;
}

/* Counter and key to four random words. */
FF_HD void ff_philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t k0 = key[0], k1 = key[1];
    for (int i = 0; i < 4; i++) out[i] = counter[i];
    for (int round = 0; round < FF_PHILOX_ROUNDS; round++) {
        ff_philox_round(&out[0], &out[1], &out[2], &out[3], k0, k1);
        ff_philox_step(&k0, &k1);
    }
}

/* Two standard normals from two words (Box & Muller 1958). */
FF_HD void ff_box_muller(uint32_t a, uint32_t b, double *x, double *y)
{
    const double u = ((double)a + 0.5) * 0x1p-32, v = ((double)b + 0.5) * 0x1p-31;
    const double radius = __builtin_sqrt(-2.0 * ff_log_f64(u));
    double s, c;
    ff_sincospi_f64(v, &s, &c);
    *x = radius * c;
    *y = radius * s;
}

#endif
