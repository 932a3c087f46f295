/* files/dataset_tables.c - n(z) and shift-table datasets (files/dataset.h). */
#include "files/dataset.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "files/fields.h"
#include "files/h5_internal.h"

enum { MAX_POINTS = 1 << 20, MAX_AXIS = 1024, MAX_TABLE = 1 << 24 };

/* An axis: finite, strictly increasing. */
static ff_err check_axis(const double *x, long n, const char *name, const char *path, ff_ctx *ctx)
{
    for (long i = 0; i < n; i++) {
        if (!isfinite(x[i])) {
            return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: /%s is %g at %ld; it must be finite", path, name, x[i], i);
        }
        if (i > 0 && !(x[i] > x[i - 1])) {
            return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: /%s must increase, but is %g at %ld after %g", path, name,
                           x[i], i, x[i - 1]);
        }
    }
    return FF_OK;
}

static ff_err check_curve(const struct ff_curve *c, const char *path, ff_ctx *ctx)
{
    if (c->n < 2 || c->n > MAX_POINTS) {
        return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: /z has %ld points, allowed are 2 to %d", path, c->n, MAX_POINTS);
    }
    ff_err err = check_axis(c->x, c->n, "z", path, ctx);
    if (err) return err;
    if (c->x[0] < 0)
        return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: /z starts at %g; it must not be negative", path, c->x[0]);
    double largest = 0;
    for (long i = 0; i < c->n; i++) {
        if (!(isfinite(c->y[i]) && c->y[i] >= 0)) {
            return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: /n is %g at %ld; it must be finite and not negative", path,
                           c->y[i], i);
        }
        largest = fmax(largest, c->y[i]);
    }
    if (!(largest > 0)) return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: /n is zero everywhere", path);
    return FF_OK;
}

ff_err ff_curve_read(struct ff_curve *out, const char *path, ff_ctx *ctx)
{
    memset(out, 0, sizeof *out);
    struct ff_field fields[2] = {
        {.name = "z", .type = FF_F64_T, .rank = 1, .longest = {MAX_POINTS}},
        {.name = "n", .type = FF_F64_T, .rank = 1, .longest = {MAX_POINTS}},
    };
    ff_err err = ff_fields_read(path, fields, 2, NULL, 0, 2 * MAX_POINTS, ctx);
    if (err) return err;
    const struct ff_curve curve = {.n = fields[0].shape[0], .x = fields[0].data, .y = fields[1].data};
    if (fields[1].shape[0] != curve.n) {
        err =
            ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: /n has %ld points, /z has %ld", path, fields[1].shape[0], curve.n);
    }
    if (!err) err = check_curve(&curve, path, ctx);
    if (err) {
        ff_fields_done(fields, 2);
        return err;
    }
    *out = curve;
    return FF_OK;
}

ff_err ff_curve_write(const struct ff_curve *curve, const char *path, ff_ctx *ctx)
{
    ff_h5 *f;
    ff_err err = check_curve(curve, path, ctx);
    if (!err) err = ff_h5_create(&f, path, ctx);
    if (err) return err;
    err = ff_h5_dim_values(f, "", "z", curve->x, curve->n, ctx);
    if (!err) err = ff_h5_put(f, "", "n", FF_F64_T, "z", curve->y, ctx);
    return ff_h5_end(f, err, ctx);
}

void ff_curve_done(struct ff_curve *curve)
{
    free(curve->x);
    free(curve->y);
    curve->x = curve->y = NULL;
    curve->n = 0;
}

