/* worker/core/grid.h - shapes that every operation shares: a square periodic grid of n x n pixels for each of nbins
** bins, its half-complex spectrum, and the quadrant of symmetry classes. Rows are padded to whole cache lines.
**   maps      (nbins, n, rp) reals
**   spectra   (nbins, n, cp, 2) reals: y frequency, then x frequency 0 .. h
**   latents   (nbins, n, h+1, 2) reals, not padded: the public layout
**   quadrants (h+1, npairs, qp) reals: entry (q, pair, j) belongs to all modes with |ky| = q, kx = j
**   observed  (nbins, ncomp, npix, dp) reals: the corner of the grid where there are data */
#ifndef FF_WORKER_CORE_GRID_H
#define FF_WORKER_CORE_GRID_H

#include "common/model.h"

struct ff_grid {
    int nbins, npairs, ncomp;
    int n, h;    /* h = n/2 rounded down */
    int npix;    /* side of the observed corner */
    int threads; /* used inside an operation; bits do not depend on it */
    long rp, cp, qp, dp;
};

static inline long ff_round_up(long n, long to)
{
    return (n + to - 1) / to * to;
}

static inline struct ff_grid ff_grid_make(int nbins, int ncomp, int n, int npix, int threads)
{
    return (struct ff_grid){.nbins = nbins,
                            .npairs = ff_pair_count(nbins),
                            .ncomp = ncomp,
                            .n = n,
                            .h = n / 2,
                            .npix = npix,
                            .threads = threads,
                            .rp = ff_round_up(n, 16),
                            .cp = ff_round_up(n / 2 + 1, 8),
                            .qp = ff_round_up(n / 2 + 1, 16),
                            .dp = ff_round_up(npix, 16)};
}

#endif
