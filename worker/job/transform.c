/* worker/job/transform.c - see transform.h. */
#include "worker/job/transform.h"

#include <gsl/gsl_cdf.h>
#include <gsl/gsl_randist.h>
#include <math.h>
#include <string.h>

#include "worker/job/prior.h"

/* Exponent of Omega_m in the combination that lensing measures best; only a choice of coordinate. */
static const double DEGENERACY = 0.5;

/* Beyond this the prior's CDF is not resolved; the density there is 1e-300 of the peak's and no chain gets there. */
static const double U_MAX = 37;

static const struct ff_prior *prior_of(const struct ff_transform *t, int f)
{
    return &t->model->par[t->place[f]];
}

/* Standardised x with Phi(x) = lo + Phi(u) (hi - lo), computed from the nearer tail so that no digits are lost. */
static double normal_quantile(double u, double cdf_low, double tail_high)
{
    const double mass = 1 - cdf_low - tail_high;
    const double below = cdf_low + gsl_cdf_ugaussian_P(u) * mass;
    const double above = tail_high + gsl_cdf_ugaussian_Q(u) * mass;
    return below <= above ? gsl_cdf_ugaussian_Pinv(below) : gsl_cdf_ugaussian_Qinv(above);
}

/* Position of x in the reference normal. */
static double standardised(const struct ff_transform *t, int f, double x)
{
    return (x - t->mean[f]) / t->sd[f];
}

/* x(u) and dx/du for one free parameter. */
static double value_at(const struct ff_transform *t, int f, double u, double *dxdu)
{
    const struct ff_prior *prior = prior_of(t, f);
    u = fmax(-U_MAX, fmin(U_MAX, u));
    if (t->sd[f] == 0) {
        const double width = prior->high - prior->low;
        *dxdu = gsl_ran_ugaussian_pdf(u) * width;
        return u <= 0 ? prior->low + gsl_cdf_ugaussian_P(u) * width : prior->high - gsl_cdf_ugaussian_Q(u) * width;
    }
    if (t->cdf_low[f] == 0 && t->tail_high[f] == 0) {
        *dxdu = t->sd[f];
        return t->mean[f] + t->sd[f] * u;
    }
    const double x = normal_quantile(u, t->cdf_low[f], t->tail_high[f]);
    const double mass = 1 - t->cdf_low[f] - t->tail_high[f];
    *dxdu = t->sd[f] * mass * exp(0.5 * (x * x - u * u));
    return fmax(prior->low, fmin(prior->high, t->mean[f] + t->sd[f] * x));
}

static double coordinate_of(const struct ff_transform *t, int f, double x)
{
    const struct ff_prior *prior = prior_of(t, f);
    double below, above; /* of the reference's mass */
    if (t->sd[f] == 0) {
        below = (x - prior->low) / (prior->high - prior->low);
        above = (prior->high - x) / (prior->high - prior->low);
    } else {
        const double s = standardised(t, f, x), mass = 1 - t->cdf_low[f] - t->tail_high[f];
        if (mass == 1) return s;
        below = (gsl_cdf_ugaussian_P(s) - t->cdf_low[f]) / mass;
        above = (gsl_cdf_ugaussian_Q(s) - t->tail_high[f]) / mass;
    }
    const double tiny = 1e-12;
    return below <= above ? gsl_cdf_ugaussian_Pinv(fmax(below, tiny)) : gsl_cdf_ugaussian_Qinv(fmax(above, tiny));
}

/* ln dx/du up to a constant, and its slope in u. */
static double log_slope(const struct ff_transform *t, int f, double x, double u, double dxdu, double *slope)
{
    if (t->sd[f] == 0) {
        *slope = -u;
        return -0.5 * u * u;
    }
    const double s = standardised(t, f, x);
    *slope = s * dxdu / t->sd[f] - u;
    return 0.5 * (s * s - u * u);
}

static double omega_m(const double *theta)
{
    return theta[FF_OMEGA_C] + theta[FF_OMEGA_B];
}

/* The edges of normal references, and the shear, which is set by the slope of sigma8's coordinate. */
static void settle(struct ff_transform *t)
{
    for (int f = 0; f < t->nfree; f++) {
        if (t->sd[f] == 0) continue;
        t->cdf_low[f] = gsl_cdf_ugaussian_P(standardised(t, f, prior_of(t, f)->low));
        t->tail_high[f] = gsl_cdf_ugaussian_Q(standardised(t, f, prior_of(t, f)->high));
    }
    if (t->sigma8 < 0) return;
    double slope; /* d sigma8 / du at the reference's centre */
    const double x = value_at(t, t->sigma8, 0, &slope);
    t->shear = DEGENERACY * x / slope;
}

