/* client/ffctl/cli.h - what a command of ffctl is, and what it gets from the program: one table entry a command, one file
** a command. Call order: ff_cli_main (main.c) finds the command, reads its options, calls run, prints the error if any. */
#ifndef FF_CLIENT_CLI_H
#define FF_CLIENT_CLI_H

#include <stdbool.h>
#include <stddef.h>

#include "client/ffctl/config.h"
#include "client/ffctl/options.h"
#include "common/err.h"

struct ff_cli {
    bool json;               /* machine output */
    bool colour_out;         /* stdout may be coloured */
    bool colour_err;         /* stderr may be coloured */
    bool terminal_err;       /* stderr is a terminal that can redraw a line */
    struct ff_access access; /* of commands that talk to a server */
    ff_ctx ctx;              /* the error, when run returns one */
};

struct ff_command {
    const char *name, *summary;
    const char *usage;               /* arguments and most used options, on one line */
    const char *examples;            /* lines */
    const struct ff_option *options; /* NULL: none of its own */
    const void *defaults;            /* the values the options start from, `size` bytes; NULL: zeros */
    size_t size;
    int least, most; /* how many arguments */
    bool remote;     /* talks to a server: takes --server, --token-file, --ca-file and --context too */
    /* Returns the exit code; where that comes from an error, cli->ctx holds it and is printed by the caller. */
    int (*run)(struct ff_cli *cli, const void *values, const char *const *args, int nargs);
};

extern const struct ff_command ff_command_run, ff_command_describe, ff_command_export, ff_command_catalog,
    ff_command_convert, ff_command_mock_catalog, ff_command_version, ff_command_help, ff_command_submit, ff_command_ls,
    ff_command_get, ff_command_watch, ff_command_wait, ff_command_logs, ff_command_cancel, ff_command_retry,
    ff_command_extend, ff_command_download, ff_command_upload, ff_command_workers, ff_command_users, ff_command_tokens,
    ff_command_usage, ff_command_login, ff_command_completion;

/* Options every command takes, and those of commands that talk to a server (commands.c): for help and completion. */
const struct ff_option *ff_common_options(bool remote);

/* The table: every command; those that need a server after the others. NULL ends it. */
const struct ff_command *const *ff_commands(void);
/* NULL: no such command. */
const struct ff_command *ff_command_find(const char *name);

/* What main returns. */
int ff_cli_main(int argc, char **argv);

/* Exit code of an error that is in cli->ctx. */
int ff_cli_failed(const struct ff_cli *cli);

/* Writes an object to stdout as JSON and gives up the reference; returns the exit code. */
struct json_t;
int ff_cli_json(struct ff_cli *cli, struct json_t *object);

#endif
