/* tests/unit/theta/nz_test.c - source distributions: normalisation, the bins of LSST Y10, shifts, tables, refusals. */
#include "tests/unit/theta/support.h"

static void init(struct ff_nz *nz, struct ff_pool *pool, const struct ff_sources *s)
{
    ff_ctx ctx = {0};
    check_ok(ff_nz_init(nz, s, pool, &ctx), &ctx);
}

/* Moments 0 and 1 over 0 < z < end, by the midpoint rule. */
static void sums(const struct ff_nz *nz, int bin, double dz, double out[2])
{
    const double h = 2e-4;
    out[0] = out[1] = 0;
    for (double z = h / 2; z < nz->end; z += h) {
        struct ff_nz_point p;
        ff_nz_at(nz, bin, dz, &z, 1, &p);
        out[0] += h * p.n;
        out[1] += h * p.n * z;
    }
}

static void lsst_bins(void **state)
{
    (void)state;
    /* means of the exact integrals (adaptive quadrature of the same formula) */
    const double mean[NBINS] = {.3109879237, .5935022092, .8760962764, 1.2604737086, 2.2092840235};
    struct ff_sources s = lsst_sources();
    struct ff_nz nz;
    struct ff_pool pool = {.n = 0};
    init(&nz, &pool, &s);
    for (int b = 0; b < NBINS; b++) {
        double got[2];
        sums(&nz, b, 0, got);
        CHECK_REL("integral", got[0], 1, 1e-6);
        CHECK_REL("mean z", got[1], mean[b], 1e-6);
        CHECK_REL("kept", ff_nz_kept(&nz, b, 0), 1, 1e-12);
    }
    ff_pool_done(&pool);
}

/* The formula itself, at points between the nodes of the spline, with the published edges of the bins. */
static void lsst_formula(void **state)
{
    (void)state;
    enum { SAMPLES = 54 };
    const double edge[NBINS + 1] = {0, .45349859231, .72236791969, 1.04197937169, 1.53916002395, 10};
    struct ff_sources s = lsst_sources();
    struct ff_nz nz;
    struct ff_pool pool = {.n = 0};
    init(&nz, &pool, &s);
    for (int b = 0; b < NBINS; b++) {
        double want[SAMPLES], sum = 0, total = 0;
        struct ff_nz_point p[SAMPLES];
        for (int i = 0; i < SAMPLES; i++) {
            double z = 0.0311 + 0.0737 * i, sd = M_SQRT2 * 0.05 * (1 + z);
            want[i] = z * z * exp(-pow(z / 0.11, 0.68)) * (erf((edge[b + 1] - z) / sd) - erf((edge[b] - z) / sd));
            ff_nz_at(&nz, b, 0, &z, 1, &p[i]);
            sum += p[i].n;
            total += want[i];
        }
        for (int i = 0; i < SAMPLES; i++) CHECK_ABS("n(z)", p[i].n, want[i] * sum / total, 1e-6);
    }
    ff_pool_done(&pool);
}

static void shifted(void **state)
{
    (void)state;
    struct ff_sources s = {.kind = FF_NZ_GAUSSIAN, .nbins = 2, .z = {.8, .06}, .sd = {.1, .05}};
    struct ff_nz nz;
    struct ff_pool pool = {.n = 0};
    init(&nz, &pool, &s);
    double got[2];
    sums(&nz, 0, 0.07, got);
    CHECK_REL("mean of a shifted Gaussian", got[1], 0.87, 1e-6);
    sums(&nz, 1, -0.02, got); /* partly below z = 0: cut and normalised */
    CHECK_REL("integral of a cut Gaussian", got[0], 1, 1e-5);
    CHECK_REL("kept", ff_nz_kept(&nz, 1, -0.02), 0.5 * erfc(-0.04 / 0.05 / M_SQRT2), 1e-6);
    for (int b = 0; b < 2; b++)
        for (double z = 0.011; z < 1.2; z += 0.093) { /* derivatives with respect to dz */
            struct ff_nz_point at, up, down;
            const double dz = -0.013, h = 1e-4;
            ff_nz_at(&nz, b, dz, &z, 1, &at);
            ff_nz_at(&nz, b, dz + h, &z, 1, &up);
            ff_nz_at(&nz, b, dz - h, &z, 1, &down);
            CHECK_ABS("dn/ddz", at.n_dz, (up.n - down.n) / (2 * h), 2e-3);
            CHECK_ABS("dF/ddz", at.below_dz, (up.below - down.below) / (2 * h), 2e-4);
        }
    ff_pool_done(&pool);
}

