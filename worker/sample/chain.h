/* worker/sample/chain.h - one Markov chain: NUTS or HMC, step size by dual averaging, a dense metric over the
** parameters adapted in windows, and two integrators.
** Sources: NUTS with multinomial sampling: Hoffman & Gelman 2014 (arXiv:1111.4246), Betancourt 2017 (arXiv:1701.02434),
** iterative form: Phan et al. 2019 (arXiv:1912.11554); rotation: Beskos et al. 2011, Shahbaba et al. 2014
** (arXiv:1106.5941). Coordinates: q = centre + factor s, momenta ~ N(0, I) for (s, z). The rotation integrator splits
** off the standard normal exp(-|s|^2/2 - |z|^2/2) exactly, so `centre` and `factor` should be near the posterior's
** mean and Cholesky factor. Call order: ff_chain_init -> ff_chain_step (any number) -> ff_chain_free; ff_chain_save /
** ff_chain_load between steps. All random numbers are addressed by (seed, chain, iteration): a loaded chain continues
** bit for bit. */
#ifndef FF_WORKER_SAMPLE_CHAIN_H
#define FF_WORKER_SAMPLE_CHAIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/err.h"
#include "worker/sample/target.h"

enum ff_algorithm { FF_NUTS, FF_HMC, FF_MCLMC };
enum ff_integrator { FF_LEAPFROG, FF_ROTATION };
/* Palindromic splittings of one step (gradients per step): see worker/sample/integrator.h for coefficients and
** sources. */
enum ff_scheme { FF_SCHEME_VERLET, FF_SCHEME_MINNORM2, FF_SCHEME_BCSS3, FF_SCHEME_SABA2, FF_SCHEME_ABA84, FF_NSCHEMES };

struct ff_chain_config {
    enum ff_algorithm algorithm;
    enum ff_integrator integrator;
    enum ff_scheme scheme;
    int warmup;              /* transitions that adapt; draws after them come from a fixed kernel */
    double target_accept;    /* in (0, 1) */
    int max_depth;           /* NUTS: at most 2^max_depth steps a trajectory */
    double length;           /* HMC: mean trajectory length; 0: pi/2 */
    double jitter;           /* HMC: lengths are length U(1 - jitter, 1 + jitter); 0: 0.5 */
    double persistence;      /* HMC: of the parameters' momentum from one transition to the next, in [0, 1) */
    double step_size;        /* first step size; 0: found by doubling */
    double max_energy_error; /* 0: 1000; beyond it a transition is divergent */
    bool adapt_metric;       /* adapt centre and factor in warm-up windows, shrunk towards the given ones */
    const double *centre;    /* (nparam) or NULL for 0; copied */
    const double *factor;    /* (nparam, nparam) lower triangular, or NULL for I; copied */
    uint64_t seed;
    int chain;
    int threads; /* for the vector operations here */
};

struct ff_transition {
    long iteration; /* from 0, warm-up included */
    bool warmup, diverging, reached_max_depth;
    double lp;              /* log density of the target at the new state */
    double acceptance_rate; /* mean over the trajectory (NUTS) or of the end (HMC) */
    double step_size;       /* the longest step allowed */
    double step;            /* the steps taken: HMC fits a whole number of them into its length */
    int tree_depth;         /* NUTS; 0 for HMC */
    long n_steps;           /* integrator steps */
    long gradients;         /* target evaluations of this transition */
    double energy, energy_error, max_energy_error;
    const double *q; /* (nparam) new state, owned by the chain, valid until the next call */
    const float *z;  /* (nlatent) */
};

typedef struct ff_chain ff_chain;

/* Bytes a chain holds. */
size_t ff_chain_bytes(const struct ff_chain_config *config, int nparam, long nlatent);

/* A chain at (q0, z0) (copied; z0 NULL: drawn N(0, I)). The target is borrowed. FF_ENUMERIC, naming the values, when
** the density is not finite there. */
FF_MUST_USE ff_err ff_chain_init(ff_chain **out, const struct ff_chain_config *config, const struct ff_target *target,
                                 const double *q0, const float *z0, ff_ctx *ctx);
void ff_chain_free(ff_chain *c);

/* One transition. */
FF_MUST_USE ff_err ff_chain_step(ff_chain *c, struct ff_transition *out, ff_ctx *ctx);

long ff_chain_iteration(const ff_chain *c);
long ff_chain_gradients(const ff_chain *c); /* target evaluations so far, warm-up and step-size search included */
/* Current centre (nparam) and factor (nparam, nparam), borrowed: for tests and plots. */
void ff_chain_metric(const ff_chain *c, const double **centre, const double **factor);

/* The whole state as bytes (malloc'ed into *bytes, to be freed by the caller), and back into a chain made by
** ff_chain_init with the same config and target. Loading another shape is FF_ECHECKPOINT. Where latents are spread over
** ranks: collective; rank 0 alone gets the bytes (the others NULL and 0) and gives them. */
FF_MUST_USE ff_err ff_chain_save(const ff_chain *c, void **bytes, size_t *size, ff_ctx *ctx);
FF_MUST_USE ff_err ff_chain_load(ff_chain *c, const void *bytes, size_t size, ff_ctx *ctx);

#endif
