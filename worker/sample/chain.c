/* worker/sample/chain.c - the life of a chain: checks, memory, first step size, transitions with warm-up. See
** chain.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "worker/sample/kernel.h"

enum { MAX_PARAM = 4096, MAX_DEPTH = 24, MAX_CHAIN = 1 << 20, MAX_THREADS = 4096 };
static const long max_latent = 1L << 40;
static const double default_energy_error = 1000;

/* Vectors besides the workspace of NUTS: x and g of the draw; x, g, p of the trajectory. */
enum { BASE_VECTORS = 5 };

static size_t block_bytes(const struct ff_chain_config *config, const struct ff_shape *shape)
{
    size_t vectors = BASE_VECTORS;
    if (config->algorithm == FF_NUTS) vectors += ff_nuts_vectors(config->max_depth);
    return vectors * ff_vec_bytes(shape);
}

size_t ff_chain_bytes(const struct ff_chain_config *config, int nparam, long nlatent)
{
    const struct ff_shape shape = {.nparam = nparam, .nlatent = nlatent};
    const size_t n = (size_t)nparam;
    const size_t dense = 5 * n * n + 10 * n; /* two metrics, scatter, scratch */
    return sizeof(struct ff_chain) + dense * sizeof(double) + block_bytes(config, &shape);
}

static ff_err check_numbers(const struct ff_chain_config *k, ff_ctx *ctx)
{
    if (!(k->target_accept > 0 && k->target_accept < 1))
        return ff_fail(ctx, FF_EBUG, FF_HERE, "target_accept is %g, it has to be in (0, 1)", k->target_accept);
    if (k->max_depth < 1 || k->max_depth > MAX_DEPTH)
        return ff_fail(ctx, FF_EBUG, FF_HERE, "max_depth is %d, it has to be in [1, %d]", k->max_depth, MAX_DEPTH);
    if (k->warmup < 0) return ff_fail(ctx, FF_EBUG, FF_HERE, "warmup is %d, it has to be >= 0", k->warmup);
    if (!(k->length >= 0 && k->step_size >= 0 && k->max_energy_error >= 0) ||
        !isfinite(k->length + k->step_size + k->max_energy_error))
        return ff_fail(ctx, FF_EBUG, FF_HERE,
                       "length %g, step_size %g and max_energy_error %g have to be finite and >= 0", k->length,
                       k->step_size, k->max_energy_error);
    if (!(k->jitter >= 0 && k->jitter < 1) || !(k->persistence >= 0 && k->persistence < 1))
        return ff_fail(ctx, FF_EBUG, FF_HERE, "jitter is %g and persistence %g, both have to be in [0, 1)", k->jitter,
                       k->persistence);
    if (k->chain < 0 || k->chain >= MAX_CHAIN)
        return ff_fail(ctx, FF_EBUG, FF_HERE, "chain is %d, it has to be in [0, %d)", k->chain, MAX_CHAIN);
    if (k->threads > MAX_THREADS)
        return ff_fail(ctx, FF_EBUG, FF_HERE, "threads is %d, at most %d", k->threads, MAX_THREADS);
    return FF_OK;
}

static ff_err check_config(const struct ff_chain_config *k, const struct ff_target *target, ff_ctx *ctx)
{
    if (k->algorithm == FF_MCLMC)
        return ff_fail(ctx, FF_ENOTBUILT, FF_HERE, "this build samples with nuts and hmc only");
    if (k->algorithm != FF_NUTS && k->algorithm != FF_HMC)
        return ff_fail(ctx, FF_EBUG, FF_HERE, "algorithm %d is unknown", (int)k->algorithm);
    if (k->integrator != FF_LEAPFROG && k->integrator != FF_ROTATION)
        return ff_fail(ctx, FF_EBUG, FF_HERE, "integrator %d is unknown", (int)k->integrator);
    if ((int)k->scheme < 0 || k->scheme >= FF_NSCHEMES)
        return ff_fail(ctx, FF_EBUG, FF_HERE, "scheme %d is unknown", (int)k->scheme);
    if (target->nparam < 0 || target->nparam > MAX_PARAM || target->nlatent < 0 || target->nlatent > max_latent ||
        target->nparam + target->nlatent == 0)
        return ff_fail(ctx, FF_ETOOLARGE, FF_HERE,
                       "%d parameters and %ld latents: at least one in all, at most %d and %ld", target->nparam,
                       target->nlatent, MAX_PARAM, max_latent);
    ff_err err = check_numbers(k, ctx);
    if (err) return err;
    for (int i = 0; i < target->nparam; i++) {
        if (k->centre && !isfinite(k->centre[i]))
            return ff_fail(ctx, FF_ENUMERIC, FF_HERE, "the centre of parameter %d is not finite", i);
        for (int j = 0; k->factor && j <= i; j++) {
            const double f = k->factor[(size_t)i * (size_t)target->nparam + (size_t)j];
            if (!isfinite(f) || (i == j && !(f > 0)))
                return ff_fail(ctx, FF_ENUMERIC, FF_HERE, "entry (%d, %d) of the metric's factor is %g", i, j, f);
        }
    }
    return FF_OK;
}

