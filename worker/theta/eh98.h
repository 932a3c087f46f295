/* worker/theta/eh98.h - matter transfer function with baryon wiggles.
** Source: Eisenstein & Hu 1998, astro-ph/9709112, equations 2-24 (docs: physics, section 2). T(k) depends on k and on
** nine scales and amplitudes of the universe; it is differentiated by hand with respect to them, and those carry their
** derivatives with respect to omega_c, omega_b and h (dual.h). Call order: ff_eh98_set -> ff_eh98_transfer. */
#ifndef FF_WORKER_THETA_EH98_H
#define FF_WORKER_THETA_EH98_H

#include "worker/theta/dual.h"

enum { FF_NTRANSFER = 3, FF_EH98_BLOCK = 128 }; /* T depends on omega_c, omega_b, h */

struct ff_eh98 {
    struct ff_dual h;
    struct ff_dual z_eq, z_d, r_d, r_eq;                   /* intermediates, for tests */
    struct ff_dual k_eq, k_silk;                           /* 1/Mpc */
    struct ff_dual s;                                      /* Mpc */
    struct ff_dual alpha_c, beta_c, alpha_b, beta_b, node; /* node: beta_node */
    struct ff_dual fb;                                     /* omega_b/omega_m */
};

void ff_eh98_set(struct ff_eh98 *e, struct ff_dual omega_c, struct ff_dual omega_b, struct ff_dual h, double t_cmb);

/* T at k (n) in h/Mpc, lnk its logarithm; dt: derivatives (FF_NTRANSFER arrays of n), or NULL. */
void ff_eh98_transfer(const struct ff_eh98 *e, int n, const double *k, const double *lnk, double *t, double *const *dt);

#endif
