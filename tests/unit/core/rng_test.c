/* Random numbers by address and sums whose bits do not depend on threads. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "worker/core/ff_math.h"
#include "worker/core/reduce.h"
#include "worker/core/rng.h"

/* Random123 1.14, examples/kat_vectors, philox4x32 with 10 rounds. */
static void philox_gives_the_known_answers(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], out[4];
    } kat[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < sizeof kat / sizeof kat[0]; i++) {
        uint32_t out[4];
        ff_philox(kat[i].counter, kat[i].key, out);
        for (int j = 0; j < 4; j++) assert_int_equal(out[j], kat[i].out[j]);
        ff_rng_words((uint64_t)kat[i].key[1] << 32 | kat[i].key[0], kat[i].counter[3], kat[i].counter[2],
                     (uint64_t)kat[i].counter[1] << 32 | kat[i].counter[0], out);
        for (int j = 0; j < 4; j++) assert_int_equal(out[j], kat[i].out[j]);
    }
}

static void near(const char *what, double got, double expected, double tolerance)
{
    if (!(fabs(got - expected) <= tolerance))
        print_message("%s: got %.6g, expected %.6g +- %.2g\n", what, got, expected, tolerance);
    assert_true(fabs(got - expected) <= tolerance);
}

static void normals_have_the_moments_of_a_normal(void **state)
{
    (void)state;
    const long n = 1000000;
    double *x = malloc((size_t)n * sizeof *x), m[5] = {0}, lag = 0;
    assert_non_null(x);
    ff_rng_normals_f64(1, FF_RNG_TEST, 3, 0, n, x, 2);
    for (long i = 0; i < n; i++) {
        m[1] += x[i], m[2] += x[i] * x[i], m[3] += x[i] * x[i] * x[i], m[4] += x[i] * x[i] * x[i] * x[i];
        if (i > 0) lag += x[i] * x[i - 1];
    }
    const double root = sqrt((double)n);
    near("mean", m[1] / n, 0, 4 / root);
    near("variance", m[2] / n, 1, 4 * sqrt(2) / root);
    near("third moment", m[3] / n, 0, 4 * sqrt(15) / root);
    near("fourth moment", m[4] / n, 3, 4 * sqrt(96) / root);
    near("lag-one product", lag / n, 0, 4 / root);
    free(x);
}

static void a_number_depends_on_its_address_alone(void **state)
{
    (void)state;
    enum { N = 5000 };
    static double all[N], part[N];
    static float f32[N];
    ff_rng_normals_f64(9, FF_RNG_TEST, 1, 0, N, all, 1);
    for (int threads = 1; threads <= 3; threads++) {
        const long first[] = {0, 1, 2, 3, 64, 1021, 4093};
        for (size_t i = 0; i < sizeof first / sizeof first[0]; i++) {
            const long n = N - first[i];
            ff_rng_normals_f64(9, FF_RNG_TEST, 1, (uint64_t)first[i], n, part, threads);
            assert_memory_equal(part, all + first[i], (size_t)n * sizeof *part);
            ff_rng_normals_f32(9, FF_RNG_TEST, 1, (uint64_t)first[i], n, f32, threads);
            for (long j = 0; j < n; j++) assert_true(f32[j] == (float)all[first[i] + j]);
        }
    }
    ff_rng_normals_f64(9, FF_RNG_TEST, 2, 0, N, part, 1);
    assert_true(memcmp(part, all, sizeof part) != 0);
}

static void uniforms_stay_inside_and_are_uniform(void **state)
{
    (void)state;
    double mean = 0, low = 1, high = 0;
    const int n = 100000;
    for (int i = 0; i < n; i++) {
        const double u = ff_rng_uniform(2, FF_RNG_TEST, 0, (uint64_t)i);
        mean += u / n, low = fmin(low, u), high = fmax(high, u);
    }
    assert_true(low > 0 && high < 1);
    near("mean of uniforms", mean, 0.5, 4 / sqrt(12.0 * n));
}

static void sums_have_the_same_bits_for_any_threads(void **state)
{
    (void)state;
    const long n = 3 * 256 * FF_REDUCE_CHUNK / 2 + 77;
    double *a = malloc((size_t)n * sizeof *a), *b = malloc((size_t)n * sizeof *b);
    float *c = malloc((size_t)n * sizeof *c);
    assert_true(a && b && c);
    ff_rng_normals_f64(3, FF_RNG_TEST, 0, 0, n, a, 2);
    ff_rng_normals_f64(3, FF_RNG_TEST, 1, 0, n, b, 2);
    ff_rng_normals_f32(3, FF_RNG_TEST, 1, 0, n, c, 2);
    const double dot = ff_dot_f64(a, b, n, 1), sum = ff_sum_f64(a, n, 1), dotf = ff_dot_f32(c, c, n, 1),
                 sumf = ff_sum_f32(c, n, 1);
    long double exact = 0, plain = 0, square = 0;
    for (long i = 0; i < n; i++) exact += (long double)a[i] * b[i], plain += a[i], square += (long double)c[i] * c[i];
    near("dot", dot, (double)exact, 1e-9);
    near("sum", sum, (double)plain, 1e-9);
    near("dot f32", dotf, (double)square, 1e-8);
    for (int threads = 2; threads <= 3; threads++) {
        assert_true(ff_dot_f64(a, b, n, threads) == dot && ff_sum_f64(a, n, threads) == sum);
        assert_true(ff_dot_f32(c, c, n, threads) == dotf && ff_sum_f32(c, n, threads) == sumf);
    }
    assert_true(ff_sum_f64(a, 0, 2) == 0 && ff_dot_f64(a, a, 1, 2) == a[0] * a[0]);
    free(a), free(b), free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_known_answers),
        cmocka_unit_test(normals_have_the_moments_of_a_normal),
        cmocka_unit_test(a_number_depends_on_its_address_alone),
        cmocka_unit_test(uniforms_stay_inside_and_are_uniform),
        cmocka_unit_test(sums_have_the_same_bits_for_any_threads),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
