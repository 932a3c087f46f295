/* worker/sample/kernel.h - the inside of a chain, shared by its transition kernels (hmc.c, nuts.c), by warm-up and by
** saving. A kernel reads chain->draw, and replaces it only when it succeeds: after an error the chain is as it was
** before. */
#ifndef FF_WORKER_SAMPLE_KERNEL_H
#define FF_WORKER_SAMPLE_KERNEL_H

#include <stdint.h>

#include "worker/core/rng.h"
#include "worker/sample/adapt.h"
#include "worker/sample/chain.h"
#include "worker/sample/integrator.h"

/* Uses of a chain's random numbers: purpose FF_RNG_CHAIN + 16 chain + use, stream = iteration. */
enum ff_chain_use {
    FF_USE_MOMENTUM_Z, /* index = latent */
    FF_USE_MOMENTUM_S, /* index = parameter */
    FF_USE_DECISION,   /* uniforms, numbered by the kernel */
    FF_USE_START,      /* first latents; stream 0, index = latent */
    FF_USE_SEARCH_Z,   /* momenta of the step-size search; stream = attempt */
    FF_USE_SEARCH_S
};

struct ff_nuts; /* nuts.c */

struct ff_chain {
    struct ff_chain_config config; /* centre and factor NULL: they live in adapt.given */
    struct ff_target target;
    struct ff_shape shape;
    struct ff_metric metric;
    struct ff_adapt adapt;
    struct ff_mover mover;
    unsigned char *block; /* all vectors */
    struct ff_point draw; /* where the chain is */
    struct ff_phase work; /* one trajectory (HMC), step-size search */
    struct ff_nuts *nuts; /* NULL for HMC */
    double eps;
    double *q;       /* (nparam) parameters of draw */
    double *kept;    /* (nparam) momentum of the parameters after the last transition (HMC) */
    double *scratch; /* (3, nparam) of mover, and of HMC */
    long iteration;
};

uint32_t ff_kernel_purpose(const struct ff_chain *c, enum ff_chain_use use);
double ff_kernel_uniform(const struct ff_chain *c, uint64_t index);
/* Latents ~ N(0, I) of this rank at one stream of a use, by their number in the whole. */
void ff_kernel_latents(const struct ff_chain *c, enum ff_chain_use use, uint32_t stream, float *z);
/* p ~ N(0, I) at one stream of the two momentum uses. */
void ff_kernel_momentum(const struct ff_chain *c, enum ff_chain_use use_z, enum ff_chain_use use_s, uint32_t stream,
                        struct ff_vec p);
/* True when a transition starts with a kick and so reads the gradient of the draw. */
bool ff_kernel_reads_gradient(const struct ff_chain *c);
/* to := from, the gradient only where it is read. */
void ff_kernel_copy_point(const struct ff_chain *c, struct ff_point *to, const struct ff_point *from);
/* Step size can never be wanted above this. */
double ff_kernel_max_step(const struct ff_chain *c);

/* Mean length of an HMC trajectory. */
double ff_hmc_length(const struct ff_chain_config *config);
/* One transition; fills what the kernel knows of *out. */
FF_MUST_USE ff_err ff_hmc_transition(struct ff_chain *c, struct ff_transition *out, ff_ctx *ctx);
FF_MUST_USE ff_err ff_nuts_transition(struct ff_chain *c, struct ff_transition *out, ff_ctx *ctx);

/* Vectors a NUTS workspace holds, and the workspace, its vectors taken from *cursor; NULL when out of memory. */
size_t ff_nuts_vectors(int max_depth);
struct ff_nuts *ff_nuts_new(const struct ff_shape *shape, int max_depth, unsigned char **cursor);
void ff_nuts_free(struct ff_nuts *n);

#endif
