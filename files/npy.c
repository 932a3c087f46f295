/* files/npy.c - see npy.h. Format: NumPy Enhancement Proposal 1 (docs: conventions 4.6). */
#include "files/npy.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files/npy_header.h"
#include "common/publish.h"

static const char magic[6] = {(char)0x93, 'N', 'U', 'M', 'P', 'Y'};
enum { ALIGN = 64, HEADER_MAX = 1 << 16, BLOCK = 1 << 16 };

static const struct {
    const char *descr;
    size_t size;
} types[] = {
    [FF_F32_T] = {"<f4", 4}, [FF_F64_T] = {"<f8", 8},  [FF_I64_T] = {"<i8", 8},
    [FF_U8_T] = {"|u1", 1},  [FF_BOOL_T] = {"|b1", 1},
};

/* Magic, version 1.0, length, dictionary, padding, newline. */
size_t ff_npy_head(char out[FF_NPY_HEAD], enum ff_type type, int rank, const long *shape)
{
    const size_t room = FF_NPY_HEAD, start = sizeof magic + 4;
    size_t n = start;
    n += (size_t)snprintf(out + n, room - n, "{'descr': '%s', 'fortran_order': False, 'shape': (", types[type].descr);
    for (int i = 0; i < rank; i++) {
        const char *after = rank == 1 ? "," : i + 1 < rank ? ", " : "";
        n += (size_t)snprintf(out + n, room - n, "%ld%s", shape[i], after);
    }
    n += (size_t)snprintf(out + n, room - n, "), }");
    while ((n + 1) % ALIGN) out[n++] = ' ';
    out[n++] = '\n';
    memcpy(out, magic, sizeof magic);
    out[sizeof magic] = 1;
    out[sizeof magic + 1] = 0;
    out[sizeof magic + 2] = (char)((n - start) & 0xff);
    out[sizeof magic + 3] = (char)((n - start) >> 8);
    return n;
}

ff_err ff_npy_write(const char *path, enum ff_type type, int rank, const long *shape, const void *data, ff_ctx *ctx)
{
    if (rank < 0 || rank > FF_MAX_RANK) return ff_fail(ctx, FF_EBUG, FF_HERE, "%s: rank %d", path, rank);
    char head[FF_NPY_HEAD];
    const size_t head_size = ff_npy_head(head, type, rank, shape);
    size_t n = 1;
    for (int i = 0; i < rank; i++) n *= (size_t)shape[i];
    char *part = ff_part_name(path);
    if (!part) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory to write %s", path);
    FILE *file = fopen(part, "wb");
    ff_err err = FF_OK;
    if (!file) {
        err = ff_write_fail(ctx, errno, part, strerror(errno));
    } else {
        bool ok = fwrite(head, 1, head_size, file) == head_size && fwrite(data, types[type].size, n, file) == n;
        int number = errno;
        if (fclose(file) && ok) {
            ok = false;
            number = errno;
        }
        if (!ok) err = ff_write_fail(ctx, number, part, strerror(number));
        if (!err) err = ff_publish(part, path, ctx);
        if (err) ff_part_drop(part);
    }
    free(part);
    return err;
}

static double half(uint64_t bits)
{
    const int exponent = (int)(bits >> 10 & 31), fraction = (int)(bits & 1023);
    double value = ldexp(exponent ? fraction + 1024 : fraction, (exponent ? exponent : 1) - 25);
    if (exponent == 31) value = fraction ? (double)NAN : (double)INFINITY;
    return bits >> 15 & 1 ? -value : value;
}

/* One number of the file as double. */
static double convert(const unsigned char *bytes, const struct ff_npy_header *h)
{
    uint64_t bits = 0;
    for (int i = 0; i < h->size; i++) bits |= (uint64_t)bytes[h->big_endian ? h->size - 1 - i : i] << (8 * i);
    float single;
    double real;
    uint32_t low = (uint32_t)bits;
    switch (h->kind) {
    case 'u':
        return (double)bits;
    case 'b':
        return bits != 0;
    case 'i': {
        const int unused = 64 - 8 * h->size; /* moves the sign up and back */
        return (double)((int64_t)(bits << unused) >> unused);
    }
    default:
        if (h->size == 2) return half(bits);
        memcpy(&single, &low, sizeof single);
        memcpy(&real, &bits, sizeof real);
        return h->size == 4 ? (double)single : real;
    }
}