static struct ff_point take_point(const struct ff_shape *shape, unsigned char **cursor)
{
    struct ff_point point = {.lp = -INFINITY};
    point.x = ff_vec_take(shape, cursor);
    point.g = ff_vec_take(shape, cursor);
    return point;
}

/* All memory of a chain whose config, target and shape are set. */
static ff_err allocate(struct ff_chain *c, const double *centre, const double *factor, ff_ctx *ctx)
{
    const size_t n = (size_t)c->shape.nparam;
    const size_t block = block_bytes(&c->config, &c->shape);
    c->q = calloc(n + 1, sizeof(double));
    c->kept = calloc(n + 1, sizeof(double));
    c->scratch = calloc(3 * n + 1, sizeof(double));
    c->block = aligned_alloc(FF_VEC_ALIGN, block);
    c->shape.rows = calloc((size_t)c->shape.spread.nrows + 1, sizeof(double));
    bool ok = c->q && c->kept && c->scratch && c->block && c->shape.rows &&
              ff_metric_init(&c->metric, (int)n, centre, factor) && ff_adapt_init(&c->adapt, (int)n, centre, factor);
    if (ok) {
        unsigned char *cursor = c->block;
        c->draw = take_point(&c->shape, &cursor);
        c->work.at = take_point(&c->shape, &cursor);
        c->work.p = ff_vec_take(&c->shape, &cursor);
        if (c->config.algorithm == FF_NUTS) {
            c->nuts = ff_nuts_new(&c->shape, c->config.max_depth, &cursor);
            ok = c->nuts != NULL;
        }
    }
    if (!ok)
        return ff_fail(ctx, FF_ENOMEM, FF_HERE, "a chain of %d parameters and %ld latents needs %zu bytes",
                       c->shape.nparam, c->shape.nlatent,
                       ff_chain_bytes(&c->config, c->shape.nparam, c->shape.nlatent));
    c->mover = (struct ff_mover){.target = &c->target,
                                 .shape = &c->shape,
                                 .metric = &c->metric,
                                 .splitting = ff_splitting_of(c->config.scheme),
                                 .integrator = c->config.integrator,
                                 .q = c->scratch,
                                 .gs = c->scratch + n};
    return FF_OK;
}

/* The draw at (q0, z0) with its density. */
static ff_err start(struct ff_chain *c, const double *q0, const float *z0, ff_ctx *ctx)
{
    const int n = c->shape.nparam;
    if (n) memcpy(c->q, q0, (size_t)n * sizeof(double));
    ff_metric_to_s(&c->metric, c->q, c->draw.x.a);
    if (z0)
        memcpy(c->draw.x.z, z0, (size_t)c->shape.nlatent * sizeof(float));
    else
        ff_kernel_latents(c, FF_USE_START, 0, c->draw.x.z);
    ff_err err = ff_mover_eval(&c->mover, &c->draw, ctx);
    if (err) return err;
    if (c->draw.lp != -INFINITY) return FF_OK;
    const double zz = ff_vec_dot(&c->shape, c->draw.x, c->draw.x);
    return ff_fail(ctx, FF_ENUMERIC, FF_HERE,
                   "the density is not finite at the start: %d parameters (the first is %g, the last %g), %ld latents, "
                   "sum of squares %g",
                   n, n ? q0[0] : 0.0, n ? q0[n - 1] : 0.0, c->shape.nlatent, zz);
}

/* Acceptance probability of one step of length eps from the draw. */
static ff_err try_step(struct ff_chain *c, double eps, uint32_t attempt, double *acceptance, ff_ctx *ctx)
{
    struct ff_phase *work = &c->work;
    ff_kernel_copy_point(c, &work->at, &c->draw);
    ff_kernel_momentum(c, FF_USE_SEARCH_Z, FF_USE_SEARCH_S, attempt, work->p);
    const double energy = ff_mover_energy(&c->mover, work);
    bool inside = false;
    ff_err err = ff_mover_run(&c->mover, work, eps, 1, &inside, ctx);
    if (err) return err;
    *acceptance = inside ? fmin(1, exp(energy - ff_mover_energy(&c->mover, work))) : 0;
    return FF_OK;
}

/* Doubles or halves the step size until the acceptance of one step crosses 0.8 (Hoffman, Gelman 2014, algorithm 4, with
** Stan's threshold). */
static ff_err find_step(struct ff_chain *c, ff_ctx *ctx)
{
    const double threshold = 0.8, least = 1e-10, most = ff_kernel_max_step(c);
    double eps = fmin(0.25, most), acceptance = 0;
    ff_err err = try_step(c, eps, 0, &acceptance, ctx);
    const bool up = acceptance > threshold;
    for (uint32_t attempt = 1; !err && (acceptance > threshold) == up; attempt++) {
        if (up && eps >= most) break;
        eps = up ? fmin(2 * eps, most) : eps / 2;
        if (eps < least)
            return ff_fail(ctx, FF_ENUMERIC, FF_HERE,
                           "no step size down to %g is accepted at the start: the gradient does not fit the density",
                           least);
        err = try_step(c, eps, attempt, &acceptance, ctx);
    }
    c->eps = eps;
    return err;
}

