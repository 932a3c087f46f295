/* worker/job/bands.c - see bands.h. */
#include "worker/job/bands.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BANDS = 20 };

/* 1 where every component of a pixel is seen, (nbins, npix, npix); NULL without memory. */
static float *weights_of(const struct ff_maps *maps)
{
    const long pixels = (long)maps->npix * maps->npix, n = maps->nbins * pixels;
    float *weight = malloc((size_t)n * sizeof *weight);
    for (long i = 0; weight && i < n; i++) {
        const float *sd = maps->noise_sd + i / pixels * maps->ncomp * pixels + i % pixels;
        weight[i] = isfinite(sd[0]) && isfinite(sd[(maps->ncomp - 1) * pixels]);
    }
    return weight;
}

static bool a_band_is_empty(const ff_spectra *s, int nbands)
{
    for (int i = 0; i < nbands; i++)
        if (ff_spectra_counts(s)[i] == 0) return true;
    return false;
}

static ff_err init_spectra(struct ff_bands *b, const struct ff_maps *maps, const float *weight, ff_ctx *ctx)
{
    for (b->nbands = MAX_BANDS;; b->nbands--) {
        const ff_err err =
            ff_spectra_init(&b->spectra, maps->nbins, maps->npix, maps->size_deg, b->nbands, NULL, weight, ctx);
        if (err || b->nbands == 1 || !a_band_is_empty(b->spectra, b->nbands)) return err;
        ff_spectra_free(b->spectra);
        b->spectra = NULL;
    }
}

ff_err ff_bands_init(struct ff_bands *b, const struct ff_maps *maps, ff_ctx *ctx)
{
    *b = (struct ff_bands){.observable = maps->observable, .nbins = maps->nbins, .npairs = ff_pair_count(maps->nbins)};
    float *weight = maps->noise_sd ? weights_of(maps) : NULL;
    ff_err err = maps->noise_sd && !weight
                     ? ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the mask of %ld elements", ff_maps_len(maps))
                     : init_spectra(b, maps, weight, ctx);
    free(weight);
    if (err) return err;
    const size_t n = (size_t)b->npairs * (size_t)b->nbands;
    const bool shear = b->observable != FF_CONVERGENCE;
    b->e = calloc(n, sizeof *b->e);
    b->b = shear ? calloc(n, sizeof *b->b) : NULL;
    if (b->e && (b->b || !shear)) return FF_OK;
    ff_bands_done(b);
    return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for %zu band powers", n);
}

void ff_bands_done(struct ff_bands *b)
{
    ff_spectra_free(b->spectra);
    free(b->e);
    free(b->b);
    memset(b, 0, sizeof *b);
}

void ff_bands_measure(struct ff_bands *b, const float *map)
{
    if (b->observable == FF_CONVERGENCE) {
        ff_spectra_convergence(b->spectra, map, b->e);
    } else {
        ff_spectra_shear(b->spectra, map, b->e, b->b);
    }
}

ff_err ff_bands_dims(const struct ff_bands *b, ff_h5 *f, const char *group, ff_ctx *ctx)
{
    ff_err err = ff_h5_group(f, group, ctx);
    if (!err) err = ff_result_dims_pairs(f, group, b->nbins, ctx);
    if (!err)
        err = ff_result_dims_bands(f, group, b->nbands, ff_spectra_edges(b->spectra), ff_spectra_centres(b->spectra),
                                   ctx);
    return err;
}
