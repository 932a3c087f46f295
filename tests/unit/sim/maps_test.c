/* What simulated maps are: their power is the C_l asked for, their variance and skewness are a log-normal field's,
** shear has no B mode and gives its convergence back. */
#include "tests/unit/sim/sim_fixture.h"

#include <complex.h>

#include "worker/sim/spectra.h"

enum { NBINS = 2, NPIX = 64, NBANDS = 5, NMAPS = 1500 };

static struct ff_sim_config config_of(enum ff_simulator simulator, enum ff_observable observable)
{
    return (struct ff_sim_config){.simulator = simulator,
                                  .observable = observable,
                                  .variance = FF_VARIANCE_THEORY,
                                  .nbins = NBINS,
                                  .npix = NPIX,
                                  .padding = 1,
                                  .size_deg = 5,
                                  .precision = FF_F32,
                                  .threads = 1};
}

/* Mean of the model's C_l over the modes of a band, as ff_spectra has them: off the Nyquist lines. */
static void expected_bands(const ff_spectra *p, double *out)
{
    const double *edges = ff_spectra_edges(p), fundamental = 360 / 5.0;
    for (int i = 0; i < NBINS; i++)
        for (int j = i; j < NBINS; j++)
            for (int b = 0; b < NBANDS; b++) {
                double sum = 0, count = 0;
                for (int y = -NPIX / 2 + 1; y < NPIX / 2; y++)
                    for (int x = -NPIX / 2 + 1; x < NPIX / 2; x++) {
                        const double l = fundamental * hypot(x, y);
                        if (!(l >= edges[b] && l < edges[b + 1]) || l == 0) continue;
                        sum += model_cl(NBINS, i, j, l), count++;
                    }
                out[ff_pair(NBINS, i, j) * NBANDS + b] = sum / count;
            }
}

static void power_of_maps_is_the_power_asked_for(void **state)
{
    (void)state;
    for (int simulator = 0; simulator < 2; simulator++) {
        ff_ctx ctx = {0};
        ff_sim *s;
        ff_spectra *p;
        const struct ff_sim_config c = config_of((enum ff_simulator)simulator, FF_CONVERGENCE);
        OK(ff_sim_init(&s, &c, &ctx));
        OK(ff_spectra_init(&p, NBINS, NPIX, 5, NBANDS, NULL, NULL, &ctx));
        struct tables t = tables_make(s, NBINS);
        OK(ff_sim_set_tables(s, &t.view, &ctx));
        enum { NPOWER = 3 * NBANDS };
        double power[NPOWER], mean[NPOWER] = {0}, square[NPOWER] = {0}, expected[NPOWER];
        float *z = take(ff_sim_nlatent(s), sizeof *z), *map = take(ff_sim_nmap(s), sizeof *map);
        double moment[NBINS][4] = {{0}};
        for (int k = 0; k < NMAPS; k++) {
            ff_sim_draw_latent(s, 77, FF_RNG_TEST, (uint32_t)k, z);
            OK(ff_sim_forward(s, z, map, NULL, &ctx));
            ff_spectra_convergence(p, map, power);
            for (int b = 0; b < NPOWER; b++) mean[b] += power[b] / NMAPS, square[b] += power[b] * power[b] / NMAPS;
            for (long x = 0; x < ff_sim_nmap(s); x++) {
                double *m = moment[x / (NPIX * NPIX)], v = (double)map[x];
                m[1] += v, m[2] += v * v, m[3] += v * v * v;
            }
        }
        expected_bands(p, expected);
        for (int b = 0; b < NPOWER; b++) {
            const double error = sqrt((square[b] - mean[b] * mean[b]) / NMAPS) / expected[b];
            const double tolerance = fmax(0.01, 4 * error);
            assert_true(tolerance < 0.08); /* the test can see something */
            expect_near("mean band power over C_l", mean[b] / expected[b], 1, tolerance);
        }
        for (int i = 0; i < NBINS && simulator == FF_SIM_LOGNORMAL; i++) {
            /* kappa + shift is log-normal: with w = e^var(f), variance shift^2 (w - 1), skewness (w + 2) sqrt(w - 1) */
            const double n = (double)NMAPS * NPIX * NPIX, *m = moment[i];
            const double variance = m[2] / n, skewness = m[3] / n / pow(variance, 1.5);
            const double w = 1 + variance / (t.shift[i] * t.shift[i]);
            expect_near("mean of the map in standard deviations", m[1] / n / sqrt(variance), 0, 0.02);
            expect_near("skewness over a log-normal field's", skewness / ((w + 2) * sqrt(w - 1)), 1, 0.05);
        }
        free(z), free(map);
        tables_done(&t);
        ff_spectra_free(p), ff_sim_free(s);
    }
}

static void shear_has_no_b_mode_and_the_power_of_convergence(void **state)
{
    (void)state;
    ff_ctx ctx = {0};
    ff_sim *s;
    ff_spectra *p;
    const struct ff_sim_config c = config_of(FF_SIM_LOGNORMAL, FF_SHEAR);
    OK(ff_sim_init(&s, &c, &ctx));
    OK(ff_spectra_init(&p, NBINS, NPIX, 5, NBANDS, NULL, NULL, &ctx));
    struct tables t = tables_make(s, NBINS);
    for (int b = 0; b < NBINS; b++) t.gain[b] = 1;
    OK(ff_sim_set_tables(s, &t.view, &ctx));
    const long n = ff_sim_nmap(s);
    float *z = take(ff_sim_nlatent(s), sizeof *z), *kappa = take(n, sizeof *kappa), *shear = take(2 * n, sizeof *shear);
    double ee[3 * NBANDS], bb[3 * NBANDS], kk[3 * NBANDS];
    ff_sim_draw_latent(s, 1, FF_RNG_TEST, 0, z);
    OK(ff_sim_forward(s, z, kappa, shear, &ctx));
    ff_spectra_convergence(p, kappa, kk);
    ff_spectra_shear(p, shear, ee, bb);
    for (int k = 0; k < 3 * NBANDS; k++) {
        expect_near("E power over convergence power", ee[k] / kk[k], 1, 1e-4);
        expect_near("B power over convergence power", bb[k] / kk[k], 0, 1e-4);
    }
    free(z), free(kappa), free(shear);
    tables_done(&t);
    ff_spectra_free(p), ff_sim_free(s);
}

