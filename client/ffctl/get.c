/* client/ffctl/get.c - `ffctl get ID`: one job in a few lines; with --json all the server says of it. */
#include <stdio.h>

#include "client/ffctl/cli.h"
#include "client/ffctl/job_show.h"
#include "client/ffctl/remote.h"

static int get(struct ff_cli *cli, const void *values, const char *const *args, int nargs)
{
    (void)values;
    (void)nargs;
    struct ff_remote r;
    json_t *job = NULL;
    ff_err err = ff_id_check("job_", args[0], "a job's id", &cli->ctx);
    if (!err) err = ff_remote_open(&r, cli);
    if (err) return ff_cli_failed(cli);
    err = ff_remote_get(&r, &job, "/v1/jobs/%s", args[0]);
    int code = ff_remote_end(&r, err, 0);
    if (!err && cli->json) return ff_cli_json(cli, job);
    if (!err) ff_job_show(stdout, job);
    json_decref(job);
    return code;
}

const struct ff_command ff_command_get = {
    .name = "get",
    .summary = "show a job",
    .usage = "ID",
    .examples = "  ffctl get job_0123456789abcdefghijklmnop\n"
                "  ffctl get job_0123456789abcdefghijklmnop --json | jq .state\n",
    .least = 1,
    .most = 1,
    .remote = true,
    .run = get,
};
