/* worker/theta/growth.h - linear and second-order growth of structure.
** With x = ln a, e = dlnE/dlna and D = a g:
**     g'' + (4+e) g' + (3+e-1.5 Om(a)) g = 0,   g -> 1 early (the growing mode, from a = 1e-3);
** with D2 = a^2 u:
**     u'' + (6+e) u' + (8+2e-1.5 Om(a)) u = -1.5 Om(a) g^2,   u = -3/7 at a = 1e-3
** (docs: physics, section 1). Fixed Runge-Kutta steps, so that the derivatives (same lanes as background.h) are those
** of the very steps; quintic Hermite polynomials in between.
** Call order: ff_growth_init -> ff_growth_solve -> ff_growth_at; the second order, on a growth that is solved:
** ff_growth_second_init -> ff_growth_second_solve -> ff_growth_second_at. */
#ifndef FF_WORKER_THETA_GROWTH_H
#define FF_WORKER_THETA_GROWTH_H

#include "worker/theta/background.h"

#define FF_GROWTH_START 1e-3 /* scale factor */
enum { FF_GROWTH_EARLY = 48, FF_GROWTH_LATE = 256, FF_GROWTH_STEPS = FF_GROWTH_EARLY + FF_GROWTH_LATE };

struct ff_growth_node { /* D/a (second order: D2/a^2) and its first two derivatives in ln a */
    double g[FF_LANES], g1[FF_LANES], g2[FF_LANES];
};

struct ff_growth {
    double *x;                   /* (2 FF_GROWTH_STEPS + 1) ln a of the steps and of their middles */
    struct ff_growth_node *node; /* (FF_GROWTH_STEPS + 1) */
    double today[FF_LANES];      /* g(a = 1): D(1) where D -> a early */
};

FF_MUST_USE ff_err ff_growth_init(struct ff_growth *g, struct ff_pool *pool, ff_ctx *ctx);
/* false: E^2 <= 0 or no positive growth somewhere. */
bool ff_growth_solve(struct ff_growth *g, const struct ff_cosmology *c);

/* At ln(1+z) = l: ln D (D(1) = 1) and, where not NULL, f = dlnD/dlna, both with derivatives. */
void ff_growth_at(const struct ff_growth *g, double l, double lnd[FF_LANES], double f[FF_LANES]);

struct ff_growth_second {
    const struct ff_growth *first;
    struct ff_growth_node *node; /* (FF_GROWTH_STEPS + 1) */
};

FF_MUST_USE ff_err ff_growth_second_init(struct ff_growth_second *s, const struct ff_growth *first,
                                         struct ff_pool *pool, ff_ctx *ctx);
/* After ff_growth_solve at the same c. false: E^2 <= 0 somewhere. */
bool ff_growth_second_solve(struct ff_growth_second *s, const struct ff_cosmology *c);
/* At ln(1+z) = l, where D(1) = 1: D2 (-3/7 D^2 early) and f2 = dlnD2/dlna, both with derivatives (of f2: none). */
void ff_growth_second_at(const struct ff_growth_second *s, double l, double d2[FF_LANES], double *f2);

#endif
