/* worker/core/cosine.h - two-dimensional cosine transforms of real, even, symmetric arrays, in double: what the DFT
** of a covariance on an n x n grid is, once both mirrors and the swap of the axes are used.
**   Y = C Z C,   C[k][j] = cos(2 pi k j / n),   k, j = 0 .. h = n/2,   Z symmetric.
** With m_j = 1 for j = 0 and (n even) j = h, else 2, the unnormalised DFT of a map z is C (m z m) C, and its adjoint
** m (C z C) m. Any n. Method: even and odd outputs of C are transforms of folded inputs; the odd half is a small dense
** product, the even half the same problem for n/2, so that a transform is a few products of cache-sized matrices;
** O(n^3) with a constant that beats library FFTs of this kind up to n of about 2000. */
#ifndef FF_WORKER_CORE_COSINE_H
#define FF_WORKER_CORE_COSINE_H

#include <stddef.h>

#include "common/err.h"

typedef struct ff_cosine ff_cosine;

FF_MUST_USE ff_err ff_cosine_init(ff_cosine **out, int n, ff_ctx *ctx);
void ff_cosine_free(ff_cosine *c);
size_t ff_cosine_bytes(int n); /* what an ff_cosine holds */
long ff_cosine_pitch(int n);   /* row pitch of the matrices below: h+1 rounded up */
long ff_cosine_size(int n);    /* doubles in a matrix, (rows, pitch) with rows rounded up like the pitch */
long ff_cosine_scratch(int n); /* doubles of scratch a thread needs */

/* Upper triangle (columns >= row) of Y; entries below it are undefined. z is read as a whole: its padding must be zero
** and its lower triangle filled (ff_cosine_mirror). y may be z. Arrays start at multiples of 64 bytes. */
void ff_cosine_apply(const ff_cosine *c, const double *z, double *y, double *scratch);

/* Fills the lower triangle from the upper one. */
void ff_cosine_mirror(const ff_cosine *c, double *y);

#endif
