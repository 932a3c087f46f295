/* tests/unit/sample/adapt_test.c - warm-up's parts: windows, dual averaging, shrunk covariance, the metric's maps. */
#include "tests/unit/sample/check.h"

#include "worker/sample/adapt.h"

static void windows_fill_the_slow_stretch_exactly(void **unused)
{
    (void)unused;
    for (long warmup = 0; warmup <= 2000; warmup++) {
        long first, last, ends = 0, latest = 0, shortest = warmup, start;
        ff_windows(warmup, &first, &last);
        assert_true(first >= 0 && first <= last && last <= warmup);
        if (warmup < 20) assert_int_equal(first, last);
        start = first;
        for (long i = first; i < last; i++) {
            if (!ff_window_ends(warmup, i)) continue;
            ends++;
            latest = i + 1;
            if (i + 1 - start < shortest) shortest = i + 1 - start;
            start = i + 1;
        }
        if (first == last) continue;
        if (latest != last || shortest < 4)
            print_error("warm-up %ld: windows end at %ld of %ld\n", warmup, latest, last);
        assert_int_equal(latest, last);
        assert_true(shortest >= 4 && ends >= 1);
    }
    const long expected[] = {100, 150, 250, 450, 950}; /* Stan's windows of a warm-up of 1000 */
    for (long i = 75, k = 0; i < 950; i++)
        if (ff_window_ends(1000, i)) assert_int_equal(i + 1, expected[k++]);
}

/* Acceptance exp(-(eps/eps0)^2) with noise: the mean step size has to give the target. */
static void dual_averaging_finds_the_target(void **unused)
{
    (void)unused;
    const double target = 0.8, scale = 0.03, expected = scale * sqrt(-log(target));
    for (int start = 0; start < 2; start++) {
        struct ff_dual d;
        uint64_t state = 11;
        ff_dual_start(&d, start ? 1.0 : 1e-4, 2, 0);
        for (int i = 0; i < 500; i++) {
            const double eps = exp(d.log_eps), noise = 0.4 * (check_uniform(&state) - 0.5);
            ff_dual_update(&d, fmin(1, fmax(0, exp(-eps * eps / (scale * scale)) + noise)), target, 1e3);
        }
        CHECK_NEAR("log of the step size", d.log_eps_mean, log(expected), 0.15);
    }
    struct ff_dual d;
    ff_dual_start(&d, 0.5, 2, 0);
    for (int i = 0; i < 100; i++) ff_dual_update(&d, 1, target, 1.2);
    CHECK_NEAR("largest step size", exp(d.log_eps), 1.2, 1e-12);
    CHECK_BELOW("mean step size", exp(d.log_eps_mean), 1.2 + 1e-12);
}

/* Trials accepted as the theory says, or by chance at that rate: the step size has to give the target. */
static void all_trials_speak_for_the_step_size(void **unused)
{
    (void)unused;
    const double c = 2.5;
    struct ff_trials t = {{0}, {0}};
    assert_true(ff_trials_step(&t, 0, 0.8) == 0);
    for (int target = 6; target <= 9; target++) {
        double low = 0, high = 2, error = 0;
        for (int i = 0; i < 60; i++) *(erfc(low + (high - low) / 2) > target / 10.0 ? &low : &high) = (low + high) / 2;
        const double expected = sqrt(low / c);
        long count = 0;
        for (; count < 30; count++) {
            const double eps = 0.05 + 0.03 * (double)count;
            ff_trials_add(&t, count, eps, erfc(c * eps * eps));
        }
        CHECK_NEAR("step size, without noise", ff_trials_step(&t, count, target / 10.0), expected, 1e-9 * expected);
        uint64_t state = 5 + (uint64_t)target;
        for (int run = 0; run < 200; run++) {
            for (count = 0; count < 30; count++) {
                const double eps = expected * (0.6 + 0.8 * check_uniform(&state));
                ff_trials_add(&t, count, eps, check_uniform(&state) < erfc(c * eps * eps) ? 1 : 0);
            }
            const double off = log(ff_trials_step(&t, count, target / 10.0) / expected);
            error += off * off / 200;
        }
        CHECK_BELOW("rms error of log(step size) from 30 yes-or-no trials", sqrt(error), 0.25);
    }
}

/* Never beyond what was tried, and only the latest trials count. */
static void trials_do_not_extrapolate_and_forget_the_oldest(void **unused)
{
    (void)unused;
    struct ff_trials t = {{0}, {0}};
    for (long i = 0; i < 10; i++) ff_trials_add(&t, i, 0.1 + 0.01 * (double)i, 1);
    CHECK_NEAR("all accepted: the largest", ff_trials_step(&t, 10, 0.8), 0.19, 1e-12);
    for (long i = 0; i < 10; i++) ff_trials_add(&t, i, 0.1 + 0.01 * (double)i, 0);
    CHECK_NEAR("none accepted: the smallest", ff_trials_step(&t, 10, 0.8), 0.1, 1e-12);
    for (long i = 0; i < 10 + FF_TRIALS; i++) ff_trials_add(&t, i, i < 10 ? 5 : 0.3, i < 10 ? 0 : 1);
    CHECK_NEAR("the oldest are forgotten", ff_trials_step(&t, 10 + FF_TRIALS, 0.8), 0.3, 1e-12);
}

