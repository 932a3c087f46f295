/* files/h5_read.c - the reading half of files/h5.h. Files are untrusted: names are followed through hard links only,
** data that lie in other files are refused, and sizes are compared with the caller's limits before anything is
** allocated. */
#include "files/h5_internal.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/publish.h"

struct ff_h5r {
    hid_t file;
    char *path;
};

enum { MAX_LABELS = 1 << 20, MAX_LABEL_BYTES = 1 << 26 };

ff_err ff_h5r_open(ff_h5r **out, const char *path, ff_ctx *ctx)
{
    *out = NULL;
    FILE *file;
    long size;
    ff_err err = ff_open_regular(&file, path, &size, ctx);
    if (err) return err;
    fclose(file);
    ff_h5r *f = calloc(1, sizeof *f);
    char *copy = strdup(path);
    const hid_t fapl = ff_h5_quiet() ? H5Pcreate(H5P_FILE_ACCESS) : H5I_INVALID_HID;
    if (!f || !copy || fapl < 0) {
        H5Pclose(fapl);
        free(f);
        free(copy);
        return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory to open %s", path);
    }
    H5Pset_fclose_degree(fapl, H5F_CLOSE_STRONG);
    f->file = H5Fopen(path, H5F_ACC_RDONLY, fapl);
    f->path = copy;
    if (f->file < 0) {
        err = ff_h5_fail(ctx, FF_EBADFILE, FF_HERE, "%s (%ld bytes) cannot be opened as HDF5", path, size);
    }
    H5Pclose(fapl);
    if (err) {
        ff_h5r_close(f);
        return err;
    }
    *out = f;
    return FF_OK;
}

void ff_h5r_close(ff_h5r *f)
{
    if (!f) return;
    if (f->file >= 0) H5Fclose(f->file);
    H5Eclear2(H5E_DEFAULT);
    free(f->path);
    free(f);
}

/* Does `name` lead to an object through hard links alone? (Soft and external links can lead out of the file.) */
static bool reachable(hid_t file, const char *name)
{
    char prefix[FF_H5_NAME];
    const char *at = name + strspn(name, "/");
    while (*at) {
        at += strcspn(at, "/");
        if (snprintf(prefix, sizeof prefix, "%.*s", (int)(at - name), name) >= FF_H5_NAME) return false;
        H5L_info_t info;
        if (H5Lexists(file, prefix, H5P_DEFAULT) <= 0 || H5Lget_info(file, prefix, &info, H5P_DEFAULT) < 0 ||
            info.type != H5L_TYPE_HARD) {
            return false;
        }
        at += strspn(at, "/");
    }
    return true;
}

static hid_t open_object(const ff_h5r *f, const char *name)
{
    if (!reachable(f->file, name)) return H5I_INVALID_HID;
    return H5Oopen(f->file, name[0] ? name : "/", H5P_DEFAULT);
}

bool ff_h5r_has(const ff_h5r *f, const char *name)
{
    const hid_t id = open_object(f, name);
    if (id >= 0) H5Oclose(id);
    H5Eclear2(H5E_DEFAULT);
    return id >= 0;
}

/* Are the bytes of the dataset in this very file? */
static bool self_contained(hid_t dataset)
{
    const hid_t dcpl = H5Dget_create_plist(dataset);
    const H5D_layout_t layout = H5Pget_layout(dcpl);
    const int external = H5Pget_external_count(dcpl);
    H5Pclose(dcpl);
    return (layout == H5D_COMPACT || layout == H5D_CONTIGUOUS || layout == H5D_CHUNKED) && external == 0;
}

static ff_err open_dataset(const ff_h5r *f, const char *name, hid_t *out, ff_ctx *ctx)
{
    *out = H5I_INVALID_HID;
    const hid_t id = open_object(f, name);
    if (id < 0) return ff_h5_fail(ctx, FF_EBADFILE, FF_HERE, "%s: dataset /%s is missing or damaged", f->path, name);
    if (H5Iget_type(id) != H5I_DATASET) {
        H5Oclose(id);
        return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: /%s is not a dataset", f->path, name);
    }
    if (!self_contained(id)) {
        H5Oclose(id);
        return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: the data of /%s lie in another file, which is not followed",
                       f->path, name);
    }
    *out = id;
    return FF_OK;
}

