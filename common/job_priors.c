/* common/job_priors.c - "parameters" of a model: each a number, a (cut) normal or a uniform prior (docs/job.md). */
#include <math.h>

#include "common/job_parts.h"

/* No parameter of the model means anything beyond; keeps widths and squares finite. */
static const double huge = 1e6;
/* Farther from the mean than this, a normal has no mass that a double can hold. */
static const double max_sigmas = 8;

static struct ff_range edges_of(int nbins, int par)
{
    struct ff_range edges = {0, 0, false, false};
    ff_par_edges(nbins, par, &edges.low, &edges.high);
    edges.low = fmax(edges.low, -huge);
    edges.high = fmin(edges.high, huge);
    return edges;
}

/* A normal's mean, or a point inside the support (not on its edge) when the mean is outside. */
static double normal_centre(const struct ff_prior *p)
{
    double inside = fmin(p->sd, p->high - p->low) / 2;
    if (p->mean <= p->low) return p->low + inside;
    return p->mean >= p->high ? p->high - inside : p->mean;
}

static void cut_support(struct ff_scope *scope, struct ff_prior *p, int nbins, int par)
{
    double low, high;
    ff_par_edges(nbins, par, &low, &high);
    p->low = fmax(p->low, low);
    p->high = fmin(p->high, high);
    if (!ff_failed(scope) && !(p->low < p->high))
        ff_scope_fail(scope, NULL, FF_EBADJOB, FF_HERE,
                      "the prior leaves nothing between %.10g and %.10g; the parameter's edges are %.10g and %.10g",
                      p->low, p->high, low, high);
}

static void read_normal(struct ff_scope *scope, struct ff_prior *p, int nbins, int par)
{
    struct ff_scope list;
    ff_scope_list(&list, scope, "normal", 2, 2);
    p->kind = FF_PRIOR_NORMAL;
    p->mean = ff_read_element(&list, 0, (struct ff_range){-huge, huge, false, false});
    p->sd = ff_read_element(&list, 1, (struct ff_range){0, huge, true, false});
    p->low = -INFINITY;
    p->high = INFINITY;
    if (ff_scope_has(scope, "low"))
        p->low = ff_read_real(scope, "low", (struct ff_range){-huge, huge, false, false}, NAN);
    if (ff_scope_has(scope, "high"))
        p->high = ff_read_real(scope, "high", (struct ff_range){fmax(p->low, -huge), huge, true, false}, NAN);
    cut_support(scope, p, nbins, par);
    if (!ff_failed(scope) && (p->low > p->mean + max_sigmas * p->sd || p->high < p->mean - max_sigmas * p->sd))
        ff_scope_fail(scope, NULL, FF_EBADJOB, FF_HERE,
                      "the support %.10g to %.10g is more than %g sd from the mean %.10g; allowed: nearer", p->low,
                      p->high, max_sigmas, p->mean);
    p->value = normal_centre(p);
}

static void read_uniform(struct ff_scope *scope, struct ff_prior *p, int nbins, int par)
{
    struct ff_scope list;
    ff_scope_list(&list, scope, "uniform", 2, 2);
    p->kind = FF_PRIOR_UNIFORM;
    p->low = ff_read_element(&list, 0, (struct ff_range){-huge, huge, false, false});
    p->high = ff_read_element(&list, 1, (struct ff_range){p->low, huge, true, false});
    cut_support(scope, p, nbins, par);
    p->value = (p->low + p->high) / 2;
}

static void read_prior(struct ff_scope *scope, const char *name, struct ff_prior *p, int nbins, int par)
{
    static const char *const allowed =
        "a number, {\"normal\": [mean, sd], \"low\": .., \"high\": ..} or {\"uniform\": [a, b]}";
    struct ff_scope prior;
    if (!json_is_object(json_object_get(scope->in, name))) {
        ff_scope_fail(scope, name, FF_EBADJOB, FF_HERE, "this is no prior; allowed: %s", allowed);
        return;
    }
    ff_scope_object(&prior, scope, name);
    bool normal = ff_scope_has(&prior, "normal"), uniform = ff_scope_has(&prior, "uniform");
    if (normal == uniform) {
        ff_scope_fail(&prior, NULL, FF_EBADJOB, FF_HERE, "%s; allowed: %s", normal ? "two priors" : "no prior",
                      allowed);
    } else if (normal) {
        read_normal(&prior, p, nbins, par);
    } else {
        read_uniform(&prior, p, nbins, par);
    }
    ff_scope_close(&prior);
}

void ff_job_read_priors(struct ff_scope *scope, struct ff_model *model)
{
    int nbins = model->sources.nbins;
    struct ff_scope pars;
    char name[FF_NAME_SIZE];
    model->npars = ff_par_count(nbins);
    ff_scope_object(&pars, scope, "parameters");
    for (int par = 0; par < model->npars; par++) {
        struct ff_prior *p = &model->par[par];
        ff_par_name(nbins, par, name);
        if (ff_scope_has(&pars, name) && !json_is_number(json_object_get(pars.in, name))) {
            read_prior(&pars, name, p, nbins, par);
        } else {
            double value = ff_read_real(&pars, name, edges_of(nbins, par), model->fiducial[par]);
            *p = (struct ff_prior){.kind = FF_PRIOR_FIXED, .value = value, .low = value, .high = value};
        }
    }
    ff_scope_close(&pars);
}

void ff_job_read_point(struct ff_scope *scope, const char *key, const struct ff_model *model, double *point)
{
    int nbins = model->sources.nbins;
    struct ff_scope pars;
    char name[FF_NAME_SIZE];
    ff_scope_object(&pars, scope, key);
    for (int par = 0; par < model->npars; par++) {
        ff_par_name(nbins, par, name);
        point[par] = ff_read_real(&pars, name, edges_of(nbins, par), model->fiducial[par]);
    }
    ff_scope_close(&pars);
}
