/* client/ffctl/private.c - see private.h. */
#include "client/ffctl/private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client/ffctl/reading.h"
#include "common/clock.h"
#include "common/program.h"
#include "common/publish.h"

enum { MAX_ARGV = 32, POLL_MS = 5, START_WAIT_S = 60, WORDS_SIZE = 512 };
/* A gang that dies is noticed at once by its supervisor; the lease only has to outlast a busy machine. */
static const char heartbeat_ms[] = "1000", lease_ms[] = "15000";

/* Three texts after one another, malloc'ed. */
static char *joined(const char *a, const char *b, const char *c)
{
    size_t size = strlen(a) + strlen(b) + strlen(c) + 1;
    char *out = malloc(size);
    if (out) snprintf(out, size, "%s%s%s", a, b, c);
    return out;
}

static ff_err no_memory(struct ff_private *p)
{
    return ff_fail(&p->remote.cli->ctx, FF_ENOMEM, FF_HERE, "no memory for a file name");
}

/* ---- the folder ---- */

/* Everything in the open folder, which is closed. Links are removed, not followed. */
static void empty_folder(int fd, int depth)
{
    enum { DEEPEST = 16 };
    DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
    if (!folder && fd >= 0) close(fd);
    for (const struct dirent *e; folder && (e = readdir(folder));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) continue;
        if (unlinkat(fd, e->d_name, 0) == 0 || depth >= DEEPEST) continue;
        empty_folder(openat(fd, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), depth + 1);
        unlinkat(fd, e->d_name, AT_REMOVEDIR);
    }
    if (folder) closedir(folder);
}

static void remove_tree(const char *path)
{
    empty_folder(open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC), 0);
    rmdir(path);
}

static bool holds(const char *folder, const char *name)
{
    char *path = joined(folder, "/", name);
    bool there = path && access(path, F_OK) == 0;
    free(path);
    return there;
}

/* The folder of an earlier run is gone on from, or thrown away; one that is no run's is left alone. */
static ff_err prepare_folder(struct ff_private *p, bool resume, ff_ctx *ctx)
{
    const bool there = access(p->data, F_OK) == 0,
               ours = holds(p->data, "fullfield.db") || holds(p->data, "server.err");
    if (there && !ours && resume) {
        return ff_fail_at(ctx, FF_ECHECKPOINT, p->data, FF_HERE,
                          "these checkpoints are of 'ffworker --job': go on with that, or start over without --resume");
    }
    if (there && !resume) remove_tree(p->data);
    if (mkdir(p->data, 0700) == 0 || errno == EEXIST) return FF_OK;
    return ff_write_fail(ctx, errno, p->data, strerror(errno));
}

/* A socket's path has 107 bytes: where that is too short, a short folder of our own. */
static ff_err choose_address(struct ff_private *p, ff_ctx *ctx)
{
    enum { MOST = sizeof((struct sockaddr_un *)0)->sun_path - sizeof "/s" };
    const char *folder = p->data, *runtime = getenv("XDG_RUNTIME_DIR");
    if (strlen(p->data) > MOST) {
        bool use = runtime && *runtime && strlen(runtime) + sizeof "/ffctl-XXXXXX" < MOST;
        p->socket_folder = joined(use ? runtime : "/tmp", "/ffctl-", "XXXXXX");
        if (!p->socket_folder) return no_memory(p);
        if (!mkdtemp(p->socket_folder)) {
            ff_err err = ff_write_fail(ctx, errno, p->socket_folder, strerror(errno));
            free(p->socket_folder);
            p->socket_folder = NULL;
            return err;
        }
        folder = p->socket_folder;
    }
    p->address = joined("unix:", folder, "/s");
    return p->address ? FF_OK : no_memory(p);
}

/* ---- the process ---- */

struct command {
    char *argv[MAX_ARGV];
    int n;
    char parent[16], gangs[16], ranks[16], threads[16], checkpoint_s[32];
    char *log;
};

