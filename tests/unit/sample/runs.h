/* tests/unit/sample/runs.h - chains run to an array of draws, and estimates with their Monte-Carlo errors. */
#ifndef FF_TESTS_SAMPLE_RUNS_H
#define FF_TESTS_SAMPLE_RUNS_H

#include <string.h>

#include "tests/unit/sample/check.h"
#include "worker/sample/chain.h"
#include "worker/sample/diagnostics.h"

static inline struct ff_chain_config run_config(enum ff_algorithm algorithm, enum ff_integrator integrator, int warmup)
{
    return (struct ff_chain_config){.algorithm = algorithm,
                                    .integrator = integrator,
                                    .scheme = FF_SCHEME_VERLET,
                                    .warmup = warmup,
                                    .target_accept = 0.8,
                                    .max_depth = 10,
                                    .adapt_metric = true,
                                    .seed = 20240611,
                                    .threads = 1};
}

struct run {
    int nparam;
    long ndraws;
    double *q; /* (nparam, ndraws) */
    double *z; /* (nlatent, ndraws) */
    long divergences, gradients, steps, hit_depth;
    double acceptance, eps; /* mean after warm-up; last */
};

/* Warm-up and ndraws draws from q0 (z0 drawn). */
static inline struct run run_chain(const struct ff_chain_config *config, const struct ff_target *target,
                                   const double *q0, long ndraws)
{
    struct run r = {.nparam = target->nparam, .ndraws = ndraws};
    r.q = malloc((size_t)(target->nparam * ndraws + 1) * sizeof *r.q);
    r.z = malloc((size_t)(target->nlatent * ndraws + 1) * sizeof *r.z);
    assert_non_null(r.q);
    assert_non_null(r.z);
    ff_ctx ctx = {0};
    ff_chain *c = NULL;
    ff_err err = ff_chain_init(&c, config, target, q0, NULL, &ctx);
    CHECK_OK(err, &ctx);
    for (long i = -config->warmup; i < ndraws; i++) {
        struct ff_transition t;
        err = ff_chain_step(c, &t, &ctx);
        CHECK_OK(err, &ctx);
        assert_int_equal(t.warmup, i < 0);
        r.eps = t.step_size;
        if (i < 0) continue;
        r.divergences += t.diverging;
        r.hit_depth += t.reached_max_depth;
        r.steps += t.n_steps;
        r.acceptance += t.acceptance_rate / (double)ndraws;
        for (int j = 0; j < target->nparam; j++) r.q[j * ndraws + i] = t.q[j];
        for (long j = 0; j < target->nlatent; j++) r.z[j * ndraws + i] = (double)t.z[j];
    }
    r.gradients = ff_chain_gradients(c);
    ff_chain_free(c);
    return r;
}

static inline void run_done(struct run *r)
{
    free(r->q);
    free(r->z);
}

/* Mean and sd of draws (n) with their Monte-Carlo errors. */
struct estimate {
    double mean, sd, mean_error, sd_error;
};

static inline struct estimate estimate_of(const double *x, long n)
{
    struct estimate e = {0};
    for (long i = 0; i < n; i++) e.mean += x[i] / (double)n;
    double *square = malloc((size_t)n * sizeof *square);
    assert_non_null(square);
    for (long i = 0; i < n; i++) {
        square[i] = (x[i] - e.mean) * (x[i] - e.mean);
        e.sd += square[i] / (double)n;
    }
    e.sd = sqrt(e.sd);
    e.mean_error = ff_mcse_mean(x, 1, n);
    e.sd_error = ff_mcse_mean(square, 1, n) / (2 * e.sd);
    free(square);
    return e;
}

/* Draws (n) have this mean and sd within 4 Monte-Carlo errors (added in quadrature to the expected values' own). */
static inline void check_moments(const char *what, const double *x, long n, const struct estimate *expected)
{
    const struct estimate e = estimate_of(x, n);
    const double mean_off = (e.mean - expected->mean) / hypot(e.mean_error, expected->mean_error);
    const double sd_off = (e.sd - expected->sd) / hypot(e.sd_error, expected->sd_error);
    if (fabs(mean_off) <= 4 && fabs(sd_off) <= 4) return;
    print_error(
        "%s: mean expected %g, got %g +- %g (%.1f errors, limit 4); sd expected %g, got %g +- %g (%.1f, limit 4)\n",
        what, expected->mean, e.mean, e.mean_error, mean_off, expected->sd, e.sd, e.sd_error, sd_off);
    fail();
}

#endif
