/* client/ffctl/login.c - `ffctl login`: asks the server whether the token is good, then remembers both as a context. The
** token stays in its file; the config file names it. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/ffctl/cli.h"
#include "client/ffctl/reading.h"
#include "client/ffctl/remote.h"

struct values {
    const char *name, *use, *forget;
    bool list;
};

static const struct ff_option options[] = {
    {"name", 0, FF_OPTION_TEXT, offsetof(struct values, name), "NAME",
     .help = "name of the context (default: default)"},
    {"list", 0, FF_OPTION_FLAG, offsetof(struct values, list), .help = "show the contexts"},
    {"use", 0, FF_OPTION_TEXT, offsetof(struct values, use), "NAME", .help = "make this context the current one"},
    {"forget", 0, FF_OPTION_TEXT, offsetof(struct values, forget), "NAME", .help = "remove this context"},
    {0}};

/* A path that means the same from any folder; malloc'ed, NULL for NULL. */
static char *absolute(const char *path)
{
    char *full = path ? realpath(path, NULL) : NULL;
    return full ? full : path ? strdup(path) : NULL;
}

/* Is this a Fullfield server, and does it take the token? *version is its answer about itself. */
static ff_err ask(struct ff_cli *cli, const char *token, json_t **version, int *code)
{
    struct ff_remote r;
    json_t *jobs = NULL;
    const struct ff_access *a = &cli->access;
    *version = NULL;
    ff_err err = ff_remote_open_at(&r, cli, a->server, token, a->ca_file);
    if (err) {
        *code = ff_cli_failed(cli);
        return err;
    }
    err = ff_remote_get(&r, version, "/v1/version");
    if (!err) err = ff_remote_get(&r, &jobs, "/v1/jobs?limit=1");
    json_decref(jobs);
    *code = ff_remote_end(&r, err, 0);
    return err;
}

/* Reads the config, lets `change` work on it, writes it. */
static ff_err change_config(ff_err (*change)(json_t *config, const void *arg, ff_ctx *ctx), const void *arg,
                            ff_ctx *ctx)
{
    json_t *config;
    char *path = NULL;
    ff_err err = ff_config_read(&config, &path, ctx);
    if (!err) err = change(config, arg, ctx);
    if (!err) err = ff_config_write(config, path, ctx);
    json_decref(config);
    free(path);
    return err;
}

struct addition {
    const char *name;
    const struct ff_access *access;
};

static ff_err add_context(json_t *config, const void *arg, ff_ctx *ctx)
{
    const struct addition *a = arg;
    char *token_file = absolute(a->access->token_file), *ca_file = absolute(a->access->ca_file);
    json_t *context =
        json_pack("{ss so* so*}", "server", a->access->server, "token_file",
                  token_file ? json_string(token_file) : NULL, "ca_file", ca_file ? json_string(ca_file) : NULL);
    bool done = context && json_object_set_new(json_object_get(config, "contexts"), a->name, context) == 0 &&
                json_object_set_new(config, "current", json_string(a->name)) == 0;
    free(token_file);
    free(ca_file);
    return done ? FF_OK : ff_fail(ctx, FF_EUSAGE, FF_HERE, "the names of context and files have to be UTF-8 text");
}

static ff_err known(const json_t *config, const char *name, ff_ctx *ctx)
{
    if (json_object_get(json_object_get(config, "contexts"), name)) return FF_OK;
    return ff_fail_at(ctx, FF_EUSAGE, name, FF_HERE, "there is no such context; 'ffctl login --list' shows them");
}

static ff_err use_context(json_t *config, const void *arg, ff_ctx *ctx)
{
    ff_err err = known(config, arg, ctx);
    if (!err) json_object_set_new(config, "current", json_string(arg));
    return err;
}

static ff_err forget_context(json_t *config, const void *arg, ff_ctx *ctx)
{
    ff_err err = known(config, arg, ctx);
    if (err) return err;
    json_object_del(json_object_get(config, "contexts"), arg);
    if (strcmp(ff_text_of(config, "current"), arg) == 0) json_object_del(config, "current");
    return FF_OK;
}

