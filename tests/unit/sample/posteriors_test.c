/* tests/unit/sample/posteriors_test.c - three posteriors of posteriordb against its reference draws, by NUTS and by
** HMC. Their models, written here with gradients in unconstrained coordinates (scales by their logarithm):
**   eight_schools_noncentered  theta_trans_j ~ N(0, 1), theta_j = mu + tau theta_trans_j, y_j ~ N(theta_j, sigma_j),
**                              mu ~ N(0, 5), tau ~ half-Cauchy(0, 5)
**   kilpisjarvi                y ~ N(alpha + beta x, sigma), alpha ~ N(pmualpha, psalpha), beta ~ N(pmubeta, psbeta),
** sigma flat
**   blr                        y ~ N(X beta, sigma), beta_k ~ N(0, 10), sigma ~ half-N(0, 10)
** Data: $FF_SHARED/data/posteriordb (default ../shared); without it the tests are skipped. */
#include <jansson.h>
#include <stdio.h>

#include "tests/unit/sample/runs.h"

enum { MAX_DATA = 128, MAX_COVARIATES = 8, NREFERENCE = 10000 };

static json_t *read_json(const char *name)
{
    const char *shared = getenv("FF_SHARED");
    char path[1024];
    snprintf(path, sizeof path, "%s/data/posteriordb/%s", shared ? shared : "../shared", name);
    json_error_t error;
    json_t *root = json_load_file(path, 0, &error);
    if (!root) {
        print_message("# skipped: cannot read %s\n", path);
        skip();
    }
    return root;
}

static double number(const json_t *object, const char *key)
{
    return json_number_value(json_object_get(object, key));
}

static int numbers(const json_t *array, double *out, int most)
{
    const int n = (int)json_array_size(array);
    assert_true(n <= most);
    for (int i = 0; i < n; i++) out[i] = json_number_value(json_array_get(array, (size_t)i));
    return n;
}

struct schools {
    int n;
    double y[MAX_DATA], sigma[MAX_DATA];
};

static ff_err schools_eval(void *self, const double *q, const float *z, double *lp, double *gq, float *gz, ff_ctx *ctx)
{
    const struct schools *d = self;
    (void)z, (void)gz, (void)ctx;
    const double mu = q[d->n], tau = exp(q[d->n + 1]), t = tau / 5;
    double g_mu = -mu / 25, g_tau = -2 * t / (1 + t * t) / 5;
    *lp = -mu * mu / 50 - log1p(t * t) + q[d->n + 1];
    for (int j = 0; j < d->n; j++) {
        const double r = (d->y[j] - mu - tau * q[j]) / d->sigma[j];
        *lp -= 0.5 * (r * r + q[j] * q[j]);
        gq[j] = tau * r / d->sigma[j] - q[j];
        g_mu += r / d->sigma[j];
        g_tau += q[j] * r / d->sigma[j];
    }
    gq[d->n] = g_mu;
    gq[d->n + 1] = g_tau * tau + 1;
    return FF_OK;
}

/* theta_1 .. theta_n, mu, tau. */
static void schools_outputs(const void *self, const double *q, double *out)
{
    const struct schools *d = self;
    const double mu = q[d->n], tau = exp(q[d->n + 1]);
    for (int j = 0; j < d->n; j++) out[j] = mu + tau * q[j];
    out[d->n] = mu;
    out[d->n + 1] = tau;
}

/* Both regressions: y ~ N(X beta, sigma), beta_k ~ N(m_k, s_k), and a half-normal of scale sigma_scale (INFINITY:
** flat). */
struct regression {
    int n, k;
    double y[MAX_DATA], x[MAX_DATA][MAX_COVARIATES], m[MAX_COVARIATES], s[MAX_COVARIATES], sigma_scale;
};

