/* tests/unit/theta/lightcone_test.c - the tables of a light-cone against printed numbers, against direct integrals from
** their definitions, against the C_l of the same theta, and every derivative against differences. */
#include "tests/unit/theta/support.h"

#include "worker/theta/lightcone.h"
#include "worker/theta/place.h"

enum { NK = 24, NZ = 48 };

static ff_lightcone *make(const struct ff_lightcone_config *config)
{
    ff_ctx ctx = {0};
    ff_lightcone *l = NULL;
    check_ok(ff_lightcone_init(&l, config, &ctx), &ctx);
    return l;
}

static struct ff_lightcone_config config_of(const struct ff_sources *s, double box, int nz, double offset)
{
    return (struct ff_lightcone_config){.sources = s,
                                        .nk = NK,
                                        .lnk0 = log(1e-3),
                                        .dlnk = log(1e5) / (NK - 1),
                                        .nz = nz,
                                        .spacing = box / nz,
                                        .particles_offset = offset};
}

static void evaluate(ff_lightcone *l, const double *theta, struct ff_light_tables *t)
{
    ff_ctx ctx = {0};
    check_ok(ff_lightcone_eval(l, theta, t, &ctx), &ctx);
    if (!t->inside) fail_msg("outside the model: %s", t->why);
}

/* The tables of one theta, on their own. */
static struct ff_light_tables tables_of(const struct ff_lightcone_config *config, const double *theta)
{
    ff_ctx ctx = {0};
    struct ff_light_tables t;
    ff_lightcone *l = make(config);
    check_ok(ff_light_tables_init(&t, l, false, &ctx), &ctx);
    evaluate(l, theta, &t);
    ff_lightcone_free(l);
    return t;
}

/* A chain of parts on the product's own redshift grid, at theta. */
static void chain_at(struct chain *c, const struct ff_sources *s, const double *theta)
{
    double edge[FF_NZ_MAX_PANELS + 1];
    struct ff_nz nz;
    struct ff_pool pool = {.n = 0};
    ff_ctx ctx = {0};
    check_ok(ff_nz_init(&nz, s, &pool, &ctx), &ctx);
    const int npanels = ff_nz_panels(&nz, edge);
    ff_pool_done(&pool);
    chain_init(c, s, edge, npanels, &(double){100}, 1);
    chain_solve(c, theta, false, false);
    struct ff_alignment ia = {.a = theta[FF_A_IA], .eta = theta[FF_ETA_IA], .z0 = theta[FF_Z0_IA]};
    ff_kernels_solve(&c->kernels, theta[FF_OMEGA_C] + theta[FF_OMEGA_B], &ia, theta + ff_par_dz(s->nbins, 0));
}

/* ---- amplitude ---- */

static void amplitude_is_the_root_of_the_power(void **state)
{
    (void)state;
    /* P(k) at FID (docs: physics, section 2) */
    static const double want[] = {3824.87430, 21926.7846, 5896.22797, 70.0889353, .238241263};
    struct ff_sources s = lsst_sources();
    double theta[NPARS];
    fiducial(NBINS, theta);
    struct ff_lightcone_config c = config_of(&s, 4000, 8, 0);
    c.nk = 5;
    c.dlnk = log(10);
    struct ff_light_tables t = tables_of(&c, theta);
    for (int i = 0; i < 5; i++) CHECK_REL("P(k)", t.amplitude[i] * t.amplitude[i], want[i], 1e-6);
    ff_light_tables_done(&t);

    struct chain chain;
    theta[FF_OMEGA_C] = 0.4;
    theta[FF_N_S] = 1.03;
    chain_at(&chain, &s, theta);
    c = config_of(&s, 4000, 8, 0);
    t = tables_of(&c, theta);
    for (int i = 0; i < NK; i++) {
        const double p = ff_power_at(&chain.power, exp(c.lnk0 + i * c.dlnk)).v;
        CHECK_REL("P(k) of the same parts", t.amplitude[i] * t.amplitude[i], p, 1e-12);
    }
    ff_light_tables_done(&t);
    chain_done(&chain);
}

