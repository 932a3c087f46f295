/* client/ffctl/catalog.c - `ffctl catalog RA DEC E1 E2 W`: a shear catalogue to a dataset (files/catalog.h). */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/ffctl/cli.h"
#include "files/catalog.h"
#include "files/dataset.h"
#include "files/fits.h"

enum { NCOLUMNS = 5 };

struct values {
    long npix;
    double size_deg, sigma_e, ra_deg, dec_deg;
    const char *rows, *rotate, *out;
    bool flip_e2;
};

static const struct values defaults = {.size_deg = NAN, .sigma_e = NAN, .ra_deg = NAN, .dec_deg = NAN};

static const struct ff_option options[] = {
    {"npix", 0, FF_OPTION_INT, offsetof(struct values, npix), "N", .low = 1, .high = 16384, .help = "pixels a side"},
    {"size-deg", 0, FF_OPTION_REAL, offsetof(struct values, size_deg), "D", .low = 1e-3, .high = 20,
     .help = "side of the field, degrees"},
    {"sigma-e", 0, FF_OPTION_REAL, offsetof(struct values, sigma_e), "S", .low = 1e-6, .high = 10,
     .help = "sd of an ellipticity component"},
    {"rows", 0, FF_OPTION_TEXT, offsetof(struct values, rows), "A:B",
     .help = "rows A to B-1 only, from 0; either may be left out"},
    {"flip-e2", 0, FF_OPTION_FLAG, offsetof(struct values, flip_e2), .help = "change the sign of e2 (x grows with RA)"},
    {"rotate", 0, FF_OPTION_TEXT, offsetof(struct values, rotate), "R",
     .help = "null test: 45, or random:SEED for each galaxy its own angle"},
    {"ra-deg", 0, FF_OPTION_REAL, offsetof(struct values, ra_deg), "A", .low = -360, .high = 360,
     .help = "centre (default: middle of the data)"},
    {"dec-deg", 0, FF_OPTION_REAL, offsetof(struct values, dec_deg), "D", .low = -90, .high = 90, .help = "centre"},
    {"output", 'o', FF_OPTION_TEXT, offsetof(struct values, out), "MAP.h5", .help = "dataset to write"},
    {0}};

static ff_err read_rows(const char *text, struct ff_catalog_options *o, ff_ctx *ctx)
{
    o->first = 0;
    o->last = -1;
    if (!text) return FF_OK;
    char *end = NULL;
    const char *colon = strchr(text, ':');
    bool good = colon != NULL;
    if (good && colon != text) {
        o->first = strtol(text, &end, 10);
        good = end == colon && o->first >= 0;
    }
    if (good && colon[1]) {
        o->last = strtol(colon + 1, &end, 10);
        good = *end == '\0' && o->last > o->first;
    }
    if (good) return FF_OK;
    return ff_fail(ctx, FF_EUSAGE, FF_HERE, "--rows is '%s'; it takes A:B with 0 <= A < B, as 165159: or 0:1000", text);
}

static ff_err read_rotation(const char *text, struct ff_catalog_options *o, ff_ctx *ctx)
{
    static const char word[] = "random:";
    if (!text) return FF_OK;
    if (strcmp(text, "45") == 0) {
        o->rotate = FF_ROTATE_45;
        return FF_OK;
    }
    if (strncmp(text, word, sizeof word - 1) == 0 && text[sizeof word - 1] >= '0' && text[sizeof word - 1] <= '9') {
        char *end = NULL;
        o->seed = strtoull(text + sizeof word - 1, &end, 10);
        o->rotate = FF_ROTATE_RANDOM;
        if (*end == '\0') return FF_OK;
    }
    return ff_fail(ctx, FF_EUSAGE, FF_HERE, "--rotate is '%s'; allowed: 45, or random:SEED with a whole number", text);
}

static ff_err read_values(const struct values *v, struct ff_catalog_options *o, ff_ctx *ctx)
{
    *o = (struct ff_catalog_options){
        .npix = (int)v->npix, .size_deg = v->size_deg, .sigma_e = v->sigma_e, .flip_e2 = v->flip_e2};
    const char *missing = !v->npix             ? "--npix"
                          : isnan(v->size_deg) ? "--size-deg"
                          : isnan(v->sigma_e)  ? "--sigma-e"
                          : !v->out            ? "-o"
                                               : NULL;
    if (missing) return ff_fail(ctx, FF_EUSAGE, FF_HERE, "%s is missing", missing);
    if (isnan(v->ra_deg) != isnan(v->dec_deg))
        return ff_fail(ctx, FF_EUSAGE, FF_HERE, "--ra-deg and --dec-deg go together");
    o->centre_given = !isnan(v->ra_deg);
    o->ra_deg = o->centre_given ? v->ra_deg : 0;
    o->dec_deg = o->centre_given ? v->dec_deg : 0;
    ff_err err = read_rows(v->rows, o, ctx);
    return err ? err : read_rotation(v->rotate, o, ctx);
}

