/* server/main/supervise.c - see supervise.h. */
#include "server/main/supervise.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/model.h"
#include "common/program.h"
#include "common/ticker.h"

enum { MAX_ARGV = 40, MAX_ENV = 4096, LOG_MAX_BYTES = 4 << 20 };
static const double TICK_S = 0.1, FIRST_DELAY_S = 0.5, LAST_DELAY_S = 30, HEALTHY_S = 10;

struct gang {
    int number;
    int lock_fd; /* held while we have a child; -1 */
    pid_t pid;   /* 0: none of ours */
    double started, next_start, delay;
    bool foreign_told; /* the log knows that one of a former server holds the lock */
};

struct ff_supervisor {
    struct ff_supervise_config config;
    char data[FF_PATH_SIZE], endpoint[FF_PATH_SIZE], store[FF_PATH_SIZE];
    char *program; /* ffworker */
    struct gang *gang;
    struct ff_ticker *ticker;
};

/* ---- one gang ---- */

struct command {
    char *argv[MAX_ARGV];
    int n;
    char ranks[16], threads[16], memory[32], server_key[FF_PATH_SIZE + 16], key[FF_PATH_SIZE + 16], name[32];
};

static void push(struct command *c, const char *word, const char *value)
{
    c->argv[c->n++] = (char *)(size_t)word;
    if (value) c->argv[c->n++] = (char *)(size_t)value;
}

static void compose(struct command *c, const struct ff_supervisor *s, int number)
{
    const struct ff_supervise_config *k = &s->config;
    *c = (struct command){0};
    snprintf(c->ranks, sizeof c->ranks, "%d", k->ranks);
    snprintf(c->threads, sizeof c->threads, "%d", k->threads);
    snprintf(c->memory, sizeof c->memory, "%.0f", k->memory_bytes);
    snprintf(c->server_key, sizeof c->server_key, "%s/server.pub", s->data);
    snprintf(c->key, sizeof c->key, "%s/worker.key", s->data);
    snprintf(c->name, sizeof c->name, "local-%d", number);
    if (k->ranks > 1) {
        push(c, "mpirun", NULL);
        push(c, "--oversubscribe", NULL);
        push(c, "--bind-to", "none"); /* else the threads of a rank share one core */
        push(c, "-n", c->ranks);
    }
    push(c, s->program, NULL);
    push(c, "--connect", s->endpoint);
    push(c, "--server-key", c->server_key);
    push(c, "--key", c->key);
    push(c, "--store", s->store);
    push(c, "--threads", c->threads);
    push(c, "--name", c->name);
    if (k->memory_bytes > 0) push(c, "--memory", c->memory);
}

/* The environment, with what Open MPI asks of root. */
static char **environment(void)
{
    static char allow[] = "OMPI_ALLOW_RUN_AS_ROOT=1", confirm[] = "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1";
    extern char **environ;
    size_t n = 0;
    while (environ[n] && n < MAX_ENV) n++;
    char **env = calloc(n + 3, sizeof *env);
    if (!env) return NULL;
    memcpy(env, environ, n * sizeof *env);
    env[n] = allow;
    env[n + 1] = confirm;
    return env;
}

/* Files of the child: nothing to read, words into the gang's log, the lock kept open for as long as it lives. */
static int child_files(posix_spawn_file_actions_t *files, const char *log, int lock_fd)
{
    struct stat status;
    int flags = O_WRONLY | O_CREAT | O_APPEND;
    if (stat(log, &status) == 0 && status.st_size > LOG_MAX_BYTES) flags |= O_TRUNC;
    int failed = posix_spawn_file_actions_init(files);
    if (!failed) failed = posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (!failed) failed = posix_spawn_file_actions_addopen(files, STDERR_FILENO, log, flags, 0640);
    if (!failed) failed = posix_spawn_file_actions_adddup2(files, STDERR_FILENO, STDOUT_FILENO);
    if (!failed) failed = posix_spawn_file_actions_adddup2(files, lock_fd, lock_fd); /* not closed by exec */
    return failed;
}

