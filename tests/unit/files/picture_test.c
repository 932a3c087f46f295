/* tests/unit/files/picture_test.c - pictures: what is drawn where, densities and their levels, ticks, refusals. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <png.h>

#include "files/font.h"
#include "files/picture.h"
#include "files/picture_axis.h"
#include "files/picture_density.h"

struct image {
    int width, height;
    unsigned char *rgb; /* (height, width, 3) */
};

static void temporary(char *out /* (64) */, const char *suffix)
{
    snprintf(out, 64, "/tmp/ff_picture_%ld_%s", (long)getpid(), suffix);
}

static struct image read_image(const char *path)
{
    png_image png = {.version = PNG_IMAGE_VERSION};
    assert_true(png_image_begin_read_from_file(&png, path));
    png.format = PNG_FORMAT_RGB;
    unsigned char *rgb = malloc(PNG_IMAGE_SIZE(png));
    assert_non_null(rgb);
    assert_true(png_image_finish_read(&png, NULL, rgb, 0, NULL));
    return (struct image){.width = (int)png.width, .height = (int)png.height, .rgb = rgb};
}

/* Pixels within `slack` of a colour. */
static long count_colour(const struct image *image, int r, int g, int b, int slack)
{
    long n = 0;
    for (long i = 0; i < (long)image->width * image->height; i++) {
        const unsigned char *p = image->rgb + 3 * i;
        n += abs(p[0] - r) <= slack && abs(p[1] - g) <= slack && abs(p[2] - b) <= slack;
    }
    return n;
}

/* A number in (0, 1), the same on every machine. */
static double uniform(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return ((double)(*state >> 11) + 0.5) * 0x1p-53;
}

