/* client/ffctl/mock_catalog.c - `ffctl mock-catalog MAP.h5`: galaxies drawn from a shear map, as the five FITS columns that
** `ffctl catalog` reads, so that a whole analysis can be tried without real data. Positions are uniform over the unmasked
** field; an ellipticity is the shear of its pixel plus a normal sigma_e a component; weights are 1. */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "client/ffctl/cli.h"
#include "client/ffctl/reading.h"
#include "client/ffctl/summary.h"
#include "files/dataset.h"
#include "files/fits_vector.h"
#include "common/publish.h"

enum { RA, DEC, E1, E2, WEIGHT, NCOLUMNS, MAX_TRIES = 10000 };
static const char *const file_names[NCOLUMNS] = {"ra.fits", "dec.fits", "e1.fits", "e2.fits", "weight.fits"};

struct values {
    long galaxies, seed, bin;
    double sigma_e;
    const char *out;
    bool flip_e2;
};

static const struct values defaults = {.seed = 1, .sigma_e = NAN};

static const struct ff_option options[] = {
    {"galaxies", 0, FF_OPTION_INT, offsetof(struct values, galaxies), "N", .low = 1, .high = 1e8, .help = "how many"},
    {"sigma-e", 0, FF_OPTION_REAL, offsetof(struct values, sigma_e), "S", .low = 1e-6, .high = 10,
     .help = "sd of an ellipticity component"},
    {"seed", 0, FF_OPTION_INT, offsetof(struct values, seed), "K", .low = 0, .high = 9e15,
     .help = "of positions and shapes (default 1)"},
    {"bin", 0, FF_OPTION_INT, offsetof(struct values, bin), "B", .low = 0, .high = 15,
     .help = "bin of the map, from 0 (default 0)"},
    {"flip-e2", 0, FF_OPTION_FLAG, offsetof(struct values, flip_e2),
     .help = "change the sign of e2, as 'catalog --flip-e2' expects"},
    {"output", 'o', FF_OPTION_TEXT, offsetof(struct values, out), "DIR",
     .help = "folder for ra, dec, e1, e2 and weight.fits"},
    {0}};

/* A counter and its hash: SplitMix64 (Steele, Lea, Flood 2014, OOPSLA), the same on every machine. */
static double uniform(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return ((double)((z ^ (z >> 31)) >> 11) + 0.5) * 0x1p-53;
}

/* Two independent normal numbers (Box and Muller 1958). */
static void normals(uint64_t *state, double *a, double *b)
{
    double radius = sqrt(-2 * log(uniform(state))), angle = 2 * M_PI * uniform(state);
    *a = radius * cos(angle);
    *b = radius * sin(angle);
}

/* The shear of a simulation's first draw as a dataset. */
static ff_err maps_of_simulation(struct ff_maps *maps, const char *path, ff_ctx *ctx)
{
    struct ff_reading reading;
    ff_err err = ff_reading_array(&reading, path, "simulation/shear", ctx);
    if (err) return err;
    json_t *sizes = json_object_get(reading.meta, "shape"),
           *field = ff_json_path(reading.meta, "spec", "model", "field", NULL);
    long shape[5] = {0}; /* draw, bin, component, y, x */
    for (size_t i = 0; i < 5; i++) shape[i] = (long)json_integer_value(json_array_get(sizes, i));
    bool sound = json_array_size(sizes) == 5 && shape[0] > 0 && shape[1] > 0 && shape[1] <= FF_MAX_BINS &&
                 shape[2] == 2 && shape[3] == shape[4] && shape[3] > 0 && shape[3] <= 16384;
    long n = shape[1] * shape[2] * shape[3] * shape[4];
    double size_deg = json_number_value(json_object_get(field, "size_deg"));
    if (!sound || n > reading.n || !(size_deg > 0)) {
        err = ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: /simulation/shear is not (draw, bin, component, y, x) of a field",
                      path);
    }
    float *map = err ? NULL : malloc((size_t)n * sizeof *map);
    if (!err && !map) err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for %ld pixels", n);
    if (!err) {
        for (long i = 0; i < n; i++) map[i] = (float)reading.data[i];
        *maps = (struct ff_maps){.observable = FF_SHEAR,
                                 .nbins = (int)shape[1],
                                 .ncomp = 2,
                                 .npix = (int)shape[3],
                                 .size_deg = size_deg,
                                 .ra_deg = json_number_value(json_object_get(field, "ra_deg")),
                                 .dec_deg = json_number_value(json_object_get(field, "dec_deg")),
                                 .map = map};
    }
    ff_reading_done(&reading);
    return err;
}

static ff_err read_shear(struct ff_maps *maps, const char *path, long bin, ff_ctx *ctx)
{
    json_t *summary;
    ff_err err = ff_summary_read(&summary, path, ctx);
    if (err) return err;
    bool simulation = json_object_get(json_object_get(summary, "arrays"), "simulation/shear") != NULL;
    json_decref(summary);
    err = simulation ? maps_of_simulation(maps, path, ctx) : ff_maps_read(maps, path, ctx);
    if (err) return err;
    if (maps->observable != FF_SHEAR) {
        err = ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s holds convergence; a catalogue is drawn from shear", path);
    } else if (bin >= maps->nbins) {
        err = ff_fail(ctx, FF_EUSAGE, FF_HERE, "--bin is %ld; %s has bins 0 to %d", bin, path, maps->nbins - 1);
    }
    if (err) ff_maps_done(maps);
    return err;
}

