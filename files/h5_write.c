/* files/h5_write.c - the writing half of files/h5.h, following the recipe of docs: conventions 4.5. h5_pack.c decides
** how a variable is stored, h5_commit.c closes the file and gives it its name. */
#include "files/h5_write.h"

#include <hdf5_hl.h>
#include <stdio.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/publish.h"

ff_err ff_h5_full_name(char out[FF_H5_NAME], const char *group, const char *name, ff_ctx *ctx)
{
    const int n = group[0] ? snprintf(out, FF_H5_NAME, "%s/%s", group, name) : snprintf(out, FF_H5_NAME, "%s", name);
    if (!name[0] || strchr(name, '/') || n >= FF_H5_NAME) {
        return ff_fail(ctx, FF_EBUG, FF_HERE, "\"%s/%s\" cannot name an HDF5 dataset", group, name);
    }
    return FF_OK;
}

/* Files and groups keep the order of creation: without it readers list coordinates by the alphabet and netCDF cannot
** append. */
static hid_t tracked(hid_t class)
{
    const hid_t plist = H5Pcreate(class);
    if (plist >= 0 && H5Pset_link_creation_order(plist, H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED) < 0) {
        H5Pclose(plist);
        return H5I_INVALID_HID;
    }
    return plist;
}

ff_err ff_h5_create(ff_h5 **out, const char *path, ff_ctx *ctx)
{
    *out = NULL;
    ff_h5_quiet();
    ff_h5 *f = calloc(1, sizeof *f);
    if (!f) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory to write %s", path);
    f->file = H5I_INVALID_HID;
    f->path = strdup(path);
    f->part = ff_part_name(path);
    if (!f->path || !f->part) {
        ff_h5_free(f);
        return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory to write %s", path);
    }
    const hid_t fcpl = tracked(H5P_FILE_CREATE), fapl = H5Pcreate(H5P_FILE_ACCESS);
    /* The oldest format that can hold the file, so that old tools open it; strong close, so that no forgotten id keeps
    ** it open. */
    if (fcpl >= 0 && fapl >= 0 && H5Pset_libver_bounds(fapl, H5F_LIBVER_EARLIEST, H5F_LIBVER_V18) >= 0 &&
        H5Pset_fclose_degree(fapl, H5F_CLOSE_STRONG) >= 0) {
        f->file = H5Fcreate(f->part, H5F_ACC_TRUNC, fcpl, fapl);
    }
    ff_err err = FF_OK;
    if (f->file < 0) err = ff_h5_fail(ctx, FF_EIO, FF_HERE, "cannot create %s", f->part);
    H5Pclose(fcpl);
    H5Pclose(fapl);
    if (err) {
        ff_h5_free(f);
        return err;
    }
    *out = f;
    return FF_OK;
}

ff_err ff_h5_group(ff_h5 *f, const char *group, ff_ctx *ctx)
{
    if (!group[0] || H5Lexists(f->file, group, H5P_DEFAULT) > 0) return FF_OK;
    if (strchr(group, '/')) return ff_fail(ctx, FF_EBUG, FF_HERE, "group \"%s\" is not directly under /", group);
    const hid_t gcpl = tracked(H5P_GROUP_CREATE);
    const hid_t id = H5Gcreate2(f->file, group, H5P_DEFAULT, gcpl, H5P_DEFAULT);
    ff_err err = FF_OK;
    if (id < 0) err = ff_h5_fail(ctx, FF_EIO, FF_HERE, "%s: cannot create group /%s", f->path, group);
    H5Gclose(id);
    H5Pclose(gcpl);
    return err;
}

ff_err ff_h5_remember(ff_h5 *f, const struct ff_h5_item *item, ff_ctx *ctx)
{
    if (f->nitems == f->capacity) {
        const int capacity = f->capacity ? 2 * f->capacity : 32;
        struct ff_h5_item *items = realloc(f->items, (size_t)capacity * sizeof *items);
        if (!items) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory to write %s", f->path);
        f->items = items;
        f->capacity = capacity;
    }
    f->items[f->nitems++] = *item;
    return FF_OK;
}

