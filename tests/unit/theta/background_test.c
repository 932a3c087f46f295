/* tests/unit/theta/background_test.c - expansion, distances and growth against the reference tables and CCL's. */
#include "tests/unit/theta/support.h"

#include "worker/theta/place.h"

static const struct ff_cosmology fid = {.om = 0.3156, .w0 = -1};

/* z, chi, D, f, D2/D2(1), f2 at FID (docs: physics, section 1) */
static const double table[][6] = {
    {0.1, 292.57774767, .9483115877, .5860041711, .8980995373, 1.1853138157},
    {0.5, 1314.96562020, .7687558908, .7614586802, .5882087459, 1.5313410023},
    {1, 2291.65645111, .6065574154, .8769919388, .3655127605, 1.7585314493},
    {2, 3578.56106072, .4169738002, .9586946167, .1725348134, 1.9189583262},
    {5, 5352.22629868, .2110794347, .9945652196, .0441922440, 1.9893391382},
    {9, 6331.76191865, .1268282007, .9988190891, .0159537250, 1.9976835823},
};
enum { ROWS = sizeof table / sizeof *table };

struct world {
    struct ff_pool pool;
    struct ff_grid grid;
    struct ff_background bg;
    struct ff_growth growth;
    struct ff_growth_second second;
};

static void world_init(struct world *w, const double *edge, int npanels)
{
    ff_ctx ctx = {0};
    memset(w, 0, sizeof *w);
    check_ok(ff_grid_init(&w->grid, edge, npanels, &w->pool, &ctx), &ctx);
    check_ok(ff_background_init(&w->bg, &w->grid, &w->pool, &ctx), &ctx);
    check_ok(ff_growth_init(&w->growth, &w->pool, &ctx), &ctx);
    check_ok(ff_growth_second_init(&w->second, &w->growth, &w->pool, &ctx), &ctx);
}

/* chi at z (with derivatives) on panels like those of the product. */
static void distance(const struct ff_cosmology *c, double z, double chi[FF_LANES])
{
    double edge[13];
    for (int i = 0; i <= 12; i++) edge[i] = z * i * i / 144;
    struct world w;
    world_init(&w, edge, 12);
    assert_true(ff_background_solve(&w.bg, c));
    memcpy(chi, w.bg.chi_end, sizeof w.bg.chi_end);
    ff_pool_done(&w.pool);
}

static void distances(void **state)
{
    (void)state;
    for (int i = 0; i < ROWS; i++) {
        double chi[FF_LANES];
        distance(&fid, table[i][0], chi);
        CHECK_REL("chi", chi[0], table[i][1], 1e-7);
    }
    double chi[FF_LANES];
    distance(&fid, 1, chi);
    CHECK_REL("dchi(a=.5)/dOm", chi[1 + FF_OM], -1323.68897, 1e-7);
    CHECK_REL("dchi(a=.5)/dw0", chi[1 + FF_DW0], -432.42859, 1e-7);
}

static void nodes_integrate_like_ends(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, (double[]){0, 0.1, 0.3, 0.6, 1, 1.5, 2}, 6);
    assert_true(ff_background_solve(&w.bg, &fid));
    for (int i = 0; i < w.grid.n; i += 5) {
        double chi[FF_LANES];
        distance(&fid, w.grid.z[i], chi);
        for (int j = 0; j < FF_LANES; j++)
            check_close("chi at a node", w.bg.chi[i * FF_LANES + j], chi[j], 1e-8, chi[0], __LINE__);
    }
    ff_pool_done(&w.pool);
}

static void growth(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, (double[]){0, 1}, 1);
    assert_true(ff_growth_solve(&w.growth, &fid));
    assert_true(ff_growth_second_solve(&w.second, &fid));
    double today[FF_LANES], f2;
    ff_growth_second_at(&w.second, 0, today, &f2);
    CHECK_REL("D2/D1^2 today", today[0], -.4321150, 2e-7);
    for (int i = 0; i < ROWS; i++) {
        double l = log1p(table[i][0]), lnd[FF_LANES], f[FF_LANES], d2[FF_LANES];
        ff_growth_at(&w.growth, l, lnd, f);
        ff_growth_second_at(&w.second, l, d2, &f2);
        CHECK_REL("D", exp(lnd[0]), table[i][2], 1e-7);
        CHECK_REL("f", f[0], table[i][3], 1e-7);
        CHECK_REL("D2", d2[0] / today[0], table[i][4], 1e-7);
        CHECK_REL("f2", f2, table[i][5], 1e-7);
    }
    double lnd[FF_LANES];
    ff_growth_at(&w.growth, log(2), lnd, NULL);
    CHECK_ABS("dD(.5)/dOm", lnd[1 + FF_OM] * exp(lnd[0]), -.32699, 6e-6);
    CHECK_ABS("dD(.5)/dw0", lnd[1 + FF_DW0] * exp(lnd[0]), .07044, 6e-6);
    ff_pool_done(&w.pool);
}

