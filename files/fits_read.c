/* files/fits_read.c - catalogue columns from FITS (files/fits.h). cfitsio runs in a limited child process
** (files/guard.h): it is an old library, and a catalogue may come from anywhere. */
#include "files/fits.h"

#include <fitsio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "files/guard.h"
#include "common/publish.h"

/* cfitsio allocates by what a header declares, so the limits go by the file: numbers of one byte grow eightfold, a
** compressed image by what rice or gzip can do on a catalogue. */
enum { WORK_BYTES = 1 << 28, UNPACK = 64, SECONDS = 20, BYTES_PER_SECOND = 1 << 25 };

struct request {
    const char *path;
    long first, last; /* last < 0: to the end */
    size_t max_bytes;
};

static ff_err fits_fail(ff_ctx *ctx, const char *path, const char *field, int status)
{
    char text[FLEN_STATUS];
    fits_get_errstatus(status, text);
    const ff_err code = status == MEMORY_ALLOCATION ? FF_ENOMEM : FF_EBADFILE;
    return ff_fail(ctx, code, FF_HERE, "%s: %s cannot be read as FITS: %s (cfitsio status %d)", path, field, text,
                   status);
}

/* Moves to the first image that has axes: a compressed image or an extension may follow an empty primary one. */
static ff_err find_vector(fitsfile *f, const char *path, long *n, ff_ctx *ctx)
{
    int status = 0, type = 0, naxis = 0;
    LONGLONG length[9] = {0};
    fits_get_img_dim(f, &naxis, &status);
    while (!status && naxis == 0) {
        fits_movrel_hdu(f, 1, &type, &status);
        if (!status && type != IMAGE_HDU && !fits_is_compressed_image(f, &status)) continue;
        fits_get_img_dim(f, &naxis, &status);
    }
    if (status == END_OF_FILE)
        return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s has no image; a column must be a one-dimensional image", path);
    if (status) return fits_fail(ctx, path, "its header", status);
    if (naxis != 1)
        return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: NAXIS is %d; a column must be a one-dimensional image", path,
                       naxis);
    fits_get_img_sizell(f, 9, length, &status);
    if (status) return fits_fail(ctx, path, "NAXIS1", status);
    *n = (long)length[0];
    return FF_OK;
}

static ff_err read_rows(fitsfile *f, const struct request *r, void **bytes, size_t *size, ff_ctx *ctx)
{
    long n = 0;
    ff_err err = find_vector(f, r->path, &n, ctx);
    if (err) return err;
    const long last = r->last < 0 ? n : r->last;
    if (r->first < 0 || r->first >= last || last > n) {
        return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: rows %ld:%ld of NAXIS1 = %ld rows", r->path, r->first, last, n);
    }
    const long count = last - r->first;
    if ((size_t)count > r->max_bytes / sizeof(double)) {
        return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: NAXIS1 = %ld rows is more than a file of its size can hold",
                       r->path, n);
    }
    double *data = malloc((size_t)count * sizeof *data); /* (count) */
    if (!data) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "%s: no memory for %ld rows", r->path, count);
    int status = 0, any_null = 0;
    fits_read_img(f, TDOUBLE, r->first + 1, count, NULL, data, &any_null, &status);
    if (status) {
        free(data);
        return fits_fail(ctx, r->path, "its data", status);
    }
    *bytes = data;
    *size = (size_t)count * sizeof *data;
    return FF_OK;
}

static ff_err read_in_child(void *arg, void **bytes, size_t *size, ff_ctx *ctx)
{
    const struct request *r = arg;
    fitsfile *f = NULL;
    int status = 0, ignored = 0;
    FILE *file;
    long length;
    ff_err err = ff_open_regular(&file, r->path, &length, ctx);
    if (err) return err;
    fclose(file);
    fits_open_diskfile(&f, r->path, READONLY, &status);
    if (status) return fits_fail(ctx, r->path, "its first header", status);
    err = read_rows(f, r, bytes, size, ctx);
    fits_close_file(f, &ignored);
    return err;
}

ff_err ff_fits_vector(const char *path, long first, long last, double **data, long *n, ff_ctx *ctx)
{
    *data = NULL;
    *n = 0;
    struct stat st;
    const size_t length = stat(path, &st) ? 0 : (size_t)st.st_size; /* a missing file is the child's to report */
    struct request r = {path, first, last, WORK_BYTES / 4 + UNPACK * length};
    void *bytes;
    size_t size;
    const ff_err err = ff_guard(path, read_in_child, &r, WORK_BYTES + r.max_bytes,
                                SECONDS + (int)(length / BYTES_PER_SECOND), &bytes, &size, ctx);
    if (err) return err;
    *data = bytes;
    *n = (long)(size / sizeof(double));
    return FF_OK;
}
