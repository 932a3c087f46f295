/* worker/sim/spectra.c - see spectra.h. Power of mode l: |DFT|^2 * pixel area / (N f), f a pair's mean product of weights; E and B
** of a shear map by the rotation of Kaiser & Squires 1993 (ApJ 404, 441): (E + iB)(l) = (gamma1 + i gamma2)(l) e^{-2 i phi}. */
#include "worker/sim/spectra.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "worker/core/ops.h"

struct ff_spectra {
    struct ff_grid grid; /* nbins maps of n x n */
    const struct ff_ops *ops;
    struct ff_fft *fft;
    int nbands;
    double size_rad;
    double *edges, *centres;      /* (nbands+1) (nbands) */
    long *counts;                 /* (nbands) real modes */
    double *weights;              /* (nbands) sum of the stored modes' weights */
    double *norm;                 /* (npairs) pixel area / (N f) */
    int *band;                    /* (n, h+1) of each stored mode, -1: none */
    float *cos2, *sin2;           /* (n, h+1) of twice the angle of l */
    float *mask;                  /* (nbins, n, n), or NULL */
    float *maps, *first, *second; /* (nbins, n, rp); spectra (nbins, n, cp, 2) twice */
};

static long stored(const struct ff_grid *g)
{
    return (long)g->n * (g->h + 1);
}

/* Weight of a stored mode: it stands for itself and, off the planes kx = 0 and kx = n/2, for its conjugate. */
static double mode_weight(const struct ff_grid *g, int kx)
{
    return kx == 0 || 2 * kx == g->n ? 1 : 2;
}

static int signed_mode(const struct ff_grid *g, int row)
{
    return 2 * row <= g->n ? row : row - g->n;
}

static int band_of(const struct ff_spectra *s, double l)
{
    if (!(l >= s->edges[0])) return -1;
    for (int b = 0; b < s->nbands; b++)
        if (l < s->edges[b + 1]) return b;
    return -1;
}

/* Bands, their counts and centres, and the angle of every stored mode. */
static void sort_modes(struct ff_spectra *s)
{
    const struct ff_grid *g = &s->grid;
    const double fundamental = 2 * M_PI / s->size_rad;
    for (int row = 0; row < g->n; row++) {
        for (int kx = 0; kx <= g->h; kx++) {
            const int ky = signed_mode(g, row);
            const long at = (long)row * (g->h + 1) + kx;
            const double k2 = (double)kx * kx + (double)ky * ky, l = fundamental * sqrt(k2);
            const bool nyquist = 2 * kx == g->n || 2 * row == g->n;
            /* The Nyquist lines have no sense of direction: E and B cannot be told apart there. */
            s->band[at] = k2 > 0 && !nyquist ? band_of(s, l) : -1;
            s->cos2[at] = k2 > 0 ? (float)(((double)kx * kx - (double)ky * ky) / k2) : 0;
            s->sin2[at] = k2 > 0 && !nyquist ? (float)(2.0 * kx * ky / k2) : 0;
            if (s->band[at] < 0) continue;
            const double weight = mode_weight(g, kx);
            s->weights[s->band[at]] += weight;
            s->centres[s->band[at]] += weight * l;
        }
    }
    for (int b = 0; b < s->nbands; b++) {
        s->counts[b] = lround(s->weights[b]);
        s->centres[b] = s->weights[b] > 0 ? s->centres[b] / s->weights[b] : sqrt(s->edges[b] * s->edges[b + 1]);
    }
}

static void set_edges(struct ff_spectra *s, const double *edges)
{
    const double low = 2 * M_PI / s->size_rad * 0.999, high = M_PI * s->grid.n / s->size_rad * 1.001;
    for (int b = 0; b <= s->nbands; b++) s->edges[b] = edges ? edges[b] : low * pow(high / low, (double)b / s->nbands);
}

static void set_norms(struct ff_spectra *s)
{
    const struct ff_grid *g = &s->grid;
    const long n2 = (long)g->n * g->n;
    const double pixel = s->size_rad / g->n;
    for (int i = 0; i < g->nbins; i++) {
        for (int j = i; j < g->nbins; j++) {
            double seen = (double)n2;
            if (s->mask) {
                seen = 0;
                for (long p = 0; p < n2; p++) seen += (double)s->mask[i * n2 + p] * s->mask[j * n2 + p];
            }
            s->norm[ff_pair(g->nbins, i, j)] = seen > 0 ? pixel * pixel / seen : 0;
        }
    }
}

static ff_err allocate(struct ff_spectra *s, bool masked, ff_ctx *ctx)
{
    const struct ff_grid *g = &s->grid;
    const size_t modes = (size_t)stored(g), nb = (size_t)g->nbins, bands = (size_t)s->nbands;
    const size_t spectra = nb * (size_t)g->n * (size_t)g->cp * 2;
    s->edges = calloc(bands + 1, sizeof *s->edges);
    s->centres = calloc(bands, sizeof *s->centres);
    s->counts = calloc(bands, sizeof *s->counts);
    s->weights = calloc(bands, sizeof *s->weights);
    s->norm = calloc((size_t)g->npairs, sizeof *s->norm);
    s->band = calloc(modes, sizeof *s->band);
    s->cos2 = calloc(modes, sizeof *s->cos2);
    s->sin2 = calloc(modes, sizeof *s->sin2);
    if (masked) s->mask = malloc(nb * (size_t)g->n * (size_t)g->n * sizeof *s->mask);
    /* FFTW's plans are made for aligned arrays; rows are padded to 64 bytes. */
    s->maps = aligned_alloc(256, (size_t)ff_round_up((long)(nb * (size_t)g->n * (size_t)g->rp * sizeof *s->maps), 256));
    s->first = aligned_alloc(256, (size_t)ff_round_up((long)(spectra * sizeof *s->first), 256));
    s->second = aligned_alloc(256, (size_t)ff_round_up((long)(spectra * sizeof *s->second), 256));
    if (s->edges && s->centres && s->counts && s->weights && s->norm && s->band && s->cos2 && s->sin2 &&
        (s->mask || !masked) && s->maps && s->first && s->second)
        return FF_OK;
    return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the spectra of %d maps of %d x %d", g->nbins, g->n, g->n);
}

