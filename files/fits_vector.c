/* files/fits_vector.c - see fits_vector.h. */
#include "files/fits_vector.h"

#include <errno.h>
#include <fitsio.h>
#include <stdlib.h>

#include "common/publish.h"

static ff_err write_part(const char *part, const double *data, long n, ff_ctx *ctx)
{
    fitsfile *file = NULL;
    int status = 0, ignored = 0;
    ff_part_drop(part); /* left by a killed process; cfitsio does not overwrite */
    errno = 0;
    /* "diskfile": the name is a name, brackets in it are no selection. */
    fits_create_diskfile(&file, part, &status);
    fits_create_img(file, DOUBLE_IMG, 1, &n, &status);
    /* cfitsio does not change what it writes, but does not promise it in its types. */
    fits_write_img(file, TDOUBLE, 1, n, (void *)(size_t)data, &status);
    if (file) fits_close_file(file, status ? &ignored : &status);
    if (!status) return FF_OK;
    int cause = errno;
    char text[FLEN_STATUS];
    fits_get_errstatus(status, text);
    return ff_fail(ctx, ff_errno_code(cause) == FF_EDISKFULL ? FF_EDISKFULL : FF_EIO, FF_HERE, "cannot write %s: %s",
                   part, text);
}

ff_err ff_fits_write_vector(const char *path, const double *data, long n, ff_ctx *ctx)
{
    if (n < 1) return ff_fail(ctx, FF_EBUG, FF_HERE, "%s: a vector of %ld numbers", path, n);
    char *part = ff_part_name(path);
    if (!part) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory to write %s", path);
    ff_err err = write_part(part, data, n, ctx);
    if (!err) err = ff_publish(part, path, ctx);
    if (err) ff_part_drop(part);
    free(part);
    return err;
}
