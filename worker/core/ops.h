/* worker/core/ops.h - the table of fused operations (ops.def) and the plain structs they take.
** A simulator is a sequence of these calls; it never looks inside an array of reals. ff_ops_cpu_f64 is the oracle. */
#ifndef FF_WORKER_CORE_OPS_H
#define FF_WORKER_CORE_OPS_H

#include <stdbool.h>
#include <stdint.h>

#include "common/err.h"
#include "worker/core/born.h"
#include "worker/core/grid.h"
#include "worker/core/lattice.h"
#include "worker/core/particles.h"

struct ff_fft;   /* plans for one n; made by fft_init of the same table */
struct ff_lines; /* plans for the lines of a mesh; made by lines_init of the same table */

/* What turns a latent into a spectrum. `signal` is the lower triangular factor B of every class, `white` the upper
** triangular S of the Wiener posterior (z = S (y + S^T B^T (response * data))), both stored by pair (i <= j): B_ji,
** S_ij. */
struct ff_modes {
    struct ff_grid grid;
    const void *signal;           /* quadrants */
    const void *white;            /* quadrants; NULL: z = y */
    const void *data;             /* (h+1, 2, nbins, 2, qp) made by modes_data; with white */
    double response[FF_MAX_BINS]; /* with white */
    void *scratch;                /* threads * ff_modes_scratch() reals */
    double *row_sums;             /* (h+1, 1 + FF_MAX_BINS) */
};
static inline long ff_modes_scratch(const struct ff_grid *g)
{
    return 8L * g->nbins * g->qp;
}
static inline long ff_modes_data_size(const struct ff_grid *g)
{
    return 4L * (g->h + 1) * g->nbins * g->qp;
}

struct ff_modes_bar {
    bool prior;       /* add the gradient of -|z|^2/2 */
    void *latent;     /* or NULL */
    void *signal;     /* quadrants, or NULL; the entries of k and of its mirror (kx, ky swapped) are to be added */
    void *white;      /* quadrants, with signal and white */
    double *response; /* (nbins), with signal and white */
    double *square;   /* |z|^2, or NULL */
};

/* What turns fields into observables. */
struct ff_pixels {
    struct ff_grid grid;
    bool lognormal;
    double shift[FF_MAX_BINS], variance[FF_MAX_BINS], gain[FF_MAX_BINS];
    const void *data, *weight; /* observed layout; weight = 1/sigma^2, 0 where masked */
    void *scratch;             /* threads * 2 * rp reals */
    double *row_sums;          /* (nbins, n, FF_PIXEL_SUMS) */
};
enum { FF_PIXEL_SUMS = 4 };
struct ff_pixel_sums { /* sums are set, not added to */
    double loglike;
    double gain[FF_MAX_BINS], shift[FF_MAX_BINS], variance[FF_MAX_BINS];
};
struct ff_ops {
    int size; /* bytes of a real */
#define X(type, name, args) type(*name) args;
#include "worker/core/ops.def"
#undef X
};

extern const struct ff_ops ff_ops_cpu_f32, ff_ops_cpu_f64;

/* Prototypes of the instances, for *_real.c files. */
#ifdef FF_NAME
#define X(type, name, args) type FF_NAME(ff_##name) args;
#include "worker/core/ops.def"
#undef X
#endif

#endif
