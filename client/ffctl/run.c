/* client/ffctl/run.c - `ffctl run JOB.json`: checks the job, starts a server of its own (private.h), follows the job there, and
** moves the result to its place.
** Stopping: at Ctrl-C or SIGTERM the server's gangs checkpoint; the next run goes on with --resume. Should ffctl be killed, the
** server is told by the kernel and does the same; the lock (lock.h) is held until its gangs are gone. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/ffctl/cli.h"
#include "client/ffctl/datasets.h"
#include "client/ffctl/lock.h"
#include "client/ffctl/private.h"
#include "client/ffctl/reading.h"
#include "client/ffctl/summary.h"
#include "client/ffctl/watching.h"
#include "common/job.h"

struct values {
    const char *out, *backend;
    long ranks, threads;
    double checkpoint_s; /* 0: the worker's default */
    bool resume;
};

static const struct ff_option options[] = {
    {"output", 'o', FF_OPTION_TEXT, offsetof(struct values, out), "FILE",
     .help = "result (default: the job's name with .h5, in this folder)"},
    {"ranks", 0, FF_OPTION_INT, offsetof(struct values, ranks), "R", .low = 1, .high = 65536,
     .help = "ranks (default: the job's)"},
    {"threads", 0, FF_OPTION_INT, offsetof(struct values, threads), "T", .low = 1, .high = 1024,
     .help = "threads (default: the job's, else all cores)"},
    {"backend", 0, FF_OPTION_TEXT, offsetof(struct values, backend), "B", "auto|cpu|cuda", .help = "auto, cpu or cuda"},
    {"checkpoint-every", 0, FF_OPTION_REAL, offsetof(struct values, checkpoint_s), "S", .low = 0.01, .high = 1e6,
     .help = "seconds between the checkpoints of a chain (default: 15)"},
    {"resume", 0, FF_OPTION_FLAG, offsetof(struct values, resume),
     .help = "go on from the checkpoint of an interrupted run"},
    {0}};

enum { LOCK_WAIT_S = 90 };
static const double patience_s = 60;

/* JOB.json -> JOB.h5 in the current folder; malloc'ed. */
static char *default_out(const char *job)
{
    const char *slash = strrchr(job, '/'), *base = slash ? slash + 1 : job, *dot = strrchr(base, '.');
    size_t size = dot && dot != base ? (size_t)(dot - base) : strlen(base);
    char *out = malloc(size + sizeof ".h5");
    if (!out) return NULL;
    memcpy(out, base, size);
    memcpy(out + size, ".h5", sizeof ".h5");
    return out;
}

static void say_next(const char *out, enum ff_kind kind)
{
    fprintf(stderr, "\nnext:\n  ffctl describe %s\n", out);
    if (kind == FF_POSTERIOR) {
        fprintf(stderr, "  ffctl export %s --format corner -o corner.png\n", out);
        fprintf(stderr, "  ffctl export %s --format png --map convergence_mean -o map.png\n", out);
    } else if (kind == FF_DRAWS) {
        fprintf(stderr, "  ffctl export %s --format npy --map draws/theta -o theta.npy\n", out);
    }
}

static int show_result(struct ff_cli *cli, const char *out, enum ff_kind kind)
{
    if (cli->json) return 0;
    json_t *summary;
    if (ff_summary_read(&summary, out, &cli->ctx)) return ff_cli_failed(cli);
    ff_summary_print(summary, stdout, cli->colour_out);
    json_decref(summary);
    fflush(stdout);
    say_next(out, kind);
    return 0;
}

/* What one run needs. */
struct session {
    struct ff_cli *cli;
    struct ff_private server;
    const char *path, *out; /* of the job and of the result */
    enum ff_kind kind;
    bool stopping;
};

/* Chains are one gang each, as far as there are threads for its ranks; what else there is shares a gang's threads. */
static void share_threads(const struct ff_job *job, const struct values *v, struct ff_private_options *o)
{
    const long cores = sysconf(_SC_NPROCESSORS_ONLN);
    long threads = v->threads ? v->threads : job->resources.threads ? job->resources.threads : cores > 0 ? cores : 1;
    long chains = job->kind == FF_POSTERIOR ? job->sampler.chains : 1;
    const long asked = job->resources.ranks, ranks = v->ranks > asked ? v->ranks : asked;
    const long most = threads > ranks ? threads / ranks : 1;
    o->ranks = (int)ranks;
    o->gangs = (int)(chains < most ? chains : most);
    o->threads = (int)(most / o->gangs);
}

