/* worker/main/main.c - ffworker: one job from its file to its result, or a check of its model (docs/events.md).
** Events go to stdout, one JSON object a line; words for people go to stderr. */
#include <errno.h>
#include <getopt.h>
#include <gsl/gsl_errno.h>
#include <omp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/version.h"
#include "worker/job/check.h"
#include "worker/job/run.h"

/* The only state outside main: what a signal handler may touch. */
static volatile sig_atomic_t stop_flag;  /* as ff_run.stop */
static volatile sig_atomic_t terminated; /* SIGTERM came */

static void on_signal(int number)
{
    if (number == SIGTERM) terminated = 1;
    if (number == SIGUSR1) {
        if (stop_flag != 1) stop_flag = stop_flag == 2 ? 3 : 2;
    } else {
        stop_flag = 1; /* SIGINT, SIGTERM, or nobody reads our events any more */
    }
}

static void catch_signals(void)
{
    static const int caught[] = {SIGTERM, SIGINT, SIGUSR1, SIGPIPE};
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof caught / sizeof *caught; i++) sigaction(caught[i], &action, NULL);
}

struct options {
    const char *job, *check, *out;
    int threads; /* 0: not given */
    double checkpoint_s;
    bool resume, help, version;
};

static const char HELP[] =
    "ffworker --job cosmos.json -o cosmos.h5\n"
    "ffworker --job cosmos.json -o cosmos.h5 --resume\n"
    "ffworker --check cosmos.json\n"
    "\n"
    "Runs one job, with its events as one JSON object a line on stdout, or checks the derivatives of its model.\n"
    "\n"
    "  --job JOB.json     the job to run\n"
    "  -o, --out FILE     its result; checkpoints stand in FILE.ckpt/ until the job has succeeded\n"
    "  --threads T        threads to use (default: the job's \"threads\", else all cores this process may use)\n"
    "  --backend B        auto or cpu (cuda is not in this build)\n"
    "  --ranks R          1 (more are not in this build)\n"
    "  --checkpoint-every S  seconds between the checkpoints of a chain (default: 15)\n"
    "  --resume           go on from the checkpoints; without it the job starts over\n"
    "  --check JOB.json   adjoint and derivatives of the job's model, one JSON object on stdout; fails out of "
    "tolerance\n"
    "  --version, --help\n"
    "\n"
    "SIGTERM and SIGINT checkpoint and end; SIGUSR1 checkpoints and goes on.\n"
    "Exit: 0 success; 1 failure; 2 bad command line, job or file; 3 the job failed; 8 no room in memory or on disk, or "
    "another\n"
    "job's checkpoint; 130 after SIGINT, 143 after SIGTERM.\n";

/* What is wrong, where, and how we came there. */
static void print_error(const ff_ctx *ctx)
{
    fprintf(stderr, "ffworker: %s: %s\n", ff_code_title(ctx->code), ctx->message);
    if (ctx->pointer[0]) fprintf(stderr, "  at %s\n", ctx->pointer);
    for (int i = 0; i < ctx->nframes; i++) {
        const struct ff_frame *frame = &ctx->frames[i];
        fprintf(stderr, "  %s (%s:%d)\n", frame->note[0] ? frame->note : "found", frame->file, frame->line);
    }
}

/* ---- command line ---- */

static ff_err parse_count(const char *text, const char *option, int high, int *out, ff_ctx *ctx)
{
    char *end;
    errno = 0;
    const long value = strtol(text, &end, 10);
    if (errno || end == text || *end || value < 1 || value > high)
        return ff_fail(ctx, FF_EUSAGE, FF_HERE, "%s is \"%s\"; allowed: a whole number from 1 to %d", option, text,
                       high);
    *out = (int)value;
    return FF_OK;
}

static ff_err parse_seconds(const char *text, const char *option, double *out, ff_ctx *ctx)
{
    char *end;
    const double value = strtod(text, &end);
    if (end == text || *end || !(value >= 0.01 && value <= 1e6))
        return ff_fail(ctx, FF_EUSAGE, FF_HERE, "%s is \"%s\"; allowed: seconds from 0.01 to 1e6", option, text);
    *out = value;
    return FF_OK;
}

