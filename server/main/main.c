/* server/main/main.c - ffserver: options, signals, and the server from its start to its end (docs/ops.md). */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/version.h"
#include "server/main/config.h"
#include "server/main/log.h"
#include "server/main/notify.h"
#include "server/main/restore.h"
#include "server/main/service.h"
#include "server/queue/queue.h"

static const char HELP[] =
    "ffserver - the Fullfield server: takes jobs over HTTP, hands them to gangs of workers\n"
    "\n"
    "  ffserver --data /var/lib/fullfield --workers 2            two gangs on this machine, http://127.0.0.1:8470\n"
    "  ffserver --data D --listen unix:/run/ff.sock              for users of this machine only\n"
    "  ffserver --data D --dispatch tcp://0.0.0.0:8471           gangs of other machines join (ffworker --connect)\n"
    "  ffserver --data D --backup FILE                           a copy of the database, also while a server runs\n"
    "\n"
    "Options (each is a member of the config file too, with _ for -):\n"
    "  --data DIR               database, results, keys; made at the first start, with DIR/admin.token\n"
    "  --config FILE.json       what is not on the command line\n"
    "  --listen ADDR:PORT|unix:PATH   default 127.0.0.1:8470; port 0: any, see DIR/server.address\n"
    "  --dispatch tcp://ADDR:PORT     where gangs of other machines connect (CURVE; keys in DIR/workers/)\n"
    "  --workers N              gangs on this machine   --worker-ranks R   --worker-threads T   --worker-memory-gib G\n"
    "  --tls-cert FILE --tls-key FILE | --i-have-tls   to listen beyond this machine\n"
    "  --heartbeat-ms N  --lease-ms N  --stuck-s S  --checkpoint-s S  --drain-s S\n"
    "  --keep-jobs-days D       ended jobs and results older than that are removed (default 0: never)\n"
    "  --backup-every-h H  --backup-keep N      backups in DIR/backups (default: every hour, 24 kept)\n"
    "  --log-file FILE  --log-max-mib N  --log-keep N\n"
    "  --threads N  --connections N  --connections-per-address N  --streams-per-user N  --max-upload-gib G\n"
    "  --reserve-mib N  --keep-free-mib N       room that is kept on the disk\n"
    "  --backup FILE            write a copy of the database and exit\n"
    "  --restore FILE           put a backup in the place of the database, which is kept beside it, and exit\n"
    "  --private [--parent PID] serve one `ffctl run` and end with it, process PID\n"
    "  --version  --help\n"
    "\n"
    "SIGTERM: gangs checkpoint, then exit 0. SIGHUP: read the keys of gangs again.\n";

enum { OPT_HELP = 1000, OPT_VERSION, OPT_CONFIG, OPT_BACKUP, OPT_RESTORE };

/* How a member of the configuration is written on the command line. */
enum how { TEXT, INTEGER, REAL, FLAG };
struct known {
    const char *option, *member;
    enum how how;
};
static const struct known known[] = {{"data", "data", TEXT},
                                     {"listen", "listen", TEXT},
                                     {"dispatch", "dispatch", TEXT},
                                     {"workers", "workers", INTEGER},
                                     {"worker-ranks", "worker_ranks", INTEGER},
                                     {"worker-threads", "worker_threads", INTEGER},
                                     {"worker-memory-gib", "worker_memory_gib", REAL},
                                     {"tls-cert", "tls_cert", TEXT},
                                     {"tls-key", "tls_key", TEXT},
                                     {"i-have-tls", "i_have_tls", FLAG},
                                     {"heartbeat-ms", "heartbeat_ms", INTEGER},
                                     {"lease-ms", "lease_ms", INTEGER},
                                     {"stuck-s", "stuck_s", REAL},
                                     {"checkpoint-s", "checkpoint_s", REAL},
                                     {"drain-s", "drain_s", REAL},
                                     {"keep-jobs-days", "keep_jobs_days", REAL},
                                     {"backup-every-h", "backup_every_h", REAL},
                                     {"backup-keep", "backup_keep", INTEGER},
                                     {"log-file", "log_file", TEXT},
                                     {"log-max-mib", "log_max_mib", INTEGER},
                                     {"log-keep", "log_keep", INTEGER},
                                     {"threads", "threads", INTEGER},
                                     {"connections", "connections", INTEGER},
                                     {"connections-per-address", "connections_per_address", INTEGER},
                                     {"streams-per-user", "streams_per_user", INTEGER},
                                     {"max-upload-gib", "max_upload_gib", REAL},
                                     {"deadline-s", "deadline_s", REAL},
                                     {"reserve-mib", "reserve_mib", INTEGER},
                                     {"keep-free-mib", "keep_free_mib", INTEGER},
                                     {"private", "private", FLAG},
                                     {"parent", "parent", INTEGER},
                                     {"test-kinds", "test_kinds", FLAG}};
