/* common/job_sampler.c - "sampler" of a posterior job (docs/job.md). */
#include <math.h>

#include "common/job_parts.h"

enum { MAX_CHAINS = 64, MAX_WARMUP = 100000, MAX_DRAWS = 1000000, MAX_DEPTH = 12 };

static const struct ff_choice algorithms[] = {
    {"nuts", FF_JOB_NUTS, false}, {"hmc", FF_JOB_HMC, false}, {"mclmc", FF_JOB_MCLMC, true}, {NULL, 0, false}};
static const struct ff_choice integrators[] = {
    {"rotation", FF_JOB_ROTATION, false}, {"leapfrog", FF_JOB_LEAPFROG, false}, {NULL, 0, false}};
static const struct ff_choice whitens[] = {{"auto", FF_JOB_WHITEN_AUTO, false},
                                           {"wiener", FF_JOB_WHITEN_WIENER, false},
                                           {"lowrank", FF_JOB_WHITEN_LOWRANK, true},
                                           {"none", FF_JOB_WHITEN_NONE, false},
                                           {NULL, 0, false}};
static const struct ff_choice keeps[] = {{"moments", 0, false}, {"thin", 1, false}, {NULL, 0, false}};

static void read_until(struct ff_scope *scope, struct ff_sampler *sampler)
{
    struct ff_scope until;
    sampler->until = ff_scope_has(scope, "until");
    if (!sampler->until) return;
    ff_scope_object(&until, scope, "until");
    sampler->until_ess = ff_read_real(&until, "ess", (struct ff_range){0, 1e9, true, false}, NAN);
    sampler->until_rhat = ff_read_real(&until, "rhat", (struct ff_range){1, 100, true, false}, 1.01);
    sampler->max_draws = (int)ff_read_integer(&until, "max_draws", 1, MAX_DRAWS, 4000);
    ff_scope_close(&until);
}

void ff_job_read_sampler(struct ff_scope *root, struct ff_sampler *sampler)
{
    struct ff_scope scope, fields;
    ff_scope_object(&scope, root, "sampler");
    sampler->algorithm = (enum ff_job_algorithm)ff_read_choice(&scope, "algorithm", algorithms, "nuts");
    sampler->chains = (int)ff_read_integer(&scope, "chains", 1, MAX_CHAINS, 4);
    sampler->warmup = (int)ff_read_integer(&scope, "warmup", 0, MAX_WARMUP, 100);
    sampler->draws = (int)ff_read_integer(&scope, "draws", 1, MAX_DRAWS, 400);
    read_until(&scope, sampler);
    sampler->target_accept = ff_read_real(&scope, "target_accept", (struct ff_range){0, 1, true, true}, 0.8);
    sampler->max_depth = (int)ff_read_integer(&scope, "max_depth", 1, MAX_DEPTH, 10);
    sampler->integrator = (enum ff_job_integrator)ff_read_choice(&scope, "integrator", integrators, "rotation");
    sampler->whiten = (enum ff_job_whiten)ff_read_choice(&scope, "whiten", whitens, "auto");
    ff_scope_object(&fields, &scope, "fields");
    sampler->thin = ff_read_choice(&fields, "keep", keeps, "moments") != 0;
    sampler->every = (int)ff_read_integer(&fields, "every", 1, MAX_DRAWS, 10);
    ff_scope_close(&fields);
    ff_scope_close(&scope);
}
