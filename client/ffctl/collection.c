/* client/ffctl/collection.c - see collection.h. */
#include "client/ffctl/collection.h"

#include <stdio.h>
#include <string.h>

#include "client/ffctl/remote.h"

static int list(struct ff_cli *cli, const struct ff_collection *c)
{
    struct ff_remote r;
    json_t *answer = NULL;
    if (ff_remote_open(&r, cli)) return ff_cli_failed(cli);
    const ff_err err = ff_remote_get(&r, &answer, "/v1/%s", c->path);
    const int code = ff_remote_end(&r, err, 0);
    if (!err && cli->json) return ff_cli_json(cli, answer);
    const json_t *rows = json_object_get(answer, c->rows);
    if (!err && c->none && json_array_size(rows) == 0) {
        fprintf(stderr, "%s\n", c->none);
    } else if (!err) {
        ff_table_print(stdout, rows, c->columns);
    }
    json_decref(answer);
    return code;
}

static int act(struct ff_cli *cli, const struct ff_collection *c, const char *id)
{
    struct ff_remote r;
    json_t *answer = NULL;
    ff_err err = ff_id_check(c->prefix, id, c->what, &cli->ctx);
    if (!err) err = ff_remote_open(&r, cli);
    if (err) return ff_cli_failed(cli);
    err = ff_remote_send(&r, c->method, NULL, NULL, &answer, "/v1/%s/%s%s", c->path, id, c->suffix);
    const int code = ff_remote_end(&r, err, 0);
    json_decref(answer);
    if (err) return code;
    if (cli->json && c->state) return ff_cli_json(cli, json_pack("{ss ss}", "id", id, "state", c->state));
    if (cli->json) return ff_cli_json(cli, json_pack("{ss sb}", "id", id, "removed", 1));
    printf("%s %s\n", id, c->done);
    if (c->next) fprintf(stderr, "\nnext: %s\n", c->next);
    return 0;
}

int ff_collection_run(struct ff_cli *cli, const struct ff_collection *c, const void *values, const char *const *args,
                      int nargs)
{
    if (nargs == 0) return list(cli, c);
    if (c->add && strcmp(args[0], "add") == 0 && (nargs == 2 || !c->add_needs_name))
        return c->add(cli, values, nargs == 2 ? args[1] : NULL);
    if (c->verb && nargs == 2 && strcmp(args[0], c->verb) == 0) return act(cli, c, args[1]);
    ff_fail(&cli->ctx, FF_EUSAGE, FF_HERE, "'%s' is not understood; allowed: %s", args[0], c->allowed);
    return ff_cli_failed(cli);
}