enum { NKNOWN = sizeof known / sizeof *known };

struct command_line {
    const char *config, *backup, *restore;
    bool help, version;
    json_t *members; /* what the command line says, for ff_config_read */
};

static ff_err take(struct command_line *line, const struct known *k, const char *value, ff_ctx *ctx)
{
    char *end = NULL;
    json_t *json = NULL;
    if (k->how == FLAG) json = json_true();
    if (k->how == TEXT) json = json_string(value);
    if (k->how == INTEGER) json = json_integer(strtoll(value, &end, 10));
    if (k->how == REAL) json = json_real(strtod(value, &end));
    if (!json || (end && (end == value || *end))) {
        json_decref(json);
        return ff_fail(ctx, FF_EUSAGE, FF_HERE, "--%s takes a %s, not \"%s\"", k->option,
                       k->how == TEXT ? "text in UTF-8" : "number", value);
    }
    json_object_set_new(line->members, k->member, json);
    return FF_OK;
}

static ff_err parse(struct command_line *line, int argc, char **argv, ff_ctx *ctx)
{
    struct option options[NKNOWN + 6] = {{0}};
    for (int i = 0; i < NKNOWN; i++)
        options[i] = (struct option){known[i].option, known[i].how == FLAG ? no_argument : required_argument, NULL, i};
    options[NKNOWN] = (struct option){"config", required_argument, NULL, OPT_CONFIG};
    options[NKNOWN + 1] = (struct option){"backup", required_argument, NULL, OPT_BACKUP};
    options[NKNOWN + 4] = (struct option){"restore", required_argument, NULL, OPT_RESTORE};
    options[NKNOWN + 2] = (struct option){"help", no_argument, NULL, OPT_HELP};
    options[NKNOWN + 3] = (struct option){"version", no_argument, NULL, OPT_VERSION};
    int option;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        ff_err err = FF_OK;
        if (option >= 0 && option < NKNOWN)
            err = take(line, &known[option], optarg, ctx);
        else if (option == OPT_CONFIG)
            line->config = optarg;
        else if (option == OPT_BACKUP)
            line->backup = optarg;
        else if (option == OPT_RESTORE)
            line->restore = optarg;
        else if (option == OPT_HELP || option == 'h')
            line->help = true;
        else if (option == OPT_VERSION)
            line->version = true;
        else
            err = ff_fail(ctx, FF_EUSAGE, FF_HERE, "an option is unknown or lacks its value; see ffserver --help");
        if (err) return err;
    }
    if (optind < argc)
        return ff_fail(ctx, FF_EUSAGE, FF_HERE, "\"%s\" is not an option; see ffserver --help", argv[optind]);
    return FF_OK;
}

static int complain(const ff_ctx *ctx)
{
    fprintf(stderr, "ffserver: %s%s%s\n", ctx->pointer, ctx->pointer[0] ? ": " : "", ctx->message);
    return ff_code_exit(ctx->code);
}

/* ---- a copy of the database ---- */

static int back_up(const struct ff_server_config *config, const char *target)
{
    char path[FF_PATH_SIZE + 32];
    ff_ctx ctx = {0};
    snprintf(path, sizeof path, "%s/fullfield.db", config->data);
    if (access(path, F_OK) != 0)
        return complain((ff_fail(&ctx, FF_ENOFILE, FF_HERE, "there is no database %s", path), &ctx));
    if (ff_queue_copy(path, target, &ctx)) return complain(&ctx);
    fprintf(stderr, "ffserver: backup written: %s\n", target);
    return 0;
}

