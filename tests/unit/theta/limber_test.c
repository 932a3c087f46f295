/* tests/unit/theta/limber_test.c - C_l of all pairs against the reference numbers and against a much finer grid, for
** every kind of source distribution. */
#include "tests/unit/theta/support.h"

static void evaluate(const struct ff_sources *s, enum ff_power power, const double *ell, int nell, const double *theta,
                     struct ff_tables *out)
{
    struct ff_theta_config c = {.sources = s, .power = power, .nell = nell, .ell = ell};
    ff_ctx ctx = {0};
    ff_theta *t = NULL;
    check_ok(ff_theta_init(&t, &c, &ctx), &ctx);
    check_ok(ff_tables_init(out, t, false, &ctx), &ctx);
    check_ok(ff_theta_eval(t, theta, out, &ctx), &ctx);
    assert_true(out->inside);
    ff_theta_free(t);
}

static void reference(void **state)
{
    (void)state;
    enum { NELL = 6, NROWS = 6 };
    const double ell[NELL] = {36, 100, 300, 1000, 3000, 9216};
    const int pair[NROWS][2] = {{0, 0}, {0, 1}, {1, 1}, {2, 2}, {3, 3}, {4, 4}};
    const double want[NROWS][NELL] = {
        {2.585811e-09, 7.209558e-10, 2.026703e-10, 4.256319e-11, 5.960879e-12, 5.425794e-13},
        {4.472460e-09, 1.265154e-09, 3.422553e-10, 7.772103e-11, 1.204560e-11, 1.146918e-12},
        {9.922838e-09, 2.997236e-09, 7.518788e-10, 1.830189e-10, 3.331635e-11, 3.476420e-12},
        {1.933382e-08, 6.529230e-09, 1.538447e-09, 3.700823e-10, 7.860795e-11, 9.429768e-12},
        {3.251433e-08, 1.218174e-08, 2.867986e-09, 6.461521e-10, 1.508695e-10, 2.087158e-11},
        {5.721649e-08, 2.472718e-08, 6.199583e-09, 1.245206e-09, 3.030565e-10, 4.967090e-11},
    };
    struct ff_sources s = lsst_sources();
    struct ff_tables t;
    double theta[NPARS];
    fiducial(NBINS, theta);
    evaluate(&s, FF_POWER_HALOFIT, ell, NELL, theta, &t);
    for (int r = 0; r < NROWS; r++)
        for (int i = 0; i < NELL; i++)
            CHECK_REL("C_l", t.cl[ff_pair(NBINS, pair[r][0], pair[r][1]) * NELL + i], want[r][i], 1e-5);
    ff_tables_done(&t);
}

/* Against six times as many panels: the largest error of any pair, in units of sqrt(C_ii C_jj). */
static double worst_error(const struct ff_sources *s, double a_ia, double dz)
{
    enum { NELL = 8, TIMES = 6 };
    const double ell[NELL] = {25, 45, 80, 200, 700, 3000, 12000, 50000};
    const int nbins = s->nbins;
    double theta[FF_MAX_PARS], coarse[FF_NZ_MAX_PANELS + 1], fine[FF_NZ_MAX_PANELS * TIMES + 1], worst = 0;
    fiducial(nbins, theta);
    theta[FF_A_IA] = a_ia;
    theta[FF_ETA_IA] = 0.8;
    for (int b = 0; b < nbins; b++) theta[ff_par_dz(nbins, b)] = dz * (b % 3 - 1);

    struct ff_tables t;
    evaluate(s, FF_POWER_HALOFIT, ell, NELL, theta, &t);
    struct ff_nz nz;
    struct ff_pool pool = {.n = 0};
    ff_ctx ctx = {0};
    check_ok(ff_nz_init(&nz, s, &pool, &ctx), &ctx);
    int npanels = ff_nz_panels(&nz, coarse);
    ff_pool_done(&pool);
    for (int i = 0; i < npanels * TIMES; i++)
        fine[i] = coarse[i / TIMES] + (coarse[i / TIMES + 1] - coarse[i / TIMES]) * (i % TIMES) / TIMES;
    fine[npanels * TIMES] = coarse[npanels];

    struct chain chain;
    double *cl = calloc((size_t)(t.npairs * NELL), sizeof *cl);
    assert_non_null(cl);
    chain_init(&chain, s, fine, npanels * TIMES, ell, NELL);
    chain_cl(&chain, theta, cl);
    for (int i = 0, pair = 0; i < nbins; i++)
        for (int j = i; j < nbins; j++, pair++)
            for (int l = 0; l < NELL; l++) {
                double auto2 = cl[ff_pair(nbins, i, i) * NELL + l] * cl[ff_pair(nbins, j, j) * NELL + l];
                worst = fmax(worst, fabs(t.cl[pair * NELL + l] - cl[pair * NELL + l]) / sqrt(auto2));
            }
    chain_done(&chain);
    free(cl);
    ff_tables_done(&t);
    return worst;
}