/* Every lane against central differences, far from LCDM too. */
static void derivatives(void **state)
{
    (void)state;
    const struct ff_cosmology at = {.om = 0.35, .w0 = -0.7, .wa = 0.2};
    const double step = 1e-4;
    struct world w;
    world_init(&w, (double[]){0, 1}, 1);
    for (double z = 0.3; z < 9; z *= 3) {
        double chi[FF_LANES], lnd[FF_LANES], f[FF_LANES], d2[FF_LANES], f2;
        distance(&at, z, chi);
        assert_true(ff_growth_solve(&w.growth, &at));
        assert_true(ff_growth_second_solve(&w.second, &at));
        ff_growth_at(&w.growth, log1p(z), lnd, f);
        ff_growth_second_at(&w.second, log1p(z), d2, &f2);
        for (int j = 0; j < FF_NBG; j++) {
            double up[4][FF_LANES], down[4][FF_LANES], *side[2] = {up[0], down[0]};
            for (int s = 0; s < 2; s++) {
                struct ff_cosmology c = at;
                double *par = j == FF_OM ? &c.om : (j == FF_DW0 ? &c.w0 : &c.wa);
                *par += s ? -step : step;
                distance(&c, z, side[s]);
                assert_true(ff_growth_solve(&w.growth, &c));
                assert_true(ff_growth_second_solve(&w.second, &c));
                ff_growth_at(&w.growth, log1p(z), side[s] + FF_LANES, side[s] + 2 * FF_LANES);
                ff_growth_second_at(&w.second, log1p(z), side[s] + 3 * FF_LANES, &f2);
            }
            double scale = 1 / (2 * step);
            CHECK_REL("dchi", chi[1 + j], (up[0][0] - down[0][0]) * scale, 1e-6);
            CHECK_REL("dD2", d2[1 + j], (up[3][0] - down[3][0]) * scale, 2e-6);
            CHECK_ABS("dlnD", lnd[1 + j], (up[1][0] - down[1][0]) * scale, 1e-6);
            CHECK_ABS("df", f[1 + j], (up[2][0] - down[2][0]) * scale, 1e-6);
        }
    }
    ff_pool_done(&w.pool);
}

/* In a universe of matter alone D2 = -3/7 D1^2 at all times, and its slope is twice that of D1. */
static void second_order_of_matter_alone(void **state)
{
    (void)state;
    const struct ff_cosmology eds = {.om = 1, .w0 = -1};
    struct world w;
    world_init(&w, (double[]){0, 1}, 1);
    assert_true(ff_growth_solve(&w.growth, &eds));
    assert_true(ff_growth_second_solve(&w.second, &eds));
    for (double z = 0; z < 500; z = 2 * z + 0.3) {
        double d2[FF_LANES], f2;
        ff_growth_second_at(&w.second, log1p(z), d2, &f2);
        CHECK_REL("D2", d2[0], -3. / 7 / ((1 + z) * (1 + z)), 1e-10);
        CHECK_REL("f2", f2, 2, 1e-10);
    }
    ff_pool_done(&w.pool);
}

