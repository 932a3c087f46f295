/* files/fields.c - see fields.h. What the child sends: one `record` a field, one double an attribute, then the arrays,
** in the order of the request. The parent checks every record again, because a damaged file may have taken over the
** child. */
#include "files/fields.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "files/guard.h"
#include "files/h5_internal.h"
#include "common/publish.h"

/* A file may unpack to this much and to so many times its own size more (deflate reaches 1000 on zeros); the library
** works in some memory beyond. */
enum { FREE_BYTES = 1 << 30, UNPACK = 16, WORK_BYTES = 1 << 28, SECONDS = 20, BYTES_PER_SECOND = 1 << 25 };

struct record {
    int64_t present, rank, shape[FF_MAX_RANK];
};

struct request {
    const char *path;
    struct ff_field *fields;
    int nfields;
    struct ff_number *numbers;
    int nnumbers;
    long max_elements;
    size_t max_bytes; /* what the file may unpack to */
};

long ff_field_len(const struct ff_field *field)
{
    long n = 1;
    for (int i = 0; i < field->rank; i++) n *= field->shape[i];
    return field->present ? n : 0;
}

static ff_err check_shape(const struct request *r, const struct ff_field *field, int rank, const long *shape,
                          long *total, ff_ctx *ctx)
{
    if (rank < 1 || rank > FF_MAX_RANK || (field->rank && rank != field->rank)) {
        return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: dataset /%s has %d dimensions, %d are expected", r->path,
                       field->name, rank, field->rank);
    }
    long n = 1; /* cannot overflow: every axis is at most `longest`, and a longest array has < 2^63 elements */
    for (int i = 0; i < rank; i++) {
        if (shape[i] < 1 || shape[i] > field->longest[i]) {
            return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: axis %d of dataset /%s has length %ld, allowed are 1 to %ld",
                           r->path, i, field->name, shape[i], field->longest[i]);
        }
        n *= shape[i];
    }
    if (n > r->max_elements - *total) {
        return ff_fail(ctx, FF_EBADFILE, FF_HERE,
                       "%s: dataset /%s has %ld numbers, at most %ld are allowed in the file", r->path, field->name, n,
                       r->max_elements);
    }
    *total += n;
    return FF_OK;
}

/* Shapes of all fields, checked, and the bytes their arrays take. */
static ff_err find_fields(const struct request *r, ff_h5r *f, size_t *bytes, ff_ctx *ctx)
{
    long total = 0;
    for (int i = 0; i < r->nfields; i++) {
        struct ff_field *field = &r->fields[i];
        field->present = ff_h5r_has(f, field->name);
        if (!field->present && field->optional) continue;
        int rank;
        long shape[FF_MAX_RANK];
        ff_err err = ff_h5r_shape(f, field->name, &rank, shape, ctx);
        if (!err) err = check_shape(r, field, rank, shape, &total, ctx);
        if (err) return err;
        field->rank = rank;
        memcpy(field->shape, shape, (size_t)rank * sizeof *shape);
        *bytes += (size_t)ff_field_len(field) * ff_h5_type_size(field->type);
    }
    return FF_OK;
}

static size_t head_size(const struct request *r)
{
    return (size_t)r->nfields * sizeof(struct record) + (size_t)r->nnumbers * sizeof(double);
}

/* A file of some other kind: the names that were looked for say more than the first of them. */
static ff_err none_there(const struct request *r, ff_ctx *ctx)
{
    char names[256] = "";
    size_t n = 0;
    for (int i = 0; i < r->nfields && n < sizeof names; i++) {
        n += (size_t)snprintf(names + n, sizeof names - n, "%s/%s", i ? ", " : "", r->fields[i].name);
    }
    return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s has none of the datasets %s", r->path, names);
}