static void push(struct command *c, const char *option, const char *value)
{
    c->argv[c->n++] = (char *)option;
    if (value) c->argv[c->n++] = (char *)value;
}

static void compose(struct command *c, const struct ff_private *p, const struct ff_private_options *o,
                    const char *program)
{
    *c = (struct command){.log = joined(p->data, "/", "server.log")};
    snprintf(c->parent, sizeof c->parent, "%ld", (long)getpid());
    snprintf(c->gangs, sizeof c->gangs, "%d", o->gangs);
    snprintf(c->ranks, sizeof c->ranks, "%d", o->ranks);
    snprintf(c->threads, sizeof c->threads, "%d", o->threads);
    snprintf(c->checkpoint_s, sizeof c->checkpoint_s, "%.17g", o->checkpoint_s);
    push(c, program, NULL);
    push(c, "--private", NULL);
    push(c, "--data", p->data);
    push(c, "--listen", p->address);
    push(c, "--workers", c->gangs);
    push(c, "--worker-ranks", c->ranks);
    push(c, "--worker-threads", c->threads);
    push(c, "--heartbeat-ms", heartbeat_ms);
    push(c, "--lease-ms", lease_ms);
    push(c, "--parent", c->parent);
    if (o->checkpoint_s > 0) push(c, "--checkpoint-s", c->checkpoint_s);
    if (c->log) push(c, "--log-file", c->log);
}

/* Its words go to a file: a pipe that nobody reads would stop it. Ctrl-C reaches it through us only. */
static int spawn(struct ff_private *p, char *const *argv, const char *words)
{
    extern char **environ;
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    int failed = posix_spawn_file_actions_init(&files);
    if (failed) return failed;
    failed = posix_spawnattr_init(&attributes);
    if (!failed) {
        posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
        posix_spawn_file_actions_addopen(&files, STDERR_FILENO, words, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        posix_spawn_file_actions_adddup2(&files, STDERR_FILENO, STDOUT_FILENO);
        posix_spawnattr_setpgroup(&attributes, 0);
        posix_spawnattr_setsigmask(&attributes, &p->remote.signals.before);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK);
        failed = posix_spawn(&p->remote.child, argv[0], &files, &attributes, argv, environ);
        if (failed) p->remote.child = 0;
        posix_spawnattr_destroy(&attributes);
    }
    posix_spawn_file_actions_destroy(&files);
    return failed;
}

/* The server's own words why it ended, from the file it wrote them to. */
static ff_err ended(struct ff_private *p, ff_ctx *ctx)
{
    char words[WORDS_SIZE] = "";
    char *path = joined(p->data, "/", "server.err");
    FILE *file = path ? fopen(path, "r") : NULL;
    size_t n = file ? fread(words, 1, sizeof words - 1, file) : 0;
    if (file) fclose(file);
    free(path);
    while (n > 0 && words[n - 1] == '\n') n--;
    words[n] = '\0';
    const int status = p->remote.child_status, code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    if (WIFSIGNALED(status)) {
        return ff_fail(ctx, FF_ECRASHED, FF_HERE, "the private server was killed (%s); what is checkpointed is kept",
                       strsignal(WTERMSIG(status)));
    }
    ff_err err = code == ff_code_exit(FF_EBUSY) ? FF_EBUSY : code == ff_code_exit(FF_EUSAGE) ? FF_EUSAGE : FF_EIO;
    return ff_fail(ctx, err, FF_HERE, "the private server ended (exit code %d): %s", code, n ? words : "no words");
}

ff_err ff_private_why(struct ff_private *p, ff_err err)
{
    if (!err || p->remote.signals.fd < 0) return err;
    ff_remote_signals(&p->remote);
    if (!p->remote.child_gone || p->remote.stopped) return err;
    return ended(p, &p->remote.cli->ctx);
}

