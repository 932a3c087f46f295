/* server/http/chunks.c - GET /v1/jobs/{job}/chunks/{chunk}/{array}: one of the files in which a large result of draws
** has its arrays, whole or a range of it. */
#include <stdio.h>
#include <unistd.h>

#include "server/http/look.h"
#include "server/http/stored.h"

/* Opened before anything is answered: its size and hash stand in the result. */
struct chunk {
    int fd;
    int64_t size;
    char sha256[65];
};

static ff_err open_chunk(struct ff_request *r, const struct ff_look *look, struct chunk *chunk, ff_ctx *ctx)
{
    if (!look->has_result) return ff_look_no_result(&look->job, ctx);
    if (!look->result.chunk_bytes)
        return ff_fail(ctx, FF_ENOTFOUND, FF_HERE, "the job has no files of chunks: all is in its result");
    const struct ff_chunk_request request = {.job = r->match.args[0],
                                             .result = look->result.path,
                                             .task = r->match.args[1],
                                             .name = r->match.args[2],
                                             .attempts = look->done};
    const ff_err err =
        ff_storehouse_open_chunk(r->http->config.store, &request, &chunk->fd, &chunk->size, chunk->sha256, ctx);
    if (err == FF_ECORRUPT) ff_look_corrupt(r, &look->result);
    return err;
}

static ff_err hand_over(void *self, int *fd, ff_ctx *ctx)
{
    struct chunk *chunk = self;
    (void)ctx;
    *fd = chunk->fd;
    chunk->fd = -1;
    return FF_OK;
}

ff_err ff_get_chunk(struct ff_request *r, ff_ctx *ctx)
{
    struct ff_look look;
    struct chunk chunk = {.fd = -1};
    char name[2 * FF_ARG_SIZE];
    ff_err err = ff_look_all(r, &look, ctx);
    if (err) return err;
    err = open_chunk(r, &look, &chunk, ctx);
    ff_look_done(&look);
    if (err) return err;
    snprintf(name, sizeof name, "%.60s-%.40s.npy", r->match.args[1], r->match.args[2]);
    const struct ff_stored file = {.type = "application/x-npy",
                                   .name = name,
                                   .sha256 = chunk.sha256,
                                   .size = chunk.size,
                                   .open = hand_over,
                                   .self = &chunk};
    err = ff_reply_stored(r, &file, ctx);
    if (chunk.fd >= 0) close(chunk.fd);
    return err;
}
