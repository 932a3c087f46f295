/* worker/theta/halofit.h - nonlinear matter power.
** Source: Takahashi et al. 2012, arXiv:1208.2701, appendix (docs: physics, section 3). k_nl is the root of
** sigma^2(1/k_nl, a) = D^2 sigma^2(1/k_nl, 1) = 1, found to rounding on the spline of power.h and differentiated
** implicitly. Where there is no root the power is linear, by definition; so that nothing jumps as a root appears, the
** nonlinear part fades in between k_nl = 25000 h/Mpc (the end of the table) and 1000 h/Mpc, and between n_eff + 3 = .01
** and .05 (a spectrum without small scales). w in the fit is w(a) = w0 + wa (1-a).
** Call order: ff_halofit_set at each redshift -> ff_halofit_row on rows of multipoles. */
#ifndef FF_WORKER_THETA_HALOFIT_H
#define FF_WORKER_THETA_HALOFIT_H

#include "worker/theta/linear.h"

/* What the fit depends on: n_eff, C, Om(a), (1+w) Ode(a); and how much of the nonlinear part is there (0 to 1). */
enum { FF_BY_N, FF_BY_C, FF_BY_OM, FF_BY_W, FF_NFIT, FF_BY_FADE = FF_NFIT, FF_NBY };

struct ff_halofit {
    bool nonlinear;     /* false: there is no k_nl, or nothing of it has faded in */
    bool valid;         /* false: k_nl lies below the table, no meaning */
    struct ff_dual lnr; /* -ln k_nl */
    struct ff_dual by[FF_NBY];
    /* the fit's coefficients and their slopes with respect to n_eff, C, Om, (1+w)Ode; c includes f3 */
    double alpha, beta, gamma, lna, lnb, lnc, lnnu, f1, f2;
    double alpha_by[FF_NFIT], beta_by[FF_NFIT], gamma_by[FF_NFIT], lna_by[FF_NFIT], lnb_by[FF_NFIT], lnc_by[FF_NFIT];
    double lnnu_by[FF_NFIT], f1_by[FF_NFIT], f2_by[FF_NFIT];
};

/* lnd2 = 2 ln D, om = Om(a), w = (1 + w(a)) Ode(a). */
void ff_halofit_set(struct ff_halofit *h, const struct ff_power_table *p, struct ff_dual lnd2, struct ff_dual om,
                    struct ff_dual w, bool derivs);

struct ff_halofit_block {
    double delta[FF_ROW];      /* nonlinear */
    double bydelta[FF_ROW];    /* partial derivatives: by the linear delta, */
    double bylny[FF_ROW];      /* by ln(k/k_nl), */
    double by[FF_NBY][FF_ROW]; /* and by those of struct ff_halofit */
};

void ff_halofit_row(const struct ff_halofit *h, const struct ff_linear_block *lin, int n, bool derivs,
                    struct ff_halofit_block *out);

#endif
