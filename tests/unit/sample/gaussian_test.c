/* tests/unit/sample/gaussian_test.c - posteriors known in closed form: Gaussians of condition 1000 in 10 and 1000
** dimensions, Gaussian latents under the rotation, a curved ridge with every scheme, Neal's funnel. Fixed seeds. */
#include "tests/unit/sample/runs.h"
#include "tests/unit/sample/targets.h"
#include "worker/sample/metric.h"

enum { MAX_D = 1000 };

/* A Gaussian of d parameters, variances from 1 to 1000, turned by a reflection. */
struct problem {
    struct gaussian gaussian;
    double mean[MAX_D], sd[MAX_D], v[MAX_D], y[MAX_D];
};

static struct problem *problem_new(int d)
{
    struct problem *p = malloc(sizeof *p);
    assert_non_null(p);
    uint64_t state = 3;
    double norm = 0;
    for (int i = 0; i < d; i++) {
        p->mean[i] = 10 * check_uniform(&state);
        p->sd[i] = pow(1000, 0.5 * i / (d - 1));
        p->v[i] = check_uniform(&state) - 0.3;
        norm += p->v[i] * p->v[i];
    }
    for (int i = 0; i < d; i++) p->v[i] /= sqrt(norm);
    p->gaussian = (struct gaussian){d, 0, p->mean, p->sd, p->v, p->y, NULL};
    return p;
}

/* Means 0 and sds 1 of n independent series (n, ndraws): the worst within `limit` Monte-Carlo errors, and the mean
** square of all 2 n of them near 1. */
static void check_unit(const char *what, const double *x, int n, const struct run *r, double limit)
{
    double worst = 0, square = 0;
    for (int i = 0; i < n; i++) {
        const struct estimate e = estimate_of(x + i * r->ndraws, r->ndraws);
        const double mean_off = e.mean / e.mean_error, sd_off = (e.sd - 1) / e.sd_error;
        worst = fmax(worst, fmax(fabs(mean_off), fabs(sd_off)));
        square += (mean_off * mean_off + sd_off * sd_off) / (2 * n);
    }
    print_message("# %s: worst %.2f errors, mean square %.2f, eps %.3f, acceptance %.2f, %.1f gradients a draw\n", what,
                  worst, square, r->eps, r->acceptance, (double)r->gradients / (double)r->ndraws);
    CHECK_BELOW(what, worst, limit);
    CHECK_BELOW(what, square, 1 + 5 / sqrt(n));
}

/* Draws of a problem in its principal coordinates, scaled to N(0, I). */
static void check_problem(const char *what, const struct problem *p, struct run *r, double limit)
{
    const int d = r->nparam;
    double *x = malloc((size_t)d * sizeof *x);
    assert_non_null(x);
    for (long t = 0; t < r->ndraws; t++) {
        for (int i = 0; i < d; i++) x[i] = r->q[i * r->ndraws + t] - p->mean[i];
        reflect(d, p->v, x);
        for (int i = 0; i < d; i++) r->q[i * r->ndraws + t] = x[i] / p->sd[i];
    }
    free(x);
    check_unit(what, r->q, d, r, limit);
}

static void ten_dimensions_of_condition_1000(void **unused)
{
    (void)unused;
    struct problem *p = problem_new(10);
    const struct ff_target target = {.self = &p->gaussian, .nparam = 10, .nlatent = 0, .eval = gaussian_eval};
    const double q0[10] = {0};
    for (int algorithm = FF_NUTS; algorithm <= FF_HMC; algorithm++) {
        for (int integrator = FF_LEAPFROG; integrator <= FF_ROTATION; integrator++) {
            const struct ff_chain_config config =
                run_config((enum ff_algorithm)algorithm, (enum ff_integrator)integrator, 500);
            struct run r = run_chain(&config, &target, q0, 4000);
            check_problem(algorithm == FF_NUTS ? "nuts, d = 10" : "hmc, d = 10", p, &r, 4.5);
            assert_int_equal(r.divergences, 0);
            run_done(&r);
        }
    }
    free(p);
}

/* A dense factor of the right shape but with a wrong diagonal: Cholesky of covariance + 0.3 I. */
static void rough_factor(const struct problem *p, int d, struct ff_metric *metric)
{
    double *covariance = malloc(2 * (size_t)d * (size_t)d * sizeof *covariance),
           *column = malloc((size_t)d * sizeof *column);
    assert_non_null(covariance);
    assert_non_null(column);
    for (int j = 0; j < d; j++) {
        for (int i = 0; i < d; i++) column[i] = i == j;
        reflect(d, p->v, column);
        for (int i = 0; i < d; i++) column[i] *= p->sd[i] * p->sd[i];
        reflect(d, p->v, column);
        for (int i = 0; i < d; i++) covariance[i * d + j] = column[i] + (i == j ? 0.3 : 0);
    }
    assert_true(ff_metric_init(metric, d, NULL, NULL));
    assert_true(ff_metric_set(metric, p->mean, covariance, covariance + d * d));
    free(covariance);
    free(column);
}

