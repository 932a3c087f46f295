/* Every gradient against central differences in double, for every combination of model, observable, variance, padding,
** mask and coordinates; and the exactness of the whitened coordinates. */
#include "tests/unit/sim/sim_fixture.h"

struct setup {
    struct ff_sim_config config;
    bool uneven;
};

static char label[160];

static const char *name_of(const struct setup *u, const char *what)
{
    static const char *const observables[] = {"convergence", "shear", "reduced shear"};
    snprintf(label, sizeof label, "%s (%s, %s, %s variance, npix %d, padding %d, %s)", what,
             u->config.simulator == FF_SIM_GAUSSIAN ? "gaussian" : "log-normal", observables[u->config.observable],
             u->config.variance == FF_VARIANCE_THEORY ? "theory" : "own", u->config.npix, u->config.padding,
             u->uneven ? "masked" : "full");
    return label;
}

/* Moves tables along a fixed direction of relative changes, by eps: which: 0 cl, 1 shift, 2 gain. */
static double table_direction(int which, long k)
{
    return (which == 0 ? 0.4 : 0.5) * (2 * ff_rng_uniform(3, FF_RNG_TEST, (uint32_t)which, (uint64_t)k) - 1);
}

static double *table_of(struct tables *t, int which, long *n)
{
    *n = which == 0 ? (long)t->npairs * t->nell : t->nbins;
    return which == 0 ? t->cl : which == 1 ? t->shift : t->gain;
}

static double energy_at(ff_sim *s, const struct tables *t, enum ff_whiten whiten, const double *y)
{
    ff_ctx ctx = {0};
    struct ff_energy e;
    OK(ff_sim_set_tables(s, &t->view, &ctx));
    OK(ff_sim_energy(s, whiten, y, &e, NULL, NULL, &ctx));
    return total(e);
}

/* 1e-7 of the slope, and the rounding of the values that the difference is made of. */
static double tolerance_of(double slope, double value)
{
    return 1e-7 * fabs(slope) + 2e-8 + 2e-11 * fabs(value);
}

static void check_energy(const struct setup *u, ff_sim *s, struct tables *t, enum ff_whiten whiten)
{
    ff_ctx ctx = {0};
    const long n = ff_sim_nlatent(s);
    double *y = take(n, sizeof *y), *d = take(n, sizeof *d), *at = take(n, sizeof *at), *grad = take(n, sizeof *grad);
    struct bars bars = bars_make(t);
    struct ff_energy e;
    ff_rng_normals_f64(1, FF_RNG_TEST, 0, 0, n, y, 1);
    ff_rng_normals_f64(2, FF_RNG_TEST, 0, 0, n, d, 1);
    for (long k = 0; k < n; k++) y[k] *= 0.8;
    OK(ff_sim_set_tables(s, &t->view, &ctx));
    OK(ff_sim_energy(s, whiten, y, &e, grad, &bars.view, &ctx));
    const double slope = ff_dot_f64(grad, d, n, 1), eps = 1e-4;
    double value[4];
    for (int i = 0; i < 4; i++) {
        static const double step[4] = {-2, -1, 1, 2};
        for (long k = 0; k < n; k++) at[k] = y[k] + eps * step[i] * d[k];
        value[i] = energy_at(s, t, whiten, at);
    }
    /* five-point difference: error of order eps^4 */
    double difference = (8 * (value[2] - value[1]) - (value[3] - value[0])) / (12 * eps);
    expect_near(name_of(u, whiten ? "latent, wiener" : "latent, white"), slope, difference,
                tolerance_of(slope, total(e)));
    for (int which = 0; which < 3; which++) {
        if (which == 1 && u->config.simulator == FF_SIM_GAUSSIAN) continue;
        static const char *const names[2][3] = {{"cl, white", "shift, white", "gain, white"},
                                                {"cl, wiener", "shift, wiener", "gain, wiener"}};
        long size;
        double *table = table_of(t, which, &size), *keep = take(size, sizeof *keep), table_slope = 0;
        const double *bar = which == 0 ? bars.cl : which == 1 ? bars.shift : bars.gain;
        memcpy(keep, table, (size_t)size * sizeof *keep);
        for (long k = 0; k < size; k++) table_slope += bar[k] * table_direction(which, k) * keep[k];
        for (int i = 0; i < 4; i++) {
            static const double step[4] = {-2, -1, 1, 2};
            for (long k = 0; k < size; k++) table[k] = keep[k] * (1 + 5 * eps * step[i] * table_direction(which, k));
            value[i] = energy_at(s, t, whiten, y);
        }
        memcpy(table, keep, (size_t)size * sizeof *keep);
        difference = (8 * (value[2] - value[1]) - (value[3] - value[0])) / (12 * 5 * eps);
        expect_near(name_of(u, names[whiten][which]), table_slope, difference, tolerance_of(table_slope, total(e)));
        free(keep);
    }
    bars_done(&bars);
    free(y), free(d), free(at), free(grad);
}