/* Baryons alone, nearly: T(k) goes through zero; the amplitude does so smoothly, where the root of P would have a kink. */
static void amplitude_changes_sign_with_the_transfer_function(void **state)
{
    (void)state;
    enum { FINE = 4000 };
    struct ff_sources s = lsst_sources();
    double theta[NPARS], bend = 0, top = 0;
    fiducial(NBINS, theta);
    theta[FF_OMEGA_C] = 0.01;
    struct ff_lightcone_config c = config_of(&s, 4000, 8, 0);
    c.nk = FINE;
    c.lnk0 = log(0.01);
    c.dlnk = log(100) / (FINE - 1);
    struct ff_light_tables t = tables_of(&c, theta);
    int signs = 0;
    for (int i = 1; i < FINE - 1; i++) {
        signs += (t.amplitude[i] < 0) != (t.amplitude[i - 1] < 0);
        bend = fmax(bend, fabs(t.amplitude[i + 1] - 2 * t.amplitude[i] + t.amplitude[i - 1]));
        top = fmax(top, fabs(t.amplitude[i]));
    }
    assert_true(signs >= 4);
    CHECK_ABS("bend over the size", bend / top, 0, 5e-4);
    ff_light_tables_done(&t);
}

/* ---- growth ---- */

/* z, chi, D, D2/D2(1) at FID (docs: physics, section 1); most lie behind all sources. */
static void growth_at_a_distance(void **state)
{
    (void)state;
    static const double want[][4] = {
        {0.1, 292.57774767, .9483115877, .8980995373}, {0.5, 1314.96562020, .7687558908, .5882087459},
        {1, 2291.65645111, .6065574154, .3655127605},  {2, 3578.56106072, .4169738002, .1725348134},
        {5, 5352.22629868, .2110794347, .0441922440},  {9, 6331.76191865, .1268282007, .0159537250},
    };
    struct ff_sources s = {.kind = FF_NZ_GAUSSIAN, .nbins = 1, .z = {.4}, .sd = {.05}};
    double theta[FF_NGLOBAL + 2];
    fiducial(1, theta);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++) {
        const double d2_today = -.4321150;
        struct ff_lightcone_config c = config_of(&s, 2 * want[i][1], 1, 0); /* one plane in the middle of the box */
        struct ff_light_tables t = tables_of(&c, theta);
        CHECK_REL("D1", t.d1[0], want[i][2], 1e-7);
        CHECK_REL("D2", t.d2[0], d2_today * want[i][3], 2e-7);
        ff_light_tables_done(&t);
        c.particles_offset = -0.5;
        t = tables_of(&c, theta);
        CHECK_REL("D1 at r = 0", t.d1[0], 1, 1e-12);
        CHECK_REL("D2 at r = 0", t.d2[0], d2_today, 2e-7);
        ff_light_tables_done(&t);
    }
}

/* Plane k + 1 less half a plane is plane k and a half. */
static void particles_start_off_their_plane(void **state)
{
    (void)state;
    struct ff_sources s = lsst_sources();
    double theta[NPARS];
    fiducial(NBINS, theta);
    struct ff_lightcone_config back = config_of(&s, 4000, NZ, -0.5), on = config_of(&s, 4000, NZ, 0.5);
    struct ff_light_tables a = tables_of(&back, theta), b = tables_of(&on, theta);
    for (int k = 0; k < NZ - 1; k++) {
        CHECK_REL("D1", a.d1[k + 1], b.d1[k], 1e-13);
        CHECK_REL("D2", a.d2[k + 1], b.d2[k], 1e-13);
    }
    for (int i = 0; i < NBINS * NZ; i++) assert_true(a.weight[i] == b.weight[i]);
    ff_light_tables_done(&a);
    ff_light_tables_done(&b);
}