void ff_transform_init(struct ff_transform *t, const struct ff_model *model)
{
    memset(t, 0, sizeof *t);
    t->model = model;
    t->nfree = ff_model_free(model, t->place);
    int matter_is_free = 0, sigma8 = -1;
    for (int f = 0; f < t->nfree; f++) {
        const struct ff_prior *prior = prior_of(t, f);
        if (prior->kind == FF_PRIOR_NORMAL) {
            t->mean[f] = prior->mean;
            t->sd[f] = prior->sd;
        }
        if (t->place[f] == FF_SIGMA8) sigma8 = f;
        if (t->place[f] == FF_OMEGA_C || t->place[f] == FF_OMEGA_B) matter_is_free = 1;
    }
    t->sigma8 = matter_is_free ? sigma8 : -1;
    settle(t);
}

void ff_transform_recentre(struct ff_transform *t, const double *mean, const double *sd)
{
    memcpy(t->mean, mean, (size_t)t->nfree * sizeof *mean);
    memcpy(t->sd, sd, (size_t)t->nfree * sizeof *sd);
    settle(t);
}

static double shear_of(const struct ff_transform *t, double om)
{
    return t->shear * log(fmax(om, 1e-300));
}

void ff_transform_at(const struct ff_transform *t, const double *v, struct ff_transformed *p)
{
    const int nfree = t->nfree;
    for (int i = 0; i < t->model->npars; i++) p->theta[i] = t->model->par[i].value;
    for (int f = 0; f < nfree; f++) {
        p->dlnm[f] = 0;
        p->u[f] = v[f];
        if (f != t->sigma8) p->theta[t->place[f]] = value_at(t, f, v[f], &p->dxdu[f]);
    }
    if (t->sigma8 < 0) return;
    const double om = omega_m(p->theta);
    for (int f = 0; f < nfree; f++)
        if (t->place[f] == FF_OMEGA_C || t->place[f] == FF_OMEGA_B) p->dlnm[f] = p->dxdu[f] / fmax(om, 1e-300);
    p->u[t->sigma8] = v[t->sigma8] - shear_of(t, om);
    p->theta[FF_SIGMA8] = value_at(t, t->sigma8, p->u[t->sigma8], &p->dxdu[t->sigma8]);
}

void ff_transform_from_u(const struct ff_transform *t, const double *u, double *v)
{
    double theta[FF_MAX_PARS], slope;
    for (int i = 0; i < t->model->npars; i++) theta[i] = t->model->par[i].value;
    for (int f = 0; f < t->nfree; f++) {
        theta[t->place[f]] = value_at(t, f, u[f], &slope);
        v[f] = u[f];
    }
    if (t->sigma8 >= 0) v[t->sigma8] += shear_of(t, omega_m(theta));
}

void ff_transform_inverse(const struct ff_transform *t, const double *theta, double *v)
{
    for (int f = 0; f < t->nfree; f++) v[f] = coordinate_of(t, f, theta[t->place[f]]);
    if (t->sigma8 >= 0) v[t->sigma8] += shear_of(t, omega_m(theta));
}

/* gv += (du/dv)^T gu: u = v but for u_sigma8 = v_sigma8 - a ln Omega_m. */
static void pull_u(const struct ff_transform *t, const struct ff_transformed *p, const double *gu, double *gv)
{
    for (int f = 0; f < t->nfree; f++) gv[f] += gu[f];
    if (t->sigma8 < 0) return;
    for (int f = 0; f < t->nfree; f++) gv[f] -= t->shear * p->dlnm[f] * gu[t->sigma8];
}

double ff_transform_logprior(const struct ff_transform *t, const struct ff_transformed *p, double *gv)
{
    double sum = 0, gu[FF_MAX_PARS];
    for (int f = 0; f < t->nfree; f++) {
        const double x = p->theta[t->place[f]];
        double in_x, in_u;
        sum += ff_prior_logp(prior_of(t, f), x, &in_x) + log_slope(t, f, x, p->u[f], p->dxdu[f], &in_u);
        gu[f] = in_x * p->dxdu[f] + in_u;
    }
    pull_u(t, p, gu, gv);
    return sum;
}

void ff_transform_pull(const struct ff_transform *t, const struct ff_transformed *p, const double *gtheta, double *gv)
{
    double gu[FF_MAX_PARS];
    for (int f = 0; f < t->nfree; f++) gu[f] = p->dxdu[f] * gtheta[t->place[f]];
    pull_u(t, p, gu, gv);
}

void ff_transform_jacobian(const struct ff_transform *t, const struct ff_transformed *p, double *jacobian)
{
    const int n = t->nfree;
    memset(jacobian, 0, sizeof *jacobian * (size_t)(n * n));
    for (int f = 0; f < n; f++) jacobian[f * n + f] = p->dxdu[f];
    if (t->sigma8 < 0) return;
    for (int f = 0; f < n; f++) jacobian[t->sigma8 * n + f] -= p->dxdu[t->sigma8] * t->shear * p->dlnm[f];
}
