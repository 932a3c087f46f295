/* worker/sim/block.h - the algebra of small matrices for FF_BLOCK classes at once, in double: entry p of class x at
** m[p][x]. Symmetric matrices hold pair (i <= j) at ff_pair(i, j); lower triangular ones hold L_ji there, so that T
** = L^-1 (lower) and S = T^T (upper) share their storage. Every function is exact to rounding and branch-free over
** the classes. Sources: docs compute section 4.9 (Cholesky VJP) and 6 (Wiener whitening). */
#ifndef FF_WORKER_SIM_BLOCK_H
#define FF_WORKER_SIM_BLOCK_H

#include "worker/sim/classes.h"

typedef double ff_lanes[FF_BLOCK];

/* B = chol(G) and inverse[j] = 1/B_jj. A pivot that is not above 1e-10 of its diagonal entry is replaced by that
** much, the rest of its column by zero, and inverse by 0: such entries are constants, their derivative is zero.
** lowest: the least pivot / diagonal entry met (1 where the diagonal entry is zero). */
void ff_block_cholesky(int nbins, ff_lanes *g, ff_lanes *b, ff_lanes *inverse, double *lowest);
/* b_bar (destroyed) -> g_bar, the derivative with respect to entry (i, j) = (j, i) as one number. */
void ff_block_cholesky_adjoint(int nbins, ff_lanes *b, ff_lanes *inverse, ff_lanes *b_bar, ff_lanes *g_bar);

/* t = r^-1 of a lower triangular r, given its inverse diagonal. */
void ff_block_invert(int nbins, ff_lanes *r, ff_lanes *inverse, ff_lanes *t);

/* With A = diag(c) B, W diagonal, M = 1 + A^T W A = R R^T: S = R^-T and logdet = log det S. */
void ff_block_wiener(int nbins, ff_lanes *b, const double *c, ff_lanes *w, ff_lanes *s, double *logdet);
/* s_bar and the weight of each class's logdet -> added to b_bar; c_bar[i] = sum over the classes. */
void ff_block_wiener_adjoint(int nbins, ff_lanes *b, const double *c, ff_lanes *w, ff_lanes *s, ff_lanes *s_bar,
                             const double *logdet_bar, ff_lanes *b_bar, double *c_bar);

#endif
