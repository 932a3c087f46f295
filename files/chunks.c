/* files/chunks.c - see chunks.h. The child packs a head and the chunks as they are in memory; the parent believes
** neither. */
#include "files/chunks.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "files/guard.h"

enum { DIGEST = 32, SECONDS = 30, WORK_BYTES = 1 << 28 };
static const int64_t MAX_FILE = (int64_t)64 << 30; /* bytes */
static const int64_t MAX_DRAWS = INT64_C(1) << 40;

const struct ff_chunk_array ff_chunk_arrays[FF_CHUNK_ARRAYS] = {
    {"theta", FF_F64_T}, {"x", FF_F32_T}, {"valid", FF_U8_T}, {"score", FF_F64_T}};

const char *ff_chunk_dims(int array, bool components)
{
    if (array == FF_CHUNK_X) return components ? "draw bin component pixel_y pixel_x" : "draw bin pixel_y pixel_x";
    return array == FF_CHUNK_VALID ? "draw" : "draw parameter";
}

void ff_chunks_done(struct ff_chunks *c)
{
    free(c->chunk);
    *c = (struct ff_chunks){0};
}

static ff_err no_memory(ff_ctx *ctx)
{
    return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a list of chunks");
}

/* ---- writing ---- */

static void digest_of(const char *hex, uint8_t out[DIGEST])
{
    for (int i = 0; i < DIGEST; i++) {
        unsigned byte = 0;
        sscanf(hex + 2 * i, "%2x", &byte);
        out[i] = (uint8_t)byte;
    }
}

static ff_err put_dims(ff_h5 *f, const struct ff_chunks *c, ff_ctx *ctx)
{
    const char *labels[FF_CHUNK_ARRAYS];
    for (int a = 0; a < c->narrays; a++) labels[a] = ff_chunk_arrays[a].name;
    ff_err err = ff_h5_group(f, "chunks", ctx);
    if (!err) err = ff_h5_dim(f, "chunks", "chunk", c->total, ctx);
    if (!err) err = ff_h5_dim_labels(f, "chunks", "array", labels, c->narrays, ctx);
    if (!err) err = ff_h5_dim_plain(f, "chunks", "byte", DIGEST, ctx);
    if (!err) err = ff_h5_attr_text(f, "chunks", "observable", c->observable, ctx);
    if (!err) err = ff_h5_attr_text(f, "chunks", "noise", c->noise, ctx);
    return err;
}

/* One of the numbers that a chunk has one of, at this offset of struct ff_chunk. */
static ff_err put_column(ff_h5 *f, const struct ff_chunks *c, const char *name, size_t offset, int64_t *column,
                         ff_ctx *ctx)
{
    for (long i = 0; i < c->n; i++) memcpy(&column[i], (const char *)&c->chunk[i] + offset, sizeof *column);
    return ff_h5_put(f, "chunks", name, FF_I64_T, "chunk", column, ctx);
}

ff_err ff_chunks_put(ff_h5 *f, const struct ff_chunks *c, ff_ctx *ctx)
{
    const size_t n = (size_t)c->n * (size_t)c->narrays;
    int64_t *size = malloc((n ? n : 1) * sizeof *size); /* (n, narrays), and a column of n before */
    uint8_t *sha256 = malloc(n * DIGEST + 1);           /* (n, narrays, DIGEST) */
    ff_err err = size && sha256 ? put_dims(f, c, ctx) : no_memory(ctx);
    if (!err) err = put_column(f, c, "first", offsetof(struct ff_chunk, first), size, ctx);
    if (!err) err = put_column(f, c, "count", offsetof(struct ff_chunk, count), size, ctx);
    if (!err) err = put_column(f, c, "valid", offsetof(struct ff_chunk, valid), size, ctx);
    for (size_t k = 0; !err && k < n; k++) {
        const struct ff_chunk *chunk = &c->chunk[k / (size_t)c->narrays];
        const size_t a = k % (size_t)c->narrays;
        size[k] = chunk->size[a];
        digest_of(chunk->sha256[a], sha256 + k * DIGEST);
    }
    if (!err) err = ff_h5_put(f, "chunks", "size", FF_I64_T, "chunk array", size, ctx);
    if (!err) err = ff_h5_put(f, "chunks", "sha256", FF_U8_T, "chunk array byte", sha256, ctx);
    free(size);
    free(sha256);
    return err;
}

