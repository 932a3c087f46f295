/* client/ffctl/ls.c - `ffctl ls`: jobs of a server, newest first, page after page until the limit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/ffctl/cli.h"
#include "client/ffctl/reading.h"
#include "client/ffctl/remote.h"
#include "client/ffctl/table.h"

struct values {
    const char *state, *kind;
    long limit;
    bool all, mine;
};

static const struct ff_option options[] = {
    {"state", 0, FF_OPTION_TEXT, offsetof(struct values, state), "STATE",
     "queued|running|cancelling|succeeded|failed|crashed|cancelled", .help = "only jobs in this state"},
    {"kind", 0, FF_OPTION_TEXT, offsetof(struct values, kind), "KIND",
     "simulate|draws|posterior|implicit|spectrum|compare|noop", .help = "only jobs of this kind"},
    {"limit", 0, FF_OPTION_INT, offsetof(struct values, limit), "N", .low = 1, .high = 100000,
     .help = "at most this many, the newest (default: 20)"},
    {"all", 0, FF_OPTION_FLAG, offsetof(struct values, all), .help = "of all users (admin)"},
    {"mine", 0, FF_OPTION_FLAG, offsetof(struct values, mine), .help = "only your own (this is the default)"},
    {0}};

static const struct values defaults = {.limit = 20};

static const struct ff_column columns[] = {
    {"ID", "id", false},     {"STATE", "state", false}, {"REASON", "reason", false},   {"KIND", "kind", false},
    {"NAME", "name", false}, {"USER", "user", false},   {"CREATED", "created", false}, {0}};

enum { PAGE = 200 };

/* One page appended to `jobs`; *cursor (malloc'ed, escaped) is where the next one starts, NULL at the end. */
static ff_err add_page(struct ff_remote *r, const struct values *v, json_t *jobs, char **cursor)
{
    json_t *page;
    long left = v->limit - (long)json_array_size(jobs);
    ff_err err = ff_remote_get(r, &page, "/v1/jobs?limit=%ld%s%s%s%s%s%s%s", left < PAGE ? left : PAGE,
                               v->state ? "&state=" : "", v->state ? v->state : "", v->kind ? "&kind=" : "",
                               v->kind ? v->kind : "", v->all ? "&all=1" : "", *cursor ? "&cursor=" : "",
                               *cursor ? *cursor : "");
    free(*cursor);
    *cursor = NULL;
    if (err) return err;
    json_array_extend(jobs, json_object_get(page, "jobs"));
    const char *next = ff_text_of(page, "next_cursor");
    if (*next && json_array_size(json_object_get(page, "jobs")) > 0) *cursor = ff_url_escape(next);
    json_decref(page);
    return FF_OK;
}

static int ls(struct ff_cli *cli, const void *values, const char *const *args, int nargs)
{
    (void)args;
    (void)nargs;
    const struct values *v = values;
    struct ff_remote r;
    char *cursor = NULL;
    if (v->all && v->mine) {
        ff_fail(&cli->ctx, FF_EUSAGE, FF_HERE, "--all and --mine exclude each other");
        return ff_cli_failed(cli);
    }
    if (ff_remote_open(&r, cli)) return ff_cli_failed(cli);
    json_t *jobs = json_array();
    ff_err err = jobs ? FF_OK : ff_fail(&cli->ctx, FF_ENOMEM, FF_HERE, "no memory");
    do {
        if (!err) err = add_page(&r, v, jobs, &cursor);
    } while (!err && cursor && json_array_size(jobs) < (size_t)v->limit);
    const bool more = cursor != NULL;
    free(cursor);
    int code = ff_remote_end(&r, err, 0);
    if (!err && cli->json) return ff_cli_json(cli, json_pack("{so sb}", "jobs", jobs, "more", more));
    if (!err && json_array_size(jobs) == 0) {
        fputs("no jobs; 'ffctl submit JOB.json' sends one\n", stderr);
    } else if (!err) {
        ff_table_print(stdout, jobs, columns);
        if (more) fprintf(stderr, "\nthere are more: --limit %ld\n", 10 * v->limit);
    }
    json_decref(jobs);
    return code;
}

const struct ff_command ff_command_ls = {
    .name = "ls",
    .summary = "list jobs, newest first",
    .usage = "[--state STATE] [--kind KIND] [--all] [--limit N]",
    .examples = "  ffctl ls\n"
                "  ffctl ls --state running\n"
                "  ffctl ls --json | jq -r '.jobs[].id'\n",
    .options = options,
    .defaults = &defaults,
    .size = sizeof defaults,
    .remote = true,
    .run = ls,
};