static ff_err pack(const struct request *r, ff_h5r *f, void **bytes, size_t *size, ff_ctx *ctx)
{
    const size_t head = head_size(r);
    size_t need = head;
    ff_err err = find_fields(r, f, &need, ctx);
    if (!err && need == head) err = none_there(r, ctx);
    if (!err && need > r->max_bytes) {
        err = ff_fail(ctx, FF_EBADFILE, FF_HERE,
                      "%s: its datasets unpack to %zu MB, at most %zu MB are taken from a file of its size", r->path,
                      need >> 20, r->max_bytes >> 20);
    }
    for (int i = 0; !err && i < r->nnumbers; i++) {
        err = ff_h5r_attr_number(f, "", r->numbers[i].name, &r->numbers[i].value, ctx);
    }
    if (err) return err;
    char *block = malloc(need);
    if (!block) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "%s: no memory for its %zu bytes", r->path, need);
    char *at = block + head;
    for (int i = 0; !err && i < r->nfields; i++) {
        const struct ff_field *field = &r->fields[i];
        struct record record = {.present = field->present, .rank = field->rank};
        for (int k = 0; k < field->rank; k++) record.shape[k] = field->shape[k];
        memcpy(block + (size_t)i * sizeof record, &record, sizeof record);
        if (!field->present) continue;
        err = ff_h5r_fill(f, field->name, field->type, ff_field_len(field), at, ctx);
        at += (size_t)ff_field_len(field) * ff_h5_type_size(field->type);
    }
    for (int i = 0; i < r->nnumbers; i++) {
        memcpy(block + head - (size_t)(r->nnumbers - i) * sizeof(double), &r->numbers[i].value, sizeof(double));
    }
    if (err) {
        free(block);
        return err;
    }
    *bytes = block;
    *size = need;
    return FF_OK;
}

static ff_err read_in_child(void *arg, void **bytes, size_t *size, ff_ctx *ctx)
{
    const struct request *r = arg;
    ff_h5r *f;
    ff_err err = ff_h5r_open(&f, r->path, ctx);
    if (err) return err;
    err = pack(r, f, bytes, size, ctx);
    ff_h5r_close(f);
    return err;
}

static ff_err unpack(const struct request *r, const char *bytes, size_t size, ff_ctx *ctx)
{
    const size_t head = head_size(r);
    long total = 0;
    size_t need = head;
    ff_err err = size < head ? FF_EBADFILE : FF_OK;
    for (int i = 0; !err && i < r->nfields; i++) {
        struct ff_field *field = &r->fields[i];
        struct record record;
        memcpy(&record, bytes + (size_t)i * sizeof record, sizeof record);
        field->present = record.present != 0;
        if (!field->present) continue;
        long shape[FF_MAX_RANK];
        for (int k = 0; k < FF_MAX_RANK; k++) shape[k] = (long)record.shape[k];
        err = check_shape(r, field, (int)record.rank, shape, &total, ctx);
        if (err) break;
        field->rank = (int)record.rank;
        memcpy(field->shape, shape, sizeof shape);
        need += (size_t)ff_field_len(field) * ff_h5_type_size(field->type);
    }
    if (err || need != size) return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: its reader was damaged by it", r->path);
    const char *at = bytes + head;
    for (int i = 0; i < r->nfields; i++) {
        struct ff_field *field = &r->fields[i];
        if (!field->present) continue;
        const size_t length = (size_t)ff_field_len(field) * ff_h5_type_size(field->type);
        field->data = malloc(length);
        if (!field->data) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the %zu bytes of %s", length, r->path);
        memcpy(field->data, at, length);
        at += length;
    }
    for (int i = 0; i < r->nnumbers; i++) {
        memcpy(&r->numbers[i].value, bytes + head - (size_t)(r->nnumbers - i) * sizeof(double), sizeof(double));
    }
    return FF_OK;
}

ff_err ff_fields_read(const char *path, struct ff_field *fields, int nfields, struct ff_number *numbers, int nnumbers,
                      long max_elements, ff_ctx *ctx)
{
    struct request r = {path, fields, nfields, numbers, nnumbers, max_elements, 0};
    for (int i = 0; i < nfields; i++) fields[i].data = NULL;
    struct stat st;
    const size_t length = stat(path, &st) ? 0 : (size_t)st.st_size; /* a missing file is the child's to report */
    r.max_bytes = FREE_BYTES + UNPACK * length;
    const int seconds = SECONDS + (int)(length / BYTES_PER_SECOND);
    void *bytes;
    size_t size;
    ff_err err = ff_guard(path, read_in_child, &r, r.max_bytes + WORK_BYTES, seconds, &bytes, &size, ctx);
    if (err) return err;
    err = unpack(&r, bytes, size, ctx);
    free(bytes);
    if (err) ff_fields_done(fields, nfields);
    return err;
}

void ff_fields_done(struct ff_field *fields, int nfields)
{
    for (int i = 0; i < nfields; i++) {
        free(fields[i].data);
        fields[i].data = NULL;
    }
}
