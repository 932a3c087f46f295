/* worker/gang/scratch.c - see scratch.h: PLACE/ffworker-XXXXXX with a file `lock` in it. */
#include "worker/gang/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define FOLDER "ffworker-"
enum { SUFFIX = 6, LOCK_NAME_ROOM = 8 };

void ff_scratch_init(struct ff_scratch *s)
{
    *s = (struct ff_scratch){.lock_fd = -1};
}

/* A folder of a process that is no more: its lock can be had. One without a lock is being made, or is kept: left alone.
** */
static void remove_stale(const char *path)
{
    char lock[FF_GANG_PATH + LOCK_NAME_ROOM];
    snprintf(lock, sizeof lock, "%s/lock", path);
    const int fd = open(lock, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) return;
    if (!flock(fd, LOCK_EX | LOCK_NB)) ff_scratch_remove(path);
    close(fd);
}

static void sweep(const char *place)
{
    char path[FF_GANG_PATH];
    const struct dirent *entry;
    DIR *dir = opendir(place);
    if (!dir) return;
    while ((entry = readdir(dir))) {
        if (strncmp(entry->d_name, FOLDER, strlen(FOLDER)) != 0) continue;
        if (strlen(entry->d_name) != strlen(FOLDER) + SUFFIX) continue;
        const int n = snprintf(path, sizeof path, "%s/%s", place, entry->d_name);
        if (n > 0 && n < (int)sizeof path) remove_stale(path);
    }
    closedir(dir);
}

static ff_err lock(struct ff_scratch *s, ff_ctx *ctx)
{
    char path[FF_GANG_PATH + LOCK_NAME_ROOM];
    snprintf(path, sizeof path, "%s/lock", s->path);
    s->lock_fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (s->lock_fd >= 0 && !flock(s->lock_fd, LOCK_EX | LOCK_NB)) return FF_OK;
    return ff_fail(ctx, errno == ENOSPC ? FF_EDISKFULL : FF_ESTORAGE, FF_HERE, "%s cannot be locked: %s", path,
                   strerror(errno));
}

ff_err ff_scratch_check(const char *place, ff_ctx *ctx)
{
    if ((mkdir(place, 0700) == 0 || errno == EEXIST) && access(place, W_OK | X_OK) == 0) return FF_OK;
    return ff_fail_at(ctx, FF_EUSAGE, "--scratch", FF_HERE, "%s cannot be used for files: %s", place, strerror(errno));
}

ff_err ff_scratch_make(struct ff_scratch *s, const char *place, ff_ctx *ctx)
{
    if (s->path[0]) return FF_OK;
    sweep(place);
    const int n = snprintf(s->path, sizeof s->path, "%s/" FOLDER "XXXXXX", place);
    if (n < 0 || n >= (int)sizeof s->path || !mkdtemp(s->path)) {
        s->path[0] = '\0';
        return ff_fail(ctx, errno == ENOSPC ? FF_EDISKFULL : FF_ESTORAGE, FF_HERE,
                       "no folder for files of tasks can be made in %s: %s", place, strerror(errno));
    }
    return lock(s, ctx);
}

void ff_scratch_done(struct ff_scratch *s)
{
    char path[FF_GANG_PATH + LOCK_NAME_ROOM];
    if (s->path[0]) {
        snprintf(path, sizeof path, "%s/lock", s->path);
        if (s->keep) {
            unlink(path);
        } else {
            ff_scratch_remove(s->path);
        }
    }
    if (s->lock_fd >= 0) close(s->lock_fd);
    ff_scratch_init(s);
}
