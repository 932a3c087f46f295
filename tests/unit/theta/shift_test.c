/* tests/unit/theta/shift_test.c - log-normal shifts: perturbation theory against the reference numbers and its own
** definition, the table between its nodes and beyond them, given numbers. */
#include "tests/unit/theta/support.h"

static const double ell = 100;

static void evaluate(struct ff_theta_config c, const double *theta, struct ff_tables *out)
{
    ff_ctx ctx = {0};
    ff_theta *t = NULL;
    c.nell = 1;
    c.ell = &ell;
    c.want_shift = true;
    check_ok(ff_theta_init(&t, &c, &ctx), &ctx);
    check_ok(ff_tables_init(out, t, true, &ctx), &ctx);
    check_ok(ff_theta_eval(t, theta, out, &ctx), &ctx);
    assert_true(out->inside);
    ff_theta_free(t);
}

static void reference(void **state)
{
    (void)state;
    const double want[NBINS] = {.00521, .01517, .02866, .04963, .09815};
    struct ff_sources s = lsst_sources();
    struct ff_tables t;
    double theta[NPARS];
    fiducial(NBINS, theta);
    evaluate((struct ff_theta_config){.sources = &s, .pixel_rad = 10. / 256 * M_PI / 180}, theta, &t);
    for (int b = 0; b < NBINS; b++) CHECK_REL("shift", t.shift[b], want[b], 2e-3);
    ff_tables_done(&t);
}

/* Smoothed moments by brute force at a few redshifts: fine steps in ln k, the window as it is. */
static void moments(void **state)
{
    (void)state;
    struct ff_sources s = lsst_sources();
    const double edge[] = {0, 0.3, 1.5}, pixel = 10. / 256 * M_PI / 180, t = pixel / sqrt(M_PI);
    double theta[NPARS];
    fiducial(NBINS, theta);
    struct chain c;
    struct ff_shift shift;
    ff_ctx ctx = {0};
    chain_init(&c, &s, edge, 2, &ell, 1);
    chain_solve(&c, theta, true, false);
    check_ok(ff_shift_init(&shift, FF_SHIFT_PERTURBATION, pixel, NULL, NULL, &c.kernels, &c.pool, &ctx), &ctx);
    for (int i = 1; i < c.grid.n; i += 3) {
        ff_shift_row(&shift, &c.power, &c.state[i], i, false);
        double chi = c.bg.chi[i * FF_LANES], sum = 0, lin = 0, slope = 0;
        for (double lnk = log(1e-4); lnk < log(150 / (chi * t)); lnk += 0.002) {
            double k = exp(lnk), x = k * chi * t, w = 2 * j1(x) / x, row, linear, lnl = lnk + c.state[i].lnchi;
            struct ff_rows rows = {.p = &row, .lin = &linear};
            ff_rows_at(&c.power, &c.state[i], &lnl, 1, false, &rows);
            sum += 0.002 * k * k * row * w * w / (2 * M_PI);
            lin += 0.002 * k * k * linear * w * w;
            slope += 0.002 * k * k * linear * -4 * w * jn(2, x);
        }
        CHECK_REL("s2", shift.s2[i].v, sum, 3e-4);
        CHECK_REL("S3", shift.s3[i].v, 36. / 7 + 1.5 * slope / lin, 3e-4);
    }
    chain_done(&c);
}

/* A log-normal of variance v and shift lambda has third moment 3 v^2/lambda + v^3/lambda^3: that of the theory. */
static void third_moment(void **state)
{
    (void)state;
    struct ff_sources s = lsst_sources();
    const double edge[] = {0, 0.02, 0.06, 0.12, 0.2, 0.35, 0.6, 0.9, 1.3, 2, 3, 5, 10.3}, pixel = 0.002;
    double theta[NPARS], lambda[NBINS];
    fiducial(NBINS, theta);
    theta[FF_SIGMA8] = 1.2;
    struct chain c;
    struct ff_shift shift;
    ff_ctx ctx = {0};
    const struct ff_alignment ia = {.z0 = 0.62};
    chain_init(&c, &s, edge, 12, &ell, 1);
    chain_solve(&c, theta, true, false);
    ff_kernels_solve(&c.kernels, theta[FF_OMEGA_C] + theta[FF_OMEGA_B], &ia, theta + ff_par_dz(NBINS, 0));
    check_ok(ff_shift_init(&shift, FF_SHIFT_PERTURBATION, pixel, NULL, NULL, &c.kernels, &c.pool, &ctx), &ctx);
    for (int i = 0; i < c.grid.n; i++) ff_shift_row(&shift, &c.power, &c.state[i], i, false);
    assert_true(ff_shift_solve(&shift, &c.kernels, theta, lambda, NULL));
    for (int b = 0; b < NBINS; b++) {
        double var = 0, skew = 0, x = lambda[b];
        for (int i = 0; i < c.grid.n; i++) {
            double g = c.kernels.lens[(b * c.grid.n + i) * FF_G_LANES], path = c.grid.w[i] * c.bg.invh[i * FF_LANES];
            var += path * g * g * shift.s2[i].v;
            skew += path * pow(g, 3) * shift.s3[i].v * pow(shift.s2[i].v, 2);
        }
        CHECK_REL("third moment", 3 * var * var / x + pow(var / x, 3), skew, 1e-12);
    }
    chain_done(&c);
}

