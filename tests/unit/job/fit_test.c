/* fit_test.c - the start of a chain: the fit finds the truth of data without noise to speak of, and its centre and factor are those
** of the references it sets. */
#include "job_helper.h"

#include "files/dataset.h"
#include "worker/job/fit.h"
#include "worker/job/run.h"
#include "worker/job/target.h"

static const char *const JOB =
    "{\"kind\":\"posterior\",\"seed\":3,\"model\":{\"simulator\":\"gaussian\",\"field\":{\"size_deg\":5,\"npix\":32},"
    "\"sources\":{\"gaussian\":[{\"z\":0.6,\"sd\":0.1,\"n_per_arcmin2\":30},{\"z\":1.2,\"sd\":0.2,\"n_per_arcmin2\":30}"
    "]},"
    "\"sigma_e\":0.1,\"observable\":\"convergence\",\"parameters\":{\"omega_c\":{\"normal\":[0.27,0.1],\"low\":0.05},"
    "\"sigma8\":{\"uniform\":[0.4,%s]},\"w0\":{\"normal\":[-1,0.9],\"low\":-2,\"high\":-0.3}}},"
    "\"data\":{\"mock\":{\"parameters\":{\"omega_c\":0.25,\"sigma8\":0.8,\"w0\":-1},\"seed\":5}},"
    "\"sampler\":{\"algorithm\":\"hmc\",\"chains\":1,\"warmup\":20,\"draws\":20}}";

struct fixture {
    struct ff_prepared prepared;
    struct ff_maps data;
    struct ff_posterior posterior;
    struct ff_fit fit;
};

static void open_fixture(struct fixture *f, const char *highest)
{
    ff_ctx ctx = {0};
    char text[2048];
    snprintf(text, sizeof text, JOB, highest);
    memset(f, 0, sizeof *f);
    check_ok(ff_prepare(&f->prepared, job_from(text), 1, &ctx), &ctx);
    check_ok(ff_make_mock(&f->prepared, 1, NULL, &f->data, &ctx), &ctx);
    check_ok(ff_posterior_init(&f->posterior, f->prepared.job, &f->prepared.shift, &f->data, 1, NULL, &ctx), &ctx);
    check_ok(ff_fit_marginal(&f->posterior.engine, &f->posterior.transform, &f->fit, &ctx), &ctx);
}

static void close_fixture(struct fixture *f)
{
    ff_posterior_done(&f->posterior);
    ff_maps_done(&f->data);
    ff_prepared_done(&f->prepared);
}

static void fit_is_near_the_truth(void **state)
{
    (void)state;
    struct fixture *f = malloc(sizeof *f);
    open_fixture(f, "1.2");
    const double truth[] = {0.25, 0.8, -1};
    assert_true(f->fit.converged);
    for (int i = 0; i < 3; i++) {
        assert_true(f->fit.sd[i] > 0);
        check_close("fit, in its sds", (f->fit.mean[i] - truth[i]) / f->fit.sd[i], 0, 3.5);
    }
    close_fixture(f);
    free(f);
}

/* In u the references are standard normals; the factor carries their correlation through v(u) at u = 0. */
static void factor_is_that_of_the_references(const struct fixture *f)
{
    const struct ff_transform *t = &f->posterior.transform;
    const int n = t->nfree;
    double jacobian[FF_MAX_PARS * FF_MAX_PARS]; /* dv/du by differences */
    for (int j = 0; j < n; j++) {
        const double h = 1e-4;
        double u[FF_MAX_PARS] = {0}, up[FF_MAX_PARS], down[FF_MAX_PARS];
        u[j] = h;
        ff_transform_from_u(t, u, up);
        u[j] = -h;
        ff_transform_from_u(t, u, down);
        for (int i = 0; i < n; i++) jacobian[i * n + j] = (up[i] - down[i]) / (2 * h);
    }
    for (int i = 0; i < n; i++) { /* J^-1 L L^T J^-T has a unit diagonal: rows of J^-1 L have unit length */
        double square = 0;
        for (int k = 0; k < n; k++) {
            double entry = f->fit.factor[i * n + k];
            if (i == t->sigma8)
                for (int j = 0; j < n; j++)
                    if (j != i) entry -= jacobian[i * n + j] * f->fit.factor[j * n + k];
            square += pow(entry, 2);
        }
        check_close("variance of u", square, 1, 1e-6);
    }
}

static void centre_and_factor_are_those_of_the_references(void **state)
{
    (void)state;
    struct fixture *f = malloc(sizeof *f);
    open_fixture(f, "1.2");
    struct ff_transformed at;
    ff_transform_at(&f->posterior.transform, f->fit.centre, &at);
    for (int i = 0; i < 3; i++) check_close("u at the centre", at.u[i], 0, 1e-9);
    factor_is_that_of_the_references(f);
    close_fixture(f);
    free(f);
}

/* A truth outside the prior: the maximum lies at the bound, where the prior's own coordinate runs off; the references stay. */
static void a_fit_at_a_bound_keeps_its_width(void **state)
{
    (void)state;
    struct fixture *inside = malloc(sizeof *inside), *f = malloc(sizeof *f);
    open_fixture(inside, "1.2");
    open_fixture(f, "0.75");
    const double ratio = f->fit.sd[1] / inside->fit.sd[1];
    if (!(ratio > 0.3 && ratio < 3)) fail_msg("sd at the bound is %g of the sd inside; expected 0.3 to 3", ratio);
    factor_is_that_of_the_references(f);
    close_fixture(f);
    close_fixture(inside);
    free(f);
    free(inside);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fit_is_near_the_truth),
        cmocka_unit_test(centre_and_factor_are_those_of_the_references),
        cmocka_unit_test(a_fit_at_a_bound_keeps_its_width),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
