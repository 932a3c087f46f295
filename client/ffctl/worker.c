/* client/ffctl/worker.c - see worker.h. The worker has its own process group, so that Ctrl-C reaches it once, through us. */
#include "client/ffctl/worker.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/publish.h"

enum { READ_SIZE = 1 << 16, MAX_LINE = 64 << 20, EXIT_NOT_STARTED = 127 };

ff_err ff_signals_hold(struct ff_signals *signals, ff_ctx *ctx)
{
    static const int held[] = {SIGINT, SIGTERM, SIGHUP, SIGTSTP, SIGCHLD};
    sigset_t set;
    sigemptyset(&set);
    for (size_t i = 0; i < sizeof held / sizeof *held; i++) sigaddset(&set, held[i]);
    signals->fd = -1;
    if (sigprocmask(SIG_BLOCK, &set, &signals->before) != 0) {
        return ff_fail(ctx, FF_EBUG, FF_HERE, "cannot hold signals: %s", strerror(errno));
    }
    signals->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals->fd >= 0) return FF_OK;
    ff_fail(ctx, FF_EIO, FF_HERE, "cannot read signals: %s", strerror(errno));
    sigprocmask(SIG_SETMASK, &signals->before, NULL);
    return ctx ? ctx->code : FF_EIO;
}

void ff_signals_release(struct ff_signals *signals)
{
    if (signals->fd < 0) return;
    close(signals->fd);
    signals->fd = -1;
    sigprocmask(SIG_SETMASK, &signals->before, NULL);
}

static _Noreturn void become_worker(char *const *argv, const int *out, const int *err, pid_t parent,
                                    const sigset_t *mask)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent) _exit(EXIT_NOT_STARTED); /* it died before it could be watched */
    setpgid(0, 0);
    dup2(out[1], STDOUT_FILENO);
    dup2(err[1], STDERR_FILENO);
    sigprocmask(SIG_SETMASK, mask, NULL);
    execv(argv[0], argv);
    dprintf(STDERR_FILENO, "cannot start %s: %s\n", argv[0], strerror(errno));
    _exit(EXIT_NOT_STARTED);
}

static void close_pair(const int *ends)
{
    close(ends[0]);
    close(ends[1]);
}

static ff_err open_pipe(int *ends, ff_ctx *ctx)
{
    if (pipe(ends) != 0) return ff_fail(ctx, FF_EIO, FF_HERE, "cannot make a pipe: %s", strerror(errno));
    for (int i = 0; i < 2; i++) fcntl(ends[i], F_SETFD, FD_CLOEXEC);
    fcntl(ends[0], F_SETFL, O_NONBLOCK);
    return FF_OK;
}

ff_err ff_worker_start(struct ff_worker *worker, char *const *argv, const struct ff_signals *signals, ff_ctx *ctx)
{
    *worker = (struct ff_worker){.pid = -1, .out = -1, .err = -1};
    int out[2], err[2];
    ff_err failed = open_pipe(out, ctx);
    if (failed) return failed;
    failed = open_pipe(err, ctx);
    if (failed) {
        close_pair(out);
        return failed;
    }
    pid_t parent = getpid();
    fflush(stdout);
    worker->pid = fork();
    if (worker->pid == 0) become_worker(argv, out, err, parent, &signals->before);
    if (worker->pid < 0) {
        failed = ff_errno_fail(ctx, errno, "cannot start", argv[0]);
        close_pair(out);
        close_pair(err);
        return failed;
    }
    close(out[1]);
    close(err[1]);
    worker->out = out[0];
    worker->err = err[0];
    return FF_OK;
}

/* Bytes of stdout until they are whole lines. */
struct lines {
    char *bytes;
    size_t size, room;
};

