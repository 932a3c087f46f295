/* client/ffctl/export_samples.c - samples of a posterior as .npy and as a corner plot (export.h). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "client/ffctl/export.h"
#include "client/ffctl/reading.h"
#include "files/npy.h"
#include "files/picture.h"

enum { MAX_CORNER = 32 };

/* (chains * draws, 2 + free parameters), rows by chain, then draw. */
static double *fill_table(const struct ff_samples *s)
{
    long rows = s->nchains * s->ndraws, columns = 2 + s->nfree;
    double *table = malloc((size_t)rows * (size_t)columns * sizeof *table);
    for (long row = 0; table && row < rows; row++) {
        table[row * columns] = (double)(row / s->ndraws);
        table[row * columns + 1] = (double)(row % s->ndraws);
        for (long i = 0; i < s->nfree; i++) table[row * columns + 2 + i] = s->value[i * rows + row];
    }
    return table;
}

ff_err ff_export_samples_npy(const struct ff_export *e, ff_ctx *ctx)
{
    struct ff_reading reading;
    ff_err err = ff_reading_samples(&reading, e->in, ctx);
    if (err) return err;
    struct ff_samples s = ff_samples_of(&reading);
    long shape[2] = {s.nchains * s.ndraws, 2 + s.nfree};
    double *table = fill_table(&s);
    err = table ? ff_npy_write(e->out, FF_F64_T, 2, shape, table, ctx)
                : ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for %ld x %ld numbers", shape[0], shape[1]);
    json_t *columns = json_pack("[ss]", "chain", "draw");
    for (long i = 0; i < s.nfree; i++) json_array_append_new(columns, json_string(ff_samples_name(&reading, i)));
    json_object_set_new(e->report, "columns", columns);
    if (!err) ff_export_wrote(e, e->out);
    free(table);
    ff_reading_done(&reading);
    return err;
}

static bool varies(const double *x, long n)
{
    for (long i = 1; i < n; i++) {
        if (x[i] != x[0]) return true;
    }
    return false;
}

/* Which rows of the samples the plot shows: free parameters that vary, and S8. */
static int choose(const struct ff_reading *reading, const struct ff_samples *s, long *rows /* (MAX_CORNER) */)
{
    int n = 0;
    for (long i = 0; i < s->nnames && n < MAX_CORNER; i++) {
        bool wanted = i < s->nfree || strcmp(ff_samples_name(reading, i), "S8") == 0;
        long per = s->nchains * s->ndraws;
        if (wanted && varies(s->value + i * per, per)) rows[n++] = i;
    }
    return n;
}

static ff_err draw_corner(const struct ff_export *e, const struct ff_reading *reading, ff_ctx *ctx)
{
    struct ff_samples s = ff_samples_of(reading);
    long rows[MAX_CORNER], per = s.nchains * s.ndraws;
    const char *names[MAX_CORNER];
    double truth[MAX_CORNER];
    int n = choose(reading, &s, rows);
    if (n == 0) return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: no parameter varies, there is nothing to plot", e->in);
    double *draws = malloc((size_t)n * (size_t)per * sizeof *draws); /* (n, per) */
    if (!draws) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for %d x %ld numbers", n, per);
    for (int i = 0; i < n; i++) {
        memcpy(draws + i * per, s.value + rows[i] * per, (size_t)per * sizeof *draws);
        names[i] = ff_samples_name(reading, rows[i]);
        json_t *value = ff_reading_truth(reading->meta, names[i]);
        truth[i] = json_is_number(value) ? json_number_value(value) : NAN;
        json_decref(value);
    }
    struct ff_corner corner = {.nparams = n,
                               .ndraws = per,
                               .draws = draws,
                               .names = names,
                               .truth = truth,
                               .title = ff_text_of(reading->meta, "name")};
    ff_err err = ff_picture_corner(e->out, &corner, ctx);
    free(draws);
    return err;
}

ff_err ff_export_corner(const struct ff_export *e, ff_ctx *ctx)
{
    struct ff_reading reading;
    ff_err err = ff_reading_samples(&reading, e->in, ctx);
    if (err) return err;
    err = draw_corner(e, &reading, ctx);
    if (!err) ff_export_wrote(e, e->out);
    ff_reading_done(&reading);
    return err;
}