ff_err ff_spectra_init(ff_spectra **out, int nbins, int npix, double size_deg, int nbands, const double *edges,
                       const float *weight, ff_ctx *ctx)
{
    *out = NULL;
    ff_spectra *s = calloc(1, sizeof *s);
    if (!s) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for spectra");
    s->grid = ff_grid_make(nbins, 1, npix, npix, 1);
    s->ops = &ff_ops_cpu_f32;
    s->nbands = nbands;
    s->size_rad = size_deg * M_PI / 180;
    ff_err err = allocate(s, weight != NULL, ctx);
    if (!err) err = s->ops->fft_init(&s->fft, npix, ctx);
    if (err) {
        ff_spectra_free(s);
        return err;
    }
    if (weight) memcpy(s->mask, weight, (size_t)nbins * (size_t)npix * (size_t)npix * sizeof *s->mask);
    set_edges(s, edges);
    sort_modes(s);
    set_norms(s);
    *out = s;
    return FF_OK;
}

void ff_spectra_free(ff_spectra *s)
{
    if (!s) return;
    if (s->fft) s->ops->fft_free(s->fft);
    void *blocks[] = {s->edges, s->centres, s->counts, s->weights, s->norm,  s->band,
                      s->cos2,  s->sin2,    s->mask,   s->maps,    s->first, s->second};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) free(blocks[i]);
    free(s);
}

const double *ff_spectra_edges(const ff_spectra *s)
{
    return s->edges;
}

const double *ff_spectra_centres(const ff_spectra *s)
{
    return s->centres;
}

const long *ff_spectra_counts(const ff_spectra *s)
{
    return s->counts;
}

/* Component `comp` of ncomp of every bin, masked, to its spectrum. */
static void transform(ff_spectra *s, const float *map, int ncomp, int comp, float *spectra)
{
    const struct ff_grid *g = &s->grid;
    for (int b = 0; b < g->nbins; b++) {
        for (int y = 0; y < g->n; y++) {
            const float *in = map + (((long)b * ncomp + comp) * g->n + y) * g->n;
            float *row = s->maps + ((long)b * g->n + y) * g->rp;
            const float *mask = s->mask ? s->mask + ((long)b * g->n + y) * g->n : NULL;
            for (int x = 0; x < g->n; x++) row[x] = mask ? in[x] * mask[x] : in[x];
        }
    }
    s->ops->fft_forward(s->fft, s->maps, spectra, g->nbins, 1);
}

/* first, second = gamma1, gamma2 -> E, B in place. */
static void rotate(ff_spectra *s)
{
    const struct ff_grid *g = &s->grid;
    for (int b = 0; b < g->nbins; b++) {
        for (int row = 0; row < g->n; row++) {
            float *one = s->first + ((long)b * g->n + row) * g->cp * 2,
                  *two = s->second + ((long)b * g->n + row) * g->cp * 2;
            const float *c = s->cos2 + (long)row * (g->h + 1), *d = s->sin2 + (long)row * (g->h + 1);
            for (int i = 0; i < 2 * (g->h + 1); i++) {
                const float g1 = one[i], g2 = two[i];
                one[i] = c[i / 2] * g1 + d[i / 2] * g2;
                two[i] = c[i / 2] * g2 - d[i / 2] * g1;
            }
        }
    }
}

/* power (npairs, nbands) of spectra. */
static void bin_powers(const ff_spectra *s, const float *spectra, double *power)
{
    const struct ff_grid *g = &s->grid;
    memset(power, 0, (size_t)g->npairs * (size_t)s->nbands * sizeof *power);
    for (int i = 0; i < g->nbins; i++) {
        for (int j = i; j < g->nbins; j++) {
            const int pair = ff_pair(g->nbins, i, j);
            double *out = power + (long)pair * s->nbands;
            for (int row = 0; row < g->n; row++) {
                const float *a = spectra + ((long)i * g->n + row) * g->cp * 2,
                            *b = spectra + ((long)j * g->n + row) * g->cp * 2;
                const int *band = s->band + (long)row * (g->h + 1);
                for (int kx = 0; kx <= g->h; kx++)
                    if (band[kx] >= 0)
                        out[band[kx]] += mode_weight(g, kx) *
                                         ((double)a[2 * kx] * b[2 * kx] + (double)a[2 * kx + 1] * b[2 * kx + 1]);
            }
            for (int l = 0; l < s->nbands; l++) out[l] *= s->weights[l] > 0 ? s->norm[pair] / s->weights[l] : 0;
        }
    }
}

void ff_spectra_convergence(ff_spectra *s, const float *map, double *ee)
{
    transform(s, map, 1, 0, s->first);
    bin_powers(s, s->first, ee);
}

void ff_spectra_shear(ff_spectra *s, const float *map, double *ee, double *bb)
{
    transform(s, map, 2, 0, s->first);
    transform(s, map, 2, 1, s->second);
    rotate(s);
    if (ee) bin_powers(s, s->first, ee);
    if (bb) bin_powers(s, s->second, bb);
}
