/* client/ffctl/run.c - `ffctl run JOB.json`: checks the job, starts a worker, follows it, shows the result.
** Stopping: Ctrl-C or SIGTERM becomes SIGTERM to the worker, which checkpoints; the next run goes on with --resume. Should
** ffctl be killed, the worker is told by the kernel (worker.c). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "client/ffctl/cli.h"
#include "client/ffctl/follow.h"
#include "client/ffctl/lock.h"
#include "client/ffctl/summary.h"
#include "client/ffctl/worker.h"
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

enum { LOCK_WAIT_S = 30, MAX_ARGV = 16, EXIT_REFUSED = 2, EXIT_JOB_FAILED = 3 };

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

/* The worker's command line; numbers are kept in the struct. */
struct command_line {
    char *argv[MAX_ARGV];
    int n;
    char ranks[24], threads[24], checkpoint_s[32];
};

static void push(struct command_line *line, const char *option, const char *value)
{
    line->argv[line->n++] = (char *)option;
    if (value) line->argv[line->n++] = (char *)value;
}

static void compose(struct command_line *line, const struct values *v, const char *program, const char *job,
                    const char *out)
{
    *line = (struct command_line){0};
    snprintf(line->ranks, sizeof line->ranks, "%ld", v->ranks);
    snprintf(line->threads, sizeof line->threads, "%ld", v->threads);
    snprintf(line->checkpoint_s, sizeof line->checkpoint_s, "%.17g", v->checkpoint_s);
    push(line, program, NULL);
    push(line, "--job", job);
    push(line, "-o", out);
    if (v->ranks) push(line, "--ranks", line->ranks);
    if (v->threads) push(line, "--threads", line->threads);
    if (v->backend) push(line, "--backend", v->backend);
    if (v->checkpoint_s > 0) push(line, "--checkpoint-every", line->checkpoint_s);
    if (v->resume) push(line, "--resume", NULL);
}

enum { WORDS_SIZE = 4096 };

/* What the listener needs. */
struct session {
    struct ff_cli *cli;
    struct ff_follow follow;
    bool stopping;
    json_t *error;          /* "error" of the end event, NULL: none */
    char words[WORDS_SIZE]; /* with --json: the worker's words, the first of them */
    size_t nwords;
};

static void on_line(void *self, const char *line, size_t size)
{
    struct session *s = self;
    if (s->cli->json) {
        fwrite(line, 1, size, stdout);
        fflush(stdout);
    }
    json_t *event;
    ff_ctx ignored = {0};
    if (ff_json_parse(&event, line, size, &ignored)) return; /* not an event: shown above if anybody wants it */
    if (!s->cli->json) ff_follow_event(&s->follow, event);
    json_t *error = json_object_get(event, "error");
    if (json_is_object(error) && !s->error) s->error = json_incref(error);
    json_decref(event);
}

/* The worker's own words: shown to people, kept for programs, which get them as a problem (tell_program). When we asked
** it to stop, ours say the same. */
static void on_words(void *self, const char *bytes, size_t size)
{
    struct session *s = self;
    if (s->stopping) return;
    if (s->cli->json) {
        size_t n = size < WORDS_SIZE - s->nwords ? size : WORDS_SIZE - s->nwords;
        memcpy(s->words + s->nwords, bytes, n);
        s->nwords += n;
        return;
    }
    ff_follow_clear(&s->follow);
    fwrite(bytes, 1, size, stderr);
}

