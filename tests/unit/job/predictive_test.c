/* Posterior-predictive checks: band powers are those of maps weighted by inverse variance. */
#include "tests/unit/job/job_helper.h"

#include "worker/core/rng.h"
#include "worker/job/predictive.h"

enum { NPIX = 32, PIXELS = NPIX * NPIX, NOBS = 2 * PIXELS, DRAWS = 600, MASKED = 37, HALF_MASKED = 500 };
static const double size_deg = 2;

struct fixture {
    struct ff_maps data;
    float map[NOBS], sd[NOBS];
};

/* Shear that is white noise of sd 1; two pixels are masked, one of them in its first component alone. */
static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    f->data = (struct ff_maps){.observable = FF_SHEAR,
                               .nbins = 1,
                               .ncomp = 2,
                               .npix = NPIX,
                               .size_deg = size_deg,
                               .map = f->map,
                               .noise_sd = f->sd};
    for (int i = 0; i < NOBS; i++) f->sd[i] = 1;
    f->sd[MASKED] = f->sd[PIXELS + MASKED] = f->sd[HALF_MASKED] = INFINITY;
    ff_rng_normals_f32(3, FF_RNG_TEST, 0, 0, NOBS, f->map, 1);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    free(*state);
    return 0;
}

static void weights_change_nothing_where_the_noise_is_uniform(void **state)
{
    struct fixture *f = *state;
    ff_ctx ctx = {0};
    struct ff_predictive p;
    for (int i = 0; i < NOBS; i++) f->sd[i] *= 0.3f;
    check_ok(ff_predictive_init(&p, &f->data, 1, &ctx), &ctx);
    float mask[PIXELS];
    for (int i = 0; i < PIXELS; i++) mask[i] = i != MASKED && i != HALF_MASKED;
    ff_spectra *masked;
    check_ok(ff_spectra_init(&masked, 1, NPIX, size_deg, p.nbands, NULL, mask, &ctx), &ctx);
    double e[FF_MAX_BANDS], b[FF_MAX_BANDS];
    ff_spectra_shear(masked, f->map, e, b);
    assert_memory_equal(p.data_e, e, (size_t)p.nbands * sizeof *e);
    assert_memory_equal(p.data_b, b, (size_t)p.nbands * sizeof *b);
    ff_spectra_free(masked);
    ff_predictive_done(&p);
}

/* Mean of the noise's total B power over that of white noise of sd 1, and the total's relative scatter over sqrt(2/modes). */
static void noise_power(const struct ff_maps *data, double *mean, double *scatter)
{
    static const float nothing[NOBS];
    ff_ctx ctx = {0};
    struct ff_predictive p;
    check_ok(ff_predictive_init(&p, data, 1, &ctx), &ctx);
    double sum = 0, square = 0, modes = 0;
    for (int l = 0; l < p.nbands; l++) modes += (double)ff_spectra_counts(p.spectra)[l];
    for (uint32_t d = 0; d < DRAWS; d++) {
        ff_predictive_add(&p, nothing, 1, d);
        double total = 0;
        for (int l = 0; l < p.nbands; l++) total += (double)ff_spectra_counts(p.spectra)[l] * p.noise_bb[l];
        sum += total, square += total * total;
    }
    const double pixel = size_deg * M_PI / 180 / NPIX, m = sum / DRAWS;
    *mean = m / (modes * pixel * pixel);
    *scatter = sqrt(square / DRAWS - m * m) / m / sqrt(2 / modes);
    ff_predictive_done(&p);
}

static void noisy_pixels_do_not_make_the_power(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 5; i++) f->sd[200 * i] = f->sd[PIXELS + 200 * i] = 100;
    double mean, scatter;
    noise_power(&f->data, &mean, &scatter);
    const double error = sqrt(2.0 / PIXELS / DRAWS);
    check_close("scatter of its total", scatter, 1, 5 / sqrt(2.0 * DRAWS)); /* unweighted: about 9 */
    check_close("B power of noise", mean, 1, 5 * error);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(weights_change_nothing_where_the_noise_is_uniform, set_up, tear_down),
        cmocka_unit_test_setup_teardown(noisy_pixels_do_not_make_the_power, set_up, tear_down),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
