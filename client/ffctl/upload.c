/* client/ffctl/upload.c - `ffctl upload FILE`: a dataset to a server; .npy and text are converted first, as `convert` does. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/ffctl/cli.h"
#include "client/ffctl/convert_options.h"
#include "client/ffctl/datasets.h"
#include "client/ffctl/fetching.h"
#include "common/publish.h"

struct values {
    struct ff_convert_values what;
    const char *name;
};

static const struct ff_option options[] = {FF_CONVERT_OPTIONS,
                                           {"name", 0, FF_OPTION_TEXT, offsetof(struct values, name), "NAME",
                                            .help = "how the server is to call it (default: the file's name)"},
                                           {0}};

/* HDF5 files begin so; anything else is to be converted. */
static ff_err is_dataset(const char *path, bool *yes, ff_ctx *ctx)
{
    static const unsigned char signature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1a, '\n'};
    unsigned char start[8];
    FILE *file;
    long size;
    *yes = false;
    ff_err err = ff_open_regular(&file, path, &size, ctx);
    if (err) return err;
    *yes = fread(start, 1, sizeof start, file) == sizeof start && memcmp(start, signature, sizeof start) == 0;
    fclose(file);
    return FF_OK;
}

/* *made: the converted file, NULL when the file is a dataset already. */
static ff_err convert_first(const char *path, const struct values *v, char **made, ff_ctx *ctx)
{
    bool dataset;
    *made = NULL;
    ff_err err = is_dataset(path, &dataset, ctx);
    if (err) return err;
    if (dataset && v->what.as) {
        return ff_fail_at(ctx, FF_EUSAGE, path, FF_HERE, "this is a dataset already: --as is for .npy and text");
    }
    if (dataset) return FF_OK;
    err = ff_convert_check(&v->what, ctx);
    if (!err) err = ff_temporary(made, ".h5", ctx);
    return err ? err : ff_convert_to(path, *made, &v->what, ctx);
}

static int upload(struct ff_cli *cli, const void *values, const char *const *args, int nargs)
{
    (void)nargs;
    const struct values *v = values;
    struct ff_remote r;
    char *made = NULL, *id = NULL;
    bool sent = false;
    int code;
    const char *slash = strrchr(args[0], '/'), *name = v->name ? v->name : slash ? slash + 1 : args[0];
    ff_err err = convert_first(args[0], v, &made, &cli->ctx);
    if (!err) err = ff_remote_open(&r, cli);
    if (err) {
        code = ff_cli_failed(cli);
    } else {
        err = ff_dataset_send(&r, made ? made : args[0], name, &id, &sent);
        code = ff_remote_end(&r, err, 0);
    }
    if (made) unlink(made);
    free(made);
    if (!err && cli->json) {
        code = ff_cli_json(cli, json_pack("{ss ss sb}", "id", id, "file", args[0], "sent", (int)sent));
    } else if (!err) {
        printf("%s\n", id);
        fprintf(stderr, "%s\nnext: name it in a job where a dataset stands, {\"dataset\": \"%s\"}\n",
                sent ? "" : "the server has these bytes already\n", id);
    }
    free(id);
    return code;
}

const struct ff_command ff_command_upload = {
    .name = "upload",
    .summary = "send a dataset to a server; prints its id",
    .usage = "FILE [--as convergence|shear|nz|shift ...]",
    .examples = "  ffctl upload maps.h5\n"
                "  ffctl upload maps.npy --as convergence --axes y,x,bin --size-deg 10 --noise-sd 0.05\n"
                "  ffctl upload zdist.asc --as nz\n",
    .options = options,
    .size = sizeof(struct values),
    .least = 1,
    .most = 1,
    .remote = true,
    .run = upload,
};
