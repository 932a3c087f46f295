/* tests/fault/shim.c - a library to preload that makes calls of the system fail when a test says so (shim.h): writes, syncs,
** renames and opens of files by path, the n-th allocation, and a clock of the wall that jumps. It asks the C library's own
** functions by dlsym; those of memory by the names that glibc has for that. */
#define _GNU_SOURCE
#include "tests/fault/shim.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static struct ff_shim_control *control;

__attribute__((constructor)) static void map_control(void)
{
    const char *path = getenv("FF_SHIM_CONTROL");
    const int fd = path ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *page = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (page != MAP_FAILED) control = page;
}

/* ---- calls about files ---- */

static bool fails(int kind, const char *path)
{
    struct ff_shim_control *c = control;
    if (!c || !(atomic_load(&c->mask) & kind) || !strstr(path, c->pattern)) return false;
    if (atomic_load(&c->skip) > 0 && atomic_fetch_sub(&c->skip, 1) > 0) return false;
    if (atomic_load(&c->count) >= 0 && atomic_fetch_sub(&c->count, 1) <= 0) {
        atomic_store(&c->count, 0);
        return false;
    }
    atomic_fetch_add(&c->hits, 1);
    errno = (int)atomic_load(&c->code);
    return true;
}

static bool fails_fd(int kind, int fd)
{
    char name[64], path[PATH_MAX];
    if (!control || !(atomic_load(&control->mask) & kind)) return false;
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    const ssize_t n = readlink(name, path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    return fails(kind, path);
}

#define NEXT(type, name) ((type)dlsym(RTLD_NEXT, name))

ssize_t write(int fd, const void *bytes, size_t size)
{
    static ssize_t (*next)(int, const void *, size_t);
    if (!next) next = NEXT(ssize_t(*)(int, const void *, size_t), "write");
    return fails_fd(FF_SHIM_WRITE, fd) ? -1 : next(fd, bytes, size);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t offset)
{
    static ssize_t (*next)(int, const void *, size_t, off64_t);
    if (!next) next = NEXT(ssize_t(*)(int, const void *, size_t, off64_t), "pwrite64");
    return fails_fd(FF_SHIM_WRITE, fd) ? -1 : next(fd, bytes, size, offset);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t offset)
{
    return pwrite64(fd, bytes, size, offset);
}

int fsync(int fd)
{
    static int (*next)(int);
    if (!next) next = NEXT(int (*)(int), "fsync");
    return fails_fd(FF_SHIM_SYNC, fd) ? -1 : next(fd);
}

int fdatasync(int fd)
{
    static int (*next)(int);
    if (!next) next = NEXT(int (*)(int), "fdatasync");
    return fails_fd(FF_SHIM_SYNC, fd) ? -1 : next(fd);
}

int rename(const char *from, const char *to)
{
    static int (*next)(const char *, const char *);
    if (!next) next = NEXT(int (*)(const char *, const char *), "rename");
    return fails(FF_SHIM_RENAME, to) ? -1 : next(from, to);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
    static int (*next)(int, const char *, int, const char *);
    if (!next) next = NEXT(int (*)(int, const char *, int, const char *), "renameat");
    return fails(FF_SHIM_RENAME, to) ? -1 : next(from_dir, from, to_dir, to);
}

static mode_t mode_of(int flags, va_list *rest)
{
    return flags & (O_CREAT | O_TMPFILE) ? va_arg(*rest, mode_t) : 0;
}

int openat64(int dir, const char *path, int flags, ...)
{
    static int (*next)(int, const char *, int, ...);
    va_list rest;
    va_start(rest, flags);
    const mode_t mode = mode_of(flags, &rest);
    va_end(rest);
    if (!next) next = NEXT(int (*)(int, const char *, int, ...), "openat64");
    return fails(FF_SHIM_OPEN, path) ? -1 : next(dir, path, flags, mode);
}

int openat(int dir, const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    const mode_t mode = mode_of(flags, &rest);
    va_end(rest);
    return openat64(dir, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    const mode_t mode = mode_of(flags, &rest);
    va_end(rest);
    return openat64(AT_FDCWD, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
    va_list rest;
    va_start(rest, flags);
    const mode_t mode = mode_of(flags, &rest);
    va_end(rest);
    return openat64(AT_FDCWD, path, flags, mode);
}

/* ---- the clock of the wall ---- */

static time_t jump(void)
{
    return control ? (time_t)atomic_load(&control->clock_s) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    static int (*next)(clockid_t, struct timespec *);
    if (!next) next = NEXT(int (*)(clockid_t, struct timespec *), "clock_gettime");
    const int failed = next(clock, now);
    if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += jump();
    return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    struct timespec precise;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &precise)) return -1;
    *now = (struct timeval){precise.tv_sec, precise.tv_nsec / 1000};
    return 0;
}

time_t time(time_t *out)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (out) *out = now.tv_sec;
    return now.tv_sec;
}

/* ---- memory ---- */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *old, size_t size);

static bool no_memory(void)
{
    struct ff_shim_control *c = control;
    if (!c || atomic_load_explicit(&c->malloc_n, memory_order_relaxed) <= 0) return false;
    if (atomic_fetch_sub(&c->malloc_n, 1) != 1) return false;
    atomic_fetch_add(&c->malloc_hits, 1);
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    return no_memory() ? NULL : __libc_malloc(size);
}

void *calloc(size_t n, size_t size)
{
    return no_memory() ? NULL : __libc_calloc(n, size);
}

void *realloc(void *old, size_t size)
{
    return no_memory() ? NULL : __libc_realloc(old, size);
}