/* The five columns, which must be of one length; released by the caller even after an error. */
static ff_err read_columns(const char *const *paths, double **columns /* (NCOLUMNS) */, long *n, ff_ctx *ctx)
{
    for (int i = 0; i < NCOLUMNS; i++) {
        long length;
        ff_err err = ff_fits_vector(paths[i], 0, -1, &columns[i], &length, ctx);
        if (err) return err;
        if (i > 0 && length != *n) {
            return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s has %ld rows, %s has %ld", paths[i], length, paths[0], *n);
        }
        *n = length;
    }
    return FF_OK;
}

static int report(struct ff_cli *cli, const char *out, const struct ff_maps *maps, const struct ff_catalog_summary *s)
{
    if (cli->json) {
        return ff_cli_json(cli, json_pack("{ss si sf sf sf sI sI sI sf sf}", "file", out, "npix", maps->npix,
                                          "size_deg", maps->size_deg, "ra_deg", maps->ra_deg, "dec_deg", maps->dec_deg,
                                          "used", (json_int_t)s->used, "outside", (json_int_t)s->outside,
                                          "empty_pixels", (json_int_t)s->empty_pixels, "n_per_arcmin2",
                                          s->n_per_arcmin2, "weight_sum", s->weight_sum));
    }
    printf("wrote %s: shear on %d x %d pixels of %.4g arcmin, centre RA %.6g Dec %.6g\n", out, maps->npix, maps->npix,
           60 * maps->size_deg / maps->npix, maps->ra_deg, maps->dec_deg);
    printf("%ld galaxies used (%.4g per square arcmin), %ld outside the field, %ld pixels empty (masked)\n", s->used,
           s->n_per_arcmin2, s->outside, s->empty_pixels);
    fprintf(stderr, "\nnext: name it in a job, as \"data\": {\"dataset\": \"@%s\"} (relative to the job's folder)\n",
            out);
    return 0;
}

static int catalog(struct ff_cli *cli, const void *values, const char *const *args, int nargs)
{
    (void)nargs;
    const struct values *v = values;
    struct ff_catalog_options o;
    struct ff_catalog_summary summary = {0};
    struct ff_maps maps = {0};
    double *columns[NCOLUMNS] = {NULL};
    long n = 0;
    ff_err err = read_values(v, &o, &cli->ctx);
    if (!err) err = read_columns(args, columns, &n, &cli->ctx);
    if (!err) {
        struct ff_catalog c = {.n = n,
                               .ra_deg = columns[0],
                               .dec_deg = columns[1],
                               .e1 = columns[2],
                               .e2 = columns[3],
                               .weight = columns[4]};
        err = ff_catalog_bin(&maps, &summary, &c, &o, &cli->ctx);
    }
    if (!err) err = ff_maps_write(&maps, v->out, &cli->ctx);
    int code = err ? ff_cli_failed(cli) : report(cli, v->out, &maps, &summary);
    ff_maps_done(&maps);
    for (int i = 0; i < NCOLUMNS; i++) free(columns[i]);
    return code;
}

const struct ff_command ff_command_catalog = {
    .name = "catalog",
    .summary = "bin a shear catalogue (FITS) to a dataset of maps",
    .usage = "RA DEC E1 E2 W --npix N --size-deg D --sigma-e S -o MAP.h5",
    .examples = "  ffctl catalog ra.fits dec.fits e1.fits e2.fits weight.fits \\\n"
                "      --npix 64 --size-deg 1.4 --sigma-e 0.3095 --flip-e2 -o cosmos.h5\n"
                "  ... --rows 165159:              only these rows\n"
                "  ... --rotate random:1           a null test: no signal must be found\n",
    .options = options,
    .defaults = &defaults,
    .size = sizeof defaults,
    .least = NCOLUMNS,
    .most = NCOLUMNS,
    .run = catalog,
};