/* Distances inverted: back to the redshift, and to what chi's own derivatives say. */
static void places(void **state)
{
    (void)state;
    static const double here[FF_LANES] = {0}, off[FF_LANES] = {100, 1, 2, 3};
    struct world w;
    world_init(&w, (double[]){0, 0.1, 0.3, 0.6, 1, 1.5, 2}, 6);
    assert_true(ff_background_solve(&w.bg, &fid));
    int panel = 0, same = 0;
    for (int i = 0; i < w.grid.n; i++) {
        const double *chi = w.bg.chi + i * FF_LANES, *invh = w.bg.invh + i * FF_LANES;
        struct ff_place p, q;
        assert_true(ff_place_find(&w.bg, here, chi[0], &panel, &p));
        CHECK_REL("z", p.z[0], w.grid.z[i], 1e-13);
        double value = 0, slope = 0;
        for (int m = 0; m < FF_PANEL; m++) {
            double z = w.grid.z[p.first + m];
            value += p.value[m] * z * z * z;
            slope += p.slope[m] * z * z * z;
        }
        CHECK_ABS("interpolated z^3", value, pow(w.grid.z[i], 3), 1e-12);
        CHECK_ABS("its slope", slope, 3 * pow(w.grid.z[i], 2), 1e-11);
        assert_true(ff_place_find(&w.bg, off, chi[0] + off[0], &same, &q));
        CHECK_REL("z with a start", q.z[0], w.grid.z[i], 1e-12);
        for (int j = 1; j < FF_LANES; j++) {
            check_close("dz", p.z[j], -chi[j] / invh[0], 1e-11, w.grid.z[i], __LINE__);
            CHECK_REL("dz with a start", q.z[j], -(chi[j] + off[j]) / invh[0], 1e-11);
        }
    }
    struct ff_place p;
    assert_true(ff_place_find(&w.bg, here, w.bg.chi_end[0] * (1 - 1e-15), &panel, &p));
    CHECK_REL("z of the end", p.z[0], 2, 1e-13);
    assert_false(ff_place_find(&w.bg, here, w.bg.chi_end[0] * 1.0001, &panel, &p));
    ff_pool_done(&w.pool);
}

static void impossible(void **state)
{
    (void)state;
    struct ff_expansion at;
    struct ff_cosmology c = {.om = 1.5, .w0 = 0.5}; /* negative dark energy that grows faster than matter */
    assert_true(ff_expansion_at(&c, 0, &at));
    assert_false(ff_expansion_at(&c, log(4), &at));
    struct world w;
    world_init(&w, (double[]){0, 1, 4}, 2);
    assert_false(ff_background_solve(&w.bg, &c));
    assert_false(ff_growth_solve(&w.growth, &c));
    ff_pool_done(&w.pool);
}

/* Models 1-5 of the Core Cosmology Library's own tests; the last two are curved. */
static struct ff_cosmology ccl_model(int m)
{
    const double w0[] = {-1, -.9, -.9, -.9, -.9}, wa[] = {0, 0, .1, .1, .1}, ode[] = {.7, .7, .7, .65, .75};
    return (struct ff_cosmology){.om = 0.3, .ok = 0.7 - ode[m], .w0 = w0[m], .wa = wa[m]};
}

static void ccl_tables(void **state)
{
    (void)state;
    enum { MAX = 20 };
    double rows[MAX * 6];
    FILE *f = open_shared("data/ccl/chi_model1-5.txt");
    if (!f) skip();
    int n = read_columns(f, 6, MAX, rows);
    fclose(f);
    assert_true(n > 3);
    for (int i = 0; i < n; i++)
        for (int m = 0; m < 5 && rows[6 * i] > 0; m++) {
            double chi[FF_LANES];
            struct ff_cosmology c = ccl_model(m);
            distance(&c, rows[6 * i], chi);
            CHECK_REL("chi of CCL", chi[0], rows[6 * i + 1 + m], 1e-6);
        }
    f = open_shared("data/ccl/growth_model1-5.txt");
    if (!f) skip();
    n = read_columns(f, 6, MAX, rows);
    fclose(f);
    assert_true(n > 3);
    struct world w;
    world_init(&w, (double[]){0, 1}, 1);
    for (int m = 0; m < 5; m++) {
        struct ff_cosmology c = ccl_model(m);
        assert_true(ff_growth_solve(&w.growth, &c));
        for (int i = 0; i < n; i++) {
            double lnd[FF_LANES];
            ff_growth_at(&w.growth, log1p(rows[6 * i]), lnd, NULL);
            CHECK_REL("G of CCL", exp(lnd[0]) * w.growth.today[0], rows[6 * i + 1 + m], 1e-5);
        }
    }
    ff_pool_done(&w.pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(distances),  cmocka_unit_test(nodes_integrate_like_ends),
        cmocka_unit_test(growth),     cmocka_unit_test(derivatives),
        cmocka_unit_test(impossible), cmocka_unit_test(ccl_tables),
        cmocka_unit_test(places),     cmocka_unit_test(second_order_of_matter_alone),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