/* Its address stands in a file when everything has started. */
static ff_err wait_until_it_answers(struct ff_private *p, ff_ctx *ctx)
{
    const double until = ff_clock_s() + START_WAIT_S;
    while (!holds(p->data, "server.address")) {
        struct pollfd signals = {.fd = p->remote.signals.fd, .events = POLLIN};
        poll(&signals, 1, POLL_MS);
        if (ff_remote_signals(&p->remote)) {
            return p->remote.stopped ? ff_fail(ctx, FF_EINTERRUPTED, FF_HERE, "interrupted") : ended(p, ctx);
        }
        if (ff_clock_s() > until) {
            return ff_fail(ctx, FF_EUNREACHABLE, FF_HERE,
                           "the private server did not start within %d s; see %s/server.log", START_WAIT_S, p->data);
        }
    }
    return FF_OK;
}

static ff_err start_process(struct ff_private *p, const struct ff_private_options *o, ff_ctx *ctx)
{
    struct command command;
    char *program = NULL, *words = joined(p->data, "/", "server.err"), *told = joined(p->data, "/", "server.address");
    ff_err err = words && told ? ff_program_find(&program, "ffserver", ctx) : no_memory(p);
    if (!err) {
        unlink(told);
        compose(&command, p, o, program);
        prctl(PR_SET_CHILD_SUBREAPER, 1); /* its gangs become ours to end, should it be killed */
        int failed = spawn(p, command.argv, words);
        if (failed) err = ff_errno_fail(ctx, failed, "cannot start", program);
        if (!err) err = wait_until_it_answers(p, ctx);
        free(command.log);
    }
    free(program);
    free(words);
    free(told);
    return err;
}

ff_err ff_private_start(struct ff_private *p, struct ff_cli *cli, const struct ff_private_options *o)
{
    ff_ctx *ctx = &cli->ctx;
    *p = (struct ff_private){.remote = {.cli = cli, .signals = {.fd = -1}}, .data = joined(o->out, ".ckpt", "")};
    ff_err err = p->data ? prepare_folder(p, o->resume, ctx) : no_memory(p);
    if (!err) err = choose_address(p, ctx);
    if (!err) err = ff_remote_open_at(&p->remote, cli, p->address, NULL, NULL);
    if (!err) err = start_process(p, o, ctx);
    return err;
}

/* What the killed server leaves behind are children of ours now, each the leader of its group. */
static void kill_orphans(void)
{
    char path[64], line[4096];
    snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    for (int rounds = 0; rounds < 100; rounds++) {
        FILE *file = fopen(path, "r");
        size_t n = file ? fread(line, 1, sizeof line - 1, file) : 0;
        if (file) fclose(file);
        line[n] = '\0';
        char *at = line, *end;
        for (long pid = strtol(at, &end, 10); end != at; at = end, pid = strtol(at, &end, 10)) {
            kill((pid_t)-pid, SIGKILL);
            kill((pid_t)pid, SIGKILL);
        }
        while (waitpid(-1, NULL, WNOHANG) > 0) continue;
        if (n == 0) return;
        poll(NULL, 0, POLL_MS);
    }
}

void ff_private_stop(struct ff_private *p, void (*again)(void *self), void *self)
{
    struct ff_remote *r = &p->remote;
    const int first = r->stopped;
    if (r->child <= 0) return;
    ff_client_close(r->client);
    r->client = NULL;
    if (!r->child_gone) kill(r->child, SIGTERM);
    bool killed = r->child_gone; /* its gangs, if any are left, compute for nobody */
    while (!r->child_gone) {
        r->stopped = 0;
        struct pollfd signals = {.fd = r->signals.fd, .events = POLLIN};
        poll(&signals, 1, 1000);
        ff_remote_signals(r);
        if (!r->stopped || killed) continue;
        killed = true;
        if (again) again(self);
        kill(r->child, SIGKILL);
    }
    r->stopped = first;
    if (killed) kill_orphans();
}