/* A group of its own, so that it can be told as a whole and a terminal's Ctrl-C does not reach it; no blocked signals. */
static int child_attributes(posix_spawnattr_t *attributes)
{
    sigset_t none, defaults;
    sigemptyset(&none);
    sigfillset(&defaults);
    int failed = posix_spawnattr_init(attributes);
    if (!failed) failed = posix_spawnattr_setpgroup(attributes, 0);
    if (!failed) failed = posix_spawnattr_setsigmask(attributes, &none);
    if (!failed) failed = posix_spawnattr_setsigdefault(attributes, &defaults);
    if (!failed)
        failed = posix_spawnattr_setflags(attributes,
                                          POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    return failed;
}

static int spawn(struct ff_supervisor *s, struct gang *g)
{
    struct command command;
    char log[FF_PATH_SIZE + 48];
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    compose(&command, s, g->number);
    snprintf(log, sizeof log, "%s/gangs/%d.log", s->data, g->number);
    char **env = environment();
    if (!env) return ENOMEM;
    int failed = child_files(&files, log, g->lock_fd);
    if (!failed) failed = child_attributes(&attributes);
    if (!failed) failed = posix_spawnp(&g->pid, command.argv[0], &files, &attributes, command.argv, env);
    if (failed) g->pid = 0;
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
    free(env);
    return failed;
}

/* Takes the gang's lock; false when a gang of a former server still has it, or it cannot be had. */
static bool take_lock(struct ff_supervisor *s, struct gang *g)
{
    char path[FF_PATH_SIZE + 48];
    snprintf(path, sizeof path, "%s/gangs/%d.lock", s->data, g->number);
    g->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (g->lock_fd >= 0 && flock(g->lock_fd, LOCK_EX | LOCK_NB) == 0) return true;
    if (!g->foreign_told)
        ff_log_printf(s->config.log, "info", "gang %d of the server before is still there and goes on", g->number);
    g->foreign_told = true;
    if (g->lock_fd >= 0) close(g->lock_fd);
    g->lock_fd = -1;
    return false;
}

static void start_gang(struct ff_supervisor *s, struct gang *g, double now)
{
    if (now < g->next_start || !take_lock(s, g)) return;
    const int failed = spawn(s, g);
    close(g->lock_fd); /* the child has it; the lock lives as long as any of its copies */
    g->lock_fd = -1;
    g->foreign_told = false;
    g->started = now;
    if (!failed) {
        ff_log_printf(s->config.log, "info", "gang %d started as process %ld", g->number, (long)g->pid);
        return;
    }
    g->delay = g->delay * 2 < LAST_DELAY_S ? g->delay * 2 : LAST_DELAY_S;
    g->next_start = now + g->delay;
    ff_log_printf(s->config.log, "error", "gang %d cannot be started: %s", g->number, strerror(failed));
}

/* Has our child ended? Then the next one starts after a pause that grows while they end early. */
static void look_after(struct ff_supervisor *s, struct gang *g, double now)
{
    int status;
    if (waitpid(g->pid, &status, WNOHANG) != g->pid) return;
    const bool early = now - g->started < HEALTHY_S;
    g->delay = !early ? FIRST_DELAY_S : g->delay * 2 < LAST_DELAY_S ? g->delay * 2 : LAST_DELAY_S;
    g->next_start = now + g->delay;
    if (WIFSIGNALED(status))
        ff_log_printf(s->config.log, "warning", "gang %d ended by signal %d (%s)", g->number, WTERMSIG(status),
                      strsignal(WTERMSIG(status)));
    else
        ff_log_printf(s->config.log, WEXITSTATUS(status) ? "warning" : "info", "gang %d ended with exit code %d",
                      g->number, WEXITSTATUS(status));
    g->pid = 0;
}

/* ---- all of them ---- */

static void watch(void *self)
{
    struct ff_supervisor *s = self;
    const double now = ff_clock_s();
    for (int i = 0; i < s->config.gangs; i++) {
        struct gang *g = &s->gang[i];
        if (g->pid) look_after(s, g, now);
        if (!g->pid) start_gang(s, g, now);
    }
}

static void free_all(struct ff_supervisor *s)
{
    free(s->program);
    free(s->gang);
    free(s);
}

static ff_err make_folder(const char *data, ff_ctx *ctx)
{
    char path[FF_PATH_SIZE + 16];
    snprintf(path, sizeof path, "%s/gangs", data);
    if (mkdir(path, 0700) == 0 || errno == EEXIST) return FF_OK;
    return ff_fail(ctx, FF_EIO, FF_HERE, "cannot make the folder %s: %s", path, strerror(errno));
}

ff_err ff_supervise_start(struct ff_supervisor **out, const struct ff_supervise_config *config, ff_ctx *ctx)
{
    struct ff_supervisor *s = *out = calloc(1, sizeof *s);
    if (!s) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the supervisor");
    s->config = *config;
    snprintf(s->data, sizeof s->data, "%s", config->data);
    snprintf(s->endpoint, sizeof s->endpoint, "%s", config->endpoint);
    snprintf(s->store, sizeof s->store, "%s", config->store);
    s->gang = calloc((size_t)config->gangs + 1, sizeof *s->gang);
    ff_err err = s->gang ? FF_OK : ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for %d gangs", config->gangs);
    for (int i = 0; !err && i < config->gangs; i++)
        s->gang[i] = (struct gang){.number = i, .lock_fd = -1, .delay = FIRST_DELAY_S};
    if (!err) err = ff_program_find(&s->program, "ffworker", ctx);
    if (!err) err = make_folder(s->data, ctx);
    if (!err) err = ff_ticker_start(&s->ticker, TICK_S, watch, s, ctx);
    if (!err) return FF_OK;
    free_all(s);
    *out = NULL;
    return err;
}

/* SIGKILL follows for those still there at the end of their time. */
static void end_gangs(struct ff_supervisor *s, double seconds)
{
    const double end = ff_clock_s() + seconds;
    int left = 0;
    for (int i = 0; i < s->config.gangs; i++) {
        /* mpirun kills its ranks soon after a SIGTERM, but hands SIGUSR2 on, which drains a gang as well. */
        if (s->gang[i].pid) kill(s->gang[i].pid, s->config.ranks > 1 ? SIGUSR2 : SIGTERM);
    }
    do {
        left = 0;
        for (int i = 0; i < s->config.gangs; i++) {
            struct gang *g = &s->gang[i];
            if (g->pid && waitpid(g->pid, NULL, WNOHANG) == g->pid) g->pid = 0;
            left += g->pid != 0;
        }
        if (left) nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    } while (left && ff_clock_s() < end);
    for (int i = 0; i < s->config.gangs; i++) {
        if (!s->gang[i].pid) continue;
        ff_log_printf(s->config.log, "warning", "gang %d did not end in %g s and is killed", i, seconds);
        kill(-s->gang[i].pid, SIGKILL);
        waitpid(s->gang[i].pid, NULL, 0);
    }
}

void ff_supervise_stop(struct ff_supervisor *s, double seconds)
{
    if (!s) return;
    ff_ticker_stop(s->ticker);
    end_gangs(s, seconds);
    free_all(s);
}