ff_err ff_chain_init(ff_chain **out, const struct ff_chain_config *config, const struct ff_target *target,
                     const double *q0, const float *z0, ff_ctx *ctx)
{
    *out = NULL;
    ff_err err = check_config(config, target, ctx);
    if (err) return err;
    struct ff_chain *c = calloc(1, sizeof *c);
    if (!c) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "a chain needs %zu bytes", sizeof *c);
    c->config = *config;
    c->config.centre = c->config.factor = NULL;
    if (c->config.max_energy_error == 0) c->config.max_energy_error = default_energy_error;
    c->target = *target;
    c->shape = (struct ff_shape){.nparam = target->nparam,
                                 .nlatent = target->nlatent,
                                 .threads = config->threads > 1 ? config->threads : 1,
                                 .spread = target->spread};
    err = allocate(c, config->centre, config->factor, ctx);
    if (!err) err = start(c, q0, z0, ctx);
    c->eps = config->step_size;
    if (!err && c->eps == 0) err = find_step(c, ctx);
    if (err) {
        ff_note(ctx, FF_HERE, "while starting chain %d", config->chain);
        ff_chain_free(c);
        return err;
    }
    ff_dual_start(&c->adapt.dual, c->eps, 2, 0);
    *out = c;
    return FF_OK;
}

void ff_chain_free(ff_chain *c)
{
    if (!c) return;
    ff_nuts_free(c->nuts);
    ff_adapt_done(&c->adapt);
    ff_metric_done(&c->metric);
    free(c->block);
    free(c->shape.rows);
    free(c->scratch);
    free(c->kept);
    free(c->q);
    free(c);
}

/* What warm-up iteration c->iteration teaches. A new metric changes the step size little: its search starts anew from
** the mean so far, which counts as a few updates. Where a factor was given it changes so little that earlier trials count
** too for the last step size, though less and less (adapt.h); not those of the first quarter. */
static void learn(struct ff_chain *c, double step, double acceptance)
{
    const long warmup = c->config.warmup, known_updates = 5;
    long first, last;
    ff_windows(warmup, &first, &last);
    ff_dual_update(&c->adapt.dual, acceptance, c->config.target_accept, ff_kernel_max_step(c));
    if (c->iteration >= warmup / 4) ff_trials_add(c->adapt.trials, c->adapt.ntrials++, step, acceptance);
    c->eps = exp(c->adapt.dual.log_eps);
    if (c->config.adapt_metric && c->iteration >= first && c->iteration < last) {
        ff_adapt_add(&c->adapt, c->q);
        if (ff_window_ends(warmup, c->iteration) && ff_adapt_metric(&c->adapt, &c->metric)) {
            ff_metric_to_s(&c->metric, c->q, c->draw.x.a);
            c->eps = exp(c->adapt.dual.log_eps_mean);
            ff_dual_start(&c->adapt.dual, c->eps, 1, known_updates);
        }
    }
    if (c->iteration + 1 < warmup) return;
    c->eps = c->adapt.have_factor ? ff_trials_step(c->adapt.trials, c->adapt.ntrials, c->config.target_accept)
                                  : exp(c->adapt.dual.log_eps_mean);
}

ff_err ff_chain_step(ff_chain *c, struct ff_transition *out, ff_ctx *ctx)
{
    const long gradients = c->mover.gradients;
    *out = (struct ff_transition){
        .iteration = c->iteration, .warmup = c->iteration < c->config.warmup, .step_size = c->eps, .step = c->eps};
    ff_err err = c->config.algorithm == FF_HMC ? ff_hmc_transition(c, out, ctx) : ff_nuts_transition(c, out, ctx);
    if (err) {
        c->mover.gradients = gradients;
        *out = (struct ff_transition){0};
        ff_note(ctx, FF_HERE, "in iteration %ld of chain %d", c->iteration, c->config.chain);
        return err;
    }
    ff_metric_to_q(&c->metric, c->draw.x.a, c->q);
    out->gradients = c->mover.gradients - gradients;
    out->lp = c->draw.lp;
    out->q = c->q;
    out->z = c->draw.x.z;
    if (out->warmup) learn(c, out->step, out->acceptance_rate);
    c->iteration++;
    return FF_OK;
}

long ff_chain_iteration(const ff_chain *c)
{
    return c->iteration;
}

long ff_chain_gradients(const ff_chain *c)
{
    return c->mover.gradients;
}

void ff_chain_metric(const ff_chain *c, const double **centre, const double **factor)
{
    *centre = c->metric.centre;
    *factor = c->metric.factor;
}
