/* client/ffctl/cancel.c - `ffctl cancel ID`. */
#include <stdio.h>

#include "client/ffctl/cli.h"
#include "client/ffctl/reading.h"
#include "client/ffctl/remote.h"

static int cancel(struct ff_cli *cli, const void *values, const char *const *args, int nargs)
{
    (void)values;
    (void)nargs;
    struct ff_remote r;
    json_t *answer = NULL;
    ff_err err = ff_id_check("job_", args[0], "a job's id", &cli->ctx);
    if (!err) err = ff_remote_open(&r, cli);
    if (err) return ff_cli_failed(cli);
    err = ff_remote_send(&r, "DELETE", NULL, NULL, &answer, "/v1/jobs/%s", args[0]);
    int code = ff_remote_end(&r, err, 0);
    if (err) return code;
    const char *state = *ff_text_of(answer, "state") ? ff_text_of(answer, "state") : "cancelling";
    if (cli->json) {
        code = ff_cli_json(cli, json_pack("{ss ss}", "id", args[0], "state", state));
    } else {
        printf("%s %s\n", args[0], state);
        fprintf(stderr, "\nnext: ffctl wait %s\n", args[0]);
    }
    json_decref(answer);
    return code;
}

const struct ff_command ff_command_cancel = {
    .name = "cancel",
    .summary = "stop a job; what is computed is checkpointed, not delivered",
    .usage = "ID",
    .examples = "  ffctl cancel job_0123456789abcdefghijklmnop\n",
    .least = 1,
    .most = 1,
    .remote = true,
    .run = cancel,
};