/* ---- weights ---- */

/* A universe of matter alone and thin sources at distance s: int dr r/a (1 - r/s) is, with R = 2c/H0 and u = 1 - s/R = sqrt(a_s),
** R^2/(1-u) (-2 (1-u) - (1+u) ln u). */
static void weights_of_a_constant_contrast(void **state)
{
    (void)state;
    enum { PLANES = 400 };
    struct ff_sources s = {.kind = FF_NZ_GAUSSIAN, .nbins = 1, .z = {1}, .sd = {.002}};
    double theta[FF_NGLOBAL + 2], sum = 0, radius = 2 * FF_HUBBLE_RADIUS, u = sqrt(0.5);
    fiducial(1, theta);
    theta[FF_OMEGA_C] = 1 - theta[FF_OMEGA_B];
    struct ff_lightcone_config c = config_of(&s, 1.1 * radius * (1 - u), PLANES, 0);
    struct ff_light_tables t = tables_of(&c, theta);
    for (int k = 0; k < PLANES; k++) sum += t.weight[k];
    double want = 1.5 / pow(FF_HUBBLE_RADIUS, 2) * radius * radius / (1 - u) * (-2 * (1 - u) - (1 + u) * log(u));
    CHECK_REL("sum of weights", sum, want, 2e-5);
    for (int k = 370; k < PLANES; k++) CHECK_ABS("a plane behind the sources", t.weight[k], 0, 1e-9 * t.weight[150]);
    ff_light_tables_done(&t);
}

/* g_b(r) = int dz n_b(z) max(0, 1 - r/chi(z)), summed over a much finer grid. */
static void weights_are_their_definition(void **state)
{
    (void)state;
    enum { PANELS = 1200 };
    struct ff_sources s = lsst_sources();
    static double edge[PANELS + 1];
    double theta[NPARS];
    fiducial(NBINS, theta);
    for (int b = 0; b < NBINS; b++) theta[ff_par_dz(NBINS, b)] = 0.01 * (b - 2);
    struct ff_lightcone_config config = config_of(&s, 4000, NZ, 0);
    struct ff_light_tables t = tables_of(&config, theta);
    for (int i = 0; i <= PANELS; i++) edge[i] = 10.3 * i / PANELS;
    struct chain c;
    chain_init(&c, &s, edge, PANELS, &(double){100}, 1);
    chain_solve(&c, theta, false, false);
    for (int b = 0; b < NBINS; b++) {
        ff_nz_at(&c.nz, b, theta[ff_par_dz(NBINS, b)], c.grid.z, c.grid.n, c.kernels.point);
        for (int k = 0, panel = 0; k < NZ; k++) {
            static const double here[FF_LANES] = {0};
            const double r = (k + 0.5) * config.spacing;
            struct ff_place place;
            double g = 0;
            for (int i = 0; i < c.grid.n; i++)
                g += c.grid.w[i] * c.kernels.point[i].n * fmax(0, 1 - r / c.bg.chi[i * FF_LANES]);
            assert_true(ff_place_find(&c.bg, here, r, &panel, &place));
            const double front = 1.5 * 0.3156 / pow(2997.92458, 2) * config.spacing * r * (1 + place.z[0]);
            CHECK_ABS("g_b", t.weight[b * NZ + k] / front, g, 3e-6);
        }
    }
    chain_done(&c);
    ff_light_tables_done(&t);
}

