/* worker/job/fit.c - see fit.h. */
#include "worker/job/fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "worker/job/smallmat.h"

enum { MAX_STEPS = 60 };
static const double CONVERGED = 1e-4; /* of the expected gain in log posterior */
static const double LONGEST = 1.5;    /* of a step, in prior sds: beyond it the quadratic form is not to be trusted */

struct state { /* the objective at one point */
    double v[FF_MAX_PARS], value, gradient[FF_MAX_PARS], fisher[FF_MAX_PARS * FF_MAX_PARS];
    double information[FF_MAX_PARS * FF_MAX_PARS]; /* (nfree, nfree) Fisher matrix of the likelihood in theta */
};

struct problem {
    struct ff_engine *engine;
    const struct ff_transform *transform;
    double *cl, *dcl; /* (npairs,nell) and (nfree,npairs,nell), gains included */
};

/* Spectra of the observable, gains included, with derivatives with respect to the free parameters. */
static void apply_gains(const struct problem *p, const struct ff_transformed *point)
{
    const struct ff_tables *tables = &p->engine->tables;
    const int nb = tables->nbins, nell = tables->nell, nfree = p->transform->nfree;
    const long stride = (long)tables->npairs * nell;
    for (int i = 0; i < nb; i++) {
        for (int j = i; j < nb; j++) {
            const long at = (long)ff_pair(nb, i, j) * nell;
            const double gi = 1 + point->theta[ff_par_m(i)], gj = 1 + point->theta[ff_par_m(j)];
            for (int l = 0; l < nell; l++) p->cl[at + l] = gi * gj * tables->cl[at + l];
            for (int f = 0; f < nfree; f++) {
                const int par = p->transform->place[f];
                const double dgain = (par == ff_par_m(i) ? gj : 0) + (par == ff_par_m(j) ? gi : 0);
                for (int l = 0; l < nell; l++)
                    p->dcl[f * stride + at + l] =
                        gi * gj * tables->dcl[par * stride + at + l] + dgain * tables->cl[at + l];
            }
        }
    }
}

/* F_v = J^T F J + (du/dv)^T (du/dv), the prior's share being exact. */
static void to_v(const struct ff_transform *t, const struct ff_transformed *point, const double *fisher, double *out)
{
    const int n = t->nfree;
    double jacobian[FF_MAX_PARS * FF_MAX_PARS], half[FF_MAX_PARS * FF_MAX_PARS];
    ff_transform_jacobian(t, point, jacobian);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            half[i * n + j] = 0;
            for (int k = 0; k < n; k++) half[i * n + j] += fisher[i * n + k] * jacobian[k * n + j];
        }
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) {
            double sum = 0;
            for (int k = 0; k < n; k++)
                sum +=
                    jacobian[k * n + i] * (half[k * n + j] + jacobian[k * n + j] / (point->dxdu[k] * point->dxdu[k]));
            out[i * n + j] = sum;
        }
}

/* Value, gradient and Fisher matrix at s->v; value = -INFINITY outside the model. */
static ff_err evaluate(const struct problem *p, struct state *s, ff_ctx *ctx)
{
    const int n = p->transform->nfree;
    struct ff_transformed point;
    ff_transform_at(p->transform, s->v, &point);
    s->value = -INFINITY;
    ff_err err = ff_theta_eval(p->engine->theta, point.theta, &p->engine->tables, ctx);
    if (err || !p->engine->tables.inside) return err;
    apply_gains(p, &point);
    double logp, slope[FF_MAX_PARS], fisher[FF_MAX_PARS * FF_MAX_PARS], gtheta[FF_MAX_PARS] = {0};
    err = ff_sim_marginal(p->engine->sim, p->cl, n, p->dcl, &logp, slope, fisher, ctx);
    if (err == FF_EOUTSIDE) {
        ff_ctx_clear(ctx);
        return FF_OK;
    }
    if (err) return err;
    for (int f = 0; f < n; f++) gtheta[p->transform->place[f]] = slope[f];
    memset(s->gradient, 0, sizeof s->gradient);
    ff_transform_pull(p->transform, &point, gtheta, s->gradient);
    s->value = logp + ff_transform_logprior(p->transform, &point, s->gradient);
    to_v(p->transform, &point, fisher, s->fisher);
    memcpy(s->information, fisher, sizeof s->information);
    if (!isfinite(s->value)) s->value = -INFINITY;
    return FF_OK;
}

