/* tests/unit/theta/power_test.c - transfer function and linear power against the reference numbers. */
#include "tests/unit/theta/support.h"

static void solve(struct ff_power_table *p, struct ff_pool *pool, const double *theta)
{
    ff_ctx ctx = {0};
    check_ok(ff_power_init(p, 2.726, pool, &ctx), &ctx);
    assert_true(ff_power_solve(p, theta, true));
}

static void intermediates(void **state)
{
    (void)state;
    struct ff_pool pool = {.n = 0};
    struct ff_power_table p;
    double theta[NPARS];
    fiducial(NBINS, theta);
    solve(&p, &pool, theta);
    const double h = theta[FF_H];
    CHECK_REL("k_eq [h/Mpc]", p.eh.k_eq.v / h, .01553721141, 1e-9);
    CHECK_REL("z_eq", p.eh.z_eq.v, 3436.145215, 1e-9);
    CHECK_REL("z_d", p.eh.z_d.v, 1020.466144, 1e-9);
    CHECK_REL("R_d", p.eh.r_d.v, .6614112262, 1e-9);
    CHECK_REL("R_eq", p.eh.r_eq.v, .1964258555, 1e-9);
    CHECK_REL("s [Mpc/h]", p.eh.s.v * h, 101.6063496, 1e-9);
    CHECK_REL("k_silk [h/Mpc]", p.eh.k_silk.v / h, .1339942222, 1e-9);
    CHECK_REL("alpha_c", p.eh.alpha_c.v, .7726096027, 1e-9);
    CHECK_REL("beta_c", p.eh.beta_c.v, 1.1765377772, 1e-9);
    CHECK_REL("alpha_b", p.eh.alpha_b.v, .5462266689, 1e-9);
    CHECK_REL("beta_b", p.eh.beta_b.v, 7.7855678049, 1e-9);
    CHECK_REL("beta_node", p.eh.node.v, 3.6068263227, 1e-9);
    double k = 0.1, lnk = log(k), t;
    ff_eh98_transfer(&p.eh, 1, &k, &lnk, &t, NULL);
    CHECK_REL("T(.1)", t, .13371093309, 1e-9);
    ff_pool_done(&pool);
}

static void linear_power(void **state)
{
    (void)state;
    struct ff_pool pool = {.n = 0};
    struct ff_power_table p;
    double theta[NPARS];
    fiducial(NBINS, theta);
    solve(&p, &pool, theta);
    CHECK_REL("unnormalised sigma^2(8)", .831 * .831 / exp(p.lnamp.v), 2.2722788170736348e-07, 1e-6);
    const double k[] = {.001, .01, .1, 1, 10}, want[] = {3824.87430, 21926.7846, 5896.22797, 70.0889353, .238241263};
    for (int i = 0; i < 5; i++) CHECK_REL("P(k)", ff_power_at(&p, k[i]).v, want[i], 1e-5);
    const double slope[] = {-.210702, 1.226114, -.356396, -.454821, 2.406739};
    struct ff_dual at = ff_power_at(&p, .1);
    for (int j = 0; j < 5; j++) CHECK_ABS("dlnP(.1)/dtheta", at.d[j] / at.v, slope[j], 1e-5);
    ff_pool_done(&pool);
}

/* The spline of the table against the formula between its nodes, from a normal universe to one of baryons. */
static void table_is_fine_enough(void **state)
{
    (void)state;
    const double omega_c[] = {.2664, .9, .08};
    for (int m = 0; m < 3; m++) {
        struct ff_pool pool = {.n = 0};
        struct ff_power_table p;
        double theta[NPARS];
        fiducial(NBINS, theta);
        theta[FF_OMEGA_C] = omega_c[m];
        solve(&p, &pool, theta);
        for (double k = 2e-5; k < 5e4; k *= 1.0137) {
            double lnk = log(k), t;
            ff_eh98_transfer(&p.eh, 1, &k, &lnk, &t, NULL);
            CHECK_REL("P of the table", ff_power_at(&p, k).v, exp(p.lnamp.v + theta[FF_N_S] * lnk) * t * t, 1e-5);
        }
        ff_pool_done(&pool);
    }
}

