/* files/chunk_file.c - see chunk_file.h. */
#include "files/chunk_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/publish.h"
#include "files/guard.h"
#include "files/h5_internal.h"
#include "files/npy.h"
#include "files/npy_header.h"

enum { BLOCK_BYTES = 8 << 20, CHILD_BYTES = 1 << 28, CHILD_SECONDS = 60 };
static const int64_t HASH_RATE = 20 << 20; /* bytes a second that the slowest machine hashes */

/* ---- .npy to HDF5 ---- */

struct input { /* the file of an array */
    FILE *file;
    struct ff_npy_header head;
    size_t row; /* bytes */
};

static bool is_array(const struct ff_npy_header *h, int array)
{
    static const int ranks[FF_CHUNK_ARRAYS] = {2, 4, 1, 2}; /* x: 5 with components */
    const enum ff_type type = ff_chunk_arrays[array].type;
    return h->kind == (type == FF_U8_T ? 'u' : 'f') && (size_t)h->size == ff_h5_type_size(type) && !h->fortran &&
           !h->big_endian && (h->rank == ranks[array] || (array == FF_CHUNK_X && h->rank == 5));
}

static ff_err open_input(struct input *in, const char *path, int array, const struct ff_chunk *chunk, ff_ctx *ctx)
{
    long size, begin = 0;
    ff_err err = ff_open_regular(&in->file, path, &size, ctx);
    if (!err) err = ff_npy_head_read(in->file, path, &in->head, &begin, ctx);
    if (err) return err;
    const struct ff_npy_header *h = &in->head;
    bool good = is_array(h, array) && h->shape[0] == chunk->count;
    in->row = (size_t)h->size;
    for (int i = 1; good && i < h->rank; i++)
        good = h->shape[i] > 0 && !__builtin_mul_overflow(in->row, (size_t)h->shape[i], &in->row);
    good = good && (size_t)(size - begin) / in->row == (size_t)chunk->count && (size_t)(size - begin) % in->row == 0;
    return good ? FF_OK
                : ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s is not the %s of %lld draws", path,
                          ff_chunk_arrays[array].name, (long long)chunk->count);
}

static ff_err put_dims(ff_h5 *f, const struct input *in, ff_ctx *ctx)
{
    const struct ff_npy_header *x = &in[FF_CHUNK_X].head;
    const bool components = x->rank == 5;
    ff_err err = ff_h5_group(f, "draws", ctx);
    if (!err) err = ff_h5_dim_plain(f, "draws", "draw", x->shape[0], ctx);
    if (!err) err = ff_h5_dim_plain(f, "draws", "parameter", in[FF_CHUNK_THETA].head.shape[1], ctx);
    if (!err) err = ff_h5_dim_plain(f, "draws", "bin", x->shape[1], ctx);
    if (!err && components) err = ff_h5_dim_plain(f, "draws", "component", x->shape[2], ctx);
    if (!err) err = ff_h5_dim_plain(f, "draws", "pixel_y", x->shape[x->rank - 2], ctx);
    if (!err) err = ff_h5_dim_plain(f, "draws", "pixel_x", x->shape[x->rank - 1], ctx);
    return err;
}

static ff_err put_array(ff_h5 *f, struct input *in, int array, bool components, const char *path, ff_ctx *ctx)
{
    const struct ff_chunk_array *a = &ff_chunk_arrays[array];
    const long count = in->head.shape[0];
    const size_t fit = BLOCK_BYTES / in->row;
    const long most = fit > (size_t)count ? count : fit ? (long)fit : 1;
    void *block = malloc((size_t)most * in->row);
    if (!block) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for %ld draws of %s", most, path);
    ff_err err = ff_h5_reserve(f, "draws", a->name, a->type, ff_chunk_dims(array, components), ctx);
    for (long first = 0; !err && first < count; first += most) {
        const long n = count - first < most ? count - first : most;
        if (fread(block, in->row, (size_t)n, in->file) != (size_t)n)
            err = ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s ends before its last number", path);
        if (!err) err = ff_h5_put_rows(f, "draws", a->name, a->type, first, n, block, ctx);
    }
    free(block);
    return err;
}

static ff_err write_all(const char *path, const char *const *npy, struct input *in, int narrays, ff_ctx *ctx)
{
    ff_h5 *f;
    ff_err err = ff_h5_create(&f, path, ctx);
    if (err) return err;
    err = put_dims(f, in, ctx);
    for (int a = 0; !err && a < narrays; a++) err = put_array(f, &in[a], a, in[FF_CHUNK_X].head.rank == 5, npy[a], ctx);
    if (!err) return ff_h5_close(f, ctx);
    ff_h5_abandon(f);
    return err;
}

