/* client/ffctl/export_array.c - maps and other arrays of a result as .npy, FITS and picture (export.h). */
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/ffctl/export.h"
#include "client/ffctl/reading.h"
#include "common/version.h"
#include "files/fits.h"
#include "files/npy.h"
#include "files/picture.h"

/* An array and how its axes are meant: [leading..,] [bin,] [component,] y, x. */
struct array {
    struct ff_reading reading;
    const char *dataset; /* its path */
    int rank;
    long shape[FF_MAX_RANK];
    int ncomp, nbins;
    long bin; /* the one wanted */
    int leading;
};

/* Do the last three axes start with the two components of shear? */
static bool has_components(const struct array *a)
{
    const char *slash = strrchr(a->dataset, '/'), *name = slash ? slash + 1 : a->dataset;
    if (strncmp(name, "shear", 5) == 0) return true;
    const char *observable = ff_text_of(ff_json_path(a->reading.meta, "spec", "model", NULL), "observable");
    bool like_data = strcmp(name, "noise_sd") == 0 || strcmp(name, "x") == 0;
    return like_data && strstr(observable, "shear") != NULL;
}

static ff_err open_array(struct array *a, const struct ff_export *e, ff_ctx *ctx)
{
    *a = (struct array){.bin = e->bin < 0 ? 0 : e->bin, .ncomp = 1, .nbins = 1};
    ff_err err = ff_reading_array(&a->reading, e->in, e->map ? e->map : "convergence_mean", ctx);
    if (err) return err;
    json_t *shape = json_object_get(a->reading.meta, "shape");
    long n = 1;
    a->dataset = ff_text_of(a->reading.meta, "dataset");
    a->rank = (int)json_array_size(shape);
    bool sound = a->rank <= FF_MAX_RANK;
    for (int i = 0; sound && i < a->rank; i++) {
        a->shape[i] = (long)json_integer_value(json_array_get(shape, (size_t)i));
        sound = a->shape[i] >= 0 && (a->shape[i] == 0 || n <= a->reading.n / a->shape[i]);
        n *= a->shape[i];
    }
    if (sound && n == a->reading.n) return FF_OK;
    ff_reading_done(&a->reading);
    return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: the shape of /%s makes no sense", e->in, a->dataset);
}

/* Reads the axes as those of maps and checks the bin. */
static ff_err as_maps(struct array *a, const struct ff_export *e, ff_ctx *ctx)
{
    int components = has_components(a) ? 1 : 0, rank = a->rank;
    if (rank < 2 + components || a->shape[rank - 1] != a->shape[rank - 2] || a->shape[rank - 1] < 1 ||
        a->shape[rank - 1] > 32768 || (components && a->shape[rank - 3] != 2)) {
        return ff_fail(ctx, FF_EUSAGE, FF_HERE, "%s: /%s holds no square maps", e->in, a->dataset);
    }
    int before = rank - 2 - components; /* axes before (component,) y, x: the last of them is the bin */
    a->ncomp = components ? 2 : 1;
    a->nbins = before > 0 ? (int)a->shape[before - 1] : 1;
    a->leading = before > 0 ? before - 1 : 0;
    if (a->bin < a->nbins && a->reading.n > 0) return FF_OK;
    return ff_fail(ctx, FF_EUSAGE, FF_HERE, "--bin is %ld; /%s has bins 0 to %d", a->bin, a->dataset, a->nbins - 1);
}

static long bin_size(const struct array *a)
{
    return a->ncomp * a->shape[a->rank - 1] * a->shape[a->rank - 1];
}

/* The maps of the wanted bin, of the first of every leading axis; (ncomp, npix, npix), malloc'ed. */
static float *take_bin(const struct array *a)
{
    long n = bin_size(a);
    float *map = malloc((size_t)n * sizeof *map);
    for (long i = 0; map && i < n; i++) map[i] = (float)a->reading.data[a->bin * n + i];
    return map;
}

struct place {
    double size_deg, ra_deg, dec_deg;
};

static double number_or(const json_t *value, double fallback)
{
    return json_is_number(value) ? json_number_value(value) : fallback;
}

/* Where the field lies: of the job, or of the dataset. */
static struct place place_of(const struct array *a)
{
    const json_t *field = ff_json_path(a->reading.meta, "spec", "model", "field", NULL);
    if (!field) field = a->reading.meta;
    return (struct place){.size_deg = number_or(json_object_get(field, "size_deg"), NAN),
                          .ra_deg = number_or(json_object_get(field, "ra_deg"), 0),
                          .dec_deg = number_or(json_object_get(field, "dec_deg"), 0)};
}

static bool single(const double *data, long n)
{
    for (long i = 0; i < n; i++) {
        if ((double)(float)data[i] != data[i] && !isnan(data[i])) return false;
    }
    return true;
}

