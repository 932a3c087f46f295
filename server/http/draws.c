/* server/http/draws.c - GET /v1/jobs/{job}/draws?start=&count=: rows of a draws job as consecutive .npy, from the result or,
** while the job runs, from the chunks that are done. */
#include <stdlib.h>
#include <string.h>

#include "common/job.h"
#include "server/http/look.h"
#include "server/http/plan.h"
#include "server/http/reply.h"

/* How many draws fit into one answer. */
static ff_err most_draws(const struct ff_look *look, bool test_kinds, long *most, double *one, ff_ctx *ctx)
{
    struct ff_job *job = NULL;
    if (strcmp(look->job.kind, "draws") != 0)
        return ff_fail(ctx, FF_ENOTFOUND, FF_HERE, "the job has no draws: it is a job of kind %s", look->job.kind);
    ff_err err = ff_job_parse_posted(&job, look->spec, strlen(look->spec), test_kinds, ctx);
    if (err) return err;
    *one = ff_plan_draw_bytes(job);
    *most = *one < FF_ANSWER_MAX ? (long)(FF_ANSWER_MAX / *one) : 1;
    ff_job_free(job);
    return FF_OK;
}

static ff_err reply(struct ff_request *r, const struct ff_look *look, long start, long count, ff_ctx *ctx)
{
    long most = 0;
    double one = 0;
    void *bytes = NULL;
    size_t size = 0;
    ff_err err = most_draws(look, r->http->config.test_kinds, &most, &one, ctx);
    if (!err && count > most)
        err = ff_fail_at(ctx, FF_EBADREQUEST, "count", FF_HERE, "too many draws at once; allowed: at most %ld", most);
    if (!err && !count) count = most < 256 ? most : 256;
    if (!err) err = ff_request_hold(r, (long long)((double)count * one), ctx);
    if (err) return err;
    const struct ff_draws_request request = {.job = r->match.args[0],
                                             .result = look->has_result ? look->result.path : NULL,
                                             .chunked = look->result.chunk_bytes > 0,
                                             .attempts = look->done,
                                             .start = start,
                                             .count = count};
    err = ff_storehouse_draws(r->http->config.store, &request, &bytes, &size, ctx);
    if (err == FF_ECORRUPT && request.chunked) ff_look_corrupt(r, &look->result);
    return err ? err : ff_reply_bytes(r, MHD_HTTP_OK, "application/x-npy", bytes, size, ctx);
}

/* *moved: the chunks may have become a result while they were read. */
static ff_err answer(struct ff_request *r, long start, long count, bool *moved, ff_ctx *ctx)
{
    struct ff_look look;
    ff_err err = ff_look_all(r, &look, ctx);
    if (err) return err;
    err = reply(r, &look, start, count, ctx);
    *moved = err == FF_ENOTFOUND && !look.has_result && json_object_size(look.done) > 0;
    ff_look_done(&look);
    return err;
}

ff_err ff_get_draws(struct ff_request *r, ff_ctx *ctx)
{
    long start, count;
    bool moved = false;
    ff_err err = ff_query_number(&r->query, "start", 0, LONG_MAX / 2, 0, &start, ctx);
    if (!err) err = ff_query_number(&r->query, "count", 1, LONG_MAX / 2, 0, &count, ctx);
    if (!err) err = answer(r, start, count, &moved, ctx);
    if (!moved) return err;
    ff_ctx_clear(ctx);
    return answer(r, start, count, &moved, ctx);
}
