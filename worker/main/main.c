/* worker/main/main.c - ffworker: one job from its file to its result, a check of its model (docs/events.md), or a gang
** that takes tasks from a server. Events of a job go to stdout, one JSON object a line; words for people go to stderr.
** */
#include <errno.h>
#include <getopt.h>
#include <gsl/gsl_errno.h>
#include <omp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/version.h"
#include "worker/core/comm_mpi.h"
#include "worker/gang/gang.h"
#include "worker/gang/keys.h"
#include "worker/job/check.h"
#include "worker/job/run.h"

/* The only state outside main: what a signal handler may touch. */
static volatile sig_atomic_t stop_flag;          /* as ff_run.stop */
static volatile sig_atomic_t terminated;         /* SIGTERM came */
static volatile sig_atomic_t drain, checkpoints; /* of a gang: end; SIGUSR1 came so often */
static volatile sig_atomic_t wake_fd = -1;       /* of a gang */

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

/* Of a gang. The first SIGTERM or SIGINT drains it, another one ends it at once; not within a second, since a terminal
** and mpirun each send one for the same key. SIGUSR2 drains too: mpirun hands it on, while at SIGTERM it kills after a
** second. */
static void on_gang_signal(int number)
{
    static struct timespec first;
    const int why = errno;
    const uint64_t one = 1;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (number == SIGUSR1) {
        checkpoints = !checkpoints;
    } else if (!drain) {
        first = now;
        drain = 1;
    } else if (number != SIGUSR2 && now.tv_sec - first.tv_sec > (now.tv_nsec < first.tv_nsec)) {
        _exit(143);
    }
    if (write(wake_fd, &one, sizeof one) < 0) errno = why; /* it is awake already */
    errno = why;
}

