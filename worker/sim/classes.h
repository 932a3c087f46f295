/* worker/sim/classes.h - the symmetry classes of the modes of an n x n grid, and tables of C_l on them.
** Modes with the same unordered {|kx|, |ky|} have the same |l| and share one covariance. Classes with signal (0 < l
** <= l_max) are sorted by |l|; one more class, the last, stands for all modes without signal.
** Interpolation: nodes are uniform in ln l; l^2 C_l is a local Lagrange polynomial of STENCIL nodes, so a value on a
** class is a fixed linear combination of STENCIL neighbouring nodes, and its adjoint is exact. */
#ifndef FF_WORKER_SIM_CLASSES_H
#define FF_WORKER_SIM_CLASSES_H

#include <stdint.h>

#include "common/err.h"
#include "worker/core/arena.h"
#include "worker/core/grid.h"

enum { FF_STENCIL = 6, FF_BLOCK = 32 }; /* nodes a value comes from; classes a vector loop takes */

struct ff_classes {
    int n, h;
    double fundamental;   /* 2 pi / side */
    double top;           /* largest kx^2 + ky^2 with signal */
    long count;           /* classes with signal */
    long pitch;           /* count + 1 rounded up to whole blocks: length of a class array */
    double *l;            /* (pitch) multipole, 0 from `count` on */
    double *modes;        /* (pitch) modes of the full plane, 0 from `count` on */
    int32_t *i, *j;       /* (pitch) i <= j */
    int32_t *index;       /* (h+1, qp) class of (|ky|, kx) */
    int64_t *at, *mirror; /* (pitch) places of (i, j) and (j, i) in a quadrant for pair 0 */
    double *twice;        /* (pitch) 1 where the two differ */
    int nell;
    double step;    /* of ln l between nodes */
    double *ell;    /* (nell) */
    int32_t *first; /* (pitch) first node of the stencil, increasing */
    double *weight; /* (FF_STENCIL, pitch) */
};

/* Lays out the arrays (twice, see arena.h), then fills them. */
void ff_classes_layout(struct ff_classes *c, const struct ff_grid *g, double size_rad, double l_max,
                       struct ff_arena *a);
void ff_classes_fill(struct ff_classes *c, const struct ff_grid *g);

/* Makes C_l the spectrum of maps averaged over pixels: times [sinc(l_x p/2) sinc(l_y p/2)]^2, p the pixel's side. */
void ff_classes_average_pixels(struct ff_classes *c);

/* values (pitch) of a table (nell) on the classes lo .. lo+FF_BLOCK-1, times factor. */
void ff_classes_interpolate(const struct ff_classes *c, const double *table, double factor, long lo, double *values);
/* Adjoint over all classes: table_bar (nell), set. */
void ff_classes_interpolate_adjoint(const struct ff_classes *c, const double *values_bar, double factor,
                                    double *table_bar);

#endif
