/* worker/io/folder.c - see folder.h. */
#include "worker/io/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/model.h"

static const double GIB = 1024.0 * 1024.0 * 1024.0;

ff_err ff_folder_make(const char *path, ff_ctx *ctx)
{
    if (!mkdir(path, 0777)) return FF_OK;
    struct stat st;
    if (errno == EEXIST && !stat(path, &st) && S_ISDIR(st.st_mode)) return FF_OK;
    return ff_fail(ctx, errno == ENOSPC ? FF_EDISKFULL : FF_EIO, FF_HERE, "the folder %s cannot be made: %s", path,
                   strerror(errno));
}

/* All entries of an open folder but the two dots; 0 or errno. */
static int empty_folder(DIR *dir)
{
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(dir);
        if (!entry) return errno;
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        if (unlinkat(dirfd(dir), entry->d_name, 0) && errno != ENOENT) return errno;
    }
}

ff_err ff_folder_remove(const char *path, ff_ctx *ctx)
{
    const int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT) return FF_OK;
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    int why = dir ? empty_folder(dir) : errno;
    if (dir) {
        closedir(dir);
    } else if (fd >= 0) {
        close(fd);
    }
    if (!why && rmdir(path)) why = errno;
    if (!why) return FF_OK;
    return ff_fail(ctx, FF_EIO, FF_HERE, "the folder %s cannot be removed: %s", path, strerror(why));
}

/* All bytes of one open file into another; 0 or errno. */
static int copy_bytes(int from, int to)
{
    char block[1 << 16];
    for (;;) {
        const ssize_t got = read(from, block, sizeof block);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return got < 0 ? errno : 0;
        for (ssize_t put = 0; put < got;) {
            const ssize_t n = write(to, block + put, (size_t)(got - put));
            if (n < 0 && errno != EINTR) return errno;
            if (n > 0) put += n;
        }
    }
}

ff_err ff_folder_copy(const char *from, const char *to, bool *found, ff_ctx *ctx)
{
    const int in = open(from, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    *found = in >= 0;
    if (in < 0 && errno == ENOENT) return FF_OK;
    if (in < 0) return ff_fail(ctx, FF_EIO, FF_HERE, "%s cannot be read: %s", from, strerror(errno));
    const int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0666);
    int why = out < 0 ? errno : copy_bytes(in, out);
    if (!why && fsync(out)) why = errno;
    if (out >= 0 && close(out) && !why) why = errno;
    close(in);
    if (!why) return FF_OK;
    return ff_fail(ctx, why == ENOSPC || why == EDQUOT ? FF_EDISKFULL : FF_EIO, FF_HERE,
                   "%s cannot be copied to %s: %s", from, to, strerror(why));
}

/* The folder a file stands in, by its path alone. */
static ff_err parent_of(const char *path, char *out, size_t size, ff_ctx *ctx)
{
    const char *slash = strrchr(path, '/');
    const size_t length = slash ? (size_t)(slash - path) : 0;
    if (length >= size)
        return ff_fail(ctx, FF_EUSAGE, FF_HERE, "the path of the result has more than %zu characters", size - 1);
    if (!slash) {
        snprintf(out, size, ".");
    } else if (!length) {
        snprintf(out, size, "/");
    } else {
        snprintf(out, size, "%.*s", (int)length, path);
    }
    return FF_OK;
}

ff_err ff_folder_check_out(const char *path, ff_ctx *ctx)
{
    char parent[FF_PATH_SIZE];
    struct stat st;
    ff_err err = parent_of(path, parent, sizeof parent, ctx);
    if (err) return err;
    if (stat(parent, &st) || !S_ISDIR(st.st_mode))
        return ff_fail(ctx, FF_ENOFILE, FF_HERE, "the result %s needs the folder %s, which does not exist", path,
                       parent);
    if (access(parent, W_OK | X_OK))
        return ff_fail(ctx, FF_EBADFILE, FF_HERE, "the result %s cannot be made: no permission to write in %s", path,
                       parent);
    if (!stat(path, &st) && !S_ISREG(st.st_mode))
        return ff_fail(ctx, FF_EBADFILE, FF_HERE, "the result %s is there already and is not a plain file", path);
    return FF_OK;
}

ff_err ff_folder_check_room(const char *path, double bytes, const char *pointer, ff_ctx *ctx)
{
    char parent[FF_PATH_SIZE];
    struct statvfs fs;
    ff_err err = parent_of(path, parent, sizeof parent, ctx);
    if (err) return err;
    if (statvfs(parent, &fs))
        return ff_fail(ctx, FF_EIO, FF_HERE, "the disk of %s cannot be asked for room: %s", parent, strerror(errno));
    const double room = (double)fs.f_bavail * (double)fs.f_frsize;
    if (bytes <= room) return FF_OK;
    return ff_fail_at(ctx, FF_EDISKFULL, pointer, FF_HERE,
                      "the job needs %.3f GiB on the disk of %s for its result and its checkpoint, %.3f GiB are free",
                      bytes / GIB, parent, room / GIB);
}
