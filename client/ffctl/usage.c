/* client/ffctl/usage.c - `ffctl usage`: what was computed and stored, by user. */
#include <stdio.h>

#include "client/ffctl/cli.h"
#include "client/ffctl/remote.h"
#include "client/ffctl/table.h"

static const struct ff_column columns[] = {
    {"USER", "name", false},          {"JOBS", "jobs", true},          {"CORE HOURS", "core_hours", true},
    {"GPU HOURS", "gpu_hours", true}, {"BYTES", "result_bytes", true}, {0}};

static int usage(struct ff_cli *cli, const void *values, const char *const *args, int nargs)
{
    (void)values;
    (void)args;
    (void)nargs;
    struct ff_remote r;
    json_t *answer = NULL;
    if (ff_remote_open(&r, cli)) return ff_cli_failed(cli);
    ff_err err = ff_remote_get(&r, &answer, "/v1/usage");
    int code = ff_remote_end(&r, err, 0);
    if (!err && cli->json) return ff_cli_json(cli, answer);
    if (!err) ff_table_print(stdout, json_object_get(answer, "users"), columns);
    json_decref(answer);
    return code;
}

const struct ff_command ff_command_usage = {
    .name = "usage",
    .summary = "show core-hours, GPU-hours and bytes by user",
    .usage = "",
    .examples = "  ffctl usage\n  ffctl usage --json | jq '.users[0].core_hours'\n",
    .remote = true,
    .run = usage,
};
