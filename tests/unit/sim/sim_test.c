/* Claims about the simulators as a whole: the Gaussian limit of the whitening, the marginal likelihood, statistics
** of the maps, precision, threads, refusals. */
#include "tests/unit/sim/sim_fixture.h"

static struct ff_sim_config config_of(enum ff_simulator simulator, enum ff_observable observable, int nbins, int npix,
                                      enum ff_precision precision)
{
    return (struct ff_sim_config){.simulator = simulator,
                                  .observable = observable,
                                  .variance = FF_VARIANCE_THEORY,
                                  .nbins = nbins,
                                  .npix = npix,
                                  .padding = 1,
                                  .size_deg = 3,
                                  .precision = precision,
                                  .threads = 1};
}

/* Gaussian field, even noise, no mask: y is N(0, 1) for any tables, and what remains of the density is the marginal
** likelihood. (Modes on the Nyquist lines of shear are whitened exactly too, but the marginal fit leaves them out.) */
static void check_gaussian_limit(enum ff_observable observable, int npix)
{
    ff_ctx ctx = {0};
    const struct ff_sim_config c = config_of(FF_SIM_GAUSSIAN, observable, 3, npix, FF_F64);
    ff_sim *s;
    OK(ff_sim_init(&s, &c, &ctx));
    struct tables t = tables_make(s, 3);
    struct data d = data_make(s, &c, false);
    OK(ff_sim_set_data(s, d.map, d.sd, &ctx));
    const long n = ff_sim_nlatent(s), ncl = (long)t.npairs * t.nell;
    double *y = take(n, sizeof *y), *bar = take(n, sizeof *bar), *cl = take(ncl, sizeof *cl), first = 0;
    struct bars bars = bars_make(&t);
    for (int trial = 0; trial < 3; trial++) {
        for (long k = 0; k < ncl; k++) t.cl[k] *= 1 + 0.3 * trial;
        for (int b = 0; b < 3; b++) t.gain[b] = 1 + 0.1 * trial * b;
        for (int i = 0; i < 3; i++)
            for (int j = i; j < 3; j++)
                for (int k = 0; k < t.nell; k++) {
                    const long at = ff_pair(3, i, j) * t.nell + k;
                    cl[at] = t.gain[i] * t.gain[j] * t.cl[at];
                }
        ff_rng_normals_f64(20, FF_RNG_TEST, (uint32_t)trial, 0, n, y, 1);
        struct ff_energy e;
        double worst = 0, logp, none;
        OK(ff_sim_set_tables(s, &t.view, &ctx));
        OK(ff_sim_energy(s, FF_WHITEN_WIENER, y, &e, bar, &bars.view, &ctx));
        for (long k = 0; k < n; k++) worst = fmax(worst, fabs(bar[k] + y[k]));
        expect_near("gradient + y", worst, 0, 1e-10);
        OK(ff_sim_marginal(s, cl, 0, NULL, &logp, &none, &none, &ctx));
        const double rest = total(e) + 0.5 * ff_dot_f64(y, y, n, 1) - logp;
        if (trial == 0) first = rest;
        expect_near("log density + |y|^2/2 - marginal", rest, first, 1e-9 * fabs(logp));
    }
    bars_done(&bars);
    tables_done(&t);
    data_done(&d);
    free(y), free(bar), free(cl);
    ff_sim_free(s);
}

static void whitened_gaussian_is_exactly_white(void **state)
{
    (void)state;
    check_gaussian_limit(FF_CONVERGENCE, 12);
    check_gaussian_limit(FF_CONVERGENCE, 15);
    check_gaussian_limit(FF_SHEAR, 15);
}