static double normal(uint64_t *state)
{
    double u = uniform(state), v = uniform(state);
    return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

/* Mean place of strongly red pixels, as a share of the picture. */
static void red_centre(const struct image *image, double *x, double *y)
{
    double n = 0, sx = 0, sy = 0;
    for (int j = 0; j < image->height; j++) {
        for (int i = 0; i < image->width * 4 / 5; i++) { /* left of the colour bar */
            const unsigned char *p = image->rgb + 3 * ((long)j * image->width + i);
            if (p[0] < 95 || p[1] > 40 || p[2] > 60) continue;
            n++;
            sx += i;
            sy += j;
        }
    }
    assert_true(n > 0);
    *x = sx / n / image->width;
    *y = sy / n / image->height;
}

static void map_shows_large_x_at_the_left_and_large_y_at_the_top(void **state)
{
    (void)state;
    enum { N = 32 };
    float map[N * N] = {0};
    for (int j = 26; j < 30; j++) {
        for (int i = 2; i < 6; i++) map[j * N + i] = 1;
    }
    char path[64];
    temporary(path, "map.png");
    ff_ctx ctx = {0};
    assert_int_equal(ff_picture_map(path, "a peak", map, N, 1.4, 150, 2, 1, &ctx), FF_OK);
    struct image image = read_image(path);
    double x, y;
    red_centre(&image, &x, &y);
    if (x < 0.6 || y > 0.3)
        fail_msg("peak of low x and high y at (%g, %g); expected x > 0.6 and y < 0.3 of the picture", x, y);
    free(image.rgb);
    unlink(path);
}

static void map_of_every_size_is_drawn_and_masked_pixels_are_grey(void **state)
{
    (void)state;
    int sizes[] = {1, 2, 7, 64, 660, 1500};
    for (size_t k = 0; k < sizeof sizes / sizeof *sizes; k++) {
        int n = sizes[k];
        float *map = calloc((size_t)n * (size_t)n, sizeof *map);
        assert_non_null(map);
        for (long i = 0; i < (long)n * n / 2; i++) map[i] = NAN;
        char path[64];
        temporary(path, "sizes.png");
        ff_ctx ctx = {0};
        assert_int_equal(ff_picture_map(path, "", map, n, 10, 0, 0, k % 2 == 0, &ctx), FF_OK);
        struct image image = read_image(path);
        long grey = count_colour(&image, 190, 190, 190, 0);
        double share = (double)grey / (660.0 * 660.0), expected = (double)((long)n * n / 2) / ((double)n * n);
        if (fabs(share - expected) > 0.01)
            fail_msg("%d pixels: share of grey %g, expected %g +- 0.01", n, share, expected);
        free(image.rgb);
        free(map);
        unlink(path);
    }
}

static void impossible_maps_and_places_are_refused(void **state)
{
    (void)state;
    float map[4] = {0};
    char path[64];
    temporary(path, "no.png");
    ff_ctx ctx = {0};
    assert_int_equal(ff_picture_map(path, "", map, 0, 1, 0, 0, 0, &ctx), FF_EUSAGE);
    assert_int_equal(ff_picture_map(path, "", map, 2, -1, 0, 0, 0, &ctx), FF_EUSAGE);
    assert_int_equal(ff_picture_map(path, "", map, 2, 1, NAN, 0, 0, &ctx), FF_EUSAGE);
    assert_int_equal(ff_picture_map("/nowhere/at/all.png", "", map, 2, 1, 0, 0, 0, &ctx), FF_ENOFILE);
    assert_non_null(strstr(ctx.message, "/nowhere/at/all.png"));
    assert_int_not_equal(access(path, F_OK), 0);
}

enum { DRAWS = 4000 };

static void corner_draws_regions_and_truth_for_1_to_8_parameters(void **state)
{
    (void)state;
    const char *names[] = {"omega_c", "omega_b", "h", "n_s", "sigma8", "w0", "omega_m", "S8"};
    double *draws = malloc(8 * DRAWS * sizeof *draws), truth[8];
    assert_non_null(draws);
    uint64_t seed = 1;
    for (long i = 0; i < 8 * DRAWS; i++) draws[i] = 0.3 + 0.01 * normal(&seed);
    for (int i = 0; i < 8; i++) truth[i] = i == 1 ? NAN : 0.3;
    char path[64];
    temporary(path, "corner.png");
    for (int n = 1; n <= 8; n++) {
        struct ff_corner corner = {
            .nparams = n, .ndraws = DRAWS, .draws = draws, .names = names, .truth = truth, .title = "t"};
        ff_ctx ctx = {0};
        assert_int_equal(ff_picture_corner(path, &corner, &ctx), FF_OK);
        struct image image = read_image(path);
        long inner = count_colour(&image, 96, 152, 207, 0), truths = count_colour(&image, 204, 76, 28, 70);
        long pairs = (long)n * (n - 1) / 2;
        if (inner < 500 * pairs)
            fail_msg("%d parameters: %ld pixels of 68 %% regions, expected > %ld", n, inner, 500 * pairs);
        if (truths < 100) fail_msg("%d parameters: %ld pixels of truth lines, expected > 100", n, truths);
        free(image.rgb);
    }
    free(draws);
    unlink(path);
}

static void corner_refuses_samples_it_cannot_draw_and_names_them(void **state)
{
    (void)state;
    double draws[4] = {1, 2, 3, NAN};
    const char *names[] = {"h", "w0"};
    struct ff_corner corner = {.nparams = 2, .ndraws = 2, .draws = draws, .names = names, .title = ""};
    ff_ctx ctx = {0};
    assert_int_equal(ff_picture_corner("/tmp/never.png", &corner, &ctx), FF_EBADFILE);
    assert_non_null(strstr(ctx.frames[ctx.nframes - 1].note, "w0"));
    corner.nparams = 0;
    assert_int_equal(ff_picture_corner("/tmp/never.png", &corner, &ctx), FF_EUSAGE);
    corner.nparams = 1;
    corner.ndraws = 1;
    assert_int_equal(ff_picture_corner("/tmp/never.png", &corner, &ctx), FF_EBADFILE);
}

static void a_constant_parameter_is_drawn(void **state)
{
    (void)state;
    double draws[20];
    for (int i = 0; i < 20; i++) draws[i] = i < 10 ? 0.7 : i;
    const char *names[] = {"h", "w0"};
    char path[64];
    temporary(path, "constant.png");
    struct ff_corner corner = {.nparams = 2, .ndraws = 10, .draws = draws, .names = names, .title = ""};
    ff_ctx ctx = {0};
    assert_int_equal(ff_picture_corner(path, &corner, &ctx), FF_OK);
    unlink(path);
}

static void levels_enclose_their_share_of_gaussian_samples(void **state)
{
    (void)state;
    enum { N = 20000, BINS = 128 };
    double *x = malloc(N * sizeof *x), *y = malloc(N * sizeof *y), *density = malloc(BINS * BINS * sizeof *density),
           level;
    uint64_t seed = 7;
    for (int i = 0; i < N; i++) {
        x[i] = normal(&seed);
        y[i] = 0.8 * x[i] + 0.6 * normal(&seed);
    }
    struct ff_density_axis ax, ay;
    ff_ctx ctx = {0};
    assert_int_equal(ff_density_axis_init(&ax, x, N, NAN, &ctx), FF_OK);
    assert_int_equal(ff_density_axis_init(&ay, y, N, NAN, &ctx), FF_OK);
    assert_int_equal(ff_density_2d(density, BINS, &ax, &ay, &ctx), FF_OK);
    double shares[] = {0.683, 0.954};
    for (int k = 0; k < 2; k++) {
        assert_int_equal(ff_density_level(density, BINS * BINS, shares[k], &level, &ctx), FF_OK);
        long inside = 0;
        for (int i = 0; i < N; i++) {
            int u = (int)((x[i] - ax.low) / (ax.high - ax.low) * BINS),
                v = (int)((y[i] - ay.low) / (ay.high - ay.low) * BINS);
            inside += u >= 0 && u < BINS && v >= 0 && v < BINS && density[v * BINS + u] >= level;
        }
        double share = (double)inside / N;
        if (fabs(share - shares[k]) > 0.04) fail_msg("%g of the samples inside, expected %g +- 0.04", share, shares[k]);
    }
    if (fabs(ax.q50) > 0.03 || fabs(ax.q84 - 1) > 0.03 || fabs(ax.q16 + 1) > 0.03) {
        fail_msg("quantiles %g %g %g, expected -1 0 1 +- 0.03", ax.q16, ax.q50, ax.q84);
    }
    free(x);
    free(y);
    free(density);
}

static void density_of_uniform_samples_does_not_sag_at_the_edges(void **state)
{
    (void)state;
    enum { N = 50000, BINS = 128 };
    double *x = malloc(N * sizeof *x), density[BINS];
    uint64_t seed = 3;
    for (int i = 0; i < N; i++) x[i] = uniform(&seed);
    struct ff_density_axis axis;
    ff_ctx ctx = {0};
    assert_int_equal(ff_density_axis_init(&axis, x, N, NAN, &ctx), FF_OK);
    assert_int_equal(ff_density_1d(density, BINS, &axis, &ctx), FF_OK);
    for (int i = 0; i < BINS; i++) {
        double at = axis.low + (i + 0.5) * (axis.high - axis.low) / BINS;
        if (at < 0.02 || at > 0.98) continue;
        double ratio = density[i] / density[BINS / 2];
        if (fabs(ratio - 1) > 0.12) fail_msg("density at %g is %g of the middle's, expected 1 +- 0.12", at, ratio);
    }
    free(x);
}

static void density_of_normal_samples_fades_out_smoothly(void **state)
{
    (void)state;
    enum { BINS = 256 };
    for (int n = 100; n <= 12800; n *= 2) {
        double *x = malloc((size_t)n * sizeof *x), density[BINS], peak = 0;
        uint64_t seed = 11;
        for (int i = 0; i < n; i++) x[i] = normal(&seed);
        struct ff_density_axis axis;
        ff_ctx ctx = {0};
        assert_int_equal(ff_density_axis_init(&axis, x, n, NAN, &ctx), FF_OK);
        assert_int_equal(ff_density_1d(density, BINS, &axis, &ctx), FF_OK);
        for (int i = 0; i < BINS; i++) peak = fmax(peak, density[i]);
        for (int i = 1; i < BINS; i++) {
            double jump = fabs(density[i] - density[i - 1]) / peak;
            if (jump > 0.05) fail_msg("%d samples: a jump of %g of the peak at bin %d, expected < 0.05", n, jump, i);
        }
        free(x);
    }
}

static void ticks_are_round_inside_and_few(void **state)
{
    (void)state;
    double ranges[][2] = {{0, 1},     {-0.034, 0.034},    {0.2, 0.33}, {149.4, 150.8},
                          {-2, -0.3}, {0.04911, 0.04917}, {1e7, 3e7}};
    for (size_t k = 0; k < sizeof ranges / sizeof *ranges; k++) {
        for (int most = 2; most <= 10; most++) {
            struct ff_ticks ticks;
            ff_ticks_choose(&ticks, ranges[k][0], ranges[k][1], most);
            if (ticks.n < 1 || ticks.n > most + 1)
                fail_msg("range %zu: %d ticks, at most %d wanted", k, ticks.n, most + 1);
            for (int i = 0; i < ticks.n; i++) {
                double slack = 1e-6 * (ranges[k][1] - ranges[k][0]);
                assert_true(ticks.at[i] >= ranges[k][0] - slack && ticks.at[i] <= ranges[k][1] + slack);
                double read = strtod(ticks.label[i], NULL);
                if (fabs(read - ticks.at[i]) > 1e-3 * fabs(ticks.at[i]) + slack) {
                    fail_msg("label '%s' of a tick at %.12g", ticks.label[i], ticks.at[i]);
                }
            }
        }
    }
    char label[FF_LABEL_SIZE];
    ff_number_label(label, -0.0001, 2);
    assert_string_equal(label, "0.00");
    assert_int_equal(ff_number_decimals(0.0213), 3);
    assert_int_equal(ff_number_decimals(21.3), 0);
}

static void every_printable_character_has_strokes_in_its_box(void **state)
{
    (void)state;
    for (char c = 33; c < 127; c++) {
        struct ff_stroke strokes[FF_FONT_STROKES];
        double advance;
        int n = ff_font_glyph(c, strokes, &advance);
        if (n < 1 || n >= FF_FONT_STROKES) fail_msg("'%c' has %d strokes", c, n);
        for (int k = 0; k < n; k++) {
            double low = fmin(strokes[k].y0, strokes[k].y1), high = fmax(strokes[k].y0, strokes[k].y1);
            double left = fmin(strokes[k].x0, strokes[k].x1), right = fmax(strokes[k].x0, strokes[k].x1);
            if (low < -FF_FONT_DESCENT - 0.01 || high > 31.01 || left < -2.01 || right > advance - 2) {
                fail_msg("'%c' reaches x %g..%g y %g..%g, advance %g", c, left, right, low, high, advance);
            }
        }
    }
    struct ff_stroke strokes[FF_FONT_STROKES], question[FF_FONT_STROKES];
    double advance;
    int n = ff_font_glyph('\x80', strokes, &advance), m = ff_font_glyph('?', question, &advance);
    assert_int_equal(n, m);
}

int main(void)
{
    cmocka_set_message_output(CM_OUTPUT_TAP);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(map_shows_large_x_at_the_left_and_large_y_at_the_top),
        cmocka_unit_test(map_of_every_size_is_drawn_and_masked_pixels_are_grey),
        cmocka_unit_test(impossible_maps_and_places_are_refused),
        cmocka_unit_test(corner_draws_regions_and_truth_for_1_to_8_parameters),
        cmocka_unit_test(corner_refuses_samples_it_cannot_draw_and_names_them),
        cmocka_unit_test(a_constant_parameter_is_drawn),
        cmocka_unit_test(levels_enclose_their_share_of_gaussian_samples),
        cmocka_unit_test(density_of_uniform_samples_does_not_sag_at_the_edges),
        cmocka_unit_test(density_of_normal_samples_fades_out_smoothly),
        cmocka_unit_test(ticks_are_round_inside_and_few),
        cmocka_unit_test(every_printable_character_has_strokes_in_its_box),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