static ff_err get_shape(const ff_h5r *f, hid_t id, const char *name, int *rank, long *shape, ff_ctx *ctx)
{
    const hid_t space = H5Dget_space(id);
    const int n = H5Sget_simple_extent_ndims(space);
    hsize_t length[H5S_MAX_RANK] = {0};
    ff_err err = FF_OK;
    if (n < 0 || H5Sget_simple_extent_type(space) == H5S_NULL || H5Sget_simple_extent_dims(space, length, NULL) != n) {
        err = ff_h5_fail(ctx, FF_EBADFILE, FF_HERE, "%s: dataset /%s has no shape", f->path, name);
    } else if (n > FF_MAX_RANK) {
        err = ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: dataset /%s has rank %d, at most %d is read", f->path, name, n,
                      FF_MAX_RANK);
    }
    for (int i = 0; !err && i < n; i++) {
        if (length[i] > (hsize_t)LONG_MAX) {
            err = ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: axis %d of dataset /%s has length %llu", f->path, i, name,
                          (unsigned long long)length[i]);
            break;
        }
        shape[i] = (long)length[i];
    }
    if (!err) *rank = n;
    H5Sclose(space);
    return err;
}

ff_err ff_h5r_shape(ff_h5r *f, const char *name, int *rank, long *shape, ff_ctx *ctx)
{
    *rank = 0;
    hid_t id;
    ff_err err = open_dataset(f, name, &id, ctx);
    if (err) return err;
    err = get_shape(f, id, name, rank, shape, ctx);
    H5Dclose(id);
    return err;
}

/* What `memory` and `file` select, H5S_ALL: everything. */
static ff_err read_numbers(const ff_h5r *f, hid_t id, const char *name, enum ff_type type, hid_t memory, hid_t file,
                           void *data, ff_ctx *ctx)
{
    const hid_t stored = H5Dget_type(id);
    const H5T_class_t class = H5Tget_class(stored);
    H5Tclose(stored);
    if (class != H5T_INTEGER && class != H5T_FLOAT && class != H5T_ENUM) {
        return ff_h5_fail(ctx, FF_EBADFILE, FF_HERE, "%s: dataset /%s does not hold numbers", f->path, name);
    }
    if (H5Dread(id, ff_h5_memory_type(type), memory, file, H5P_DEFAULT, data) < 0) {
        return ff_h5_fail(ctx, FF_EBADFILE, FF_HERE, "%s: dataset /%s cannot be read", f->path, name);
    }
    return FF_OK;
}

ff_err ff_h5r_fill(ff_h5r *f, const char *name, enum ff_type type, long n, void *data, ff_ctx *ctx)
{
    hid_t id;
    ff_err err = open_dataset(f, name, &id, ctx);
    if (err) return err;
    const hid_t space = H5Dget_space(id);
    const hssize_t points = H5Sget_simple_extent_npoints(space);
    H5Sclose(space);
    if (points != n) {
        err = ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: dataset /%s changed while it was read", f->path, name);
    } else {
        err = read_numbers(f, id, name, type, H5S_ALL, H5S_ALL, data, ctx);
    }
    H5Dclose(id);
    return err;
}

ff_err ff_h5r_get(ff_h5r *f, const char *name, enum ff_type type, long max_elements, void **data, int *rank,
                  long *shape, ff_ctx *ctx)
{
    *data = NULL;
    ff_err err = ff_h5r_shape(f, name, rank, shape, ctx);
    if (err) return err;
    long n = 1;
    for (int i = 0; i < *rank; i++) {
        if (__builtin_mul_overflow(n, shape[i], &n) || n > max_elements) {
            return ff_fail(ctx, FF_EBADFILE, FF_HERE,
                           "%s: dataset /%s has more than the %ld numbers allowed (axis %d of %d has %ld)", f->path,
                           name, max_elements, i, *rank, shape[i]);
        }
    }
    void *buffer = calloc((size_t)(n ? n : 1), ff_h5_type_size(type));
    if (!buffer) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "%s: no memory for the %ld numbers of /%s", f->path, n, name);
    err = ff_h5r_fill(f, name, type, n, buffer, ctx);
    if (err) {
        free(buffer);
        return err;
    }
    *data = buffer;
    return FF_OK;
}