/* A damped step from s; false when the matrix is not positive definite. *gain: what the quadratic form promises. */
static bool propose(const struct state *s, int n, double damping, double *v, double *gain)
{
    double a[FF_MAX_PARS * FF_MAX_PARS], step[FF_MAX_PARS], length = 0;
    memcpy(a, s->fisher, sizeof a);
    for (int i = 0; i < n; i++) a[i * n + i] *= 1 + damping;
    if (!ff_mat_cholesky(a, n)) return false;
    memcpy(step, s->gradient, sizeof step);
    ff_mat_solve(a, n, step);
    *gain = 0;
    for (int i = 0; i < n; i++) {
        *gain += 0.5 * step[i] * s->gradient[i];
        length = fmax(length, fabs(step[i]));
    }
    const double scale = length > LONGEST ? LONGEST / length : 1;
    for (int i = 0; i < n; i++) v[i] = s->v[i] + scale * step[i];
    return true;
}

static ff_err maximise(const struct problem *p, struct state *best, struct ff_fit *fit, ff_ctx *ctx)
{
    const int n = p->transform->nfree;
    struct state trial;
    double damping = 1e-3;
    for (int step = 0; step < MAX_STEPS && damping < 1e9; step++) {
        double gain;
        if (!propose(best, n, damping, trial.v, &gain)) {
            damping = fmax(damping, 1e-3) * 10;
            continue;
        }
        if (damping < 1 && gain < CONVERGED) {
            fit->converged = true;
            return FF_OK;
        }
        ff_err err = evaluate(p, &trial, ctx);
        fit->evaluations++;
        if (err) return err;
        if (trial.value > best->value) {
            *best = trial;
            damping *= 0.1;
        } else {
            damping = fmax(damping, 1e-3) * 10;
        }
    }
    return FF_OK;
}

/* Covariance of theta if neither likelihood nor prior knew of bounds; false when it is not positive definite. */
static bool boundless_covariance(const struct ff_transform *t, const struct state *best, double *covariance)
{
    const int n = t->nfree;
    double lower[FF_MAX_PARS * FF_MAX_PARS];
    memcpy(lower, best->information, (size_t)(n * n) * sizeof *lower);
    for (int f = 0; f < n; f++) {
        const struct ff_prior *prior = &t->model->par[t->place[f]];
        const double width = prior->high - prior->low;
        lower[f * n + f] += prior->kind == FF_PRIOR_UNIFORM ? 12 / (width * width) : 1 / (prior->sd * prior->sd);
    }
    if (!ff_mat_cholesky(lower, n)) return false;
    ff_mat_inverse(lower, n, covariance);
    return true;
}

/* c (n, n): S c S^T, S = dv/du: 1 but for the row of sigma8, which has shear dlnm added. */
static void shear_covariance(const struct ff_transform *t, const struct ff_transformed *p, double *c)
{
    const int n = t->nfree, s = t->sigma8;
    for (int pass = 0; pass < 2; pass++) { /* rows, then columns */
        const int along = pass ? n : 1, across = pass ? 1 : n;
        for (int j = 0; j < n; j++) {
            double sum = 0;
            for (int f = 0; f < n; f++) sum += t->shear * p->dlnm[f] * c[f * across + j * along];
            c[s * across + j * along] += sum;
        }
    }
}