/* The marginal likelihood's gradient against differences, its Fisher matrix against the mean curvature's symmetry
** and its definition for one parameter: an overall amplitude. */
static void marginal_gradient_and_fisher_are_right(void **state)
{
    (void)state;
    ff_ctx ctx = {0};
    const struct ff_sim_config c = config_of(FF_SIM_LOGNORMAL, FF_CONVERGENCE, 3, 16, FF_F64);
    ff_sim *s;
    OK(ff_sim_init(&s, &c, &ctx));
    struct tables t = tables_make(s, 3);
    struct data d = data_make(s, &c, true);
    OK(ff_sim_set_data(s, d.map, d.sd, &ctx));
    const long ncl = (long)t.npairs * t.nell;
    enum { NPAR = 3 };
    double *dcl = take(NPAR * ncl, sizeof *dcl), *cl = take(ncl, sizeof *cl), logp, gradient[NPAR], fisher[NPAR * NPAR];
    for (long a = 0; a < NPAR; a++)
        for (long k = 0; k < ncl; k++)
            dcl[a * ncl + k] =
                t.cl[k] * (a == 0 ? 1 : 2 * ff_rng_uniform(1, FF_RNG_TEST, (uint32_t)a, (uint64_t)k) - 1);
    OK(ff_sim_marginal(s, t.cl, NPAR, dcl, &logp, gradient, fisher, &ctx));
    for (int a = 0; a < NPAR; a++) {
        const double eps = 1e-4;
        double value[2], none;
        for (int i = 0; i < 2; i++) {
            for (long k = 0; k < ncl; k++) cl[k] = t.cl[k] + (i ? eps : -eps) * dcl[a * ncl + k];
            OK(ff_sim_marginal(s, cl, 0, NULL, &value[i], &none, &none, &ctx));
        }
        expect_near("marginal gradient", gradient[a], (value[1] - value[0]) / (2 * eps),
                    1e-6 * (1 + fabs(gradient[a])));
        for (int b = 0; b < NPAR; b++) {
            assert_true(fisher[a * NPAR + b] == fisher[b * NPAR + a]);
            assert_true(fabs(fisher[a * NPAR + b]) <= sqrt(fisher[a * NPAR + a] * fisher[b * NPAR + b]) * (1 + 1e-12));
        }
        assert_true(fisher[a * NPAR + a] > 0);
    }
    /* Far above the noise every one of the bins is a free amplitude: F = (1/2) sum of f m nbins. */
    for (long k = 0; k < ncl; k++) cl[k] = 1e6 * t.cl[k], dcl[k] = 1e6 * t.cl[k];
    OK(ff_sim_marginal(s, cl, 1, dcl, &logp, gradient, fisher, &ctx));
    double fraction = 0; /* of modes that are independent in data weighted by 1/sigma^2, mean of the bins */
    for (int b = 0; b < 3; b++) {
        double square = 0, fourth = 0;
        for (int k = 0; k < 256; k++)
            square += pow((double)d.sd[256 * b + k], -4), fourth += pow((double)d.sd[256 * b + k], -8);
        fraction += square * square / (256 * fourth) / 3;
    }
    expect_near("Fisher of a free amplitude", fisher[0], 0.5 * fraction * (16 * 16 - 1) * 3, 1e-3 * fisher[0]);
    tables_done(&t);
    data_done(&d);
    free(dcl), free(cl);
    ff_sim_free(s);
}

/* C_l in between the nodes, for a model with a feature as sharp as the matter power spectrum's. */
static double wiggly(double l)
{
    return model_cl(1, 0, 0, l) * (1 + 0.02 * sin(6 * log(l)));
}

/* Variance of a Gaussian simulator with a table is the sum of C_l over its modes: checks interpolation and scale at
** once. */
static void interpolation_is_right_to_2e_5(void **state)
{
    (void)state;
    ff_ctx ctx = {0};
    struct ff_sim_config c = config_of(FF_SIM_GAUSSIAN, FF_CONVERGENCE, 1, 256, FF_F64);
    c.size_deg = 10;
    ff_sim *s;
    int nell;
    OK(ff_sim_init(&s, &c, &ctx));
    const double *ell = ff_sim_ell(s, &nell), side = 10 * M_PI / 180;
    assert_in_range(nell, 40, 96);
    expect_near("lowest node", ell[0], 36, 1e-9);
    expect_near("highest node", ell[nell - 1], 36 * 128 * M_SQRT2, 1e-6);
    struct data d = data_make(s, &c, false);
    for (long k = 0; k < ff_sim_nobs(s); k++) d.map[k] = 0, d.sd[k] = 1e-6f; /* no noise: log p = -sum ln C/2 */
    OK(ff_sim_set_data(s, d.map, d.sd, &ctx));
    double *cl = take(nell, sizeof *cl), *dcl = take(nell, sizeof *dcl), logp, gradient, fisher, expected = 0;
    for (int k = 0; k < nell; k++) cl[k] = wiggly(ell[k]);
    OK(ff_sim_marginal(s, cl, 0, dcl, &logp, &gradient, &fisher, &ctx));
    const double area = side * side / (256.0 * 256.0), noise = (double)1e-6f * (double)1e-6f;
    double squares = 0;
    for (int y = -127; y <= 128; y++)
        for (int x = -127; x <= 128; x++) {
            if (x == 0 && y == 0) continue;
            expected -= 0.5 * log(wiggly(36 * hypot(x, y)) / area + noise);
            squares += 1;
        }
    expect_near("mean ln C_l of the modes", logp / squares, expected / squares, 0.5 * 2e-5);
    free(cl), free(dcl);
    data_done(&d);
    ff_sim_free(s);
}

