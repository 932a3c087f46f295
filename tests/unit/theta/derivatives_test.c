/* tests/unit/theta/derivatives_test.c - the derivative of every table with respect to every parameter: against the
** reference numbers, and against Richardson's central differences of the same code. */
#include "tests/unit/theta/support.h"

enum { NELL = 7, NRESULTS = FF_MAX_PAIRS * NELL + FF_MAX_BINS };
static const double ell[NELL] = {20, 36, 150, 300, 1000, 3000, 12000};

static ff_theta *make(const struct ff_sources *s, enum ff_power power)
{
    struct ff_theta_config c = {.sources = s,
                                .power = power,
                                .nell = NELL,
                                .ell = ell,
                                .want_shift = true,
                                .shift_kind = FF_SHIFT_PERTURBATION,
                                .pixel_rad = 10. / 256 * M_PI / 180};
    ff_ctx ctx = {0};
    ff_theta *t = NULL;
    check_ok(ff_theta_init(&t, &c, &ctx), &ctx);
    return t;
}

static void evaluate(ff_theta *t, const double *theta, struct ff_tables *out)
{
    ff_ctx ctx = {0};
    check_ok(ff_theta_eval(t, theta, out, &ctx), &ctx);
    if (!out->inside) fail_msg("outside the model: %s", out->why);
}

static void reference(void **state)
{
    (void)state;
    const int par[] = {FF_OMEGA_C, FF_OMEGA_B, FF_H, FF_N_S, FF_SIGMA8, FF_W0}, at[] = {1, 3, 5};
    const double want[6][2][3] = {
        {{4.37723, 5.53243, 5.38540}, {-.42901, 3.34572, 4.35049}},
        {{5.81437, 5.15960, 4.18650}, {7.43980, 3.22175, 2.52683}},
        {{-.42748, .10463, .38830}, {-1.64775, -.01412, .50609}},
        {{-.82589, .20981, 1.37500}, {-1.72759, -.42279, 1.00243}},
        {{2.61497, 3.42186, 2.30776}, {2.40776, 2.75635, 3.46538}},
        {{-.21645, -.11358, -.06787}, {-.16497, -.24612, -.09873}},
    };
    struct ff_sources s = lsst_sources();
    ff_theta *t = make(&s, FF_POWER_HALOFIT);
    struct ff_tables o;
    ff_ctx ctx = {0};
    double theta[NPARS];
    fiducial(NBINS, theta);
    check_ok(ff_tables_init(&o, t, true, &ctx), &ctx);
    evaluate(t, theta, &o);
    for (int p = 0; p < 6; p++)
        for (int b = 0; b < 2; b++)
            for (int i = 0; i < 3; i++) {
                int pair = ff_pair(NBINS, 4 * b, 4 * b), place = pair * NELL + at[i];
                double got = o.dcl[par[p] * o.npairs * NELL + place] / o.cl[place];
                CHECK_ABS("dlnC_l/dtheta", got, want[p][b][i], 3e-4);
            }
    ff_tables_done(&o);
    ff_theta_free(t);
}

static void gather(const struct ff_tables *o, double *out)
{
    memcpy(out, o->cl, (size_t)(o->npairs * NELL) * sizeof *out);
    memcpy(out + o->npairs * NELL, o->shift, (size_t)o->nbins * sizeof *out);
}