/* A plane at a node of the redshift grid has the very kernel of the C_l there, alignments and all. */
static void weights_are_the_kernels_of_the_spectra(void **state)
{
    (void)state;
    struct ff_sources s = lsst_sources();
    double theta[NPARS];
    fiducial(NBINS, theta);
    theta[FF_A_IA] = 0.7;
    theta[FF_ETA_IA] = -1.3;
    for (int b = 0; b < NBINS; b++) theta[ff_par_dz(NBINS, b)] = 0.01 * (2 - b);
    struct chain c;
    chain_at(&c, &s, theta);
    for (int i = 3; i < c.grid.n; i += 13) {
        struct ff_lightcone_config config = config_of(&s, 2 * c.bg.chi[i * FF_LANES], 1, 0);
        struct ff_light_tables t = tables_of(&config, theta);
        for (int b = 0; b < NBINS; b++) {
            const double *all = c.kernels.all + (b * c.grid.n + i) * FF_K_LANES;
            const double *lens = c.kernels.lens + (b * c.grid.n + i) * FF_G_LANES;
            check_close("kernel", t.weight[b] / config.spacing, all[0], 1e-10,
                        fabs(lens[0]) + fabs(all[0] - lens[0]) + 1e-9, __LINE__);
        }
        ff_light_tables_done(&t);
    }
    chain_done(&c);
}

/* sum_k w_i w_j P((l+1/2)/r_k) D1^2/(r_k^2 spacing) is C_l with the planes for its integral. */
static void weights_make_the_spectra(void **state)
{
    (void)state;
    enum { NELL = 3, PLANES = 256 };
    const double ell[NELL] = {100, 400, 1500};
    struct ff_sources s = {.kind = FF_NZ_GAUSSIAN, .nbins = 2, .z = {.5, 1.5}, .sd = {.12, .12}};
    double theta[FF_NGLOBAL + 4];
    fiducial(2, theta);
    theta[FF_A_IA] = 1;
    struct ff_theta_config tc = {.sources = &s, .power = FF_POWER_LINEAR, .nell = NELL, .ell = ell};
    ff_theta *theory = NULL;
    struct ff_tables cl;
    ff_ctx ctx = {0};
    check_ok(ff_theta_init(&theory, &tc, &ctx), &ctx);
    check_ok(ff_tables_init(&cl, theory, false, &ctx), &ctx);
    check_ok(ff_theta_eval(theory, theta, &cl, &ctx), &ctx);
    struct ff_lightcone_config c = config_of(&s, 4500, PLANES, 0);
    struct ff_light_tables t = tables_of(&c, theta);
    struct chain chain;
    chain_at(&chain, &s, theta);
    for (int i = 0, pair = 0; i < 2; i++)
        for (int j = i; j < 2; j++, pair++)
            for (int q = 0; q < NELL; q++) {
                const double l = ell[q], half = l + 0.5;
                double sum = 0;
                for (int k = 0; k < PLANES; k++) {
                    const double r = (k + 0.5) * c.spacing, p = ff_power_at(&chain.power, half / r).v;
                    sum += t.weight[i * PLANES + k] * t.weight[j * PLANES + k] * p * t.d1[k] * t.d1[k] /
                           (r * r * c.spacing);
                }
                sum *= (l - 1) * l * (l + 1) * (l + 2) / pow(half, 4);
                CHECK_REL("C_l of the planes", sum, cl.cl[pair * NELL + q], 1e-5);
            }
    chain_done(&chain);
    ff_light_tables_done(&t);
    ff_tables_done(&cl);
    ff_theta_free(theory);
}

/* ---- derivatives ---- */

struct table { /* one of the four, with what an error is measured by */
    const char *name;
    const double *value, *d;
    int n, row; /* entries; those of a scale's row */
};

static void tables_list(const struct ff_light_tables *t, struct table list[4])
{
    list[0] = (struct table){"amplitude", t->amplitude, t->damplitude, t->nk, 1};
    list[1] = (struct table){"d1", t->d1, t->dd1, t->nz, 1};
    list[2] = (struct table){"d2", t->d2, t->dd2, t->nz, 1};
    list[3] = (struct table){"weight", t->weight, t->dweight, t->nbins * t->nz, t->nz};
}

static double largest(const double *x, int n)
{
    double top = 0;
    for (int i = 0; i < n; i++) top = fmax(top, fabs(x[i]));
    return top;
}

