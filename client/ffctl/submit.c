/* client/ffctl/submit.c - `ffctl submit JOB.json`: datasets first, then the job; prints its id and nothing else on stdout.
** A random idempotency key goes with it, so that a broken connection never makes two jobs. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/ffctl/cli.h"
#include "client/ffctl/datasets.h"
#include "client/ffctl/job_show.h"
#include "client/ffctl/reading.h"
#include "client/ffctl/watching.h"
#include "common/job.h"
#include "common/publish.h"

struct values {
    bool wait, follow, dry_run;
    const char *key;
    double patience_s;
};

static const struct ff_option options[] = {
    {"wait", 0, FF_OPTION_FLAG, offsetof(struct values, wait), .help = "until the job has ended; its exit code"},
    {"follow", 0, FF_OPTION_FLAG, offsetof(struct values, follow), .help = "the same, showing its progress"},
    {"dry-run", 'n', FF_OPTION_FLAG, offsetof(struct values, dry_run),
     .help = "submit nothing: is it valid, which tasks, how much memory, what cost"},
    {"idempotency-key", 0, FF_OPTION_TEXT, offsetof(struct values, key), "KEY",
     .help = "the same key again gives the same job (default: random)"},
    {"patience", 0, FF_OPTION_REAL, offsetof(struct values, patience_s), "S", .low = 0.1, .high = 1e6,
     .help = "with --wait, --follow: give up when the server is silent for so many seconds (default: 60)"},
    {0}};

static const struct values defaults = {.patience_s = 60};

static ff_err read_stream(json_t **job, FILE *file, const char *name, ff_ctx *ctx)
{
    char *text = malloc(FF_JOB_MAX_BYTES + 1);
    if (!text) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory to read %s", name);
    size_t size = fread(text, 1, FF_JOB_MAX_BYTES + 1, file);
    ff_err err = ferror(file) ? ff_errno_fail(ctx, errno, "cannot read", name) : ff_json_parse(job, text, size, ctx);
    free(text);
    if (!err && !json_is_object(*job)) {
        err = ff_fail(ctx, FF_EBADJOB, FF_HERE, "the job is no JSON object");
        json_decref(*job);
        *job = NULL;
    }
    if (err) ff_note(ctx, FF_HERE, "while reading %s", name);
    return err;
}

/* The job as written, and the folder its paths are relative to (malloc'ed). */
static ff_err read_job(json_t **job, char **folder, const char *path, ff_ctx *ctx)
{
    FILE *file;
    long size;
    *job = NULL;
    const char *slash = strrchr(path, '/');
    *folder = !slash ? strdup(".") : slash == path ? strdup("") : strndup(path, (size_t)(slash - path));
    if (!*folder) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory to read %s", path);
    if (strcmp(path, "-") == 0) return read_stream(job, stdin, "the standard input", ctx);
    ff_err err = ff_open_regular(&file, path, &size, ctx);
    if (err) return err;
    err = read_stream(job, file, path, ctx);
    fclose(file);
    return err;
}

static ff_err post(struct ff_remote *r, const json_t *job, const char *path, const char *key, json_t **answer)
{
    char *text = json_dumps(job, JSON_COMPACT);
    if (!text) return ff_fail(&r->cli->ctx, FF_ENOMEM, FF_HERE, "no memory for a job");
    struct ff_client_request request = {.method = "POST",
                                        .path = path,
                                        .content_type = "application/json",
                                        .body = text,
                                        .body_size = strlen(text),
                                        .idempotency_key = key};
    ff_err err = ff_client_call(r->client, &request, answer, &r->cli->ctx);
    free(text);
    if (!err && !json_is_object(*answer))
        err = ff_fail(&r->cli->ctx, FF_ESERVER, FF_HERE, "the server took the job and said nothing of it");
    return err;
}

static void print_number(const char *name, const json_t *value, double unit, const char *unit_name)
{
    if (json_is_number(value)) printf("%-11s %.6g%s\n", name, json_number_value(value) / unit, unit_name);
}

/* Names of tasks may be thousands: the first and the last of them. */
static void print_tasks(const json_t *plan)
{
    const json_t *tasks = json_object_get(plan, "tasks");
    size_t n = json_array_size(tasks);
    json_int_t all = json_integer_value(json_object_get(plan, "ntasks"));
    printf("%-11s %" JSON_INTEGER_FORMAT, "tasks", all > 0 ? all : (json_int_t)n);
    if (n > 0) printf(": %s", ff_text_of(json_array_get(tasks, 0), "name"));
    if (n > 2) fputs(" ..", stdout);
    if (n > 1) printf(" %s", ff_text_of(json_array_get(tasks, n - 1), "name"));
    putchar('\n');
}

