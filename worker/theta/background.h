/* worker/theta/background.h - expansion and distances of a w0-wa universe, with derivatives.
** E^2(a) = Om a^-3 + Ok a^-2 + Ode exp(f), f = -3 (1+w0+wa) ln a + 3 wa (a-1), no radiation; chi = rh int dz/E in Mpc/h
** with rh = c/100 (docs: physics, section 1). Curvature enters E only; the product's models are flat.
** Quantities have four lanes: value, d/dOm (at fixed Ok, so that Ode follows), d/dw0, d/dwa.
** Call order: ff_expansion_at at will; ff_background_init -> ff_background_solve (any number). */
#ifndef FF_WORKER_THETA_BACKGROUND_H
#define FF_WORKER_THETA_BACKGROUND_H

#include <stdbool.h>

#include "worker/theta/grid.h"

#define FF_HUBBLE_RADIUS 2997.92458 /* c/H0 in Mpc/h */

enum { FF_OM, FF_DW0, FF_DWA, FF_NBG, FF_LANES = FF_NBG + 1 };

struct ff_cosmology {
    double om, ok, w0, wa; /* Ode = 1 - om - ok */
};

struct ff_expansion {
    double e[FF_LANES];    /* E */
    double om[FF_LANES];   /* Om(a) */
    double wde[FF_LANES];  /* (1 + w(a)) Ode(a) */
    double turn[FF_LANES]; /* dlnE/dlna */
};

/* At ln(1+z) = l; false when E^2 is not positive and finite there. */
bool ff_expansion_at(const struct ff_cosmology *c, double l, struct ff_expansion *out);
/* dchi/dz = rh/E there. */
void ff_expansion_invh(const struct ff_expansion *at, double invh[FF_LANES]);

struct ff_background {
    const struct ff_grid *grid;
    double *l;                /* (n) ln(1+z) of the grid */
    struct ff_expansion *at;  /* (n) */
    double *invh;             /* (n, FF_LANES) dchi/dz = rh/E */
    double *chi;              /* (n, FF_LANES) */
    double chi_end[FF_LANES]; /* at the last edge of the grid */
};

FF_MUST_USE ff_err ff_background_init(struct ff_background *b, const struct ff_grid *grid, struct ff_pool *pool,
                                      ff_ctx *ctx);
/* false: E^2 <= 0 somewhere on the grid. */
bool ff_background_solve(struct ff_background *b, const struct ff_cosmology *c);

#endif
