/* transform_test.c - coordinates of the free parameters: round trip, Jacobian, prior exactly standard normal. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "worker/job/prior.h"
#include "worker/job/transform.h"

/* Six free parameters with every kind of prior the transform knows. */
static struct ff_model model_of(void)
{
    struct ff_model m;
    memset(&m, 0, sizeof m);
    m.sources.nbins = 2;
    m.npars = ff_par_count(2);
    for (int i = 0; i < m.npars; i++)
        m.par[i] = (struct ff_prior){.kind = FF_PRIOR_FIXED, .value = ff_par_default(2, i)};
    m.par[FF_OMEGA_C] =
        (struct ff_prior){.kind = FF_PRIOR_NORMAL, .value = .2664, .mean = .2664, .sd = .2, .low = 0, .high = INFINITY};
    m.par[FF_OMEGA_B] = (struct ff_prior){
        .kind = FF_PRIOR_NORMAL, .value = .0492, .mean = .0492, .sd = .006, .low = 0, .high = INFINITY};
    m.par[FF_SIGMA8] = (struct ff_prior){.kind = FF_PRIOR_UNIFORM, .value = .9, .low = .3, .high = 1.5};
    m.par[FF_N_S] = (struct ff_prior){
        .kind = FF_PRIOR_NORMAL, .value = .9645, .mean = .9645, .sd = .08, .low = -INFINITY, .high = INFINITY};
    m.par[FF_W0] =
        (struct ff_prior){.kind = FF_PRIOR_NORMAL, .value = -1, .mean = -1, .sd = .9, .low = -2, .high = -.3};
    m.par[ff_par_m(1)] = (struct ff_prior){
        .kind = FF_PRIOR_NORMAL, .value = 0, .mean = 0, .sd = .01, .low = -INFINITY, .high = INFINITY};
    return m;
}

/* The prior as reference (0), or normals elsewhere, one close to a bound (1). */
static struct ff_transform transform_of(const struct ff_model *m, int recentred)
{
    static const double MEAN[] = {.3, .047, .97, .85, -1.85, .001}, SD[] = {.04, .005, .06, .05, .2, .02};
    struct ff_transform t;
    ff_transform_init(&t, m);
    if (recentred) ff_transform_recentre(&t, MEAN, SD);
    return t;
}

static const double POINTS[][6] = {
    {0, 0, 0, 0, 0, 0}, {.3, -.4, .5, 1.2, -.7, .1}, {-2.5, 1, 2, -3, 2.5, -1}, {3, -3, -2.5, .1, -3, 4}};

static void close_to(const char *what, double got, double expected, double tolerance)
{
    if (!(fabs(got - expected) <= tolerance))
        fail_msg("%s: expected %.12g, got %.12g, tolerance %g", what, expected, got, tolerance);
}

static void round_trip_of(int recentred)
{
    const struct ff_model m = model_of();
    const struct ff_transform t = transform_of(&m, recentred);
    assert_int_equal(t.nfree, 6);
    for (size_t k = 0; k < sizeof POINTS / sizeof *POINTS; k++) {
        struct ff_transformed p;
        double back[FF_MAX_PARS];
        ff_transform_at(&t, POINTS[k], &p);
        for (int f = 0; f < t.nfree; f++) {
            const struct ff_prior *prior = &m.par[t.place[f]];
            const double x = p.theta[t.place[f]];
            if (prior->kind == FF_PRIOR_UNIFORM || isfinite(prior->low)) assert_true(x >= prior->low);
            if (prior->kind == FF_PRIOR_UNIFORM || isfinite(prior->high)) assert_true(x <= prior->high);
        }
        ff_transform_inverse(&t, p.theta, back);
        for (int f = 0; f < t.nfree; f++) close_to("v", back[f], POINTS[k][f], 1e-7);
    }
}

static void round_trip(void **state)
{
    (void)state;
    for (int recentred = 0; recentred < 2; recentred++) round_trip_of(recentred);
}

static void jacobian_matches_differences_of(int recentred)
{
    const struct ff_model m = model_of();
    const struct ff_transform t = transform_of(&m, recentred);
    for (size_t k = 0; k < sizeof POINTS / sizeof *POINTS; k++) {
        struct ff_transformed p, up, down;
        double jacobian[FF_MAX_PARS * FF_MAX_PARS], gtheta[FF_MAX_PARS], v[6];
        ff_transform_at(&t, POINTS[k], &p);
        ff_transform_jacobian(&t, &p, jacobian);
        for (int i = 0; i < m.npars; i++) gtheta[i] = 1 + .37 * i;
        double gv[FF_MAX_PARS] = {0};
        ff_transform_pull(&t, &p, gtheta, gv);
        for (int j = 0; j < 6; j++) {
            const double h = 1e-5;
            double pulled = 0;
            memcpy(v, POINTS[k], sizeof v);
            v[j] += h;
            ff_transform_at(&t, v, &up);
            v[j] -= 2 * h;
            ff_transform_at(&t, v, &down);
            for (int f = 0; f < 6; f++) {
                const int par = t.place[f];
                const double slope = (up.theta[par] - down.theta[par]) / (2 * h);
                close_to("d theta / d v", jacobian[f * 6 + j], slope, 1e-8 + 1e-7 * fabs(slope));
                pulled += gtheta[par] * slope;
            }
            close_to("pulled gradient", gv[j], pulled, 1e-7 * (1 + fabs(pulled)));
        }
    }
}

