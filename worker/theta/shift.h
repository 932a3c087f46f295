/* worker/theta/shift.h - the shift lambda of log-normal convergence, per bin, with derivatives.
** Perturbation theory: s2(chi) = 1/(2 pi chi^2) int L dL P_NL(L/chi) W^2(L t), W = 2 J1(x)/x, t = pixel/sqrt(pi),
** S3 = 36/7 + 3/2 dln s2_lin/dlnR; var = int q^2 s2 dchi, skew = int q^3 S3 s2^2 dchi (q: lensing kernel of the bin);
** lambda is the real root of x^3 - (3/s) x^2 - var/s, s = skew/var^2: the shifted log-normal with that variance and
** skewness (docs: physics, section 5). Table: trilinear in (omega_m, sigma8, w0), clamped. Numbers: as given.
** Call order: ff_shift_init -> (ff_shift_row at every redshift) -> ff_shift_solve. */
#ifndef FF_WORKER_THETA_SHIFT_H
#define FF_WORKER_THETA_SHIFT_H

#include "worker/theta/kernels.h"
#include "worker/theta/rows.h"

enum { FF_SHIFT_NL = 72 };

struct ff_shift {
    enum ff_shift_kind kind;
    int nbins, nz;
    const struct ff_shift_table *table;
    double numbers[FF_MAX_BINS];
    double *lnl;             /* (FF_SHIFT_NL) ln L of the integral */
    double *disc, *disc_lnr; /* (FF_SHIFT_NL) weights of int L dL W^2/(2 pi) and of its derivative in ln R */
    double *row;             /* (2 + 2 FF_NCOSMO, FF_SHIFT_NL) */
    struct ff_dual *s2, *s3; /* (nz) smoothed variance per chi, and S3 */
};

/* table or numbers are looked at only for their kinds; pixel_rad only for perturbation theory. */
FF_MUST_USE ff_err ff_shift_init(struct ff_shift *s, enum ff_shift_kind kind, double pixel_rad,
                                 const struct ff_shift_table *table, const double *numbers, const struct ff_kernels *k,
                                 struct ff_pool *pool, ff_ctx *ctx);
void ff_shift_row(struct ff_shift *s, const struct ff_power_table *p, const struct ff_state *state, int iz,
                  bool derivs);
/* shift (nbins); dshift (ff_par_count(nbins), nbins) or NULL. false: some bin has no positive skewness. */
bool ff_shift_solve(const struct ff_shift *s, const struct ff_kernels *k, const double *theta, double *shift,
                    double *dshift);

#endif