static void converged_smail(void **state)
{
    (void)state;
    struct ff_sources s = lsst_sources();
    CHECK_ABS("error of the grid", worst_error(&s, 0, 0), 0, 3e-5);
    CHECK_ABS("error of the grid with alignments", worst_error(&s, 1, 0.02), 0, 3e-5);
}

static void converged_gaussian(void **state)
{
    (void)state;
    struct ff_sources s = {.kind = FF_NZ_GAUSSIAN, .nbins = 4, .z = {.2, .5, 1, 2}, .sd = {.05, .05, .05, .12}};
    CHECK_ABS("error of the grid", worst_error(&s, 0, 0), 0, 4e-5);
    CHECK_ABS("error of the grid with alignments", worst_error(&s, 1, 0.017), 0, 4e-5);
}

static void converged_tables(void **state)
{
    (void)state;
    struct ff_sources s = {.kind = FF_NZ_TABLE, .nbins = 5};
    for (int b = 0; b < 5; b++) {
        char name[64];
        snprintf(name, sizeof name, "data/nz/kids1000_bin%d.asc", b + 1);
        s.table[b] = read_curve(name);
        if (!s.table[b].n) skip();
    }
    CHECK_ABS("error of the grid, KiDS-1000", worst_error(&s, 0, 0.01), 0, 4e-5);
    CHECK_ABS("error of the grid, KiDS-1000 with alignments", worst_error(&s, 1, 0.01), 0, 2e-4);
    struct ff_sources cosmos = {.kind = FF_NZ_TABLE, .nbins = 1};
    cosmos.table[0] = read_curve("data/cosmos/cosmos_zdist_faint_w0.asc");
    if (!cosmos.table[0].n) skip();
    CHECK_ABS("error of the grid, COSMOS", worst_error(&cosmos, 0.5, 0.02), 0, 3e-5);
    for (int b = 0; b < 5; b++) free(s.table[b].x), free(s.table[b].y);
    free(cosmos.table[0].x);
    free(cosmos.table[0].y);
}

/* Matter in front of thin sources at z_s, from the definition: one integral over chi, no tables of the room's but P. */
static void thin_source(void **state)
{
    (void)state;
    enum { PANELS = 40 };
    struct ff_sources s = {.kind = FF_NZ_GAUSSIAN, .nbins = 1, .z = {1}, .sd = {.002}};
    const double ell = 400;
    double theta[FF_NGLOBAL + 2], edge[PANELS + 1];
    fiducial(1, theta);
    struct ff_tables t;
    evaluate(&s, FF_POWER_LINEAR, &ell, 1, theta, &t);
    for (int i = 0; i <= PANELS; i++) edge[i] = (double)i / PANELS;
    struct chain c;
    chain_init(&c, &s, edge, PANELS, &ell, 1);
    chain_solve(&c, theta, false, false);
    double sum = 0, source = c.bg.chi_end[0];
    for (int i = 0; i < c.grid.n; i++) {
        double chi = c.bg.chi[i * FF_LANES], z = c.grid.z[i];
        double front = 1.5 * 0.3156 / pow(2997.92458, 2) * (1 + z) * (1 - chi / source);
        double p = ff_power_at(&c.power, (ell + 0.5) / chi).v * exp(2 * c.kernels.lnd[i * FF_LANES]);
        sum += c.grid.w[i] * c.bg.invh[i * FF_LANES] * front * front * p;
    }
    double lf2 = (ell - 1) * ell * (ell + 1) * (ell + 2) / pow(ell + 0.5, 4);
    CHECK_REL("C_l of a thin source", t.cl[0], lf2 * sum, 5e-5);
    chain_done(&c);
    ff_tables_done(&t);
}

