/* server/store/draws_chunks.c - draws of a running job, and of a result whose arrays stay in the files of its chunks. A
** finished chunk has its rows as theta.npy, x.npy, valid.npy and, where asked for, score.npy in its attempt's folder
** (draws-N.<attempt>). Rows are numbered as in the result to come, so what can be had of a running job are the chunks
** from the first one on, up to the first that is not finished. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "files/npy.h"
#include "server/store/draws.h"
#include "server/store/rows.h"

/* What an answer is made from. */
struct source {
    ff_storehouse *s;
    const struct ff_draws_request *r;
    const struct ff_chunks *index; /* NULL: the job is running */
};

int ff_house_chunk_folder(const ff_storehouse *s, const char *job, const json_t *attempts, long number)
{
    char task[32];
    snprintf(task, sizeof task, "draws-%ld", number);
    const json_t *attempt = json_object_get(attempts, task);
    return attempt ? ff_house_attempt_folder(s, job, task, json_integer_value(attempt)) : -1;
}

static int chunk_folder(const struct source *from, long number)
{
    return ff_house_chunk_folder(from->s, from->r->job, from->r->attempts, number);
}

static void file_name(const struct ff_house_array *array, char out[32])
{
    snprintf(out, 32, "%s.npy", array->name);
}

/* Rows of chunk `number`, which is in this folder. */
static ff_err count_rows(const struct source *from, long number, int folder, long *rows, ff_ctx *ctx)
{
    struct ff_house_npy npy;
    if (from->index) {
        *rows = (long)from->index->chunk[number].count;
        return FF_OK;
    }
    ff_err err = ff_house_npy_open(&npy, folder, "theta.npy", ctx);
    if (err) return err;
    *rows = npy.head.rank > 0 ? npy.head.shape[0] : 0;
    ff_house_npy_close(&npy);
    return FF_OK;
}

/* How many rows there are from the first on. */
static ff_err count_all(const struct source *from, long *have, ff_ctx *ctx)
{
    *have = 0;
    if (from->index) {
        const struct ff_chunk *last = &from->index->chunk[from->index->n - 1];
        *have = (long)(last->first + last->count);
        return FF_OK;
    }
    for (long number = 0;; number++) {
        long rows = 0;
        const int folder = chunk_folder(from, number);
        if (folder < 0) return FF_OK;
        ff_err err = count_rows(from, number, folder, &rows, ctx);
        close(folder);
        if (err == FF_ENOTFOUND) return FF_OK;
        if (err) return err;
        if (__builtin_add_overflow(*have, rows, have)) return ff_fail(ctx, FF_EBADFILE, FF_HERE, "too many draws");
    }
}

/* One array of the answer, filled chunk by chunk. */
struct filling {
    const struct ff_house_array *array;
    int number;        /* of the array */
    long start, count; /* rows of the answer */
    int rank;
    long shape[FF_MAX_RANK]; /* of the first chunk that gave any; shape[0] is the answer's */
    long row;                /* numbers of a row */
    char *data;              /* (count, row) */
    bool absent;             /* an optional array that a chunk does not have: the answer has none */
};

/* The shape of the rows, by the first chunk; the others have to agree. */
static ff_err fit(struct filling *f, const struct ff_house_npy *npy, long rows, size_t *total, ff_ctx *ctx)
{
    const struct ff_npy_header *h = &npy->head;
    const size_t rest = h->rank > 1 ? (size_t)(h->rank - 1) * sizeof *h->shape : 0;
    bool same = h->rank >= 1 && h->shape[0] == rows;
    if (same && f->data) same = h->rank == f->rank && !memcmp(h->shape + 1, f->shape + 1, rest);
    if (!same) return ff_fail(ctx, FF_EBADFILE, FF_HERE, "the chunks of \"%s\" do not fit together", f->array->name);
    if (f->data) return FF_OK;
    f->rank = h->rank;
    memcpy(f->shape, h->shape, (size_t)h->rank * sizeof *h->shape);
    f->shape[0] = f->count;
    f->row = ff_house_npy_row(npy);
    ff_err err = ff_house_draws_fit(total, f->count, f->row, f->array->size, ctx);
    if (err) return err;
    f->data = malloc((size_t)f->count * (size_t)f->row * f->array->size + 1);
    return f->data ? FF_OK : ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for draws");
}

/* A part of a result that is missing is no missing part. */
static ff_err check_file(const struct source *from, const struct filling *f, const struct ff_chunk *chunk,
                         const struct ff_house_npy *npy, ff_err err, ff_ctx *ctx)
{
    if (err == FF_ENOTFOUND)
        return ff_fail(ctx, FF_ECORRUPT, FF_HERE, "a file of draws of %s was stored and is not there", from->r->job);
    return err ? err : ff_house_index_check(from->s, npy->fd, npy->name, chunk, f->number, ctx);
}

