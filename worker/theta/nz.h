/* worker/theta/nz.h - the redshift distributions of the source bins, as piecewise cubics with exact cumulatives.
** Smail: p(z) ~ z^a exp(-(z/z0)^b) up to z = 10, bins of equal number with a Gaussian photo-z of sd sigma_z (1+z):
** n_i(z) = p(z)/2 [erf((hi-z)/(sqrt2 sd)) - erf((lo-z)/(sqrt2 sd))] (docs: physics, section 4); sigma_z below
** FF_NZ_SIGMA_MIN is rounded up to it. Gaussian: one per bin, cut at z = 0. Table: monotone cubics
** between the rows of the curve, zero outside.
** The shift dz moves a bin to n(z - dz), normalised over 0 < z < end; derivatives with respect to z and dz are those of
** the very polynomials. Call order: ff_nz_init -> ff_nz_panels (panels.c: redshift grid) -> ff_nz_at. */
#ifndef FF_WORKER_THETA_NZ_H
#define FF_WORKER_THETA_NZ_H

#include "common/model.h"
#include "worker/theta/pool.h"

#define FF_NZ_SMAIL_END 10.0
#define FF_NZ_SIGMA_MIN 0.004
#define FF_NZ_MAX_Z 200.0
enum { FF_NZ_MAX_PANELS = 96, FF_NZ_MAX_ROWS = 1000000 };

struct ff_nz_curve { /* n(z) = c0 + c1 t + c2 t^2 + c3 t^3 in a cell, t = z - z[i]; unshifted, not normalised */
    int ncells;
    double feature; /* no panel of the redshift grid need be shorter than this */
    double *z;      /* (ncells + 1) */
    double *c;      /* (ncells, 4) */
    double *below;  /* (ncells + 1) integral of n up to z[i] */
};

struct ff_nz {
    int nbins;
    double end; /* of the redshift grid: beyond every curve, with room for dz */
    struct ff_nz_curve bin[FF_MAX_BINS];
};

FF_MUST_USE ff_err ff_nz_init(struct ff_nz *nz, const struct ff_sources *sources, struct ff_pool *pool, ff_ctx *ctx);

/* Edges (0 first) of panels that resolve every bin, shifts of a few hundredths included; returns how many panels. */
int ff_nz_panels(const struct ff_nz *nz, double edge[FF_NZ_MAX_PANELS + 1]);

struct ff_nz_point {        /* shifted, normalised */
    double n, n_z, n_dz;    /* n(z) and its derivatives with respect to z and to dz */
    double below, below_dz; /* cumulative from 0 */
};

/* The part of bin `bin` shifted by dz that lies in 0 < z < end (1: nothing lost). */
double ff_nz_kept(const struct ff_nz *nz, int bin, double dz);
/* At `count` increasing redshifts. */
void ff_nz_at(const struct ff_nz *nz, int bin, double dz, const double *z, int count, struct ff_nz_point *out);

#endif
