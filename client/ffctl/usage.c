/* client/ffctl/usage.c - `ffctl usage`: what was computed and stored, by user. */
#include "client/ffctl/cli.h"
#include "client/ffctl/collection.h"

static const struct ff_column columns[] = {
    {"USER", "name", false},          {"JOBS", "jobs", true},          {"CORE HOURS", "core_hours", true},
    {"GPU HOURS", "gpu_hours", true}, {"BYTES", "result_bytes", true}, {0}};

static const struct ff_collection collection = {.path = "usage", .rows = "users", .columns = columns};

static int usage(struct ff_cli *cli, const void *values, const char *const *args, int nargs)
{
    return ff_collection_run(cli, &collection, values, args, nargs);
}

const struct ff_command ff_command_usage = {
    .name = "usage",
    .summary = "show core-hours, GPU-hours and bytes by user",
    .usage = "",
    .examples = "  ffctl usage\n  ffctl usage --json | jq '.users[0].core_hours'\n",
    .remote = true,
    .run = usage,
};