static ff_err parse_backend(const char *text, ff_ctx *ctx)
{
    if (!strcmp(text, "auto") || !strcmp(text, "cpu")) return FF_OK;
    if (!strcmp(text, "cuda"))
        return ff_fail_at(ctx, FF_ENOTBUILT, "--backend", FF_HERE,
                          "the backend cuda is not in this build; allowed: auto, cpu");
    return ff_fail(ctx, FF_EUSAGE, FF_HERE, "--backend is \"%s\"; allowed: auto, cpu", text);
}

static ff_err parse_ranks(const char *text, ff_ctx *ctx)
{
    int ranks = 0;
    const ff_err err = parse_count(text, "--ranks", 1 << 20, &ranks, ctx);
    if (err || ranks == 1) return err;
    return ff_fail_at(ctx, FF_ENOTBUILT, "/resources/ranks", FF_HERE, "%d ranks are not in this build; allowed: 1",
                      ranks);
}

enum {
    OPT_JOB = 256,
    OPT_CHECK,
    OPT_THREADS,
    OPT_BACKEND,
    OPT_RANKS,
    OPT_CHECKPOINT,
    OPT_RESUME,
    OPT_CONNECT,
    OPT_HELP,
    OPT_VERSION
};

static ff_err take_option(struct options *o, int option, ff_ctx *ctx)
{
    switch (option) {
    case OPT_JOB:
        o->job = optarg;
        return FF_OK;
    case OPT_CHECK:
        o->check = optarg;
        return FF_OK;
    case 'o':
        o->out = optarg;
        return FF_OK;
    case OPT_THREADS:
        return parse_count(optarg, "--threads", 1024, &o->threads, ctx);
    case OPT_BACKEND:
        return parse_backend(optarg, ctx);
    case OPT_RANKS:
        return parse_ranks(optarg, ctx);
    case OPT_CHECKPOINT:
        return parse_seconds(optarg, "--checkpoint-every", &o->checkpoint_s, ctx);
    case OPT_RESUME:
        o->resume = true;
        return FF_OK;
    case OPT_CONNECT:
        return ff_fail_at(ctx, FF_ENOTBUILT, "--connect", FF_HERE,
                          "a server to connect to is not in this build; allowed: --job, --check");
    case 'h':
    case OPT_HELP:
        o->help = true;
        return FF_OK;
    case OPT_VERSION:
        o->version = true;
        return FF_OK;
    default:
        return ff_fail(ctx, FF_EUSAGE, FF_HERE, "an option is unknown or lacks its value; see ffworker --help");
    }
}

static ff_err parse_options(struct options *o, int argc, char **argv, ff_ctx *ctx)
{
    static const struct option known[] = {{"job", required_argument, NULL, OPT_JOB},
                                          {"check", required_argument, NULL, OPT_CHECK},
                                          {"out", required_argument, NULL, 'o'},
                                          {"threads", required_argument, NULL, OPT_THREADS},
                                          {"backend", required_argument, NULL, OPT_BACKEND},
                                          {"ranks", required_argument, NULL, OPT_RANKS},
                                          {"checkpoint-every", required_argument, NULL, OPT_CHECKPOINT},
                                          {"resume", no_argument, NULL, OPT_RESUME},
                                          {"connect", required_argument, NULL, OPT_CONNECT},
                                          {"server-key", required_argument, NULL, OPT_CONNECT},
                                          {"key", required_argument, NULL, OPT_CONNECT},
                                          {"help", no_argument, NULL, OPT_HELP},
                                          {"version", no_argument, NULL, OPT_VERSION},
                                          {NULL, 0, NULL, 0}};
    int option;
    ff_err err = FF_OK;
    while ((option = getopt_long(argc, argv, "o:h", known, NULL)) != -1)
        if (!err || option == OPT_JOB)
            err = take_option(o, option, ctx) ? ctx->code : err; /* the first error, but any job */
    if (err) return err;
    if (o->help || o->version) return FF_OK;
    if (optind < argc)
        return ff_fail(ctx, FF_EUSAGE, FF_HERE, "\"%s\" is not an option; see ffworker --help", argv[optind]);
    if (!o->job == !o->check)
        return ff_fail(ctx, FF_EUSAGE, FF_HERE, "one of --job and --check is needed; see ffworker --help");
    if (o->job && !o->out) return ff_fail(ctx, FF_EUSAGE, FF_HERE, "--job needs -o, the file for the result");
    return FF_OK;
}

/* ---- running ---- */

