/* server/store/rows.c - see rows.h. */
#include "server/store/rows.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PREAMBLE = 10, MAX_HEADER = 1 << 14, BLOCK = 4096 };

static ff_err read_header(struct ff_house_npy *npy, ff_ctx *ctx)
{
    unsigned char start[PREAMBLE];
    char text[MAX_HEADER];
    size_t got;
    ff_err err = ff_house_read_at(npy->fd, start, sizeof start, 0, &got, npy->name, ctx);
    if (err) return err;
    const size_t size = start[8] | (size_t)start[9] << 8;
    if (got != sizeof start || memcmp(start, "\x93NUMPY\x01", 7) != 0 || size > sizeof text) {
        return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s is not a .npy file of version 1", npy->name);
    }
    err = ff_house_read_at(npy->fd, text, size, PREAMBLE, &got, npy->name, ctx);
    if (err) return err;
    if (got != size) return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s ends in its header", npy->name);
    npy->begin = PREAMBLE + (int64_t)size;
    return ff_npy_header_parse(&npy->head, npy->name, text, size, ctx);
}

static ff_err check_shape(struct ff_house_npy *npy, int64_t file_size, ff_ctx *ctx)
{
    const struct ff_npy_header *h = &npy->head;
    int64_t bytes = h->size;
    npy->n = 1;
    bool fits = !h->big_endian && !h->fortran;
    for (int i = 0; fits && i < h->rank; i++) {
        fits = h->shape[i] >= 0 && !__builtin_mul_overflow(bytes, h->shape[i], &bytes);
        npy->n = fits ? npy->n * h->shape[i] : 0;
    }
    if (fits && bytes <= file_size - npy->begin) return FF_OK;
    return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s is cut off, or not little endian in C order", npy->name);
}

ff_err ff_house_npy_open(struct ff_house_npy *npy, int folder, const char *name, ff_ctx *ctx)
{
    struct stat st;
    *npy = (struct ff_house_npy){.fd = -1};
    snprintf(npy->name, sizeof npy->name, "%.100s", name);
    ff_err err = ff_house_open_at(folder, name, name, &npy->fd, &st, ctx);
    if (err) return err;
    err = read_header(npy, ctx);
    if (!err) err = check_shape(npy, st.st_size, ctx);
    if (err) ff_house_npy_close(npy);
    return err;
}

void ff_house_npy_close(struct ff_house_npy *npy)
{
    if (npy->fd >= 0) close(npy->fd);
    npy->fd = -1;
}

long ff_house_npy_row(const struct ff_house_npy *npy)
{
    long n = npy->head.rank > 0;
    for (int i = 1; i < npy->head.rank; i++) n *= npy->head.shape[i];
    return n;
}

static ff_err read_exactly(const struct ff_house_npy *npy, int64_t at, void *out, size_t size, ff_ctx *ctx)
{
    size_t got;
    ff_err err = ff_house_read_at(npy->fd, out, size, at, &got, npy->name, ctx);
    if (!err && got != size) err = ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s became shorter", npy->name);
    return err;
}

/* Doubles of the file as floats, a block at a time. */
static ff_err read_as_float(const struct ff_house_npy *npy, int64_t at, long count, float *out, ff_ctx *ctx)
{
    double block[BLOCK];
    for (long done = 0; done < count;) {
        const long n = count - done < BLOCK ? count - done : BLOCK;
        ff_err err = read_exactly(npy, at + 8 * (int64_t)done, block, 8 * (size_t)n, ctx);
        if (err) return err;
        for (long i = 0; i < n; i++) out[done + i] = (float)block[i];
        done += n;
    }
    return FF_OK;
}

ff_err ff_house_npy_read(const struct ff_house_npy *npy, enum ff_type type, long first, long count, void *out,
                         ff_ctx *ctx)
{
    const struct ff_npy_header *h = &npy->head;
    if (first < 0 || count < 0 || first > npy->n || count > npy->n - first) {
        return ff_fail(ctx, FF_ERANGE, FF_HERE, "%s has %ld numbers", npy->name, npy->n);
    }
    const int64_t at = npy->begin + (int64_t)first * h->size;
    const bool real = h->kind == 'f', byte = (h->kind == 'u' || h->kind == 'b') && h->size == 1;
    if (type == FF_F32_T && real && h->size == 8) return read_as_float(npy, at, count, out, ctx);
    if ((type == FF_F32_T && real && h->size == 4) || (type == FF_F64_T && real && h->size == 8) ||
        (type == FF_U8_T && byte)) {
        return read_exactly(npy, at, out, (size_t)count * (size_t)h->size, ctx);
    }
    return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s does not hold the type of number that belongs there", npy->name);
}

int ff_house_attempt_folder(const ff_storehouse *s, const char *job, const char *task, long long attempt)
{
    char path[FF_HOUSE_PATH];
    int folder;
    const char *last;
    if (attempt < 1 || attempt > INT_MAX) return -1;
    if (ff_storehouse_work_path(path, sizeof path, job, task, (int)attempt, "any", NULL)) return -1;
    return ff_house_folder_of(s, path, false, &folder, &last, NULL) ? -1 : folder;
}
