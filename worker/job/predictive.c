/* worker/job/predictive.c - see predictive.h. */
#include "worker/job/predictive.h"

#include <gsl/gsl_cdf.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "worker/core/rng.h"

enum { UNIT_REPLICAS = 64 };
static const uint32_t UNIT_STREAM = 0xffff0000u; /* streams of the replicas that set the unit; draws use those below */

static long per_bin(const struct ff_predictive *p)
{
    return (long)p->data->ncomp * p->data->npix * p->data->npix;
}

/* Cuts the one block into its parts. */
static void lay_out(struct ff_predictive *p)
{
    const long nb = p->data->nbins, bands = nb * p->nbands;
    double *at = p->accum;
    double **of_bins[] = {&p->chi2, &p->chi2_p, &p->total_b_p};
    double **of_bands[] = {&p->resid_e, &p->resid_b, &p->resid_e_p, &p->resid_b_p,
                           &p->noise_e, &p->noise_b, &p->data_e_p,  &p->data_b_p};
    for (size_t i = 0; i < sizeof of_bins / sizeof *of_bins; i++, at += nb) *of_bins[i] = at;
    for (size_t i = 0; i < sizeof of_bands / sizeof *of_bands; i++, at += bands) *of_bands[i] = at;
}

static ff_err allocate(struct ff_predictive *p, ff_ctx *ctx)
{
    const size_t nb = (size_t)p->data->nbins, bands = nb * (size_t)p->nbands, nobs = (size_t)ff_maps_len(p->data);
    const size_t pairs = (size_t)ff_pair_count(p->data->nbins) * (size_t)p->nbands;
    p->naccum = (long)(3 * nb + 8 * bands);
    p->accum = calloc((size_t)p->naccum, sizeof *p->accum);
    double **doubles[] = {&p->data_e, &p->data_b, &p->unit_b};
    for (size_t i = 0; i < 3; i++) *doubles[i] = calloc(bands, sizeof(double));
    double **scratch[] = {&p->ee, &p->bb, &p->noise_ee, &p->noise_bb};
    for (size_t i = 0; i < 4; i++) *scratch[i] = calloc(pairs, sizeof(double));
    p->noise = malloc(nobs * sizeof *p->noise);
    p->map = malloc(nobs * sizeof *p->map);
    if (!p->accum || !p->data_e || !p->data_b || !p->unit_b || !p->ee || !p->bb || !p->noise_ee || !p->noise_bb ||
        !p->noise || !p->map)
        return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the posterior-predictive checks");
    lay_out(p);
    return FF_OK;
}

/* Variance of a pixel, mean over components: infinite where any of them is masked. */
static double variance_at(const struct ff_maps *data, int bin, long pixel)
{
    const long n2 = (long)data->npix * data->npix;
    double sum = 0;
    for (int c = 0; c < data->ncomp; c++) {
        const double sd = data->noise_sd[((long)bin * data->ncomp + c) * n2 + pixel];
        sum += sd * sd;
    }
    return sum / data->ncomp;
}

/* Inverse variances in units of the bin's largest, 0 where masked; (nbins, npix, npix). Unweighted, a few pixels with hardly a
** galaxy would make the power of a map, and the noise of one galaxy is not Gaussian. */
static float *weights_of(const struct ff_maps *data)
{
    const long n2 = (long)data->npix * data->npix;
    float *weight = malloc((size_t)(data->nbins * n2) * sizeof *weight);
    if (!weight) return NULL;
    for (int b = 0; b < data->nbins; b++) {
        double least = INFINITY;
        for (long i = 0; i < n2; i++) least = fmin(least, variance_at(data, b, i));
        for (long i = 0; i < n2; i++) {
            const double variance = variance_at(data, b, i);
            weight[b * n2 + i] = isfinite(variance) ? (float)(least / variance) : 0;
        }
    }
    return weight;
}

static void powers(const struct ff_predictive *p, const float *map, double *ee, double *bb)
{
    if (p->data->observable == FF_CONVERGENCE)
        ff_spectra_convergence(p->spectra, map, ee);
    else
        ff_spectra_shear(p->spectra, map, ee, bb);
}

/* Band power of one bin with itself out of a (npairs, nbands) array. */
static double own(const struct ff_predictive *p, const double *pairs, int bin, int band)
{
    return pairs[(long)ff_pair(p->data->nbins, bin, bin) * p->nbands + band];
}

static void make_noise(struct ff_predictive *p, uint64_t seed, uint32_t stream)
{
    const long nobs = ff_maps_len(p->data);
    ff_rng_normals_f32(seed, FF_RNG_PREDICTIVE, stream, 0, nobs, p->noise, 1);
    for (long i = 0; i < nobs; i++)
        p->noise[i] = isfinite(p->data->noise_sd[i]) ? p->noise[i] * p->data->noise_sd[i] : 0;
}

static void facts_of_data(struct ff_predictive *p, uint64_t seed)
{
    const struct ff_maps *data = p->data;
    powers(p, data->map, p->ee, p->bb);
    for (int b = 0; b < data->nbins; b++) {
        for (long i = 0; i < per_bin(p); i++) p->dof[b] += isfinite(data->noise_sd[b * per_bin(p) + i]) ? 1 : 0;
        for (int l = 0; l < p->nbands; l++) {
            p->data_e[b * p->nbands + l] = own(p, p->ee, b, l);
            p->data_b[b * p->nbands + l] = own(p, p->bb, b, l);
        }
    }
    if (data->observable == FF_CONVERGENCE) return;
    for (uint32_t r = 0; r < UNIT_REPLICAS; r++) {
        make_noise(p, seed, UNIT_STREAM + r);
        powers(p, p->noise, p->ee, p->bb);
        for (int b = 0; b < data->nbins; b++)
            for (int l = 0; l < p->nbands; l++) p->unit_b[b * p->nbands + l] += own(p, p->bb, b, l) / UNIT_REPLICAS;
    }
}

