/* worker/job/posterior_chain.h - one chain of a posterior job, with all it has gathered: draws of the parameters, moments of the
** maps, predictive checks. A chain is advanced, saved and loaded as a whole, so that a resumed one is the same to the bit.
** Call order: ff_pchain_init -> [ff_pchain_load] -> ff_pchain_advance, ff_pchain_save (any number) -> ff_pchain_done. */
#ifndef FF_WORKER_JOB_POSTERIOR_CHAIN_H
#define FF_WORKER_JOB_POSTERIOR_CHAIN_H

#include "worker/job/moments.h"
#include "worker/job/predictive.h"
#include "worker/job/run.h"
#include "worker/job/start.h"
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

struct ff_pchain;

/* Who hears of a chain. */
struct ff_pchain_listener {
    void *self;
    void (*transition)(void *self, const struct ff_pchain *c, const struct ff_transition *t,
                       const double *record /* (nrecord), NULL in warm-up */, const double *theta /* (npars) */);
    /* A checkpoint, and the preview that goes with it, are in the folder; NULL: nobody wants to know. */
    void (*saved)(void *self, const struct ff_pchain *c);
};

struct ff_pchain {
    int number;
    const struct ff_run *run;                  /* borrowed */
    char dir[FF_PATH_SIZE];                    /* folder of its files: run->ckpt_dir, unless placed elsewhere */
    bool own_folder;                           /* no other chain's files are in dir */
    const struct ff_maps *data;                /* borrowed */
    const struct ff_pchain_listener *listener; /* borrowed */
    struct ff_posterior posterior;
    struct ff_target target;
    ff_chain *chain; /* NULL: of ff_pchain_init_still */
    long gradients;  /* of ff_chain_gradients */
    int warmup;
    long max_draws; /* room for draws */
    long ndraws, warmup_divergences;
    int nrecord;                   /* FF_REC_THETA + nfree */
    double *record;                /* (max_draws, nrecord) */
    struct ff_moments convergence; /* (nbins, npix, npix) */
    struct ff_moments observable;  /* (nbins, ncomp, npix, npix) */
    struct ff_moments initial;     /* (planes of this rank, ny, nx) white noise of the initial conditions; lpt only */
    struct ff_spread planes;       /* of initial; zero: there is none */
    struct ff_predictive predictive;
    float *z, *convergence_map, *observable_map, *initial_field; /* scratch: (nlatent) (nmap) (nobs) (initial.len) */
    double checkpointed_s;                                       /* monotonic time of the last checkpoint */
    int asked;                                                   /* the run's stop flag when last looked at */
    double seconds; /* computing transitions, earlier processes' included */
};

FF_MUST_USE ff_err ff_pchain_init(struct ff_pchain *c, int number, const struct ff_run *run,
                                  const struct ff_start *start, int threads, const struct ff_pchain_listener *listener,
                                  ff_ctx *ctx);
void ff_pchain_done(struct ff_pchain *c);

/* A chain that is only to be loaded and looked at: it has no sampler, and what costs evaluations of the density is left out. */
FF_MUST_USE ff_err ff_pchain_init_still(struct ff_pchain *c, int number, const struct ff_run *run,
                                        const struct ff_start *start, int threads, ff_ctx *ctx);

/* Its files are in `dir` from now on. */
FF_MUST_USE ff_err ff_pchain_place(struct ff_pchain *c, const char *dir, ff_ctx *ctx);

/* Runs until `draws` draws are kept (warm-up first), with a checkpoint now and then. FF_EINTERRUPTED after a checkpoint
** when the run is to stop. */
FF_MUST_USE ff_err ff_pchain_advance(struct ff_pchain *c, long draws, ff_ctx *ctx);

/* A checkpoint, and a preview of the maps so far, into the chain's folder. */
FF_MUST_USE ff_err ff_pchain_save(struct ff_pchain *c, ff_ctx *ctx);
/* The newest checkpoint of folder `from`. From a folder that is not the chain's own nothing is changed there, and what the
** chain needs is carried over: with `carry`, the chain's own folder has all of it when this returns. *found: there was
** one. *note: what the user should know, or "". FF_ECHECKPOINT: of another job, or with more draws than the job allows. */
FF_MUST_USE ff_err ff_pchain_load(struct ff_pchain *c, const char *from, bool carry, bool *found, char note[512],
                                  ff_ctx *ctx);

/* Most draws a chain of the job may come to hold. */
long ff_pchain_most_draws(const struct ff_job *job);

/* Bytes one chain holds, its model included. */
size_t ff_pchain_bytes(const struct ff_job *job, int threads);

/* Thinned fields of a chain stand in DIR/chain-N.fields, one map set (nbins, npix, npix) after the other. */
void ff_pchain_fields_path(const char *dir, int chain, char *path, size_t size);
long ff_pchain_nfields(const struct ff_job *job, long ndraws);

#endif
