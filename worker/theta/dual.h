/* worker/theta/dual.h - a number with its derivatives with respect to the seven cosmological parameters (forward mode).
** The lanes are in the order of enum ff_par: omega_c, omega_b, h, n_s, sigma8, w0, wa. Used per theta and per redshift;
** the loops over (multipole, redshift) are differentiated by hand instead (linear.h, halofit.h). */
#ifndef FF_WORKER_THETA_DUAL_H
#define FF_WORKER_THETA_DUAL_H

#include <math.h>

#include "common/model.h"

enum { FF_NCOSMO = FF_WA + 1 };

struct ff_dual {
    double v;
    double d[FF_NCOSMO];
};

static inline struct ff_dual ff_dual_const(double v)
{
    return (struct ff_dual){.v = v};
}

/* The parameter `lane` itself. */
static inline struct ff_dual ff_dual_var(double v, int lane)
{
    struct ff_dual r = {.v = v};
    r.d[lane] = 1;
    return r;
}

/* f(x), given f and df/dx at x. */
static inline struct ff_dual ff_dual_chain(struct ff_dual x, double f, double df)
{
    struct ff_dual r = {.v = f};
    for (int j = 0; j < FF_NCOSMO; j++) r.d[j] = df * x.d[j];
    return r;
}

/* f(x, y), given f and its two partial derivatives. */
static inline struct ff_dual ff_dual_chain2(struct ff_dual x, struct ff_dual y, double f, double fx, double fy)
{
    struct ff_dual r = {.v = f};
    for (int j = 0; j < FF_NCOSMO; j++) r.d[j] = fx * x.d[j] + fy * y.d[j];
    return r;
}

static inline struct ff_dual ff_dual_add(struct ff_dual x, struct ff_dual y)
{
    return ff_dual_chain2(x, y, x.v + y.v, 1, 1);
}
static inline struct ff_dual ff_dual_mul(struct ff_dual x, struct ff_dual y)
{
    return ff_dual_chain2(x, y, x.v * y.v, y.v, x.v);
}
static inline struct ff_dual ff_dual_div(struct ff_dual x, struct ff_dual y)
{
    return ff_dual_chain2(x, y, x.v / y.v, 1 / y.v, -x.v / (y.v * y.v));
}
/* a x + b */
static inline struct ff_dual ff_dual_affine(double a, struct ff_dual x, double b)
{
    return ff_dual_chain(x, a * x.v + b, a);
}
static inline struct ff_dual ff_dual_log(struct ff_dual x)
{
    return ff_dual_chain(x, log(x.v), 1 / x.v);
}
static inline struct ff_dual ff_dual_sqrt(struct ff_dual x)
{
    double r = sqrt(x.v);
    return ff_dual_chain(x, r, 0.5 / r);
}
/* (a x)^p */
static inline struct ff_dual ff_dual_power(double a, struct ff_dual x, double p)
{
    double r = pow(a * x.v, p);
    return ff_dual_chain(x, r, p * r / x.v);
}
/* x^y, x > 0 */
static inline struct ff_dual ff_dual_pow(struct ff_dual x, struct ff_dual y)
{
    double r = pow(x.v, y.v);
    return ff_dual_chain2(x, y, r, y.v * r / x.v, r * log(x.v));
}

#endif
