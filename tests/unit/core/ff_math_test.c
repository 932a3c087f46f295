/* The polynomials of core/ff_math.h against libm (long double), over wide ranges and at the edges. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "worker/core/ff_math.h"
#include "worker/core/rng.h"

enum { NTRY = 200000 };

static double uniform(uint64_t i)
{
    return ff_rng_uniform(5, FF_RNG_TEST, 0, i);
}

/* Error of y in units of the last place of the truth. */
static double ulps(double y, long double truth, int digits)
{
    int e;
    frexpl(truth, &e);
    return (double)fabsl((long double)y - truth) / ldexp(1.0, e - digits);
}

static void check(const char *what, double worst, double tolerance, double at)
{
    if (!(worst <= tolerance))
        print_message("%s: error %.3f ulp, tolerance %.1f, at x = %.17g\n", what, worst, tolerance, at);
    assert_true(worst <= tolerance);
}

struct worst {
    double error, at;
};

static void note(struct worst *w, double error, double at)
{
    if (!(error <= w->error)) *w = (struct worst){error, at};
}

static void exp_is_right_to_two_ulp(void **state)
{
    (void)state;
    struct worst d = {0}, f = {0};
    for (int i = 0; i < NTRY; i++) {
        const double x = -707.0 + 1416.0 * uniform((uint64_t)i), near = 2 * uniform((uint64_t)i) - 1;
        note(&d, ulps(ff_exp_f64(x), expl((long double)x), 53), x);
        note(&d, ulps(ff_exp_f64(near), expl((long double)near), 53), near);
        const float y = (float)(-86.0 + 174.0 * uniform((uint64_t)i)), z = (float)near;
        note(&f, ulps((double)ff_exp_f32(y), expl((long double)y), 24), y);
        note(&f, ulps((double)ff_exp_f32(z), expl((long double)z), 24), z);
    }
    check("ff_exp_f64", d.error, 2.0, d.at);
    check("ff_exp_f32", f.error, 2.0, f.at);
    print_message("exp: worst error %.2f ulp (f64), %.2f ulp (f32)\n", d.error, f.error);
}

static void log_is_right_to_two_ulp(void **state)
{
    (void)state;
    struct worst d = {0}, f = {0};
    for (int i = 0; i < NTRY; i++) {
        const double x = exp2(-1070.0 + 2090.0 * uniform((uint64_t)i)), near = 0.5 + 1.5 * uniform((uint64_t)i);
        note(&d, ulps(ff_log_f64(x), logl((long double)x), 53), x);
        note(&d, ulps(ff_log_f64(near), logl((long double)near), 53), near);
        const float y = (float)exp2(-145.0 + 272.0 * uniform((uint64_t)i)), z = (float)near;
        note(&f, ulps((double)ff_log_f32(y), logl((long double)y), 24), y);
        note(&f, ulps((double)ff_log_f32(z), logl((long double)z), 24), z);
    }
    check("ff_log_f64", d.error, 2.0, d.at);
    check("ff_log_f32", f.error, 2.0, f.at);
    print_message("log: worst error %.2f ulp (f64), %.2f ulp (f32)\n", d.error, f.error);
}

/* Absolute error in units of 2^-53 (2^-24): what a rotation needs. */
static void sincospi_is_right_to_two_ulp_of_one(void **state)
{
    (void)state;
    const long double pi = 3.14159265358979323846264338327950288L;
    struct worst d = {0}, f = {0};
    for (int i = 0; i < NTRY; i++) {
        const double x = 200.0 * uniform((uint64_t)i) - 100.0;
        const long double turn = (long double)x - 2 * roundl((long double)x / 2);
        double s, c;
        ff_sincospi_f64(x, &s, &c);
        note(&d, (double)fmaxl(fabsl(s - sinl(pi * turn)), fabsl(c - cosl(pi * turn))) * 0x1p53, x);
        const float y = (float)x;
        const long double turnf = (long double)y - 2 * roundl((long double)y / 2);
        float sf, cf;
        ff_sincospi_f32(y, &sf, &cf);
        note(&f, (double)fmaxl(fabsl(sf - sinl(pi * turnf)), fabsl(cf - cosl(pi * turnf))) * 0x1p24, y);
    }
    check("ff_sincospi_f64", d.error, 2.0, d.at);
    check("ff_sincospi_f32", f.error, 2.0, f.at);
    print_message("sincospi: worst error %.2f (f64), %.2f (f32) half ulps of one\n", d.error, f.error);
}

static void edges_are_as_in_libm(void **state)
{
    (void)state;
    assert_true(ff_exp_f64(0) == 1 && ff_exp_f32(0) == 1);
    assert_true(isinf(ff_exp_f64(710)) && isinf(ff_exp_f32(89)) && isinf(ff_exp_f64(INFINITY)));
    assert_true(ff_exp_f64(-1e9) == 0 && ff_exp_f32(-1e9f) == 0 && ff_exp_f64(-INFINITY) == 0);
    assert_true(isnan(ff_exp_f64(NAN)) && isnan(ff_exp_f32(NAN)));
    assert_true(ff_log_f64(1) == 0 && ff_log_f32(1) == 0);
    assert_true(ff_log_f64(0) == -INFINITY && ff_log_f32(0) == -INFINITY);
    assert_true(isnan(ff_log_f64(-1)) && isnan(ff_log_f32(-1)) && isnan(ff_log_f64(NAN)));
    assert_true(ff_log_f64(INFINITY) == INFINITY && ff_log_f32(INFINITY) == INFINITY);
    double s, c;
    ff_sincospi_f64(0.5, &s, &c);
    assert_true(s == 1 && c == 0);
    ff_sincospi_f64(-1, &s, &c);
    assert_true(s == 0 && c == -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exp_is_right_to_two_ulp),
        cmocka_unit_test(log_is_right_to_two_ulp),
        cmocka_unit_test(sincospi_is_right_to_two_ulp_of_one),
        cmocka_unit_test(edges_are_as_in_libm),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
