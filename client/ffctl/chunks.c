/* client/ffctl/chunks.c - see chunks.h. While it is fetched, OUT.d also has the result as the server has it and .npy
** files of the chunk in hand. */
#include "client/ffctl/chunks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/model.h"
#include "common/publish.h"
#include "files/chunk_file.h"

struct fetching {
    struct ff_remote *r;
    ff_ctx *ctx;
    const char *id, *path;
    char folder[FF_PATH_SIZE], base[FF_PATH_SIZE + 16]; /* OUT.d, OUT.d/result.h5 */
    const char *folder_name;                            /* its last part */
    struct ff_chunks chunks;
    int64_t done, total; /* bytes */
    void (*progress)(void *self, int64_t done, int64_t total);
    void *self;
};

static void tell(void *self, int64_t done, int64_t total)
{
    const struct fetching *f = self;
    (void)total; /* of the file in hand */
    if (f->progress) f->progress(f->self, f->done + done, f->total);
}

/* ---- one chunk ---- */

struct chunk_files {
    char h5[FF_PATH_SIZE + 48], npy[FF_CHUNK_ARRAYS][FF_PATH_SIZE + 64];
    const char *paths[FF_CHUNK_ARRAYS];
};

static void name_files(const struct fetching *f, long number, struct chunk_files *names)
{
    snprintf(names->h5, sizeof names->h5, "%s/draws-%ld.h5", f->folder, number);
    for (int a = 0; a < FF_CHUNK_ARRAYS; a++) {
        snprintf(names->npy[a], sizeof names->npy[a], "%s/draws-%ld.%s.npy", f->folder, number,
                 ff_chunk_arrays[a].name);
        names->paths[a] = names->npy[a];
    }
}

static ff_err get_arrays(struct fetching *f, long number, const struct chunk_files *names)
{
    char from[160];
    const struct ff_chunk *chunk = &f->chunks.chunk[number];
    for (int a = 0; a < f->chunks.narrays; a++) {
        snprintf(from, sizeof from, "/v1/jobs/%s/chunks/draws-%ld/%s", f->id, number, ff_chunk_arrays[a].name);
        const ff_err err = ff_client_download(f->r->client, from, names->npy[a], true, tell, f, f->ctx);
        if (err) return err;
        f->done += chunk->size[a];
    }
    return FF_OK;
}

/* Is the chunk here already? Then its bytes count as done. */
static bool have(struct fetching *f, const struct ff_chunk *chunk, const char *path)
{
    ff_ctx ignored = {0};
    if (ff_chunk_file_check(path, chunk, f->chunks.narrays, &ignored)) return false;
    for (int a = 0; a < f->chunks.narrays; a++) f->done += chunk->size[a];
    tell(f, 0, 0);
    return true;
}

static ff_err get_chunk(struct fetching *f, long number)
{
    struct chunk_files names;
    const struct ff_chunk *chunk = &f->chunks.chunk[number];
    const int narrays = f->chunks.narrays;
    name_files(f, number, &names);
    if (have(f, chunk, names.h5)) return FF_OK;
    ff_err err = get_arrays(f, number, &names);
    if (!err) err = ff_chunk_file_write(names.h5, names.paths, chunk, narrays, f->ctx);
    if (!err) err = ff_chunk_file_check(names.h5, chunk, narrays, f->ctx);
    for (int a = 0; a < narrays && !err; a++) unlink(names.npy[a]);
    return err;
}

/* ---- all of them as one ---- */

static ff_err show_arrays(struct fetching *f, ff_h5 *h5, struct ff_h5_source *sources)
{
    const struct ff_chunks *c = &f->chunks;
    const bool components = strcmp(c->observable, "convergence") != 0;
    ff_err err = FF_OK;
    for (long i = 0; i < c->n; i++) {
        const int n = snprintf(sources[i].file, sizeof sources[i].file, "%s/draws-%ld.h5", f->folder_name, i);
        if (n >= (int)sizeof sources[i].file)
            return ff_fail(f->ctx, FF_EUSAGE, FF_HERE, "%s has a name that is too long", f->path);
        sources[i].count = (long)c->chunk[i].count;
    }
    for (int a = 0; !err && a < c->narrays; a++)
        err = ff_h5_put_virtual(h5, "draws", ff_chunk_arrays[a].name, ff_chunk_arrays[a].type,
                                ff_chunk_dims(a, components), sources, c->n, f->ctx);
    if (!err) err = ff_h5_attr_text(h5, "draws/x", "observable", c->observable, f->ctx);
    if (!err) err = ff_h5_attr_text(h5, "draws/x", "noise", c->noise, f->ctx);
    return err;
}

/* The result has been read by a limited child before; it is opened for writing here. */
static ff_err join(struct fetching *f)
{
    ff_h5 *h5;
    struct ff_h5_source *sources = calloc((size_t)f->chunks.n, sizeof *sources);
    if (!sources) return ff_fail(f->ctx, FF_ENOMEM, FF_HERE, "no memory for the names of %ld files", f->chunks.n);
    ff_err err = ff_h5_create_from(&h5, f->path, f->base, f->ctx);
    if (!err) {
        err = show_arrays(f, h5, sources);
        if (err) {
            ff_h5_abandon(h5);
        } else {
            err = ff_h5_close(h5, f->ctx);
        }
    }
    free(sources);
    return err;
}

/* ---- the whole ---- */

static ff_err prepare(struct fetching *f)
{
    const char *slash = strrchr(f->path, '/');
    const int n = snprintf(f->folder, sizeof f->folder, "%s.d", f->path);
    if (n >= (int)sizeof f->folder) return ff_fail(f->ctx, FF_EUSAGE, FF_HERE, "%s has too many characters", f->path);
    f->folder_name = slash ? f->folder + (slash - f->path) + 1 : f->folder;
    snprintf(f->base, sizeof f->base, "%s/result.h5", f->folder);
    if (mkdir(f->folder, 0777) == 0 || errno == EEXIST) return FF_OK;
    return ff_write_fail(f->ctx, errno, f->folder, strerror(errno));
}

static ff_err fetch(struct fetching *f)
{
    char from[96];
    snprintf(from, sizeof from, "/v1/jobs/%s/result", f->id);
    ff_err err = ff_client_download(f->r->client, from, f->base, false, NULL, NULL, f->ctx);
    if (!err) err = ff_chunks_read(&f->chunks, f->base, 0, FF_MAX_CHUNKS, f->ctx);
    for (long i = 0; !err && i < f->chunks.n; i++)
        err = ff_remote_signals(f->r) ? ff_fail(f->ctx, FF_EINTERRUPTED, FF_HERE, "interrupted") : get_chunk(f, i);
    if (!err) err = join(f);
    if (!err) unlink(f->base);
    return err;
}

ff_err ff_fetch_chunks(struct ff_remote *r, const char *id, const char *path, int64_t total,
                       void (*progress)(void *self, int64_t done, int64_t total), void *self)
{
    struct fetching f = {
        .r = r, .ctx = &r->cli->ctx, .id = id, .path = path, .total = total, .progress = progress, .self = self};
    ff_err err = prepare(&f);
    if (!err) err = fetch(&f);
    ff_chunks_done(&f.chunks);
    return err;
}