/* All parameters at one point, by Richardson's central differences. Errors in units of an entry; of a bin's largest weight. */
static void against_differences(const struct ff_lightcone_config *config, double *theta)
{
    ff_lightcone *l = make(config);
    struct ff_light_tables exact, side[4];
    struct table want[4], at[4][4];
    ff_ctx ctx = {0};
    check_ok(ff_light_tables_init(&exact, l, true, &ctx), &ctx);
    evaluate(l, theta, &exact);
    tables_list(&exact, want);
    for (int q = 0; q < 4; q++) check_ok(ff_light_tables_init(&side[q], l, false, &ctx), &ctx);
    for (int par = 0; par < exact.npars; par++) {
        double keep = theta[par], step = 1e-3 * (fabs(keep) > 0.3 ? 1 : 0.1);
        for (int q = 0; q < 4; q++) {
            theta[par] = keep + (q & 1 ? -step : step) / (q < 2 ? 1 : 2);
            evaluate(l, theta, &side[q]);
            tables_list(&side[q], at[q]);
        }
        theta[par] = keep;
        for (int w = 0; w < 4; w++)
            for (int i = 0; i < want[w].n; i++) {
                const struct table *x = &want[w];
                double whole = (at[0][w].value[i] - at[1][w].value[i]) / (2 * step);
                double half = (at[2][w].value[i] - at[3][w].value[i]) / step, truth = (4 * half - whole) / 3;
                double scale = largest(x->value + i / x->row * x->row, x->row);
                char what[64], name[FF_NAME_SIZE];
                ff_par_name(exact.nbins, par, name);
                snprintf(what, sizeof what, "d %s[%d]/d%s", x->name, i, name);
                check_close(what, x->d[(long)par * x->n + i], truth, 1e-6, scale + fabs(truth), __LINE__);
            }
    }
    for (int q = 0; q < 4; q++) ff_light_tables_done(&side[q]);
    ff_light_tables_done(&exact);
    ff_lightcone_free(l);
}

static void derivatives_at_the_fiducial(void **state)
{
    (void)state;
    struct ff_sources s = lsst_sources();
    double theta[NPARS];
    near_fiducial(theta);
    struct ff_lightcone_config c = config_of(&s, 4000, NZ, 0.5);
    against_differences(&c, theta);
}

static void derivatives_far_away(void **state)
{
    (void)state;
    struct ff_sources s = lsst_sources();
    double theta[NPARS] = {.08, .06, .5, 1.1, .6, -1.7, .3, -1.2, 2, .4};
    for (int b = 0; b < NBINS; b++) theta[ff_par_m(b)] = 0.01 * b;
    for (int b = 0; b < NBINS; b++) theta[ff_par_dz(NBINS, b)] = 0.02 * (b - 2) - 0.003;
    struct ff_lightcone_config c = config_of(&s, 8500, NZ, 0); /* the end of the redshift grid is between two planes */
    against_differences(&c, theta);
}

/* Half of the planes lie behind the sources. */
static void derivatives_behind_the_sources(void **state)
{
    (void)state;
    struct ff_sources s = {.kind = FF_NZ_GAUSSIAN, .nbins = 2, .z = {.3, .6}, .sd = {.05, .08}};
    double theta[FF_NGLOBAL + 4];
    fiducial(2, theta);
    theta[FF_A_IA] = 1;
    theta[FF_ETA_IA] = 1;
    theta[FF_W0] = -0.8;
    theta[ff_par_dz(2, 1)] = -0.02;
    struct ff_lightcone_config c = config_of(&s, 6500, NZ, -0.5);
    against_differences(&c, theta);
}

