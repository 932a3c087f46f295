/* worker/sample/kernel.c - see kernel.h. */
#include "worker/sample/kernel.h"

#include <math.h>

uint32_t ff_kernel_purpose(const struct ff_chain *c, enum ff_chain_use use)
{
    return (uint32_t)FF_RNG_CHAIN + 16u * (uint32_t)c->config.chain + (uint32_t)use;
}

double ff_kernel_uniform(const struct ff_chain *c, uint64_t index)
{
    return ff_rng_uniform(c->config.seed, ff_kernel_purpose(c, FF_USE_DECISION), (uint32_t)c->iteration, index);
}

void ff_kernel_momentum(const struct ff_chain *c, enum ff_chain_use use_z, enum ff_chain_use use_s, uint32_t stream,
                        struct ff_vec p)
{
    const uint64_t seed = c->config.seed;
    ff_rng_normals_f64(seed, ff_kernel_purpose(c, use_s), stream, 0, c->shape.nparam, p.a, 1);
    ff_kernel_latents(c, use_z, stream, p.z);
}

void ff_kernel_latents(const struct ff_chain *c, enum ff_chain_use use, uint32_t stream, float *z)
{
    const uint64_t first = (uint64_t)ff_spread_before(&c->shape.spread);
    ff_rng_normals_f32(c->config.seed, ff_kernel_purpose(c, use), stream, first, c->shape.nlatent, z, c->shape.threads);
}

bool ff_kernel_reads_gradient(const struct ff_chain *c)
{
    return c->mover.splitting->kick[0] != 0;
}

void ff_kernel_copy_point(const struct ff_chain *c, struct ff_point *to, const struct ff_point *from)
{
    ff_vec_copy(&c->shape, to->x, from->x);
    if (ff_kernel_reads_gradient(c)) ff_vec_copy(&c->shape, to->g, from->g);
    to->lp = from->lp;
}

double ff_kernel_max_step(const struct ff_chain *c)
{
    /* In a reference that is nearly the target every step size is accepted: what limits it is the use of the
    ** trajectory. HMC needs no step longer than its trajectory, and none longer than a quarter of the rotation's
    ** period. NUTS has to see the U-turn of four points 0, t, 2t, 3t on a circle: 1 + cos t + cos 2t + cos 3t is most
    ** negative near 1.2 and vanishes at a quarter, where a trajectory would grow to its full depth. */
    const double quarter = 1.57079632679489661923, seen = 1.2, unbounded = 1e3;
    const double most = c->config.integrator == FF_ROTATION ? quarter : unbounded;
    if (c->config.algorithm == FF_HMC) return fmin(most, 1.5 * ff_hmc_length(&c->config));
    return c->config.integrator == FF_ROTATION ? seen : unbounded;
}