static ff_err take_lines(struct lines *l, const char *bytes, size_t size, const struct ff_listener *listener,
                         ff_ctx *ctx)
{
    if (l->size + size > MAX_LINE) {
        return ff_fail(ctx, FF_EBUG, FF_HERE, "a line of the worker is longer than %d bytes", MAX_LINE);
    }
    if (l->size + size > l->room) {
        size_t room = 2 * (l->size + size);
        char *grown = realloc(l->bytes, room);
        if (!grown) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a line of %zu bytes", l->size + size);
        l->bytes = grown;
        l->room = room;
    }
    memcpy(l->bytes + l->size, bytes, size);
    l->size += size;
    char *at = l->bytes, *end = l->bytes + l->size, *newline;
    while ((newline = memchr(at, '\n', (size_t)(end - at)))) {
        listener->line(listener->self, at, (size_t)(newline + 1 - at));
        at = newline + 1;
    }
    l->size = (size_t)(end - at);
    memmove(l->bytes, at, l->size);
    return FF_OK;
}

/* Reads what is there; *fd becomes -1 at its end. `lines` NULL: stderr. */
static ff_err drain(int *fd, struct lines *lines, const struct ff_listener *listener, ff_ctx *ctx)
{
    char *buffer = malloc(READ_SIZE);
    if (!buffer) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory to listen to the worker");
    ff_err err = FF_OK;
    ssize_t n;
    while (!err && (n = read(*fd, buffer, READ_SIZE)) != 0) {
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) break; /* nothing more now */
        if (lines) {
            err = take_lines(lines, buffer, (size_t)n, listener, ctx);
        } else {
            listener->words(listener->self, buffer, (size_t)n);
        }
    }
    if (!err && n == 0) {
        close(*fd);
        *fd = -1;
    }
    free(buffer);
    return err;
}

static void stop(struct ff_worker *worker, int number, const struct ff_listener *listener)
{
    bool again = worker->stopped != 0;
    if (!again) worker->stopped = number == SIGHUP ? SIGTERM : number;
    worker->killed |= again;
    listener->stopping(listener->self, again);
    kill(worker->pid, again ? SIGKILL : SIGTERM);
    if (again) kill(worker->pid, SIGCONT);
}

/* Ctrl-Z: the worker pauses with us and goes on with us. */
static void pause_both(const struct ff_worker *worker)
{
    kill(worker->pid, SIGSTOP);
    kill(getpid(), SIGSTOP);
    kill(worker->pid, SIGCONT);
}

static void take_signals(struct ff_worker *worker, const struct ff_signals *signals, const struct ff_listener *listener,
                         bool *gone)
{
    struct signalfd_siginfo info;
    while (read(signals->fd, &info, sizeof info) == (ssize_t)sizeof info) {
        int number = (int)info.ssi_signo;
        if (number == SIGCHLD) {
            if (waitpid(worker->pid, &worker->status, WNOHANG) == worker->pid) *gone = true;
        } else if (number == SIGTSTP) {
            pause_both(worker);
        } else if (!*gone) {
            stop(worker, number, listener);
        }
    }
}

ff_err ff_worker_follow(struct ff_worker *worker, const struct ff_signals *signals, const struct ff_listener *listener,
                        ff_ctx *ctx)
{
    struct lines lines = {0};
    bool gone = false;
    ff_err err = FF_OK;
    while (!gone && !err) {
        struct pollfd fds[] = {{.fd = signals->fd, .events = POLLIN},
                               {.fd = worker->out, .events = POLLIN}, /* -1 is passed over */
                               {.fd = worker->err, .events = POLLIN}};
        if (poll(fds, 3, -1) < 0 && errno != EINTR) {
            err = ff_fail(ctx, FF_EIO, FF_HERE, "cannot listen to the worker: %s", strerror(errno));
        }
        if (!err && fds[1].revents) err = drain(&worker->out, &lines, listener, ctx);
        if (!err && fds[2].revents) err = drain(&worker->err, NULL, listener, ctx);
        take_signals(worker, signals, listener, &gone);
    }
    if (err && !gone) { /* nobody listens any more: as good as our own death */
        kill(worker->pid, SIGTERM);
        waitpid(worker->pid, &worker->status, 0);
    }
    if (!err && worker->out >= 0) err = drain(&worker->out, &lines, listener, ctx);
    if (!err && worker->err >= 0) err = drain(&worker->err, NULL, listener, ctx);
    if (!err && lines.size > 0) listener->line(listener->self, lines.bytes, lines.size);
    free(lines.bytes);
    if (worker->out >= 0) close(worker->out);
    if (worker->err >= 0) close(worker->err);
    worker->out = worker->err = -1;
    return err;
}
