/* worker/io/result.h - what every result file has in common: the root attributes of the contract, the ArviZ habits, and
** how a file is finished. Call order: ff_result_open -> groups and variables by files/h5.h -> ff_result_close (which writes
** the counters and publishes the file) or ff_h5_end with the error that there was. */
#ifndef FF_WORKER_IO_RESULT_H
#define FF_WORKER_IO_RESULT_H

#include <jansson.h>
#include <stdint.h>

#include "common/err.h"
#include "files/h5.h"

struct ff_result_info {
    const json_t *spec; /* the whole job, datasets by hash */
    const char *kind;   /* "posterior", .. */
    const char *name;   /* of the job, "" if it has none */
    uint64_t seed;
    const char *backend, *device; /* "cpu", and which */
    int ranks;
    uint64_t plan_hash; /* ff_sim_plan_hash; 0: no FFT was used */
};

/* What the result cost: deterministic counters of its own numbers, without work that a kill lost. */
struct ff_result_cost {
    int64_t gradients;         /* evaluations of value and gradient, warm-up included */
    int64_t model_evaluations; /* parameters to maps or spectra, gradients included */
};

FF_MUST_USE ff_err ff_result_open(ff_h5 **out, const char *path, const struct ff_result_info *info, ff_ctx *ctx);
FF_MUST_USE ff_err ff_result_close(ff_h5 *f, const struct ff_result_cost *cost, ff_ctx *ctx); /* frees f in any case */

/* Dimension `dim` of `group`: the names of parameters `place` (n) of a model with nbins bins. */
FF_MUST_USE ff_err ff_result_dim_parameters(ff_h5 *f, const char *group, const char *dim, int nbins, const int *place,
                                            int n, ff_ctx *ctx);

/* Dimensions "bin" (counted) and "y", "x" (pixels, no coordinate) of a group of maps. */
FF_MUST_USE ff_err ff_result_dims_map(ff_h5 *f, const char *group, int nbins, int npix, ff_ctx *ctx);

/* Dimension "pair" (counted) of a group, and its variable "pairs" (pair, side): the two bins of each pair, from 0. */
FF_MUST_USE ff_err ff_result_dims_pairs(ff_h5 *f, const char *group, int nbins, ff_ctx *ctx);

/* Dimension "band" (labelled by `centres`) of a group, and its variable "bands" (band, edge): `edges` (nbands + 1) in l. */
FF_MUST_USE ff_err ff_result_dims_bands(ff_h5 *f, const char *group, int nbands, const double *edges,
                                        const double *centres, ff_ctx *ctx);

#endif