static void on_stopping(void *self, bool again)
{
    struct session *s = self;
    ff_follow_clear(&s->follow);
    s->stopping = true;
    if (s->cli->json) return; /* it is told at the end */
    fputs(again ? "\nkilling the worker; what came after its last checkpoint is lost\n"
                : "\nstopping: the worker writes a checkpoint (again: kill it without one)\n",
          stderr);
    fflush(stderr);
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

/* The error called `slug`, else the first that gives `exit_code`, else FF_EBUG. */
static ff_err error_called(const char *slug, int exit_code)
{
    for (ff_err e = FF_OK + 1; slug && e < FF_NCODES; e++) {
        if (strcmp(ff_code_slug(e), slug) == 0) return e;
    }
    for (ff_err e = FF_OK + 1; e < FF_NCODES; e++) {
        if (ff_code_exit(e) == exit_code) return e;
    }
    return FF_EBUG;
}

/* The worker's error becomes ours, to be printed as any other: what its end event says, else its words. */
static void adopt_error(struct session *s, int code)
{
    const char *detail = json_string_value(json_object_get(s->error, "detail"));
    const char *pointer = json_string_value(json_object_get(s->error, "pointer"));
    const ff_err err = error_called(json_string_value(json_object_get(s->error, "type")), code);
    for (size_t i = 0; i < s->nwords; i++) {
        if (s->words[i] == '\n') s->words[i] = ' ';
    }
    if (detail) {
        ff_fail_at(&s->cli->ctx, err, pointer ? pointer : "", FF_HERE, "%s", detail);
    } else if (s->nwords > 0) {
        ff_fail(&s->cli->ctx, err, FF_HERE, "%.*s", (int)s->nwords, s->words);
    } else {
        ff_fail(&s->cli->ctx, err, FF_HERE, "the worker ended with exit code %d", code);
    }
}

/* What became of a run that did not succeed, in a sentence for people or as a problem for programs. */
static void say(struct session *s, ff_err err, const char *what, const char *job, const char *out)
{
    if (s->cli->json) {
        ff_fail(&s->cli->ctx, err, FF_HERE, "%s; go on with: ffctl run %s -o %s --resume", what, job, out);
    } else {
        fprintf(stderr, "%s; go on with:\n  ffctl run %s -o %s --resume\n", what, job, out);
    }
}

static void say_crashed(struct session *s, int number, const char *job, const char *out)
{
    char what[160];
    snprintf(what, sizeof what, "%sthe worker crashed (%s)%s", s->cli->json ? "" : "ffctl: ", strsignal(number),
             number == SIGKILL ? ", perhaps for lack of memory" : "");
    say(s, FF_ECRASHED, what, job, out);
}

/* Exit code of a run whose worker is gone, after saying what happened. */
static int conclude(struct session *s, const struct ff_worker *worker, const char *job, const char *out,
                    enum ff_kind kind)
{
    int status = worker->status, code = WIFEXITED(status) ? WEXITSTATUS(status) : EXIT_JOB_FAILED;
    if (code == 0) {
        fwrite(s->words, 1, s->nwords, stderr);
        return show_result(s->cli, out, kind);
    }
    if (worker->stopped) {
        say(s, FF_EINTERRUPTED, worker->killed ? "stopped without a new checkpoint" : "stopped", job, out);
        return worker->stopped == SIGINT ? 130 : 143;
    }
    if (WIFSIGNALED(status)) {
        say_crashed(s, WTERMSIG(status), job, out);
    } else if (s->cli->json) {
        adopt_error(s, code);
    } else {
        const char *state = code == EXIT_REFUSED ? "was refused"
                            : s->follow.state[0] ? s->follow.state
                                                 : "did not succeed";
        fprintf(stderr, "ffctl: the job %s (exit code %d; 'ffctl help exit-codes')\n", state, code);
    }
    return code;
}

static int run_worker(struct ff_cli *cli, const struct values *v, const char *job, const char *out, enum ff_kind kind)
{
    struct session session = {.cli = cli,
                              .follow = {.bar = cli->terminal_err && !cli->json, .colour = cli->colour_err}};
    struct ff_listener listener = {.self = &session, .line = on_line, .words = on_words, .stopping = on_stopping};
    struct ff_signals signals = {.fd = -1};
    struct ff_worker worker = {0};
    struct command_line line;
    char *program;
    ff_err err = ff_worker_find(&program, &cli->ctx);
    if (err) return ff_cli_failed(cli);
    compose(&line, v, program, job, out);
    err = ff_signals_hold(&signals, &cli->ctx);
    if (!err) err = ff_worker_start(&worker, line.argv, &signals, &cli->ctx);
    if (!err) err = ff_worker_follow(&worker, &signals, &listener, &cli->ctx);
    ff_follow_clear(&session.follow);
    ff_signals_release(&signals);
    free(program);
    const int code = err ? ff_cli_failed(cli) : conclude(&session, &worker, job, out, kind);
    json_decref(session.error);
    return code;
}

static int run(struct ff_cli *cli, const void *values, const char *const *args, int nargs)
{
    (void)nargs;
    const struct values *v = values;
    struct ff_lock lock = {.fd = -1};
    struct ff_job *job;
    char *made = NULL;
    if (ff_job_read(&job, args[0], &cli->ctx)) return ff_cli_failed(cli);
    enum ff_kind kind = job->kind;
    ff_job_free(job);
    if (!v->out) made = default_out(args[0]);
    const char *out = v->out ? v->out : made;
    ff_err err = out ? ff_lock_take(&lock, out, LOCK_WAIT_S, &cli->ctx)
                     : ff_fail(&cli->ctx, FF_ENOMEM, FF_HERE, "no memory for a file name");
    int code = err ? ff_cli_failed(cli) : run_worker(cli, v, args[0], out, kind);
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