/* <obs_bar, d obs> along directions in z and the tables, against the adjoint. */
static void check_vjp(const struct setup *u, ff_sim *s, struct tables *t)
{
    ff_ctx ctx = {0};
    const long n = ff_sim_nlatent(s), m = ff_sim_nobs(s);
    double *z = take(n, sizeof *z), *d = take(n, sizeof *d), *at = take(n, sizeof *at), *z_bar = take(n, sizeof *z_bar);
    double *obs = take(m, sizeof *obs), *bar = take(m, sizeof *bar);
    struct bars bars = bars_make(t);
    ff_rng_normals_f64(4, FF_RNG_TEST, 0, 0, n, z, 1);
    ff_rng_normals_f64(5, FF_RNG_TEST, 0, 0, n, d, 1);
    ff_rng_normals_f64(6, FF_RNG_TEST, 0, 0, m, bar, 1);
    OK(ff_sim_set_tables(s, &t->view, &ctx));
    OK(ff_sim_vjp(s, z, bar, z_bar, &bars.view, &ctx));
    long size[3];
    double *table[3], *keep[3], slope = ff_dot_f64(z_bar, d, n, 1);
    for (int which = 0; which < 3; which++) {
        table[which] = table_of(t, which, &size[which]);
        keep[which] = take(size[which], sizeof(double));
        memcpy(keep[which], table[which], (size_t)size[which] * sizeof(double));
        const double *b = which == 0 ? bars.cl : which == 1 ? bars.shift : bars.gain;
        for (long k = 0; k < size[which]; k++) slope += b[k] * table_direction(which, k) * keep[which][k];
    }
    const double eps = 1e-4;
    double value[4];
    for (int i = 0; i < 4; i++) {
        static const double step[4] = {-2, -1, 1, 2};
        for (long k = 0; k < n; k++) at[k] = z[k] + eps * step[i] * d[k];
        for (int which = 0; which < 3; which++)
            for (long k = 0; k < size[which]; k++)
                table[which][k] = keep[which][k] * (1 + eps * step[i] * table_direction(which, k));
        OK(ff_sim_set_tables(s, &t->view, &ctx));
        OK(ff_sim_forward(s, at, NULL, obs, &ctx));
        value[i] = ff_dot_f64(obs, bar, m, 1);
    }
    const double difference = (8 * (value[2] - value[1]) - (value[3] - value[0])) / (12 * eps);
    expect_near(name_of(u, "vjp"), slope, difference, 1e-8 * (fabs(slope) + 1));
    for (int which = 0; which < 3; which++) {
        memcpy(table[which], keep[which], (size_t)size[which] * sizeof(double));
        free(keep[which]);
    }
    bars_done(&bars);
    free(z), free(d), free(at), free(z_bar), free(obs), free(bar);
}