/* A pixel's place in the bin's maps, from a position in pixels. */
static long pixel_of(const struct ff_maps *maps, double x, double y)
{
    long i = (long)x, j = (long)y, last = maps->npix - 1;
    return (j > last ? last : j) * maps->npix + (i > last ? last : i);
}

static ff_err draw_galaxies(const struct ff_maps *maps, const struct values *v, double *const *columns, ff_ctx *ctx)
{
    uint64_t state = (uint64_t)v->seed;
    long pixels = (long)maps->npix * maps->npix, start = v->bin * 2 * pixels;
    const float *shear = maps->map + start, *noise = maps->noise_sd ? maps->noise_sd + start : NULL;
    double squeeze = cos(maps->dec_deg * M_PI / 180);
    for (long k = 0; k < v->galaxies; k++) {
        double x, y, n1, n2;
        long pixel;
        int tries = 0;
        do {
            if (tries++ == MAX_TRIES) return ff_fail(ctx, FF_EBADFILE, FF_HERE, "nearly all of the field is masked");
            x = uniform(&state);
            y = uniform(&state);
            pixel = pixel_of(maps, x * maps->npix, y * maps->npix);
        } while (noise && !isfinite(noise[pixel]));
        normals(&state, &n1, &n2);
        columns[RA][k] = maps->ra_deg + (x - 0.5) * maps->size_deg / squeeze;
        columns[DEC][k] = maps->dec_deg + (y - 0.5) * maps->size_deg;
        columns[E1][k] = shear[pixel] + v->sigma_e * n1;
        columns[E2][k] = (shear[pixels + pixel] + v->sigma_e * n2) * (v->flip_e2 ? -1 : 1);
        columns[WEIGHT][k] = 1;
    }
    return FF_OK;
}

static ff_err write_columns(const char *folder, double *const *columns, long n, json_t *files, ff_ctx *ctx)
{
    if (mkdir(folder, 0777) != 0 && errno != EEXIST) return ff_errno_fail(ctx, errno, "cannot make the folder", folder);
    for (int i = 0; i < NCOLUMNS; i++) {
        char path[4096];
        if (snprintf(path, sizeof path, "%s/%s", folder, file_names[i]) >= (int)sizeof path) {
            return ff_fail(ctx, FF_EUSAGE, FF_HERE, "the folder's name is too long");
        }
        ff_err err = ff_fits_write_vector(path, columns[i], n, ctx);
        if (err) return err;
        json_array_append_new(files, json_string(path));
    }
    return FF_OK;
}

static int report(struct ff_cli *cli, const struct values *v, const struct ff_maps *maps, json_t *files)
{
    if (cli->json) {
        return ff_cli_json(cli, json_pack("{sO sI sI sf}", "files", files, "galaxies", (json_int_t)v->galaxies, "seed",
                                          (json_int_t)v->seed, "sigma_e", v->sigma_e));
    }
    printf("wrote %ld galaxies to %s/{ra,dec,e1,e2,weight}.fits\n", v->galaxies, v->out);
    fprintf(stderr,
            "\nnext:\n  ffctl catalog %s/{ra,dec,e1,e2,weight}.fits --npix %d --size-deg %.10g --sigma-e %.10g%s -o "
            "map.h5\n",
            v->out, maps->npix, maps->size_deg, v->sigma_e, v->flip_e2 ? " --flip-e2" : "");
    return 0;
}

static int mock_catalog(struct ff_cli *cli, const void *values, const char *const *args, int nargs)
{
    (void)nargs;
    const struct values *v = values;
    const char *missing = !v->galaxies ? "--galaxies" : isnan(v->sigma_e) ? "--sigma-e" : !v->out ? "-o" : NULL;
    struct ff_maps maps = {0};
    double *columns[NCOLUMNS] = {NULL};
    json_t *files = json_array();
    ff_err err = missing ? ff_fail(&cli->ctx, FF_EUSAGE, FF_HERE, "%s is missing", missing) : FF_OK;
    if (!err) err = read_shear(&maps, args[0], v->bin, &cli->ctx);
    for (int i = 0; !err && i < NCOLUMNS; i++) {
        columns[i] = malloc((size_t)v->galaxies * sizeof *columns[i]);
        if (!columns[i]) err = ff_fail(&cli->ctx, FF_ENOMEM, FF_HERE, "no memory for %ld galaxies", v->galaxies);
    }
    if (!err) err = draw_galaxies(&maps, v, columns, &cli->ctx);
    if (!err) err = write_columns(v->out, columns, v->galaxies, files, &cli->ctx);
    int code = err ? ff_cli_failed(cli) : report(cli, v, &maps, files);
    for (int i = 0; i < NCOLUMNS; i++) free(columns[i]);
    ff_maps_done(&maps);
    json_decref(files);
    return code;
}

const struct ff_command ff_command_mock_catalog = {
    .name = "mock-catalog",
    .summary = "draw a shear catalogue from a simulated shear map",
    .usage = "MAP.h5 --galaxies N --sigma-e S [--seed K] -o DIR",
    .examples = "  ffctl run examples/cosmos-mock.json -o sim.h5\n"
                "  ffctl mock-catalog sim.h5 --galaxies 250000 --sigma-e 0.31 --seed 1 -o mock\n",
    .options = options,
    .defaults = &defaults,
    .size = sizeof defaults,
    .least = 1,
    .most = 1,
    .run = mock_catalog,
};
