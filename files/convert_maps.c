/* files/convert_maps.c - .npy arrays of maps, axes in any order, to a map dataset. */
#include "files/convert_kinds.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "files/dataset.h"
#include "files/npy.h"

enum axis { BIN, COMPONENT, Y, X, NAXES };
static const char *const axis_names[NAXES] = {"bin", "component", "y", "x"};
enum { MAX_ELEMENTS = 1 << 29 };

struct layout {
    int place[NAXES]; /* which axis of the array is it; -1: none */
    int rank;
};

/* Reads "y,x,bin". What is missing is one bin or one component. */
static ff_err parse_axes(struct layout *l, const char *text, bool shear, ff_ctx *ctx)
{
    *l = (struct layout){.place = {-1, -1, -1, -1}};
    for (const char *at = text;; at++) {
        const size_t length = strcspn(at, ",");
        int axis = 0;
        while (axis < NAXES && (strlen(axis_names[axis]) != length || memcmp(axis_names[axis], at, length) != 0))
            axis++;
        if (axis == NAXES || l->place[axis] >= 0 || (axis == COMPONENT && !shear)) {
            return ff_fail(ctx, FF_EUSAGE, FF_HERE, "axes \"%s\": \"%.*s\" is not expected; allowed are %s, each once",
                           text, (int)length, at, shear ? "bin, component, y, x" : "bin, y, x");
        }
        l->place[axis] = l->rank++;
        at += length;
        if (!*at) break;
    }
    if (l->place[Y] < 0 || l->place[X] < 0 || (shear && l->place[COMPONENT] < 0)) {
        return ff_fail(ctx, FF_EUSAGE, FF_HERE, "axes \"%s\" lack %s", text, shear ? "component, y or x" : "y or x");
    }
    return FF_OK;
}

static const char *default_axes(bool shear, int rank)
{
    if (shear) return rank == 3 ? "component,y,x" : "bin,component,y,x";
    return rank == 2 ? "y,x" : "bin,y,x";
}

/* "0.05" or "0.05,0.04": (nbins) numbers. */
static ff_err parse_noise(const char *text, int nbins, double *noise, ff_ctx *ctx)
{
    int n = 0;
    for (const char *at = text;; at++) {
        char *end;
        const double value = strtod(at, &end);
        if (end == at || (*end && *end != ',') || !(value > 0) || n == nbins) {
            return ff_fail(ctx, FF_EUSAGE, FF_HERE, "noise_sd \"%s\": expected one positive number, or %d (one a bin)",
                           text, nbins);
        }
        noise[n++] = value;
        at = end;
        if (!*at) break;
    }
    if (n != 1 && n != nbins) {
        return ff_fail(ctx, FF_EUSAGE, FF_HERE, "noise_sd \"%s\" has %d numbers; expected one, or %d (one a bin)", text,
                       n, nbins);
    }
    for (; n < nbins; n++) noise[n] = noise[0];
    return FF_OK;
}

/* Shape of the maps and the stride of each axis in the array (rank axes, C order). */
static ff_err measure(struct ff_maps *m, long stride[NAXES], const struct layout *l, const long *shape, const char *in,
                      ff_ctx *ctx)
{
    long length[NAXES];
    for (int a = 0; a < NAXES; a++) {
        length[a] = l->place[a] < 0 ? 1 : shape[l->place[a]];
        stride[a] = 1; /* of an axis that is not there: never stepped along */
        for (int k = l->place[a] + 1; l->place[a] >= 0 && k < l->rank; k++) stride[a] *= shape[k];
    }
    const int ncomp = m->observable == FF_SHEAR ? 2 : 1;
    if (length[Y] != length[X] || length[COMPONENT] != ncomp || length[BIN] < 1 || length[BIN] > FF_MAX_BINS ||
        length[Y] < 1) {
        return ff_fail(ctx, FF_EBADFILE, FF_HERE,
                       "%s has %ld bins, %ld components, %ld y, %ld x; expected 1 to %d bins, %d components, as many y "
                       "as x (say the "
                       "order with axes)",
                       in, length[BIN], length[COMPONENT], length[Y], length[X], FF_MAX_BINS, ncomp);
    }
    m->nbins = (int)length[BIN];
    m->ncomp = ncomp;
    m->npix = (int)length[Y];
    return FF_OK;
}

static ff_err fill(struct ff_maps *m, const double *data, const long stride[NAXES], const char *noise_text, ff_ctx *ctx)
{
    double noise[FF_MAX_BINS];
    const ff_err err = noise_text ? parse_noise(noise_text, m->nbins, noise, ctx) : FF_OK;
    if (err) return err;
    const size_t n = (size_t)ff_maps_len(m);
    m->map = malloc(n * sizeof *m->map);
    if (noise_text) m->noise_sd = malloc(n * sizeof *m->noise_sd);
    if (!m->map || (noise_text && !m->noise_sd)) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for %zu pixels", n);
    long i = 0;
    for (int bin = 0; bin < m->nbins; bin++) {
        for (int c = 0; c < m->ncomp; c++) {
            for (int y = 0; y < m->npix; y++) {
                for (int x = 0; x < m->npix; x++, i++) {
                    m->map[i] = (float)data[bin * stride[BIN] + c * stride[COMPONENT] + y * stride[Y] + x * stride[X]];
                    if (m->noise_sd) m->noise_sd[i] = (float)noise[bin];
                }
            }
        }
    }
    return FF_OK;
}

ff_err ff_convert_maps(const char *in, const char *out, const struct ff_convert_options *o, ff_ctx *ctx)
{
    const bool shear = !strcmp(o->as, "shear");
    if (!(o->size_deg > 0)) {
        return ff_fail(ctx, FF_EUSAGE, FF_HERE, "size_deg is %g; a map needs its size in degrees", o->size_deg);
    }
    double *data;
    int rank;
    long shape[FF_MAX_RANK];
    ff_err err = ff_npy_read(in, MAX_ELEMENTS, &data, &rank, shape, ctx);
    if (err) return err;
    struct ff_maps m = {.observable = shear ? FF_SHEAR : FF_CONVERGENCE};
    m.size_deg = o->size_deg;
    m.ra_deg = o->ra_deg;
    m.dec_deg = o->dec_deg;
    struct layout layout;
    long stride[NAXES];
    const char *axes = o->axes ? o->axes : default_axes(shear, rank);
    err = parse_axes(&layout, axes, shear, ctx);
    if (!err && layout.rank != rank) {
        err = ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s has %d dimensions, the axes \"%s\" are %d", in, rank, axes,
                      layout.rank);
    }
    if (!err) err = measure(&m, stride, &layout, shape, in, ctx);
    if (!err) err = fill(&m, data, stride, o->noise_sd, ctx);
    if (!err) err = ff_maps_write(&m, out, ctx);
    ff_maps_done(&m);
    free(data);
    return err;
}
