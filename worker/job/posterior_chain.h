/* worker/job/posterior_chain.h - one chain of a posterior job, with all it has gathered: draws of the parameters, moments of the
** maps, predictive checks. A chain is advanced, saved and loaded as a whole, so that a resumed one is the same to the bit.
** Call order: ff_pchain_init -> [ff_pchain_load] -> ff_pchain_advance (any number) -> ff_pchain_done. */
#ifndef FF_WORKER_JOB_POSTERIOR_CHAIN_H
#define FF_WORKER_JOB_POSTERIOR_CHAIN_H

#include "worker/job/fit.h"
#include "worker/job/moments.h"
#include "worker/job/predictive.h"
#include "worker/job/run.h"
#include "worker/job/target.h"
#include "worker/sample/chain.h"

/* One kept draw is a row of doubles: these, then the free parameters. */
enum ff_record {
    FF_REC_LP,
    FF_REC_ACCEPTANCE,
    FF_REC_STEP_SIZE,
    FF_REC_TREE_DEPTH,
    FF_REC_N_STEPS,
    FF_REC_DIVERGING,
    FF_REC_ENERGY,
    FF_REC_ENERGY_ERROR,
    FF_REC_MAX_ENERGY_ERROR,
    FF_REC_REACHED_MAX_DEPTH,
    FF_REC_THETA
};

struct ff_pchain {
    int number;
    const struct ff_run *run;   /* borrowed */
    const struct ff_maps *data; /* borrowed */
    struct ff_posterior posterior;
    struct ff_target target;
    ff_chain *chain;
    int warmup;
    long max_draws; /* room for draws */
    long ndraws, warmup_divergences;
    int nrecord;                   /* FF_REC_THETA + nfree */
    double *record;                /* (max_draws, nrecord) */
    struct ff_moments convergence; /* (nbins, npix, npix) */
    struct ff_moments observable;  /* (nbins, ncomp, npix, npix) */
    struct ff_predictive predictive;
    float *z, *convergence_map, *observable_map; /* scratch: (nlatent) (nmap) (nobs) */
    double checkpointed_s;                       /* monotonic time of the last checkpoint */
    int asked;                                   /* the run's stop flag when last looked at */
    double seconds;                              /* computing, this process */
};

/* What a chain is shared among: emits samples in commit order. */
struct ff_pchain_listener {
    void *self;
    void (*transition)(void *self, const struct ff_pchain *c, const struct ff_transition *t,
                       const double *record /* (nrecord), NULL in warm-up */, const double *theta /* (npars) */);
};

FF_MUST_USE ff_err ff_pchain_init(struct ff_pchain *c, int number, const struct ff_run *run, const struct ff_maps *data,
                                  const struct ff_fit *fit, int threads, ff_ctx *ctx);
void ff_pchain_done(struct ff_pchain *c);

/* Runs until `draws` draws are kept (warm-up first), with a checkpoint now and then. FF_EINTERRUPTED after a checkpoint
** when the run is to stop. */
FF_MUST_USE ff_err ff_pchain_advance(struct ff_pchain *c, long draws, const struct ff_pchain_listener *listener,
                                     ff_ctx *ctx);

/* Checkpoint to, and from, the run's checkpoint folder. *found: there was one. *note: what the user should know, or "". */
FF_MUST_USE ff_err ff_pchain_save(struct ff_pchain *c, ff_ctx *ctx);
FF_MUST_USE ff_err ff_pchain_load(struct ff_pchain *c, bool *found, char note[512], ff_ctx *ctx);

/* Bytes one chain holds, its model included. */
size_t ff_pchain_bytes(const struct ff_job *job, int threads);

/* Thinned fields of a chain stand in OUT.ckpt/chain-N.fields, one map set (nbins, npix, npix) after the other. */
void ff_pchain_fields_path(const struct ff_run *run, int chain, char *path, size_t size);
long ff_pchain_nfields(const struct ff_job *job, long ndraws);

#endif
