/* files/h5_virtual.c - files that show what stands in others (h5.h): a copy of a base, and variables whose rows are in
** a row of sources (virtual datasets of HDF5 1.10). Paths of sources are relative, so that the file and its sources
** move together. */
#include "files/h5_write.h"

#include <errno.h>
#include <hdf5_hl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/publish.h"

enum { BLOCK = 1 << 16 };

static ff_err copy_stream(FILE *from, FILE *to, const char *path, ff_ctx *ctx)
{
    char block[BLOCK];
    size_t n;
    while ((n = fread(block, 1, sizeof block, from)) > 0) {
        if (fwrite(block, 1, n, to) != n) return ff_write_fail(ctx, errno, path, strerror(errno));
    }
    return ferror(from) ? ff_fail(ctx, FF_EIO, FF_HERE, "the file that %s is made from cannot be read", path) : FF_OK;
}

static ff_err copy_file(const char *from, const char *to, ff_ctx *ctx)
{
    FILE *in;
    long size;
    ff_err err = ff_open_regular(&in, from, &size, ctx);
    if (err) return err;
    FILE *out = fopen(to, "wbe");
    err = out ? copy_stream(in, out, to, ctx) : ff_write_fail(ctx, errno, to, strerror(errno));
    if (out && fclose(out) && !err) err = ff_write_fail(ctx, errno, to, strerror(errno));
    fclose(in);
    return err;
}

/* Virtual datasets are of format 1.10; all else in the file stays as old as it can be. */
static hid_t open_for_more(const char *path)
{
    const hid_t fapl = H5Pcreate(H5P_FILE_ACCESS);
    hid_t file = H5I_INVALID_HID;
    if (fapl >= 0 && H5Pset_libver_bounds(fapl, H5F_LIBVER_EARLIEST, H5F_LIBVER_LATEST) >= 0 &&
        H5Pset_fclose_degree(fapl, H5F_CLOSE_STRONG) >= 0)
        file = H5Fopen(path, H5F_ACC_RDWR, fapl);
    H5Pclose(fapl);
    return file;
}

ff_err ff_h5_create_from(ff_h5 **out, const char *path, const char *base, ff_ctx *ctx)
{
    *out = NULL;
    ff_h5_quiet();
    ff_h5 *f = calloc(1, sizeof *f);
    if (!f) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory to write %s", path);
    f->file = H5I_INVALID_HID;
    f->path = strdup(path);
    f->part = ff_part_name(path);
    ff_err err = f->path && f->part ? copy_file(base, f->part, ctx)
                                    : ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory to write %s", path);
    if (!err) f->file = open_for_more(f->part);
    if (!err && f->file < 0) err = ff_h5_fail(ctx, FF_EBADFILE, FF_HERE, "%s cannot be opened as HDF5", base);
    if (err) {
        ff_h5_abandon(f);
        return err;
    }
    *out = f;
    return FF_OK;
}

/* Makes a dimension that the base has known to the writer. */
static ff_err adopt(ff_h5 *f, const char *group, const char *name, ff_ctx *ctx)
{
    struct ff_h5_item item = {.rank = 1, .is_dim = true};
    ff_err err = ff_h5_full_name(item.name, group, name, ctx);
    if (err || ff_h5_find(f, item.name)) return err;
    const hid_t id = H5Dopen2(f->file, item.name, H5P_DEFAULT), space = id < 0 ? id : H5Dget_space(id);
    if (id < 0 || H5DSis_scale(id) <= 0 || H5Sget_simple_extent_ndims(space) != 1 ||
        H5Sget_simple_extent_dims(space, item.shape, NULL) != 1)
        err = ff_h5_fail(ctx, FF_EBADFILE, FF_HERE, "%s has no dimension /%s", f->path, item.name);
    H5Sclose(space);
    H5Dclose(id);
    return err ? err : ff_h5_remember(f, &item, ctx);
}

static ff_err adopt_all(ff_h5 *f, const char *group, const char *dims, ff_ctx *ctx)
{
    ff_err err = FF_OK;
    for (const char *at = dims + strspn(dims, " "); *at && !err; at += strspn(at, " ")) {
        char name[FF_H5_NAME];
        const size_t length = strcspn(at, " ");
        snprintf(name, sizeof name, "%.*s", (int)(length < FF_H5_NAME ? length : FF_H5_NAME - 1), at);
        err = adopt(f, group, name, ctx);
        at += length;
    }
    return err;
}

struct sources {
    char dataset[FF_H5_NAME + 1]; /* "/group/name" in each of them */
    const struct ff_h5_source *list;
    long n;
};

/* One source behind the rows from `first` on. */
static bool map_source(hid_t dcpl, const struct sources *s, long i, hsize_t first, int rank, const hsize_t *shape)
{
    hsize_t start[FF_MAX_RANK] = {first}, block[FF_MAX_RANK];
    memcpy(block, shape, (size_t)rank * sizeof *block);
    block[0] = (hsize_t)s->list[i].count;
    const hid_t here = H5Screate_simple(rank, shape, NULL), there = H5Screate_simple(rank, block, NULL);
    const bool good = here >= 0 && there >= 0 &&
                      H5Sselect_hyperslab(here, H5S_SELECT_SET, start, NULL, block, NULL) >= 0 &&
                      H5Pset_virtual(dcpl, here, s->list[i].file, s->dataset, there) >= 0;
    H5Sclose(there);
    H5Sclose(here);
    return good;
}

static hid_t virtual_storage(enum ff_type type, int rank, const hsize_t *shape, const void *arg)
{
    const struct sources *s = arg;
    const hid_t dcpl = H5Pcreate(H5P_DATASET_CREATE);
    hsize_t first = 0;
    bool good = dcpl >= 0 && rank > 0;
    (void)type;
    for (long i = 0; good && i < s->n; i++) {
        good = s->list[i].count > 0 && (hsize_t)s->list[i].count <= shape[0] - first &&
               map_source(dcpl, s, i, first, rank, shape);
        first += (hsize_t)s->list[i].count;
    }
    if (good && first == shape[0]) return dcpl;
    H5Pclose(dcpl);
    return H5I_INVALID_HID;
}

ff_err ff_h5_put_virtual(ff_h5 *f, const char *group, const char *name, enum ff_type type, const char *dims,
                         const struct ff_h5_source *sources, long nsources, ff_ctx *ctx)
{
    struct sources s = {.list = sources, .n = nsources};
    const struct ff_h5_layout layout = {virtual_storage, &s};
    hid_t id;
    ff_err err = ff_h5_full_name(s.dataset + 1, group, name, ctx);
    s.dataset[0] = '/';
    if (!err) err = adopt_all(f, group, dims, ctx);
    if (!err) err = ff_h5_add_variable(f, group, name, type, dims, &layout, &id, ctx);
    if (!err) H5Dclose(id);
    return err;
}