/* Alignments with their own definition: II of a thin source is P at the source, and GI is negative. */
static void alignments(void **state)
{
    (void)state;
    struct ff_sources s = {.kind = FF_NZ_GAUSSIAN, .nbins = 2, .z = {.5, 1.5}, .sd = {.02, .02}};
    const double ell = 800;
    double theta[FF_NGLOBAL + 4];
    struct ff_tables none, some, twice;
    fiducial(2, theta);
    theta[FF_ETA_IA] = 1.7;
    evaluate(&s, FF_POWER_LINEAR, &ell, 1, theta, &none);
    theta[FF_A_IA] = 1;
    evaluate(&s, FF_POWER_LINEAR, &ell, 1, theta, &some);
    theta[FF_A_IA] = -1;
    evaluate(&s, FF_POWER_LINEAR, &ell, 1, theta, &twice);
    assert_true(some.cl[1] < none.cl[1]); /* GI lowers the pair of a near and a far bin */
    double ii = (some.cl[0] + twice.cl[0]) / 2 - none.cl[0];

    double edge[] = {0, 0.2, 0.4, 0.5, 0.6};
    struct chain c;
    chain_init(&c, &s, edge, 4, &ell, 1);
    chain_solve(&c, theta, false, false);
    double sum = 0;
    for (int i = 0; i < c.grid.n; i++) {
        double chi = c.bg.chi[i * FF_LANES], z = c.grid.z[i], d = exp(c.kernels.lnd[i * FF_LANES]);
        double n = exp(-pow((z - 0.5) / 0.02, 2) / 2) / (0.02 * sqrt(2 * M_PI));
        double w = 5e-14 * 2.775e11 * 0.3156 / d * pow((1 + z) / 1.62, 1.7) * n / c.bg.invh[i * FF_LANES];
        double p = ff_power_at(&c.power, (ell + 0.5) / chi).v * d * d;
        sum += c.grid.w[i] * c.bg.invh[i * FF_LANES] * w * w / (chi * chi) * p;
    }
    double lf2 = (ell - 1) * ell * (ell + 1) * (ell + 2) / pow(ell + 0.5, 4);
    CHECK_REL("II", ii, lf2 * sum, 2e-3);
    chain_done(&c);
    ff_tables_done(&none);
    ff_tables_done(&some);
    ff_tables_done(&twice);
}

/* The value at a multipole does not depend on which others are asked for. */
static void multipoles_alone(void **state)
{
    (void)state;
    struct ff_sources s = lsst_sources();
    const double many[] = {2, 17, 130.5, 131, 900, 5e4, 1e5}, one = 130.5;
    double theta[NPARS];
    struct ff_tables a, b;
    fiducial(NBINS, theta);
    evaluate(&s, FF_POWER_HALOFIT, many, 7, theta, &a);
    evaluate(&s, FF_POWER_HALOFIT, &one, 1, theta, &b);
    for (int p = 0; p < a.npairs; p++) CHECK_REL("C_l alone", b.cl[p], a.cl[p * 7 + 2], 1e-13);
    for (int i = 0; i < a.npairs * 7; i++) assert_true(a.cl[i] > 0 && isfinite(a.cl[i]));
    ff_tables_done(&a);
    ff_tables_done(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference),        cmocka_unit_test(converged_smail), cmocka_unit_test(converged_gaussian),
        cmocka_unit_test(converged_tables), cmocka_unit_test(thin_source),     cmocka_unit_test(alignments),
        cmocka_unit_test(multipoles_alone),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
