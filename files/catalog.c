/* files/catalog.c - see catalog.h. Projection: x = (RA - ra0) cos(dec0), y = Dec - dec0, in degrees (docs: physics 9:
** at 1.4 degrees the flat sky is good to 1e-4 of the field); pixel value and noise: docs physics 8. */
#include "files/catalog.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "files/dataset.h"

static const double degree = 3.14159265358979323846 / 180;
enum { MAX_NPIX = 16384 };

static ff_err check_options(const struct ff_catalog_options *o, long n, long *last, ff_ctx *ctx)
{
    *last = o->last < 0 ? n : o->last;
    if (o->npix < 1 || o->npix > MAX_NPIX) {
        return ff_fail(ctx, FF_EUSAGE, FF_HERE, "npix is %d, allowed are 1 to %d", o->npix, MAX_NPIX);
    }
    if (!(o->size_deg > 0 && o->size_deg <= 90)) {
        return ff_fail(ctx, FF_EUSAGE, FF_HERE, "size_deg is %g, allowed is above 0 up to 90", o->size_deg);
    }
    if (!(o->sigma_e > 0 && isfinite(o->sigma_e))) {
        return ff_fail(ctx, FF_EUSAGE, FF_HERE, "sigma_e is %g, it must be positive", o->sigma_e);
    }
    if (o->first < 0 || o->first >= *last || *last > n) {
        return ff_fail(ctx, FF_EUSAGE, FF_HERE, "rows %ld:%ld of a catalogue of %ld rows", o->first, *last, n);
    }
    if (o->centre_given && !(fabs(o->ra_deg) <= 360 && fabs(o->dec_deg) <= 90)) {
        return ff_fail(ctx, FF_EUSAGE, FF_HERE, "the centre (%g, %g) is not a place on the sky", o->ra_deg, o->dec_deg);
    }
    return FF_OK;
}

static ff_err check_rows(const struct ff_catalog *c, long first, long last, ff_ctx *ctx)
{
    const struct {
        const char *name;
        const double *value; /* (n) */
    } columns[] = {{"ra", c->ra_deg}, {"dec", c->dec_deg}, {"e1", c->e1}, {"e2", c->e2}, {"weight", c->weight}};
    for (long row = first; row < last; row++) {
        for (size_t k = 0; k < sizeof columns / sizeof *columns; k++) {
            if (!isfinite(columns[k].value[row])) {
                return ff_fail(ctx, FF_EBADFILE, FF_HERE,
                               "row %ld of the catalogue (from 0): %s is %g, it must be finite", row, columns[k].name,
                               columns[k].value[row]);
            }
        }
        if (c->weight[row] < 0) {
            return ff_fail(ctx, FF_EBADFILE, FF_HERE,
                           "row %ld of the catalogue (from 0): weight is %g, it must not be negative", row,
                           c->weight[row]);
        }
        if (fabs(c->dec_deg[row]) > 90 || fabs(c->ra_deg[row]) > 360) {
            return ff_fail(ctx, FF_EBADFILE, FF_HERE,
                           "row %ld of the catalogue (from 0): (%g, %g) is not a place on the sky", row, c->ra_deg[row],
                           c->dec_deg[row]);
        }
    }
    return FF_OK;
}

/* RA differences in (-180, 180]: a field may lie across RA = 0. */
static double wrapped(double difference)
{
    return remainder(difference, 360);
}

/* Middle of the extent of the rows. RA is taken relative to the first row, so that RA = 0 is no border. */
static void find_centre(const struct ff_catalog *c, long first, long last, double *ra, double *dec)
{
    double ra_low = INFINITY, ra_high = -INFINITY, dec_low = INFINITY, dec_high = -INFINITY;
    for (long row = first; row < last; row++) {
        const double offset = wrapped(c->ra_deg[row] - c->ra_deg[first]);
        ra_low = fmin(ra_low, offset);
        ra_high = fmax(ra_high, offset);
        dec_low = fmin(dec_low, c->dec_deg[row]);
        dec_high = fmax(dec_high, c->dec_deg[row]);
    }
    *ra = c->ra_deg[first] + 0.5 * (ra_low + ra_high);
    *dec = 0.5 * (dec_low + dec_high);
}

/* splitmix64 (Steele, Lea, Flood 2014): a counter-based hash is all that is wanted here: the angle of a row must
** depend on (seed, row) alone. The samplers' generator belongs to the worker. */
static uint64_t mix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