static void zero_rows_and_the_same_values_without(void **state)
{
    (void)state;
    struct ff_sources s = lsst_sources();
    double theta[NPARS];
    ff_ctx ctx = {0};
    struct ff_light_tables t, plain;
    fiducial(NBINS, theta);
    struct ff_lightcone_config c = config_of(&s, 9000, NZ, 0.5); /* z(9000 Mpc/h) is far behind all sources */
    theta[FF_OMEGA_C] = 0.15;
    ff_lightcone *l = make(&c);
    check_ok(ff_light_tables_init(&t, l, true, &ctx), &ctx);
    check_ok(ff_light_tables_init(&plain, l, false, &ctx), &ctx);
    evaluate(l, theta, &t);
    evaluate(l, theta, &plain);
    assert_null(plain.damplitude);
    assert_null(plain.dweight);
    assert_memory_equal(plain.amplitude, t.amplitude, NK * sizeof(double));
    assert_memory_equal(plain.d1, t.d1, NZ * sizeof(double));
    assert_memory_equal(plain.d2, t.d2, NZ * sizeof(double));
    assert_memory_equal(plain.weight, t.weight, NBINS * NZ * sizeof(double));
    for (int par = 0; par < NPARS; par++)
        for (int b = 0; b < NBINS; b++)
            for (int k = 0; k < NZ; k++) {
                const double d = t.dweight[(par * NBINS + b) * NZ + k];
                const bool of_power = par == FF_H || par == FF_N_S || par == FF_SIGMA8;
                const bool others = par >= ff_par_m(0) && par != ff_par_dz(NBINS, b);
                if (of_power || others || k == NZ - 1) assert_true(d == 0);
            }
    for (int b = 0; b < NBINS; b++) assert_true(t.weight[b * NZ + NZ - 1] == 0);
    for (int k = 0; k < NZ; k++) {
        assert_true(t.dd1[FF_OMEGA_C * NZ + k] == t.dd1[FF_OMEGA_B * NZ + k] && t.dd1[FF_OMEGA_C * NZ + k] != 0);
        assert_true(t.dd1[FF_SIGMA8 * NZ + k] == 0 && t.dd2[FF_H * NZ + k] == 0);
    }
    ff_light_tables_done(&plain);
    ff_light_tables_done(&t);
    ff_lightcone_free(l);
}

/* ---- the corners ---- */

/* Finite tables, or a reason. */
static bool finite_or_flagged(ff_lightcone *l, const double *theta, struct ff_light_tables *t)
{
    struct table list[4];
    ff_ctx ctx = {0};
    check_ok(ff_lightcone_eval(l, theta, t, &ctx), &ctx);
    assert_true(t->inside == (t->why == NULL));
    tables_list(t, list);
    for (int w = 0; w < 4 && t->inside; w++) {
        for (int i = 0; i < list[w].n; i++) assert_true(isfinite(list[w].value[i]));
        for (long i = 0; i < (long)t->npars * list[w].n; i++) assert_true(isfinite(list[w].d[i]));
    }
    for (int k = 0; k < t->nz && t->inside; k++) assert_true(t->d1[k] > 0 && t->d1[k] <= 1 && t->d2[k] < 0);
    return t->inside;
}