/* Ranks that follow rank 0 end when it lets them go. */
static void catch_gang_signals(void)
{
    static const int caught[] = {SIGTERM, SIGINT, SIGUSR1, SIGUSR2};
    const char *rank = getenv("OMPI_COMM_WORLD_RANK");
    const bool follows = rank && strcmp(rank, "0") != 0;
    struct sigaction action = {.sa_handler = follows ? SIG_IGN : on_gang_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof caught / sizeof *caught; i++) sigaction(caught[i], &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
}

struct options {
    const char *job, *check, *out, *make_key;
    int threads, ranks; /* 0: not given */
    double checkpoint_s;
    bool resume, help, version;
    struct ff_gang_config gang; /* connect NULL: not a gang */
};

static const char HELP[] =
    "ffworker --job cosmos.json -o cosmos.h5\n"
    "ffworker --job cosmos.json -o cosmos.h5 --resume\n"
    "ffworker --check cosmos.json\n"
    "ffworker --connect tcp://server:7001 --server-key server.pub --key worker.key\n"
    "mpirun -n 2 ffworker --connect ipc:///run/fullfield/dispatch.sock --server-key server.pub --key worker.key\n"
    "mpirun -n 2 ffworker --job lpt.json -o lpt.h5\n"
    "\n"
    "Runs one job, with its events as one JSON object a line on stdout; or checks the derivatives of its model; or\n"
    "takes tasks from a server until it is told to stop.\n"
    "\n"
    "  --job JOB.json     the job to run\n"
    "  -o, --out FILE     its result; checkpoints stand in FILE.ckpt/ until the job has succeeded\n"
    "  --threads T        threads to use (default: the job's \"threads\", else all cores this process may use)\n"
    "  --backend B        auto or cpu (cuda is not in this build)\n"
    "  --ranks R          for certainty: so many have to have been started by mpirun or srun\n"
    "  --checkpoint-every S  seconds between the checkpoints of a chain (default: 15)\n"
    "  --resume           go on from the checkpoints; without it the job starts over\n"
    "  --check JOB.json   adjoint and derivatives of the job's model, one JSON object on stdout; fails out of "
    "tolerance\n"
    "  --make-key NAME    a new pair of keys: NAME.key for this gang, NAME.pub for the server's workers/\n"
    "  --version, --help\n"
    "\n"
    "  --connect ADDR     tcp://HOST:PORT or ipc://PATH of a server's dispatch\n"
    "  --server-key KEY   the server's public key, or a file with it\n"
    "  --key FILE         this worker's secret key (mode 0600); the server has to know its public key\n"
    "  --store DIR        the server's store, where this machine sees the same folder; else files go over the wire\n"
    "  --scratch DIR      where files of tasks stand meanwhile (default: $TMPDIR, else /tmp)\n"
    "  --pool NAME        of workers to belong to (default: default)\n"
    "  --name TEXT        how the server calls this worker to people (default: host and process)\n"
    "  --memory BYTES     what tasks may take (default: what the machine has)\n"
    "  --idle-exit S      without a server and a task for so long: end (default: 60)\n"
    "  --give-up S        without a server for so long, even with a task: end (default: never)\n"
    "  --drain-wait S     how long the end waits for the server's word on the last task (default: 60)\n"
    "  --first-step S     how long a task may take to its first sign of progress (default: 120)\n"
    "\n"
    "SIGTERM and SIGINT checkpoint and end; SIGUSR1 checkpoints and goes on. A connected worker gives its task back "
    "and\n"
    "ends with 0; at the second SIGTERM it ends at once, with 143. Under mpirun send SIGUSR2 instead, which it hands "
    "on.\n"
    "Exit: 0 success; 1 failure; 2 bad command line, job or file; 3 the job failed; 4 a key is not accepted; 8 no room "
    "in\n"
    "memory or on disk, another job's checkpoint, or refused by the server; 9 no server; 10 the server is of another\n"
    "version; 130 after SIGINT, 143 after SIGTERM.\n";

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

static ff_err parse_bytes(const char *text, const char *option, double *out, ff_ctx *ctx)
{
    char *end;
    const double value = strtod(text, &end);
    if (end == text || *end || !(value >= 1e6 && value <= 1e15))
        return ff_fail(ctx, FF_EUSAGE, FF_HERE, "%s is \"%s\"; allowed: bytes from 1e6 to 1e15", option, text);
    *out = value;
    return FF_OK;
}

static ff_err parse_pool(const char *text, const char **out, ff_ctx *ctx)
{
    static const char good[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const size_t n = strlen(text);
    if (n < 1 || n > 31 || strspn(text, good) != n)
        return ff_fail(ctx, FF_EUSAGE, FF_HERE, "--pool is \"%s\"; allowed: at most 31 letters, digits, . _ -", text);
    *out = text;
    return FF_OK;
}

static ff_err parse_name(const char *text, const char **out, ff_ctx *ctx)
{
    const size_t n = strlen(text);
    bool good = n >= 1 && n <= 100;
    for (size_t i = 0; good && i < n; i++) good = (unsigned char)text[i] >= 0x20 && text[i] != 0x7f;
    if (!good) return ff_fail(ctx, FF_EUSAGE, FF_HERE, "--name is \"%s\"; allowed: 1 to 100 bytes of text", text);
    *out = text;
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

enum {
    OPT_JOB = 256,
    OPT_CHECK,
    OPT_THREADS,
    OPT_BACKEND,
    OPT_RANKS,
    OPT_CHECKPOINT,
    OPT_RESUME,
    OPT_MAKE_KEY,
    OPT_HELP,
    OPT_VERSION,
    OPT_CONNECT, /* this and what follows: of a gang */
    OPT_SERVER_KEY,
    OPT_KEY,
    OPT_STORE,
    OPT_SCRATCH,
    OPT_POOL,
    OPT_NAME,
    OPT_MEMORY,
    OPT_IDLE_EXIT,
    OPT_GIVE_UP,
    OPT_DRAIN_WAIT,
    OPT_FIRST_STEP
};

static ff_err take_gang_option(struct ff_gang_config *g, int option, ff_ctx *ctx)
{
    switch (option) {
    case OPT_CONNECT:
        g->connect = optarg;
        return FF_OK;
    case OPT_SERVER_KEY:
        g->server_key = optarg;
        return FF_OK;
    case OPT_KEY:
        g->key = optarg;
        return FF_OK;
    case OPT_STORE:
        g->store = optarg;
        return FF_OK;
    case OPT_SCRATCH:
        g->scratch = optarg;
        return FF_OK;
    case OPT_POOL:
        return parse_pool(optarg, &g->pool, ctx);
    case OPT_NAME:
        return parse_name(optarg, &g->name, ctx);
    case OPT_MEMORY:
        return parse_bytes(optarg, "--memory", &g->memory_bytes, ctx);
    case OPT_IDLE_EXIT:
        return parse_seconds(optarg, "--idle-exit", &g->idle_exit_s, ctx);
    case OPT_GIVE_UP:
        return parse_seconds(optarg, "--give-up", &g->give_up_s, ctx);
    case OPT_DRAIN_WAIT:
        return parse_seconds(optarg, "--drain-wait", &g->drain_wait_s, ctx);
    default:
        return parse_seconds(optarg, "--first-step", &g->first_step_s, ctx);
    }
}

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
        return parse_count(optarg, "--ranks", 1 << 20, &o->ranks, ctx);
    case OPT_CHECKPOINT:
        return parse_seconds(optarg, "--checkpoint-every", &o->checkpoint_s, ctx);
    case OPT_RESUME:
        o->resume = true;
        return FF_OK;
    case 'h':
    case OPT_MAKE_KEY:
        o->make_key = optarg;
        return FF_OK;
    case OPT_HELP:
        o->help = true;
        return FF_OK;
    case OPT_VERSION:
        o->version = true;
        return FF_OK;
    default:
        if (option >= OPT_CONNECT) return take_gang_option(&o->gang, option, ctx);
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
                                          {"server-key", required_argument, NULL, OPT_SERVER_KEY},
                                          {"key", required_argument, NULL, OPT_KEY},
                                          {"store", required_argument, NULL, OPT_STORE},
                                          {"scratch", required_argument, NULL, OPT_SCRATCH},
                                          {"pool", required_argument, NULL, OPT_POOL},
                                          {"name", required_argument, NULL, OPT_NAME},
                                          {"memory", required_argument, NULL, OPT_MEMORY},
                                          {"idle-exit", required_argument, NULL, OPT_IDLE_EXIT},
                                          {"give-up", required_argument, NULL, OPT_GIVE_UP},
                                          {"drain-wait", required_argument, NULL, OPT_DRAIN_WAIT},
                                          {"first-step", required_argument, NULL, OPT_FIRST_STEP},
                                          {"make-key", required_argument, NULL, OPT_MAKE_KEY},
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
    if (!!o->job + !!o->check + !!o->gang.connect + !!o->make_key != 1)
        return ff_fail(ctx, FF_EUSAGE, FF_HERE,
                       "one of --job, --check, --connect and --make-key is needed; see ffworker --help");
    if (o->gang.connect && (!o->gang.server_key || !o->gang.key))
        return ff_fail(ctx, FF_EUSAGE, FF_HERE, "--connect needs --server-key and --key; see ffworker --help");
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

static ff_err run_job(const struct options *o, const struct ff_comm *comm, const struct ff_sink *sink, ff_ctx *ctx)
{
    struct ff_prepared prepared;
    int threads;
    const size_t size = strlen(o->out) + sizeof ".ckpt";
    char *ckpt = malloc(size);
    if (!ckpt) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the name of the checkpoint folder");
    snprintf(ckpt, size, "%s.ckpt", o->out);
    ff_err err = prepare(&prepared, o, o->job, &threads, ctx);
    if (!err && comm->nranks > 1 && prepared.job->model.simulator != FF_SIM_LPT)
        err = ff_fail_at(ctx, FF_ENOTBUILT, "/resources/ranks", FF_HERE,
                         "%d ranks of this simulator are not in this build; allowed: 1, and more for the simulator lpt",
                         comm->nranks);
    err = ff_share_error(comm, err, ctx);
    if (!err) {
        const struct ff_run run = {.prepared = &prepared,
                                   .out = o->out,
                                   .ckpt_dir = ckpt,
                                   .threads = threads,
                                   .resume = o->resume,
                                   .checkpoint_s = o->checkpoint_s,
                                   .sink = *sink,
                                   .stop = &stop_flag,
                                   .comm = comm};
        err = ff_run_job(&run, ctx);
    }
    ff_prepared_done(&prepared);
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

/* A rank that is not the first: it has nothing to say. */
static int follow_main(const struct options *o, const struct ff_comm *comm)
{
    ff_ctx ctx = {0};
    const struct ff_sink sink = ff_mute_sink();
    const ff_err err = run_job(o, comm, &sink, &ctx);
    return err == FF_EINTERRUPTED && terminated ? 143 : ff_code_exit(err);
}

/* err: of the command line. */
static int lead_main(const struct options *o, const struct ff_comm *comm, ff_err err, ff_ctx *ctx)
{
    struct ff_ndjson writer;
    if (ff_ndjson_init(&writer, stdout)) {
        fprintf(stderr, "ffworker: no memory\n");
        return ff_code_exit(FF_ENOMEM);
    }
    const struct ff_sink sink = ff_ndjson_sink(&writer);
    if (!err) err = run_job(o, comm, &sink, ctx);
    tell_end(o, &sink, err, ctx);
    ff_ndjson_done(&writer);
    return err == FF_EINTERRUPTED && terminated ? 143 : ff_code_exit(err);
}

/* The ranks that mpirun started together run the job together. err: of the command line, which all have. */
static int job_main(const struct options *o, ff_err err, ff_ctx *ctx)
{
    struct ff_comm comm = ff_comm_self();
    const bool many = !err && ff_comm_mpi_wanted();
    if (many) err = ff_comm_mpi_init(&comm, ctx);
    const bool joined = many && !err;
    if (!err && o->ranks && o->ranks != comm.nranks)
        err = ff_fail_at(ctx, FF_EUSAGE, "/resources/ranks", FF_HERE,
                         "%d ranks are asked for and %d started; mpirun -n %d ffworker .. starts them", o->ranks,
                         comm.nranks, o->ranks);
    const int status = comm.rank == 0 ? lead_main(o, &comm, err, ctx) : err ? ff_code_exit(err) : follow_main(o, &comm);
    if (joined) ff_comm_mpi_done(&comm);
    return status;
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

static void say_line(void *self, const char *line)
{
    (void)self;
    fprintf(stderr, "ffworker: %s\n", line);
}

static int gang_main(const struct options *o)
{
    ff_ctx ctx = {0};
    struct ff_gang_config config = o->gang;
    wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (wake_fd < 0) {
        fprintf(stderr, "ffworker: no eventfd: %s\n", strerror(errno));
        return ff_code_exit(FF_ENOMEM);
    }
    umask(027); /* a shared store is the server's: its group may read, nobody else */
    catch_gang_signals();
    config.threads = o->threads ? o->threads : omp_get_num_procs();
    config.wake_fd = wake_fd;
    config.terminate = &drain;
    config.checkpoint = &checkpoints;
    config.say = say_line;
    const ff_err err = ff_gang_run(&config, &ctx);
    if (err) print_error(&ctx);
    return ff_code_exit(err);
}

int main(int argc, char **argv)
{
    struct options options = {.checkpoint_s = 15,
                              .gang = {.pool = "default", .idle_exit_s = 60, .drain_wait_s = 60, .first_step_s = 120}};
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
    gsl_set_error_handler_off(); /* its default ends the process */
    omp_set_dynamic(0);
    if (options.make_key) return ff_keys_make(options.make_key, &ctx) ? (print_error(&ctx), ff_code_exit(ctx.code)) : 0;
    if (options.gang.connect) return gang_main(&options);
    catch_signals();
    return options.job ? job_main(&options, err, &ctx) : check_main(&options);
}
