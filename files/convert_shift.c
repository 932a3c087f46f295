/* files/convert_shift.c - .npy (...,5), last axis (omega_m, sigma8, w0, bin, shift), to a shift table. Which axis of
** the array varies what is not asked: the rows say where each of them belongs, and must fill a grid, each place
** once. */
#include "files/convert_kinds.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "files/dataset.h"
#include "files/npy.h"

enum { COLUMNS = 5, KEYS = 4, MAX_ELEMENTS = 1 << 24 };
static const char *const key_names[KEYS] = {"omega_m", "sigma8", "w0", "bin"};

struct axes {
    double *value[KEYS]; /* (n[k]) increasing */
    long n[KEYS];
};

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The different values of column k, in order. */
static ff_err find_axis(struct axes *a, int k, const double *rows, long n, const char *path, ff_ctx *ctx)
{
    double *value = malloc((size_t)n * sizeof *value);
    if (!value) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the %ld rows of %s", n, path);
    a->value[k] = value;
    for (long i = 0; i < n; i++) {
        value[i] = rows[i * COLUMNS + k];
        if (!isfinite(value[i])) {
            return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: %s of row %ld is %g", path, key_names[k], i, value[i]);
        }
    }
    qsort(value, (size_t)n, sizeof *value, compare);
    long different = 0;
    for (long i = 0; i < n; i++) {
        if (different == 0 || value[i] > value[different - 1]) value[different++] = value[i];
    }
    a->n[k] = different;
    return FF_OK;
}

static ff_err find_axes(struct axes *a, const double *rows, long n, const char *path, ff_ctx *ctx)
{
    ff_err err = FF_OK;
    long cells = 1;
    for (int k = 0; !err && k < KEYS; k++) {
        err = find_axis(a, k, rows, n, path, ctx);
        if (err) break;
        /* A product that overflows is far more than the rows. */
        if (__builtin_mul_overflow(cells, a->n[k], &cells) || cells > n) cells = n + 1;
    }
    if (!err && cells != n) {
        err = ff_fail(ctx, FF_EBADFILE, FF_HERE,
                      "%s: %ld rows do not fill a grid of %ld omega_m, %ld sigma8, %ld w0 and %ld bins", path, n,
                      a->n[0], a->n[1], a->n[2], a->n[3]);
    }
    for (long i = 0; !err && i < a->n[KEYS - 1]; i++) {
        if (a->value[KEYS - 1][i] != (double)i || i >= FF_MAX_BINS) {
            err = ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: bins must be 0, 1, .. at most %d, but bin %g is there", path,
                          FF_MAX_BINS - 1, a->value[KEYS - 1][i]);
        }
    }
    return err;
}

static long place_of(const double *axis, long n, double value)
{
    const double *found = bsearch(&value, axis, (size_t)n, sizeof *axis, compare);
    return (long)(found - axis); /* there: the axis was made of these values */
}

/* Puts every row's shift into its cell; as many rows as cells, so none twice is all filled. */
static ff_err fill(double *shift /* (om, s8, w0, bin), NAN before */, const struct axes *a, const double *rows, long n,
                   const char *path, ff_ctx *ctx)
{
    for (long i = 0; i < n; i++) {
        const double *row = rows + i * COLUMNS;
        long cell = 0;
        for (int k = 0; k < KEYS; k++) cell = cell * a->n[k] + place_of(a->value[k], a->n[k], row[k]);
        if (!isnan(shift[cell]) || !isfinite(row[KEYS])) {
            return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: row %ld (omega_m %g, sigma8 %g, w0 %g, bin %g, shift %g) %s",
                           path, i, row[0], row[1], row[2], row[3], row[4],
                           isfinite(row[KEYS]) ? "is there twice" : "is not a number");
        }
        shift[cell] = row[KEYS];
    }
    return FF_OK;
}

static ff_err write_table(const char *out, struct axes *a, const double *rows, long n, const char *in, ff_ctx *ctx)
{
    double *shift = malloc((size_t)n * sizeof *shift); /* (om, s8, w0, bin) */
    if (!shift) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the %ld rows of %s", n, in);
    for (long i = 0; i < n; i++) shift[i] = NAN;
    ff_err err = fill(shift, a, rows, n, in, ctx);
    const struct ff_shift_table table = {
        .nom = (int)a->n[0],
        .ns8 = (int)a->n[1],
        .nw0 = (int)a->n[2],
        .nbins = (int)a->n[3],
        .omega_m = a->value[0],
        .sigma8 = a->value[1],
        .w0 = a->value[2],
        .shift = shift,
    };
    if (!err) err = ff_shift_write(&table, out, ctx);
    free(shift);
    return err;
}

ff_err ff_convert_shift(const char *in, const char *out, ff_ctx *ctx)
{
    double *rows; /* (n, COLUMNS) */
    int rank;
    long shape[FF_MAX_RANK], n = 1;
    ff_err err = ff_npy_read(in, MAX_ELEMENTS, &rows, &rank, shape, ctx);
    if (err) return err;
    for (int i = 0; i + 1 < rank; i++) n *= shape[i];
    if (rank < 2 || shape[rank - 1] != COLUMNS || n < 1) {
        free(rows);
        return ff_fail(ctx, FF_EBADFILE, FF_HERE,
                       "%s: the last axis must be (omega_m, sigma8, w0, bin, shift), of length %d", in, COLUMNS);
    }
    struct axes axes = {0};
    err = find_axes(&axes, rows, n, in, ctx);
    if (!err) err = write_table(out, &axes, rows, n, in, ctx);
    for (int k = 0; k < KEYS; k++) free(axes.value[k]);
    free(rows);
    return err;
}
