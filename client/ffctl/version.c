/* client/ffctl/version.c - `ffctl version [--check]`. */
#include "common/version.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "client/ffctl/cli.h"
#include "client/ffctl/worker.h"

struct values {
    bool check;
};

static const struct ff_option options[] = {{"check", 0, FF_OPTION_FLAG, offsetof(struct values, check),
                                            .help = "is the ffworker that would be run of the same build?"},
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
    ff_err err = ff_worker_find(program, ctx);
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

static int version(struct ff_cli *cli, const void *values, const char *const *args, int nargs)
{
    (void)args;
    (void)nargs;
    const struct values *v = values;
    char *program = NULL;
    struct answer answer = {0};
    if (v->check && ask_worker(&program, &answer, &cli->ctx)) {
        free(program);
        return ff_cli_failed(cli);
    }
    bool same = !v->check || strstr(answer.line, ff_build_id());
    if (cli->json) {
        json_t *object =
            json_pack("{ss ss ss}", "version", ff_version(), "build", ff_build_id(), "cpu_class", ff_cpu_class());
        if (v->check) {
            json_object_set_new(object, "worker",
                                json_pack("{ss ss sb}", "path", program, "version", answer.line, "same", same));
        }
        int failed = ff_cli_json(cli, object);
        free(program);
        return failed ? failed : same ? 0 : EXIT_MISMATCH;
    }
    printf("ffctl %s (%s, %s)\n", ff_version(), ff_build_id(), ff_cpu_class());
    if (v->check) printf("%s: %s\n", program, answer.line);
    if (!same) fprintf(stderr, "ffctl: error: the worker is of another build; build both with one 'make'\n");
    free(program);
    return same ? 0 : EXIT_MISMATCH;
}

const struct ff_command ff_command_version = {
    .name = "version",
    .summary = "show which build this is",
    .usage = "[--check]",
    .examples = "  ffctl version\n  ffctl version --check    exit 10 if ffworker is of another build\n",
    .options = options,
    .size = sizeof(struct values),
    .run = version,
};