static int restore(const struct ff_server_config *config, const char *file)
{
    ff_ctx ctx = {0};
    if (ff_restore(config->data, file, &ctx)) return complain(&ctx);
    fprintf(stderr, "ffserver: %s is the database now; the one before stands beside it\n", file);
    return 0;
}

/* ---- serving ---- */

/* Every thread inherits the mask, so these signals come to the main thread alone, when it asks. */
static void hold_signals(sigset_t *held)
{
    sigemptyset(held);
    sigaddset(held, SIGINT);
    sigaddset(held, SIGTERM);
    sigaddset(held, SIGHUP);
    sigaddset(held, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, held, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* As many descriptors as the system allows: each connection is one. */
static void raise_limits(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

/* Until a signal asks to stop; a sign of life for the supervisor of services in between. */
static void wait_for_the_end(struct ff_service *service, struct ff_log *log, const sigset_t *held)
{
    const double interval = ff_notify_interval();
    const double seconds = interval > 0 ? interval : 3600;
    const struct timespec pause = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    for (;;) {
        ff_ctx ctx = {0};
        const int got = sigtimedwait(held, NULL, &pause);
        if (got == SIGINT || got == SIGTERM) return;
        if (got == SIGHUP) {
            ff_service_reload(service);
            ff_log_printf(log, "info", "keys of gangs are read again");
        }
        if (got < 0 && interval > 0 && !ff_service_alive(service, &ctx)) ff_notify("WATCHDOG=1");
    }
}

/* A private server is told when its parent ends, from now on: one that has ended already is not the parent any more. */
static ff_err follow_parent(const struct ff_server_config *config, ff_ctx *ctx)
{
    if (!config->private_run) return FF_OK;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (!config->parent || getppid() == config->parent) return FF_OK;
    return ff_fail(ctx, FF_EINTERRUPTED, FF_HERE, "process %d, for which this server was to run, is gone",
                   config->parent);
}

static int serve(const struct ff_server_config *config)
{
    struct ff_log *log = NULL;
    struct ff_service *service = NULL;
    sigset_t held;
    ff_ctx ctx = {0};
    if (follow_parent(config, &ctx)) return complain(&ctx);
    hold_signals(&held);
    raise_limits();
    umask(0077);
    ff_err err = ff_log_open(&log, config->log_file, (long long)config->log_max_mib << 20, config->log_keep, &ctx);
    if (!err) err = ff_service_start(&service, config, log, &ctx);
    if (err) {
        if (log && config->log_file[0]) ff_log_error(log, &ctx);
        ff_log_close(log);
        return complain(&ctx);
    }
    ff_log_printf(log, "info", "ffserver %s (%s) listens on %s, data in %s", ff_version(), ff_build_id(),
                  ff_service_address(service), config->data);
    ff_notify("READY=1");
    wait_for_the_end(service, log, &held);
    ff_notify("STOPPING=1");
    ff_log_printf(log, "info", "stopping: gangs checkpoint and give their tasks back");
    ff_service_stop(service);
    ff_log_printf(log, "info", "stopped");
    ff_log_close(log);
    return 0;
}

static int run(struct command_line *line, int argc, char **argv)
{
    struct ff_server_config *config = calloc(1, sizeof *config);
    ff_ctx ctx = {0};
    ff_err err = config && line->members ? parse(line, argc, argv, &ctx)
                                         : ff_fail(&ctx, FF_ENOMEM, FF_HERE, "no memory for the configuration");
    int code = 0;
    if (!err && line->help) {
        fputs(HELP, stdout);
    } else if (!err && line->version) {
        printf("ffserver %s (%s)\n", ff_version(), ff_build_id());
    } else {
        if (!err) err = ff_config_read(config, line->config, line->members, &ctx);
        code = err             ? complain(&ctx)
               : line->backup  ? back_up(config, line->backup)
               : line->restore ? restore(config, line->restore)
                               : serve(config);
    }
    free(config);
    return code;
}

int main(int argc, char **argv)
{
    json_object_seed(0); /* before there are threads */
    struct command_line line = {.members = json_object()};
    const int code = run(&line, argc, argv);
    json_decref(line.members);
    return code;
}
