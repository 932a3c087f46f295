/* worker/theta/limber.h - C_l of all pairs of bins, with derivatives.
** C_l^ij = lf^2 int dz (rh/E) P((l+1/2)/chi, z) w_i w_j/chi^2, w_i of kernels.h,
** lf = sqrt((l-1) l (l+1) (l+2))/(l+1/2)^2 for both bins (docs: physics, section 4). The redshift weights of a pair do
** not depend on l: all tables are products of one matrix of powers (z, l) with matrices of weights (z, columns).
** Call order: ff_limber_init -> (ff_limber_rows at every redshift, any order) -> ff_limber_contract. */
#ifndef FF_WORKER_THETA_LIMBER_H
#define FF_WORKER_THETA_LIMBER_H

#include "worker/theta/kernels.h"
#include "worker/theta/rows.h"

struct ff_limber {
    int nbins, npairs, nell, nl; /* nl: nell rounded up to whole blocks */
    int nz;
    double *ell, *lnl, *factor; /* (nl) l, ln(l+1/2), lf^2 */
    double *p;                  /* (nz, nl) */
    double *dp;                 /* (FF_NCOSMO, nz, nl) */
    double *weight;             /* (FF_K_LANES + 1, nz, npairs): value, d/dOm, .., d/dz0 with d/ddz_i, d/ddz_j apart */
    double *sum;                /* (npairs, nl) */
};

FF_MUST_USE ff_err ff_limber_init(struct ff_limber *l, const double *ell, int nell, const struct ff_kernels *k,
                                  struct ff_pool *pool, ff_ctx *ctx);
void ff_limber_row(struct ff_limber *l, const struct ff_power_table *p, const struct ff_state *s, int iz, bool derivs);
/* cl (npairs, nell); dcl (ff_par_count(nbins), npairs, nell), or NULL. */
void ff_limber_contract(struct ff_limber *l, const struct ff_kernels *k, double *cl, double *dcl);

#endif
