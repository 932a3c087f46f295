/* worker/sample/hmc.c - Hamiltonian Monte Carlo with jittered length (Neal 2011, arXiv:1206.1901, sections 3.2 and
** 5.4.2) and partial refreshment of the parameters' momentum (Horowitz 1991, Phys. Lett. B 268, 247; Neal, section 5.3):
** p' = k p + sqrt(1 - k^2) xi, the sign of p turned where a proposal is rejected; the latents' momentum is always new.
** Parameters whose conditional width given the latents is well below their marginal one diffuse: a momentum kept over
** several refreshments of the latents carries them further.
** Trajectory time T = length U(1 - jitter, 1 + jitter); steps = ceil(T / eps), each of length T / steps <= eps, at most
** 2^max_depth of them, fewer early in warm-up (then of length eps). T and steps depend on the random numbers and on
** fixed numbers only, never on the state, so the proposal is an involution (with the momentum turned round) that
** preserves volume: it is reversible. */
#include <math.h>
#include <string.h>

#include "worker/sample/kernel.h"

enum { INDEX_LENGTH, INDEX_ACCEPT }; /* of FF_USE_DECISION */

double ff_hmc_length(const struct ff_chain_config *config)
{
    /* A quarter of the period of a standard normal: there the end is independent of the start. */
    return config->length > 0 ? config->length : 1.57079632679489661923;
}

static double jitter_of(const struct ff_chain_config *config)
{
    return config->jitter > 0 ? config->jitter : 0.5;
}

/* The momentum of a transition; ff_chain.kept is that of the parameters which the one before left. */
static void refresh(const struct ff_chain *c, struct ff_vec p)
{
    const double keep = c->iteration > 0 ? c->config.persistence : 0, fresh = sqrt(1 - keep * keep);
    ff_kernel_momentum(c, FF_USE_MOMENTUM_Z, FF_USE_MOMENTUM_S, (uint32_t)c->iteration, p);
    for (int i = 0; keep > 0 && i < c->shape.nparam; i++) p.a[i] = keep * c->kept[i] + fresh * p.a[i];
}

/* With a given metric the first quarter of warm-up only has to find the step size, and keeps trajectories short while
** that is still far too small. Without one it has to travel: short trajectories would teach the metric of the start
** alone. */
static double most_steps(const struct ff_chain *c)
{
    const double early = 8;
    const bool finding = c->adapt.have_factor && c->iteration < c->config.warmup / 4;
    return finding ? early : ldexp(1, c->config.max_depth);
}

ff_err ff_hmc_transition(struct ff_chain *c, struct ff_transition *out, ff_ctx *ctx)
{
    struct ff_phase *work = &c->work;
    double *before = c->scratch + 2 * c->shape.nparam; /* the parameters' momentum at the start */
    refresh(c, work->p);
    if (c->shape.nparam) memcpy(before, work->p.a, (size_t)c->shape.nparam * sizeof *before);
    ff_kernel_copy_point(c, &work->at, &c->draw);
    const double start = ff_mover_energy(&c->mover, work);
    const double jitter = jitter_of(&c->config);
    const double time = ff_hmc_length(&c->config) * (1 - jitter + 2 * jitter * ff_kernel_uniform(c, INDEX_LENGTH));
    const double most = most_steps(c), wanted = fmax(1, ceil(time / c->eps));
    out->reached_max_depth = wanted > most && !out->warmup;
    out->n_steps = (long)fmin(wanted, most);
    const double eps = wanted > most ? c->eps : time / wanted;
    out->step = eps;
    bool inside = false;
    ff_err err = ff_mover_run(&c->mover, work, eps, out->n_steps, &inside, ctx);
    if (err) return err;
    const double end = inside ? ff_mover_energy(&c->mover, work) : INFINITY;
    const double change = end - start;
    out->energy_error = out->max_energy_error = change;
    out->diverging = !(change <= c->config.max_energy_error);
    out->acceptance_rate = out->diverging ? 0 : fmin(1, exp(-change));
    const bool accepted = ff_kernel_uniform(c, INDEX_ACCEPT) < out->acceptance_rate;
    out->energy = accepted ? end : start;
    for (int i = 0; i < c->shape.nparam; i++) c->kept[i] = accepted ? work->p.a[i] : -before[i];
    if (accepted) {
        const struct ff_point old = c->draw;
        c->draw = work->at;
        work->at = old;
    }
    return FF_OK;
}
