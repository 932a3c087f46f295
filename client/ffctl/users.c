/* client/ffctl/users.c - `ffctl users [add NAME | rm ID]`: who may use a server, and how much of it. */
#include <stdio.h>

#include "client/ffctl/cli.h"
#include "client/ffctl/collection.h"
#include "client/ffctl/reading.h"
#include "client/ffctl/remote.h"

struct values {
    bool admin;
    long queued, running, submits;
    double bytes;
};

static const struct ff_option options[] = {
    {"admin", 0, FF_OPTION_FLAG, offsetof(struct values, admin), .help = "add: an administrator"},
    {"queued", 0, FF_OPTION_INT, offsetof(struct values, queued), "N", .low = 1, .high = 1e9,
     .help = "add: most jobs waiting (default: the server's)"},
    {"running", 0, FF_OPTION_INT, offsetof(struct values, running), "N", .low = 1, .high = 1e9,
     .help = "add: most tasks running"},
    {"submits-per-minute", 0, FF_OPTION_INT, offsetof(struct values, submits), "N", .low = 1, .high = 1e9,
     .help = "add: most jobs submitted in a minute"},
    {"bytes", 0, FF_OPTION_REAL, offsetof(struct values, bytes), "B", .low = 1, .high = 1e18,
     .help = "add: most bytes of results and datasets"},
    {0}};

static const struct ff_column columns[] = {{"ID", "id", false},
                                           {"NAME", "name", false},
                                           {"ADMIN", "admin", false},
                                           {"QUEUED", "quotas.queued", true},
                                           {"RUNNING", "quotas.running", true},
                                           {"SUBMITS/MIN", "quotas.submits_per_minute", true},
                                           {"BYTES", "quotas.result_bytes", true},
                                           {"CREATED", "created", false},
                                           {0}};

static json_t *user_object(const struct values *v, const char *name)
{
    json_t *quotas = json_object(), *user = json_pack("{ss sb}", "name", name, "admin", (int)v->admin);
    if (v->queued) json_object_set_new(quotas, "queued", json_integer(v->queued));
    if (v->running) json_object_set_new(quotas, "running", json_integer(v->running));
    if (v->submits) json_object_set_new(quotas, "submits_per_minute", json_integer(v->submits));
    if (v->bytes > 0) json_object_set_new(quotas, "result_bytes", json_integer((json_int_t)v->bytes));
    if (json_object_size(quotas) > 0) json_object_set(user, "quotas", quotas);
    json_decref(quotas);
    return user;
}

static int add(struct ff_cli *cli, const void *values, const char *name)
{
    struct ff_remote r;
    json_t *answer = NULL;
    if (ff_remote_open(&r, cli)) return ff_cli_failed(cli);
    ff_err err = ff_remote_send(&r, "POST", user_object(values, name), NULL, &answer, "/v1/users");
    int code = ff_remote_end(&r, err, 0);
    if (!err && cli->json) return ff_cli_json(cli, answer);
    if (!err) {
        printf("%s\n", ff_text_of(answer, "id"));
        fprintf(stderr, "\nnext: ffctl tokens add %s -o %s.token\n", name, name);
    }
    json_decref(answer);
    return code;
}

static const struct ff_collection collection = {
    .path = "users",
    .rows = "users",
    .columns = columns,
    .verb = "rm",
    .prefix = "us_",
    .what = "a user's id",
    .method = "DELETE",
    .suffix = "",
    .done = "removed: its tokens are revoked, its jobs cancelled",
    .add = add,
    .add_needs_name = true,
    .allowed = "nothing, add NAME, or rm ID",
};

static int users(struct ff_cli *cli, const void *values, const char *const *args, int nargs)
{
    return ff_collection_run(cli, &collection, values, args, nargs);
}

const struct ff_command ff_command_users = {
    .name = "users",
    .summary = "list, add or remove users (admin)",
    .usage = "[add NAME [--admin] [--queued N] .. | rm ID]",
    .examples = "  ffctl users\n"
                "  ffctl users add ada --queued 100 --running 8\n"
                "  ffctl users rm us_0123456789abcdefghijklmnop\n",
    .options = options,
    .size = sizeof(struct values),
    .most = 2,
    .remote = true,
    .run = users,
};
