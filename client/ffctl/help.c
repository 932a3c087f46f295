/* client/ffctl/help.c - `ffctl help [COMMAND|exit-codes]`. */
#include "client/ffctl/help.h"

#include <jansson.h>
#include <string.h>

#include "common/version.h"

/* Exit codes of ffctl, ffworker and the server alike. Which errors give which code is proto/errors.def. */
static const struct {
    int code;
    const char *meaning;
} exit_codes[] = {
    {0, "success; run: the job succeeded"},
    {1, "any other failure (local disk, a check out of tolerance, an internal error)"},
    {2, "usage error, or a job or file that is missing or refused before any work, or not in this build"},
    {3, "the job failed or crashed"},
    {4, "authentication needed or denied"},
    {5, "not found"},
    {6, "the job was cancelled"},
    {7, "timed out waiting; the job still runs"},
    {8, "conflict, quota, or no room (memory, disk)"},
    {9, "server unreachable"},
    {10, "version mismatch"},
    {130, "interrupted by Ctrl-C; run: a checkpoint is kept"},
    {143, "terminated; run: a checkpoint is kept"},
};
enum { NCODES = sizeof exit_codes / sizeof *exit_codes };

static int help_exit_codes(struct ff_cli *cli)
{
    json_t *list = json_array();
    for (int i = 0; i < NCODES; i++) {
        if (!cli->json) printf("%4d  %s\n", exit_codes[i].code, exit_codes[i].meaning);
        json_t *errors = json_array();
        for (ff_err e = FF_OK + 1; e < FF_NCODES; e++) {
            if (ff_code_exit(e) != exit_codes[i].code) continue;
            if (!cli->json) printf("      %-18s %s\n", ff_code_slug(e), ff_code_title(e));
            json_array_append_new(errors, json_string(ff_code_slug(e)));
        }
        json_array_append_new(list, json_pack("{si ss so}", "code", exit_codes[i].code, "meaning",
                                              exit_codes[i].meaning, "errors", errors));
    }
    if (cli->json) return ff_cli_json(cli, json_pack("{so}", "exit_codes", list));
    json_decref(list);
    return 0;
}

static void print_group(FILE *out, const char *title, bool remote)
{
    fprintf(out, "\n%s\n", title);
    for (const struct ff_command *const *c = ff_commands(); *c; c++) {
        if ((*c)->remote == remote) fprintf(out, "  %-13s %s\n", (*c)->name, (*c)->summary);
    }
}

void ff_help_print_all(FILE *out)
{
    fprintf(out,
            "ffctl %s: full-field weak-lensing inference from the command line\n"
            "\n"
            "  ffctl run examples/lsst-y10-small.json                    run a job here and follow it\n"
            "  ffctl login --server URL --token-file FILE                use a server from now on\n"
            "  ffctl submit examples/lsst-y10-small.json --follow        run a job there\n",
            ff_version());
    print_group(out, "Commands", false);
    print_group(out, "Commands for a server", true);
    fputs(
        "\n'ffctl help COMMAND' shows one with examples, 'ffctl help exit-codes' what it returns.\n"
        "Every command takes --json, --no-color and --help; those for a server take --server, --token-file, --ca-file\n"
        "and --context too.\n",
        out);
}

static json_t *command_object(const struct ff_command *command)
{
    json_t *options = json_array();
    for (const struct ff_option *o = command->options; o && o->name; o++) {
        json_array_append_new(options, json_pack("{ss ss? ss? ss}", "name", o->name, "value", o->value, "choices",
                                                 o->choices, "help", o->help));
    }
    return json_pack("{ss ss sb ss? so}", "name", command->name, "summary", command->summary, "built", 1, "usage",
                     command->usage, "options", options);
}

static int help_all(struct ff_cli *cli)
{
    if (!cli->json) {
        ff_help_print_all(stdout);
        return 0;
    }
    json_t *list = json_array();
    for (const struct ff_command *const *c = ff_commands(); *c; c++) json_array_append_new(list, command_object(*c));
    return ff_cli_json(cli, json_pack("{ss so}", "version", ff_version(), "commands", list));
}

static void print_option(const struct ff_option *o)
{
    char left[64], letter[8] = "    ";
    if (o->letter) snprintf(letter, sizeof letter, "-%c, ", o->letter);
    snprintf(left, sizeof left, "%s--%s%s%s", letter, o->name, o->value ? " " : "", o->value ? o->value : "");
    printf("  %-26s %s\n", left, o->help);
}

int ff_help_command(struct ff_cli *cli, const struct ff_command *command)
{
    if (cli->json) return ff_cli_json(cli, command_object(command));
    printf("ffctl %s: %s\n", command->name, command->summary);
    printf("\nExamples\n%s\nUsage\n  ffctl %s %s\n", command->examples, command->name, command->usage);
    if (command->options) puts("\nOptions");
    for (const struct ff_option *o = command->options; o && o->name; o++) print_option(o);
    puts(command->remote ? "\nOptions of every command, and of those that talk to a server"
                         : "\nOptions of every command");
    for (const struct ff_option *o = ff_common_options(command->remote); o->name; o++) print_option(o);
    return 0;
}

static int help(struct ff_cli *cli, const void *values, const char *const *args, int nargs)
{
    (void)values;
    if (nargs == 0) return help_all(cli);
    if (strcmp(args[0], "exit-codes") == 0) return help_exit_codes(cli);
    const struct ff_command *command = ff_command_find(args[0]);
    if (command) return ff_help_command(cli, command);
    ff_fail(&cli->ctx, FF_EUSAGE, FF_HERE, "no help about '%s'; 'ffctl help' lists the commands", args[0]);
    return ff_cli_failed(cli);
}

const struct ff_command ff_command_help = {
    .name = "help",
    .summary = "show the commands, one command, or the exit codes",
    .usage = "[COMMAND | exit-codes]",
    .examples = "  ffctl help run\n  ffctl help exit-codes\n",
    .most = 1,
    .run = help,
};
