/* Symmetric cosine transforms against their definition, for every kind of side. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "worker/core/cosine.h"
#include "worker/core/rng.h"

static double naive(int n, int h, const double *z, long pitch, int a, int b)
{
    long double sum = 0;
    for (int i = 0; i <= h; i++)
        for (int j = 0; j <= h; j++)
            sum += cosl(2 * 3.14159265358979323846264338L * (a * i % n) / n) *
                   cosl(2 * 3.14159265358979323846264338L * (b * j % n) / n) * z[i * pitch + j];
    return (double)sum;
}

static void transforms_equal_their_definition(void **state)
{
    (void)state;
    const int sides[] = {1, 2, 3, 4, 5, 9, 12, 15, 16, 27, 30, 40, 45, 48, 50, 64, 100, 125, 256};
    for (size_t s = 0; s < sizeof sides / sizeof sides[0]; s++) {
        const int n = sides[s], h = n / 2;
        const long pitch = ff_cosine_pitch(n), size = ff_cosine_size(n);
        ff_ctx ctx = {0};
        ff_cosine *c;
        assert_int_equal(ff_cosine_init(&c, n, &ctx), FF_OK);
        double *z = aligned_alloc(64, (size_t)size * 8), *y = aligned_alloc(64, (size_t)size * 8);
        double *scratch = aligned_alloc(64, (size_t)ff_cosine_scratch(n) * 8);
        assert_true(z && y && scratch);
        ff_rng_normals_f64(1, FF_RNG_TEST, 0, 0, size, z, 1);
        ff_cosine_mirror(c, z);
        ff_cosine_apply(c, z, y, scratch);
        double worst = 0;
        const int step = n > 100 ? 17 : 1;
        for (int a = 0; a <= h; a += step)
            for (int b = a; b <= h; b += step)
                worst = fmax(worst, fabs(y[a * pitch + b] - naive(n, h, z, pitch, a, b)));
        const double tolerance = 2e-15 * (h + 1) * (h + 1);
        if (!(worst <= tolerance)) print_message("side %d: error %.3g, tolerance %.3g\n", n, worst, tolerance);
        assert_true(worst <= tolerance);
        ff_cosine_mirror(c, y);
        for (long i = 0; i < pitch; i++)
            for (long j = 0; j < pitch; j++)
                assert_true(i <= h && j <= h ? y[i * pitch + j] == y[j * pitch + i] : y[i * pitch + j] == 0);
        /* in place gives the same */
        const double before = h > 0 ? y[1] : y[0];
        ff_cosine_apply(c, z, z, scratch);
        assert_true((h > 0 ? z[1] : z[0]) == before);
        free(z), free(y), free(scratch);
        ff_cosine_free(c);
    }
    ff_cosine_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(transforms_equal_their_definition)};
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
