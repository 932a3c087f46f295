/* The engine: the gradient of the log density with respect to every parameter, through theta and the simulator at once, in f64. */
#include "tests/unit/job/job_helper.h"

#include "worker/core/rng.h"
#include "worker/job/difference.h"
#include "worker/job/engine.h"

static const char form[] = "{\"kind\":\"draws\",\"count\":1,\"model\":{\"simulator\":\"%s\",\"field\":{\"size_deg\":4,"
                           "\"npix\":12,\"padding\":%d},"
                           "\"sources\":{\"gaussian\":[{\"z\":0.5,\"sd\":0.12,\"n_per_arcmin2\":7},{\"z\":1,\"sd\":0."
                           "15,\"n_per_arcmin2\":9}]},"
                           "\"sigma_e\":0.1,\"observable\":\"%s\",\"parameters\":{\"A_ia\":0.4,\"eta_ia\":0.3,\"m_2\":"
                           "0.05,\"dz_1\":0.01,\"wa\":0.1}}}";

struct line {
    struct ff_engine engine;
    enum ff_whiten whiten;
    double theta[FF_MAX_PARS], *y;
    int par;
};

static ff_err density(void *self, double h, double *value, ff_ctx *ctx)
{
    struct line *l = self;
    double theta[FF_MAX_PARS];
    bool inside;
    struct ff_energy energy;
    memcpy(theta, l->theta, sizeof theta);
    theta[l->par] += h;
    *value = NAN;
    ff_err err = ff_engine_set(&l->engine, theta, &inside, ctx);
    if (err || !inside) return err;
    err = ff_sim_energy(l->engine.sim, l->whiten, l->y, &energy, NULL, &(struct ff_sim_bars){0}, ctx);
    *value = energy.loglike + energy.logprior + energy.logdet;
    return err;
}

static void compare(struct line *l, ff_ctx *ctx)
{
    double bar[FF_MAX_PARS];
    bool inside;
    struct ff_energy energy;
    double *y_bar = malloc((size_t)ff_sim_nlatent(l->engine.sim) * sizeof *y_bar);
    const struct ff_sim_bars bars = ff_engine_bars(&l->engine);
    check_ok(ff_engine_set(&l->engine, l->theta, &inside, ctx), ctx);
    assert_true(inside);
    check_ok(ff_sim_energy(l->engine.sim, l->whiten, l->y, &energy, y_bar, &bars, ctx), ctx);
    ff_engine_theta_bar(&l->engine, bar);
    free(y_bar);
    for (l->par = 0; l->par < l->engine.model->npars; l->par++) {
        struct ff_difference d;
        char what[64];
        check_ok(ff_differentiate(density, l, 0.01, &d, ctx), ctx);
        ff_par_name(l->engine.model->sources.nbins, l->par, what);
        check_close(what, bar[l->par], d.slope, 1e-6 * fmax(fabs(d.slope), sqrt(fabs(d.curvature))));
    }
}

static void check_model(const char *simulator, int padding, const char *observable)
{
    char text[1024];
    ff_ctx ctx = {0};
    struct line l = {0};
    snprintf(text, sizeof text, form, simulator, padding, observable);
    struct ff_job *job = job_from(text);
    check_ok(ff_engine_init(&l.engine, &job->model, NULL, FF_F64, 1, NULL, true, &ctx), &ctx);
    const long nobs = ff_sim_nobs(l.engine.sim), nlatent = ff_sim_nlatent(l.engine.sim);
    float *map = malloc((size_t)nobs * sizeof *map), *sd = malloc((size_t)nobs * sizeof *sd);
    l.y = malloc((size_t)nlatent * sizeof *l.y);
    ff_rng_normals_f32(5, FF_RNG_TEST, 0, 0, nobs, map, 1);
    ff_rng_normals_f64(5, FF_RNG_TEST, 1, 0, nlatent, l.y, 1);
    for (long i = 0; i < nobs; i++) {
        map[i] *= 0.01f;
        sd[i] = i % 7 ? 0.01f : INFINITY;
    }
    check_ok(ff_sim_set_data(l.engine.sim, map, sd, &ctx), &ctx);
    for (int p = 0; p < job->model.npars; p++) l.theta[p] = job->model.par[p].value;
    for (int w = 0; w < 2; w++) {
        l.whiten = w ? FF_WHITEN_WIENER : FF_WHITEN_NONE;
        compare(&l, &ctx);
    }
    free(map);
    free(sd);
    free(l.y);
    ff_engine_done(&l.engine);
    ff_job_free(job);
}

static void theta_gradient_matches_differences_lognormal_convergence(void **state)
{
    (void)state;
    check_model("lognormal", 1, "convergence");
}

static void theta_gradient_matches_differences_gaussian_shear(void **state)
{
    (void)state;
    check_model("gaussian", 2, "shear");
}

static void theta_gradient_matches_differences_lognormal_reduced_shear(void **state)
{
    (void)state;
    check_model("lognormal", 1, "reduced_shear");
}

static void outside_the_model_is_told_not_an_error(void **state)
{
    (void)state;
    char text[1024];
    ff_ctx ctx = {0};
    struct ff_engine e;
    double theta[FF_MAX_PARS];
    bool inside = true;
    snprintf(text, sizeof text, form, "lognormal", 1, "convergence");
    struct ff_job *job = job_from(text);
    check_ok(ff_engine_init(&e, &job->model, NULL, FF_F32, 1, NULL, false, &ctx), &ctx);
    for (int p = 0; p < job->model.npars; p++) theta[p] = job->model.par[p].value;
    theta[FF_H] = -1;
    check_ok(ff_engine_set(&e, theta, &inside, &ctx), &ctx);
    assert_false(inside);
    assert_int_equal(ctx.code, FF_OK);
    theta[FF_H] = 0.67;
    check_ok(ff_engine_set(&e, theta, &inside, &ctx), &ctx);
    assert_true(inside);
    assert_true(ff_engine_bytes(&job->model, FF_F64, 1) > ff_engine_bytes(&job->model, FF_F32, 1));
    ff_engine_done(&e);
    ff_job_free(job);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(theta_gradient_matches_differences_lognormal_convergence),
        cmocka_unit_test(theta_gradient_matches_differences_gaussian_shear),
        cmocka_unit_test(theta_gradient_matches_differences_lognormal_reduced_shear),
        cmocka_unit_test(outside_the_model_is_told_not_an_error),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
