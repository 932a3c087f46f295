/* Priors: densities that integrate to 1, gradients, draws that follow them. */
#include "tests/unit/job/job_helper.h"

#include "worker/job/prior.h"

enum { NPRIORS = 7 };
static const struct ff_prior priors[NPRIORS] = {
    {FF_PRIOR_NORMAL, 0.2664, 0.2664, 0.2, 0, INFINITY}, /* one side */
    {FF_PRIOR_NORMAL, -1, -1, 0.9, -2, -0.3},            /* both sides */
    {FF_PRIOR_NORMAL, 0.9645, 0.9645, 0.08, -INFINITY, INFINITY},
    {FF_PRIOR_NORMAL, 6.5, 0, 1, 6, INFINITY},     /* far tail, right */
    {FF_PRIOR_NORMAL, -9.5, 0, 1, -INFINITY, -9},  /* far tail, left */
    {FF_PRIOR_NORMAL, 1.0005, 0, 1, 1, 1.0000001}, /* narrower than the digits of a CDF allow */
    {FF_PRIOR_UNIFORM, 0.9, 0, 0, 0.3, 1.5},
};

/* The part of the support that holds all but 1e-15 of the mass. */
static void bounds(const struct ff_prior *p, double *a, double *b)
{
    *a = p->kind == FF_PRIOR_UNIFORM ? p->low : fmax(p->low, fmin(p->mean, p->high) - 12 * p->sd);
    *b = p->kind == FF_PRIOR_UNIFORM ? p->high : fmin(p->high, fmax(p->mean, p->low) + 12 * p->sd);
}

/* Simpson's rule over the density: mass, mean, variance. */
static void integrate(const struct ff_prior *p, double *mass, double *mean, double *variance)
{
    enum { N = 40000 };
    double a, b, slope, sum[3] = {0};
    bounds(p, &a, &b);
    const double h = (b - a) / N;
    for (int i = 0; i <= N; i++) {
        const double x = i == N ? b : a + i * h, w = (i == 0 || i == N ? 1 : i % 2 ? 4 : 2) * h / 3;
        const double density = w * exp(ff_prior_logp(p, x, &slope));
        sum[0] += density;
        sum[1] += density * (x - a);
        sum[2] += density * (x - a) * (x - a);
    }
    *mass = sum[0];
    *mean = a + sum[1] / sum[0];
    *variance = sum[2] / sum[0] - (sum[1] / sum[0]) * (sum[1] / sum[0]);
}

static void density_integrates_to_one(void **state)
{
    (void)state;
    for (int i = 0; i < NPRIORS; i++) {
        double mass, mean, variance;
        char what[64];
        integrate(&priors[i], &mass, &mean, &variance);
        snprintf(what, sizeof what, "mass of prior %d", i);
        check_close(what, mass, 1, 1e-6);
    }
}

static void gradient_is_that_of_the_density(void **state)
{
    (void)state;
    for (int i = 0; i < NPRIORS; i++) {
        double a, b, slope, up, down, unused;
        char what[64];
        bounds(&priors[i], &a, &b);
        b = fmin(b, a + 3);
        const double x = a + 0.4 * (b - a), h = 1e-3 * (b - a);
        ff_prior_logp(&priors[i], x, &slope);
        up = ff_prior_logp(&priors[i], x + h, &unused);
        down = ff_prior_logp(&priors[i], x - h, &unused);
        snprintf(what, sizeof what, "slope of prior %d", i);
        check_close(what, slope * (b - a), (up - down) / (2 * h) * (b - a), 1e-6 * (1 + fabs(slope * (b - a))));
    }
}

static void outside_the_support_the_density_is_zero(void **state)
{
    (void)state;
    double slope;
    assert_true(ff_prior_logp(&priors[0], -1e-9, &slope) == -INFINITY);
    assert_true(ff_prior_logp(&priors[1], -0.29, &slope) == -INFINITY);
    assert_true(ff_prior_logp(&priors[6], 1.51, &slope) == -INFINITY);
    assert_true(ff_prior_logp(&priors[0], NAN, &slope) == -INFINITY);
}

