/* client/ffctl/workers.c - `ffctl workers`: the gangs of a server; `ffctl workers drain ID`: lets one finish and go. */
#include <stdio.h>
#include <string.h>

#include "client/ffctl/cli.h"
#include "client/ffctl/remote.h"
#include "client/ffctl/table.h"

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

static int drain(struct ff_cli *cli, const char *id)
{
    struct ff_remote r;
    json_t *answer = NULL;
    ff_err err = ff_id_check("wk_", id, "a worker's id", &cli->ctx);
    if (!err) err = ff_remote_open(&r, cli);
    if (err) return ff_cli_failed(cli);
    err = ff_remote_send(&r, "POST", NULL, NULL, &answer, "/v1/workers/%s/drain", id);
    int code = ff_remote_end(&r, err, 0);
    json_decref(answer);
    if (err) return code;
    if (cli->json) return ff_cli_json(cli, json_pack("{ss ss}", "id", id, "state", "draining"));
    printf("%s draining: it checkpoints what it holds and leaves\n", id);
    fputs("\nnext: ffctl workers\n", stderr);
    return 0;
}

static int workers(struct ff_cli *cli, const void *values, const char *const *args, int nargs)
{
    (void)values;
    struct ff_remote r;
    json_t *answer = NULL;
    if (nargs == 2 && strcmp(args[0], "drain") == 0) return drain(cli, args[1]);
    if (nargs > 0) {
        ff_fail(&cli->ctx, FF_EUSAGE, FF_HERE, "'%s' is not understood; allowed: nothing, or drain ID", args[0]);
        return ff_cli_failed(cli);
    }
    if (ff_remote_open(&r, cli)) return ff_cli_failed(cli);
    ff_err err = ff_remote_get(&r, &answer, "/v1/workers");
    int code = ff_remote_end(&r, err, 0);
    if (!err && cli->json) return ff_cli_json(cli, answer);
    const json_t *rows = json_object_get(answer, "workers");
    if (!err && json_array_size(rows) > 0) {
        ff_table_print(stdout, rows, columns);
    } else if (!err) {
        fputs("no workers: jobs wait until one connects (ffserver --workers N, or ffworker --connect)\n", stderr);
    }
    json_decref(answer);
    return code;
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
