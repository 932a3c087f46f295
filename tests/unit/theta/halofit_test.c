/* tests/unit/theta/halofit_test.c - the nonlinear scale and power against the reference numbers; partial derivatives;
** the linear limit where there is no nonlinear scale. */
#include "tests/unit/theta/support.h"

static struct chain chain;
static double fid[NPARS];

static int setup(void **state)
{
    (void)state;
    struct ff_sources s = lsst_sources();
    const double edge[] = {0, 1, 10}, ell[] = {100};
    fiducial(NBINS, fid);
    chain_init(&chain, &s, edge, 2, ell, 1);
    chain_solve(&chain, fid, true, true);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    chain_done(&chain);
    return 0;
}

/* The fit at redshift z, chi being such that multipole l+1/2 = k. */
static void at_redshift(double z, const double *theta, struct ff_state *s)
{
    const struct ff_cosmology c = {.om = theta[FF_OMEGA_C] + theta[FF_OMEGA_B], .w0 = theta[FF_W0], .wa = theta[FF_WA]};
    const double chi[FF_LANES] = {1};
    double lnd[FF_LANES];
    struct ff_expansion x;
    assert_true(ff_expansion_at(&c, log1p(z), &x));
    assert_true(ff_growth_solve(&chain.growth, &c));
    ff_growth_at(&chain.growth, log1p(z), lnd, NULL);
    assert_true(ff_power_solve(&chain.power, theta, true));
    assert_true(ff_power_sigma(&chain.power, true));
    ff_state_set(s, &chain.power, true, chi, lnd, x.om, x.wde, true);
}

static double power_at(const struct ff_state *s, double k, double *d)
{
    double p, dp[FF_NCOSMO], lnk = log(k);
    struct ff_rows rows = {.p = &p};
    for (int j = 0; j < FF_NCOSMO; j++) rows.dp[j] = &dp[j];
    ff_rows_at(&chain.power, s, &lnk, 1, true, &rows);
    if (d) memcpy(d, dp, sizeof dp);
    return p;
}

static void nonlinear_scale(void **state)
{
    (void)state;
    const double a[] = {1, .8, .5, 1. / 3, .25};
    const double k[] = {.35169589, .4368394, .85445556, 1.93901234, 4.00584968};
    const double n[] = {-1.73767495, -1.80893714, -1.9947292, -2.16774972, -2.28640667};
    const double c[] = {.34311461, .31471716, .24315016, .18315944, .14573879};
    for (int i = 0; i < 5; i++) {
        struct ff_state s;
        at_redshift(1 / a[i] - 1, fid, &s);
        assert_true(s.fit.nonlinear && s.fit.valid);
        CHECK_REL("k_nl", exp(-s.fit.lnr.v), k[i], 2e-6);
        CHECK_REL("n_eff", s.fit.by[FF_BY_N].v, n[i], 2e-6);
        CHECK_REL("C", s.fit.by[FF_BY_C].v, c[i], 1e-5);
    }
}

static void nonlinear_power(void **state)
{
    (void)state;
    struct ff_state s;
    const double k[] = {.1, 1, 10}, today[] = {5982.54651, 427.378857, 9.76734489}, half[] = {2178.37497, 84.8803642};
    at_redshift(0, fid, &s);
    for (int i = 0; i < 3; i++) CHECK_REL("P_nl(a=1)", power_at(&s, k[i], NULL), today[i], 1e-5);
    at_redshift(1, fid, &s);
    for (int i = 0; i < 2; i++) CHECK_REL("P_nl(a=.5)", power_at(&s, k[i], NULL), half[i], 1e-5);
}

/* dP_nl/dtheta at fixed k and z against Richardson's differences. */
static void derivatives(void **state)
{
    (void)state;
    double theta[NPARS];
    memcpy(theta, fid, sizeof theta);
    theta[FF_W0] = -0.8;
    theta[FF_WA] = 0.15;
    for (double z = 0; z < 4; z += 1.3)
        for (double k = 0.03; k < 40; k *= 5) {
            struct ff_state s;
            double d[FF_NCOSMO], p;
            at_redshift(z, theta, &s);
            p = power_at(&s, k, d);
            for (int j = 0; j < FF_NCOSMO; j++) {
                double side[4], keep = theta[j], step = 1e-3 * (fabs(keep) > 0.3 ? 1 : 0.1);
                for (int q = 0; q < 4; q++) {
                    theta[j] = keep + (q & 1 ? -step : step) / (q < 2 ? 1 : 2);
                    at_redshift(z, theta, &s);
                    side[q] = power_at(&s, k, NULL);
                }
                theta[j] = keep;
                double whole = (side[0] - side[1]) / (2 * step), half = (side[2] - side[3]) / step;
                CHECK_ABS("dlnP_nl", d[j] / p, (4 * half - whole) / 3 / p, 1e-6);
            }
        }
}

/* So little power that sigma^2 < 1 on every scale: the power is linear. */
static void no_nonlinear_scale(void **state)
{
    (void)state;
    double theta[NPARS], lin, row, lnk = log(0.2);
    memcpy(theta, fid, sizeof theta);
    theta[FF_SIGMA8] = 0.01;
    struct ff_state s;
    at_redshift(9, theta, &s);
    assert_false(s.fit.nonlinear);
    struct ff_rows rows = {.p = &row, .lin = &lin};
    ff_rows_at(&chain.power, &s, &lnk, 1, false, &rows);
    assert_true(row == lin && row > 0);
}

/* ln P_nl at fixed k as a parameter takes the nonlinear scale out of existence: no jump, the slope is the one told. */
static void fades_smoothly(void **state)
{
    (void)state;
    const struct {
        int par;
        double from, to, z;
    } road[] = {{FF_SIGMA8, 0.9, 0.02, 3}, {FF_OMEGA_C, 0.1, 0.0005, 0.5}, {FF_N_S, 1, 0.3, 6}};
    enum { STEPS = 1500 };
    for (int r = 0; r < 3; r++) {
        double theta[NPARS], last = 0, last_slope = 0, last_x = 0;
        int linear = 0;
        memcpy(theta, fid, sizeof theta);
        for (int i = 0; i <= STEPS; i++) {
            struct ff_state s;
            double d[FF_NCOSMO];
            double x = road[r].from * pow(road[r].to / road[r].from, (double)i / STEPS);
            theta[road[r].par] = x;
            at_redshift(road[r].z, theta, &s);
            double p = power_at(&s, 0.5, d), slope = d[road[r].par] / p;
            linear += !s.fit.nonlinear;
            assert_true(isfinite(p) && isfinite(slope));
            double rise = log(p) - last, want = (x - last_x) * (slope + last_slope) / 2;
            if (i) check_close("change of lnP", rise, want, 0.05, fabs(want) + 1e-3, __LINE__);
            last = log(p);
            last_slope = slope;
            last_x = x;
        }
        assert_in_range(linear, 1, STEPS - 50);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nonlinear_scale),    cmocka_unit_test(nonlinear_power), cmocka_unit_test(derivatives),
        cmocka_unit_test(no_nonlinear_scale), cmocka_unit_test(fades_smoothly),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, setup, teardown);
}