/* Rows of an open dataset of this shape (its first length already that of the rows) into data. */
static ff_err read_rows(const ff_h5r *f, hid_t id, const char *name, enum ff_type type, long first, int rank,
                        const long *shape, void *data, ff_ctx *ctx)
{
    hsize_t start[FF_MAX_RANK] = {(hsize_t)first}, count[FF_MAX_RANK];
    for (int i = 0; i < rank; i++) count[i] = (hsize_t)shape[i];
    const hid_t file = H5Dget_space(id), memory = H5Screate_simple(rank, count, NULL);
    ff_err err = FF_OK;
    if (memory < 0 || H5Sselect_hyperslab(file, H5S_SELECT_SET, start, NULL, count, NULL) < 0) {
        err = ff_h5_fail(ctx, FF_EBADFILE, FF_HERE, "%s: rows of dataset /%s cannot be selected", f->path, name);
    }
    if (!err) err = read_numbers(f, id, name, type, memory, file, data, ctx);
    H5Sclose(memory);
    H5Sclose(file);
    return err;
}

ff_err ff_h5r_rows(ff_h5r *f, const char *name, enum ff_type type, long first, long count, long max_elements,
                   void **data, int *rank, long *shape, ff_ctx *ctx)
{
    *data = NULL;
    hid_t id;
    ff_err err = open_dataset(f, name, &id, ctx);
    if (err) return err;
    err = get_shape(f, id, name, rank, shape, ctx);
    if (!err && (*rank < 1 || first < 0 || count < 0 || first > shape[0] || count > shape[0] - first)) {
        err = ff_fail(ctx, FF_ERANGE, FF_HERE, "%s: dataset /%s has no %ld rows from row %ld on", f->path, name, count,
                      first);
    }
    long n = err ? 0 : count;
    for (int i = 1; !err && i < *rank; i++) {
        if (__builtin_mul_overflow(n, shape[i], &n) || n > max_elements) {
            err =
                ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: %ld rows of dataset /%s have more than the %ld numbers allowed",
                        f->path, count, name, max_elements);
        }
    }
    void *buffer = err ? NULL : calloc((size_t)(n ? n : 1), ff_h5_type_size(type));
    if (!err) shape[0] = count;
    if (!err && !buffer) err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "%s: no memory for rows of /%s", f->path, name);
    if (!err && n) err = read_rows(f, id, name, type, first, *rank, shape, buffer, ctx);
    H5Dclose(id);
    if (err) {
        free(buffer);
        return err;
    }
    *data = buffer;
    return FF_OK;
}

/* Opens a scalar attribute (or one of a single element) of one of two classes. */
static ff_err open_attr(const ff_h5r *f, const char *object, const char *name, H5T_class_t class, H5T_class_t other,
                        hid_t *attr, hid_t *type, ff_ctx *ctx)
{
    *attr = *type = H5I_INVALID_HID;
    const hid_t id = open_object(f, object);
    if (id < 0) return ff_h5_fail(ctx, FF_EBADFILE, FF_HERE, "%s: /%s is missing or damaged", f->path, object);
    ff_err err = FF_OK;
    if (H5Aexists(id, name) <= 0) {
        err = ff_h5_fail(ctx, FF_EBADFILE, FF_HERE, "%s: attribute %s of /%s is missing", f->path, name, object);
    } else {
        *attr = H5Aopen(id, name, H5P_DEFAULT);
        *type = H5Aget_type(*attr);
        const H5T_class_t found = H5Tget_class(*type);
        const hid_t space = H5Aget_space(*attr);
        if (found != class && found != other) {
            err = ff_h5_fail(ctx, FF_EBADFILE, FF_HERE, "%s: attribute %s of /%s is not a %s", f->path, name, object,
                             class == H5T_STRING ? "text" : "number");
        } else if (H5Sget_simple_extent_npoints(space) != 1) {
            err = ff_h5_fail(ctx, FF_EBADFILE, FF_HERE, "%s: attribute %s of /%s is not one value", f->path, name,
                             object);
        }
        H5Sclose(space);
    }
    H5Oclose(id);
    if (err) {
        H5Tclose(*type);
        H5Aclose(*attr);
        H5Eclear2(H5E_DEFAULT);
    }
    return err;
}