static void print_plan(const json_t *plan)
{
    const char *key;
    json_t *value;
    size_t i;
    print_tasks(plan);
    print_number("memory", json_object_get(plan, "memory_bytes"), 1e6, " MB");
    print_number("disk", json_object_get(plan, "disk_bytes"), 1e6, " MB");
    json_object_foreach(json_object_get(plan, "cost"), key, value) print_number(key, value, 1, "");
    json_array_foreach(json_object_get(plan, "datasets"), i, value)
    {
        printf("%-11s %s%s\n", "dataset", ff_text_of(value, "file"),
               json_is_string(json_object_get(value, "id")) ? ": the server has it" : ": would be sent");
    }
}

static int show_plan(struct ff_cli *cli, json_t *plan, json_t *report)
{
    json_object_update(plan, report);
    if (cli->json) return ff_cli_json(cli, plan);
    print_plan(plan);
    json_decref(plan);
    return 0;
}

/* stdout has the id at once: whoever reads it need not wait. */
static void announce(struct ff_cli *cli, const json_t *answer)
{
    if (cli->json) {
        json_dumpf(answer, stdout, JSON_COMPACT);
        putchar('\n');
    } else {
        printf("%s\n", ff_text_of(answer, "id"));
    }
    fflush(stdout);
}

static ff_err stay(struct ff_remote *r, const struct values *v, const char *id, int *code)
{
    json_t *job;
    struct ff_watching how = {.patience_s = v->patience_s, .quiet = !v->follow};
    ff_err err = ff_watch(r, id, &how, &job);
    if (err) {
        ff_watch_left(r, err, id);
        return err;
    }
    *code = ff_job_verdict(r->cli, job);
    if (!r->cli->json) ff_job_next(stderr, job);
    json_decref(job);
    return FF_OK;
}

/* The job with its datasets in place goes out; *code is the command's. */
static ff_err submit_placed(struct ff_remote *r, const struct values *v, const json_t *job, json_t *report, int *code)
{
    char made[FF_KEY_SIZE];
    json_t *answer = NULL;
    ff_err err = v->dry_run || v->key ? FF_OK : ff_key_make(made, &r->cli->ctx);
    if (!err) {
        err = post(r, job, v->dry_run ? "/v1/jobs?dry_run=1" : "/v1/jobs",
                   v->dry_run ? NULL
                   : v->key   ? v->key
                              : made,
                   &answer);
    }
    if (!err && v->dry_run) {
        *code = show_plan(r->cli, answer, report);
        return FF_OK;
    }
    const char *id = ff_text_of(answer, "id");
    if (!err && !ff_is_id("job_", id)) {
        err = ff_fail(&r->cli->ctx, FF_ESERVER, FF_HERE, "the server took the job and gave no id");
    }
    if (!err) announce(r->cli, answer);
    if (!err && (v->wait || v->follow)) {
        err = stay(r, v, id, code);
    } else if (!err && !r->cli->json) {
        fprintf(stderr, "\nnext: ffctl watch %s\n", id);
    }
    json_decref(answer);
    return err;
}

static int submit(struct ff_cli *cli, const void *values, const char *const *args, int nargs)
{
    (void)nargs;
    const struct values *v = values;
    struct ff_remote r;
    json_t *job = NULL, *report = json_object();
    char *folder = NULL;
    int code = 0;
    ff_err err = read_job(&job, &folder, args[0], &cli->ctx);
    if (!err) err = ff_remote_open(&r, cli);
    if (err) {
        code = ff_cli_failed(cli);
    } else {
        err = ff_datasets_place(&r, job, folder, v->dry_run, report);
        if (!err) err = submit_placed(&r, v, job, report, &code);
        code = ff_remote_end(&r, err, code);
    }
    json_decref(report);
    json_decref(job);
    free(folder);
    return code;
}

const struct ff_command ff_command_submit = {
    .name = "submit",
    .summary = "send a job, and its datasets, to a server; prints the job's id",
    .usage = "JOB.json|- [--wait | --follow] [--dry-run]",
    .examples = "  ffctl submit examples/lsst-y10-small.json\n"
                "  ffctl submit examples/cosmos.json --follow\n"
                "  ffctl submit examples/cosmos.json --dry-run\n"
                "  id=$(ffctl submit job.json) && ffctl wait $id && ffctl download $id\n",
    .options = options,
    .defaults = &defaults,
    .size = sizeof defaults,
    .least = 1,
    .most = 1,
    .remote = true,
    .run = submit,
};
