/* worker/theta/place.h - where on a redshift grid a comoving distance lies: chi(z) of background.h, inverted.
** Within a panel chi is the integral of the polynomial through the nodes' dchi/dz, so the root z of chi(z) = r has the
** derivatives dz/dtheta = -(dchi/dtheta)/(dchi/dz) at fixed r, exact for that very chi.
** Call order: ff_place_find after ff_background_solve, distances increasing or not. */
#ifndef FF_WORKER_THETA_PLACE_H
#define FF_WORKER_THETA_PLACE_H

#include "worker/theta/background.h"

struct ff_place {
    double z[FF_LANES];                      /* redshift, and its derivatives at fixed distance */
    int first;                               /* node of the grid that the panel begins with */
    double value[FF_PANEL], slope[FF_PANEL]; /* weights of the panel's nodes for a function at z, and for its d/dz */
};

/* Distance r in Mpc/h. start: the lanes of chi at the first edge of the grid. *panel: where to look first (0 at first); moves up
** to where r lies, so it must not be beyond. false: r is beyond the grid. */
bool ff_place_find(const struct ff_background *bg, const double start[FF_LANES], double r, int *panel,
                   struct ff_place *out);

#endif