ff_err ff_h5r_attr_number(ff_h5r *f, const char *object, const char *name, double *value, ff_ctx *ctx)
{
    *value = 0;
    hid_t attr, type;
    ff_err err = open_attr(f, object, name, H5T_FLOAT, H5T_INTEGER, &attr, &type, ctx);
    if (err) return err;
    if (H5Aread(attr, H5T_NATIVE_DOUBLE, value) < 0) {
        err = ff_h5_fail(ctx, FF_EBADFILE, FF_HERE, "%s: attribute %s of /%s cannot be read", f->path, name, object);
    }
    H5Tclose(type);
    H5Aclose(attr);
    return err;
}

/* Text of a fixed-length attribute of `size` bytes, or NULL. */
static char *read_fixed(hid_t attr, hid_t type, size_t size)
{
    char *text = calloc(size + 1, 1);
    if (text && H5Aread(attr, type, text) < 0) {
        free(text);
        text = NULL;
    }
    return text;
}

/* Text of a variable-length attribute, or NULL. */
static char *read_variable(hid_t attr, hid_t type)
{
    char *text = NULL;
    if (H5Aread(attr, type, &text) < 0) return NULL;
    char *copy = strdup(text ? text : "");
    H5free_memory(text);
    return copy;
}

ff_err ff_h5r_attr_text(ff_h5r *f, const char *object, const char *name, long max_bytes, char **value, ff_ctx *ctx)
{
    *value = NULL;
    hid_t attr, type;
    ff_err err = open_attr(f, object, name, H5T_STRING, H5T_STRING, &attr, &type, ctx);
    if (err) return err;
    const bool variable = H5Tis_variable_str(type) > 0;
    const size_t size = H5Tget_size(type);
    char *text = NULL;
    bool long_text = !variable && size > (size_t)max_bytes;
    if (!long_text) {
        text = variable ? read_variable(attr, type) : read_fixed(attr, type, size);
        long_text = text && strlen(text) > (size_t)max_bytes;
    }
    if (long_text) {
        err = ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: attribute %s of /%s is longer than %ld bytes", f->path, name,
                      object, max_bytes);
    } else if (!text) {
        err = ff_h5_fail(ctx, FF_EBADFILE, FF_HERE, "%s: attribute %s of /%s cannot be read", f->path, name, object);
    }
    H5Tclose(type);
    H5Aclose(attr);
    if (err) {
        free(text);
        return err;
    }
    *value = text;
    return FF_OK;
}

void ff_names_free(char **names, int n)
{
    if (!names) return;
    for (int i = 0; i < n; i++) free(names[i]);
    free(names);
}

struct names {
    char **name; /* (capacity), n used */
    int n, capacity;
};

static herr_t add_name(hid_t group, const char *name, const H5L_info_t *info, void *self)
{
    (void)group;
    (void)info;
    struct names *names = self;
    if (names->n == names->capacity) return -1;
    names->name[names->n] = strdup(name);
    return names->name[names->n++] ? 0 : -1;
}

static bool creation_order_tracked(hid_t group)
{
    const hid_t gcpl = H5Gget_create_plist(group);
    unsigned flags = 0;
    const bool ok = H5Pget_link_creation_order(gcpl, &flags) >= 0 && (flags & H5P_CRT_ORDER_INDEXED);
    H5Pclose(gcpl);
    return ok;
}

