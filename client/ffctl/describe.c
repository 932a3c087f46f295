/* client/ffctl/describe.c - `ffctl describe RESULT.h5|ID`. */
#include <string.h>
#include <unistd.h>

#include "client/ffctl/cli.h"
#include "client/ffctl/job_show.h"
#include "client/ffctl/remote.h"
#include "client/ffctl/summary.h"

static int describe_job(struct ff_cli *cli, const char *id)
{
    struct ff_remote r;
    json_t *job = NULL;
    ff_err err = ff_id_check("job_", id, "a job's id", &cli->ctx);
    if (!err) err = ff_remote_open(&r, cli);
    if (err) return ff_cli_failed(cli);
    err = ff_remote_get(&r, &job, "/v1/jobs/%s", id);
    int code = ff_remote_end(&r, err, 0);
    if (!err && cli->json) return ff_cli_json(cli, job);
    if (!err) {
        ff_job_explain(stdout, job, cli->colour_out);
        fflush(stdout);
        ff_job_next(stderr, job);
    }
    json_decref(job);
    return code;
}

static int describe(struct ff_cli *cli, const void *values, const char *const *args, int nargs)
{
    (void)values;
    (void)nargs;
    const char *path = args[0];
    if (strncmp(path, "job_", 4) == 0 && access(path, F_OK) != 0) return describe_job(cli, path);
    json_t *summary;
    if (ff_summary_read(&summary, path, &cli->ctx)) return ff_cli_failed(cli);
    if (cli->json) return ff_cli_json(cli, summary);
    ff_summary_print(summary, stdout, cli->colour_out);
    json_decref(summary);
    return 0;
}

const struct ff_command ff_command_describe = {
    .name = "describe",
    .summary = "show what is in a result, or a job of a server and why it is as it is",
    .usage = "RESULT.h5|ID",
    .examples = "  ffctl describe lsst-y10-small.h5\n"
                "  ffctl describe lsst-y10-small.h5 --json | jq .min_ess\n"
                "  ffctl describe job_0123456789abcdefghijklmnop\n",
    .least = 1,
    .most = 1,
    .remote = true,
    .run = describe,
};