enum { D = 3, N = 40 };

static void draw(double *q, uint64_t *state)
{
    const double u = check_uniform(state), v = check_uniform(state), w = check_uniform(state);
    q[0] = 5 + u;
    q[1] = u + 0.1 * v;
    q[2] = 100 * w - u;
}

static void metric_is_shrunk_as_documented(void **unused)
{
    (void)unused;
    const double centre0[D] = {5, 0, 1}, factor0[D * D] = {2, 0, 0, 0.5, 1, 0, -1, 0.3, 4};
    for (int given = 0; given < 2; given++) {
        struct ff_adapt a;
        struct ff_metric metric;
        assert_true(ff_adapt_init(&a, D, given ? centre0 : NULL, given ? factor0 : NULL));
        assert_true(ff_metric_init(&metric, D, NULL, NULL));
        double q[N][D], mean[D] = {0};
        uint64_t state = 1;
        for (int t = 0; t < N; t++) {
            draw(q[t], &state);
            ff_adapt_add(&a, q[t]);
            for (int i = 0; i < D; i++) mean[i] += q[t][i] / N;
        }
        assert_true(ff_adapt_metric(&a, &metric));
        assert_int_equal(a.window.n, 0);
        const double n0 = D + (given ? 45 : 5), share = n0 / (N + n0);
        for (int i = 0; i < D; i++) {
            CHECK_NEAR("centre", metric.centre[i], given ? (1 - share) * mean[i] + share * centre0[i] : mean[i], 1e-12);
            for (int j = 0; j <= i; j++) {
                double s = 0, s0 = 0, got = 0;
                for (int t = 0; t < N; t++) s += (q[t][i] - mean[i]) * (q[t][j] - mean[j]) / (N - 1);
                for (int k = 0; k <= j; k++) s0 += factor0[i * D + k] * factor0[j * D + k];
                for (int k = 0; k <= j; k++) got += metric.factor[i * D + k] * metric.factor[j * D + k];
                const double expected = given ? (1 - share) * s + share * s0 : i == j ? s : (1 - share * share) * s;
                CHECK_NEAR("covariance", got, expected, 1e-10 * (1 + fabs(expected)));
            }
        }
        ff_adapt_done(&a);
        ff_metric_done(&metric);
    }
}

static void an_unusable_window_leaves_the_metric(void **unused)
{
    (void)unused;
    struct ff_adapt a;
    struct ff_metric metric;
    const double stuck[D] = {1, 2, 3}, broken[D] = {1, NAN, 3};
    assert_true(ff_adapt_init(&a, D, NULL, NULL));
    assert_true(ff_metric_init(&metric, D, NULL, NULL));
    for (int t = 0; t < 10; t++) ff_adapt_add(&a, stuck); /* no scatter at all */
    assert_false(ff_adapt_metric(&a, &metric));
    for (int t = 0; t < 10; t++) ff_adapt_add(&a, broken);
    assert_false(ff_adapt_metric(&a, &metric));
    for (int i = 0; i < D; i++) {
        assert_true(metric.centre[i] == 0);
        for (int j = 0; j < D; j++) assert_true(metric.factor[i * D + j] == (i == j));
    }
    ff_adapt_done(&a);
    ff_metric_done(&metric);
    ff_adapt_done(&a);
    ff_metric_done(&metric);
}

static void metric_maps_are_inverse_and_adjoint(void **unused)
{
    (void)unused;
    const double centre[D] = {5, 0, 1},
                 factor[D * D] = {2, 9, 9, 0.5, 1, 9, -1, 0.3, 4}; /* above the diagonal: unread */
    const double s[D] = {0.3, -1.2, 2}, g[D] = {1, -2, 0.5};
    double q[D], back[D], pulled[D], moved[D], left = 0, right = 0;
    struct ff_metric metric;
    assert_true(ff_metric_init(&metric, D, centre, factor));
    ff_metric_to_q(&metric, s, q);
    CHECK_NEAR("q[2]", q[2], 1 - 0.3 - 0.3 * 1.2 + 8, 1e-14);
    ff_metric_to_s(&metric, q, back);
    ff_metric_pull(&metric, g, pulled);
    for (int i = 0; i < D; i++) {
        CHECK_NEAR("there and back", back[i], s[i], 1e-14);
        moved[i] = q[i] - centre[i];
        left += moved[i] * g[i];
        right += s[i] * pulled[i];
    }
    CHECK_NEAR("adjoint", right, left, 1e-13);
    ff_metric_done(&metric);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_fill_the_slow_stretch_exactly),
        cmocka_unit_test(dual_averaging_finds_the_target),
        cmocka_unit_test(all_trials_speak_for_the_step_size),
        cmocka_unit_test(trials_do_not_extrapolate_and_forget_the_oldest),
        cmocka_unit_test(metric_is_shrunk_as_documented),
        cmocka_unit_test(an_unusable_window_leaves_the_metric),
        cmocka_unit_test(metric_maps_are_inverse_and_adjoint),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
