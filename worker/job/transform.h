/* worker/job/transform.h - free parameters in coordinates a sampler likes.
** Each free parameter x has a coordinate u = Phi^-1(F(x)), F the CDF of its reference: a normal or flat density on the
** prior's support. The reference begins as the prior, so that the prior is exactly N(0,1) in u and any bounds are gone. A normal
** at the posterior's place and of its width is better for sampling: the posterior is then nearly normal in u even where it
** runs into a bound, while the prior's own coordinate would draw it out into a long tail there. Where sigma8 and a matter
** density are both free, sigma8's coordinate is sheared along their degeneracy: v_sigma8 = u_sigma8 + a ln Omega_m, the rest v = u.
** The shear has unit Jacobian, and makes lines of constant S8 = sigma8 (Omega_m/0.3)^0.5 straight. */
#ifndef FF_WORKER_JOB_TRANSFORM_H
#define FF_WORKER_JOB_TRANSFORM_H

#include "common/job.h"

struct ff_transform {
    const struct ff_model *model; /* borrowed */
    int nfree;
    int place[FF_MAX_PARS];        /* (nfree) places of the free parameters in theta */
    double mean[FF_MAX_PARS];      /* (nfree) of the reference normal */
    double sd[FF_MAX_PARS];        /* (nfree) of the reference normal, 0: the reference is flat */
    double cdf_low[FF_MAX_PARS];   /* (nfree) normal references: Phi of the standardised lower edge */
    double tail_high[FF_MAX_PARS]; /* (nfree) normal references: 1 - Phi of the standardised upper edge */
    int sigma8;                    /* index of sigma8 among the free ones, -1: no shear */
    double shear;                  /* a */
};

/* A point and the derivatives there. */
struct ff_transformed {
    double u[FF_MAX_PARS];     /* (nfree) */
    double theta[FF_MAX_PARS]; /* (model->npars) */
    double dxdu[FF_MAX_PARS];  /* (nfree) */
    double dlnm[FF_MAX_PARS];  /* (nfree) d ln Omega_m / du */
};

void ff_transform_init(struct ff_transform *t, const struct ff_model *model);

/* New references: normals of these means (inside the supports) and sds > 0, (nfree) each, in the units of theta. */
void ff_transform_recentre(struct ff_transform *t, const double *mean, const double *sd);

/* v (nfree) -> everything at that point; theta's fixed parameters are at their values. */
void ff_transform_at(const struct ff_transform *t, const double *v, struct ff_transformed *p);

/* u (nfree) -> v (nfree). */
void ff_transform_from_u(const struct ff_transform *t, const double *u, double *v);

/* theta (npars) -> v (nfree). Values outside a prior's support are moved just inside. */
void ff_transform_inverse(const struct ff_transform *t, const double *theta, double *v);

/* log p(v) of the prior at p, Jacobian included, up to a constant; its gradient is added to gv. */
double ff_transform_logprior(const struct ff_transform *t, const struct ff_transformed *p, double *gv);

/* Adds J^T g to gv, J = d theta / dv at p, g (npars) a gradient in theta. */
void ff_transform_pull(const struct ff_transform *t, const struct ff_transformed *p, const double *gtheta, double *gv);

/* J (nfree rows: the free parameters, nfree columns: v) in C order. */
void ff_transform_jacobian(const struct ff_transform *t, const struct ff_transformed *p, double *jacobian);

#endif