static void thousand_dimensions_of_condition_1000(void **unused)
{
    (void)unused;
    struct problem *p = problem_new(MAX_D);
    const struct ff_target target = {.self = &p->gaussian, .nparam = MAX_D, .nlatent = 0, .eval = gaussian_eval};
    struct ff_metric metric;
    rough_factor(p, MAX_D, &metric);
    struct ff_chain_config config = run_config(FF_NUTS, FF_LEAPFROG, 60);
    config.factor = metric.factor;
    struct run r = run_chain(&config, &target, p->mean, 300);
    check_problem("nuts, d = 1000", p, &r, 5.5);
    run_done(&r);
    ff_metric_done(&metric);
    free(p);
}

/* Latents have no metric: here they have condition 1000 themselves, and NUTS has to find trajectories of the right
** length. */
static void latents_of_condition_1000(void **unused)
{
    (void)unused;
    enum { N = 400 };
    double sd[N];
    for (int i = 0; i < N; i++) sd[i] = pow(1000, -0.5 * i / (N - 1));
    struct gaussian g = {0, N, NULL, NULL, NULL, NULL, sd};
    const struct ff_target target = {.self = &g, .nparam = 0, .nlatent = N, .eval = gaussian_eval};
    const struct ff_chain_config config = run_config(FF_NUTS, FF_LEAPFROG, 200);
    struct run r = run_chain(&config, &target, NULL, 500);
    for (int i = 0; i < N; i++)
        for (long t = 0; t < r.ndraws; t++) r.z[i * r.ndraws + t] /= sd[i];
    check_unit("nuts, 400 latents", r.z, N, &r, 5.5);
    run_done(&r);
}

/* A standard normal of any size is free of error: one step of a quarter period, everything accepted. */
static void gaussian_latents_cost_the_rotation_nothing(void **unused)
{
    (void)unused;
    const double zero[2] = {0, 0}, one[2] = {1, 1}, axis[2] = {1, 0};
    double y[2];
    struct gaussian g = {2, 20000, zero, one, axis, y, NULL};
    const struct ff_target target = {.self = &g, .nparam = 2, .nlatent = g.nlatent, .eval = gaussian_eval};
    for (int algorithm = FF_NUTS; algorithm <= FF_HMC; algorithm++) {
        struct ff_chain_config config = run_config((enum ff_algorithm)algorithm, FF_ROTATION, 50);
        config.adapt_metric = false;
        ff_ctx ctx = {0};
        ff_chain *c = NULL;
        CHECK_OK(ff_chain_init(&c, &config, &target, zero, NULL, &ctx), &ctx);
        double square = 0;
        for (int i = 0; i < 150; i++) {
            struct ff_transition t;
            CHECK_OK(ff_chain_step(c, &t, &ctx), &ctx);
            CHECK_BELOW("energy error", fabs(t.max_energy_error), 2e-3);
            CHECK_BELOW("gradients", (double)t.gradients, 9);
            if (i < 50) continue;
            for (long k = 0; k < g.nlatent; k++) square += (double)t.z[k] * (double)t.z[k];
        }
        ff_chain_free(c);
        CHECK_NEAR("mean square of the latents", square / (100.0 * (double)g.nlatent), 1,
                   4 * sqrt(2 / (100.0 * (double)g.nlatent)));
    }
}

/* Moments of the ridge with every algorithm, flow and scheme: what breaks detailed balance shows here. */
static void every_scheme_keeps_a_curved_target(void **unused)
{
    (void)unused;
    const struct ff_target target = {.self = NULL, .nparam = 2, .nlatent = 0, .eval = ridge_eval};
    const double q0[2] = {0.5, 0.2};
    const struct estimate x = {0, sqrt(ridge_x2), 0, 0},
                          y = {ridge_x2, sqrt(0.25 + ridge_x4 - ridge_x2 * ridge_x2), 0, 0};
    for (int algorithm = FF_NUTS; algorithm <= FF_HMC; algorithm++) {
        for (int integrator = FF_LEAPFROG; integrator <= FF_ROTATION; integrator++) {
            for (int scheme = 0; scheme < FF_NSCHEMES; scheme++) {
                struct ff_chain_config config =
                    run_config((enum ff_algorithm)algorithm, (enum ff_integrator)integrator, 200);
                config.scheme = (enum ff_scheme)scheme;
                struct run r = run_chain(&config, &target, q0, 10000);
                check_moments("ridge, x", r.q, r.ndraws, &x);
                check_moments("ridge, y", r.q + r.ndraws, r.ndraws, &y);
                run_done(&r);
            }
        }
    }
}

