/* client/ffctl/describe.c - `ffctl describe RESULT.h5`. */
#include <string.h>
#include <unistd.h>

#include "client/ffctl/cli.h"
#include "client/ffctl/summary.h"

static int describe(struct ff_cli *cli, const void *values, const char *const *args, int nargs)
{
    (void)values;
    (void)nargs;
    const char *path = args[0];
    if (strncmp(path, "job_", 4) == 0 && access(path, F_OK) != 0) {
        ff_fail_at(&cli->ctx, FF_ENOTBUILT, path, FF_HERE,
                   "'%s' is a job of a server; describing those is not in this build", path);
        return ff_cli_failed(cli);
    }
    json_t *summary;
    if (ff_summary_read(&summary, path, &cli->ctx)) return ff_cli_failed(cli);
    if (cli->json) return ff_cli_json(cli, summary);
    ff_summary_print(summary, stdout, cli->colour_out);
    json_decref(summary);
    return 0;
}

const struct ff_command ff_command_describe = {
    .name = "describe",
    .summary = "show what is in a result: parameters, convergence, cost",
    .usage = "RESULT.h5",
    .examples = "  ffctl describe lsst-y10-small.h5\n"
                "  ffctl describe lsst-y10-small.h5 --json | jq .min_ess\n",
    .least = 1,
    .most = 1,
    .run = describe,
};
