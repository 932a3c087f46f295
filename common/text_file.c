/* common/text_file.c - see text_file.h. */
#include "common/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "common/publish.h"

static ff_err fail_file(const char *path, int why, ff_ctx *ctx)
{
    ff_err code = why == ENOENT || why == ENOTDIR ? FF_ENOFILE : why == EISDIR ? FF_EBADFILE : FF_EIO;
    return ff_fail(ctx, code, FF_HERE, "%s: %s", path, strerror(why));
}

ff_err ff_text_file_read(char **text, size_t *size, const char *path, size_t most, ff_ctx *ctx)
{
    *text = NULL;
    FILE *file = fopen(path, "rb");
    if (!file) return fail_file(path, errno, ctx);
    ff_err err = FF_OK;
    char *buffer = malloc(most + 1);
    if (buffer) {
        *size = fread(buffer, 1, most + 1, file);
        if (ferror(file)) err = fail_file(path, errno, ctx);
    } else {
        err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory to read %s", path);
    }
    fclose(file);
    if (err) {
        free(buffer);
        buffer = NULL;
    }
    *text = buffer;
    return err;
}

/* 0, or the errno of what failed. The file is a new one: one that a killed process left might belong to others. */
static int write_part(const char *part, const char *line, mode_t mode)
{
    const struct iovec pieces[] = {{.iov_base = (void *)(size_t)line, .iov_len = strlen(line)},
                                   {.iov_base = (char[]){'\n'}, .iov_len = 1}};
    ff_part_drop(part);
    const int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0) return errno;
    const ssize_t wrote = writev(fd, pieces, 2), whole = (ssize_t)pieces[0].iov_len + 1;
    int why = wrote < 0 ? errno : wrote < whole ? ENOSPC : 0; /* so few bytes are cut short by a full disk only */
    if (close(fd) && !why) why = errno;
    return why;
}

ff_err ff_text_file_write(const char *path, const char *line, mode_t mode, bool replace, ff_ctx *ctx)
{
    char *part = ff_part_name(path);
    if (!part) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory to write %s", path);
    const int why = write_part(part, line, mode);
    ff_err err = why ? ff_write_fail(ctx, why, path, strerror(why)) : FF_OK;
    if (!err) err = replace ? ff_publish(part, path, ctx) : ff_publish_new(part, path, ctx);
    if (err) ff_part_drop(part);
    free(part);
    return err;
}