static void corners(void **state)
{
    (void)state;
    struct ff_sources s = lsst_sources();
    double theta[NPARS];
    ff_ctx ctx = {0};
    struct ff_light_tables t;
    struct ff_lightcone_config c = config_of(&s, 4000, NZ, 0.5);
    ff_lightcone *l = make(&c);
    check_ok(ff_light_tables_init(&t, l, true, &ctx), &ctx);
    const struct {
        int par;
        double value;
        bool inside;
    } at[] = {
        {FF_OMEGA_C, .01, true}, {FF_OMEGA_C, 1.2, true}, {FF_W0, -2, true},       {FF_W0, -.3, true},
        {FF_H, .4, true},        {FF_SIGMA8, .1, true},   {FF_OMEGA_C, 20, false}, /* the horizon is nearer than the planes */
        {FF_OMEGA_C, 0, false},  {FF_WA, 50, false},      {FF_N_S, NAN, false}};
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        fiducial(NBINS, theta);
        theta[at[i].par] = at[i].value;
        if (finite_or_flagged(l, theta, &t) != at[i].inside)
            fail_msg("parameter %d at %g: %s, expected inside %d", at[i].par, at[i].value, t.inside ? "inside" : t.why,
                     at[i].inside);
    }
    for (int i = 0; i < 8; i++) { /* the corners of the prior together */
        fiducial(NBINS, theta);
        theta[FF_OMEGA_C] = i & 1 ? 0.01 : 0.9;
        theta[FF_W0] = i & 2 ? -2 : -.3;
        theta[FF_OMEGA_B] = i & 4 ? 0.03 : 0.07;
        assert_true(finite_or_flagged(l, theta, &t));
    }
    int inside = 0, draws = 200;
    for (int i = 0; i < draws; i++) { /* far wider than any prior */
        wild(theta);
        check_ok(ff_lightcone_eval(l, theta, &t, &ctx), &ctx);
        inside += t.inside;
        struct table list[4];
        tables_list(&t, list);
        for (int w = 0; w < 4 && t.inside; w++)
            for (long k = 0; k < (long)t.npars * list[w].n; k++) assert_true(isfinite(list[w].d[k]));
    }
    print_message("# %d of %d wild draws inside the model\n", inside, draws);
    assert_in_range(inside, 1, draws - 1);
    ff_light_tables_done(&t);
    ff_lightcone_free(l);
}

static void refusals(void **state)
{
    (void)state;
    struct ff_sources s = lsst_sources();
    const struct ff_lightcone_config good = config_of(&s, 4000, NZ, 0.5);
    struct ff_lightcone_config bad[9];
    for (int i = 0; i < 9; i++) bad[i] = good;
    bad[0].nk = 0;
    bad[1].dlnk = 0;
    bad[2].nz = 0;
    bad[3].spacing = NAN;
    bad[4].particles_offset = 1.5;
    bad[5].lnk0 = log(1e-6);
    bad[6].dlnk *= 3;
    bad[7].spacing = 15000. / NZ;
    bad[8].t_cmb_k = 20;
    for (int i = 0; i < 9; i++) {
        ff_ctx ctx = {0};
        ff_lightcone *l = (ff_lightcone *)&bad;
        if (ff_lightcone_init(&l, &bad[i], &ctx) != FF_EBADJOB) fail_msg("config %d is not refused", i);
        assert_null(l);
        assert_true(ctx.message[0] != '\0');
    }
    ff_lightcone_free(NULL);
    ff_lightcone *l = make(&good);
    CHECK_REL("distance of a plane", ff_lightcone_distance(l, 3), 3.5 * 4000 / NZ, 1e-15);
    struct ff_light_tables t;
    ff_ctx ctx = {0};
    double theta[NPARS];
    fiducial(NBINS, theta);
    check_ok(ff_light_tables_init(&t, l, false, &ctx), &ctx);
    t.nk--;
    assert_int_equal(ff_lightcone_eval(l, theta, &t, &ctx), FF_EBUG);
    ff_light_tables_done(&t);
    ff_lightcone_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(amplitude_is_the_root_of_the_power),
        cmocka_unit_test(amplitude_changes_sign_with_the_transfer_function),
        cmocka_unit_test(growth_at_a_distance),
        cmocka_unit_test(particles_start_off_their_plane),
        cmocka_unit_test(weights_of_a_constant_contrast),
        cmocka_unit_test(weights_are_their_definition),
        cmocka_unit_test(weights_are_the_kernels_of_the_spectra),
        cmocka_unit_test(weights_make_the_spectra),
        cmocka_unit_test(derivatives_at_the_fiducial),
        cmocka_unit_test(derivatives_far_away),
        cmocka_unit_test(derivatives_behind_the_sources),
        cmocka_unit_test(zero_rows_and_the_same_values_without),
        cmocka_unit_test(corners),
        cmocka_unit_test(refusals),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