/* Recentres the transform on the state at the maximum, and takes the centre and the covariance factor that a posterior like
** the new references has: u is N(0, their correlation), wherever the bounds are. */
static ff_err take_metric(const struct state *best, struct ff_transform *t, struct ff_fit *fit, ff_ctx *ctx)
{
    const int n = t->nfree;
    double *c = fit->factor; /* the covariance of theta, the correlation of u, the covariance of v, its factor */
    const double zero[FF_MAX_PARS] = {0};
    struct ff_transformed point;
    if (!boundless_covariance(t, best, c))
        return ff_fail(ctx, FF_ENUMERIC, FF_HERE, "the Fisher matrix of the free parameters is not positive definite");
    ff_transform_at(t, best->v, &point);
    for (int f = 0; f < n; f++) {
        fit->mean[f] = point.theta[t->place[f]];
        fit->sd[f] = sqrt(c[f * n + f]);
    }
    ff_transform_recentre(t, fit->mean, fit->sd);
    ff_transform_from_u(t, zero, fit->centre);
    ff_transform_at(t, fit->centre, &point);
    for (int i = 0; i < n; i++)
        for (int j = 0; j < n; j++) c[i * n + j] /= fit->sd[i] * fit->sd[j];
    if (t->sigma8 >= 0) shear_covariance(t, &point, c);
    if (!ff_mat_cholesky(c, n))
        return ff_fail(ctx, FF_ENUMERIC, FF_HERE, "the covariance of the free parameters is not positive definite");
    return FF_OK;
}

/* What is wrong at the prior centre, and where that is. */
static ff_err undefined(const struct problem *p, const double *theta, const char *why, ff_ctx *ctx)
{
    char vector[FF_PAR_TEXT_SIZE];
    ff_par_text(p->engine->tables.nbins, theta, vector);
    return ff_fail_at(ctx, FF_EOUTSIDE, "/model/parameters", FF_HERE,
                      "the model is undefined at the centre of the priors (%s) and at its fiducial point; move the "
                      "priors; the centre is %s",
                      why ? why : "no covariance", vector);
}

/* The prior centre, or the fiducial point where the model is undefined there. */
static ff_err start(const struct problem *p, struct state *s, struct ff_fit *fit, ff_ctx *ctx)
{
    const struct ff_transform *t = p->transform;
    struct ff_transformed centre = {.u = {0}};
    double v[FF_MAX_PARS] = {0};
    ff_transform_at(t, v, &centre);
    for (int f = 0; f < t->nfree; f++) centre.theta[t->place[f]] = t->model->par[t->place[f]].value;
    ff_transform_inverse(t, centre.theta, s->v);
    ff_err err = evaluate(p, s, ctx);
    fit->evaluations++;
    if (err || isfinite(s->value)) return err;
    const char *why = p->engine->tables.why;
    ff_transform_inverse(t, t->model->fiducial, s->v);
    err = evaluate(p, s, ctx);
    fit->evaluations++;
    return err || isfinite(s->value) ? err : undefined(p, centre.theta, why, ctx);
}

ff_err ff_fit_marginal(struct ff_engine *e, struct ff_transform *t, struct ff_fit *fit, ff_ctx *ctx)
{
    memset(fit, 0, sizeof *fit);
    fit->converged = t->nfree == 0;
    if (t->nfree == 0) return FF_OK;
    const size_t len = (size_t)e->tables.npairs * (size_t)e->tables.nell;
    struct problem p = {.engine = e, .transform = t};
    struct state *best = malloc(sizeof *best);
    p.cl = malloc(sizeof *p.cl * len);
    p.dcl = malloc(sizeof *p.dcl * len * (size_t)t->nfree);
    ff_err err = FF_OK;
    if (!best || !p.cl || !p.dcl) err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the marginal fit");
    if (!err) err = start(&p, best, fit, ctx);
    if (!err) err = maximise(&p, best, fit, ctx);
    if (!err) err = take_metric(best, t, fit, ctx);
    if (err) ff_note(ctx, FF_HERE, "while fitting the marginal likelihood for a start");
    free(best);
    free(p.cl);
    free(p.dcl);
    return err;
}