/* Creates a dimension's dataset, makes it a scale and, where there are coordinates, writes them. */
static ff_err add_dim(ff_h5 *f, const char *group, const char *name, long n, hid_t file_type, hid_t memory_type,
                      const void *values, ff_ctx *ctx)
{
    struct ff_h5_item item = {.rank = 1, .shape = {(hsize_t)n}, .is_dim = true};
    ff_err err = ff_h5_full_name(item.name, group, name, ctx);
    if (!err && n < 0) err = ff_fail(ctx, FF_EBUG, FF_HERE, "%s: dimension /%s has length %ld", f->path, item.name, n);
    if (!err) err = ff_h5_group(f, group, ctx);
    if (err) return err;
    /* A scale of this name is netCDF-4's way to say "dimension, but no coordinate"; its dataset takes no room. */
    char scale[80];
    snprintf(scale, sizeof scale, "This is a netCDF dimension but not a netCDF variable. %9ld", n);
    const hid_t space = H5Screate_simple(1, item.shape, NULL);
    const hid_t id = H5Dcreate2(f->file, item.name, file_type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (id < 0 || H5DSset_scale(id, values ? name : scale) < 0 ||
        (values && H5Dwrite(id, memory_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0)) {
        err = ff_h5_fail(ctx, FF_EIO, FF_HERE, "%s: cannot write dimension /%s", f->path, item.name);
    }
    H5Dclose(id);
    H5Sclose(space);
    return err ? err : ff_h5_remember(f, &item, ctx);
}

ff_err ff_h5_dim(ff_h5 *f, const char *group, const char *name, long n, ff_ctx *ctx)
{
    int64_t *count = malloc((size_t)(n > 0 ? n : 1) * sizeof *count); /* (n) */
    if (!count) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for dimension %s of %s", name, f->path);
    for (long i = 0; i < n; i++) count[i] = i;
    const ff_err err = add_dim(f, group, name, n, H5T_STD_I64LE, H5T_NATIVE_INT64, count, ctx);
    free(count);
    return err;
}

ff_err ff_h5_dim_values(ff_h5 *f, const char *group, const char *name, const double *values, long n, ff_ctx *ctx)
{
    return add_dim(f, group, name, n, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, values, ctx);
}

static hid_t text_type(void)
{
    const hid_t type = H5Tcopy(H5T_C_S1);
    if (type < 0 || H5Tset_size(type, H5T_VARIABLE) < 0 || H5Tset_cset(type, H5T_CSET_UTF8) < 0) {
        H5Tclose(type);
        return H5I_INVALID_HID;
    }
    return type;
}

ff_err ff_h5_dim_labels(ff_h5 *f, const char *group, const char *name, const char *const *labels, long n, ff_ctx *ctx)
{
    const hid_t type = text_type();
    if (type < 0) return ff_h5_fail(ctx, FF_EIO, FF_HERE, "%s: cannot make the text type of %s", f->path, name);
    const ff_err err = add_dim(f, group, name, n, type, type, labels, ctx);
    H5Tclose(type);
    return err;
}

ff_err ff_h5_dim_plain(ff_h5 *f, const char *group, const char *name, long n, ff_ctx *ctx)
{
    return add_dim(f, group, name, n, H5T_IEEE_F32BE, H5I_INVALID_HID, NULL, ctx);
}

const struct ff_h5_item *ff_h5_find(const ff_h5 *f, const char *name)
{
    for (int i = 0; i < f->nitems; i++) {
        if (!strcmp(f->items[i].name, name)) return &f->items[i];
    }
    return NULL;
}

/* Fills rank and shape of `item` from the dimensions named in `dims`; `axes` keeps their full names. */
static ff_err look_up_dims(const ff_h5 *f, const char *group, const char *dims, struct ff_h5_item *item,
                           char axes[FF_MAX_RANK][FF_H5_NAME], ff_ctx *ctx)
{
    const char *at = dims + strspn(dims, " ");
    while (*at) {
        const size_t length = strcspn(at, " ");
        char name[FF_H5_NAME];
        snprintf(name, sizeof name, "%.*s", (int)(length < FF_H5_NAME ? length : FF_H5_NAME - 1), at);
        if (item->rank == FF_MAX_RANK) {
            return ff_fail(ctx, FF_EBUG, FF_HERE, "/%s has more than %d dimensions", item->name, FF_MAX_RANK);
        }
        const ff_err err = ff_h5_full_name(axes[item->rank], group, name, ctx);
        if (err) return err;
        const struct ff_h5_item *dim = ff_h5_find(f, axes[item->rank]);
        if (!dim || !dim->is_dim) {
            return ff_fail(ctx, FF_EBUG, FF_HERE, "/%s has a dimension \"%s\" that its group does not have", item->name,
                           name);
        }
        item->shape[item->rank++] = dim->shape[0];
        at += length;
        at += strspn(at, " ");
    }
    return FF_OK;
}

static ff_err attach(ff_h5 *f, hid_t variable, const struct ff_h5_item *item, char axes[FF_MAX_RANK][FF_H5_NAME],
                     ff_ctx *ctx)
{
    ff_err err = FF_OK;
    for (int i = 0; !err && i < item->rank; i++) {
        const hid_t scale = H5Dopen2(f->file, axes[i], H5P_DEFAULT);
        if (scale < 0 || H5DSattach_scale(variable, scale, (unsigned)i) < 0) {
            err = ff_h5_fail(ctx, FF_EIO, FF_HERE, "%s: cannot attach /%s to axis %d of /%s", f->path, axes[i], i,
                             item->name);
        }
        H5Dclose(scale);
    }
    return err;
}

ff_err ff_h5_add_variable(ff_h5 *f, const char *group, const char *name, enum ff_type type, const char *dims,
                          const struct ff_h5_layout *layout, hid_t *out, ff_ctx *ctx)
{
    *out = H5I_INVALID_HID;
    struct ff_h5_item item = {.type = type};
    char axes[FF_MAX_RANK][FF_H5_NAME];
    ff_err err = ff_h5_full_name(item.name, group, name, ctx);
    if (!err) err = ff_h5_group(f, group, ctx);
    if (!err) err = look_up_dims(f, group, dims, &item, axes, ctx);
    if (err) return err;
    const hid_t dcpl = layout->storage(type, item.rank, item.shape, layout->arg);
    const hid_t space = item.rank ? H5Screate_simple(item.rank, item.shape, NULL) : H5Screate(H5S_SCALAR);
    const hid_t id = H5Dcreate2(f->file, item.name, ff_h5_file_type(type), space, H5P_DEFAULT, dcpl, H5P_DEFAULT);
    if (id < 0) err = ff_h5_fail(ctx, FF_EIO, FF_HERE, "%s: cannot create /%s", f->path, item.name);
    H5Sclose(space);
    H5Pclose(dcpl);
    if (!err) err = attach(f, id, &item, axes, ctx);
    if (!err && type == FF_BOOL_T) err = ff_h5_attr_text(f, item.name, "dtype", "bool", ctx);
    if (!err) err = ff_h5_remember(f, &item, ctx);
    if (err) {
        H5Dclose(id);
        return err;
    }
    *out = id;
    return FF_OK;
}

/* Where infinity is a value (noise_sd of a masked pixel, the error of a trajectory that left the model), and where no number
** is one (diagnostics of too few draws). */
static bool may_be_infinite(const char *full)
{
    const char *slash = strrchr(full, '/'), *leaf = slash ? slash + 1 : full;
    return strcmp(leaf, "noise_sd") == 0 || strcmp(leaf, "max_energy_error") == 0;
}

static bool may_be_nan(const char *full)
{
    return strncmp(full, "diagnostics/", 12) == 0;
}

/* A number that is none never comes into a file: what reads it later could not tell where it came from. `first`: index of
** data[0] in the dataset. */
static ff_err check_numbers(const ff_h5 *f, const char *full, enum ff_type type, const void *data, size_t first,
                            size_t n, ff_ctx *ctx)
{
    if ((type != FF_F32_T && type != FF_F64_T) || may_be_nan(full)) return FF_OK;
    const bool infinite = may_be_infinite(full);
    for (size_t i = 0; i < n; i++) {
        const double x = type == FF_F32_T ? (double)((const float *)data)[i] : ((const double *)data)[i];
        if (isfinite(x) || (infinite && isinf(x) && x > 0)) continue;
        return ff_fail(ctx, FF_ENUMERIC, FF_HERE, "%s: element %zu of /%s is %g, not a number", f->path, first + i,
                       full, x);
    }
    return FF_OK;
}

static size_t row_size(const struct ff_h5_item *item)
{
    size_t n = 1;
    for (int i = 1; i < item->rank; i++) n *= (size_t)item->shape[i];
    return n;
}

/* The whole of a variable that was just added. */
static ff_err check_variable(const ff_h5 *f, enum ff_type type, const void *data, ff_ctx *ctx)
{
    const struct ff_h5_item *item = &f->items[f->nitems - 1];
    const size_t rows = item->rank ? (size_t)item->shape[0] : 1;
    return check_numbers(f, item->name, type, data, 0, rows * row_size(item), ctx);
}

ff_err ff_h5_put(ff_h5 *f, const char *group, const char *name, enum ff_type type, const char *dims, const void *data,
                 ff_ctx *ctx)
{
    hid_t id;
    const struct ff_h5_layout layout = {ff_h5_storage, data};
    ff_err err = ff_h5_add_variable(f, group, name, type, dims, &layout, &id, ctx);
    if (err) return err;
    err = check_variable(f, type, data, ctx);
    if (err) {
        H5Dclose(id);
        return err;
    }
    if (H5Dwrite(id, ff_h5_memory_type(type), H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0) {
        err = ff_h5_fail(ctx, FF_EIO, FF_HERE, "%s: cannot write /%s/%s", f->path, group, name);
    }
    H5Dclose(id);
    return err;
}

ff_err ff_h5_reserve(ff_h5 *f, const char *group, const char *name, enum ff_type type, const char *dims, ff_ctx *ctx)
{
    hid_t id;
    const struct ff_h5_layout layout = {ff_h5_storage, NULL};
    const ff_err err = ff_h5_add_variable(f, group, name, type, dims, &layout, &id, ctx);
    if (!err) H5Dclose(id);
    return err;
}

ff_err ff_h5_put_rows(ff_h5 *f, const char *group, const char *name, enum ff_type type, long first, long count,
                      const void *data, ff_ctx *ctx)
{
    char full[FF_H5_NAME];
    ff_err err = ff_h5_full_name(full, group, name, ctx);
    if (err) return err;
    const struct ff_h5_item *item = ff_h5_find(f, full);
    if (!item || item->is_dim || item->rank == 0 || item->type != type) {
        return ff_fail(ctx, FF_EBUG, FF_HERE, "/%s was not reserved with rows of this type", full);
    }
    const long rows = (long)item->shape[0];
    if (first < 0 || count < 0 || first > rows || count > rows - first) {
        return ff_fail(ctx, FF_EBUG, FF_HERE, "/%s: rows %ld..%ld of %ld", full, first, first + count - 1, rows);
    }
    if (count == 0) return FF_OK;
    err = check_numbers(f, full, type, data, (size_t)first * row_size(item), (size_t)count * row_size(item), ctx);
    if (err) return err;
    hsize_t start[FF_MAX_RANK] = {(hsize_t)first}, block[FF_MAX_RANK];
    memcpy(block, item->shape, sizeof block);
    block[0] = (hsize_t)count;
    const hid_t id = H5Dopen2(f->file, full, H5P_DEFAULT), space = H5Dget_space(id);
    const hid_t memory = H5Screate_simple(item->rank, block, NULL);
    if (H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, block, NULL) < 0 ||
        H5Dwrite(id, ff_h5_memory_type(type), memory, space, H5P_DEFAULT, data) < 0) {
        err = ff_h5_fail(ctx, FF_EIO, FF_HERE, "%s: cannot write rows %ld..%ld of /%s", f->path, first,
                         first + count - 1, full);
    }
    H5Sclose(memory);
    H5Sclose(space);
    H5Dclose(id);
    return err;
}

/* A scalar attribute, replacing one of the same name. */
static ff_err put_attr(ff_h5 *f, const char *object, const char *name, hid_t file_type, hid_t memory_type,
                       const void *value, ff_ctx *ctx)
{
    const char *place = object[0] ? object : "/";
    const hid_t space = H5Screate(H5S_SCALAR);
    if (H5Aexists_by_name(f->file, place, name, H5P_DEFAULT) > 0) {
        H5Adelete_by_name(f->file, place, name, H5P_DEFAULT);
    }
    const hid_t id = H5Acreate_by_name(f->file, place, name, file_type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    ff_err err = FF_OK;
    if (id < 0 || H5Awrite(id, memory_type, value) < 0) {
        err = ff_h5_fail(ctx, FF_EIO, FF_HERE, "%s: cannot write attribute %s of /%s", f->path, name, object);
    }
    H5Aclose(id);
    H5Sclose(space);
    return err;
}

/* Variable length keeps the bytes in the heap: an attribute itself is limited to 64 KiB, and a job's spec need not
** be. */
ff_err ff_h5_attr_text(ff_h5 *f, const char *object, const char *name, const char *value, ff_ctx *ctx)
{
    const hid_t type = text_type();
    if (type < 0) return ff_h5_fail(ctx, FF_EIO, FF_HERE, "%s: cannot make the text type of %s", f->path, name);
    const ff_err err = put_attr(f, object, name, type, type, &value, ctx);
    H5Tclose(type);
    return err;
}

ff_err ff_h5_attr_number(ff_h5 *f, const char *object, const char *name, double value, ff_ctx *ctx)
{
    return put_attr(f, object, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, &value, ctx);
}

ff_err ff_h5_attr_int(ff_h5 *f, const char *object, const char *name, int64_t value, ff_ctx *ctx)
{
    return put_attr(f, object, name, H5T_STD_I64LE, H5T_NATIVE_INT64, &value, ctx);
}
