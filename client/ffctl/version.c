/* client/ffctl/version.c - `ffctl version [--check]`. */
#include "common/version.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "client/ffctl/cli.h"
#include "client/ffctl/reading.h"
#include "client/ffctl/remote.h"
#include "client/ffctl/worker.h"
#include "common/program.h"

struct values {
    bool check;
};

static const struct ff_option options[] = {
    {"check", 0, FF_OPTION_FLAG, offsetof(struct values, check),
     .help = "are the ffworker beside it, and the server if one is named, of the same version?"},
    {0}};

enum { EXIT_MISMATCH = 10 };

/* The first line of the worker's answer. */
struct answer {
    char line[256];
};

static void on_line(void *self, const char *line, size_t size)
{
    struct answer *a = self;
    if (!a->line[0])
        snprintf(a->line, sizeof a->line, "%.*s",
                 (int)strcspn(line, "\n") < (int)size ? (int)strcspn(line, "\n") : (int)size, line);
}

static void on_words(void *self, const char *bytes, size_t size)
{
    (void)self;
    fwrite(bytes, 1, size, stderr);
}

static void on_stopping(void *self, bool again)
{
    (void)self;
    (void)again;
}

static ff_err ask_worker(char **program, struct answer *answer, ff_ctx *ctx)
{
    struct ff_signals signals = {.fd = -1};
    struct ff_worker worker = {0};
    struct ff_listener listener = {.self = answer, .line = on_line, .words = on_words, .stopping = on_stopping};
    ff_err err = ff_program_find(program, "ffworker", ctx);
    if (err) return err;
    char *argv[] = {*program, "--version", NULL};
    err = ff_signals_hold(&signals, ctx);
    if (!err) err = ff_worker_start(&worker, argv, &signals, ctx);
    if (!err) err = ff_worker_follow(&worker, &signals, &listener, ctx);
    ff_signals_release(&signals);
    if (!err && !(WIFEXITED(worker.status) && WEXITSTATUS(worker.status) == 0)) {
        err = ff_fail(ctx, FF_EIO, FF_HERE, "'%s --version' failed", *program);
    }
    return err;
}

/* What was asked, and whether it fits. */
struct check {
    char *program;
    struct answer worker;
    json_t *server; /* NULL: none is named */
    bool same_build, same_version;
};

static ff_err ask_server(struct ff_cli *cli, struct check *check, int *code)
{
    struct ff_remote r;
    ff_err err = ff_remote_open(&r, cli);
    if (err) {
        *code = ff_cli_failed(cli);
        return err;
    }
    err = ff_remote_get(&r, &check->server, "/v1/version");
    *code = ff_remote_end(&r, err, 0);
    return err;
}

/* The worker runs the same code, so it has to be the same build; a server is spoken to over a stable interface, so its
** version decides. */
static ff_err ask_all(struct ff_cli *cli, struct check *check, int *code)
{
    ff_err err = ask_worker(&check->program, &check->worker, &cli->ctx);
    *code = err ? ff_cli_failed(cli) : 0;
    if (!err && ff_target_named(&cli->access)) err = ask_server(cli, check, code);
    check->same_build = strstr(check->worker.line, ff_build_id()) != NULL;
    check->same_version = !check->server || strcmp(ff_text_of(check->server, "version"), ff_version()) == 0;
    return err;
}

static int show_json(struct ff_cli *cli, const struct check *check)
{
    json_t *object =
        json_pack("{ss ss ss}", "version", ff_version(), "build", ff_build_id(), "cpu_class", ff_cpu_class());
    if (check->program) {
        json_object_set_new(object, "worker",
                            json_pack("{ss ss sb}", "path", check->program, "version", check->worker.line, "same",
                                      (int)check->same_build));
    }
    if (check->server) {
        json_object_set_new(object, "server", json_incref(check->server));
        json_object_set_new(object, "server_fits", json_boolean(check->same_version));
    }
    return ff_cli_json(cli, object);
}

static int version(struct ff_cli *cli, const void *values, const char *const *args, int nargs)
{
    (void)args;
    (void)nargs;
    const struct values *v = values;
    struct check check = {.same_build = true, .same_version = true};
    int code = 0;
    ff_err err = v->check ? ask_all(cli, &check, &code) : FF_OK;
    if (!err && cli->json) {
        code = show_json(cli, &check);
    } else if (!err) {
        printf("ffctl %s (%s, %s)\n", ff_version(), ff_build_id(), ff_cpu_class());
        if (check.program) printf("%s: %s\n", check.program, check.worker.line);
        if (check.server) {
            printf("server: %s (%s)\n", ff_text_of(check.server, "version"), ff_text_of(check.server, "build"));
        }
        if (!check.same_build)
            fputs("ffctl: error: the worker is of another build; build both with one 'make'\n", stderr);
        if (!check.same_version) fputs("ffctl: error: the server is of another version\n", stderr);
    }
    free(check.program);
    json_decref(check.server);
    return code ? code : check.same_build && check.same_version ? 0 : EXIT_MISMATCH;
}

const struct ff_command ff_command_version = {
    .name = "version",
    .summary = "show which build this is",
    .usage = "[--check]",
    .examples = "  ffctl version\n  ffctl version --check    exit 10 if ffworker or the server does not fit\n",
    .options = options,
    .size = sizeof(struct values),
    .remote = true,
    .run = version,
};
