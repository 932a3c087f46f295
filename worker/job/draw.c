/* worker/job/draw.c - see draw.h. */
#include "worker/job/draw.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "worker/core/rng.h"

ff_err ff_drawer_init(struct ff_drawer *d, const struct ff_model *model, const struct ff_shift_table *shift,
                      int threads, const struct ff_comm *comm, bool derivs, ff_ctx *ctx)
{
    memset(d, 0, sizeof *d);
    ff_err err = ff_engine_init(&d->engine, model, shift, FF_F32, threads, comm, derivs, ctx);
    if (err) return err;
    const size_t n = (size_t)ff_sim_nlatent(d->engine.sim);
    d->z = malloc(n * sizeof *d->z);
    if (d->z) return FF_OK;
    ff_drawer_done(d);
    return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a latent of %zu numbers", n);
}

void ff_drawer_done(struct ff_drawer *d)
{
    free(d->z);
    ff_engine_done(&d->engine);
    memset(d, 0, sizeof *d);
}

size_t ff_drawer_bytes(const struct ff_model *model, int threads)
{
    return ff_engine_bytes(model, FF_F32, threads) + (size_t)ff_engine_nlatent(model) * sizeof(float);
}

ff_err ff_drawer_maps(struct ff_drawer *d, const double *theta, uint64_t seed, uint32_t draw, float *convergence,
                      float *observable, bool *inside, ff_ctx *ctx)
{
    ff_err err = ff_engine_set(&d->engine, theta, inside, ctx);
    if (err || !*inside) return err;
    ff_sim_draw_latent(d->engine.sim, seed, FF_RNG_LATENT, draw, d->z);
    err = ff_sim_forward(d->engine.sim, d->z, convergence, observable, ctx);
    if (err != FF_EOUTSIDE) return err;
    *inside = false;
    ff_ctx_clear(ctx);
    return FF_OK;
}

void ff_noise_add(float *map, const float *sd, long n, uint64_t seed, uint32_t draw, float *weighted)
{
    enum { BLOCK = 1024 };
    float normal[BLOCK];
    for (long first = 0; first < n; first += BLOCK) {
        const long count = n - first < BLOCK ? n - first : BLOCK;
        ff_rng_normals_f32(seed, FF_RNG_NOISE, draw, (uint64_t)first, count, normal, 1);
        for (long i = 0; i < count; i++) {
            const float s = sd[first + i];
            const int seen = isfinite(s);
            map[first + i] = seen ? map[first + i] + s * normal[i] : 0;
            if (weighted) weighted[first + i] = seen ? normal[i] / s : 0;
        }
    }
}
