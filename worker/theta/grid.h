/* worker/theta/grid.h - the redshift grid: panels of Gauss-Legendre nodes, the same for every theta.
** Integrals up to a node integrate the panel's interpolating polynomial (spectral integration), so that distances and
** lensing efficiencies keep the accuracy of the quadrature.
** Call order: ff_grid_init -> ff_grid_below, ff_grid_above. */
#ifndef FF_WORKER_THETA_GRID_H
#define FF_WORKER_THETA_GRID_H

#include "worker/theta/pool.h"

enum { FF_PANEL = 8 }; /* nodes in a panel */

struct ff_rule { /* Gauss-Legendre on [-1, 1] */
    double x[FF_PANEL], w[FF_PANEL];
    double upto[FF_PANEL][FF_PANEL];  /* [i][m]: integral of Lagrange polynomial m from -1 to x[i] */
    double power[FF_PANEL][FF_PANEL]; /* [j][m]: what Lagrange polynomial m has of x^j */
    double first[FF_PANEL];           /* integral of Lagrange polynomial m from -1 to 0 */
};

void ff_rule_init(struct ff_rule *rule);
/* Lagrange polynomial m of the nodes, at x. */
double ff_rule_lagrange(const struct ff_rule *rule, int m, double x);
/* All of them at x: values, slopes, integrals from -1. */
void ff_rule_weights(const struct ff_rule *rule, double x, double value[FF_PANEL], double slope[FF_PANEL],
                     double upto[FF_PANEL]);

struct ff_grid {
    struct ff_rule rule;
    int npanels, n; /* n = npanels FF_PANEL */
    double *edge;   /* (npanels + 1), from 0 */
    double *z, *w;  /* (n) nodes, increasing, and weights */
};

FF_MUST_USE ff_err ff_grid_init(struct ff_grid *g, const double *edge, int npanels, struct ff_pool *pool, ff_ctx *ctx);

/* Integrals of f (given at the nodes, `stride` apart) from 0 to each node, and of the whole range (returned). */
double ff_grid_below(const struct ff_grid *g, const double *f, double *out, int stride);
/* Integrals of f from each node to the end of the grid. */
void ff_grid_above(const struct ff_grid *g, const double *f, double *out, int stride);

#endif