ff_err ff_h5r_list(ff_h5r *f, const char *group, char ***names, int *n, ff_ctx *ctx)
{
    *names = NULL;
    *n = 0;
    const hid_t id = open_object(f, group);
    H5G_info_t info;
    ff_err err = FF_OK;
    if (id < 0 || H5Iget_type(id) != H5I_GROUP || H5Gget_info(id, &info) < 0) {
        err = ff_h5_fail(ctx, FF_EBADFILE, FF_HERE, "%s: group /%s is missing or damaged", f->path, group);
    } else if (info.nlinks > MAX_LABELS) {
        err = ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: group /%s has %llu members, at most %d are read", f->path, group,
                      (unsigned long long)info.nlinks, MAX_LABELS);
    } else {
        struct names list = {.name = calloc((size_t)info.nlinks + 1, sizeof(char *)), .capacity = (int)info.nlinks};
        const H5_index_t by = creation_order_tracked(id) ? H5_INDEX_CRT_ORDER : H5_INDEX_NAME;
        if (!list.name || H5Literate(id, by, H5_ITER_INC, NULL, add_name, &list) < 0) {
            err =
                ff_h5_fail(ctx, FF_EBADFILE, FF_HERE, "%s: the members of group /%s cannot be listed", f->path, group);
            ff_names_free(list.name, list.n);
        } else {
            *names = list.name;
            *n = list.n;
        }
    }
    if (id >= 0) H5Oclose(id);
    return err;
}

/* Labels of an open 1-D text dataset of n elements into labels (n), all NULL before. */
static bool read_labels(hid_t id, hid_t type, int n, char **labels)
{
    if (H5Tis_variable_str(type) > 0) {
        const hid_t space = H5Dget_space(id);
        char **raw = calloc((size_t)n + 1, sizeof *raw); /* (n) owned by HDF5 */
        bool ok = raw && H5Dread(id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, raw) >= 0;
        for (int i = 0; ok && i < n; i++) ok = (labels[i] = strdup(raw[i] ? raw[i] : "")) != NULL;
        if (raw) H5Dvlen_reclaim(type, space, H5P_DEFAULT, raw);
        H5Sclose(space);
        free(raw);
        return ok;
    }
    const size_t size = H5Tget_size(type);
    if (size == 0 || size > MAX_LABEL_BYTES / ((size_t)n + 1)) return false;
    char *raw = calloc((size_t)n + 1, size); /* (n, size) not terminated */
    bool ok = raw && H5Dread(id, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, raw) >= 0;
    for (int i = 0; ok && i < n; i++) ok = (labels[i] = strndup(raw + (size_t)i * size, size)) != NULL;
    free(raw);
    return ok;
}

ff_err ff_h5r_labels(ff_h5r *f, const char *name, char ***labels, int *n, ff_ctx *ctx)
{
    *labels = NULL;
    *n = 0;
    hid_t id;
    ff_err err = open_dataset(f, name, &id, ctx);
    if (err) return err;
    int rank;
    long shape[FF_MAX_RANK];
    const hid_t type = H5Dget_type(id);
    err = get_shape(f, id, name, &rank, shape, ctx);
    if (!err && (rank != 1 || shape[0] > MAX_LABELS || H5Tget_class(type) != H5T_STRING)) {
        err =
            ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: /%s is not a list of at most %d texts", f->path, name, MAX_LABELS);
    }
    if (!err) {
        char **list = calloc((size_t)shape[0] + 1, sizeof *list); /* (n) */
        if (!list || !read_labels(id, type, (int)shape[0], list)) {
            err = ff_h5_fail(ctx, FF_EBADFILE, FF_HERE, "%s: the texts of /%s cannot be read", f->path, name);
            ff_names_free(list, (int)shape[0]);
        } else {
            *labels = list;
            *n = (int)shape[0];
        }
    }
    H5Tclose(type);
    H5Dclose(id);
    return err;
}
