/* files/convert.c - see convert.h. convert_maps.c, convert_shift.c: the kinds that need more than a page. */
#include "files/convert.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files/convert_kinds.h"
#include "files/dataset.h"
#include "files/npy.h"
#include "common/publish.h"
#include "files/text.h"

enum { MAX_TABLE = 1 << 24 };
static const double CLIP = 1e-3; /* negative part of an n(z) that is taken as noise about zero */

enum form { FORM_NPY, FORM_ZIP, FORM_HDF5, FORM_TEXT };

/* By content: names of files say little. */
static ff_err find_form(const char *path, enum form *form, ff_ctx *ctx)
{
    FILE *file;
    long size;
    const ff_err err = ff_open_regular(&file, path, &size, ctx);
    if (err) return err;
    char head[8] = {0};
    (void)!fread(head, 1, sizeof head, file);
    fclose(file);
    *form = FORM_TEXT;
    if (!memcmp(head, "\x93NUMPY", 6)) *form = FORM_NPY;
    if (!memcmp(head, "PK", 2)) *form = FORM_ZIP;
    if (!memcmp(head, "\x89HDF", 4)) *form = FORM_HDF5;
    return FF_OK;
}

/* A table of numbers (rows, columns) from .npy or text. */
static ff_err read_table(const char *path, enum form form, double **data, long *rows, long *columns, ff_ctx *ctx)
{
    int n = 0;
    *rows = *columns = 0;
    if (form == FORM_TEXT) {
        const ff_err err = ff_text_table(path, MAX_TABLE, data, rows, &n, ctx);
        *columns = n;
        return err;
    }
    long shape[FF_MAX_RANK];
    const ff_err err = ff_npy_read(path, MAX_TABLE, data, &n, shape, ctx);
    if (err) return err;
    if (n != 2) {
        free(*data);
        *data = NULL;
        return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s has %d dimensions; n(z) is a table (rows, columns) with z first",
                       path, n);
    }
    *rows = shape[0];
    *columns = shape[1];
    return FF_OK;
}

/* Published n(z) can have small negative values, left by smoothing (DES Y3, bin 1). A dataset has
** none. */
static void clip_noise(struct ff_curve *c)
{
    double positive = 0, negative = 0;
    for (long i = 0; i < c->n; i++) *(c->y[i] > 0 ? &positive : &negative) += c->y[i];
    if (!(-negative <= CLIP * positive)) return; /* no noise: left for the check of the dataset to refuse */
    for (long i = 0; i < c->n; i++) c->y[i] = fmax(c->y[i], 0);
}

static ff_err convert_nz(const char *in, enum form form, const char *out, const struct ff_convert_options *o,
                         ff_ctx *ctx)
{
    double *data;
    long rows, columns;
    ff_err err = read_table(in, form, &data, &rows, &columns, ctx);
    if (err) return err;
    const int column = o->column ? o->column : 2;
    if (column < 2 || column > columns) {
        err = ff_fail(ctx, FF_EUSAGE, FF_HERE, "%s has %ld columns, the first is z: n(z) cannot be column %d", in,
                      columns, column);
    }
    struct ff_curve curve = {.n = rows};
    if (!err) {
        curve.x = malloc((size_t)rows * sizeof *curve.x + 1);
        curve.y = malloc((size_t)rows * sizeof *curve.y + 1);
        if (!curve.x || !curve.y) err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the %ld rows of %s", rows, in);
    }
    for (long i = 0; !err && i < rows; i++) {
        curve.x[i] = data[i * columns];
        curve.y[i] = data[i * columns + column - 1];
    }
    if (!err) clip_noise(&curve);
    if (!err) err = ff_curve_write(&curve, out, ctx);
    ff_curve_done(&curve);
    free(data);
    return err;
}

ff_err ff_convert(const char *in, const char *out, const struct ff_convert_options *options, ff_ctx *ctx)
{
    const char *as = options->as ? options->as : "";
    const bool maps = !strcmp(as, "convergence") || !strcmp(as, "shear"), shift = !strcmp(as, "shift"),
               nz = !strcmp(as, "nz");
    if (!maps && !shift && !nz) {
        return ff_fail(ctx, FF_EUSAGE, FF_HERE, "\"%s\" is no kind of dataset; there are convergence, shear, nz, shift",
                       as);
    }
    enum form form = FORM_TEXT;
    ff_err err = find_form(in, &form, ctx);
    if (err) return err;
    if (form == FORM_ZIP) {
        return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s is an archive (.npz): save the array you need as .npy", in);
    }
    if (form == FORM_HDF5) return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s is HDF5 already: use it as a dataset", in);
    if (!nz && form != FORM_NPY)
        return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s is not a .npy file; %s is read from .npy", in, as);
    if (nz) err = convert_nz(in, form, out, options, ctx);
    if (maps) err = ff_convert_maps(in, out, options, ctx);
    if (shift) err = ff_convert_shift(in, out, ctx);
    if (err) ff_note(ctx, FF_HERE, "converting %s to a dataset of %s", in, as);
    return err;
}
