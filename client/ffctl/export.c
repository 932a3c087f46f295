/* client/ffctl/export.c - `ffctl export RESULT.h5|ID --format FORMAT -o FILE`. */
#include "client/ffctl/export.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/ffctl/cli.h"
#include "client/ffctl/fetching.h"

struct values {
    const char *format, *map, *out;
    long bin;
};

static const struct ff_option options[] = {
    {"format", 0, FF_OPTION_TEXT, offsetof(struct values, format), "FORMAT",
     "npy|getdist|cosmosis|fits|healpix|png|corner", .help = "npy, getdist, fits, png or corner"},
    {"map", 0, FF_OPTION_TEXT, offsetof(struct values, map), "NAME",
     .help = "array: a name under /maps (default convergence_mean), or a path with a slash"},
    {"bin", 0, FF_OPTION_INT, offsetof(struct values, bin), "B", .low = 0, .high = 15,
     .help = "bin of the map, from 0 (default: 0; npy: all)"},
    {"output", 'o', FF_OPTION_TEXT, offsetof(struct values, out), "FILE",
     .help = "file to write; getdist: root of the files"},
    {0}};

static const struct values defaults = {.bin = -1};

static const struct {
    const char *name;
    ff_err (*samples)(const struct ff_export *e, ff_ctx *ctx); /* without --map */
    ff_err (*array)(const struct ff_export *e, ff_ctx *ctx);   /* with --map, or where there are no samples to write */
} formats[] = {{"npy", ff_export_samples_npy, ff_export_array_npy},
               {"getdist", ff_export_getdist, NULL},
               {"corner", ff_export_corner, NULL},
               {"fits", NULL, ff_export_fits},
               {"png", NULL, ff_export_png}};

void ff_export_wrote(const struct ff_export *e, const char *path)
{
    json_array_append_new(json_object_get(e->report, "files"), json_string(path));
}

static ff_err check(const struct values *v, ff_ctx *ctx)
{
    if (!v->format)
        return ff_fail(ctx, FF_EUSAGE, FF_HERE, "--format is missing; allowed: npy, getdist, fits, png, corner");
    if (!v->out) return ff_fail(ctx, FF_EUSAGE, FF_HERE, "-o is missing: the file to write");
    return FF_OK;
}

static ff_err write_format(const struct values *v, const struct ff_export *e, ff_ctx *ctx)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (strcmp(formats[i].name, v->format) != 0) continue;
        if (formats[i].samples && !v->map) {
            if (v->bin >= 0) return ff_fail(ctx, FF_EUSAGE, FF_HERE, "--bin belongs to a map: name it with --map");
            return formats[i].samples(e, ctx);
        }
        if (!formats[i].array) return ff_fail(ctx, FF_EUSAGE, FF_HERE, "--format %s takes no --map", v->format);
        return formats[i].array(e, ctx);
    }
    return ff_fail_at(ctx, FF_ENOTBUILT, "--format", FF_HERE,
                      "--format %s is not in this build; npy, getdist, fits, png and corner are", v->format);
}

static void print_report(const json_t *report)
{
    size_t i;
    json_t *value;
    json_array_foreach(json_object_get(report, "files"), i, value) printf("wrote %s\n", json_string_value(value));
    json_t *columns = json_object_get(report, "columns");
    if (!columns) return;
    fputs("columns:", stdout);
    json_array_foreach(columns, i, value) printf(" %s", json_string_value(value));
    putchar('\n');
}

static int export_file(struct ff_cli *cli, const struct values *v, const char *in)
{
    json_t *report = json_pack("{ss s[]}", "format", v->format, "files");
    struct ff_export e = {.in = in, .out = v->out, .map = v->map, .bin = v->bin, .report = report};
    ff_err err = report ? write_format(v, &e, &cli->ctx) : ff_fail(&cli->ctx, FF_ENOMEM, FF_HERE, "no memory");
    if (!err && cli->json) return ff_cli_json(cli, report);
    if (!err) print_report(report);
    json_decref(report);
    return err ? ff_cli_failed(cli) : 0;
}

/* A job of a server: its result comes into a temporary file. */
static int export_job(struct ff_cli *cli, const struct values *v, const char *id)
{
    struct ff_remote r;
    char *path;
    ff_err err = ff_id_check("job_", id, "a job's id", &cli->ctx);
    if (!err) err = ff_temporary(&path, ".h5", &cli->ctx);
    if (err) return ff_cli_failed(cli);
    int code;
    err = ff_remote_open(&r, cli);
    if (err) {
        code = ff_cli_failed(cli);
    } else {
        err = ff_fetch_result(&r, id, path, false);
        code = ff_remote_end(&r, err, 0);
        if (!err) code = export_file(cli, v, path);
    }
    unlink(path);
    free(path);
    return code;
}

static int export(struct ff_cli *cli, const void *values, const char *const *args, int nargs)
{
    (void)nargs;
    const struct values *v = values;
    if (check(v, &cli->ctx)) return ff_cli_failed(cli);
    bool job = strncmp(args[0], "job_", 4) == 0 && access(args[0], F_OK) != 0;
    return job ? export_job(cli, v, args[0]) : export_file(cli, v, args[0]);
}

const struct ff_command ff_command_export = {
    .name = "export",
    .summary = "write samples, maps and pictures of a result in other formats",
    .usage = "RESULT.h5|ID --format npy|getdist|fits|png|corner [--map NAME] [--bin B] -o FILE",
    .examples = "  ffctl export lsst-y10.h5 --format corner -o corner.png\n"
                "  ffctl export lsst-y10.h5 --format png --map convergence_mean --bin 4 -o map.png\n"
                "  ffctl export lsst-y10.h5 --format fits --map convergence_sd --bin 4 -o map.fits\n"
                "  ffctl export lsst-y10.h5 --format getdist -o chains/lsst-y10\n"
                "  ffctl export draws.h5 --format npy --map draws/theta -o theta.npy\n"
                "  ffctl export job_0123456789abcdefghijklmnop --format corner -o corner.png\n",
    .options = options,
    .defaults = &defaults,
    .size = sizeof defaults,
    .least = 1,
    .most = 1,
    .remote = true,
    .run = export,
};