ff_err ff_predictive_init(struct ff_predictive *p, const struct ff_maps *data, uint64_t seed, ff_ctx *ctx)
{
    memset(p, 0, sizeof *p);
    p->data = data;
    p->nbands = data->npix / 4 < FF_MAX_BANDS ? (data->npix / 4 > 2 ? data->npix / 4 : 2) : FF_MAX_BANDS;
    float *weight = weights_of(data);
    ff_err err = weight ? FF_OK : ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the weights of pixels");
    if (!err) err = ff_spectra_init(&p->spectra, data->nbins, data->npix, data->size_deg, p->nbands, NULL, weight, ctx);
    if (!err) err = allocate(p, ctx);
    free(weight);
    if (err)
        ff_predictive_done(p);
    else
        facts_of_data(p, seed);
    return err;
}

void ff_predictive_done(struct ff_predictive *p)
{
    double *doubles[] = {p->accum, p->data_e, p->data_b, p->unit_b, p->ee, p->bb, p->noise_ee, p->noise_bb};
    for (size_t i = 0; i < sizeof doubles / sizeof *doubles; i++) free(doubles[i]);
    free(p->noise);
    free(p->map);
    ff_spectra_free(p->spectra);
    memset(p, 0, sizeof *p);
}

/* p->map = d - m where seen, and the chi-squares. */
static void add_residual(struct ff_predictive *p, const float *observable)
{
    const struct ff_maps *data = p->data;
    for (int b = 0; b < data->nbins; b++) {
        double chi2 = 0;
        for (long i = b * per_bin(p); i < (b + 1) * per_bin(p); i++) {
            const bool seen = isfinite(data->noise_sd[i]);
            p->map[i] = seen ? data->map[i] - observable[i] : 0;
            if (seen) chi2 += ((double)p->map[i] / data->noise_sd[i]) * ((double)p->map[i] / data->noise_sd[i]);
        }
        p->chi2[b] += chi2;
        p->chi2_p[b] += p->dof[b] > 0 ? gsl_cdf_chisq_Q(chi2, (double)p->dof[b]) : 0.5;
    }
}

static void compare_residuals(struct ff_predictive *p)
{
    for (int b = 0; b < p->data->nbins; b++) {
        for (int l = 0; l < p->nbands; l++) {
            const long at = (long)b * p->nbands + l;
            const double e = own(p, p->ee, b, l), rep_e = own(p, p->noise_ee, b, l);
            const double bm = own(p, p->bb, b, l), rep_b = own(p, p->noise_bb, b, l);
            p->resid_e[at] += e;
            p->resid_b[at] += bm;
            p->noise_e[at] += rep_e;
            p->noise_b[at] += rep_b;
            p->resid_e_p[at] += rep_e >= e;
            p->resid_b_p[at] += rep_b >= bm;
        }
    }
}

static void compare_replica(struct ff_predictive *p)
{
    const long *modes = ff_spectra_counts(p->spectra);
    for (int b = 0; b < p->data->nbins; b++) {
        double total = 0, total_data = 0;
        for (int l = 0; l < p->nbands; l++) {
            const long at = (long)b * p->nbands + l;
            const double rep_b = own(p, p->bb, b, l);
            p->data_e_p[at] += own(p, p->ee, b, l) >= p->data_e[at];
            p->data_b_p[at] += rep_b >= p->data_b[at];
            if (!(p->unit_b[at] > 0)) continue;
            total += (double)modes[l] * rep_b / p->unit_b[at];
            total_data += (double)modes[l] * p->data_b[at] / p->unit_b[at];
        }
        p->total_b_p[b] += total >= total_data;
    }
}

void ff_predictive_add(struct ff_predictive *p, const float *observable, uint64_t seed, uint32_t stream)
{
    const long nobs = ff_maps_len(p->data);
    p->draws++;
    make_noise(p, seed, stream);
    add_residual(p, observable);
    powers(p, p->map, p->ee, p->bb);
    powers(p, p->noise, p->noise_ee, p->noise_bb);
    compare_residuals(p);
    for (long i = 0; i < nobs; i++) p->map[i] = isfinite(p->data->noise_sd[i]) ? observable[i] + p->noise[i] : 0;
    powers(p, p->map, p->ee, p->bb);
    compare_replica(p);
}

void ff_predictive_merge(struct ff_predictive *a, const struct ff_predictive *b)
{
    a->draws += b->draws;
    for (long i = 0; i < a->naccum; i++) a->accum[i] += b->accum[i];
}

void ff_predictive_save(const struct ff_predictive *p, struct ff_blob *blob)
{
    ff_blob_put(blob, &p->draws, sizeof p->draws);
    ff_blob_put(blob, p->accum, (size_t)p->naccum * sizeof *p->accum);
}

void ff_predictive_load(struct ff_predictive *p, struct ff_blob *blob)
{
    ff_blob_get(blob, &p->draws, sizeof p->draws);
    ff_blob_get(blob, p->accum, (size_t)p->naccum * sizeof *p->accum);
}

double ff_predictive_p(const struct ff_predictive *p, double count)
{
    return (1 + count) / (2 + (double)p->draws);
}