/* log p(d, y) - logdet is the white density at z(y), and whiten(unwhiten(y)) = y. */
static void check_coordinates(const struct setup *u, ff_sim *s, struct tables *t)
{
    ff_ctx ctx = {0};
    const long n = ff_sim_nlatent(s);
    double *y = take(n, sizeof *y), *z = take(n, sizeof *z), *back = take(n, sizeof *back), worst = 0;
    struct ff_energy white, whitened;
    ff_rng_normals_f64(8, FF_RNG_TEST, 0, 0, n, y, 1);
    OK(ff_sim_set_tables(s, &t->view, &ctx));
    OK(ff_sim_unwhiten(s, y, z, &ctx));
    OK(ff_sim_whiten(s, z, back, &ctx));
    for (long k = 0; k < n; k++) worst = fmax(worst, fabs(back[k] - y[k]));
    expect_near(name_of(u, "whiten(unwhiten(y)) - y"), worst, 0, 1e-11);
    OK(ff_sim_energy(s, FF_WHITEN_WIENER, y, &whitened, NULL, NULL, &ctx));
    OK(ff_sim_energy(s, FF_WHITEN_NONE, z, &white, NULL, NULL, &ctx));
    expect_near(name_of(u, "log-likelihood at z(y)"), whitened.loglike, white.loglike, 1e-10 * fabs(white.loglike));
    expect_near(name_of(u, "log prior at z(y)"), whitened.logprior, white.logprior, 1e-10 * fabs(white.logprior));
    assert_true(whitened.logdet < 0 && white.logdet == 0);
    free(y), free(z), free(back);
}

static void run(const struct setup *u)
{
    ff_ctx ctx = {0};
    ff_sim *s;
    OK(ff_sim_init(&s, &u->config, &ctx));
    struct tables t = tables_make(s, u->config.nbins);
    struct data d = data_make(s, &u->config, u->uneven);
    OK(ff_sim_set_data(s, d.map, d.sd, &ctx));
    check_vjp(u, s, &t);
    check_energy(u, s, &t, FF_WHITEN_NONE);
    check_energy(u, s, &t, FF_WHITEN_WIENER);
    check_coordinates(u, s, &t);
    data_done(&d);
    tables_done(&t);
    ff_sim_free(s);
}

static void run_all(enum ff_observable observable)
{
    static const int sides[] = {12, 15, 16};
    for (int simulator = 0; simulator < 2; simulator++)
        for (int variance = 0; variance < 2; variance++)
            for (int padding = 1; padding <= 2; padding++)
                for (int i = 0; i < 3; i++)
                    for (int uneven = 0; uneven < 2; uneven++) {
                        if (simulator == FF_SIM_GAUSSIAN && variance) continue;
                        const struct setup u = {{.simulator = (enum ff_simulator)simulator,
                                                 .observable = observable,
                                                 .variance = (enum ff_variance)variance,
                                                 .nbins = 1 + i,
                                                 .npix = sides[i],
                                                 .padding = padding,
                                                 .size_deg = 3,
                                                 .l_max = i == 2 && uneven ? 700 : 0,
                                                 .precision = FF_F64,
                                                 .threads = 1},
                                                uneven};
                        run(&u);
                    }
}

static void gradients_of_convergence_are_exact(void **state)
{
    (void)state;
    run_all(FF_CONVERGENCE);
}

static void gradients_of_shear_are_exact(void **state)
{
    (void)state;
    run_all(FF_SHEAR);
}

static void gradients_of_reduced_shear_are_exact(void **state)
{
    (void)state;
    run_all(FF_REDUCED_SHEAR);
}

static void gradients_of_many_bins_are_exact(void **state)
{
    (void)state;
    static const int bins[] = {5, 7};
    for (int i = 0; i < 2; i++) {
        const struct setup u = {{.simulator = FF_SIM_LOGNORMAL,
                                 .observable = FF_CONVERGENCE,
                                 .variance = FF_VARIANCE_THEORY,
                                 .nbins = bins[i],
                                 .npix = 10,
                                 .padding = 1,
                                 .size_deg = 3,
                                 .precision = FF_F64,
                                 .threads = 2},
                                true};
        run(&u);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_of_convergence_are_exact),
        cmocka_unit_test(gradients_of_shear_are_exact),
        cmocka_unit_test(gradients_of_reduced_shear_are_exact),
        cmocka_unit_test(gradients_of_many_bins_are_exact),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
