/* client/ffctl/watch.c - `ffctl watch ID`: its progress until it ends; the exit code is the job's. */
#include <stdio.h>
#include <string.h>

#include "client/ffctl/cli.h"
#include "client/ffctl/job_show.h"
#include "client/ffctl/reading.h"
#include "client/ffctl/watching.h"

struct values {
    double patience_s;
    long after;
};

static const struct ff_option options[] = {
    {"patience", 0, FF_OPTION_REAL, offsetof(struct values, patience_s), "S", .low = 0.1, .high = 1e6,
     .help = "give up when the server is silent for so many seconds (default: 60)"},
    {"after", 0, FF_OPTION_INT, offsetof(struct values, after), "SEQ", .low = 0, .high = 1e15,
     .help = "only events after this one (default: 0, all)"},
    {0}};

static const struct values defaults = {.patience_s = 60};

static int watch(struct ff_cli *cli, const void *values, const char *const *args, int nargs)
{
    (void)nargs;
    const struct values *v = values;
    struct ff_remote r;
    json_t *job = NULL;
    ff_err err = ff_id_check("job_", args[0], "a job's id", &cli->ctx);
    if (!err) err = ff_remote_open(&r, cli);
    if (err) return ff_cli_failed(cli);
    struct ff_watching how = {.patience_s = v->patience_s, .after = v->after};
    err = ff_remote_get(&r, &job, "/v1/jobs/%s", args[0]); /* a wrong id or token is said at once */
    json_decref(job);
    job = NULL;
    if (!err) err = ff_watch(&r, args[0], &how, &job);
    if (err) ff_watch_left(&r, err, args[0]);
    int code = ff_remote_end(&r, err, 0);
    if (err) return code;
    code = ff_job_verdict(cli, job);
    if (!cli->json) {
        printf("%s %s\n", args[0], ff_text_of(job, "state"));
        ff_job_next(stderr, job);
    }
    json_decref(job);
    return code;
}

const struct ff_command ff_command_watch = {
    .name = "watch",
    .summary = "follow a job until it ends: draws, R-hat, effective sample size, time left",
    .usage = "ID [--patience S]",
    .examples = "  ffctl watch job_0123456789abcdefghijklmnop\n"
                "  ffctl watch job_0123456789abcdefghijklmnop --json | jq 'select(.type == \"sample\")'\n",
    .options = options,
    .defaults = &defaults,
    .size = sizeof defaults,
    .least = 1,
    .most = 1,
    .remote = true,
    .run = watch,
};
