/* Classes of modes: every mode in exactly one, C_l interpolated to 2e-5 for smooth and wiggly spectra of either
** sign, and the adjoint of the interpolation. */
#include "tests/unit/sim/sim_fixture.h"

#include "worker/sim/classes.h"

struct made {
    struct ff_grid grid;
    struct ff_classes classes;
    struct ff_arena arena;
};

static void make(struct made *m, int n, double size_deg, double l_max)
{
    ff_ctx ctx = {0};
    const double side = size_deg * M_PI / 180;
    *m = (struct made){.grid = ff_grid_make(1, 1, n, n, 1)};
    ff_classes_layout(&m->classes, &m->grid, side, l_max, &m->arena);
    OK(ff_arena_alloc(&m->arena, "classes", &ctx));
    ff_classes_layout(&m->classes, &m->grid, side, l_max, &m->arena);
    ff_classes_fill(&m->classes, &m->grid);
}

static void every_mode_is_in_one_class(void **state)
{
    (void)state;
    static const int sides[] = {4, 5, 12, 15, 16, 50, 256};
    for (size_t i = 0; i < sizeof sides / sizeof sides[0]; i++)
        for (int cut = 0; cut < 2; cut++) {
            const int n = sides[i], h = n / 2;
            const double l_max = cut ? 36.0 * (0.7 * h + 1) : 0;
            struct made m;
            make(&m, n, 10, l_max);
            const struct ff_classes *c = &m.classes;
            long modes = 0;
            double counted = 0;
            for (int y = 0; y < n; y++)
                for (int x = 0; x < n; x++) {
                    const int ky = y <= h ? y : n - y, kx = x <= h ? x : n - x;
                    const long k = c->index[ky * m.grid.qp + kx];
                    const double l = 36 * hypot(kx, ky);
                    const bool signal = l > 0 && (!cut || l <= l_max * (1 + 1e-12));
                    assert_true(signal ? k < c->count : k == c->count);
                    if (signal) {
                        assert_true(fabs(c->l[k] - l) < 1e-9 * l);
                        modes++;
                    }
                }
            for (long k = 0; k < c->pitch; k++) counted += c->modes[k];
            assert_true((double)modes == counted);
            if (n == 256 && !cut) assert_int_equal(c->count, 8385 - 1);
            ff_arena_free(&m.arena);
        }
}

static double spectrum(int kind, double l)
{
    const double smooth = model_cl(1, 0, 0, l);
    switch (kind) {
    case 0:
        return smooth;
    case 1:
        return -smooth;
    case 2:
        return smooth * (1 + 0.03 * sin(5 * log(l))); /* wider than lensing's trace of the acoustic wiggles */
    default:
        return smooth * pow(l / 1000, 2);
    }
}

static void interpolation_is_right_to_2e_5(void **state)
{
    (void)state;
    static const struct {
        int n;
        double size;
    } fields[] = {{256, 10}, {64, 10}, {48, 1.4}, {512, 20}, {16, 3}};
    for (size_t f = 0; f < sizeof fields / sizeof fields[0]; f++)
        for (int kind = 0; kind < 4; kind++) {
            struct made m;
            make(&m, fields[f].n, fields[f].size, 0);
            const struct ff_classes *c = &m.classes;
            double *table = take(c->nell, sizeof *table), *values = take(c->pitch, sizeof *values), worst = 0;
            for (int k = 0; k < c->nell; k++) table[k] = spectrum(kind, c->ell[k]);
            for (long at = 0; at < c->pitch; at += FF_BLOCK) ff_classes_interpolate(c, table, 3, at, values + at);
            for (long k = 0; k < c->count; k++)
                worst = fmax(worst, fabs(values[k] / (3 * spectrum(kind, c->l[k])) - 1));
            expect_near("worst relative error of interpolated C_l", worst, 0, 2e-5);
            for (long k = c->count; k < c->pitch; k++) assert_true(values[k] == 0);
            if (fields[f].n == 256) assert_in_range(c->nell, 40, 96);
            /* <bar, I t> = <I^T bar, t> */
            double *bar = take(c->pitch, sizeof *bar), *table_bar = take(c->nell, sizeof *table_bar);
            ff_rng_normals_f64(1, FF_RNG_TEST, 0, 0, c->count, bar, 1);
            ff_classes_interpolate_adjoint(c, bar, 3, table_bar);
            const double left = ff_dot_f64(bar, values, c->count, 1), right = ff_dot_f64(table_bar, table, c->nell, 1);
            double size = 0;
            for (long k = 0; k < c->count; k++) size += fabs(bar[k] * values[k]);
            expect_near("dot test of the interpolation", left, right, 1e-12 * size);
            free(table), free(values), free(bar), free(table_bar);
            ff_arena_free(&m.arena);
        }
}

/* Averaged over pixels, a mode's C_l is that of the mean of e^{i l x} over a pixel, squared: here by sums over the pixel. */
static void pixel_averages_dampen_modes(void **state)
{
    (void)state;
    enum { SIDE = 16, CUTS = 400 };
    struct made m;
    make(&m, SIDE, 10, 0);
    struct ff_classes *c = &m.classes;
    double *plain = calloc((size_t)c->pitch, sizeof *plain);
    assert_non_null(plain);
    for (long k = 0; k < c->count; k++)
        for (int a = 0; a < FF_STENCIL; a++) plain[k] += c->weight[a * c->pitch + k];
    ff_classes_average_pixels(c);
    for (long k = 0; k < c->count; k++) {
        double sum = 0, mean[2] = {0};
        const int modes[2] = {c->i[k], c->j[k]};
        for (int axis = 0; axis < 2; axis++)
            for (int s = 0; s < CUTS; s++)
                mean[axis] += cos(2 * M_PI * modes[axis] * ((s + 0.5) / CUTS - 0.5) / SIDE) / CUTS;
        for (int a = 0; a < FF_STENCIL; a++) sum += c->weight[a * c->pitch + k];
        expect_near("share of C_l kept", sum / plain[k], mean[0] * mean[0] * mean[1] * mean[1], 1e-5);
    }
    free(plain);
    ff_arena_free(&m.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_mode_is_in_one_class),
        cmocka_unit_test(interpolation_is_right_to_2e_5),
        cmocka_unit_test(pixel_averages_dampen_modes),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
