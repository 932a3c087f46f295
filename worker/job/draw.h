/* worker/job/draw.h - one draw of a model: parameters, a latent and noise, each by its address (seed, draw), to maps. What simulate,
** draws, mock data and --check share. Call order: ff_drawer_init -> ff_drawer_maps -> ff_noise_add -> ff_drawer_done. */
#ifndef FF_WORKER_JOB_DRAW_H
#define FF_WORKER_JOB_DRAW_H

#include <stdint.h>

#include "worker/job/engine.h"

struct ff_drawer {
    struct ff_engine engine; /* f32 */
    float *z;                /* (nlatent) latent of the last draw */
};

FF_MUST_USE ff_err ff_drawer_init(struct ff_drawer *d, const struct ff_model *model, const struct ff_shift_table *shift,
                                  int threads, const struct ff_comm *comm, bool derivs, ff_ctx *ctx);
void ff_drawer_done(struct ff_drawer *d);
size_t ff_drawer_bytes(const struct ff_model *model, int threads);

/* Noiseless maps at theta (npars) with latent `draw` of `seed`: convergence (nbins, npix, npix) without gain, observable (nbins, ncomp, npix,
** npix) with it; either may be NULL. *inside = false (and FF_OK, maps untouched) outside the model. */
FF_MUST_USE ff_err ff_drawer_maps(struct ff_drawer *d, const double *theta, uint64_t seed, uint32_t draw,
                                  float *convergence, float *observable, bool *inside, ff_ctx *ctx);

/* Adds noise number `draw` of `seed` to map (n); masked pixels (sd INFINITY) become 0. weighted (n), if not NULL: noise / sd^2, the
** cotangent of the map under the likelihood, 0 where masked. */
void ff_noise_add(float *map, const float *sd, long n, uint64_t seed, uint32_t draw, float *weighted);

#endif
