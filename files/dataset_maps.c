/* files/dataset_maps.c - map datasets (files/dataset.h): /convergence (bin,y,x) or /shear (bin,component,y,x),
** /noise_sd. */
#include "files/dataset.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "files/fields.h"
#include "files/h5_internal.h"

enum { MAX_NPIX = 16384, MAX_ELEMENTS = 1 << 30 /* of map and noise together: 4 GiB of floats */ };

static const char *field_name(const struct ff_maps *m)
{
    return m->observable == FF_CONVERGENCE ? "convergence" : "shear";
}

static ff_err check_geometry(const struct ff_maps *m, const char *path, ff_ctx *ctx)
{
    const bool shear = m->observable == FF_SHEAR;
    if (m->observable != FF_CONVERGENCE && !shear) {
        return ff_fail(ctx, FF_EBUG, FF_HERE, "%s: a dataset holds convergence or shear", path);
    }
    if (m->nbins < 1 || m->nbins > FF_MAX_BINS || m->npix < 1 || m->npix > MAX_NPIX || m->ncomp != (shear ? 2 : 1)) {
        return ff_fail(ctx, FF_EBADFILE, FF_HERE,
                       "%s: /%s has %d bins of %d x %d pixels and %d components; allowed are 1 to %d bins, "
                       "1 to %d pixels, %d components",
                       path, field_name(m), m->nbins, m->npix, m->npix, m->ncomp, FF_MAX_BINS, MAX_NPIX, shear ? 2 : 1);
    }
    if (!(m->size_deg > 0 && m->size_deg <= 90)) {
        return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: attribute size_deg is %g, allowed is above 0 up to 90", path,
                       m->size_deg);
    }
    if (!(fabs(m->ra_deg) <= 360)) {
        return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: attribute ra_deg is %g, allowed is -360 to 360", path,
                       m->ra_deg);
    }
    if (!(fabs(m->dec_deg) <= 90)) {
        return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: attribute dec_deg is %g, allowed is -90 to 90", path,
                       m->dec_deg);
    }
    return FF_OK;
}

/* Names the place of element i in the words of the file: bin, component, y, x, all from 0. */
static ff_err bad_pixel(const struct ff_maps *m, const char *path, const char *field, long i, float value,
                        const char *rule, ff_ctx *ctx)
{
    const long x = i % m->npix, y = i / m->npix % m->npix, plane = i / m->npix / m->npix;
    return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: /%s is %g at bin %ld, component %ld, y %ld, x %ld; %s", path, field,
                   (double)value, plane / m->ncomp, plane % m->ncomp, y, x, rule);
}

static ff_err check_pixels(const struct ff_maps *m, const char *path, ff_ctx *ctx)
{
    const long n = ff_maps_len(m);
    for (long i = 0; i < n; i++) {
        if (!isfinite(m->map[i])) return bad_pixel(m, path, field_name(m), i, m->map[i], "it must be finite", ctx);
    }
    for (long i = 0; m->noise_sd && i < n; i++) {
        if (!(m->noise_sd[i] > 0)) {
            return bad_pixel(m, path, "noise_sd", i, m->noise_sd[i], "it must be positive (inf: masked)", ctx);
        }
    }
    return FF_OK;
}

/* The shape of the map that is there, in the words of ff_maps; noise_sd must have the same. */
static ff_err take_shape(struct ff_maps *m, const struct ff_field *map, const struct ff_field *noise, const char *path,
                         ff_ctx *ctx)
{
    const int yx = map->rank - 2;
    if (map->shape[yx] != map->shape[yx + 1] || (map->rank == 4 && map->shape[1] != 2)) {
        return ff_fail(ctx, FF_EBADFILE, FF_HERE,
                       "%s: dataset /%s is not (bin%s,y,x) with as many y as x (%ld and %ld)", path, map->name,
                       map->rank == 4 ? ",2" : "", map->shape[yx], map->shape[yx + 1]);
    }
    if (noise->present && memcmp(noise->shape, map->shape, (size_t)map->rank * sizeof *map->shape) != 0) {
        return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: dataset /noise_sd does not have the shape of /%s", path,
                       map->name);
    }
    m->nbins = (int)map->shape[0];
    m->ncomp = map->rank == 4 ? 2 : 1;
    m->npix = (int)map->shape[yx];
    return FF_OK;
}

