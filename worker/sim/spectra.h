/* worker/sim/spectra.h - measured band powers of maps on a flat patch (pseudo-spectra of weighted maps divided by the mean
** product of their weights: of a mask, the observed fraction), E and B: for diagnostics and posterior-predictive checks, not
** for likelihoods. */
#ifndef FF_WORKER_SIM_SPECTRA_H
#define FF_WORKER_SIM_SPECTRA_H

#include "common/err.h"
#include "common/model.h"

typedef struct ff_spectra ff_spectra;

/* Bands of l: `edges` has nbands+1 entries, or NULL for nbands logarithmic bands from the fundamental mode to Nyquist.
** `weight` multiplies the pixels (nbins, npix, npix): a mask of 0 and 1, any real weights such as inverse variances, or NULL.
** White noise gives its mean sd^2, weighted by weight^2, times the area of a pixel. */
FF_MUST_USE ff_err ff_spectra_init(ff_spectra **out, int nbins, int npix, double size_deg, int nbands,
                                   const double *edges, const float *weight, ff_ctx *ctx);
void ff_spectra_free(ff_spectra *s);
const double *ff_spectra_edges(const ff_spectra *s);   /* (nbands+1) */
const double *ff_spectra_centres(const ff_spectra *s); /* (nbands) mean l of the modes in the band */
const long *ff_spectra_counts(const ff_spectra *s);    /* (nbands) number of real modes */

/* Band powers C_l of maps: convergence (nbins, npix, npix) -> ee (npairs, nbands); shear (nbins, 2, npix, npix) -> ee and
** bb (either may be NULL). */
void ff_spectra_convergence(ff_spectra *s, const float *map, double *ee);
void ff_spectra_shear(ff_spectra *s, const float *map, double *ee, double *bb);

#endif