static ff_err prepare(struct ff_prepared *p, const struct options *o, const char *path, int *threads, ff_ctx *ctx)
{
    struct ff_job *job;
    memset(p, 0, sizeof *p);
    const ff_err err = ff_job_read(&job, path, ctx);
    if (err) return err;
    *threads = o->threads ? o->threads : job->resources.threads ? job->resources.threads : omp_get_num_procs();
    return ff_prepare(p, job, *threads, ctx);
}

static ff_err run_job(const struct options *o, const struct ff_sink *sink, ff_ctx *ctx)
{
    struct ff_prepared prepared;
    int threads;
    const size_t size = strlen(o->out) + sizeof ".ckpt";
    char *ckpt = malloc(size);
    if (!ckpt) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the name of the checkpoint folder");
    snprintf(ckpt, size, "%s.ckpt", o->out);
    ff_err err = prepare(&prepared, o, o->job, &threads, ctx);
    if (!err) {
        const struct ff_run run = {.prepared = &prepared,
                                   .out = o->out,
                                   .ckpt_dir = ckpt,
                                   .threads = threads,
                                   .resume = o->resume,
                                   .checkpoint_s = o->checkpoint_s,
                                   .sink = *sink,
                                   .stop = &stop_flag};
        err = ff_run_job(&run, ctx);
        ff_prepared_done(&prepared);
    }
    free(ckpt);
    return err;
}

/* The last event and the last words of a job that ended with `err`. */
static void tell_end(const struct options *o, const struct ff_sink *sink, ff_err err, const ff_ctx *ctx)
{
    char message[FF_MESSAGE_SIZE + FF_POINTER_SIZE + 8];
    if (!err) {
        ff_emit_end(sink, "succeeded", o->out, NULL);
    } else if (err == FF_EINTERRUPTED) {
        ff_emit_end(sink, "cancelled", ctx->message, ctx);
        fprintf(stderr, "ffworker: %s\nffworker: go on with: ffworker --job %s -o %s --resume\n", ctx->message, o->job,
                o->out);
    } else {
        print_error(ctx);
        snprintf(message, sizeof message, "%s%s%s", ctx->pointer, ctx->pointer[0] ? ": " : "", ctx->message);
        ff_emit_end(sink, "failed", message, ctx);
    }
}

/* err: of the command line. */
static int job_main(const struct options *o, ff_err err, ff_ctx *ctx)
{
    struct ff_ndjson writer;
    if (ff_ndjson_init(&writer, stdout)) {
        fprintf(stderr, "ffworker: no memory\n");
        return ff_code_exit(FF_ENOMEM);
    }
    const struct ff_sink sink = ff_ndjson_sink(&writer);
    if (!err) err = run_job(o, &sink, ctx);
    tell_end(o, &sink, err, ctx);
    ff_ndjson_done(&writer);
    return err == FF_EINTERRUPTED && terminated ? 143 : ff_code_exit(err);
}

static int check_main(const struct options *o)
{
    struct ff_prepared prepared;
    json_t *report = NULL;
    ff_ctx ctx = {0};
    bool ok = false;
    int threads;
    ff_err err = prepare(&prepared, o, o->check, &threads, &ctx);
    if (!err) err = ff_check(&prepared, threads, &report, &ok, &ctx);
    if (err) {
        print_error(&ctx);
    } else {
        json_dumpf(report, stdout, JSON_INDENT(1));
        printf("\n");
        if (!ok) err = FF_ETOLERANCE;
    }
    json_decref(report);
    ff_prepared_done(&prepared);
    return ff_code_exit(err);
}

int main(int argc, char **argv)
{
    struct options options = {.checkpoint_s = 15};
    ff_ctx ctx = {0};
    const ff_err err = parse_options(&options, argc, argv, &ctx);
    if (err && !options.job) {
        print_error(&ctx);
        return ff_code_exit(err);
    }
    if (!err && options.help) {
        fputs(HELP, stdout);
        return 0;
    }
    if (!err && options.version) {
        printf("ffworker %s (%s, %s)\n", ff_version(), ff_build_id(), ff_cpu_class());
        return 0;
    }
    catch_signals();
    gsl_set_error_handler_off(); /* its default ends the process */
    omp_set_dynamic(0);
    return options.job ? job_main(&options, err, &ctx) : check_main(&options);
}
