/* The FFT leaf against the definition of the DFT, forward and back, in float and double, for even and odd sides;
** and that bits do not depend on threads. */
#include <complex.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "worker/core/ops.h"
#include "worker/core/rng.h"

struct arrays {
    struct ff_grid g;
    const struct ff_ops *ops;
    struct ff_fft *fft;
    void *maps, *spectra, *back;
    size_t map_bytes, spectrum_bytes;
};

static double get(const struct arrays *a, const void *p, long k)
{
    return a->ops->size == 4 ? (double)((const float *)p)[k] : ((const double *)p)[k];
}

static void *aligned(size_t bytes)
{
    void *p = aligned_alloc(256, (bytes + 255) / 256 * 256);
    assert_non_null(p);
    memset(p, 0, bytes);
    return p;
}

static struct arrays arrays_make(const struct ff_ops *ops, int n, int nmaps)
{
    struct arrays a = {.g = ff_grid_make(nmaps, 1, n, n, 1), .ops = ops};
    ff_ctx ctx = {0};
    assert_int_equal(ops->fft_init(&a.fft, n, &ctx), FF_OK);
    a.map_bytes = (size_t)(nmaps * n * a.g.rp * ops->size);
    a.spectrum_bytes = (size_t)(nmaps * n * a.g.cp * 2 * ops->size);
    a.maps = aligned(a.map_bytes), a.back = aligned(a.map_bytes), a.spectra = aligned(a.spectrum_bytes);
    for (long r = 0; r < (long)nmaps * n; r++)
        if (ops->size == 4)
            ff_rng_normals_f32(1, FF_RNG_TEST, 0, (uint64_t)(r * n), n, (float *)a.maps + r * a.g.rp, 1);
        else
            ff_rng_normals_f64(1, FF_RNG_TEST, 0, (uint64_t)(r * n), n, (double *)a.maps + r * a.g.rp, 1);
    return a;
}

static void arrays_done(struct arrays *a)
{
    a->ops->fft_free(a->fft);
    free(a->maps), free(a->spectra), free(a->back);
}

static complex double naive(const struct arrays *a, int map, int ky, int kx)
{
    const int n = a->g.n;
    complex double sum = 0;
    for (int y = 0; y < n; y++)
        for (int x = 0; x < n; x++)
            sum += get(a, a->maps, (map * n + y) * a->g.rp + x) * cexp(-2 * M_PI * I * ((ky * y + kx * x) % n) / n);
    return sum;
}

static void check(const struct ff_ops *ops, int n, double tolerance)
{
    struct arrays a = arrays_make(ops, n, 2);
    double worst = 0, round_trip = 0;
    ops->fft_forward(a.fft, a.maps, a.spectra, 2, 1);
    for (int map = 0; map < 2; map++)
        for (int ky = 0; ky < n; ky += 1 + n / 8)
            for (int kx = 0; kx <= n / 2; kx += 1 + n / 8) {
                const long at = ((map * n + ky) * a.g.cp + kx) * 2;
                const complex double got = get(&a, a.spectra, at) + I * get(&a, a.spectra, at + 1);
                worst = fmax(worst, cabs(got - naive(&a, map, ky, kx)) / n);
            }
    ops->fft_inverse(a.fft, a.spectra, a.back, 2, 1);
    for (long r = 0; r < 2L * n; r++)
        for (int x = 0; x < n; x++)
            round_trip = fmax(
                round_trip, fabs(get(&a, a.back, r * a.g.rp + x) / ((double)n * n) - get(&a, a.maps, r * a.g.rp + x)));
    if (!(worst <= tolerance && round_trip <= tolerance))
        print_message("side %d: error %.3g, round trip %.3g, tolerance %.3g\n", n, worst, round_trip, tolerance);
    assert_true(worst <= tolerance && round_trip <= tolerance);
    arrays_done(&a);
}

static void transforms_equal_the_definition(void **state)
{
    (void)state;
    const int sides[] = {4, 5, 9, 12, 15, 16, 25, 30, 32, 45, 64};
    for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++) {
        check(&ff_ops_cpu_f64, sides[i], 1e-13);
        check(&ff_ops_cpu_f32, sides[i], 5e-6);
    }
}

static void bits_do_not_depend_on_threads(void **state)
{
    (void)state;
    const struct ff_ops *tables[] = {&ff_ops_cpu_f32, &ff_ops_cpu_f64};
    for (int t = 0; t < 2; t++) {
        struct arrays a = arrays_make(tables[t], 60, 3);
        void *one = aligned(a.spectrum_bytes), *map = aligned(a.map_bytes);
        a.ops->fft_forward(a.fft, a.maps, one, 3, 1);
        memcpy(a.spectra, one, a.spectrum_bytes);
        a.ops->fft_inverse(a.fft, a.spectra, map, 3, 1);
        for (int threads = 2; threads <= 3; threads++) {
            a.ops->fft_forward(a.fft, a.maps, a.spectra, 3, threads);
            assert_memory_equal(a.spectra, one, a.spectrum_bytes);
            a.ops->fft_inverse(a.fft, a.spectra, a.back, 3, threads);
            assert_memory_equal(a.back, map, a.map_bytes);
        }
        free(one), free(map);
        arrays_done(&a);
    }
}

/* Plans with the same hash are the same plans: a second object has the same hash, another side another one. */
static void plans_are_named_by_their_hash(void **state)
{
    (void)state;
    ff_ctx ctx = {0};
    struct ff_fft *a, *b, *c;
    const struct ff_ops *ops = &ff_ops_cpu_f32;
    assert_int_equal(ops->fft_init(&a, 64, &ctx), FF_OK);
    assert_int_equal(ops->fft_init(&b, 64, &ctx), FF_OK);
    assert_int_equal(ops->fft_init(&c, 96, &ctx), FF_OK);
    assert_true(ops->fft_hash(a) == ops->fft_hash(b) && ops->fft_hash(a) != ops->fft_hash(c));
    ops->fft_free(a), ops->fft_free(b), ops->fft_free(c), ops->fft_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(transforms_equal_the_definition),
        cmocka_unit_test(bits_do_not_depend_on_threads),
        cmocka_unit_test(plans_are_named_by_their_hash),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