/* Turns the galaxy by an angle a: e -> e exp(2ia) (spin 2). By 45 degrees that is e -> ie, a pure B mode from a pure E
** mode. */
static void rotate(const struct ff_catalog_options *o, long row, double *e1, double *e2)
{
    const double before1 = *e1, before2 = *e2;
    if (o->rotate == FF_ROTATE_45) {
        *e1 = -before2;
        *e2 = before1;
    } else if (o->rotate == FF_ROTATE_RANDOM) {
        const double turn = (double)(mix(mix(o->seed) ^ (uint64_t)row) >> 11) * 0x1p-53; /* [0, 1) */
        const double phase = 360 * degree * turn;
        *e1 = before1 * cos(phase) - before2 * sin(phase);
        *e2 = before1 * sin(phase) + before2 * cos(phase);
    }
}

struct sums { /* of one pixel */
    double w, w2, we1, we2;
};

/* Pixel of a coordinate in degrees from the centre, or -1. */
static long pixel_of(double x, const struct ff_catalog_options *o)
{
    const double place = floor((x + 0.5 * o->size_deg) / (o->size_deg / o->npix));
    return place >= 0 && place < o->npix ? (long)place : -1;
}

static void add_rows(struct sums *sums /* (npix, npix) */, struct ff_catalog_summary *s, const struct ff_catalog *c,
                     const struct ff_catalog_options *o, long last, double ra, double dec)
{
    const double stretch = cos(dec * degree);
    for (long row = o->first; row < last; row++) {
        const long x = pixel_of(wrapped(c->ra_deg[row] - ra) * stretch, o), y = pixel_of(c->dec_deg[row] - dec, o);
        if (x < 0 || y < 0) {
            s->outside++;
            continue;
        }
        const double w = c->weight[row];
        if (w == 0) continue; /* says nothing: neither counted nor a reason not to call the pixel empty */
        double e1 = c->e1[row], e2 = o->flip_e2 ? -c->e2[row] : c->e2[row];
        rotate(o, row, &e1, &e2);
        struct sums *p = &sums[y * o->npix + x];
        p->w += w;
        p->w2 += w * w;
        p->we1 += w * e1;
        p->we2 += w * e2;
        s->used++;
        s->weight_sum += w;
    }
}

static void fill_maps(struct ff_maps *m, struct ff_catalog_summary *s, const struct sums *sums, double sigma_e)
{
    const long n = (long)m->npix * m->npix;
    for (long i = 0; i < n; i++) {
        const struct sums *p = &sums[i];
        const bool empty = !(p->w > 0);
        s->empty_pixels += empty;
        m->map[i] = empty ? 0 : (float)(p->we1 / p->w);
        m->map[n + i] = empty ? 0 : (float)(p->we2 / p->w);
        m->noise_sd[i] = m->noise_sd[n + i] = empty ? INFINITY : (float)(sigma_e * sqrt(p->w2) / p->w);
    }
    const double pixel_arcmin = 60 * m->size_deg / m->npix;
    const double area = (double)(n - s->empty_pixels) * pixel_arcmin * pixel_arcmin;
    s->n_per_arcmin2 = area > 0 ? (double)s->used / area : 0;
}

ff_err ff_catalog_bin(struct ff_maps *out, struct ff_catalog_summary *summary, const struct ff_catalog *catalog,
                      const struct ff_catalog_options *options, ff_ctx *ctx)
{
    memset(out, 0, sizeof *out);
    memset(summary, 0, sizeof *summary);
    long last;
    ff_err err = check_options(options, catalog->n, &last, ctx);
    if (!err) err = check_rows(catalog, options->first, last, ctx);
    if (err) return err;
    struct ff_maps m = {
        .observable = FF_SHEAR, .nbins = 1, .ncomp = 2, .npix = options->npix, .size_deg = options->size_deg};
    m.ra_deg = options->ra_deg;
    m.dec_deg = options->dec_deg;
    if (!options->centre_given) find_centre(catalog, options->first, last, &m.ra_deg, &m.dec_deg);
    const size_t pixels = (size_t)m.npix * (size_t)m.npix;
    struct sums *sums = calloc(pixels, sizeof *sums); /* (npix, npix) */
    m.map = malloc(2 * pixels * sizeof *m.map);
    m.noise_sd = malloc(2 * pixels * sizeof *m.noise_sd);
    if (!sums || !m.map || !m.noise_sd) {
        free(sums);
        ff_maps_done(&m);
        return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a map of %d x %d pixels", m.npix, m.npix);
    }
    add_rows(sums, summary, catalog, options, last, m.ra_deg, m.dec_deg);
    fill_maps(&m, summary, sums, options->sigma_e);
    free(sums);
    if (summary->used == 0) {
        ff_maps_done(&m);
        return ff_fail(ctx, FF_EBADFILE, FF_HERE,
                       "none of the %ld galaxies lies in the %g degree field around (%g, %g)", last - options->first,
                       options->size_deg, m.ra_deg, m.dec_deg);
    }
    *out = m;
    return FF_OK;
}
