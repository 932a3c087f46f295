/* tests/unit/theta/prior_test.c - the whole prior of the LSST-Y10 preset, and worse: finite tables or a clear flag. */
#include "tests/unit/theta/support.h"

enum { NELL = 16, DRAWS = 2000 };

static double normal(double mean, double sd, double low, double high)
{
    for (;;) {
        double x = mean + sd * sqrt(-2 * log(uniform())) * cos(2 * M_PI * uniform());
        if (x > low && x < high) return x;
    }
}

static ff_theta *theory;
static struct ff_tables tables;

static int setup(void **state)
{
    (void)state;
    static struct ff_sources s;
    s = lsst_sources();
    double ell[NELL];
    for (int i = 0; i < NELL; i++) ell[i] = 25 * pow(800, i / (NELL - 1.));
    struct ff_theta_config c = {.sources = &s,
                                .nell = NELL,
                                .ell = ell,
                                .want_shift = true,
                                .shift_kind = FF_SHIFT_PERTURBATION,
                                .pixel_rad = 10. / 256 * M_PI / 180};
    ff_ctx ctx = {0};
    return ff_theta_init(&theory, &c, &ctx) || ff_tables_init(&tables, theory, true, &ctx);
}

static int teardown(void **state)
{
    (void)state;
    ff_tables_done(&tables);
    ff_theta_free(theory);
    return 0;
}

/* Evaluates; inside means finite, positive autos and shifts; outside means a reason. */
static bool finite_or_flagged(const double *theta)
{
    ff_ctx ctx = {0};
    check_ok(ff_theta_eval(theory, theta, &tables, &ctx), &ctx);
    if (!tables.inside) {
        assert_non_null(tables.why);
        return false;
    }
    assert_null(tables.why);
    int size = tables.npairs * NELL;
    for (int i = 0; i < size * tables.npars; i++) assert_true(isfinite(tables.dcl[i]));
    for (int i = 0; i < size; i++) assert_true(isfinite(tables.cl[i]));
    for (int i = 0; i < NBINS * tables.npars; i++) assert_true(isfinite(tables.dshift[i]));
    for (int b = 0; b < NBINS; b++) {
        assert_true(isfinite(tables.shift[b]) && tables.shift[b] > 0);
        for (int i = 0; i < NELL; i++) assert_true(tables.cl[ff_pair(NBINS, b, b) * NELL + i] > 0);
    }
    return true;
}

static void prior_draws(void **state)
{
    (void)state;
    int inside = 0;
    for (int i = 0; i < DRAWS; i++) {
        double theta[NPARS];
        fiducial(NBINS, theta);
        theta[FF_OMEGA_C] = normal(.2664, .2, 0, INFINITY);
        theta[FF_OMEGA_B] = normal(.0492, .006, 0, INFINITY);
        theta[FF_SIGMA8] = normal(.831, .14, 0, INFINITY);
        theta[FF_H] = normal(.6727, .063, 0, INFINITY);
        theta[FF_N_S] = normal(.9645, .08, -INFINITY, INFINITY);
        theta[FF_W0] = normal(-1, .9, -2, -.3);
        inside += finite_or_flagged(theta);
    }
    print_message("# %d of %d draws of the prior inside the model\n", inside, (int)DRAWS);
    assert_int_equal(inside, DRAWS);
}

/* A box far wider than any prior: either finite or flagged, never NaN. */
static void wild_draws(void **state)
{
    (void)state;
    int inside = 0, draws = 300;
    for (int i = 0; i < draws; i++) {
        double theta[NPARS];
        wild(theta);
        ff_ctx ctx = {0};
        check_ok(ff_theta_eval(theory, theta, &tables, &ctx), &ctx);
        inside += tables.inside;
        assert_true(tables.inside == (tables.why == NULL));
        for (int k = 0; tables.inside && k < tables.npairs * NELL * tables.npars; k++)
            assert_true(isfinite(tables.dcl[k]));
        for (int k = 0; tables.inside && k < NBINS * tables.npars; k++) assert_true(isfinite(tables.dshift[k]));
    }
    print_message("# %d of %d wild draws inside the model\n", inside, draws);
    assert_in_range(inside, 1, draws - 1);
}

static void edges(void **state)
{
    (void)state;
    double theta[NPARS];
    const double small[] = {1e-2, 1e-3, 1e-5, 1e-8};
    for (int i = 0; i < 4; i++) {
        fiducial(NBINS, theta);
        theta[FF_OMEGA_C] = small[i];
        assert_true(finite_or_flagged(theta));
    }
    const struct {
        int par;
        double value;
        bool inside;
    } at[] = {
        {FF_OMEGA_C, 1.1, true},        {FF_H, .4, true},       {FF_W0, -2, true},      {FF_W0, -.3, true},
        {FF_OMEGA_C, 0, false},         {FF_OMEGA_B, 0, false}, {FF_SIGMA8, -1, false}, {FF_H, 0, false},
        {FF_Z0_IA, -1, false},          {FF_N_S, NAN, false},   {FF_WA, 50, false},     {FF_SIGMA8, INFINITY, false},
        {FF_NGLOBAL + NBINS, -5, false}};
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        fiducial(NBINS, theta);
        theta[at[i].par] = at[i].value;
        if (finite_or_flagged(theta) != at[i].inside)
            fail_msg("parameter %d at %g: inside %d (%s), expected %d", at[i].par, at[i].value, tables.inside,
                     tables.why ? tables.why : "", at[i].inside);
    }
}

/* Through the appearance of k_nl: C_l changes as its derivative says. */
static void no_jump(void **state)
{
    (void)state;
    double theta[NPARS], last[NELL] = {0}, slope[NELL] = {0}, last_x = 0;
    for (int i = 0; i <= 300; i++) {
        fiducial(NBINS, theta);
        double x = 0.25 * pow(0.02 / 0.25, i / 300.);
        theta[FF_SIGMA8] = x;
        assert_true(finite_or_flagged(theta));
        for (int l = 0; l < NELL; l++) {
            double value = log(tables.cl[l]), d = tables.dcl[FF_SIGMA8 * tables.npairs * NELL + l] / tables.cl[l];
            double rise = value - last[l], want = (x - last_x) * (d + slope[l]) / 2;
            if (i) check_close("change of lnC_l", rise, want, 0.02, fabs(want), __LINE__);
            last[l] = value;
            slope[l] = d;
        }
        last_x = x;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(prior_draws),
        cmocka_unit_test(wild_draws),
        cmocka_unit_test(edges),
        cmocka_unit_test(no_jump),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, setup, teardown);
}