ff_err ff_chunk_file_write(const char *path, const char *const *npy, const struct ff_chunk *chunk, int narrays,
                           ff_ctx *ctx)
{
    struct input in[FF_CHUNK_ARRAYS] = {0};
    ff_err err = FF_OK;
    for (int a = 0; !err && a < narrays; a++) err = open_input(&in[a], npy[a], a, chunk, ctx);
    if (!err) err = write_all(path, npy, in, narrays, ctx);
    for (int a = 0; a < narrays; a++)
        if (in[a].file) fclose(in[a].file);
    return err;
}

/* ---- the hashes of what an HDF5 file has ---- */

struct question {
    const char *path;
    const struct ff_chunk *chunk;
    int narrays;
};

/* Rows of an open array into a hash, a block at a time. */
static ff_err add_rows(ff_h5r *f, const char *name, enum ff_type type, long count, size_t row, ff_hash *hash,
                       ff_ctx *ctx)
{
    const size_t fit = BLOCK_BYTES / row;
    const long most = fit ? (long)fit : 1, numbers = (long)(row / ff_h5_type_size(type));
    ff_err err = FF_OK;
    for (long first = 0; !err && first < count; first += most) {
        const long n = count - first < most ? count - first : most;
        int rank;
        long shape[FF_MAX_RANK];
        void *rows;
        err = ff_h5r_rows(f, name, type, first, n, n * numbers, &rows, &rank, shape, ctx);
        if (err) break;
        ff_hash_add(hash, rows, (size_t)n * row);
        free(rows);
    }
    return err;
}

/* The .npy file that this array of the HDF5 file would be has the chunk's size and hash. */
static ff_err check_array(ff_h5r *f, const struct question *q, int array, ff_ctx *ctx)
{
    const enum ff_type type = ff_chunk_arrays[array].type;
    char name[32], head[FF_NPY_HEAD], sha256[FF_HASH_SIZE];
    int rank;
    long shape[FF_MAX_RANK];
    size_t row = ff_h5_type_size(type), total;
    snprintf(name, sizeof name, "draws/%s", ff_chunk_arrays[array].name);
    ff_err err = ff_h5r_shape(f, name, &rank, shape, ctx);
    if (err) return err;
    const size_t nhead = ff_npy_head(head, type, rank, shape);
    bool same = rank > 0 && shape[0] == q->chunk->count;
    for (int i = 1; same && i < rank; i++) same = !__builtin_mul_overflow(row, (size_t)shape[i], &row) && row > 0;
    same = same && !__builtin_mul_overflow(row, (size_t)shape[0], &total) &&
           (int64_t)(total + nhead) == q->chunk->size[array];
    if (!same) return ff_fail(ctx, FF_ECORRUPT, FF_HERE, "%s has another shape in it", q->path);
    ff_hash *hash = ff_hash_begin();
    if (!hash) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory to check %s", q->path);
    ff_hash_add(hash, head, nhead);
    err = add_rows(f, name, type, shape[0], row, hash, ctx);
    ff_hash_end(hash, sha256);
    if (err || !strcmp(sha256, q->chunk->sha256[array])) return err;
    return ff_fail(ctx, FF_ECORRUPT, FF_HERE, "%s has other numbers in /%s than were made", q->path, name);
}

static ff_err check_in_child(void *arg, void **bytes, size_t *size, ff_ctx *ctx)
{
    const struct question *q = arg;
    ff_h5r *f;
    *bytes = NULL;
    *size = 0;
    ff_err err = ff_h5r_open(&f, q->path, ctx);
    for (int a = 0; !err && a < q->narrays; a++) err = check_array(f, q, a, ctx);
    ff_h5r_close(f);
    return err;
}

ff_err ff_chunk_file_check(const char *path, const struct ff_chunk *chunk, int narrays, ff_ctx *ctx)
{
    struct question q = {path, chunk, narrays};
    struct stat st;
    void *nothing;
    size_t size;
    int64_t bytes = 0;
    if (stat(path, &st)) return ff_fail(ctx, FF_ENOFILE, FF_HERE, "%s is not there", path);
    for (int a = 0; a < narrays; a++) bytes += chunk->size[a];
    const int seconds = CHILD_SECONDS + (int)(bytes / HASH_RATE);
    const size_t room = CHILD_BYTES + 2 * (size_t)(bytes / chunk->count); /* a draw may be larger than a block */
    ff_err err = ff_guard(path, check_in_child, &q, room, seconds, &nothing, &size, ctx);
    if (!err) free(nothing);
    if (err != FF_EBADFILE) return err;
    if (ctx) ctx->code = FF_ECORRUPT;
    return FF_ECORRUPT;
}
