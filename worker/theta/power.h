/* worker/theta/power.h - linear matter power spectrum today, normalised by sigma8, with derivatives.
** P(k, a) = A k^n_s T(k)^2 D(a)^2; sigma^2(8 Mpc/h) = int dlnk k^3 P W^2/(2 pi^2), W of a top hat (docs: physics, 2).
** T is tabulated on a fixed grid in ln k and splined as s(k) T(k), s = 1 + (k/k0)^2, which stays of order 1 (T may
** change sign when baryons dominate, so ln P is never splined). The lanes of the tables: value, d/domega_c, d/domega_b,
** d/dh; the dependence on n_s, sigma8 is analytic.
** sigma^2(R) of the Gaussian filter exp(-k^2 R^2), halofit's measure of nonlinearity, and its slope and curvature are
** tabulated on a grid in ln R that is commensurate with that of ln k. Call order: ff_power_init -> ff_power_solve. */
#ifndef FF_WORKER_THETA_POWER_H
#define FF_WORKER_THETA_POWER_H

#include "worker/theta/eh98.h"
#include <stdbool.h>

#include "worker/theta/spline.h"

#define FF_POWER_K0 0.05                                /* h/Mpc */
enum { FF_T_LANES = 1 + FF_NTRANSFER };                 /* value, omega_c, omega_b, h */
enum { FF_S_LANES = 5, FF_S_STRIDE = 8 };               /* value, omega_c, omega_b, h, n_s */
enum { FF_S_VALUE, FF_S_SLOPE, FF_S_CURVE, FF_NSIGMA }; /* ln sigma^2, -dlnsigma^2/dlnR, -d2lnsigma^2/dlnR^2 */

struct ff_power_table {
    double t_cmb;
    struct ff_spline grid;                 /* in ln k, k in h/Mpc */
    double *k, *lnk, *scale;               /* (n) */
    double *k3;                            /* ((n+1)/2) weights of int dlnk k^3/(2 pi^2) at every second node, */
    double *tophat;                        /* ((n+1)/2) and those of sigma^2(8) */
    double *t[FF_T_LANES], *m[FF_T_LANES]; /* (n) spline of s T and its derivatives */
    double *row;                           /* ((n+1)/2, FF_S_STRIDE) k^n_s T^2 and its derivatives there */
    struct ff_spline sgrid;                /* in ln R, R in Mpc/h */
    double *filter;                        /* (.., FF_NSIGMA) the Gaussian filters by ln(kR), see power.c */
    double *sigma[FF_NSIGMA][FF_S_LANES];  /* (nr) before the amplitude A */
    double *sm[FF_NSIGMA][FF_S_LANES];     /* (nr) */
    struct ff_eh98 eh;
    struct ff_dual ns, lnamp; /* ln A */
};

FF_MUST_USE ff_err ff_power_init(struct ff_power_table *p, double t_cmb, struct ff_pool *pool, ff_ctx *ctx);
/* At theta (FF_NCOSMO entries); derivs: the lanes of derivatives too. false: no finite positive sigma8 integral. */
bool ff_power_solve(struct ff_power_table *p, const double *theta, bool derivs);
/* The sigma tables, after ff_power_solve; false: not finite. */
bool ff_power_sigma(struct ff_power_table *p, bool derivs);
/* P(k) today with derivatives, for tests and plots. */
struct ff_dual ff_power_at(const struct ff_power_table *p, double k);

#endif
