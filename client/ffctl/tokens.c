/* client/ffctl/tokens.c - `ffctl tokens [add [USER] | rm ID]`. A token is shown once: on stdout, or in a new file of its own
** that only its owner can read. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "client/ffctl/cli.h"
#include "client/ffctl/collection.h"
#include "client/ffctl/reading.h"
#include "client/ffctl/remote.h"
#include "common/publish.h"

struct values {
    const char *label, *out;
};

static const struct ff_option options[] = {
    {"label", 0, FF_OPTION_TEXT, offsetof(struct values, label), "TEXT", .help = "add: what it is for"},
    {"output", 'o', FF_OPTION_TEXT, offsetof(struct values, out), "FILE",
     .help = "add: new file to write it to, mode 0600 (default: stdout)"},
    {0}};

static const struct ff_column columns[] = {
    {"ID", "id", false}, {"USER", "user", false}, {"LABEL", "label", false}, {"CREATED", "created", false}, {0}};

/* A file that must be new is opened before the token is made: afterwards it would be too late to refuse. */
static ff_err open_new(const char *path, int *fd, ff_ctx *ctx)
{
    *fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (*fd >= 0) return FF_OK;
    if (errno == EEXIST) return ff_fail_at(ctx, FF_EUSAGE, path, FF_HERE, "the file is there already");
    return ff_write_fail(ctx, errno, path, strerror(errno));
}

static ff_err write_token(int fd, const char *path, const char *token, ff_ctx *ctx)
{
    if (dprintf(fd, "%s\n", token) < 0 || fsync(fd) != 0) return ff_write_fail(ctx, errno, path, strerror(errno));
    return FF_OK;
}

static ff_err deliver(struct ff_cli *cli, const struct values *v, json_t *answer, int fd)
{
    const char *token = ff_text_of(answer, "token");
    if (!*token) return ff_fail(&cli->ctx, FF_ESERVER, FF_HERE, "the server gave no token");
    if (v->out) {
        ff_err err = write_token(fd, v->out, token, &cli->ctx);
        if (err) return err;
        json_object_del(answer, "token");
        json_object_set_new(answer, "file", json_string(v->out));
    }
    if (cli->json) return ff_cli_json(cli, json_incref(answer)) ? cli->ctx.code : FF_OK;
    if (!v->out) {
        printf("%s\n", token);
        fputs(
            "\nThis is shown once. Keep it in a file of mode 0600; then: ffctl login --server URL --token-file FILE\n",
            stderr);
    } else {
        printf("wrote %s\n", v->out);
        fprintf(stderr, "\nnext, as its owner: ffctl login --server URL --token-file %s\n", v->out);
    }
    return FF_OK;
}

static int add(struct ff_cli *cli, const void *values, const char *user)
{
    const struct values *v = values;
    struct ff_remote r;
    json_t *answer = NULL, *body = json_object();
    int fd = -1, code = 0;
    if (user) json_object_set_new(body, "user", json_string(user));
    if (v->label) json_object_set_new(body, "label", json_string(v->label));
    ff_err err = v->out ? open_new(v->out, &fd, &cli->ctx) : FF_OK;
    if (!err) err = ff_remote_open(&r, cli);
    if (err) {
        json_decref(body);
        code = ff_cli_failed(cli);
    } else {
        err = ff_remote_send(&r, "POST", body, NULL, &answer, "/v1/tokens");
        if (!err) err = deliver(cli, v, answer, fd);
        code = ff_remote_end(&r, err, 0);
    }
    if (fd >= 0) close(fd);
    if (err && fd >= 0) unlink(v->out);
    json_decref(answer);
    return code;
}

static const struct ff_collection collection = {
    .path = "tokens",
    .rows = "tokens",
    .columns = columns,
    .verb = "rm",
    .prefix = "tk_",
    .what = "a token's id",
    .method = "DELETE",
    .suffix = "",
    .done = "revoked",
    .add = add,
    .allowed = "nothing, add [USER], or rm ID",
};

static int tokens(struct ff_cli *cli, const void *values, const char *const *args, int nargs)
{
    return ff_collection_run(cli, &collection, values, args, nargs);
}

const struct ff_command ff_command_tokens = {
    .name = "tokens",
    .summary = "list, make or revoke tokens",
    .usage = "[add [USER] [--label TEXT] [-o FILE] | rm ID]",
    .examples = "  ffctl tokens\n"
                "  ffctl tokens add ada -o ada.token\n"
                "  ffctl tokens rm tk_0123456789abcdefghijklmnop\n",
    .options = options,
    .size = sizeof(struct values),
    .most = 2,
    .remote = true,
    .run = tokens,
};