/* Runs an energy with all gradients; returns the total. */
static double full_energy(ff_sim *s, const struct tables *t, enum ff_whiten whiten, const void *y, void *bar,
                          struct bars *bars)
{
    ff_ctx ctx = {0};
    struct ff_energy e;
    OK(ff_sim_set_tables(s, &t->view, &ctx));
    OK(ff_sim_energy(s, whiten, y, &e, bar, &bars->view, &ctx));
    return total(e);
}

static void bits_do_not_depend_on_threads(void **state)
{
    (void)state;
    ff_ctx ctx = {0};
    for (int kind = 0; kind < 4; kind++) {
        struct ff_sim_config c =
            config_of(FF_SIM_LOGNORMAL, kind < 2 ? FF_CONVERGENCE : FF_REDUCED_SHEAR, 3, 30, FF_F32);
        c.variance = kind % 2 ? FF_VARIANCE_EMPIRICAL : FF_VARIANCE_THEORY;
        float *keep = NULL, *keep_obs = NULL;
        double keep_total = 0, keep_cl = 0;
        for (int threads = 1; threads <= 3; threads++) {
            ff_sim *s;
            c.threads = threads;
            OK(ff_sim_init(&s, &c, &ctx));
            struct tables t = tables_make(s, 3);
            struct data d = data_make(s, &c, true);
            struct bars bars = bars_make(&t);
            const long n = ff_sim_nlatent(s), m = ff_sim_nobs(s);
            float *y = take(n, sizeof *y), *bar = take(n, sizeof *bar), *obs = take(m, sizeof *obs);
            OK(ff_sim_set_data(s, d.map, d.sd, &ctx));
            ff_sim_draw_latent(s, 5, FF_RNG_TEST, 0, y);
            const double value = full_energy(s, &t, FF_WHITEN_WIENER, y, bar, &bars);
            const double cl = ff_sum_f64(bars.cl, (long)t.npairs * t.nell, 1);
            OK(ff_sim_forward(s, y, NULL, obs, &ctx));
            if (threads == 1) {
                keep = bar, keep_obs = obs, keep_total = value, keep_cl = cl;
            } else {
                assert_true(value == keep_total && cl == keep_cl);
                assert_memory_equal(bar, keep, (size_t)n * sizeof *bar);
                assert_memory_equal(obs, keep_obs, (size_t)m * sizeof *obs);
                free(bar), free(obs);
            }
            free(y);
            bars_done(&bars), data_done(&d), tables_done(&t);
            ff_sim_free(s);
        }
        free(keep), free(keep_obs);
    }
}

static double relative(const double *a, const double *b, long n)
{
    double difference = 0, size = 0;
    for (long k = 0; k < n; k++) difference += (a[k] - b[k]) * (a[k] - b[k]), size += b[k] * b[k];
    return sqrt(difference / size);
}

static void float_agrees_with_double(void **state)
{
    (void)state;
    ff_ctx ctx = {0};
    for (int observable = 0; observable < 3; observable++)
        for (int whiten = 0; whiten < 2; whiten++) {
            double *bar[2], *cl[2], value[2];
            long n = 0, ncl = 0;
            for (int p = 0; p < 2; p++) {
                ff_sim *s;
                const struct ff_sim_config c =
                    config_of(FF_SIM_LOGNORMAL, (enum ff_observable)observable, 3, 48, p ? FF_F64 : FF_F32);
                OK(ff_sim_init(&s, &c, &ctx));
                struct tables t = tables_make(s, 3);
                struct data d = data_make(s, &c, true);
                struct bars bars = bars_make(&t);
                n = ff_sim_nlatent(s), ncl = (long)t.npairs * t.nell;
                void *y = take(n, 8), *out = take(n, 8);
                OK(ff_sim_set_data(s, d.map, d.sd, &ctx));
                ff_sim_draw_latent(s, 5, FF_RNG_TEST, 0, y);
                value[p] = full_energy(s, &t, (enum ff_whiten)whiten, y, out, &bars);
                bar[p] = take(n, sizeof(double)), cl[p] = bars.cl, bars.cl = NULL;
                for (long k = 0; k < n; k++) bar[p][k] = p ? ((double *)out)[k] : (double)((float *)out)[k];
                free(y), free(out);
                bars_done(&bars), data_done(&d), tables_done(&t);
                ff_sim_free(s);
            }
            expect_near("float - double, log density", value[0], value[1], 1e-5 * fabs(value[1]));
            expect_near("float - double, latent gradient", relative(bar[0], bar[1], n), 0, 1e-5);
            expect_near("float - double, table gradient", relative(cl[0], cl[1], ncl), 0, 1e-4);
            for (int p = 0; p < 2; p++) free(bar[p]), free(cl[p]);
        }
}

