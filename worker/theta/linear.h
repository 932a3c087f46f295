/* worker/theta/linear.h - the linear spectrum along a row of multipoles at one redshift, k = (l+1/2)/chi(z), with
** what is needed to differentiate it. Rows are worked in blocks that stay in the first cache.
** Call order: ff_linear_row after ff_power_solve; halofit.h and rows.h go on from there. */
#ifndef FF_WORKER_THETA_LINEAR_H
#define FF_WORKER_THETA_LINEAR_H

#include <stdbool.h>

#include "worker/theta/power.h"

enum { FF_ROW = 64 };

struct ff_linear_block {
    double lnk[FF_ROW], k[FF_ROW];  /* h/Mpc */
    double delta[FF_ROW];           /* k^3 P_L(k,z)/(2 pi^2) */
    double bydelta[FF_ROW];         /* ddelta/dT */
    double slope[FF_ROW];           /* dT/dlnk */
    double t[FF_NTRANSFER][FF_ROW]; /* dT/d(omega_c, omega_b, h) at fixed k */
};

/* At n <= FF_ROW values of ln(l+1/2); lnamp = ln A + 2 ln D. */
void ff_linear_row(const struct ff_power_table *p, double lnamp, double lnchi, const double *lnl, int n, bool derivs,
                   struct ff_linear_block *out);

#endif
