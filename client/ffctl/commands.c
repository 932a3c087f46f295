/* client/ffctl/commands.c - the table of commands, and how one is found and called (cli.h). */
#include "client/ffctl/cli.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/ffctl/complain.h"
#include "client/ffctl/help.h"

static const struct ff_command *const table[] = {&ff_command_run,        &ff_command_describe,
                                                 &ff_command_export,     &ff_command_catalog,
                                                 &ff_command_convert,    &ff_command_mock_catalog,
                                                 &ff_command_submit,     &ff_command_ls,
                                                 &ff_command_get,        &ff_command_watch,
                                                 &ff_command_wait,       &ff_command_logs,
                                                 &ff_command_cancel,     &ff_command_retry,
                                                 &ff_command_extend,     &ff_command_download,
                                                 &ff_command_upload,     &ff_command_workers,
                                                 &ff_command_users,      &ff_command_tokens,
                                                 &ff_command_usage,      &ff_command_login,
                                                 &ff_command_completion, &ff_command_version,
                                                 &ff_command_help,       NULL};

const struct ff_command *const *ff_commands(void)
{
    return table;
}

const struct ff_command *ff_command_find(const char *name)
{
    for (const struct ff_command *const *c = table; *c; c++) {
        if (strcmp((*c)->name, name) == 0) return *c;
    }
    return NULL;
}

int ff_cli_failed(const struct ff_cli *cli)
{
    return ff_code_exit(cli->ctx.code);
}

int ff_cli_json(struct ff_cli *cli, json_t *object)
{
    int failed = !object || json_dumpf(object, stdout, JSON_INDENT(2)) != 0 || putchar('\n') == EOF;
    json_decref(object);
    if (!failed) return 0;
    ff_fail(&cli->ctx, FF_EIO, FF_HERE, "cannot write JSON to the standard output");
    return ff_cli_failed(cli);
}

/* Options every command takes. */
struct common {
    bool json, no_color, help;
    struct ff_access access;
};

static bool coloured(int fd, bool refused)
{
    const char *no_color = getenv("NO_COLOR"), *term = getenv("TERM");
    return !refused && isatty(fd) && !(no_color && *no_color) && !(term && strcmp(term, "dumb") == 0);
}

static void look_around(struct ff_cli *cli, const struct common *common)
{
    const char *term = getenv("TERM");
    cli->json = common->json;
    cli->access = common->access;
    cli->colour_out = coloured(STDOUT_FILENO, common->no_color);
    cli->colour_err = coloured(STDERR_FILENO, common->no_color);
    cli->terminal_err = isatty(STDERR_FILENO) && !(term && strcmp(term, "dumb") == 0);
}

/* The nearest known command, for one that does not exist. */
static ff_err no_such_command(const char *name, ff_ctx *ctx)
{
    if (name[0] == '-')
        return ff_fail(ctx, FF_EUSAGE, FF_HERE,
                       "'%s' stands before the command; only --json, --no-color, --help and --version may", name);
    const char *names[sizeof table / sizeof *table];
    size_t n = 0;
    for (const struct ff_command *const *c = table; *c; c++) names[n++] = (*c)->name;
    names[n] = NULL;
    const char *near = ff_nearest(name, names);
    if (near) return ff_fail(ctx, FF_EUSAGE, FF_HERE, "no command '%s'; did you mean '%s'?", name, near);
    return ff_fail(ctx, FF_EUSAGE, FF_HERE, "no command '%s'", name);
}

static ff_err count_args(const struct ff_command *command, int nargs, ff_ctx *ctx)
{
    if (nargs >= command->least && nargs <= command->most) return FF_OK;
    return ff_fail(ctx, FF_EUSAGE, FF_HERE, "%s %d argument%s given; usage: ffctl %s %s",
                   nargs < command->least ? "too few:" : "too many:", nargs, nargs == 1 ? "" : "s", command->name,
                   command->usage);
}