static void transfer_derivatives(void **state)
{
    (void)state;
    struct ff_pool pool = {.n = 0};
    struct ff_power_table p;
    double theta[NPARS];
    for (int m = 0; m < 2; m++) {
        fiducial(NBINS, theta);
        if (m) theta[FF_OMEGA_C] = 0.01, theta[FF_H] = 0.5;
        for (double k = 1e-4; k < 1e3; k *= 2.7) {
            double lnk = log(k), t, d[FF_NTRANSFER], *dt[FF_NTRANSFER] = {d, d + 1, d + 2};
            for (int j = 0; j < FF_NTRANSFER; j++) {
                double diff[2];
                for (int half = 0; half < 2; half++) {
                    double step = 1e-3 * theta[j] / (1 + half), side[2];
                    for (int s = 0; s < 2; s++) {
                        double moved[FF_NTRANSFER] = {theta[0], theta[1], theta[2]};
                        moved[j] += s ? -step : step;
                        ff_eh98_set(&p.eh, ff_dual_var(moved[0], 0), ff_dual_var(moved[1], 1), ff_dual_var(moved[2], 2),
                                    2.726);
                        ff_eh98_transfer(&p.eh, 1, &k, &lnk, &side[s], NULL);
                    }
                    diff[half] = (side[0] - side[1]) / (2 * step);
                }
                ff_eh98_set(&p.eh, ff_dual_var(theta[0], 0), ff_dual_var(theta[1], 1), ff_dual_var(theta[2], 2), 2.726);
                ff_eh98_transfer(&p.eh, 1, &k, &lnk, &t, dt);
                double want = (4 * diff[1] - diff[0]) / 3;
                check_close("dT/dtheta", d[j], want, 1e-6, fabs(want) + fabs(t), __LINE__);
            }
        }
    }
    ff_pool_done(&pool);
}

/* The filtered variance and its slope and curvature against direct sums over P. */
static void filtered_variance(void **state)
{
    (void)state;
    struct ff_pool pool = {.n = 0};
    struct ff_power_table p;
    double theta[NPARS];
    fiducial(NBINS, theta);
    solve(&p, &pool, theta);
    assert_true(ff_power_sigma(&p, true));
    for (double r = 0.013; r < 30; r *= 3.1) {
        double sum[3] = {0};
        for (double lnk = log(1e-5); lnk < log(9 / r); lnk += 0.004) {
            double k = exp(lnk), x2 = k * k * r * r,
                   w = 0.004 * k * k * k * ff_power_at(&p, k).v * exp(-x2) / (2 * M_PI * M_PI);
            sum[0] += w;
            sum[1] += 2 * x2 * w;
            sum[2] += 4 * x2 * (1 - x2) * w;
        }
        double i1 = sum[1] / sum[0], want[FF_NSIGMA] = {log(sum[0]) - p.lnamp.v, i1, i1 * i1 + sum[2] / sum[0]};
        struct ff_spot spot = ff_spline_spot(&p.sgrid, log(r));
        for (int q = 0; q < FF_NSIGMA; q++)
            CHECK_ABS("sigma table", ff_spline_value(p.sigma[q][0], p.sm[q][0], spot), want[q], 3e-6);
    }
    ff_pool_done(&pool);
}

/* Bardeen et al. 1986, as CCL's model 1 takes it: Oc .25, Ob .05, h .7, n_s .96, sigma8 .8, T_cmb 2.7 K. */
static double bbks(double k)
{
    const double om = 0.3, ob = 0.05, h = 0.7;
    double shape = om * h * exp(-ob * (1 + sqrt(2 * h) / om)), q = k / shape;
    double poly = 1 + 3.89 * q + pow(16.1 * q, 2) + pow(5.46 * q, 3) + pow(6.71 * q, 4);
    double t = log(1 + 2.34 * q) / (2.34 * q) * pow(poly, -0.25);
    return pow(k, 0.96) * t * t;
}

static void ccl_growth_of_power(void **state)
{
    (void)state;
    enum { MAX = 100 };
    double rows[MAX * 7];
    FILE *f = open_shared("data/ccl/model1_pk.txt");
    if (!f) skip();
    int n = read_columns(f, 7, MAX, rows);
    fclose(f);
    assert_true(n > 10);
    double norm = 0;
    for (double lnk = log(1e-5); lnk < log(1e3); lnk += 1e-3) {
        double k = exp(lnk), x = 8 * k, w = 3 * (sin(x) - x * cos(x)) / (x * x * x);
        norm += 1e-3 * k * k * k * bbks(k) * w * w / (2 * M_PI * M_PI);
    }
    struct ff_pool pool = {.n = 0};
    struct ff_growth growth;
    ff_ctx ctx = {0};
    const struct ff_cosmology c = {.om = 0.3, .w0 = -1};
    check_ok(ff_growth_init(&growth, &pool, &ctx), &ctx);
    assert_true(ff_growth_solve(&growth, &c));
    for (int i = 0; i < n; i++)
        for (int z = 0; z < 6; z++) {
            double lnd[FF_LANES];
            ff_growth_at(&growth, log1p(z), lnd, NULL);
            CHECK_REL("P of CCL (BBKS)", 0.64 / norm * bbks(rows[7 * i]) * exp(2 * lnd[0]), rows[7 * i + 1 + z], 1e-5);
        }
    ff_pool_done(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(intermediates),        cmocka_unit_test(linear_power),
        cmocka_unit_test(table_is_fine_enough), cmocka_unit_test(transfer_derivatives),
        cmocka_unit_test(filtered_variance),    cmocka_unit_test(ccl_growth_of_power),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
