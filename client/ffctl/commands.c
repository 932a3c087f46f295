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

/* Commands of the contract that are not in this build: named, so that they are refused for what they are. */
static const struct ff_command submit = {.name = "submit", .summary = "send a job to a server"};
static const struct ff_command ls = {.name = "ls", .summary = "list jobs of a server"};
static const struct ff_command get = {.name = "get", .summary = "show one job of a server"};
static const struct ff_command watch = {.name = "watch", .summary = "follow a job's progress"};
static const struct ff_command wait_ = {.name = "wait", .summary = "wait until jobs are done"};
static const struct ff_command logs = {.name = "logs", .summary = "show a job's log"};
static const struct ff_command cancel = {.name = "cancel", .summary = "cancel a job"};
static const struct ff_command retry = {.name = "retry", .summary = "run a job again"};
static const struct ff_command extend = {.name = "extend", .summary = "add draws to a job"};
static const struct ff_command download = {.name = "download", .summary = "fetch a job's result"};
static const struct ff_command upload = {.name = "upload", .summary = "send a dataset to a server"};
static const struct ff_command workers = {.name = "workers", .summary = "list or drain workers"};
static const struct ff_command users = {.name = "users", .summary = "manage users"};
static const struct ff_command tokens = {.name = "tokens", .summary = "manage tokens"};
static const struct ff_command usage = {.name = "usage", .summary = "show what was used"};
static const struct ff_command login = {.name = "login", .summary = "remember a server and its token"};
static const struct ff_command completion = {.name = "completion", .summary = "print shell completions"};

static const struct ff_command *const table[] = {&ff_command_run,
                                                 &ff_command_describe,
                                                 &ff_command_export,
                                                 &ff_command_catalog,
                                                 &ff_command_convert,
                                                 &ff_command_mock_catalog,
                                                 &ff_command_version,
                                                 &ff_command_help,
                                                 &submit,
                                                 &ls,
                                                 &get,
                                                 &watch,
                                                 &wait_,
                                                 &logs,
                                                 &cancel,
                                                 &retry,
                                                 &extend,
                                                 &download,
                                                 &upload,
                                                 &workers,
                                                 &users,
                                                 &tokens,
                                                 &usage,
                                                 &login,
                                                 &completion,
                                                 NULL};

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

static const struct ff_option common_options[] = {
    {"json", 0, FF_OPTION_FLAG, offsetof(struct common, json), .help = "machine output: JSON on stdout"},
    {"no-color", 0, FF_OPTION_FLAG, offsetof(struct common, no_color), .help = "no colours"},
    {"help", 'h', FF_OPTION_FLAG, offsetof(struct common, help), .help = "this help"},
    {0}};

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
        err = ff_options_read(command->options, values, common_options, common, argc, argv, args, &nargs, &cli->ctx);
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

/* Its own options are unknown; the common ones are found among them. */
static int refuse_command(struct ff_cli *cli, const struct ff_command *command, struct common *common, int argc,
                          char **argv)
{
    for (int i = 0; i < argc; i++) {
        common->json |= strcmp(argv[i], "--json") == 0;
        common->no_color |= strcmp(argv[i], "--no-color") == 0;
        common->help |= strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0;
    }
    look_around(cli, common);
    if (common->help) return ff_help_command(cli, command);
    ff_fail_at(&cli->ctx, FF_ENOTBUILT, command->name, FF_HERE, "'%s' (%s) is not in this build", command->name,
               command->summary);
    return ff_cli_failed(cli);
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
    const bool built = command && command->run;
    int code;
    if (built) {
        code = run_command(&cli, command, &common, argc - at - 1, argv + at + 1);
    } else if (command) {
        code = refuse_command(&cli, command, &common, argc - at - 1, argv + at + 1);
    } else {
        for (int i = at + 1; i < argc; i++) cli.json |= strcmp(argv[i], "--json") == 0;
        code = ff_code_exit(no_such_command(name, &cli.ctx));
    }
    code = flush(&cli, code);
    if (cli.ctx.code) ff_complain(&cli, code, built ? command->name : NULL);
    return code;
}