static void latents_agree_across_sides_on_large_scales(void **state)
{
    (void)state;
    ff_ctx ctx = {0};
    ff_sim *small, *large;
    const struct ff_sim_config a = config_of(FF_SIM_GAUSSIAN, FF_CONVERGENCE, 2, 16, FF_F64),
                               b = config_of(FF_SIM_GAUSSIAN, FF_CONVERGENCE, 2, 40, FF_F64);
    OK(ff_sim_init(&small, &a, &ctx));
    OK(ff_sim_init(&large, &b, &ctx));
    double *z = take(ff_sim_nlatent(small), sizeof *z), *w = take(ff_sim_nlatent(large), sizeof *w);
    ff_sim_draw_latent(small, 3, FF_RNG_LATENT, 4, z);
    ff_sim_draw_latent(large, 3, FF_RNG_LATENT, 4, w);
    for (int bin = 0; bin < 2; bin++)
        for (int y = -7; y <= 7; y++)
            for (int x = 0; x < 8; x++)
                for (int part = 0; part < 2; part++) {
                    const long i = (((long)bin * 16 + (y + 16) % 16) * 9 + x) * 2 + part;
                    const long j = (((long)bin * 40 + (y + 40) % 40) * 21 + x) * 2 + part;
                    assert_true(z[i] == w[j]);
                }
    free(z), free(w);
    ff_sim_free(small), ff_sim_free(large);
}

static void what_cannot_be_is_refused(void **state)
{
    (void)state;
    ff_ctx ctx = {0};
    ff_sim *s;
    const struct ff_sim_config good = config_of(FF_SIM_LOGNORMAL, FF_CONVERGENCE, 2, 16, FF_F32);
    struct ff_sim_config bad[] = {good, good, good, good, good, good, good};
    bad[0].npix = 14, bad[1].npix = 1000000000, bad[2].nbins = 17, bad[3].padding = 3, bad[4].size_deg = -1;
    bad[5].l_max = 10, bad[6].simulator = FF_SIM_LPT;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        s = (ff_sim *)&bad;
        assert_int_not_equal(ff_sim_init(&s, &bad[i], &ctx), FF_OK);
        assert_null(s);
        assert_true(strlen(ctx.message) > 0);
    }
    OK(ff_sim_init(&s, &good, &ctx));
    struct tables t = tables_make(s, 2);
    struct data d = data_make(s, &good, false);
    float *y = take(ff_sim_nlatent(s), sizeof *y);
    struct ff_energy e;
    assert_int_equal(ff_sim_forward(s, y, NULL, NULL, &ctx), FF_EBUG); /* no tables yet */
    OK(ff_sim_set_tables(s, &t.view, &ctx));
    assert_int_equal(ff_sim_energy(s, FF_WHITEN_NONE, y, &e, NULL, NULL, &ctx), FF_EBUG); /* no data yet */
    const float keep = d.sd[3];
    d.sd[3] = 0;
    assert_int_equal(ff_sim_set_data(s, d.map, d.sd, &ctx), FF_EBADFILE);
    d.sd[3] = keep, d.map[3] = NAN;
    assert_int_equal(ff_sim_set_data(s, d.map, d.sd, &ctx), FF_EBADFILE);
    d.sd[3] = INFINITY;
    OK(ff_sim_set_data(s, d.map, d.sd, &ctx));
    for (long k = 0; k < 256; k++) d.sd[k] = INFINITY;
    assert_int_equal(ff_sim_set_data(s, d.map, d.sd, &ctx), FF_EBADFILE);
    t.shift[0] = 0;
    assert_int_equal(ff_sim_set_tables(s, &t.view, &ctx), FF_EOUTSIDE);
    t.shift[0] = 0.006, t.cl[5] = -1e-9;
    assert_int_equal(ff_sim_set_tables(s, &t.view, &ctx), FF_EOUTSIDE);
    t.cl[5] = NAN;
    assert_int_equal(ff_sim_set_tables(s, &t.view, &ctx), FF_EOUTSIDE);
    assert_int_equal(ff_sim_forward(s, y, NULL, NULL, &ctx), FF_EBUG); /* the last tables were refused */
    free(y);
    data_done(&d), tables_done(&t);
    ff_sim_free(s);
    ff_sim_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whitened_gaussian_is_exactly_white),
        cmocka_unit_test(marginal_gradient_and_fisher_are_right),
        cmocka_unit_test(interpolation_is_right_to_2e_5),
        cmocka_unit_test(bits_do_not_depend_on_threads),
        cmocka_unit_test(float_agrees_with_double),
        cmocka_unit_test(latents_agree_across_sides_on_large_scales),
        cmocka_unit_test(what_cannot_be_is_refused),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