static int list_contexts(struct ff_cli *cli)
{
    json_t *config, *context;
    char *path = NULL;
    const char *name;
    if (ff_config_read(&config, &path, &cli->ctx)) return ff_cli_failed(cli);
    free(path);
    if (cli->json) return ff_cli_json(cli, config);
    json_object_foreach(json_object_get(config, "contexts"), name, context)
    {
        bool current = strcmp(name, ff_text_of(config, "current")) == 0;
        printf("%c %-16s %s\n", current ? '*' : ' ', name, ff_text_of(context, "server"));
    }
    json_decref(config);
    return 0;
}

static int changed(struct ff_cli *cli, ff_err err, const char *name, const char *what)
{
    if (err) return ff_cli_failed(cli);
    if (cli->json) return ff_cli_json(cli, json_pack("{ss ss}", "context", name, "change", what));
    printf("context %s %s\n", name, what);
    return 0;
}

static void warn_of_plain_text(const char *server)
{
    static const char *const here[] = {"http://127.", "http://localhost", "http://[::1]"};
    if (strncmp(server, "http://", 7) != 0) return;
    for (size_t i = 0; i < sizeof here / sizeof *here; i++) {
        if (strncmp(server, here[i], strlen(here[i])) == 0) return;
    }
    fputs("warning: the token crosses the network unencrypted; https:// is better\n", stderr);
}

static int log_in(struct ff_cli *cli, const struct values *v)
{
    const struct ff_access *a = &cli->access;
    json_t *version = NULL;
    char *token = NULL;
    int code = 0;
    struct addition addition = {.name = v->name ? v->name : "default", .access = a};
    if (!a->server) {
        ff_fail(&cli->ctx, FF_EUSAGE, FF_HERE, "--server is missing: http://HOST:PORT, https://HOST or unix:/PATH");
        return ff_cli_failed(cli);
    }
    if (!a->token_file && strncmp(a->server, "unix:", 5) != 0) {
        ff_fail(&cli->ctx, FF_EUSAGE, FF_HERE, "--token-file is missing: a file of mode 0600 with the token");
        return ff_cli_failed(cli);
    }
    if (a->token_file && ff_token_read(&token, a->token_file, &cli->ctx)) return ff_cli_failed(cli);
    if (token) warn_of_plain_text(a->server);
    ff_err err = ask(cli, token, &version, &code);
    if (token) explicit_bzero(token, strlen(token));
    free(token);
    if (err) {
        json_decref(version);
        return code;
    }
    err = change_config(add_context, &addition, &cli->ctx);
    code = changed(cli, err, addition.name, "stored and current");
    if (!code && !cli->json) {
        fprintf(stderr, "Fullfield %s\n\nnext: ffctl submit JOB.json\n", ff_text_of(version, "version"));
    }
    json_decref(version);
    return code;
}

static int login(struct ff_cli *cli, const void *values, const char *const *args, int nargs)
{
    (void)args;
    (void)nargs;
    const struct values *v = values;
    if (v->list + (v->use != NULL) + (v->forget != NULL) > 1) {
        ff_fail(&cli->ctx, FF_EUSAGE, FF_HERE, "--list, --use and --forget exclude each other");
        return ff_cli_failed(cli);
    }
    if (v->list) return list_contexts(cli);
    if (v->use) return changed(cli, change_config(use_context, v->use, &cli->ctx), v->use, "current");
    if (v->forget) return changed(cli, change_config(forget_context, v->forget, &cli->ctx), v->forget, "forgotten");
    return log_in(cli, v);
}

const struct ff_command ff_command_login = {
    .name = "login",
    .summary = "check a server and a token, and remember them",
    .usage = "--server URL --token-file FILE [--name NAME] | --list | --use NAME | --forget NAME",
    .examples = "  ffctl login --server https://fullfield.example.org --token-file ~/.fullfield.token\n"
                "  ffctl login --server http://127.0.0.1:8080 --token-file data/admin.token --name here\n"
                "  ffctl login --list\n"
                "  ffctl login --use here\n",
    .options = options,
    .size = sizeof(struct values),
    .remote = true,
    .run = login,
};
