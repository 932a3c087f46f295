/* client/ffctl/lock.c - see lock.h. */
#include "client/ffctl/lock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/publish.h"

/* Is the locked file still the one of that name? A holder removes it before it lets go. */
static bool still_there(int fd, const char *path)
{
    struct stat held, named;
    return fstat(fd, &held) == 0 && stat(path, &named) == 0 && held.st_ino == named.st_ino &&
           held.st_dev == named.st_dev;
}

/* One try: *fd is the locked file, or -1 when somebody else holds it. */
static ff_err try_lock(const char *path, int *fd, ff_ctx *ctx)
{
    *fd = open(path, O_RDWR | O_CREAT, 0666); /* inherited by the worker on purpose */
    if (*fd < 0) return ff_errno_fail(ctx, errno, "cannot write beside the result:", path);
    int failed = flock(*fd, LOCK_EX | LOCK_NB) != 0 ? errno : 0;
    if (!failed && still_there(*fd, path)) return FF_OK;
    close(*fd);
    *fd = -1;
    if (failed && failed != EWOULDBLOCK) return ff_errno_fail(ctx, failed, "cannot lock", path);
    return FF_OK;
}

ff_err ff_lock_take(struct ff_lock *lock, const char *out, int wait_s, ff_ctx *ctx)
{
    enum { TRIES_A_SECOND = 20 };
    size_t size = strlen(out) + sizeof ".lock";
    *lock = (struct ff_lock){.fd = -1, .path = malloc(size)};
    if (!lock->path) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a file name");
    snprintf(lock->path, size, "%s.lock", out);
    ff_err err = FF_OK;
    for (int tries = 0; !err && lock->fd < 0 && tries <= wait_s * TRIES_A_SECOND; tries++) {
        if (tries == 2) {
            fprintf(stderr, "%s is being written by another run, or by the worker of one that was killed; waiting\n",
                    out);
        }
        if (tries > 0) nanosleep(&(struct timespec){.tv_nsec = 1000000000 / TRIES_A_SECOND}, NULL);
        err = try_lock(lock->path, &lock->fd, ctx);
    }
    if (!err && lock->fd < 0) {
        err =
            ff_fail(ctx, FF_ECHECKPOINT, FF_HERE, "%s is being written by another run (%s is locked)", out, lock->path);
    }
    if (err) {
        free(lock->path);
        lock->path = NULL;
    }
    return err;
}

void ff_lock_drop(struct ff_lock *lock)
{
    if (!lock->path) return;
    unlink(lock->path);
    close(lock->fd);
    free(lock->path);
    *lock = (struct ff_lock){.fd = -1};
}
