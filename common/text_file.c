/* common/text_file.c - see text_file.h. */
#include "common/text_file.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
