/* common/publish.c - see publish.h. */
#include "common/publish.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

char *ff_part_name(const char *path)
{
    const size_t size = strlen(path) + sizeof ".part";
    char *part = malloc(size);
    if (part) snprintf(part, size, "%s.part", path);
    return part;
}

ff_err ff_errno_code(int number)
{
    switch (number) {
    case ENOSPC:
    case EDQUOT:
        return FF_EDISKFULL;
    case ENOENT:
    case ENOTDIR:
        return FF_ENOFILE;
    case ENOMEM:
        return FF_ENOMEM;
    default:
        return FF_EIO;
    }
}

ff_err ff_errno_fail(ff_ctx *ctx, int number, const char *doing, const char *path)
{
    return ff_fail(ctx, ff_errno_code(number), FF_HERE, "%s %s: %s", doing, path, strerror(number));
}

ff_err ff_write_fail(ff_ctx *ctx, int number, const char *path, const char *why)
{
    const ff_err code = ff_errno_code(number) == FF_EDISKFULL ? FF_EDISKFULL : FF_EIO;
    return ff_fail(ctx, code, FF_HERE, "cannot write %s: %s", path, why);
}

static ff_err sync_path(const char *path, int flags, ff_ctx *ctx)
{
    const int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0) return ff_errno_fail(ctx, errno, "cannot open", path);
    ff_err err = FF_OK;
    if (fsync(fd)) err = ff_errno_fail(ctx, errno, "cannot fsync", path);
    /* close() after a good fsync has nothing left to lose. */
    close(fd);
    return err;
}

static ff_err move(const char *part, const char *path, ff_ctx *ctx)
{
    return rename(part, path) ? ff_errno_fail(ctx, errno, "cannot rename the finished file to", path) : FF_OK;
}

/* A rename takes the place of what is there; a second name does not. */
static ff_err move_to_new(const char *part, const char *path, ff_ctx *ctx)
{
    if (link(part, path) == 0) return unlink(part) ? ff_errno_fail(ctx, errno, "cannot remove", part) : FF_OK;
    if (errno == EEXIST) return ff_fail(ctx, FF_EUSAGE, FF_HERE, "%s is there already", path);
    return ff_errno_fail(ctx, errno, "cannot give the finished file the name", path);
}

static ff_err publish(const char *part, const char *path, ff_err (*name)(const char *, const char *, ff_ctx *),
                      ff_ctx *ctx)
{
    char *copy = strdup(path);
    ff_err err = copy ? FF_OK : ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory to publish %s", path);
    if (!err) err = sync_path(part, O_RDONLY, ctx);
    if (!err) err = name(part, path, ctx);
    if (!err) err = sync_path(dirname(copy), O_RDONLY | O_DIRECTORY, ctx);
    free(copy);
    return err;
}

ff_err ff_publish(const char *part, const char *path, ff_ctx *ctx)
{
    return publish(part, path, move, ctx);
}

ff_err ff_publish_new(const char *part, const char *path, ff_ctx *ctx)
{
    return publish(part, path, move_to_new, ctx);
}

void ff_part_drop(const char *part)
{
    if (part) unlink(part);
}

ff_err ff_open_regular(FILE **out, const char *path, long *size, ff_ctx *ctx)
{
    *out = NULL;
    *size = 0;
    struct stat st;
    if (stat(path, &st)) return ff_errno_fail(ctx, errno, "cannot read", path);
    /* Asked before open(): opening a named pipe would wait for a writer. */
    if (!S_ISREG(st.st_mode)) return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s is not a regular file", path);
    FILE *file = fopen(path, "rb");
    if (!file) return ff_errno_fail(ctx, errno, "cannot read", path);
    *out = file;
    *size = (long)st.st_size;
    return FF_OK;
}
