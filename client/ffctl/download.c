/* client/ffctl/download.c - `ffctl download ID`: the result of a job, whole, with the hash the server recorded. Draws that are
** too many for one file come as several (chunks.h). */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/ffctl/cli.h"
#include "client/ffctl/fetching.h"
#include "client/ffctl/reading.h"

struct values {
    const char *out;
    bool resume;
};

static const struct ff_option options[] = {
    {"output", 'o', FF_OPTION_TEXT, offsetof(struct values, out), "FILE", .help = "file to write (default: ID.h5)"},
    {"resume", 0, FF_OPTION_FLAG, offsetof(struct values, resume), .help = "go on with FILE.part of a broken download"},
    {0}};

static int download(struct ff_cli *cli, const void *values, const char *const *args, int nargs)
{
    (void)nargs;
    const struct values *v = values;
    struct ff_remote r;
    char made[64];
    snprintf(made, sizeof made, "%.40s.h5", args[0]);
    const char *out = v->out ? v->out : made;
    ff_err err = ff_id_check("job_", args[0], "a job's id", &cli->ctx);
    if (!err) err = ff_remote_open(&r, cli);
    if (err) return ff_cli_failed(cli);
    err = ff_fetch_all(&r, args[0], out, v->resume);
    if ((err == FF_EINTERRUPTED || err == FF_EUNREACHABLE) && !cli->json) {
        fprintf(stderr, "go on with:\n  ffctl download %s -o %s --resume\n", args[0], out);
    }
    int code = ff_remote_end(&r, err, 0);
    if (err) return code;
    if (cli->json) return ff_cli_json(cli, json_pack("{ss ss}", "id", args[0], "file", out));
    printf("wrote %s\n", out);
    fprintf(stderr, "\nnext: ffctl describe %s\n", out);
    return 0;
}

const struct ff_command ff_command_download = {
    .name = "download",
    .summary = "fetch the result of a job and verify it",
    .usage = "ID [-o FILE] [--resume]",
    .examples = "  ffctl download job_0123456789abcdefghijklmnop -o result.h5\n"
                "  ffctl download job_0123456789abcdefghijklmnop -o result.h5 --resume\n",
    .options = options,
    .size = sizeof(struct values),
    .least = 1,
    .most = 1,
    .remote = true,
    .run = download,
};
