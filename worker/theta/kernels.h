/* worker/theta/kernels.h - what each bin sees of the matter at each redshift, with derivatives.
** Lensing: g_i = 3/2 Om (H0/c)^2 (1+z) chi q_i, q_i(z) = int_z dz' n_i(z') (chi'-chi)/chi'. Intrinsic alignment (NLA):
** -A C1 rho_crit Om/D ((1+z)/(1+z0))^eta n_i(z) H(z)/c with C1 rho_crit = 5e-14 * 2.775e11 (docs: physics, section 4).
** In terms of the cumulative F of n (F = 1 at the end of the grid), by parts:
** q = 1 - chi/chi_end - chi int_z F dchi'/chi'^2, which needs F only and so is smooth even for tables.
** Call order: ff_kernels_init -> ff_kernels_solve after the background and the growth are solved. */
#ifndef FF_WORKER_THETA_KERNELS_H
#define FF_WORKER_THETA_KERNELS_H

#include "worker/theta/growth.h"
#include "worker/theta/nz.h"

#define FF_C1_RHO_CRIT (5e-14 * 2.775e11)

/* Lanes of a kernel: the value, then its derivatives. The first five are the lensing part's own. */
enum { FF_K_VALUE, FF_K_OM, FF_K_W0, FF_K_WA, FF_K_DZ, FF_K_A, FF_K_ETA, FF_K_Z0, FF_K_LANES };
enum { FF_G_LANES = FF_K_DZ + 1 };

struct ff_kernels {
    const struct ff_nz *nz;
    const struct ff_background *bg;
    double *lens;              /* (nbins, nz, FF_G_LANES) lensing only */
    double *all;               /* (nbins, nz, FF_K_LANES) with alignments */
    double *lnd;               /* (nz, FF_LANES) ln D at the nodes; filled by ff_kernels_growth */
    double *scratch;           /* (nz, FF_G_LANES) */
    struct ff_nz_point *point; /* (nz) */
};

struct ff_alignment {
    double a, eta, z0;
};

FF_MUST_USE ff_err ff_kernels_init(struct ff_kernels *k, const struct ff_nz *nz, const struct ff_background *bg,
                                   struct ff_pool *pool, ff_ctx *ctx);
void ff_kernels_growth(struct ff_kernels *k, const struct ff_growth *growth);
/* Adds the alignment of one bin at ln(1+z) = l, where lnd and invh have the lanes of background.h, to the lanes w of a
** kernel; returns it per n(z). */
double ff_kernels_align(const struct ff_alignment *ia, double om, double l, const double lnd[FF_LANES],
                        const double invh[FF_LANES], const struct ff_nz_point *point, double w[FF_K_LANES]);
/* dz (nbins). */
void ff_kernels_solve(struct ff_kernels *k, double om, const struct ff_alignment *ia, const double *dz);

#endif