static void jacobian_matches_differences(void **state)
{
    (void)state;
    for (int recentred = 0; recentred < 2; recentred++) jacobian_matches_differences_of(recentred);
}

/* The density of v is the prior's times |d theta / dv|; with the prior as reference it is the standard normal of u. */
static void prior_keeps_its_mass_of(int recentred)
{
    const struct ff_model m = model_of();
    const struct ff_transform t = transform_of(&m, recentred);
    double reference = 0, standard = 0;
    for (size_t k = 0; k < sizeof POINTS / sizeof *POINTS; k++) {
        struct ff_transformed p;
        double gv[FF_MAX_PARS] = {0}, slope, sum = 0;
        ff_transform_at(&t, POINTS[k], &p);
        const double logp = ff_transform_logprior(&t, &p, gv);
        for (int f = 0; f < 6; f++) {
            const int par = t.place[f];
            sum += ff_prior_logp(&m.par[par], p.theta[par], &slope) + log(p.dxdu[f]);
        }
        double normal = 0;
        for (int f = 0; f < 6; f++) normal -= 0.5 * p.u[f] * p.u[f];
        if (k == 0) reference = sum - logp, standard = normal - logp;
        if (!recentred) close_to("standard normal", normal - logp, standard, 1e-8 * (1 + fabs(normal)));
        close_to("log prior up to a constant", sum - logp, reference, 1e-8 * (1 + fabs(sum)));
    }
}

static void prior_keeps_its_mass(void **state)
{
    (void)state;
    for (int recentred = 0; recentred < 2; recentred++) prior_keeps_its_mass_of(recentred);
}

static void prior_gradient_matches_differences_of(int recentred)
{
    const struct ff_model m = model_of();
    const struct ff_transform t = transform_of(&m, recentred);
    struct ff_transformed p;
    double gv[FF_MAX_PARS] = {0}, scratch[FF_MAX_PARS] = {0}, v[6];
    ff_transform_at(&t, POINTS[1], &p);
    ff_transform_logprior(&t, &p, gv);
    for (int j = 0; j < 6; j++) {
        const double h = 1e-5;
        memcpy(v, POINTS[1], sizeof v);
        v[j] += h;
        ff_transform_at(&t, v, &p);
        const double up = ff_transform_logprior(&t, &p, scratch);
        v[j] -= 2 * h;
        ff_transform_at(&t, v, &p);
        const double down = ff_transform_logprior(&t, &p, scratch);
        close_to("d log prior / d v", gv[j], (up - down) / (2 * h), 1e-7);
    }
}

static void prior_gradient_matches_differences(void **state)
{
    (void)state;
    for (int recentred = 0; recentred < 2; recentred++) prior_gradient_matches_differences_of(recentred);
}

/* Lines of constant S8 are lines of constant v_sigma8 as long as sigma8's own coordinate is linear in its logarithm. */
static void shear_follows_s8(void **state)
{
    (void)state;
    const struct ff_model m = model_of();
    struct ff_transform t;
    ff_transform_init(&t, &m);
    double a[FF_MAX_PARS], b[FF_MAX_PARS], theta[FF_MAX_PARS];
    for (int i = 0; i < m.npars; i++) theta[i] = m.par[i].value;
    theta[FF_SIGMA8] = .9;
    ff_transform_inverse(&t, theta, a);
    const double om = theta[FF_OMEGA_C] + theta[FF_OMEGA_B];
    theta[FF_OMEGA_C] *= 1.02;
    theta[FF_SIGMA8] *= sqrt(om / (theta[FF_OMEGA_C] + theta[FF_OMEGA_B]));
    ff_transform_inverse(&t, theta, b);
    const int s = t.sigma8;
    const double alone = fabs(log(theta[FF_SIGMA8] / .9)) * t.shear * 2;
    assert_true(s >= 0);
    close_to("v_sigma8 along S8", b[s], a[s], 0.02 * alone);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),           cmocka_unit_test(jacobian_matches_differences),
        cmocka_unit_test(prior_keeps_its_mass), cmocka_unit_test(prior_gradient_matches_differences),
        cmocka_unit_test(shear_follows_s8),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