/* Single precision where that loses nothing: what was stored so stays so. */
static ff_err write_npy(const char *path, const double *data, int rank, const long *shape, ff_ctx *ctx)
{
    long n = 1;
    for (int i = 0; i < rank; i++) n *= shape[i];
    if (!single(data, n)) return ff_npy_write(path, FF_F64_T, rank, shape, data, ctx);
    float *values = malloc((size_t)n * sizeof *values + 1);
    if (!values) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for %ld numbers", n);
    for (long i = 0; i < n; i++) values[i] = (float)data[i];
    ff_err err = ff_npy_write(path, FF_F32_T, rank, shape, values, ctx);
    free(values);
    return err;
}

ff_err ff_export_array_npy(const struct ff_export *e, ff_ctx *ctx)
{
    struct array a;
    ff_err err = open_array(&a, e, ctx);
    if (err) return err;
    const double *data = a.reading.data;
    int skipped = 0;
    if (e->bin >= 0) {
        err = as_maps(&a, e, ctx);
        if (!err && a.leading > 0) {
            err = ff_fail(ctx, FF_EUSAGE, FF_HERE,
                          "--bin picks from maps of one draw; /%s has several: leave --bin out", a.dataset);
        }
        skipped = a.rank - (a.ncomp == 2 ? 3 : 2);
        if (!err) data += a.bin * bin_size(&a);
    }
    if (!err) err = write_npy(e->out, data, a.rank - skipped, a.shape + skipped, ctx);
    if (!err) ff_export_wrote(e, e->out);
    ff_reading_done(&a.reading);
    return err;
}

typedef ff_err (*map_writer)(const struct ff_export *e, const struct array *a, const float *map,
                             const struct place *place, ff_ctx *ctx);

static ff_err with_map(const struct ff_export *e, map_writer write, ff_ctx *ctx)
{
    struct array a;
    ff_err err = open_array(&a, e, ctx);
    if (err) return err;
    err = as_maps(&a, e, ctx);
    float *map = err ? NULL : take_bin(&a);
    struct place place = place_of(&a);
    if (!err && !map) err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a map of %ld pixels", bin_size(&a));
    if (!err && !(place.size_deg > 0)) {
        err = ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: neither its job nor an attribute gives size_deg", e->in);
    }
    if (!err) err = write(e, &a, map, &place, ctx);
    if (!err) {
        ff_export_wrote(e, e->out);
        json_object_set_new(e->report, "dataset", json_string(a.dataset));
        json_object_set_new(e->report, "bin", json_integer(a.bin));
    }
    free(map);
    ff_reading_done(&a.reading);
    return err;
}

static ff_err write_fits(const struct ff_export *e, const struct array *a, const float *map, const struct place *place,
                         ff_ctx *ctx)
{
    char lines[4][128];
    const char *history[5] = {lines[0], lines[1], lines[2], lines[3], NULL};
    snprintf(lines[0], sizeof lines[0], "job %.100s", ff_text_of(a->reading.meta, "name"));
    snprintf(lines[1], sizeof lines[1], "seed %" JSON_INTEGER_FORMAT,
             json_integer_value(json_object_get(a->reading.meta, "seed")));
    snprintf(lines[2], sizeof lines[2], "/%.80s, bin %ld of 0 to %d", a->dataset, a->bin, a->nbins - 1);
    snprintf(lines[3], sizeof lines[3], "result of Fullfield %.40s, written by %.40s",
             ff_text_of(a->reading.meta, "version"), ff_version());
    const char *slash = strrchr(a->dataset, '/');
    return ff_fits_write_map(e->out, slash ? slash + 1 : a->dataset, map, a->ncomp, (int)a->shape[a->rank - 1],
                             place->size_deg, place->ra_deg, place->dec_deg, history, ctx);
}

ff_err ff_export_fits(const struct ff_export *e, ff_ctx *ctx)
{
    return with_map(e, write_fits, ctx);
}

static ff_err write_png(const struct ff_export *e, const struct array *a, const float *map, const struct place *place,
                        ff_ctx *ctx)
{
    if (a->ncomp > 1) {
        return ff_fail(ctx, FF_EUSAGE, FF_HERE, "/%s is shear, which has two components; a picture shows one map",
                       a->dataset);
    }
    char title[256], bin[32] = "";
    const char *slash = strrchr(a->dataset, '/'), *name = ff_text_of(a->reading.meta, "name");
    if (a->nbins > 1) snprintf(bin, sizeof bin, ", bin %ld", a->bin);
    snprintf(title, sizeof title, "%.100s%s%.80s%s", name, *name ? ": " : "", slash ? slash + 1 : a->dataset, bin);
    bool signs = false;
    for (long i = 0; i < bin_size(a); i++) signs |= map[i] < 0;
    return ff_picture_map(e->out, title, map, (int)a->shape[a->rank - 1], place->size_deg, place->ra_deg,
                          place->dec_deg, signs, ctx);
}

ff_err ff_export_png(const struct ff_export *e, ff_ctx *ctx)
{
    return with_map(e, write_png, ctx);
}