ff_err ff_private_result(struct ff_private *p, const json_t *job, const char *out)
{
    ff_ctx *ctx = &p->remote.cli->ctx;
    glob_t found;
    struct stat info;
    char *folder = joined(p->data, "/store/results/", ff_text_of(job, "id"));
    char *pattern = folder ? joined(folder, "/*.h5", "") : NULL;
    const json_int_t size = json_integer_value(json_object_get(json_object_get(job, "result"), "size"));
    ff_err err = pattern ? FF_OK : no_memory(p);
    if (!err) {
        int failed = glob(pattern, 0, NULL, &found);
        if (failed || found.gl_pathc != 1 || stat(found.gl_pathv[0], &info) != 0 || info.st_size != size) {
            err = ff_fail(ctx, FF_ECORRUPT, FF_HERE, "the result is not in %s as the server recorded it", folder);
        } else {
            const mode_t mask = umask(0);
            umask(mask);
            chmod(found.gl_pathv[0], 0666 & ~mask); /* in the store it was the server's alone */
            err = ff_publish(found.gl_pathv[0], out, ctx);
        }
        if (!failed) globfree(&found);
    }
    free(folder);
    free(pattern);
    return err;
}

void ff_private_forget(struct ff_private *p)
{
    remove_tree(p->data);
}

void ff_private_done(struct ff_private *p)
{
    ff_remote_close(&p->remote);
    if (p->socket_folder) remove_tree(p->socket_folder);
    free(p->socket_folder);
    free(p->address);
    free(p->data);
    *p = (struct ff_private){.remote = {.signals = {.fd = -1}}};
}

/* ---- the job ---- */

ff_err ff_private_keep_job(struct ff_private *p, const char *id, const json_t *job)
{
    ff_ctx *ctx = &p->remote.cli->ctx;
    char *path = joined(p->data, "/", "run.json"), *part = path ? ff_part_name(path) : NULL;
    json_t *kept = json_pack("{ss sO}", "id", id, "job", job);
    ff_err err = part && kept ? FF_OK : no_memory(p);
    if (!err) {
        err = json_dump_file(kept, part, JSON_INDENT(2)) == 0 ? ff_publish(part, path, ctx)
                                                              : ff_write_fail(ctx, errno, path, strerror(errno));
    }
    if (err) ff_part_drop(part);
    json_decref(kept);
    free(part);
    free(path);
    return err;
}

/* Resources may change between runs; the first other member that differs, or NULL. */
static const char *difference(const json_t *a, const json_t *b)
{
    const char *key;
    json_t *value;
    json_object_foreach((json_t *)a, key, value)
    {
        if (strcmp(key, "resources") != 0 && !json_equal(value, json_object_get(b, key))) return key;
    }
    return NULL;
}

ff_err ff_private_kept_job(struct ff_private *p, const json_t *job, char **id)
{
    ff_ctx *ctx = &p->remote.cli->ctx;
    char *path = joined(p->data, "/", "run.json");
    *id = NULL;
    if (!path) return no_memory(p);
    json_t *kept = json_load_file(path, 0, NULL);
    free(path);
    const json_t *old = json_object_get(kept, "job");
    const char *differs = difference(old, job);
    if (!differs) differs = old ? difference(job, old) : NULL;
    ff_err err = FF_OK;
    if (differs) {
        char pointer[FF_POINTER_SIZE];
        snprintf(pointer, sizeof pointer, "/%s", differs);
        err = ff_fail_at(ctx, FF_ECHECKPOINT, pointer, FF_HERE, "%s is of another job: this member differs", p->data);
    } else if (ff_is_id("job_", ff_text_of(kept, "id"))) {
        *id = strdup(ff_text_of(kept, "id"));
        if (!*id) err = no_memory(p);
    }
    json_decref(kept);
    return err;
}
