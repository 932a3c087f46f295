/* worker/job/predictive.h - posterior-predictive checks: does data like this come out of the model?
** For every draw looked at, with model observable m, data d and noise sd s (Gelman, Meng, Stern 1996):
**   chi2 per bin        sum ((d-m)/s)^2 against its chi-square distribution;
**   residual bands      band powers (E and B) of d-m against those of fresh noise;
**   data bands          band powers (E and B) of d against those of m + fresh noise.
** Band powers are those of maps weighted by inverse variance, 0 where masked.
** A p-value is the share of replicas at or above the data; B modes of the data have no signal in the model, so theirs are uniform
** when data and noise are what the job says. */
#ifndef FF_WORKER_JOB_PREDICTIVE_H
#define FF_WORKER_JOB_PREDICTIVE_H

#include <stdint.h>

#include "common/err.h"
#include "common/model.h"
#include "worker/job/blob.h"
#include "worker/sim/spectra.h"

enum { FF_MAX_BANDS = 10 };

struct ff_predictive {
    const struct ff_maps *data; /* borrowed */
    int nbands;
    ff_spectra *spectra;
    long draws;
    /* Everything below is one block of doubles, (naccum), so that a checkpoint is one piece. */
    long naccum;
    double *accum;
    double *chi2, *chi2_p;         /* (nbins) sums over draws */
    double *resid_e, *resid_b;     /* (nbins, nbands) sums of residual band powers */
    double *resid_e_p, *resid_b_p; /* (nbins, nbands) counts of replicas at or above */
    double *noise_e, *noise_b;     /* (nbins, nbands) sums of noise band powers */
    double *data_e_p, *data_b_p;   /* (nbins, nbands) counts */
    double *total_b_p; /* (nbins) counts for the B power summed over bands, each band in units of its noise */
    /* Facts of the data, not accumulated. */
    double *data_e, *data_b; /* (nbins, nbands) */
    double *unit_b;          /* (nbins, nbands) expected B power of noise */
    long dof[FF_MAX_BINS];   /* unmasked pixels and components */
    /* Scratch. */
    float *noise, *map; /* (nobs) */
    double *ee, *bb;    /* (npairs, nbands) */
    double *noise_ee, *noise_bb;
};

FF_MUST_USE ff_err ff_predictive_init(struct ff_predictive *p, const struct ff_maps *data, uint64_t seed, ff_ctx *ctx);
void ff_predictive_done(struct ff_predictive *p);

/* One draw: its model observable (nobs), and the stream its noise comes from. */
void ff_predictive_add(struct ff_predictive *p, const float *observable, uint64_t seed, uint32_t stream);
void ff_predictive_merge(struct ff_predictive *a, const struct ff_predictive *b);
void ff_predictive_save(const struct ff_predictive *p, struct ff_blob *blob);
void ff_predictive_load(struct ff_predictive *p, struct ff_blob *blob);

/* Share of replicas at or above the data, kept off 0 and 1: (1 + count) / (2 + draws). */
double ff_predictive_p(const struct ff_predictive *p, double count);

#endif