/* Those for a server first: a command without one starts after them. */
static const struct ff_option common_options[] = {
    {"server", 0, FF_OPTION_TEXT, offsetof(struct common, access.server), "URL",
     .help = "http://HOST:PORT, https://HOST or unix:/PATH"},
    {"token-file", 0, FF_OPTION_TEXT, offsetof(struct common, access.token_file), "FILE",
     .help = "file with the token, readable by its owner only"},
    {"ca-file", 0, FF_OPTION_TEXT, offsetof(struct common, access.ca_file), "FILE",
     .help = "certificates to trust (default: the system's)"},
    {"context", 0, FF_OPTION_TEXT, offsetof(struct common, access.context), "NAME",
     .help = "a server remembered by 'ffctl login' (default: the current one)"},
    {"json", 0, FF_OPTION_FLAG, offsetof(struct common, json), .help = "machine output: JSON on stdout"},
    {"no-color", 0, FF_OPTION_FLAG, offsetof(struct common, no_color), .help = "no colours"},
    {"help", 'h', FF_OPTION_FLAG, offsetof(struct common, help), .help = "this help"},
    {0}};
enum { SERVER_OPTIONS = 4 };

const struct ff_option *ff_common_options(bool remote)
{
    return remote ? common_options : common_options + SERVER_OPTIONS;
}

/* `common`: what stood before the command. */
static int run_command(struct ff_cli *cli, const struct ff_command *command, struct common *common, int argc,
                       char **argv)
{
    const char *args[FF_MAX_ARGS];
    int nargs = 0, code = 0;
    void *values = calloc(1, command->size + 1);
    ff_err err = values ? FF_OK : ff_fail(&cli->ctx, FF_ENOMEM, FF_HERE, "no memory for the options");
    if (!err && command->defaults) memcpy(values, command->defaults, command->size);
    if (!err) {
        err = ff_options_read(command->options, values, ff_common_options(command->remote), common, argc, argv, args,
                              &nargs, &cli->ctx);
    }
    look_around(cli, common);
    if (!err && common->help) {
        code = ff_help_command(cli, command);
    } else {
        if (!err) err = count_args(command, nargs, &cli->ctx);
        code = err ? ff_cli_failed(cli) : command->run(cli, values, args, nargs);
    }
    free(values);
    return code;
}

/* The common options that stand before the command; returns how many. */
static int take_common(struct common *common, int argc, char **argv)
{
    int n = 0;
    for (; n < argc; n++) {
        bool json = strcmp(argv[n], "--json") == 0, no_color = strcmp(argv[n], "--no-color") == 0;
        if (!json && !no_color) break;
        common->json |= json;
        common->no_color |= no_color;
    }
    return n;
}

/* What was printed may still wait in a buffer for a disk that is full. */
static int flush(struct ff_cli *cli, int code)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout)) return code;
    if (cli->ctx.code) return code;
    ff_fail(&cli->ctx, errno == ENOSPC ? FF_EDISKFULL : FF_EIO, FF_HERE, "cannot write to the standard output: %s",
            strerror(errno));
    return ff_cli_failed(cli);
}

int ff_cli_main(int argc, char **argv)
{
    struct ff_cli cli = {0};
    struct common common = {0};
    const int at = 1 + take_common(&common, argc - 1, argv + 1);
    look_around(&cli, &common);
    if (at >= argc) {
        ff_help_print_all(stderr);
        return ff_code_exit(FF_EUSAGE);
    }
    const char *name = argv[at];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) name = "help";
    if (strcmp(name, "--version") == 0) name = "version";
    const struct ff_command *command = ff_command_find(name);
    int code;
    if (command) {
        code = run_command(&cli, command, &common, argc - at - 1, argv + at + 1);
    } else {
        for (int i = at + 1; i < argc; i++) cli.json |= strcmp(argv[i], "--json") == 0;
        code = ff_code_exit(no_such_command(name, &cli.ctx));
    }
    code = flush(&cli, code);
    if (cli.ctx.code) ff_complain(&cli, code, command ? command->name : NULL);
    return code;
}
