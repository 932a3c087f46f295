/* server/store/folder.c - folders and files below a descriptor (inside.h): opened without following links, written,
** synced, renamed, removed. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "common/fault.h"
#include "server/store/inside.h"

enum { MAX_DEPTH = 8 }; /* of what is removed: nothing of ours is deeper than 3 */

ff_err ff_house_fail(ff_ctx *ctx, int number, const char *doing, const char *path)
{
    ff_err code = FF_ESTORAGE;
    switch (number) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        code = FF_EDISKFULL;
        break;
    case EIO:
        code = FF_EIO;
        break;
    case ENOMEM:
        code = FF_ENOMEM;
        break;
    case EMFILE:
    case ENFILE:
        code = FF_EBUSY;
        break;
    default:
        break;
    }
    const bool link = number == ELOOP;
    return ff_fail(ctx, code, FF_HERE, "%s %s: %s", doing, path,
                   link ? "a symbolic link stands there, and none is followed" : strerror(number));
}

int ff_house_subfolder(int parent, const char *name, bool make)
{
    /* A new folder is durable before anything in it is. */
    if (make && mkdirat(parent, name, FF_HOUSE_FOLDER_MODE) == 0 && fsync(parent)) return -1;
    return openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

ff_err ff_house_folder_of(const ff_storehouse *s, const char *path, bool make, int *folder, const char **last,
                          ff_ctx *ctx)
{
    *folder = -1;
    *last = path;
    ff_err err = ff_house_check_path(path, ctx);
    if (err) return err;
    int parent = s->fd;
    for (const char *slash; (slash = strchr(*last, '/')); *last = slash + 1) {
        const bool first = *last == path;
        char part[FF_HOUSE_PATH];
        snprintf(part, sizeof part, "%.*s", (int)(slash - *last), *last);
        /* The first (work, results, ..) was made when the store was opened: if it is gone, so is what was in it. */
        const int child = ff_house_subfolder(parent, part, make && !first);
        const int why = errno;
        if (parent != s->fd) close(parent);
        if (child < 0) {
            if (why == ENOENT && !first) return ff_fail(ctx, FF_ENOTFOUND, FF_HERE, "%s is not there", path);
            return ff_house_fail(ctx, why, "cannot open the folder of", path);
        }
        parent = child;
    }
    *folder = parent;
    return FF_OK;
}

ff_err ff_house_open_at(int folder, const char *name, const char *path, int *fd, struct stat *st, ff_ctx *ctx)
{
    /* O_NONBLOCK: a pipe with this name must not make us wait for its writer. */
    *fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (*fd < 0 && errno == ENOENT) return ff_fail(ctx, FF_ENOTFOUND, FF_HERE, "%s is not there", path);
    if (*fd < 0) return ff_house_fail(ctx, errno, "cannot open", path);
    ff_err err = FF_OK;
    if (fstat(*fd, st))
        err = ff_house_fail(ctx, errno, "cannot look at", path);
    else if (!S_ISREG(st->st_mode))
        err = ff_fail(ctx, FF_ESTORAGE, FF_HERE, "%s is not a regular file", path);
    if (!err) return FF_OK;
    close(*fd);
    *fd = -1;
    return err;
}

ff_err ff_house_open(const ff_storehouse *s, const char *path, int *fd, struct stat *st, ff_ctx *ctx)
{
    int folder;
    const char *last;
    *fd = -1;
    ff_err err = ff_house_folder_of(s, path, false, &folder, &last, ctx);
    if (err) return err;
    err = ff_house_open_at(folder, last, path, fd, st, ctx);
    close(folder);
    return err;
}

ff_err ff_house_write_at(int fd, const void *bytes, size_t size, int64_t at, const char *path, ff_ctx *ctx)
{
    const char *from = bytes;
    if (ff_fail_io()) return ff_house_fail(ctx, EIO, "cannot write", path);
    while (size > 0) {
        const ssize_t n = pwrite(fd, from, size, at);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return ff_house_fail(ctx, errno, "cannot write", path);
        from += n;
        at += n;
        size -= (size_t)n;
    }
    return FF_OK;
}

ff_err ff_house_sync(int fd, const char *path, ff_ctx *ctx)
{
    if (ff_fail_io()) return ff_house_fail(ctx, EIO, "cannot sync", path);
    return fsync(fd) ? ff_house_fail(ctx, errno, "cannot sync", path) : FF_OK;
}

ff_err ff_house_read_at(int fd, void *bytes, size_t size, int64_t at, size_t *got, const char *path, ff_ctx *ctx)
{
    *got = 0;
    while (*got < size) {
        const ssize_t n = pread(fd, (char *)bytes + *got, size - *got, at + (int64_t)*got);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return ff_house_fail(ctx, errno, "cannot read", path);
        if (n == 0) break;
        *got += (size_t)n;
    }
    return FF_OK;
}

ff_err ff_house_rename(int from, const char *old_name, int to, const char *name, const char *path, ff_ctx *ctx)
{
    ff_crash_point("store_before_rename");
    if (renameat(from, old_name, to, name)) return ff_house_fail(ctx, errno, "cannot rename a finished file to", path);
    ff_crash_point("store_after_rename");
    return ff_house_sync(to, path, ctx);
}

static void remove_tree(int folder, const char *name, int depth)
{
    if (unlinkat(folder, name, 0) == 0 || (errno != EISDIR && errno != EPERM) || depth >= MAX_DEPTH) return;
    const int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    if (!dir) {
        if (fd >= 0) close(fd);
        return;
    }
    struct dirent *entry;
    while ((entry = readdir(dir))) {
        if (strcmp(entry->d_name, ".") && strcmp(entry->d_name, "..")) remove_tree(fd, entry->d_name, depth + 1);
    }
    closedir(dir);
    unlinkat(folder, name, AT_REMOVEDIR);
}

void ff_house_remove(int folder, const char *name)
{
    remove_tree(folder, name, 0);
}