static void tables(void **state)
{
    (void)state;
    double z[] = {0.1, 0.3, 0.4, 0.8, 1.2}, n[] = {0, 4, 4, 1, 0}, narrow_z[] = {0.5, 0.51}, narrow_n[] = {7, 7};
    struct ff_sources s = {.kind = FF_NZ_TABLE, .nbins = 2, .table = {{5, z, n}, {2, narrow_z, narrow_n}}};
    struct ff_nz nz;
    struct ff_pool pool = {.n = 0};
    init(&nz, &pool, &s);
    struct ff_nz_point p[5], half[5];
    ff_nz_at(&nz, 0, 0, z, 5, p);
    for (int i = 1; i < 4; i++) CHECK_REL("n at a row", p[i].n / p[1].n, n[i] / 4, 1e-12);
    double moved[5];
    for (int i = 0; i < 5; i++) moved[i] = z[i] + 0.05;
    ff_nz_at(&nz, 0, 0.05, moved, 5, half);
    for (int i = 0; i < 5; i++) CHECK_ABS("moved along", half[i].n, p[i].n, 1e-12);
    for (double x = 0.05; x < 1.4; x += 0.013) { /* monotone cubics: no overshoot, nothing negative */
        struct ff_nz_point q;
        ff_nz_at(&nz, 0, 0, &x, 1, &q);
        assert_true(q.n >= 0 && q.n <= p[1].n * (1 + 1e-12) && q.below >= 0 && q.below <= 1 + 1e-12);
    }
    double got[2];
    sums(&nz, 0, 0, got);
    CHECK_REL("integral", got[0], 1, 1e-6);
    struct ff_nz_point in;
    double at = 0.505;
    ff_nz_at(&nz, 1, 0, &at, 1, &in);
    CHECK_REL("a box", in.n, 100, 1e-9);
    ff_pool_done(&pool);
}

static void refused(const struct ff_sources *s, ff_err want, const char *word)
{
    struct ff_nz nz;
    struct ff_pool pool = {.n = 0};
    ff_ctx ctx = {0};
    assert_int_equal(ff_nz_init(&nz, s, &pool, &ctx), want);
    if (!strstr(ctx.message, word)) fail_msg("expected a message about \"%s\", got: %s", word, ctx.message);
    ff_pool_done(&pool);
}

static void refusals(void **state)
{
    (void)state;
    struct ff_sources s = lsst_sources();
    s.nbins = 0;
    refused(&s, FF_EBADJOB, "1 to 16");
    s.nbins = 17;
    refused(&s, FF_EBADJOB, "1 to 16");
    s = lsst_sources();
    s.b = -1;
    refused(&s, FF_EBADJOB, "Smail");
    s = (struct ff_sources){.kind = FF_NZ_GAUSSIAN, .nbins = 2, .z = {.5, 1}, .sd = {.1, 0}};
    refused(&s, FF_EBADJOB, "bin 2");
    double z[] = {0.1, 0.3, 0.3}, n[] = {1, 2, 1}, none[] = {0, 0, 0}, bad[] = {1, NAN, 1}, up[] = {0, 1, 2};
    s = (struct ff_sources){.kind = FF_NZ_TABLE, .nbins = 1, .table = {{3, z, n}}};
    refused(&s, FF_EBADFILE, "does not increase at row 3");
    s.table[0] = (struct ff_curve){3, up, none};
    refused(&s, FF_EBADFILE, "sums to 0");
    s.table[0] = (struct ff_curve){3, up, bad};
    refused(&s, FF_EBADFILE, "row 2");
    s.table[0] = (struct ff_curve){1, up, n};
    refused(&s, FF_EBADFILE, "rows");

    const double ell[] = {30, 20};
    s = lsst_sources();
    struct ff_theta_config c = {.sources = &s, .nell = 2, .ell = ell};
    ff_ctx ctx = {0};
    ff_theta *t = NULL;
    assert_int_equal(ff_theta_init(&t, &c, &ctx), FF_EBADJOB);
    assert_null(t);
    c.nell = 1 << 30;
    assert_int_equal(ff_theta_init(&t, &c, &ctx), FF_EBADJOB);
    c.nell = 1;
    c.t_cmb_k = 300;
    assert_int_equal(ff_theta_init(&t, &c, &ctx), FF_EBADJOB);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lsst_bins), cmocka_unit_test(lsst_formula), cmocka_unit_test(shifted),
        cmocka_unit_test(tables),    cmocka_unit_test(refusals),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