/* ---- the child ---- */

struct wanted {
    const char *path;
    long from, most;
};

struct head {
    int64_t total, n, narrays;
    char observable[16], noise[16];
};

static ff_err read_text(ff_h5r *f, const char *name, char out[16], ff_ctx *ctx)
{
    char *text;
    const ff_err err = ff_h5r_attr_text(f, "chunks", name, 15, &text, ctx);
    if (err) return err;
    snprintf(out, 16, "%s", text);
    free(text);
    return FF_OK;
}

static ff_err read_head(ff_h5r *f, const struct wanted *w, struct head *h, ff_ctx *ctx)
{
    int rank;
    long shape[FF_MAX_RANK];
    if (!ff_h5r_has(f, "chunks"))
        return ff_fail(ctx, FF_ENOTFOUND, FF_HERE, "the draws of the result are in no files of their own");
    ff_err err = ff_h5r_shape(f, "chunks/size", &rank, shape, ctx);
    if (err) return err;
    if (rank != 2 || shape[0] < 1 || shape[0] > FF_MAX_CHUNKS || shape[1] < FF_CHUNK_SCORE ||
        shape[1] > FF_CHUNK_ARRAYS)
        return ff_fail(ctx, FF_EBADFILE, FF_HERE, "/chunks/size is no (chunk, array)");
    if (w->from < 0 || w->from >= shape[0])
        return ff_fail(ctx, FF_ERANGE, FF_HERE, "there are %ld chunks, from 0; asked for was %ld", shape[0], w->from);
    const long left = shape[0] - w->from;
    *h = (struct head){.total = shape[0], .n = w->most < left ? w->most : left, .narrays = shape[1]};
    err = read_text(f, "observable", h->observable, ctx);
    return err ? err : read_text(f, "noise", h->noise, ctx);
}

/* Rows of /chunks/NAME, each of `row` numbers; *data malloc'ed. */
static ff_err read_rows(ff_h5r *f, const char *name, enum ff_type type, const struct wanted *w, const struct head *h,
                        long row, void **data, ff_ctx *ctx)
{
    char path[32];
    int rank;
    long shape[FF_MAX_RANK] = {0}, n = 1;
    snprintf(path, sizeof path, "chunks/%s", name);
    ff_err err = ff_h5r_rows(f, path, type, w->from, (long)h->n, row * FF_MAX_CHUNKS, data, &rank, shape, ctx);
    if (err) return err;
    for (int i = 1; i < rank; i++) n *= shape[i];
    if (n == row) return FF_OK;
    free(*data);
    *data = NULL;
    return ff_fail(ctx, FF_EBADFILE, FF_HERE, "/%s does not fit the number of arrays", path);
}

static ff_err read_column(ff_h5r *f, const char *name, size_t offset, const struct wanted *w, const struct head *h,
                          struct ff_chunk *chunk, ff_ctx *ctx)
{
    void *rows;
    const ff_err err = read_rows(f, name, FF_I64_T, w, h, 1, &rows, ctx);
    if (err) return err;
    for (int64_t i = 0; i < h->n; i++) memcpy((char *)&chunk[i] + offset, (int64_t *)rows + i, sizeof(int64_t));
    free(rows);
    return FF_OK;
}

static ff_err read_arrays(ff_h5r *f, const struct wanted *w, const struct head *h, struct ff_chunk *chunk, ff_ctx *ctx)
{
    void *size = NULL, *sha256 = NULL;
    ff_err err = read_rows(f, "size", FF_I64_T, w, h, (long)h->narrays, &size, ctx);
    if (!err) err = read_rows(f, "sha256", FF_U8_T, w, h, (long)h->narrays * DIGEST, &sha256, ctx);
    for (int64_t k = 0; !err && k < h->n * h->narrays; k++) {
        struct ff_chunk *c = &chunk[k / h->narrays];
        const int64_t a = k % h->narrays;
        const uint8_t *digest = (const uint8_t *)sha256 + k * DIGEST;
        c->size[a] = ((const int64_t *)size)[k];
        for (int i = 0; i < DIGEST; i++) snprintf(c->sha256[a] + 2 * i, 3, "%02x", digest[i]);
    }
    free(size);
    free(sha256);
    return err;
}

