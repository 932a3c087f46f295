/* worker/gang/together.c - see together.h. */
#include "worker/gang/together.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "worker/core/share.h"

enum { BLOCK = 1 << 22 };

/* ---- the task ---- */

struct numbers {
    double checkpoint_s;
    int threads;
    size_t body; /* bytes of its text */
};

ff_err ff_together_tell(const struct ff_comm *c, const struct ff_work *work, const struct ff_work_io *io, ff_ctx *ctx)
{
    char *text = json_dumps(work->body, JSON_COMPACT);
    struct numbers told = {.checkpoint_s = io->checkpoint_s, .threads = io->threads, .body = text ? strlen(text) : 0};
    ff_err err = ff_share(c, &told, sizeof told, ctx);
    if (!err && text) err = ff_share(c, text, told.body, ctx);
    free(text);
    if (!err && !told.body) err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for the text of a task");
    return ff_share_error(c, err, ctx);
}

static ff_err read_body(const struct ff_comm *c, size_t size, json_t **body, ff_ctx *ctx)
{
    char *text = malloc(size + 1);
    ff_err err = text ? ff_share(c, text, size, ctx)
                      : ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a task of %zu bytes", size);
    if (!err) *body = json_loadb(text, size, 0, NULL);
    if (!err && !*body) err = ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a task of %zu bytes", size);
    free(text);
    return err;
}

ff_err ff_together_hear(const struct ff_comm *c, struct ff_heard *out, ff_ctx *ctx)
{
    struct numbers told = {0};
    *out = (struct ff_heard){0};
    ff_err err = ff_share(c, &told, sizeof told, ctx);
    if (!err && told.body) err = read_body(c, told.body, &out->body, ctx);
    err = ff_share_error(c, err, ctx);
    if (err) return err;
    out->io = (struct ff_work_io){.threads = told.threads, .checkpoint_s = told.checkpoint_s, .sink = ff_mute_sink()};
    ff_work_name(&out->work, out->body);
    return FF_OK;
}

void ff_heard_done(struct ff_heard *h)
{
    for (int i = 0; i < h->work.ndatasets; i++)
        if (h->work.dataset[i].path[0]) remove(h->work.dataset[i].path);
    json_decref(h->body);
    *h = (struct ff_heard){0};
}

ff_err ff_together_all(const struct ff_comm *c, bool mine, bool *all, ff_ctx *ctx)
{
    double missing = mine ? 0 : 1;
    const ff_err err = c->allreduce_f64(c, &missing, 1, ctx);
    *all = missing == 0;
    return err;
}

/* ---- datasets ---- */

static ff_err failed(const char *path, ff_ctx *ctx)
{
    return ff_fail(ctx, errno == ENOSPC || errno == EDQUOT ? FF_EDISKFULL : FF_EIO, FF_HERE, "%s: %s", path,
                   strerror(errno));
}

/* One file, block by block; a rank that cannot go on takes part to the end, and says so then. file: NULL for such a rank. */
static ff_err share_file(const struct ff_comm *c, FILE *file, const char *path, ff_ctx *ctx)
{
    const bool lead = c->rank == 0;
    char *block = malloc(BLOCK);
    ff_err err = block ? FF_OK : ff_fail(ctx, FF_ENOMEM, FF_HERE, "no memory for a block of a file");
    err = ff_share_error(c, err ? err : file ? FF_OK : failed(path, ctx), ctx);
    for (size_t n = BLOCK; !err && n == BLOCK;) {
        n = lead ? fread(block, 1, BLOCK, file) : 0;
        ff_err own = lead && ferror(file) ? failed(path, ctx) : FF_OK;
        err = ff_share(c, &n, sizeof n, ctx);
        if (!err) err = ff_share(c, block, n, ctx);
        if (!err && !lead && fwrite(block, 1, n, file) != n) own = failed(path, ctx);
        if (!err) err = ff_share_error(c, own, ctx);
    }
    free(block);
    return err;
}

static ff_err share_dataset(const struct ff_comm *c, const char *path, ff_ctx *ctx)
{
    const bool lead = c->rank == 0;
    FILE *file = path[0] ? fopen(path, lead ? "rbe" : "wbe") : NULL;
    ff_err err = share_file(c, file, path, ctx);
    if (file && fclose(file) && !lead && !err) err = failed(path, ctx);
    return ff_share_error(c, err, ctx);
}

/* Where this rank puts them. */
static ff_err make_room(struct ff_work *work, struct ff_scratch *scratch, const char *place, ff_ctx *ctx)
{
    char folder[FF_GANG_PATH + 16];
    ff_err err = ff_scratch_make(scratch, place, ctx);
    if (err) return err;
    work->base = scratch->path;
    snprintf(folder, sizeof folder, "%s/datasets", scratch->path);
    if (mkdir(folder, 0700) && errno != EEXIST) return failed(folder, ctx);
    return ff_work_name_datasets(work, ctx);
}

ff_err ff_together_datasets(const struct ff_comm *c, struct ff_work *work, struct ff_scratch *scratch,
                            const char *place, ff_ctx *ctx)
{
    const size_t n = json_array_size(json_object_get(work->body, "datasets"));
    ff_err err = FF_OK;
    if (n > 0) err = ff_share_error(c, c->rank == 0 ? FF_OK : make_room(work, scratch, place, ctx), ctx);
    for (size_t i = 0; i < n && !err; i++) err = share_dataset(c, work->dataset[i].path, ctx);
    return err;
}