static ff_err regression_eval(void *self, const double *q, const float *z, double *lp, double *gq, float *gz,
                              ff_ctx *ctx)
{
    const struct regression *d = self;
    (void)z, (void)gz, (void)ctx;
    const double sigma = exp(q[d->k]), scaled = sigma / d->sigma_scale;
    double squares = 0;
    *lp = q[d->k] - d->n * q[d->k] - 0.5 * scaled * scaled;
    for (int k = 0; k < d->k; k++) {
        const double off = (q[k] - d->m[k]) / d->s[k];
        *lp -= 0.5 * off * off;
        gq[k] = -off / d->s[k];
    }
    for (int i = 0; i < d->n; i++) {
        double r = d->y[i];
        for (int k = 0; k < d->k; k++) r -= d->x[i][k] * q[k];
        r /= sigma;
        squares += r * r;
        for (int k = 0; k < d->k; k++) gq[k] += r * d->x[i][k] / sigma;
    }
    *lp -= 0.5 * squares;
    gq[d->k] = 1 - d->n + squares - scaled * scaled;
    return FF_OK;
}

static void regression_outputs(const void *self, const double *q, double *out)
{
    const struct regression *d = self;
    for (int k = 0; k < d->k; k++) out[k] = q[k];
    out[d->k] = exp(q[d->k]);
}

/* Analytic gradient against central differences: a wrong model would otherwise only show as a wrong posterior. */
static void check_gradient(const struct ff_target *target, const double *q0)
{
    double q[16], g[16], scratch[16], up, down, lp;
    memcpy(q, q0, (size_t)target->nparam * sizeof *q);
    assert_int_equal(target->eval(target->self, q, NULL, &lp, g, NULL, NULL), FF_OK);
    for (int i = 0; i < target->nparam; i++) {
        const double h = 1e-5 * fmax(1e-2, fabs(q[i])), here = q[i];
        q[i] = here + h;
        assert_int_equal(target->eval(target->self, q, NULL, &up, scratch, NULL, NULL), FF_OK);
        q[i] = here - h;
        assert_int_equal(target->eval(target->self, q, NULL, &down, scratch, NULL, NULL), FF_OK);
        q[i] = here;
        CHECK_NEAR("gradient", g[i], (up - down) / (2 * h), 1e-5 * (1 + fabs(g[i])));
    }
}

struct posterior {
    struct ff_target target;
    void (*outputs)(const void *self, const double *q, double *out);
    const char *reference;    /* file of reference draws: ten chains of 1000 independent draws */
    const char *const *names; /* (nparam) of the outputs */
    const double *q0;
};

/* One output's reference mean and sd with their errors, the draws being independent. */
static struct estimate reference_of(const json_t *chains, const char *name)
{
    double *x = malloc(NREFERENCE * sizeof *x);
    assert_non_null(x);
    int n = 0;
    for (size_t c = 0; c < json_array_size(chains); c++)
        n += numbers(json_object_get(json_array_get(chains, c), name), x + n, NREFERENCE - n);
    assert_int_equal(n, NREFERENCE);
    const struct estimate e = estimate_of(x, n);
    free(x);
    return e;
}

static void check_posterior(const struct posterior *p, enum ff_algorithm algorithm, enum ff_integrator integrator)
{
    json_t *chains = read_json(p->reference);
    const int d = p->target.nparam;
    const long n = 10000;
    struct ff_chain_config config = run_config(algorithm, integrator, 1000);
    config.target_accept = 0.9;
    struct run r = run_chain(&config, &p->target, p->q0, n);
    double *series = malloc((size_t)(d * n) * sizeof *series), q[16], out[16];
    assert_non_null(series);
    for (long t = 0; t < n; t++) {
        for (int i = 0; i < d; i++) q[i] = r.q[i * n + t];
        p->outputs(p->target.self, q, out);
        for (int i = 0; i < d; i++) series[i * n + t] = out[i];
    }
    double worst_ess = INFINITY;
    for (int i = 0; i < d; i++) worst_ess = fmin(worst_ess, ff_ess_bulk(series + i * n, 1, n));
    print_message("# %s, %s, %s: ess %.0f, eps %.3f, %ld divergences, %.1f gradients a draw\n", p->reference,
                  algorithm == FF_NUTS ? "nuts" : "hmc", integrator == FF_ROTATION ? "rotation" : "leapfrog", worst_ess,
                  r.eps, r.divergences, (double)r.gradients / (double)n);
    for (int i = 0; i < d; i++) {
        const struct estimate expected = reference_of(chains, p->names[i]);
        check_moments(p->names[i], series + i * n, n, &expected);
    }
    free(series);
    run_done(&r);
    json_decref(chains);
}