static ff_err check_shift(const struct ff_shift_table *t, const char *path, ff_ctx *ctx)
{
    if (t->nom < 1 || t->ns8 < 1 || t->nw0 < 1 || t->nbins < 1 || t->nbins > FF_MAX_BINS) {
        return ff_fail(ctx, FF_EBADFILE, FF_HERE,
                       "%s: /shift is (%d,%d,%d,%d); allowed are 1 to %d bins and axes from 1", path, t->nom, t->ns8,
                       t->nw0, t->nbins, FF_MAX_BINS);
    }
    ff_err err = check_axis(t->omega_m, t->nom, "omega_m", path, ctx);
    if (!err) err = check_axis(t->sigma8, t->ns8, "sigma8", path, ctx);
    if (!err) err = check_axis(t->w0, t->nw0, "w0", path, ctx);
    const long n = (long)t->nom * t->ns8 * t->nw0 * t->nbins;
    for (long i = 0; !err && i < n; i++) {
        if (!(isfinite(t->shift[i]) && t->shift[i] > 0)) {
            const long bin = i % t->nbins, w0 = i / t->nbins % t->nw0, s8 = i / t->nbins / t->nw0 % t->ns8;
            err = ff_fail(ctx, FF_EBADFILE, FF_HERE,
                          "%s: /shift is %g at (%ld,%ld,%ld,%ld); it must be positive and finite", path, t->shift[i],
                          i / t->nbins / t->nw0 / t->ns8, s8, w0, bin);
        }
    }
    return err;
}

ff_err ff_shift_read(struct ff_shift_table *out, const char *path, ff_ctx *ctx)
{
    memset(out, 0, sizeof *out);
    struct ff_field fields[4] = {
        {.name = "omega_m", .type = FF_F64_T, .rank = 1, .longest = {MAX_AXIS}},
        {.name = "sigma8", .type = FF_F64_T, .rank = 1, .longest = {MAX_AXIS}},
        {.name = "w0", .type = FF_F64_T, .rank = 1, .longest = {MAX_AXIS}},
        {.name = "shift", .type = FF_F64_T, .rank = 4, .longest = {MAX_AXIS, MAX_AXIS, MAX_AXIS, FF_MAX_BINS}},
    };
    ff_err err = ff_fields_read(path, fields, 4, NULL, 0, MAX_TABLE, ctx);
    if (err) return err;
    const long *shape = fields[3].shape; /* (om, s8, w0, bin) */
    for (int i = 0; !err && i < 3; i++) {
        if (shape[i] != fields[i].shape[0]) {
            err = ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: axis %d of /shift has length %ld, /%s has %ld", path, i,
                          shape[i], fields[i].name, fields[i].shape[0]);
        }
    }
    const struct ff_shift_table table = {
        .nom = (int)shape[0],
        .ns8 = (int)shape[1],
        .nw0 = (int)shape[2],
        .nbins = (int)shape[3],
        .omega_m = fields[0].data,
        .sigma8 = fields[1].data,
        .w0 = fields[2].data,
        .shift = fields[3].data,
    };
    if (!err) err = check_shift(&table, path, ctx);
    if (err) {
        ff_fields_done(fields, 4);
        return err;
    }
    *out = table;
    return FF_OK;
}

ff_err ff_shift_write(const struct ff_shift_table *table, const char *path, ff_ctx *ctx)
{
    ff_h5 *f;
    ff_err err = check_shift(table, path, ctx);
    if (!err) err = ff_h5_create(&f, path, ctx);
    if (err) return err;
    err = ff_h5_dim_values(f, "", "omega_m", table->omega_m, table->nom, ctx);
    if (!err) err = ff_h5_dim_values(f, "", "sigma8", table->sigma8, table->ns8, ctx);
    if (!err) err = ff_h5_dim_values(f, "", "w0", table->w0, table->nw0, ctx);
    if (!err) err = ff_h5_dim(f, "", "bin", table->nbins, ctx);
    if (!err) err = ff_h5_put(f, "", "shift", FF_F64_T, "omega_m sigma8 w0 bin", table->shift, ctx);
    return ff_h5_end(f, err, ctx);
}

void ff_shift_done(struct ff_shift_table *table)
{
    free(table->omega_m);
    free(table->sigma8);
    free(table->w0);
    free(table->shift);
    table->omega_m = table->sigma8 = table->w0 = table->shift = NULL;
}