static double truth(double om, double s8, double w0, int bin)
{
    return (1 + bin) * (0.1 + 0.2 * om) * (1 + 0.3 * s8) * (2 + 0.1 * w0); /* trilinear: interpolation is exact */
}

static void table(void **state)
{
    (void)state;
    enum { N = 3 };
    double om[N] = {.1, .25, .6}, s8[N] = {.5, .8, 1.1}, w0[N] = {-2, -1, -.4}, value[N * N * N * NBINS];
    for (int i = 0; i < N * N * N * NBINS; i++)
        value[i] = truth(om[i / (N * N * NBINS)], s8[i / (N * NBINS) % N], w0[i / NBINS % N], i % NBINS);
    struct ff_shift_table t = {
        .nom = N, .ns8 = N, .nw0 = N, .nbins = NBINS, .omega_m = om, .sigma8 = s8, .w0 = w0, .shift = value};
    struct ff_sources s = lsst_sources();
    struct ff_theta_config c = {.sources = &s, .shift_kind = FF_SHIFT_TABLE, .shift_table = &t};
    double theta[NPARS];
    struct ff_tables o;
    fiducial(NBINS, theta);
    theta[FF_W0] = -0.7;
    evaluate(c, theta, &o);
    for (int b = 0; b < NBINS; b++) {
        double m = theta[FF_OMEGA_C] + theta[FF_OMEGA_B], want = truth(m, theta[FF_SIGMA8], theta[FF_W0], b);
        CHECK_REL("shift", o.shift[b], want, 1e-12);
        CHECK_REL("d/domega_c", o.dshift[FF_OMEGA_C * NBINS + b], want * 0.2 / (0.1 + 0.2 * m), 1e-10);
        CHECK_REL("d/domega_b", o.dshift[FF_OMEGA_B * NBINS + b], want * 0.2 / (0.1 + 0.2 * m), 1e-10);
        CHECK_REL("d/dsigma8", o.dshift[FF_SIGMA8 * NBINS + b], want * 0.3 / (1 + 0.3 * theta[FF_SIGMA8]), 1e-10);
        CHECK_REL("d/dw0", o.dshift[FF_W0 * NBINS + b], want * 0.1 / (2 + 0.1 * theta[FF_W0]), 1e-10);
    }
    ff_tables_done(&o);
    theta[FF_OMEGA_C] = 0.9; /* beyond the edge: clamped, no slope */
    theta[FF_SIGMA8] = 0.3;
    evaluate(c, theta, &o);
    CHECK_REL("clamped", o.shift[1], truth(.6, .5, -.7, 1), 1e-12);
    assert_true(o.dshift[FF_OMEGA_C * NBINS + 1] == 0 && o.dshift[FF_SIGMA8 * NBINS + 1] == 0);
    assert_true(o.dshift[FF_W0 * NBINS + 1] != 0);
    ff_tables_done(&o);

    ff_ctx ctx = {0};
    ff_theta *bad = NULL;
    c.nell = 1;
    c.ell = &ell;
    c.want_shift = true;
    t.nbins = 3;
    assert_int_equal(ff_theta_init(&bad, &c, &ctx), FF_EBADFILE);
    assert_null(bad);
    t.nbins = NBINS;
    s8[1] = 0.4;
    assert_int_equal(ff_theta_init(&bad, &c, &ctx), FF_EBADFILE);
    assert_non_null(strstr(ctx.message, "sigma8"));
}

static void numbers(void **state)
{
    (void)state;
    struct ff_sources s = lsst_sources();
    struct ff_theta_config c = {
        .sources = &s, .shift_kind = FF_SHIFT_NUMBERS, .shift_numbers = {.01, .02, .03, .04, .05}};
    double theta[NPARS];
    struct ff_tables o;
    fiducial(NBINS, theta);
    evaluate(c, theta, &o);
    for (int b = 0; b < NBINS; b++) assert_true(o.shift[b] == c.shift_numbers[b]);
    for (int i = 0; i < NPARS * NBINS; i++) assert_true(o.dshift[i] == 0);
    ff_tables_done(&o);
    ff_ctx ctx = {0};
    ff_theta *bad = NULL;
    c.nell = 1;
    c.ell = &ell;
    c.want_shift = true;
    c.shift_numbers[3] = 0;
    assert_int_equal(ff_theta_init(&bad, &c, &ctx), FF_EBADJOB);
    assert_non_null(strstr(ctx.message, "bin 4"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference), cmocka_unit_test(moments), cmocka_unit_test(third_moment),
        cmocka_unit_test(table),     cmocka_unit_test(numbers),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