static ff_err read_in_child(void *arg, void **bytes, size_t *size, ff_ctx *ctx)
{
    const struct wanted *w = arg;
    struct head h;
    ff_h5r *f;
    char *block = NULL;
    ff_err err = ff_h5r_open(&f, w->path, ctx);
    if (!err) err = read_head(f, w, &h, ctx);
    if (!err && !(block = calloc(1, sizeof h + (size_t)h.n * sizeof(struct ff_chunk)))) err = no_memory(ctx);
    struct ff_chunk *chunk = block ? (struct ff_chunk *)(void *)(block + sizeof h) : NULL;
    if (!err) err = read_column(f, "first", offsetof(struct ff_chunk, first), w, &h, chunk, ctx);
    if (!err) err = read_column(f, "count", offsetof(struct ff_chunk, count), w, &h, chunk, ctx);
    if (!err) err = read_column(f, "valid", offsetof(struct ff_chunk, valid), w, &h, chunk, ctx);
    if (!err) err = read_arrays(f, w, &h, chunk, ctx);
    if (!err) {
        memcpy(block, &h, sizeof h);
        *bytes = block;
        *size = sizeof h + (size_t)h.n * sizeof(struct ff_chunk);
    } else {
        free(block);
    }
    ff_h5r_close(f);
    return err;
}

/* ---- the parent ---- */

static bool good_hash(const char *text)
{
    return memchr(text, '\0', FF_HASH_SIZE) == text + FF_HASH_SIZE - 1 &&
           strspn(text, "0123456789abcdef") == FF_HASH_SIZE - 1;
}

static bool good_chunk(const struct ff_chunk *c, int narrays, int64_t first)
{
    bool good = c->first == first && c->count >= 1 && c->count <= MAX_DRAWS && c->first <= MAX_DRAWS && c->valid >= 0 &&
                c->valid <= c->count;
    for (int a = 0; good && a < narrays; a++)
        good = c->size[a] > 0 && c->size[a] <= MAX_FILE && good_hash(c->sha256[a]);
    return good;
}

static ff_err take(struct ff_chunks *out, const struct wanted *w, const char *block, size_t size, ff_ctx *ctx)
{
    struct head h = {0};
    if (size >= sizeof h) memcpy(&h, block, sizeof h);
    bool good = h.n >= 1 && h.n <= w->most && h.total <= FF_MAX_CHUNKS && h.n <= h.total - w->from &&
                h.narrays >= FF_CHUNK_SCORE && h.narrays <= FF_CHUNK_ARRAYS && !h.observable[15] && !h.noise[15] &&
                size == sizeof h + (size_t)h.n * sizeof *out->chunk;
    if (good && !(out->chunk = malloc((size_t)h.n * sizeof *out->chunk))) return no_memory(ctx);
    if (good) memcpy(out->chunk, block + sizeof h, (size_t)h.n * sizeof *out->chunk);
    for (int64_t i = 0; good && i < h.n; i++) {
        const struct ff_chunk *c = &out->chunk[i];
        const int64_t first = i ? c[-1].first + c[-1].count : w->from ? c->first : 0;
        good = first >= w->from && good_chunk(c, (int)h.narrays, first);
    }
    if (!good) {
        ff_chunks_done(out);
        return ff_fail(ctx, FF_EBADFILE, FF_HERE, "%s: its list of chunks is damaged", w->path);
    }
    out->total = (long)h.total;
    out->n = (long)h.n;
    out->narrays = (int)h.narrays;
    memcpy(out->observable, h.observable, sizeof out->observable);
    memcpy(out->noise, h.noise, sizeof out->noise);
    return FF_OK;
}

ff_err ff_chunks_read(struct ff_chunks *out, const char *path, long from, long most, ff_ctx *ctx)
{
    struct wanted w = {path, from, most < FF_MAX_CHUNKS ? most : FF_MAX_CHUNKS};
    void *block = NULL;
    size_t size = 0;
    *out = (struct ff_chunks){0};
    ff_err err = ff_guard(path, read_in_child, &w, WORK_BYTES, SECONDS, &block, &size, ctx);
    if (!err) err = take(out, &w, block, size, ctx);
    free(block);
    return err;
}
