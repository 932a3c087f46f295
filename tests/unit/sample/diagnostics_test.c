/* tests/unit/sample/diagnostics_test.c - diagnostics against ArviZ 0.23.4 on deterministic series, and on draws that
** mean nothing. The series: v = phi v + u - 1/2 with u from splitmix64(seed), y = v + shift * chain, then a shape: 1
** floor(4 y)/4 (ties), 2 y^3 (heavy tails), 3 y > 0. Expected: az.rhat(method="rank"),
** az.ess(method="bulk"|"tail"), az.mcse(method="mean"); for one chain, where ArviZ gives no R-hat, its formula
** on the two halves. */
#include "tests/unit/sample/check.h"

#include "worker/sample/autocov.h"
#include "worker/sample/diagnostics.h"
#include "worker/sample/ranks.h"

enum { PLAIN, TIES, HEAVY, BINARY };
struct series {
    const char *name;
    uint64_t seed;
    int nchains;
    long ndraws;
    double phi, shift;
    int shape;
    double expected[4]; /* rhat, bulk, tail, mcse */
};

static const struct series all_series[] = {
    {"independent", 1, 4, 250, 0.0, 0.0, 0, {0.999308709498, 922.901421626, 952.39494817, 0.0095383939575}},
    {"correlated", 2, 4, 1000, 0.9, 0.0, 0, {1.01687307829, 202.942768118, 427.788371746, 0.0467195474191}},
    {"antithetic", 3, 3, 500, -0.6, 0.0, 0, {1.00091272635, 4764.13688858, 1392.49584467, 0.00498261825333}},
    {"odd_single", 4, 1, 101, 0.7, 0.0, 0, {1.15706699453, 9.13601213572, 49.1351385742, 0.130132840309}},
    {"shifted", 5, 4, 200, 0.5, 0.3, 0, {1.43760953888, 8.67606421862, 51.0889985852, 0.156479276916}},
    {"ties", 6, 4, 300, 0.5, 0.0, 1, {1.01555112769, 406.43007399, 660.953659335, 0.0170514129087}},
    {"heavy", 7, 2, 400, 0.8, 0.0, 2, {1.02731440761, 102.001435323, 283.367990421, 0.0323871225091}},
    {"four_draws", 8, 2, 4, 0.2, 0.0, 0, {1.62607593289, 7.22471989594, 7.22471989594, 0.0980334702663}},
    {"five_draws", 9, 2, 5, 0.2, 0.0, 0, {1.01096959481, 7.22471989594, 7.22471989594, 0.104142157421}},
    {"drifting", 10, 2, 333, 0.999, 0.0, 0, {1.69748153634, 3.23215051022, 22.0304588115, 0.909547784233}},
    {"binary", 12, 2, 200, 0.5, 0.0, 3, {0.999914027622, 199.97630822, 199.97630822, 0.035124048374}},
    {"long", 11, 2, 100000, 0.95, 0.0, 0, {1.00057525412, 5181.06915771, 11969.251825, 0.0128973785847}},
};

static double shaped(double y, int shape)
{
    if (shape == TIES) return floor(4 * y) / 4;
    if (shape == HEAVY) return y * y * y;
    if (shape == BINARY) return y > 0 ? 1 : 0;
    return y;
}

static double *make(const struct series *s)
{
    double *x = malloc((size_t)(s->nchains * s->ndraws) * sizeof *x);
    assert_non_null(x);
    uint64_t state = s->seed;
    for (int c = 0; c < s->nchains; c++) {
        double v = 0;
        for (long t = 0; t < s->ndraws; t++) {
            v = s->phi * v + (check_uniform(&state) - 0.5);
            x[c * s->ndraws + t] = shaped(v + s->shift * c, s->shape);
        }
    }
    return x;
}

static void diagnostics_equal_arviz_to_1e_6(void **unused)
{
    (void)unused;
    double (*const f[4])(const double *, int, long) = {ff_rhat, ff_ess_bulk, ff_ess_tail, ff_mcse_mean};
    const char *const names[4] = {"rhat", "ess_bulk", "ess_tail", "mcse_mean"};
    for (size_t i = 0; i < sizeof all_series / sizeof *all_series; i++) {
        const struct series *s = &all_series[i];
        double *x = make(s);
        for (int j = 0; j < 4; j++) {
            const double got = f[j](x, s->nchains, s->ndraws);
            if (!(fabs(got / s->expected[j] - 1) <= 1e-9)) print_error("series %s, %s:\n", s->name, names[j]);
            CHECK_NEAR("relative to ArviZ", got / s->expected[j], 1, 1e-9);
        }
        free(x);
    }
}

static void meaningless_draws_are_nan(void **unused)
{
    (void)unused;
    double (*const f[4])(const double *, int, long) = {ff_rhat, ff_ess_bulk, ff_ess_tail, ff_mcse_mean};
    const double few[6] = {1, 2, 3, 4, 5, 6}, constant[8] = {3, 3, 3, 3, 3, 3, 3, 3};
    const double holes[8] = {1, 2, NAN, 4, 5, 6, 7, 8}, endless[8] = {1, 2, INFINITY, 4, 5, 6, 7, 8};
    for (int j = 0; j < 4; j++) {
        assert_true(isnan(f[j](few, 2, 3)));
        assert_true(isnan(f[j](constant, 2, 4)));
        assert_true(isnan(f[j](holes, 2, 4)));
        assert_true(isnan(f[j](endless, 2, 4)));
        assert_true(isnan(f[j](few, 0, 6)));
    }
}

static void autocovariances_equal_their_definition(void **unused)
{
    (void)unused;
    enum { CHAINS = 3, N = 37 };
    double x[CHAINS * N], acov[N], mean[CHAINS] = {0};
    uint64_t state = 5;
    for (int i = 0; i < CHAINS * N; i++) {
        x[i] = check_uniform(&state) + 0.1 * (i % N);
        mean[i / N] += x[i] / N;
    }
    assert_true(ff_autocov(x, CHAINS, N, acov));
    for (int lag = 0; lag < N; lag++) {
        double sum = 0;
        for (int c = 0; c < CHAINS; c++)
            for (int t = 0; t + lag < N; t++) sum += (x[c * N + t] - mean[c]) * (x[c * N + t + lag] - mean[c]);
        CHECK_NEAR("autocovariance", acov[lag], sum / (N * CHAINS), 1e-13);
    }
}

static void normal_quantile_inverts_the_distribution(void **unused)
{
    (void)unused;
    CHECK_NEAR("97.5 % point", ff_normal_quantile(0.975), 1.95996398454005424, 1e-14);
    CHECK_NEAR("median", ff_normal_quantile(0.5), 0, 1e-15);
    CHECK_NEAR("far tail", ff_normal_quantile(1e-20), -9.26234008979840, 1e-12);
    for (double p = 1e-7; p < 1; p += 0.001) {
        const double x = ff_normal_quantile(p);
        CHECK_NEAR("distribution of the quantile", 0.5 * erfc(-x / sqrt(2)), p, 1e-15 + 1e-13 * p);
        CHECK_NEAR("symmetry", ff_normal_quantile(1 - p), -x, 1e-8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(diagnostics_equal_arviz_to_1e_6),
        cmocka_unit_test(meaningless_draws_are_nan),
        cmocka_unit_test(autocovariances_equal_their_definition),
        cmocka_unit_test(normal_quantile_inverts_the_distribution),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