/* The rows of one chunk (first .. first+rows of all) that the answer wants. chunk: what its files have to be, or
** NULL. */
static ff_err fill_chunk(const struct source *from, struct filling *f, const struct ff_chunk *chunk, int folder,
                         long first, long rows, size_t *total, ff_ctx *ctx)
{
    struct ff_house_npy npy;
    char name[32];
    file_name(f->array, name);
    ff_err err = ff_house_npy_open(&npy, folder, name, ctx);
    if (err == FF_ENOTFOUND && f->array->optional && !chunk) {
        f->absent = true;
        return FF_OK;
    }
    if (chunk) err = check_file(from, f, chunk, &npy, err, ctx);
    if (!err) err = fit(f, &npy, rows, total, ctx);
    if (err) {
        ff_house_npy_close(&npy);
        return err;
    }
    const long begin = f->start > first ? f->start - first : 0; /* in the chunk */
    const long left = f->start + f->count - first, end = left < rows ? left : rows;
    if (end > begin) {
        char *to = f->data + (size_t)(first + begin - f->start) * (size_t)f->row * f->array->size;
        err = ff_house_npy_read(&npy, f->array->type, begin * f->row, (end - begin) * f->row, to, ctx);
    }
    ff_house_npy_close(&npy);
    return err;
}

/* Every array from every chunk that has wanted rows. A chunk without wanted rows gives the shape when nothing is
** wanted. */
static ff_err fill_all(const struct source *from, struct filling *all, ff_ctx *ctx)
{
    size_t total = 0;
    long first = 0;
    const int narrays = from->index ? from->index->narrays : FF_HOUSE_NDRAWS;
    const long begin = all[0].start, end = begin + all[0].count;
    for (long number = 0; number == 0 || (first < end && begin < end); number++) {
        long rows = 0;
        const struct ff_chunk *chunk = from->index ? &from->index->chunk[number] : NULL;
        const int folder = chunk_folder(from, number);
        if (folder < 0 && chunk)
            return ff_fail(ctx, FF_ECORRUPT, FF_HERE, "chunk %ld of %s was stored and is not there", number,
                           from->r->job);
        if (folder < 0) return ff_fail(ctx, FF_ENOTFOUND, FF_HERE, "draws were moved away while they were read");
        ff_err err = count_rows(from, number, folder, &rows, ctx);
        const bool wanted = end == begin || first + rows > begin;
        for (int i = 0; !err && wanted && i < narrays; i++)
            err = fill_chunk(from, &all[i], chunk, folder, first, rows, &total, ctx);
        close(folder);
        if (err) return err;
        first += rows;
    }
    return FF_OK;
}

static ff_err join(const struct filling *all, void **bytes, size_t *size, ff_ctx *ctx)
{
    size_t room = 0;
    for (int i = 0; i < FF_HOUSE_NDRAWS; i++) {
        room += FF_NPY_HEAD + (size_t)all[i].count * (size_t)all[i].row * all[i].array->size;
    }
    char *out = malloc(room);
    if (!out) return ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for draws");
    size_t n = 0;
    for (int i = 0; i < FF_HOUSE_NDRAWS; i++) {
        const struct filling *f = &all[i];
        if (!f->data || f->absent) continue;
        const size_t length = (size_t)f->count * (size_t)f->row * f->array->size;
        n += ff_npy_head(out + n, f->array->type, f->rank, f->shape);
        memcpy(out + n, f->data, length);
        n += length;
    }
    *bytes = out;
    *size = n;
    return FF_OK;
}

ff_err ff_house_draws_of_chunks(ff_storehouse *s, const struct ff_draws_request *r, const struct ff_chunks *index,
                                void **bytes, size_t *size, ff_ctx *ctx)
{
    struct filling all[FF_HOUSE_NDRAWS];
    const struct source from = {s, r, index};
    long have, count = r->count;
    ff_err err = count_all(&from, &have, ctx);
    if (!err && have == 0) err = ff_fail(ctx, FF_ENOTFOUND, FF_HERE, "no draws are finished yet");
    if (!err) err = ff_house_draws_clip(r->start, &count, have, ctx);
    if (err) return err;
    for (int i = 0; i < FF_HOUSE_NDRAWS; i++) {
        all[i] = (struct filling){.array = &ff_house_arrays[i], .number = i, .start = r->start, .count = count};
    }
    err = ff_house_reader_enter(s, ctx);
    if (err) return err;
    err = fill_all(&from, all, ctx);
    if (!err) err = join(all, bytes, size, ctx);
    ff_house_reader_leave(s);
    for (int i = 0; i < FF_HOUSE_NDRAWS; i++) free(all[i].data);
    return err;
}
