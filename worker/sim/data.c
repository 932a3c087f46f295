/* worker/sim/data.c - the data of the likelihood, and what whitening and the marginal fit need of them. */
#include <math.h>
#include <string.h>

#include "worker/sim/state.h"

static ff_err check_data(const struct ff_sim *s, const float *map, const float *sd, ff_ctx *ctx)
{
    const struct ff_grid *g = &s->grid;
    const long plane = (long)g->npix * g->npix;
    for (int b = 0; b < g->nbins; b++) {
        long seen = 0;
        for (long k = 0; k < g->ncomp * plane; k++) {
            const long at = b * g->ncomp * plane + k;
            if (!(sd[at] > 0))
                return ff_fail(ctx, FF_EBADFILE, FF_HERE,
                               "noise_sd of bin %d is %g at pixel %ld; it must be positive, inf "
                               "where masked",
                               b, (double)sd[at], k % plane);
            if (isinf(sd[at])) continue;
            if (!isfinite(map[at]))
                return ff_fail(ctx, FF_EBADFILE, FF_HERE, "the map of bin %d is %g at pixel %ld, which is not masked",
                               b, (double)map[at], k % plane);
            seen++;
        }
        if (seen == 0) return ff_fail(ctx, FF_EBADFILE, FF_HERE, "bin %d has no pixel that is not masked", b);
    }
    return FF_OK;
}

/* Weight of a pixel: 1/sigma^2, 0 where masked. */
static double weight_at(float sd)
{
    return isinf(sd) ? 0 : 1 / ((double)sd * sd);
}

/* Means over the simulated grid (and components) of products of weights: what the moments of the weighted data stand
** for. */
static void summarise(struct ff_sim *s, const float *sd)
{
    const struct ff_grid *g = &s->grid;
    const long plane = (long)g->npix * g->npix, len = g->ncomp * plane;
    const double pixels = (double)g->n * g->n;
    for (int b = 0; b < g->nbins; b++) {
        const float *own = sd + b * len;
        double square = 0, fourth = 0;
        for (int c = 0; c < 2; c++) s->mean_weight[b][c] = 0;
        for (long k = 0; k < len; k++) {
            const double w = weight_at(own[k]);
            s->mean_weight[b][k / plane] += w / pixels;
            square += w * w / (pixels * g->ncomp);
            fourth += w * w * w * w / (pixels * g->ncomp);
        }
        const double mean = (s->mean_weight[b][0] + s->mean_weight[b][1]) / g->ncomp;
        s->noise[b] = mean / square;
        s->fraction[b] = square * square / fourth;
        for (int other = 0; other <= b; other++) {
            double product = 0;
            for (long k = 0; k < len; k++) product += weight_at(own[k]) * weight_at(sd[other * len + k]);
            s->mean_product[ff_pair(g->nbins, other, b)] = product / (pixels * g->ncomp);
        }
    }
}

/* Transform of the data over sigma^2 in s->spectra; of shear, its E mode. */
static void transform(struct ff_sim *s)
{
    const struct ff_grid *g = &s->grid;
    if (!ff_sim_is_shear(s)) {
        s->ops->pixels_embed(g, s->data, s->weight, s->bar);
        s->ops->fft_forward(s->fft, s->bar, s->spectra, g->nbins, g->threads);
        return;
    }
    s->ops->pixels_embed(g, s->data, s->weight, s->shear_bar);
    s->ops->fft_forward(s->fft, s->shear_bar, s->shear_spectra, 2 * g->nbins, g->threads);
    s->ops->shear_adjoint(g, s->shear_spectra, 1, s->spectra);
}

ff_err ff_sim_set_data(ff_sim *s, const float *map, const float *noise_sd, ff_ctx *ctx)
{
    const struct ff_grid *g = &s->grid;
    const struct ff_classes *k = &s->cov.classes;
    const double scale = M_SQRT2 / g->n; /* sqrt(2/N): every kept mode is one complex number of the latent's units */
    s->have_data = s->have_white = false;
    ff_err err = check_data(s, map, noise_sd, ctx);
    if (err) return err;
    summarise(s, noise_sd);
    s->ops->pixels_load(g, map, noise_sd, s->data, s->weight);
    transform(s);
    s->ops->modes_data(g, s->spectra, scale, s->transform);
    const struct ff_modes modes = ff_sim_modes(s, false);
    s->ops->modes_moments(&modes, s->spectra, scale, s->signal_bar);
    s->ops->modes_collapse(g, s->signal_bar, k->at, k->mirror, k->twice, k->pitch, s->moments, k->pitch);
    for (int i = 0; i < g->nbins; i++)
        for (int j = i; j < g->nbins; j++) {
            const int pair = ff_pair(g->nbins, i, j);
            double *row = s->moments + pair * k->pitch;
            const double product = s->mean_product[pair]; /* 0 where the bins share no pixel: so is their moment */
            for (long x = 0; x < k->pitch; x++) row[x] = x < k->count && product > 0 ? row[x] / product : 0;
        }
    s->have_data = true;
    return FF_OK;
}