/* The same where the parameters' momentum is kept: a sign not turned at a rejection, of which there are many here, would
** show. */
static void a_kept_momentum_keeps_the_target(void **unused)
{
    (void)unused;
    const struct ff_target curved = {.self = NULL, .nparam = 2, .nlatent = 0, .eval = ridge_eval};
    const double q0[2] = {0.5, 0.2};
    const struct estimate x = {0, sqrt(ridge_x2), 0, 0},
                          y = {ridge_x2, sqrt(0.25 + ridge_x4 - ridge_x2 * ridge_x2), 0, 0}, normal = {0, 1, 0, 0};
    struct tied tied = {300, 0.1414};
    const struct ff_target of_tied = {.self = &tied, .nparam = 1, .nlatent = tied.n, .eval = tied_eval};
    for (int integrator = FF_LEAPFROG; integrator <= FF_ROTATION; integrator++) {
        struct ff_chain_config config = run_config(FF_HMC, (enum ff_integrator)integrator, 200);
        config.scheme = FF_SCHEME_MINNORM2;
        config.persistence = 0.7;
        config.jitter = 0.2;
        config.target_accept = 0.6;
        struct run r = run_chain(&config, &curved, q0, 20000);
        check_moments("ridge, x, momentum kept", r.q, r.ndraws, &x);
        check_moments("ridge, y, momentum kept", r.q + r.ndraws, r.ndraws, &y);
        run_done(&r);
        config.adapt_metric = false;
        r = run_chain(&config, &of_tied, q0, 5000);
        check_moments("tied parameter, momentum kept", r.q, r.ndraws, &normal);
        assert_true(r.acceptance < 0.9);
        run_done(&r);
    }
}

/* In natural coordinates the funnel's neck needs small steps; NUTS still finds v ~ N(0, 3^2) given enough of them. */
static void funnel_has_the_right_neck(void **unused)
{
    (void)unused;
    struct funnel f = {10, 3};
    const struct ff_target target = {.self = &f, .nparam = 10, .nlatent = 0, .eval = funnel_eval};
    const double q0[10] = {0};
    struct ff_chain_config config = run_config(FF_NUTS, FF_LEAPFROG, 0);
    config.step_size = 0.05;
    const long n = 20000;
    struct run r = run_chain(&config, &target, q0, n);
    const struct estimate e = estimate_of(r.q, n), v = {0, 3, 0, 0};
    print_message(
        "# funnel: v %.3f +- %.3f, sd %.3f +- %.3f, %ld divergences, %ld at full depth, %.0f gradients a draw\n",
        e.mean, e.mean_error, e.sd, e.sd_error, r.divergences, r.hit_depth, (double)r.gradients / (double)n);
    check_moments("funnel, v", r.q, n, &v);
    run_done(&r);
}

/* With steps made for the wide part of the funnel, the neck has to announce itself by divergences. */
static void funnel_neck_is_reported_as_divergences(void **unused)
{
    (void)unused;
    struct funnel f = {10, 3};
    const struct ff_target target = {.self = &f, .nparam = 10, .nlatent = 0, .eval = funnel_eval};
    const double q0[10] = {0};
    const struct ff_chain_config config = run_config(FF_NUTS, FF_LEAPFROG, 500);
    struct run r = run_chain(&config, &target, q0, 4000);
    print_message("# funnel, adapted steps: eps %.3f, %ld divergences of %ld\n", r.eps, r.divergences, r.ndraws);
    assert_true(r.divergences > 0);
    run_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_dimensions_of_condition_1000),
        cmocka_unit_test(thousand_dimensions_of_condition_1000),
        cmocka_unit_test(latents_of_condition_1000),
        cmocka_unit_test(gaussian_latents_cost_the_rotation_nothing),
        cmocka_unit_test(every_scheme_keeps_a_curved_target),
        cmocka_unit_test(a_kept_momentum_keeps_the_target),
        cmocka_unit_test(funnel_has_the_right_neck),
        cmocka_unit_test(funnel_neck_is_reported_as_divergences),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
