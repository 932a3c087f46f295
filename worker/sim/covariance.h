/* worker/sim/covariance.h - tables to the factor B of every class's covariance, and back, in double.
** gaussian:   G = C_l / pixel area.
** log-normal: xi = inverse DFT of C_l / pixel area, g = ln(1 + xi/(shift_i shift_j)), G = DFT of g (docs: physics
** section 5), as symmetric cosine transforms. Then B = chol(G) for every class with signal, and the variance of the
** Gaussian field, var_i = (1/N) sum over modes with signal of G_ii.
** Call order: layout, layout again, init -> set -> adjoint (any number) -> free. */
#ifndef FF_WORKER_SIM_COVARIANCE_H
#define FF_WORKER_SIM_COVARIANCE_H

#include "worker/core/cosine.h"
#include "worker/sim/block.h"

enum { FF_BLOCK_SUMS = 2 + FF_MAX_BINS };

struct ff_covariance {
    struct ff_grid grid;
    struct ff_classes classes;
    bool lognormal, pixel_window; /* pixel_window: set before init */
    double pixel_area;            /* sr */
    double shift[FF_MAX_BINS];    /* of the tables set */
    double variance[FF_MAX_BINS];
    ff_cosine *cosine;   /* log-normal only */
    double *g;           /* (npairs, pitch) C_l/area, then G; room for G's cotangent afterwards */
    double *b, *inverse; /* (npairs, pitch), (nbins, pitch) see block.h */
    double *xi;          /* (npairs, cosine size) */
    double *scratch;     /* (threads, scratch_size) */
    long scratch_size;
    double *block_sums; /* (blocks, FF_BLOCK_SUMS) */
    double *pair_sums;  /* (npairs) */
};

void ff_covariance_layout(struct ff_covariance *c, const struct ff_grid *g, bool lognormal, double size_rad,
                          double l_max, struct ff_arena *a);
FF_MUST_USE ff_err ff_covariance_init(struct ff_covariance *c, ff_ctx *ctx);
void ff_covariance_done(struct ff_covariance *c);

/* FF_EOUTSIDE if the tables are no covariance. shift: log-normal only. */
FF_MUST_USE ff_err ff_covariance_set(struct ff_covariance *c, const double *cl, const double *shift, ff_ctx *ctx);

/* c->g holds G's cotangent on every class (block.h's convention); variance_bar (nbins) is added to it. Sets cl_bar
** (npairs, nell) and adds to shift_bar (nbins); either may be NULL. */
void ff_covariance_adjoint(struct ff_covariance *c, const double *variance_bar, double *cl_bar, double *shift_bar);

/* Block `at` of a class array (rows, pitch) to lanes, and back. */
void ff_covariance_load(const struct ff_covariance *c, const double *array, int rows, long at, ff_lanes *out);
void ff_covariance_store(const struct ff_covariance *c, ff_lanes *in, int rows, long at, double *array);

#endif
