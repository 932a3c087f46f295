/* server/http/workers.c - gangs: listed, drained. */
#include "server/http/body.h"
#include "server/http/reply.h"
#include "server/queue/workers.h"

struct query {
    struct ff_request *r;
    json_t *out;
    struct ff_worker_row row;
};

static ff_err list(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct query *q = arg;
    return ff_workers_list(tx, q->r->who.admin, &q->out, ctx);
}

ff_err ff_get_workers(struct ff_request *r, ff_ctx *ctx)
{
    struct query q = {.r = r};
    ff_err err = ff_queue_read(r->http->config.queue, list, &q, ctx);
    return err ? err : ff_reply_json(r, MHD_HTTP_OK, q.out, ctx);
}

static ff_err find(ff_tx *tx, void *arg, ff_ctx *ctx)
{
    struct query *q = arg;
    return ff_workers_find(tx, q->r->match.args[0], &q->row, ctx);
}

ff_err ff_post_drain(struct ff_request *r, ff_ctx *ctx)
{
    struct query q = {.r = r};
    const char *id = r->match.args[0];
    static const struct ff_member none[] = {{0}};
    json_t *body;
    ff_err err = ff_body_read(r, none, &body, ctx);
    json_decref(body);
    if (!err) err = ff_queue_read(r->http->config.queue, find, &q, ctx);
    if (!err && !r->http->config.dispatch) err = ff_fail(ctx, FF_ENOTFOUND, FF_HERE, "no gang is connected");
    if (!err) err = ff_dispatch_drain(r->http->config.dispatch, id, ctx);
    return err ? err : ff_reply_json(r, MHD_HTTP_ACCEPTED, json_pack("{ss ss}", "id", id, "state", "draining"), ctx);
}