static void check_all_ways(const struct posterior *p)
{
    check_gradient(&p->target, p->q0);
    check_posterior(p, FF_NUTS, FF_LEAPFROG);
    check_posterior(p, FF_HMC, FF_LEAPFROG);
    check_posterior(p, FF_NUTS, FF_ROTATION);
    check_posterior(p, FF_HMC, FF_ROTATION);
}

static void eight_schools_matches_its_reference(void **unused)
{
    (void)unused;
    json_t *data = read_json("eight_schools-eight_schools_noncentered/eight_schools.json");
    struct schools s;
    s.n = numbers(json_object_get(data, "y"), s.y, MAX_DATA);
    assert_int_equal(s.n, 8);
    assert_int_equal(numbers(json_object_get(data, "sigma"), s.sigma, MAX_DATA), s.n);
    json_decref(data);
    static const char *const names[10] = {"theta[1]", "theta[2]", "theta[3]", "theta[4]", "theta[5]",
                                          "theta[6]", "theta[7]", "theta[8]", "mu",       "tau"};
    const double q0[10] = {0.1, -0.2, 0.3, 0, 0, 0.4, 0, 0, 1, 0.5};
    check_all_ways(
        &(struct posterior){{.self = &s, .nparam = 10, .eval = schools_eval},
                            schools_outputs,
                            "eight_schools-eight_schools_noncentered/eight_schools-eight_schools_noncentered.json",
                            names,
                            q0});
}

static void kilpisjarvi_matches_its_reference(void **unused)
{
    (void)unused;
    json_t *data = read_json("kilpisjarvi_mod-kilpisjarvi/kilpisjarvi_mod.json");
    struct regression d = {.k = 2, .sigma_scale = INFINITY};
    double x[MAX_DATA];
    d.n = numbers(json_object_get(data, "y"), d.y, MAX_DATA);
    assert_int_equal(numbers(json_object_get(data, "x"), x, MAX_DATA), d.n);
    for (int i = 0; i < d.n; i++) {
        d.x[i][0] = 1;
        d.x[i][1] = x[i];
    }
    d.m[0] = number(data, "pmualpha");
    d.s[0] = number(data, "psalpha");
    d.m[1] = number(data, "pmubeta");
    d.s[1] = number(data, "psbeta");
    json_decref(data);
    static const char *const names[3] = {"alpha", "beta", "sigma"};
    const double q0[3] = {0, 0, 0};
    check_all_ways(&(struct posterior){{.self = &d, .nparam = 3, .eval = regression_eval},
                                       regression_outputs,
                                       "kilpisjarvi_mod-kilpisjarvi/kilpisjarvi_mod-kilpisjarvi.json",
                                       names,
                                       q0});
}

static void blr_matches_its_reference(void **unused)
{
    (void)unused;
    json_t *data = read_json("sblrc-blr/sblrc.json");
    struct regression d = {.k = 5, .sigma_scale = 10};
    d.n = numbers(json_object_get(data, "y"), d.y, MAX_DATA);
    for (int i = 0; i < d.n; i++)
        assert_int_equal(numbers(json_array_get(json_object_get(data, "X"), (size_t)i), d.x[i], MAX_COVARIATES), d.k);
    for (int k = 0; k < d.k; k++) d.s[k] = 10;
    json_decref(data);
    static const char *const names[6] = {"beta[1]", "beta[2]", "beta[3]", "beta[4]", "beta[5]", "sigma"};
    const double q0[6] = {0, 0, 0, 0, 0, 0};
    check_all_ways(&(struct posterior){
        {.self = &d, .nparam = 6, .eval = regression_eval}, regression_outputs, "sblrc-blr/sblrc-blr.json", names, q0});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(eight_schools_matches_its_reference),
        cmocka_unit_test(kilpisjarvi_matches_its_reference),
        cmocka_unit_test(blr_matches_its_reference),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