static ff_err check_options(const struct values *v, const struct ff_job *job, ff_ctx *ctx)
{
    if (v->ranks > 1 && job->model.simulator != FF_SIM_LPT)
        return ff_fail_at(ctx, FF_ENOTBUILT, "--ranks", FF_HERE,
                          "more than one rank of this simulator is not in this build; the simulator lpt takes more");
    if (v->backend && strcmp(v->backend, "cuda") == 0)
        return ff_fail_at(ctx, FF_ENOTBUILT, "--backend", FF_HERE, "cuda is not in this build; auto and cpu are");
    return FF_OK;
}

/* The job for the server: as written, its files sent and replaced by ids. */
static ff_err place_job(struct session *s, json_t **job)
{
    const char *slash = strrchr(s->path, '/');
    json_t *report = json_object();
    char *folder = !slash ? strdup(".") : slash == s->path ? strdup("") : strndup(s->path, (size_t)(slash - s->path));
    *job = json_load_file(s->path, JSON_REJECT_DUPLICATES, NULL);
    ff_err err = *job && folder && report
                     ? FF_OK
                     : ff_fail(&s->cli->ctx, FF_EBADJSON, FF_HERE, "%s changed while it was read", s->path);
    if (!err) err = ff_datasets_place(&s->server.remote, *job, folder, false, report);
    json_decref(report);
    free(folder);
    return err;
}

/* key: the first job of a folder has a fixed one, so that a run killed between the post and the note of its id finds it again. */
static ff_err post(struct session *s, const json_t *job, const char *key, char **id)
{
    json_t *answer;
    ff_err err = ff_remote_send(&s->server.remote, "POST", json_deep_copy(job), key, &answer, "/v1/jobs");
    if (err) return err;
    *id = strdup(ff_text_of(answer, "id"));
    json_decref(answer);
    if (!*id) return ff_fail(&s->cli->ctx, FF_ENOMEM, FF_HERE, "no memory for an id");
    return ff_private_keep_job(&s->server, *id, job);
}

/* Number of the last event but progress and samples: what an earlier run has shown. */
static ff_err last_seen(struct session *s, const char *id, long *seq)
{
    json_t *line;
    ff_err err = ff_remote_get(&s->server.remote, &line, "/v1/jobs/%s/logs?tail=1", id);
    if (err) return err;
    *seq = (long)json_integer_value(json_object_get(line, "seq"));
    json_decref(line);
    return FF_OK;
}

/* The job that --resume goes on with: the kept one if it has not ended otherwise than well, else a new one of the same spec,
** whose chains start anew. */
static ff_err resume_or_post(struct session *s, bool resume, const json_t *job, char **id, long *after)
{
    json_t *kept = NULL;
    char made[FF_KEY_SIZE];
    const char *key = "run";
    ff_err err = resume ? ff_private_kept_job(&s->server, job, id) : FF_OK;
    if (!err && *id) err = ff_remote_get(&s->server.remote, &kept, "/v1/jobs/%s", *id);
    const char *state = ff_text_of(kept, "state");
    if (!err && kept && (!ff_state_ended(state) || ff_state_exit(state) == 0)) {
        err = last_seen(s, *id, after);
    } else if (!err) {
        if (kept) err = ff_key_make(made, &s->cli->ctx);
        if (kept) key = made;
        free(*id);
        *id = NULL;
        if (!err) err = post(s, job, key, id);
    }
    json_decref(kept);
    return err;
}

/* From the placed job to its end; *job: the finished job as the server shows it. */
static ff_err compute(struct session *s, const struct values *v, json_t **finished)
{
    json_t *job = NULL;
    char *id = NULL;
    struct ff_watching how = {.patience_s = patience_s};
    ff_err err = place_job(s, &job);
    if (!err) err = resume_or_post(s, v->resume, job, &id, &how.after);
    if (!err) err = ff_watch(&s->server.remote, id, &how, finished);
    json_decref(job);
    free(id);
    return err;
}

static void on_again(void *self)
{
    const struct session *s = self;
    if (s->cli->json) return;
    fputs("\nkilling the workers; what came after the last checkpoint is lost\n", stderr);
    fflush(stderr);
}