/* The shear of one bin by the definition, as a complex sum over the full plane of frequencies: gamma(l) = ((l1^2 -
** l2^2) + 2 i l1 l2)/l^2 kappa(l), the second part zero on the Nyquist lines. */
static void naive_shear(int n, const double *kappa, complex double *gamma)
{
    for (int k = 0; k < n * n; k++) gamma[k] = 0;
    for (int ky = 0; ky < n; ky++)
        for (int kx = 0; kx < n; kx++) {
            const double l1 = kx <= n / 2 ? kx : kx - n, l2 = ky <= n / 2 ? ky : ky - n, l = hypot(l1, l2);
            const bool nyquist = 2 * kx == n || 2 * ky == n;
            if (l == 0) continue;
            complex double mode = 0;
            for (int k = 0; k < n * n; k++) mode += kappa[k] * cexp(-2 * M_PI * I * (ky * (k / n) + kx * (k % n)) / n);
            mode *= ((l1 * l1 - l2 * l2) + (nyquist ? 0 : 2 * I * l1 * l2)) / (l * l) / (n * n);
            for (int k = 0; k < n * n; k++) gamma[k] += mode * cexp(2 * M_PI * I * (ky * (k / n) + kx * (k % n)) / n);
        }
}

static void shear_equals_its_definition(void **state)
{
    (void)state;
    static const int sides[] = {8, 9};
    for (int i = 0; i < 2; i++) {
        ff_ctx ctx = {0};
        ff_sim *s;
        const int n = sides[i];
        for (int reduced = 0; reduced < 2; reduced++) {
            struct ff_sim_config c = config_of(FF_SIM_LOGNORMAL, reduced ? FF_REDUCED_SHEAR : FF_SHEAR);
            c.npix = n, c.nbins = 1, c.precision = FF_F64;
            OK(ff_sim_init(&s, &c, &ctx));
            struct tables t = tables_make(s, 1);
            OK(ff_sim_set_tables(s, &t.view, &ctx));
            double z[2 * 9 * 5], kappa[81], shear[2 * 81];
            complex double gamma[81];
            ff_sim_draw_latent(s, 1, FF_RNG_TEST, 0, z);
            OK(ff_sim_forward(s, z, kappa, shear, &ctx));
            naive_shear(n, kappa, gamma);
            for (int k = 0; k < n * n; k++) {
                const double factor = t.gain[0] / (reduced ? 1 - kappa[k] : 1);
                expect_near("first component", shear[k], factor * creal(gamma[k]), 1e-14);
                expect_near("second component", shear[n * n + k], factor * cimag(gamma[k]), 1e-14);
            }
            tables_done(&t);
            ff_sim_free(s);
        }
    }
}

/* Maps of a padded simulator are the corner of the large ones: same latents, same convergence. */
static void padded_maps_are_a_corner(void **state)
{
    (void)state;
    ff_ctx ctx = {0};
    struct ff_sim_config c = config_of(FF_SIM_LOGNORMAL, FF_CONVERGENCE), w = c;
    c.npix = NPIX / 2, c.padding = 2, c.size_deg = 2.5;
    ff_sim *corner, *whole;
    OK(ff_sim_init(&corner, &c, &ctx));
    OK(ff_sim_init(&whole, &w, &ctx));
    struct tables t = tables_make(whole, NBINS);
    OK(ff_sim_set_tables(corner, &t.view, &ctx));
    OK(ff_sim_set_tables(whole, &t.view, &ctx));
    float *z = take(ff_sim_nlatent(whole), sizeof *z), *a = take(ff_sim_nmap(corner), sizeof *a);
    float *b = take(ff_sim_nmap(whole), sizeof *b);
    assert_int_equal(ff_sim_nlatent(corner), ff_sim_nlatent(whole));
    ff_sim_draw_latent(whole, 1, FF_RNG_TEST, 0, z);
    OK(ff_sim_forward(corner, z, a, NULL, &ctx));
    OK(ff_sim_forward(whole, z, b, NULL, &ctx));
    for (int bin = 0; bin < NBINS; bin++)
        for (int y = 0; y < NPIX / 2; y++)
            for (int x = 0; x < NPIX / 2; x++)
                expect_near("pixel", (double)a[(bin * NPIX / 2 + y) * NPIX / 2 + x],
                            (double)b[(bin * NPIX + y) * NPIX + x], 1e-7);
    free(z), free(a), free(b);
    tables_done(&t);
    ff_sim_free(corner), ff_sim_free(whole);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(power_of_maps_is_the_power_asked_for),
        cmocka_unit_test(shear_equals_its_definition),
        cmocka_unit_test(shear_has_no_b_mode_and_the_power_of_convergence),
        cmocka_unit_test(padded_maps_are_a_corner),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
