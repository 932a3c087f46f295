/* worker/job/bands.h - measured band powers of whole sets of maps, as results store them: E and, for shear, B. */
#ifndef FF_WORKER_JOB_BANDS_H
#define FF_WORKER_JOB_BANDS_H

#include "worker/io/result.h"
#include "worker/sim/spectra.h"

struct ff_bands {
    ff_spectra *spectra;
    enum ff_observable observable;
    int nbins, npairs, nbands; /* as many logarithmic bands as hold modes each */
    double *e, *b;             /* (npairs, nbands) of the maps measured last; b NULL for convergence */
};

/* Grid, observable and mask of `maps` (noise_sd INFINITY in any component: masked; NULL: nothing masked). */
FF_MUST_USE ff_err ff_bands_init(struct ff_bands *b, const struct ff_maps *maps, ff_ctx *ctx);
void ff_bands_done(struct ff_bands *b);

/* Fills e and b from map (nbins, ncomp, npix, npix). */
void ff_bands_measure(struct ff_bands *b, const float *map);

/* The dimensions pair and band, and the variables pairs and bands, of a group. */
FF_MUST_USE ff_err ff_bands_dims(const struct ff_bands *b, ff_h5 *f, const char *group, ff_ctx *ctx);

#endif