static void say_stopping(const struct session *s)
{
    if (s->cli->json) return; /* it is told at the end */
    fputs("\nstopping: the workers write a checkpoint (again: kill them without one)\n", stderr);
    fflush(stderr);
}

/* How to go on with what is checkpointed, in a sentence for people or as the problem for programs. */
static void say_resume(const struct session *s, const char *what)
{
    if (s->cli->json) {
        ff_fail(&s->cli->ctx, FF_EINTERRUPTED, FF_HERE, "%s; go on with: ffctl run %s -o %s --resume", what, s->path,
                s->out);
    } else {
        ff_ctx_clear(&s->cli->ctx);
        fprintf(stderr, "%s; go on with:\n  ffctl run %s -o %s --resume\n", what, s->path, s->out);
    }
}

/* What a job that was refused before any work leaves behind is of no use; what an earlier run left stays. */
static int conclude(struct session *s, ff_err err, bool resume, const json_t *finished)
{
    struct ff_private *p = &s->server;
    const int stopped = p->remote.stopped;
    int code = 0;
    if (stopped) {
        say_resume(s, "stopped");
        return stopped == SIGINT ? 130 : 143;
    }
    if (err) {
        code = ff_cli_failed(s->cli);
        if (code == ff_code_exit(FF_EUSAGE) && !resume) ff_private_forget(p);
        return code;
    }
    code = ff_job_verdict(s->cli, finished);
    if (code) return code;
    if (ff_private_result(p, finished, s->out)) return ff_cli_failed(s->cli);
    ff_private_forget(p);
    return show_result(s->cli, s->out, s->kind);
}

static int run_server(struct session *s, const struct values *v, const struct ff_private_options *o)
{
    json_t *finished = NULL;
    /* Draws that are computed here come as one file of any size, as from ffworker --job (worker/gang/runner.h). */
    setenv("FF_ASSEMBLE_BYTES", "inf", 1);
    ff_err err = ff_private_start(&s->server, s->cli, o);
    if (!err) err = compute(s, v, &finished);
    err = ff_private_why(&s->server, err);
    if (s->server.remote.stopped) say_stopping(s);
    ff_private_stop(&s->server, on_again, s);
    int code = conclude(s, err, v->resume, finished);
    ff_private_done(&s->server);
    json_decref(finished);
    return code;
}

static int run(struct ff_cli *cli, const void *values, const char *const *args, int nargs)
{
    (void)nargs;
    const struct values *v = values;
    struct ff_lock lock = {.fd = -1};
    struct session s = {.cli = cli, .path = args[0]};
    struct ff_private_options o = {.resume = v->resume, .checkpoint_s = v->checkpoint_s};
    struct ff_job *job;
    char *made = NULL;
    if (ff_job_read(&job, args[0], &cli->ctx)) return ff_cli_failed(cli);
    s.kind = job->kind;
    share_threads(job, v, &o);
    const ff_err refused = check_options(v, job, &cli->ctx);
    ff_job_free(job);
    if (refused) return ff_cli_failed(cli);
    if (!v->out) made = default_out(args[0]);
    s.out = o.out = v->out ? v->out : made;
    ff_err err = s.out ? ff_lock_take(&lock, s.out, LOCK_WAIT_S, &cli->ctx)
                       : ff_fail(&cli->ctx, FF_ENOMEM, FF_HERE, "no memory for a file name");
    int code = err ? ff_cli_failed(cli) : run_server(&s, v, &o);
    ff_lock_drop(&lock);
    free(made);
    return code;
}

const struct ff_command ff_command_run = {
    .name = "run",
    .summary = "run a job on this machine and follow it; needs no server",
    .usage = "JOB.json [-o RESULT.h5] [--threads T] [--resume]",
    .examples = "  ffctl run examples/lsst-y10-small.json\n"
                "  ffctl run examples/cosmos.json -o cosmos.h5 --threads 4\n"
                "  ffctl run examples/cosmos.json -o cosmos.h5 --resume     after Ctrl-C\n"
                "  ffctl run job.json --json | jq 'select(.type == \"sample\")'\n",
    .options = options,
    .size = sizeof(struct values),
    .least = 1,
    .most = 1,
    .run = run,
};