/* All parameters at one point; errors in units of sqrt(C_ii C_jj) and of the shift. */
static void against_differences(const struct ff_sources *s, enum ff_power power, double *theta)
{
    static double side[4][NRESULTS];
    ff_theta *t = make(s, power);
    struct ff_tables exact, plain;
    ff_ctx ctx = {0};
    check_ok(ff_tables_init(&exact, t, true, &ctx), &ctx);
    check_ok(ff_tables_init(&plain, t, false, &ctx), &ctx);
    evaluate(t, theta, &exact);
    int n = exact.nbins, ncl = exact.npairs * NELL;
    for (int par = 0; par < exact.npars; par++) {
        double keep = theta[par], step = 1e-3 * (fabs(keep) > 0.3 ? 1 : 0.1);
        for (int q = 0; q < 4; q++) {
            theta[par] = keep + (q & 1 ? -step : step) / (q < 2 ? 1 : 2);
            evaluate(t, theta, &plain);
            gather(&plain, side[q]);
        }
        theta[par] = keep;
        for (int i = 0; i < ncl + n; i++) {
            double whole = (side[0][i] - side[1][i]) / (2 * step), half = (side[2][i] - side[3][i]) / step;
            double want = (4 * half - whole) / 3;
            double got = i < ncl ? exact.dcl[par * ncl + i] : exact.dshift[par * n + i - ncl];
            double scale = i < ncl ? fabs(exact.cl[i]) : exact.shift[i - ncl];
            char what[64], name[FF_NAME_SIZE];
            ff_par_name(n, par, name);
            snprintf(what, sizeof what, "d/d%s of entry %d", name, i);
            check_close(what, got, want, 1e-6, scale + fabs(want), __LINE__);
        }
    }
    ff_tables_done(&exact);
    ff_tables_done(&plain);
    ff_theta_free(t);
}

static void at_fiducial(void **state)
{
    (void)state;
    struct ff_sources s = lsst_sources();
    double theta[NPARS];
    near_fiducial(theta);
    against_differences(&s, FF_POWER_HALOFIT, theta);
    against_differences(&s, FF_POWER_LINEAR, theta);
}

static void far_away(void **state)
{
    (void)state;
    struct ff_sources s = lsst_sources();
    double theta[NPARS] = {.08, .06, .5, 1.1, .6, -1.7, .3, -1.2, 2, .4};
    for (int b = 0; b < NBINS; b++) theta[ff_par_m(b)] = 0.01 * b;
    for (int b = 0; b < NBINS; b++) theta[ff_par_dz(NBINS, b)] = 0.02 * (b - 2) - 0.003;
    against_differences(&s, FF_POWER_HALOFIT, theta);
}

static void other_sources(void **state)
{
    (void)state;
    struct ff_sources g = {.kind = FF_NZ_GAUSSIAN, .nbins = 2, .z = {.3, 1}, .sd = {.05, .12}};
    double theta[FF_NGLOBAL + 4];
    fiducial(2, theta);
    theta[FF_A_IA] = 1;
    theta[FF_ETA_IA] = 1;
    theta[ff_par_dz(2, 1)] = -0.02;
    against_differences(&g, FF_POWER_HALOFIT, theta);
}

static void zero_rows(void **state)
{
    (void)state;
    struct ff_sources s = lsst_sources();
    ff_theta *t = make(&s, FF_POWER_HALOFIT);
    struct ff_tables o;
    ff_ctx ctx = {0};
    double theta[NPARS];
    fiducial(NBINS, theta);
    check_ok(ff_tables_init(&o, t, true, &ctx), &ctx);
    evaluate(t, theta, &o);
    int size = o.npairs * NELL;
    for (int b = 0; b < NBINS; b++) {
        for (int i = 0; i < size; i++) assert_true(o.dcl[ff_par_m(b) * size + i] == 0);
        for (int i = 0; i < NBINS; i++) assert_true(o.dshift[ff_par_m(b) * NBINS + i] == 0);
        for (int i = 0; i < NBINS; i++) assert_true((o.dshift[ff_par_dz(NBINS, b) * NBINS + i] != 0) == (i == b));
    }
    /* the same values with and without derivatives, to the bit */
    struct ff_tables plain;
    check_ok(ff_tables_init(&plain, t, false, &ctx), &ctx);
    assert_null(plain.dcl);
    assert_null(plain.dshift);
    evaluate(t, theta, &plain);
    assert_memory_equal(plain.cl, o.cl, (size_t)size * sizeof(double));
    assert_memory_equal(plain.shift, o.shift, NBINS * sizeof(double));
    ff_tables_done(&plain);
    ff_tables_done(&o);
    ff_theta_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference),     cmocka_unit_test(at_fiducial), cmocka_unit_test(far_away),
        cmocka_unit_test(other_sources), cmocka_unit_test(zero_rows),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
