/* client/ffctl/workers.c - `ffctl workers`: the gangs of a server; `ffctl workers drain ID`: lets one finish and go. */
#include "client/ffctl/cli.h"
#include "client/ffctl/collection.h"

static const struct ff_column columns[] = {{"ID", "id", false},
                                           {"STATE", "state", false},
                                           {"NAME", "name", false},
                                           {"POOL", "pool", false},
                                           {"BACKEND", "backend", false},
                                           {"RANKS", "ranks", true},
                                           {"THREADS", "threads", true},
                                           {"JOB", "task.job", false},
                                           {"TASK", "task.task", false},
                                           {"SEEN", "seen", false},
                                           {0}};

static const struct ff_collection collection = {
    .path = "workers",
    .rows = "workers",
    .columns = columns,
    .none = "no workers: jobs wait until one connects (ffserver --workers N, or ffworker --connect)",
    .verb = "drain",
    .prefix = "wk_",
    .what = "a worker's id",
    .method = "POST",
    .suffix = "/drain",
    .state = "draining",
    .done = "draining: it checkpoints what it holds and leaves",
    .next = "ffctl workers",
    .allowed = "nothing, or drain ID",
};

static int workers(struct ff_cli *cli, const void *values, const char *const *args, int nargs)
{
    return ff_collection_run(cli, &collection, values, args, nargs);
}

const struct ff_command ff_command_workers = {
    .name = "workers",
    .summary = "list the gangs that compute, or drain one",
    .usage = "[drain ID]",
    .examples = "  ffctl workers\n"
                "  ffctl workers drain wk_0123456789abcdefghijklmnop\n",
    .most = 2,
    .remote = true,
    .run = workers,
};