/* Place in C order of the number that follows the one at index[] in Fortran order; moves index[] on. */
static size_t next_fortran(const struct ff_npy_header *h, long *index)
{
    for (int k = 0; k < h->rank; k++) {
        if (++index[k] < h->shape[k]) break;
        index[k] = 0;
    }
    size_t place = 0;
    for (int k = 0; k < h->rank; k++) place = place * (size_t)h->shape[k] + (size_t)index[k];
    return place;
}

static ff_err read_numbers(FILE *file, const char *path, const struct ff_npy_header *h, size_t n, double *out,
                           ff_ctx *ctx)
{
    unsigned char block[BLOCK];
    long index[FF_MAX_RANK] = {0};
    size_t place = 0;
    for (size_t done = 0; done < n;) {
        const size_t most = BLOCK / (size_t)h->size, count = n - done < most ? n - done : most;
        if (fread(block, (size_t)h->size, count, file) != count) {
            return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s ends before its last number", path);
        }
        for (size_t i = 0; i < count; i++) {
            out[h->fortran ? place : done + i] = convert(block + i * (size_t)h->size, h);
            if (h->fortran) place = next_fortran(h, index);
        }
        done += count;
    }
    return FF_OK;
}

ff_err ff_npy_head_read(FILE *file, const char *path, struct ff_npy_header *h, long *begin, ff_ctx *ctx)
{
    unsigned char head[12];
    if (fread(head, 1, 10, file) != 10 || memcmp(head, magic, sizeof magic) != 0) {
        return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s is not a .npy file (it does not begin with \\x93NUMPY)", path);
    }
    size_t size = head[8] | (size_t)head[9] << 8;
    *begin = 10;
    if (head[6] == 2 || head[6] == 3) {
        if (fread(head + 10, 1, 2, file) != 2)
            return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s ends in its .npy header", path);
        size |= (size_t)head[10] << 16 | (size_t)head[11] << 24;
        *begin = 12;
    } else if (head[6] != 1) {
        return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: version %d of .npy is not known", path, head[6]);
    }
    if (size > HEADER_MAX) {
        return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: its .npy header has %zu bytes, at most %d are read", path, size,
                       HEADER_MAX);
    }
    *begin += (long)size;
    char *text = malloc(size ? size : 1);
    if (!text) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the header of %s", path);
    const ff_err err = fread(text, 1, size, file) == size
                           ? ff_npy_header_parse(h, path, text, size, ctx)
                           : ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s ends in its .npy header", path);
    free(text);
    return err;
}

static ff_err check_size(const char *path, const struct ff_npy_header *h, long have, long max_elements, long *n,
                         ff_ctx *ctx)
{
    long bound = 1; /* axes of length 0 as 1: no product of some of the lengths can overflow, here or at the caller */
    *n = 1;
    for (int i = 0; i < h->rank; i++) {
        *n *= h->shape[i] > 0;
        if (__builtin_mul_overflow(bound, h->shape[i] > 0 ? h->shape[i] : 1, &bound) || bound > max_elements) {
            return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: more than the %ld numbers allowed (axis %d of %d has %ld)",
                           path, max_elements, i, h->rank, h->shape[i]);
        }
    }
    *n *= bound;
    if (have / h->size < *n) {
        return ff_fail(ctx, FF_EBADFILE, FF_HERE,
                       "%s is cut off: %ld numbers of %d bytes are declared, %ld bytes are there", path, *n, h->size,
                       have);
    }
    return FF_OK;
}

ff_err ff_npy_read(const char *path, long max_elements, double **data, int *rank, long *shape, ff_ctx *ctx)
{
    *data = NULL;
    *rank = 0;
    FILE *file;
    long size, begin = 0, n;
    struct ff_npy_header h;
    ff_err err = ff_open_regular(&file, path, &size, ctx);
    if (err) return err;
    err = ff_npy_head_read(file, path, &h, &begin, ctx);
    if (!err) err = check_size(path, &h, size - begin, max_elements, &n, ctx);
    if (!err) {
        double *out = malloc((n ? (size_t)n : 1) * sizeof *out); /* (shape) C order */
        err = out ? read_numbers(file, path, &h, (size_t)n, out, ctx)
                  : ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the %ld numbers of %s", n, path);
        if (err) {
            free(out);
        } else {
            *data = out;
            *rank = h.rank;
            memcpy(shape, h.shape, (size_t)h.rank * sizeof *shape);
        }
    }
    fclose(file);
    return err;
}
