/* client/ffctl/retry.c - `ffctl retry ID` and `ffctl extend ID --draws N`: a new job out of one that has ended. */
#include <stdio.h>

#include "client/ffctl/cli.h"
#include "client/ffctl/reading.h"
#include "client/ffctl/remote.h"

/* Asks for the new job and prints its id. `body` is taken. */
static int make_from(struct ff_cli *cli, const char *id, const char *how, json_t *body)
{
    struct ff_remote r;
    json_t *answer = NULL;
    char key[FF_KEY_SIZE];
    ff_err err = ff_id_check("job_", id, "a job's id", &cli->ctx);
    if (!err) err = ff_key_make(key, &cli->ctx);
    if (!err) err = ff_remote_open(&r, cli);
    if (err) {
        json_decref(body);
        return ff_cli_failed(cli);
    }
    err = ff_remote_send(&r, "POST", body, key, &answer, "/v1/jobs/%s/%s", id, how);
    int code = ff_remote_end(&r, err, 0);
    if (err) return code;
    if (cli->json) return ff_cli_json(cli, answer);
    printf("%s\n", ff_text_of(answer, "id"));
    fprintf(stderr, "\nnext: ffctl watch %s\n", ff_text_of(answer, "id"));
    json_decref(answer);
    return 0;
}

static int retry(struct ff_cli *cli, const void *values, const char *const *args, int nargs)
{
    (void)values;
    (void)nargs;
    return make_from(cli, args[0], "retry", NULL);
}

struct values {
    long draws;
};

static const struct ff_option options[] = {{"draws", 0, FF_OPTION_INT, offsetof(struct values, draws), "N", .low = 1,
                                            .high = 10000000, .help = "how many draws to add to each chain"},
                                           {0}};

static int extend(struct ff_cli *cli, const void *values, const char *const *args, int nargs)
{
    (void)nargs;
    const struct values *v = values;
    if (v->draws == 0) {
        ff_fail(&cli->ctx, FF_EUSAGE, FF_HERE, "--draws is missing: how many draws to add to each chain");
        return ff_cli_failed(cli);
    }
    return make_from(cli, args[0], "extend", json_pack("{sI}", "draws", (json_int_t)v->draws));
}

const struct ff_command ff_command_retry = {
    .name = "retry",
    .summary = "run a job that has ended again, as a new job",
    .usage = "ID",
    .examples = "  ffctl retry job_0123456789abcdefghijklmnop\n",
    .least = 1,
    .most = 1,
    .remote = true,
    .run = retry,
};

const struct ff_command ff_command_extend = {
    .name = "extend",
    .summary = "add draws to a posterior that has succeeded, as a new job",
    .usage = "ID --draws N",
    .examples = "  ffctl extend job_0123456789abcdefghijklmnop --draws 400\n",
    .options = options,
    .size = sizeof(struct values),
    .least = 1,
    .most = 1,
    .remote = true,
    .run = extend,
};
