/* server/store/results.c - results opened to be served (store.h). */
#include <string.h>
#include <unistd.h>

#include "server/store/inside.h"

ff_err ff_storehouse_open_result(ff_storehouse *s, const char *path, int64_t size, const char *sha256, int *fd,
                                 ff_ctx *ctx)
{
    struct stat st;
    *fd = -1;
    if (strncmp(path, "results/", 8)) return ff_fail(ctx, FF_EBADFILE, FF_HERE, "that is not the path of a result");
    int file;
    ff_err err = ff_house_open(s, path, &file, &st, ctx);
    if (err == FF_ENOTFOUND) return ff_fail(ctx, FF_ECORRUPT, FF_HERE, "%s was stored and is not there", path);
    if (err) return err;
    err = ff_house_check_bytes(s, file, &st, path, size, sha256, ctx);
    if (err) {
        close(file);
        return err;
    }
    *fd = file;
    return FF_OK;
}
