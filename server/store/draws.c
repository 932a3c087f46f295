/* server/store/draws.c - draws of a result (store.h), read in a limited child, which makes the whole answer. */
#include "server/store/draws.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files/guard.h"
#include "files/npy.h"

enum { SECONDS = 60, WORK_BYTES = 1 << 28 };

const struct ff_house_array ff_house_arrays[FF_HOUSE_NDRAWS] = {{"theta", FF_F64_T, 8, false},
                                                                {"x", FF_F32_T, 4, false},
                                                                {"valid", FF_U8_T, 1, false},
                                                                {"score", FF_F32_T, 4, true}};

struct wanted {
    const char *path;
    long start, count;
};

struct answer {
    char *bytes; /* malloc'ed */
    size_t size;
};

ff_err ff_house_draws_clip(long start, long *count, long have, ff_ctx *ctx)
{
    if (start > have)
        return ff_fail(ctx, FF_ERANGE, FF_HERE, "there are %ld draws, from 0; start was %ld", have, start);
    if (*count > have - start) *count = have - start;
    return FF_OK;
}

ff_err ff_house_draws_fit(size_t *total, long rows, long row, size_t size, ff_ctx *ctx)
{
    size_t more;
    if (rows < 0 || row < 0 || __builtin_mul_overflow((size_t)rows, (size_t)row, &more) ||
        __builtin_mul_overflow(more, size, &more) || more > ff_house_max_draws - *total) {
        return ff_fail(ctx, FF_ETOOLARGE, FF_HERE, "%ld draws are more than the %zu MB of one answer: ask for fewer",
                       rows, ff_house_max_draws >> 20);
    }
    *total += more;
    return FF_OK;
}

static ff_err append(struct answer *a, const void *bytes, size_t size, ff_ctx *ctx)
{
    char *grown = realloc(a->bytes, a->size + size + 1);
    if (!grown) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for draws");
    if (size) memcpy(grown + a->size, bytes, size);
    a->bytes = grown;
    a->size += size;
    return FF_OK;
}

static ff_err add_array(ff_h5r *f, const struct wanted *w, const struct ff_house_array *array, struct answer *a,
                        ff_ctx *ctx)
{
    char path[32], head[FF_NPY_HEAD];
    int rank;
    long shape[FF_MAX_RANK], row = 1;
    snprintf(path, sizeof path, "draws/%s", array->name);
    if (array->optional && !ff_h5r_has(f, path)) return FF_OK;
    ff_err err = ff_h5r_shape(f, path, &rank, shape, ctx);
    if (err) return err;
    for (int i = 1; i < rank; i++) {
        if (__builtin_mul_overflow(row, shape[i], &row)) row = -1;
    }
    size_t total = a->size;
    err = ff_house_draws_fit(&total, w->count, row, array->size, ctx);
    if (err) return err;
    void *rows;
    err = ff_h5r_rows(f, path, array->type, w->start, w->count, (long)ff_house_max_draws, &rows, &rank, shape, ctx);
    if (err) return err;
    err = append(a, head, ff_npy_head(head, array->type, rank, shape), ctx);
    if (!err) err = append(a, rows, (size_t)w->count * (size_t)row * array->size, ctx);
    free(rows);
    return err;
}

static ff_err read_in_child(void *arg, void **bytes, size_t *size, ff_ctx *ctx)
{
    struct wanted *w = arg;
    struct answer a = {0};
    ff_h5r *f;
    int rank = 0;
    long shape[FF_MAX_RANK] = {0};
    ff_err err = ff_h5r_open(&f, w->path, ctx);
    if (err) return err;
    if (!ff_h5r_has(f, "draws/theta"))
        err = ff_fail(ctx, FF_ENOTFOUND, FF_HERE, "the result of this job holds no draws");
    if (!err) err = ff_h5r_shape(f, "draws/theta", &rank, shape, ctx);
    if (!err) err = ff_house_draws_clip(w->start, &w->count, rank > 0 ? shape[0] : 0, ctx);
    for (int i = 0; !err && i < FF_HOUSE_NDRAWS; i++) err = add_array(f, w, &ff_house_arrays[i], &a, ctx);
    ff_h5r_close(f);
    if (err) return err;
    *bytes = a.bytes;
    *size = a.size;
    return FF_OK;
}

ff_err ff_house_draws_of_result(ff_storehouse *s, const struct ff_draws_request *r, void **bytes, size_t *size,
                                ff_ctx *ctx)
{
    int fd;
    struct stat st;
    char path[64];
    ff_err err = ff_house_open(s, r->result, &fd, &st, ctx);
    if (err) return err;
    ff_house_fd_path(fd, path);
    struct wanted w = {path, r->start, r->count};
    err = ff_house_reader_enter(s, ctx);
    if (!err) {
        err = ff_guard(path, read_in_child, &w, 3 * ff_house_max_draws + WORK_BYTES, SECONDS, bytes, size, ctx);
        ff_house_reader_leave(s);
        if (err) ff_house_hide(ctx, path, "the result");
    }
    close(fd);
    return err;
}

ff_err ff_storehouse_draws(ff_storehouse *s, const struct ff_draws_request *request, void **bytes, size_t *size,
                           ff_ctx *ctx)
{
    *bytes = NULL;
    *size = 0;
    if (request->start < 0 || request->count < 0) {
        return ff_fail(ctx, FF_EBADREQUEST, FF_HERE, "start and count of draws are 0 or more");
    }
    ff_err err = request->result ? ff_house_check_path(request->result, ctx) : FF_OK;
    if (err) return err;
    struct ff_chunks index = {0};
    if (request->result && request->chunked) {
        err = ff_house_index_read(s, request->result, 0, FF_MAX_CHUNKS, &index, ctx);
        if (!err) err = ff_house_draws_of_chunks(s, request, &index, bytes, size, ctx);
        ff_chunks_done(&index);
    } else {
        err = request->result ? ff_house_draws_of_result(s, request, bytes, size, ctx)
                              : ff_house_draws_of_chunks(s, request, NULL, bytes, size, ctx);
    }
    return ff_house_ours(err, ctx);
}
