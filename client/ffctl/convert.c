/* client/ffctl/convert.c - `ffctl convert FILE --as KIND`: .npy and text to a dataset (files/convert.h). */
#include "files/convert.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "client/ffctl/cli.h"
#include "client/ffctl/convert_options.h"

struct values {
    struct ff_convert_values what;
    const char *out;
};

static const struct ff_option options[] = {
    FF_CONVERT_OPTIONS,
    {"output", 'o', FF_OPTION_TEXT, offsetof(struct values, out), "DATA.h5", .help = "dataset to write"},
    {0}};

ff_err ff_convert_check(const struct ff_convert_values *v, ff_ctx *ctx)
{
    if (!v->as) return ff_fail(ctx, FF_EUSAGE, FF_HERE, "--as is missing; allowed: convergence, shear, nz, shift");
    bool maps = strcmp(v->as, "convergence") == 0 || strcmp(v->as, "shear") == 0;
    if (maps && !(v->size_deg > 0))
        return ff_fail(ctx, FF_EUSAGE, FF_HERE, "--size-deg is missing: the side of the field");
    if (!maps && (v->axes || v->noise_sd || v->size_deg > 0)) {
        return ff_fail(ctx, FF_EUSAGE, FF_HERE, "--axes, --noise-sd and --size-deg belong to maps, not to --as %s",
                       v->as);
    }
    return FF_OK;
}

ff_err ff_convert_to(const char *in, const char *out, const struct ff_convert_values *v, ff_ctx *ctx)
{
    struct ff_convert_options o = {.as = v->as,
                                   .axes = v->axes,
                                   .size_deg = v->size_deg,
                                   .ra_deg = v->ra_deg,
                                   .dec_deg = v->dec_deg,
                                   .noise_sd = v->noise_sd,
                                   .column = (int)v->column};
    return ff_convert(in, out, &o, ctx);
}

static int convert(struct ff_cli *cli, const void *values, const char *const *args, int nargs)
{
    (void)nargs;
    const struct values *v = values;
    ff_err err = v->what.as && !v->out ? ff_fail(&cli->ctx, FF_EUSAGE, FF_HERE, "-o is missing: the dataset to write")
                                       : ff_convert_check(&v->what, &cli->ctx);
    if (!err) err = ff_convert_to(args[0], v->out, &v->what, &cli->ctx);
    if (err) return ff_cli_failed(cli);
    if (cli->json) return ff_cli_json(cli, json_pack("{ss ss ss}", "file", v->out, "from", args[0], "as", v->what.as));
    printf("wrote %s (%s)\n", v->out, v->what.as);
    fprintf(stderr, "\nnext: name it in a job as \"@%s\" (relative to the job's folder), or look: ffctl describe %s\n",
            v->out, v->out);
    return 0;
}

const struct ff_command ff_command_convert = {
    .name = "convert",
    .summary = "make a dataset of maps, of an n(z) or of a shift table from .npy or text",
    .usage = "FILE --as convergence|shear|nz|shift [--size-deg D] [--axes y,x,bin] -o DATA.h5",
    .examples = "  ffctl convert maps.npy --as convergence --axes y,x,bin --size-deg 10 --noise-sd 0.05 -o maps.h5\n"
                "  ffctl convert zdist.asc --as nz -o nz.h5\n"
                "  ffctl convert shift_table.npy --as shift -o shift.h5\n",
    .options = options,
    .size = sizeof(struct values),
    .least = 1,
    .most = 1,
    .run = convert,
};