static void set_up(struct ff_model *model)
{
    memset(model, 0, sizeof *model);
    model->npars = NPRIORS;
    memcpy(model->par, priors, sizeof priors);
}

static void draws_have_the_moments_of_the_density(void **state)
{
    (void)state;
    enum { N = 40000 };
    const char *seed_text = getenv("FF_TEST_SEED");
    const uint64_t seed = seed_text ? strtoull(seed_text, NULL, 10) : 7;
    print_message("# FF_TEST_SEED=%llu\n", (unsigned long long)seed);
    struct ff_model model;
    double theta[FF_MAX_PARS], sum[NPRIORS] = {0}, square[NPRIORS] = {0};
    set_up(&model);
    for (uint32_t d = 0; d < N; d++) {
        ff_prior_draw(&model, seed, d, theta);
        for (int i = 0; i < NPRIORS; i++) {
            if (!(theta[i] >= priors[i].low && theta[i] <= priors[i].high))
                fail_msg("draw %u of prior %d is %.17g, outside %.17g to %.17g", d, i, theta[i], priors[i].low,
                         priors[i].high);
            sum[i] += theta[i] - priors[i].value;
            square[i] += (theta[i] - priors[i].value) * (theta[i] - priors[i].value);
        }
    }
    for (int i = 0; i < NPRIORS; i++) {
        double mass, mean, variance;
        char what[64];
        integrate(&priors[i], &mass, &mean, &variance);
        const double shift = sum[i] / N, got = square[i] / N - shift * shift;
        snprintf(what, sizeof what, "mean of the draws of prior %d", i);
        check_close(what, priors[i].value + shift, mean, 5 * sqrt(variance / N));
        snprintf(what, sizeof what, "variance of the draws of prior %d", i);
        check_close(what, got / variance, 1, 5 * sqrt(8.0 / N)); /* kurtosis of an exponential tail: 9 */
    }
}

static void a_draw_depends_on_its_address_alone(void **state)
{
    (void)state;
    struct ff_model model;
    double all[FF_MAX_PARS], some[FF_MAX_PARS];
    set_up(&model);
    ff_prior_draw(&model, 3, 17, all);
    model.par[0] = (struct ff_prior){.kind = FF_PRIOR_FIXED, .value = 0.5, .low = 0.5, .high = 0.5};
    ff_prior_draw(&model, 3, 17, some);
    assert_true(some[0] == 0.5);
    for (int i = 1; i < NPRIORS; i++) assert_true(some[i] == all[i]);
    ff_prior_draw(&model, 3, 18, some);
    assert_true(some[1] != all[1]);
    ff_prior_draw(&model, 4, 17, some);
    assert_true(some[1] != all[1]);
}

/* 45 sd out neither the mass nor the tail is a double any more; their logarithms are. */
static void hopeless_tails_stay_finite(void **state)
{
    (void)state;
    struct ff_model model = {.npars = 1};
    model.par[0] = (struct ff_prior){FF_PRIOR_NORMAL, 46, 0, 1, 45, 46};
    double mean = 0, slope;
    for (uint32_t d = 0; d < 2000; d++) {
        double theta[FF_MAX_PARS];
        ff_prior_draw(&model, 1, d, theta);
        mean += (theta[0] - 45) / 2000;
    }
    /* Near its edge the tail is an exponential of rate about 45 + 1/45. */
    check_close("mean distance from the edge", mean, 1 / 45.02, 5 / 45.02 / sqrt(2000));
    check_close("log density at the edge", ff_prior_logp(&model.par[0], 45, &slope), log(45.022), 1e-3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(density_integrates_to_one),
        cmocka_unit_test(gradient_is_that_of_the_density),
        cmocka_unit_test(outside_the_support_the_density_is_zero),
        cmocka_unit_test(draws_have_the_moments_of_the_density),
        cmocka_unit_test(a_draw_depends_on_its_address_alone),
        cmocka_unit_test(hopeless_tails_stay_finite),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
