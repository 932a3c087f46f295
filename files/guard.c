/* files/guard.c - see guard.h. The child sends one header and then the bytes through a pipe. The parent believes
** nothing in it: the child may have been taken over by the file it read. The parent may have other threads (OpenMP,
** a server's): after fork() the child has only the calling thread, and uses malloc and stdio, whose locks the C
** library keeps usable, and the reader. What a reader's library keeps in memory must not be half changed by another
** thread at that moment: a program with threads uses HDF5 in such children only, so each child finds the library as
** the loader left it. */
#define _GNU_SOURCE /* pipe2, close_range, NSIG, wait4 */
#include "files/guard.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/publish.h"

enum { MAGIC = 0x46464744, EXIT_SENT = 0, EXIT_NOT_SENT = 3 };
enum { PATIENCE = 5 }; /* seconds of waiting per second of CPU allowed: a busy machine is no fault of the file */

struct header {
    uint32_t magic;
    int32_t code;
    uint64_t size; /* of the bytes that follow */
    char message[FF_MESSAGE_SIZE];
};

/* Address space of this process in bytes; 0 if unknown. */
static size_t address_space(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    if (!file) return 0;
    unsigned long pages = 0;
    const int got = fscanf(file, "%lu", &pages);
    fclose(file);
    return got == 1 ? pages * (size_t)sysconf(_SC_PAGESIZE) : 0;
}

static void limit(int resource, size_t value)
{
    struct rlimit now;
    if (getrlimit(resource, &now)) return;
    const rlim_t wanted = value < now.rlim_max ? (rlim_t)value : now.rlim_max;
    setrlimit(resource, &(struct rlimit){.rlim_cur = wanted, .rlim_max = wanted});
}

/* A server has sockets, locks and keys open: they are none of a file's reader's business, and a connection the
** parent closes must not live on here. The file is named by a path, the pipe is kept. (A kernel older than the call
** keeps them.) */
static void close_all_but(int keep)
{
    if (keep > STDERR_FILENO + 1) close_range(STDERR_FILENO + 1, (unsigned)keep - 1, 0);
    close_range((unsigned)keep + 1, ~0U, 0);
}

/* A parent's handlers (a crash reporter, a checkpoint on SIGTERM) must not run here, and its blocked signals must
** kill. */
static void default_signals(void)
{
    for (int s = 1; s < NSIG; s++) signal(s, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void confine(int pipe_end, size_t max_bytes, int max_seconds)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    default_signals();
    close_all_but(pipe_end);
    const int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nowhere >= 0) { /* what a library prints while it dies is not for the user */
        dup2(nowhere, STDOUT_FILENO);
        dup2(nowhere, STDERR_FILENO);
        if (nowhere > STDERR_FILENO) close(nowhere);
    }
    const size_t now = address_space();
    if (now) limit(RLIMIT_AS, now + max_bytes);
    limit(RLIMIT_CPU, (size_t)max_seconds);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_FSIZE, 0);
}

static int send_all(int fd, const void *bytes, size_t size)
{
    const char *at = bytes;
    while (size > 0) {
        const ssize_t n = write(fd, at, size);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return -1;
        at += n;
        size -= (size_t)n;
    }
    return 0;
}

/* Is there something to read before the deadline? */
static bool ready(int fd, double deadline)
{
    for (;;) {
        const double left = deadline - ff_clock_s();
        if (left <= 0) return false;
        struct pollfd p = {.fd = fd, .events = POLLIN};
        const int n = poll(&p, 1, left > 1000 ? 1000000 : (int)(1000 * left) + 1);
        if (n > 0) return true;
        if (n < 0 && errno != EINTR) return false;
    }
}

/* How many bytes came before the end, an error or the deadline. */
static size_t receive(int fd, void *bytes, size_t size, double deadline)
{
    size_t got = 0;
    while (got < size && ready(fd, deadline)) {
        const ssize_t n = read(fd, (char *)bytes + got, size - got);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        got += (size_t)n;
    }
    return got;
}

static _Noreturn void child(int fd, ff_guard_read reader, void *arg, size_t max_bytes, int max_seconds)
{
    confine(fd, max_bytes, max_seconds);
    ff_ctx ctx;
    ff_ctx_clear(&ctx);
    void *bytes = NULL;
    size_t size = 0;
    struct header header = {.magic = MAGIC};
    header.code = reader(arg, &bytes, &size, &ctx);
    header.size = header.code ? 0 : size;
    memcpy(header.message, ctx.message, sizeof header.message);
    int failed = send_all(fd, &header, sizeof header);
    if (!failed && header.size) failed = send_all(fd, bytes, size);
    /* No exit handlers: HDF5's would close files that are the parent's. */
    _exit(failed ? EXIT_NOT_SENT : EXIT_SENT);
}