/* Moves what was read into m. */
static ff_err take(struct ff_maps *m, struct ff_field fields[3], const struct ff_number numbers[3], const char *path,
                   ff_ctx *ctx)
{
    if (fields[0].present == fields[1].present) {
        return ff_fail(ctx, FF_EBADFILE, FF_HERE,
                       "%s has %s of the datasets /convergence and /shear; exactly one is needed", path,
                       fields[0].present ? "both" : "none");
    }
    struct ff_field *map = &fields[fields[0].present ? 0 : 1], *noise = &fields[2];
    ff_err err = take_shape(m, map, noise, path, ctx);
    if (err) return err;
    m->observable = fields[0].present ? FF_CONVERGENCE : FF_SHEAR;
    m->size_deg = numbers[0].value;
    m->ra_deg = numbers[1].value;
    m->dec_deg = numbers[2].value;
    m->map = map->data;
    m->noise_sd = noise->data;
    map->data = noise->data = NULL;
    return FF_OK;
}

static ff_err check(const struct ff_maps *m, const char *path, ff_ctx *ctx)
{
    const ff_err err = check_geometry(m, path, ctx);
    return err ? err : check_pixels(m, path, ctx);
}

ff_err ff_maps_read(struct ff_maps *out, const char *path, ff_ctx *ctx)
{
    memset(out, 0, sizeof *out);
    struct ff_field fields[3] = {
        {.name = "convergence", .rank = 3, .longest = {FF_MAX_BINS, MAX_NPIX, MAX_NPIX}, .optional = true},
        {.name = "shear", .rank = 4, .longest = {FF_MAX_BINS, 2, MAX_NPIX, MAX_NPIX}, .optional = true},
        {.name = "noise_sd", .rank = 0, .longest = {FF_MAX_BINS, MAX_NPIX, MAX_NPIX, MAX_NPIX}, .optional = true},
    };
    struct ff_number numbers[3] = {{.name = "size_deg"}, {.name = "ra_deg"}, {.name = "dec_deg"}};
    for (int i = 0; i < 3; i++) fields[i].type = FF_F32_T;
    struct ff_maps m = {0};
    ff_err err = ff_fields_read(path, fields, 3, numbers, 3, MAX_ELEMENTS, ctx);
    if (err) return err;
    err = take(&m, fields, numbers, path, ctx);
    ff_fields_done(fields, 3);
    if (!err) err = check(&m, path, ctx);
    if (err) {
        ff_maps_done(&m);
        return err;
    }
    *out = m;
    return FF_OK;
}

static ff_err write_all(ff_h5 *f, const struct ff_maps *m, ff_ctx *ctx)
{
    const bool shear = m->observable == FF_SHEAR;
    const char *dims = shear ? "bin component y x" : "bin y x";
    ff_err err = ff_h5_dim(f, "", "bin", m->nbins, ctx);
    if (!err && shear) err = ff_h5_dim(f, "", "component", 2, ctx);
    if (!err) err = ff_h5_dim_plain(f, "", "y", m->npix, ctx);
    if (!err) err = ff_h5_dim_plain(f, "", "x", m->npix, ctx);
    if (!err) err = ff_h5_put(f, "", field_name(m), FF_F32_T, dims, m->map, ctx);
    if (!err && m->noise_sd) err = ff_h5_put(f, "", "noise_sd", FF_F32_T, dims, m->noise_sd, ctx);
    if (!err) err = ff_h5_attr_number(f, "", "size_deg", m->size_deg, ctx);
    if (!err) err = ff_h5_attr_number(f, "", "ra_deg", m->ra_deg, ctx);
    if (!err) err = ff_h5_attr_number(f, "", "dec_deg", m->dec_deg, ctx);
    return err;
}

ff_err ff_maps_write(const struct ff_maps *maps, const char *path, ff_ctx *ctx)
{
    ff_h5 *f;
    ff_err err = check(maps, path, ctx);
    if (!err) err = ff_h5_create(&f, path, ctx);
    if (err) return err;
    return ff_h5_end(f, write_all(f, maps, ctx), ctx);
}

void ff_maps_done(struct ff_maps *maps)
{
    free(maps->map);
    free(maps->noise_sd);
    maps->map = maps->noise_sd = NULL;
}
