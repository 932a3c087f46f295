/* files/h5_commit.c - the end of a written file: closed, re-opened and checked, fsynced, renamed; or dropped. */
#define _GNU_SOURCE /* memfd_create, fallocate */
#include "files/h5_write.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/publish.h"

void ff_h5_free(ff_h5 *f)
{
    if (!f) return;
    free(f->items);
    free(f->path);
    free(f->part);
    free(f);
}

static int descriptor(hid_t file)
{
    int *fd = NULL;
    return H5Fget_vfd_handle(file, H5P_DEFAULT, (void **)&fd) >= 0 && fd ? *fd : -1;
}

/* A file to be dropped gets a file in memory put under its descriptor, into which HDF5 can close it even on a full
** disk. */
static void close_into_nothing(hid_t file)
{
    const int fd = descriptor(file), memory = memfd_create("dropped", MFD_CLOEXEC);
    if (memory >= 0 && fd >= 0) dup2(memory, fd);
    if (memory >= 0) close(memory);
    H5Fclose(file);
    H5Eclear2(H5E_DEFAULT);
}

/* HDF5 1.10 cannot recover from a flush that fails half way: the file stays open for ever and crashes the process at
** its end. So the disk is asked for all the room the file will take before the flush. */
static ff_err take_room(const ff_h5 *f, ff_ctx *ctx)
{
    haddr_t end;
    const int fd = descriptor(f->file);
    if (fd < 0 || H5Fget_eoa(f->file, &end) < 0) return ff_h5_fail(ctx, FF_EIO, FF_HERE, "cannot size %s", f->part);
    /* File systems that cannot reserve say so; only "no room" is an answer. */
    if (end > 0 && fallocate(fd, 0, 0, (off_t)end) && ff_errno_code(errno) == FF_EDISKFULL) {
        return ff_fail(ctx, FF_EDISKFULL, FF_HERE, "cannot write the %llu bytes of %s: %s", (unsigned long long)end,
                       f->part, strerror(errno));
    }
    return FF_OK;
}

static void abandon(ff_h5 *f, ff_err why)
{
    if (!f) return;
    if (f->file >= 0) close_into_nothing(f->file);
    if (why != FF_EIO) ff_part_drop(f->part);
    ff_h5_free(f);
}

void ff_h5_abandon(ff_h5 *f)
{
    abandon(f, FF_OK);
}

static ff_err check_item(const ff_h5 *f, hid_t file, const struct ff_h5_item *item, ff_ctx *ctx)
{
    const hid_t id = H5Dopen2(file, item->name, H5P_DEFAULT);
    if (id < 0) return ff_h5_fail(ctx, FF_EIO, FF_HERE, "%s: /%s was written but is not there", f->part, item->name);
    const hid_t space = H5Dget_space(id);
    hsize_t shape[H5S_MAX_RANK] = {0};
    const int rank = H5Sget_simple_extent_dims(space, shape, NULL);
    ff_err err = FF_OK;
    if (rank != item->rank || memcmp(shape, item->shape, (size_t)rank * sizeof *shape) != 0) {
        err = ff_fail(ctx, FF_EIO, FF_HERE, "%s: /%s came back with another shape (rank %d instead of %d)", f->part,
                      item->name, rank, item->rank);
    }
    H5Sclose(space);
    H5Dclose(id);
    return err;
}

/* Everything promised is there when a reader opens the file, before it gets its name. */
static ff_err check_written(const ff_h5 *f, ff_ctx *ctx)
{
    const hid_t file = H5Fopen(f->part, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (file < 0) return ff_h5_fail(ctx, FF_EIO, FF_HERE, "%s was written but cannot be opened", f->part);
    ff_err err = FF_OK;
    for (int i = 0; !err && i < f->nitems; i++) err = check_item(f, file, &f->items[i], ctx);
    H5Fclose(file);
    return err;
}

ff_err ff_h5_close(ff_h5 *f, ff_ctx *ctx)
{
    ff_err err = take_room(f, ctx);
    if (err) {
        abandon(f, err);
        return err;
    }
    if (H5Fclose(f->file) < 0) err = ff_h5_fail(ctx, FF_EIO, FF_HERE, "cannot close %s", f->part);
    f->file = H5I_INVALID_HID;
    if (!err) err = check_written(f, ctx);
    if (!err) err = ff_publish(f->part, f->path, ctx);
    if (err && err != FF_EIO) ff_part_drop(f->part);
    ff_h5_free(f);
    return err;
}

ff_err ff_h5_end(ff_h5 *f, ff_err err, ff_ctx *ctx)
{
    if (!err) return ff_h5_close(f, ctx);
    abandon(f, err);
    return err;
}