static double cpu_seconds(const struct rusage *used)
{
    return (double)(used->ru_utime.tv_sec + used->ru_stime.tv_sec) +
           1e-6 * (double)(used->ru_utime.tv_usec + used->ru_stime.tv_usec);
}

/* Only the limit on CPU time and a machine without memory send these signals. */
static ff_err died(const char *path, int status, const struct rusage *used, size_t max_bytes, int max_seconds,
                   ff_ctx *ctx)
{
    const int number = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    if (number == SIGXCPU || (number == SIGKILL && cpu_seconds(used) > max_seconds - 0.1))
        return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: reading it needed more than %d s", path, max_seconds);
    if (number == SIGKILL) {
        return ff_fail(ctx, FF_ENOMEM, FF_HERE,
                       "%s: the machine has no memory to read it, and killed the reader, which may take %zu MB", path,
                       max_bytes >> 20);
    }
    if (WIFSIGNALED(status)) {
        return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: the file is damaged: its reader crashed (%s)", path,
                       strsignal(WTERMSIG(status)));
    }
    return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: the file is damaged: its reader gave up (exit %d)", path,
                   WIFEXITED(status) ? WEXITSTATUS(status) : -1);
}

/* The bytes after a good header; *complete says whether all came. */
static ff_err take(int fd, const char *path, const struct header *header, size_t max_bytes, double deadline,
                   void **bytes, bool *complete, ff_ctx *ctx)
{
    *complete = false;
    if (header->size > max_bytes) {
        return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: its reader offers %llu bytes, at most %zu are taken", path,
                       (unsigned long long)header->size, max_bytes);
    }
    *bytes = malloc(header->size ? header->size : 1);
    if (!*bytes) {
        return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the %llu bytes of %s", (unsigned long long)header->size,
                       path);
    }
    *complete = receive(fd, *bytes, header->size, deadline) == header->size;
    return FF_OK;
}

/* What the child said went wrong. Where memory was short, it was short because of us. */
static ff_err refused(struct header *header, size_t max_bytes, ff_ctx *ctx)
{
    const bool known = header->code > 0 && header->code < FF_NCODES;
    header->message[sizeof header->message - 1] = '\0';
    if (header->code != FF_ENOMEM)
        return ff_fail(ctx, known ? header->code : FF_EBADFILE, FF_HERE, "%s", header->message);
    return ff_fail(ctx, FF_ENOMEM, FF_HERE, "%.700s; its reader may take %zu MB", header->message, max_bytes >> 20);
}

ff_err ff_guard(const char *path, ff_guard_read read, void *arg, size_t max_bytes, int max_seconds, void **bytes,
                size_t *size, ff_ctx *ctx)
{
    *bytes = NULL;
    *size = 0;
    int ends[2];
    if (pipe2(ends, O_CLOEXEC)) return ff_errno_fail(ctx, errno, "no pipe to read", path);
    const pid_t pid = fork();
    if (pid < 0) {
        close(ends[0]);
        close(ends[1]);
        return ff_errno_fail(ctx, errno, "cannot start a process to read", path);
    }
    if (pid == 0) {
        close(ends[0]);
        child(ends[1], read, arg, max_bytes, max_seconds);
    }
    close(ends[1]);
    const double deadline = ff_clock_s() + PATIENCE * max_seconds;
    struct header header = {0};
    const bool answered = receive(ends[0], &header, sizeof header, deadline) == sizeof header && header.magic == MAGIC;
    bool complete = answered;
    ff_err err = FF_OK;
    if (answered && !header.code) err = take(ends[0], path, &header, max_bytes, deadline, bytes, &complete, ctx);
    close(ends[0]);
    const bool late = ff_clock_s() >= deadline; /* it waits for a dead file system, say */
    if (complete || late) kill(pid, SIGKILL);
    int status = 0;
    struct rusage used = {0};
    while (wait4(pid, &status, 0, &used) < 0 && errno == EINTR) continue;
    if (!err && !complete && late) {
        err = ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: it was not read within %d s", path, PATIENCE * max_seconds);
    }
    if (!err && !complete) err = died(path, status, &used, max_bytes, max_seconds, ctx);
    if (!err && header.code) err = refused(&header, max_bytes, ctx);
    if (err) {
        free(*bytes);
        *bytes = NULL;
        return err;
    }
    *size = (size_t)header.size;
    return FF_OK;
}
